//! Messages that other systems enqueue: one way in for HTTP, AMQP and the shell.
//!
//! A request is read into something that cannot be wrong by itself (`request`), resolved against what we
//! know (`resolve`), and handed to the writer. What must not be sent is stored all the same, as
//! `suppressed`, so that the caller sees it.

mod context;
mod fields;
mod flight;
mod refusal;
mod request;
mod reach;
mod resend;
mod resolve;
mod when;
mod wording;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

pub use fields::Fault;
pub(crate) use fields::{speakable_path, storable};
pub use flight::InFlight;
pub use refusal::Refusal;
#[cfg(test)]
pub(crate) use request::MEMBERS;
pub(crate) use request::read_address;
pub use request::{Content, MessageRequest, RecordKey, To, idempotency_key};
pub use resend::{Resent, resend};
pub use resolve::{Ready, ready};

use crate::calendar::quiet::QuietHours;
use crate::gates::Caps;
use crate::model::class::Class;
use crate::model::id::MessageId;
use crate::model::message::MessageState;
use crate::render::Catalog;
use crate::store::messages::{Desk, Offered};
use crate::store::writer::Writer;
use crate::store::{Store, StoreError, message_view};

/// How many messages of one call are on their way to the writer at once.
const AT_ONCE: usize = 256;

/// The site, as far as messages care.
#[derive(Clone, Debug)]
pub struct Site {
    /// What patients call it.
    pub name: String,
    /// Its wall clock.
    pub timezone: TimeZone,
    /// The language when nobody says another.
    pub language: String,
    /// How a number without a prefix is read, ISO 3166-1 alpha-2.
    pub country: String,
    /// Quiet hours by class; they bind the capped classes only, whose callers do not decide when.
    pub quiet: BTreeMap<Class, QuietHours>,
    /// How many of the capped classes one recipient gets.
    pub caps: Caps,
}

/// What it takes to resolve a request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Where records and messages are.
    pub store: Store,
    /// Routes, and the key of address hashes.
    pub desk: Arc<Desk>,
    /// The templates as they are now.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// The site.
    pub site: Arc<Site>,
    /// Keys whose request is being done at this moment.
    pub in_flight: InFlight,
}

/// A request and who made it.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is asked.
    pub request: MessageRequest,
    /// `cli`, `api:<key id>` or `amqp:<client>`: idempotency keys are unique within it.
    pub source: String,
}

/// A message that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Queued, scheduled, suppressed, or failed for want of a route; what was answered the first time.
    pub state: MessageState,
    /// Whether the same request came before under its key.
    pub is_repeat: bool,
}

/// Takes `orders` in; the answers are in order, and each is committed when this returns.
///
/// One that is refused harms no other. Orders of one call that share a key are done one after the other.
pub async fn accept(
    intake: &Intake,
    writer: &Writer,
    orders: Vec<Order>,
    now: Timestamp,
) -> Vec<Result<Accepted, Refusal>> {
    let mut answers: Vec<Option<Result<Accepted, Refusal>>> = orders.iter().map(|_| None).collect();
    let mut waiting: Vec<(usize, Order)> = orders.into_iter().enumerate().collect();
    while !waiting.is_empty() {
        let mut keys = HashSet::new();
        let mut is_first = |order: &Order| {
            order
                .request
                .idempotency_key
                .as_ref()
                .is_none_or(|key| keys.insert((order.source.clone(), key.clone())))
        };
        let (round, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, order)| is_first(order));
        for (n, answer) in accept_round(intake, writer, round, now).await {
            if let Some(slot) = answers.get_mut(n) {
                *slot = Some(answer);
            }
        }
        waiting = later;
    }
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or(Err(Refusal::Store(StoreError::Closed))))
        .collect()
}

type Numbered = (usize, Result<Accepted, Refusal>);

/// Takes in orders of which no two share a key.
async fn accept_round(
    intake: &Intake,
    writer: &Writer,
    round: Vec<(usize, Order)>,
    now: Timestamp,
) -> Vec<Numbered> {
    let mut answers = Vec::with_capacity(round.len());
    let (mut numbers, mut orders, mut flights) = (Vec::new(), Vec::new(), Vec::new());
    for (n, order) in round {
        match order
            .request
            .idempotency_key
            .as_deref()
            .map(|key| intake.in_flight.take_off(&order.source, key))
        {
            Some(None) => answers.push((n, Err(Refusal::InFlight))),
            flight @ (Some(Some(_)) | None) => {
                flights.push(flight);
                numbers.push(n);
                orders.push(order);
            }
        }
    }
    let resolved = match ready(intake, orders, now).await {
        Ok(resolved) => resolved,
        Err(problem) => {
            let problem = Arc::new(problem);
            answers.extend(
                numbers
                    .into_iter()
                    .map(|n| (n, Err(Refusal::Unavailable(Arc::clone(&problem))))),
            );
            return answers;
        }
    };
    let offers = numbers
        .into_iter()
        .zip(resolved)
        .map(|(n, ready)| async move {
            (
                n,
                match ready {
                    Ok(ready) => offer(intake, writer, ready).await,
                    Err(refusal) => Err(refusal),
                },
            )
        });
    let offered: Vec<Numbered> = futures::stream::iter(offers)
        .buffered(AT_ONCE)
        .collect()
        .await;
    answers.extend(offered);
    drop(flights);
    answers
}

async fn offer(intake: &Intake, writer: &Writer, ready: Ready) -> Result<Accepted, Refusal> {
    let message = match ready {
        Ready::New(message) => *message,
        Ready::Repeated(id) => return repeated(intake, id).await,
    };
    match writer.accept(message).await? {
        Offered::New { id, state } => Ok(Accepted {
            id,
            state,
            is_repeat: false,
        }),
        Offered::Repeated { id, .. } => repeated(intake, id).await,
        Offered::KeyTaken => Err(Refusal::KeyReused),
    }
}

/// The answer that was given the first time.
async fn repeated(intake: &Intake, id: MessageId) -> Result<Accepted, Refusal> {
    let mut tx = intake.store.read().await?;
    let message = message_view::find(&mut tx, &id).await?;
    let gone = StoreError::BadRow {
        table: "message",
        what: "one that was just there is gone",
    };
    let state = message_view::first_state(&message.ok_or(gone)?);
    Ok(Accepted {
        id,
        state,
        is_repeat: true,
    })
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
