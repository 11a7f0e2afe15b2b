//! How the providers stand: their binds as each process sees them, what became of their latest work, the points of
//! the routes, and the queue of one that is down.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{StoreError, Tx, execute, on, rows};
use crate::model::class::Channel;
use crate::model::id::MessageId;
use crate::model::private::Private;

/// How many of the latest tries tell how a provider does.
const SAMPLE: i64 = 2000;

/// A try and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Try {
    /// Who carried it.
    pub provider: String,
    /// The phase of the attempt.
    pub phase: String,
    /// The provider's code, if it refused.
    pub error: Option<String>,
    /// When it began, in ms.
    pub created_at: i64,
    /// When it was settled, in ms.
    pub settled_at: Option<i64>,
    /// The state of its message.
    pub state: String,
    /// When the receipt of its last part came, in ms; null while one is missing.
    pub receipt_at: Option<i64>,
}

/// A message that waits in a provider's queue, and where it wants to go.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The message.
    pub id: MessageId,
    /// The channel it is on.
    pub channel: Channel,
    /// The address there.
    pub address: Private<String>,
}

/// A message that changes the queue.
#[derive(Clone, Debug, Serialize)]
pub struct Move {
    /// The message.
    pub id: MessageId,
    /// Whose queue it goes to.
    pub provider: String,
}

/// Writes down which binds `owner` holds, and forgets processes that were not seen for a day.
///
/// # Errors
/// When the database fails.
pub async fn see(
    tx: &mut Tx,
    owner: &str,
    binds: &[(String, bool)],
    now: Timestamp,
) -> Result<(), StoreError> {
    const SEE: &str = "INSERT INTO provider_link (provider, owner, is_up, seen_at)
        SELECT j.value ->> 'provider', $2, CAST(j.value ->> 'is_up' AS BIGINT) <> 0, $3 FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (provider, owner) DO UPDATE SET is_up = excluded.is_up, seen_at = excluded.seen_at";
    const FORGET: &str = "DELETE FROM provider_link WHERE seen_at < $1";
    #[derive(Serialize)]
    struct Row<'a> {
        provider: &'a str,
        is_up: u8,
    }
    let set: Vec<Row<'_>> = binds
        .iter()
        .map(|(provider, is_up)| Row {
            provider,
            is_up: u8::from(*is_up),
        })
        .collect();
    let day_ago = (now - SignedDuration::from_hours(24)).as_millisecond();
    execute!(
        &mut *tx,
        sqlx::query(SEE)
            .bind(rows(&set))
            .bind(owner)
            .bind(now.as_millisecond())
    )?;
    execute!(tx, sqlx::query(FORGET).bind(day_ago))?;
    Ok(())
}

/// Which providers any process that was seen since `since` has a bind of.
///
/// # Errors
/// When the database fails.
pub async fn links(tx: &mut Tx, since: Timestamp) -> Result<BTreeMap<String, bool>, StoreError> {
    const SQL: &str = "SELECT provider, is_up FROM provider_link WHERE seen_at >= $1";
    let seen: Vec<(String, bool)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(since.as_millisecond()).fetch_all(conn).await)?;
    let mut links = BTreeMap::new();
    for (provider, is_up) in seen {
        *links.entry(provider).or_insert(false) |= is_up;
    }
    Ok(links)
}

/// Says that `provider` is up or down since `now`, unless that is known, and whether it was news.
/// A provider that nobody heard of before begins as up, and that is no news.
///
/// # Errors
/// When the database fails.
pub async fn turn(
    tx: &mut Tx,
    provider: &str,
    is_up: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const KNOW: &str = "INSERT INTO provider_state (provider, state, since) VALUES ($1, 'up', $2) ON CONFLICT (provider) DO NOTHING";
    const TURN: &str =
        "UPDATE provider_state SET state = $2, since = $3 WHERE provider = $1 AND state <> $2";
    let state = if is_up { "up" } else { "down" };
    let at = now.as_millisecond();
    execute!(&mut *tx, sqlx::query(KNOW).bind(provider).bind(at))?;
    Ok(execute!(tx, sqlx::query(TURN).bind(provider).bind(state).bind(at))? > 0)
}

/// The points of each route that are not those at rest, and when they moved.
///
/// # Errors
/// When the database fails.
pub async fn weights(
    tx: &mut Tx,
) -> Result<BTreeMap<String, (BTreeMap<String, u32>, Timestamp)>, StoreError> {
    const SQL: &str = "SELECT route, weights, moved_at FROM route_weight";
    let bad = |what| StoreError::BadRow {
        table: "route_weight",
        what,
    };
    let all: Vec<(String, String, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    all.into_iter()
        .map(|(route, weights, at)| {
            let weights = serde_json::from_str(&weights).map_err(|_| bad("unreadable weights"))?;
            let at = Timestamp::from_millisecond(at).map_err(|_| bad("an instant out of range"))?;
            Ok((route, (weights, at)))
        })
        .collect()
}

/// Moves the points of `route`, unless another process did so since `before`; says whether it did.
///
/// # Errors
/// When the database fails.
pub async fn shift(
    tx: &mut Tx,
    route: &str,
    weights: &BTreeMap<&str, u32>,
    before: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO route_weight (route, weights, moved_at) VALUES ($1, $2, $3)
        ON CONFLICT (route) DO UPDATE SET weights = excluded.weights, moved_at = excluded.moved_at
        WHERE route_weight.moved_at = CAST($4 AS BIGINT)";
    let json = serde_json::to_string(weights).expect("names and numbers are plain JSON");
    let before = before.map_or(-1, Timestamp::as_millisecond);
    let at = now.as_millisecond();
    let moved = execute!(
        tx,
        sqlx::query(SQL)
            .bind(route)
            .bind(&json)
            .bind(at)
            .bind(before)
    )?;
    Ok(moved > 0)
}

/// The latest tries, of all providers.
///
/// # Errors
/// When the database fails.
pub async fn latest(tx: &mut Tx) -> Result<Vec<Try>, StoreError> {
    until(tx, "att_~").await
}

/// The latest tries that began before `before`.
///
/// # Errors
/// When the database fails.
pub async fn earlier(tx: &mut Tx, before: Timestamp) -> Result<Vec<Try>, StoreError> {
    // The ids begin with their time (RFC 9562, UUIDv7): the key of the table leads there.
    let millis = u64::try_from(before.as_millisecond()).unwrap_or(0);
    until(tx, &format!("att_{millis:012x}")).await
}

async fn until(tx: &mut Tx, id: &str) -> Result<Vec<Try>, StoreError> {
    const SQL: &str = "SELECT a.provider, a.phase, a.error, a.created_at, a.settled_at, m.state,
          (SELECT CASE WHEN COUNT(*) = COUNT(p.receipt_at) THEN MAX(p.receipt_at) END FROM attempt_part p WHERE p.attempt_id = a.id) AS receipt_at
        FROM (SELECT * FROM attempt WHERE id < $1 ORDER BY id DESC LIMIT $2) a CROSS JOIN message m WHERE m.id = a.message_id";
    on!(tx, conn => sqlx::query_as(SQL).bind(id).bind(SAMPLE).fetch_all(conn).await)
}

/// Up to `limit` messages that wait in the queue of `provider` and may leave by another: no try of theirs is unknown,
/// none left a part with the network, and nobody works on them.
///
/// # Errors
/// When the database fails.
pub async fn waiting(
    tx: &mut Tx,
    provider: &str,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Waiting>, StoreError> {
    const SQL: &str = "SELECT m.id, m.channel, m.addresses FROM dispatch d CROSS JOIN message m
        WHERE d.provider = $1 AND d.lane IN ('urgent', 'normal', 'bulk') AND d.work = 'send' AND d.lease_owner IS NULL AND d.due_at <= $2
          AND m.id = d.message_id AND m.possible_dup = FALSE
          AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.message_id = m.id
            AND (a.phase = 'unknown' OR EXISTS (SELECT 1 FROM attempt_part p WHERE p.attempt_id = a.id)))
        LIMIT $3";
    let found: Vec<(MessageId, String, String)> = on!(tx, conn => sqlx::query_as(SQL).bind(provider).bind(now.as_millisecond()).bind(limit).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "message",
        what,
    };
    let mut all = Vec::new();
    for (id, channel, addresses) in found {
        let mut addresses: BTreeMap<String, String> =
            serde_json::from_str(&addresses).map_err(|_| bad("unreadable addresses"))?;
        let Some(address) = addresses.remove(&channel) else {
            continue;
        };
        all.push(Waiting {
            id,
            channel: Channel::parse(&channel).ok_or_else(|| bad("an unknown channel"))?,
            address: Private::new(address),
        });
    }
    Ok(all)
}

/// Puts `moves` into other queues; what somebody took meanwhile stays where it is. Says how many moved.
///
/// # Errors
/// When the database fails.
pub async fn requeue(tx: &mut Tx, moves: &[Move]) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE dispatch SET provider = j.value ->> 'provider' FROM json_each($1) AS j
        WHERE dispatch.message_id = j.value ->> 'id' AND dispatch.work = 'send' AND dispatch.lease_owner IS NULL";
    if moves.is_empty() {
        return Ok(0);
    }
    execute!(tx, sqlx::query(SQL).bind(rows(moves)))
}
