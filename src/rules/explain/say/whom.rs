//! Notes as sentences: to whom, by what, and what is planned.

use crate::model::class::{Channel, Class, Role};
use crate::model::patient::ContactStatus;
use crate::rules::explain::language::{Language, Names};
use crate::rules::explain::{Said, Section};
use crate::rules::note::{Chosen, NotChosen, Reach};
use crate::rules::plan::PlannedReminder;
use crate::rules::rule::Rule;

/// Why this one is the one who gets it.
#[expect(
    clippy::too_many_lines,
    reason = "a sentence for each variant, in two languages"
)]
pub(super) fn chosen(chosen: Chosen<'_>, language: Language, names: &Names) -> Said {
    let yes = |reason, text| Said::yes(Section::Recipient, reason, text);
    let beside = |copy: bool| {
        if copy {
            language.pick("，同时也发给患者本人", ", beside the patient")
        } else {
            language.pick("，不发给患者本人", ", instead of the patient")
        }
    };
    match chosen {
        Chosen::Patient { age } => {
            let why = age.map_or_else(
                || {
                    language.word(
                        "出生日期不详，按成年人处理",
                        "of unknown age, so taken as grown up",
                    )
                },
                |age| language.pick(format!("当天{age}岁"), format!("{age} on that day")),
            );
            let text = language.pick(
                format!("应发给患者本人（{why}）。"),
                format!("It is for the patient ({why})."),
            );
            let value = age.map_or_else(|| "unknown".to_owned(), |age| age.to_string());
            yes("to_patient", text).by(value)
        }
        Chosen::Guardian { age, relation } => {
            let who = language.relation(relation);
            let text = language.pick(
                format!("患者当天{age}岁，未成年：发给已同意的监护人（{who}），不发给本人。"),
                format!(
                    "The patient is {age} on that day, a minor: it goes to the consented guardian ({who}), never to the patient."
                ),
            );
            yes("guardian", text).by(age)
        }
        Chosen::Special { relation, copy } => {
            let (who, beside) = (language.relation(relation), beside(copy));
            let text = language.pick(
                format!("患者被标记为特殊照顾：发给已同意的家属（{who}）{beside}。"),
                format!("The patient is marked as special: it goes to the consented family ({who}){beside}."),
            );
            yes("special", text).by(relation)
        }
        Chosen::Old {
            age,
            from,
            relation,
            copy,
        } => {
            let (who, beside) = (language.relation(relation), beside(copy));
            let text = language.pick(
                format!("患者当天{age}岁，规则规定{from}岁起发给已同意的家属（{who}）{beside}。"),
                format!(
                    "The patient is {age} on that day, and from {from} on the rule tells the consented family ({who}){beside}."
                ),
            );
            yes("from_age", text).by(age)
        }
        Chosen::Family { relation } => {
            let who = language.relation(relation);
            let text = language.pick(
                format!("这一步发给已同意的家属（{who}）。"),
                format!("This step is for the consented family ({who})."),
            );
            yes("to_family", text).by(relation)
        }
        Chosen::Fallback { relation } => {
            let who = language.relation(relation);
            let text = language.pick(
                format!("联系不上患者，改发给已同意的家属（{who}）。"),
                format!(
                    "The patient cannot be reached, so it goes to the consented family ({who})."
                ),
            );
            yes("fallback", text).by(relation)
        }
        Chosen::Staff { department } => {
            let who = names.department(department.unwrap_or_default(), language);
            let text = language.pick(
                format!("这一步发给{who}。"),
                format!("This step is for {who}."),
            );
            yes("to_staff", text).by(department.unwrap_or_default())
        }
        Chosen::Task { department } => {
            let who = names.department(department.unwrap_or_default(), language);
            let text = language.pick(
                format!("改为给{who}一项待办，由人工联系。"),
                format!("Instead {who} gets a task, so that a person takes care of it."),
            );
            yes("task_instead", text).by(department.unwrap_or_default())
        }
    }
}

/// Why this one is not.
pub(super) fn not_chosen(why: NotChosen, language: Language) -> Said {
    let no = |reason, text| Said::no(Section::Recipient, reason, text);
    match why {
        NotChosen::Held => no(
            "held",
            language.word(
                "有工作人员暂停了对这位患者的全部消息。",
                "A member of staff holds everything to this patient.",
            ),
        ),
        NotChosen::NoConsent => no(
            "no_consent",
            language.word(
                "没有一位家属同意接收消息。",
                "No member of the family has consented to be told.",
            ),
        ),
        NotChosen::Unreachable => no(
            "no_contact_point",
            language.word(
                "同意接收消息的家属都联系不上。",
                "The members of the family who consented cannot be reached.",
            ),
        ),
        NotChosen::NoGuardian { age } => {
            let text = language.pick(
                format!("患者当天{age}岁，未成年，且没有已同意并能联系上的监护人；不发给本人。"),
                format!(
                    "The patient is {age} on that day, a minor, and there is no consented guardian who can be reached; a minor is never told directly."
                ),
            );
            no("no_guardian", text).by(age)
        }
        NotChosen::NoFallback => no(
            "no_contact_point",
            language.word(
                "联系不上患者，规则也没有可用的替代家属。",
                "The patient cannot be reached, and the rule has no family to turn to.",
            ),
        ),
    }
}

/// Why a channel was taken or left.
pub(super) fn channel(
    role: Role,
    channel: Channel,
    reach: Reach,
    class: Class,
    language: Language,
) -> Said {
    let (name, who) = (language.channel(channel), language.role(role));
    let no = |reason, chinese: String, english: String| {
        // One channel that cannot be used is no end: another may.
        Said::yes(Section::Recipient, reason, language.pick(chinese, english))
    };
    let said = match reach {
        Reach::Usable => no(
            "channel",
            format!("{name}：可用。"),
            format!("By {name}: can be used."),
        ),
        Reach::NoAddress => no(
            "no_contact_point",
            format!("{name}：没有登记{who}的号码或地址。"),
            format!("By {name}: no number or address of {who} is on record."),
        ),
        Reach::Bad(ContactStatus::WrongNumber) => no(
            "wrong_number",
            format!("{name}：登记的号码已被标记为“不是本人”。"),
            format!("By {name}: the number on record is marked as somebody else's."),
        ),
        Reach::Bad(ContactStatus::Invalid | ContactStatus::Ok) => no(
            "invalid_address",
            format!("{name}：登记的号码或地址已停用（无效，或对方已退订）。"),
            format!(
                "By {name}: the number or address on record must not be used (it is invalid, or its owner asked us to stop)."
            ),
        ),
        Reach::RefusedAll => no(
            "opted_out",
            format!("{name}：{who}拒收一切消息。"),
            format!("By {name}: {who} refused everything."),
        ),
        Reach::RefusedClass => {
            let class = language.class(class);
            no(
                "opted_out",
                format!("{name}：{who}拒收{class}。"),
                format!("By {name}: {who} refused {class}."),
            )
        }
        Reach::RefusedChannel => no(
            "opted_out",
            format!("{name}：{who}拒收{name}。"),
            format!("By {name}: {who} refused this way."),
        ),
    };
    said.by(channel)
}

/// What is planned.
pub(super) fn planned(
    reminder: &PlannedReminder,
    rule: &Rule,
    language: Language,
    names: &Names,
) -> Said {
    let at = language.moment(reminder.due_at, &rule.timezone);
    let by = language.channels(&reminder.channels);
    let who = match (reminder.role, &reminder.department) {
        (Role::Staff, Some(department)) => names.department(department, language),
        (role, _) => language.role(role).to_owned(),
    };
    let text = language.pick(
        format!("计划：{at}，以{by}发给{who}。"),
        format!("Planned: on {at}, to {who} by {by}."),
    );
    Said::yes(Section::Plan, "planned", text)
        .by(reminder.role)
        .at(reminder.due_at)
}
