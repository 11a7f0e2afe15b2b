//! Brings the store up to what records tell: whatever the order, in sets, and twice is once.
//!
//! Sensitive patients are sorted out first, with all that is about them; those who were known are purged.

pub(crate) mod chunk;
pub(crate) mod draft;
mod facts;
mod merge;
mod occasions;
mod patients;
mod staff;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_gone;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::chunk::Chunk;
use self::draft::Site;
use super::record::{Key, Origin, RecordKind, RecordUpdate, Removal, Removed};
use super::report::{Fault, Outcome, Report};
use super::{Clearing, IntakeError, SiteInfo, repeat};
use crate::model::id::{OccasionId, PatientId};
use crate::model::phone::address_hash;
use crate::model::reminder::SkipReason;
use crate::store::audits::{self, NewAudit};
use crate::store::withdraw::{self, Needless};
use crate::store::{
    Store, StoreError, Tx, facts as fact_rows, marks, occasion_records, patient_records, purge,
};

/// How many records of one request go into one transaction.
const CHUNK: usize = 500;

/// What is said of a record whose patient is not stored.
pub(crate) const UNKNOWN_PATIENT: &str =
    "expected the key of a patient who is in this import or known already";

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
        let mut chunk = Chunk::default();
        for update in rest.by_ref().take(CHUNK) {
            chunk.take(update, &applier.banned, &applier.site());
        }
        applier.transact(chunk).await?;
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
    /// Patients that must not be stored.
    pub(crate) banned: Arc<HashSet<Key>>,
    /// What of the source is not there at all, so that nothing needs to be looked up.
    fresh: Fresh,
    /// Whether the last chunk changed nothing: the next may as well change nothing.
    is_idle: bool,
    /// Patients that a dry run would have made, by fingerprint.
    imagined: HashSet<u64>,
    hasher: RandomState,
    /// Patients to be marked before the transaction ends.
    changed: Vec<PatientId>,
    /// New occasions to be marked, where nothing else of their patients changed.
    booked: Vec<(OccasionId, PatientId)>,
    /// What of some patients may be needless by now.
    needless: BTreeSet<Needless>,
}

/// Which records of a source are all new, as none was there when the import began. Another process may make some
/// meanwhile: every insert tells, and then this holds no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fresh {
    source: Arc<str>,
    patients: bool,
    facts: bool,
    occasions: bool,
}

impl Fresh {
    pub(crate) async fn of(tx: &mut Tx, source: &Arc<str>) -> Result<Self, StoreError> {
        Ok(Self {
            source: Arc::clone(source),
            patients: !patient_records::any(tx, source).await?,
            facts: !fact_rows::any(tx, source).await?,
            occasions: !occasion_records::any(tx, source).await?,
        })
    }

    fn is(&self, what: bool, source: &str) -> bool {
        what && *self.source == *source
    }
}

/// A patient of this transaction.
#[derive(Clone)]
struct Owner {
    id: PatientId,
    /// New in this very transaction: nothing else about them is there.
    is_new: bool,
    birth_on: Option<String>,
}

/// The patients that a transaction has met.
type Owners = HashMap<Key, Owner>;

impl<'a> Applier<'a> {
    pub(crate) fn new(store: &'a Store, site: &'a SiteInfo, mode: Apply, now: Timestamp) -> Self {
        Self {
            store,
            site,
            mode,
            now,
            report: Report::new(mode.dry_run),
            banned: Arc::default(),
            fresh: Fresh::default(),
            is_idle: false,
            imagined: HashSet::new(),
            hasher: RandomState::new(),
            changed: Vec::new(),
            booked: Vec::new(),
            needless: BTreeSet::new(),
        }
    }

    /// Whether these are the first records of their source.
    pub(crate) const fn is_first(&self) -> bool {
        self.mode.first_import
    }

    /// Begins an import that may find nothing of its source.
    pub(crate) fn begin(&mut self, fresh: Fresh) {
        self.is_idle = !fresh.patients;
        self.fresh = fresh;
    }

    fn site(&self) -> Site<'a> {
        Site::new(self.site, self.now)
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
        self.banned = Arc::new(patients);
        Ok(())
    }

    /// Applies a chunk in one transaction; returns for how long others could not write.
    pub(crate) async fn transact(&mut self, chunk: Chunk) -> Result<Duration, IntakeError> {
        for (origin, kind, outcome) in &chunk.notes {
            self.report.note(origin, *kind, *outcome);
        }
        self.report.sensitive_records += chunk.forbidden;
        if self.mode.dry_run {
            let mut tx = self.store.read().await?;
            self.bring(&mut tx, &chunk).await?;
            return Ok(Duration::ZERO);
        }
        // What changes nothing needs no writer's turn.
        if self.is_idle && self.is_known(&chunk).await? {
            return Ok(Duration::ZERO);
        }
        let before = self.report.changes_so_far();
        let mut tx = self.store.write().await?;
        let started = Instant::now();
        let gone = self.bring(&mut tx, &chunk).await?;
        tx.commit().await?;
        let held = started.elapsed();
        for key in gone {
            let (source, why) = (Arc::clone(&key.source), SkipReason::Cancelled);
            self.purge(&source, &[&key], "patient.removed", why).await?;
        }
        self.is_idle = self.report.changes_so_far() == before;
        Ok(held)
    }

    /// Compares a chunk without writing. If it changes nothing, that is reported, and true comes back.
    async fn is_known(&mut self, chunk: &Chunk) -> Result<bool, IntakeError> {
        let real = std::mem::replace(&mut self.report, Report::new(true));
        self.mode.dry_run = true;
        let done = match self.store.read().await {
            Ok(mut tx) => self.bring(&mut tx, chunk).await.map(|_| ()),
            Err(error) => Err(error.into()),
        };
        self.mode.dry_run = false;
        self.imagined.clear();
        let trial = std::mem::replace(&mut self.report, real);
        done?;
        let same = trial.changes_so_far() == 0;
        if same {
            self.report.absorb(trial);
        }
        Ok(same)
    }

    /// Brings the store up to a chunk, within `tx`; returns patients who have to go afterwards.
    async fn bring(&mut self, tx: &mut Tx, chunk: &Chunk) -> Result<Vec<Key>, IntakeError> {
        let mut owners = Owners::new();
        self.departments(tx, chunk.departments.clone()).await?;
        for (source, staff) in &chunk.staff {
            self.staff(tx, source, staff).await?;
        }
        let mut told = BTreeMap::new();
        for (source, drafts) in &chunk.patients {
            let facts = self.patients(tx, source, drafts, &mut owners).await?;
            told.insert(Arc::clone(source), facts);
        }
        self.family(tx, &chunk.family, &mut owners).await?;
        for source in chunk.facts.keys() {
            told.entry(Arc::clone(source)).or_default();
        }
        for (source, whole) in &told {
            let single = chunk.facts.get(source).map_or(&[][..], Vec::as_slice);
            self.facts(tx, source, whole, single, &mut owners).await?;
        }
        for (source, occasions) in &chunk.occasions {
            self.occasions(tx, source, occasions, &mut owners).await?;
        }
        let mut gone = Vec::new();
        for removal in &chunk.removals {
            self.remove(tx, removal, &mut gone).await?;
        }
        let changed = std::mem::take(&mut self.changed);
        let booked = std::mem::take(&mut self.booked);
        let needless: Vec<Needless> = std::mem::take(&mut self.needless).into_iter().collect();
        if self.mode.dry_run {
            return Ok(gone);
        }
        marks::add(tx, &changed, self.now).await?;
        marks::add_occasions(tx, &booked, self.now).await?;
        withdraw::withdraw_needless(tx, &needless, self.now).await?;
        Ok(gone)
    }

    /// The report, in the order of the files.
    pub(crate) fn finish(mut self) -> Report {
        self.report.faults.sort_by(|a, b| a.origin.cmp(&b.origin));
        self.report.changes.sort_by(|a, b| a.origin.cmp(&b.origin));
        self.report
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
        removal: &Removal,
        gone: &mut Vec<Key>,
    ) -> Result<(), IntakeError> {
        let removed = match &removal.what {
            Removed::Patient(key) => {
                let known = patient_records::known(tx, &key.source, &[key.key.reveal()]).await?;
                gone.push(key.clone());
                !known.is_empty()
            }
            Removed::Occasion(key) => {
                // And all of them, if it repeats.
                let members = (1..=repeat::MOST).map(|n| repeat::member(key.key.reveal(), n));
                let keys: Vec<String> = members.chain([key.key.reveal().clone()]).collect();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let known = occasion_records::known(tx, &key.source, &keys).await?;
                if !self.mode.dry_run {
                    occasion_records::cancel(tx, &key.source, &keys, self.now).await?;
                }
                known
                    .values()
                    .any(|known| known.status != crate::model::occasion::OccasionStatus::Cancelled)
            }
        };
        let outcome = if removed {
            Outcome::Removed
        } else {
            Outcome::Unchanged
        };
        self.report
            .note(&removal.origin, RecordKind::Removal, outcome);
        Ok(())
    }

    /// Looks those patients up that this transaction has not met. A dry run has none that it would have made.
    async fn meet<'k>(
        &self,
        tx: &mut Tx,
        keys: impl Iterator<Item = &'k Key>,
        owners: &mut Owners,
    ) -> Result<(), IntakeError> {
        let mut by_source: BTreeMap<&Arc<str>, HashSet<&str>> = BTreeMap::new();
        for key in keys.filter(|key| !owners.contains_key(key)) {
            let set = by_source.entry(&key.source).or_default();
            set.insert(key.key.reveal());
        }
        for (source, keys) in by_source {
            let keys: Vec<&str> = keys.into_iter().collect();
            let known = patient_records::known(tx, source, &keys).await?;
            owners.extend(known.into_iter().map(|(key, known)| {
                let owner = Owner {
                    id: known.id,
                    is_new: false,
                    birth_on: known.birth_on,
                };
                (Key::new(source, key), owner)
            }));
        }
        Ok(())
    }

    /// Notes which rules a record of this patient may have made needless.
    fn clear(&mut self, patient: &PatientId, by: impl Fn(&Clearing) -> bool) {
        let ended = self.site.clearings.iter().filter(|clearing| by(clearing));
        self.needless.extend(ended.map(|clearing| Needless {
            patient: patient.clone(),
            rule: clearing.rule.clone(),
        }));
    }

    fn imagine(&mut self, key: &Key) {
        self.imagined.insert(self.hasher.hash_one(key));
    }

    /// A record whose patient is not stored: new in a dry run that would store them, else refused.
    fn without_owner(&mut self, origin: &Origin, patient: &Key, kind: RecordKind) {
        if self.imagined.contains(&self.hasher.hash_one(patient)) {
            self.report.note(origin, kind, Outcome::New);
            return;
        }
        self.report.note(origin, kind, Outcome::Rejected);
        self.report.fault(Fault::row(origin, None, UNKNOWN_PATIENT));
    }
}

/// A fingerprint of a whole record, to tell whether it changed.
fn fingerprint(record: &impl serde::Serialize) -> String {
    let text = serde_json::to_vec(record).expect("a record of plain values always serializes");
    super::hex(&Sha256::digest(&text)[..16])
}
