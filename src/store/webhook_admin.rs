//! What people ask of a webhook beside its turn: a test, an event again, or all events since a moment again.

use jiff::Timestamp;
use serde_json::json;

use super::audits::{self, NewAudit};
use super::webhooks::last_event;
use super::{StoreError, Tx, execute, on};
use crate::model::id::{AsideId, EventId, WebhookDeliveryId, WebhookId};
use crate::model::webhook::AsideKind;

/// The most events beside its turn that people may have waiting for one webhook.
pub const MOST_ASKED: i64 = 100;

/// Has a webhook told of `event` beside its turn; false when too many wait already.
///
/// # Errors
/// When the database fails.
pub async fn ask(
    tx: &mut Tx,
    id: &WebhookId,
    event: &EventId,
    kind: AsideKind,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "INSERT INTO webhook_aside (id, webhook_id, event_id, kind, tries, due_at, first_at)
        SELECT $1, $2, $3, $4, 0, $5, $5 WHERE (SELECT COUNT(*) FROM webhook_aside WHERE webhook_id = $2 AND kind <> 'retry') < $6";
    let asked = execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(AsideId::generate())
            .bind(id)
            .bind(event)
            .bind(kind.as_str())
            .bind(now.as_millisecond())
            .bind(MOST_ASKED)
    )? > 0;
    if asked {
        audit(
            tx,
            actor,
            "webhook.ask",
            id,
            json!({"event": event, "kind": kind}),
            now,
        )
        .await?;
    }
    Ok(asked)
}

async fn audit(
    tx: &mut Tx,
    actor: &str,
    action: &str,
    id: &WebhookId,
    detail: serde_json::Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    let act = NewAudit {
        actor,
        action,
        target: id.as_str(),
        detail,
    };
    audits::add(tx, &act, now).await
}

/// The event of a delivery to this webhook, if it is kept and no test.
///
/// # Errors
/// When the database fails.
pub async fn event_of(
    tx: &mut Tx,
    id: &WebhookId,
    delivery: &WebhookDeliveryId,
) -> Result<Option<EventId>, StoreError> {
    const SQL: &str = "SELECT e.id FROM webhook_delivery AS d JOIN event AS e ON e.id = d.event_id WHERE d.id = $2 AND d.webhook_id = $1";
    on!(tx, conn => sqlx::query_scalar(SQL).bind(id).bind(delivery).fetch_optional(conn).await)
}

/// Sets a webhook back, or forward, to the first event of `since` or later; says how many events then wait for it, whatever
/// its filter says. `None` when there is no webhook of that id.
///
/// # Errors
/// When the database fails.
pub async fn replay(
    tx: &mut Tx,
    id: &WebhookId,
    since: Timestamp,
    actor: &str,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    // What waits for its next try need not wait any more: the place is another.
    const SQL: &str =
        "UPDATE webhook SET cursor = $2, tries = 0, due_at = $3, updated_at = $3 WHERE id = $1";
    let last = last_event(tx).await?;
    let cursor = before(tx, since, last).await?;
    let found = execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(id)
            .bind(cursor)
            .bind(now.as_millisecond())
    )? > 0;
    if !found {
        return Ok(None);
    }
    audit(
        tx,
        actor,
        "webhook.replay",
        id,
        json!({"since": since}),
        now,
    )
    .await?;
    Ok(Some(last - cursor))
}

/// Events are numbered at their commit, so their times may be out of order by as much as a transaction takes.
const DISORDER_MS: i64 = 120_000;

/// The number before the first event of `since` or later. The numbers rise with time but for a little disorder, so that
/// halving finds the neighbourhood without an index on the time, which every event would have to pay for.
async fn before(tx: &mut Tx, since: Timestamp, last: i64) -> Result<i64, StoreError> {
    const AT: &str =
        "SELECT seq, at FROM event WHERE seq IS NOT NULL AND seq >= $1 ORDER BY seq LIMIT 1";
    const FIRST: &str = "SELECT seq FROM event WHERE seq IS NOT NULL AND seq > $1 AND at >= $2 ORDER BY seq LIMIT 1";
    let early = since.as_millisecond().saturating_sub(DISORDER_MS);
    // All up to `low` are earlier; the one at `high`, if any, is not.
    let (mut low, mut high) = (0, last + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> =
            on!(&mut *tx, conn => sqlx::query_as(AT).bind(middle).fetch_optional(conn).await)?;
        match found {
            Some((seq, at)) if at < early => low = seq.max(middle),
            Some(_) | None => high = middle,
        }
    }
    let first: Option<i64> = on!(&mut *tx, conn => sqlx::query_scalar(FIRST).bind(low).bind(since.as_millisecond()).fetch_optional(conn).await)?;
    Ok(first.map_or(last, |seq| seq - 1))
}
