//! What webhooks were told, for people to look at.

use jiff::Timestamp;

use super::message_view::{Place, instant};
use super::{StoreError, Tx, execute, on};
use crate::model::id::{EventId, WebhookDeliveryId, WebhookId};
use crate::model::webhook::TryOutcome;

/// One try to tell a webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// The event.
    pub event: EventId,
    /// The event's type.
    pub kind: String,
    /// Which try it was, from 1.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// What came of it.
    pub outcome: TryOutcome,
    /// What was wrong.
    pub problem: Option<String>,
    /// The status of the answer.
    pub status: Option<i64>,
}

type Row = (
    WebhookDeliveryId,
    EventId,
    String,
    i64,
    i64,
    i64,
    String,
    Option<String>,
    Option<i64>,
);

/// One page of what a webhook was told, newest first; of one outcome or one event, if that is given.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(
    tx: &mut Tx,
    id: &WebhookId,
    outcome: Option<TryOutcome>,
    event: Option<&EventId>,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<Delivery>, StoreError> {
    const SQL: &str = "SELECT id, event_id, event_type, try, at, took_ms, outcome, problem, status FROM webhook_delivery
        WHERE webhook_id = $1 AND ($2 = '' OR outcome = $2) AND ($3 = '' OR event_id = $3) AND (at, id) < ($4, $5) ORDER BY at DESC, id DESC LIMIT $6";
    let (at, last) = after.map_or((i64::MAX, "zzzz"), |place| (place.at, place.id.as_str()));
    let (outcome, event) = (
        outcome.map_or("", TryOutcome::as_str),
        event.map_or("", EventId::as_str),
    );
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(id).bind(outcome).bind(event).bind(at).bind(last).bind(most).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "webhook_delivery",
        what,
    };
    rows.into_iter()
        .map(
            |(id, event, kind, number, at, took_ms, outcome, problem, status)| {
                Ok(Delivery {
                    id,
                    event,
                    kind,
                    number,
                    at: instant("webhook_delivery", at)?,
                    took_ms,
                    outcome: TryOutcome::parse(&outcome).ok_or(bad("outcome"))?,
                    problem,
                    status,
                })
            },
        )
        .collect()
}

/// Deletes up to `most` tries before `before`, and says how many.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, before: Timestamp, most: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM webhook_delivery WHERE at < $1 ORDER BY at LIMIT $2)";
    execute!(
        tx,
        sqlx::query(SQL).bind(before.as_millisecond()).bind(most)
    )
}
