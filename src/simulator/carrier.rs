//! The network itself: takes messages, brings them to phones, makes receipts, and carries what phones write.
//!
//! Knows no wire: `smsc` feeds it what ESMEs submit and hands over what it has for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::conduct::Conduct;
use super::network::{Fresh, State};
use super::outbox::{Next, Outbox};
use super::phones::digits;
use super::script::Script;
use crate::channels::sms::coding::Concat;
use crate::clock::Clock;
use crate::model::private::Private;
use crate::segments::split::DefaultAlphabet;

pub use super::outbox::{Delivery, Load};
pub use super::phones::{Bubble, Glance, Owner, Side};

/// `ESME_RTHROTTLED`.
pub const THROTTLED: u32 = 0x58;
/// A carrier. Cheap to clone; all clones are the same one.
#[derive(Clone, Debug)]
pub struct Carrier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    clock: Clock,
    /// Rises at every change of a phone.
    seen: watch::Sender<u64>,
    /// Rises whenever an outbox got something.
    filled: watch::Sender<u64>,
}

/// What a submit brings about, to be let go by `follow` when its answer is on its way.
#[derive(Debug, Default)]
#[must_use = "receipts and answers are lost with it"]
pub struct Aftermath(Vec<Fresh>);

/// One `submit_sm` as the network sees it.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The account it came from.
    pub account: String,
    /// What the phone shows as sender.
    pub from: String,
    /// The recipient's number.
    pub to: Private<String>,
    /// What this part says.
    pub text: Private<String>,
    /// Which part of a longer text it is.
    pub concat: Option<Concat>,
    /// Whether a receipt is wanted.
    pub receipt: Wanted,
    /// `user_message_reference`.
    pub umr: Option<u16>,
    /// When it is of no more use.
    pub expires_at: Option<Timestamp>,
}

/// When a receipt is wanted (the low bits of `registered_delivery`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Never.
    Never,
    /// For every end.
    Always,
    /// For a bad end only.
    OnFailure,
}

/// What the ESME is told about its submit, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What; `None` is silence.
    pub answer: Option<Answer>,
    /// How long to wait before it.
    pub after: Duration,
}

/// The answer to a submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken, under this id.
    Taken {
        /// As the dialect spells it in answers.
        message_id: String,
    },
    /// Refused with this `command_status`.
    Refused {
        /// The status.
        status: u32,
    },
}

/// What has passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the number of what it names")]
pub struct Counts {
    pub submits: u64,
    pub taken: u64,
    pub refused: u64,
    pub throttled: u64,
    pub receipts: u64,
    pub texts: u64,
    /// Receipts and texts that an ESME has acknowledged.
    pub handed_over: u64,
    /// Receipts and texts that nobody wanted in the end.
    pub dropped: u64,
    pub binds: u64,
}

impl Carrier {
    /// A carrier with no phones yet.
    pub fn new(conduct: Conduct, clock: Clock) -> Self {
        // Ids must not come again after a restart: a carrier that starts later counts from further up.
        let next = u64::try_from(clock.now().as_millisecond()).unwrap_or(0) << 12;
        let state = State::new(conduct, next);
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            clock,
            seen: watch::Sender::new(0),
            filled: watch::Sender::new(0),
        }))
    }

    /// Changes how the network behaves from now on.
    pub fn set_conduct(&self, conduct: Conduct) {
        self.lock().set_conduct(conduct);
    }

    /// Lays down what phones will say by themselves.
    pub fn set_script(&self, script: Script) {
        self.lock().script = script;
    }

    /// Tells who holds a number, so that its phone is in the list before its first text.
    pub fn register(&self, number: &str, owner: Owner) {
        self.lock().phones.register(&digits(number), owner);
        self.changed();
    }

    /// Takes a message, or not. The aftermath is for `follow`, once the answer is on its way.
    pub fn submit(&self, submitted: Submitted) -> (Verdict, Aftermath) {
        let now = self.0.clock.now();
        let mut state = self.lock();
        let verdict = state.submit(submitted, now);
        let aftermath = Aftermath(std::mem::take(&mut state.fresh));
        drop(state);
        self.changed();
        (verdict, aftermath)
    }

    /// Lets the receipts and answers that a submit brought about take their way.
    pub fn follow(&self, aftermath: Aftermath) {
        self.lock().file(aftermath.0);
        self.fill();
    }

    /// Whether receipts are to overtake the answer to their submit.
    pub fn overtakes(&self) -> bool {
        self.lock().conduct.receipts.before_answer
    }

    /// Whether `system_id` may bind with `password`. Counts the bind if so.
    pub fn admits(&self, system_id: &str, password: &str) -> bool {
        let mut state = self.lock();
        let accounts = &state.conduct.accounts;
        let known = accounts
            .iter()
            .any(|a| a.system_id == system_id && a.password.reveal() == password);
        let admitted = accounts.is_empty() || known;
        state.counts.binds += u64::from(admitted);
        admitted
    }

    /// Waits for the next thing to hand over to `account`.
    pub async fn next(&self, account: &str) -> Delivery {
        let mut filled = self.0.filled.subscribe();
        loop {
            filled.mark_unchanged();
            // On a line of its own: in the match the lock would be held until its end.
            let next = self.lock().next_for(account, Instant::now());
            let due = match next {
                Next::Due(delivery) => return self.written(delivery),
                Next::At(due) => Some(due),
                Next::Empty => None,
            };
            // The sender lives as long as this carrier, so `changed` cannot fail.
            tokio::select! {
                _ = filled.changed() => {}
                () = async { tokio::time::sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            }
        }
    }

    /// A scripted answer is written the moment it leaves: only now it shows in its thread.
    fn written(&self, delivery: Delivery) -> Delivery {
        if let Load::Text { n, text } = &delivery.load {
            let now = self.0.clock.now();
            self.lock().show_written(
                delivery.from.reveal(),
                delivery.to.clone(),
                *n,
                text.clone(),
                now,
            );
            self.changed();
        }
        delivery
    }

    /// Says how handing it over to `account` went; what was refused is offered again.
    pub fn settle(&self, account: &str, delivery: Delivery, acknowledged: bool) {
        let mut state = self.lock();
        if acknowledged {
            state.counts.handed_over += 1;
            if let Load::Text { n, .. } = delivery.load {
                state.mark_handed_over(delivery.from.reveal(), n);
            }
        } else {
            let kept = state
                .outboxes
                .entry(account.to_owned())
                .or_default()
                .put_back(Instant::now(), delivery);
            state.counts.dropped += u64::from(!kept);
        }
        drop(state);
        self.changed();
        self.fill();
    }

    /// The phone with that number.
    pub fn phone(&self, number: &str) -> Phone {
        Phone {
            carrier: self.clone(),
            digits: digits(number),
        }
    }

    /// The phone with that id, if it is there.
    pub fn phone_by_id(&self, id: u64) -> Option<Phone> {
        let digits = self.lock().phones.by_id(id)?.digits.clone();
        Some(Phone {
            carrier: self.clone(),
            digits,
        })
    }

    /// All phones: those with the newest text first, then those without one by id.
    pub fn phones(&self) -> Vec<Glance> {
        let mut all: Vec<Glance> = self
            .lock()
            .phones
            .iter()
            .map(super::phones::Phone::glance)
            .collect();
        all.sort_by_key(|g| (std::cmp::Reverse(g.last.as_ref().map_or(0, |b| b.n)), g.id));
        all
    }

    /// Marks the texts of a phone as read.
    pub fn look_at(&self, id: u64) {
        let mut state = self.lock();
        let read = state
            .phones
            .by_id_mut(id)
            .is_some_and(|phone| std::mem::take(&mut phone.unread) > 0);
        drop(state);
        if read {
            self.changed();
        }
    }

    /// What has passed so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Receipts and texts that wait to be handed over.
    pub fn waiting(&self) -> usize {
        self.lock().outboxes.values().map(Outbox::len).sum()
    }

    /// A number that rises with every change on a phone, for pages that show them live.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.seen.subscribe()
    }

    /// Waits until `holds`, at most `within`; says whether it did.
    pub async fn until(&self, within: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let mut seen = self.subscribe();
        let wait = async {
            while !holds(self) {
                // The sender lives as long as this carrier, so this cannot fail.
                let _ = seen.changed().await;
            }
        };
        tokio::time::timeout(within, wait).await.is_ok()
    }

    /// How data coding 0 is written here.
    pub fn alphabet(&self) -> DefaultAlphabet {
        self.lock().conduct.alphabet
    }

    /// What time it is for the carrier.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The conduct of now.
    pub fn conduct(&self) -> Conduct {
        self.lock().conduct.clone()
    }

    /// Ends the wait of texts for phones that are off and whose validity is over.
    pub fn sweep(&self) {
        let now = self.0.clock.now();
        self.lock().sweep(now);
        self.fill();
    }

    fn changed(&self) {
        self.0.seen.send_modify(|n| *n += 1);
    }

    fn fill(&self) {
        self.0.filled.send_modify(|n| *n += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One phone of a carrier.
#[derive(Clone, Debug)]
pub struct Phone {
    carrier: Carrier,
    digits: String,
}

impl Phone {
    /// Writes to whoever wrote last, or to `1069` where nobody has.
    pub fn reply(&self, text: &str) {
        self.write(None, text);
    }

    /// Writes to a number.
    pub fn write_to(&self, peer: &str, text: &str) {
        self.write(Some(peer), text);
    }

    /// All texts that are kept, oldest first.
    pub fn thread(&self) -> Vec<Bubble> {
        self.carrier
            .lock()
            .phones
            .find(&self.digits)
            .map_or_else(Vec::new, |phone| phone.thread.iter().cloned().collect())
    }

    /// How it looks in a list, if it is known.
    pub fn glance(&self) -> Option<Glance> {
        self.carrier
            .lock()
            .phones
            .find(&self.digits)
            .map(super::phones::Phone::glance)
    }

    /// Whether it is switched on; one that nobody knows is.
    pub fn is_on(&self) -> bool {
        self.carrier
            .lock()
            .phones
            .find(&self.digits)
            .is_none_or(|phone| phone.on)
    }

    /// The last text it got.
    pub fn last_text(&self) -> Option<Private<String>> {
        self.thread()
            .into_iter()
            .rev()
            .find(|b| b.side == Side::Received)
            .map(|b| b.text)
    }

    /// Switches it on or off; what waited for it arrives when it is switched on.
    pub fn switch(&self, on: bool) {
        let now = self.carrier.0.clock.now();
        self.carrier.lock().switch(&self.digits, on, now);
        self.carrier.changed();
        self.carrier.fill();
    }

    fn write(&self, peer: Option<&str>, text: &str) {
        let now = self.carrier.0.clock.now();
        let mut state = self.carrier.lock();
        state.write(&self.digits, peer, text, now);
        state.file_fresh();
        drop(state);
        self.carrier.changed();
        self.carrier.fill();
    }
}

#[cfg(test)]
#[path = "carrier_tests.rs"]
mod tests;
