//! Who of the staff gets what is planned, who stands in for whom, and in which digest it goes, in words.

use jiff::civil::Date;

use crate::calendar::wall;
use crate::model::class::{Channel, ContactKind, Role};
use crate::planning::addressee::{self, Because, To, Turn};
use crate::planning::explain::Case;
use crate::planning::roster::{Absent, Told};
use crate::rules::explain::language::Language;
use crate::rules::explain::{Said, Section};
use crate::rules::plan::PlannedReminder;
use crate::store::reminders::Reminder;

/// Who gets it and when; nothing of what is not for staff, or only stands in for a patient.
pub(super) fn say(
    planned: &PlannedReminder,
    reminder: &Reminder,
    case: &Case<'_>,
    said: &mut Vec<Said>,
) {
    let plan = &reminder.plan;
    let Some(channel) = plan.channels.first().copied() else {
        return;
    };
    if plan.role != Role::Staff || planned.stands_in {
        return;
    }
    let (rule, language) = (case.question.rule, case.language);
    let step = case.book.step(plan);
    let about = case.about(reminder);
    let mut at = plan.due_at;
    let owner = rule.department.clone().unwrap_or_default();
    let day = wall::date(&rule.timezone, at.max(case.question.at));
    let roster = &case.material.roster;
    let (to, because) = addressee::addressee(&about, step, &owner, roster, day);
    said.extend(why(because, &to, case));
    let words = (step, &rule.timezone, case.book);
    let mut turn = addressee::turn(plan, words, &to, channel, &case.material.digests);
    if let Turn::Wait(next) = turn {
        at = next;
        turn = Turn::Gather(addressee::key(&to, channel, next));
    }
    if let To::Department(department) = &to
        && let Some(kind) = channel.contact_kind()
    {
        said.push(by_mail(department, kind, channel, day, case));
    }
    let whom = name(&to, case);
    let shown = language.moment(at, &rule.timezone);
    match turn {
        Turn::Gather(_) => {
            let text = language.pick(
                format!("不单独通知：与{whom}当时要知道的其他事项一起，写进{shown}的一份汇总。"),
                format!(
                    "It is not told by itself: it goes into one digest for {whom} on {shown}, with whatever else is due for them then."
                ),
            );
            said.push(Said::yes(Section::Plan, "digest", text).at(at));
        }
        Turn::Late => {
            let text = language.pick(
                format!("{shown}的汇总已经发出，因此单独通知{whom}。"),
                format!(
                    "The digest of {shown} went out already, so {whom} is told of this by itself."
                ),
            );
            said.push(Said::yes(Section::Plan, "after_digest", text).at(at));
        }
        Turn::Wait(_) | Turn::AtOnce => {}
    }
    if plan.patient.is_none() {
        let count = case.material.many.get(&reminder.id).copied().unwrap_or(1);
        let text = language.pick(
            format!("只通知{whom}一次，写明一共有多少位患者（目前{count}位），不是每位患者一条。"),
            format!(
                "It is one notice with the number of patients ({count} as things stand), not one for each."
            ),
        );
        said.push(Said::yes(Section::Plan, "one_for_all", text).by(count));
    }
}

/// Who is told, as people call them.
fn name(to: &To, case: &Case<'_>) -> String {
    match to {
        To::One(staff) => staff.name.reveal().clone(),
        To::Department(department) => case.names.department(department, case.language),
    }
}

/// Why these are told, where that is not plain.
fn why(because: Because<'_>, to: &To, case: &Case<'_>) -> Option<Said> {
    let language = case.language;
    let who = name(to, case);
    let yes = |reason, text| Some(Said::yes(Section::Recipient, reason, text).by(&who));
    match because {
        Because::Step => None,
        Because::Treats => yes(
            "doctor",
            language.pick(
                format!("发给接诊医生{who}。"),
                format!("It is for the treating doctor, {who}."),
            ),
        ),
        Because::StandsIn(absent) => {
            let (doctor, away) = (absent.staff.name.reveal(), away(absent, language));
            yes(
                "substitute",
                language.pick(
                    format!("接诊医生{doctor}{away}，由{who}代收，并注明是代{doctor}。"),
                    format!(
                        "The treating doctor, {doctor}, {away}: {who} gets it instead and reads for whom."
                    ),
                ),
            )
        }
        Because::NobodyStandsIn(absent) => {
            let (doctor, away) = (absent.staff.name.reveal(), away(absent, language));
            yes(
                "nobody_stands_in",
                language.pick(
                    format!("接诊医生{doctor}{away}，没有人代班，因此发给{who}。"),
                    format!(
                        "The treating doctor, {doctor}, {away}, and nobody stands in: it goes to {who}."
                    ),
                ),
            )
        }
        Because::Unknown(None) => yes(
            "unknown_doctor",
            language.pick(
                format!("病历中没有接诊医生，因此发给{who}。"),
                format!("The record names no treating doctor, so it goes to {who}."),
            ),
        ),
        Because::Unknown(Some(named)) => yes(
            "unknown_doctor",
            language.pick(
                format!("病历中的接诊医生“{named}”在人员名单里对不上唯一的一位，因此发给{who}。"),
                format!(
                    "The record names \"{named}\" as the treating doctor, which is nobody or more than one on the list of staff, so it goes to {who}."
                ),
            ),
        ),
    }
}

/// Since when or until when somebody is not there, after the name.
fn away(absent: Absent<'_>, language: Language) -> String {
    match absent.away.map(|away| away.until) {
        Some(Some(day)) => {
            let day = language.day(day);
            language.pick(format!("不在，到{day}为止"), format!("is away until {day}"))
        }
        Some(None) => language.word("目前不在", "is away"),
        None => language.word("已不在本院工作", "works here no more"),
    }
}

/// Who of a department has an address, and for whom of them others stand in.
fn by_mail(
    department: &str,
    kind: ContactKind,
    channel: Channel,
    day: Date,
    case: &Case<'_>,
) -> Said {
    let language = case.language;
    let has_address = |told: &Told<'_>| match kind {
        ContactKind::Phone => told.staff.phone.is_some(),
        ContactKind::Email => told.staff.email.is_some(),
    };
    let mut told = case.material.roster.members(department, day);
    told.retain(has_address);
    let (who, by) = (
        case.names.department(department, language),
        language.channel(channel),
    );
    if told.is_empty() {
        let text = language.pick(
            format!("{who}没有人登记了可用的{by}地址，因此改为一项待办（除非另有待办）。"),
            format!(
                "Nobody of {who} has an address for {by}, so it becomes a task, unless there is one anyway."
            ),
        );
        return Said::yes(Section::Recipient, "no_staff_address", text);
    }
    let count = told.len();
    let mut text = language.pick(
        format!("{who}有{count}人会收到{by}"),
        format!("Of {who} {count} get the {by}"),
    );
    for one in &told {
        if let Some(absent) = one.instead_of {
            let (name, instead) = (one.staff.name.reveal(), absent.staff.name.reveal());
            let away = away(absent, language);
            text.push_str(&language.pick(
                format!("；{name}代{instead}（{instead}{away}）"),
                format!("; {name} for {instead}, who {away}"),
            ));
        }
    }
    text.push_str(language.pick("。", "."));
    Said::yes(Section::Recipient, "department_by_mail", text).by(count)
}
