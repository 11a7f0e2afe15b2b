//! What happened, for others to hear: ids and states, never a name, a number or a text.

use jiff::Timestamp;
use serde::Serialize;

use super::{StoreError, Tx, execute, rows};
use crate::model::id::EventId;

/// Something that happened. `kind` is the CloudEvents type and the AMQP routing key, such as `message.delivered`.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// `message.<state>`, `occasion.<confirmation>`, `change_request.<state>`, `reply.received`, `suppression.created`.
    pub kind: String,
    /// Ids, state, reason, reference.
    pub data: serde_json::Value,
}

/// Adds `events` in the transaction of what they tell; the publisher numbers them after the commit.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, events: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO event (id, seq, type, at, data)
        SELECT j.value ->> 'id', NULL, j.value ->> 'kind', $2, j.value ->> 'data' FROM json_each($1) AS j";
    #[derive(Serialize)]
    struct Row<'a> {
        id: EventId,
        kind: &'a str,
        data: String,
    }
    if events.is_empty() {
        return Ok(());
    }
    let all: Vec<Row<'_>> = events.iter().map(|e| Row { id: EventId::generate(), kind: &e.kind, data: e.data.to_string() }).collect();
    execute!(tx, sqlx::query(SQL).bind(rows(&all)).bind(now.as_millisecond()))?;
    Ok(())
}
