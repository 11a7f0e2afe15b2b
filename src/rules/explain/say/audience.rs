//! Who the rule is for, and whether the record shows that it is done, as sentences.

use jiff::civil::Date;

use crate::model::patient::Sex;
use crate::rules::explain::language::Language;
use crate::rules::explain::{Said, Section};
use crate::rules::note::Asked;

fn sex(sex: Sex, language: Language) -> &'static str {
    match sex {
        Sex::Female => language.pick("女", "female"),
        Sex::Male => language.pick("男", "male"),
        Sex::Other => language.pick("其他", "other"),
        Sex::Unknown => language.pick("不详", "unknown"),
    }
}

/// What was asked of the patient, and what the record has.
#[expect(
    clippy::too_many_lines,
    reason = "a sentence for each variant, in two languages"
)]
pub(super) fn audience(asked: Asked<'_>, language: Language) -> Said {
    const NO: &str = "not_in_audience";
    let said = |holds: bool, reason: &'static str, text: String| {
        if holds {
            Said::yes(Section::Audience, reason, text)
        } else {
            Said::no(Section::Audience, NO, text)
        }
    };
    match asked {
        Asked::Diagnosis { asked, found } => {
            let codes = asked.join(language.pick("、", " or "));
            let text = match found {
                Some(code) => language.pick(
                    format!("要求有以{codes}开头的诊断：病历中有{code}，符合。"),
                    format!(
                        "Asks for a diagnosis that begins with {codes}: the record has {code}."
                    ),
                ),
                None => language.pick(
                    format!("要求有以{codes}开头的诊断：病历中一个也没有。"),
                    format!("Asks for a diagnosis that begins with {codes}: the record has none."),
                ),
            };
            said(found.is_some(), "diagnosis", text).by(found.unwrap_or("none"))
        }
        Asked::Age { min, max, day, age } => {
            let holds = age.is_some_and(|age| {
                min.is_none_or(|min| age >= min) && max.is_none_or(|max| age <= max)
            });
            let asked = ages(min, max, language);
            let day = language.day(day);
            let has = age.map_or_else(
                || language.word("没有登记出生日期", "there is no date of birth on record"),
                |age| {
                    language.pick(
                        format!("患者当天{age}岁"),
                        format!("the patient is {age} on that day"),
                    )
                },
            );
            let text = language.pick(
                format!(
                    "要求{day}时{asked}：{has}，{}。",
                    if holds { "符合" } else { "不符合" }
                ),
                format!(
                    "Asks for {asked} on {day}: {has}{}.",
                    if holds { "" } else { ", so no" }
                ),
            );
            let value = age.map_or_else(|| "unknown".to_owned(), |age| age.to_string());
            said(holds, "age", text).by(value)
        }
        Asked::Sex { asked, found } => {
            let has = sex(found.unwrap_or(Sex::Unknown), language);
            let asked_word = sex(asked, language);
            let holds = found == Some(asked);
            let text = language.pick(
                format!(
                    "要求性别为{asked_word}：登记为{has}，{}。",
                    if holds { "符合" } else { "不符合" }
                ),
                format!(
                    "Asks for sex {asked_word}: the record says {has}{}.",
                    if holds { "" } else { ", so no" }
                ),
            );
            said(holds, "sex", text).by(found.unwrap_or(Sex::Unknown))
        }
        Asked::Tag { asked, found } => {
            let text = language.pick(
                format!(
                    "要求有标记“{asked}”：{}。",
                    if found { "有，符合" } else { "没有" }
                ),
                format!(
                    "Asks for the mark \"{asked}\": {}.",
                    if found {
                        "it is there"
                    } else {
                        "it is not there"
                    }
                ),
            );
            said(found, "tag", text).by(asked)
        }
        Asked::Where { source, outcome } => condition(source, outcome, language),
        Asked::Everybody => said(
            true,
            "everybody",
            language.word("规则面向所有患者。", "The rule is for every patient."),
        ),
    }
}

fn ages(min: Option<i64>, max: Option<i64>, language: Language) -> String {
    match (min, max) {
        (Some(min), Some(max)) => language.pick(
            format!("年龄在{min}至{max}岁之间"),
            format!("an age from {min} to {max}"),
        ),
        (Some(min), None) => {
            language.pick(format!("年满{min}岁"), format!("an age of {min} or more"))
        }
        (None, max) => {
            let max = max.unwrap_or_default();
            language.pick(format!("不超过{max}岁"), format!("an age of {max} or less"))
        }
    }
}

fn condition(source: &str, outcome: Result<bool, &str>, language: Language) -> Said {
    let asked = language.pick(
        format!("规则的附加条件“{source}”"),
        format!("The further condition `{source}`"),
    );
    match outcome {
        Ok(true) => Said::yes(
            Section::Audience,
            "where",
            language.pick(format!("{asked}：成立。"), format!("{asked} holds.")),
        )
        .by("true"),
        Ok(false) => Said::no(
            Section::Audience,
            "not_in_audience",
            language.pick(
                format!("{asked}：不成立。"),
                format!("{asked} does not hold."),
            ),
        )
        .by("false"),
        Err(why) => Said::no(
            Section::Audience,
            "rule_fault",
            language.pick(
                format!("{asked}判断不了，请负责规则的人检查（{why}）。"),
                format!(
                    "{asked} cannot be worked out; who keeps the rule should look at it ({why})."
                ),
            ),
        )
        .by(why),
    }
}

/// Whether the record shows that the rest is needless.
pub(super) fn stop(
    fact: &str,
    since: Date,
    found: Option<(Option<&str>, Date)>,
    language: Language,
) -> Said {
    let (what, since) = (language.kind(fact), language.day(since));
    match found {
        Some((code, day)) => {
            let shown = language.day(day);
            let code = code.map_or_else(String::new, |code| {
                language.pick(format!("（编码{code}）"), format!(" (code {code})"))
            });
            let text = language.pick(
                format!("病历中已有{shown}的{what}{code}，{since}以后的都算，因此其余提醒不再需要。"),
                format!(
                    "The record has a {what}{code} of {shown}, and any since {since} counts, so the rest is needless."
                ),
            );
            Said::no(Section::Stop, "done", text).by(day)
        }
        None => {
            let text = language.pick(
                format!("病历中没有{since}以后的{what}，提醒照常。"),
                format!("The record has no {what} since {since}, so it goes on."),
            );
            Said::yes(Section::Stop, "not_done", text)
        }
    }
}
