//! What messages look like in JSON, coming and going.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::problem::{Details, Problem};
use crate::intake::messages::Accepted;
use crate::model::class::{Channel, Class, Lane, Role};
use crate::model::message::{Ask, AttemptPhase, MessageState};
use crate::store::message_view::{Attempt, Message, ReplyTo};
use crate::store::timeline::Moment;

/// A message to be sent. `to`, `patient` or `occasion`; `text` or `template`; the rest is optional.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MessageRequest, example = json!({
    "class": "appointment", "channels": ["sms"], "to": {"phone": "+8613800000001"}, "text": "…", "reference": "RIS-77"}))]
#[expect(
    dead_code,
    reason = "the shape of a document; `intake::messages` reads it"
)]
pub(in crate::api) struct MessageBody {
    /// Consent, quiet hours, caps and lane hang on it.
    #[schema(value_type = String, pattern = "^(urgent|appointment|clinical|survey|health_tip|invitation|greeting|promotion)$")]
    class: Class,
    /// Channels in order, each the fallback of the one before. By default those of `to`, or what the patient prefers.
    #[schema(value_type = Option<Vec<ChannelWord>>)]
    channels: Option<Vec<Channel>>,
    /// Where to; by default the patient's own contact points.
    to: Option<ToBody>,
    /// What to say.
    #[schema(min_length = 1, max_length = 10000)]
    text: Option<String>,
    /// The head line of a mail.
    #[schema(min_length = 1, max_length = 255)]
    subject: Option<String>,
    /// What to say, by a template of the site.
    #[schema(min_length = 1, max_length = 100)]
    template: Option<String>,
    /// What the template prints, under its name and under `data.<name>`.
    data: Option<Map<String, Value>>,
    /// The language to say it in, BCP 47.
    #[schema(min_length = 1, max_length = 35)]
    language: Option<String>,
    /// Who it is about: source and key.
    #[schema(example = "his/12345", pattern = "^[A-Za-z0-9_.-]{1,64}/.{1,255}$")]
    patient: Option<String>,
    /// What it is about: source and key.
    #[schema(example = "his/A-77", pattern = "^[A-Za-z0-9_.-]{1,64}/.{1,255}$")]
    occasion: Option<String>,
    /// What a reply answers.
    ask: Option<Ask>,
    /// Not before.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Timestamp>,
    /// Not after; by default two hours before the occasion, else a day after `send_at`.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The queue; by default the class's.
    priority: Option<Lane>,
    /// Your own reference, handed back in events.
    #[schema(min_length = 1, max_length = 255)]
    reference: Option<String>,
    /// In a batch: same key and body, same answer. Elsewhere the header says it.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// A channel that leaves the house.
#[derive(ToSchema)]
#[schema(as = Channel)]
#[expect(dead_code, reason = "the shape of a document")]
pub(in crate::api) enum ChannelWord {
    /// A text to a phone.
    #[schema(rename = "sms")]
    Sms,
    /// A call.
    #[schema(rename = "voice")]
    Voice,
    /// A mail.
    #[schema(rename = "email")]
    Email,
}

/// The recipient's addresses.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = To)]
#[expect(
    dead_code,
    reason = "the shape of a document; `intake::messages` reads it"
)]
pub(in crate::api) struct ToBody {
    /// A phone number; without a country code it is one of the site's country.
    #[schema(example = "+8613800000001", min_length = 3, max_length = 64)]
    phone: Option<String>,
    /// A mail address.
    #[schema(min_length = 1, max_length = 254)]
    email: Option<String>,
}

/// Up to 1000 messages. A bare list is understood as well.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the shape of a document")]
pub(in crate::api) struct Batch {
    /// The messages.
    #[schema(min_items = 1, max_items = 1000)]
    messages: Vec<MessageBody>,
}

/// A message that was stored.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Enqueued {
    /// Its id.
    #[schema(value_type = String)]
    id: crate::model::id::MessageId,
    /// Queued, scheduled, suppressed, or failed for want of a route.
    state: MessageState,
}

impl Enqueued {
    pub(super) fn of(accepted: &Accepted) -> Self {
        Self {
            id: accepted.id.clone(),
            state: accepted.state,
        }
    }
}

/// What became of each message of a batch, in order.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Results {
    pub(super) results: Vec<ItemResult>,
}

/// What became of one message of a batch: `id` and `state`, or `error`.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchResult)]
pub(in crate::api) struct ItemResult {
    /// 202, or the status of the error.
    status: u16,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<MessageState>,
    /// Whether the same request came before under its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_replayed: Option<bool>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Details>,
}

impl ItemResult {
    pub(super) fn of(answer: Result<Accepted, Problem>) -> Self {
        match answer {
            Ok(accepted) => Self {
                status: 202,
                id: Some(accepted.id.to_string()),
                state: Some(accepted.state),
                idempotency_replayed: accepted.is_repeat.then_some(true),
                error: None,
            },
            Err(problem) => {
                let details = problem.into_details();
                Self {
                    status: details.status(),
                    id: None,
                    state: None,
                    idempotency_replayed: None,
                    error: Some(details),
                }
            }
        }
    }
}

/// A message as it stands. Numbers and texts only for keys with `private:read`.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::api) struct MessageView {
    /// Its id.
    id: String,
    /// `rule`, `reply`, `cli`, `resend`, `api:<key id>` or `amqp:<client>`.
    source: String,
    /// Consent, quiet hours, caps and lane hang on it.
    class: Class,
    /// Its queue.
    priority: Lane,
    /// Where it stands.
    state: MessageState,
    /// Why, where a state needs a reason.
    reason: Option<String>,
    /// Our id of the patient.
    patient: Option<String>,
    /// Our id of the occasion.
    occasion: Option<String>,
    /// The rule that made it.
    rule: Option<String>,
    /// Who gets it.
    role: Role,
    /// Channels in order.
    channels: Vec<Channel>,
    /// The one it is on.
    channel: Channel,
    /// The provider it was last handed to, or stands in the queue of.
    provider: Option<String>,
    /// The language it is written in.
    language: Option<String>,
    /// The template it was made of.
    template: Option<String>,
    /// That one's version.
    template_version: Option<String>,
    /// What a reply answers.
    ask: Option<Ask>,
    /// The caller's own reference.
    reference: Option<String>,
    /// Segments as an SMS, else 1.
    segments: i64,
    /// Whether it may have gone out twice.
    possible_duplicate: bool,
    /// Not before.
    #[schema(value_type = String, format = DateTime)]
    send_at: Timestamp,
    /// Not after.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// The tries, where one message is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptView>>,
    /// What was answered to it, where one message is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    replies: Option<Vec<ReplyView>>,
    /// The address on each channel; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<BTreeMap<String, String>>,
    /// What it says on each channel; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<BTreeMap<String, String>>,
}

impl MessageView {
    pub(super) fn of(message: Message, sees_private: bool) -> Self {
        // The one place where the API opens what a message keeps private.
        let to = sees_private.then(|| message.addresses.reveal().clone());
        let texts = sees_private.then(|| {
            message
                .texts()
                .map(|(channel, text)| (channel.to_owned(), text.to_owned()))
                .collect()
        });
        let (template, template_version) = message.template.unzip();
        Self {
            id: message.id.to_string(),
            source: message.source,
            class: message.class,
            priority: message.lane,
            state: message.state,
            reason: message.reason,
            patient: message.patient.map(|id| id.to_string()),
            occasion: message.occasion.map(|(id, _)| id.to_string()),
            rule: message.rule,
            role: message.role,
            channels: message.channels,
            channel: message.channel,
            provider: message.provider,
            language: message.language,
            template,
            template_version,
            ask: message.ask,
            reference: message.reference,
            segments: message.segments,
            possible_duplicate: message.possible_dup,
            send_at: message.send_at,
            expires_at: message.expires_at,
            created_at: message.created_at,
            updated_at: message.updated_at,
            attempts: None,
            replies: None,
            to,
            texts,
        }
    }

    pub(super) fn with(
        mut self,
        attempts: Vec<Attempt>,
        replies: Vec<ReplyTo>,
        sees_private: bool,
    ) -> Self {
        self.attempts = Some(attempts.into_iter().map(AttemptView::of).collect());
        self.replies = Some(
            replies
                .into_iter()
                .map(|reply| ReplyView::of(reply, sees_private))
                .collect(),
        );
        self
    }
}

/// One try at one provider.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(in crate::api) struct AttemptView {
    /// Its id.
    id: String,
    /// Counted from 1.
    n: i64,
    /// The medium.
    channel: Channel,
    /// Who was to carry it.
    provider: String,
    /// Where it stands.
    phase: AttemptPhase,
    /// The provider's code, or why nothing was sent.
    error: Option<String>,
    /// When it was journalled.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its outcome was known.
    #[schema(value_type = Option<String>, format = DateTime)]
    settled_at: Option<Timestamp>,
    /// What the provider took, with the network's receipts.
    receipts: Vec<ReceiptView>,
}

impl AttemptView {
    fn of(attempt: Attempt) -> Self {
        let receipts = attempt.parts.into_iter().map(|part| ReceiptView {
            part: part.n,
            provider_id: part.provider_id,
            status: part.receipt,
            error: part.error,
            at: part.receipt_at,
        });
        Self {
            receipts: receipts.collect(),
            id: attempt.id.to_string(),
            n: attempt.n,
            channel: attempt.channel,
            provider: attempt.provider,
            phase: attempt.phase,
            error: attempt.error,
            created_at: attempt.created_at,
            settled_at: attempt.settled_at,
        }
    }
}

/// One part that a provider took, and what the network said of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(in crate::api) struct ReceiptView {
    /// Counted from 1.
    part: i64,
    /// The provider's own id.
    provider_id: String,
    /// What the network said last; null before it said anything.
    status: Option<String>,
    /// The network's error code.
    error: Option<String>,
    /// When it said so.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
}

/// What was answered to a message.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageReply)]
pub(in crate::api) struct ReplyView {
    /// Its id.
    id: String,
    /// What was meant.
    intent: String,
    /// Whether a person must look at it.
    needs_human: bool,
    /// What was done about it.
    outcome: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// What was written; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl ReplyView {
    fn of(reply: ReplyTo, sees_private: bool) -> Self {
        Self {
            id: reply.id.to_string(),
            intent: reply.intent,
            needs_human: reply.needs_human,
            outcome: reply.outcome,
            received_at: reply.received_at,
            text: sees_private.then(|| reply.text.into_revealed()),
        }
    }
}

/// Everything that happened to a message, in order.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Timeline {
    pub(super) data: Vec<MomentView>,
}

/// Something that happened to a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Moment)]
pub(in crate::api) struct MomentView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `planned`, `accepted`, `attempted`, `settled`, `receipt`, `asked`, `replied`, an act such as `message.cancel`, or `state`.
    what: String,
    /// Ids and words that belong to it.
    detail: Map<String, Value>,
}

impl MomentView {
    pub(super) fn of(moment: Moment) -> Self {
        Self {
            at: moment.at,
            what: moment.what,
            detail: moment.detail,
        }
    }
}
