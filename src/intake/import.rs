//! An import of files, in four stages: extract, filter, stage with a diff, apply.
//!
//! Files are read twice and never held whole. The first reading finds whom nothing may be stored of, which keys
//! come again and what is wrong; the second applies the rest, patients before what is about them. One thread reads and
//! makes rows ready while the database takes those before.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::apply::chunk::Chunk;
use super::apply::draft::Site;
use super::apply::{Applier, Apply, Fresh};
use super::csv::Table;
use super::fhir::Folder;
use super::json::Records;
use super::record::{RecordKind, RecordUpdate};
use super::report::{Fault, Report};
use super::survey::{Survey, survey};
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
    /// How many there are; `None` while they are read for the first time.
    pub of: Option<u64>,
}

/// The records of each stage, in the order of the stages.
const STAGES: &[&[RecordKind]] = &[
    &[
        RecordKind::Department,
        RecordKind::Staff,
        RecordKind::Patient,
    ],
    &[RecordKind::Relation],
    &[RecordKind::Fact, RecordKind::Occasion, RecordKind::Removal],
];
const TWO_STAGES: &[&[RecordKind]] = &[
    &[RecordKind::Patient],
    &[RecordKind::Occasion, RecordKind::Removal],
];
pub(crate) const ALL: &[RecordKind] = RecordKind::ALL;

/// For how long others may have to wait for their turn to write, and after how much writing the log is brought
/// into the file.
const TURNS: (Duration, Duration) = (Duration::from_millis(35), Duration::from_millis(300));
/// The same when the first records of a source come in: nobody works with them yet, and a page that is written
/// once for many rows makes it quick.
const FIRST_TURNS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// Rows of a transaction: at first, and the bounds within which it finds its size.
const ROWS: (usize, usize, usize) = (4_000, 2_000, 30_000);

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
    let site = Arc::new(site.clone());
    let settings = Arc::new(settings.clone());
    let input = Arc::new(Input::open(import, &site, &settings, now)?);
    let source = input.source();
    // Patients may come long before the first bookings: these are old ones all the same.
    let occasions = format!("{source}/occasions");
    let mut tx = store.read().await?;
    let known_since = sources::first_imported_at(&mut tx, &occasions).await?;
    let fresh = Fresh::of(&mut tx, &source).await?;
    drop(tx);
    let mode = Apply {
        dry_run: import.dry_run,
        first_import: known_since.is_none(),
    };
    let mut applier = Applier::new(store, &site, mode, now);
    let (survey, found) = look_through(&input, &site, &mut progress).await?;
    applier.report.absorb(found);
    applier.ban(survey.banned.clone()).await?;
    applier.begin(fresh);
    if !import.dry_run {
        store.begin_bulk().await?;
    }
    let done = apply(
        store,
        &mut applier,
        &input,
        survey,
        &site,
        now,
        &mut progress,
    )
    .await;
    if !import.dry_run {
        store.end_bulk().await?;
    }
    done?;
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

/// The first reading, in a thread of its own.
async fn look_through(
    input: &Arc<Input>,
    site: &Arc<SiteInfo>,
    progress: &mut impl FnMut(Progress),
) -> Result<(Survey, Report), IntakeError> {
    let read = Arc::new(AtomicU64::new(0));
    let reading = {
        let (input, site, read) = (Arc::clone(input), Arc::clone(site), Arc::clone(&read));
        spawn_blocking(move || survey(&input, &site, &read))
    };
    let mut reading = std::pin::pin!(joined(reading));
    loop {
        tokio::select! {
            done = &mut reading => return done,
            () = tokio::time::sleep(Duration::from_secs(1)) => progress(Progress {
                applying: false,
                records: read.load(Ordering::Relaxed),
                of: None,
            }),
        }
    }
}

/// The second reading, or several: a thread makes chunks while those before them are applied.
async fn apply(
    store: &Store,
    applier: &mut Applier<'_>,
    input: &Arc<Input>,
    survey: Survey,
    site: &Arc<SiteInfo>,
    now: Timestamp,
    progress: &mut impl FnMut(Progress),
) -> Result<(), IntakeError> {
    let (survey, rows) = (Arc::new(survey), Arc::new(AtomicUsize::new(ROWS.0)));
    let (mut records, mut unlogged, mut pace) = (0, Duration::ZERO, Pace::default());
    let (turn, log) = if applier.is_first() {
        FIRST_TURNS
    } else {
        TURNS
    };
    for kinds in input.stages(&survey) {
        let (to, mut chunks) = mpsc::channel(2);
        let feeder = Feeder {
            input: Arc::clone(input),
            survey: Arc::clone(&survey),
            site: Arc::clone(site),
            rows: Arc::clone(&rows),
            to,
        };
        let feeding = spawn_blocking(move || feeder.feed(kinds, now));
        while let Some((chunk, count)) = chunks.recv().await {
            let weight = chunk.weight();
            let held = applier.transact(chunk).await?;
            rows.store(next_size(weight, held, turn), Ordering::Relaxed);
            unlogged += held;
            if unlogged > log {
                store.checkpoint().await?;
                unlogged = Duration::ZERO;
            }
            records += count;
            let so_far = Progress {
                applying: true,
                records,
                of: Some(survey.records),
            };
            pace.step(|| progress(so_far));
        }
        joined(feeding).await?;
    }
    Ok(())
}

/// How many rows the next transaction should have, so that it takes about a turn.
fn next_size(rows: usize, held: Duration, turn: Duration) -> usize {
    let (turn, held) = (turn.as_micros(), held.as_micros().max(1));
    // One that had few rows tells little of what many would cost.
    if rows < ROWS.1 {
        return ROWS.0;
    }
    let fits = rows as u128 * turn / held;
    let next = (rows as u128 + fits.min(2 * rows as u128)) / 2;
    usize::try_from(next)
        .unwrap_or(ROWS.2)
        .clamp(ROWS.1, ROWS.2)
}

async fn joined<T>(task: JoinHandle<Result<T, IntakeError>>) -> Result<T, IntakeError> {
    match task.await {
        Ok(done) => done,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Closed.into()),
        },
    }
}

/// Reads and makes chunks.
struct Feeder {
    input: Arc<Input>,
    survey: Arc<Survey>,
    site: Arc<SiteInfo>,
    /// How many rows a chunk should have.
    rows: Arc<AtomicUsize>,
    to: mpsc::Sender<(Chunk, u64)>,
}

impl Feeder {
    fn feed(self, kinds: &'static [RecordKind], now: Timestamp) -> Result<(), IntakeError> {
        let site = Site::new(&self.site, now);
        let (mut chunk, mut count) = (Chunk::default(), 0);
        for parsed in self.input.read(kinds) {
            for update in parsed?.updates {
                if !kinds.contains(&update.kind()) {
                    continue;
                }
                count += 1;
                if self.survey.comes_again_after(&update) {
                    chunk.repeated(&update);
                } else {
                    chunk.take(update, &self.survey.banned, &site);
                }
            }
            if chunk.weight() >= self.rows.load(Ordering::Relaxed) || count > 100_000 {
                let full = (std::mem::take(&mut chunk), std::mem::take(&mut count));
                // Nobody takes it: applying has failed, and says why.
                if self.to.blocking_send(full).is_err() {
                    return Ok(());
                }
            }
        }
        if count > 0 {
            let _ = self.to.blocking_send((chunk, count));
        }
        Ok(())
    }
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

pub(crate) enum Input {
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

    /// What is applied before what; each stage is one reading.
    fn stages(&self, survey: &Survey) -> &'static [&'static [RecordKind]] {
        match self {
            Self::Fhir { .. } | Self::Csv(_) => STAGES,
            Self::Json { .. } if survey.is_ordered => &[ALL],
            Self::Json { .. } => TWO_STAGES,
        }
    }

    pub(crate) fn read(
        &self,
        kinds: &'static [RecordKind],
    ) -> Box<dyn Iterator<Item = Result<Parsed, IntakeError>> + Send + '_> {
        match self {
            Self::Fhir { folder, .. } => Box::new(folder.read(kinds)),
            // Tables tell of family within the patient.
            Self::Csv(_) if kinds == [RecordKind::Relation] => Box::new(std::iter::empty()),
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

/// Lets something through about once a second.
struct Pace(std::time::Instant);

impl Default for Pace {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Pace {
    fn step(&mut self, then: impl FnOnce()) {
        if self.0.elapsed() >= Duration::from_secs(1) {
            self.0 = std::time::Instant::now();
            then();
        }
    }
}
