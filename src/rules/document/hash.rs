//! What names a wording of a rule, and what names its timing.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::rules::condition::Condition;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;

/// What the plan hangs on, in one text.
pub(super) fn timing(rule: &Rule) -> String {
    let mut text = String::new();
    let zone = rule
        .timezone
        .iana_name()
        .map_or_else(|| format!("{:?}", rule.timezone), str::to_owned);
    let trigger = match &rule.trigger {
        Trigger::Every { pattern, .. } => pattern.clone(),
        other => format!("{other:?}"),
    };
    let audience = &rule.audience;
    let condition = audience.condition.as_ref().map(Condition::source);
    _ = write!(
        text,
        "{:?}|{}|{zone}|{:?}|{:?}|{}|{:?}|{trigger}|",
        rule.department,
        rule.class,
        rule.quiet,
        rule.min_useful,
        rule.leap_day,
        rule.effective_from
    );
    _ = write!(
        text,
        "{:?}|{:?}|{:?}|{:?}|{:?}|{condition:?}|",
        audience.diagnosis, audience.min_age, audience.max_age, audience.sex, audience.tags
    );
    _ = write!(
        text,
        "{:?}|{:?}|{:?}|",
        rule.family, rule.daily_cap, rule.stop
    );
    for step in &rule.steps {
        let leads: Vec<String> = step.leads.iter().map(ToString::to_string).collect();
        _ = write!(
            text,
            "{}|{}|{:?}|{leads:?}|{}|{}|{:?}|",
            step.id, step.to, step.department, step.at, step.previous_workday, step.by
        );
        _ = write!(text, "{:?}|{}|{}|", step.cc, step.doctor, step.digest);
    }
    if rule.steps.iter().any(|step| step.previous_workday) {
        _ = write!(text, "{:?}", rule.working_days);
    }
    text
}

/// The first 16 hexadecimal digits of the SHA-256 of `text`.
pub(super) fn digest(text: &str) -> String {
    let mut hex = String::with_capacity(16);
    for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
        _ = write!(hex, "{byte:02x}");
    }
    hex
}
