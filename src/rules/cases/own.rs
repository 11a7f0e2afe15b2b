//! Reads a patient's own settings: `patient.overrides`, by rule or as a list.

use serde_json::{Map, Value};

use crate::rules::cases::value::{flag, list};
use crate::rules::overrides::Override;
use crate::rules::rule::Rule;

/// The settings; one that names no rule, or the id that the case's rule gives itself, is for the case's rule.
pub(super) fn overrides(
    person: &Map<String, Value>,
    said: Option<&Value>,
    rule: &Rule,
) -> Result<Vec<Override>, String> {
    let own = said.and_then(|rule| rule.get("id")).and_then(Value::as_str);
    let of = |name: Option<&str>| match name {
        Some(name) if Some(name) != own => name.to_owned(),
        Some(_) | None => rule.id.clone(),
    };
    match person.get("overrides") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(by_rule)) => by_rule
            .iter()
            .map(|(name, value)| one(&of(Some(name)), value, &format!("patient.overrides.{name}")))
            .collect(),
        Some(Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let name = value.get("rule").and_then(Value::as_str);
                let place = format!("patient.overrides[{}]", at + 1);
                one(&of(name), value, &place)
            })
            .collect(),
        Some(_) => {
            Err("patient.overrides: expected a table with the ids of rules, or a list".to_owned())
        }
    }
}

fn one(rule: &str, value: &Value, place: &str) -> Result<Override, String> {
    let fields = value
        .as_object()
        .ok_or_else(|| format!("{place}: expected a table"))?;
    let known = ["rule", "off", "before", "by"];
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("{place}.{name}: expected off, before or by"));
    }
    let words = |key: &str| -> Result<Option<Vec<&str>>, String> {
        if fields.get(key).is_none_or(Value::is_null) {
            return Ok(None);
        }
        let at = format!("{place}.{key}");
        let text = |item| Value::as_str(item).ok_or_else(|| format!("{at}: expected texts"));
        let words = list(fields, key, &at)?.iter().map(text);
        words.collect::<Result<_, _>>().map(Some)
    };
    let off = flag(fields, "off", &format!("{place}.off"))?;
    let (before, by) = (words("before")?, words("by")?);
    Override::read(rule, off, before.as_deref(), by.as_deref())
        .map_err(|error| format!("{place}: {error}"))
}
