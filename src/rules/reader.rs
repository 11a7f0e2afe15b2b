//! Reads tables key by key and gathers every fault on the way.

use std::str::FromStr;

use jiff::civil::{Date, Time};

use crate::rules::error::RuleError;
use crate::rules::node::{Entry, Node, Value};

/// Where faults and warnings gather.
#[derive(Debug)]
pub(crate) struct Faults {
    file: String,
    pub(crate) errors: Vec<RuleError>,
    pub(crate) warnings: Vec<RuleError>,
}

impl Faults {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn error(&mut self, at: &Place, message: impl Into<String>) {
        let error = self.told(at, message.into());
        self.errors.push(error);
    }

    pub(crate) fn warn(&mut self, at: &Place, message: impl Into<String>) {
        let warning = self.told(at, message.into());
        self.warnings.push(warning);
    }

    fn told(&self, at: &Place, message: String) -> RuleError {
        RuleError {
            file: self.file.clone(),
            line: at.line,
            path: at.path.clone(),
            message,
        }
    }
}

/// Where something stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) line: Option<usize>,
}

impl Place {
    fn key(&self, key: &str, line: Option<usize>) -> Self {
        let path = if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        };
        Self {
            path,
            line: line.or(self.line),
        }
    }

    fn item(&self, at: usize, line: Option<usize>) -> Self {
        Self {
            path: format!("{}[{}]", self.path, at + 1),
            line: line.or(self.line),
        }
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) place: Place,
    value: &'a Value,
}

/// A table whose keys are known beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Table<'a> {
    pub(crate) place: Place,
    entries: &'a [Entry],
}

impl<'a> Table<'a> {
    /// The document itself.
    pub(crate) fn root(node: &'a Node, keys: &[&str], faults: &mut Faults) -> Option<Self> {
        let place = Place {
            path: String::new(),
            line: node.line,
        };
        Field {
            place,
            value: &node.value,
        }
        .table(keys, faults)
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        if matches!(entry.node.value, Value::Null) {
            return None;
        }
        Some(Field {
            place: self.place.key(key, entry.node.line.or(entry.line)),
            value: &entry.node.value,
        })
    }

    /// The value of `key`, or a fault that says what should have stood there.
    pub(crate) fn require(
        &self,
        key: &str,
        expected: &str,
        faults: &mut Faults,
    ) -> Option<Field<'a>> {
        let found = self.get(key);
        if found.is_none() {
            faults.error(
                &self.place.key(key, None),
                format!("missing; expected {expected}"),
            );
        }
        found
    }
}

impl<'a> Field<'a> {
    fn refuse(&self, expected: &str, faults: &mut Faults) {
        let found = match self.value {
            Value::Text(text) | Value::Moment(text) => format!("`{text}`"),
            Value::Integer(number) => format!("`{number}`"),
            other => other.kind().to_owned(),
        };
        faults.error(&self.place, format!("expected {expected}, found {found}"));
    }

    /// A table with no other keys than `keys`.
    pub(crate) fn table(&self, keys: &[&str], faults: &mut Faults) -> Option<Table<'a>> {
        let Value::Table(entries) = self.value else {
            self.refuse("a table", faults);
            return None;
        };
        for entry in entries
            .iter()
            .filter(|entry| !keys.contains(&entry.key.as_str()))
        {
            let message = match nearest(&entry.key, keys.iter().copied()) {
                Some(near) => format!("unknown key; did you mean `{near}`?"),
                None => format!("unknown key; expected one of {}", keys.join(", ")),
            };
            faults.error(&self.place.key(&entry.key, entry.line), message);
        }
        Some(Table {
            place: self.place.clone(),
            entries,
        })
    }

    /// The items of a list.
    pub(crate) fn list(&self, expected: &str, faults: &mut Faults) -> Vec<Field<'a>> {
        let Value::List(items) = self.value else {
            self.refuse(expected, faults);
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .map(|(at, item)| Field {
                place: self.place.item(at, item.line),
                value: &item.value,
            })
            .collect()
    }

    /// Whether it is a list at all.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, expected: &str, faults: &mut Faults) -> Vec<String> {
        let items = self.list(expected, faults);
        let texts = items.iter().filter_map(|item| item.text(expected, faults));
        texts.map(str::to_owned).collect()
    }

    /// Whether it is a list without anything in it.
    pub(crate) fn is_empty_list(&self) -> bool {
        matches!(self.value, Value::List(items) if items.is_empty())
    }

    /// A text that is not blank.
    pub(crate) fn text(&self, expected: &str, faults: &mut Faults) -> Option<&'a str> {
        match self.value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.as_str()),
            _ => {
                self.refuse(expected, faults);
                None
            }
        }
    }

    /// What `read` makes of a text.
    pub(crate) fn read<T>(
        &self,
        expected: &str,
        faults: &mut Faults,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let found = match self.value {
            Value::Text(text) | Value::Moment(text) => read(text.trim()),
            _ => None,
        };
        if found.is_none() {
            self.refuse(expected, faults);
        }
        found
    }

    /// One of a closed set of words.
    pub(crate) fn word<T: FromStr>(&self, words: &[&str], faults: &mut Faults) -> Option<T> {
        let Value::Text(text) = self.value else {
            self.refuse(&format!("one of {}", words.join(", ")), faults);
            return None;
        };
        let found = words
            .contains(&text.as_str())
            .then(|| text.parse().ok())
            .flatten();
        if found.is_none() {
            let near = nearest(text, words.iter().copied())
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            faults.error(
                &self.place,
                format!("`{text}` is none of {}{near}", words.join(", ")),
            );
        }
        found
    }

    /// `true` or `false`.
    pub(crate) fn truth(&self, faults: &mut Faults) -> Option<bool> {
        if let Value::Bool(yes) = self.value {
            return Some(*yes);
        }
        self.refuse("true or false", faults);
        None
    }

    /// A whole number between two others.
    pub(crate) fn integer(&self, low: i64, high: i64, faults: &mut Faults) -> Option<i64> {
        match self.value {
            Value::Integer(number) if (low..=high).contains(number) => Some(*number),
            _ => {
                self.refuse(&format!("a whole number from {low} to {high}"), faults);
                None
            }
        }
    }

    /// A time of day such as `08:30`.
    pub(crate) fn time(&self, faults: &mut Faults) -> Option<Time> {
        self.read("a time of day such as \"08:30\"", faults, time_of_day)
    }

    /// A day such as `2026-01-01`.
    pub(crate) fn date(&self, faults: &mut Faults) -> Option<Date> {
        self.read("a day such as 2026-01-01", faults, |text| {
            (text.len() == 10).then(|| text.parse().ok()).flatten()
        })
    }
}

/// Reads `HH:MM` or `HH:MM:SS`.
pub(crate) fn time_of_day(text: &str) -> Option<Time> {
    let shape = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split(':').collect();
    let fits = (2..=3).contains(&parts.len()) && parts.iter().all(|part| shape(part));
    fits.then(|| text.parse().ok()).flatten()
}

/// The one of `known` that `word` may have meant.
pub(crate) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.map(|known| (distance(word, known), known)).min()?;
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    (near.0 > 0 && near.0 <= allowed).then_some(near.1)
}

/// How many letters to insert, drop, change or swap with a neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_meant() {
        let keys = ["before", "after", "at", "by", "department"];
        assert_eq!(nearest("befroe", keys.into_iter()), Some("before"));
        assert_eq!(nearest("departement", keys.into_iter()), Some("department"));
        assert_eq!(nearest("aft", keys.into_iter()), Some("at"));
        assert_eq!(nearest("colour", keys.into_iter()), None);
    }

    #[test]
    fn times_of_day() {
        assert!(time_of_day("08:30").is_some() && time_of_day("08:30:00").is_some());
        for text in ["8:30", "24:00", "08:60", "0830", "08:30Z", ""] {
            assert_eq!(time_of_day(text), None, "{text}");
        }
    }
}
