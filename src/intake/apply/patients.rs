//! Patients and their relations: records to rows.

use std::collections::HashMap;

use super::draft::{FactDraft, PatientDraft};
use super::{Applier, Fresh, Owner, Owners, merge};
use crate::intake::IntakeError;
use crate::intake::birth::Birth;
use crate::intake::record::{ConsentRecord, FamilyRecord, Key, Origin, PatientRecord, RecordKind};
use crate::intake::report::Outcome;
use crate::model::id::PatientId;
use crate::model::reminder::SkipReason;
use crate::store::patient_records::{self, Known, PatientPut};
use crate::store::{Tx, patients, relations};

impl Applier<'_> {
    /// Brings patients up to what is told; returns the facts told with them.
    pub(super) async fn patients<'c>(
        &mut self,
        tx: &mut Tx,
        source: &str,
        drafts: &'c [PatientDraft],
        owners: &mut Owners,
    ) -> Result<Vec<Told<'c>>, IntakeError> {
        let known = self.insert_new(tx, source, drafts).await?;
        let current = self.current(tx, source, drafts, &known).await?;
        let (mut told, mut puts, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        for draft in drafts {
            let Some(known) = known.get(draft.record.key.key.reveal()) else {
                told.extend(self.new_patient(draft, owners));
                continue;
            };
            let (put, outcome) = self.compare(draft, known, current.get(&draft.record.key));
            let (record, id) = (&draft.record, &known.id);
            self.report
                .note(&record.origin, RecordKind::Patient, outcome);
            let owner = Owner {
                id: id.clone(),
                is_new: false,
                birth_on: known.birth_on.clone(),
            };
            owners.insert(record.key.clone(), owner.clone());
            if outcome == Outcome::Older {
                // What came with it is as old.
                for fact in draft.facts.iter().flatten() {
                    self.report.note(&fact.origin, RecordKind::Fact, outcome);
                }
                continue;
            }
            told.extend(Told::of(draft, Some(owner)));
            if let Some(put) = put.filter(|_| !self.mode.dry_run) {
                if put.deceased && !known.deceased {
                    dead.push(put.id.clone());
                }
                puts.push(put);
            }
        }
        if puts.is_empty() {
            return Ok(told);
        }
        let count = puts.len();
        let written = patient_records::put(tx, source, puts.clone(), self.now).await?;
        dead.retain(|id| written.contains(id));
        patients::stop_all(tx, &dead, SkipReason::Deceased, self.now).await?;
        if written.len() < count {
            // A later version came by another process meanwhile.
            let late = |id: &PatientId| puts.iter().any(|put| put.id == *id);
            told.retain(|told| {
                let owner = told.owner.as_ref();
                owner.is_none_or(|owner| written.contains(&owner.id) || !late(&owner.id))
            });
        }
        Ok(told)
    }

    /// Writes those who are new, and returns the others.
    async fn insert_new(
        &mut self,
        tx: &mut Tx,
        source: &str,
        drafts: &[PatientDraft],
    ) -> Result<HashMap<String, Known>, IntakeError> {
        let key = |draft: &PatientDraft| draft.put.source_key.clone();
        let keys: Vec<String> = drafts.iter().map(key).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut known = HashMap::new();
        if !self.fresh.is(self.fresh.patients, source) {
            known = patient_records::known(tx, source, &keys).await?;
        }
        if self.mode.dry_run {
            return Ok(known);
        }
        loop {
            let new = drafts.iter().map(|draft| &draft.put);
            let mut new: Vec<_> = new
                .filter(|put| !known.contains_key(&put.source_key))
                .collect();
            // In one order always, so that two writers never wait for each other.
            new.sort_unstable_by(|a, b| a.source_key.cmp(&b.source_key));
            if patient_records::insert(tx, source, &new, self.now).await? {
                return Ok(known);
            }
            self.fresh = Fresh::default();
            known = patient_records::known(tx, source, &keys).await?;
        }
    }

    fn new_patient<'c>(
        &mut self,
        draft: &'c PatientDraft,
        owners: &mut Owners,
    ) -> Option<Told<'c>> {
        let record = &draft.record;
        self.report
            .note(&record.origin, RecordKind::Patient, Outcome::New);
        if self.mode.dry_run {
            self.imagine(&record.key);
            return Told::of(draft, None);
        }
        let owner = Owner {
            id: draft.put.id.clone(),
            is_new: true,
            birth_on: draft.put.birth_on.clone(),
        };
        self.changed.push(owner.id.clone());
        owners.insert(record.key.clone(), owner.clone());
        Told::of(draft, Some(owner))
    }

    /// What is to be written of a known patient, and what becomes of the record.
    fn compare(
        &self,
        draft: &PatientDraft,
        known: &Known,
        current: Option<&PatientRecord>,
    ) -> (Option<PatientPut>, Outcome) {
        let record = &draft.record;
        // A table that tells some columns is compared with what is there, a whole record with the last one.
        let merged = current.map(|kept| {
            let hash = self.site().patient_put(kept).row_hash;
            let record = merge::overlay(kept.clone(), record);
            (self.site().patient_put(&record), hash, record.inactive)
        });
        let (put, kept_hash, inactive) = match &merged {
            Some((put, hash, inactive)) => (put, hash, *inactive),
            None => (&draft.put, &known.row_hash, record.inactive),
        };
        if record.version.is_some() && known.version > record.version {
            return (None, Outcome::Older);
        }
        if *kept_hash == put.row_hash {
            return (None, Outcome::Unchanged);
        }
        let mut put = put.clone();
        put.id = known.id.clone();
        // A hold that a person set stays; one that the source set goes when the source lifts it.
        put.held = inactive || (known.held && !known.inactive);
        (Some(put), Outcome::Changed)
    }

    pub(super) async fn family(
        &mut self,
        tx: &mut Tx,
        records: &[FamilyRecord],
        owners: &mut Owners,
    ) -> Result<(), IntakeError> {
        if records.is_empty() {
            return Ok(());
        }
        self.meet(tx, records.iter().map(|record| &record.patient), owners)
            .await?;
        let ids = records.iter().filter_map(|record| {
            let owner = owners.get(&record.patient);
            owner.map(|owner| owner.id.clone())
        });
        let ids: Vec<PatientId> = ids.collect();
        let hashes = relations::known(tx, &ids).await?;
        let (mut puts, mut gone) = (Vec::new(), Vec::new());
        for (rank, record) in records.iter().enumerate() {
            let Some(owner) = owners.get(&record.patient) else {
                self.without_owner(&record.origin, &record.patient, RecordKind::Relation);
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
            let site = self.site();
            let minor = site.is_minor(birth);
            let put = site.relation_put(relation, name.1, 1000 + rank, minor);
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
        drafts: &[PatientDraft],
        known: &HashMap<String, Known>,
    ) -> Result<HashMap<Key, PatientRecord>, IntakeError> {
        let partial: HashMap<PatientId, (&PatientRecord, &Known)> = drafts
            .iter()
            .map(|draft| &draft.record)
            .filter(|record| record.told.is_some())
            .filter_map(|record| {
                known
                    .get(record.key.key.reveal())
                    .map(|known| (known.id.clone(), (record, known)))
            })
            .collect();
        let ids: Vec<PatientId> = partial.keys().cloned().collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
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
}

/// The facts told with a patient: all that the source knows.
pub(super) struct Told<'c> {
    /// Where the patient stands.
    pub(super) origin: &'c Origin,
    /// `None` in a dry run that would make the patient.
    pub(super) owner: Option<Owner>,
    pub(super) facts: &'c [FactDraft],
}

impl<'c> Told<'c> {
    fn of(draft: &'c PatientDraft, owner: Option<Owner>) -> Option<Self> {
        Some(Self {
            origin: &draft.record.origin,
            owner,
            facts: draft.facts.as_deref()?,
        })
    }
}
