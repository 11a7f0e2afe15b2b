//! What the composer would decide of each planned reminder at its moment, as things stand now.

use jiff::Timestamp;

use crate::gates::{self, Standing, Verdict};
use crate::model::class::Role;
use crate::model::occasion::{Confirmation, Occasion};
use crate::model::patient::OptOut;
use crate::model::phone::address_hash;
use crate::model::reminder::{SkipReason, Unless};
use crate::planning::context::About;
use crate::planning::earlier::{Cleared, cleared, earlier};
use crate::planning::explain::{Case, company, wording};
use crate::rules::explain::language::Language;
use crate::rules::explain::{Line, Said, Section, refusal};
use crate::rules::plan::PlannedReminder;
use crate::store::reminders::Reminder;

/// What the last moment would say of `planned`, which tells `together` of these, and the reason if it would say no.
pub(super) fn last_moment(
    case: &Case<'_>,
    (planned, reminder): (&PlannedReminder, &Reminder),
    together: &[&Occasion],
    said: &mut Vec<Said>,
) -> Option<SkipReason> {
    let (rule, language) = (case.question.rule, case.language);
    let plan = &reminder.plan;
    let about = case.about(reminder);
    let (patient, relation, occasion) = (about.patient, about.relation, about.occasion);
    let counts = plan
        .patient
        .as_ref()
        .map(|id| case.material.counts(id, plan.relation.as_ref(), plan.class))
        .unwrap_or_default();
    let unless = case.book.unless(plan);
    let asked = gates::Case {
        class: plan.class,
        role: plan.role,
        patient,
        relation,
        channels: &plan.channels,
        answer_to: None,
        occasion: plan.occasion.as_ref().map(|_| (occasion, plan.epoch)),
        unless,
        ask: case.book.ask(plan),
        earlier: earlier(&about, case.material, case.house),
        need_consent: case.question.need_consent,
        suppressions: &case.material.standing,
        address_key: &case.house.address_key,
        quiet: rule.quiet,
        zone: &rule.timezone,
        counts,
        caps: case.question.caps,
        planned_at: reminder.created_at,
        due_at: plan.due_at,
        expires_at: plan.expires_at,
    };
    let now = plan.due_at.max(case.question.at);
    if plan.class.is_capped() && plan.role != Role::Staff {
        said.push(caps(counts, case.question.caps, language));
    }
    said.extend(
        unless.map(|unless| self::unless(unless, occasion.map(|o| o.confirmation), language)),
    );
    let mut no = verdict(&asked, now, (case, &about), said);
    if !planned.stands_in || plan.role != Role::Staff {
        let (line, fault) = wording::wording(case, &about, together);
        said.push(line);
        no = no.or(fault);
    }
    no
}

/// What the gates say, put into words; the reason if it is no.
fn verdict(
    asked: &gates::Case<'_>,
    now: Timestamp,
    (case, about): (&Case<'_>, &About<'_>),
    said: &mut Vec<Said>,
) -> Option<SkipReason> {
    let (rule, language) = (case.question.rule, case.language);
    let no = match gates::may_send(asked, now) {
        Verdict::Go(_) => None,
        Verdict::Wait(at) => {
            let shown = language.moment(at, &rule.timezone);
            let text = language.pick(
                format!("届时在免打扰时间内，会等到{shown}再发。"),
                format!("At that moment it is quiet hours: it would wait until {shown}."),
            );
            said.push(Said::yes(Section::Gates, "quiet_hours", text).at(at));
            None
        }
        Verdict::No(reason) => Some(reason),
    };
    match no {
        Some(reason) => {
            let why = cleared(about, case.material, case.house);
            let why = why.filter(|why| why.reason() == reason);
            said.push(match why {
                Some(why) => will_be_needless(why, language),
                None => will_skip(reason, language),
            });
        }
        None if asked.role != Role::Staff => said.push(may_go(language)),
        None => {}
    }
    no
}

fn will_skip(reason: SkipReason, language: Language) -> Said {
    let why = refusal(reason, language);
    let text = language.pick(
        format!("照目前的情况，到时不会发出：{why}。"),
        format!("As things stand it will not go out then: {why}."),
    );
    Said::no(Section::Gates, reason.as_str(), text)
}

/// The same where the record shows what makes it needless.
fn will_be_needless(why: Cleared<'_>, language: Language) -> Said {
    let shows = match why {
        Cleared::Fact(fact, day) => {
            let (what, day) = (language.kind(&fact.kind), language.day(day));
            language.pick(
                format!("病历中有{day}的{what}"),
                format!("the record has a {what} of {day}"),
            )
        }
        Cleared::Came(visit) => {
            let visit = company::told(&visit.kind, visit.when, language);
            language.pick(
                format!("患者已经来过：{visit}"),
                format!("the patient came: {visit}"),
            )
        }
        Cleared::Seen(day) => {
            let day = language.day(day);
            language.pick(
                format!("病历显示患者{day}来就诊过"),
                format!("the record has a visit on {day}"),
            )
        }
        Cleared::Answered => language.word(
            "同一组的提问患者已经答复",
            "the patient answered a question of the same group",
        ),
    };
    let text = language.pick(
        format!("{shows}，因此这一条不再需要，到时不会发出。"),
        format!("It is needless and will not go out then, because {shows}."),
    );
    Said::no(Section::Gates, why.reason().as_str(), text)
}

fn may_go(language: Language) -> Said {
    let text = language.word(
        "照目前的情况，到时没有什么拦着它：患者在世，没有被暂停，没有退订，安排仍然有效。",
        "As things stand nothing will be in its way then: the patient lives, nobody holds it, nobody asked us to stop, and the occasion stands.",
    );
    Said::yes(Section::Gates, "may_go", text)
}

/// How much the recipient had.
pub(super) fn caps(counts: gates::Counts, caps: gates::Caps, language: Language) -> Said {
    let (today, a_day) = (counts.today, caps.a_day);
    let (week, a_week) = (counts.week, caps.a_week);
    let text = language.pick(
        format!("此类消息，收件人今天已收{today}条（上限{a_day}条），最近七天已收{week}条（上限{a_week}条）。"),
        format!(
            "Of messages of this sort the recipient has had {today} of {a_day} today and {week} of {a_week} this week."
        ),
    );
    Said::yes(Section::Gates, "caps", text).by(format!("{today}/{a_day}, {week}/{a_week}"))
}

/// What makes it needless, and how that stands.
pub(super) fn unless(
    unless: Unless,
    confirmation: Option<Confirmation>,
    language: Language,
) -> Said {
    let if_so = match unless {
        Unless::Answered => language.pick(
            "患者若已答复就不再发",
            "It does not go out once the patient has answered",
        ),
        Unless::Confirmed => language.pick(
            "患者若已确认就不再发",
            "It does not go out once the patient has confirmed",
        ),
        Unless::Delivered => language.pick(
            "前一条若已送达就不再发",
            "It does not go out once an earlier message has arrived",
        ),
    };
    let stands = confirmation.map_or(String::new(), |confirmation| {
        let (chinese, english) = match confirmation {
            Confirmation::None => ("目前没有询问过", "so far nobody asked"),
            Confirmation::Awaiting => ("目前尚未答复", "so far there is no answer"),
            Confirmation::Confirmed => ("患者已确认", "the patient has confirmed"),
            Confirmation::Declined => ("患者已表示不来", "the patient said they will not come"),
            Confirmation::ChangeRequested => {
                ("患者已要求改期", "the patient asked for another time")
            }
        };
        language.pick(format!("；{chinese}"), format!("; {english}"))
    });
    let text = language.pick(format!("{if_so}{stands}。"), format!("{if_so}{stands}."));
    let said = Said::yes(Section::Gates, "unless", text);
    match confirmation {
        Some(confirmation) => said.by(confirmation.as_str()),
        None => said.by(unless),
    }
}

/// What stands against the patient's and the family's numbers and addresses.
pub(super) fn standing(case: &Case<'_>) -> Vec<Line> {
    let patient = &case.subject.patient;
    let language = case.language;
    let hashes = |contacts: &[crate::model::patient::ContactPoint]| -> Vec<String> {
        let key = &case.house.address_key;
        let hash =
            |one: &crate::model::patient::ContactPoint| address_hash(key, one.address.reveal());
        contacts.iter().map(hash).collect()
    };
    let own = hashes(&patient.contacts);
    let family: Vec<String> = patient
        .family
        .iter()
        .flat_map(|relation| hashes(&relation.contacts))
        .collect();
    let mut lines = Vec::new();
    for one in &case.material.standing {
        let role = if own.contains(&one.address_hash) {
            Role::Patient
        } else if family.contains(&one.address_hash) {
            Role::Family
        } else {
            continue;
        };
        let said = stands(one, role, case);
        lines.push(said.line("", "", ""));
    }
    lines.dedup_by(|a, b| a.text == b.text && language == case.language);
    lines
}

fn stands(one: &Standing, role: Role, case: &Case<'_>) -> Said {
    let language = case.language;
    let since = language.moment(one.since, &case.question.rule.timezone);
    let who = language.role(role);
    let scope = match one.scope {
        OptOut::All => language.word("全部消息", "everything"),
        OptOut::Class(class) => language.class(class).to_owned(),
        OptOut::Channel(channel) => language.channel(channel).to_owned(),
    };
    let why = refusal(one.reason, language);
    let text = language.pick(
        format!("{who}的一个号码或邮箱自{since}起停止接收{scope}：{why}。"),
        format!("A number or address of {who} takes no {scope} since {since}: {why}."),
    );
    Said::yes(Section::Gates, one.reason.as_str(), text)
        .by(one.scope.as_str())
        .at(one.since)
}
