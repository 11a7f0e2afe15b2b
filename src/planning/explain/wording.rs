//! Which text a planned reminder would say, how long it is or what it lacks, in words.

use crate::model::class::Role;
use crate::model::occasion::Occasion;
use crate::model::reminder::SkipReason;
use crate::planning::context::{self, About};
use crate::planning::explain::Case;
use crate::render::RenderError;
use crate::rules::explain::language::Language;
use crate::rules::explain::{Said, Section};

/// Which template in which language, how long, or what it lacks.
pub(super) fn wording(
    case: &Case<'_>,
    about: &About<'_>,
    together: &[&Occasion],
) -> (Said, Option<SkipReason>) {
    let (plan, language) = (&about.reminder.plan, case.language);
    let template = case.book.template(plan);
    let Some(channel) = plan.channels.first() else {
        let text = language.word("没有可用的方式。", "There is no way to send it.");
        let said = Said::no(Section::Template, "no_contact_point", text);
        return (said, Some(SkipReason::NoContactPoint));
    };
    let (material, house) = (case.material, case.house);
    let values = if together.is_empty() {
        context::context(about, material, house, plan.due_at)
    } else {
        context::context_of_all(about, together, material, house, plan.due_at)
    };
    let languages = context::languages(about, case.house);
    let catalog = &case.book.catalog;
    let rendered = match catalog.render(template, &languages, *channel, &values) {
        Ok(rendered) => rendered,
        Err(fault) => {
            let (said, reason) = no_wording(template, &fault, language);
            return (said, Some(reason));
        }
    };
    let tag = &rendered.language;
    let length = rendered.measure.map_or(String::new(), |measure| {
        let count = measure.segments;
        let many = if count == 1 { "" } else { " messages" };
        language.pick(
            format!("，按{count}条短信计费"),
            format!(", and is charged as {count} SMS{many}"),
        )
    });
    let own = languages.first().is_some_and(|first| *first == tag);
    let why = if plan.role == Role::Staff || !own || languages.len() == 1 {
        language.pick("本院的语言", "the language of the house")
    } else {
        language.pick("收件人的语言", "the language the recipient reads")
    };
    let named = language.language_name(tag);
    let text = language.pick(
        format!("内容用模板“{template}”，以{named}书写（{why}）{length}。"),
        format!("It says what the template \"{template}\" has in {named} ({why}){length}."),
    );
    (Said::yes(Section::Template, "template", text).by(tag), None)
}

/// Why there is no text.
fn no_wording(template: &str, fault: &RenderError, language: Language) -> (Said, SkipReason) {
    match fault {
        RenderError::MissingValue { path, .. } => {
            let what = value(path, language);
            let text = language.pick(
                format!("消息（模板“{template}”）里要写{what}，病历中没有，因此发不出；科室会收到一项待办。"),
                format!(
                    "The message (template \"{template}\") has to name {what}, which the records do not have: it cannot go out, and the department gets a task."
                ),
            );
            let said = Said::no(Section::Template, "missing_value", text).by(path);
            (said, SkipReason::MissingValue)
        }
        RenderError::UnknownTemplate { .. }
        | RenderError::NoText { .. }
        | RenderError::Fault { .. }
        | RenderError::Parse { .. }
        | RenderError::TooLong { .. }
        | RenderError::Unreadable { .. } => {
            let text = language.pick(
                format!("模板“{template}”用不了，请负责规则的人检查（{fault}）。"),
                format!(
                    "The template \"{template}\" cannot be used; who keeps the rule should look at it ({fault})."
                ),
            );
            let said = Said::no(Section::Template, "template_fault", text).by(template);
            (said, SkipReason::TemplateFault)
        }
    }
}

/// What a template prints, as people call it; what is not known as it is written.
fn value(path: &str, language: Language) -> String {
    let known = [
        ("site.name", "医院名称", "the hospital's name"),
        ("site.phone", "医院的电话", "the hospital's phone number"),
        ("patient.name", "患者姓名", "the patient's name"),
        ("patient.given", "患者的名", "the patient's given name"),
        ("patient.family", "患者的姓", "the patient's family name"),
        ("patient.age", "患者年龄", "the patient's age"),
        ("recipient.name", "收件人姓名", "the recipient's name"),
        ("occasion.date", "日期", "the date"),
        ("occasion.clock", "几点钟", "the time of day"),
        ("occasion.doctor", "医生", "the doctor"),
        ("occasion.place", "地点", "the place"),
        ("occasion.department", "科室", "the department"),
    ];
    let found = known.iter().find(|(word, ..)| *word == path);
    found.map_or_else(
        || language.pick(format!("“{path}”"), format!("\"{path}\"")),
        |(_, chinese, english)| language.word(chinese, english),
    )
}
