//! The first reading of an import: whom nothing may be stored of, which keys come again, what is wrong.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::apply::chunk::name_of;
use super::import::{ALL, Input};
use super::record::{Key, Origin, RecordKind, RecordUpdate};
use super::report::{Outcome, Report};
use super::{IntakeError, SiteInfo};

/// What the first reading found.
pub(crate) struct Survey {
    /// Patients of whom nothing may be stored.
    pub(crate) banned: HashSet<Key>,
    /// How many records there are.
    pub(crate) records: u64,
    /// Whether every occasion comes after its patient, no patient comes twice, and nothing is taken away.
    pub(crate) is_ordered: bool,
    hasher: RandomState,
    /// Of keys that come more than once without a version: the line that counts, by fingerprints of both.
    last: HashMap<u64, u64>,
}

/// Reads everything once; `read` rises with every record.
pub(crate) fn survey(
    input: &Input,
    site: &SiteInfo,
    read: &AtomicU64,
) -> Result<(Survey, Report), IntakeError> {
    let mut report = Report::new(true);
    let mut survey = Survey {
        banned: HashSet::new(),
        records: 0,
        is_ordered: true,
        hasher: RandomState::new(),
        last: HashMap::new(),
    };
    let mut seen = HashSet::new();
    for parsed in input.read(ALL) {
        let parsed = parsed?;
        for (kind, fault) in parsed.faults {
            if let Some(kind) = kind.filter(|_| fault.row_rejected) {
                report.note(&fault.origin, kind, Outcome::Rejected);
            }
            report.fault(fault);
        }
        if let Some(what) = parsed.skipped {
            report.skip(&what);
        }
        for update in parsed.updates {
            survey.records += 1;
            if site.sensitive.shows(&update)
                && let Some(patient) = update.patient()
            {
                survey.banned.insert(patient.clone());
            }
            survey.see(&update, &mut seen);
        }
        read.store(survey.records, Ordering::Relaxed);
    }
    Ok((survey, report))
}

impl Survey {
    fn see(&mut self, update: &RecordUpdate, seen: &mut HashSet<u64>) {
        match update {
            RecordUpdate::Occasion(record) => {
                self.is_ordered &= seen.contains(&self.patient(&record.patient));
            }
            RecordUpdate::Patient(record) => {
                self.is_ordered &= seen.insert(self.patient(&record.key));
            }
            RecordUpdate::Remove(_)
            | RecordUpdate::Relation(_)
            | RecordUpdate::Fact(_)
            | RecordUpdate::Staff(_)
            | RecordUpdate::Department(_) => self.is_ordered = false,
        }
        if let Some(name) = self.name(update)
            && !seen.insert(name)
        {
            self.last.insert(name, self.line(update.origin()));
        }
    }

    /// A fingerprint of the record's key; `None` where versions tell which of several counts.
    fn name(&self, update: &RecordUpdate) -> Option<u64> {
        let is_versioned = match update {
            RecordUpdate::Patient(record) => record.version.is_some(),
            RecordUpdate::Occasion(record) => record.version.is_some(),
            RecordUpdate::Fact(_)
            | RecordUpdate::Staff(_)
            | RecordUpdate::Relation(_)
            | RecordUpdate::Department(_)
            | RecordUpdate::Remove(_) => false,
        };
        if is_versioned {
            return None;
        }
        name_of(&self.hasher, update)
    }

    /// A fingerprint of a patient, whatever is told of them.
    fn patient(&self, key: &Key) -> u64 {
        self.hasher.hash_one((RecordKind::Patient, key))
    }

    fn line(&self, origin: &Origin) -> u64 {
        self.hasher.hash_one((&origin.file, origin.line))
    }

    /// Whether this record counts no more, as the same key comes again later.
    pub(crate) fn comes_again_after(&self, update: &RecordUpdate) -> bool {
        if self.last.is_empty() {
            return false;
        }
        let last = self.name(update).and_then(|name| self.last.get(&name));
        last.is_some_and(|last| *last != self.line(update.origin()))
    }
}
