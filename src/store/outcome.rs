//! What the network's later word does to an attempt and its message: receipts and late answers.
//!
//! A fact wins over what we assumed (T18, T19, T24 to T26, T28, T31, T34); a receipt never lowers a final state.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::messages::{Body, Desk, told};
use super::settle::Switch;
use super::{Id, StoreError, Tx, events, execute, on, questions, rows};
use crate::model::class::Channel;
use crate::model::id::{AttemptId, MessageId};
use crate::model::message::{AttemptPhase, MessageEvent, MessageState};
use crate::model::phone::address_hash;
use crate::model::receipt::ReceiptStatus;

/// How long a receipt is waited for (T27).
pub(crate) const RECEIPT_TIMEOUT: SignedDuration = SignedDuration::from_hours(72);

/// One word about one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) attempt: AttemptId,
    pub(crate) message: MessageId,
    pub(crate) phase: AttemptPhase,
    /// Whether the word is about one part, whose row holds it by now.
    pub(crate) by_part: bool,
    pub(crate) status: ReceiptStatus,
    pub(crate) error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Held {
    id: MessageId,
    state: String,
    channels: String,
    channel_index: i64,
    addresses: String,
    bodies: String,
    expires_at: i64,
    reference: Option<String>,
    open: i64,
    answered: i64,
}

/// Applies `changes`, in order; the last word on a message counts.
///
/// # Errors
/// When the database fails.
pub(crate) async fn apply(
    tx: &mut Tx,
    changes: &[Change],
    desk: &Desk,
    now: Timestamp,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    resolve_attempts(tx, changes, now).await?;
    let parts = parts(tx, changes).await?;
    let held = held(tx, changes).await?;
    let mut moves: BTreeMap<&MessageId, Move<'_>> = BTreeMap::new();
    for change in changes {
        let Some(message) = held.get(&change.message) else {
            continue;
        };
        let state = moves
            .get(&change.message)
            .map_or_else(|| MessageState::parse(&message.state), |m| Some(m.to));
        let Some(state) = state else { continue };
        let word = if change.by_part {
            whole(parts.get(&change.attempt))
        } else {
            Some(change.status)
        };
        if let Some(to) = decide(message, state, change, word, desk, now)? {
            moves.insert(&change.message, to);
        }
    }
    carry_out(tx, &held, &moves, now).await
}

/// The word on a whole attempt: delivered once all parts are, bad as soon as one is.
fn whole(parts: Option<&Vec<Option<ReceiptStatus>>>) -> Option<ReceiptStatus> {
    let parts = parts?;
    let bad = parts
        .iter()
        .flatten()
        .find(|s| s.is_final() && **s != ReceiptStatus::Delivered);
    if let Some(bad) = bad {
        return Some(*bad);
    }
    let all = parts.iter().all(|s| *s == Some(ReceiptStatus::Delivered));
    Some(if all {
        ReceiptStatus::Delivered
    } else {
        ReceiptStatus::EnRoute
    })
}

/// Where a message goes.
struct Move<'a> {
    from: MessageState,
    to: MessageState,
    reason: Option<&'a str>,
    switch: Option<Switch>,
    keep_waiting: bool,
}

fn decide<'a>(
    message: &Held,
    state: MessageState,
    change: &'a Change,
    word: Option<ReceiptStatus>,
    desk: &Desk,
    now: Timestamp,
) -> Result<Option<Move<'a>>, StoreError> {
    // A later attempt is on the wire: what came of the earlier one is written down, and its own answer moves the message (T32).
    if message.open > 0 && state == MessageState::Sending {
        return Ok(None);
    }
    let Some(word) = word else { return Ok(None) };
    let from = MessageState::parse(&message.state).unwrap_or(state);
    let event = match word {
        ReceiptStatus::Delivered => MessageEvent::ReceiptDelivered,
        ReceiptStatus::Expired => MessageEvent::ReceiptExpired,
        ReceiptStatus::Deleted | ReceiptStatus::Undeliverable | ReceiptStatus::Rejected => {
            MessageEvent::ReceiptUndelivered
        }
        // It is under way, so it did leave: what was uncertain is so no more.
        ReceiptStatus::EnRoute | ReceiptStatus::Accepted | ReceiptStatus::Unknown => {
            MessageEvent::Accepted
        }
    };
    let was_open = matches!(change.phase, AttemptPhase::Unknown | AttemptPhase::Prepared);
    let waits = match state {
        MessageState::Uncertain => true,
        MessageState::Queued | MessageState::Sending => was_open,
        _ => false,
    };
    if event == MessageEvent::Accepted && !waits {
        return Ok(None);
    }
    let bad_end = matches!(
        event,
        MessageEvent::ReceiptUndelivered | MessageEvent::ReceiptExpired
    );
    if bad_end
        && !state.is_final()
        && let Some(switch) = next_way(message, desk, now)?
    {
        return Ok(Some(Move {
            from,
            to: MessageState::Queued,
            reason: None,
            switch: Some(switch),
            keep_waiting: true,
        }));
    }
    let Some(to) = state.after(event) else {
        return Ok(None);
    };
    let reason = bad_end.then(|| change.error.as_deref().unwrap_or("undelivered"));
    Ok(Some(Move {
        from,
        to,
        reason,
        switch: None,
        keep_waiting: to == MessageState::Submitted,
    }))
}

/// The next channel of the list that can carry it, while it is of use and nobody answered (T30).
fn next_way(message: &Held, desk: &Desk, now: Timestamp) -> Result<Option<Switch>, StoreError> {
    if message.expires_at <= now.as_millisecond() || message.answered > 0 {
        return Ok(None);
    }
    let bad = |what| StoreError::BadRow {
        table: "message",
        what,
    };
    let channels: Vec<Channel> =
        serde_json::from_str(&message.channels).map_err(|_| bad("unreadable channels"))?;
    let addresses: BTreeMap<String, String> =
        serde_json::from_str(&message.addresses).map_err(|_| bad("unreadable addresses"))?;
    let bodies: BTreeMap<String, Body> =
        serde_json::from_str(&message.bodies).map_err(|_| bad("unreadable bodies"))?;
    let after = usize::try_from(message.channel_index).unwrap_or(0) + 1;
    let way = channels
        .iter()
        .enumerate()
        .skip(after)
        .find_map(|(index, channel)| {
            let address = addresses.get(channel.as_str())?;
            let body = bodies.get(channel.as_str())?;
            let provider = desk.routes.pick(*channel, address)?.to_owned();
            Some(Switch {
                index,
                channel: *channel,
                provider,
                address_hash: address_hash(&desk.address_key, address),
                segments: body.segments,
            })
        });
    Ok(way)
}

async fn resolve_attempts(
    tx: &mut Tx,
    changes: &[Change],
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE attempt SET phase = 'resolved_sent', settled_at = $2
        WHERE phase IN ('unknown', 'prepared') AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    // One still `prepared` has its answer before its own settle: that one then finds it closed.
    let open = |phase| matches!(phase, AttemptPhase::Unknown | AttemptPhase::Prepared);
    let unknown: Vec<Id<'_>> = changes
        .iter()
        .filter(|c| open(c.phase))
        .map(|c| Id {
            id: c.attempt.as_str(),
        })
        .collect();
    if !unknown.is_empty() {
        execute!(
            tx,
            sqlx::query(SQL)
                .bind(rows(&unknown))
                .bind(now.as_millisecond())
        )?;
    }
    Ok(())
}

async fn parts(
    tx: &mut Tx,
    changes: &[Change],
) -> Result<BTreeMap<AttemptId, Vec<Option<ReceiptStatus>>>, StoreError> {
    const SQL: &str = "SELECT attempt_id, receipt FROM attempt_part WHERE attempt_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let ids: Vec<Id<'_>> = changes
        .iter()
        .filter(|c| c.by_part)
        .map(|c| Id {
            id: c.attempt.as_str(),
        })
        .collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<(AttemptId, Option<String>)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&ids)).fetch_all(conn).await)?;
    let mut parts: BTreeMap<AttemptId, Vec<Option<ReceiptStatus>>> = BTreeMap::new();
    for (attempt, receipt) in found {
        parts
            .entry(attempt)
            .or_default()
            .push(receipt.as_deref().and_then(ReceiptStatus::parse));
    }
    Ok(parts)
}

async fn held(tx: &mut Tx, changes: &[Change]) -> Result<BTreeMap<MessageId, Held>, StoreError> {
    const SQL: &str = "SELECT m.id, m.state, m.channels, m.channel_index, m.addresses, m.bodies, m.expires_at, m.reference,
          (SELECT COUNT(*) FROM attempt a WHERE a.message_id = m.id AND a.phase = 'prepared') AS open,
          (SELECT COUNT(*) FROM reply r WHERE r.message_id = m.id) AS answered
        FROM message m WHERE m.id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let ids: Vec<Id<'_>> = changes
        .iter()
        .map(|c| Id {
            id: c.message.as_str(),
        })
        .collect();
    let found: Vec<Held> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&ids)).fetch_all(conn).await)?;
    Ok(found.into_iter().map(|h| (h.id.clone(), h)).collect())
}

/// A message as it is to be.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a MessageId,
    was: &'a str,
    state: MessageState,
    reason: Option<&'a str>,
    stopped_resend: bool,
    channel_index: Option<usize>,
    channel: Option<Channel>,
    provider: Option<&'a str>,
    address_hash: Option<&'a str>,
    segments: Option<usize>,
    work: &'a str,
    due_at: i64,
}

impl<'a> Row<'a> {
    fn of(message: &'a Held, to: &'a Move<'_>, now: Timestamp) -> Self {
        let (work, due_at) = if to.switch.is_some() {
            ("send", now)
        } else {
            ("deadline", now.checked_add(RECEIPT_TIMEOUT).unwrap_or(now))
        };
        let switch = to.switch.as_ref();
        Self {
            id: &message.id,
            was: &message.state,
            state: to.to,
            reason: to.reason,
            stopped_resend: to.from == MessageState::Queued,
            channel_index: switch.map(|s| s.index),
            channel: switch.map(|s| s.channel),
            provider: switch.map(|s| s.provider.as_str()),
            address_hash: switch.map(|s| s.address_hash.as_str()),
            segments: switch.map(|s| s.segments),
            work,
            due_at: due_at.as_millisecond(),
        }
    }
}

async fn carry_out(
    tx: &mut Tx,
    held: &BTreeMap<MessageId, Held>,
    moves: &BTreeMap<&MessageId, Move<'_>>,
    now: Timestamp,
) -> Result<(), StoreError> {
    const MESSAGE: &str = "UPDATE message SET state = j.value ->> 'state', reason = j.value ->> 'reason',
          possible_dup = message.possible_dup AND NOT CAST(j.value ->> 'stopped_resend' AS BOOLEAN),
          channel_index = COALESCE(CAST(j.value ->> 'channel_index' AS BIGINT), message.channel_index),
          channel = COALESCE(j.value ->> 'channel', message.channel),
          address_hash = COALESCE(j.value ->> 'address_hash', message.address_hash),
          segments = COALESCE(CAST(j.value ->> 'segments' AS BIGINT), message.segments), updated_at = $2
        FROM json_each($1) AS j WHERE message.id = j.value ->> 'id' AND message.state = j.value ->> 'was' RETURNING message.id";
    const GONE: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    const WAIT: &str = "INSERT INTO dispatch (message_id, provider, lane, work, due_at, fence)
        SELECT m.id, COALESCE(j.value ->> 'provider', m.provider), m.lane, j.value ->> 'work', CAST(j.value ->> 'due_at' AS BIGINT),
          -- Above every fence it ever had, so that a stale worker touches nothing.
          (SELECT COALESCE(MAX(a.fence), 0) + 1 FROM attempt a WHERE a.message_id = m.id)
        FROM json_each($1) AS j CROSS JOIN message m WHERE m.id = j.value ->> 'id'
        ON CONFLICT (message_id) DO UPDATE SET provider = excluded.provider, work = excluded.work, due_at = excluded.due_at,
          lease_owner = NULL, lease_until = NULL, fence = dispatch.fence + 1";
    let mut set: Vec<Row<'_>> = moves
        .iter()
        .filter_map(|(id, to)| Some(Row::of(held.get(*id)?, to, now)))
        .collect();
    if set.is_empty() {
        return Ok(());
    }
    let done: Vec<String> = on!(&mut *tx, conn => sqlx::query_scalar(MESSAGE).bind(rows(&set)).bind(now.as_millisecond()).fetch_all(conn).await)?;
    let done: BTreeSet<String> = done.into_iter().collect();
    set.retain(|row| done.contains(row.id.as_str()));
    let waits = |row: &&Row<'_>| moves.get(row.id).is_some_and(|m| m.keep_waiting);
    let gone: Vec<Id<'_>> = set
        .iter()
        .filter(|row| !waits(row))
        .map(|row| Id {
            id: row.id.as_str(),
        })
        .collect();
    execute!(&mut *tx, sqlx::query(GONE).bind(rows(&gone)))?;
    let waiting: Vec<&Row<'_>> = set.iter().filter(waits).collect();
    if !waiting.is_empty() {
        execute!(&mut *tx, sqlx::query(WAIT).bind(rows(&waiting)))?;
    }
    let switched = set
        .iter()
        .filter_map(|row| Some((row.id, row.address_hash?)));
    questions::follow(tx, &switched.collect::<Vec<_>>()).await?;
    let news: Vec<_> = set
        .iter()
        .map(|row| {
            told(
                row.id,
                row.state.as_str(),
                row.reason,
                held.get(row.id).and_then(|h| h.reference.as_deref()),
            )
        })
        .collect();
    events::add(tx, &news, now).await
}
