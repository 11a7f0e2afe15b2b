//! The timeline of a message, read from the rows themselves: nobody has to keep a second account.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::message_view::{self, Message, instant};
use super::{StoreError, Tx, audits, on};
use crate::model::id::ReminderId;

/// Something that happened to a message: ids and words only.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// `planned`, `accepted`, `attempted`, `settled`, `receipt`, `asked`, `replied`, an act of the audit, or `state`.
    pub what: String,
    /// What belongs to it.
    pub detail: Map<String, Value>,
}

impl Moment {
    fn new(at: Timestamp, what: &str, detail: Value) -> Self {
        let detail = match detail {
            Value::Object(map) => map
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        Self {
            at,
            what: what.to_owned(),
            detail,
        }
    }
}

/// Everything that happened to `message`, in order; the last moment is its present state.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of(tx: &mut Tx, message: &Message) -> Result<Vec<Moment>, StoreError> {
    let mut all = Vec::new();
    if let Some(reminder) = &message.reminder {
        all.extend(planned(tx, reminder).await?);
    }
    let accepted = json!({"source": message.source, "channels": message.channels, "send_at": message.send_at, "expires_at": message.expires_at});
    all.push(Moment::new(message.created_at, "accepted", accepted));
    for attempt in message_view::attempts(tx, &message.id).await? {
        let tried = json!({"attempt": attempt.id, "n": attempt.n, "channel": attempt.channel, "provider": attempt.provider});
        all.push(Moment::new(attempt.created_at, "attempted", tried));
        if let Some(at) = attempt.settled_at {
            let outcome = json!({"attempt": attempt.id, "n": attempt.n, "phase": attempt.phase, "error": attempt.error});
            all.push(Moment::new(at, "settled", outcome));
        }
        for part in attempt.parts {
            if let Some(at) = part.receipt_at {
                let receipt = json!({"attempt": attempt.id, "part": part.n, "status": part.receipt, "error": part.error});
                all.push(Moment::new(at, "receipt", receipt));
            }
        }
    }
    all.extend(asked(tx, message).await?);
    for reply in message_view::replies(tx, message).await? {
        let said = json!({"reply": reply.id, "intent": reply.intent, "needs_human": reply.needs_human, "outcome": reply.outcome});
        all.push(Moment::new(reply.received_at, "replied", said));
    }
    for entry in audits::of(tx, message.id.as_str()).await? {
        all.push(Moment::new(
            entry.at,
            &entry.action,
            json!({"actor": entry.actor, "detail": entry.detail}),
        ));
    }
    // The sort is stable: what happened in one millisecond stays in the order of its telling.
    all.sort_by_key(|moment| moment.at);
    let state =
        json!({"state": message.state, "reason": message.reason, "provider": message.provider});
    all.push(Moment::new(message.updated_at, "state", state));
    Ok(all)
}

async fn planned(tx: &mut Tx, reminder: &ReminderId) -> Result<Option<Moment>, StoreError> {
    const SQL: &str = "SELECT created_at, rule_id, due_at FROM reminder WHERE id = $1";
    let row: Option<(i64, String, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(reminder).fetch_optional(conn).await)?;
    let Some((at, rule, due_at)) = row else {
        return Ok(None);
    };
    let detail =
        json!({"reminder": reminder, "rule": rule, "due_at": instant("reminder", due_at)?});
    Ok(Some(Moment::new(
        instant("reminder", at)?,
        "planned",
        detail,
    )))
}

async fn asked(tx: &mut Tx, message: &Message) -> Result<Vec<Moment>, StoreError> {
    const SQL: &str = "SELECT id, kind, state, asked_at FROM question WHERE message_id = $1 ORDER BY asked_at, id";
    let rows: Vec<(String, String, String, i64)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(&message.id).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(id, kind, state, at)| {
            Ok(Moment::new(
                instant("question", at)?,
                "asked",
                json!({"question": id, "kind": kind, "state": state}),
            ))
        })
        .collect()
}
