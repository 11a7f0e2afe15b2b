//! What each provider has to do, and what came of its latest work.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::message_view::instant;
use super::{StoreError, Tx, on};

/// The work of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Messages that are due, by lane.
    pub ready: BTreeMap<String, i64>,
    /// Messages that are due later.
    pub later: i64,
    /// When the oldest one that is due was due.
    pub oldest_due_at: Option<Timestamp>,
    /// Messages whose fate is unknown.
    pub uncertain: i64,
    /// Tries that wait for their answer.
    pub open_attempts: i64,
}

/// The work of each provider that has any.
///
/// # Errors
/// When the database fails.
pub async fn all(tx: &mut Tx, now: Timestamp) -> Result<BTreeMap<String, Load>, StoreError> {
    const READY: &str = "SELECT provider, lane, COUNT(*), MIN(due_at) FROM dispatch WHERE work = 'send' AND due_at <= $1 GROUP BY provider, lane";
    const LATER: &str = "SELECT provider, COUNT(*) FROM dispatch WHERE work = 'send' AND due_at > $1 GROUP BY provider";
    const UNCERTAIN: &str = "SELECT COALESCE(provider, ''), COUNT(*) FROM message WHERE state = 'uncertain' GROUP BY provider";
    const OPEN: &str =
        "SELECT provider, COUNT(*) FROM attempt WHERE phase = 'prepared' GROUP BY provider";
    let at = now.as_millisecond();
    let mut loads: BTreeMap<String, Load> = BTreeMap::new();
    let ready: Vec<(String, String, i64, i64)> =
        on!(&mut *tx, conn => sqlx::query_as(READY).bind(at).fetch_all(conn).await)?;
    for (provider, lane, count, oldest) in ready {
        let load = loads.entry(provider).or_default();
        let oldest = instant("dispatch", oldest)?;
        load.oldest_due_at = Some(load.oldest_due_at.map_or(oldest, |other| other.min(oldest)));
        load.ready.insert(lane, count);
    }
    let later: Vec<(String, i64)> =
        on!(&mut *tx, conn => sqlx::query_as(LATER).bind(at).fetch_all(conn).await)?;
    later
        .into_iter()
        .for_each(|(provider, count)| loads.entry(provider).or_default().later = count);
    let uncertain: Vec<(String, i64)> =
        on!(&mut *tx, conn => sqlx::query_as(UNCERTAIN).fetch_all(conn).await)?;
    uncertain
        .into_iter()
        .for_each(|(provider, count)| loads.entry(provider).or_default().uncertain = count);
    let open: Vec<(String, i64)> =
        on!(&mut *tx, conn => sqlx::query_as(OPEN).fetch_all(conn).await)?;
    open.into_iter()
        .for_each(|(provider, count)| loads.entry(provider).or_default().open_attempts = count);
    Ok(loads)
}
