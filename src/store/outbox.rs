//! The outbox: events get their numbers after their commit, and each sink keeps how far it has been told.

use super::{StoreError, Tx, execute, on};

/// The row that holds the last number given; its lock keeps two publishers apart.
const NUMBERING: &str = "numbering";

/// Whether any committed event waits for its number.
///
/// # Errors
/// When the database fails.
pub async fn has_fresh(tx: &mut Tx) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT id FROM event WHERE seq IS NULL ORDER BY id LIMIT 1";
    let first: Option<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).fetch_optional(conn).await)?;
    Ok(first.is_some())
}

/// Numbers up to `most` committed events in the order of their ids, and returns how many.
///
/// A number is given only to what is committed already, so a reader who has seen number n will never
/// find a smaller one later, however late a transaction commits.
/// # Errors
/// When the database fails.
pub async fn number(tx: &mut Tx, most: i64) -> Result<u64, StoreError> {
    const ROW: &str =
        "INSERT INTO outbox (sink, cursor) VALUES ($1, 0) ON CONFLICT (sink) DO NOTHING";
    // Writing the row locks it until the commit; on PostgreSQL the next statement then sees what the
    // former holder committed.
    const LOCK: &str = "UPDATE outbox SET cursor = cursor WHERE sink = $1 RETURNING cursor";
    const NUMBER: &str = "UPDATE event SET seq = fresh.n + $1
        FROM (SELECT e.id AS fresh_id, ROW_NUMBER() OVER (ORDER BY e.id) AS n FROM event AS e WHERE e.seq IS NULL ORDER BY e.id LIMIT $2) AS fresh
        WHERE event.id = fresh.fresh_id";
    const KEEP: &str = "UPDATE outbox SET cursor = $2 WHERE sink = $1";
    execute!(&mut *tx, sqlx::query(ROW).bind(NUMBERING))?;
    let last: i64 =
        on!(&mut *tx, conn => sqlx::query_scalar(LOCK).bind(NUMBERING).fetch_one(conn).await)?;
    let numbered = execute!(&mut *tx, sqlx::query(NUMBER).bind(last).bind(most))?;
    let step = i64::try_from(numbered).map_err(|_| StoreError::BadRow {
        table: "outbox",
        what: "more events than numbers",
    })?;
    execute!(
        &mut *tx,
        sqlx::query(KEEP).bind(NUMBERING).bind(last + step)
    )?;
    Ok(numbered)
}
