//! Leads: how long before or after an occasion.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::wall;

/// A count of units, such as `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Distance {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: Unit,
}

/// What a distance counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Calendar months, clamped to their end.
    Months,
    /// Calendar weeks.
    Weeks,
    /// Calendar days.
    Days,
    /// Elapsed hours.
    Hours,
    /// Elapsed minutes.
    Minutes,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Months => "mo",
            Self::Weeks => "w",
            Self::Days => "d",
            Self::Hours => "h",
            Self::Minutes => "m",
        }
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.as_str())
    }
}

impl Distance {
    /// Reads `3d`, `2w`, `1mo`, `2h`, `30m`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let unit = [
            Unit::Months,
            Unit::Weeks,
            Unit::Days,
            Unit::Hours,
            Unit::Minutes,
        ]
        .into_iter()
        .find(|known| known.as_str() == unit)?;
        let count = count.parse().ok()?;
        // A century is far enough, and keeps every sum within what time can say.
        (Self { count, unit }.most_days() <= 36_600).then_some(Self { count, unit })
    }

    /// Whether it is counted on the calendar and not on the stopwatch.
    pub const fn is_calendar(self) -> bool {
        matches!(self.unit, Unit::Months | Unit::Weeks | Unit::Days)
    }

    /// The most days it can reach.
    pub const fn most_days(self) -> u64 {
        let count = self.count as u64;
        match self.unit {
            Unit::Months => count * 31,
            Unit::Weeks => count * 7,
            Unit::Days => count,
            Unit::Hours => count / 24 + 1,
            Unit::Minutes => count / (24 * 60) + 1,
        }
    }

    /// The time that passes, if it is counted on the stopwatch.
    pub fn elapsed(self) -> Option<SignedDuration> {
        let count = i64::from(self.count);
        match self.unit {
            Unit::Hours => Some(SignedDuration::from_secs(count * 3600)),
            Unit::Minutes => Some(SignedDuration::from_secs(count * 60)),
            Unit::Months | Unit::Weeks | Unit::Days => None,
        }
    }

    /// `day` and this much more, or less with `times` −1; only calendar units move a day.
    pub fn from_day(self, day: Date, times: i64) -> Date {
        let count = i64::from(self.count) * times;
        match self.unit {
            Unit::Months => wall::add_months(day, count),
            Unit::Weeks => wall::add_days(day, count * 7),
            Unit::Days => wall::add_days(day, count),
            Unit::Hours | Unit::Minutes => day,
        }
    }
}

/// When a step acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lead {
    /// At once when the occasion comes up or is moved.
    Created,
    /// At once when the occasion is moved, for who was told the old date.
    Moved,
    /// At the moment itself, of rules that fire by the clock or by hand.
    Now,
    /// So much before the occasion.
    Before(Distance),
    /// So much after it.
    After(Distance),
}

impl fmt::Display for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Moved => f.write_str("moved"),
            Self::Now => f.write_str("now"),
            Self::Before(distance) => write!(f, "{distance}"),
            Self::After(distance) => write!(f, "+{distance}"),
        }
    }
}

impl Lead {
    /// Whether `word` names this lead, as `Display` writes it or as the rule does.
    pub fn is_called(self, word: &str) -> bool {
        match self {
            Self::After(distance) => {
                word.strip_prefix('+')
                    .or_else(|| word.strip_prefix("after "))
                    .unwrap_or(word)
                    == distance.to_string()
            }
            Self::Before(distance) => {
                word.strip_prefix("before ").unwrap_or(word) == distance.to_string()
            }
            Self::Created | Self::Moved | Self::Now => word == self.to_string(),
        }
    }

    /// The day and time on the wall clock it points at, if it is counted in days from `day` at `at`.
    pub fn on_calendar(self, day: Date, at: Time) -> Option<jiff::civil::DateTime> {
        let day = match self {
            Self::Before(distance) if distance.is_calendar() => distance.from_day(day, -1),
            Self::After(distance) if distance.is_calendar() => distance.from_day(day, 1),
            Self::Created | Self::Moved | Self::Now | Self::Before(_) | Self::After(_) => {
                return None;
            }
        };
        Some(day.to_datetime(at))
    }

    /// The instant it points at, counted from the moment `start` or from `day` at `at` in `zone`.
    pub fn instant(self, zone: &TimeZone, start: Timestamp, day: Date, at: Time) -> Timestamp {
        if let Some(wall) = self.on_calendar(day, at) {
            return wall::instant(zone, wall);
        }
        match self {
            Self::Created | Self::Moved | Self::Now => start,
            Self::Before(distance) => start
                .saturating_sub(distance.elapsed().unwrap_or_default())
                .unwrap_or(start),
            Self::After(distance) => start
                .saturating_add(distance.elapsed().unwrap_or_default())
                .unwrap_or(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_read_and_written() {
        for text in ["0d", "4d", "2w", "1mo", "2h", "90m"] {
            assert_eq!(Distance::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "d",
            "3",
            "3 d",
            "-3d",
            "3D",
            "1y",
            "3dd",
            "1mon",
            "99999999999d",
            "40000d",
            "+3d",
        ] {
            assert_eq!(Distance::parse(text), None, "{text}");
        }
    }

    #[test]
    fn leads_have_names() {
        let after = Lead::After(Distance::parse("30d").unwrap());
        assert!(after.is_called("30d") && after.is_called("+30d"));
        assert!(!Lead::Before(Distance::parse("3d").unwrap()).is_called("30d"));
        assert!(Lead::Created.is_called("created"));
    }
}
