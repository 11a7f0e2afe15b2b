//! What time and crashes leave behind: dead leases, deadlines that passed, messages that ran out.

use jiff::Timestamp;
use serde::Serialize;

use super::messages::told;
use super::{Id, StoreError, Tx, events, execute, on, rows};
use crate::model::class::Class;
use crate::model::id::MessageId;
use crate::model::message::MessageState;

/// How many rows one pass takes.
const PAGE: i64 = 500;

/// Whose leases are dead. Those of the process that asks never are: it lives, whatever its clock did meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Dead<'a> {
    /// Every lease that ran out but this process's own.
    ExpiredBut(&'a str),
    /// Every lease but this process's own: one file has one daemon.
    AllBut(&'a str),
}

/// What to do about a message nobody knows the fate of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertain {
    /// Send it once more, flagged.
    Resend,
    /// Leave it: better none than two.
    GiveUp,
    /// Leave it to a person.
    Hold,
}

/// Takes over work under dead leases: what was only claimed goes back to the queue (T17), what was journalled
/// becomes uncertain until `wait` of its class is over (T16). Says how many messages it touched.
///
/// # Errors
/// When the database fails.
pub async fn dead_leases(
    tx: &mut Tx,
    dead: Dead<'_>,
    wait: impl Fn(Class) -> i64,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const FIND: &str = "SELECT d.message_id, m.class, m.reference, (SELECT COUNT(*) FROM attempt a WHERE a.message_id = d.message_id AND a.phase = 'prepared')
        FROM dispatch d JOIN message m ON m.id = d.message_id
        WHERE d.lease_owner IS NOT NULL AND d.lease_until < $1 AND d.lease_owner <> $2 ORDER BY d.lease_until, d.message_id LIMIT $3";
    const FREE: &str = "UPDATE dispatch SET work = j.value ->> 'work', due_at = COALESCE(CAST(j.value ->> 'due_at' AS BIGINT), dispatch.due_at),
          lease_owner = NULL, lease_until = NULL, fence = dispatch.fence + 1
        FROM json_each($1) AS j WHERE dispatch.message_id = j.value ->> 'id'";
    const ATTEMPT: &str = "UPDATE attempt SET phase = 'unknown', error = 'process_lost', settled_at = $2
        WHERE phase = 'prepared' AND message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    // The state is cast so that no index goes by it: SQLite would walk all that are under way, and the set for each.
    const MESSAGE: &str = "UPDATE message SET state = j.value ->> 'state', updated_at = $2
        FROM json_each($1) AS j WHERE message.id = j.value ->> 'id' AND CAST(message.state AS TEXT) = 'sending'";
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a MessageId,
        work: &'a str,
        due_at: Option<i64>,
        state: MessageState,
    }
    let (until, but) = match dead {
        Dead::ExpiredBut(owner) => (now.as_millisecond(), owner),
        Dead::AllBut(owner) => (i64::MAX, owner),
    };
    let found: Vec<(MessageId, String, Option<String>, i64)> = on!(&mut *tx, conn => sqlx::query_as(FIND).bind(until).bind(but).bind(PAGE).fetch_all(conn).await)?;
    let set: Vec<Row<'_>> = found
        .iter()
        .map(|(id, class, _, open)| {
            if *open == 0 {
                return Row {
                    id,
                    work: "send",
                    due_at: None,
                    state: MessageState::Queued,
                };
            }
            let class = Class::parse(class).unwrap_or(Class::Clinical);
            Row {
                id,
                work: "deadline",
                due_at: Some(now.as_millisecond() + wait(class)),
                state: MessageState::Uncertain,
            }
        })
        .collect();
    if set.is_empty() {
        return Ok(0);
    }
    let json = rows(&set);
    execute!(&mut *tx, sqlx::query(FREE).bind(&json))?;
    execute!(
        &mut *tx,
        sqlx::query(ATTEMPT).bind(&json).bind(now.as_millisecond())
    )?;
    execute!(
        &mut *tx,
        sqlx::query(MESSAGE).bind(&json).bind(now.as_millisecond())
    )?;
    let news: Vec<_> = set
        .iter()
        .zip(&found)
        .map(|(row, f)| told(row.id, row.state.as_str(), None, f.2.as_deref()))
        .collect();
    events::add(tx, &news, now).await?;
    Ok(set.len())
}

/// Extends the leases of `owner`.
///
/// # Errors
/// When the database fails.
pub async fn extend(tx: &mut Tx, owner: &str, until: i64) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE dispatch SET lease_until = $2 WHERE lease_owner = $1";
    execute!(tx, sqlx::query(SQL).bind(owner).bind(until))
}

/// Ends the waiting whose deadline passed: no receipt (T27), no answer (T21, T22).
///
/// # Errors
/// When the database fails.
pub async fn deadlines(
    tx: &mut Tx,
    policy: impl Fn(Class) -> Uncertain,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const FIND: &str = "SELECT m.id, m.state, m.class, m.reference, m.uncertain_resends, m.no_resend, m.expires_at,
          (SELECT a.provider FROM attempt a WHERE a.message_id = m.id ORDER BY a.n DESC LIMIT 1) AS provider
        FROM dispatch d CROSS JOIN message m
        WHERE m.id = d.message_id AND d.work = 'deadline' AND d.lease_owner IS NULL AND d.due_at <= $1 LIMIT $2";
    let due: Vec<Due> = on!(&mut *tx, conn => sqlx::query_as(FIND).bind(now.as_millisecond()).bind(PAGE).fetch_all(conn).await)?;
    if due.is_empty() {
        return Ok(0);
    }
    let ends: Vec<End<'_>> = due.iter().map(|d| end(d, &policy, now)).collect();
    carry_out(tx, &ends, now).await?;
    let news: Vec<_> = ends
        .iter()
        .zip(&due)
        .map(|(e, d)| told(e.id, e.state, e.reason, d.reference.as_deref()))
        .collect();
    events::add(tx, &news, now).await?;
    Ok(ends.len())
}

#[derive(sqlx::FromRow)]
struct Due {
    id: MessageId,
    state: String,
    class: String,
    reference: Option<String>,
    uncertain_resends: i64,
    no_resend: bool,
    expires_at: i64,
    provider: Option<String>,
}

#[derive(Serialize)]
struct End<'a> {
    id: &'a MessageId,
    state: &'a str,
    reason: Option<&'a str>,
    work: &'a str,
    due_at: i64,
    provider: Option<&'a str>,
    resend: bool,
}

fn end<'a>(due: &'a Due, policy: &impl Fn(Class) -> Uncertain, now: Timestamp) -> End<'a> {
    let now = now.as_millisecond();
    let over = |reason| End {
        id: &due.id,
        state: "unconfirmed",
        reason: Some(reason),
        work: "done",
        due_at: now,
        provider: None,
        resend: false,
    };
    if due.state != MessageState::Uncertain.as_str() {
        return over("no_receipt");
    }
    if due.no_resend || due.expires_at <= now || due.uncertain_resends > 0 {
        return over("no_answer");
    }
    match policy(Class::parse(&due.class).unwrap_or(Class::Clinical)) {
        Uncertain::GiveUp => over("no_answer"),
        Uncertain::Hold => End {
            id: &due.id,
            state: "uncertain",
            reason: Some("held"),
            work: "deadline",
            due_at: due.expires_at,
            provider: None,
            resend: false,
        },
        // To the same provider: another one would make the copy certain if the first got through.
        Uncertain::Resend => End {
            id: &due.id,
            state: "queued",
            reason: None,
            work: "send",
            due_at: now,
            provider: due.provider.as_deref(),
            resend: true,
        },
    }
}

async fn carry_out(tx: &mut Tx, ends: &[End<'_>], now: Timestamp) -> Result<(), StoreError> {
    // Cast, as above: the set goes first.
    const MESSAGE: &str = "UPDATE message SET state = j.value ->> 'state', reason = j.value ->> 'reason',
          possible_dup = message.possible_dup OR CAST(j.value ->> 'resend' AS BOOLEAN),
          uncertain_resends = message.uncertain_resends + CASE WHEN CAST(j.value ->> 'resend' AS BOOLEAN) THEN 1 ELSE 0 END,
          updated_at = $2
        FROM json_each($1) AS j WHERE message.id = j.value ->> 'id' AND CAST(message.state AS TEXT) IN ('submitted', 'uncertain')";
    const MOVE: &str = "UPDATE dispatch SET work = j.value ->> 'work', due_at = CAST(j.value ->> 'due_at' AS BIGINT),
          provider = COALESCE(j.value ->> 'provider', dispatch.provider), fence = dispatch.fence + 1
        FROM json_each($1) AS j WHERE dispatch.message_id = j.value ->> 'id'";
    const DONE: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let json = rows(ends);
    execute!(
        &mut *tx,
        sqlx::query(MESSAGE).bind(&json).bind(now.as_millisecond())
    )?;
    execute!(&mut *tx, sqlx::query(MOVE).bind(&json))?;
    let done: Vec<Id<'_>> = ends
        .iter()
        .filter(|e| e.work == "done")
        .map(|e| Id { id: e.id.as_str() })
        .collect();
    execute!(tx, sqlx::query(DONE).bind(rows(&done)))?;
    Ok(())
}

/// Ends what waits to be sent past its use (T8).
///
/// # Errors
/// When the database fails.
pub async fn run_out(tx: &mut Tx, now: Timestamp) -> Result<usize, StoreError> {
    const FIND: &str = "SELECT m.id, m.reference, (SELECT COUNT(*) FROM attempt a WHERE a.message_id = m.id AND a.phase = 'unknown')
        FROM message m CROSS JOIN dispatch d
        WHERE m.state IN ('scheduled', 'queued', 'held') AND m.expires_at <= $1 AND d.message_id = m.id
          AND d.work IN ('send', 'held') AND d.lease_owner IS NULL LIMIT $2";
    const MESSAGE: &str =
        "UPDATE message SET state = j.value ->> 'state', reason = 'expired', updated_at = $2
        FROM json_each($1) AS j WHERE message.id = j.value ->> 'id'";
    const DONE: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a MessageId,
        state: &'a str,
    }
    let found: Vec<(MessageId, Option<String>, i64)> = on!(&mut *tx, conn => sqlx::query_as(FIND).bind(now.as_millisecond()).bind(PAGE).fetch_all(conn).await)?;
    if found.is_empty() {
        return Ok(0);
    }
    let state = |unknown: i64| {
        if unknown > 0 {
            "unconfirmed"
        } else {
            "expired"
        }
    };
    let set: Vec<Row<'_>> = found
        .iter()
        .map(|(id, _, unknown)| Row {
            id,
            state: state(*unknown),
        })
        .collect();
    let json = rows(&set);
    execute!(
        &mut *tx,
        sqlx::query(MESSAGE).bind(&json).bind(now.as_millisecond())
    )?;
    execute!(&mut *tx, sqlx::query(DONE).bind(&json))?;
    let news: Vec<_> = found
        .iter()
        .map(|(id, reference, unknown)| {
            told(id, state(*unknown), Some("expired"), reference.as_deref())
        })
        .collect();
    events::add(tx, &news, now).await?;
    Ok(set.len())
}
