//! Replies: kept with what they were taken for and what was done about them.

use jiff::Timestamp;

use super::events::{self, NewEvent};
use super::{StoreError, Tx, execute};
use crate::model::class::Channel;
use crate::model::id::{
    ChangeRequestId, InboxId, MessageId, OccasionId, PatientId, QuestionId, RelationId, ReplyId,
};
use crate::model::private::Private;
use crate::model::reply::ReplyOutcome;

/// A reply that was read.
#[derive(Clone, Debug)]
pub struct NewReply {
    /// Its id.
    pub id: ReplyId,
    /// The row it came in with.
    pub inbox: InboxId,
    /// The medium.
    pub channel: Channel,
    /// Who brought it.
    pub provider: String,
    /// Who wrote.
    pub address: Private<String>,
    /// Hash of it.
    pub address_hash: String,
    /// The number it was sent to.
    pub sent_to: String,
    /// What was written.
    pub text: Private<String>,
    /// Whose it is, where that can be told.
    pub patient: Option<PatientId>,
    /// The relation who wrote, if it was family.
    pub relation: Option<RelationId>,
    /// What it answers.
    pub question: Option<QuestionId>,
    /// The occasion it is about.
    pub occasion: Option<OccasionId>,
    /// The message it answers.
    pub message: Option<MessageId>,
    /// What it was taken for.
    pub intent: &'static str,
    /// What was read out of it.
    pub slots: Private<serde_json::Value>,
    /// Whether a person has to look.
    pub needs_human: bool,
    /// What was done about it.
    pub outcome: ReplyOutcome,
    /// When it came.
    pub received_at: Timestamp,
}

/// Keeps a reply and tells of it: ids and the intent, never the text.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut Tx, reply: &NewReply, now: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO reply (id, inbox_id, channel, provider, address, address_hash, sent_to, text, patient_id, relation_id,
          question_id, occasion_id, message_id, intent, slots, needs_human, outcome, received_at, handled_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
    execute!(
        &mut *tx,
        sqlx::query(SQL)
            .bind(&reply.id)
            .bind(&reply.inbox)
            .bind(reply.channel.as_str())
            .bind(&reply.provider)
            .bind(reply.address.reveal())
            .bind(&reply.address_hash)
            .bind(&reply.sent_to)
            .bind(reply.text.reveal())
            .bind(&reply.patient)
            .bind(&reply.relation)
            .bind(&reply.question)
            .bind(&reply.occasion)
            .bind(&reply.message)
            .bind(reply.intent)
            .bind(reply.slots.reveal().to_string())
            .bind(reply.needs_human)
            .bind(reply.outcome.as_str())
            .bind(reply.received_at.as_millisecond())
            .bind(now.as_millisecond())
    )?;
    let data = serde_json::json!({
        "id": reply.id, "intent": reply.intent, "needs_human": reply.needs_human, "patient": reply.patient,
        "occasion": reply.occasion, "message": reply.message,
    });
    events::add(
        tx,
        &[NewEvent {
            kind: "reply.received".to_owned(),
            data,
        }],
        now,
    )
    .await
}

/// A patient's wish for the hospital system or a clerk to apply.
#[derive(Clone, Debug)]
pub struct NewChangeRequest {
    /// The occasion.
    pub occasion: OccasionId,
    /// Its epoch when the patient wrote.
    pub epoch: i64,
    /// Whose it is.
    pub patient: PatientId,
    /// The reply that says so.
    pub reply: ReplyId,
    /// `cancel` or `reschedule`.
    pub wish: &'static str,
    /// The time they would like, as far as it could be read.
    pub slots: serde_json::Value,
}

/// Raises a change request; a newer wish about the same occasion takes the place of one not yet answered.
///
/// # Errors
/// When the database fails.
pub async fn request_change(
    tx: &mut Tx,
    wish: &NewChangeRequest,
    now: Timestamp,
) -> Result<ChangeRequestId, StoreError> {
    const OLD: &str = "UPDATE change_request SET state = 'superseded', answered_at = $2 WHERE occasion_id = $1 AND state = 'new'";
    const NEW: &str = "INSERT INTO change_request (id, occasion_id, patient_id, reply_id, epoch, wish, slots, state, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'new', $8)";
    let id = ChangeRequestId::generate();
    execute!(
        &mut *tx,
        sqlx::query(OLD)
            .bind(&wish.occasion)
            .bind(now.as_millisecond())
    )?;
    execute!(
        &mut *tx,
        sqlx::query(NEW)
            .bind(&id)
            .bind(&wish.occasion)
            .bind(&wish.patient)
            .bind(&wish.reply)
            .bind(wish.epoch)
            .bind(wish.wish)
            .bind(wish.slots.to_string())
            .bind(now.as_millisecond())
    )?;
    let data = serde_json::json!({"id": id, "occasion": wish.occasion, "patient": wish.patient, "wish": wish.wish, "state": "new"});
    events::add(
        tx,
        &[NewEvent {
            kind: "change_request.new".to_owned(),
            data,
        }],
        now,
    )
    .await?;
    Ok(id)
}

/// Takes back a wish that the patient thought better of.
///
/// # Errors
/// When the database fails.
pub async fn withdraw_change(
    tx: &mut Tx,
    occasion: &OccasionId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    const SQL: &str = "UPDATE change_request SET state = 'superseded', answered_at = $2 WHERE occasion_id = $1 AND state = 'new'";
    execute!(
        tx,
        sqlx::query(SQL).bind(occasion).bind(now.as_millisecond())
    )
}
