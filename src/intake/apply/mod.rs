//! Brings the store up to what records tell: whatever the order, in sets, and twice is once.
//!
//! Sensitive patients are sorted out first, with all that is about them; those who were known are purged.

mod facts;
mod merge;
mod occasions;
mod patients;
mod staff;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_gone;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::record::{Key, Origin, RecordKind, RecordUpdate, Removal, Removed};
use super::report::{Fault, Outcome, Report};
use super::{IntakeError, SiteInfo};
use crate::model::id::PatientId;
use crate::model::phone::address_hash;
use crate::model::reminder::SkipReason;
use crate::store::audits::{self, NewAudit};
use crate::store::{Store, Tx, facts as fact_rows, occasion_records, patient_records, purge};

/// How many records go into one transaction.
pub(crate) const CHUNK: usize = 500;

/// How records are applied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apply {
    /// Compare and count, write nothing.
    pub dry_run: bool,
    /// The first import of its source: what it brings was there before, so nothing is "created" now.
    pub first_import: bool,
}

/// Applies `updates`. The same updates twice change nothing; one that does not fit harms no other.
///
/// # Errors
/// When the store fails. What is wrong with single records is in the report.
pub async fn apply(
    store: &Store,
    updates: Vec<RecordUpdate>,
    site: &SiteInfo,
    mode: Apply,
    now: Timestamp,
) -> Result<Report, IntakeError> {
    let mut applier = Applier::new(store, site, mode, now);
    let banned = updates
        .iter()
        .filter(|update| site.sensitive.shows(update))
        .filter_map(|update| update.patient().cloned())
        .collect();
    applier.ban(banned).await?;
    let mut updates = updates;
    updates.sort_by_key(RecordUpdate::kind);
    let mut rest = updates.into_iter().peekable();
    while rest.peek().is_some() {
        applier
            .transact(rest.by_ref().take(CHUNK).collect())
            .await?;
    }
    Ok(applier.finish())
}

/// One import under way.
pub(crate) struct Applier<'a> {
    store: &'a Store,
    site: &'a SiteInfo,
    mode: Apply,
    now: Timestamp,
    /// What was done so far.
    pub(crate) report: Report,
    banned: HashSet<Key>,
    /// Patients that a dry run would have made.
    imagined: HashSet<Key>,
}

impl<'a> Applier<'a> {
    pub(crate) fn new(store: &'a Store, site: &'a SiteInfo, mode: Apply, now: Timestamp) -> Self {
        Self {
            store,
            site,
            mode,
            now,
            report: Report::new(mode.dry_run),
            banned: HashSet::new(),
            imagined: HashSet::new(),
        }
    }

    /// Sorts these patients out, with all that comes about them later; those who are known are purged now.
    pub(crate) async fn ban(&mut self, patients: HashSet<Key>) -> Result<(), IntakeError> {
        let mut by_source: BTreeMap<Arc<str>, Vec<&Key>> = BTreeMap::new();
        for key in &patients {
            by_source
                .entry(Arc::clone(&key.source))
                .or_default()
                .push(key);
        }
        for (source, keys) in by_source {
            for keys in keys.chunks(CHUNK) {
                self.purge(
                    &source,
                    keys,
                    "patient.purged_as_sensitive",
                    SkipReason::Sensitive,
                )
                .await?;
            }
        }
        self.report.sensitive_patients += u64::try_from(patients.len()).unwrap_or(u64::MAX);
        self.banned.extend(patients);
        Ok(())
    }

    /// Applies up to [`CHUNK`] updates in one transaction.
    pub(crate) async fn transact(&mut self, updates: Vec<RecordUpdate>) -> Result<(), IntakeError> {
        let mut sets = Sets::default();
        for update in updates {
            if self.is_forbidden(&update) {
                self.report.sensitive_records += 1;
            } else {
                sets.take(update, &mut self.report);
            }
        }
        let mut tx = if self.mode.dry_run {
            self.store.read().await?
        } else {
            self.store.write().await?
        };
        self.departments(&mut tx, sets.departments).await?;
        for (source, staff) in sets.staff {
            self.staff(&mut tx, &source, staff).await?;
        }
        for (source, patients) in sets.patients {
            self.patients(&mut tx, &source, patients).await?;
        }
        self.family(&mut tx, sets.family).await?;
        for (source, facts) in sets.facts {
            self.facts(&mut tx, &source, facts).await?;
        }
        for (source, occasions) in sets.occasions {
            self.occasions(&mut tx, &source, occasions).await?;
        }
        let mut gone = Vec::new();
        for removal in sets.removals {
            self.remove(&mut tx, removal, &mut gone).await?;
        }
        if !self.mode.dry_run {
            tx.commit().await?;
        }
        for key in gone {
            self.purge(
                &Arc::clone(&key.source),
                &[&key],
                "patient.removed",
                SkipReason::Cancelled,
            )
            .await?;
        }
        Ok(())
    }

    /// The report, in the order of the files.
    pub(crate) fn finish(mut self) -> Report {
        self.report.faults.sort_by(|a, b| a.origin.cmp(&b.origin));
        self.report.changes.sort_by(|a, b| a.origin.cmp(&b.origin));
        self.report
    }

    fn is_forbidden(&self, update: &RecordUpdate) -> bool {
        let by_patient = update
            .patient()
            .is_some_and(|key| self.banned.contains(key));
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

    /// Takes every row about these patients away and leaves an audit row with nothing but their hash.
    async fn purge(
        &mut self,
        source: &str,
        keys: &[&Key],
        action: &str,
        reason: SkipReason,
    ) -> Result<(), IntakeError> {
        let mut tx = if self.mode.dry_run {
            self.store.read().await?
        } else {
            self.store.write().await?
        };
        let texts: Vec<&str> = keys.iter().map(|key| key.key.reveal().as_str()).collect();
        let known = patient_records::known(&mut tx, source, &texts).await?;
        self.report.purged += u64::try_from(known.len()).unwrap_or(u64::MAX);
        if known.is_empty() || self.mode.dry_run {
            return Ok(());
        }
        let actor = format!("import:{}", self.report.import);
        for key in known.keys() {
            let target = address_hash(&self.site.address_key, &format!("{source}/{key}"));
            audits::add(
                &mut tx,
                &NewAudit {
                    actor: &actor,
                    action,
                    target: &target,
                    detail: serde_json::json!({}),
                },
                self.now,
            )
            .await?;
        }
        let ids: Vec<PatientId> = known.into_values().map(|known| known.id).collect();
        purge::patients(&mut tx, &ids, reason, self.now).await?;
        tx.commit().await?;
        purge::forget(self.store).await?;
        Ok(())
    }

    async fn remove(
        &mut self,
        tx: &mut Tx,
        removal: Removal,
        gone: &mut Vec<Key>,
    ) -> Result<(), IntakeError> {
        let Removal { origin, what } = removal;
        let removed = match what {
            Removed::Patient(key) => {
                let known = patient_records::known(tx, &key.source, &[key.key.reveal()]).await?;
                let known = !known.is_empty();
                gone.push(key);
                known
            }
            Removed::Occasion(key) => {
                let known = occasion_records::known(tx, &key.source, &[key.key.reveal()]).await?;
                if !self.mode.dry_run {
                    occasion_records::cancel(tx, &key.source, &[key.key.reveal()], self.now)
                        .await?;
                }
                known
                    .values()
                    .any(|known| known.status != crate::model::occasion::OccasionStatus::Cancelled)
            }
            Removed::FactsBut { patient, keep } => {
                let keep: Vec<(&str, &str)> = keep
                    .iter()
                    .map(|(kind, key)| (kind.as_str(), key.reveal().as_str()))
                    .collect();
                let known =
                    patient_records::known(tx, &patient.source, &[patient.key.reveal()]).await?;
                match known.into_values().next() {
                    Some(known) if !self.mode.dry_run => {
                        fact_rows::remove_but(tx, &patient.source, &known.id, &keep, self.now)
                            .await?
                            > 0
                    }
                    Some(_) | None => false,
                }
            }
        };
        self.report.note(
            &origin,
            RecordKind::Removal,
            if removed {
                Outcome::Removed
            } else {
                Outcome::Unchanged
            },
        );
        Ok(())
    }

    /// Our ids of the patients that records are about. A dry run has none for those it would have made.
    async fn patients_of(
        &self,
        tx: &mut Tx,
        keys: impl Iterator<Item = &Key>,
    ) -> Result<HashMap<Key, patient_records::Known>, IntakeError> {
        let mut by_source: BTreeMap<&Arc<str>, HashSet<&str>> = BTreeMap::new();
        for key in keys {
            by_source
                .entry(&key.source)
                .or_default()
                .insert(key.key.reveal());
        }
        let mut all = HashMap::new();
        for (source, keys) in by_source {
            let known =
                patient_records::known(tx, source, &keys.into_iter().collect::<Vec<_>>()).await?;
            all.extend(
                known
                    .into_iter()
                    .map(|(key, known)| (Key::new(source, key), known)),
            );
        }
        Ok(all)
    }

    /// A record whose patient is not stored: new in a dry run that would store them, else refused.
    fn without_owner(&mut self, origin: &Origin, patient: &Key, kind: RecordKind) {
        if self.imagined.contains(patient) {
            self.report.note(origin, kind, Outcome::New);
            return;
        }
        self.report.note(origin, kind, Outcome::Rejected);
        self.report.fault(Fault::row(
            origin,
            None,
            "expected the key of a patient who is in this import or known already",
        ));
    }
}

type BySource<T> = BTreeMap<Arc<str>, Vec<T>>;

/// One chunk, by kind and source, each key once.
#[derive(Default)]
struct Sets {
    seen: HashMap<Name, (usize, Option<i64>)>,
    departments: Vec<super::record::DepartmentRecord>,
    staff: BySource<super::record::StaffRecord>,
    patients: BySource<super::record::PatientRecord>,
    family: Vec<super::record::FamilyRecord>,
    facts: BySource<super::record::FactRecord>,
    occasions: BySource<super::record::OccasionRecord>,
    removals: Vec<Removal>,
}

impl Sets {
    /// Takes an update in. Of several with one key the latest version counts, else the last.
    fn take(&mut self, update: RecordUpdate, report: &mut Report) {
        let kind = update.kind();
        let seen = &mut self.seen;
        match update {
            RecordUpdate::Department(record) => self.departments.push(record),
            RecordUpdate::Remove(removal) => self.removals.push(removal),
            RecordUpdate::Staff(record) => {
                let name = (kind, record.key.clone(), String::new());
                let list = self.staff.entry(Arc::clone(&name.1.source)).or_default();
                put(seen, list, name, None, *record, |r| &r.origin, report);
            }
            RecordUpdate::Patient(record) => {
                let name = (kind, record.key.clone(), String::new());
                let list = self.patients.entry(Arc::clone(&name.1.source)).or_default();
                let version = record.version;
                put(seen, list, name, version, *record, |r| &r.origin, report);
            }
            RecordUpdate::Relation(record) => {
                let name = (kind, record.patient.clone(), record.key.reveal().clone());
                let list = &mut self.family;
                put(seen, list, name, None, *record, |r| &r.origin, report);
            }
            RecordUpdate::Fact(record) => {
                let key = Key {
                    source: Arc::clone(&record.patient.source),
                    key: record.key.clone(),
                };
                let name = (kind, key, record.kind.clone());
                let list = self.facts.entry(Arc::clone(&name.1.source)).or_default();
                put(seen, list, name, None, *record, |r| &r.origin, report);
            }
            RecordUpdate::Occasion(record) => {
                let name = (kind, record.key.clone(), String::new());
                let list = self
                    .occasions
                    .entry(Arc::clone(&name.1.source))
                    .or_default();
                let version = record.version;
                put(seen, list, name, version, *record, |r| &r.origin, report);
            }
        }
    }
}

/// What makes two records one: their kind, their key and what tells several under one key apart.
type Name = (RecordKind, Key, String);

/// Puts `record` into `list`, or in the place of an earlier one of the same name.
fn put<T>(
    seen: &mut HashMap<Name, (usize, Option<i64>)>,
    list: &mut Vec<T>,
    name: Name,
    version: Option<i64>,
    record: T,
    origin: impl Fn(&T) -> &Origin,
    report: &mut Report,
) {
    let kind = name.0;
    match seen.get_mut(&name) {
        None => {
            seen.insert(name, (list.len(), version));
            list.push(record);
        }
        Some((at, kept)) if version.is_none() || *kept <= version => {
            report.note(origin(&list[*at]), kind, Outcome::Repeated);
            list[*at] = record;
            *kept = version;
        }
        Some(_) => report.note(origin(&record), kind, Outcome::Older),
    }
}

/// A fingerprint of a whole record, to tell whether it changed.
fn fingerprint(record: &impl serde::Serialize) -> String {
    let text = serde_json::to_vec(record).expect("a record of plain values always serializes");
    super::hex(&Sha256::digest(&text)[..16])
}
