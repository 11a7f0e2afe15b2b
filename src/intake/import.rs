//! An import of files, in four stages: extract, filter, stage with a diff, apply.
//!
//! Files are read twice and never held whole. The first reading finds whom nothing may be stored of, which keys
//! come again and what is wrong; the second applies the rest, patients before what is about them.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::apply::{Applier, Apply, CHUNK};
use super::csv::Table;
use super::fhir::Folder;
use super::json::Records;
use super::record::{Key, Origin, RecordKind, RecordUpdate};
use super::report::{Fault, Outcome, Report};
use super::{IntakeError, Settings, SiteInfo};
use crate::store::audits::{self, NewAudit};
use crate::store::{Store, StoreError, Tx, sources};

/// What one line gave.
#[derive(Default)]
pub(crate) struct Parsed {
    /// Records, in the order in which they are to be applied.
    pub(crate) updates: Vec<RecordUpdate>,
    /// What was wrong, and with what kind of record.
    pub(crate) faults: Vec<(Option<RecordKind>, Fault)>,
    /// What it is, if it is left out on purpose.
    pub(crate) skipped: Option<String>,
}

impl Parsed {
    pub(crate) fn of(update: RecordUpdate) -> Self {
        Self {
            updates: vec![update],
            ..Self::default()
        }
    }

    pub(crate) fn update(&mut self, update: RecordUpdate) {
        self.updates.push(update);
    }

    pub(crate) fn fault(&mut self, kind: Option<RecordKind>, fault: Fault) {
        self.faults.push((kind, fault));
    }

    pub(crate) fn left_out(mut self, what: &str) -> Self {
        self.skipped = Some(what.to_owned());
        self
    }
}

/// What is imported.
#[derive(Clone, Copy, Debug)]
pub enum Format<'a> {
    /// A folder of FHIR R4 NDJSON, or one such file.
    Fhir,
    /// A table, with a mapping file or by the names of its columns.
    Csv {
        /// The mapping file.
        map: Option<&'a Path>,
    },
    /// Our own records as NDJSON: a file of them, or a folder of such files.
    Json,
}

/// An import to be made.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The file or folder.
    pub path: &'a Path,
    /// How it is read.
    pub format: Format<'a>,
    /// The name of the system that it is from; by default the mapping's, then the settings'.
    pub source: Option<&'a str>,
    /// Compare and count, write nothing.
    pub dry_run: bool,
}

/// How far an import is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Reading for the first time, or applying.
    pub applying: bool,
    /// Records so far.
    pub records: u64,
}

/// The records of each stage, in the order of the stages.
const STAGES: [&[RecordKind]; 3] = [
    &[
        RecordKind::Department,
        RecordKind::Staff,
        RecordKind::Patient,
    ],
    &[RecordKind::Relation],
    &[RecordKind::Fact, RecordKind::Occasion, RecordKind::Removal],
];
const ALL: &[RecordKind] = RecordKind::ALL;

/// Imports files; `progress` is called about every second.
///
/// # Errors
/// When a file cannot be read, the mapping has a fault or the store fails. What is wrong with single rows is in the report.
pub async fn run(
    store: &Store,
    import: Import<'_>,
    site: &SiteInfo,
    settings: &Settings,
    now: Timestamp,
    mut progress: impl FnMut(Progress),
) -> Result<Report, IntakeError> {
    let (shared, settings) = (Arc::new(site.clone()), Arc::new(settings.clone()));
    let input = Input::open(import, &shared, &settings, now)?;
    let source = input.source();
    // Patients may come long before the first bookings: these are old ones all the same.
    let occasions = format!("{source}/occasions");
    let mut tx = store.read().await?;
    let known_since = sources::first_imported_at(&mut tx, &occasions).await?;
    drop(tx);
    let mut applier = Applier::new(
        store,
        site,
        Apply {
            dry_run: import.dry_run,
            first_import: known_since.is_none(),
        },
        now,
    );
    let mut pace = Pace::default();
    let survey = survey(&input, site, &mut applier.report, |records| {
        let applying = false;
        pace.step(|| progress(Progress { applying, records }));
    })?;
    applier.ban(survey.banned.clone()).await?;
    let mut records = 0;
    for kinds in STAGES {
        let mut chunk = Vec::with_capacity(CHUNK);
        for parsed in input.read(kinds) {
            let updates = parsed?.updates.into_iter();
            for update in updates.filter(|update| kinds.contains(&update.kind())) {
                records += 1;
                if survey.comes_again_after(&update) {
                    let (origin, kind) = (update.origin(), update.kind());
                    applier.report.note(origin, kind, Outcome::Repeated);
                    continue;
                }
                chunk.push(update);
                if chunk.len() == CHUNK {
                    applier.transact(std::mem::take(&mut chunk)).await?;
                    let applying = true;
                    pace.step(|| progress(Progress { applying, records }));
                }
            }
        }
        if !chunk.is_empty() {
            applier.transact(chunk).await?;
        }
    }
    let mut report = applier.finish();
    report.unknown_columns = input.unknown_columns();
    if !import.dry_run {
        let mut tx = store.write().await?;
        sources::imported(&mut tx, &source, now).await?;
        if report.counts.contains_key(&RecordKind::Occasion) {
            sources::imported(&mut tx, &occasions, now).await?;
        }
        note(&mut tx, &report, now).await?;
        tx.commit().await?;
    }
    Ok(report)
}

/// Leaves in the audit that the import was applied, with its counts.
async fn note(tx: &mut Tx, report: &Report, now: Timestamp) -> Result<(), StoreError> {
    let target = report.import.to_string();
    let detail = serde_json::json!({
        "counts": report.counts, "sensitive_patients": report.sensitive_patients, "purged": report.purged, "faults": report.fault_count,
    });
    let act = NewAudit {
        actor: "cli",
        action: "import.applied",
        target: &target,
        detail,
    };
    audits::add(tx, &act, now).await
}

enum Input {
    Fhir {
        folder: Box<Folder>,
        source: Arc<str>,
    },
    Csv(Box<Table>),
    Json {
        records: Records,
        source: Arc<str>,
    },
}

impl Input {
    fn open(
        import: Import<'_>,
        site: &Arc<SiteInfo>,
        settings: &Arc<Settings>,
        now: Timestamp,
    ) -> Result<Self, IntakeError> {
        let source: Arc<str> = Arc::from(import.source.unwrap_or(&settings.source));
        match import.format {
            Format::Fhir => Ok(Self::Fhir {
                folder: Box::new(Folder::open(import.path, &source, site, settings, now)?),
                source,
            }),
            Format::Csv { map } => Ok(Self::Csv(Box::new(Table::open(
                import.path,
                map,
                import.source,
                site,
                settings,
            )?))),
            Format::Json => Ok(Self::Json {
                records: Records::open(import.path, &source, site)?,
                source,
            }),
        }
    }

    fn source(&self) -> Arc<str> {
        match self {
            Self::Fhir { source, .. } | Self::Json { source, .. } => Arc::clone(source),
            Self::Csv(table) => table.source(),
        }
    }

    fn read(
        &self,
        kinds: &'static [RecordKind],
    ) -> Box<dyn Iterator<Item = Result<Parsed, IntakeError>> + Send + '_> {
        match self {
            Self::Fhir { folder, .. } => Box::new(folder.read(kinds)),
            // Tables and our own records tell of family within the patient.
            Self::Csv(_) | Self::Json { .. } if kinds == [RecordKind::Relation] => {
                Box::new(std::iter::empty())
            }
            Self::Csv(table) => Box::new(table.read()),
            Self::Json { records, .. } => Box::new(records.read()),
        }
    }

    fn unknown_columns(&self) -> Vec<String> {
        match self {
            Self::Fhir { .. } | Self::Json { .. } => Vec::new(),
            Self::Csv(table) => table.unknown_columns(),
        }
    }
}

/// What the first reading found.
struct Survey {
    banned: HashSet<Key>,
    hasher: RandomState,
    /// Of keys that come more than once without a version: the line that counts, by fingerprints of both.
    last: HashMap<u64, u64>,
}

fn survey(
    input: &Input,
    site: &SiteInfo,
    report: &mut Report,
    mut step: impl FnMut(u64),
) -> Result<Survey, IntakeError> {
    let mut survey = Survey {
        banned: HashSet::new(),
        hasher: RandomState::new(),
        last: HashMap::new(),
    };
    let (mut seen, mut records) = (HashSet::new(), 0);
    for parsed in input.read(ALL) {
        let parsed = parsed?;
        records += 1;
        step(records);
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
            if site.sensitive.shows(&update)
                && let Some(patient) = update.patient()
            {
                survey.banned.insert(patient.clone());
            }
            if let Some(name) = survey.name(&update)
                && !seen.insert(name)
            {
                survey.last.insert(name, survey.line(update.origin()));
            }
        }
    }
    Ok(survey)
}

impl Survey {
    /// A fingerprint of the record's key; `None` where versions tell which of several counts.
    fn name(&self, update: &RecordUpdate) -> Option<u64> {
        let name = match update {
            RecordUpdate::Patient(record) if record.version.is_none() => {
                (RecordKind::Patient, record.key.clone(), String::new())
            }
            RecordUpdate::Occasion(record) if record.version.is_none() => {
                (RecordKind::Occasion, record.key.clone(), String::new())
            }
            RecordUpdate::Fact(record) => (
                RecordKind::Fact,
                Key {
                    source: Arc::clone(&record.patient.source),
                    key: record.key.clone(),
                },
                record.kind.clone(),
            ),
            RecordUpdate::Staff(record) => (RecordKind::Staff, record.key.clone(), String::new()),
            RecordUpdate::Relation(record) => (
                RecordKind::Relation,
                record.patient.clone(),
                record.key.reveal().clone(),
            ),
            RecordUpdate::Department(record) => (
                RecordKind::Department,
                Key::new(&Arc::from(""), record.id.clone()),
                String::new(),
            ),
            RecordUpdate::Patient(_) | RecordUpdate::Occasion(_) | RecordUpdate::Remove(_) => {
                return None;
            }
        };
        Some(self.hasher.hash_one(name))
    }

    fn line(&self, origin: &Origin) -> u64 {
        self.hasher.hash_one((&origin.file, origin.line))
    }

    fn comes_again_after(&self, update: &RecordUpdate) -> bool {
        let last = self.name(update).and_then(|name| self.last.get(&name));
        last.is_some_and(|last| *last != self.line(update.origin()))
    }
}

/// Lets something through about once a second.
struct Pace(Instant);

impl Default for Pace {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Pace {
    fn step(&mut self, then: impl FnOnce()) {
        if self.0.elapsed() >= Duration::from_secs(1) {
            self.0 = Instant::now();
            then();
        }
    }
}
