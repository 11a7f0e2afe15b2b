//! Reads patients and occasions from JSON, with errors that name the path.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;
use serde_json::Value;

use super::birth::Birth;
use super::contacts::Contact;
use super::input::{
    ContactInput, FactInput, NameInput, OccasionInput, PatientInput, RelationInput,
};
use super::record::{
    Coding, ConsentRecord, Consented, FactRecord, Key, OccasionRecord, Origin, PatientRecord,
    RecordUpdate, RelationRecord, Removal, Removed, Series,
};
use super::{IntakeError, SiteInfo, located, moment, repeat};
use crate::model::class::{Channel, Class};
use crate::model::occasion::{OccasionStatus, OccasionTime};
use crate::model::patient::{LunarDay, OptOut, PersonName, Sex};
use crate::model::private::Private;

/// Reads the body of `PUT /v1/patients/{source}/{key}`.
///
/// # Errors
/// Names the JSON path and what was expected there, never the value.
pub fn patient_from_json(
    source: &str,
    key: &str,
    body: &Value,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    let key = named(source, key)?;
    patient_from_value(key, Origin::inlet("http"), body, site)
}

/// Reads the body of a patient's record; what is wrong in it is told with its path.
pub(super) fn patient_from_value(
    key: Key,
    origin: Origin,
    body: &Value,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    if body.get("sensitive") == Some(&Value::Bool(true)) {
        // Whatever else is wrong with it: the patient must be known as a forbidden one.
        return Ok(vec![RecordUpdate::Patient(Box::new(
            PatientRecord::forbidden(origin, key),
        ))]);
    }
    patient_updates(located::read(body)?, key, origin, site)
}

/// A patient with their facts.
pub(super) fn patient_updates(
    input: PatientInput,
    key: Key,
    origin: Origin,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    let read = |(n, fact): (usize, &FactInput)| {
        fact_record(fact, &key, &origin)
            .map_err(|(field, expected)| wrong(format!("facts[{n}].{field}"), expected))
    };
    let told = input.facts.as_deref();
    let facts = told.map(|facts| facts.iter().enumerate().map(read).collect());
    let facts = facts.transpose()?;
    let mut record = patient_record(input, key, origin, site)?;
    record.facts = facts;
    Ok(vec![RecordUpdate::Patient(Box::new(record))])
}

/// Reads the body of `PUT /v1/occasions/{source}/{key}`.
///
/// # Errors
/// Names the JSON path and what was expected there, never the value.
pub fn occasion_from_json(
    source: &str,
    key: &str,
    body: &Value,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    let input: OccasionInput = located::read(body)?;
    occasion_updates(input, named(source, key)?, Origin::inlet("http"), site)
}

/// An occasion.
pub(super) fn occasion_updates(
    input: OccasionInput,
    key: Key,
    origin: Origin,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    let patient = match input.patient.reveal().split_once('/') {
        Some((source, key)) => {
            named(source, key).map_err(|_| wrong("patient", "expected SOURCE/KEY"))?
        }
        None => Key {
            source: Arc::clone(&key.source),
            key: input.patient.clone(),
        },
    };
    if input.kind.trim().is_empty() {
        return Err(wrong("kind", "expected a word such as appointment"));
    }
    let zone = match &input.timezone {
        Some(name) => jiff::tz::TimeZone::get(name)
            .map_err(|_| wrong("timezone", "expected an IANA name such as Asia/Shanghai"))?,
        None => site.timezone.clone(),
    };
    let times = times(&input, &zone)?;
    let [first, ..] = times[..] else {
        return Ok(Vec::new());
    };
    let instant = |text: &Option<String>, path: &str| {
        let read = text.as_ref().map(|text| {
            text.parse().map_err(|_| {
                wrong(
                    path,
                    "expected an instant such as 2026-07-24T10:00:00+08:00",
                )
            })
        });
        read.transpose()
    };
    let status = match &input.status {
        Some(word) => word.parse::<OccasionStatus>().map_err(|_| {
            wrong(
                "status",
                "expected booked, cancelled, arrived, fulfilled or no_show",
            )
        })?,
        None => OccasionStatus::Booked,
    };
    let doctor_key = said(input.doctor_key)
        .map(|text| staff_key(&key, &text, "doctor_key"))
        .transpose()?;
    let record = OccasionRecord {
        origin,
        key,
        patient,
        kind: input.kind.trim().to_owned(),
        when: first,
        timezone: input.timezone,
        status,
        created_at: instant(&input.created_at, "created_at")?,
        department: said(input.department),
        doctor: said(input.doctor),
        doctor_key,
        place: said(input.place),
        attributes: input.attributes,
        version: input.version,
        reasons: Vec::new(),
        sensitive: input.sensitive,
        series: Series::Single,
    };
    let records = match &input.repeat {
        Some(_) => members(&record, &times),
        None => vec![record],
    };
    let update = |record| RecordUpdate::Occasion(Box::new(record));
    Ok(records.into_iter().map(update).collect())
}

/// When it is, or each of those that it repeats as.
fn times(
    input: &OccasionInput,
    zone: &jiff::tz::TimeZone,
) -> Result<Vec<OccasionTime>, IntakeError> {
    if let Some(repeat) = &input.repeat {
        let times = repeat::times(repeat, &input.at, zone);
        return times.map_err(|(path, expected)| wrong(path, expected));
    }
    let expected = "expected a date and time such as 2026-07-24T10:00";
    let one = moment::moment(&input.at, None, zone).ok_or_else(|| wrong("at", expected))?;
    Ok(vec![one])
}

/// The occasions of one that repeats.
fn members(record: &OccasionRecord, times: &[OccasionTime]) -> Vec<OccasionRecord> {
    let key = &record.key;
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let each = |(n, when): (u32, &OccasionTime)| OccasionRecord {
        key: Key::new(&key.source, repeat::member(key.key.reveal(), n)),
        when: *when,
        series: match n {
            1 => Series::First {
                key: key.key.clone(),
                count,
            },
            _ => Series::Other,
        },
        ..record.clone()
    };
    (1..).zip(times).map(each).collect()
}

/// `DELETE /v1/patients/{source}/{key}`: every row about them goes.
///
/// # Errors
/// When source or key are empty.
pub fn delete_patient(source: &str, key: &str) -> Result<Vec<RecordUpdate>, IntakeError> {
    Ok(vec![RecordUpdate::Remove(Removal {
        origin: Origin::inlet("http"),
        what: Removed::Patient(named(source, key)?),
    })])
}

/// `DELETE /v1/occasions/{source}/{key}`: it is kept as cancelled, so that what was sent about it can be explained.
///
/// # Errors
/// When source or key are empty.
pub fn delete_occasion(source: &str, key: &str) -> Result<Vec<RecordUpdate>, IntakeError> {
    Ok(vec![RecordUpdate::Remove(Removal {
        origin: Origin::inlet("http"),
        what: Removed::Occasion(named(source, key)?),
    })])
}

/// Reads a patient that came by an inlet of its own.
///
/// # Errors
/// As [`patient_from_json`].
pub(crate) fn patient_at(
    key: Key,
    origin: Origin,
    body: &Value,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    patient_from_value(key, origin, body, site)
}

/// Reads an occasion that came by an inlet of its own.
///
/// # Errors
/// As [`occasion_from_json`].
pub(crate) fn occasion_at(
    key: Key,
    origin: Origin,
    body: &Value,
    site: &SiteInfo,
) -> Result<Vec<RecordUpdate>, IntakeError> {
    occasion_updates(located::read(body)?, key, origin, site)
}

/// Something that is no more, by an inlet of its own.
pub(crate) fn removal_at(what: Removed, origin: Origin) -> Vec<RecordUpdate> {
    vec![RecordUpdate::Remove(Removal { origin, what })]
}

fn patient_record(
    input: PatientInput,
    key: Key,
    origin: Origin,
    site: &SiteInfo,
) -> Result<PatientRecord, IntakeError> {
    let birth = birth(&input)?;
    let sex = sex(&input)?;
    let lunar_birthday = lunar_birthday(&input)?;
    let prefer = prefer(&input)?;
    let consents = consents(&input)?;
    let mut family = Vec::new();
    for (n, relation) in input.relations.into_iter().enumerate() {
        family.push(relation_record(relation, n, site)?);
    }
    Ok(PatientRecord {
        origin,
        also_known: Vec::new(),
        name: person_name(&input.name).unwrap_or_default().into(),
        sex,
        birth,
        lunar_birthday,
        language: said(input.language),
        deceased: input.deceased,
        special: input.special,
        inactive: input.active == Some(false),
        flags: Vec::new(),
        told: None,
        tags: input.tags,
        prefer,
        attributes: input.attributes,
        contacts: contacts(&input.contacts, "contacts", site)?,
        family,
        consents,
        facts: None,
        version: input.version,
        sensitive: input.sensitive,
        key,
    })
}

fn birth(input: &PatientInput) -> Result<Option<Private<Birth>>, IntakeError> {
    let Some(text) = &input.birth_date else {
        return Ok(None);
    };
    let birth = Birth::parse(text.reveal().trim());
    let birth = birth.ok_or_else(|| wrong("birth_date", "expected a date such as 1975-04-02"))?;
    Ok(Some(Private::new(birth)))
}

fn sex(input: &PatientInput) -> Result<Option<Sex>, IntakeError> {
    let Some(word) = &input.sex else {
        return Ok(None);
    };
    Sex::parse(word)
        .map(Some)
        .ok_or_else(|| wrong("sex", "expected female, male, other or unknown"))
}

fn lunar_birthday(input: &PatientInput) -> Result<Option<Private<LunarDay>>, IntakeError> {
    match &input.lunar_birthday {
        Some(day) if (1..=12).contains(&day.month) && (1..=30).contains(&day.day) => {
            Ok(Some(Private::new(LunarDay {
                month: day.month,
                day: day.day,
            })))
        }
        Some(_) => Err(wrong(
            "lunar_birthday",
            "expected a month of 1 to 12 and a day of 1 to 30",
        )),
        None => Ok(None),
    }
}

fn prefer(input: &PatientInput) -> Result<Vec<Channel>, IntakeError> {
    let read = |(n, word): (usize, &String)| {
        Channel::parse(word)
            .filter(|channel| channel.contact_kind().is_some())
            .ok_or_else(|| wrong(format!("prefer[{n}]"), "expected sms, voice or email"))
    };
    input.prefer.iter().enumerate().map(read).collect()
}

fn consents(input: &PatientInput) -> Result<Vec<ConsentRecord>, IntakeError> {
    let mut consents = Vec::new();
    for (n, consent) in input.consent.iter().enumerate() {
        let scope = OptOut::parse(&consent.scope).ok_or_else(|| {
            let expected = "expected all, a class or a channel";
            wrong(format!("consent[{n}].scope"), expected)
        })?;
        let at = consent.at.as_ref().map(|at| {
            at.parse().map_err(|_| {
                let expected = "expected an instant such as 2026-07-24T10:00:00+08:00";
                wrong(format!("consent[{n}].at"), expected)
            })
        });
        consents.push(ConsentRecord {
            scope,
            granted: consent.granted,
            at: at.transpose()?,
        });
    }
    Ok(consents)
}

fn relation_record(
    relation: RelationInput,
    n: usize,
    site: &SiteInfo,
) -> Result<RelationRecord, IntakeError> {
    if relation.relation.trim().is_empty() {
        return Err(wrong(
            format!("relations[{n}].relation"),
            "expected a word such as child",
        ));
    }
    let (consented, classes) = consent_of_relation(&relation, n)?;
    Ok(RelationRecord {
        kind: relation.relation.trim().to_owned(),
        name: relation
            .name
            .as_ref()
            .and_then(person_name)
            .map(Private::new),
        language: said(relation.language),
        consented,
        classes,
        contacts: contacts(
            &relation.contacts,
            &format!("relations[{n}].contacts"),
            site,
        )?,
    })
}

/// Whether a relation may be told, and of which classes alone.
fn consent_of_relation(
    relation: &RelationInput,
    n: usize,
) -> Result<(Consented, Vec<Class>), IntakeError> {
    let mut classes = Vec::new();
    let words = relation.consented_to.as_deref();
    for (at, word) in words.unwrap_or_default().iter().enumerate() {
        let class = consented_class(word).ok_or_else(|| {
            let expected = "expected all or a class such as appointment";
            wrong(format!("relations[{n}].consented_to[{at}]"), expected)
        })?;
        classes.push(class);
    }
    let says_so = words.is_some_and(|words| !words.is_empty());
    let consented = if relation.consented.unwrap_or(says_so) && words.is_none_or(|_| says_so) {
        Consented::Yes
    } else {
        Consented::No
    };
    Ok((consented, one_by_one(classes)))
}

/// A word of what a relation may hear of: `Some(None)` is all.
pub(super) fn consented_class(word: &str) -> Option<Option<Class>> {
    match word.trim().to_lowercase().as_str() {
        "all" => Some(None),
        word => Class::parse(word)
            .filter(|class| *class != Class::Reply)
            .map(Some),
    }
}

/// The classes named, each once and in one order; none where one of the words was all.
pub(super) fn one_by_one(words: Vec<Option<Class>>) -> Vec<Class> {
    let classes: Option<BTreeSet<Class>> = words.into_iter().collect();
    classes.into_iter().flatten().collect()
}

/// The whole name, made of its parts where it is not told; `None` when nothing is.
fn person_name(input: &NameInput) -> Option<PersonName> {
    let part = |part: &Option<Private<String>>| {
        part.as_ref()
            .map(|part| part.reveal().trim().to_owned())
            .filter(|part| !part.is_empty())
    };
    let (full, given, family) = (part(&input.full), part(&input.given), part(&input.family));
    let full = full.or_else(|| super::names::whole(family.as_deref(), given.as_deref()))?;
    Some(PersonName {
        full,
        given,
        family,
    })
}

fn contacts(
    inputs: &[ContactInput],
    path: &str,
    site: &SiteInfo,
) -> Result<Vec<Contact>, IntakeError> {
    let read = |(n, input): (usize, &ContactInput)| match (&input.phone, &input.email) {
        (Some(phone), None) => Contact::phone(phone.reveal(), &site.country)
            .map_err(|error| wrong(format!("{path}[{n}].phone"), error.to_string())),
        (None, Some(email)) => Contact::email(email.reveal())
            .map_err(|error| wrong(format!("{path}[{n}].email"), error.to_string())),
        (Some(_), Some(_)) | (None, None) => Err(wrong(
            format!("{path}[{n}]"),
            "expected either a phone or an email",
        )),
    };
    inputs.iter().enumerate().map(read).collect()
}

fn fact_record(
    input: &FactInput,
    patient: &Key,
    origin: &Origin,
) -> Result<FactRecord, (&'static str, &'static str)> {
    if input.kind.trim().is_empty() {
        return Err(("kind", "expected a word such as diagnosis"));
    }
    let on: Option<Date> = match &input.on {
        Some(text) => Some(
            text.trim()
                .parse()
                .map_err(|_| ("on", "expected a day such as 2026-07-24"))?,
        ),
        None => None,
    };
    let code = input
        .code
        .as_ref()
        .map(|code| code.reveal().trim().to_owned())
        .filter(|code| !code.is_empty());
    let made = || {
        Private::new(format!(
            "{}/{}/{}",
            patient.key.reveal(),
            code.as_deref().unwrap_or_default(),
            input.on.as_deref().unwrap_or_default()
        ))
    };
    Ok(FactRecord {
        origin: origin.clone(),
        patient: patient.clone(),
        key: input.key.clone().unwrap_or_else(made),
        kind: input.kind.trim().to_owned(),
        codings: code
            .map(|code| Coding {
                code: Private::new(code),
                system: input.system.clone(),
            })
            .into_iter()
            .collect(),
        on,
        at: None,
        department: input.department.clone(),
        attributes: input.attributes.clone(),
        reasons: Vec::new(),
        sensitive: false,
        gone: false,
    })
}

/// `SOURCE/KEY` of a member of staff, or the key alone within the source of `beside`.
pub(super) fn staff_key(beside: &Key, text: &str, path: &str) -> Result<Key, IntakeError> {
    let (source, key) = text.split_once('/').unwrap_or((&beside.source, text));
    named(source, key).map_err(|_| wrong(path, "expected SOURCE/KEY of a member of staff"))
}

pub(super) fn named(source: &str, key: &str) -> Result<Key, IntakeError> {
    let source = source.trim();
    let wrong = || {
        let expected = "expected the name of a source and its key";
        wrong("the path", expected)
    };
    if source.is_empty() || source.len() > 64 {
        return Err(wrong());
    }
    keyed(&Arc::from(source), key).ok_or_else(wrong)
}

/// The record that `source` knows by `key`, if that can be a key.
pub(super) fn keyed(source: &Arc<str>, key: &str) -> Option<Key> {
    let key = key.trim();
    (!key.is_empty() && key.len() <= 200).then(|| Key::new(source, key))
}

pub(super) fn said(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

pub(super) fn wrong(path: impl Into<String>, expected: impl Into<String>) -> IntakeError {
    IntakeError::Input {
        path: path.into(),
        expected: expected.into(),
    }
}
