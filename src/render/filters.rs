//! The filters of our templates: days, clocks, names and feasts in the reader's language.
//!
//! A value that is not there goes through unchanged, so that the printer can refuse it.

use jiff::civil::{Date, DateTime, Time, Weekday};
use minijinja::value::Value;
use minijinja::{Environment, Error, State};

use crate::render::feasts;
use crate::render::language;
use crate::render::names;

/// The languages the filters speak; every other is written in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    Hans,
    Hant,
    English,
    American,
    Spanish,
    Other,
}

impl Speech {
    /// The speech of a language tag.
    pub(crate) fn of(tag: &str) -> Self {
        match language::primary(tag).as_str() {
            "zh" | "yue" if language::is_traditional(tag) => Self::Hant,
            "zh" => Self::Hans,
            "en" if tag.eq_ignore_ascii_case("en-US") => Self::American,
            "en" => Self::English,
            "es" => Self::Spanish,
            _ => Self::Other,
        }
    }

    fn of_state(state: &State<'_, '_>) -> Self {
        state
            .lookup("language")
            .and_then(|tag| tag.as_str().map(Self::of))
            .unwrap_or(Self::Other)
    }
}

/// Adds the filters to `engine`.
pub(crate) fn add(engine: &mut Environment<'static>) {
    engine.add_filter("day", |state: &State<'_, '_>, value: Value| {
        text(value, |v| day(Speech::of_state(state), v))
    });
    engine.add_filter("clock", |state: &State<'_, '_>, value: Value| {
        let is_spoken = state
            .lookup("channel")
            .is_some_and(|channel| channel.as_str() == Some("voice"));
        text(value, |v| clock(Speech::of_state(state), v, is_spoken))
    });
    engine.add_filter("salutation", |state: &State<'_, '_>, value: Value| {
        person(Speech::of_state(state), &value)
    });
    engine.add_filter("doctor", |state: &State<'_, '_>, value: Value| {
        text(value, |v| Some(names::doctor(Speech::of_state(state), v)))
    });
    engine.add_filter("holiday_name", |state: &State<'_, '_>, value: Value| {
        text(value, |v| holiday_name(Speech::of_state(state), v))
    });
    engine.add_filter(
        "relative",
        |state: &State<'_, '_>, value: Value| match value.as_i64() {
            Some(days) => {
                relative(Speech::of_state(state), days).map_or(Value::UNDEFINED, Value::from)
            }
            None => Value::UNDEFINED,
        },
    );
}

/// Changes a text; what is no text, or cannot be read, becomes nothing.
fn text(value: Value, change: impl FnOnce(&str) -> Option<String>) -> Result<Value, Error> {
    Ok(value
        .as_str()
        .map(str::trim)
        .filter(|v| !v.is_empty())
        .and_then(change)
        .map_or(Value::UNDEFINED, Value::from))
}

fn person(speech: Speech, value: &Value) -> Value {
    let field = |name: &str| {
        value
            .get_attr(name)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .filter(|v| !v.trim().is_empty())
    };
    let age = value.get_attr("age").ok().and_then(|age| age.as_i64());
    let person = names::Person {
        full: field("name"),
        given: field("given"),
        family: field("family"),
        sex: field("sex"),
        age,
    };
    names::salutation(speech, &person).map_or(Value::UNDEFINED, Value::from)
}

/// `2026-07-24` as a reader says it.
fn day(speech: Speech, value: &str) -> Option<String> {
    let date = value
        .parse::<Date>()
        .or_else(|_| value.parse::<DateTime>().map(DateTime::date))
        .ok()?;
    let (month, number) = (date.month(), date.day());
    let at = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
    Some(match speech {
        Speech::Hans => format!(
            "{month}月{number}日（周{}）",
            ["一", "二", "三", "四", "五", "六", "日"].get(at)?
        ),
        Speech::Hant => format!(
            "{month}月{number}日（週{}）",
            ["一", "二", "三", "四", "五", "六", "日"].get(at)?
        ),
        Speech::English => format!(
            "{} {number} {}",
            english_weekday(date.weekday()),
            month_name(&ENGLISH_MONTHS, month)?
        ),
        Speech::American => format!(
            "{}, {} {number}",
            english_weekday(date.weekday()),
            month_name(&ENGLISH_MONTHS, month)?
        ),
        Speech::Spanish => {
            let weekday = [
                "lunes",
                "martes",
                "miércoles",
                "jueves",
                "viernes",
                "sábado",
                "domingo",
            ]
            .get(at)?;
            format!(
                "{weekday} {number} de {}",
                month_name(&SPANISH_MONTHS, month)?
            )
        }
        Speech::Other => date.to_string(),
    })
}

fn month_name(names: &[&'static str; 12], month: i8) -> Option<&'static str> {
    names.get(usize::try_from(month - 1).ok()?).copied()
}

const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const SPANISH_MONTHS: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];

fn english_weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// `14:30` as a reader writes it, or says it on the phone.
fn clock(speech: Speech, value: &str, is_spoken: bool) -> Option<String> {
    let time = value
        .parse::<Time>()
        .or_else(|_| value.parse::<DateTime>().map(DateTime::time))
        .ok()?;
    let (hour, minute) = (time.hour(), time.minute());
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let half = if hour < 12 {
        ("a.m.", "AM")
    } else {
        ("p.m.", "PM")
    };
    Some(match speech {
        Speech::Hans | Speech::Hant if is_spoken => {
            let (part, point) = (
                chinese_part(speech, hour),
                if speech == Speech::Hant { "點" } else { "点" },
            );
            match minute {
                0 => format!("{part}{twelve}{point}"),
                30 => format!("{part}{twelve}{point}半"),
                _ => format!("{part}{twelve}{point}{minute}分"),
            }
        }
        Speech::English | Speech::American if is_spoken && minute == 0 => {
            format!("{twelve} {}", half.0)
        }
        Speech::English | Speech::American if is_spoken => {
            format!("{twelve}:{minute:02} {}", half.0)
        }
        Speech::American => format!("{twelve}:{minute:02} {}", half.1),
        Speech::Hans | Speech::Hant | Speech::English | Speech::Spanish | Speech::Other => {
            format!("{hour:02}:{minute:02}")
        }
    })
}

fn chinese_part(speech: Speech, hour: i8) -> &'static str {
    match hour {
        0..=5 => "凌晨",
        6..=11 => "上午",
        12 => "中午",
        13..=17 => "下午",
        _ if speech == Speech::Hant => "晚上",
        _ => "晚上",
    }
}

/// A number of days from the day of sending.
fn relative(speech: Speech, days: i64) -> Option<String> {
    let words: [&str; 3] = match speech {
        Speech::Hans => ["今天", "明天", "后天"],
        Speech::Hant => ["今天", "明天", "後天"],
        Speech::English | Speech::American => ["today", "tomorrow", "in 2 days"],
        Speech::Spanish => ["hoy", "mañana", "en 2 días"],
        Speech::Other => return None,
    };
    if let Some(word) = usize::try_from(days).ok().and_then(|at| words.get(at)) {
        return Some((*word).to_owned());
    }
    (days > 0).then(|| match speech {
        Speech::Hans => format!("{days}天后"),
        Speech::Hant => format!("{days}天後"),
        Speech::Spanish => format!("en {days} días"),
        Speech::English | Speech::American | Speech::Other => format!("in {days} days"),
    })
}

/// The name of a feast by the id a rule gives it; `05-12` is a day.
fn holiday_name(speech: Speech, id: &str) -> Option<String> {
    if let Some(name) = feasts::name(speech, id) {
        return Some(name.to_owned());
    }
    let (month, number) = id.split_once('-')?;
    let (month, number): (i8, i8) = (month.parse().ok()?, number.parse().ok()?);
    // A leap year, so that 29 February can be named.
    Date::new(2024, month, number).ok()?;
    Some(match speech {
        Speech::Hans | Speech::Hant => format!("{month}月{number}日"),
        Speech::Spanish => format!("{number} de {}", month_name(&SPANISH_MONTHS, month)?),
        Speech::American => format!("{} {number}", month_name(&ENGLISH_MONTHS, month)?),
        Speech::English | Speech::Other => {
            format!("{number} {}", month_name(&ENGLISH_MONTHS, month)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Speech, clock, day, holiday_name, relative};

    #[track_caller]
    fn check(found: Option<String>, expected: &str) {
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn days_are_said_as_the_reader_says_them() {
        check(day(Speech::of("zh-CN"), "2026-07-24"), "7月24日（周五）");
        check(
            day(Speech::of("zh-HK"), "2026-07-24T10:00"),
            "7月24日（週五）",
        );
        check(day(Speech::of("en"), "2026-07-24"), "Friday 24 July");
        check(day(Speech::of("en-US"), "2026-07-24"), "Friday, July 24");
        check(
            day(Speech::of("es-MX"), "2026-07-26"),
            "domingo 26 de julio",
        );
        check(day(Speech::of("fr"), "2026-07-26"), "2026-07-26");
        assert_eq!(day(Speech::of("fr"), "soon"), None);
    }

    #[test]
    fn clocks_are_written_and_spoken() {
        check(clock(Speech::Hans, "09:00", false), "09:00");
        check(clock(Speech::Hans, "14:30", true), "下午2点半");
        check(clock(Speech::American, "00:05", false), "12:05 AM");
        check(clock(Speech::English, "12:00", true), "12 p.m.");
        assert_eq!(clock(Speech::English, "noon", false), None);
    }

    #[test]
    fn feasts_and_distances_have_names() {
        check(holiday_name(Speech::Hans, "mid_autumn"), "中秋节");
        check(holiday_name(Speech::English, "05-12"), "12 May");
        assert_eq!(holiday_name(Speech::English, "99-12"), None);
        check(relative(Speech::Hans, 1), "明天");
        check(relative(Speech::Spanish, 3), "en 3 días");
        assert_eq!(relative(Speech::English, -1), None);
    }
}
