//! Texts that came in: stored before they are acknowledged, read afterwards.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Id, StoreError, Tx, execute, on, rows};
use crate::model::class::Channel;
use crate::model::id::InboxId;
use crate::model::private::Private;

/// A text from a person, as it came.
#[derive(Clone, Debug)]
pub struct StoredText {
    /// Who brought it.
    pub provider: String,
    /// The medium.
    pub channel: Channel,
    /// Who wrote, in E.164 where that can be told.
    pub from: Private<String>,
    /// Hash of it.
    pub from_hash: String,
    /// The number it was sent to.
    pub to: String,
    /// What was written.
    pub text: Private<String>,
    /// Whether parts of it never came.
    pub incomplete: bool,
    /// Same key, same text.
    pub dedupe_key: String,
}

/// A text that waits to be read.
#[derive(Clone, Debug)]
pub struct WaitingText {
    /// Its row.
    pub id: InboxId,
    /// What came.
    pub text: StoredText,
    /// When it was stored.
    pub received_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Body {
    channel: Channel,
    from: String,
    from_hash: String,
    to: String,
    text: String,
    incomplete: bool,
}

/// Stores `all`; repeats are dropped.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, all: &[StoredText], now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO inbox (id, provider, kind, dedupe_key, body, state, received_at)
        SELECT j.value ->> 'id', j.value ->> 'provider', 'text', j.value ->> 'dedupe_key', j.value ->> 'body', 'new', $2
        FROM json_each($1) AS j WHERE TRUE ON CONFLICT (provider, kind, dedupe_key) DO NOTHING";
    #[derive(Serialize)]
    struct Row<'a> {
        id: InboxId,
        provider: &'a str,
        dedupe_key: &'a str,
        body: String,
    }
    let body = |t: &StoredText| Body {
        channel: t.channel,
        from: t.from.reveal().clone(),
        from_hash: t.from_hash.clone(),
        to: t.to.clone(),
        text: t.text.reveal().clone(),
        incomplete: t.incomplete,
    };
    let set: Vec<Row<'_>> = all
        .iter()
        .map(|t| Row {
            id: InboxId::generate(),
            provider: &t.provider,
            dedupe_key: &t.dedupe_key,
            body: serde_json::to_string(&body(t)).expect("a text is plain JSON"),
        })
        .collect();
    if !set.is_empty() {
        execute!(
            tx,
            sqlx::query(SQL).bind(rows(&set)).bind(now.as_millisecond())
        )?;
    }
    Ok(())
}

/// The oldest texts that wait, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn waiting(tx: &mut Tx, limit: i64) -> Result<Vec<WaitingText>, StoreError> {
    const SQL: &str = "SELECT id, provider, dedupe_key, body, received_at FROM inbox
        WHERE state = 'new' AND kind = 'text' ORDER BY received_at, id LIMIT $1";
    let found: Vec<(InboxId, String, String, String, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(limit).fetch_all(conn).await)?;
    let read = |(id, provider, dedupe_key, body, at): (InboxId, String, String, String, i64)| {
        let bad = StoreError::BadRow {
            table: "inbox",
            what: "an unreadable text",
        };
        let body: Body = serde_json::from_str(&body).map_err(|_| bad)?;
        let text = StoredText {
            provider,
            channel: body.channel,
            from: body.from.into(),
            from_hash: body.from_hash,
            to: body.to,
            text: body.text.into(),
            incomplete: body.incomplete,
            dedupe_key,
        };
        let received_at = Timestamp::from_millisecond(at).map_err(|_| StoreError::BadRow {
            table: "inbox",
            what: "an instant out of range",
        })?;
        Ok(WaitingText {
            id,
            text,
            received_at,
        })
    };
    found.into_iter().map(read).collect()
}

/// Marks texts as read; says how many were still new, so that two readers never both act on one.
///
/// # Errors
/// When the database fails.
pub async fn done(tx: &mut Tx, ids: &[&InboxId]) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE inbox SET state = 'done' WHERE state = 'new' AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let ids: Vec<Id<'_>> = ids.iter().map(|id| Id { id: id.as_str() }).collect();
    execute!(tx, sqlx::query(SQL).bind(rows(&ids)))
}
