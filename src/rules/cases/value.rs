//! Values as people write them into cases.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::calendar::wall;
use crate::model::occasion::OccasionTime;

/// A civil date with or without a clock, and its zone: the rule's, or the offset it is written with.
pub(super) fn when(text: &str, zone: &TimeZone) -> Result<(OccasionTime, String), String> {
    let name = zone.iana_name().unwrap_or("UTC").to_owned();
    let offset = text
        .find('T')
        .and_then(|t| text[t..].find(['+', '-']).map(|at| &text[t + at..]));
    if let (Some(offset), Ok(at)) = (offset, text.parse::<Timestamp>())
        && let Some(fixed) = wall::zone(offset)
    {
        return Ok((OccasionTime::At(fixed.to_datetime(at)), offset.to_owned()));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok((OccasionTime::At(zone.to_datetime(at)), name));
    }
    let read = OccasionTime::parse(text).map(|when| (when, name));
    read.ok_or_else(|| format!("expected a time such as 2026-07-24T10:00 or a day, found `{text}`"))
}

/// An instant; without an offset it is on the wall clock of `zone`.
pub(super) fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let wall = text.parse::<DateTime>().or_else(|_| {
        text.parse::<Date>()
            .map(|day| day.to_datetime(Time::midnight()))
    });
    wall.map(|wall| wall::instant(zone, wall))
        .map_err(|_| format!("expected a time such as 2026-07-24T10:00, found `{text}`"))
}

/// A civil day.
pub(super) fn day(text: &str) -> Result<Date, String> {
    text.parse()
        .map_err(|_| format!("expected a day such as 1975-04-02, found `{text}`"))
}

/// What `read` makes of a text, or what is wrong at `place`.
pub(super) fn read<T, E: std::fmt::Display>(
    value: &Value,
    place: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("{place}: expected text, found {value}"))?;
    read(text.trim()).map_err(|error| format!("{place}: {error}"))
}

/// The same for a key that may be absent.
pub(super) fn optional<T, E: std::fmt::Display>(
    fields: &Map<String, Value>,
    key: &str,
    place: &str,
    reads: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    fields
        .get(key)
        .filter(|value| !value.is_null())
        .map(|value| read(value, place, reads))
        .transpose()
}

/// True or false; absent is false.
pub(super) fn flag(fields: &Map<String, Value>, key: &str, place: &str) -> Result<bool, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(other) => Err(format!("{place}: expected true or false, found {other}")),
    }
}

/// A list of words; one word alone is a list too.
pub(super) fn words<T, E: std::fmt::Display>(
    fields: &Map<String, Value>,
    key: &str,
    place: &str,
    reads: impl Fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(word @ Value::String(_)) => Ok(vec![read(word, place, &reads)?]),
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(at, item)| read(item, &format!("{place}[{}]", at + 1), &reads))
            .collect(),
        Some(other) => Err(format!("{place}: expected a list, found {other}")),
    }
}

/// A table; absent is empty.
pub(super) fn table(
    fields: &impl Lookup,
    key: &str,
    place: &str,
) -> Result<Map<String, Value>, String> {
    match fields.look_up(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(table)) => Ok(table.clone()),
        Some(other) => Err(format!("{place}: expected a table, found {other}")),
    }
}

/// Looks up lists alike in a case and in its tables.
pub(super) trait Lookup {
    fn look_up(&self, key: &str) -> Option<&Value>;
}

impl Lookup for Value {
    fn look_up(&self, key: &str) -> Option<&Value> {
        self.get(key)
    }
}

impl Lookup for Map<String, Value> {
    fn look_up(&self, key: &str) -> Option<&Value> {
        self.get(key)
    }
}

/// A list; absent is empty.
pub(super) fn list<'v>(
    fields: &'v impl Lookup,
    key: &str,
    place: &str,
) -> Result<&'v [Value], String> {
    match fields.look_up(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(format!("{place}: expected a list, found {other}")),
    }
}
