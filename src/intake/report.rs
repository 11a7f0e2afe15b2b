//! What an import did or would do: counts, changes and what was wrong. Names lines and keys' hashes, never values.

use std::collections::BTreeMap;

use super::record::{Origin, RecordKind};
use crate::model::id::ImportId;

/// How many lines of a list are kept; the counts go on.
const LISTED: usize = 1000;

/// The result of an import.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// The import's own id.
    pub import: ImportId,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// By kind of record.
    pub counts: BTreeMap<RecordKind, Counts>,
    /// Patients that were dropped as sensitive.
    pub sensitive_patients: u64,
    /// Records that were dropped with them, or were sensitive themselves.
    pub sensitive_records: u64,
    /// Patients that were known and are purged.
    pub purged: u64,
    /// Records left out on purpose, by what they are.
    pub skipped: BTreeMap<String, u64>,
    /// Columns that no mapping names; their values were never kept.
    pub unknown_columns: Vec<String>,
    /// How many rows and values were wrong.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// The first changes.
    pub changes: Vec<Change>,
}

/// What became of the records of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Not known before.
    pub new: u64,
    /// Known and now different.
    pub changed: u64,
    /// Of the changed: date or time are others.
    pub moved: u64,
    /// Of the changed: called off.
    pub cancelled: u64,
    /// Known just so.
    pub unchanged: u64,
    /// An older version than the one we have.
    pub older: u64,
    /// The same key came again later in the same import, which counts.
    pub repeated: u64,
    /// Taken away.
    pub removed: u64,
    /// Could not be read or do not fit.
    pub rejected: u64,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not known before.
    New,
    /// Known and now different.
    Changed,
    /// Date or time are others.
    Moved,
    /// Called off.
    Cancelled,
    /// Known just so.
    Unchanged,
    /// An older version than the one we have.
    Older,
    /// The same key came again later.
    Repeated,
    /// Taken away.
    Removed,
    /// Does not fit.
    Rejected,
}

/// One change, for a list that people read.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Change {
    /// `bookings.csv:17`.
    #[serde(serialize_with = "as_text")]
    pub origin: Origin,
    /// What it is about.
    pub kind: RecordKind,
    /// What became of it.
    pub outcome: Outcome,
}

/// Something wrong in a file: where, and what was expected. Never the value itself.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Fault {
    /// `bookings.csv:17`.
    #[serde(serialize_with = "as_text")]
    pub origin: Origin,
    /// The column or element.
    pub at: Option<String>,
    /// What was expected there.
    pub expected: String,
    /// Whether the whole row was left out, or that value alone.
    pub row_rejected: bool,
}

impl Fault {
    /// The whole row is of no use.
    pub fn row(
        origin: &Origin,
        at: impl Into<Option<String>>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            origin: origin.clone(),
            at: at.into(),
            expected: expected.into(),
            row_rejected: true,
        }
    }

    /// One value is left out, the rest of the row counts.
    pub fn value(
        origin: &Origin,
        at: impl Into<Option<String>>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            row_rejected: false,
            ..Self::row(origin, at, expected)
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.expected)?;
        if self.row_rejected {
            Ok(())
        } else {
            f.write_str(" (kept without it)")
        }
    }
}

impl Report {
    /// An empty report of a new import.
    pub fn new(dry_run: bool) -> Self {
        Self {
            import: ImportId::generate(),
            dry_run,
            counts: BTreeMap::new(),
            sensitive_patients: 0,
            sensitive_records: 0,
            purged: 0,
            skipped: BTreeMap::new(),
            unknown_columns: Vec::new(),
            fault_count: 0,
            faults: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Notes what became of a record.
    pub fn note(&mut self, origin: &Origin, kind: RecordKind, outcome: Outcome) {
        let counts = self.counts.entry(kind).or_default();
        let listed = match outcome {
            Outcome::New => count(&mut counts.new),
            Outcome::Changed => count(&mut counts.changed),
            Outcome::Moved => count(&mut counts.changed) && count(&mut counts.moved),
            Outcome::Cancelled => count(&mut counts.changed) && count(&mut counts.cancelled),
            Outcome::Older => count(&mut counts.older),
            Outcome::Removed => count(&mut counts.removed),
            Outcome::Unchanged => !count(&mut counts.unchanged),
            Outcome::Repeated => !count(&mut counts.repeated),
            Outcome::Rejected => !count(&mut counts.rejected),
        };
        if listed && self.changes.len() < LISTED {
            self.changes.push(Change {
                origin: origin.clone(),
                kind,
                outcome,
            });
        }
    }

    /// Notes something wrong.
    pub fn fault(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < LISTED {
            self.faults.push(fault);
        }
    }

    /// Notes a record that is left out on purpose.
    pub fn skip(&mut self, what: &str) {
        *self.skipped.entry(what.to_owned()).or_default() += 1;
    }

    /// How many changes there are up to now, of whatever kind.
    pub(super) fn changes_so_far(&self) -> u64 {
        let of = |counts: &Counts| counts.new + counts.changed + counts.removed;
        self.counts.values().map(of).sum()
    }

    /// Takes over what a part of the import came to.
    pub(super) fn absorb(&mut self, part: Self) {
        for (kind, more) in part.counts {
            let counts = self.counts.entry(kind).or_default();
            counts.new += more.new;
            counts.changed += more.changed;
            counts.moved += more.moved;
            counts.cancelled += more.cancelled;
            counts.unchanged += more.unchanged;
            counts.older += more.older;
            counts.repeated += more.repeated;
            counts.removed += more.removed;
            counts.rejected += more.rejected;
        }
        for (what, count) in part.skipped {
            *self.skipped.entry(what).or_default() += count;
        }
        self.fault_count += part.fault_count;
        self.faults.extend(part.faults);
        self.faults.truncate(LISTED);
        self.changes.extend(part.changes);
        self.changes.truncate(LISTED);
    }

    /// What became of the records of one kind.
    pub fn of(&self, kind: RecordKind) -> Counts {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// Whether anything we keep is different now, or would be.
    pub fn changed_anything(&self) -> bool {
        self.purged > 0
            || self
                .counts
                .values()
                .any(|counts| counts.new + counts.changed + counts.removed > 0)
    }
}

const fn count(n: &mut u64) -> bool {
    *n += 1;
    true
}

fn as_text<S: serde::Serializer>(origin: &Origin, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(origin)
}
