//! Holidays by their id: solar, lunar, by the sun, or by the weekday.

use jiff::civil::{Date, Weekday};

use crate::calendar::{lunar, solar_term, wall};
use crate::model::patient::LunarDay;

/// A day that comes round every year, and how it is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holiday {
    /// A day of the civil calendar; 29 February comes in leap years only.
    Solar {
        /// Month, 1 to 12.
        month: i8,
        /// Day of the month.
        day: i8,
    },
    /// A day of the Chinese lunisolar calendar.
    Lunar(LunarDay),
    /// The last day of the lunar year.
    LunarNewYearsEve,
    /// The day on which the sun reaches a longitude, in China.
    SolarTerm(f64),
    /// Such as the second Sunday of May.
    NthWeekday {
        /// Month, 1 to 12.
        month: i8,
        /// Which of them, from 1.
        nth: i8,
        /// Which day of the week.
        weekday: Weekday,
    },
}

const fn solar(month: i8, day: i8) -> Holiday {
    Holiday::Solar { month, day }
}

const fn lunar_day(month: u8, day: u8) -> Holiday {
    Holiday::Lunar(LunarDay { month, day })
}

/// The ids of all holidays: feasts first, then the solar terms.
pub fn names() -> impl Iterator<Item = &'static str> {
    let feasts = NAMED.iter().map(|(name, _)| *name);
    let terms = solar_term::TERMS.iter().map(|(name, _)| *name);
    feasts.chain(terms.filter(|term| !NAMED.iter().any(|(name, _)| name == term)))
}

/// Every feast that has an id of its own; the solar terms have theirs too.
pub const NAMED: &[(&str, Holiday)] = &[
    ("new_year", solar(1, 1)),
    ("spring_festival_eve", Holiday::LunarNewYearsEve),
    ("spring_festival", lunar_day(1, 1)),
    ("lantern", lunar_day(1, 15)),
    ("dragon_head", lunar_day(2, 2)),
    ("womens_day", solar(3, 8)),
    ("arbor_day", solar(3, 12)),
    ("qingming", Holiday::SolarTerm(solar_term::QINGMING)),
    ("labour_day", solar(5, 1)),
    ("youth_day", solar(5, 4)),
    (
        "mothers_day",
        Holiday::NthWeekday {
            month: 5,
            nth: 2,
            weekday: Weekday::Sunday,
        },
    ),
    ("nurses_day", solar(5, 12)),
    ("dragon_boat", lunar_day(5, 5)),
    ("childrens_day", solar(6, 1)),
    (
        "fathers_day",
        Holiday::NthWeekday {
            month: 6,
            nth: 3,
            weekday: Weekday::Sunday,
        },
    ),
    ("qixi", lunar_day(7, 7)),
    ("zhongyuan", lunar_day(7, 15)),
    ("doctors_day", solar(8, 19)),
    ("teachers_day", solar(9, 10)),
    ("mid_autumn", lunar_day(8, 15)),
    ("national_day", solar(10, 1)),
    ("double_ninth", lunar_day(9, 9)),
    (
        "thanksgiving",
        Holiday::NthWeekday {
            month: 11,
            nth: 4,
            weekday: Weekday::Thursday,
        },
    ),
    (
        "winter_solstice",
        Holiday::SolarTerm(solar_term::WINTER_SOLSTICE),
    ),
    ("christmas_eve", solar(12, 24)),
    ("christmas", solar(12, 25)),
    ("new_years_eve", solar(12, 31)),
    ("laba", lunar_day(12, 8)),
];

impl Holiday {
    /// Reads an id such as `mid_autumn`, or a day such as `09-10`.
    pub fn parse(id: &str) -> Option<Self> {
        if let Some((_, holiday)) = NAMED.iter().find(|(name, _)| *name == id) {
            return Some(*holiday);
        }
        if let Some(longitude) = solar_term::by_name(id) {
            return Some(Self::SolarTerm(longitude));
        }
        month_day(id).map(|(month, day)| Self::Solar { month, day })
    }

    /// Its days from `from` to `to`, both included, in order.
    pub fn dates(&self, from: Date, to: Date) -> Vec<Date> {
        if let Self::Lunar(day) = self {
            return lunar::dates(*day, from, to);
        }
        let years = from.year()..=to.year();
        years
            .filter_map(|year| self.date_in(year))
            .filter(|date| (from..=to).contains(date))
            .collect()
    }

    /// Its day in a civil year; lunar days are found by `dates`.
    fn date_in(&self, year: i16) -> Option<Date> {
        match *self {
            Self::Solar { month, day } => Date::new(year, month, day).ok(),
            Self::Lunar(day) => lunar::date_in(year, day),
            Self::LunarNewYearsEve => lunar::date_in(year, LunarDay { month: 1, day: 1 })
                .map(|day| wall::add_days(day, -1)),
            Self::SolarTerm(longitude) => solar_term::date_in(year, longitude),
            Self::NthWeekday {
                month,
                nth,
                weekday,
            } => Date::new(year, month, 1)
                .ok()?
                .nth_weekday_of_month(nth, weekday)
                .ok(),
        }
    }
}

/// Reads `MM-DD`; 29 February is a day.
pub fn month_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    let digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<i8>().ok())
            .flatten()
    };
    let (month, day) = (digits(month)?, digits(day)?);
    // A leap year has every day there can be.
    Date::new(2024, month, day).ok().map(|_| (month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(id: &str, year: i16, expected: &[&str]) {
        let holiday = Holiday::parse(id).unwrap();
        let found = holiday.dates(
            Date::new(year, 1, 1).unwrap(),
            Date::new(year, 12, 31).unwrap(),
        );
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{id} in {year}");
    }

    #[test]
    fn holidays_of_2026() {
        for (id, day) in [
            ("new_year", "2026-01-01"),
            ("laba", "2026-01-26"),
            ("spring_festival_eve", "2026-02-16"),
            ("spring_festival", "2026-02-17"),
            ("lantern", "2026-03-03"),
            ("qingming", "2026-04-05"),
            ("labour_day", "2026-05-01"),
            ("mothers_day", "2026-05-10"),
            ("dragon_boat", "2026-06-19"),
            ("fathers_day", "2026-06-21"),
            ("qixi", "2026-08-19"),
            ("mid_autumn", "2026-09-25"),
            ("national_day", "2026-10-01"),
            ("double_ninth", "2026-10-18"),
            ("thanksgiving", "2026-11-26"),
            ("winter_solstice", "2026-12-22"),
            ("christmas", "2026-12-25"),
            ("lidong", "2026-11-07"),
            ("dongzhi", "2026-12-22"),
            ("09-10", "2026-09-10"),
        ] {
            check(id, 2026, &[day]);
        }
    }

    #[test]
    fn a_year_may_hold_a_holiday_twice_or_not_at_all() {
        check("02-29", 2027, &[]);
        check("02-29", 2028, &["2028-02-29"]);
        // The leap month of 2033 puts nearly thirteen moons between two Laba days.
        check("laba", 2031, &["2031-01-01"]);
        check("laba", 2033, &["2033-01-08"]);
        check("laba", 2034, &["2034-01-27"]);
    }

    #[test]
    fn every_id_is_read_and_stands_once() {
        let mut all: Vec<&str> = names().collect();
        assert!(all.iter().all(|id| Holiday::parse(id).is_some()));
        assert!(all.contains(&"qingming") && all.contains(&"mangzhong"));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), NAMED.len() + 23);
    }

    #[test]
    fn no_holiday_of_that_name() {
        for id in ["mid_autum", "13-01", "02-30", "2-3", "", "+1-01"] {
            assert_eq!(Holiday::parse(id), None, "{id}");
        }
    }
}
