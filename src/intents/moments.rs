//! Moments in a reply: days, clocks, parts of the day and shifts, put together where they belong together.

use jiff::Span;
use jiff::civil::{Date, DateTime, Time};

use crate::intents::clocks::{Clock, clock};
use crate::intents::dates::{Calendar, Day, day, ends};
use crate::intents::reading::DayPart;
use crate::intents::shifts::shift;
use crate::intents::token::{Kind, Tokens};

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
            (false, Some(Part::Afternoon | Part::Evening), hour @ 1..=11)
            | (false, None, hour @ 1..=6) => hour + 12,
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
            let is_same = time.hour() == at.hour()
                || (!clock.is_exact && self.part.is_none() && time.hour() % 12 == at.hour() % 12);
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
        days || clocks
            || (self.part.is_some() && other.part.is_some() && self.part != other.part)
            || self.shift.is_some() != other.shift.is_some()
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
        return Some(Mention {
            start: at,
            end,
            shift: Some(shift),
            ..Mention::default()
        });
    }
    let mut found = Mention {
        start: at,
        end: at,
        ..Mention::default()
    };
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
        let is_joint = matches!(
            tokens.text(next),
            "的" | "at"
                | "on"
                | "in"
                | "the"
                | "of"
                | "de"
                | "del"
                | "a"
                | "por"
                | "en"
                | "around"
                | "about"
                | "like"
                | "el"
                | "大"
                | "大概"
                | "差"
                | "约"
        ) || (next == at && tokens.kind(next) == Some(Kind::Comma));
        if !is_joint {
            break;
        }
        next += 1;
    }
    // "a las 3" keeps its article, by which the hour is known.
    let has_article = matches!(tokens.text(next), "las" | "la");
    if has_article && matches!(tokens.text(next + 1), "manana" | "tarde" | "noche") {
        next + 1
    } else {
        next
    }
}

fn part(tokens: &Tokens, at: usize, has_day: bool) -> Option<(Part, usize)> {
    const PARTS: [(&str, Part); 41] = [
        ("一大早", Part::Morning),
        ("上午", Part::Morning),
        ("早上", Part::Morning),
        ("早晨", Part::Morning),
        ("朝早", Part::Morning),
        ("上昼", Part::Morning),
        ("清晨", Part::Morning),
        ("一早", Part::Morning),
        ("中午", Part::Noon),
        ("正午", Part::Noon),
        ("下午", Part::Afternoon),
        ("下昼", Part::Afternoon),
        ("晏昼", Part::Afternoon),
        ("午后", Part::Afternoon),
        ("傍晚", Part::Evening),
        ("晚上", Part::Evening),
        ("夜晚", Part::Evening),
        ("夜里", Part::Evening),
        ("晚间", Part::Evening),
        ("凌晨", Part::Dawn),
        ("shangwu", Part::Morning),
        ("xiawu", Part::Afternoon),
        ("shang wu", Part::Morning),
        ("xia wu", Part::Afternoon),
        ("wanshang", Part::Evening),
        ("morning", Part::Morning),
        ("mornin", Part::Morning),
        ("afternoon", Part::Afternoon),
        ("afternon", Part::Afternoon),
        ("aft", Part::Afternoon),
        ("evening", Part::Evening),
        ("night", Part::Evening),
        ("la manana", Part::Morning),
        ("la tarde", Part::Afternoon),
        ("la noche", Part::Evening),
        ("por la manana", Part::Morning),
        ("tarde", Part::Afternoon),
        ("noche", Part::Evening),
        ("am", Part::Morning),
        ("pm", Part::Afternoon),
        ("en la tarde", Part::Afternoon),
    ];
    // "tarde" is also "late": a part of the day only beside a day.
    let fits = |words: &str| has_day || !matches!(words, "tarde" | "noche" | "am" | "pm" | "night");
    if let Some((part, end)) = PARTS.iter().find_map(|(words, part)| {
        ends(tokens, at, words)
            .filter(|_| fits(words))
            .map(|end| (*part, end))
    }) {
        return Some((part, end));
    }
    let after_day = has_day || at > 0 && matches!(tokens.text(at - 1), "明" | "今" | "听");
    match tokens.text(at) {
        "早" | "晨" | "朝" if after_day => Some((Part::Morning, at + 1)),
        "晚" if after_day && !matches!(tokens.text(at + 1), "点" | "些" | "一" | "到" | "来") => {
            Some((Part::Evening, at + 1))
        }
        _ => None,
    }
}
