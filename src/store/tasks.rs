//! Work for staff: tasks and pop-ups, each once, with a count of how often it came up.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::audits::{self, NewAudit};
use super::events::{self, NewEvent};
use super::{Id, StoreError, Tx, execute, on, rows};
use crate::model::class::Channel;
use crate::model::id::{OccasionId, PatientId, ReminderId, ReplyId, StaffId, TaskId};
use crate::model::private::Private;
use crate::model::task::{Priority, TaskKind, TaskState};

/// A task to be opened.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its id, made by the caller; a repeat of the key keeps the id it has.
    pub id: TaskId,
    /// The same key is the same task: its count grows, and if it was done it opens again.
    pub dedupe_key: String,
    /// `popup` or `task`.
    pub channel: Channel,
    /// What it is about.
    pub kind: TaskKind,
    /// How pressing it is.
    pub priority: Priority,
    /// Who is to do it.
    pub department: String,
    /// Whose it is alone; `None`: the department's.
    pub staff: Option<StaffId>,
    /// One line.
    pub title: Private<String>,
    /// The rest.
    pub text: Private<String>,
    /// The patient it is about.
    pub patient: Option<PatientId>,
    /// The occasion it is about.
    pub occasion: Option<OccasionId>,
    /// The reminder it was made of.
    pub reminder: Option<ReminderId>,
    /// The reply it was made of.
    pub reply: Option<ReplyId>,
    /// How many patients, or times, it stands for.
    pub count: i64,
}

/// A task as staff see it.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// `popup` or `task`.
    pub channel: Channel,
    /// What it is about.
    pub kind: TaskKind,
    /// How pressing it is.
    pub priority: Priority,
    /// Who is to do it.
    pub department: String,
    /// Whose it is alone; `None`: the department's.
    pub staff: Option<Addressee>,
    /// One line.
    pub title: Private<String>,
    /// The rest.
    pub text: Private<String>,
    /// The patient it is about.
    pub patient: Option<PatientId>,
    /// The occasion it is about.
    pub occasion: Option<OccasionId>,
    /// The reminder it was made of.
    pub reminder: Option<ReminderId>,
    /// The reply it was made of.
    pub reply: Option<ReplyId>,
    /// How many patients, or times, it stands for.
    pub count: i64,
    /// Whether it is done.
    pub state: TaskState,
    /// When it came up first.
    pub created_at: Timestamp,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

/// The member of staff whose task it is.
#[derive(Clone, Debug)]
pub struct Addressee {
    /// Our own id.
    pub id: StaffId,
    /// `source/key`, as the source calls them.
    pub key: String,
    /// What they are called.
    pub name: Private<String>,
}

/// Which tasks to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Of one department.
    pub department: Option<&'a str>,
    /// Of one member of staff alone.
    pub staff: Option<&'a StaffId>,
    /// Of one channel.
    pub channel: Option<Channel>,
    /// About one patient.
    pub patient: Option<&'a PatientId>,
    /// Done ones instead of open ones.
    pub done: bool,
}

/// Opens `tasks`; tasks of one key are one. Gives the id that each key has now.
///
/// # Errors
/// When the database fails.
pub async fn add(
    tx: &mut Tx,
    tasks: &[NewTask],
    now: Timestamp,
) -> Result<BTreeMap<String, TaskId>, StoreError> {
    const SQL: &str = "INSERT INTO task (id, dedupe_key, channel, kind, priority, department, title, text, patient_id, occasion_id,
          reminder_id, reply_id, count, staff_id, state, created_at)
        SELECT j.value ->> 'id', j.value ->> 'dedupe_key', j.value ->> 'channel', j.value ->> 'kind', j.value ->> 'priority',
          j.value ->> 'department', j.value ->> 'title', j.value ->> 'text', j.value ->> 'patient_id', j.value ->> 'occasion_id',
          j.value ->> 'reminder_id', j.value ->> 'reply_id', CAST(j.value ->> 'count' AS BIGINT), j.value ->> 'staff_id', 'open', $2
        FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (dedupe_key) DO UPDATE SET count = task.count + excluded.count, state = 'open', done_at = NULL,
          title = excluded.title, text = excluded.text, staff_id = excluded.staff_id
        RETURNING id, dedupe_key";
    if tasks.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut merged: BTreeMap<&str, Row<'_>> = BTreeMap::new();
    for task in tasks {
        merged
            .entry(&task.dedupe_key)
            .and_modify(|row| row.count += task.count)
            .or_insert_with(|| Row::of(task));
    }
    let set: Vec<&Row<'_>> = merged.values().collect();
    let stored: Vec<(TaskId, String)> = on!(&mut *tx, conn => sqlx::query_as(SQL).bind(rows(&set)).bind(now.as_millisecond()).fetch_all(conn).await)?;
    let ids: BTreeMap<String, TaskId> = stored.into_iter().map(|(id, key)| (key, id)).collect();
    let told: Vec<NewEvent> = set.iter().filter_map(|row| {
        let id = ids.get(row.dedupe_key)?;
        let data = json!({"id": id, "kind": row.kind, "channel": row.channel, "department": row.department, "staff": row.staff_id, "priority": row.priority});
        Some(NewEvent { kind: "task.opened".to_owned(), data })
    }).collect();
    events::add(tx, &told, now).await?;
    Ok(ids)
}

/// Tasks that fit `filter`: urgent ones first, then the newest; `before` is the last one of the page before.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(
    tx: &mut Tx,
    filter: &Filter<'_>,
    before: Option<&Task>,
    limit: i64,
) -> Result<Vec<Task>, StoreError> {
    const SQL: &str = "SELECT t.id, t.channel, t.kind, t.priority, t.department, t.title, t.text, t.patient_id, t.occasion_id, t.reminder_id,
          t.reply_id, t.count, t.state, t.created_at, t.done_at, s.id AS staff_id, s.source || '/' || s.source_key AS staff_key, s.name AS staff_name
        FROM task AS t LEFT JOIN staff AS s ON s.id = t.staff_id
        WHERE t.state = $1 AND ($2 = '' OR t.department = $2) AND ($3 = '' OR t.channel = $3) AND ($4 = '' OR t.patient_id = $4)
          AND ($9 = '' OR t.staff_id = $9)
          AND ($5 = '' OR (CASE t.priority WHEN 'urgent' THEN 1 ELSE 0 END, t.created_at, t.id)
            < (CASE CAST($5 AS TEXT) WHEN 'urgent' THEN 1 ELSE 0 END, CAST($6 AS BIGINT), CAST($7 AS TEXT)))
        ORDER BY CASE t.priority WHEN 'urgent' THEN 1 ELSE 0 END DESC, t.created_at DESC, t.id DESC LIMIT $8";
    let state = if filter.done {
        TaskState::Done
    } else {
        TaskState::Open
    };
    let (channel, patient) = (
        filter.channel.map_or("", Channel::as_str),
        filter.patient.map_or("", PatientId::as_str),
    );
    let (priority, at, id) = before.map_or(("", 0, ""), |task| {
        (
            task.priority.as_str(),
            task.created_at.as_millisecond(),
            task.id.as_str(),
        )
    });
    let found: Vec<TaskRow> = on!(tx, conn => sqlx::query_as(SQL).bind(state.as_str()).bind(filter.department.unwrap_or_default())
        .bind(channel).bind(patient).bind(priority).bind(at).bind(id).bind(limit)
        .bind(filter.staff.map_or("", StaffId::as_str)).fetch_all(conn).await)?;
    found.into_iter().map(TaskRow::into_task).collect()
}

/// The task called `id`.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn find(tx: &mut Tx, id: &TaskId) -> Result<Option<Task>, StoreError> {
    const SQL: &str = "SELECT t.id, t.channel, t.kind, t.priority, t.department, t.title, t.text, t.patient_id, t.occasion_id, t.reminder_id,
          t.reply_id, t.count, t.state, t.created_at, t.done_at, s.id AS staff_id, s.source || '/' || s.source_key AS staff_key, s.name AS staff_name
        FROM task AS t LEFT JOIN staff AS s ON s.id = t.staff_id WHERE t.id = $1";
    let found: Option<TaskRow> =
        on!(tx, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    found.map(TaskRow::into_task).transpose()
}

/// Those of `keys` that a task has, open or done.
///
/// # Errors
/// When the database fails.
pub async fn known(tx: &mut Tx, keys: &[&str]) -> Result<BTreeSet<String>, StoreError> {
    const SQL: &str = "SELECT dedupe_key FROM task WHERE dedupe_key IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    let set: Vec<Id<'_>> = keys.iter().map(|id| Id { id }).collect();
    let found: Vec<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    Ok(found.into_iter().collect())
}

/// Closes a task for `actor`, with an audit row. False when there is no such open task.
///
/// # Errors
/// When the database fails.
pub async fn done(
    tx: &mut Tx,
    task: &TaskId,
    actor: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "UPDATE task SET state = 'done', done_at = $2 WHERE id = $1 AND state = 'open'";
    let at = now.as_millisecond();
    if execute!(&mut *tx, sqlx::query(SQL).bind(task).bind(at))? == 0 {
        return Ok(false);
    }
    let act = NewAudit {
        actor,
        action: "task.done",
        target: task.as_str(),
        detail: json!({}),
    };
    audits::add(tx, &act, now).await?;
    events::add(
        tx,
        &[NewEvent {
            kind: "task.done".to_owned(),
            data: json!({"id": task}),
        }],
        now,
    )
    .await?;
    Ok(true)
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a TaskId,
    dedupe_key: &'a str,
    channel: Channel,
    kind: TaskKind,
    priority: Priority,
    department: &'a str,
    title: &'a str,
    text: &'a str,
    patient_id: Option<&'a PatientId>,
    occasion_id: Option<&'a OccasionId>,
    reminder_id: Option<&'a ReminderId>,
    reply_id: Option<&'a ReplyId>,
    count: i64,
    staff_id: Option<&'a StaffId>,
}

impl<'a> Row<'a> {
    fn of(task: &'a NewTask) -> Self {
        Self {
            id: &task.id,
            dedupe_key: &task.dedupe_key,
            channel: task.channel,
            kind: task.kind,
            priority: task.priority,
            department: &task.department,
            title: task.title.reveal(),
            text: task.text.reveal(),
            patient_id: task.patient.as_ref(),
            occasion_id: task.occasion.as_ref(),
            reminder_id: task.reminder.as_ref(),
            reply_id: task.reply.as_ref(),
            count: task.count,
            staff_id: task.staff.as_ref(),
        }
    }
}

#[derive(sqlx::FromRow)]
struct TaskRow {
    id: TaskId,
    channel: String,
    kind: String,
    priority: String,
    department: String,
    title: String,
    text: String,
    patient_id: Option<PatientId>,
    occasion_id: Option<OccasionId>,
    reminder_id: Option<ReminderId>,
    reply_id: Option<ReplyId>,
    count: i64,
    staff_id: Option<StaffId>,
    staff_key: Option<String>,
    staff_name: Option<String>,
    state: String,
    created_at: i64,
    done_at: Option<i64>,
}

impl TaskRow {
    fn into_task(self) -> Result<Task, StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "task",
            what,
        };
        let instant = |ms| Timestamp::from_millisecond(ms).map_err(|_| bad("an instant"));
        Ok(Task {
            id: self.id,
            channel: Channel::parse(&self.channel).ok_or(bad("channel"))?,
            kind: TaskKind::parse(&self.kind).ok_or(bad("kind"))?,
            priority: Priority::parse(&self.priority).ok_or(bad("priority"))?,
            department: self.department,
            staff: self.staff_id.zip(self.staff_key).zip(self.staff_name).map(
                |((id, key), name)| Addressee {
                    id,
                    key,
                    name: Private::new(name),
                },
            ),
            title: Private::new(self.title),
            text: Private::new(self.text),
            patient: self.patient_id,
            occasion: self.occasion_id,
            reminder: self.reminder_id,
            reply: self.reply_id,
            count: self.count,
            state: TaskState::parse(&self.state).ok_or(bad("state"))?,
            created_at: instant(self.created_at)?,
            done_at: self.done_at.map(instant).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Filter, NewTask, add, done, list};
    use crate::model::class::Channel;
    use crate::model::id::TaskId;
    use crate::model::task::{Priority, TaskKind};
    use crate::store::{StoreError, testing};

    fn task(key: &str, priority: Priority) -> NewTask {
        NewTask {
            id: TaskId::generate(),
            dedupe_key: key.to_owned(),
            channel: Channel::Task,
            kind: TaskKind::Fault,
            priority,
            department: "clinical".to_owned(),
            staff: None,
            title: key.to_owned().into(),
            text: String::new().into(),
            patient: None,
            occasion: None,
            reminder: None,
            reply: None,
            count: 1,
        }
    }

    #[tokio::test]
    async fn a_task_of_one_key_is_one_and_counts() -> Result<(), StoreError> {
        for test in testing::stores().await {
            let now = Timestamp::UNIX_EPOCH;
            let mut tx = test.store.write().await?;
            add(
                &mut tx,
                &[
                    task("a", Priority::Normal),
                    task("a", Priority::Normal),
                    task("b", Priority::Urgent),
                ],
                now,
            )
            .await?;
            add(&mut tx, &[task("a", Priority::Normal)], now).await?;
            let open = list(&mut tx, &Filter::default(), None, 10).await?;
            let seen: Vec<(&str, i64)> = open
                .iter()
                .map(|t| (t.title.reveal().as_str(), t.count))
                .collect();
            assert_eq!(seen, [("b", 1), ("a", 3)]);
            let next = list(&mut tx, &Filter::default(), open.first(), 10).await?;
            assert_eq!(
                next.iter().map(|t| t.id.clone()).collect::<Vec<_>>(),
                [open[1].id.clone()]
            );
            assert!(done(&mut tx, &open[0].id, "staff:ana", now).await?);
            assert!(!done(&mut tx, &open[0].id, "staff:ana", now).await?);
            assert_eq!(list(&mut tx, &Filter::default(), None, 10).await?.len(), 1);
            assert_eq!(
                list(
                    &mut tx,
                    &Filter {
                        done: true,
                        department: Some("clinical"),
                        ..Filter::default()
                    },
                    None,
                    10
                )
                .await?
                .len(),
                1
            );
        }
        Ok(())
    }
}
