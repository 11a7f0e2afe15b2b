//! The network itself: takes messages, brings them to phones, makes receipts, and carries what phones write.
//!
//! Knows no wire: `smsc` feeds it what ESMEs submit and hands over what it has for them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::conduct::{Conduct, Dice};
use super::dialect::News;
use super::outbox::{Next, Outbox};
use super::parts::Parts;
use super::phones::{Phones, Waiting, digits};
use super::script::Script;
use crate::model::receipt::ReceiptStatus;
use crate::channels::sms::coding::Concat;
use crate::clock::Clock;
use crate::model::private::Private;
use crate::segments::split::DefaultAlphabet;

pub use super::outbox::{Delivery, Load};
pub use super::phones::{Bubble, Glance, Owner, Side};

/// `ESME_RTHROTTLED`.
pub const THROTTLED: u32 = 0x58;
/// How long an answer is held back so that its receipt overtakes it.
const OVERTAKEN_BY: Duration = Duration::from_millis(80);

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

#[derive(Debug)]
struct State {
    conduct: Conduct,
    dice: Dice,
    script: Script,
    phones: Phones,
    parts: Parts,
    /// By account; the nameless one is open to every account.
    outboxes: BTreeMap<String, Outbox>,
    /// Segments of the running second, by account.
    pace: HashMap<String, (Instant, u32)>,
    counts: Counts,
    next: u64,
    /// Made by the running call and not in an outbox yet; empty between calls.
    fresh: Vec<Fresh>,
}

/// Whose outbox, how long from now, and what.
type Fresh = (String, Duration, Delivery);

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
        let state = State {
            dice: Dice::new(conduct.seed),
            conduct,
            script: Script::default(),
            phones: Phones::default(),
            parts: Parts::default(),
            outboxes: BTreeMap::new(),
            pace: HashMap::new(),
            counts: Counts::default(),
            next,
            fresh: Vec::new(),
        };
        Self(Arc::new(Inner { state: Mutex::new(state), clock, seen: watch::Sender::new(0), filled: watch::Sender::new(0) }))
    }

    /// Changes how the network behaves from now on.
    pub fn set_conduct(&self, conduct: Conduct) {
        let mut state = self.lock();
        state.dice = Dice::new(conduct.seed);
        state.conduct = conduct;
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
        let known = accounts.iter().any(|a| a.system_id == system_id && a.password.reveal() == password);
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
            self.lock().show_written(delivery.from.reveal(), delivery.to.clone(), *n, text.clone(), now);
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
            let kept = state.outboxes.entry(account.to_owned()).or_default().put_back(Instant::now(), delivery);
            state.counts.dropped += u64::from(!kept);
        }
        drop(state);
        self.changed();
        self.fill();
    }

    /// The phone with that number.
    pub fn phone(&self, number: &str) -> Phone {
        Phone { carrier: self.clone(), digits: digits(number) }
    }

    /// The phone with that id, if it is there.
    pub fn phone_by_id(&self, id: u64) -> Option<Phone> {
        let digits = self.lock().phones.by_id(id)?.digits.clone();
        Some(Phone { carrier: self.clone(), digits })
    }

    /// All phones: those with the newest text first, then those without one by id.
    pub fn phones(&self) -> Vec<Glance> {
        let mut all: Vec<Glance> = self.lock().phones.iter().map(super::phones::Phone::glance).collect();
        all.sort_by_key(|g| (std::cmp::Reverse(g.last.as_ref().map_or(0, |b| b.n)), g.id));
        all
    }

    /// Marks the texts of a phone as read.
    pub fn look_at(&self, id: u64) {
        let mut state = self.lock();
        let read = state.phones.by_id_mut(id).is_some_and(|phone| std::mem::take(&mut phone.unread) > 0);
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
        self.carrier.lock().phones.find(&self.digits).map_or_else(Vec::new, |phone| phone.thread.iter().cloned().collect())
    }

    /// How it looks in a list, if it is known.
    pub fn glance(&self) -> Option<Glance> {
        self.carrier.lock().phones.find(&self.digits).map(super::phones::Phone::glance)
    }

    /// Whether it is switched on; one that nobody knows is.
    pub fn is_on(&self) -> bool {
        self.carrier.lock().phones.find(&self.digits).is_none_or(|phone| phone.on)
    }

    /// The last text it got.
    pub fn last_text(&self) -> Option<Private<String>> {
        self.thread().into_iter().rev().find(|b| b.side == Side::Received).map(|b| b.text)
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

impl State {
    fn submit(&mut self, submitted: Submitted, now: Timestamp) -> Verdict {
        self.counts.submits += 1;
        let after = self.conduct.answer_after;
        let refused = |status| Verdict { answer: Some(Answer::Refused { status }), after };
        if self.dice.falls(self.conduct.submits_lost) {
            return Verdict { answer: None, after };
        }
        if self.dice.falls(self.conduct.throttled) || self.too_fast(&submitted.account) {
            self.counts.throttled += 1;
            return refused(THROTTLED);
        }
        let number = digits(submitted.to.reveal());
        let refusal = self.conduct.refusals.iter().find(|r| number.starts_with(&r.prefix)).map(|r| r.status);
        if let Some(status) = refusal {
            self.counts.refused += 1;
            return refused(status);
        }
        self.counts.taken += 1;
        self.next += 1;
        let n = self.next;
        let message_id = self.conduct.receipts.dialect.answer_id(n);
        let waiting = Waiting { n, submitted, taken_at: now };
        self.phones.of(&number).account = Some(waiting.submitted.account.clone());
        if self.is_doomed(&waiting) {
            self.report(&waiting, ReceiptStatus::Undeliverable, now);
        } else if self.phones.of(&number).on {
            self.arrive(waiting, now);
        } else if let Some(pushed_out) = self.phones.of(&number).keep(waiting) {
            self.report(&pushed_out, ReceiptStatus::Deleted, now);
        }
        let after = if self.conduct.receipts.before_answer { after + OVERTAKEN_BY } else { after };
        let answer = (!self.dice.falls(self.conduct.answers_lost)).then_some(Answer::Taken { message_id });
        Verdict { answer, after }
    }

    /// Whether the account has used up its segments of this second.
    fn too_fast(&mut self, account: &str) -> bool {
        let Some(limit) = self.conduct.segments_per_second else { return false };
        let now = Instant::now();
        let pace = self.pace.entry(account.to_owned()).or_insert((now, 0));
        if now.duration_since(pace.0) >= Duration::from_secs(1) {
            *pace = (now, 0);
        }
        pace.1 += 1;
        pace.1 > limit.get()
    }

    /// Whether the message will never arrive: all parts of a text share one fate.
    fn is_doomed(&mut self, waiting: &Waiting) -> bool {
        let share = self.conduct.undelivered;
        match waiting.submitted.concat {
            None => self.dice.falls(share),
            Some(concat) => {
                let mut hasher = DefaultHasher::new();
                (self.conduct.seed, concat.reference, waiting.submitted.to.reveal()).hash(&mut hasher);
                Dice::new(hasher.finish()).falls(share)
            }
        }
    }

    fn arrive(&mut self, waiting: Waiting, now: Timestamp) {
        self.report(&waiting, ReceiptStatus::Delivered, now);
        let Waiting { n, submitted, .. } = waiting;
        let number = digits(submitted.to.reveal());
        let whole = self.parts.take(&submitted.from, &number, submitted.concat, submitted.text.into_revealed());
        let Some(text) = whole else { return };
        let line = self.script.answer(&number, &text);
        self.phones.of(&number).push(Bubble {
            n,
            side: Side::Received,
            peer: submitted.from.clone(),
            text: Private::new(text),
            at: now,
            handed_over: true,
        });
        if let Some(line) = line {
            self.send(&number, submitted.from, line.say.reveal(), line.after);
        }
    }

    /// Makes the receipt, if one is wanted and chance lets it through.
    fn report(&mut self, waiting: &Waiting, status: ReceiptStatus, now: Timestamp) {
        let wanted = match waiting.submitted.receipt {
            Wanted::Never => false,
            Wanted::Always => true,
            Wanted::OnFailure => status != ReceiptStatus::Delivered,
        };
        let receipts = self.conduct.receipts.clone();
        if !wanted || receipts.silent || self.dice.falls(receipts.lost) {
            return;
        }
        let news = News { status, taken_at: waiting.taken_at, done_at: now };
        let paper = receipts.dialect.write(waiting.n, &news);
        let submitted = &waiting.submitted;
        let from = Private::new(digits(submitted.to.reveal()));
        let load = Load::Receipt { paper, umr: submitted.umr };
        let delivery = Delivery::new(from, submitted.from.clone(), load);
        let wait = receipts.after + self.dice.below(receipts.spread);
        let copies = 1 + usize::from(self.dice.falls(receipts.repeated));
        for _ in 0..copies {
            self.counts.receipts += 1;
            self.fresh.push((submitted.account.clone(), wait, delivery.clone()));
        }
    }

    fn write(&mut self, number: &str, peer: Option<&str>, text: &str, now: Timestamp) {
        let last = self.phones.of(number).thread.back().map(|bubble| bubble.peer.clone());
        let peer = peer.map(str::to_owned).or(last).unwrap_or_else(|| "1069".to_owned());
        let n = self.send(number, peer.clone(), text, Duration::ZERO);
        self.show_written(number, peer, n, Private::new(text.to_owned()), now);
    }

    /// Puts a text of a phone on its way; it shows in the thread once it is written.
    fn send(&mut self, number: &str, peer: String, text: &str, after: Duration) -> u64 {
        self.next += 1;
        let n = self.next;
        let account = self.phones.of(number).account.clone().unwrap_or_default();
        let load = Load::Text { n, text: Private::new(text.to_owned()) };
        let delivery = Delivery::new(Private::new(number.to_owned()), peer, load);
        let wait = after + self.conduct.texts.after;
        let copies = 1 + usize::from(self.dice.falls(self.conduct.texts.repeated));
        for _ in 0..copies {
            self.counts.texts += 1;
            self.fresh.push((account.clone(), wait, delivery.clone()));
        }
        n
    }

    fn show_written(&mut self, number: &str, peer: String, n: u64, text: Private<String>, at: Timestamp) {
        let phone = self.phones.of(number);
        if !phone.thread.iter().any(|bubble| bubble.n == n) {
            phone.push(Bubble { n, side: Side::Written, peer, text, at, handed_over: false });
        }
    }

    fn file(&mut self, fresh: Vec<Fresh>) {
        let now = Instant::now();
        for (account, wait, delivery) in fresh {
            let kept = self.outboxes.entry(account).or_default().put(now + wait, delivery);
            self.counts.dropped += u64::from(!kept);
        }
    }

    fn file_fresh(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.file(fresh);
    }

    fn next_for(&mut self, account: &str, now: Instant) -> Next {
        let own = self.outboxes.entry(account.to_owned()).or_default().next(now);
        let open = match own {
            Next::Due(_) => return own,
            Next::At(_) | Next::Empty => self.outboxes.entry(String::new()).or_default().next(now),
        };
        match (own, open) {
            (_, Next::Due(delivery)) => Next::Due(delivery),
            (Next::At(a), Next::At(b)) => Next::At(a.min(b)),
            (Next::At(due), Next::Empty) | (Next::Empty | Next::Due(_), Next::At(due)) => Next::At(due),
            (Next::Empty | Next::Due(_), Next::Empty) => Next::Empty,
        }
    }

    fn mark_handed_over(&mut self, number: &str, n: u64) {
        if let Some(bubble) = self.phones.of(number).thread.iter_mut().find(|b| b.n == n) {
            bubble.handed_over = true;
        }
    }

    fn switch(&mut self, number: &str, on: bool, now: Timestamp) {
        let phone = self.phones.of(number);
        phone.on = on;
        if !on {
            return;
        }
        for waiting in std::mem::take(&mut phone.waiting) {
            if is_over(&waiting, now) {
                self.report(&waiting, ReceiptStatus::Expired, now);
            } else {
                self.arrive(waiting, now);
            }
        }
        self.file_fresh();
    }

    fn sweep(&mut self, now: Timestamp) {
        let mut over = Vec::new();
        for phone in self.phones.iter_mut().filter(|phone| !phone.waiting.is_empty()) {
            let (ended, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut phone.waiting).into_iter().partition(|w| is_over(w, now));
            phone.waiting = kept.into();
            over.extend(ended);
        }
        for waiting in &over {
            self.report(waiting, ReceiptStatus::Expired, now);
        }
        self.file_fresh();
    }
}

fn is_over(waiting: &Waiting, now: Timestamp) -> bool {
    waiting.submitted.expires_at.is_some_and(|end| end <= now)
}

#[cfg(test)]
#[path = "carrier_tests.rs"]
mod tests;
