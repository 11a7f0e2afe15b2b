//! Reads the members of a JSON object one by one and knows where it stands.
//!
//! What it finds wrong is told by path and expectation. Nothing of a value is ever repeated: it may be a
//! number, a name or a text of a patient.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// What is wrong with a request, and where. Holds no value of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}")]
pub struct Fault {
    /// A stable word: `missing_field`, `unknown_field`, `invalid_value`, or one of the resolver's.
    pub code: &'static str,
    /// Where: `to.phone`, `channels[1]`.
    pub path: String,
    /// What should stand there.
    pub expected: String,
}

impl Fault {
    /// A value that is not what it should be.
    pub fn invalid(path: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            code: "invalid_value",
            path: path.into(),
            expected: expected.into(),
        }
    }

    /// A value that should be there.
    pub fn missing(path: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            code: "missing_field",
            path: path.into(),
            expected: expected.into(),
        }
    }

    /// The same fault seen from where `outer` holds what was read.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        self
    }
}

/// A JSON object on its way in.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The object `value`, which stands at `path` and may have the members `known` only.
    pub(crate) fn of(value: &'a Value, path: &str, known: &[&str]) -> Result<Self, Fault> {
        let Value::Object(map) = value else {
            return Err(Fault::invalid(path, "an object"));
        };
        let fields = Self {
            path: path.to_owned(),
            map,
        };
        match map.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(fields),
            Some(name) => {
                let expected = format!("one of {}", known.join(", "));
                Err(Fault {
                    code: "unknown_field",
                    path: fields.at(&speakable(name)),
                    expected,
                })
            }
        }
    }

    /// Where the member `name` stands.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// The member `name`; null is as good as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A text of 1 to `most` characters.
    pub(crate) fn text(&self, name: &str, most: usize) -> Result<Option<&'a str>, Fault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = value
            .as_str()
            .filter(|text| !text.trim().is_empty() && text.chars().count() <= most);
        text.map(Some).ok_or_else(|| {
            Fault::invalid(self.at(name), format!("a text of 1 to {most} characters"))
        })
    }

    /// A word of a closed set.
    pub(crate) fn word<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        all: &str,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_str()
            .and_then(read)
            .map(Some)
            .ok_or_else(|| Fault::invalid(self.at(name), format!("one of {all}")))
    }

    /// A moment with its offset (RFC 3339).
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, Fault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let read = value
            .as_str()
            .filter(|text| text.len() <= 64)
            .and_then(|text| text.parse::<Timestamp>().ok());
        // The database keeps milliseconds.
        let read = read.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok());
        read.map(Some).ok_or_else(|| {
            Fault::invalid(
                self.at(name),
                "a moment with its offset, such as 2026-12-01T09:00:00+08:00",
            )
        })
    }

    /// The elements of a list.
    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a [Value]>, Fault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_array()
            .map(|list| Some(list.as_slice()))
            .ok_or_else(|| Fault::invalid(self.at(name), "a list"))
    }

    /// An object whose members may have any name.
    pub(crate) fn map(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, Fault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_object()
            .map(Some)
            .ok_or_else(|| Fault::invalid(self.at(name), "an object"))
    }
}

/// Refuses what no database takes: the character U+0000, and nesting without end.
pub(crate) fn storable(value: &Value) -> Result<(), Fault> {
    const DEEPEST: usize = 32;
    fn walk(value: &Value, path: &str, depth: usize) -> Result<(), Fault> {
        let clean = |text: &str, path: &str| {
            if text.contains('\0') {
                Err(Fault::invalid(path, "a text without the character U+0000"))
            } else {
                Ok(())
            }
        };
        if depth > DEEPEST {
            return Err(Fault::invalid(path, format!("at most {DEEPEST} levels")));
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
            Value::String(text) => clean(text, path),
            Value::Array(list) => list
                .iter()
                .enumerate()
                .try_for_each(|(n, value)| walk(value, &format!("{path}[{n}]"), depth + 1)),
            Value::Object(map) => map.iter().try_for_each(|(name, value)| {
                let path = if path.is_empty() {
                    speakable(name)
                } else {
                    format!("{path}.{}", speakable(name))
                };
                clean(name, &path)?;
                walk(value, &path, depth + 1)
            }),
        }
    }
    walk(value, "", 0)
}

/// A member's name as it may be repeated: a plain short word. Anything else could hold a number or a name.
pub(crate) fn speakable(name: &str) -> String {
    let is_word = name.len() <= 40
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    if is_word && !name.is_empty() && digits <= 3 {
        name.to_owned()
    } else {
        "?".to_owned()
    }
}

/// A path as it may be repeated: its segments may be names that the caller made up. A place that is no path is none.
pub(crate) fn speakable_path(path: &str) -> String {
    let segment = |segment: &str| match segment.split_once('[') {
        Some((name, index)) => format!("{}[{index}", speakable(name)),
        None => speakable(segment),
    };
    if path.is_empty() || path.starts_with("the ") {
        return String::new();
    }
    path.split('.').map(segment).collect::<Vec<_>>().join(".")
}
