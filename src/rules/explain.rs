//! The explanation: each decision on the way from trigger to reminder, in order, with what decided.

use std::ops::Range;

use jiff::Timestamp;

use crate::rules::plan::{self, Plan, Subject};
use crate::rules::rule::Rule;
use crate::rules::timing;

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
    /// The step, empty for all.
    pub step: String,
    /// The lead, empty for all.
    pub lead: String,
    /// What happened, for people.
    pub text: String,
}

/// Plans as `plan` does, and says how.
pub fn explain(
    rule: &Rule,
    subject: &Subject<'_>,
    now: Timestamp,
    window: Range<Timestamp>,
) -> Explanation {
    let mut lines = Vec::new();
    let trigger = format!(
        "rule {} on {}, class {}, zone {}",
        rule.id,
        rule.trigger.word(),
        rule.class,
        rule.timezone.iana_name().unwrap_or("fixed")
    );
    lines.push(Line {
        step: String::new(),
        lead: String::new(),
        text: trigger,
    });
    let mut note = |step: &str, lead: &str, text: String| {
        lines.push(Line {
            step: step.to_owned(),
            lead: lead.to_owned(),
            text,
        })
    };
    let plan = plan::draw(rule, subject, now, window, &mut note);
    for decision in &plan.decisions {
        let at = decision
            .at
            .map(|at| format!(" at {}", timing::shown(rule, at)))
            .unwrap_or_default();
        let text = format!("not planned{at}: {}: {}", decision.reason, decision.detail);
        lines.push(Line {
            step: decision.step.clone(),
            lead: decision.lead.clone(),
            text,
        });
    }
    for reminder in &plan.reminders {
        let channels: Vec<&str> = reminder
            .channels
            .iter()
            .map(|channel| channel.as_str())
            .collect();
        let text = format!(
            "planned {} to {} by {}",
            timing::shown(rule, reminder.due_at),
            reminder.role,
            channels.join(", then ")
        );
        lines.push(Line {
            step: reminder.step.clone(),
            lead: reminder.lead.clone(),
            text,
        });
    }
    Explanation { lines, plan }
}
