//! `carebell import SOURCE --format fhir|csv|json`: records in, with a diff and a report.

use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::intake::import::{self, Format, Import, Progress};
use crate::intake::record::RecordKind;
use crate::intake::report::{Outcome, Report};
use crate::intake::{IntakeError, Settings, SiteInfo};
use crate::store::Store;

/// How many changes and faults are shown to people; `--json` has more.
const SHOWN: usize = 50;

/// The arguments of `carebell import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The file or folder to read.
    pub source: PathBuf,
    /// How it is read.
    #[arg(long, value_enum)]
    pub format: FormatArg,
    /// Which column is what (docs/import.md); without it, columns are known by their names.
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// The name of the system that the keys are from [default: the mapping's, else `[intake] source`].
    #[arg(long = "from", value_name = "NAME")]
    pub from: Option<String>,
    /// Show what would change and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// The formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatArg {
    /// A folder of FHIR R4 NDJSON.
    Fhir,
    /// A table: CSV, TSV …
    Csv,
    /// Our own records as NDJSON: the API's bodies, one in each line.
    #[value(alias = "ndjson")]
    Json,
}

/// Imports, prints the report to `out` and what is wrong to the error output. Returns the exit code: 0, or 1
/// when a row or a value was rejected; the good ones are applied all the same.
///
/// # Errors
/// When a file cannot be read, the mapping has a fault or the store fails (exit code 3).
pub async fn run(
    args: &ImportArgs,
    store: &Store,
    site: &SiteInfo,
    settings: &Settings,
    json: bool,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<u8, IntakeError> {
    let format = match args.format {
        FormatArg::Fhir => Format::Fhir,
        FormatArg::Csv => Format::Csv {
            map: args.map.as_deref(),
        },
        FormatArg::Json => Format::Json,
    };
    let task = Import {
        path: &args.source,
        format,
        source: args.from.as_deref(),
        dry_run: args.dry_run,
    };
    let report = import::run(store, task, site, settings, now, show).await?;
    // What cannot be printed, because nobody reads any more, is no fault of the import.
    let _ = if json {
        print_json(&report, out)
    } else {
        print(&report, out)
    };
    Ok(u8::from(
        report.fault_count > 0
            || RecordKind::ALL
                .iter()
                .any(|kind| report.of(*kind).rejected > 0),
    ))
}

fn show(progress: Progress) {
    let (doing, records) = if progress.applying {
        ("applied", progress.records)
    } else {
        ("read", progress.records)
    };
    match progress.of.filter(|of| *of > 0) {
        Some(of) => eprintln!(
            "{records} of {of} records {doing} ({} %) …",
            100 * records / of
        ),
        None => eprintln!("{records} records {doing} …"),
    }
}

fn print_json(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, report).map_err(std::io::Error::other)?;
    writeln!(out)
}

fn print(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let did = if report.dry_run {
        "would change"
    } else {
        "changed"
    };
    writeln!(out, "{} {did}", report.import)?;
    print_counts(report, out)?;
    print_left_out(report, out)?;
    if report.dry_run {
        for change in report.changes.iter().take(SHOWN) {
            let (origin, kind, what) = (&change.origin, &change.kind, word(change.outcome));
            writeln!(out, "  {origin}: {kind} {what}")?;
        }
        more(report.changes.len(), out)?;
    }
    if report.fault_count > 0 {
        writeln!(out, "{} faults:", report.fault_count)?;
        for fault in report.faults.iter().take(SHOWN) {
            writeln!(out, "  {fault}")?;
        }
        let count = usize::try_from(report.fault_count).unwrap_or(usize::MAX);
        more(count, out)?;
    }
    Ok(())
}

fn print_counts(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:<12}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}{:>9}{:>9}",
        "", "new", "changed", "moved", "cancelled", "unchanged", "older", "removed", "rejected"
    )?;
    for (kind, counts) in &report.counts {
        writeln!(
            out,
            "{:<12}{:>9}{:>9}{:>9}{:>10}{:>10}{:>9}{:>9}{:>9}",
            kind.as_str(),
            counts.new,
            counts.changed,
            counts.moved,
            counts.cancelled,
            counts.unchanged,
            counts.older,
            counts.removed,
            counts.rejected,
        )?;
    }
    Ok(())
}

/// What was read and is not in the counts, and why.
fn print_left_out(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let repeated: u64 = report.counts.values().map(|counts| counts.repeated).sum();
    for (count, what) in [
        (
            repeated,
            "records came again later in the same import; the last one counts",
        ),
        (report.sensitive_patients, "sensitive patients were dropped"),
        (
            report.sensitive_records,
            "records of theirs or restricted ones were dropped",
        ),
        (
            report.purged,
            "patients who were known were purged as sensitive",
        ),
    ] {
        if count > 0 {
            writeln!(out, "{count} {what}")?;
        }
    }
    for (what, count) in &report.skipped {
        writeln!(out, "{count} left out: {what}")?;
    }
    if !report.unknown_columns.is_empty() {
        let (count, names) = (report.unknown_columns.len(), &report.unknown_columns);
        let names = names.join(", ");
        writeln!(
            out,
            "{count} columns are not mapped and were dropped: {names}"
        )?;
    }
    Ok(())
}

fn more(count: usize, out: &mut impl Write) -> std::io::Result<()> {
    if count > SHOWN {
        writeln!(
            out,
            "  … and {} more (--json lists up to 1000)",
            count - SHOWN
        )
    } else {
        Ok(())
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::New => "new",
        Outcome::Changed => "changed",
        Outcome::Moved => "moved",
        Outcome::Cancelled => "cancelled",
        Outcome::Unchanged => "unchanged",
        Outcome::Older => "an older version, ignored",
        Outcome::Repeated => "comes again later",
        Outcome::Removed => "removed",
        Outcome::Rejected => "rejected",
    }
}
