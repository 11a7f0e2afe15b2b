//! All SQL: one text for SQLite and PostgreSQL, one file per aggregate.
//!
//! A store function takes `&mut Tx` first and does one thing; the caller opens and commits.
//! `read()` sees one snapshot; `write()` is a writer's transaction and not for hot paths, which go
//! through [`writer`]. Sets of rows travel as one JSON parameter: `FROM json_each($1) AS j` (see `rows` and `id_set`).

pub mod api_keys;
pub mod audits;
pub mod board;
mod bulk;
pub mod called_off;
pub mod campaign_progress;
pub mod campaigns;
pub mod candidates;
pub mod change_requests;
mod checkpoint;
pub mod consents;
pub mod contact_points;
mod database;
pub mod digests;
pub mod dispatch;
pub mod documents;
pub mod due;
pub mod earlier;
pub mod events;
pub mod facts;
pub mod inbox;
pub mod incoming;
pub mod late;
pub mod lookups;
pub mod marks;
pub mod message_admin;
pub mod message_view;
pub mod messages;
pub mod migrate;
pub mod occasion_records;
pub mod occasions;
pub mod outbox;
mod outcome;
pub mod overrides;
pub mod patient_records;
pub mod patients;
pub mod plans;
pub mod provider_load;
pub mod purge;
pub mod questions;
pub mod receipts;
pub mod relations;
pub mod reminder_history;
pub mod reminders;
pub mod replies;
pub mod rescue;
pub mod routing;
pub mod rule_days;
pub mod rule_plans;
pub mod rule_switches;
pub mod settle;
pub mod sinks;
pub mod sources;
pub mod staff;
pub mod suppression_list;
pub mod suppressions;
pub mod tasks;
#[doc(hidden)]
pub mod testing;
pub mod timeline;
pub mod withdraw;
pub mod writer;

pub use database::{Store, Tx};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is not there. Carries no values, only the statement's own words.
    #[error("the database failed: {0}")]
    Database(String),
    /// A row holds what it never should.
    #[error("a row of {table} cannot be read: {what}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// What is wrong, without values.
        what: &'static str,
    },
    /// The URL names no database we know.
    #[error("`{0}` is no database: expected sqlite://FILE or postgres://USER@HOST/NAME")]
    BadUrl(String),
    /// The schema is not ours, or not this version's.
    #[error("{0}")]
    Schema(String),
    /// Too much waits already.
    #[error("the writer has too much to do")]
    Busy,
    /// The writer is gone.
    #[error("the store is closing")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // PostgreSQL puts values of rows into the detail of an error; the message itself has none.
        match &error {
            sqlx::Error::Database(database) => Self::Database(format!(
                "{} ({})",
                database.message(),
                database.code().unwrap_or_default()
            )),
            sqlx::Error::Io(io) => Self::Database(io.to_string()),
            sqlx::Error::PoolTimedOut => {
                Self::Database("no connection was free in time".to_owned())
            }
            other => Self::Database(other.to_string()),
        }
    }
}

/// Runs the same expression on either database: `on!(tx, conn => query.fetch_all(conn).await)`.
macro_rules! on {
    ($tx:expr, $conn:ident => $run:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(inner) => {
                let $conn = &mut **inner;
                $run.map_err($crate::store::StoreError::from)
            }
            $crate::store::Tx::Postgres(inner) => {
                let $conn = &mut **inner;
                $run.map_err($crate::store::StoreError::from)
            }
        }
    };
}
pub(crate) use on;

/// Runs a statement that brings nothing back on either database and says how many rows it touched:
/// `execute!(tx, sqlx::query(SQL).bind(id))`.
macro_rules! execute {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(inner) => $query
                .execute(&mut **inner)
                .await
                .map(|done| done.rows_affected())
                .map_err($crate::store::StoreError::from),
            $crate::store::Tx::Postgres(inner) => $query
                .execute(&mut **inner)
                .await
                .map(|done| done.rows_affected())
                .map_err($crate::store::StoreError::from),
        }
    };
}
pub(crate) use execute;

/// A set of rows as one parameter: a JSON array of objects, read by `FROM json_each($n) AS j` and
/// `j.value ->> 'name'`, numbers and booleans through `CAST(j.value ->> 'n' AS BIGINT)`.
pub(crate) fn rows<T: serde::Serialize>(rows: &[T]) -> String {
    serde_json::to_string(rows).expect("rows of plain values always serialize")
}

/// A set of ids as one parameter: a JSON array of texts, each once, read by `FROM json_each($n) AS j` and `j.atom`.
///
/// For thousands of ids it is ten times as quick to read as a set of rows that hold an id alone.
pub(crate) fn id_set<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut ids: Vec<&str> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    rows(&ids)
}

/// A row that holds an id alone.
#[derive(serde::Serialize)]
pub(crate) struct Id<'a> {
    pub(crate) id: &'a str,
}

#[cfg(test)]
mod tests;
