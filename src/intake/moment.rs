//! Dates and times as people write them: ISO, Chinese, with dots or slashes, from Excel.
//!
//! What could be two days is none: `7/8/2026` needs a declared order.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::model::occasion::OccasionTime;

/// The order of the numbers in a date such as `7/8/2026`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// Year, month, day.
    Ymd,
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
}

/// Reads a day, with or without a clock. An instant with an offset is brought to the wall clock of `zone`.
pub fn moment(text: &str, order: Option<DateOrder>, zone: &TimeZone) -> Option<OccasionTime> {
    let text = plain(text);
    if let Some(at) = instant(&text) {
        return Some(OccasionTime::At(minute(
            at.to_zoned(zone.clone()).datetime(),
        )));
    }
    if let Some(compact) = compact(&text) {
        return Some(compact);
    }
    written(&text, order)
}

/// Reads a day; a clock behind it is let go.
pub fn day(text: &str, order: Option<DateOrder>) -> Option<Date> {
    moment(text, order, &TimeZone::UTC).map(OccasionTime::date)
}

/// Reads a clock alone, such as `9:30`, `下午2点`, `0930`.
pub fn clock(text: &str) -> Option<Time> {
    let text = plain(text);
    if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Time::new(text[..2].parse().ok()?, text[2..].parse().ok()?, 0, 0).ok();
    }
    // Excel keeps a clock as a part of a day.
    if let Some(part) = text
        .strip_prefix("0.")
        .filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    {
        return part_of_day(&format!("0.{part}"));
    }
    let (rest, half) = half_of_day(&text);
    let (before, time) = split_clock(&rest, half)?;
    before.trim().is_empty().then_some(time)?
}

/// Reads an instant: one with an offset, or a wall clock in `zone`.
pub fn timestamp(text: &str, order: Option<DateOrder>, zone: &TimeZone) -> Option<Timestamp> {
    let plain = plain(text);
    if let Some(at) = instant(&plain) {
        return Some(at);
    }
    let wall = match moment(text, order, zone)? {
        OccasionTime::At(at) => at,
        OccasionTime::On(on) => on.to_datetime(Time::midnight()),
    };
    zone.to_ambiguous_zoned(wall)
        .compatible()
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// Full-width letters, digits and signs as plain ones; what stands around cut off.
pub(crate) fn plain(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            '\u{3000}' | '\u{a0}' | '\u{202f}' => ' ',
            '–' | '—' | '−' => '-',
            c => c,
        })
        .collect();
    plain.trim().trim_start_matches('\'').to_owned()
}

fn instant(text: &str) -> Option<Timestamp> {
    let iso = text.len() > 11
        && text.as_bytes().get(4) == Some(&b'-')
        && matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '));
    iso.then(|| text.parse().ok()).flatten()
}

/// `20260724`, `202607240930`, and the days since 1899-12-30 that Excel keeps.
fn compact(text: &str) -> Option<OccasionTime> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty()
        || !whole
            .bytes()
            .chain(part.bytes())
            .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let number = |range: std::ops::Range<usize>| whole.get(range)?.parse::<i8>().ok();
    match (whole.len(), part) {
        (8 | 12 | 14, "") => {
            let date = Date::new(whole[..4].parse().ok()?, number(4..6)?, number(6..8)?).ok()?;
            if whole.len() == 8 {
                return Some(OccasionTime::On(date));
            }
            Some(OccasionTime::At(date.to_datetime(
                Time::new(number(8..10)?, number(10..12)?, 0, 0).ok()?,
            )))
        }
        (5, _) => {
            let days: i32 = whole.parse().ok()?;
            // From 1954 to 2119: less or more is rather another number.
            if !(20_000..80_000).contains(&days) {
                return None;
            }
            let date = Date::constant(1899, 12, 30).checked_add(days.days()).ok()?;
            match part.trim_end_matches('0') {
                "" => Some(OccasionTime::On(date)),
                part => Some(OccasionTime::At(
                    date.to_datetime(part_of_day(&format!("0.{part}"))?),
                )),
            }
        }
        _ => None,
    }
}

fn part_of_day(part: &str) -> Option<Time> {
    let digits = part.strip_prefix("0.")?;
    let digits = digits.get(..9).unwrap_or(digits);
    let scale = 10_i64.checked_pow(u32::try_from(digits.len()).ok()?)?;
    let minutes = (digits.parse::<i64>().ok()? * 1440 + scale / 2) / scale;
    Time::new(
        i8::try_from(minutes / 60).ok()?,
        i8::try_from(minutes % 60).ok()?,
        0,
        0,
    )
    .ok()
}

/// Which half of the day a word names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Unsaid,
    Morning,
    Noon,
    Afternoon,
}

/// Takes the word for morning or afternoon out of `text`.
fn half_of_day(text: &str) -> (String, Half) {
    const WORDS: [(&str, Half); 13] = [
        ("上午", Half::Morning),
        ("早上", Half::Morning),
        ("凌晨", Half::Morning),
        ("清晨", Half::Morning),
        ("中午", Half::Noon),
        ("下午", Half::Afternoon),
        ("傍晚", Half::Afternoon),
        ("晚上", Half::Afternoon),
        ("a.m.", Half::Morning),
        ("p.m.", Half::Afternoon),
        ("am", Half::Morning),
        ("pm", Half::Afternoon),
        ("午后", Half::Afternoon),
    ];
    let lower = text.to_lowercase();
    for (word, half) in WORDS {
        if lower.contains(word) {
            return (lower.replacen(word, " ", 1), half);
        }
    }
    (lower, Half::Unsaid)
}

/// A date in words or numbers, and a clock if there is one.
fn written(text: &str, order: Option<DateOrder>) -> Option<OccasionTime> {
    let (rest, half) = half_of_day(text);
    let rest = without_weekday(&rest);
    let Some((date, time)) = split_clock(&rest, half) else {
        return if half == Half::Unsaid {
            ordered(&rest, order).map(OccasionTime::On)
        } else {
            None
        };
    };
    Some(OccasionTime::At(ordered(&date, order)?.to_datetime(time?)))
}

/// Splits off a clock: `9:30`, `9:30:15`, `9点`, `9点半`, `9时30分`, and `9` before a lone `am` or `pm`.
/// `None` without one; a clock that does not exist is an inner `None`.
fn split_clock(text: &str, half: Half) -> Option<(String, Option<Time>)> {
    let sign = text.find([':', '时', '点']);
    let (before, after) = match sign {
        Some(at) => (&text[..at], text[at..].chars().skip(1).collect::<String>()),
        None if half != Half::Unsaid => (text.trim_end(), String::new()),
        None => return None,
    };
    let digits = before.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (date, hour) = before.split_at(before.len() - digits);
    let read = || {
        let hour: i8 = hour.parse().ok()?;
        let rest = after.trim().trim_end_matches(['分', '秒', '整', '正']);
        let minute: i8 = match rest.split([':', '分']).next().map(str::trim) {
            None | Some("") => 0,
            Some("半") => 30,
            Some("一刻") => 15,
            Some("三刻") => 45,
            // What stands behind seconds, such as a fraction, says nothing more.
            Some(minute) => minute.parse().ok()?,
        };
        let hour = match (half, hour) {
            (Half::Afternoon, 1..=11) | (Half::Noon, 1..=2) => hour + 12,
            (Half::Morning, 12) => 0,
            (Half::Morning, 13..) => return None,
            (Half::Unsaid | Half::Morning | Half::Noon | Half::Afternoon, hour) => hour,
        };
        Time::new(hour, minute, 0, 0).ok()
    };
    Some((date.trim_end_matches(['t', ' ', ',']).to_owned(), read()))
}

fn without_weekday(text: &str) -> String {
    const ENGLISH: [&str; 14] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
    ];
    let mut text = text.replace(['(', ')'], " ");
    for name in ENGLISH {
        if let Some(at) = text.find(name) {
            text.replace_range(at..at + name.len(), " ");
            break;
        }
    }
    for name in ["星期", "礼拜", "周"] {
        if let Some(at) = text.find(name) {
            let day = text[at + name.len()..]
                .chars()
                .next()
                .map_or(0, char::len_utf8);
            text.replace_range(at..at + name.len() + day, " ");
        }
    }
    text
}

/// Three numbers, one of which may be the name of a month, in an order that leaves no doubt.
fn ordered(text: &str, order: Option<DateOrder>) -> Option<Date> {
    let (text, named) = month_name(text);
    let numbers: Vec<&str> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect();
    if text
        .chars()
        .any(|c| c.is_alphabetic() && !matches!(c, '年' | '月' | '日' | '号' | 't'))
    {
        return None;
    }
    if let Some(month) = named {
        let [a, b] = numbers.as_slice() else {
            return None;
        };
        let (year, day) = if a.len() == 4 { (a, b) } else { (b, a) };
        return Date::new(year_of(year, false)?, month, day.parse().ok()?).ok();
    }
    let [a, b, c] = numbers.as_slice() else {
        return None;
    };
    let small = |text: &str| text.parse::<i8>().ok();
    let (year, month, day) = match (a.len(), c.len(), order) {
        (4, _, _) => (year_of(a, false)?, small(b)?, small(c)?),
        (_, 4, _) if text.contains('.') => (year_of(c, false)?, small(b)?, small(a)?),
        (_, 4, Some(DateOrder::Mdy)) => (year_of(c, false)?, small(a)?, small(b)?),
        (_, 4, Some(DateOrder::Dmy)) => (year_of(c, false)?, small(b)?, small(a)?),
        (_, 4, Some(DateOrder::Ymd) | None) => match (small(a)?, small(b)?) {
            (day @ 13.., month) => (year_of(c, false)?, month, day),
            (month, day @ 13..) => (year_of(c, false)?, month, day),
            (month, day) if month == day => (year_of(c, false)?, month, day),
            _ => return None,
        },
        (_, _, Some(DateOrder::Ymd)) => (year_of(a, true)?, small(b)?, small(c)?),
        (_, _, Some(DateOrder::Mdy)) => (year_of(c, true)?, small(a)?, small(b)?),
        (_, _, Some(DateOrder::Dmy)) => (year_of(c, true)?, small(b)?, small(a)?),
        (_, _, None) => return None,
    };
    Date::new(year, month, day).ok()
}

/// Four digits, or two where the order is declared: 69 to 99 are of the last century, as POSIX has it.
fn year_of(text: &str, two: bool) -> Option<i16> {
    let year: i16 = text.parse().ok()?;
    match (text.len(), two) {
        (4, _) => Some(year),
        (2, true) => Some(if year >= 69 { 1900 + year } else { 2000 + year }),
        _ => None,
    }
}

fn month_name(text: &str) -> (String, Option<i8>) {
    const NAMES: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    for (index, name) in (1_i8..).zip(NAMES) {
        if let Some(at) = text.find(name) {
            let letters = text[at..]
                .bytes()
                .take_while(u8::is_ascii_alphabetic)
                .count();
            let mut rest = text.to_owned();
            rest.replace_range(at..at + letters, " ");
            return (
                rest.replace("th", " ")
                    .replace("st ", " ")
                    .replace("nd ", " ")
                    .replace("rd ", " "),
                Some(index),
            );
        }
    }
    (text.to_owned(), None)
}

fn minute(at: DateTime) -> DateTime {
    at.with()
        .second(0)
        .subsec_nanosecond(0)
        .build()
        .unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{DateOrder, clock, day, moment, timestamp};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let zone = TimeZone::get("Asia/Shanghai").expect("the zone is there");
        let read = moment(text, None, &zone).map(crate::model::occasion::OccasionTime::to_text);
        assert_eq!(read.unwrap_or_default(), expected, "{text}");
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        check("2026-07-24", "2026-07-24");
        check("2026/7/24", "2026-07-24");
        check("2026.7.24", "2026-07-24");
        check("20260724", "2026-07-24");
        check("202607240930", "2026-07-24T09:30");
        check("20260724093015", "2026-07-24T09:30");
        check("2026年7月24日", "2026-07-24");
        check("２０２６年７月２４号 星期五", "2026-07-24");
        check("24.07.2026", "2026-07-24");
        check("24.7.2026 9:05", "2026-07-24T09:05");
        check("24 July 2026", "2026-07-24");
        check("July 24, 2026 2:30 PM", "2026-07-24T14:30");
        check("Fri, 24 Jul 2026 09:30", "2026-07-24T09:30");
        check("7/24/2026", "2026-07-24");
        check("24/7/2026", "2026-07-24");
        check("46227", "2026-07-24");
        check("46227.395833333", "2026-07-24T09:30");
        check("46227.0", "2026-07-24");
        check(" '2026-07-24 ", "2026-07-24");
    }

    #[test]
    fn clocks_are_read_as_people_write_them() {
        check("2026-07-24 09:30", "2026-07-24T09:30");
        check("2026-07-24T09:30:00", "2026-07-24T09:30");
        check("2026-07-24 09:30:00.000", "2026-07-24T09:30");
        check("2026-07-24T01:30:00Z", "2026-07-24T09:30");
        check("2026-07-24T23:30:00-04:00", "2026-07-25T11:30");
        check("2026-07-24 01:30:00+00:00", "2026-07-24T09:30");
        check("2026年7月24日 上午9:30", "2026-07-24T09:30");
        check("2026年7月24日下午2点半", "2026-07-24T14:30");
        check("2026年7月24日 14时05分", "2026-07-24T14:05");
        check("2026年7月24日（周五）9点", "2026-07-24T09:00");
        check("2026/7/24 中午12:30", "2026-07-24T12:30");
        check("2026/7/24 中午1点", "2026-07-24T13:00");
        check("2026/7/24 12:30 AM", "2026-07-24T00:30");
        check("2026/7/24 12:30 p.m.", "2026-07-24T12:30");
        check("2026/7/24 9 am", "2026-07-24T09:00");
        check("2026-07-24 晚上8点", "2026-07-24T20:00");
    }

    #[test]
    fn what_could_be_two_days_or_is_none_is_refused() {
        for text in [
            "",
            "7/8/2026",
            "2026-02-30",
            "2026-13-01",
            "24.07.26",
            "2026-07-24 25:00",
            "2026-07-24 下午",
            "2026年7月",
            "7月24日",
            "tomorrow",
            "2026-07-24 9:75",
            "1234",
            "123456",
            "13800000001",
            "2026-07-24 上午14:30",
            "2026-07-24 x",
            "一月一日",
        ] {
            check(text, "");
        }
    }

    #[test]
    fn a_declared_order_settles_slashes_and_short_years() {
        let read = |text, order| {
            day(text, Some(order))
                .map(|day| day.to_string())
                .unwrap_or_default()
        };
        assert_eq!(read("7/8/2026", DateOrder::Mdy), "2026-07-08");
        assert_eq!(read("7/8/2026", DateOrder::Dmy), "2026-08-07");
        assert_eq!(read("24.07.26", DateOrder::Dmy), "2026-07-24");
        assert_eq!(read("7/24/75", DateOrder::Mdy), "1975-07-24");
        assert_eq!(read("26-7-24", DateOrder::Ymd), "2026-07-24");
        assert_eq!(read("24/7/2026", DateOrder::Mdy), "");
    }

    #[test]
    fn a_clock_alone_and_an_instant() {
        let read = |text| {
            clock(text)
                .map(|time| time.strftime("%H:%M").to_string())
                .unwrap_or_default()
        };
        for (text, expected) in [
            ("9:30", "09:30"),
            ("0930", "09:30"),
            ("下午2点", "14:00"),
            ("9:30 PM", "21:30"),
            ("0.5", "12:00"),
            ("0.395833333", "09:30"),
            ("x", ""),
            ("25:00", ""),
            ("2026-07-24 9:30", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let zone = TimeZone::get("Asia/Shanghai").expect("the zone is there");
        let at = |text| {
            timestamp(text, None, &zone)
                .map(|at| at.to_string())
                .unwrap_or_default()
        };
        assert_eq!(at("2026-07-24"), "2026-07-23T16:00:00Z");
        assert_eq!(at("2026-07-24T09:30:15+08:00"), "2026-07-24T01:30:15Z");
        assert_eq!(at("2026/7/24 9:30"), "2026-07-24T01:30:00Z");
    }
}
