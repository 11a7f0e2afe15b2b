//! Reads the patient of a case, the family and the facts.

use serde_json::{Map, Value};

use crate::model::class::{Channel, ContactKind};
use crate::model::id::{ContactPointId, PatientId, RelationId};
use crate::model::patient::{
    ContactPoint, ContactStatus, Fact, LunarDay, OptOut, Patient, PersonName, Relation, Sex,
};
use crate::model::private::Private;
use crate::rules::cases::value::{day, flag, list, optional, read, table, words};

/// The patient.
pub(super) fn patient(fields: &Map<String, Value>) -> Result<Patient, String> {
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
        sex: optional(fields, "sex", &name("sex"), sex)?,
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
        attributes: Private::new(table(fields, "attributes", &name("attributes"))?),
        contacts: contacts(fields, "patient", "")?,
        family: family
            .iter()
            .enumerate()
            .map(|(at, relation)| self::relation(relation, at))
            .collect::<Result<_, _>>()?,
        opt_outs: words(fields, "opt_out", &name("opt_out"), opt_out)?,
        consents: Vec::new(),
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
        consents: words(
            fields,
            "consented_to",
            &format!("{place}.consented_to"),
            opt_out,
        )?,
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
            Some(value) => read(value, &format!("{place}.{bad}"), bad_contact)?,
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

/// Any word says that it must not be used; some say why.
fn bad_contact(text: &str) -> Result<ContactStatus, String> {
    Ok(ContactStatus::parse(text).unwrap_or(ContactStatus::Invalid))
}

fn sex(text: &str) -> Result<Sex, String> {
    match text.to_lowercase().as_str() {
        "f" => Ok(Sex::Female),
        "m" => Ok(Sex::Male),
        word => word.parse(),
    }
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

/// Diagnoses by their codes alone, and what else is told.
pub(super) fn facts(person: &Map<String, Value>, case: &Value) -> Result<Vec<Fact>, String> {
    let code = |(at, value): (usize, &Value)| {
        let text = value.get("code").unwrap_or(value);
        read(text, &format!("patient.diagnoses[{}]", at + 1), |text| {
            Ok::<_, String>(text.to_owned())
        })
    };
    let diagnoses = list(person, "diagnoses", "patient.diagnoses")?;
    let codes: Vec<String> = diagnoses
        .iter()
        .enumerate()
        .map(code)
        .collect::<Result<_, _>>()?;
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
