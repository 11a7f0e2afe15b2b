//! What happened, for others to hear: one row each, in the transaction of its cause.
//!
//! Rows carry ids and states, never a name, a number or a text. Their number is given later, by one publisher.

use jiff::Timestamp;

use super::{StoreError, Tx, on, rows};
use crate::model::id::EventId;

/// Something that others may hear of.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Type and routing key, such as `occasion.confirmed`.
    pub kind: String,
    /// Ids, states and reasons.
    pub data: serde_json::Value,
}

/// Writes `events`, to be numbered and published after the commit.
///
/// # Errors
/// When the database refuses.
pub async fn add(tx: &mut Tx, events: &[NewEvent], now: Timestamp) -> Result<(), StoreError> {
    #[derive(serde::Serialize)]
    struct Row<'a> {
        id: EventId,
        kind: &'a str,
        data: String,
    }
    const SQL: &str = "INSERT INTO event (id, seq, type, at, data)
        SELECT j.value ->> 'id', CAST(NULL AS BIGINT), j.value ->> 'kind', CAST($2 AS BIGINT), j.value ->> 'data'
        FROM json_each($1) AS j";
    if events.is_empty() {
        return Ok(());
    }
    let set: Vec<Row<'_>> = events.iter().map(|event| Row { id: EventId::generate(), kind: &event.kind, data: event.data.to_string() }).collect();
    on!(tx, conn => sqlx::query(SQL).bind(rows(&set)).bind(now.as_millisecond()).execute(conn).await.map(|_| ()))?;
    Ok(())
}
