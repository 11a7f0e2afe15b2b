//! What the carrier sends: receipts and texts, stored first and acknowledged then.

use std::collections::HashMap;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use super::address::number;
use crate::channels::sms::coding::{self, Concat};
use crate::channels::sms::reassembly::{Assembly, HOLD, Part, Taken, TextKey};
use crate::channels::sms::receipt;
use crate::channels::sms::repeats::{Repeats, digest};
use crate::channels::sms::smpp::pdu::{Body, ESM_UDHI, Sm};
use crate::channels::sms::smpp::session::{Request, Session};
use crate::channels::sms::smpp::status::Status;
use crate::channels::sms::smpp::tlv::{SAR_MSG_REF_NUM, SAR_SEGMENT_SEQNUM, SAR_TOTAL_SEGMENTS};
use crate::channels::{ChannelEvent, NetworkText, Sink};
use crate::model::private::Private;
use crate::segments::split::DefaultAlphabet;

/// Events on their way into the store at once; more wait in the queue, and then in the carrier.
const UNDER_WAY: usize = 512;
/// Parts whose answer may be held back at once.
const HELD: usize = 1000;
/// How often to look what has waited too long.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What ended.
enum Done {
    /// Something was answered, and nothing is left to do.
    Answered,
    /// A text of one part was answered.
    Text {
        digest: String,
        stored: bool,
        session: Session,
    },
    /// A text of several parts was stored, or not.
    Whole { key: TextKey, stored: bool },
}

/// A part whose answer is held back.
struct Held {
    request: Request,
    since: Instant,
}

/// Takes what all binds of one account hear.
pub(super) struct Inbound {
    sink: Sink,
    default_alphabet: DefaultAlphabet,
    assembly: Assembly,
    repeats: Repeats<Session>,
    held: HashMap<TextKey, Vec<Held>>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Inbound {
    pub(super) fn new(sink: Sink, default_alphabet: DefaultAlphabet) -> Self {
        Self {
            sink,
            default_alphabet,
            assembly: Assembly::new(),
            repeats: Repeats::default(),
            held: HashMap::new(),
            under_way: FuturesUnordered::new(),
        }
    }

    /// Runs until all binds are gone and everything is stored.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        while open || !self.under_way.is_empty() {
            tokio::select! {
                Some(done) = self.under_way.next(), if !self.under_way.is_empty() => self.settle(done),
                request = requests.recv(), if open && self.under_way.len() < UNDER_WAY => match request {
                    Some(request) => self.take(request),
                    None => open = false,
                },
                _ = look.tick() => self.look(Instant::now()),
            }
        }
    }

    fn take(&mut self, request: Request) {
        let sm = match &request.pdu.body {
            Body::DeliverSm(sm) | Body::DataSm(sm) => sm.clone(),
            // Nothing else is for us; a `generic_nack` says so where the command has no answer of its own.
            _ => return self.answer(request, Status::RINVCMDID),
        };
        if let Some(receipt) = receipt::read(&sm) {
            let event = ChannelEvent::Receipt {
                receipt: receipt.network,
                dedupe_key: receipt.dedupe_key,
            };
            let sink = self.sink.clone();
            self.under_way.push(Box::pin(async move {
                let stored = sink.accept(event).await.is_ok();
                request.answer(answer(stored)).await;
                Done::Answered
            }));
            return;
        }
        let (concat, octets) = split_off(&sm);
        match concat {
            Some(concat) => self.take_part(request, &sm, concat, octets),
            None => self.take_text(request, &sm, octets),
        }
    }

    /// Answers beside the others: a bind whose line is stuck holds up no other.
    fn answer(&self, request: Request, status: Status) {
        self.under_way.push(Box::pin(async move {
            request.answer(status).await;
            Done::Answered
        }));
    }

    fn take_text(&mut self, request: Request, sm: &Sm, octets: &[u8]) {
        let fields = [
            sm.source.addr.reveal(),
            sm.dest.addr.reveal(),
            &[sm.data_coding],
            octets,
        ];
        let digest = digest(&fields);
        let text = NetworkText {
            from: Private::new(number(&sm.source)),
            to: number(&sm.dest),
            text: Private::new(coding::decode(
                octets,
                sm.data_coding,
                self.default_alphabet,
            )),
            dedupe_key: self
                .repeats
                .key(&digest, hour(), Instant::now(), Session::ended_at),
            incomplete: false,
        };
        let sink = self.sink.clone();
        self.under_way.push(Box::pin(async move {
            let stored = sink.accept(ChannelEvent::Text(text)).await.is_ok();
            let session = request.session.clone();
            request.answer(answer(stored)).await;
            Done::Text {
                digest,
                stored,
                session,
            }
        }));
    }

    fn take_part(&mut self, request: Request, sm: &Sm, concat: Concat, octets: &[u8]) {
        let now = Instant::now();
        let key = TextKey {
            from: sm.source.clone(),
            to: sm.dest.clone(),
            reference: concat.reference,
            total: concat.total,
        };
        let part = Part {
            data_coding: sm.data_coding,
            octets: octets.into(),
        };
        match self.assembly.take(&key, concat.number, part, now) {
            Taken::Stored => self.answer(request, Status::ROK),
            Taken::Full => self.answer(request, Status::RX_T_APPN),
            Taken::Waiting if self.held.values().map(Vec::len).sum::<usize>() >= HELD => {
                self.answer(request, Status::RX_T_APPN);
            }
            taken @ (Taken::Waiting | Taken::Whole) => {
                self.held.entry(key.clone()).or_default().push(Held {
                    request,
                    since: now,
                });
                if taken == Taken::Whole {
                    self.store(key);
                }
            }
        }
    }

    /// Stores the text of `key` as far as it is here.
    fn store(&mut self, key: TextKey) {
        let (text, incomplete) = self.assembly.text(&key, self.default_alphabet);
        let text = NetworkText {
            from: Private::new(number(&key.from)),
            to: number(&key.to),
            text: Private::new(text),
            dedupe_key: format!("mo:{}:{}", self.assembly.digest(&key), hour()),
            incomplete,
        };
        let sink = self.sink.clone();
        self.under_way.push(Box::pin(async move {
            let stored = sink.accept(ChannelEvent::Text(text)).await.is_ok();
            Done::Whole { key, stored }
        }));
    }

    fn settle(&mut self, done: Done) {
        match done {
            Done::Answered => {}
            Done::Text {
                digest,
                stored,
                session,
            } => {
                if stored {
                    self.repeats.acknowledged(&digest, session, Instant::now());
                }
            }
            Done::Whole { key, stored } => {
                self.assembly.settle(&key, stored, Instant::now());
                for held in self.held.remove(&key).unwrap_or_default() {
                    self.answer(held.request, answer(stored));
                }
            }
        }
    }

    /// Answers what was held too long, and stores what will not become whole.
    fn look(&mut self, now: Instant) {
        let mut late = Vec::new();
        for held in self.held.values_mut() {
            late.extend(held.extract_if(.., |held| now.duration_since(held.since) >= HOLD));
        }
        self.held.retain(|_, held| !held.is_empty());
        for held in late {
            self.answer(held.request, Status::RX_T_APPN);
        }
        for key in self.assembly.due(now) {
            self.store(key);
        }
    }
}

const fn answer(stored: bool) -> Status {
    if stored {
        Status::ROK
    } else {
        Status::RX_T_APPN
    }
}

/// The place of `sm` among the parts of a long text, and its own text.
fn split_off(sm: &Sm) -> (Option<Concat>, &[u8]) {
    let user_data = sm.user_data();
    let (header, octets) = if sm.esm_class & ESM_UDHI == 0 {
        (None, user_data)
    } else {
        coding::take_header(user_data)
    };
    let sar = || {
        let small = |tag| {
            sm.tlvs
                .integer(tag)
                .and_then(|value| u8::try_from(value).ok())
        };
        Concat::new(
            sm.tlvs.integer(SAR_MSG_REF_NUM)?,
            small(SAR_TOTAL_SEGMENTS)?,
            small(SAR_SEGMENT_SEQNUM)?,
        )
    };
    (header.or_else(sar), octets)
}

/// Hours since 1970, from the clock that ids are made with.
fn hour() -> u64 {
    let (seconds, _) = uuid::Uuid::now_v7()
        .get_timestamp()
        .map_or((0, 0), |at| at.to_unix());
    seconds / 3600
}
