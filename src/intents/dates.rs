//! Days as people name them, counted from the day the reply arrived.
//!
//! Weeks begin on Monday; a bare weekday or day of the month is the nearest one to come.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use crate::intents::numbers::{number, ordinal};
use crate::intents::token::{Kind, Tokens};

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
    fn exact(date: Date) -> Self {
        Self { date, is_rough: false }
    }
}

/// The day named at token `at`, and where its name ends.
pub(crate) fn day(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let chinese = || chinese_relative(tokens, at, calendar).or_else(|| chinese_weekday(tokens, at, calendar)).or_else(|| chinese_date(tokens, at, calendar));
    let latin = || {
        latin_relative(tokens, at, calendar)
            .or_else(|| latin_weekday(tokens, at, calendar))
            .or_else(|| latin_date(tokens, at, calendar))
    };
    let found = match tokens.kind(at)? {
        Kind::Han => chinese(),
        Kind::Word => latin(),
        Kind::Number => numeric(tokens, at, calendar).or_else(chinese).or_else(latin),
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
pub(crate) fn ends_any(tokens: &Tokens, at: usize, choices: &[&str]) -> Option<usize> {
    choices.iter().find_map(|words| ends(tokens, at, words))
}

fn plus(date: Date, days: i64) -> Option<Date> {
    date.checked_add(days.days()).ok()
}

fn chinese_relative(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    const NAMES: [(&str, i64); 15] = [
        ("大后天", 3), ("大后日", 3), ("后天", 2), ("后日", 2), ("后儿", 2), ("明天", 1), ("明日", 1), ("明儿", 1), ("听日", 1), ("第二天", 1),
        ("今天", 0), ("今日", 0), ("今儿", 0), ("今个", 0), ("当日", 0),
    ];
    for (name, days) in NAMES.iter().take(14) {
        if let Some(end) = ends(tokens, at, name) {
            return Some((Day::exact(plus(calendar.today, *days)?), end));
        }
    }
    // 明早, 今晚, 听朝: the part of the day follows and is read for itself.
    let is_part = matches!(tokens.text(at + 1), "早" | "晚" | "晨" | "朝" | "上" | "下" | "中" | "午");
    let days = match tokens.text(at) {
        "明" | "听" if is_part => Some(1),
        "今" if is_part => Some(0),
        _ => None,
    };
    if let Some(days) = days {
        return Some((Day::exact(plus(calendar.today, days)?), at + 1));
    }
    chinese_distance(tokens, at, calendar)
}

/// `三天后`, `过两天以后`, `一周之后`.
fn chinese_distance(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let start = ends(tokens, at, "过").unwrap_or(at);
    let (count, next) = number(tokens, start)?;
    let next = ends(tokens, next, "个").unwrap_or(next);
    let (days, next) = if let Some(end) = ends_any(tokens, next, &["天", "日"]) {
        (i64::from(count), end)
    } else {
        (i64::from(count) * 7, ends_any(tokens, next, &["周", "星期", "礼拜"])?)
    };
    let end = ends_any(tokens, next, &["之后", "以后", "过后", "后"])?;
    Some((Day::exact(plus(calendar.today, days)?), end))
}

fn chinese_weekday(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let (weeks, next) = if let Some(end) = ends_any(tokens, at, &["下下个", "下下"]) {
        (Some(2), end)
    } else if let Some(end) = ends_any(tokens, at, &["下个", "下一个", "下"]) {
        (Some(1), end)
    } else if let Some(end) = ends_any(tokens, at, &["这个", "这", "本", "今个"]) {
        (Some(0), end)
    } else {
        (None, at)
    };
    let next = ends_any(tokens, next, &["周", "星期", "礼拜"])?;
    let index = match tokens.text(next) {
        "一" | "1" => 0,
        "二" | "2" => 1,
        "三" | "3" => 2,
        "四" | "4" => 3,
        "五" | "5" => 4,
        "六" | "6" => 5,
        "日" | "天" | "7" => 6,
        _ => return None,
    };
    // 周一到周五, 周三次: not a day.
    if matches!(tokens.text(next + 1), "次" | "个" | "至") {
        return None;
    }
    Some((Day::exact(weekday(calendar.today, index, weeks)?), next + 1))
}

/// The weekday `index` (Monday 0) of the current week and `weeks` more; without `weeks` the nearest to come.
fn weekday(today: Date, index: i64, weeks: Option<i64>) -> Option<Date> {
    let now = i64::from(today.weekday().to_monday_zero_offset());
    let days = match weeks {
        Some(weeks) => index - now + 7 * weeks,
        None if index > now => index - now,
        None => index - now + 7,
    };
    plus(today, days)
}

fn chinese_date(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let month_end = |at: usize| {
        let end = ends_any(tokens, at, &["这个月底", "本月底", "月底", "这个月末", "月末", "月尾"])?;
        Some((Day { date: calendar.today.last_of_month(), is_rough: true }, end))
    };
    if let Some(found) = month_end(at) {
        return Some(found);
    }
    let relative = if let Some(end) = ends_any(tokens, at, &["下个月的", "下个月", "下月"]) {
        Some((1, end))
    } else {
        ends_any(tokens, at, &["这个月的", "这个月", "本月", "今个月"]).map(|end| (0, end))
    };
    if let Some((months, next)) = relative {
        let (number, next) = number(tokens, next)?;
        let end = ends_any(tokens, next, &["号", "日"])?;
        let first = calendar.today.first_of_month().checked_add(i64::from(months).months()).ok()?;
        return Some((Day::exact(date(i32::from(first.year()), first.month().into(), number)?), end));
    }
    let (mut value, mut next) = number(tokens, at)?;
    let mut year = None;
    if let Some(end) = ends(tokens, next, "年") {
        year = Some(i32::try_from(value).ok()?);
        (value, next) = number(tokens, end)?;
    } else if matches!(tokens.text(at.wrapping_sub(1)), "第" | "挂" | "楼" | "诊") {
        return None;
    }
    if let Some(next) = ends(tokens, next, "月") {
        let (number, next) = number(tokens, next)?;
        let end = ends_any(tokens, next, &["号", "日"]).unwrap_or(next);
        return Some((Day::exact(month_day(calendar.today, year, value, number)?), end));
    }
    let end = ends_any(tokens, next, &["号", "日"])?;
    if matches!(tokens.text(end), "楼" | "线" | "窗" | "门" | "诊" | "床" | "房" | "桌" | "医" | "厅") {
        return None;
    }
    Some((Day::exact(day_of_month(calendar.today, value)?), end))
}

fn date(year: i32, month: i32, day: u32) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// The next such day of such a month, today included.
fn month_day(today: Date, year: Option<i32>, month: u32, day: u32) -> Option<Date> {
    let month = i32::try_from(month).ok()?;
    if let Some(year) = year {
        return date(year, month, day);
    }
    (0..=8).filter_map(|later| date(i32::from(today.year()) + later, month, day)).find(|date| *date >= today)
}

/// The next such day of any month that has it, today included.
fn day_of_month(today: Date, day: u32) -> Option<Date> {
    let first = today.first_of_month();
    (0..12i64).filter_map(|later| {
        let month = first.checked_add(later.months()).ok()?;
        date(i32::from(month.year()), month.month().into(), day)
    }).find(|date| *date >= today)
}

/// `2026-07-28`, `7/28`, `7.28`.
fn numeric(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let (first, mark, second) = (tokens.number(at)?, tokens.text(at + 1), tokens.number(at + 2)?);
    if tokens.kind(at + 1) != Some(Kind::Mark) || mark == ":" {
        return None;
    }
    let third = (tokens.kind(at + 3) == Some(Kind::Mark) && tokens.text(at + 3) == mark).then(|| tokens.number(at + 4)).flatten();
    if first >= 1000 {
        let found = date(i32::try_from(first).ok()?, i32::try_from(second).ok()?, third?)?;
        return Some((Day::exact(found), at + 5));
    }
    // `8-9` and `8.5` are rather a range and a score.
    if mark == "-" && second <= 12 || mark == "." && tokens.text(at + 2).len() < 2 && !ends_any(tokens, at + 3, &["号", "日"]).is_some() {
        return None;
    }
    let is_month_first = match (first > 12, second > 12) {
        (true, false) => false,
        (false, true) => true,
        _ => calendar.is_month_first || mark == ".",
    };
    let (month, day) = if is_month_first { (first, second) } else { (second, first) };
    let year = third.and_then(|year| i32::try_from(if year < 100 { year + 2000 } else { year }).ok());
    let end = if third.is_some() { at + 5 } else { at + 3 };
    let end = ends_any(tokens, end, &["号", "日"]).unwrap_or(end);
    Some((Day::exact(month_day(calendar.today, year, month, day)?), end))
}

fn latin_relative(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    const NAMES: [(&str, i64); 16] = [
        ("the day after tomorrow", 2), ("day after tomorrow", 2), ("day after tmrw", 2), ("overmorrow", 2), ("tomorrow", 1), ("tommorrow", 1),
        ("tomorow", 1), ("tmrw", 1), ("tmr", 1), ("tmw", 1), ("tomoro", 1), ("today", 0), ("tonight", 0), ("pasado manana", 2), ("hoy", 0), ("tmro", 1),
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
    if let Some(end) = ends_any(tokens, at, &["end of the month", "end of this month", "end of month", "the end of the month", "fin de mes", "fin del mes", "finales de mes", "fines de mes", "final de mes"]) {
        return Some((Day { date: calendar.today.last_of_month(), is_rough: true }, end));
    }
    latin_distance(tokens, at, calendar)
}

/// `in 3 days`, `a week from today`, `dentro de dos semanas`.
fn latin_distance(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let head = ends_any(tokens, at, &["in", "dentro de", "en"]);
    let next = head.unwrap_or(at);
    let (count, next) = number(tokens, next).or_else(|| ends_any(tokens, next, &["a", "an", "una", "un"]).map(|end| (1, end)))?;
    let (days, next) = if let Some(end) = ends_any(tokens, next, &["days", "day", "dias", "dia"]) {
        (i64::from(count), end)
    } else {
        (i64::from(count) * 7, ends_any(tokens, next, &["weeks", "week", "wks", "semanas", "semana"])?)
    };
    if let Some(next) = ends_any(tokens, next, &["from now", "from today", "from tomorrow"]) {
        let more = i64::from(tokens.text(next - 1) == "tomorrow");
        return Some((Day::exact(plus(calendar.today, days + more)?), next));
    }
    if let Some((from, end)) = ends(tokens, next, "from").and_then(|next| latin_weekday(tokens, next, calendar)) {
        return Some((Day::exact(plus(from.date, days)?), end));
    }
    // "a day" or "3 days" without a direction is no date.
    head.filter(|_| tokens.text(next) != "after" && tokens.text(next) != "before").and_then(|_| Some((Day::exact(plus(calendar.today, days)?), next)))
}

fn weekday_index(word: &str) -> Option<i64> {
    let day = match word {
        "monday" | "mondays" | "mon" | "lunes" => Weekday::Monday,
        "tuesday" | "tuesdays" | "tue" | "tues" | "martes" => Weekday::Tuesday,
        "wednesday" | "wednesdays" | "wed" | "weds" | "wensday" | "wednsday" | "miercoles" => Weekday::Wednesday,
        "thursday" | "thursdays" | "thu" | "thur" | "thurs" | "jueves" => Weekday::Thursday,
        "friday" | "fridays" | "fri" | "viernes" => Weekday::Friday,
        "saturday" | "saturdays" | "sat" | "sabado" => Weekday::Saturday,
        "sunday" | "sundays" | "sun" | "domingo" => Weekday::Sunday,
        _ => return None,
    };
    Some(day.to_monday_zero_offset().into())
}

fn latin_weekday(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let prefixes = [("next week on", Some(1)), ("next week", Some(1)), ("next", Some(1)), ("the following", Some(1)), ("this coming", None), ("this", Some(0)), ("coming", None), ("el proximo", Some(1)), ("proximo", Some(1)), ("este", Some(0))];
    let (mut weeks, next) = prefixes.iter().find_map(|(words, weeks)| ends(tokens, at, words).map(|end| (*weeks, end))).unwrap_or((None, at));
    let index = weekday_index(tokens.text(next))?;
    let mut end = next + 1;
    let suffixes = ["of next week", "next week", "que viene", "proximo", "de la proxima semana", "de la semana que viene", "de la otra semana", "siguiente"];
    if let Some(after) = ends_any(tokens, end, &suffixes) {
        (weeks, end) = (Some(1), after);
    } else if let Some(after) = ends_any(tokens, end, &["of this week", "this week", "de esta semana"]) {
        (weeks, end) = (Some(0), after);
    }
    let date = weekday(calendar.today, index, weeks)?;
    // "Friday the 21st" names a day of the month, which must be that weekday.
    if weeks.is_none()
        && let Some((numbered, after)) = ends_any(tokens, end, &["the", "el", "dia"]).and_then(|next| numbered_day(tokens, next, calendar)).or_else(|| numbered_day(tokens, end, calendar))
    {
        let is_same = i64::from(numbered.weekday().to_monday_zero_offset()) == index;
        return Some((Day { date: numbered, is_rough: !is_same }, after));
    }
    Some((Day::exact(date), end))
}

/// `21st`, `21`: a day of the month, where no hour can be meant.
fn numbered_day(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Date, usize)> {
    if let Some(value) = ordinal(tokens.text(at)) {
        return Some((day_of_month(calendar.today, value)?, at + 1));
    }
    let value = tokens.number(at).filter(|value| (1..=31).contains(value))?;
    let end = ends_any(tokens, at + 1, &["st", "nd", "rd", "th"])?;
    Some((day_of_month(calendar.today, value)?, end))
}

fn month_index(word: &str) -> Option<u32> {
    const STEMS: [[&str; 4]; 12] = [
        ["january", "jan", "enero", "ene"], ["february", "feb", "febrero", "febr"], ["march", "mar", "marzo", "march"], ["april", "apr", "abril", "abr"],
        ["may", "may", "mayo", "mayo"], ["june", "jun", "junio", "jun"], ["july", "jul", "julio", "jul"], ["august", "aug", "agosto", "ago"],
        ["september", "sep", "septiembre", "sept"], ["october", "oct", "octubre", "oct"], ["november", "nov", "noviembre", "nov"],
        ["december", "dec", "diciembre", "dic"],
    ];
    let at = STEMS.iter().position(|stems| stems.contains(&word))?;
    u32::try_from(at + 1).ok()
}

/// `March 12th`, `the 12th of March`, `28 de julio`, `the 28th`.
fn latin_date(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<(Day, usize)> {
    let suffix = |at: usize| ends_any(tokens, at, &["st", "nd", "rd", "th"]).unwrap_or(at);
    if let Some(month) = month_index(tokens.text(at)) {
        let next = ends(tokens, at + 1, "the").unwrap_or(at + 1);
        let (day, next) = tokens.number(next).map(|day| (day, suffix(next + 1))).or_else(|| ordinal(tokens.text(next)).map(|day| (day, next + 1)))?;
        let year = tokens.number(next).filter(|year| (2000..2100).contains(year));
        let end = if year.is_some() { next + 1 } else { next };
        let year = year.and_then(|year| i32::try_from(year).ok());
        return Some((Day::exact(month_day(calendar.today, year, month, day)?), end));
    }
    let start = ends_any(tokens, at, &["the", "el dia", "el", "dia"]);
    let number_at = start.unwrap_or(at);
    if let Some(value) = tokens.number(number_at).filter(|value| (1..=31).contains(value)) {
        let next = suffix(number_at + 1);
        let month_at = ends_any(tokens, next, &["of", "de", "del"]).unwrap_or(next);
        if let Some(month) = month_index(tokens.text(month_at)) {
            return Some((Day::exact(month_day(calendar.today, None, month, value)?), month_at + 1));
        }
        let is_bare = tokens.kind(next).is_none_or(|kind| kind.is_break() || kind == Kind::Han) || ends_any(tokens, next, &["at", "in", "a", "por", "instead", "please", "if", "or", "is", "works", "would", "for", "around", "en", "puede"]).is_some();
        if next > number_at + 1 || (start.is_some() && is_bare) {
            return Some((Day::exact(day_of_month(calendar.today, value)?), next));
        }
        return None;
    }
    let value = start.and_then(|at| ordinal(tokens.text(at)))?;
    // "the first" and "the second" are rather one of several.
    (value > 4).then(|| day_of_month(calendar.today, value).map(|date| (Day::exact(date), number_at + 1))).flatten()
}
