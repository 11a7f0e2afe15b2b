//! Records that go into one transaction: each key once, with all that can be made ready before it opens.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use super::draft::{FactDraft, PatientDraft, Site};
use crate::intake::record::{
    DepartmentRecord, FamilyRecord, Key, OccasionRecord, Origin, RecordKind, RecordUpdate, Removal,
    StaffRecord,
};
use crate::intake::report::Outcome;
use crate::model::private::Private;

pub(super) type BySource<T> = BTreeMap<Arc<str>, Vec<T>>;

/// One chunk, by kind and source.
#[derive(Default)]
pub(crate) struct Chunk {
    /// Where each record stands in its list, and its version.
    seen: HashMap<u64, (usize, Option<i64>)>,
    hasher: RandomState,
    pub(super) departments: Vec<DepartmentRecord>,
    pub(super) staff: BySource<StaffRecord>,
    pub(super) patients: BySource<PatientDraft>,
    pub(super) family: Vec<FamilyRecord>,
    pub(super) facts: BySource<FactDraft>,
    pub(super) occasions: BySource<OccasionRecord>,
    pub(super) removals: Vec<Removal>,
    /// What became of records that did not even get here.
    pub(super) notes: Vec<(Origin, RecordKind, Outcome)>,
    /// Records of patients that must not be stored, or that must not be stored themselves.
    pub(super) forbidden: u64,
    /// How many rows it will be, about.
    weight: usize,
}

impl Chunk {
    /// About how many rows it is.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    /// Notes that a record comes again later, which counts.
    pub(crate) fn repeated(&mut self, update: &RecordUpdate) {
        let (origin, kind) = (update.origin().clone(), update.kind());
        self.notes.push((origin, kind, Outcome::Repeated));
    }

    /// Takes an update in, unless its patient is `banned`. Of several with one key the latest version counts, else
    /// the last.
    pub(crate) fn take(&mut self, update: RecordUpdate, banned: &HashSet<Key>, site: &Site<'_>) {
        if is_forbidden(&update, banned) {
            self.forbidden += 1;
            return;
        }
        self.weight += weight(&update);
        let name = name_of(&self.hasher, &update);
        let mut list = Listing {
            seen: &mut self.seen,
            notes: &mut self.notes,
            kind: update.kind(),
        };
        match update {
            RecordUpdate::Department(record) => self.departments.push(record),
            RecordUpdate::Remove(removal) => self.removals.push(removal),
            RecordUpdate::Staff(record) => {
                let into = self.staff.entry(Arc::clone(&record.key.source));
                list.put(into.or_default(), name, None, *record, |r| &r.origin);
            }
            RecordUpdate::Patient(record) => {
                let into = self.patients.entry(Arc::clone(&record.key.source));
                let (version, draft) = (record.version, site.patient(*record));
                list.put(into.or_default(), name, version, draft, |d| {
                    &d.record.origin
                });
            }
            RecordUpdate::Relation(record) => {
                list.put(&mut self.family, name, None, *record, |r| &r.origin);
            }
            RecordUpdate::Fact(record) => {
                let into = self.facts.entry(Arc::clone(&record.patient.source));
                let draft = FactDraft::of(*record);
                list.put(into.or_default(), name, None, draft, |d| &d.origin);
            }
            RecordUpdate::Occasion(record) => {
                let into = self.occasions.entry(Arc::clone(&record.key.source));
                let version = record.version;
                list.put(into.or_default(), name, version, *record, |r| &r.origin);
            }
        }
    }
}

/// A fingerprint of what makes two records one: their kind, their key and what tells several under one key apart.
pub(crate) fn name_of(hasher: &RandomState, update: &RecordUpdate) -> Option<u64> {
    let none = Private::default();
    let (source, key, more): (&str, &Private<String>, &str) = match update {
        RecordUpdate::Patient(record) => (&record.key.source, &record.key.key, ""),
        RecordUpdate::Occasion(record) => (&record.key.source, &record.key.key, ""),
        RecordUpdate::Staff(record) => (&record.key.source, &record.key.key, ""),
        RecordUpdate::Fact(record) => (&record.patient.source, &record.key, &record.kind),
        RecordUpdate::Relation(record) => (
            &record.patient.source,
            &record.patient.key,
            record.key.reveal(),
        ),
        RecordUpdate::Department(record) => ("", &none, &record.id),
        RecordUpdate::Remove(_) => return None,
    };
    Some(hasher.hash_one((update.kind(), source, key, more)))
}

fn is_forbidden(update: &RecordUpdate, banned: &HashSet<Key>) -> bool {
    let by_patient = !banned.is_empty() && update.patient().is_some_and(|key| banned.contains(key));
    let by_itself = match update {
        RecordUpdate::Fact(record) => record.sensitive,
        RecordUpdate::Occasion(record) => record.sensitive,
        RecordUpdate::Patient(_)
        | RecordUpdate::Relation(_)
        | RecordUpdate::Staff(_)
        | RecordUpdate::Department(_)
        | RecordUpdate::Remove(_) => false,
    };
    by_patient || by_itself
}

fn weight(update: &RecordUpdate) -> usize {
    match update {
        RecordUpdate::Patient(record) => {
            let facts = record.facts.as_ref().map_or(0, Vec::len);
            2 + record.contacts.len() + 2 * record.family.len() + facts
        }
        RecordUpdate::Relation(_)
        | RecordUpdate::Fact(_)
        | RecordUpdate::Occasion(_)
        | RecordUpdate::Staff(_)
        | RecordUpdate::Department(_)
        | RecordUpdate::Remove(_) => 1,
    }
}

struct Listing<'a> {
    seen: &'a mut HashMap<u64, (usize, Option<i64>)>,
    notes: &'a mut Vec<(Origin, RecordKind, Outcome)>,
    kind: RecordKind,
}

impl Listing<'_> {
    /// Puts `record` into `list`, or in the place of an earlier one of the same name.
    fn put<T>(
        &mut self,
        list: &mut Vec<T>,
        name: Option<u64>,
        version: Option<i64>,
        record: T,
        origin: impl Fn(&T) -> &Origin,
    ) {
        let seen = name.and_then(|name| self.seen.get_mut(&name));
        match seen {
            None => {
                if let Some(name) = name {
                    self.seen.insert(name, (list.len(), version));
                }
                list.push(record);
            }
            Some((at, kept)) if version.is_none() || *kept <= version => {
                let note = (origin(&list[*at]).clone(), self.kind, Outcome::Repeated);
                self.notes.push(note);
                list[*at] = record;
                *kept = version;
            }
            Some(_) => {
                let note = (origin(&record).clone(), self.kind, Outcome::Older);
                self.notes.push(note);
            }
        }
    }
}
