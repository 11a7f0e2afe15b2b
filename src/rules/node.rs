//! A document as a tree that knows its lines: one shape for TOML and JSON.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::rules::error::RuleError;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: Option<usize>,
    pub(crate) value: Value,
}

/// What a document can hold.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// A date or time as TOML writes it without quotes.
    Moment(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: Option<usize>,
    pub(crate) node: Node,
}

impl Value {
    /// What it is, in words.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Moment(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The value in one line that does not depend on how the document was laid out.
    pub(crate) fn canonical(&self, out: &mut String) {
        use std::fmt::Write as _;
        match self {
            Self::Null => out.push_str("null"),
            // `{:?}` quotes, so that no text can look like two.
            Self::Text(text) | Self::Moment(text) => _ = write!(out, "{text:?}"),
            Self::Integer(number) => _ = write!(out, "{number}"),
            Self::Float(number) => _ = write!(out, "{number:?}"),
            Self::Bool(yes) => _ = write!(out, "{yes}"),
            Self::List(items) => {
                out.push('[');
                for item in items {
                    item.value.canonical(out);
                    out.push(',');
                }
                out.push(']');
            }
            Self::Table(entries) => {
                let mut sorted: Vec<&Entry> = entries
                    .iter()
                    .filter(|entry| !matches!(entry.node.value, Self::Null))
                    .collect();
                sorted.sort_by(|a, b| a.key.cmp(&b.key));
                out.push('{');
                for entry in sorted {
                    _ = write!(out, "{:?}:", entry.key);
                    entry.node.value.canonical(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }
}

/// Reads TOML; every fault of the syntax is told.
pub(crate) fn from_toml(file: &str, text: &str) -> Result<Node, Vec<RuleError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(lines.table(table.get_ref(), Some(1)));
    }
    let told = errors.iter().map(|error| RuleError {
        file: file.to_owned(),
        line: error.span().map(|span| lines.line(span.start)),
        path: String::new(),
        message: format!("no TOML: {}", error.message().trim_end_matches('.')),
    });
    Err(told.collect())
}

/// Takes JSON.
pub(crate) fn from_json(value: &serde_json::Value) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(yes) => Value::Bool(*yes),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(from_json).collect()),
        serde_json::Value::Object(entries) => {
            let entry = |(key, value): (&String, &serde_json::Value)| Entry {
                key: key.clone(),
                line: None,
                node: from_json(value),
            };
            Value::Table(entries.iter().map(entry).collect())
        }
    };
    Node { line: None, value }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(
            std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect(),
        )
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    fn table(&self, table: &DeTable<'_>, line: Option<usize>) -> Node {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            line: Some(self.line(key.span().start)),
            node: self.node(value, Some(self.line(key.span().start))),
        });
        Node {
            line,
            value: Value::Table(entries.collect()),
        }
    }

    /// `key_line` stands in where a table that dotted keys made has no place of its own.
    fn node(&self, value: &Spanned<DeValue<'_>>, key_line: Option<usize>) -> Node {
        let line = if value.span().is_empty() {
            key_line
        } else {
            Some(self.line(value.span().start))
        };
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Integer(number),
                    Err(_) => Value::Float(f64::INFINITY),
                }
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.node(item, line)).collect())
            }
            DeValue::Table(table) => return self.table(table, line),
        };
        Node { line, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_known() {
        let node = from_toml("x", "a = 1\n[b]\nc = [\n 1,\n 2]\n[[d]]\ne = 2026-01-01\n").unwrap();
        let Value::Table(root) = &node.value else {
            panic!("a table")
        };
        let lines: Vec<_> = root
            .iter()
            .map(|entry| (entry.key.as_str(), entry.node.line))
            .collect();
        assert_eq!(lines[0], ("a", Some(1)));
        let Value::Table(b) = &root[1].node.value else {
            panic!("a table")
        };
        assert_eq!(b[0].line, Some(3));
        let Value::List(c) = &b[0].node.value else {
            panic!("a list")
        };
        assert_eq!(c[1].line, Some(5));
    }

    #[test]
    fn every_fault_of_the_syntax_is_told() {
        let errors = from_toml("x.toml", "a = \nb = 1\nb = 2\n").unwrap_err();
        let told: Vec<_> = errors.iter().map(|error| error.line).collect();
        assert_eq!(told, [Some(1), Some(3)], "{errors:?}");
    }

    #[test]
    fn json_and_toml_are_one_shape() {
        let mut a = String::new();
        let mut b = String::new();
        from_toml("x", "t = \"x\"\nn = [1, true]\n[f]\ny = 2.5")
            .unwrap()
            .value
            .canonical(&mut a);
        from_json(&serde_json::json!({"f": {"y": 2.5}, "n": [1, true], "t": "x", "gone": null}))
            .value
            .canonical(&mut b);
        assert_eq!(a, b);
    }
}
