//! What in the database wants a person, for whoever looks after an installation.

use jiff::Timestamp;

use super::{StoreError, Tx, on, standing};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Messages whose fate is unknown.
    pub uncertain: i64,
    /// When the oldest due message was due (ms).
    pub oldest_ready: Option<i64>,
    /// Messages claimed by a process that is gone.
    pub dead_leases: i64,
    /// When the oldest event happened that is still to be told (ms).
    pub untold_since: Option<i64>,
    /// How far the database's own clock is ahead of `now`; `None`: it has none.
    pub clock_ahead_ms: Option<i64>,
    /// Whether rows are dated later than now.
    pub future_rows: bool,
}

/// How long after its end a lease is dead for sure, in ms.
const DEAD_AFTER: i64 = 60_000;
/// So much ahead is the future and no haste of clocks, in ms.
const FUTURE_AFTER: i64 = 5 * 60_000;

/// Looks at `now`.
///
/// # Errors
/// When the database fails.
pub async fn read(tx: &mut Tx, now: Timestamp) -> Result<Findings, StoreError> {
    const LEASES: &str =
        "SELECT COUNT(*) FROM dispatch WHERE lease_owner IS NOT NULL AND lease_until < $1";
    const FUTURE: &str = "SELECT id FROM message WHERE created_at > $1 ORDER BY created_at LIMIT 1";
    let at = now.as_millisecond();
    let waits = standing::read(tx, now).await?;
    let clock_ahead_ms = clock(tx).await?.map(|theirs| theirs - at);
    let dead_leases: i64 = on!(&mut *tx, conn => sqlx::query_scalar(LEASES).bind(at - DEAD_AFTER).fetch_one(conn).await)?;
    let future: Option<String> = on!(tx, conn => sqlx::query_scalar(FUTURE).bind(at + FUTURE_AFTER).fetch_optional(conn).await)?;
    Ok(Findings {
        uncertain: waits.uncertain.iter().map(|(_, count)| count).sum(),
        oldest_ready: waits.lanes.iter().filter_map(|(_, _, since)| *since).min(),
        dead_leases,
        untold_since: waits.untold_since,
        clock_ahead_ms,
        future_rows: future.is_some(),
    })
}

/// The clock of a server.
async fn clock(tx: &mut Tx) -> Result<Option<i64>, StoreError> {
    const NOW: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
    match tx {
        Tx::Sqlite(_) => Ok(None),
        Tx::Postgres(tx) => Ok(Some(sqlx::query_scalar(NOW).fetch_one(&mut **tx).await?)),
    }
}
