//! One provider's pipeline: a free place in the window claims, journals, sends, settles. Nothing waits for a neighbour.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::breaker::{Breakers, Leave};
use super::{Settings, decide};
use crate::channels::{Accepted, ErrorClass, Outgoing, Provider, SendError};
use crate::clock::Clock;
use crate::model::private::Private;
use crate::stage::{Bell, Stop};
use crate::store::StoreError;
use crate::store::dispatch::{PrepareOrder, Prepared};
use crate::store::messages::Desk;
use crate::store::writer::Writer;

/// How many messages one claim takes at most.
const CLAIM: usize = 200;
/// How often the table is looked at when no bell rings: it is the truth, the bell only a hint.
const POLL: Duration = Duration::from_millis(500);
/// The lease, extended while the process lives (see `rescue`).
pub(crate) const LEASE_MS: i64 = 15_000;

/// What a pipeline needs.
#[derive(Clone)]
pub struct Pipeline {
    /// The carrier.
    pub provider: Arc<dyn Provider>,
    /// The way to the store.
    pub writer: Writer,
    /// What time it is.
    pub clock: Clock,
    /// Policies and waits.
    pub settings: Arc<Settings>,
    /// Routes and the address key.
    pub desk: Arc<Desk>,
    /// Rings when there may be something to send.
    pub bell: Bell,
    /// Who refuses our account.
    pub breakers: Breakers,
    /// This process.
    pub owner: String,
}

/// Runs until told to stop, then waits for what is on its way.
pub async fn run(line: Pipeline, stop: Stop) {
    let name = line.provider.name().to_owned();
    let window = Arc::new(Semaphore::new(line.provider.window().max(1)));
    let mut flights = JoinSet::new();
    while !stop.is_said() {
        while flights.try_join_next().is_some() {}
        tokio::select! {
            () = line.provider.ready() => {}
            () = stop.said() => break,
        }
        let places = tokio::select! {
            places = free_places(&window) => places,
            () = stop.said() => break,
        };
        let limit = match line.breakers.leave(&name, line.clock.now()) {
            Leave::All => places.len().min(line.provider.room()),
            Leave::One => 1,
            Leave::Not(_) => 0,
        };
        if limit == 0 {
            drop(places);
            pause(&stop).await;
            continue;
        }
        match line.prepare(limit).await {
            Ok(ready) if ready.is_empty() => {
                drop(places);
                line.breakers.untried(&name);
                rest(&line.bell, &stop).await;
            }
            Ok(ready) => {
                for (one, place) in ready.into_iter().zip(places) {
                    flights.spawn(fly(line.clone(), one, place));
                }
            }
            Err(problem) => {
                error!(
                    provider.name = name,
                    "Nothing could be claimed for {name}, trying again: {problem}"
                );
                drop(places);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    let open = flights.len();
    if open > 0 {
        info!(
            provider.name = name,
            "Waiting for {open} answers from {name}"
        );
    }
    while flights.join_next().await.is_some() {}
}

/// Until the pace has room again, or a breaker closes.
async fn pause(stop: &Stop) {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(20)) => {}
        () = stop.said() => {}
    }
}

async fn rest(bell: &Bell, stop: &Stop) {
    tokio::select! {
        () = bell.heard() => {}
        () = tokio::time::sleep(POLL) => {}
        () = stop.said() => {}
    }
}

/// At least one free place, and all that are free besides.
async fn free_places(window: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let first = Arc::clone(window)
        .acquire_owned()
        .await
        .expect("the window is never closed");
    let mut places = vec![first];
    while places.len() < CLAIM
        && let Ok(place) = Arc::clone(window).try_acquire_owned()
    {
        places.push(place);
    }
    places
}

impl Pipeline {
    /// Lets the breaker know what came of a try.
    fn hear(&self, result: &Result<Accepted, SendError>) {
        let name = self.provider.name();
        match result {
            Err(SendError::Rejected {
                class: ErrorClass::PermanentAccount,
                ..
            }) => self.breakers.refused(name, self.clock.now()),
            Ok(_) | Err(SendError::Rejected { .. }) => self.breakers.well(name),
            Err(SendError::NotSent { .. } | SendError::Unknown { .. }) => {
                self.breakers.untried(name)
            }
        }
    }

    async fn prepare(&self, limit: usize) -> Result<Vec<Prepared>, StoreError> {
        let provider = self.provider.name().to_owned();
        self.writer
            .prepare(PrepareOrder {
                provider,
                limit,
                owner: self.owner.clone(),
                lease_ms: LEASE_MS,
            })
            .await
    }
}

/// Takes one message over the wire. Its place is free again only once the outcome is committed, so that what
/// a crash leaves open is never more than the window.
async fn fly(line: Pipeline, one: Prepared, place: OwnedSemaphorePermit) {
    let now = line.clock.now();
    let result = match outgoing(&one, now) {
        Some(outgoing) => line.provider.send(outgoing).await,
        None => Err(SendError::NotSent {
            reason: "no_address",
        }),
    };
    log(&one, &result);
    line.hear(&result);
    let settlement =
        decide::settlement(&one, &result, &line.settings, &line.desk, line.clock.now());
    let mut wait = Duration::from_millis(100);
    // What the network said must not be lost while the database is away.
    while let Err(problem) = line.writer.settle(settlement.clone()).await {
        error!(message.id = %one.message, "The outcome of {} cannot be written, trying again: {problem}", one.message);
        if matches!(problem, StoreError::Closed) {
            break;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(10));
    }
    drop(place);
}

fn outgoing(one: &Prepared, now: Timestamp) -> Option<Outgoing> {
    let channel = one.channels.get(one.channel_index)?;
    let to = one.addresses.get(channel.as_str())?.clone();
    let left = one.expires_at.duration_since(now);
    Some(Outgoing {
        attempt: one.attempt.clone(),
        to,
        text: Private::new(one.text.reveal().clone()),
        sender: one.sender.clone(),
        validity: Duration::try_from(left).ok(),
        umr: one.umr,
        concat_ref: one.concat_ref,
        parts_done: one.parts_done.clone(),
    })
}

fn log(one: &Prepared, result: &Result<Accepted, SendError>) {
    let (id, provider) = (&one.message, &one.provider);
    match result {
        Ok(_) | Err(SendError::NotSent { .. }) => {}
        Err(SendError::Unknown { .. }) => {
            warn!(message.id = %id, provider.name = provider, "No answer from {provider} about {id}")
        }
        Err(SendError::Rejected {
            code,
            class: ErrorClass::PermanentAccount,
            ..
        }) => {
            error!(message.id = %id, provider.name = provider, "{provider} refuses our account with {code}: a person should look at it");
        }
        Err(SendError::Rejected { code, .. }) => {
            warn!(message.id = %id, provider.name = provider, "{provider} refused {id} with {code}")
        }
    }
}
