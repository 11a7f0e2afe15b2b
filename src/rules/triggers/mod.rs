//! Triggers: what a rule counts its leads from.

pub(crate) mod birthday;
pub(crate) mod every;
pub(crate) mod holiday;
pub(crate) mod manual;
pub(crate) mod occasion;
pub(crate) mod season;

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{Date, Time};

use crate::calendar::wall;
use crate::model::occasion::Occasion;
use crate::model::patient::{Fact, Patient};
use crate::rules::lead::Lead;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;

/// One time that a trigger comes up for one patient.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence<'a> {
    /// The occasion's id, or the civil date of a computed one.
    pub(crate) key: String,
    /// Rises when the occasion is moved.
    pub(crate) epoch: i64,
    /// The stored occasion.
    pub(crate) occasion: Option<&'a Occasion>,
    /// The day on the rule's calendar that leads in days count from.
    pub(crate) day: Date,
    /// What leads in hours count from.
    pub(crate) start: Timestamp,
    /// After it a reminder is of no use; 23:59 of a day without a clock.
    pub(crate) end: Timestamp,
    /// When `on = "created"` acts.
    pub(crate) created: Option<Timestamp>,
    /// When `on = "moved"` acts.
    pub(crate) moved: Option<Timestamp>,
    /// When it came up or was moved, the later: nothing is due before.
    pub(crate) since: Option<Timestamp>,
    /// Whether what was missed may be caught up.
    pub(crate) catches_up: bool,
    /// Whether only steps after it are left.
    pub(crate) is_over: bool,
    /// Until when who comes late still gets it.
    pub(crate) late_until: Option<Date>,
}

impl Occurrence<'_> {
    /// One that is reckoned and not stored, on a day without a clock.
    pub(crate) fn on_day(rule: &Rule, key: String, day: Date) -> Self {
        let end = last_minute(rule, day);
        Self {
            key,
            epoch: 0,
            occasion: None,
            day,
            start: end,
            end,
            created: None,
            moved: None,
            since: None,
            catches_up: false,
            is_over: false,
            late_until: None,
        }
    }
}

/// What a trigger may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'a> {
    pub(crate) patient: &'a Patient,
    pub(crate) facts: &'a [Fact],
    pub(crate) occasions: &'a [Occasion],
}

/// What a trigger found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) occurrences: Vec<Occurrence<'a>>,
    /// Occasions that plan nothing, and why.
    pub(crate) closed: Vec<Closed>,
}

/// An occasion that plans nothing.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) key: String,
    pub(crate) at: Timestamp,
    pub(crate) reason: crate::model::reminder::SkipReason,
    pub(crate) detail: String,
}

/// What the trigger of `rule` finds that may have a lead in `window`.
pub(crate) fn find<'a>(rule: &Rule, records: Records<'a>, window: &Range<Timestamp>) -> Found<'a> {
    let (from, to) = days(rule, window);
    let plain = |occurrences| Found {
        occurrences,
        closed: Vec::new(),
    };
    match &rule.trigger {
        Trigger::Birthday => plain(birthday::find(rule, records.patient, from, to)),
        Trigger::Holiday { holiday, .. } => plain(holiday::find(rule, holiday, from, to)),
        Trigger::Season { from: first, until } => {
            plain(season::find(rule, *first, *until, from, to))
        }
        Trigger::Every { cron, .. } => plain(every::find(rule, cron, from, to)),
        Trigger::Manual => Found::default(),
        Trigger::Occasion { kind, codes } => occasion::find(rule, kind, codes, records),
    }
}

/// The days an occurrence may fall on whose leads reach into `window`.
pub(crate) fn days(rule: &Rule, window: &Range<Timestamp>) -> (Date, Date) {
    let mut before = 0;
    let mut after = 0;
    for lead in rule.steps.iter().flat_map(|step| &step.leads) {
        match lead {
            Lead::Before(distance) => before = before.max(distance.most_days()),
            Lead::After(distance) => after = after.max(distance.most_days()),
            Lead::Created | Lead::Moved | Lead::Now => {}
        }
    }
    // Quiet hours move a day at most; going back to a working day takes at most a long holiday.
    let slack = if rule.steps.iter().any(|step| step.previous_workday) {
        62
    } else {
        3
    };
    let days = |count: u64| i64::try_from(count).unwrap_or(i64::MAX / 2);
    let from = wall::add_days(wall::date(&rule.timezone, window.start), -days(after) - 3);
    let to = wall::add_days(wall::date(&rule.timezone, window.end), days(before) + slack);
    (from, to)
}

/// 23:59 of `day` on the rule's clock.
pub(crate) fn last_minute(rule: &Rule, day: Date) -> Timestamp {
    wall::instant(
        &rule.timezone,
        day.to_datetime(Time::constant(23, 59, 0, 0)),
    )
}
