//! Cases: a rule, a patient and a moment, and what must come of them (rules/README.md).
//!
//! For the people who write rules. One case that cannot be read harms no other.

mod occasion;
mod own;
mod person;
pub(crate) mod read;
mod value;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::model::class::{Channel, Role};
use crate::model::reminder::SkipReason;
use crate::rules::explain::{self, Line};
use crate::rules::plan::{self, PlannedReminder};
use crate::rules::rule::Rule;
use crate::rules::site::Site;
use crate::rules::trigger::Trigger;

/// What came of one case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The case's id, or where it stands in the file.
    pub id: String,
    /// What the author says it shows.
    pub why: String,
    /// Whether what was planned is what was expected.
    pub ok: bool,
    /// Why the case could not be run.
    pub error: Option<String>,
    /// What is wrong with the rule and came to light with this record: nobody gets anything by it.
    pub fault: Option<String>,
    /// What was planned in the window, in order.
    pub events: Vec<Event>,
    /// What was expected.
    pub expected: Vec<Event>,
    /// How the plan came about.
    pub explanation: Vec<Line>,
}

/// One reminder as a case sees it.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub to: Role,
    /// By what first.
    pub channel: Channel,
    /// Which department, for staff.
    pub department: Option<String>,
    zone: TimeZone,
}

impl Event {
    fn of(reminder: &PlannedReminder, rule: &Rule) -> Option<Self> {
        Some(Self {
            at: reminder.due_at,
            to: reminder.role,
            channel: *reminder.channels.first()?,
            department: reminder.department.clone(),
            zone: rule.timezone.clone(),
        })
    }

    fn key(&self) -> (Timestamp, Role, Channel, Option<&str>) {
        (self.at, self.to, self.channel, self.department.as_deref())
    }

    fn shown_at(&self) -> String {
        let pattern = if self.at.as_second() % 60 == 0 {
            "%Y-%m-%dT%H:%M%:z"
        } else {
            "%Y-%m-%dT%H:%M:%S%:z"
        };
        self.at
            .to_zoned(self.zone.clone())
            .strftime(pattern)
            .to_string()
    }

    /// As an expectation is written.
    pub fn to_json(&self) -> serde_json::Value {
        let mut event = json!({"at": self.shown_at(), "to": self.to, "channel": self.channel});
        if self.to == Role::Staff {
            event["department"] = json!(self.department);
        }
        event
    }

    /// In one line, for people.
    pub fn to_text(&self) -> String {
        let department = self.department.as_deref().unwrap_or_default();
        format!(
            "{} {} {} {department}",
            self.shown_at(),
            self.to,
            self.channel
        )
        .trim_end()
        .to_owned()
    }
}

impl CaseResult {
    /// `{"id", "ok", "events"}`, `error` for a case that could not be run, and `fault` for one of the rule.
    pub fn to_json(&self) -> serde_json::Value {
        let events: Vec<_> = self.events.iter().map(Event::to_json).collect();
        let mut line = json!({"id": self.id, "ok": self.ok, "events": events});
        if let Some(error) = &self.error {
            line["error"] = json!(error);
        }
        if let Some(fault) = &self.fault {
            line["fault"] = json!(fault);
        }
        line
    }

    /// Expected events that were not planned.
    pub fn lacking(&self) -> Vec<&Event> {
        without(&self.expected, &self.events)
    }

    /// Planned events that were not expected.
    pub fn surplus(&self) -> Vec<&Event> {
        without(&self.events, &self.expected)
    }

    fn broken(id: String, error: String) -> Self {
        Self {
            id,
            why: String::new(),
            ok: false,
            error: Some(error),
            fault: None,
            events: Vec::new(),
            expected: Vec::new(),
            explanation: Vec::new(),
        }
    }
}

/// What of `some` is left when each of `others` takes its like away.
fn without<'e>(some: &'e [Event], others: &[Event]) -> Vec<&'e Event> {
    let mut others: Vec<_> = others.iter().map(Event::key).collect();
    let mut left = Vec::new();
    for event in some {
        match others.iter().position(|other| *other == event.key()) {
            Some(at) => _ = others.swap_remove(at),
            None => left.push(event),
        }
    }
    left
}

/// Runs every case of `text`: JSON lines, a JSON list, or TOML with `[[case]]`. Rules by id come from `resolve_rule`.
pub fn run(
    text: &str,
    resolve_rule: impl Fn(&str) -> Option<Rule>,
    site: &Site,
) -> Vec<CaseResult> {
    let cases = read::split(text).into_iter();
    cases
        .map(|(place, case)| match case {
            Ok(case) => run_one(&place, &case, &resolve_rule, site),
            Err(error) => CaseResult::broken(place, error),
        })
        .collect()
}

fn run_one(
    place: &str,
    case: &serde_json::Value,
    resolve_rule: &impl Fn(&str) -> Option<Rule>,
    site: &Site,
) -> CaseResult {
    let id = case.get("id").and_then(|id| {
        id.as_str()
            .map(str::to_owned)
            .or_else(|| id.is_number().then(|| id.to_string()))
    });
    let id = id.unwrap_or_else(|| place.to_owned());
    let why = case
        .get("why")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let rule = match read::rule(case, resolve_rule, site) {
        Ok(rule) => rule,
        Err(error) => return CaseResult::broken(id, error),
    };
    let read = match read::case(case, &rule) {
        Ok(read) => read,
        Err(error) => return CaseResult::broken(id, error),
    };
    let subject = read.subject();
    let mut explained = explain::explain(&rule, &subject, read.now, read.window.clone());
    if matches!(rule.trigger, Trigger::Manual) {
        for at in &read.started {
            let by_hand = plan::plan_manual(&rule, &subject, read.now, *at);
            explained.plan.reminders.extend(
                by_hand
                    .reminders
                    .into_iter()
                    .filter(|reminder| read.window.contains(&reminder.due_at)),
            );
        }
    }
    let mut events: Vec<Event> = explained
        .plan
        .reminders
        .iter()
        .filter_map(|reminder| Event::of(reminder, &rule))
        .collect();
    events.sort_by(|a, b| a.key().cmp(&b.key()));
    let mut decisions = explained.plan.decisions.into_iter();
    let fault = decisions.find(|decision| decision.reason == SkipReason::RuleFault);
    let mut result = CaseResult {
        id,
        why,
        ok: false,
        error: None,
        fault: fault.map(|decision| decision.detail),
        events,
        expected: Vec::new(),
        explanation: explained.lines,
    };
    match read::expect(case, &rule) {
        Ok(expected) => {
            result.expected = expected;
            result.ok = result.lacking().is_empty() && result.surplus().is_empty();
        }
        Err(error) => result.error = Some(error),
    }
    result
}

#[cfg(test)]
mod tests;
