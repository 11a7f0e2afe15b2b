//! The inside of the carrier: what happens to a message, a receipt and a text, step by step.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::carrier::{
    Answer, Bubble, Counts, Delivery, Load, Side, Submitted, THROTTLED, Verdict, Wanted,
};
use super::conduct::{Conduct, Dice};
use super::dialect::News;
use super::outbox::{Next, Outbox};
use super::parts::Parts;
use super::phones::{Phones, Waiting, digits};
use super::script::Script;
use crate::model::private::Private;
use crate::model::receipt::ReceiptStatus;

/// How long an answer is held back so that its receipt overtakes it.
const OVERTAKEN_BY: Duration = Duration::from_millis(80);

#[derive(Debug)]
pub(super) struct State {
    pub(super) conduct: Conduct,
    pub(super) dice: Dice,
    pub(super) script: Script,
    pub(super) phones: Phones,
    pub(super) parts: Parts,
    /// By account; the nameless one is open to every account.
    pub(super) outboxes: BTreeMap<String, Outbox>,
    /// Segments of the running second, by account.
    pub(super) pace: HashMap<String, (Instant, u32)>,
    pub(super) counts: Counts,
    pub(super) next: u64,
    /// Made by the running call and not in an outbox yet; empty between calls.
    pub(super) fresh: Vec<Fresh>,
}

/// Whose outbox, how long from now, and what.
pub(super) type Fresh = (String, Duration, Delivery);

impl State {
    /// No phones yet; `next` is where ids begin.
    pub(super) fn new(conduct: Conduct, next: u64) -> Self {
        Self {
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
        }
    }

    pub(super) fn set_conduct(&mut self, conduct: Conduct) {
        self.dice = Dice::new(conduct.seed);
        self.conduct = conduct;
    }

    pub(super) fn submit(&mut self, submitted: Submitted, now: Timestamp) -> Verdict {
        self.counts.submits += 1;
        let after = self.conduct.answer_after;
        let refused = |status| Verdict {
            answer: Some(Answer::Refused { status }),
            after,
        };
        if self.dice.falls(self.conduct.submits_lost) {
            return Verdict {
                answer: None,
                after,
            };
        }
        if self.dice.falls(self.conduct.throttled) || self.too_fast(&submitted.account) {
            self.counts.throttled += 1;
            return refused(THROTTLED);
        }
        let number = digits(submitted.to.reveal());
        let refusal = self
            .conduct
            .refusals
            .iter()
            .find(|r| number.starts_with(&r.prefix))
            .map(|r| r.status);
        if let Some(status) = refusal {
            self.counts.refused += 1;
            return refused(status);
        }
        self.counts.taken += 1;
        self.next += 1;
        let n = self.next;
        let message_id = self.conduct.receipts.dialect.answer_id(n);
        let waiting = Waiting {
            n,
            submitted,
            taken_at: now,
        };
        self.phones.of(&number).account = Some(waiting.submitted.account.clone());
        if self.is_doomed(&waiting) {
            self.report(&waiting, ReceiptStatus::Undeliverable, now);
        } else if self.phones.of(&number).on {
            self.arrive(waiting, now);
        } else if let Some(pushed_out) = self.phones.of(&number).keep(waiting) {
            self.report(&pushed_out, ReceiptStatus::Deleted, now);
        }
        let after = if self.conduct.receipts.before_answer {
            after + OVERTAKEN_BY
        } else {
            after
        };
        let answer =
            (!self.dice.falls(self.conduct.answers_lost)).then_some(Answer::Taken { message_id });
        Verdict { answer, after }
    }

    /// Whether the account has used up its segments of this second.
    pub(super) fn too_fast(&mut self, account: &str) -> bool {
        let Some(limit) = self.conduct.segments_per_second else {
            return false;
        };
        let now = Instant::now();
        let pace = self.pace.entry(account.to_owned()).or_insert((now, 0));
        if now.duration_since(pace.0) >= Duration::from_secs(1) {
            *pace = (now, 0);
        }
        pace.1 += 1;
        pace.1 > limit.get()
    }

    /// Whether the message will never arrive: all parts of a text share one fate.
    pub(super) fn is_doomed(&mut self, waiting: &Waiting) -> bool {
        let share = self.conduct.undelivered;
        match waiting.submitted.concat {
            None => self.dice.falls(share),
            Some(concat) => {
                let mut hasher = DefaultHasher::new();
                (
                    self.conduct.seed,
                    concat.reference,
                    waiting.submitted.to.reveal(),
                )
                    .hash(&mut hasher);
                Dice::new(hasher.finish()).falls(share)
            }
        }
    }

    pub(super) fn arrive(&mut self, waiting: Waiting, now: Timestamp) {
        self.report(&waiting, ReceiptStatus::Delivered, now);
        let Waiting { n, submitted, .. } = waiting;
        let number = digits(submitted.to.reveal());
        let whole = self.parts.take(
            &submitted.from,
            &number,
            submitted.concat,
            submitted.text.into_revealed(),
        );
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
    pub(super) fn report(&mut self, waiting: &Waiting, status: ReceiptStatus, now: Timestamp) {
        let wanted = match waiting.submitted.receipt {
            Wanted::Never => false,
            Wanted::Always => true,
            Wanted::OnFailure => status != ReceiptStatus::Delivered,
        };
        let receipts = self.conduct.receipts.clone();
        if !wanted || receipts.silent || self.dice.falls(receipts.lost) {
            return;
        }
        let news = News {
            status,
            taken_at: waiting.taken_at,
            done_at: now,
        };
        let paper = receipts.dialect.write(waiting.n, &news);
        let submitted = &waiting.submitted;
        let from = Private::new(digits(submitted.to.reveal()));
        let load = Load::Receipt {
            paper,
            umr: submitted.umr,
        };
        let delivery = Delivery::new(from, submitted.from.clone(), load);
        let wait = receipts.after + self.dice.below(receipts.spread);
        let copies = 1 + usize::from(self.dice.falls(receipts.repeated));
        for _ in 0..copies {
            self.counts.receipts += 1;
            self.fresh
                .push((submitted.account.clone(), wait, delivery.clone()));
        }
    }

    pub(super) fn write(&mut self, number: &str, peer: Option<&str>, text: &str, now: Timestamp) {
        let last = self
            .phones
            .of(number)
            .thread
            .back()
            .map(|bubble| bubble.peer.clone());
        let peer = peer
            .map(str::to_owned)
            .or(last)
            .unwrap_or_else(|| "1069".to_owned());
        let n = self.send(number, peer.clone(), text, Duration::ZERO);
        self.show_written(number, peer, n, Private::new(text.to_owned()), now);
    }

    /// Puts a text of a phone on its way; it shows in the thread once it is written.
    pub(super) fn send(&mut self, number: &str, peer: String, text: &str, after: Duration) -> u64 {
        self.next += 1;
        let n = self.next;
        let account = self.phones.of(number).account.clone().unwrap_or_default();
        let load = Load::Text {
            n,
            text: Private::new(text.to_owned()),
        };
        let delivery = Delivery::new(Private::new(number.to_owned()), peer, load);
        let wait = after + self.conduct.texts.after;
        let copies = 1 + usize::from(self.dice.falls(self.conduct.texts.repeated));
        for _ in 0..copies {
            self.counts.texts += 1;
            self.fresh.push((account.clone(), wait, delivery.clone()));
        }
        n
    }

    pub(super) fn show_written(
        &mut self,
        number: &str,
        peer: String,
        n: u64,
        text: Private<String>,
        at: Timestamp,
    ) {
        let phone = self.phones.of(number);
        if !phone.thread.iter().any(|bubble| bubble.n == n) {
            phone.push(Bubble {
                n,
                side: Side::Written,
                peer,
                text,
                at,
                handed_over: false,
            });
        }
    }

    pub(super) fn file(&mut self, fresh: Vec<Fresh>) {
        let now = Instant::now();
        for (account, wait, delivery) in fresh {
            let kept = self
                .outboxes
                .entry(account)
                .or_default()
                .put(now + wait, delivery);
            self.counts.dropped += u64::from(!kept);
        }
    }

    pub(super) fn file_fresh(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.file(fresh);
    }

    pub(super) fn next_for(&mut self, account: &str, now: Instant) -> Next {
        let own = self
            .outboxes
            .entry(account.to_owned())
            .or_default()
            .next(now);
        let open = match own {
            Next::Due(_) => return own,
            Next::At(_) | Next::Empty => self.outboxes.entry(String::new()).or_default().next(now),
        };
        match (own, open) {
            (_, Next::Due(delivery)) => Next::Due(delivery),
            (Next::At(a), Next::At(b)) => Next::At(a.min(b)),
            (Next::At(due), Next::Empty) | (Next::Empty | Next::Due(_), Next::At(due)) => {
                Next::At(due)
            }
            (Next::Empty | Next::Due(_), Next::Empty) => Next::Empty,
        }
    }

    pub(super) fn mark_handed_over(&mut self, number: &str, n: u64) {
        if let Some(bubble) = self.phones.of(number).thread.iter_mut().find(|b| b.n == n) {
            bubble.handed_over = true;
        }
    }

    pub(super) fn switch(&mut self, number: &str, on: bool, now: Timestamp) {
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

    pub(super) fn sweep(&mut self, now: Timestamp) {
        let mut over = Vec::new();
        for phone in self
            .phones
            .iter_mut()
            .filter(|phone| !phone.waiting.is_empty())
        {
            let (ended, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut phone.waiting)
                .into_iter()
                .partition(|w| is_over(w, now));
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
