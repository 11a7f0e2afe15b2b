//! Days as people name them, counted from the day the reply arrived.
//!
//! Weeks begin on Monday; a bare weekday or day of the month is the nearest one to come.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::intents::token::{Kind, Tokens};
use crate::intents::{days_chinese, days_latin};

/// What days are counted from, and how `3/4` is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calendar {
    pub(crate) today: Date,
    /// Whether `3/4` is 4 March.
    pub(crate) is_month_first: bool,
}

/// A named day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) date: Date,
    /// "The end of the month": the day is only an anchor.
    pub(crate) is_rough: bool,
}

impl Day {
    pub(crate) fn exact(date: Date) -> Self {
        Self {
            date,
            is_rough: false,
        }
    }
}

/// The day named at token `at`, and where its name ends.
pub(crate) fn day(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let chinese = || {
        days_chinese::relative(tokens, at, calendar)
            .or_else(|| days_chinese::weekday(tokens, at, calendar))
            .or_else(|| days_chinese::date(tokens, at, calendar))
    };
    let latin = || {
        days_latin::relative(tokens, at, calendar)
            .or_else(|| days_latin::weekday(tokens, at, calendar))
            .or_else(|| days_latin::date(tokens, at, calendar))
    };
    let found = match tokens.kind(at)? {
        Kind::Han => chinese(),
        Kind::Word => latin(),
        Kind::Number => numeric(tokens, at, calendar)
            .or_else(chinese)
            .or_else(latin),
        Kind::Sign | Kind::Mark | Kind::Comma | Kind::Stop | Kind::Question | Kind::Line => None,
    };
    found.filter(|(_, end)| *end > at)
}

/// Where `words` end when they stand at `at`: Chinese by character, Latin by word.
pub(crate) fn ends(tokens: &Tokens, at: usize, words: &str) -> Option<usize> {
    let mut next = at;
    for word in words.split(' ') {
        if word.is_ascii() {
            if tokens.text(next) != word {
                return None;
            }
            next += 1;
            continue;
        }
        for c in word.chars() {
            let mut one = [0; 4];
            if tokens.text(next) != &*c.encode_utf8(&mut one) {
                return None;
            }
            next += 1;
        }
    }
    Some(next)
}

/// Where the first of `choices` that stands at `at` ends.
pub(crate) fn ends_any(tokens: &Tokens, at: usize, choices: &str) -> Option<usize> {
    choices.split('|').find_map(|words| ends(tokens, at, words))
}

pub(crate) fn plus(date: Date, days: i64) -> Option<Date> {
    date.checked_add(days.days()).ok()
}

/// The weekday `index` (Monday 0) of the current week and `weeks` more; without `weeks` the nearest to come.
pub(crate) fn weekday(today: Date, index: i64, weeks: Option<i64>) -> Option<Date> {
    let now = i64::from(today.weekday().to_monday_zero_offset());
    let days = match weeks {
        Some(weeks) => index - now + 7 * weeks,
        None if index > now => index - now,
        None => index - now + 7,
    };
    plus(today, days)
}

pub(crate) fn date(year: i32, month: i32, day: u32) -> Option<Date> {
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

/// The next such day of such a month, today included.
pub(crate) fn month_day(today: Date, year: Option<i32>, month: u32, day: u32) -> Option<Date> {
    let month = i32::try_from(month).ok()?;
    if let Some(year) = year {
        return date(year, month, day);
    }
    (0..=8)
        .filter_map(|later| date(i32::from(today.year()) + later, month, day))
        .find(|date| *date >= today)
}

/// The next such day of any month that has it, today included.
pub(crate) fn day_of_month(today: Date, day: u32) -> Option<Date> {
    let first = today.first_of_month();
    (0..12i64)
        .filter_map(|later| {
            let month = first.checked_add(later.months()).ok()?;
            date(i32::from(month.year()), month.month().into(), day)
        })
        .find(|date| *date >= today)
}

/// `2026-07-28`, `7/28`, `7.28`.
fn numeric(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let (first, mark, second) = (
        tokens.number(at)?,
        tokens.text(at + 1),
        tokens.number(at + 2)?,
    );
    if tokens.kind(at + 1) != Some(Kind::Mark) || mark == ":" {
        return None;
    }
    let third = (tokens.kind(at + 3) == Some(Kind::Mark) && tokens.text(at + 3) == mark)
        .then(|| tokens.number(at + 4))
        .flatten();
    if first >= 1000 {
        let found = date(
            i32::try_from(first).ok()?,
            i32::try_from(second).ok()?,
            third?,
        )?;
        return Some((Day::exact(found), at + 5));
    }
    // `8-9` and `8.5` are rather a range and a score.
    if mark == "-" && second <= 12
        || mark == "."
            && tokens.text(at + 2).len() < 2
            && ends_any(tokens, at + 3, "号|日").is_none()
    {
        return None;
    }
    let is_month_first = match (first > 12, second > 12) {
        (true, false) => false,
        (false, true) => true,
        _ => calendar.is_month_first || mark == ".",
    };
    let (month, day) = if is_month_first {
        (first, second)
    } else {
        (second, first)
    };
    let year =
        third.and_then(|year| i32::try_from(if year < 100 { year + 2000 } else { year }).ok());
    let end = if third.is_some() { at + 5 } else { at + 3 };
    let end = ends_any(tokens, end, "号|日").unwrap_or(end);
    Some((
        Day::exact(month_day(calendar.today, year, month, day)?),
        end,
    ))
}
