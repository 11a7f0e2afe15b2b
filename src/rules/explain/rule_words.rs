//! What a rule says of itself, and what to say when its trigger finds nothing.

use crate::rules::explain::language::{Language, Names};
use crate::rules::explain::{Line, Said, Section, every};
use crate::rules::plan::Subject;
use crate::rules::rule::{Mode, Rule};
use crate::rules::trigger::{MonthDay, Trigger};

/// Title and owner, class, mode, first day, trigger.
pub(crate) fn of(rule: &Rule, language: Language, names: &Names) -> Vec<Line> {
    let said = [
        Some(owner(rule, language, names)),
        Some(class(rule, language)),
        Some(mode(rule, language)),
        effective(rule, language),
        Some(trigger(rule, language)),
    ];
    let said = said.into_iter().flatten();
    said.map(|said| said.line("", "", "")).collect()
}

fn owner(rule: &Rule, language: Language, names: &Names) -> Said {
    let title = &rule.title;
    let Some(department) = &rule.department else {
        let text = language.pick(
            format!("规则“{title}”没有科室负责。"),
            format!("The rule \"{title}\" belongs to no department."),
        );
        return Said::yes(Section::Rule, "rule", text);
    };
    let who = names.department(department, language);
    let text = language.pick(
        format!("规则“{title}”由{who}负责。"),
        format!("The rule \"{title}\" belongs to {who}."),
    );
    Said::yes(Section::Rule, "rule", text).by(department)
}

fn class(rule: &Rule, language: Language) -> Said {
    let class = language.class(rule.class);
    let quiet = rule.quiet.map_or_else(
        || language.word("夜间也照发", "they go out at night as well"),
        |quiet| {
            let hours = language.hours(quiet);
            language.pick(
                format!("{hours}不打扰患者和家属"),
                format!("patients and family are left in peace from {hours}"),
            )
        },
    );
    let caps = if rule.class.is_capped() {
        language.word(
            "每人每天、每周的条数有上限",
            "each person gets only so many of them a day and a week",
        )
    } else {
        language.word("条数不限", "there is no limit to their number")
    };
    let text = language.pick(
        format!("它发的是{class}：{quiet}，{caps}。"),
        format!("It sends {class}: {quiet}, and {caps}."),
    );
    Said::yes(Section::Rule, "class", text).by(rule.class)
}

fn mode(rule: &Rule, language: Language) -> Said {
    match rule.mode {
        Mode::Live => Said::yes(
            Section::Rule,
            "live",
            language.word("规则正在使用。", "The rule is in use."),
        ),
        Mode::Shadow => Said::no(
            Section::Rule,
            "shadow",
            language.word(
                "规则处于试运行：只做计划给人看，什么也不发送。",
                "The rule is on trial: it plans, shows the plan, and sends nothing.",
            ),
        ),
        Mode::Off => Said::no(
            Section::Rule,
            "rule_off",
            language.word(
                "规则已停用，什么也不发送。以下是启用后的情形。",
                "The rule is switched off and sends nothing. What follows is what it would do.",
            ),
        ),
    }
    .by(rule.mode)
}

fn effective(rule: &Rule, language: Language) -> Option<Said> {
    let day = rule.effective_from?;
    let shown = language.day(day);
    let text = language.pick(
        format!("规则从{shown}起生效，之前什么也不发。"),
        format!("The rule is in force from {shown}; nothing goes out before."),
    );
    Some(Said::yes(Section::Rule, "effective_from", text).by(day))
}

fn month_day(day: MonthDay, language: Language) -> String {
    let (month, number) = (day.month, day.day);
    let shown = day.in_year(2024).strftime("%-d %B").to_string();
    language.pick(format!("{month}月{number}日"), shown)
}

fn trigger(rule: &Rule, language: Language) -> Said {
    let text = match &rule.trigger {
        Trigger::Birthday => language.word(
            "它按患者的生日计算（过农历生日的按农历）。",
            "It counts from the patient's birthday, the lunar one for those who keep it.",
        ),
        Trigger::Holiday { id, .. } => {
            let day = language.kind(id);
            language.pick(
                format!("它按节日计算：{day}。"),
                format!("It counts from a holiday: {day}."),
            )
        }
        Trigger::Season { from, until } => {
            let (from, until) = (month_day(*from, language), month_day(*until, language));
            language.pick(
                format!("它按季节计算：每年{from}至{until}，每位患者一次。"),
                format!("It counts from a season, {from} to {until}, once for each patient."),
            )
        }
        Trigger::Every { pattern, .. } => {
            let when = every::words(pattern, language);
            language.pick(
                format!("它定时反复进行：{when}。"),
                format!("It comes round by the clock: {when}."),
            )
        }
        Trigger::Manual => language.word(
            "它只在有人手动启动时进行；以下按此刻启动来说明。",
            "It acts only when somebody starts it; what follows is as if that were done now.",
        ),
        Trigger::Occasion { kind, codes } => {
            let what = language.kind(kind);
            let only = if codes.is_empty() {
                String::new()
            } else {
                let codes = codes.join(language.pick("、", " or "));
                language.pick(
                    format!("（记录的编码以{codes}开头）"),
                    format!(" (of records only those whose code begins with {codes})"),
                )
            };
            language.pick(
                format!("它按病历中的{what}计算{only}。"),
                format!("It counts from each {what} in the records{only}."),
            )
        }
    };
    Said::yes(Section::Trigger, "trigger", text).by(rule.trigger.word())
}

/// The trigger came up nowhere.
pub(crate) fn nothing_found(rule: &Rule, subject: &Subject<'_>, language: Language) -> Line {
    let none = |reason: &'static str, chinese: String, english: String| {
        Said::no(Section::Trigger, reason, language.pick(chinese, english)).line("", "", "")
    };
    match &rule.trigger {
        Trigger::Birthday
            if subject.patient.birth_on.is_none() && subject.patient.lunar_birthday.is_none() =>
        {
            none(
                "no_birth_date",
                "病历中没有登记这位患者的生日。".to_owned(),
                "The records have no date of birth for this patient.".to_owned(),
            )
        }
        Trigger::Occasion { kind, .. } => {
            let what = language.kind(kind);
            let others: Vec<String> = kinds(subject)
                .iter()
                .map(|kind| language.kind(kind))
                .collect();
            let others = others.join(language.pick("、", ", "));
            let (chinese, english) = if others.is_empty() {
                (
                    "没有任何安排".to_owned(),
                    "there are none of any kind".to_owned(),
                )
            } else {
                (
                    format!("有的只是：{others}"),
                    format!("there are only: {others}"),
                )
            };
            none(
                "no_occasion",
                format!("病历中没有这位患者的{what}，{chinese}。"),
                format!("The records have no {what} of this patient; {english}."),
            )
        }
        Trigger::Birthday
        | Trigger::Holiday { .. }
        | Trigger::Season { .. }
        | Trigger::Every { .. }
        | Trigger::Manual => none(
            "no_occurrence",
            "所看的时间范围内没有这样的日子。".to_owned(),
            "There is no such day in the time that was looked at.".to_owned(),
        ),
    }
}

/// The kinds of occasions there are, each once.
fn kinds<'a>(subject: &Subject<'a>) -> Vec<&'a str> {
    let mut kinds: Vec<&str> = subject
        .occasions
        .iter()
        .map(|occasion| occasion.kind.as_str())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
