//! A finished message once more: a new one that copies it, held to what binds today.

use jiff::{SignedDuration, Timestamp};

use crate::gates::{self, Standing};
use crate::model::id::MessageId;
use crate::model::message::MessageState;
use crate::model::phone::address_hash;
use crate::model::private::Private;
use crate::model::reminder::SkipReason;
use crate::store::message_view::{self, Message};
use crate::store::messages::{Desk, NewMessage, Offered, Way};
use crate::store::{StoreError, Tx, message_admin, patients, suppressions};

/// How long the copy is of use.
const USEFUL: SignedDuration = SignedDuration::from_hours(24);

/// What became of the wish to send a message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resent {
    /// The copy is stored.
    New {
        /// Its id.
        id: MessageId,
        /// Queued, suppressed, or failed for want of a route.
        state: MessageState,
    },
    /// It is still on its way.
    NotFinished {
        /// Where it stands.
        state: MessageState,
    },
    /// Its text is past its keep date.
    Blanked,
    /// There is no such message.
    NotFound,
}

/// Sends a finished message again for `actor`, in the caller's transaction.
///
/// # Errors
/// When the database fails.
pub async fn resend(
    tx: &mut Tx,
    original: &MessageId,
    desk: &Desk,
    actor: &str,
    now: Timestamp,
) -> Result<Resent, StoreError> {
    let Some(message) = message_view::find(tx, original).await? else {
        return Ok(Resent::NotFound);
    };
    if !message.state.is_final() {
        return Ok(Resent::NotFinished {
            state: message.state,
        });
    }
    let Some(ways) = ways(&message) else {
        return Ok(Resent::Blanked);
    };
    let ways = open(tx, &message, ways, desk, now).await?;
    let copy = copy(&message, ways, now);
    match message_admin::resend(tx, original, copy, desk, actor, now).await? {
        Offered::New { id, state } | Offered::Repeated { id, state } => {
            Ok(Resent::New { id, state })
        }
        Offered::KeyTaken => Err(StoreError::BadRow {
            table: "message",
            what: "a fresh id that is taken",
        }),
    }
}

fn ways(message: &Message) -> Option<Vec<Way>> {
    let way = |channel: &crate::model::class::Channel| {
        let address = message.addresses.reveal().get(channel.as_str())?;
        let (text, subject, segments) = message.words(*channel)?;
        let subject = subject.map(|subject| Private::new(subject.to_owned()));
        Some(Way {
            channel: *channel,
            address: Private::new(address.clone()),
            text: Private::new(text.to_owned()),
            subject,
            segments,
        })
    };
    let ways: Vec<Way> = message.channels.iter().filter_map(way).collect();
    (!ways.is_empty()).then_some(ways)
}

/// The ways that may be used today, or all of them and the reason why none may.
async fn open(
    tx: &mut Tx,
    message: &Message,
    ways: Vec<Way>,
    desk: &Desk,
    now: Timestamp,
) -> Result<(Vec<Way>, Option<SkipReason>), StoreError> {
    let patient = match &message.patient {
        Some(id) => patients::load(tx, std::slice::from_ref(id))
            .await?
            .into_iter()
            .next(),
        None => None,
    };
    let hashes: Vec<String> = ways
        .iter()
        .map(|way| address_hash(&desk.address_key, way.address.reveal()))
        .collect();
    let standing: Vec<Standing> = suppressions::standing(tx, &hashes)
        .await?
        .iter()
        .map(|s| super::reach::stands(s, patient.is_some()))
        .collect();
    let (mut free, mut why) = (Vec::new(), None);
    for (way, hash) in ways.iter().zip(&hashes) {
        let against: Vec<Standing> = standing
            .iter()
            .filter(|s| s.address_hash == *hash)
            .cloned()
            .collect();
        match gates::enqueued(message.class, way.channel, patient.as_ref(), &against, now) {
            Ok(()) => free.push(way.clone()),
            Err(reason) => why = why.or(Some(reason)),
        }
    }
    Ok(if free.is_empty() {
        (ways, why)
    } else {
        (free, None)
    })
}

fn copy(
    message: &Message,
    (ways, suppressed): (Vec<Way>, Option<SkipReason>),
    now: Timestamp,
) -> NewMessage {
    let id = MessageId::generate();
    NewMessage {
        source: "resend".to_owned(),
        dedupe_key: format!("{}:{id}", message.id),
        id,
        body_hash: String::new(),
        class: message.class,
        lane: message.lane,
        suppressed: suppressed.map(|reason| reason.as_str().to_owned()),
        patient: message.patient.clone(),
        relation: message.relation.clone(),
        occasion: message.occasion.clone(),
        reminder: message.reminder.clone(),
        rule: message.rule.clone(),
        role: message.role,
        ways,
        language: message.language.clone(),
        template: message.template.clone(),
        ask: message.ask,
        sender: message.sender.clone(),
        reference: message.reference.clone(),
        send_at: now,
        expires_at: now.saturating_add(USEFUL).unwrap_or(Timestamp::MAX),
    }
}
