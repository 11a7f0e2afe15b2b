//! What is counted, and by which labels. Gauges are asked for when somebody looks (see `app`).

use std::time::Duration;

use super::registry::{Counter, Histogram, Page};

/// Ends of buckets for what a network takes.
const NETWORK: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Ends of buckets for how long a message waits: to an hour and more.
const WAITS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
];

/// Each state that messages came to, once it is committed.
pub static MESSAGES: Counter = Counter::new(
    "carebell_messages_total",
    "Messages that came to a state.",
    &["channel", "class", "state"],
);

/// What came of attempts.
pub static ATTEMPTS: Counter = Counter::new(
    "carebell_attempts_total",
    "Attempts by what came of them.",
    &["provider", "outcome"],
);

/// From the hand-over to a provider to its answer.
pub static SUBMIT_DURATION: Histogram = Histogram::new(
    "carebell_submit_duration_seconds",
    "Time from the hand-over to the provider's answer.",
    &["provider"],
    NETWORK,
);

/// From the moment a message was to leave until a provider took it.
pub static TIME_TO_SUBMIT: Histogram = Histogram::new(
    "carebell_time_to_submit_seconds",
    "Time from when a message was due until a provider took it.",
    &["channel", "class"],
    WAITS,
);

/// Messages that may have gone out twice, each flagged.
pub static POSSIBLE_DUPLICATES: Counter = Counter::new(
    "carebell_possible_duplicates_total",
    "Messages sent again while an earlier attempt was unknown.",
    &["provider"],
);

/// What networks said about what they took.
pub static RECEIPTS: Counter = Counter::new(
    "carebell_receipts_total",
    "Receipts stored, by what they say.",
    &["provider", "status"],
);

/// What patients wrote.
pub static INBOUND: Counter = Counter::new(
    "carebell_inbound_total",
    "Texts read, by what they were taken for.",
    &["provider", "intent"],
);

/// What became of reminders.
pub static REMINDERS: Counter = Counter::new(
    "carebell_reminders_total",
    "Reminders by what became of them: message, task, merged, put_off, or the reason why not.",
    &["rule", "outcome"],
);

/// How long a pass of planning takes that found something.
pub static PLAN_DURATION: Histogram = Histogram::new(
    "carebell_plan_duration_seconds",
    "Time that passes of planning took.",
    &[],
    WAITS,
);

/// Reloads of config, rules and templates.
pub static RELOADS: Counter = Counter::new(
    "carebell_reloads_total",
    "Reloads by what came of them.",
    &["outcome"],
);

/// Rows that retention blanked or deleted.
pub static RETENTION: Counter = Counter::new(
    "carebell_retention_rows_total",
    "Rows blanked or deleted after their time.",
    &["what"],
);

/// Writes every counter and histogram.
pub fn write(page: &mut Page) {
    MESSAGES.write(page);
    ATTEMPTS.write(page);
    SUBMIT_DURATION.write(page);
    TIME_TO_SUBMIT.write(page);
    POSSIBLE_DUPLICATES.write(page);
    RECEIPTS.write(page);
    INBOUND.write(page);
    REMINDERS.write(page);
    PLAN_DURATION.write(page);
    RELOADS.write(page);
    RETENTION.write(page);
}

/// An attempt came to its end.
pub fn attempt(provider: &str, outcome: &str, took: Duration) {
    ATTEMPTS.one(&[provider, outcome]);
    SUBMIT_DURATION.took(&[provider], took);
}
