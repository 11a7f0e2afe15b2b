//! Whom to look at: a coarse sieve before the plan, so that nobody scans every patient.
//!
//! It may let through who gets nothing; it never holds back who would get something.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::calendar::{lunar, wall};
use crate::rules::rule::Rule;
use crate::rules::trigger::Trigger;
use crate::rules::triggers::{self, every, season};

/// Whom a rule may concern within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// Patients with an occasion (or a fact) of this kind on these days, both included.
    Occasions {
        /// The kind.
        kind: String,
        /// The first day.
        from: Date,
        /// The last day; the end of time for a rule that acts when an occasion comes up.
        to: Date,
    },
    /// Patients born on one of these days, month first.
    Birthdays {
        /// For who keeps the solar birthday.
        solar: Vec<(u8, u8)>,
        /// For who keeps the lunar one.
        lunar: Vec<(u8, u8)>,
    },
    /// Every patient, narrowed by diagnosis alone.
    Everyone {
        /// The days the trigger falls on; nobody is concerned when there is none.
        occurrences: Vec<Date>,
        /// Only with a diagnosis that begins so, unless empty.
        diagnosis: Vec<String>,
    },
}

impl Rule {
    /// Whom `plan` may yield something for within `window`.
    pub fn candidates(&self, window: &Range<Timestamp>) -> Candidates {
        let (from, to) = triggers::days(self, window);
        let everyone = |occurrences| Candidates::Everyone {
            occurrences,
            diagnosis: self.audience.diagnosis.clone(),
        };
        match &self.trigger {
            Trigger::Occasion { kind, .. } => {
                let at_once = self
                    .steps
                    .iter()
                    .any(crate::rules::rule::Step::is_on_created);
                Candidates::Occasions {
                    kind: kind.clone(),
                    from,
                    to: if at_once { Date::MAX } else { to },
                }
            }
            Trigger::Birthday => birthdays(from, to),
            Trigger::Holiday { holiday, .. } => everyone(holiday.dates(from, to)),
            Trigger::Season { from: first, until } => {
                let found = season::find(self, *first, *until, from, to);
                everyone(found.into_iter().map(|season| season.day).collect())
            }
            Trigger::Every { cron, .. } => {
                let days: BTreeSet<Date> = every::moments(cron, from, to)
                    .into_iter()
                    .map(jiff::civil::DateTime::date)
                    .collect();
                everyone(days.into_iter().collect())
            }
            Trigger::Manual => everyone(Vec::new()),
        }
    }
}

fn birthdays(from: Date, to: Date) -> Candidates {
    let (mut solar, mut by_moon) = (BTreeSet::new(), BTreeSet::new());
    // After two years every day of both calendars has come round.
    for days in 0..=750 {
        let day = wall::add_days(from, days);
        if day > to {
            break;
        }
        solar.insert((month_number(day.month()), month_number(day.day())));
        if matches!((day.month(), day.day()), (2, 28) | (3, 1)) {
            solar.insert((2, 29));
        }
        if let Some(lunar) = lunar::of(day) {
            by_moon.insert((lunar.month, lunar.day));
            if lunar.day == 29 {
                by_moon.insert((lunar.month, 30));
            }
        }
    }
    Candidates::Birthdays {
        solar: solar.into_iter().collect(),
        lunar: by_moon.into_iter().collect(),
    }
}

/// Months and days are small and positive.
fn month_number(number: i8) -> u8 {
    number.unsigned_abs()
}
