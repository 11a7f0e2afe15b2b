//! What happened, for others to hear: ids and states, never a name, a number or a text.

use jiff::Timestamp;
use serde::Serialize;

use super::{StoreError, Tx, execute, on, rows};
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
    let all: Vec<Row<'_>> = events
        .iter()
        .map(|e| Row {
            id: EventId::generate(),
            kind: &e.kind,
            data: e.data.to_string(),
        })
        .collect();
    execute!(
        tx,
        sqlx::query(SQL).bind(rows(&all)).bind(now.as_millisecond())
    )?;
    Ok(())
}

/// An event that has its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place in the feed, from 1, without gaps.
    pub seq: i64,
    /// Its id.
    pub id: EventId,
    /// What happened, such as `message.delivered`.
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// Ids, state, reason, reference.
    pub data: serde_json::Value,
}

/// Up to `most` numbered events after number `after`, in order.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn after(tx: &mut Tx, after: i64, most: i64) -> Result<Vec<Event>, StoreError> {
    const SQL: &str = "SELECT seq, id, type, at, data FROM event WHERE seq IS NOT NULL AND seq > $1 ORDER BY seq LIMIT $2";
    let found: Vec<(i64, EventId, String, i64, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(after).bind(most).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "event",
        what,
    };
    found
        .into_iter()
        .map(|(seq, id, kind, at, data)| {
            let at = Timestamp::from_millisecond(at).map_err(|_| bad("at"))?;
            Ok(Event {
                seq,
                id,
                kind,
                at,
                data: serde_json::from_str(&data).map_err(|_| bad("data"))?,
            })
        })
        .collect()
}
