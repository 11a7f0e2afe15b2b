//! The hot queue: claiming what is due and journalling the attempt, in one transaction.
//!
//! Policy is checked again here (T8, T10): what ran out or may no longer be sent ends instead of leaving.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::messages::{Body, told};
use super::{Id, StoreError, Tx, events, execute, on, rows};
use crate::model::class::{Channel, Class, Lane};
use crate::model::id::{AttemptId, MessageId};
use crate::model::message::{MessageEvent, MessageState};
use crate::model::private::Private;

/// What a provider's pipeline asks for when it has room.
#[derive(Clone, Debug)]
pub struct PrepareOrder {
    /// Whose queue.
    pub provider: String,
    /// How many it can take.
    pub limit: usize,
    /// Who takes the lease.
    pub owner: String,
    /// How long the lease holds unless extended, in ms.
    pub lease_ms: i64,
}

/// One message, claimed and with its attempt journalled: ready for the wire.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The message.
    pub message: MessageId,
    /// Its attempt, in phase `prepared`.
    pub attempt: AttemptId,
    /// Guards the settle: a stale worker's touches nothing.
    pub fence: i64,
    /// The provider it goes to.
    pub provider: String,
    /// Its class.
    pub class: Class,
    /// Channels in order.
    pub channels: Vec<Channel>,
    /// The one it is on.
    pub channel_index: usize,
    /// Number or address on each channel.
    pub addresses: BTreeMap<String, Private<String>>,
    /// The text for the channel it is on.
    pub text: Private<String>,
    /// Segments on each channel.
    pub segments: BTreeMap<String, usize>,
    /// Source address, if not the provider's own.
    pub sender: Option<String>,
    /// How often it was refused for now.
    pub attempts: i64,
    /// Whether an earlier attempt is still unknown.
    pub unknown_before: bool,
    /// Parts that an earlier unknown attempt got an answer for.
    pub parts_done: Vec<u8>,
    /// `user_message_reference`.
    pub umr: u16,
    /// Concatenation reference.
    pub concat_ref: u16,
    /// When it was to leave.
    pub send_at: Timestamp,
    /// Not after.
    pub expires_at: Timestamp,
    /// The caller's own reference.
    pub reference: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Claimed {
    id: MessageId,
    state: String,
    class: String,
    role: String,
    channels: String,
    channel_index: i64,
    channel: String,
    addresses: String,
    bodies: String,
    sender: Option<String>,
    reference: Option<String>,
    attempts: i64,
    possible_dup: bool,
    concat_ref: i64,
    send_at: i64,
    expires_at: i64,
    address_hash: String,
    deceased: Option<bool>,
    stop_reason: Option<String>,
    last_n: i64,
    unknowns: i64,
}

/// Claims up to `order.limit` due messages, urgent lane first, and journals an attempt for each.
///
/// `next_umr` gives the reference of each attempt.
/// # Errors
/// When the database fails.
pub async fn prepare(
    tx: &mut Tx,
    order: &PrepareOrder,
    next_umr: &mut u16,
    now: Timestamp,
) -> Result<Vec<Prepared>, StoreError> {
    let mut fences: BTreeMap<String, i64> = BTreeMap::new();
    for lane in Lane::ALL {
        if fences.len() < order.limit {
            fences.extend(claim(tx, order, *lane, order.limit - fences.len(), now).await?);
        }
    }
    if fences.is_empty() {
        return Ok(Vec::new());
    }
    let claimed = load(tx, &fences).await?;
    let done = parts_done(tx, &claimed).await?;
    let (mut ready, mut ended) = (Vec::new(), Vec::new());
    for row in claimed {
        match verdict(&row, now) {
            Some((event, reason)) => ended.push((row, event, reason)),
            None => {
                *next_umr = next_umr.wrapping_add(1);
                let fence = fences.get(row.id.as_str()).copied().unwrap_or_default();
                let parts = done.iter().filter(|d| d.0 == row.id).map(|d| d.1).collect();
                ready.push((
                    row.last_n + 1,
                    row.address_hash.clone(),
                    read(row, order, fence, *next_umr, parts)?,
                ));
            }
        }
    }
    end(tx, &ended, now).await?;
    journal(tx, &ready, order, now).await?;
    Ok(ready.into_iter().map(|(_, _, prepared)| prepared).collect())
}

async fn claim(
    tx: &mut Tx,
    order: &PrepareOrder,
    lane: Lane,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<(String, i64)>, StoreError> {
    // The two databases side by side: SQLite has one writer and needs no row locks; on PostgreSQL the
    // CTE is a fence, or the planner might run the LIMIT more than once (oban #4).
    const SQLITE: &str = "UPDATE dispatch SET lease_owner = $1, lease_until = $2, fence = fence + 1
        WHERE message_id IN (SELECT message_id FROM dispatch
          WHERE provider = $3 AND lane = $4 AND work = 'send' AND lease_owner IS NULL AND due_at <= $5
          ORDER BY due_at, message_id LIMIT $6)
        RETURNING message_id, fence";
    const POSTGRES: &str = "WITH c AS MATERIALIZED (SELECT message_id FROM dispatch
          WHERE provider = $3 AND lane = $4 AND work = 'send' AND lease_owner IS NULL AND due_at <= $5
          ORDER BY due_at, message_id LIMIT $6 FOR UPDATE SKIP LOCKED)
        UPDATE dispatch d SET lease_owner = $1, lease_until = $2, fence = d.fence + 1
        FROM c WHERE d.message_id = c.message_id RETURNING d.message_id, d.fence";
    let sql = match tx {
        Tx::Sqlite(_) => SQLITE,
        Tx::Postgres(_) => POSTGRES,
    };
    let now = now.as_millisecond();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    on!(tx, conn => sqlx::query_as(sql).bind(&order.owner).bind(now + order.lease_ms).bind(&order.provider)
        .bind(lane.as_str()).bind(now).bind(limit).fetch_all(conn).await)
}

async fn load(tx: &mut Tx, fences: &BTreeMap<String, i64>) -> Result<Vec<Claimed>, StoreError> {
    const SQL: &str = "SELECT m.id, m.state, m.class, m.role, m.channels, m.channel_index, m.channel, m.addresses, m.bodies, m.sender,
          m.reference, m.attempts, m.possible_dup, m.concat_ref, m.send_at, m.expires_at, m.address_hash, p.deceased,
          (SELECT MIN(s.reason) FROM suppression s WHERE s.address_hash = m.address_hash AND s.lifted_at IS NULL
             AND (s.patient_id = '' OR s.patient_id = m.patient_id) AND s.scope IN ('all', m.channel, m.class)) AS stop_reason,
          (SELECT COALESCE(MAX(a.n), 0) FROM attempt a WHERE a.message_id = m.id) AS last_n,
          (SELECT COUNT(*) FROM attempt a WHERE a.message_id = m.id AND a.phase = 'unknown') AS unknowns
        FROM json_each($1) AS j CROSS JOIN message m LEFT JOIN patient p ON p.id = m.patient_id
        WHERE m.id = j.value ->> 'id' ORDER BY m.send_at, m.id";
    let ids: Vec<Id<'_>> = fences.keys().map(|id| Id { id }).collect();
    on!(tx, conn => sqlx::query_as(SQL).bind(rows(&ids)).fetch_all(conn).await)
}

/// Parts of unknown attempts that the provider did take: a resend leaves them out.
async fn parts_done(tx: &mut Tx, claimed: &[Claimed]) -> Result<Vec<(MessageId, u8)>, StoreError> {
    const SQL: &str = "SELECT a.message_id, ap.part FROM json_each($1) AS j CROSS JOIN attempt a CROSS JOIN attempt_part ap
        WHERE a.message_id = j.value ->> 'id' AND ap.attempt_id = a.id AND a.phase IN ('unknown', 'rejected')";
    let again: Vec<Id<'_>> = claimed
        .iter()
        .filter(|c| c.possible_dup || c.last_n > 0)
        .map(|c| Id { id: c.id.as_str() })
        .collect();
    if again.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<(MessageId, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&again)).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .filter_map(|(id, part)| Some((id, u8::try_from(part).ok()?)))
        .collect())
}

/// What ends a claimed message instead of sending it.
fn verdict(row: &Claimed, now: Timestamp) -> Option<(MessageEvent, String)> {
    let forbidden = if row.class == Class::Reply.as_str() {
        None
    } else if row.deceased == Some(true) && row.role != "staff" {
        Some("deceased".to_owned())
    } else {
        row.stop_reason.as_ref().map(|reason| {
            if reason == "stop" {
                "opted_out".to_owned()
            } else {
                reason.clone()
            }
        })
    };
    // A message that may have left already never claims that nothing went out.
    let unless_unknown = |event| {
        if row.unknowns > 0 {
            MessageEvent::Silenced
        } else {
            event
        }
    };
    if let Some(reason) = forbidden {
        return Some((unless_unknown(MessageEvent::Forbidden), reason));
    }
    (row.expires_at <= now.as_millisecond())
        .then(|| (unless_unknown(MessageEvent::RanOut), "expired".to_owned()))
}

fn read(
    row: Claimed,
    order: &PrepareOrder,
    fence: i64,
    umr: u16,
    parts_done: Vec<u8>,
) -> Result<Prepared, StoreError> {
    let bad = |what| StoreError::BadRow {
        table: "message",
        what,
    };
    let channels: Vec<Channel> =
        serde_json::from_str(&row.channels).map_err(|_| bad("unreadable channels"))?;
    let addresses: BTreeMap<String, String> =
        serde_json::from_str(&row.addresses).map_err(|_| bad("unreadable addresses"))?;
    let mut bodies: BTreeMap<String, Body> =
        serde_json::from_str(&row.bodies).map_err(|_| bad("unreadable bodies"))?;
    let segments = bodies
        .iter()
        .map(|(channel, body)| (channel.clone(), body.segments))
        .collect();
    let body = bodies
        .remove(&row.channel)
        .ok_or_else(|| bad("no text for its channel"))?;
    Ok(Prepared {
        message: row.id,
        attempt: AttemptId::generate(),
        fence,
        provider: order.provider.clone(),
        class: Class::parse(&row.class).ok_or_else(|| bad("an unknown class"))?,
        channels,
        channel_index: usize::try_from(row.channel_index).unwrap_or(0),
        addresses: addresses
            .into_iter()
            .map(|(channel, address)| (channel, Private::new(address)))
            .collect(),
        text: Private::new(body.text),
        segments,
        sender: row.sender,
        attempts: row.attempts,
        unknown_before: row.unknowns > 0,
        parts_done,
        umr,
        concat_ref: u16::try_from(row.concat_ref & 0xffff).unwrap_or(1),
        send_at: Timestamp::from_millisecond(row.send_at)
            .map_err(|_| bad("an instant out of range"))?,
        expires_at: Timestamp::from_millisecond(row.expires_at)
            .map_err(|_| bad("an instant out of range"))?,
        reference: row.reference,
    })
}

async fn end(
    tx: &mut Tx,
    ended: &[(Claimed, MessageEvent, String)],
    now: Timestamp,
) -> Result<(), StoreError> {
    const MESSAGE: &str = "UPDATE message SET state = j.value ->> 'state', reason = j.value ->> 'reason', updated_at = $2
        FROM json_each($1) AS j WHERE message.id = j.value ->> 'id'";
    const DISPATCH: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a MessageId,
        state: MessageState,
        reason: &'a str,
    }
    if ended.is_empty() {
        return Ok(());
    }
    let mut set = Vec::new();
    let mut news = Vec::new();
    for (row, event, reason) in ended {
        let from = MessageState::parse(&row.state).unwrap_or(MessageState::Queued);
        // A row that stands in the queue in a state that cannot end so is only taken out of it.
        let Some(state) = from.after(*event) else {
            continue;
        };
        set.push(Row {
            id: &row.id,
            state,
            reason,
        });
        news.push(told(
            &row.id,
            state.as_str(),
            Some(reason),
            row.reference.as_deref(),
        ));
    }
    let ids: Vec<Id<'_>> = ended
        .iter()
        .map(|(row, _, _)| Id {
            id: row.id.as_str(),
        })
        .collect();
    execute!(
        &mut *tx,
        sqlx::query(MESSAGE)
            .bind(rows(&set))
            .bind(now.as_millisecond())
    )?;
    execute!(&mut *tx, sqlx::query(DISPATCH).bind(rows(&ids)))?;
    events::add(tx, &news, now).await
}

async fn journal(
    tx: &mut Tx,
    ready: &[(i64, String, Prepared)],
    order: &PrepareOrder,
    now: Timestamp,
) -> Result<(), StoreError> {
    const MESSAGE: &str = "UPDATE message SET state = 'sending', provider = $2, updated_at = $3
        WHERE id IN (SELECT j.value ->> 'message' FROM json_each($1) AS j)";
    const ATTEMPT: &str = "INSERT INTO attempt (id, message_id, n, fence, channel, provider, owner, umr, concat_ref, address_hash, phase, created_at)
        SELECT j.value ->> 'id', j.value ->> 'message', CAST(j.value ->> 'n' AS BIGINT), CAST(j.value ->> 'fence' AS BIGINT),
          j.value ->> 'channel', $2, $4, CAST(j.value ->> 'umr' AS BIGINT), CAST(j.value ->> 'concat_ref' AS BIGINT),
          j.value ->> 'address_hash', 'prepared', $3 FROM json_each($1) AS j";
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a AttemptId,
        message: &'a MessageId,
        n: i64,
        fence: i64,
        channel: Option<Channel>,
        umr: u16,
        concat_ref: u16,
        address_hash: &'a str,
    }
    let set: Vec<Row<'_>> = ready
        .iter()
        .map(|(n, address_hash, p)| Row {
            id: &p.attempt,
            message: &p.message,
            n: *n,
            fence: p.fence,
            channel: p.channels.get(p.channel_index).copied(),
            umr: p.umr,
            concat_ref: p.concat_ref,
            address_hash,
        })
        .collect();
    if set.is_empty() {
        return Ok(());
    }
    let json = rows(&set);
    execute!(
        &mut *tx,
        sqlx::query(MESSAGE)
            .bind(&json)
            .bind(&order.provider)
            .bind(now.as_millisecond())
    )?;
    execute!(
        tx,
        sqlx::query(ATTEMPT)
            .bind(&json)
            .bind(&order.provider)
            .bind(now.as_millisecond())
            .bind(&order.owner)
    )?;
    Ok(())
}
