//! An occasion that repeats: as many occasions as it says, each with a key of its own.
//!
//! Every member is a sum from the anchor, so that the ends of months never drift (rules/README.md, rule 8).

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::input::RepeatInput;
use super::moment;
use crate::calendar::wall;
use crate::model::occasion::OccasionTime;

/// How many occasions one may be.
pub(crate) const MOST: u32 = 120;

/// The key of the member `n` of an occasion that repeats, from 1.
pub(crate) fn member(key: &str, n: u32) -> String {
    format!("{key}#{n}")
}

/// A distance on the calendar.
#[derive(Clone, Copy)]
enum Every {
    Days(i64),
    Months(i64),
}

impl Every {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let count: i64 = count
            .parse()
            .ok()
            .filter(|count| (1..=1000).contains(count))?;
        match unit {
            "d" => Some(Self::Days(count)),
            "w" => Some(Self::Days(7 * count)),
            "mo" => Some(Self::Months(count)),
            "y" => Some(Self::Months(12 * count)),
            _ => None,
        }
    }

    fn after(self, anchor: Date, times: u32) -> Date {
        match self {
            Self::Days(days) => wall::add_days(anchor, days * i64::from(times)),
            Self::Months(months) => wall::add_months(anchor, months * i64::from(times)),
        }
    }
}

/// When each member is: at the clock of `at`, the whole day where it has none. An error is the path and what was expected.
pub(crate) fn times(
    repeat: &RepeatInput,
    at: &str,
    zone: &TimeZone,
) -> Result<Vec<OccasionTime>, (&'static str, String)> {
    let wrong = |path, expected: &str| (path, expected.to_owned());
    let anchor = moment::day(&repeat.anchor, None)
        .ok_or_else(|| wrong("repeat.anchor", "expected a day such as 2026-01-31"))?;
    let every = Every::parse(&repeat.every).ok_or_else(|| {
        let expected = "expected a distance such as 1mo, 2w, 10d or 1y, up to 1000 of them";
        wrong("repeat.every", expected)
    })?;
    if !(1..=MOST).contains(&repeat.count) {
        let expected = format!("expected a number from 1 to {MOST}");
        return Err(("repeat.count", expected));
    }
    let clock = match (moment::clock(at), moment::moment(at, None, zone)) {
        (Some(clock), _) => Some(clock),
        (None, Some(OccasionTime::At(at))) => Some(at.time()),
        (None, Some(OccasionTime::On(_))) => None,
        (None, None) => {
            let expected =
                "expected a clock such as 10:00, or a date and time such as 2026-07-24T10:00";
            return Err(wrong("at", expected));
        }
    };
    let on = |n| {
        let day = every.after(anchor, n);
        clock.map_or(OccasionTime::On(day), |clock| {
            OccasionTime::At(day.to_datetime(clock))
        })
    };
    Ok((1..=repeat.count).map(on).collect())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::times;
    use crate::intake::input::RepeatInput;

    #[track_caller]
    fn check(anchor: &str, every: &str, count: u32, at: &str, expected: &[&str]) {
        let (anchor, every) = (anchor.to_owned(), every.to_owned());
        let repeat = RepeatInput {
            anchor,
            every,
            count,
        };
        let read = times(&repeat, at, &TimeZone::UTC);
        let read = match &read {
            Ok(times) => times.iter().map(|time| time.to_text()).collect(),
            Err((path, expected)) => vec![format!("{path}: {expected}")],
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn the_ends_of_months_never_drift() {
        let months = [
            "2026-02-28T10:00",
            "2026-03-31T10:00",
            "2026-04-30T10:00",
            "2026-05-31T10:00",
        ];
        check("2026-01-31", "1mo", 4, "2026-01-31T10:00", &months);
        check("2026-01-31", "1mo", 2, "10:00", &months[..2]);
        check("2024-02-29", "1y", 1, "2024-02-29", &["2025-02-28"]);
        check(
            "2026-01-31",
            "2w",
            2,
            "2026-01-31",
            &["2026-02-14", "2026-02-28"],
        );
    }

    #[test]
    fn what_is_wrong_with_a_repetition_is_told_with_its_path() {
        check(
            "x",
            "1mo",
            4,
            "10:00",
            &["repeat.anchor: expected a day such as 2026-01-31"],
        );
        check(
            "2026-01-31",
            "1h",
            4,
            "10:00",
            &["repeat.every: expected a distance such as 1mo, 2w, 10d or 1y, up to 1000 of them"],
        );
        for count in [0, 121] {
            check(
                "2026-01-31",
                "1mo",
                count,
                "10:00",
                &["repeat.count: expected a number from 1 to 120"],
            );
        }
        check(
            "2026-01-31",
            "1mo",
            1,
            "soon",
            &["at: expected a clock such as 10:00, or a date and time such as 2026-07-24T10:00"],
        );
    }
}
