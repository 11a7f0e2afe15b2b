//! Reads cases: lenient about how a thing is written, exact about what is wrong.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Time;
use serde_json::Value;

use crate::calendar::wall;
use crate::model::class::{Channel, Role};
use crate::model::occasion::Occasion;
use crate::model::patient::{Fact, Patient};
use crate::rules::cases::value::{flag, list, moment, optional, read, table};
use crate::rules::cases::{Event, occasion, own, person};
use crate::rules::document;
use crate::rules::overrides::Override;
use crate::rules::plan::{SentLead, Subject};
use crate::rules::rule::Rule;
use crate::rules::site::Site;

/// A case, read.
pub(crate) struct Case {
    pub(super) patient: Patient,
    facts: Vec<Fact>,
    pub(super) occasions: Vec<Occasion>,
    pub(super) sent: Vec<SentLead>,
    sensitive: bool,
    overrides: Vec<Override>,
    pub(crate) now: Timestamp,
    pub(crate) window: Range<Timestamp>,
    /// When a manual rule is started.
    pub(super) started: Vec<Timestamp>,
}

impl Case {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            patient: &self.patient,
            facts: &self.facts,
            occasions: &self.occasions,
            sent: &self.sent,
            sensitive: self.sensitive,
            overrides: &self.overrides,
        }
    }
}

/// The cases of a file with the place each stands at.
pub(super) fn split(text: &str) -> Vec<(String, Result<Value, String>)> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !is_note(line))
        .unwrap_or_default();
    if first.starts_with("[") && !first.starts_with("[[") {
        return match serde_json::from_str::<Vec<Value>>(text) {
            Ok(cases) => numbered(cases),
            Err(error) => vec![(
                "file".to_owned(),
                Err(format!("no list of cases in JSON: {error}")),
            )],
        };
    }
    if first.is_empty() {
        return Vec::new();
    }
    if first.starts_with('{') {
        return json_lines(text);
    }
    match toml::from_str::<toml::Table>(text) {
        Ok(table) => match table.get("case").and_then(toml::Value::as_array) {
            Some(cases) => numbered(cases.iter().map(to_json).collect()),
            None => vec![(
                "file".to_owned(),
                Err("expected JSON lines, or [[case]] tables in TOML".to_owned()),
            )],
        },
        Err(_) if text.lines().any(|line| line.trim() == CASE) => toml_cases(text),
        // A first line that is no JSON harms no other.
        Err(_) if text.lines().any(|line| line.trim().starts_with('{')) => json_lines(text),
        Err(error) => vec![(
            "file".to_owned(),
            Err(format!("neither JSON lines nor TOML: {error}")),
        )],
    }
}

/// What begins a case in TOML.
const CASE: &str = "[[case]]";

fn is_note(line: &str) -> bool {
    line.is_empty() || line.starts_with('#') || line.starts_with("//")
}

fn json_lines(text: &str) -> Vec<(String, Result<Value, String>)> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !is_note(line.trim()));
    let read = |line: &str| {
        serde_json::from_str::<Value>(line).map_err(|error| format!("no JSON: {error}"))
    };
    lines
        .map(|(at, line)| (format!("line {}", at + 1), read(line)))
        .collect()
}

/// The cases of a TOML file with a fault in it, each read alone.
fn toml_cases(text: &str) -> Vec<(String, Result<Value, String>)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].trim() == CASE)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let read = |start: usize, end: usize| {
        // Empty lines in front keep the numbers of the lines.
        let alone = "\n".repeat(start) + &lines[start..end].join("\n");
        let table = toml::from_str::<toml::Table>(&alone)
            .map_err(|error| format!("no TOML: {}", error.to_string().trim_end()))?;
        let case = table.get("case").and_then(|cases| cases.get(0));
        case.map(to_json).ok_or_else(|| "no case".to_owned())
    };
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| (format!("line {}", start + 1), read(*start, end)))
        .collect()
}

fn numbered(cases: Vec<Value>) -> Vec<(String, Result<Value, String>)> {
    cases
        .into_iter()
        .enumerate()
        .map(|(at, case)| (format!("case {}", at + 1), Ok(case)))
        .collect()
}

fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(yes) => Value::from(*yes),
        toml::Value::Datetime(moment) => Value::from(moment.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| (key.clone(), to_json(value)))
                .collect(),
        ),
    }
}

/// The case's rule: written out, or by id.
pub(super) fn rule(
    case: &Value,
    resolve: &impl Fn(&str) -> Option<Rule>,
    site: &Site,
) -> Result<Rule, String> {
    match case.get("rule") {
        Some(Value::String(id)) => {
            resolve(id).ok_or_else(|| format!("rule: no rule `{id}` that can be read"))
        }
        Some(rule @ Value::Object(_)) => {
            document::from_json("rule", rule, site).map_err(|faults| {
                let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
                told.join("; ")
            })
        }
        Some(_) | None => Err("rule: expected a rule or the id of one".to_owned()),
    }
}

/// All of a case but what is expected.
pub(crate) fn case(case: &Value, rule: &Rule) -> Result<Case, String> {
    let zone = &rule.timezone;
    let window = table(case, "window", "window")?;
    let from = optional(&window, "from", "window.from", |text| moment(text, zone))?;
    let to = optional(&window, "to", "window.to", |text| moment(text, zone))?;
    let now = case
        .get("now")
        .filter(|now| !now.is_null())
        .map(|now| read(now, "now", |text| moment(text, zone)))
        .transpose()?;
    let now = now
        .or(from)
        .ok_or("now: expected a time, or a window that begins at one")?;
    let from = from.unwrap_or(now);
    let to = to.unwrap_or_else(|| {
        wall::instant(
            zone,
            wall::add_days(wall::date(zone, from), 400).to_datetime(Time::midnight()),
        )
    });
    if to < from {
        return Err("window: ends before it begins".to_owned());
    }
    let person = case
        .get("patient")
        .and_then(Value::as_object)
        .ok_or("patient: expected a table")?;
    let mut read = Case {
        patient: person::patient(person)?,
        facts: person::facts(person, case)?,
        occasions: Vec::new(),
        sent: Vec::new(),
        sensitive: flag(person, "sensitive", "patient.sensitive")?,
        overrides: own::overrides(person, case.get("rule"), rule)?,
        now,
        window: from..to,
        started: Vec::new(),
    };
    for (at, occasion) in list(case, "occasions", "occasions")?.iter().enumerate() {
        let place = format!("occasions[{}]", at + 1);
        let fields = occasion
            .as_object()
            .ok_or_else(|| format!("{place}: expected a table"))?;
        occasion::occasions(fields, &place, rule, &mut read)?;
    }
    Ok(read)
}

/// What must come of a case.
pub(super) fn expect(case: &Value, rule: &Rule) -> Result<Vec<Event>, String> {
    if case.get("expect").is_none_or(Value::is_null) {
        return Err("expect: expected a list of events, an empty one for none".to_owned());
    }
    let events = list(case, "expect", "expect")?;
    events
        .iter()
        .enumerate()
        .map(|(at, event)| {
            let place = |key: &str| format!("expect[{}].{key}", at + 1);
            let get = |key: &str| {
                event
                    .get(key)
                    .ok_or_else(|| format!("{}: missing", place(key)))
            };
            let to = read(get("to")?, &place("to"), |text| text.parse::<Role>())?;
            let department = event
                .get("department")
                .and_then(Value::as_str)
                .map(str::to_owned);
            Ok(Event {
                at: read(get("at")?, &place("at"), |text| {
                    moment(text, &rule.timezone)
                })?,
                to,
                channel: read(get("channel")?, &place("channel"), |text| {
                    text.parse::<Channel>()
                })?,
                department: if to == Role::Staff {
                    department.or_else(|| rule.department.clone())
                } else {
                    None
                },
                zone: rule.timezone.clone(),
            })
        })
        .collect()
}
