//! What came of an attempt: the journal's second half, fenced so that a stale worker changes nothing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::messages::{Desk, told};
use super::receipts::{self, Early};
use super::{Id, StoreError, Tx, events, execute, on, questions, rows};
use crate::model::class::Channel;
use crate::model::id::{AttemptId, MessageId};
use crate::model::message::{AttemptPhase, MessageState};
use crate::model::provider_id;

/// The outcome of one attempt and what it means for its message, decided by `delivery`.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its message.
    pub message: MessageId,
    /// The fence it was claimed under.
    pub fence: i64,
    /// Who carried it.
    pub provider: String,
    /// Where the attempt stands now.
    pub phase: AttemptPhase,
    /// The provider's code, if it refused.
    pub error: Option<String>,
    /// Parts the provider took: number and its id.
    pub parts: Vec<(u8, String)>,
    /// Where the message stands now.
    pub state: MessageState,
    /// Why, where that needs saying.
    pub reason: Option<String>,
    /// What the message waits for.
    pub next: Next,
    /// Whether this counts as a refusal.
    pub counts: bool,
    /// The next channel of the list, if it goes there.
    pub switch: Option<Switch>,
    /// Another provider on the same channel, if the next try goes there.
    pub reroute: Option<String>,
    /// The caller's own reference, for the event.
    pub reference: Option<String>,
}

/// What a message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// To be sent (again) at this moment.
    Send(Timestamp),
    /// A receipt, an answer or a person, until this moment.
    Deadline(Timestamp),
}

/// A message's move to the next channel of its list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its place in the list.
    pub index: usize,
    /// The channel.
    pub channel: Channel,
    /// Who carries it there.
    pub provider: String,
    /// Hash of the address there.
    pub address_hash: String,
    /// Segments there.
    pub segments: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    attempt: &'a AttemptId,
    id: &'a MessageId,
    fence: i64,
    phase: AttemptPhase,
    error: Option<&'a str>,
    state: MessageState,
    reason: Option<&'a str>,
    work: &'a str,
    due_at: i64,
    count: i64,
    channel_index: Option<usize>,
    channel: Option<Channel>,
    provider: Option<&'a str>,
    address_hash: Option<&'a str>,
    segments: Option<usize>,
}

/// Settles `all`: attempts, messages, dispatch rows, parts and events, and applies receipts that came early.
///
/// # Errors
/// When the database fails.
pub async fn settle(
    tx: &mut Tx,
    all: &[Settlement],
    desk: &Desk,
    now: Timestamp,
) -> Result<(), StoreError> {
    if all.is_empty() {
        return Ok(());
    }
    let fresh = close_attempts(tx, all, now).await?;
    insert_parts(tx, all).await?;
    let valid = move_dispatch(tx, all, &fresh).await?;
    let moved: Vec<&Settlement> = all
        .iter()
        .filter(|s| valid.contains(s.message.as_str()))
        .collect();
    move_messages(tx, &moved, now).await?;
    let news: Vec<_> = moved
        .iter()
        .map(|s| {
            told(
                &s.message,
                s.state.as_str(),
                s.reason.as_deref(),
                s.reference.as_deref(),
            )
        })
        .collect();
    events::add(tx, &news, now).await?;
    let early: Vec<Early<'_>> = all
        .iter()
        .flat_map(|s| {
            s.parts.iter().map(|(_, id)| Early {
                provider: &s.provider,
                provider_id: id,
            })
        })
        .collect();
    receipts::apply_early(tx, &early, desk, now).await
}

fn row(s: &Settlement) -> Row<'_> {
    let (work, due_at) = match s.next {
        Next::Nothing => ("done", 0),
        Next::Send(at) => ("send", at.as_millisecond()),
        Next::Deadline(at) => ("deadline", at.as_millisecond()),
    };
    Row {
        attempt: &s.attempt,
        id: &s.message,
        fence: s.fence,
        phase: s.phase,
        error: s.error.as_deref(),
        state: s.state,
        reason: s.reason.as_deref(),
        work,
        due_at,
        count: i64::from(s.counts),
        channel_index: s.switch.as_ref().map(|w| w.index),
        channel: s.switch.as_ref().map(|w| w.channel),
        provider: s
            .switch
            .as_ref()
            .map(|w| &w.provider)
            .or(s.reroute.as_ref())
            .map(String::as_str),
        address_hash: s.switch.as_ref().map(|w| w.address_hash.as_str()),
        segments: s.switch.as_ref().map(|w| w.segments),
    }
}

/// Closes the attempts that are still open; one that a late answer closed already keeps that answer.
async fn close_attempts(
    tx: &mut Tx,
    all: &[Settlement],
    now: Timestamp,
) -> Result<BTreeSet<String>, StoreError> {
    const SQL: &str = "UPDATE attempt SET phase = j.value ->> 'phase', error = j.value ->> 'error', settled_at = $2
        FROM json_each($1) AS j WHERE attempt.id = j.value ->> 'attempt' AND attempt.phase = 'prepared' RETURNING attempt.message_id";
    let set: Vec<Row<'_>> = all.iter().map(row).collect();
    let ids: Vec<(String,)> = on!(tx, conn => sqlx::query_as(SQL).bind(rows(&set)).bind(now.as_millisecond()).fetch_all(conn).await)?;
    Ok(ids.into_iter().map(|id| id.0).collect())
}

/// Writes down the provider's ids, so that receipts find their attempt.
pub(crate) async fn insert_parts(tx: &mut Tx, all: &[Settlement]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO attempt_part (attempt_id, part, provider, provider_id)
        SELECT j.value ->> 'attempt', CAST(j.value ->> 'part' AS BIGINT), j.value ->> 'provider', j.value ->> 'provider_id'
        FROM json_each($1) AS j WHERE TRUE ON CONFLICT (attempt_id, part) DO NOTHING";
    #[derive(Serialize)]
    struct Part<'a> {
        attempt: &'a AttemptId,
        part: u8,
        provider: &'a str,
        provider_id: String,
    }
    let parts: Vec<Part<'_>> = all
        .iter()
        .flat_map(|s| {
            s.parts.iter().map(|(part, id)| Part {
                attempt: &s.attempt,
                part: *part,
                provider: &s.provider,
                provider_id: provider_id::canonical(id),
            })
        })
        .collect();
    if !parts.is_empty() {
        execute!(tx, sqlx::query(SQL).bind(rows(&parts)))?;
    }
    Ok(())
}

async fn move_dispatch(
    tx: &mut Tx,
    all: &[Settlement],
    fresh: &BTreeSet<String>,
) -> Result<BTreeSet<String>, StoreError> {
    const MOVE: &str = "UPDATE dispatch SET work = j.value ->> 'work', due_at = CAST(j.value ->> 'due_at' AS BIGINT),
          provider = COALESCE(j.value ->> 'provider', dispatch.provider), lease_owner = NULL, lease_until = NULL
        FROM json_each($1) AS j
        WHERE dispatch.message_id = j.value ->> 'id' AND dispatch.fence = CAST(j.value ->> 'fence' AS BIGINT)
        RETURNING dispatch.message_id";
    const DONE: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let set: Vec<Row<'_>> = all
        .iter()
        .filter(|s| fresh.contains(s.message.as_str()))
        .map(row)
        .collect();
    let valid: Vec<(String,)> =
        on!(&mut *tx, conn => sqlx::query_as(MOVE).bind(rows(&set)).fetch_all(conn).await)?;
    let valid: BTreeSet<String> = valid.into_iter().map(|id| id.0).collect();
    let done: Vec<Id<'_>> = set
        .iter()
        .filter(|r| r.work == "done" && valid.contains(r.id.as_str()))
        .map(|r| Id { id: r.id.as_str() })
        .collect();
    if !done.is_empty() {
        execute!(tx, sqlx::query(DONE).bind(rows(&done)))?;
    }
    Ok(valid)
}

async fn move_messages(
    tx: &mut Tx,
    moved: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    // The state is cast so that no index goes by it: SQLite would walk all that are under way, and the set for each.
    const SQL: &str = "UPDATE message SET state = j.value ->> 'state', reason = j.value ->> 'reason',
          attempts = message.attempts + CAST(j.value ->> 'count' AS BIGINT),
          channel_index = COALESCE(CAST(j.value ->> 'channel_index' AS BIGINT), message.channel_index),
          channel = COALESCE(j.value ->> 'channel', message.channel),
          address_hash = COALESCE(j.value ->> 'address_hash', message.address_hash),
          segments = COALESCE(CAST(j.value ->> 'segments' AS BIGINT), message.segments), updated_at = $2
        FROM json_each($1) AS j WHERE message.id = j.value ->> 'id' AND CAST(message.state AS TEXT) = 'sending'";
    let set: Vec<Row<'_>> = moved.iter().map(|s| row(s)).collect();
    if !set.is_empty() {
        execute!(
            &mut *tx,
            sqlx::query(SQL).bind(rows(&set)).bind(now.as_millisecond())
        )?;
    }
    let switched = set
        .iter()
        .filter_map(|row| Some((row.id, row.address_hash?)));
    questions::follow(tx, &switched.collect::<Vec<_>>()).await
}
