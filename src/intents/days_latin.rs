//! Days as English and Spanish readers name them: next Friday, the 28th, pasado mañana.

use jiff::civil::{Date, Weekday};

use crate::intents::dates::{self, Calendar, Day, day_of_month, ends, ends_any, month_day, plus};
use crate::intents::numbers::{number, ordinal};
use crate::intents::token::{Kind, Tokens};

pub(crate) fn relative(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    const NAMES: [(&str, i64); 16] = [
        ("the day after tomorrow", 2),
        ("day after tomorrow", 2),
        ("day after tmrw", 2),
        ("overmorrow", 2),
        ("tomorrow", 1),
        ("tommorrow", 1),
        ("tomorow", 1),
        ("tmrw", 1),
        ("tmr", 1),
        ("tmw", 1),
        ("tomoro", 1),
        ("today", 0),
        ("tonight", 0),
        ("pasado manana", 2),
        ("hoy", 0),
        ("tmro", 1),
    ];
    for (name, days) in NAMES {
        if let Some(end) = ends(tokens, at, name) {
            return Some((Day::exact(plus(calendar.today, days)?), end));
        }
    }
    // "la mañana" is the morning, "mañana" tomorrow.
    if tokens.text(at) == "manana" && !matches!(tokens.text(at.wrapping_sub(1)), "la" | "esta") {
        return Some((Day::exact(plus(calendar.today, 1)?), at + 1));
    }
    if let Some(end) = ends_any(
        tokens,
        at,
        "end of the month|end of this month|end of month|the end of the month|fin de mes|fin del mes|finales de mes|fines de mes|final de mes",
    ) {
        return Some((
            Day {
                date: calendar.today.last_of_month(),
                is_rough: true,
            },
            end,
        ));
    }
    distance(tokens, at, calendar)
}

/// `in 3 days`, `a week from today`, `dentro de dos semanas`.
fn distance(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let head = ends_any(tokens, at, "in|dentro de|en");
    let next = head.unwrap_or(at);
    let (count, next) = number(tokens, next)
        .or_else(|| ends_any(tokens, next, "a|an|una|un").map(|end| (1, end)))?;
    let (days, next) = if let Some(end) = ends_any(tokens, next, "days|day|dias|dia") {
        (i64::from(count), end)
    } else {
        (
            i64::from(count) * 7,
            ends_any(tokens, next, "weeks|week|wks|semanas|semana")?,
        )
    };
    if let Some(next) = ends_any(tokens, next, "from now|from today|from tomorrow") {
        let more = i64::from(tokens.text(next - 1) == "tomorrow");
        return Some((Day::exact(plus(calendar.today, days + more)?), next));
    }
    if let Some((from, end)) =
        ends(tokens, next, "from").and_then(|next| weekday(tokens, next, calendar))
    {
        return Some((Day::exact(plus(from.date, days)?), end));
    }
    // "a day" or "3 days" without a direction is no date.
    head.filter(|_| tokens.text(next) != "after" && tokens.text(next) != "before")
        .and_then(|_| Some((Day::exact(plus(calendar.today, days)?), next)))
}

fn weekday_index(word: &str) -> Option<i64> {
    let day = match word {
        "monday" | "mondays" | "mon" | "lunes" => Weekday::Monday,
        "tuesday" | "tuesdays" | "tue" | "tues" | "martes" => Weekday::Tuesday,
        "wednesday" | "wednesdays" | "wed" | "weds" | "wensday" | "wednsday" | "miercoles" => {
            Weekday::Wednesday
        }
        "thursday" | "thursdays" | "thu" | "thur" | "thurs" | "jueves" => Weekday::Thursday,
        "friday" | "fridays" | "fri" | "viernes" => Weekday::Friday,
        "saturday" | "saturdays" | "sat" | "sabado" => Weekday::Saturday,
        "sunday" | "sundays" | "sun" | "domingo" => Weekday::Sunday,
        _ => return None,
    };
    Some(day.to_monday_zero_offset().into())
}

pub(crate) fn weekday(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let prefixes = [
        ("next week on", Some(1)),
        ("next week", Some(1)),
        ("next", Some(1)),
        ("the following", Some(1)),
        ("this coming", None),
        ("this", Some(0)),
        ("coming", None),
        ("el proximo", Some(1)),
        ("proximo", Some(1)),
        ("este", Some(0)),
    ];
    let (mut weeks, next) = prefixes
        .iter()
        .find_map(|(words, weeks)| ends(tokens, at, words).map(|end| (*weeks, end)))
        .unwrap_or((None, at));
    let index = weekday_index(tokens.text(next))?;
    let mut end = next + 1;
    let suffixes = "of next week|next week|que viene|proximo|de la proxima semana|de la semana que viene|de la otra semana|siguiente";
    if let Some(after) = ends_any(tokens, end, suffixes) {
        (weeks, end) = (Some(1), after);
    } else if let Some(after) = ends_any(tokens, end, "of this week|this week|de esta semana") {
        (weeks, end) = (Some(0), after);
    }
    let date = dates::weekday(calendar.today, index, weeks)?;
    // "Friday the 21st" names a day of the month, which must be that weekday.
    if weeks.is_none()
        && let Some((numbered, after)) = ends_any(tokens, end, "the|el|dia")
            .and_then(|next| numbered_day(tokens, next, calendar))
            .or_else(|| numbered_day(tokens, end, calendar))
    {
        let is_same = i64::from(numbered.weekday().to_monday_zero_offset()) == index;
        return Some((
            Day {
                date: numbered,
                is_rough: !is_same,
            },
            after,
        ));
    }
    Some((Day::exact(date), end))
}

/// `21st`, `21`: a day of the month, where no hour can be meant.
fn numbered_day(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Date, usize)> {
    if let Some(value) = ordinal(tokens.text(at)) {
        return Some((day_of_month(calendar.today, value)?, at + 1));
    }
    let value = tokens.number(at).filter(|value| (1..=31).contains(value))?;
    let end = ends_any(tokens, at + 1, "st|nd|rd|th")?;
    Some((day_of_month(calendar.today, value)?, end))
}

fn month_index(word: &str) -> Option<u32> {
    const STEMS: [[&str; 4]; 12] = [
        ["january", "jan", "enero", "ene"],
        ["february", "feb", "febrero", "febr"],
        ["march", "mar", "marzo", "march"],
        ["april", "apr", "abril", "abr"],
        ["may", "may", "mayo", "mayo"],
        ["june", "jun", "junio", "jun"],
        ["july", "jul", "julio", "jul"],
        ["august", "aug", "agosto", "ago"],
        ["september", "sep", "septiembre", "sept"],
        ["october", "oct", "octubre", "oct"],
        ["november", "nov", "noviembre", "nov"],
        ["december", "dec", "diciembre", "dic"],
    ];
    let at = STEMS.iter().position(|stems| stems.contains(&word))?;
    u32::try_from(at + 1).ok()
}

/// `March 12th`, `the 12th of March`, `28 de julio`, `the 28th`.
pub(crate) fn date(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let suffix = |at: usize| ends_any(tokens, at, "st|nd|rd|th").unwrap_or(at);
    if let Some(month) = month_index(tokens.text(at)) {
        let next = ends(tokens, at + 1, "the").unwrap_or(at + 1);
        let (day, next) = tokens
            .number(next)
            .map(|day| (day, suffix(next + 1)))
            .or_else(|| ordinal(tokens.text(next)).map(|day| (day, next + 1)))?;
        let year = tokens
            .number(next)
            .filter(|year| (2000..2100).contains(year));
        let end = if year.is_some() { next + 1 } else { next };
        let year = year.and_then(|year| i32::try_from(year).ok());
        return Some((
            Day::exact(month_day(calendar.today, year, month, day)?),
            end,
        ));
    }
    let start = ends_any(tokens, at, "the|el dia|el|dia");
    let number_at = start.unwrap_or(at);
    if let Some(value) = tokens
        .number(number_at)
        .filter(|value| (1..=31).contains(value))
    {
        let next = suffix(number_at + 1);
        let month_at = ends_any(tokens, next, "of|de|del").unwrap_or(next);
        if let Some(month) = month_index(tokens.text(month_at)) {
            return Some((
                Day::exact(month_day(calendar.today, None, month, value)?),
                month_at + 1,
            ));
        }
        let is_bare = tokens
            .kind(next)
            .is_none_or(|kind| kind.is_break() || kind == Kind::Han)
            || ends_any(
                tokens,
                next,
                "at|in|a|por|instead|please|if|or|is|works|would|for|around|en|puede",
            )
            .is_some();
        if next > number_at + 1 || (start.is_some() && is_bare) {
            return Some((Day::exact(day_of_month(calendar.today, value)?), next));
        }
        return None;
    }
    let value = start.and_then(|at| ordinal(tokens.text(at)))?;
    // "the first" and "the second" are rather one of several.
    (value > 4)
        .then(|| day_of_month(calendar.today, value).map(|date| (Day::exact(date), number_at + 1)))
        .flatten()
}
