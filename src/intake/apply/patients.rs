//! Patients and their relations: records to rows.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Applier, fingerprint, merge};
use crate::intake::IntakeError;
use crate::intake::birth::Birth;
use crate::intake::contacts::Contact;
use crate::intake::record::{
    ConsentRecord, Consented, FamilyRecord, Key, PatientRecord, RecordKind, RelationRecord,
};
use crate::intake::report::Outcome;
use crate::model::id::PatientId;
use crate::model::phone::address_hash;
use crate::model::reminder::SkipReason;
use crate::store::contact_points::ContactPut;
use crate::store::patient_records::{self, ConsentPut, Known, PatientPut};
use crate::store::relations::{self, RelationPut};
use crate::store::{Tx, patients};

impl Applier<'_> {
    pub(super) async fn patients(
        &mut self,
        tx: &mut Tx,
        source: &str,
        records: Vec<PatientRecord>,
    ) -> Result<(), IntakeError> {
        let keys: Vec<&str> = records
            .iter()
            .map(|record| record.key.key.reveal().as_str())
            .collect();
        let known = patient_records::known(tx, source, &keys).await?;
        let (mut puts, mut dead) = (Vec::new(), Vec::new());
        let current = self.current(tx, source, &records, &known).await?;
        for record in records {
            let known = known.get(record.key.key.reveal());
            // A table that tells some columns is compared with what is there, a whole record with the last one.
            let (record, kept_hash) = match current.get(&record.key) {
                Some(kept) => (
                    merge::overlay(kept.clone(), &record),
                    Some(self.patient_put(kept, known).row_hash),
                ),
                None => (record, known.map(|known| known.row_hash.clone())),
            };
            let put = self.patient_put(&record, known);
            let outcome = match known {
                None => Outcome::New,
                Some(known) if record.version.is_some() && known.version > record.version => {
                    Outcome::Older
                }
                Some(_) if kept_hash.as_ref() == Some(&put.row_hash) => Outcome::Unchanged,
                Some(_) => Outcome::Changed,
            };
            self.report
                .note(&record.origin, RecordKind::Patient, outcome);
            if self.mode.dry_run {
                self.imagined.insert(record.key);
            } else if matches!(outcome, Outcome::New | Outcome::Changed) {
                if record.deceased && !known.is_some_and(|known| known.deceased) {
                    dead.push(put.source_key.clone());
                }
                puts.push(put);
            }
        }
        let written = patient_records::put(tx, source, puts, self.now).await?;
        if !dead.is_empty() {
            let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
            let dead: Vec<PatientId> = patient_records::known(tx, source, &dead)
                .await?
                .into_values()
                .map(|known| known.id)
                .collect();
            let dead: Vec<PatientId> = dead.into_iter().filter(|id| written.contains(id)).collect();
            patients::stop_all(tx, &dead, SkipReason::Deceased, self.now).await?;
        }
        Ok(())
    }

    pub(super) async fn family(
        &mut self,
        tx: &mut Tx,
        records: Vec<FamilyRecord>,
    ) -> Result<(), IntakeError> {
        let owners = self
            .patients_of(tx, records.iter().map(|record| &record.patient))
            .await?;
        let ids: Vec<PatientId> = owners.values().map(|known| known.id.clone()).collect();
        let hashes = relations::known(tx, &ids).await?;
        let (mut puts, mut gone) = (Vec::new(), Vec::new());
        for (rank, record) in records.into_iter().enumerate() {
            let Some(owner) = owners.get(&record.patient) else {
                if self.imagined.contains(&record.patient) {
                    self.report
                        .note(&record.origin, RecordKind::Relation, Outcome::New);
                } else {
                    self.reject_stranger(&record.origin, RecordKind::Relation);
                }
                continue;
            };
            let name = (owner.id.clone(), record.key.reveal().clone());
            let known = hashes.get(&name);
            let Some(relation) = &record.relation else {
                self.report.note(
                    &record.origin,
                    RecordKind::Relation,
                    if known.is_some() {
                        Outcome::Removed
                    } else {
                        Outcome::Unchanged
                    },
                );
                gone.push(name);
                continue;
            };
            let birth = owner.birth_on.as_deref().and_then(Birth::parse);
            // Those told within the patient's record come first.
            let put = self.relation_put(relation, name.1, 1000 + rank, self.is_minor(birth));
            let outcome = match known {
                None => Outcome::New,
                Some(hash) if *hash == put.row_hash => Outcome::Unchanged,
                Some(_) => Outcome::Changed,
            };
            self.report
                .note(&record.origin, RecordKind::Relation, outcome);
            if matches!(outcome, Outcome::New | Outcome::Changed) {
                puts.push((name.0, put));
            }
        }
        if !self.mode.dry_run {
            relations::put(tx, puts, self.now).await?;
            relations::remove(tx, &gone, self.now).await?;
        }
        Ok(())
    }

    /// What we have of those of whom only some fields are told.
    async fn current(
        &self,
        tx: &mut Tx,
        source: &str,
        records: &[PatientRecord],
        known: &HashMap<String, Known>,
    ) -> Result<HashMap<Key, PatientRecord>, IntakeError> {
        let partial: HashMap<PatientId, (&PatientRecord, &Known)> = records
            .iter()
            .filter(|record| record.told.is_some())
            .filter_map(|record| {
                known
                    .get(record.key.key.reveal())
                    .map(|known| (known.id.clone(), (record, known)))
            })
            .collect();
        let ids: Vec<PatientId> = partial.keys().cloned().collect();
        let mut consents = patient_records::consents(tx, &ids, source).await?;
        // Relations that are records of their own are not this record's to tell.
        let own = relations::told_within(tx, &ids).await?;
        let mut current = HashMap::new();
        for patient in patients::load(tx, &ids).await? {
            let Some((record, known)) = partial.get(&patient.id) else {
                continue;
            };
            let said = consents.remove(&patient.id).unwrap_or_default();
            let said = said
                .into_iter()
                .map(|(scope, granted)| ConsentRecord {
                    scope,
                    granted,
                    at: None,
                })
                .collect();
            let mut patient = patient;
            patient.family.retain(|relation| own.contains(&relation.id));
            current.insert(
                record.key.clone(),
                merge::as_record(record, &patient, known.inactive, said),
            );
        }
        Ok(current)
    }

    fn patient_put(&self, record: &PatientRecord, known: Option<&Known>) -> PatientPut {
        let birth = record.birth.map(|birth| *birth.reveal());
        let minor = self.is_minor(birth);
        let mut attributes = record.attributes.reveal().clone();
        if let Some(Birth::Within { year, .. }) = birth {
            attributes.insert("birth_year".to_owned(), json!(year));
        }
        if record.inactive {
            attributes.insert("active".to_owned(), Value::Bool(false));
        }
        let day = birth.and_then(Birth::day);
        let lunar = record.lunar_birthday.map(|day| *day.reveal());
        let mut put = PatientPut {
            id: known.map_or_else(PatientId::generate, |known| known.id.clone()),
            source_key: record.key.key.reveal().clone(),
            name: json!(record.name.reveal()).to_string(),
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
            tags: json!(record.tags).to_string(),
            prefer: json!(record.prefer).to_string(),
            attributes: Value::Object(attributes).to_string(),
            version: None,
            row_hash: String::new(),
            contacts: self.contact_puts(&record.contacts),
            family: self.family_puts(&record.family, minor),
            consents: record.consents.iter().map(consent_put).collect(),
        };
        put.row_hash = patient_fingerprint(&put);
        put.version = record.version;
        // A hold that a person set stays; one that the source set goes when the source lifts it.
        put.held = record.inactive || known.is_some_and(|known| known.held && !known.inactive);
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

    fn relation_put(
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
        let name = relation
            .name
            .as_ref()
            .map(|name| json!(name.reveal()).to_string());
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
        let rank = i64::try_from(rank).unwrap_or(i64::MAX);
        RelationPut {
            source_key,
            rank,
            kind: relation.kind.clone(),
            name,
            language: relation.language.clone(),
            consented,
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
                address_hash: address_hash(&self.site.address_key, contact.address.reveal()),
            })
            .collect()
    }

    fn is_minor(&self, birth: Option<Birth>) -> bool {
        let today = self.now.to_zoned(self.site.timezone.clone()).date();
        birth.is_some_and(|birth| birth.may_be_minor(today))
    }
}

fn consent_put(consent: &ConsentRecord) -> ConsentPut {
    ConsentPut {
        scope: consent.scope,
        granted: consent.granted,
        at: consent.at.map(jiff::Timestamp::as_millisecond),
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
    fingerprint(&(
        own,
        &put.tags,
        &put.prefer,
        &put.attributes,
        contacts,
        family,
        consents,
    ))
}
