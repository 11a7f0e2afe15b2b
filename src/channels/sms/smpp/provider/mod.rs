//! An SMPP account as a provider: binds kept up, messages out, receipts and texts in.

mod address;
mod binds;
mod inbound;
mod pace;
pub mod settings;
mod submit;

#[cfg(test)]
mod submit_tests;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, join_all, select_all};
use futures::stream::{FuturesUnordered, StreamExt};
use rustls::pki_types::ServerName;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use self::inbound::Inbound;
use self::pace::Pace;
use self::settings::{OpenError, Settings};
use self::submit::{Part, PartEnd, compose, gather, receipts_expected};
use super::pdu::Body;
use super::session::outcome::{Late, NotSent, Outcome};
use super::session::{Options, Session, Slot};
use super::status::Status;
use super::tls::connector;
use crate::channels::{
    Accepted, ChannelEvent, ErrorClass, Outgoing, PartAccepted, Provider, SendError, Sink,
};
use crate::model::class::Channel;
use crate::model::id::AttemptId;
use crate::model::private::Private;

/// Requests of the carrier that may wait, over all binds.
const INBOUND: usize = 1024;
/// How often and how long a late answer is offered to a store that is down.
const LATE_RETRIES: (u32, Duration) = (60, Duration::from_secs(10));

struct Account {
    name: String,
    settings: Settings,
    password: Private<String>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    options: Options,
    sink: Sink,
    /// The binds that take messages now.
    up: watch::Sender<Vec<Session>>,
    /// Set once: how long to wait for what is on its way.
    closing: watch::Sender<Option<Duration>>,
    pace: Mutex<Pace>,
    turn: AtomicUsize,
}

/// One SMPP account. Dropped, it takes leave without waiting.
pub struct SmppProvider {
    account: Arc<Account>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Opens the account `name` and begins to bind. What it hears goes to `sink`.
///
/// Must be called within a tokio runtime. Does not wait for a bind: see [`Provider::ready`].
///
/// # Errors
/// When the settings cannot work.
pub fn open(
    settings: Settings,
    name: &str,
    sink: Sink,
    response_timeout: Duration,
) -> Result<SmppProvider, OpenError> {
    settings.check()?;
    let password = settings.password()?;
    let tls = match &settings.tls {
        None => None,
        Some(tls) => {
            let domain = tls.domain.clone().unwrap_or_else(|| settings.host.clone());
            let out_of_range = |_| OpenError::OutOfRange {
                key: "tls.domain",
                expected: "a host name or an address",
            };
            Some((
                connector(tls.ca_file.as_deref())?,
                ServerName::try_from(domain).map_err(out_of_range)?,
            ))
        }
    };
    let options = Options {
        window: usize::from(settings.window),
        response_timeout,
        enquire_link_every: settings.enquire_link_every,
        enquire_link_timeout: response_timeout
            .min(settings.enquire_link_every.max(Duration::from_secs(5))),
        ..Options::default()
    };
    let account = Arc::new(Account {
        name: name.to_owned(),
        password,
        tls,
        options,
        sink: sink.clone(),
        up: watch::Sender::new(Vec::new()),
        closing: watch::Sender::new(None),
        pace: Mutex::new(Pace::new(settings.rate, Instant::now())),
        turn: AtomicUsize::new(0),
        settings,
    });
    let (requests, requested) = mpsc::channel(INBOUND);
    let mut tasks = Vec::new();
    for _ in 0..account.settings.binds {
        for kind in account.settings.bind.kinds() {
            tasks.push(tokio::spawn(binds::keep(
                Arc::clone(&account),
                *kind,
                requests.clone(),
            )));
        }
    }
    let inbound = Inbound::new(sink, account.settings.default_alphabet);
    tasks.push(tokio::spawn(inbound.run(requested)));
    tokio::spawn(tell_link(Arc::clone(&account)));
    Ok(SmppProvider {
        account,
        tasks: Mutex::new(tasks),
    })
}

impl Account {
    /// Room in the window of a bind, taking turns; `None` when no bind is up.
    async fn slot(&self) -> Option<(Session, Slot)> {
        loop {
            let up = self.up.borrow().clone();
            let first = self.turn.fetch_add(1, Ordering::Relaxed);
            let turns = (0..up.len()).map(|turn| &up[(first.wrapping_add(turn)) % up.len()]);
            for session in turns {
                if let Some(slot) = session.try_slot() {
                    return Some((session.clone(), slot));
                }
            }
            let open: Vec<_> = up.into_iter().filter(Session::is_open).collect();
            if open.is_empty() {
                return None;
            }
            let waits = open
                .iter()
                .map(|session| Box::pin(async move { (session.clone(), session.slot().await) }));
            let ((session, slot), _, _) = select_all(waits).await;
            if let Some(slot) = slot {
                return Some((session, slot));
            }
        }
    }

    /// Submits one part by `session`.
    async fn submit(
        &self,
        session: &Session,
        slot: Option<Slot>,
        part: Part,
    ) -> (PartEnd, Option<Late>) {
        let slot = match slot {
            Some(slot) => Some(slot),
            None => session.slot().await,
        };
        let Some(slot) = slot else {
            return (PartEnd::NotSent(NotSent::Closed), None);
        };
        let wait = self.pace().take(Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let number = part.number;
        match session.request_in(slot, Body::SubmitSm(part.sm)).await {
            Outcome::Unknown(late) => (PartEnd::Unknown, late),
            Outcome::Rejected(status) if status == Status::RINVBNDSTS => {
                // It does not hold us bound any more: a new connection cures that.
                let (session, within) = (session.clone(), self.options.response_timeout);
                tokio::spawn(async move { session.close(within).await });
                (PartEnd::Rejected(status), None)
            }
            settled => (self.part_end(number, settled), None),
        }
    }

    fn part_end(&self, number: u8, outcome: Outcome) -> PartEnd {
        match outcome {
            Outcome::Acked(body) => {
                let id = match &body {
                    Body::SubmitSmResp(resp) => resp.message_id.to_text(),
                    _ => String::new(),
                };
                PartEnd::Accepted(PartAccepted {
                    part: number,
                    provider_id: id,
                })
            }
            Outcome::Rejected(status) => {
                if self.settings.errors.class(status) == ErrorClass::Throttle {
                    self.pace().throttle(Instant::now());
                }
                PartEnd::Rejected(status)
            }
            Outcome::NotSent(why) => PartEnd::NotSent(why),
            Outcome::Unknown(_) => PartEnd::Unknown,
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace
            .lock()
            .expect("no code panics while it holds the pace")
    }

    async fn send(self: &Arc<Self>, outgoing: Outgoing) -> Result<Accepted, SendError> {
        let receipts = receipts_expected(&self.settings);
        let parts = compose(&outgoing, &self.settings)?;
        if parts.is_empty() {
            return Ok(Accepted {
                parts: Vec::new(),
                receipt_expected: receipts,
            });
        }
        let (session, slot) = self
            .slot()
            .await
            .ok_or(SendError::NotSent { reason: "no_bind" })?;
        let mut slot = Some(slot);
        let numbers: Vec<u8> = parts.iter().map(|part| part.number).collect();
        // All at once and in order: the window bounds them, not the round trip.
        let submits = parts
            .into_iter()
            .map(|part| self.submit(&session, slot.take(), part));
        let (ends, lates): (Vec<_>, Vec<_>) = join_all(submits).await.into_iter().unzip();
        let result = gather(&ends, receipts, &self.settings.errors);
        let lates: Vec<_> = lates
            .into_iter()
            .enumerate()
            .filter_map(|(at, late)| Some((at, numbers[at], late?)))
            .collect();
        if !lates.is_empty() {
            tokio::spawn(Arc::clone(self).await_late(outgoing.attempt, ends, lates));
        }
        result
    }

    /// Hands late answers on, each with all that is known by then.
    async fn await_late(
        self: Arc<Self>,
        attempt: AttemptId,
        mut ends: Vec<PartEnd>,
        lates: Vec<(usize, u8, Late)>,
    ) {
        let mut answers: FuturesUnordered<_> = lates
            .into_iter()
            .map(|(at, number, late)| async move { (at, number, late.answer().await) })
            .collect();
        while let Some((at, number, answer)) = answers.next().await {
            let Some(outcome) = answer else { continue };
            ends[at] = self.part_end(number, outcome);
            let result = gather(
                &ends,
                receipts_expected(&self.settings),
                &self.settings.errors,
            );
            let event = ChannelEvent::LateAnswer {
                attempt: attempt.clone(),
                result,
            };
            for _ in 0..LATE_RETRIES.0 {
                if self.sink.accept(event.clone()).await.is_ok() {
                    break;
                }
                sleep(LATE_RETRIES.1).await;
            }
        }
    }

    /// Waits until no transmitter is left.
    async fn transmitters_gone(&self) {
        // It cannot fail: we hold the sender.
        let _ = self.up.subscribe().wait_for(Vec::is_empty).await;
    }
}

/// Says when messages can go and when not.
async fn tell_link(account: Arc<Account>) {
    let mut up = account.up.subscribe();
    let mut closing = account.closing.subscribe();
    let mut told = false;
    loop {
        let is_up = !up.borrow_and_update().is_empty();
        if is_up != told {
            told = is_up;
            // A store that is down asks `is_up` when it is back.
            let _ = account.sink.accept(ChannelEvent::Link { up: is_up }).await;
            continue;
        }
        tokio::select! {
            _ = up.changed() => {}
            _ = closing.wait_for(Option::is_some) => return,
        }
    }
}

impl Provider for SmppProvider {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn channel(&self) -> Channel {
        Channel::Sms
    }

    fn window(&self) -> usize {
        usize::from(self.account.settings.window) * usize::from(self.account.settings.binds)
    }

    fn is_up(&self) -> bool {
        self.account.closing.borrow().is_none()
            && self.account.up.borrow().iter().any(Session::is_open)
    }

    fn room(&self) -> usize {
        self.account.pace().room(Instant::now())
    }

    fn send(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Accepted, SendError>> {
        Box::pin(self.account.send(outgoing))
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut up = self.account.up.subscribe();
            // It cannot fail: we hold the sender.
            let _ = up.wait_for(|up| up.iter().any(Session::is_open)).await;
        })
    }

    fn close(&self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.account.closing.send_replace(Some(within));
            let tasks = std::mem::take(
                &mut *self
                    .tasks
                    .lock()
                    .expect("no code panics while it holds the tasks"),
            );
            // The unbind itself takes its own moment.
            let all = timeout(within + Duration::from_secs(10), join_all(tasks));
            if all.await.is_err() {
                tracing::warn!(provider.name = %self.account.name, "SMPP provider {} did not close in time", self.account.name);
            }
        })
    }
}

impl Drop for SmppProvider {
    fn drop(&mut self) {
        self.account.closing.send_if_modified(|closing| {
            let open = closing.is_none();
            if open {
                *closing = Some(Duration::ZERO);
            }
            open
        });
    }
}
