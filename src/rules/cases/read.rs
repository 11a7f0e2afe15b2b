//! Reads cases: lenient about how a thing is written, exact about what is wrong.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::calendar::wall;
use crate::model::class::{Channel, ContactKind, Role};
use crate::model::id::{ContactPointId, OccasionId, PatientId, RelationId};
use crate::model::occasion::{Confirmation, Occasion, OccasionStatus, OccasionTime};
use crate::model::patient::{
    ContactPoint, ContactStatus, Fact, LunarDay, OptOut, Patient, PersonName, Relation, Sex,
};
use crate::model::private::Private;
use crate::rules::cases::Event;
use crate::rules::document;
use crate::rules::lead::Distance;
use crate::rules::plan::{SentLead, Subject};
use crate::rules::reader::time_of_day;
use crate::rules::rule::Rule;
use crate::rules::site::Site;
use crate::rules::trigger::Trigger;

/// A case, read.
pub(super) struct Case {
    patient: Patient,
    facts: Vec<Fact>,
    occasions: Vec<Occasion>,
    sent: Vec<SentLead>,
    sensitive: bool,
    pub(super) now: Timestamp,
    pub(super) window: Range<Timestamp>,
    /// When a manual rule is started.
    pub(super) started: Vec<Timestamp>,
}

impl Case {
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            patient: &self.patient,
            facts: &self.facts,
            occasions: &self.occasions,
            sent: &self.sent,
            sensitive: self.sensitive,
        }
    }
}

/// The cases of a file with the place each stands at.
pub(super) fn split(text: &str) -> Vec<(String, Result<Value, String>)> {
    let text = text.trim_start_matches('\u{feff}');
    let is_note = |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with("//");
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
    if first.starts_with('{') {
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !is_note(line.trim()));
        let read = |line: &str| {
            serde_json::from_str::<Value>(line).map_err(|error| format!("no JSON: {error}"))
        };
        return lines
            .map(|(at, line)| (format!("line {}", at + 1), read(line)))
            .collect();
    }
    if first.is_empty() {
        return Vec::new();
    }
    match toml::from_str::<toml::Table>(text) {
        Ok(table) => match table.get("case").and_then(toml::Value::as_array) {
            Some(cases) => numbered(cases.iter().map(to_json).collect()),
            None => vec![(
                "file".to_owned(),
                Err("expected JSON lines, or [[case]] tables in TOML".to_owned()),
            )],
        },
        Err(error) => vec![(
            "file".to_owned(),
            Err(format!("neither JSON lines nor TOML: {error}")),
        )],
    }
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
pub(super) fn case(case: &Value, rule: &Rule) -> Result<Case, String> {
    let zone = &rule.timezone;
    let nothing = Map::new();
    let window = case
        .get("window")
        .and_then(Value::as_object)
        .unwrap_or(&nothing);
    let from = optional(window, "from", "window.from", |text| moment(text, zone))?;
    let to = optional(window, "to", "window.to", |text| moment(text, zone))?;
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
        patient: patient(person)?,
        facts: facts(person, case)?,
        occasions: Vec::new(),
        sent: Vec::new(),
        sensitive: flag(person, "sensitive", "patient.sensitive")?,
        now,
        window: from..to,
        started: Vec::new(),
    };
    for (at, occasion) in list(case, "occasions", "occasions")?.iter().enumerate() {
        let place = format!("occasions[{}]", at + 1);
        let fields = occasion
            .as_object()
            .ok_or_else(|| format!("{place}: expected a table"))?;
        occasions(fields, &place, rule, &mut read)?;
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

fn patient(fields: &Map<String, Value>) -> Result<Patient, String> {
    let name = |key: &str| format!("patient.{key}");
    let id = fields.get("id").and_then(Value::as_str).unwrap_or("P1");
    let language = fields
        .get("language")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let lunar = fields
        .get("lunar_birthday")
        .filter(|value| !value.is_null())
        .map(lunar_day)
        .transpose()?;
    let family = list(fields, "family", "patient.family")?;
    Ok(Patient {
        id: PatientId::parse(&format!("pat_{id}"))
            .or_else(|| PatientId::parse("pat_case"))
            .expect("a plain id"),
        source: "case".to_owned(),
        source_key: Private::new(id.to_owned()),
        name: Private::new(PersonName {
            full: "Case".to_owned(),
            ..PersonName::default()
        }),
        sex: optional(fields, "sex", &name("sex"), |text| text.parse::<Sex>())?,
        birth_on: optional(fields, "birth_date", &name("birth_date"), day)?.map(Private::new),
        lunar_birthday: lunar.map(Private::new),
        language,
        deceased: flag(fields, "deceased", &name("deceased"))?,
        special: flag(fields, "special", &name("special"))?,
        held: flag(fields, "held", &name("held"))?,
        tags: words(fields, "tags", &name("tags"), |text| {
            Ok::<_, String>(text.to_owned())
        })?,
        prefer: words(fields, "prefer", &name("prefer"), |text| {
            text.parse::<Channel>()
        })?,
        attributes: Private::new(
            fields
                .get("attributes")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
        ),
        contacts: contacts(fields, "patient", "")?,
        family: family
            .iter()
            .enumerate()
            .map(|(at, relation)| self::relation(relation, at))
            .collect::<Result<_, _>>()?,
        opt_outs: words(fields, "opt_out", &name("opt_out"), opt_out)?,
    })
}

fn relation(value: &Value, at: usize) -> Result<Relation, String> {
    let place = format!("patient.family[{}]", at + 1);
    let fields = value
        .as_object()
        .ok_or_else(|| format!("{place}: expected a table"))?;
    Ok(Relation {
        id: RelationId::parse(&format!("rel_{}", at + 1)).expect("a plain id"),
        kind: fields
            .get("relation")
            .and_then(Value::as_str)
            .unwrap_or("other")
            .to_owned(),
        name: None,
        language: None,
        consented: flag(fields, "consented", &format!("{place}.consented"))?,
        contacts: contacts(fields, &place, &format!("f{}", at + 1))?,
        opt_outs: words(fields, "opt_out", &format!("{place}.opt_out"), opt_out)?,
    })
}

fn contacts(
    fields: &Map<String, Value>,
    place: &str,
    mark: &str,
) -> Result<Vec<ContactPoint>, String> {
    let mut found = Vec::new();
    for (kind, key, bad) in [
        (ContactKind::Phone, "phone", "phone_bad"),
        (ContactKind::Email, "email", "email_bad"),
    ] {
        let Some(address) = fields.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let address = address
            .as_str()
            .ok_or_else(|| format!("{place}.{key}: expected text"))?;
        if address.trim().is_empty() {
            continue;
        }
        let status = match fields.get(bad) {
            None | Some(Value::Null | Value::Bool(false)) => ContactStatus::Ok,
            Some(Value::Bool(true)) => ContactStatus::Invalid,
            Some(value) => read(value, &format!("{place}.{bad}"), |text| text.parse())?,
        };
        let id = ContactPointId::parse(&format!("con_{mark}{key}")).expect("a plain id");
        found.push(ContactPoint {
            id,
            kind,
            address: Private::new(address.to_owned()),
            rank: 1,
            status,
        });
    }
    Ok(found)
}

fn opt_out(text: &str) -> Result<OptOut, String> {
    OptOut::parse(text).ok_or_else(|| format!("`{text}` is neither all, a class nor a channel"))
}

fn lunar_day(value: &Value) -> Result<LunarDay, String> {
    let part = |key: &str, most: u64| {
        value
            .get(key)
            .and_then(Value::as_u64)
            .filter(|number| (1..=most).contains(number))
            .and_then(|number| u8::try_from(number).ok())
    };
    match (part("month", 12), part("day", 30)) {
        (Some(month), Some(day)) => Ok(LunarDay { month, day }),
        _ => Err(
            "patient.lunar_birthday: expected a month from 1 to 12 and a day from 1 to 30"
                .to_owned(),
        ),
    }
}

fn facts(person: &Map<String, Value>, case: &Value) -> Result<Vec<Fact>, String> {
    let codes = words(person, "diagnoses", "patient.diagnoses", |text| {
        Ok::<_, String>(text.to_owned())
    })?;
    let fact = |kind: &str, code: Option<String>, on| Fact {
        kind: kind.to_owned(),
        code,
        system: None,
        on,
        at: None,
    };
    let mut found: Vec<Fact> = codes
        .into_iter()
        .map(|code| fact("diagnosis", Some(code), None))
        .collect();
    for (at, value) in list(case, "facts", "facts")?.iter().enumerate() {
        let place = format!("facts[{}]", at + 1);
        let fields = value
            .as_object()
            .ok_or_else(|| format!("{place}: expected a table"))?;
        let kind = fields
            .get("kind")
            .and_then(Value::as_str)
            .ok_or_else(|| format!("{place}.kind: expected text"))?;
        let code = fields
            .get("code")
            .and_then(Value::as_str)
            .map(str::to_owned);
        found.push(fact(
            kind,
            code,
            optional(fields, "on", &format!("{place}.on"), day)?,
        ));
    }
    Ok(found)
}

/// One occasion, or as many as `repeat` says.
fn occasions(
    fields: &Map<String, Value>,
    place: &str,
    rule: &Rule,
    case: &mut Case,
) -> Result<(), String> {
    let zone = &rule.timezone;
    let name = |key: &str| format!("{place}.{key}");
    let previous = optional(fields, "previous_at", &name("previous_at"), |text| {
        when(text, zone)
    })?;
    let moved_at = optional(fields, "moved_at", &name("moved_at"), |text| {
        moment(text, zone)
    })?;
    let created_at = optional(fields, "created_at", &name("created_at"), |text| {
        moment(text, zone)
    })?;
    let cancelled_at = optional(fields, "cancelled_at", &name("cancelled_at"), |text| {
        moment(text, zone)
    })?;
    let status = optional(fields, "status", &name("status"), |text| {
        text.parse::<OccasionStatus>()
    })?;
    let status = status.unwrap_or(if cancelled_at.is_some() {
        OccasionStatus::Cancelled
    } else {
        OccasionStatus::Booked
    });
    let sent = words(fields, "sent", &name("sent"), |text| {
        Ok::<_, String>(text.to_owned())
    })?;
    let kind = fields
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or(rule.trigger.word());
    for (when, timezone) in moments(fields, place, zone)? {
        let id =
            OccasionId::parse(&format!("occ_{}", case.occasions.len() + 1)).expect("a plain id");
        // Told again with the same date and time, it was not moved.
        let moved = (moved_at.is_some() || previous.is_some())
            && previous
                .as_ref()
                .is_none_or(|previous| *previous != (when, timezone.clone()));
        if matches!(rule.trigger, Trigger::Manual)
            && status == OccasionStatus::Booked
            && let OccasionTime::At(at) = when
        {
            case.started.push(wall::instant(
                &wall::zone(&timezone).unwrap_or_else(|| zone.clone()),
                at,
            ));
        }
        let leads = sent.iter().filter(|_| !moved);
        case.sent.extend(leads.map(|lead| SentLead {
            occurrence: id.as_str().to_owned(),
            epoch: i64::from(moved),
            step: None,
            lead: lead.clone(),
        }));
        case.occasions.push(Occasion {
            id,
            patient: case.patient.id.clone(),
            kind: kind.to_owned(),
            when,
            timezone,
            status,
            epoch: i64::from(moved),
            confirmation: Confirmation::None,
            created_at,
            moved_at: moved_at.filter(|_| moved),
            cancelled_at,
            department: fields
                .get("department")
                .and_then(Value::as_str)
                .map(str::to_owned),
            doctor: None,
            place: fields
                .get("place")
                .and_then(Value::as_str)
                .map(str::to_owned),
            attributes: fields
                .get("attributes")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
        });
    }
    Ok(())
}

/// When the occasion is, or all of them if it repeats.
fn moments(
    fields: &Map<String, Value>,
    place: &str,
    zone: &TimeZone,
) -> Result<Vec<(OccasionTime, String)>, String> {
    let Some(repeat) = fields.get("repeat").filter(|repeat| !repeat.is_null()) else {
        let at = fields
            .get("at")
            .ok_or_else(|| format!("{place}.at: missing"))?;
        return Ok(vec![read(at, &format!("{place}.at"), |text| {
            when(text, zone)
        })?]);
    };
    let repeat = repeat
        .as_object()
        .ok_or_else(|| format!("{place}.repeat: expected a table"))?;
    let name = |key: &str| format!("{place}.repeat.{key}");
    let get = |key: &str| {
        repeat
            .get(key)
            .ok_or_else(|| format!("{}: missing", name(key)))
    };
    let (anchor, timezone) = read(get("anchor")?, &name("anchor"), |text| when(text, zone))?;
    let every = read(get("every")?, &name("every"), every)?;
    let count = get("count")?
        .as_i64()
        .filter(|count| (0..=1000).contains(count))
        .ok_or_else(|| format!("{}: expected a number from 0 to 1000", name("count")))?;
    let time = optional(fields, "at", &format!("{place}.at"), |text| {
        clock(text, zone)
    })?
    .flatten();
    let at = |k: i64| {
        let day = every.from_day(anchor.date(), k);
        match (time, anchor) {
            (Some(time), _) => OccasionTime::At(day.to_datetime(time)),
            (None, OccasionTime::At(anchor)) => OccasionTime::At(day.to_datetime(anchor.time())),
            (None, OccasionTime::On(_)) => OccasionTime::On(day),
        }
    };
    Ok((1..=count).map(|k| (at(k), timezone.clone())).collect())
}

/// A distance on the calendar; years are twelve months.
fn every(text: &str) -> Result<Distance, String> {
    let years = text
        .strip_suffix('y')
        .and_then(|years| years.parse::<u32>().ok())
        .map(|years| format!("{}mo", years.saturating_mul(12)));
    let distance =
        Distance::parse(years.as_deref().unwrap_or(text)).filter(|distance| distance.is_calendar());
    distance.ok_or_else(|| format!("expected a distance such as 1mo, 2w or 10d, found `{text}`"))
}

/// The time of day of `10:00` or of a whole date and time; none of a day alone.
fn clock(text: &str, zone: &TimeZone) -> Result<Option<Time>, String> {
    if let Some(time) = time_of_day(text) {
        return Ok(Some(time));
    }
    Ok(match when(text, zone)?.0 {
        OccasionTime::At(at) => Some(at.time()),
        OccasionTime::On(_) => None,
    })
}

/// A civil date with or without a clock, and its zone: the rule's, or the offset it is written with.
fn when(text: &str, zone: &TimeZone) -> Result<(OccasionTime, String), String> {
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
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
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

fn day(text: &str) -> Result<Date, String> {
    text.parse()
        .map_err(|_| format!("expected a day such as 1975-04-02, found `{text}`"))
}

/// What `read` makes of a text, or what is wrong at `place`.
fn read<T, E: std::fmt::Display>(
    value: &Value,
    place: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("{place}: expected text, found {value}"))?;
    read(text.trim()).map_err(|error| format!("{place}: {error}"))
}

fn optional<T, E: std::fmt::Display>(
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

fn flag(fields: &Map<String, Value>, key: &str, place: &str) -> Result<bool, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(other) => Err(format!("{place}: expected true or false, found {other}")),
    }
}

/// A list of words; one word alone is a list too.
fn words<T, E: std::fmt::Display>(
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

/// Looks up lists alike in a case and in its tables.
trait Lookup {
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

fn list<'v>(fields: &'v impl Lookup, key: &str, place: &str) -> Result<&'v [Value], String> {
    match fields.look_up(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(format!("{place}: expected a list, found {other}")),
    }
}
