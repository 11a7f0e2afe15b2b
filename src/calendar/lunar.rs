//! Days of the Chinese lunisolar calendar, by the tables of `icu_calendar`.

use icu_calendar::cal::ChineseTraditional;
use icu_calendar::types::Month;
use icu_calendar::{Date as CalendarDate, Gregorian};
use jiff::civil::Date;

use crate::calendar::wall;
use crate::model::patient::LunarDay;

/// The civil day of `day` in the lunar year that begins in the civil year `year`.
///
/// It is the ordinary month of that number, never the leap one; day 30 becomes 29 in a short month.
/// `None` when there is no such month or day, or the year is beyond reckoning.
pub fn date_in(year: i16, day: LunarDay) -> Option<Date> {
    if !(1..=12).contains(&day.month)
        || !(1..=30).contains(&day.day)
        || !(1800..=2200).contains(&year)
    {
        return None;
    }
    let first = CalendarDate::try_new(
        i32::from(year).into(),
        Month::new(day.month),
        1,
        ChineseTraditional::new(),
    )
    .ok()?;
    let length = first.days_in_month();
    let first = first.to_calendar(Gregorian);
    let civil = Date::new(
        i16::try_from(first.year().extended_year()).ok()?,
        i8::try_from(first.month().ordinal).ok()?,
        i8::try_from(first.day_of_month().0).ok()?,
    )
    .ok()?;
    Some(wall::add_days(civil, i64::from(day.day.min(length)) - 1))
}

/// The civil days of `day` from `from` to `to`, both included: a civil year may hold two or none.
pub fn dates(day: LunarDay, from: Date, to: Date) -> Vec<Date> {
    let years = from.year().saturating_sub(1)..=to.year();
    years
        .filter_map(|year| date_in(year, day))
        .filter(|date| (from..=to).contains(date))
        .collect()
}

/// The lunar month and day of a civil day; a leap month has the number of the one before it.
pub fn of(day: Date) -> Option<LunarDay> {
    let year = i32::from(day.year());
    let (month, number) = (
        u8::try_from(day.month()).ok()?,
        u8::try_from(day.day()).ok()?,
    );
    let civil = CalendarDate::try_new(year.into(), Month::new(month), number, Gregorian).ok()?;
    let lunar = civil.to_calendar(ChineseTraditional::new());
    Some(LunarDay {
        month: lunar.month().number(),
        day: lunar.day_of_month().0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `days` are divided by blanks.
    #[track_caller]
    fn check(month: u8, day: u8, from: &str, to: &str, days: &str) {
        let day = LunarDay { month, day };
        let found = dates(day, from.parse().unwrap(), to.parse().unwrap());
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), days);
    }

    #[test]
    fn festivals_fall_as_the_almanac_says() {
        let table = [
            (
                1,
                1,
                "2024-02-10 2025-01-29 2026-02-17 2027-02-06 2028-01-26 2029-02-13 2030-02-03",
            ),
            (
                5,
                5,
                "2024-06-10 2025-05-31 2026-06-19 2027-06-09 2028-05-28 2029-06-16 2030-06-05",
            ),
            (
                8,
                15,
                "2024-09-17 2025-10-06 2026-09-25 2027-09-15 2028-10-03 2029-09-22 2030-09-12",
            ),
            (
                9,
                9,
                "2024-10-11 2025-10-29 2026-10-18 2027-10-08 2028-10-26 2029-10-16 2030-10-05",
            ),
        ];
        for (month, day, days) in table {
            check(month, day, "2024-01-01", "2030-12-31", days);
        }
        let laba = "2025-01-07 2026-01-26 2027-01-15 2028-01-04 2029-01-22 2030-01-11 2031-01-01";
        check(12, 8, "2025-01-01", "2031-12-31", laba);
    }

    #[test]
    fn a_leap_month_is_never_meant() {
        // 2025 has a second sixth month from 25 July.
        check(6, 1, "2025-01-01", "2025-12-31", "2025-06-25");
        // 2033 has a second eleventh month from 22 December.
        check(11, 1, "2033-01-01", "2034-01-31", "2033-11-22");
        check(12, 1, "2033-12-01", "2034-12-31", "2034-01-20");
    }

    #[test]
    fn day_thirty_clamps_in_a_short_month() {
        let long: Vec<Date> = (2020..2040)
            .filter_map(|year| date_in(year, LunarDay { month: 12, day: 30 }))
            .collect();
        let eves: Vec<Date> = (2021..2041)
            .filter_map(|year| date_in(year, LunarDay { month: 1, day: 1 }))
            .map(|day| wall::add_days(day, -1))
            .collect();
        assert_eq!(long, eves);
    }

    #[test]
    fn a_civil_year_may_hold_two_or_none() {
        check(
            12,
            1,
            "2027-01-01",
            "2029-12-31",
            "2027-01-08 2027-12-28 2029-01-15",
        );
        check(
            12,
            30,
            "2024-01-01",
            "2026-12-31",
            "2024-02-09 2025-01-28 2026-02-16",
        );
    }

    #[test]
    fn there_and_back() {
        for year in 1901..2100 {
            for (month, day) in [(1, 1), (4, 30), (8, 15), (12, 29)] {
                let date = date_in(year, LunarDay { month, day }).unwrap();
                let back = of(date).unwrap();
                assert!(
                    back.month == month && (back.day == day || back.day == 29),
                    "{date}"
                );
            }
        }
    }

    #[test]
    fn nonsense_is_no_day() {
        assert_eq!(date_in(2026, LunarDay { month: 13, day: 1 }), None);
        assert_eq!(date_in(2026, LunarDay { month: 1, day: 31 }), None);
        assert_eq!(date_in(2026, LunarDay { month: 0, day: 0 }), None);
    }
}
