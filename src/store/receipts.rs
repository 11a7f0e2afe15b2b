//! Receipts: found by the provider's id in any spelling, applied in the transaction that stores them.
//!
//! One that belongs to nothing we know waits in the inbox: its message's answer may still be on the way.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::messages::Desk;
use super::outcome::{self, Change};
use super::{Id, StoreError, Tx, execute, on, rows};
use crate::model::id::{AttemptId, InboxId, MessageId};
use crate::model::message::AttemptPhase;
use crate::model::provider_id;
use crate::model::receipt::ReceiptStatus;

/// A receipt to be stored; it is kept as JSON in the inbox while it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredReceipt {
    /// Who told it.
    pub provider: String,
    /// The provider's id in every spelling that may be meant, best first.
    pub spellings: Vec<String>,
    /// What it says.
    pub status: ReceiptStatus,
    /// The network's own error code.
    pub error: Option<String>,
    /// The `user_message_reference` that came back.
    pub umr: Option<u16>,
    /// Hash of the recipient's address, to match by when there is nothing else.
    pub address_hash: Option<String>,
    /// Same key, same receipt.
    pub dedupe_key: String,
}

/// A provider's id that has just become known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Early<'a> {
    pub(crate) provider: &'a str,
    pub(crate) provider_id: &'a str,
}

/// Where a receipt belongs.
#[derive(Clone, Debug)]
struct Place {
    attempt: AttemptId,
    message: MessageId,
    /// The part, where it was found by an id.
    part: Option<i64>,
    phase: AttemptPhase,
}

/// Applies `all`; what matches nothing goes to the inbox. Repeats change nothing.
///
/// # Errors
/// When the database fails.
pub async fn apply(
    tx: &mut Tx,
    all: &[StoredReceipt],
    desk: &Desk,
    now: Timestamp,
) -> Result<(), StoreError> {
    let refs: Vec<&StoredReceipt> = all.iter().collect();
    let known = apply_known(tx, &refs, desk, now).await?;
    let unmatched: Vec<&StoredReceipt> = refs
        .into_iter()
        .enumerate()
        .filter(|(at, _)| !known.contains(at))
        .map(|(_, r)| r)
        .collect();
    keep(tx, &unmatched, now).await
}

/// Tries the receipts of the last `recent` again; the rest waits for its time in the inbox.
///
/// # Errors
/// When the database fails.
pub async fn retry_waiting(
    tx: &mut Tx,
    desk: &Desk,
    since: Timestamp,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const SQL: &str = "SELECT id, body FROM inbox WHERE state = 'new' AND kind = 'receipt' AND received_at >= $1 ORDER BY received_at LIMIT 500";
    let waiting: Vec<(String, String)> = on!(&mut *tx, conn => sqlx::query_as(SQL).bind(since.as_millisecond()).fetch_all(conn).await)?;
    apply_waiting(tx, &waiting, desk, now).await
}

/// Applies receipts that came before the answer that names their id.
pub(crate) async fn apply_early(
    tx: &mut Tx,
    known: &[Early<'_>],
    desk: &Desk,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT i.id, i.body FROM json_each($1) AS j CROSS JOIN inbox i WHERE i.provider = j.value ->> 'provider'
        AND i.match_key = j.value ->> 'key' AND i.state = 'new' ORDER BY i.received_at";
    #[derive(Serialize)]
    struct Key<'a> {
        provider: &'a str,
        key: String,
    }
    let keys: Vec<Key<'_>> = known
        .iter()
        .flat_map(|e| {
            provider_id::spellings(e.provider_id)
                .into_iter()
                .map(|key| Key {
                    provider: e.provider,
                    key,
                })
        })
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    let waiting: Vec<(String, String)> =
        on!(&mut *tx, conn => sqlx::query_as(SQL).bind(rows(&keys)).fetch_all(conn).await)?;
    apply_waiting(tx, &waiting, desk, now).await.map(|_| ())
}

async fn apply_waiting(
    tx: &mut Tx,
    waiting: &[(String, String)],
    desk: &Desk,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const DONE: &str = "UPDATE inbox SET state = 'done' WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let read: Vec<(&str, StoredReceipt)> = waiting
        .iter()
        .filter_map(|(id, body)| Some((id.as_str(), serde_json::from_str(body).ok()?)))
        .collect();
    if read.is_empty() {
        return Ok(0);
    }
    let refs: Vec<&StoredReceipt> = read.iter().map(|(_, receipt)| receipt).collect();
    let known = apply_known(tx, &refs, desk, now).await?;
    let done: Vec<Id<'_>> = read
        .iter()
        .enumerate()
        .filter(|(at, _)| known.contains(at))
        .map(|(_, (id, _))| Id { id })
        .collect();
    execute!(tx, sqlx::query(DONE).bind(rows(&done)))?;
    Ok(done.len())
}

/// Applies those of `all` that belong to an attempt we know and says which those are.
async fn apply_known(
    tx: &mut Tx,
    all: &[&StoredReceipt],
    desk: &Desk,
    now: Timestamp,
) -> Result<BTreeSet<usize>, StoreError> {
    let places = find(tx, all).await?;
    let matched = all
        .iter()
        .enumerate()
        .filter_map(|(at, receipt)| Some((*receipt, places.get(&at)?)));
    let matched: Vec<(&StoredReceipt, &Place)> = matched.collect();
    note_parts(tx, &matched, now).await?;
    let changes: Vec<Change> = matched
        .iter()
        .map(|(receipt, place)| Change {
            attempt: place.attempt.clone(),
            message: place.message.clone(),
            phase: place.phase,
            by_part: place.part.is_some(),
            status: receipt.status,
            error: receipt.error.clone(),
        })
        .collect();
    outcome::apply(tx, &changes, desk, now).await?;
    Ok(places.into_keys().collect())
}

async fn find(tx: &mut Tx, all: &[&StoredReceipt]) -> Result<BTreeMap<usize, Place>, StoreError> {
    let mut places = find_by_id(tx, all).await?;
    let rest: Vec<(usize, &StoredReceipt)> = all
        .iter()
        .copied()
        .enumerate()
        .filter(|(at, _)| !places.contains_key(at))
        .collect();
    if !rest.is_empty() {
        places.extend(find_open(tx, &rest).await?);
    }
    Ok(places)
}

async fn find_by_id(
    tx: &mut Tx,
    all: &[&StoredReceipt],
) -> Result<BTreeMap<usize, Place>, StoreError> {
    // One message's id in hex may be another's in decimal: what went to the same number is meant before what
    // did not, and an id that has to be read anew is believed of the same number only.
    const SQL: &str = "SELECT CAST(j.value ->> 'at' AS BIGINT), CAST(j.value ->> 'rank' AS BIGINT), ap.attempt_id, a.message_id, ap.part, a.phase
        FROM json_each($1) AS j CROSS JOIN attempt_part ap CROSS JOIN attempt a
        WHERE ap.provider = j.value ->> 'provider' AND ap.provider_id = j.value ->> 'id' AND a.id = ap.attempt_id
          AND (CAST(j.value ->> 'rank' AS BIGINT) = 0 OR a.address_hash = COALESCE(j.value ->> 'address_hash', a.address_hash))
        ORDER BY 1, CASE WHEN a.address_hash = j.value ->> 'address_hash' THEN 0 ELSE 1 END,
          CASE WHEN a.umr = CAST(j.value ->> 'umr' AS BIGINT) THEN 0 ELSE 1 END, 2, ap.attempt_id DESC";
    #[derive(Serialize)]
    struct Key<'a> {
        at: usize,
        rank: usize,
        provider: &'a str,
        id: &'a str,
        address_hash: Option<&'a str>,
        umr: Option<u16>,
    }
    let keys: Vec<Key<'_>> = all
        .iter()
        .enumerate()
        .flat_map(|(at, r)| {
            r.spellings.iter().enumerate().map(move |(rank, id)| Key {
                at,
                rank,
                provider: &r.provider,
                id,
                address_hash: r.address_hash.as_deref(),
                umr: r.umr,
            })
        })
        .collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    type Found = (i64, i64, AttemptId, MessageId, i64, String);
    let found: Vec<Found> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&keys)).fetch_all(conn).await)?;
    let mut places = BTreeMap::new();
    for (at, _, attempt, message, part, phase) in found {
        // Networks use an id again after some weeks: the best spelling's latest attempt is meant.
        let phase = AttemptPhase::parse(&phase).unwrap_or(AttemptPhase::Accepted);
        places
            .entry(usize::try_from(at).unwrap_or(usize::MAX))
            .or_insert(Place {
                attempt,
                message,
                part: Some(part),
                phase,
            });
    }
    Ok(places)
}

/// Matches receipts of attempts whose answer was lost: by reference, else as the only open one to that address.
async fn find_open(
    tx: &mut Tx,
    rest: &[(usize, &StoredReceipt)],
) -> Result<BTreeMap<usize, Place>, StoreError> {
    // The phases stand as in attempt_open: SQLite takes a partial index at its word alone.
    const SQL: &str = "SELECT CAST(j.value ->> 'at' AS BIGINT), a.id, a.message_id, a.umr, a.address_hash FROM json_each($1) AS j
        CROSS JOIN attempt a WHERE a.provider = j.value ->> 'provider' AND a.phase IN ('prepared', 'unknown') AND a.phase = 'unknown'
          AND (a.umr = CAST(j.value ->> 'umr' AS BIGINT) OR a.address_hash = j.value ->> 'address_hash')";
    #[derive(Serialize)]
    struct Key<'a> {
        at: usize,
        provider: &'a str,
        umr: Option<u16>,
        address_hash: Option<&'a str>,
    }
    let keys: Vec<Key<'_>> = rest
        .iter()
        .map(|(at, r)| Key {
            at: *at,
            provider: &r.provider,
            umr: r.umr,
            address_hash: r.address_hash.as_deref(),
        })
        .collect();
    let found: Vec<(i64, AttemptId, MessageId, i64, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&keys)).fetch_all(conn).await)?;
    let mut places = BTreeMap::new();
    for (at, receipt) in rest {
        let mine: Vec<_> = found
            .iter()
            .filter(|f| usize::try_from(f.0) == Ok(*at))
            .collect();
        let same_address = |hash: &str| {
            receipt
                .address_hash
                .as_deref()
                .is_none_or(|own| own == hash)
        };
        let by_umr = mine
            .iter()
            .find(|f| receipt.umr.is_some_and(|umr| i64::from(umr) == f.3) && same_address(&f.4));
        // Without a reference only a receipt that can belong to one single open attempt is believed.
        let by_address = (receipt.umr.is_none() && receipt.status.is_final() && mine.len() == 1)
            .then(|| mine.first())
            .flatten();
        if let Some((_, attempt, message, ..)) = by_umr.or(by_address) {
            let place = Place {
                attempt: attempt.clone(),
                message: message.clone(),
                part: None,
                phase: AttemptPhase::Unknown,
            };
            places.insert(*at, place);
        }
    }
    Ok(places)
}

/// Writes the receipt on its part; a final word is never overwritten by one that is not, nor delivered by anything.
async fn note_parts(
    tx: &mut Tx,
    matched: &[(&StoredReceipt, &Place)],
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE attempt_part SET receipt = j.value ->> 'status', error = j.value ->> 'error', receipt_at = $2
        FROM json_each($1) AS j WHERE attempt_part.attempt_id = j.value ->> 'attempt' AND attempt_part.part = CAST(j.value ->> 'part' AS BIGINT)
          AND (attempt_part.receipt IS NULL OR j.value ->> 'status' = 'delivered'
            OR attempt_part.receipt IN ('en_route', 'accepted', 'unknown'))";
    #[derive(Serialize)]
    struct Row<'a> {
        attempt: &'a AttemptId,
        part: i64,
        status: ReceiptStatus,
        error: Option<&'a str>,
    }
    let mut last: BTreeMap<(&AttemptId, i64), Row<'_>> = BTreeMap::new();
    for (receipt, place) in matched {
        let Some(part) = place.part else { continue };
        let row = Row {
            attempt: &place.attempt,
            part,
            status: receipt.status,
            error: receipt.error.as_deref(),
        };
        // Within one batch the weightier word stays: an UPDATE … FROM takes only one row per target.
        match last.get(&(&place.attempt, part)) {
            Some(held)
                if held.status == ReceiptStatus::Delivered
                    || (held.status.is_final() && !row.status.is_final()) => {}
            _ => {
                last.insert((&place.attempt, part), row);
            }
        }
    }
    let set: Vec<Row<'_>> = last.into_values().collect();
    if !set.is_empty() {
        execute!(
            tx,
            sqlx::query(SQL).bind(rows(&set)).bind(now.as_millisecond())
        )?;
    }
    Ok(())
}

async fn keep(tx: &mut Tx, unmatched: &[&StoredReceipt], now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO inbox (id, provider, kind, dedupe_key, match_key, body, state, received_at)
        SELECT j.value ->> 'id', j.value ->> 'provider', 'receipt', j.value ->> 'dedupe_key', j.value ->> 'match_key', j.value ->> 'body', 'new', $2
        FROM json_each($1) AS j WHERE TRUE ON CONFLICT (provider, kind, dedupe_key) DO NOTHING";
    #[derive(Serialize)]
    struct Row<'a> {
        id: InboxId,
        provider: &'a str,
        dedupe_key: &'a str,
        match_key: Option<&'a str>,
        body: String,
    }
    if unmatched.is_empty() {
        return Ok(());
    }
    let set: Vec<Row<'_>> = unmatched
        .iter()
        .map(|r| Row {
            id: InboxId::generate(),
            provider: &r.provider,
            dedupe_key: &r.dedupe_key,
            match_key: r.spellings.first().map(String::as_str),
            body: serde_json::to_string(r).expect("a receipt is plain JSON"),
        })
        .collect();
    execute!(
        tx,
        sqlx::query(SQL).bind(rows(&set)).bind(now.as_millisecond())
    )?;
    Ok(())
}
