//! The explanation: each decision on the way from trigger to reminder, in order, with what decided.

mod every;
pub mod language;
mod refusal;
mod rule_words;
mod say;
#[cfg(test)]
mod tests;

use std::ops::Range;

use jiff::Timestamp;

use crate::rules::explain::language::{Language, Names};
use crate::rules::note::Note;
use crate::rules::plan::{self, Plan, Subject};
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;

pub use refusal::refusal;

/// What came of a rule for one patient, and how.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// What came of it.
    pub plan: Plan,
}

/// One thing that happened. Names no patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which part of the way.
    pub section: Section,
    /// The occurrence, empty for all.
    pub occurrence: String,
    /// The step, empty for all.
    pub step: String,
    /// The lead, empty for all.
    pub lead: String,
    /// The moment it speaks of.
    pub at: Option<Timestamp>,
    /// The stable word for it, to look up.
    pub reason: &'static str,
    /// The value that decided, if there is one.
    pub decided_by: Option<String>,
    /// Whether it ends the way to a message.
    pub is_no: bool,
    /// What happened, for people.
    pub text: String,
}

crate::model::words::words! {
    /// A part of the way from trigger to message.
    Section {
        /// What the rule says of itself.
        Rule = "rule",
        /// What this patient has that others have not.
        Own = "own",
        /// What it counts from.
        Trigger = "trigger",
        /// Who qualifies.
        Audience = "audience",
        /// What makes the rest needless.
        Stop = "stop",
        /// When.
        Timing = "timing",
        /// To whom, by what.
        Recipient = "recipient",
        /// What is planned.
        Plan = "plan",
        /// What would be asked at the last moment.
        Gates = "gates",
        /// What is said.
        Template = "template",
        /// What became of it.
        History = "history",
    }
}

/// One thing in words, before it has its place.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) section: Section,
    pub(crate) at: Option<Timestamp>,
    pub(crate) reason: &'static str,
    pub(crate) decided_by: Option<String>,
    pub(crate) is_no: bool,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn yes(section: Section, reason: &'static str, text: String) -> Self {
        Self {
            section,
            at: None,
            reason,
            decided_by: None,
            is_no: false,
            text,
        }
    }

    pub(crate) fn no(section: Section, reason: &'static str, text: String) -> Self {
        Self {
            is_no: true,
            ..Self::yes(section, reason, text)
        }
    }

    pub(crate) fn by(self, value: impl ToString) -> Self {
        Self {
            decided_by: Some(value.to_string()),
            ..self
        }
    }

    pub(crate) fn at(self, at: Timestamp) -> Self {
        Self {
            at: Some(at),
            ..self
        }
    }

    /// At its place in the explanation.
    pub(crate) fn line(self, occurrence: &str, step: &str, lead: &str) -> Line {
        Line {
            section: self.section,
            occurrence: occurrence.to_owned(),
            step: step.to_owned(),
            lead: lead.to_owned(),
            at: self.at,
            reason: self.reason,
            decided_by: self.decided_by,
            is_no: self.is_no,
            text: self.text,
        }
    }
}

/// Plans as `plan` does, and says how in English.
pub fn explain(
    rule: &Rule,
    subject: &Subject<'_>,
    now: Timestamp,
    window: Range<Timestamp>,
) -> Explanation {
    let names = Names::default();
    explain_in(rule, subject, now, window, (Language::English, &names))
}

/// Plans as `plan` does, and says how in a language with what departments are called. A manual rule is explained as if somebody started it now.
pub fn explain_in(
    rule: &Rule,
    subject: &Subject<'_>,
    now: Timestamp,
    window: Range<Timestamp>,
    (language, names): (Language, &Names),
) -> Explanation {
    let mut lines = rule_words::of(rule, language, names);
    let mut occurrence = String::new();
    let mut ear = |step: &str, lead: &str, note: Note<'_>| {
        if let Note::Occurrence(found) = &note {
            occurrence.clone_from(&found.key);
        }
        if let Note::Closed(closed) = &note {
            occurrence.clone_from(&closed.key);
        }
        let said = say::say(&note, rule, language, names);
        // A decision says in general what a note before it said with its value.
        let told = |line: &Line| {
            (&line.occurrence, line.step.as_str(), line.lead.as_str()) == (&occurrence, step, lead)
                && line.is_no
                && line.section != Section::Rule
        };
        if matches!(note, Note::Refused(_)) && lines.iter().any(told) {
            return;
        }
        let line = said.line(&occurrence, step, lead);
        let starts = lines
            .iter()
            .position(|line| line.section == Section::Trigger);
        // What differs for the patient comes before what starts the rule.
        match (&note, starts) {
            (Note::Own(_), Some(place)) => lines.insert(place, line),
            _ => lines.push(line),
        }
    };
    let plan = if matches!(rule.trigger, Trigger::Manual) {
        plan::draw_manual(rule, subject, now, now, &mut ear)
    } else {
        plan::draw(rule, subject, now, window, &mut ear)
    };
    if lines
        .iter()
        .all(|line| line.occurrence.is_empty() && (!line.is_no || line.section == Section::Rule))
    {
        lines.push(rule_words::nothing_found(rule, subject, language));
    }
    Explanation { lines, plan }
}
