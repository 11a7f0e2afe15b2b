//! What starts a rule.

use std::str::FromStr;

use croner::Cron;
use jiff::civil::{Date, DateTime};

use crate::calendar::holiday::{self, Holiday};
use crate::rules::triggers::{every, season};

/// What starts a rule.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// The patient's birthday, lunar where they keep that one.
    Birthday,
    /// A holiday that comes round every year.
    Holiday {
        /// Its id.
        id: String,
        /// How it is found.
        holiday: Holiday,
    },
    /// Some time of the year: once per patient and season.
    Season {
        /// Its first day, which leads count from.
        from: MonthDay,
        /// Its last day.
        until: MonthDay,
    },
    /// By the clock.
    Every {
        /// As it was written.
        pattern: String,
        /// The same, understood.
        cron: Box<Cron>,
    },
    /// By hand.
    Manual,
    /// An occasion or fact of this kind.
    Occasion {
        /// `appointment`, `recheck`, `vaccination` … an open set.
        kind: String,
        /// Of facts only those whose code begins with one of these; empty for all.
        codes: Vec<String>,
    },
}

/// A day of the year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthDay {
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
}

impl FromStr for MonthDay {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        holiday::month_day(text)
            .map(|(month, day)| Self { month, day })
            .ok_or(())
    }
}

impl MonthDay {
    /// It in `year`; 29 February is the 28th in common years.
    pub fn in_year(self, year: i16) -> Date {
        let found = Date::new(year, self.month, self.day)
            .or_else(|_| Date::new(year, self.month, self.day - 1));
        found.expect("read as a day of a leap year, so the day before exists in every year")
    }
}

/// How often `cron` fired in the year of `occurrence` before it.
fn turn_of_year(cron: &Cron, occurrence: &str) -> Option<usize> {
    let moment: DateTime = occurrence.parse().ok()?;
    let day = moment.date();
    let new_year = Date::constant(day.year(), 1, 1);
    let fired = every::moments(cron, new_year, day);
    Some(fired.iter().filter(|fired| **fired < moment).count())
}

impl Trigger {
    /// The word after `on`.
    pub fn word(&self) -> &str {
        match self {
            Self::Birthday => "birthday",
            Self::Holiday { .. } => "holiday",
            Self::Season { .. } => "season",
            Self::Every { .. } => "every",
            Self::Manual => "manual",
            Self::Occasion { kind, .. } => kind,
        }
    }

    /// Counts the occurrences of a rule that says one thing after the other: years, or firings of the year by the clock.
    pub fn turn(&self, occurrence: &str) -> usize {
        match self {
            Self::Every { cron, .. } => turn_of_year(cron, occurrence).unwrap_or(0),
            Self::Birthday | Self::Holiday { .. } | Self::Season { .. } | Self::Manual => {
                let year = occurrence.get(..4).and_then(|year| year.parse().ok());
                year.unwrap_or(0)
            }
            Self::Occasion { .. } => 0,
        }
    }

    /// The first day of an occurrence and the last before it is over: of a season, or up to the next firing by the clock.
    pub fn span(&self, occurrence: &str) -> Option<(Date, Date)> {
        match self {
            Self::Season { from, until } => {
                Some(season::span(*from, *until, occurrence.parse().ok()?))
            }
            Self::Every { cron, .. } => {
                let moment: DateTime = occurrence.parse().ok()?;
                let next = cron.find_next_occurrence(&moment, false).ok()?;
                Some((
                    moment.date(),
                    next.date().yesterday().ok()?.max(moment.date()),
                ))
            }
            Self::Birthday | Self::Holiday { .. } | Self::Manual | Self::Occasion { .. } => None,
        }
    }

    /// Whether one reminder tells staff of all patients at once.
    pub const fn is_shared(&self) -> bool {
        match self {
            Self::Holiday { .. } | Self::Season { .. } | Self::Every { .. } | Self::Manual => true,
            Self::Birthday | Self::Occasion { .. } => false,
        }
    }

    /// Whether a step may do without a lead: the rule fires at a moment.
    pub const fn is_a_moment(&self) -> bool {
        match self {
            Self::Every { .. } | Self::Manual => true,
            Self::Birthday | Self::Holiday { .. } | Self::Season { .. } | Self::Occasion { .. } => {
                false
            }
        }
    }
}
