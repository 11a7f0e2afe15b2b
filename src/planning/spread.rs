//! A daily cap: the audience of a rule is spread over the days that follow, at most so many patients a day.
//!
//! A patient's day is kept once it is given, so that planning again changes nobody's day. Who comes later gets
//! the first day that has room.

mod again;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::wall;
use crate::model::id::PatientId;
use crate::model::reminder::{ReminderState, SkipReason};
use crate::planning::decide::Decided;
use crate::planning::subject::Subject;
use crate::rules::plan::Decision;
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::store::reminders::{NewReminder, Reminder};
use crate::store::rule_days::{self, Moved, Part, Slot};
use crate::store::{StoreError, Tx};

pub use again::{give_again, gone_by};

/// No audience is spread further than this many days.
const MOST_DAYS: i64 = 366;

/// What became of one reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It keeps its moment.
    Stays,
    /// It goes on another day, and would have been due then.
    Moved(Timestamp),
    /// No day that is of use has room; the last one that would be.
    NoRoom(Date),
}

/// The days of one rule with a daily cap.
#[derive(Debug)]
pub struct Days<'r> {
    rule: &'r Rule,
    cap: u32,
    today: Date,
    given: HashMap<Part, Date>,
    counts: BTreeMap<Date, u32>,
    /// From a day on, the first that may have room.
    hints: HashMap<Date, Date>,
    fresh: Vec<Slot>,
}

impl<'r> Days<'r> {
    /// The days of `rule`; `None` when it has no daily cap.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(
        tx: &mut Tx,
        rule: &'r Rule,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        if rule.daily_cap.is_none() {
            return Ok(None);
        }
        Self::open(tx, rule, now).await.map(Some)
    }

    /// The same; without a daily cap every day has room.
    async fn open(tx: &mut Tx, rule: &'r Rule, now: Timestamp) -> Result<Self, StoreError> {
        let today = wall::date(&rule.timezone, now);
        Ok(Self {
            rule,
            cap: rule.daily_cap.unwrap_or(u32::MAX),
            today,
            given: HashMap::new(),
            counts: rule_days::counts(tx, &rule.id, today).await?,
            hints: HashMap::new(),
            fresh: Vec::new(),
        })
    }

    /// What of `plan` is spread, where it would be due on `original` without a cap. One word to staff stands for
    /// all, on its own day.
    fn part(&self, plan: &NewReminder, original: Date) -> Option<Part> {
        Some(Part {
            rule: self.rule.id.clone(),
            patient: plan.patient.clone()?,
            occurrence: plan.occurrence.clone(),
            part: if plan.catch_up {
                plan.lead.clone()
            } else {
                original.to_string()
            },
        })
    }

    /// Looks up which days these patients have already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn know(&mut self, tx: &mut Tx, patients: &[PatientId]) -> Result<(), StoreError> {
        let given = rule_days::of(tx, &self.rule.id, patients).await?;
        self.given.extend(given);
        Ok(())
    }

    /// Puts `plan` on the day it has or gets; `known` is the same reminder as it is planned already.
    pub fn place(
        &mut self,
        plan: &mut NewReminder,
        known: Option<&Reminder>,
        now: Timestamp,
    ) -> Placed {
        let waits = known.and_then(|known| known.planned_for);
        let original = waits.unwrap_or(plan.due_at);
        let wall = self.rule.timezone.to_datetime(original);
        let Some(part) = self.part(plan, wall.date()) else {
            return Placed::Stays;
        };
        let kept = self.given.get(&part).copied();
        if let Some(day) = kept.filter(|_| waits.is_some() && plan.due_at != original) {
            // It stands on its day, or the composer put it off from there.
            plan.expires_at = wall::end_of_day(&self.rule.timezone, day);
            return Placed::Moved(original);
        }
        let last = self.last_day(plan, wall.date());
        let day = match kept.filter(|day| *day >= self.today) {
            Some(day) => day,
            None => match self.give(part, self.earliest(wall, now), last) {
                Some(day) => day,
                None => return Placed::NoRoom(last),
            },
        };
        let zone = &self.rule.timezone;
        plan.due_at = if day == wall.date() {
            original
        } else {
            wall::instant(zone, day.to_datetime(wall.time()))
        };
        if plan.due_at == original {
            return Placed::Stays;
        }
        plan.expires_at = wall::end_of_day(zone, day);
        Placed::Moved(original)
    }

    /// The day itself; where that is past, the next time the clock shows its hour.
    fn earliest(&self, original: jiff::civil::DateTime, now: Timestamp) -> Date {
        if original.date() >= self.today {
            return original.date();
        }
        let again = self.today.to_datetime(original.time());
        if wall::instant(&self.rule.timezone, again) >= now {
            self.today
        } else {
            wall::add_days(self.today, 1)
        }
    }

    /// The last day on which it is still of use.
    fn last_day(&self, plan: &NewReminder, original: Date) -> Date {
        let far = wall::add_days(original.max(self.today), MOST_DAYS);
        let runs_after = plan.lead.starts_with('+');
        let last = match &self.rule.trigger {
            Trigger::Holiday { .. } if runs_after => None,
            Trigger::Holiday { .. } => plan.occurrence.parse().ok(),
            Trigger::Season { .. } => self.rule.trigger.span(&plan.occurrence).map(|span| span.1),
            // As long as to the next firing, wherever the lead lies.
            Trigger::Every { .. } => self.rule.trigger.span(&plan.occurrence).and_then(|span| {
                let days = span.1 - span.0;
                original.checked_add(days).ok()
            }),
            Trigger::Manual | Trigger::Birthday | Trigger::Occasion { .. } => None,
        };
        last.map_or(far, |last: Date| last.min(far))
    }

    /// Gives the first day with room from `from` to `last`.
    fn give(&mut self, part: Part, from: Date, last: Date) -> Option<Date> {
        let mut day = self.hints.get(&from).copied().unwrap_or(from);
        while self.counts.get(&day).is_some_and(|n| *n >= self.cap) {
            day = wall::add_days(day, 1);
            if day > last {
                break;
            }
        }
        self.hints.insert(from, day);
        if day > last {
            return None;
        }
        *self.counts.entry(day).or_default() += 1;
        self.given.insert(part.clone(), day);
        self.fresh.push(Slot {
            part,
            day,
            cap: self.cap,
        });
        Some(day)
    }
}

/// Spreads what is planned for `subjects` by rules with a daily cap, and keeps the days it gave. What no useful
/// day has room for is left out. Says which reminders moved, to be noted once they are written.
///
/// # Errors
/// When the database fails.
pub async fn spread(
    tx: &mut Tx,
    rules: impl Iterator<Item = &Rule>,
    subjects: &[Subject],
    planned: &mut Vec<NewReminder>,
    now: Timestamp,
) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let mut moved = Vec::new();
    for rule in rules.filter(|rule| rule.daily_cap.is_some()) {
        if !planned.iter().any(|plan| plan.rule == rule.id) {
            continue;
        }
        let Some(mut days) = Days::load(tx, rule, now).await? else {
            continue;
        };
        let ids: Vec<PatientId> = subjects.iter().map(|s| s.patient.id.clone()).collect();
        days.know(tx, &ids).await?;
        let known = known(subjects);
        planned.retain_mut(|plan| {
            if plan.rule != rule.id {
                return true;
            }
            match days.place(plan, known.get(plan.plan_key.as_str()).copied(), now) {
                Placed::Stays => true,
                Placed::Moved(from) => {
                    moved.push((plan.plan_key.clone(), from));
                    true
                }
                Placed::NoRoom(_) => false,
            }
        });
        rule_days::give(tx, &days.fresh).await?;
    }
    Ok(moved)
}

/// Puts what was decided for `subject` on its days, without keeping them; what no day has room for is told.
pub(crate) fn place(
    days: &mut Option<Days<'_>>,
    subject: &Subject,
    decided: &mut Decided,
    now: Timestamp,
) {
    let Some(days) = days else { return };
    let known = known(std::slice::from_ref(subject));
    let told = &mut decided.decisions;
    decided.reminders.retain_mut(|plan| {
        let known = known.get(plan.plan_key.as_str()).copied();
        let Placed::NoRoom(last) = days.place(plan, known, now) else {
            return true;
        };
        let decision = Decision {
            at: Some(plan.due_at),
            occurrence: plan.occurrence.clone(),
            step: plan.step.clone(),
            lead: plan.lead.clone(),
            role: Some(plan.role),
            reason: SkipReason::TooLate,
            detail: format!("the daily cap leaves no day up to {last}"),
        };
        told.push((plan.rule.clone(), decision));
        false
    });
}

/// When what falls due in `window` may have been due without a daily cap.
pub(crate) fn window(rule: &Rule, window: &Range<Timestamp>) -> Range<Timestamp> {
    if rule.daily_cap.is_none() {
        return window.clone();
    }
    let longest = SignedDuration::from_hours(24 * MOST_DAYS);
    let from = window.start.saturating_sub(longest);
    from.unwrap_or(Timestamp::MIN)..window.end
}

/// Notes the moments that spread reminders would have had.
///
/// # Errors
/// When the database fails.
pub async fn note(tx: &mut Tx, moved: &[(String, Timestamp)]) -> Result<(), StoreError> {
    let rows: Vec<Moved<'_>> = moved
        .iter()
        .map(|(key, from)| Moved {
            key,
            planned_for: from.as_millisecond(),
        })
        .collect();
    rule_days::note(tx, &rows).await
}

/// What is planned for `subjects` already, by key.
pub(crate) fn known(subjects: &[Subject]) -> HashMap<&str, &Reminder> {
    let all = subjects.iter().flat_map(|subject| &subject.reminders);
    let planned = all.filter(|reminder| reminder.state == ReminderState::Planned);
    planned
        .map(|reminder| (reminder.plan.plan_key.as_str(), reminder))
        .collect()
}

/// How far a plan by `rule` speaks of what is planned: of all, where days and moments are given once.
pub fn reach(rule: &Rule, until: Timestamp) -> Timestamp {
    if rule.daily_cap.is_some() || matches!(rule.trigger, Trigger::Manual) {
        Timestamp::MAX
    } else {
        until
    }
}
