//! What came in, for others to look at: texts as they came, and replies as they were read.

use jiff::Timestamp;
use serde::Deserialize;

use super::message_view::{Place, instant};
use super::{StoreError, Tx, on};
use crate::model::class::Channel;
use crate::model::id::{InboxId, MessageId, OccasionId, PatientId, ReplyId};
use crate::model::private::Private;

/// A text as it came.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Its id.
    pub id: InboxId,
    /// Who brought it.
    pub provider: String,
    /// The medium.
    pub channel: Channel,
    /// `new` or `done`.
    pub state: String,
    /// When it was stored.
    pub received_at: Timestamp,
    /// The number it was sent to.
    pub to: String,
    /// Who wrote.
    pub from: Private<String>,
    /// What was written.
    pub text: Private<String>,
}

/// A reply as it was read.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its id.
    pub id: ReplyId,
    /// The text it came with.
    pub inbound: InboxId,
    /// The medium.
    pub channel: Channel,
    /// Who brought it.
    pub provider: String,
    /// Whose it is, where that can be told.
    pub patient: Option<PatientId>,
    /// The occasion it is about.
    pub occasion: Option<OccasionId>,
    /// The message it answers.
    pub message: Option<MessageId>,
    /// What it was taken for.
    pub intent: String,
    /// What was read out of it; may hold words of the patient.
    pub slots: Private<serde_json::Value>,
    /// Whether a person has to look.
    pub needs_human: bool,
    /// What was done about it.
    pub outcome: String,
    /// When it came.
    pub received_at: Timestamp,
    /// Who wrote.
    pub from: Private<String>,
    /// What was written.
    pub text: Private<String>,
}

/// The text as the inbox keeps it.
#[derive(Deserialize)]
struct Body {
    channel: Channel,
    from: String,
    to: String,
    text: String,
}

/// One page of texts, newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn inbound(
    tx: &mut Tx,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<Inbound>, StoreError> {
    const SQL: &str = "SELECT id, provider, state, received_at, body FROM inbox
        WHERE kind = 'text' AND (received_at, id) < ($1, $2) ORDER BY received_at DESC, id DESC LIMIT $3";
    let (at, id) = after.map_or((i64::MAX, "zzzz"), |place| (place.at, place.id.as_str()));
    let rows: Vec<(InboxId, String, String, i64, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(at).bind(id).bind(most).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(id, provider, state, at, body)| {
            let body: Body = serde_json::from_str(&body).map_err(|_| StoreError::BadRow {
                table: "inbox",
                what: "body",
            })?;
            Ok(Inbound {
                id,
                provider,
                channel: body.channel,
                state,
                received_at: instant("inbox", at)?,
                to: body.to,
                from: Private::new(body.from),
                text: Private::new(body.text),
            })
        })
        .collect()
}

/// One page of replies, newest first; of one patient, if given.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn replies(
    tx: &mut Tx,
    patient: Option<&PatientId>,
    after: Option<&Place>,
    most: i64,
) -> Result<Vec<Reply>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: ReplyId,
        inbox_id: InboxId,
        channel: String,
        provider: String,
        patient_id: Option<PatientId>,
        occasion_id: Option<OccasionId>,
        message_id: Option<MessageId>,
        intent: String,
        slots: String,
        needs_human: bool,
        outcome: String,
        received_at: i64,
        address: String,
        text: String,
    }
    const SQL: &str = "SELECT id, inbox_id, channel, provider, patient_id, occasion_id, message_id, intent, slots, needs_human, outcome,
          received_at, address, text
        FROM reply WHERE ($1 = '' OR patient_id = $1) AND (received_at, id) < ($2, $3) ORDER BY received_at DESC, id DESC LIMIT $4";
    let (at, id) = after.map_or((i64::MAX, "zzzz"), |place| (place.at, place.id.as_str()));
    let of = patient.map_or("", PatientId::as_str);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(of).bind(at).bind(id).bind(most).fetch_all(conn).await)?;
    let bad = |what| StoreError::BadRow {
        table: "reply",
        what,
    };
    rows.into_iter()
        .map(|row| {
            Ok(Reply {
                id: row.id,
                inbound: row.inbox_id,
                channel: Channel::parse(&row.channel).ok_or(bad("channel"))?,
                provider: row.provider,
                patient: row.patient_id,
                occasion: row.occasion_id,
                message: row.message_id,
                intent: row.intent,
                slots: Private::new(serde_json::from_str(&row.slots).map_err(|_| bad("slots"))?),
                needs_human: row.needs_human,
                outcome: row.outcome,
                received_at: instant("reply", row.received_at)?,
                from: Private::new(row.address),
                text: Private::new(row.text),
            })
        })
        .collect()
}
