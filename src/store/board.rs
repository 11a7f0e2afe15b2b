//! What the console's pages show: read only, by indexes, and never more than a page of it.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{StoreError, Tx, on};
use crate::model::class::{Channel, Role};
use crate::model::message::MessageState;
use crate::model::occasion::{Confirmation, OccasionStatus, OccasionTime};
use crate::model::patient::PersonName;
use crate::model::private::Private;
use crate::model::reminder::ReminderState;

/// Nothing is counted further than this: a page that says "10000+" says enough.
pub const COUNTED: i64 = 10_000;

/// The numbers at the head of the board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Reminders that wait for their moment, and those of them that are due before the day ends.
    pub planned: (i64, i64),
    /// Messages accepted since the day began, by state.
    pub messages: Vec<(MessageState, i64)>,
    /// Replies since the day began, and those of them that a person has to read.
    pub replies: (i64, i64),
    /// Occasions that are booked in the days ahead, by confirmation.
    pub confirmations: Vec<(Confirmation, i64)>,
    /// Open tasks, and those of them that are urgent.
    pub tasks: (i64, i64),
}

/// Whose row it is, as staff read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The patient's id.
    pub id: String,
    /// What they are called.
    pub name: Private<String>,
}

/// An occasion as a line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OccasionLine {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub patient: Option<Person>,
    /// `appointment`, `revisit` …
    pub kind: String,
    /// When, on the clinic's wall clock.
    pub when: OccasionTime,
    /// What the hospital system says.
    pub status: OccasionStatus,
    /// What the patient said.
    pub confirmation: Confirmation,
    /// How often it was moved.
    pub moves: i64,
    /// Who sees the patient.
    pub department: Option<String>,
    /// The doctor.
    pub doctor: Option<String>,
    /// Where.
    pub place: Option<String>,
}

/// A reply and what was done about it.
#[derive(Clone, Debug)]
pub struct ReplyLine {
    /// Its id.
    pub id: String,
    /// When it came.
    pub at: Timestamp,
    /// Who wrote, if that is known.
    pub patient: Option<Person>,
    /// What they wrote.
    pub text: Private<String>,
    /// What was understood.
    pub intent: String,
    /// What was done.
    pub outcome: String,
    /// Whether a person has to read it.
    pub needs_human: bool,
    /// What it was about.
    pub occasion: Option<OccasionLine>,
}

/// Work for staff.
#[derive(Clone, Debug)]
pub struct TaskLine {
    /// Its id.
    pub id: String,
    /// `task` or `popup`.
    pub channel: Channel,
    /// `reminder`, `reply`, `emergency` …
    pub kind: String,
    /// Whether it goes before all others.
    pub urgent: bool,
    /// Whose it is.
    pub department: String,
    /// Who of them, where it is one's alone.
    pub staff: Option<Private<String>>,
    /// Its head line.
    pub title: Private<String>,
    /// What it says.
    pub text: Private<String>,
    /// How many of the same it stands for.
    pub count: i64,
    /// Who it is about.
    pub patient: Option<Person>,
    /// Whether it is still to be done.
    pub open: bool,
    /// Since when.
    pub at: Timestamp,
}

/// A reminder: what waits, what became of it, and why not.
#[derive(Clone, Debug)]
pub struct ReminderLine {
    /// Its id.
    pub id: String,
    /// The rule that planned it.
    pub rule: String,
    /// Who it is about, if it is about one patient.
    pub patient: Option<Person>,
    /// Who gets it.
    pub role: Role,
    /// The staff's department.
    pub department: Option<String>,
    /// The first channel it will try.
    pub channel: Option<Channel>,
    /// Its moment.
    pub due_at: Timestamp,
    /// Where it stands.
    pub state: ReminderState,
    /// Why it was not sent.
    pub reason: Option<String>,
}

/// A message.
#[derive(Clone, Debug)]
pub struct MessageLine {
    /// Its id.
    pub id: String,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who it is about, if that is known.
    pub patient: Option<Person>,
    /// Who gets it.
    pub role: Role,
    /// The medium it is on.
    pub channel: Channel,
    /// Where it stands.
    pub state: MessageState,
    /// Why.
    pub reason: Option<String>,
    /// What it says on that medium.
    pub text: Private<String>,
    /// The rule that made it, or its source.
    pub origin: String,
    /// Segments it costs.
    pub segments: i64,
    /// Whether it may have gone out twice.
    pub possible_dup: bool,
}

/// The numbers of the day from `day_start` to `day_end`, and of the occasions from `now` to `ahead`.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn figures(
    tx: &mut Tx,
    day_start: Timestamp,
    day_end: Timestamp,
    now: Timestamp,
    ahead: Timestamp,
) -> Result<Figures, StoreError> {
    const PLANNED: &str = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN due_at < $1 THEN 1 ELSE 0 END), 0) AS BIGINT)
        FROM (SELECT due_at FROM reminder WHERE state = 'planned' ORDER BY due_at LIMIT $2) AS r";
    const MESSAGES: &str = "SELECT state, CAST(COUNT(*) AS BIGINT) FROM
        (SELECT state FROM message WHERE created_at >= $1 ORDER BY created_at DESC LIMIT $2) AS m GROUP BY state ORDER BY state";
    const REPLIES: &str = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN needs_human THEN 1 ELSE 0 END), 0) AS BIGINT)
        FROM (SELECT needs_human FROM reply WHERE received_at >= $1 ORDER BY received_at DESC LIMIT $2) AS r";
    const TASKS: &str = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN priority = 'urgent' THEN 1 ELSE 0 END), 0) AS BIGINT)
        FROM (SELECT priority FROM task WHERE state = 'open' LIMIT $1) AS t";
    let planned = on!(&mut *tx, conn => sqlx::query_as(PLANNED).bind(day_end.as_millisecond()).bind(COUNTED).fetch_one(conn).await)?;
    let since = day_start.as_millisecond();
    let messages: Vec<(String, i64)> = on!(&mut *tx, conn => sqlx::query_as(MESSAGES).bind(since).bind(COUNTED).fetch_all(conn).await)?;
    let replies = on!(&mut *tx, conn => sqlx::query_as(REPLIES).bind(since).bind(COUNTED).fetch_one(conn).await)?;
    let tasks = on!(&mut *tx, conn => sqlx::query_as(TASKS).bind(COUNTED).fetch_one(conn).await)?;
    let messages = messages
        .into_iter()
        .map(|(word, n)| Ok((read("message", &word, MessageState::parse)?, n)));
    Ok(Figures {
        planned,
        messages: messages.collect::<Result<_, StoreError>>()?,
        replies,
        confirmations: confirmations(tx, now, ahead).await?,
        tasks,
    })
}

async fn confirmations(
    tx: &mut Tx,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(Confirmation, i64)>, StoreError> {
    // The index leads with the kind: each kind in turn is a short walk, all kinds at once would be the whole table.
    const SQL: &str = "WITH RECURSIVE kinds (kind) AS (
            SELECT MIN(kind) FROM occasion
            UNION ALL SELECT (SELECT MIN(o.kind) FROM occasion AS o WHERE o.kind > kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL)
        SELECT confirmation, CAST(COUNT(*) AS BIGINT) FROM (
            SELECT o.confirmation FROM kinds JOIN occasion AS o ON o.kind = kinds.kind AND o.at >= $1 AND o.at < $2
            WHERE o.status = 'booked' LIMIT $3) AS ahead
        GROUP BY confirmation ORDER BY confirmation";
    let (from, until) = (from.as_millisecond(), until.as_millisecond());
    let rows: Vec<(String, i64)> = on!(tx, conn => sqlx::query_as(SQL).bind(from).bind(until).bind(COUNTED).fetch_all(conn).await)?;
    rows.into_iter()
        .map(|(word, n)| Ok((read("occasion", &word, Confirmation::parse)?, n)))
        .collect()
}

/// Occasions that begin in `[from, until)`, by their moment.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn occasions(
    tx: &mut Tx,
    from: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<OccasionLine>, StoreError> {
    const SQL: &str = "WITH RECURSIVE kinds (kind) AS (
            SELECT MIN(kind) FROM occasion
            UNION ALL SELECT (SELECT MIN(o.kind) FROM occasion AS o WHERE o.kind > kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL)
        SELECT o.id, o.patient_id, p.name, o.kind, o.local_at, o.status, o.confirmation, o.epoch, o.department, o.doctor, o.place
        FROM kinds JOIN occasion AS o ON o.kind = kinds.kind AND o.at >= $1 AND o.at < $2
        JOIN patient AS p ON p.id = o.patient_id ORDER BY o.at, o.id LIMIT $3";
    let (from, until) = (from.as_millisecond(), until.as_millisecond());
    let rows: Vec<OccasionRow> = on!(tx, conn => sqlx::query_as(SQL).bind(from).bind(until).bind(limit).fetch_all(conn).await)?;
    rows.into_iter().map(OccasionRow::line).collect()
}

/// The occasions of one patient, the latest first.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn occasions_of(
    tx: &mut Tx,
    patient: &str,
    limit: i64,
) -> Result<Vec<OccasionLine>, StoreError> {
    const SQL: &str = "SELECT o.id, o.patient_id, p.name, o.kind, o.local_at, o.status, o.confirmation, o.epoch, o.department, o.doctor, o.place
        FROM occasion AS o JOIN patient AS p ON p.id = o.patient_id WHERE o.patient_id = $1 ORDER BY o.at DESC, o.id LIMIT $2";
    let rows: Vec<OccasionRow> =
        on!(tx, conn => sqlx::query_as(SQL).bind(patient).bind(limit).fetch_all(conn).await)?;
    rows.into_iter().map(OccasionRow::line).collect()
}

/// The latest replies, of `patient` alone if one is given.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn replies(
    tx: &mut Tx,
    patient: Option<&str>,
    limit: i64,
) -> Result<Vec<ReplyLine>, StoreError> {
    const ALL: &str = "SELECT r.id, r.received_at, r.patient_id, p.name, r.text, r.intent, r.outcome, r.needs_human,
        o.id AS occasion, o.kind, o.local_at, o.status, o.confirmation, o.epoch, o.department, o.doctor, o.place
        FROM (SELECT * FROM reply ORDER BY received_at DESC, id DESC LIMIT $1) AS r
        LEFT JOIN patient AS p ON p.id = r.patient_id LEFT JOIN occasion AS o ON o.id = r.occasion_id
        ORDER BY r.received_at DESC, r.id DESC";
    const OF_ONE: &str = "SELECT r.id, r.received_at, r.patient_id, p.name, r.text, r.intent, r.outcome, r.needs_human,
        o.id AS occasion, o.kind, o.local_at, o.status, o.confirmation, o.epoch, o.department, o.doctor, o.place
        FROM (SELECT * FROM reply WHERE patient_id = $2 ORDER BY received_at DESC, id DESC LIMIT $1) AS r
        LEFT JOIN patient AS p ON p.id = r.patient_id LEFT JOIN occasion AS o ON o.id = r.occasion_id
        ORDER BY r.received_at DESC, r.id DESC";
    let rows: Vec<ReplyRow> = match patient {
        None => on!(tx, conn => sqlx::query_as(ALL).bind(limit).fetch_all(conn).await)?,
        Some(patient) => {
            on!(tx, conn => sqlx::query_as(OF_ONE).bind(limit).bind(patient).fetch_all(conn).await)?
        }
    };
    rows.into_iter().map(ReplyRow::line).collect()
}

/// Open tasks, urgent ones first and then the newest; of one patient all tasks, the newest first.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn tasks(
    tx: &mut Tx,
    patient: Option<&str>,
    limit: i64,
) -> Result<Vec<TaskLine>, StoreError> {
    // The index leads with the department: each one's newest are a short walk.
    const OPEN: &str = "WITH RECURSIVE places (department) AS (
            SELECT MIN(department) FROM task
            UNION ALL SELECT (SELECT MIN(t.department) FROM task AS t WHERE t.department > places.department)
                FROM places WHERE places.department IS NOT NULL)
        SELECT t.id, t.channel, t.kind, t.priority, t.department, t.title, t.text, t.count, t.patient_id, p.name, t.state, t.created_at, s.name AS staff_name
        FROM places JOIN task AS t ON t.department = places.department AND t.state = 'open'
        LEFT JOIN patient AS p ON p.id = t.patient_id LEFT JOIN staff AS s ON s.id = t.staff_id
        ORDER BY CASE WHEN t.priority = 'urgent' THEN 0 ELSE 1 END, t.created_at DESC, t.id DESC LIMIT $1";
    const OF_ONE: &str = "SELECT t.id, t.channel, t.kind, t.priority, t.department, t.title, t.text, t.count, t.patient_id, p.name, t.state, t.created_at, s.name AS staff_name
        FROM task AS t LEFT JOIN patient AS p ON p.id = t.patient_id LEFT JOIN staff AS s ON s.id = t.staff_id
        WHERE t.patient_id = $2 ORDER BY t.created_at DESC, t.id DESC LIMIT $1";
    let rows: Vec<TaskRow> = match patient {
        None => on!(tx, conn => sqlx::query_as(OPEN).bind(limit).fetch_all(conn).await)?,
        Some(patient) => {
            on!(tx, conn => sqlx::query_as(OF_ONE).bind(limit).bind(patient).fetch_all(conn).await)?
        }
    };
    rows.into_iter().map(TaskRow::line).collect()
}

/// The reminders that come next, or all of one patient with the latest first.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn reminders(
    tx: &mut Tx,
    patient: Option<&str>,
    limit: i64,
) -> Result<Vec<ReminderLine>, StoreError> {
    const NEXT: &str = "SELECT r.id, r.rule_id, r.patient_id, p.name, r.role, r.department, r.channels, r.due_at, r.state, r.reason
        FROM (SELECT * FROM reminder WHERE state = 'planned' ORDER BY due_at, id LIMIT $1) AS r
        LEFT JOIN patient AS p ON p.id = r.patient_id ORDER BY r.due_at, r.id";
    const OF_ONE: &str = "SELECT r.id, r.rule_id, r.patient_id, p.name, r.role, r.department, r.channels, r.due_at, r.state, r.reason
        FROM reminder AS r LEFT JOIN patient AS p ON p.id = r.patient_id
        WHERE r.patient_id = $2 ORDER BY r.due_at DESC, r.id DESC LIMIT $1";
    let rows: Vec<ReminderRow> = match patient {
        None => on!(tx, conn => sqlx::query_as(NEXT).bind(limit).fetch_all(conn).await)?,
        Some(patient) => {
            on!(tx, conn => sqlx::query_as(OF_ONE).bind(limit).bind(patient).fetch_all(conn).await)?
        }
    };
    rows.into_iter().map(ReminderRow::line).collect()
}

/// Which messages to show.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The latest of all.
    Latest,
    /// The latest in one state.
    In(MessageState),
    /// The latest about one patient.
    About(&'a str),
}

/// The latest messages of those.
///
/// # Errors
/// When the database refuses or a row cannot be read.
pub async fn messages(
    tx: &mut Tx,
    which: Which<'_>,
    limit: i64,
) -> Result<Vec<MessageLine>, StoreError> {
    const LATEST: &str = "SELECT m.id, m.created_at, m.patient_id, p.name, m.role, m.channel, m.state, m.reason, m.bodies, m.rule_id, m.source,
        m.segments, m.possible_dup
        FROM (SELECT * FROM message ORDER BY created_at DESC, id DESC LIMIT $1) AS m
        LEFT JOIN patient AS p ON p.id = m.patient_id ORDER BY m.created_at DESC, m.id DESC";
    // Ids rise with time, and the index is by state and id.
    const IN_STATE: &str = "SELECT m.id, m.created_at, m.patient_id, p.name, m.role, m.channel, m.state, m.reason, m.bodies, m.rule_id, m.source,
        m.segments, m.possible_dup
        FROM (SELECT * FROM message WHERE state = $2 ORDER BY id DESC LIMIT $1) AS m
        LEFT JOIN patient AS p ON p.id = m.patient_id ORDER BY m.id DESC";
    const ABOUT: &str = "SELECT m.id, m.created_at, m.patient_id, p.name, m.role, m.channel, m.state, m.reason, m.bodies, m.rule_id, m.source,
        m.segments, m.possible_dup
        FROM (SELECT * FROM message WHERE patient_id = $2 ORDER BY created_at DESC LIMIT $1) AS m
        LEFT JOIN patient AS p ON p.id = m.patient_id ORDER BY m.created_at DESC, m.id DESC";
    let rows: Vec<MessageRow> = match which {
        Which::Latest => on!(tx, conn => sqlx::query_as(LATEST).bind(limit).fetch_all(conn).await)?,
        Which::In(state) => {
            on!(tx, conn => sqlx::query_as(IN_STATE).bind(limit).bind(state.as_str()).fetch_all(conn).await)?
        }
        Which::About(patient) => {
            on!(tx, conn => sqlx::query_as(ABOUT).bind(limit).bind(patient).fetch_all(conn).await)?
        }
    };
    rows.into_iter().map(MessageRow::line).collect()
}

mod person;
mod rows;
mod standing;

pub use person::{Card, ContactLine, FamilyLine, card};
use rows::{MessageRow, OccasionRow, ReminderRow, ReplyRow, TaskRow, read};
pub use standing::{Said, Standing, said, standing, totals};

#[cfg(test)]
pub(crate) mod tests;
