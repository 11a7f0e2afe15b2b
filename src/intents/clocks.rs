//! Clocks as people write them: `3pm`, `10:30`, `half past two`, `三点半`, `a las 4`.

use crate::intents::dates::{ends, ends_any};
use crate::intents::numbers::number;
use crate::intents::token::{Kind, Tokens};

/// A clock before the part of the day has its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) hour: i8,
    pub(crate) minute: i8,
    /// Whether morning or afternoon is beyond doubt.
    pub(crate) is_exact: bool,
}

fn valid(hour: u32, minute: u32, is_exact: bool) -> Option<Clock> {
    let clock = Clock {
        hour: i8::try_from(hour).ok()?,
        minute: i8::try_from(minute).ok()?,
        is_exact: is_exact || hour > 12 || hour == 0,
    };
    (hour < 24 && minute < 60).then_some(clock)
}

/// The clock at token `at`, and where it ends; a bare number is one only where a word says so.
pub(crate) fn clock(tokens: &Tokens, at: usize, has_day: bool) -> Option<(Clock, usize)> {
    if let Some(end) = ends_any(tokens, at, "noon|midday|mediodia|medio dia|el mediodia") {
        return Some((valid(12, 0, true)?, end));
    }
    if let Some(found) = worded_clock(tokens, at) {
        return Some(found);
    }
    let before = if at > 0 { tokens.text(at - 1) } else { "" };
    let (start, is_led) = match ends_any(tokens, at, "a las|a la|las|la|at|around|about|by|to|for")
    {
        Some(next) => (next, true),
        None => (
            at,
            matches!(before, "at" | "las" | "la" | "around")
                || (matches!(before, "is" | "about" | "do") && is_offered(tokens, at + 1)),
        ),
    };
    let (hour, mut next) = number(tokens, start)?;
    if tokens.kind(next) == Some(Kind::Mark) && matches!(tokens.text(next), ":" | ".") {
        let is_colon = tokens.text(next) == ":";
        let minute = tokens
            .number(next + 1)
            .filter(|_| tokens.text(next + 1).len() == 2)?;
        next += 2;
        let half = half(tokens, next);
        if !is_colon && half.is_none() && !(is_led && has_day) {
            return None;
        }
        return with_half(tokens, hour, minute, next, true);
    }
    if start == at
        && let Some(found) = chinese_clock(tokens, at, hour, next)
    {
        return Some(found);
    }
    if let Some(found) = minutes_after(tokens, hour, next, is_led) {
        return Some(found);
    }
    let is_article = matches!(tokens.text(start.wrapping_sub(1)), "to" | "for" | "by");
    with_half(
        tokens,
        hour,
        0,
        next,
        is_led && (!is_article || has_day) && !is_counted(tokens, next),
    )
}

/// `10 30 am`, `1030am`, `3 y media`, `3 o'clock`: what follows the hour.
fn minutes_after(tokens: &Tokens, hour: u32, next: usize, is_led: bool) -> Option<(Clock, usize)> {
    if let Some(value) = tokens
        .number(next)
        .filter(|value| *value < 60 && tokens.text(next).len() == 2)
        && (is_led || half(tokens, next + 1).is_some())
    {
        return with_half(tokens, hour, value, next + 1, true);
    }
    if (100..2400).contains(&hour) && (half(tokens, next).is_some() || (is_led && hour >= 600)) {
        return with_half(tokens, hour / 100, hour % 100, next, true);
    }
    for (words, minute) in [("y media|y treinta", 30), ("y cuarto|y quince", 15)] {
        if let Some(end) = ends_any(tokens, next, words).filter(|_| is_led) {
            return with_half(tokens, hour, minute, end, true);
        }
    }
    let end = ends_any(tokens, next, "oclock|o clock|hrs|h|horas|en punto")?;
    with_half(tokens, hour, 0, end, true)
}

/// "Is 11 ok?", "how about 3?": the number before is an hour.
fn is_offered(tokens: &Tokens, at: usize) -> bool {
    tokens.kind(at).is_none_or(Kind::is_break)
        || matches!(
            tokens.text(at),
            "ok" | "okay"
                | "good"
                | "fine"
                | "possible"
                | "available"
                | "better"
                | "free"
                | "instead"
                | "alright"
        )
}

/// Whether a unit follows that makes the number a count.
fn is_counted(tokens: &Tokens, at: usize) -> bool {
    matches!(
        tokens.text(at),
        "min"
            | "mins"
            | "minutes"
            | "minute"
            | "minutos"
            | "hours"
            | "hour"
            | "days"
            | "dias"
            | "weeks"
            | "people"
            | "times"
            | "st"
            | "nd"
            | "rd"
            | "th"
            | "of"
            | "de"
            | "kids"
            | "years"
    ) && !matches!(tokens.text(at + 1), "la")
}

/// `am` or `pm` at `at`: whether it is after noon, and its end.
fn half(tokens: &Tokens, at: usize) -> Option<(bool, usize)> {
    match tokens.text(at) {
        "am" | "a" => Some((false, at + 1)),
        "pm" | "p" => Some((true, at + 1)),
        _ => None,
    }
}

fn with_half(
    tokens: &Tokens,
    hour: u32,
    minute: u32,
    at: usize,
    may_stand_alone: bool,
) -> Option<(Clock, usize)> {
    match half(tokens, at).filter(|_| hour <= 12) {
        // "at 3 a ..." is an article in both languages, unless it ends the clause.
        Some((_, end))
            if tokens.text(at).len() == 1
                && tokens.kind(end).is_some_and(|kind| !kind.is_break()) =>
        {
            may_stand_alone
                .then(|| valid(hour, minute, false).map(|clock| (clock, at)))
                .flatten()
        }
        Some((is_after_noon, end)) => {
            let hour = match (is_after_noon, hour) {
                (true, 12) | (false, 0..=11) => hour,
                (true, _) => hour + 12,
                (false, _) => 0,
            };
            Some((valid(hour, minute, true)?, end))
        }
        None => may_stand_alone
            .then(|| valid(hour, minute, false).map(|clock| (clock, at)))
            .flatten(),
    }
}

/// `half past three`, `quarter to 4`.
fn worded_clock(tokens: &Tokens, at: usize) -> Option<(Clock, usize)> {
    let (minute, next) = if let Some(end) = ends_any(tokens, at, "half past|half") {
        (30, end)
    } else if let Some(end) = ends_any(tokens, at, "quarter past|a quarter past|quarter after") {
        (15, end)
    } else {
        (
            45,
            ends_any(tokens, at, "quarter to|a quarter to|quarter till")?,
        )
    };
    let (hour, end) = number(tokens, next).filter(|(hour, _)| (1..=12).contains(hour))?;
    let hour = match (minute, hour) {
        (45, 1) => 12,
        (45, hour) => hour - 1,
        (_, hour) => hour,
    };
    with_half(tokens, hour, minute, end, true)
}

/// What follows `三` in `三点半`.
fn chinese_clock(tokens: &Tokens, at: usize, hour: u32, next: usize) -> Option<(Clock, usize)> {
    let is_bit = tokens.text(at) == "一"
        && at > 0
        && matches!(
            tokens.text(at - 1),
            "晚" | "早" | "快" | "慢" | "迟" | "有" | "等" | "好" | "差" | "近"
        );
    let mut end = ends_any(tokens, next, "点钟|点整|点|时整|时")?;
    if is_bit || tokens.text(next) == "时" && matches!(tokens.text(end), "间" | "候" | "段") {
        return None;
    }
    let mut minute = 0;
    if let Some(after) = ends(tokens, end, "半") {
        (minute, end) = (30, after);
    } else if let Some(after) = ends(tokens, end, "一刻") {
        (minute, end) = (15, after);
    } else if let Some(after) = ends(tokens, end, "三刻") {
        (minute, end) = (45, after);
    } else if let Some((value, after)) = number(tokens, end).filter(|(value, _)| *value < 60) {
        (minute, end) = (value, ends(tokens, after, "分").unwrap_or(after));
    }
    Some((valid(hour, minute, false)?, end))
}
