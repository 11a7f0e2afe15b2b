//! Days of birth, as exactly as they are known.

use jiff::civil::Date;

/// A day of birth, or as much of it as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// The day.
    Day(Date),
    /// A month or a year: kept as the last day it can have been, to be on the safe side with minors.
    Within {
        /// The year.
        year: i16,
        /// The last day it can have been.
        latest: Date,
    },
}

impl Birth {
    /// Reads `1975-04-02`, `1975-04` or `1975`.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        match parts.as_slice() {
            [_, _, _] if text.len() == 10 => text.parse().ok().map(Self::Day),
            [year, month] if month.len() == 2 => {
                let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
                Some(Self::Within {
                    year: first.year(),
                    latest: first.last_of_month(),
                })
            }
            [year] if year.len() == 4 => {
                let first = Date::new(year.parse().ok()?, 1, 1).ok()?;
                Some(Self::Within {
                    year: first.year(),
                    latest: first.last_of_year(),
                })
            }
            _ => None,
        }
    }

    /// The day, where it is known.
    pub const fn day(self) -> Option<Date> {
        match self {
            Self::Day(day) => Some(day),
            Self::Within { .. } => None,
        }
    }

    /// Whether they are, or may be, under 18 on `today`.
    pub fn may_be_minor(self, today: Date) -> bool {
        let latest = match self {
            Self::Day(day) => day,
            Self::Within { latest, .. } => latest,
        };
        today
            .checked_sub(jiff::Span::new().years(18))
            .is_ok_and(|line| latest > line)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::Birth;

    #[test]
    fn a_partial_birth_date_is_no_day_and_leans_to_the_young() {
        assert_eq!(
            Birth::parse("1975-04-02").and_then(Birth::day),
            Some(date(1975, 4, 2))
        );
        let year = Birth::parse("2008").expect("a year is a birth date");
        assert_eq!(year.day(), None);
        assert!(year.may_be_minor(date(2026, 6, 1)));
        assert!(!year.may_be_minor(date(2026, 12, 31)));
        assert!(Birth::parse("2008-02").is_some());
        for bad in ["", "75-04-02", "1975-13", "1975-02-30", "x"] {
            assert!(Birth::parse(bad).is_none(), "{bad}");
        }
    }
}
