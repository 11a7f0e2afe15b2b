//! What is due, and what became of it.

use jiff::Timestamp;
use serde::Serialize;

use super::reminders::{Reminder, ReminderRow};
use super::{StoreError, Tx, on, rows};
use crate::model::id::{MessageId, ReminderId, TaskId};
use crate::model::reminder::{ReminderState, SkipReason};

/// What is due, the longest waiting first. Rules in `broken` wait for their repair until their reminders expire.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn due(tx: &mut Tx, broken: &[String], now: Timestamp, limit: i64) -> Result<Vec<Reminder>, StoreError> {
    const SQL: &str = "SELECT id, plan_key, rule_id, rule_version, timing, class, patient_id, relation_id, occasion_id, epoch, occurrence, step,
          lead, role, department, channels, template, ask, unless, catch_up, due_at, planned_for, expires_at, state, reason, answer_to, data,
          created_at
        FROM reminder WHERE state = 'planned' AND due_at <= $1
          AND (expires_at < $1 OR rule_id NOT IN (SELECT j.value ->> 'id' FROM json_each($2) AS j))
        ORDER BY due_at, id LIMIT $3";
    let broken: Vec<super::Id<'_>> = broken.iter().map(|id| super::Id { id }).collect();
    let found: Vec<ReminderRow> = on!(tx, conn => sqlx::query_as(SQL).bind(now.as_millisecond()).bind(rows(&broken)).bind(limit).fetch_all(conn).await)?;
    found.into_iter().map(ReminderRow::into_reminder).collect()
}

/// What became of a due reminder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A message was made of it.
    Message(MessageId),
    /// A task or pop-up was made of it.
    Task(TaskId),
    /// It is not sent.
    Skipped(SkipReason),
    /// It goes later.
    PutOff(Timestamp),
}

/// Writes outcomes where the reminder is still planned and, if something goes out, its occasion has
/// not moved meanwhile; says which ones. The others are somebody else's, or have to be looked at anew.
///
/// # Errors
/// When the database fails.
pub async fn settle(tx: &mut Tx, outcomes: &[(ReminderId, Outcome)], now: Timestamp) -> Result<Vec<ReminderId>, StoreError> {
    #[derive(Serialize)]
    struct Settled<'a> {
        id: &'a ReminderId,
        state: ReminderState,
        reason: Option<SkipReason>,
        message_id: Option<&'a MessageId>,
        task_id: Option<&'a TaskId>,
        due_at: Option<i64>,
    }
    const SQL: &str = "UPDATE reminder SET state = j.value ->> 'state', reason = j.value ->> 'reason', message_id = j.value ->> 'message_id',
          task_id = j.value ->> 'task_id', updated_at = $2, answer_to = CASE WHEN j.value ->> 'state' = 'planned' THEN answer_to END,
          planned_for = CASE WHEN j.value ->> 'due_at' IS NULL THEN planned_for ELSE COALESCE(planned_for, due_at) END,
          due_at = COALESCE(CAST(j.value ->> 'due_at' AS BIGINT), due_at)
        FROM json_each($1) AS j
        WHERE reminder.id = j.value ->> 'id' AND reminder.state = 'planned'
          AND (j.value ->> 'state' <> 'composed' OR reminder.occasion_id IS NULL OR reminder.class = 'reply' OR EXISTS
            (SELECT 1 FROM occasion AS o WHERE o.id = reminder.occasion_id AND o.epoch = reminder.epoch AND o.status <> 'cancelled'))
        RETURNING reminder.id";
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let set: Vec<Settled<'_>> = outcomes.iter().map(|(id, outcome)| {
        let mut settled = Settled { id, state: ReminderState::Composed, reason: None, message_id: None, task_id: None, due_at: None };
        match outcome {
            Outcome::Message(message) => settled.message_id = Some(message),
            Outcome::Task(task) => settled.task_id = Some(task),
            Outcome::Skipped(reason) => (settled.state, settled.reason) = (ReminderState::Skipped, Some(*reason)),
            Outcome::PutOff(at) => (settled.state, settled.due_at) = (ReminderState::Planned, Some(at.as_millisecond())),
        }
        settled
    }).collect();
    on!(tx, conn => sqlx::query_scalar(SQL).bind(rows(&set)).bind(now.as_millisecond()).fetch_all(conn).await)
}
