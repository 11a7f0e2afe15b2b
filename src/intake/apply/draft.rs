//! What of a row can be made ready before anything is known of the one that is stored.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::fingerprint;
use crate::intake::SiteInfo;
use crate::intake::birth::Birth;
use crate::intake::contacts::Contact;
use crate::intake::record::{
    ConsentRecord, Consented, FactRecord, Key, Origin, PatientRecord, RelationRecord,
};
use crate::model::id::PatientId;
use crate::model::phone::address_hash;
use crate::store::contact_points::ContactPut;
use crate::store::facts::FactPut;
use crate::store::patient_records::{ConsentPut, PatientPut};
use crate::store::relations::RelationPut;

/// A patient as they would be written if they were new.
pub(super) struct PatientDraft {
    /// The record without its facts.
    pub(super) record: PatientRecord,
    pub(super) put: PatientPut,
    pub(super) facts: Option<Vec<FactDraft>>,
}

/// A fact as it would be written, whoever's it is.
pub(super) struct FactDraft {
    pub(super) origin: Origin,
    pub(super) patient: Key,
    /// Kind and key.
    pub(super) name: (String, String),
    pub(super) gone: bool,
    /// One row for each code.
    pub(super) rows: Vec<FactPut>,
}

/// The site on the day of the import.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    info: &'a SiteInfo,
    today: Date,
}

impl<'a> Site<'a> {
    pub(crate) fn new(info: &'a SiteInfo, now: Timestamp) -> Self {
        Self {
            info,
            today: now.to_zoned(info.timezone.clone()).date(),
        }
    }

    pub(super) fn patient(&self, mut record: PatientRecord) -> PatientDraft {
        let facts = record.facts.take();
        PatientDraft {
            put: self.patient_put(&record),
            facts: facts.map(|facts| facts.into_iter().map(FactDraft::of).collect()),
            record,
        }
    }

    pub(super) fn patient_put(&self, record: &PatientRecord) -> PatientPut {
        let birth = record.birth.map(|birth| *birth.reveal());
        let minor = self.is_minor(birth);
        let day = birth.and_then(Birth::day);
        let lunar = record.lunar_birthday.map(|day| *day.reveal());
        let mut put = PatientPut {
            id: PatientId::generate(),
            source_key: record.key.key.reveal().clone(),
            name: json(record.name.reveal()),
            sex: record.sex.map(crate::model::patient::Sex::as_str),
            birth_on: day.map(|day| day.to_string()),
            birth_md: day
                .filter(|_| lunar.is_none())
                .map(|day| i64::from(day.month()) * 100 + i64::from(day.day())),
            lunar_md: lunar.map(|day| i64::from(day.month) * 100 + i64::from(day.day)),
            language: record.language.clone(),
            deceased: record.deceased,
            // Of whom only a year is known and who may be a minor is reached through the family (rules/README.md, rule 7).
            special: record.special || (day.is_none() && minor),
            held: record.inactive,
            tags: json(&record.tags),
            prefer: json(&record.prefer),
            attributes: attributes(record, birth),
            version: None,
            row_hash: String::new(),
            contacts: self.contact_puts(&record.contacts),
            family: self.family_puts(&record.family, minor),
            consents: record.consents.iter().map(consent_put).collect(),
        };
        put.row_hash = patient_fingerprint(&put);
        put.version = record.version;
        put
    }

    /// The key of a relation within a record is what it is and whom it names: with another number it is the same one.
    fn family_puts(&self, family: &[RelationRecord], minor: bool) -> Vec<RelationPut> {
        let mut taken: HashMap<String, usize> = HashMap::new();
        family
            .iter()
            .enumerate()
            .map(|(rank, relation)| {
                let name = relation
                    .name
                    .as_ref()
                    .map(|name| name.reveal().full.to_lowercase())
                    .unwrap_or_default();
                let base = format!("#{}/{}", relation.kind, &fingerprint(&name)[..12]);
                let times = taken
                    .entry(base.clone())
                    .and_modify(|n| *n += 1)
                    .or_insert(1);
                let key = if *times == 1 {
                    base
                } else {
                    format!("{base}/{times}")
                };
                let mut put = self.relation_put(relation, key, rank + 1, minor);
                put.row_hash = String::new();
                put
            })
            .collect()
    }

    pub(super) fn relation_put(
        &self,
        relation: &RelationRecord,
        source_key: String,
        rank: usize,
        minor: bool,
    ) -> RelationPut {
        let consented = match relation.consented {
            Consented::Yes => true,
            Consented::No => false,
            Consented::WhileMinor => minor,
        };
        let name = relation.name.as_ref().map(|name| json(name.reveal()));
        let contacts = self.contact_puts(&relation.contacts);
        let addresses: Vec<&str> = contacts
            .iter()
            .map(|contact| contact.address.as_str())
            .collect();
        let row_hash = fingerprint(&(
            &relation.kind,
            &name,
            &relation.language,
            consented,
            addresses,
        ));
        // Where none are named the hash is the one it always was.
        let row_hash = match relation.classes.as_slice() {
            [] => row_hash,
            some => fingerprint(&(&row_hash, some)),
        };
        let rank = i64::try_from(rank).unwrap_or(i64::MAX);
        RelationPut {
            source_key,
            rank,
            kind: relation.kind.clone(),
            name,
            language: relation.language.clone(),
            consented,
            classes: relation.classes.clone(),
            row_hash,
            contacts,
        }
    }

    fn contact_puts(&self, contacts: &[Contact]) -> Vec<ContactPut> {
        contacts
            .iter()
            .map(|contact| ContactPut {
                kind: contact.kind,
                address: contact.address.reveal().clone(),
                address_hash: address_hash(&self.info.address_key, contact.address.reveal()),
            })
            .collect()
    }

    pub(super) fn is_minor(&self, birth: Option<Birth>) -> bool {
        birth.is_some_and(|birth| birth.may_be_minor(self.today))
    }
}

impl FactDraft {
    /// One row for each code; a statement without a code is one row as well.
    pub(super) fn of(record: FactRecord) -> Self {
        let codes: Vec<(Option<&str>, Option<&str>)> = match record.codings.as_slice() {
            [] => vec![(None, None)],
            some => some
                .iter()
                .map(|coding| {
                    (
                        Some(coding.code.reveal().as_str()),
                        coding.system.as_deref(),
                    )
                })
                .collect(),
        };
        let on_day = record.on.map(|day| day.to_string());
        let at = record.at.map(Timestamp::as_millisecond);
        let attributes = json(record.attributes.reveal());
        let row_hash = fingerprint(&(&codes, &on_day, at, &record.department, &attributes));
        let row = |(coding, (code, system)): (usize, (Option<&str>, Option<&str>))| FactPut {
            kind: record.kind.clone(),
            source_key: record.key.reveal().clone(),
            coding,
            code: code.map(str::to_owned),
            system: system.map(str::to_owned),
            on_day: on_day.clone(),
            at,
            department: record.department.clone(),
            attributes: attributes.clone(),
            row_hash: row_hash.clone(),
        };
        let rows = codes.into_iter().enumerate().map(row).collect();
        Self {
            rows,
            name: (record.kind, record.key.into_revealed()),
            origin: record.origin,
            patient: record.patient,
            gone: record.gone,
        }
    }

    /// The hash of the whole statement.
    pub(super) fn hash(&self) -> &str {
        self.rows.first().map_or("", |row| row.row_hash.as_str())
    }
}

/// What else is told, and what the columns cannot say.
fn attributes(record: &PatientRecord, birth: Option<Birth>) -> String {
    let told = record.attributes.reveal();
    let year = match birth {
        Some(Birth::Within { year, .. }) => Some(year),
        Some(Birth::Day(_)) | None => None,
    };
    if year.is_none() && !record.inactive {
        return json(told);
    }
    let mut all = told.clone();
    if let Some(year) = year {
        all.insert("birth_year".to_owned(), Value::from(year));
    }
    if record.inactive {
        all.insert("active".to_owned(), Value::Bool(false));
    }
    json(&all)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain values always serialize")
}

fn consent_put(consent: &ConsentRecord) -> ConsentPut {
    ConsentPut {
        scope: consent.scope,
        granted: consent.granted,
        at: consent.at.map(Timestamp::as_millisecond),
    }
}

/// Of all that the record tells, but for its version: a record sent again under a new number is the same one.
fn patient_fingerprint(put: &PatientPut) -> String {
    let contacts: Vec<&str> = put
        .contacts
        .iter()
        .map(|contact| contact.address.as_str())
        .collect();
    let family: Vec<_> = put
        .family
        .iter()
        .map(|relation| {
            let addresses: Vec<&str> = relation
                .contacts
                .iter()
                .map(|contact| contact.address.as_str())
                .collect();
            (
                &relation.source_key,
                &relation.kind,
                &relation.name,
                &relation.language,
                relation.consented,
                addresses,
            )
        })
        .collect();
    let consents: Vec<_> = put
        .consents
        .iter()
        .map(|consent| (consent.scope.as_str(), consent.granted, consent.at))
        .collect();
    let own = (
        &put.name,
        put.sex,
        &put.birth_on,
        put.lunar_md,
        &put.language,
        put.deceased,
        put.special,
        put.held,
    );
    let hash = fingerprint(&(
        own,
        &put.tags,
        &put.prefer,
        &put.attributes,
        contacts,
        family,
        consents,
    ));
    let classes: Vec<_> = put.family.iter().map(|one| &one.classes).collect();
    // Where none are named the hash is the one it always was.
    if classes.iter().all(|of_one| of_one.is_empty()) {
        return hash;
    }
    fingerprint(&(hash, classes))
}
