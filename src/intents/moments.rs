//! Moments in a reply: days, clocks, parts of the day and shifts, put together where they belong together.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, ToSpan};

use crate::intents::dates::{Calendar, Day, day, ends, ends_any};
use crate::intents::numbers::number;
use crate::intents::reading::DayPart;
use crate::intents::token::{Kind, Tokens};

/// A clock before the part of the day has its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    hour: i8,
    minute: i8,
    /// Whether morning or afternoon is beyond doubt.
    is_exact: bool,
}

/// A part of the day, finer than what a slot can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Dawn,
    Morning,
    Noon,
    Afternoon,
    Evening,
}

/// One moment that a reply names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mention {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) day: Option<Day>,
    clock: Option<Clock>,
    part: Option<Part>,
    /// So much later or earlier than the booking.
    pub(crate) shift: Option<Span>,
}

impl Mention {
    /// The clock, with the part of the day; a bare 1 to 6 is after noon.
    pub(crate) fn time(&self) -> Option<Time> {
        let clock = self.clock?;
        let hour = match (clock.is_exact, self.part, clock.hour) {
            (true, _, hour) | (false, Some(Part::Dawn | Part::Morning), hour) => hour,
            (false, Some(Part::Noon), hour @ 1..=3) => hour + 12,
            (false, Some(Part::Noon), hour) => hour,
            (false, Some(Part::Afternoon | Part::Evening), hour @ 1..=11) | (false, None, hour @ 1..=6) => hour + 12,
            (false, Some(Part::Afternoon | Part::Evening) | None, hour) => hour,
        };
        Time::new(hour, clock.minute, 0, 0).ok()
    }

    /// The part of the day as a slot says it.
    pub(crate) fn period(&self) -> Option<DayPart> {
        match self.part? {
            Part::Dawn | Part::Morning => Some(DayPart::Morning),
            Part::Noon => None,
            Part::Afternoon => Some(DayPart::Afternoon),
            Part::Evening => Some(DayPart::Evening),
        }
    }

    /// The day it names.
    pub(crate) fn date(&self) -> Option<Date> {
        self.day.map(|day| day.date)
    }

    /// Whether nothing but a clock or a part of the day is named.
    pub(crate) fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// Whether it can be `at`, as far as it says.
    pub(crate) fn fits(&self, at: DateTime) -> bool {
        if self.shift.is_some() || self.date().is_some_and(|date| date != at.date()) {
            return false;
        }
        if let (Some(time), Some(clock)) = (self.time(), self.clock) {
            let is_same = time.hour() == at.hour() || (!clock.is_exact && self.part.is_none() && time.hour() % 12 == at.hour() % 12);
            return is_same && time.minute() == at.minute();
        }
        match self.part {
            Some(Part::Dawn | Part::Morning) => at.hour() < 12,
            Some(Part::Noon) => (11..=13).contains(&at.hour()),
            Some(Part::Afternoon) => (12..=18).contains(&at.hour()),
            Some(Part::Evening) => at.hour() >= 17,
            None => true,
        }
    }

    /// Whether `other` says something else about the same thing.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        let days = matches!((self.date(), other.date()), (Some(a), Some(b)) if a != b);
        let clocks = matches!((self.time(), other.time()), (Some(a), Some(b)) if a != b);
        days || clocks || (self.part.is_some() && other.part.is_some() && self.part != other.part) || self.shift.is_some() != other.shift.is_some()
    }

    /// Both in one, what `self` says going first.
    pub(crate) fn merged(mut self, other: &Self) -> Self {
        self.day = self.day.or(other.day);
        self.clock = self.clock.or(other.clock);
        self.part = self.part.or(other.part);
        self.shift = self.shift.or(other.shift);
        self
    }
}

/// All moments in a reply, in order.
pub(crate) fn mentions(tokens: &Tokens, calendar: Calendar) -> Vec<Mention> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < tokens.list.len() {
        match mention(tokens, at, calendar) {
            Some(found) => {
                at = found.end.max(at + 1);
                all.push(found);
            }
            None => at += 1,
        }
    }
    all
}

fn mention(tokens: &Tokens, at: usize, calendar: Calendar) -> Option<Mention> {
    if let Some((shift, end)) = shift(tokens, at) {
        return Some(Mention { start: at, end, shift: Some(shift), ..Mention::default() });
    }
    let mut found = Mention { start: at, end: at, ..Mention::default() };
    let mut next = at;
    while let Some(end) = unit(tokens, next, calendar, &mut found) {
        found.end = end;
        next = skip_joints(tokens, end);
    }
    (found.end > at).then_some(found)
}

/// Reads one unit into `found`, if it is there and not yet known.
fn unit(tokens: &Tokens, at: usize, calendar: Calendar, found: &mut Mention) -> Option<usize> {
    if found.day.is_none()
        && let Some((day, end)) = day(tokens, at, calendar)
    {
        if tokens.text(end - 1) == "tonight" {
            found.part = Some(Part::Evening);
        }
        found.day = Some(day);
        return Some(end);
    }
    if found.clock.is_none()
        && let Some((clock, end)) = clock(tokens, at, found.day.is_some())
    {
        found.clock = Some(clock);
        return Some(end);
    }
    if found.part.is_none()
        && let Some((part, end)) = part(tokens, at, found.day.is_some())
    {
        found.part = Some(part);
        return Some(end);
    }
    None
}

/// Words and one comma that may stand between the units of one moment.
fn skip_joints(tokens: &Tokens, at: usize) -> usize {
    let mut next = at;
    for _ in 0..3 {
        let is_joint = matches!(tokens.text(next), "的" | "at" | "on" | "in" | "the" | "of" | "de" | "del" | "a" | "por" | "en" | "around" | "about" | "like" | "el" | "大" | "大概" | "差" | "约")
            || (next == at && tokens.kind(next) == Some(Kind::Comma));
        if !is_joint {
            break;
        }
        next += 1;
    }
    // "a las 3" keeps its article, by which the hour is known.
    let has_article = matches!(tokens.text(next), "las" | "la");
    if has_article && matches!(tokens.text(next + 1), "manana" | "tarde" | "noche") { next + 1 } else { next }
}

fn part(tokens: &Tokens, at: usize, has_day: bool) -> Option<(Part, usize)> {
    const PARTS: [(&str, Part); 41] = [
        ("一大早", Part::Morning), ("上午", Part::Morning), ("早上", Part::Morning), ("早晨", Part::Morning), ("朝早", Part::Morning), ("上昼", Part::Morning), ("清晨", Part::Morning), ("一早", Part::Morning),
        ("中午", Part::Noon), ("正午", Part::Noon), ("下午", Part::Afternoon), ("下昼", Part::Afternoon), ("晏昼", Part::Afternoon), ("午后", Part::Afternoon), ("傍晚", Part::Evening), ("晚上", Part::Evening), ("夜晚", Part::Evening),
        ("夜里", Part::Evening), ("晚间", Part::Evening), ("凌晨", Part::Dawn), ("shangwu", Part::Morning), ("xiawu", Part::Afternoon), ("shang wu", Part::Morning), ("xia wu", Part::Afternoon), ("wanshang", Part::Evening), ("morning", Part::Morning), ("mornin", Part::Morning), ("afternoon", Part::Afternoon), ("afternon", Part::Afternoon),
        ("aft", Part::Afternoon), ("evening", Part::Evening), ("night", Part::Evening), ("la manana", Part::Morning), ("la tarde", Part::Afternoon), ("la noche", Part::Evening),
        ("por la manana", Part::Morning), ("tarde", Part::Afternoon), ("noche", Part::Evening), ("am", Part::Morning), ("pm", Part::Afternoon), ("en la tarde", Part::Afternoon),
    ];
    // "tarde" is also "late": a part of the day only beside a day.
    let fits = |words: &str| has_day || !matches!(words, "tarde" | "noche" | "am" | "pm" | "night");
    if let Some((part, end)) = PARTS.iter().find_map(|(words, part)| ends(tokens, at, words).filter(|_| fits(words)).map(|end| (*part, end))) {
        return Some((part, end));
    }
    let after_day = has_day || at > 0 && matches!(tokens.text(at - 1), "明" | "今" | "听");
    match tokens.text(at) {
        "早" | "晨" | "朝" if after_day => Some((Part::Morning, at + 1)),
        "晚" if after_day && !matches!(tokens.text(at + 1), "点" | "些" | "一" | "到" | "来") => Some((Part::Evening, at + 1)),
        _ => None,
    }
}

fn valid(hour: u32, minute: u32, is_exact: bool) -> Option<Clock> {
    let clock = Clock { hour: i8::try_from(hour).ok()?, minute: i8::try_from(minute).ok()?, is_exact: is_exact || hour > 12 || hour == 0 };
    (hour < 24 && minute < 60).then_some(clock)
}

fn clock(tokens: &Tokens, at: usize, has_day: bool) -> Option<(Clock, usize)> {
    if let Some(end) = ends_any(tokens, at, &["noon", "midday", "mediodia", "medio dia", "el mediodia"]) {
        return Some((valid(12, 0, true)?, end));
    }
    if let Some(found) = worded_clock(tokens, at) {
        return Some(found);
    }
    let before = if at > 0 { tokens.text(at - 1) } else { "" };
    let (start, is_led) = match ends_any(tokens, at, &["a las", "a la", "las", "la", "at", "around", "about", "by", "to", "for"]) {
        Some(next) => (next, true),
        None => (at, matches!(before, "at" | "las" | "la" | "around" | "about")),
    };
    let (hour, mut next) = number(tokens, start)?;
    if tokens.kind(next) == Some(Kind::Mark) && matches!(tokens.text(next), ":" | ".") {
        let is_colon = tokens.text(next) == ":";
        let minute = tokens.number(next + 1).filter(|_| tokens.text(next + 1).len() == 2)?;
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
    // "10 30 am", "1030am", "at 10 30".
    if let Some(value) = tokens.number(next).filter(|value| *value < 60 && tokens.text(next).len() == 2)
        && (is_led || half(tokens, next + 1).is_some())
    {
        return with_half(tokens, hour, value, next + 1, true);
    }
    if (100..2400).contains(&hour) && (half(tokens, next).is_some() || (is_led && hour >= 600)) {
        return with_half(tokens, hour / 100, hour % 100, next, true);
    }
    if let Some(end) = ends_any(tokens, next, &["y media", "y treinta"]) {
        return is_led.then(|| with_half(tokens, hour, 30, end, true)).flatten();
    }
    if let Some(end) = ends_any(tokens, next, &["y cuarto", "y quince"]) {
        return is_led.then(|| with_half(tokens, hour, 15, end, true)).flatten();
    }
    if let Some(end) = ends_any(tokens, next, &["oclock", "o clock", "hrs", "h", "horas", "en punto"]) {
        return with_half(tokens, hour, 0, end, true);
    }
    let is_article = matches!(tokens.text(start.wrapping_sub(1)), "to" | "for" | "by");
    with_half(tokens, hour, 0, next, is_led && (!is_article || has_day) && !is_counted(tokens, next))
}

/// Whether a unit follows that makes the number a count.
fn is_counted(tokens: &Tokens, at: usize) -> bool {
    matches!(tokens.text(at), "min" | "mins" | "minutes" | "minute" | "minutos" | "hours" | "hour" | "days" | "dias" | "weeks" | "people" | "times" | "st" | "nd" | "rd" | "th" | "of" | "de" | "kids" | "years")
        && !matches!(tokens.text(at + 1), "la")
}

/// `am` or `pm` at `at`: whether it is after noon, and its end.
fn half(tokens: &Tokens, at: usize) -> Option<(bool, usize)> {
    match tokens.text(at) {
        "am" | "a" => Some((false, at + 1)),
        "pm" | "p" => Some((true, at + 1)),
        _ => None,
    }
}

fn with_half(tokens: &Tokens, hour: u32, minute: u32, at: usize, may_stand_alone: bool) -> Option<(Clock, usize)> {
    match half(tokens, at).filter(|_| hour <= 12) {
        // "at 3 a ..." is an article in both languages, unless it ends the clause.
        Some((_, end)) if tokens.text(at).len() == 1 && tokens.kind(end).is_some_and(|kind| !kind.is_break()) => {
            may_stand_alone.then(|| valid(hour, minute, false).map(|clock| (clock, at))).flatten()
        }
        Some((is_after_noon, end)) => {
            let hour = match (is_after_noon, hour) {
                (true, 12) | (false, 0..=11) => hour,
                (true, _) => hour + 12,
                (false, _) => 0,
            };
            Some((valid(hour, minute, true)?, end))
        }
        None => may_stand_alone.then(|| valid(hour, minute, false).map(|clock| (clock, at))).flatten(),
    }
}

/// `half past three`, `quarter to 4`.
fn worded_clock(tokens: &Tokens, at: usize) -> Option<(Clock, usize)> {
    let (minute, next) = if let Some(end) = ends_any(tokens, at, &["half past", "half"]) {
        (30, end)
    } else if let Some(end) = ends_any(tokens, at, &["quarter past", "a quarter past", "quarter after"]) {
        (15, end)
    } else {
        (45, ends_any(tokens, at, &["quarter to", "a quarter to", "quarter till"])?)
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
    let is_bit = tokens.text(at) == "一" && at > 0 && matches!(tokens.text(at - 1), "晚" | "早" | "快" | "慢" | "迟" | "有" | "等" | "好" | "差" | "近");
    let mut end = ends_any(tokens, next, &["点钟", "点整", "点", "时整", "时"])?;
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

/// `往后推一天`, `提前半小时`, `an hour later`, `una semana antes`.
fn shift(tokens: &Tokens, at: usize) -> Option<(Span, usize)> {
    const LATER: [&str; 21] = [
        "往后推迟", "往后推延", "往后推", "往后延", "往后挪", "往后移", "往后调", "向后推", "向后延", "推迟", "推后", "延后", "延迟", "延期", "后推", "后延", "顺延", "推", "延", "晚", "迟",
    ];
    const EARLIER: [&str; 9] = ["往前提", "往前挪", "往前移", "往前调", "提前", "提早", "前移", "前提", "早"];
    let direction = ends_any(tokens, at, &LATER).map(|end| (1, end)).or_else(|| ends_any(tokens, at, &EARLIER).map(|end| (-1, end)));
    if let Some((sign, next)) = direction {
        let next = ends_any(tokens, next, &["个", "上", "到", "了"]).filter(|_| tokens.text(next) == "个").unwrap_or(next);
        let (span, end) = amount(tokens, next)?;
        // "晚十分钟到" is being late, not another time.
        let is_late = matches!(tokens.text(end), "到" | "来" | "过" | "才") || ends_any(tokens, end, &["左右到", "才到", "能到", "会到"]).is_some();
        return (!is_late).then(|| (if sign < 0 { span.negate() } else { span }, end));
    }
    let (span, next) = amount(tokens, at)?;
    let end = ends_any(tokens, next, &["later", "mas tarde", "despues"]);
    if let Some(end) = end {
        return Some((span, end));
    }
    if let Some(end) = ends_any(tokens, next, &["earlier", "sooner", "antes", "mas temprano", "before that"]) {
        return Some((span.negate(), end));
    }
    // "push it back an hour", "move it up two days": the verb stands before.
    let front: Vec<&str> = (at.saturating_sub(7)..at).map(|at| tokens.text(at)).collect();
    let has = |words: &[&str]| front.iter().any(|word| words.contains(word));
    if has(&["push", "postpone", "delay", "delayed", "posponer", "aplazar", "retrasar", "atrasar", "postergar"]) || (has(&["back", "forward", "out"]) && has(&["move", "put", "push", "bump"])) {
        let is_earlier = has(&["up"]) || has(&["forward"]) && has(&["bring"]);
        return Some((if is_earlier { span.negate() } else { span }, next));
    }
    if (has(&["move", "bring", "bump"]) && has(&["up", "forward"])) || has(&["adelantar", "adelanten"]) {
        return Some((span.negate(), next));
    }
    None
}

/// `一天`, `半小时`, `两个星期`, `an hour`, `30 min`.
fn amount(tokens: &Tokens, at: usize) -> Option<(Span, usize)> {
    if let Some(end) = ends_any(tokens, at, &["半个小时", "半小时", "半个钟头", "半个钟", "half an hour", "half hour", "media hora"]) {
        return Some((30.minutes(), end));
    }
    let article = || ends_any(tokens, at, &["a", "an", "one more", "another", "una", "un"]).map(|end| (1, end));
    let (count, next) = number(tokens, at).or_else(article).filter(|(count, _)| (1..=400).contains(count))?;
    let count = i64::from(count);
    const UNITS: [(&[&str], i64, bool); 5] = [
        (&["分钟", "minutes", "minute", "mins", "min", "minutos"], 1, true),
        (&["个小时", "小时", "个钟头", "个钟", "钟头", "hours", "hour", "hrs", "hr", "horas", "hora"], 60, true),
        (&["刻钟"], 15, true),
        (&["个星期", "个礼拜", "个周", "星期", "礼拜", "周", "weeks", "week", "wks", "wk", "semanas", "semana"], 7, false),
        (&["天", "日", "days", "day", "dias", "dia"], 1, false),
    ];
    for (names, factor, is_clock) in UNITS {
        if let Some(mut end) = ends_any(tokens, next, names) {
            let mut value = count * factor;
            if factor == 60 && ends(tokens, end, "半").is_some() {
                (value, end) = (value + 30, end + 1);
            }
            return Some((if is_clock { value.minutes() } else { value.days() }, end));
        }
    }
    let end = ends_any(tokens, next, &["个月", "months", "month", "meses", "mes"])?;
    Some((count.months(), end))
}
