//! Replies: kept with what they were taken for and what was done about them; and what a refusal stops at once.

use jiff::Timestamp;
use serde::Serialize;

use super::events::{self, NewEvent};
use super::messages::told;
use super::{Id, StoreError, Tx, execute, on, rows};
use crate::model::class::Channel;
use crate::model::id::{
    ChangeRequestId, InboxId, MessageId, OccasionId, PatientId, QuestionId, RelationId, ReplyId,
};
use crate::model::private::Private;
use crate::model::reminder::SkipReason;

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
    pub outcome: &'static str,
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
            .bind(reply.outcome)
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

/// Stops what has not left for an address (T35), but for our own answers; for one patient alone, if given.
///
/// # Errors
/// When the database fails.
pub async fn stop_address(
    tx: &mut Tx,
    address_hash: &str,
    patient: Option<&PatientId>,
    reason: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const FIND: &str = "SELECT id FROM message WHERE address_hash = $1 AND class <> 'reply' AND ($2 = '' OR patient_id = $2)
        AND state IN ('scheduled', 'queued', 'held', 'sending', 'uncertain')";
    let of = patient.map_or("", PatientId::as_str);
    let found: Vec<(MessageId,)> = on!(&mut *tx, conn => sqlx::query_as(FIND).bind(address_hash).bind(of).fetch_all(conn).await)?;
    end(tx, &found, "suppressed", reason, now).await
}

/// Calls off what has not left about an occasion for patient and family (T5): they declined.
///
/// # Errors
/// When the database fails.
pub async fn withdraw_occasion(
    tx: &mut Tx,
    occasion: &OccasionId,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const FIND: &str =
        "SELECT id FROM message WHERE occasion_id = $1 AND class <> 'reply' AND role <> 'staff'
        AND state IN ('scheduled', 'queued', 'held', 'sending', 'uncertain')";
    let found: Vec<(MessageId,)> =
        on!(&mut *tx, conn => sqlx::query_as(FIND).bind(occasion).fetch_all(conn).await)?;
    end(tx, &found, "cancelled", "declined", now).await
}

/// Calls off what has not left about occasions that are cancelled (T5), and reminders of a time that they moved from.
///
/// A text that speaks of other occasions as well goes its way.
/// # Errors
/// When the database fails.
pub async fn withdraw_stale(
    tx: &mut Tx,
    occasions: &[OccasionId],
    now: Timestamp,
) -> Result<(), StoreError> {
    const FIND: &str = "SELECT m.id, o.status = 'cancelled' FROM json_each($1) AS j CROSS JOIN occasion o CROSS JOIN message m
        WHERE o.id = j.value ->> 'id' AND m.occasion_id = o.id AND m.class <> 'reply' AND m.role <> 'staff' AND m.state IN ('scheduled', 'queued', 'held', 'sending', 'uncertain')
          AND (o.status = 'cancelled' OR (m.reminder_id IS NOT NULL AND m.occasion_epoch < o.epoch))
          AND NOT EXISTS (SELECT 1 FROM reminder r WHERE r.message_id = m.id AND r.occasion_id <> o.id)";
    if occasions.is_empty() {
        return Ok(());
    }
    let ids: Vec<Id<'_>> = occasions.iter().map(|id| Id { id: id.as_str() }).collect();
    let found: Vec<(MessageId, bool)> =
        on!(&mut *tx, conn => sqlx::query_as(FIND).bind(rows(&ids)).fetch_all(conn).await)?;
    let of = |is_cancelled| {
        let chosen = found
            .iter()
            .filter(move |(_, cancelled)| *cancelled == is_cancelled);
        chosen.map(|(id, _)| (id.clone(),)).collect::<Vec<_>>()
    };
    end(
        tx,
        &of(true),
        "cancelled",
        SkipReason::Cancelled.as_str(),
        now,
    )
    .await?;
    end(
        tx,
        &of(false),
        "cancelled",
        SkipReason::Superseded.as_str(),
        now,
    )
    .await?;
    Ok(())
}

/// Ends messages that have not left. One that may have left ends as `unconfirmed`; one on the wire is left to its answer.
async fn end(
    tx: &mut Tx,
    found: &[(MessageId,)],
    state: &str,
    reason: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    // The dispatch row first: a worker that journals at this moment comes wholly before or after us.
    const LOCK: &str = "UPDATE dispatch SET fence = fence WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    const HOLD: &str = "UPDATE message SET no_resend = TRUE WHERE state = 'uncertain' AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    // The state is cast so that no index goes by it: SQLite would walk all that wait, whoever they are for.
    const END: &str = "UPDATE message SET reason = $3, updated_at = $4, state = CASE WHEN EXISTS
            (SELECT 1 FROM attempt a WHERE a.message_id = message.id AND a.phase = 'unknown') THEN 'unconfirmed' ELSE $2 END
        WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)
          AND (CAST(state AS TEXT) IN ('scheduled', 'queued', 'held') OR (CAST(state AS TEXT) = 'sending' AND NOT EXISTS
            (SELECT 1 FROM attempt a WHERE a.message_id = message.id AND a.phase = 'prepared')))
        RETURNING id, state, reference";
    const GONE: &str = "DELETE FROM dispatch WHERE message_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if found.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Id<'_>> = found.iter().map(|id| Id { id: id.0.as_str() }).collect();
    let json = rows(&ids);
    execute!(&mut *tx, sqlx::query(LOCK).bind(&json))?;
    execute!(&mut *tx, sqlx::query(HOLD).bind(&json))?;
    let ended: Vec<(MessageId, String, Option<String>)> = on!(&mut *tx, conn => sqlx::query_as(END).bind(&json).bind(state).bind(reason).bind(now.as_millisecond()).fetch_all(conn).await)?;
    #[derive(Serialize)]
    struct Gone<'a> {
        id: &'a MessageId,
    }
    let gone: Vec<Gone<'_>> = ended.iter().map(|(id, ..)| Gone { id }).collect();
    execute!(&mut *tx, sqlx::query(GONE).bind(rows(&gone)))?;
    let news: Vec<_> = ended
        .iter()
        .map(|(id, state, reference)| told(id, state, Some(reason), reference.as_deref()))
        .collect();
    events::add(tx, &news, now).await?;
    Ok(ended.len())
}
