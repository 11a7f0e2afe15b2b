//! Rows of the board as the database gives them, and the lines made of them.

use std::collections::HashMap;

use super::{
    Channel, Confirmation, FromRow, MessageLine, MessageState, OccasionLine, OccasionStatus,
    OccasionTime, Person, PersonName, Private, ReminderLine, ReminderState, ReplyLine, Role,
    StoreError, TaskLine, Timestamp,
};
use crate::store::messages::Body;

/// Reads a word of a closed set.
pub(super) fn read<T>(
    table: &'static str,
    word: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    parse(word).ok_or(StoreError::BadRow {
        table,
        what: "an unknown word",
    })
}

pub(super) fn instant(table: &'static str, ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::BadRow {
        table,
        what: "an instant out of range",
    })
}

pub(super) fn name(json: &str) -> Result<Private<String>, StoreError> {
    let name: PersonName = serde_json::from_str(json).map_err(|_| StoreError::BadRow {
        table: "patient",
        what: "its name is not a name",
    })?;
    Ok(Private::new(name.full))
}

fn person(id: Option<String>, json: Option<String>) -> Result<Option<Person>, StoreError> {
    id.zip(json)
        .map(|(id, json)| {
            Ok(Person {
                id,
                name: name(&json)?,
            })
        })
        .transpose()
}

#[derive(FromRow)]
pub(super) struct OccasionRow {
    id: String,
    patient_id: String,
    name: String,
    #[sqlx(flatten)]
    core: OccasionCore,
}

/// The columns that say what an occasion is.
#[derive(FromRow)]
struct OccasionCore {
    kind: String,
    local_at: String,
    status: String,
    confirmation: String,
    epoch: i64,
    department: Option<String>,
    doctor: Option<String>,
    place: Option<String>,
}

impl OccasionCore {
    fn line(self, id: String, patient: Option<Person>) -> Result<OccasionLine, StoreError> {
        Ok(OccasionLine {
            id,
            patient,
            kind: self.kind,
            when: read("occasion", &self.local_at, OccasionTime::parse)?,
            status: read("occasion", &self.status, OccasionStatus::parse)?,
            confirmation: read("occasion", &self.confirmation, Confirmation::parse)?,
            moves: self.epoch,
            department: self.department,
            doctor: self.doctor,
            place: self.place,
        })
    }
}

impl OccasionRow {
    pub(super) fn line(self) -> Result<OccasionLine, StoreError> {
        let patient = Person {
            id: self.patient_id,
            name: name(&self.name)?,
        };
        self.core.line(self.id, Some(patient))
    }
}

#[derive(FromRow)]
pub(super) struct ReplyRow {
    id: String,
    received_at: i64,
    patient_id: Option<String>,
    name: Option<String>,
    text: String,
    intent: String,
    outcome: String,
    needs_human: bool,
    occasion: Option<String>,
    kind: Option<String>,
    local_at: Option<String>,
    status: Option<String>,
    confirmation: Option<String>,
    epoch: Option<i64>,
    department: Option<String>,
    doctor: Option<String>,
    place: Option<String>,
}

impl ReplyRow {
    pub(super) fn line(self) -> Result<ReplyLine, StoreError> {
        let occasion = match (
            self.occasion,
            self.kind,
            self.local_at,
            self.status,
            self.confirmation,
            self.epoch,
        ) {
            (
                Some(id),
                Some(kind),
                Some(local_at),
                Some(status),
                Some(confirmation),
                Some(epoch),
            ) => {
                let (department, doctor, place) = (self.department, self.doctor, self.place);
                let core = OccasionCore {
                    kind,
                    local_at,
                    status,
                    confirmation,
                    epoch,
                    department,
                    doctor,
                    place,
                };
                Some(core.line(id, None)?)
            }
            _ => None,
        };
        Ok(ReplyLine {
            at: instant("reply", self.received_at)?,
            patient: person(self.patient_id, self.name)?,
            id: self.id,
            text: Private::new(self.text),
            intent: self.intent,
            outcome: self.outcome,
            needs_human: self.needs_human,
            occasion,
        })
    }
}

#[derive(FromRow)]
pub(super) struct TaskRow {
    id: String,
    channel: String,
    kind: String,
    priority: String,
    department: String,
    title: String,
    text: String,
    count: i64,
    patient_id: Option<String>,
    name: Option<String>,
    state: String,
    created_at: i64,
    staff_name: Option<String>,
}

impl TaskRow {
    pub(super) fn line(self) -> Result<TaskLine, StoreError> {
        Ok(TaskLine {
            channel: read("task", &self.channel, Channel::parse)?,
            urgent: self.priority == "urgent",
            patient: person(self.patient_id, self.name)?,
            open: self.state == "open",
            at: instant("task", self.created_at)?,
            id: self.id,
            kind: self.kind,
            department: self.department,
            staff: self.staff_name.map(Private::new),
            title: Private::new(self.title),
            text: Private::new(self.text),
            count: self.count,
        })
    }
}

#[derive(FromRow)]
pub(super) struct ReminderRow {
    id: String,
    rule_id: String,
    patient_id: Option<String>,
    name: Option<String>,
    role: String,
    department: Option<String>,
    channels: String,
    due_at: i64,
    state: String,
    reason: Option<String>,
}

impl ReminderRow {
    pub(super) fn line(self) -> Result<ReminderLine, StoreError> {
        let channels: Vec<Channel> =
            serde_json::from_str(&self.channels).map_err(|_| StoreError::BadRow {
                table: "reminder",
                what: "its channels are no list",
            })?;
        Ok(ReminderLine {
            role: read("reminder", &self.role, Role::parse)?,
            state: read("reminder", &self.state, ReminderState::parse)?,
            due_at: instant("reminder", self.due_at)?,
            patient: person(self.patient_id, self.name)?,
            channel: channels.first().copied(),
            id: self.id,
            // Our own answers are of no rule.
            rule: if self.rule_id.is_empty() {
                "reply".to_owned()
            } else {
                self.rule_id
            },
            department: self.department,
            reason: self.reason,
        })
    }
}

#[derive(FromRow)]
pub(super) struct MessageRow {
    id: String,
    created_at: i64,
    patient_id: Option<String>,
    name: Option<String>,
    role: String,
    channel: String,
    state: String,
    reason: Option<String>,
    bodies: String,
    rule_id: Option<String>,
    source: String,
    segments: i64,
    possible_dup: bool,
}

impl MessageRow {
    pub(super) fn line(self) -> Result<MessageLine, StoreError> {
        let mut bodies: HashMap<String, Body> =
            serde_json::from_str(&self.bodies).map_err(|_| StoreError::BadRow {
                table: "message",
                what: "its bodies cannot be read",
            })?;
        Ok(MessageLine {
            at: instant("message", self.created_at)?,
            patient: person(self.patient_id, self.name)?,
            role: read("message", &self.role, Role::parse)?,
            channel: read("message", &self.channel, Channel::parse)?,
            state: read("message", &self.state, MessageState::parse)?,
            text: Private::new(
                bodies
                    .remove(&self.channel)
                    .map(|body| body.text)
                    .unwrap_or_default(),
            ),
            id: self.id,
            reason: self.reason,
            origin: self
                .rule_id
                .filter(|rule| !rule.is_empty())
                .unwrap_or(self.source),
            segments: self.segments,
            possible_dup: self.possible_dup,
        })
    }
}
