//! What became of one patient's reminders of one rule: for people who ask why.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Id, StoreError, Tx, on, rows};
use crate::model::class::{Channel, Role};
use crate::model::id::{MessageId, PatientId};
use crate::model::message::MessageState;
use crate::model::occasion::OccasionTime;
use crate::model::reminder::ReminderState;

/// A reminder and what became of it. Names nobody.
#[derive(Clone, Debug)]
pub struct Past {
    /// The occasion's id, or the civil date of a computed one.
    pub occurrence: String,
    /// The step's id.
    pub step: String,
    /// The lead, such as `3d`.
    pub lead: String,
    /// Who gets it.
    pub role: Role,
    /// Where it stands.
    pub state: ReminderState,
    /// Why it was not sent.
    pub reason: Option<String>,
    /// When it is or was due.
    pub due_at: Timestamp,
    /// When that was settled last.
    pub updated_at: Timestamp,
    /// The message made of it.
    pub message: Option<PastMessage>,
    /// Whether a task was made of it.
    pub is_task: bool,
}

/// The message made of a reminder.
#[derive(Clone, Debug)]
pub struct PastMessage {
    /// Its id.
    pub id: MessageId,
    /// The channel it is on.
    pub channel: Channel,
    /// Where it stands.
    pub state: MessageState,
    /// Why, where a state needs a reason.
    pub reason: Option<String>,
    /// When a provider took it.
    pub sent_at: Option<Timestamp>,
    /// When its state changed last.
    pub updated_at: Timestamp,
    /// What was meant by the last answer to it, and when that came.
    pub reply: Option<(String, Timestamp)>,
    /// The bookings that it tells of, where there are several, in the order of time.
    pub tells_of: Vec<Told>,
}

/// A booking that a message tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its kind.
    pub kind: String,
    /// When it is, on the wall clock of its place.
    pub when: OccasionTime,
}

/// The last `most` reminders of `rule` for `patient`, superseded ones too, in the order of time.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of(
    tx: &mut Tx,
    patient: &PatientId,
    rule: &str,
    most: i64,
) -> Result<Vec<Past>, StoreError> {
    const SQL: &str = "SELECT r.occurrence, r.step, r.lead, r.role, r.state, r.reason, r.due_at, r.updated_at, r.task_id,
          m.id AS message_id, m.channel, m.state AS message_state, m.reason AS message_reason, m.updated_at AS message_at,
          (SELECT MIN(a.settled_at) FROM attempt AS a WHERE a.message_id = m.id AND a.phase IN ('accepted', 'resolved_sent')) AS sent_at,
          p.intent, p.received_at
        FROM reminder AS r LEFT JOIN message AS m ON m.id = r.message_id
          LEFT JOIN reply AS p ON p.message_id = m.id
            AND p.id = (SELECT MAX(l.id) FROM reply AS l WHERE l.message_id = m.id)
        WHERE r.patient_id = $1 AND r.rule_id = $2 ORDER BY r.due_at DESC, r.id DESC LIMIT $3";
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(patient).bind(rule).bind(most).fetch_all(conn).await)?;
    let mut all = found
        .into_iter()
        .map(Row::into_past)
        .collect::<Result<Vec<_>, _>>()?;
    all.reverse();
    let told = told(tx, &all).await?;
    for message in all.iter_mut().filter_map(|past| past.message.as_mut()) {
        let bookings = told.get(&message.id).cloned();
        message.tells_of = bookings.unwrap_or_default();
    }
    Ok(all)
}

/// The bookings of the messages that tell of several.
async fn told(tx: &mut Tx, all: &[Past]) -> Result<HashMap<MessageId, Vec<Told>>, StoreError> {
    const SQL: &str = "SELECT DISTINCT r.message_id, o.kind, o.local_at, o.id FROM json_each($1) AS j
        CROSS JOIN reminder AS r CROSS JOIN occasion AS o
        WHERE r.message_id = j.value ->> 'id' AND o.id = r.occasion_id ORDER BY r.message_id, o.local_at, o.id";
    let messages = all.iter().filter_map(|past| past.message.as_ref());
    let ids: BTreeSet<&str> = messages.map(|message| message.id.as_str()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let set: Vec<Id<'_>> = ids.into_iter().map(|id| Id { id }).collect();
    let found: Vec<(MessageId, String, String, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(rows(&set)).fetch_all(conn).await)?;
    let mut told: HashMap<MessageId, Vec<Told>> = HashMap::new();
    for (message, kind, at, _) in found {
        let when = OccasionTime::parse(&at).ok_or(StoreError::BadRow {
            table: "occasion",
            what: "local_at",
        })?;
        told.entry(message).or_default().push(Told { kind, when });
    }
    told.retain(|_, bookings| bookings.len() > 1);
    Ok(told)
}

#[derive(sqlx::FromRow)]
struct Row {
    occurrence: String,
    step: String,
    lead: String,
    role: String,
    state: String,
    reason: Option<String>,
    due_at: i64,
    updated_at: i64,
    task_id: Option<String>,
    message_id: Option<MessageId>,
    channel: Option<String>,
    message_state: Option<String>,
    message_reason: Option<String>,
    message_at: Option<i64>,
    sent_at: Option<i64>,
    intent: Option<String>,
    received_at: Option<i64>,
}

impl Row {
    fn into_past(self) -> Result<Past, StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "reminder",
            what,
        };
        let instant = |ms| super::message_view::instant("reminder", ms);
        let message = match self.message_id {
            Some(id) => Some(PastMessage {
                id,
                channel: self
                    .channel
                    .as_deref()
                    .and_then(Channel::parse)
                    .ok_or(bad("an unknown channel"))?,
                state: self
                    .message_state
                    .as_deref()
                    .and_then(MessageState::parse)
                    .ok_or(bad("an unknown state of a message"))?,
                reason: self.message_reason,
                sent_at: self.sent_at.map(instant).transpose()?,
                updated_at: instant(self.message_at.unwrap_or_default())?,
                reply: match (self.intent, self.received_at) {
                    (Some(intent), Some(at)) => Some((intent, instant(at)?)),
                    (None, _) | (_, None) => None,
                },
                tells_of: Vec::new(),
            }),
            None => None,
        };
        Ok(Past {
            occurrence: self.occurrence,
            step: self.step,
            lead: self.lead,
            role: Role::parse(&self.role).ok_or(bad("an unknown role"))?,
            state: ReminderState::parse(&self.state).ok_or(bad("an unknown state"))?,
            reason: self.reason,
            due_at: instant(self.due_at)?,
            updated_at: instant(self.updated_at)?,
            message,
            is_task: self.task_id.is_some(),
        })
    }
}
