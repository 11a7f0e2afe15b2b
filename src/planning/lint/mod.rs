//! Finds what is wrong between rules, and between a rule and the house it works in: for `carebell check`.
//!
//! What is wrong within one document is the parser's, what is wrong with a text `render`'s.

mod overlap;
mod reach;
#[cfg(test)]
mod tests;

use jiff::civil::Date;

use crate::model::class::{Channel, Role};
use crate::planning::book::{Book, Problem};
use crate::render::Catalog;
use crate::rules::document;
use crate::rules::rule::{Mode, Rule, Step};

/// What a rule is held against.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The channels that some provider carries; empty where no provider is configured yet.
    pub carried: Vec<Channel>,
    /// The language of patients whose own is unknown.
    pub language: String,
    /// This day.
    pub today: Date,
}

/// A rule with its text, to say lines, and all that it is held against.
struct View<'a> {
    rule: &'a Rule,
    file: &'a str,
    text: &'a str,
    catalog: &'a Catalog,
    ground: &'a Ground,
    /// All rules that are not off.
    rules: &'a [&'a Rule],
}

impl View<'_> {
    fn warn(&self, path: &str, message: &str) -> Problem {
        let place = place(self.file, self.text, path);
        Problem {
            is_warning: true,
            text: format!("{place}: {path}: {message}"),
        }
    }

    /// `step[2].by`, counted from 1.
    fn step_path(&self, step: &Step, key: &str) -> String {
        let at = self.rule.steps.iter().position(|one| one.id == step.id);
        format!("step[{}].{key}", at.map_or(0, |at| at + 1))
    }
}

/// The file, and the line where `path` or what it is in stands.
fn place(file: &str, text: &str, path: &str) -> String {
    match document::line_of(text, path) {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    }
}

/// Holds every rule of `book` that is not off against the others and against `ground`.
pub fn lint(book: &Book, ground: &Ground) -> Vec<Problem> {
    let rules: Vec<&Rule> = book.rules().filter(|rule| rule.mode != Mode::Off).collect();
    let mut found = Vec::new();
    for rule in &rules {
        let Some((file, text)) = book.source(&rule.id) else {
            continue;
        };
        let view = View {
            rule,
            file,
            text,
            catalog: &book.catalog,
            ground,
            rules: &rules,
        };
        found.extend(reach::steps(&view));
        found.extend(settings(&view));
        found.extend(languages(&view));
        found.extend(workdays(&view));
    }
    found.extend(overlap::pairs(book, &rules));
    found.dedup();
    found
}

/// Settings that contradict each other or do nothing.
fn settings(view: &View<'_>) -> Vec<Problem> {
    let (rule, mut found) = (view.rule, Vec::new());
    let family = rule.family;
    if family.copy && family.from_age.is_none() {
        found.push(view.warn(
            "family.copy",
            "acts for patients marked as special alone: without `from_age` nobody else's family is told",
        ));
    }
    if let Some(from) = family.from_age.filter(|from| *from < 18) {
        found.push(view.warn(
            "family.from_age",
            &format!("{from}: the family of minors is told anyway; expected 18 or more"),
        ));
    }
    let tells_people = rule.steps.iter().any(|step| step.to != Role::Staff);
    let has_family = family.copy || family.fallback || family.from_age.is_some();
    if has_family && !rule.steps.iter().any(|step| step.to == Role::Patient) {
        found.push(view.warn("family", "does nothing: no step is for the patient"));
    }
    if tells_people
        && rule.quiet.is_some_and(|quiet| {
            // From their end to their beginning, over midnight if need be.
            let open = quiet.to.duration_until(quiet.from);
            let hour = jiff::SignedDuration::from_hours(1);
            open.is_positive() && open < hour || open.is_negative() && open + hour * 24 < hour
        })
    {
        found.push(view.warn("quiet", "leaves less than an hour a day to send in"));
    }
    found
}

/// Texts that are not there in the language of the house, on the first channel that a step takes.
fn languages(view: &View<'_>) -> Vec<Problem> {
    let wanted = [view.ground.language.as_str()];
    let mut found = Vec::new();
    for step in &view.rule.steps {
        let channel = match (&step.by, step.to) {
            (Some(by), _) => by.first().copied().unwrap_or(Channel::Sms),
            (None, Role::Staff) => Channel::Task,
            (None, Role::Patient | Role::Family) => Channel::Sms,
        };
        for template in step.all_templates() {
            let lacks = view.catalog.missing_languages(template, channel, &wanted);
            if view.catalog.has(template, channel) && !lacks.is_empty() {
                let language = wanted[0];
                found.push(view.warn(
                    &view.step_path(step, "send"),
                    &format!("template `{template}` has no {channel} text in {language}, the language of the house"),
                ));
            }
        }
    }
    found
}

/// The month in which the next year's days off are announced in China.
const ANNOUNCED_IN: i8 = 11;

/// Years whose working days nobody announced to us: this one, and the next when it is due to be announced.
fn workdays(view: &View<'_>) -> Vec<Problem> {
    let today = view.ground.today;
    let ahead = i16::from(today.month() >= ANNOUNCED_IN);
    let next = Date::new(today.year().saturating_add(ahead), 1, 1).unwrap_or(today);
    let next = next.max(today);
    let years: Vec<String> = view
        .rule
        .missing_workday_years(today, next)
        .iter()
        .map(ToString::to_string)
        .collect();
    let Some(step) = view.rule.steps.iter().find(|step| step.previous_workday) else {
        return Vec::new();
    };
    if years.is_empty() {
        return Vec::new();
    }
    vec![view.warn(
        &view.step_path(step, "workday"),
        &format!(
            "the official working days of {} are not known, so Monday to Friday count; give them under [calendar] workdays",
            years.join(" and ")
        ),
    )]
}
