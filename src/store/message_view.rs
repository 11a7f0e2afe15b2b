//! Messages as they are looked at: one with its attempts and its reply, or a page of many.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::messages::{Body, CALLED_OFF};
use super::{StoreError, Tx, on, rows};
use crate::model::class::{Channel, Class, Lane, Role};
use crate::model::id::{
    AttemptId, MessageId, OccasionId, PatientId, RelationId, ReminderId, ReplyId,
};
use crate::model::message::{Ask, AttemptPhase, MessageState};
use crate::model::private::Private;

/// A message as it is kept.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// `rule`, `reply`, `cli`, `resend`, `api:<key id>` or `amqp:<client>`.
    pub source: String,
    /// Unique within the source.
    pub dedupe_key: String,
    /// Consent, hours, caps and lane hang on it.
    pub class: Class,
    /// Its queue.
    pub lane: Lane,
    /// Where it stands.
    pub state: MessageState,
    /// Why, where a state needs a reason.
    pub reason: Option<String>,
    /// Who it is about.
    pub patient: Option<PatientId>,
    /// The relation that gets it.
    pub relation: Option<RelationId>,
    /// What it is about.
    pub occasion: Option<(OccasionId, i64)>,
    /// The reminder it was made of.
    pub reminder: Option<ReminderId>,
    /// The rule that made it.
    pub rule: Option<String>,
    /// Who gets it.
    pub role: Role,
    /// Channels in order.
    pub channels: Vec<Channel>,
    /// The channel it is on.
    pub channel: Channel,
    /// The address on each channel.
    pub addresses: Private<BTreeMap<String, String>>,
    /// What it says on each channel.
    pub(crate) bodies: Private<BTreeMap<String, Body>>,
    /// The language it is written in.
    pub language: Option<String>,
    /// The template it was made of, and that one's version.
    pub template: Option<(String, String)>,
    /// What a reply answers.
    pub ask: Option<Ask>,
    /// Source address, if not the provider's own.
    pub sender: Option<String>,
    /// The caller's own reference.
    pub reference: Option<String>,
    /// The provider it was last handed to, or stands in the queue of.
    pub provider: Option<String>,
    /// Segments as an SMS, else 1.
    pub segments: i64,
    /// Whether it may have gone out twice.
    pub possible_dup: bool,
    /// Whether it is never to be sent again.
    pub no_resend: bool,
    /// Not before.
    pub send_at: Timestamp,
    /// Not after.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Message {
    /// What it says on each channel.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bodies
            .reveal()
            .iter()
            .map(|(channel, body)| (channel.as_str(), body.text.as_str()))
    }

    /// Text, head line and segments on `channel`, unless they are past their keep date.
    pub fn words(&self, channel: Channel) -> Option<(&str, Option<&str>, usize)> {
        let body = self
            .bodies
            .reveal()
            .get(channel.as_str())
            .filter(|body| !body.text.is_empty())?;
        Some((&body.text, body.subject.as_deref(), body.segments))
    }
}

/// One try at one provider.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Counted from 1.
    pub n: i64,
    /// The medium.
    pub channel: Channel,
    /// Who was to carry it.
    pub provider: String,
    /// Where it stands.
    pub phase: AttemptPhase,
    /// The provider's code, or why nothing was sent.
    pub error: Option<String>,
    /// When it was journalled.
    pub created_at: Timestamp,
    /// When its outcome was known.
    pub settled_at: Option<Timestamp>,
    /// What the provider took.
    pub parts: Vec<Part>,
}

/// One part that a provider took, and the receipt for it.
#[derive(Clone, Debug)]
pub struct Part {
    /// Counted from 1.
    pub n: i64,
    /// The provider's own id.
    pub provider_id: String,
    /// What the network said last.
    pub receipt: Option<String>,
    /// The network's error code.
    pub error: Option<String>,
    /// When it said so.
    pub receipt_at: Option<Timestamp>,
}

/// What was answered to a message.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// Its id.
    pub id: ReplyId,
    /// What was meant.
    pub intent: String,
    /// Whether a person must look at it.
    pub needs_human: bool,
    /// What was done about it.
    pub outcome: String,
    /// When it came.
    pub received_at: Timestamp,
    /// What was written.
    pub text: Private<String>,
}

/// Which messages a page shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only those on this channel.
    pub channel: Option<Channel>,
    /// Only this patient's.
    pub patient: Option<PatientId>,
    /// Only those accepted since then.
    pub since: Option<Timestamp>,
    /// Only what comes after this one.
    pub after: Option<Place>,
    /// How many.
    pub most: i64,
}

/// A place in a list that goes from new to old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the row was made, in milliseconds.
    pub at: i64,
    /// Its id.
    pub id: String,
}

macro_rules! messages_where {
    ($tail:literal) => {
        concat!(
            "SELECT m.id, m.source, m.dedupe_key, m.class, m.lane, m.state, m.reason, m.patient_id, m.relation_id, m.occasion_id,
               m.occasion_epoch, m.reminder_id, m.rule_id, m.role, m.channels, m.channel, m.addresses, m.bodies, m.language, m.template,
               m.template_version, m.ask, m.sender, m.reference, m.provider, m.segments, m.possible_dup, m.no_resend, m.send_at,
               m.expires_at, m.created_at, m.updated_at
             FROM message AS m WHERE ",
            $tail
        )
    };
}

/// The message called `id`.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn find(tx: &mut Tx, id: &MessageId) -> Result<Option<Message>, StoreError> {
    const SQL: &str = messages_where!("m.id = $1");
    let row: Option<Row> =
        on!(tx, conn => sqlx::query_as(SQL).bind(id).fetch_optional(conn).await)?;
    row.map(Row::read).transpose()
}

/// One page of messages, newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(tx: &mut Tx, filter: &Filter) -> Result<Vec<Message>, StoreError> {
    // Each takes the same parameters and walks along the index of what it is asked for.
    const ALL: &str = messages_where!(
        "($1 = '' OR m.patient_id = $1) AND ($2 = '' OR m.state = $2) AND ($3 = '' OR m.channel = $3) AND m.created_at >= $4
         AND (m.created_at, m.id) < ($5, $6) ORDER BY m.created_at DESC, m.id DESC LIMIT $7"
    );
    const OF_PATIENT: &str = messages_where!(
        "m.patient_id = $1 AND ($2 = '' OR m.state = $2) AND ($3 = '' OR m.channel = $3) AND m.created_at >= $4
         AND (m.created_at, m.id) < ($5, $6) ORDER BY m.created_at DESC, m.id DESC LIMIT $7"
    );
    const IN_STATE: &str = messages_where!(
        "m.state = $2 AND CAST($1 AS TEXT) = '' AND ($3 = '' OR m.channel = $3) AND m.created_at >= $4
         AND CAST($5 AS BIGINT) IS NOT NULL AND m.id < $6 ORDER BY m.id DESC LIMIT $7"
    );
    let sql = match (&filter.patient, filter.state) {
        (Some(_), _) => OF_PATIENT,
        (None, Some(_)) => IN_STATE,
        (None, None) => ALL,
    };
    let (patient, state) = (
        filter.patient.as_ref().map_or("", PatientId::as_str),
        filter.state.map_or("", MessageState::as_str),
    );
    let channel = filter.channel.map_or("", Channel::as_str);
    let since = filter.since.map_or(i64::MIN, Timestamp::as_millisecond);
    // Ids are in hexadecimal digits, which every collation puts before this.
    let (at, id) = filter
        .after
        .as_ref()
        .map_or((i64::MAX, "msg_zzzz"), |place| {
            (place.at, place.id.as_str())
        });
    let found: Vec<Row> = on!(tx, conn => sqlx::query_as(sql).bind(patient).bind(state).bind(channel).bind(since).bind(at).bind(id)
        .bind(filter.most).fetch_all(conn).await)?;
    found.into_iter().map(Row::read).collect()
}

/// The state that was answered when a message was accepted, to answer the same again.
///
/// One that was stored in its last state has never changed since; every other was due or not.
pub fn first_state(message: &Message) -> MessageState {
    let untouched = message.updated_at == message.created_at;
    match message.state {
        MessageState::Suppressed | MessageState::Failed if untouched => message.state,
        MessageState::Cancelled if message.reason.as_deref() == Some(CALLED_OFF) => message.state,
        _ if message.send_at > message.created_at => MessageState::Scheduled,
        _ => MessageState::Queued,
    }
}

/// The tries of a message, in order, with what came of them.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn attempts(tx: &mut Tx, message: &MessageId) -> Result<Vec<Attempt>, StoreError> {
    const SQL: &str = "SELECT id, n, channel, provider, phase, error, created_at, settled_at FROM attempt WHERE message_id = $1 ORDER BY n";
    const PARTS: &str = "SELECT p.attempt_id, p.part, p.provider_id, p.receipt, p.error, p.receipt_at FROM attempt_part AS p
        WHERE p.attempt_id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j) ORDER BY p.attempt_id, p.part";
    type AttemptRow = (
        AttemptId,
        i64,
        String,
        String,
        String,
        Option<String>,
        i64,
        Option<i64>,
    );
    type PartRow = (
        AttemptId,
        i64,
        String,
        Option<String>,
        Option<String>,
        Option<i64>,
    );
    let found: Vec<AttemptRow> =
        on!(&mut *tx, conn => sqlx::query_as(SQL).bind(message).fetch_all(conn).await)?;
    let ids: Vec<super::Id<'_>> = found
        .iter()
        .map(|row| super::Id { id: row.0.as_str() })
        .collect();
    let mut parts: BTreeMap<AttemptId, Vec<Part>> = BTreeMap::new();
    if !ids.is_empty() {
        let found: Vec<PartRow> =
            on!(&mut *tx, conn => sqlx::query_as(PARTS).bind(rows(&ids)).fetch_all(conn).await)?;
        for (attempt, n, provider_id, receipt, error, at) in found {
            let receipt_at = at.map(|at| instant("attempt_part", at)).transpose()?;
            parts.entry(attempt).or_default().push(Part {
                n,
                provider_id,
                receipt,
                error,
                receipt_at,
            });
        }
    }
    let bad = |what| StoreError::BadRow {
        table: "attempt",
        what,
    };
    found
        .into_iter()
        .map(
            |(id, n, channel, provider, phase, error, created_at, settled_at)| {
                Ok(Attempt {
                    parts: parts.remove(&id).unwrap_or_default(),
                    id,
                    n,
                    channel: Channel::parse(&channel).ok_or(bad("channel"))?,
                    provider,
                    phase: AttemptPhase::parse(&phase).ok_or(bad("phase"))?,
                    error,
                    created_at: instant("attempt", created_at)?,
                    settled_at: settled_at.map(|at| instant("attempt", at)).transpose()?,
                })
            },
        )
        .collect()
}

/// What was answered to a message, in order.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn replies(tx: &mut Tx, message: &Message) -> Result<Vec<ReplyTo>, StoreError> {
    // Through the patient or the address, which have an index.
    const SQL: &str = "SELECT id, intent, needs_human, outcome, received_at, text FROM reply
        WHERE message_id = $1 AND (patient_id = $2 OR address_hash IN (SELECT q.address_hash FROM question AS q WHERE q.message_id = $1)
          OR address_hash = (SELECT m.address_hash FROM message AS m WHERE m.id = $1))
        ORDER BY received_at, id";
    let patient = message.patient.as_ref().map_or("", PatientId::as_str);
    let found: Vec<(ReplyId, String, bool, String, i64, String)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(&message.id).bind(patient).fetch_all(conn).await)?;
    found
        .into_iter()
        .map(|(id, intent, needs_human, outcome, at, text)| {
            Ok(ReplyTo {
                id,
                intent,
                needs_human,
                outcome,
                received_at: instant("reply", at)?,
                text: Private::new(text),
            })
        })
        .collect()
}

pub(super) fn instant(table: &'static str, ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::BadRow {
        table,
        what: "an instant out of range",
    })
}

#[derive(sqlx::FromRow)]
struct Row {
    id: MessageId,
    source: String,
    dedupe_key: String,
    class: String,
    lane: String,
    state: String,
    reason: Option<String>,
    patient_id: Option<PatientId>,
    relation_id: Option<RelationId>,
    occasion_id: Option<OccasionId>,
    occasion_epoch: Option<i64>,
    reminder_id: Option<ReminderId>,
    rule_id: Option<String>,
    role: String,
    channels: String,
    channel: String,
    addresses: String,
    bodies: String,
    language: Option<String>,
    template: Option<String>,
    template_version: Option<String>,
    ask: Option<String>,
    sender: Option<String>,
    reference: Option<String>,
    provider: Option<String>,
    segments: i64,
    possible_dup: bool,
    no_resend: bool,
    send_at: i64,
    expires_at: i64,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn read(self) -> Result<Message, StoreError> {
        let bad = |what| StoreError::BadRow {
            table: "message",
            what,
        };
        let at = |ms| instant("message", ms);
        Ok(Message {
            id: self.id,
            source: self.source,
            dedupe_key: self.dedupe_key,
            class: Class::parse(&self.class).ok_or(bad("class"))?,
            lane: Lane::parse(&self.lane).ok_or(bad("lane"))?,
            state: MessageState::parse(&self.state).ok_or(bad("state"))?,
            reason: self.reason,
            patient: self.patient_id,
            relation: self.relation_id,
            occasion: self.occasion_id.zip(self.occasion_epoch),
            reminder: self.reminder_id,
            rule: self.rule_id,
            role: Role::parse(&self.role).ok_or(bad("role"))?,
            channels: serde_json::from_str(&self.channels).map_err(|_| bad("channels"))?,
            channel: Channel::parse(&self.channel).ok_or(bad("channel"))?,
            addresses: Private::new(
                serde_json::from_str(&self.addresses).map_err(|_| bad("addresses"))?,
            ),
            bodies: Private::new(serde_json::from_str(&self.bodies).map_err(|_| bad("bodies"))?),
            language: self.language,
            template: self.template.zip(self.template_version),
            ask: self
                .ask
                .map(|word| Ask::parse(&word).ok_or(bad("ask")))
                .transpose()?,
            sender: self.sender,
            reference: self.reference,
            provider: self.provider,
            segments: self.segments,
            possible_dup: self.possible_dup,
            no_resend: self.no_resend,
            send_at: at(self.send_at)?,
            expires_at: at(self.expires_at)?,
            created_at: at(self.created_at)?,
            updated_at: at(self.updated_at)?,
        })
    }
}
