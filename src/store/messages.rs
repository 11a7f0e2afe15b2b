//! Messages: how they come in, are looked at, are called off.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::events::{self, NewEvent};
use super::{StoreError, Tx, execute, on, rows};
use crate::model::class::{Channel, Class, Lane, Role};
use crate::model::id::{MessageId, OccasionId, PatientId, RelationId, ReminderId};
use crate::model::message::{Ask, MessageState};
use crate::model::phone::address_hash;
use crate::model::private::Private;
use crate::model::route::Routes;

/// The reason by which a message that was called off before it came is known.
const CANCELLED: &str = "cancelled";
/// What is kept of it: it never stood in a queue.
pub(crate) const CALLED_OFF: &str = "called_off";

/// A message that is to be accepted, with everything decided but its provider.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its id, made by the caller.
    pub id: MessageId,
    /// `rule`, `reply`, `cli`, `api:<key id>` or `amqp:<client>`.
    pub source: String,
    /// Unique within the source: the idempotency key, the reminder's key, or the id itself.
    pub dedupe_key: String,
    /// Hash of the request, to tell a repeat from another use of its key.
    pub body_hash: String,
    /// Consent, hours, caps and lane hang on it.
    pub class: Class,
    /// `class.lane()` unless the caller chose another.
    pub lane: Lane,
    /// A reason to suppress it at once (T3); it is stored all the same, so that the caller sees it. One that was
    /// `cancelled` before it came is stored as that.
    pub suppressed: Option<String>,
    /// Who it is about.
    pub patient: Option<PatientId>,
    /// The relation that gets it, for family.
    pub relation: Option<RelationId>,
    /// What it is about.
    pub occasion: Option<(OccasionId, i64)>,
    /// The reminder it was made of.
    pub reminder: Option<ReminderId>,
    /// The rule that made it.
    pub rule: Option<String>,
    /// Who gets it.
    pub role: Role,
    /// Channels in order, each with the address and the text for it.
    pub ways: Vec<Way>,
    /// The language it is written in.
    pub language: Option<String>,
    /// The template it was made of, and that one's version.
    pub template: Option<(String, String)>,
    /// What a reply answers.
    pub ask: Option<Ask>,
    /// Source address, if not the provider's own.
    pub sender: Option<String>,
    /// The caller's own reference, handed back in events.
    pub reference: Option<String>,
    /// Not before.
    pub send_at: Timestamp,
    /// Not after.
    pub expires_at: Timestamp,
}

/// One channel of a message.
#[derive(Clone, Debug)]
pub struct Way {
    /// The medium.
    pub channel: Channel,
    /// Number in E.164 or mail address.
    pub address: Private<String>,
    /// What to say on it.
    pub text: Private<String>,
    /// The head line of a mail.
    pub subject: Option<Private<String>>,
    /// Segments as an SMS, else 1.
    pub segments: usize,
}

/// What became of a message that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is stored now.
    New {
        /// Its id.
        id: MessageId,
        /// Queued, scheduled, suppressed or failed for want of a route.
        state: MessageState,
    },
    /// The same request came before under this key.
    Repeated {
        /// The id it got then.
        id: MessageId,
        /// Its state now.
        state: MessageState,
    },
    /// Another request used this key before.
    KeyTaken,
}

/// How a text is kept in the `bodies` column.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Body {
    pub(crate) text: String,
    pub(crate) subject: Option<String>,
    pub(crate) segments: usize,
}

/// What an insert needs beside the messages.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Which provider carries what.
    pub routes: Routes,
    /// The site's key for address hashes.
    pub address_key: Vec<u8>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a MessageId,
    source: &'a str,
    dedupe_key: &'a str,
    body_hash: &'a str,
    class: Class,
    lane: Lane,
    state: MessageState,
    reason: Option<&'a str>,
    patient_id: Option<&'a PatientId>,
    relation_id: Option<&'a RelationId>,
    occasion_id: Option<&'a OccasionId>,
    occasion_epoch: Option<i64>,
    reminder_id: Option<&'a ReminderId>,
    rule_id: Option<&'a str>,
    role: Role,
    channels: String,
    channel_index: usize,
    channel: Channel,
    addresses: String,
    address_hash: String,
    bodies: String,
    language: Option<&'a str>,
    template: Option<&'a str>,
    template_version: Option<&'a str>,
    ask: Option<Ask>,
    sender: Option<&'a str>,
    reference: Option<&'a str>,
    provider: Option<&'a str>,
    segments: usize,
    concat_ref: u16,
    send_at: i64,
    expires_at: i64,
}

/// Stores `messages` with their dispatch rows and events, in the caller's transaction; the answers are in order.
///
/// A repeat under the same source and key changes nothing.
/// # Errors
/// When the database fails.
pub async fn insert(
    tx: &mut Tx,
    messages: &[NewMessage],
    desk: &Desk,
    now: Timestamp,
) -> Result<Vec<Offered>, StoreError> {
    const INSERT: &str = "INSERT INTO message (id, source, dedupe_key, body_hash, class, lane, state, reason, patient_id, relation_id,
          occasion_id, occasion_epoch, reminder_id, rule_id, role, channels, channel_index, channel, addresses, address_hash, bodies,
          language, template, template_version, ask, sender, reference, provider, segments, attempts, uncertain_resends, possible_dup,
          no_resend, concat_ref, send_at, expires_at, created_at, updated_at)
        SELECT j.value ->> 'id', j.value ->> 'source', j.value ->> 'dedupe_key', j.value ->> 'body_hash', j.value ->> 'class',
          j.value ->> 'lane', j.value ->> 'state', j.value ->> 'reason', j.value ->> 'patient_id', j.value ->> 'relation_id',
          j.value ->> 'occasion_id', CAST(j.value ->> 'occasion_epoch' AS BIGINT), j.value ->> 'reminder_id', j.value ->> 'rule_id',
          j.value ->> 'role', j.value ->> 'channels', CAST(j.value ->> 'channel_index' AS BIGINT), j.value ->> 'channel',
          j.value ->> 'addresses', j.value ->> 'address_hash', j.value ->> 'bodies', j.value ->> 'language', j.value ->> 'template',
          j.value ->> 'template_version', j.value ->> 'ask', j.value ->> 'sender', j.value ->> 'reference', j.value ->> 'provider',
          CAST(j.value ->> 'segments' AS BIGINT), 0, 0, FALSE, FALSE, CAST(j.value ->> 'concat_ref' AS BIGINT),
          CAST(j.value ->> 'send_at' AS BIGINT), CAST(j.value ->> 'expires_at' AS BIGINT), $2, $2
        FROM json_each($1) AS j WHERE TRUE
        ON CONFLICT (source, dedupe_key) DO NOTHING RETURNING id, state";
    const DISPATCH: &str = "INSERT INTO dispatch (message_id, provider, lane, work, due_at, fence)
        SELECT id, provider, lane, 'send', send_at, 0 FROM message
        WHERE state IN ('queued', 'scheduled') AND id IN (SELECT j.value ->> 'id' FROM json_each($1) AS j)";
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let all: Vec<Row<'_>> = messages
        .iter()
        .map(|message| row(message, desk, now))
        .collect();
    let new: Vec<(String, String)> = on!(&mut *tx, conn => sqlx::query_as(INSERT).bind(rows(&all)).bind(now.as_millisecond()).fetch_all(conn).await)?;
    let new: BTreeMap<String, String> = new.into_iter().collect();
    let stored: Vec<super::Id<'_>> = new.keys().map(|id| super::Id { id }).collect();
    execute!(&mut *tx, sqlx::query(DISPATCH).bind(rows(&stored)))?;
    let told = messages.iter().zip(&all).filter_map(|(m, row)| {
        new.get(m.id.as_str())
            .map(|state| told(&m.id, state, row.reason, m.reference.as_deref()))
    });
    events::add(tx, &told.collect::<Vec<_>>(), now).await?;
    answers(tx, messages, &new).await
}

/// The event of a message's new state.
pub(crate) fn told(
    id: &MessageId,
    state: &str,
    reason: Option<&str>,
    reference: Option<&str>,
) -> NewEvent {
    NewEvent {
        kind: format!("message.{state}"),
        data: serde_json::json!({"id": id, "state": state, "reason": reason, "reference": reference}),
    }
}

async fn answers(
    tx: &mut Tx,
    messages: &[NewMessage],
    new: &BTreeMap<String, String>,
) -> Result<Vec<Offered>, StoreError> {
    const BEFORE: &str =
        "SELECT m.source, m.dedupe_key, m.id, m.state, m.body_hash FROM json_each($1) AS j
        CROSS JOIN message m WHERE m.source = j.value ->> 'source' AND m.dedupe_key = j.value ->> 'key'";
    #[derive(Serialize)]
    struct Key<'a> {
        source: &'a str,
        key: &'a str,
    }
    let repeated: Vec<Key<'_>> = messages
        .iter()
        .filter(|m| !new.contains_key(m.id.as_str()))
        .map(|m| Key {
            source: &m.source,
            key: &m.dedupe_key,
        })
        .collect();
    let before: Vec<(String, String, MessageId, String, String)> = if repeated.is_empty() {
        Vec::new()
    } else {
        on!(&mut *tx, conn => sqlx::query_as(BEFORE).bind(rows(&repeated)).fetch_all(conn).await)?
    };
    let answer = |m: &NewMessage| {
        if let Some(state) = new.get(m.id.as_str()) {
            return Ok(Offered::New {
                id: m.id.clone(),
                state: read_state(state)?,
            });
        }
        let former = before
            .iter()
            .find(|row| row.0 == m.source && row.1 == m.dedupe_key);
        let (_, _, id, state, hash) = former.ok_or(StoreError::BadRow {
            table: "message",
            what: "a refused key that nobody holds",
        })?;
        if *hash == m.body_hash {
            Ok(Offered::Repeated {
                id: id.clone(),
                state: read_state(state)?,
            })
        } else {
            Ok(Offered::KeyTaken)
        }
    };
    messages.iter().map(answer).collect()
}

fn read_state(word: &str) -> Result<MessageState, StoreError> {
    MessageState::parse(word).ok_or(StoreError::BadRow {
        table: "message",
        what: "an unknown state",
    })
}

fn row<'a>(m: &'a NewMessage, desk: &'a Desk, now: Timestamp) -> Row<'a> {
    let provider_of = |way: &Way| desk.routes.pick(way.channel, way.address.reveal());
    let open = m.ways.iter().position(|way| provider_of(way).is_some());
    let index = open.unwrap_or(0);
    let way = m.ways.get(index);
    let (state, reason) = match (&m.suppressed, open) {
        (Some(reason), _) if reason == CANCELLED => (MessageState::Cancelled, Some(CALLED_OFF)),
        (Some(reason), _) => (MessageState::Suppressed, Some(reason.as_str())),
        (None, None) => (MessageState::Failed, Some("no_route")),
        (None, Some(_)) if m.send_at > now => (MessageState::Scheduled, None),
        (None, Some(_)) => (MessageState::Queued, None),
    };
    let json = |value: serde_json::Value| value.to_string();
    let body = |way: &Way| Body {
        text: way.text.reveal().clone(),
        subject: way.subject.as_ref().map(|s| s.reveal().clone()),
        segments: way.segments,
    };
    let by_channel = |value: &dyn Fn(&Way) -> serde_json::Value| {
        m.ways
            .iter()
            .map(|way| (way.channel.as_str().to_owned(), value(way)))
            .collect::<serde_json::Map<_, _>>()
    };
    Row {
        id: &m.id,
        source: &m.source,
        dedupe_key: &m.dedupe_key,
        body_hash: &m.body_hash,
        class: m.class,
        lane: m.lane,
        state,
        reason,
        patient_id: m.patient.as_ref(),
        relation_id: m.relation.as_ref(),
        occasion_id: m.occasion.as_ref().map(|o| &o.0),
        occasion_epoch: m.occasion.as_ref().map(|o| o.1),
        reminder_id: m.reminder.as_ref(),
        rule_id: m.rule.as_deref(),
        role: m.role,
        channels: json(m.ways.iter().map(|way| way.channel.as_str()).collect()),
        channel_index: index,
        channel: way.map_or(Channel::Sms, |way| way.channel),
        addresses: json(by_channel(&|way| way.address.reveal().clone().into()).into()),
        address_hash: way.map_or(String::new(), |way| {
            address_hash(&desk.address_key, way.address.reveal())
        }),
        bodies: json(
            by_channel(&|way| serde_json::to_value(body(way)).expect("a body is plain JSON"))
                .into(),
        ),
        language: m.language.as_deref(),
        template: m.template.as_ref().map(|t| t.0.as_str()),
        template_version: m.template.as_ref().map(|t| t.1.as_str()),
        ask: m.ask,
        sender: m.sender.as_deref(),
        reference: m.reference.as_deref(),
        provider: way.and_then(provider_of),
        segments: way.map_or(1, |way| way.segments),
        concat_ref: reference_of(&m.id),
        send_at: m.send_at.as_millisecond(),
        expires_at: m.expires_at.as_millisecond(),
    }
}

/// A concatenation reference: the id's random tail spreads well, and a resend gets the same one.
fn reference_of(id: &MessageId) -> u16 {
    let text = id.as_str();
    text.get(text.len().saturating_sub(4)..)
        .and_then(|tail| u16::from_str_radix(tail, 16).ok())
        .unwrap_or(1)
}
