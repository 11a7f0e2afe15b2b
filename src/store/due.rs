//! What is due, and what became of it.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use super::patients::ids;
use super::reminders::{Reminder, ReminderRow};
use super::{Id, StoreError, Tx, execute, on, rows};
use crate::model::class::Class;
use crate::model::id::{MessageId, OccasionId, PatientId, RelationId, ReminderId, TaskId};
use crate::model::reminder::{ReminderState, SkipReason};

/// What is due, the longest waiting first. Rules in `broken` wait for their repair until their reminders expire.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn due(
    tx: &mut Tx,
    broken: &[String],
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Reminder>, StoreError> {
    const SQL: &str = "SELECT id, plan_key, rule_id, rule_version, timing, class, patient_id, relation_id, occasion_id, epoch, occurrence, step,
          lead, role, department, channels, template, ask, unless, catch_up, due_at, planned_for, expires_at, state, reason, answer_to, data,
          created_at
        FROM reminder WHERE state = 'planned' AND due_at <= $1
          AND (expires_at < $1 OR rule_id NOT IN (SELECT j.value ->> 'id' FROM json_each($2) AS j))
        ORDER BY due_at, id LIMIT $3";
    let broken: Vec<Id<'_>> = broken.iter().map(|id| Id { id }).collect();
    let found: Vec<ReminderRow> = on!(tx, conn => sqlx::query_as(SQL).bind(now.as_millisecond()).bind(rows(&broken)).bind(limit).fetch_all(conn).await)?;
    found.into_iter().map(ReminderRow::into_reminder).collect()
}

/// What else is due for the patients of `reminders` and their families, so that what belongs together is composed together.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn beside(
    tx: &mut Tx,
    reminders: &[Reminder],
    broken: &[String],
    now: Timestamp,
) -> Result<Vec<Reminder>, StoreError> {
    const SQL: &str = "SELECT id, plan_key, rule_id, rule_version, timing, class, patient_id, relation_id, occasion_id, epoch, occurrence, step,
          lead, role, department, channels, template, ask, unless, catch_up, due_at, planned_for, expires_at, state, reason, answer_to, data,
          created_at
        FROM reminder WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($2) AS j) AND due_at <= $1
          AND CAST(state AS TEXT) = 'planned' AND role <> 'staff' AND rule_id NOT IN (SELECT j.value ->> 'id' FROM json_each($3) AS j)
          AND id NOT IN (SELECT j.value ->> 'id' FROM json_each($4) AS j)
        ORDER BY due_at, id";
    let patients: BTreeSet<&PatientId> = reminders
        .iter()
        .filter_map(|r| r.plan.patient.as_ref())
        .collect();
    if patients.is_empty() {
        return Ok(Vec::new());
    }
    let patients: Vec<PatientId> = patients.into_iter().cloned().collect();
    let broken: Vec<Id<'_>> = broken.iter().map(|id| Id { id }).collect();
    let known: Vec<Id<'_>> = reminders.iter().map(|r| Id { id: r.id.as_str() }).collect();
    let found: Vec<ReminderRow> = on!(tx, conn => sqlx::query_as(SQL).bind(now.as_millisecond()).bind(ids(&patients)).bind(rows(&broken))
        .bind(rows(&known)).fetch_all(conn).await)?;
    found.into_iter().map(ReminderRow::into_reminder).collect()
}

/// Those of `reminders` that nobody else changes now, nor their occasions; held until the transaction ends.
///
/// A booking that is being moved at this moment is looked at in the next pass: neither waits for the other.
/// On SQLite there is one writer, and `settle` looks again.
/// # Errors
/// When the database fails.
pub async fn hold(tx: &mut Tx, reminders: Vec<Reminder>) -> Result<Vec<Reminder>, StoreError> {
    const REMINDERS: &str = "SELECT id FROM reminder WHERE state = 'planned'
        AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) FOR UPDATE SKIP LOCKED";
    const OCCASIONS: &str = "SELECT id FROM occasion
        WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) FOR NO KEY UPDATE SKIP LOCKED";
    const GONE: &str = "SELECT j.value ->> 'id' FROM json_each($1) AS j
        WHERE NOT EXISTS (SELECT 1 FROM occasion AS o WHERE o.id = j.value ->> 'id')";
    let Tx::Postgres(inner) = tx else {
        return Ok(reminders);
    };
    let set: Vec<Id<'_>> = reminders.iter().map(|r| Id { id: r.id.as_str() }).collect();
    let occasions: BTreeSet<&OccasionId> = reminders
        .iter()
        .filter_map(|r| r.plan.occasion.as_ref())
        .collect();
    let occasions: Vec<Id<'_>> = occasions.iter().map(|id| Id { id: id.as_str() }).collect();
    let occasions = rows(&occasions);
    let free: Vec<ReminderId> = sqlx::query_scalar(REMINDERS)
        .bind(rows(&set))
        .fetch_all(&mut **inner)
        .await?;
    let mut known: Vec<OccasionId> = sqlx::query_scalar(OCCASIONS)
        .bind(&occasions)
        .fetch_all(&mut **inner)
        .await?;
    let gone: Vec<OccasionId> = sqlx::query_scalar(GONE)
        .bind(&occasions)
        .fetch_all(&mut **inner)
        .await?;
    known.extend(gone);
    let (free, known): (HashSet<ReminderId>, HashSet<OccasionId>) =
        (free.into_iter().collect(), known.into_iter().collect());
    let ours = |r: &Reminder| {
        free.contains(&r.id) && r.plan.occasion.as_ref().is_none_or(|id| known.contains(id))
    };
    Ok(reminders.into_iter().filter(ours).collect())
}

/// What became of a due reminder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A message was made of it.
    Message(MessageId),
    /// It became part of another reminder's message.
    Merged(MessageId),
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
/// A message that is made of several reminders takes all of them or none.
///
/// # Errors
/// When the database fails.
pub async fn settle(
    tx: &mut Tx,
    outcomes: &[(ReminderId, Outcome)],
    now: Timestamp,
) -> Result<Vec<ReminderId>, StoreError> {
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
          AND ((j.value ->> 'state' <> 'composed' AND j.value ->> 'message_id' IS NULL) OR reminder.occasion_id IS NULL OR reminder.class = 'reply' OR EXISTS
            (SELECT 1 FROM occasion AS o WHERE o.id = reminder.occasion_id AND o.epoch = reminder.epoch AND o.status <> 'cancelled'))
        RETURNING reminder.id";
    if outcomes.is_empty() {
        return Ok(Vec::new());
    }
    let set: Vec<Settled<'_>> = outcomes
        .iter()
        .map(|(id, outcome)| {
            let mut settled = Settled {
                id,
                state: ReminderState::Composed,
                reason: None,
                message_id: None,
                task_id: None,
                due_at: None,
            };
            match outcome {
                Outcome::Message(message) => settled.message_id = Some(message),
                Outcome::Merged(message) => {
                    (settled.state, settled.reason) =
                        (ReminderState::Skipped, Some(SkipReason::Merged));
                    settled.message_id = Some(message);
                }
                Outcome::Task(task) => settled.task_id = Some(task),
                Outcome::Skipped(reason) => {
                    (settled.state, settled.reason) = (ReminderState::Skipped, Some(*reason))
                }
                Outcome::PutOff(at) => {
                    (settled.state, settled.due_at) =
                        (ReminderState::Planned, Some(at.as_millisecond()))
                }
            }
            settled
        })
        .collect();
    let done: Vec<ReminderId> = on!(&mut *tx, conn => sqlx::query_scalar(SQL).bind(rows(&set)).bind(now.as_millisecond()).fetch_all(conn).await)?;
    whole(tx, outcomes, done).await
}

/// Leaves out, and gives back, what was settled of a message that could not take all of its reminders.
async fn whole(
    tx: &mut Tx,
    outcomes: &[(ReminderId, Outcome)],
    done: Vec<ReminderId>,
) -> Result<Vec<ReminderId>, StoreError> {
    const SQL: &str = "UPDATE reminder SET state = 'planned', reason = NULL, message_id = NULL WHERE id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if done.len() == outcomes.len() {
        return Ok(done);
    }
    let done: HashSet<ReminderId> = done.into_iter().collect();
    let message = |outcome: &Outcome| match outcome {
        Outcome::Message(id) | Outcome::Merged(id) => Some(id.clone()),
        Outcome::Task(_) | Outcome::Skipped(_) | Outcome::PutOff(_) => None,
    };
    let torn: HashSet<MessageId> = outcomes
        .iter()
        .filter(|(id, _)| !done.contains(id))
        .filter_map(|(_, outcome)| message(outcome))
        .collect();
    let is_torn = |outcome: &Outcome| message(outcome).is_some_and(|id| torn.contains(&id));
    let settled = outcomes.iter().filter(|(id, _)| done.contains(id));
    let (back, kept): (Vec<_>, Vec<_>) = settled.partition(|(_, outcome)| is_torn(outcome));
    if !back.is_empty() {
        let set: Vec<Id<'_>> = back.iter().map(|(id, _)| Id { id: id.as_str() }).collect();
        execute!(tx, sqlx::query(SQL).bind(rows(&set)))?;
    }
    Ok(kept.into_iter().map(|(id, _)| id.clone()).collect())
}

/// What each recipient got of the capped classes: since the day began, and since the week began.
pub type Got = HashMap<(PatientId, Option<RelationId>), (i64, i64)>;

/// What these patients and their families got of the capped classes since `week`, and of that since `today`.
///
/// # Errors
/// When the database fails.
pub async fn got(
    tx: &mut Tx,
    patients: &[PatientId],
    today: Timestamp,
    week: Timestamp,
) -> Result<Got, StoreError> {
    const SQL: &str = "SELECT patient_id, relation_id, CAST(SUM(CASE WHEN created_at >= $2 THEN 1 ELSE 0 END) AS BIGINT), COUNT(*) FROM message
        WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND created_at >= $3 AND role <> 'staff'
          AND class IN ('survey', 'health_tip', 'invitation', 'greeting', 'promotion')
          AND state NOT IN ('suppressed', 'cancelled', 'failed', 'expired')
        GROUP BY patient_id, relation_id";
    if patients.is_empty() {
        return Ok(Got::new());
    }
    let (today, week) = (today.as_millisecond(), week.as_millisecond());
    let found: Vec<(PatientId, Option<RelationId>, i64, i64)> = on!(tx, conn => sqlx::query_as(SQL).bind(ids(patients)).bind(today).bind(week).fetch_all(conn).await)?;
    Ok(found
        .into_iter()
        .map(|(patient, relation, today, week)| ((patient, relation), (today, week)))
        .collect())
}

/// A reminder of a capped class that is still to come.
#[derive(Clone, Debug)]
pub struct Coming {
    /// Whose it is.
    pub patient: PatientId,
    /// The relation that gets it, for family.
    pub relation: Option<RelationId>,
    /// Its rule.
    pub rule: String,
    /// Its class.
    pub class: Class,
}

/// What these patients and their families are to get of the capped classes after `now` and before `end`.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn coming(
    tx: &mut Tx,
    patients: &[PatientId],
    now: Timestamp,
    end: Timestamp,
) -> Result<Vec<Coming>, StoreError> {
    const SQL: &str = "SELECT patient_id, relation_id, rule_id, class FROM reminder
        WHERE patient_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) AND due_at > $2 AND due_at < $3
          AND CAST(state AS TEXT) = 'planned' AND role <> 'staff'
          AND class IN ('survey', 'health_tip', 'invitation', 'greeting', 'promotion')";
    if patients.is_empty() {
        return Ok(Vec::new());
    }
    let (now, end) = (now.as_millisecond(), end.as_millisecond());
    let found: Vec<(PatientId, Option<RelationId>, String, String)> = on!(tx, conn => sqlx::query_as(SQL).bind(ids(patients)).bind(now).bind(end).fetch_all(conn).await)?;
    found
        .into_iter()
        .map(|(patient, relation, rule, class)| {
            Ok(Coming {
                patient,
                relation,
                rule,
                class: Class::parse(&class).ok_or(StoreError::BadRow {
                    table: "reminder",
                    what: "class",
                })?,
            })
        })
        .collect()
}

/// Those of `reminders` whose recipient got a message of an earlier step for the same occurrence, and it arrived.
///
/// # Errors
/// When the database fails.
pub async fn delivered_before(
    tx: &mut Tx,
    reminders: &[&ReminderId],
) -> Result<HashSet<ReminderId>, StoreError> {
    const SQL: &str = "SELECT DISTINCT r.id FROM json_each($1) AS j JOIN reminder AS r ON r.id = j.value ->> 'id'
        JOIN reminder AS e ON e.patient_id = r.patient_id AND e.due_at <= r.due_at AND e.rule_id = r.rule_id AND e.occurrence = r.occurrence
          AND e.epoch = r.epoch AND e.role = r.role AND e.relation_id IS NOT DISTINCT FROM r.relation_id AND e.id <> r.id
        JOIN message AS m ON m.id = e.message_id AND m.state = 'delivered'";
    if reminders.is_empty() {
        return Ok(HashSet::new());
    }
    let set: Vec<Id<'_>> = reminders.iter().map(|id| Id { id: id.as_str() }).collect();
    let found: Vec<ReminderId> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    Ok(found.into_iter().collect())
}

/// What each department is called towards patients, by its id.
///
/// # Errors
/// When the database fails.
pub async fn departments(tx: &mut Tx) -> Result<HashMap<String, String>, StoreError> {
    const SQL: &str = "SELECT id, COALESCE(public_name, name) FROM department";
    let found: Vec<(String, String)> = on!(tx, conn => sqlx::query_as(SQL).fetch_all(conn).await)?;
    Ok(found.into_iter().collect())
}

/// Lets no other process do this work until the transaction ends. False when one does it now.
///
/// SQLite has one process only; there the answer is always yes.
/// # Errors
/// When the database fails.
pub async fn alone(tx: &mut Tx, work: i64) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT pg_try_advisory_xact_lock($1)";
    match tx {
        Tx::Sqlite(_) => Ok(true),
        Tx::Postgres(inner) => Ok(sqlx::query_scalar(SQL)
            .bind(work)
            .fetch_one(&mut **inner)
            .await?),
    }
}
