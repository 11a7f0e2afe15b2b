//! Sums on the wall clock: calendar days first, the instant after.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};

/// The instant when the clock of `zone` shows `wall`.
///
/// A time that does not exist shifts forward by the gap; one that occurs twice is the first.
/// Beyond what time can say it is the last instant there is.
pub fn instant(zone: &TimeZone, wall: DateTime) -> Timestamp {
    zone.to_ambiguous_timestamp(wall)
        .compatible()
        .unwrap_or(Timestamp::MAX)
}

/// The first instant after `after` when the clock of `zone` shows `time`, on the day of `after` or the next.
///
/// Where that time occurs twice, the second one counts too if the first is gone by.
pub fn next(zone: &TimeZone, after: Timestamp, time: Time) -> Timestamp {
    let today = date(zone, after);
    let wall = today.to_datetime(time);
    let first = instant(zone, wall);
    if first > after {
        return first;
    }
    let second = zone
        .to_ambiguous_timestamp(wall)
        .later()
        .unwrap_or(Timestamp::MAX);
    if second > after {
        return second;
    }
    instant(zone, add_days(today, 1).to_datetime(time))
}

/// The civil day in `zone` at that instant.
pub fn date(zone: &TimeZone, at: Timestamp) -> Date {
    zone.to_datetime(at).date()
}

/// The time on the clock of `zone` at that instant.
pub fn time(zone: &TimeZone, at: Timestamp) -> Time {
    zone.to_datetime(at).time()
}

/// `date` and `days` more (or less), clamped to what a calendar can say.
pub fn add_days(date: Date, days: i64) -> Date {
    date.saturating_add(Span::new().days(days.clamp(-3_000_000, 3_000_000)))
}

/// `date` and `months` more (or less); a day the month lacks becomes its last.
pub fn add_months(date: Date, months: i64) -> Date {
    date.saturating_add(Span::new().months(months.clamp(-100_000, 100_000)))
}

/// The instant with what is less than a minute cut off.
pub fn minute(at: Timestamp) -> Timestamp {
    let nanos = at.as_nanosecond();
    Timestamp::from_nanosecond(nanos - nanos.rem_euclid(60_000_000_000)).unwrap_or(at)
}

/// The first instant of the day after `date` in `zone`.
pub fn end_of_day(zone: &TimeZone, date: Date) -> Timestamp {
    instant(zone, add_days(date, 1).to_datetime(Time::midnight()))
}

/// Age in whole years on `day` of who was born on `birth`.
///
/// Who was born on 29 February is a year older on 1 March in common years.
pub fn age_on(birth: Date, day: Date) -> i64 {
    let years = i64::from(day.year()) - i64::from(birth.year());
    if (day.month(), day.day()) < (birth.month(), birth.day()) {
        years - 1
    } else {
        years
    }
}

/// Reads an IANA name, or an offset such as `+08:00`.
pub fn zone(name: &str) -> Option<TimeZone> {
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let (sign, rest) = match name.as_bytes().first()? {
        b'+' => (1, &name[1..]),
        b'-' => (-1, &name[1..]),
        _ => return None,
    };
    let time: Time = rest.parse().ok()?;
    let seconds = i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60;
    Offset::from_seconds(sign * seconds)
        .ok()
        .map(TimeZone::fixed)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn zone_of(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[track_caller]
    fn check(zone: &str, wall: &str, expected: &str) {
        let zone = zone_of(zone);
        let at = instant(&zone, wall.parse().unwrap());
        let shown = at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M%:z").to_string();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_gap_shifts_forward_and_a_fold_is_the_first() {
        check(
            "America/New_York",
            "2026-03-08T02:30",
            "2026-03-08T03:30-04:00",
        );
        check(
            "America/New_York",
            "2026-11-01T01:30",
            "2026-11-01T01:30-04:00",
        );
        check(
            "Australia/Lord_Howe",
            "2026-10-04T02:15",
            "2026-10-04T02:45+11:00",
        );
        check(
            "Australia/Lord_Howe",
            "2026-04-05T01:45",
            "2026-04-05T01:45+11:00",
        );
        check(
            "Asia/Shanghai",
            "1986-05-04T02:30",
            "1986-05-04T03:30+09:00",
        );
        check(
            "Asia/Shanghai",
            "1986-09-14T01:30",
            "1986-09-14T01:30+09:00",
        );
        check(
            "Asia/Shanghai",
            "2026-07-24T10:00",
            "2026-07-24T10:00+08:00",
        );
    }

    /// Every quarter of an hour of the years around changes of the clock.
    #[test]
    fn at_every_quarter_the_clock_shows_what_was_asked_or_the_gap_was_leapt() {
        let spans = [
            ("America/New_York", 2026),
            ("Australia/Lord_Howe", 2026),
            ("Asia/Shanghai", 1986),
            ("Asia/Shanghai", 1991),
            ("Europe/London", 2027),
        ];
        for (name, year) in spans {
            let zone = zone_of(name);
            let mut leapt = 0;
            for day in (0..365).map(|days| add_days(Date::constant(year, 1, 1), days)) {
                for quarter in 0..96_i8 {
                    let asked = day.at(quarter / 4, quarter % 4 * 15, 0, 0);
                    let at = instant(&zone, asked);
                    let shown = zone.to_datetime(at);
                    if shown != asked {
                        leapt += 1;
                        // A gap is leapt by its own length: half an hour on Lord Howe, else an hour.
                        let minutes = asked
                            .until(shown)
                            .unwrap()
                            .total(jiff::Unit::Minute)
                            .unwrap();
                        assert!([30.0, 60.0].contains(&minutes), "{name} {asked} {shown}");
                    }
                    let earlier = zone.to_datetime(at.checked_sub(1.hour()).unwrap());
                    assert!(
                        earlier != asked || shown != asked,
                        "{name} {asked} is the second of a fold"
                    );
                }
            }
            let quarters = if name == "Australia/Lord_Howe" { 2 } else { 4 };
            assert_eq!(leapt, quarters, "{name} {year}");
        }
    }

    #[test]
    fn the_next_time_of_day_knows_the_second_of_a_fold() {
        let zone = zone_of("America/New_York");
        let time = "01:30".parse().unwrap();
        let first: Timestamp = "2026-11-01T01:30-04:00".parse().unwrap();
        let second: Timestamp = "2026-11-01T01:30-05:00".parse().unwrap();
        assert_eq!(
            next(&zone, first.saturating_sub(1.second()).unwrap(), time),
            first
        );
        assert_eq!(next(&zone, first, time), second);
        assert_eq!(
            next(&zone, second, time),
            "2026-11-02T01:30-05:00".parse().unwrap()
        );
    }

    #[test]
    fn months_clamp_to_their_end() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(add_months(day("2026-01-31"), 1), day("2026-02-28"));
        assert_eq!(add_months(day("2026-01-31"), 2), day("2026-03-31"));
        assert_eq!(add_months(day("2028-03-31"), -1), day("2028-02-29"));
    }

    #[test]
    fn who_was_born_on_leap_day_ages_on_the_first_of_march() {
        let birth = "2008-02-29".parse().unwrap();
        assert_eq!(age_on(birth, "2026-02-28".parse().unwrap()), 17);
        assert_eq!(age_on(birth, "2026-03-01".parse().unwrap()), 18);
        assert_eq!(age_on(birth, "2028-02-29".parse().unwrap()), 20);
    }

    #[test]
    fn minutes_are_cut_before_and_after_1970() {
        let cut = |text: &str| minute(text.parse().unwrap()).to_string();
        assert_eq!(cut("2026-07-02T10:20:59.999Z"), "2026-07-02T10:20:00Z");
        assert_eq!(cut("1969-12-31T23:59:30.5Z"), "1969-12-31T23:59:00Z");
    }

    #[test]
    fn zones_are_names_or_offsets() {
        assert!(zone("Asia/Shanghai").is_some());
        let fixed = zone("-05:30").unwrap();
        assert_eq!(
            instant(&fixed, "2026-01-01T00:00".parse().unwrap()).to_string(),
            "2026-01-01T05:30:00Z"
        );
        assert!(zone("Mars/Olympus").is_none());
    }
}
