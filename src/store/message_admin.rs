//! What a person or another system may do to a message that is stored: call it off, settle it, send it again.
//!
//! The dispatch row is locked before anything is read: a worker that journals an attempt at this very
//! moment comes wholly before or wholly after.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::messages::{self, Desk, NewMessage, Offered, told};
use super::{StoreError, Tx, audits, events, execute, on};
use crate::model::id::MessageId;
use crate::model::message::{MessageEvent, MessageState};

/// How long a receipt is waited for (ARCHITECTURE.md, "The life of a message": 72 h, then `unconfirmed`).
const RECEIPT_TIMEOUT: SignedDuration = SignedDuration::from_hours(72);

/// What became of the wish to call a message off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// It will not go out.
    Done {
        /// `cancelled`, or `unconfirmed` where an earlier try may have gone out.
        state: MessageState,
    },
    /// It went out or may have; one whose fate is unknown will not be sent again.
    TooLate {
        /// Where it stands.
        state: MessageState,
    },
    /// There is no such message.
    NotFound,
}

/// What a person knows about a message that is uncertain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The network has it.
    Sent,
    /// The network never had it.
    NotSent,
}

impl Settled {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NotSent => "not_sent",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Sent, Self::NotSent]
            .into_iter()
            .find(|settled| settled.as_str() == word)
    }
}

/// What became of the wish to settle a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// It is settled.
    Done {
        /// Where it stands now.
        state: MessageState,
    },
    /// Nothing was uncertain about it.
    NotUncertain {
        /// Where it stands.
        state: MessageState,
    },
    /// There is no such message.
    NotFound,
}

struct Standing {
    state: MessageState,
    reference: Option<String>,
    no_resend: bool,
    has_open: bool,
    has_unknown: bool,
}

/// Calls a message off (T5, T33) for `actor`.
///
/// Calling off what is called off already is done as well.
/// # Errors
/// When the database fails.
pub async fn cancel(
    tx: &mut Tx,
    id: &MessageId,
    actor: &str,
    now: Timestamp,
) -> Result<Cancel, StoreError> {
    const NO_RESEND: &str =
        "UPDATE message SET no_resend = TRUE, updated_at = $2 WHERE id = $1 AND no_resend = FALSE";
    use MessageState as S;
    let Some(found) = lock(tx, id).await? else {
        return Ok(Cancel::NotFound);
    };
    let state = found.state;
    match state {
        S::Cancelled => return Ok(Cancel::Done { state }),
        S::Uncertain | S::Sending if found.has_open || state == S::Uncertain => {
            execute!(
                &mut *tx,
                sqlx::query(NO_RESEND).bind(id).bind(now.as_millisecond())
            )?;
            note(
                tx,
                id,
                actor,
                "message.cancel",
                json!({"too_late": state}),
                now,
            )
            .await?;
            return Ok(Cancel::TooLate { state });
        }
        S::Scheduled | S::Held | S::Queued | S::Sending => {}
        S::Uncertain
        | S::Submitted
        | S::Sent
        | S::Delivered
        | S::Undelivered
        | S::Failed
        | S::Expired
        | S::Suppressed
        | S::Unconfirmed => {
            return Ok(Cancel::TooLate { state });
        }
    }
    // An earlier try may have gone out: `cancelled` would claim that nothing did.
    let event = if found.has_unknown {
        MessageEvent::Silenced
    } else {
        MessageEvent::Withdrawn
    };
    let Some(next) = state.after(event) else {
        return Ok(Cancel::TooLate { state });
    };
    if !change(tx, id, state, next, Some("cancelled"), now).await? {
        return Ok(Cancel::TooLate { state });
    }
    drop_dispatch(tx, id).await?;
    let event = told(
        id,
        next.as_str(),
        Some("cancelled"),
        found.reference.as_deref(),
    );
    events::add(tx, &[event], now).await?;
    note(
        tx,
        id,
        actor,
        "message.cancel",
        json!({"from": state, "to": next}),
        now,
    )
    .await?;
    Ok(Cancel::Done { state: next })
}

/// Settles a message whose fate is unknown (T23) with what `actor` knows.
///
/// One that was called off meanwhile and never left is cancelled, not sent.
/// # Errors
/// When the database fails.
pub async fn resolve(
    tx: &mut Tx,
    id: &MessageId,
    settled: Settled,
    actor: &str,
    now: Timestamp,
) -> Result<Resolve, StoreError> {
    let Some(found) = lock(tx, id).await? else {
        return Ok(Resolve::NotFound);
    };
    let state = found.state;
    let event = match settled {
        Settled::Sent => MessageEvent::Accepted,
        Settled::NotSent => MessageEvent::Requeued,
    };
    let next = state
        .after(event)
        .filter(|_| state == MessageState::Uncertain);
    let Some(mut next) = next else {
        return Ok(Resolve::NotUncertain { state });
    };
    let is_withdrawn = settled == Settled::NotSent && found.no_resend;
    if is_withdrawn {
        next = next.after(MessageEvent::Withdrawn).unwrap_or(next);
    }
    let reason = is_withdrawn.then_some("cancelled");
    if !change(tx, id, state, next, reason, now).await? {
        return Ok(Resolve::NotUncertain { state });
    }
    settle_attempts(tx, id, settled, now).await?;
    if is_withdrawn {
        drop_dispatch(tx, id).await?;
    } else {
        give_work(tx, id, settled, now).await?;
    }
    let event = told(id, next.as_str(), reason, found.reference.as_deref());
    events::add(tx, &[event], now).await?;
    let detail = json!({"as": settled.as_str(), "to": next});
    note(tx, id, actor, "message.resolve", detail, now).await?;
    Ok(Resolve::Done { state: next })
}

/// What was unknown is known now: the last try left, or none of them did.
async fn settle_attempts(
    tx: &mut Tx,
    id: &MessageId,
    settled: Settled,
    now: Timestamp,
) -> Result<(), StoreError> {
    const LEFT: &str = "UPDATE attempt SET phase = 'resolved_sent', settled_at = $2 WHERE message_id = $1 AND phase = 'unknown'
        AND n = (SELECT MAX(a.n) FROM attempt AS a WHERE a.message_id = $1 AND a.phase = 'unknown')";
    const STAYED: &str = "UPDATE attempt SET phase = 'resolved_not_sent', settled_at = $2 WHERE message_id = $1 AND phase = 'unknown'";
    let sql = match settled {
        Settled::Sent => LEFT,
        Settled::NotSent => STAYED,
    };
    execute!(tx, sqlx::query(sql).bind(id).bind(now.as_millisecond())).map(|_| ())
}

/// A receipt is waited for, or the message goes again at once.
async fn give_work(
    tx: &mut Tx,
    id: &MessageId,
    settled: Settled,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO dispatch (message_id, provider, lane, work, due_at, fence)
        SELECT m.id, COALESCE(m.provider, ''), m.lane, $2, $3, 0 FROM message AS m WHERE m.id = $1
        ON CONFLICT (message_id) DO UPDATE SET work = $2, due_at = $3, lease_owner = NULL, lease_until = NULL, fence = dispatch.fence + 1";
    let (work, due_at) = match settled {
        Settled::Sent => (
            "deadline",
            now.saturating_add(RECEIPT_TIMEOUT).unwrap_or(now),
        ),
        Settled::NotSent => ("send", now),
    };
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(work)
            .bind(due_at.as_millisecond())
    )
    .map(|_| ())
}

/// Stores `copy`, a message made of the finished one called `original`, and writes that down for both.
///
/// # Errors
/// When the database fails.
pub async fn resend(
    tx: &mut Tx,
    original: &MessageId,
    copy: NewMessage,
    desk: &Desk,
    actor: &str,
    now: Timestamp,
) -> Result<Offered, StoreError> {
    const FLAG: &str = "UPDATE message SET possible_dup = TRUE WHERE id = $1";
    let id = copy.id.clone();
    let offered = messages::insert(tx, &[copy], desk, now)
        .await?
        .into_iter()
        .next();
    execute!(&mut *tx, sqlx::query(FLAG).bind(&id))?;
    note(
        tx,
        original,
        actor,
        "message.resend",
        json!({"as": id}),
        now,
    )
    .await?;
    note(
        tx,
        &id,
        actor,
        "message.resend",
        json!({"of": original}),
        now,
    )
    .await?;
    offered.ok_or(StoreError::BadRow {
        table: "message",
        what: "no answer to an insert",
    })
}

async fn lock(tx: &mut Tx, id: &MessageId) -> Result<Option<Standing>, StoreError> {
    const LOCK: &str = "UPDATE dispatch SET fence = fence WHERE message_id = $1";
    const READ: &str = "SELECT m.state, m.reference, m.no_resend,
          EXISTS (SELECT 1 FROM attempt AS a WHERE a.message_id = m.id AND a.phase = 'prepared'),
          EXISTS (SELECT 1 FROM attempt AS a WHERE a.message_id = m.id AND a.phase = 'unknown')
        FROM message AS m WHERE m.id = $1";
    execute!(&mut *tx, sqlx::query(LOCK).bind(id))?;
    let row: Option<(String, Option<String>, bool, bool, bool)> =
        on!(&mut *tx, conn => sqlx::query_as(READ).bind(id).fetch_optional(conn).await)?;
    let Some((state, reference, no_resend, has_open, has_unknown)) = row else {
        return Ok(None);
    };
    let state = MessageState::parse(&state).ok_or(StoreError::BadRow {
        table: "message",
        what: "state",
    })?;
    Ok(Some(Standing {
        state,
        reference,
        no_resend,
        has_open,
        has_unknown,
    }))
}

/// Whether the message was still in `from`.
async fn change(
    tx: &mut Tx,
    id: &MessageId,
    from: MessageState,
    to: MessageState,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE message SET state = $3, reason = $4, updated_at = $5 WHERE id = $1 AND state = $2";
    let changed = execute!(
        tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(from.as_str())
            .bind(to.as_str())
            .bind(reason)
            .bind(now.as_millisecond())
    )?;
    Ok(changed == 1)
}

async fn drop_dispatch(tx: &mut Tx, id: &MessageId) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM dispatch WHERE message_id = $1";
    execute!(tx, sqlx::query(SQL).bind(id)).map(|_| ())
}

async fn note(
    tx: &mut Tx,
    id: &MessageId,
    actor: &str,
    action: &str,
    detail: serde_json::Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    audits::add(
        tx,
        &audits::NewAudit {
            actor,
            action,
            target: id.as_str(),
            detail,
        },
        now,
    )
    .await
}

#[cfg(test)]
mod tests;
