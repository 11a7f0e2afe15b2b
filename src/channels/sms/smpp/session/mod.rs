//! One SMPP connection, in either role: a window of requests out, a bounded queue of requests in.
//!
//! Three tasks: `reader`, `writer`, and the one below that asks whether the peer is alive. What became of a request
//! is told exactly (`Outcome`): that is what keeps a patient from getting a text twice, or never.

mod alive;
pub mod outcome;
mod pending;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use self::outcome::{End, Late, NotSent, Outcome, outcome};
use self::pending::{GaveUp, Pending, Settled};
use self::writer::Frame;
use super::encode::{encode, encode_open, set_sequence};
use super::pdu::{Body, Pdu};
use super::status::Status;

/// Frames that may wait for the writer; the window bounds the requests among them.
const QUEUE_LEN: usize = 1024;
/// How long the peer may take to answer our unbind.
const UNBIND_WITHIN: Duration = Duration::from_secs(2);

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many requests of ours may be unanswered.
    pub window: usize,
    /// How long to wait for an answer, and for a stalled write.
    pub response_timeout: Duration,
    /// How often to ask whether the peer is alive; zero is never.
    pub enquire_link_every: Duration,
    /// How long to wait for a sign of life after asking.
    pub enquire_link_timeout: Duration,
    /// How long a request of the peer may wait for room in the queue.
    pub patience: Duration,
    /// What it is answered with when there was none.
    pub busy: Status,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 10,
            response_timeout: Duration::from_secs(60),
            enquire_link_every: Duration::from_secs(30),
            enquire_link_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(5),
            busy: Status::RX_T_APPN,
        }
    }
}

impl Options {
    /// For the role of the SMSC: an ESME that submits faster than it is served is throttled.
    pub fn smsc() -> Self {
        Self {
            busy: Status::RTHROTTLED,
            ..Self::default()
        }
    }
}

/// The two halves of a connection.
#[derive(Debug)]
pub struct Halves<R, W> {
    read: R,
    write: W,
    /// Whether a write that fails has sent nothing.
    exact: bool,
}

impl Halves<OwnedReadHalf, OwnedWriteHalf> {
    /// Of a TCP connection, which from now on sends at once (TCP_NODELAY).
    pub fn tcp(stream: TcpStream) -> Self {
        if stream.set_nodelay(true).is_err() {
            tracing::warn!("SMPP: TCP_NODELAY cannot be set; answers may take longer");
        }
        let (read, write) = stream.into_split();
        Self {
            read,
            write,
            exact: true,
        }
    }
}

impl<S: AsyncRead + AsyncWrite> Halves<tokio::io::ReadHalf<S>, tokio::io::WriteHalf<S>> {
    /// Of any other stream, such as TLS, that may buffer what it is given.
    pub fn of(stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self {
            read,
            write,
            exact: false,
        }
    }
}

/// Room for one request in the window.
#[derive(Debug)]
pub struct Slot(OwnedSemaphorePermit);

#[derive(Debug)]
struct Shared {
    options: Options,
    pending: Pending,
    window: Arc<Semaphore>,
    closing: AtomicBool,
    queue: mpsc::Sender<Frame>,
    /// PDUs that came, as a sign of life.
    heard: AtomicU64,
    end: watch::Sender<Option<End>>,
    /// When everything was settled.
    done: watch::Sender<Option<Instant>>,
}

impl Shared {
    fn end(&self, why: End) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(why);
            }
            first
        });
        self.window.close();
    }

    fn why_ended(&self) -> Option<End> {
        *self.end.borrow()
    }

    async fn ended(&self) {
        // It cannot fail: we hold the sender.
        let _ = self.end.subscribe().wait_for(Option::is_some).await;
    }

    /// Queues a response; the connection may be over, then nobody misses it.
    async fn send(&self, pdu: &Pdu) {
        match encode(pdu) {
            Ok(octets) => {
                let _ = self
                    .queue
                    .send(Frame {
                        octets,
                        request: None,
                    })
                    .await;
            }
            Err(_) => tracing::warn!("SMPP: an answer is too long for its PDU and was left out"),
        }
    }
}

/// One connection. Clones are handles to the same one, and it lives without any: end it by [`Session::close`],
/// [`Session::hang_up`] or [`Session::end_now`].
#[derive(Clone, Debug)]
pub struct Session {
    shared: Arc<Shared>,
}

/// Something the peer asks. Dropped unanswered, the peer gets no answer and will ask again.
#[derive(Debug)]
pub struct Request {
    /// What it asks.
    pub pdu: Pdu,
    /// The connection it came by.
    pub session: Session,
}

impl Request {
    /// Answers with `status` and the empty response of its command.
    pub async fn answer(self, status: Status) {
        let body = self.pdu.body.answer();
        self.answer_with(status, body).await;
    }

    /// Answers with `status` and `body`.
    pub async fn answer_with(self, status: Status, body: Body) {
        self.session
            .shared
            .send(&Pdu {
                status,
                sequence: self.pdu.sequence,
                body,
            })
            .await;
    }
}

impl Session {
    /// Runs a connection; what the peer asks goes to `inbound`, which may serve several connections.
    pub fn start<R, W>(
        halves: Halves<R, W>,
        options: Options,
        inbound: mpsc::Sender<Request>,
    ) -> Self
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let Halves {
            read,
            mut write,
            exact,
        } = halves;
        let (queue, mut queued) = mpsc::channel(QUEUE_LEN);
        let shared = Arc::new(Shared {
            pending: Pending::default(),
            window: Arc::new(Semaphore::new(options.window.max(1))),
            closing: AtomicBool::new(false),
            queue,
            heard: AtomicU64::new(0),
            end: watch::Sender::new(None),
            done: watch::Sender::new(None),
            options,
        });
        tokio::spawn(reader::run(Arc::clone(&shared), read, inbound));
        tokio::spawn(alive::run(Arc::clone(&shared)));
        let finish = Finish(Arc::clone(&shared));
        tokio::spawn(async move { writer::run(&finish.0, &mut write, &mut queued, exact).await });
        Self { shared }
    }

    /// Waits for room in the window; `None` once the connection is over or closing.
    pub async fn slot(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.shared.window).acquire_owned().await.ok()?;
        (!self.shared.closing.load(Ordering::Acquire)).then_some(Slot(permit))
    }

    /// Room in the window if there is some now.
    pub fn try_slot(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.shared.window).try_acquire_owned().ok()?;
        (!self.shared.closing.load(Ordering::Acquire)).then_some(Slot(permit))
    }

    /// How many places of the window are taken.
    pub fn in_use(&self) -> usize {
        let free = self.shared.window.available_permits();
        self.shared.options.window.max(1).saturating_sub(free)
    }

    /// Asks the peer, waiting for room in the window first.
    pub async fn request(&self, body: Body) -> Outcome {
        match self.slot().await {
            Some(slot) => self.request_in(slot, body).await,
            None => Outcome::NotSent(NotSent::Closed),
        }
    }

    /// Asks the peer in a slot taken before.
    pub async fn request_in(&self, slot: Slot, body: Body) -> Outcome {
        let (sequence, mut settled) = match self.queue(Some(slot), body).await {
            Ok(queued) => queued,
            Err(why) => return Outcome::NotSent(why),
        };
        loop {
            match timeout(self.shared.options.response_timeout, &mut settled).await {
                Ok(Ok(Settled::Answer(pdu))) => return outcome(pdu),
                Ok(Ok(Settled::NotSent)) => return Outcome::NotSent(NotSent::Closed),
                Ok(Ok(Settled::Unknown) | Err(_)) => return Outcome::Unknown(None),
                Err(_) => match self.shared.pending.give_up(sequence) {
                    // The writer gives up on a stalled peer by itself and then tells to the octet what left.
                    GaveUp::NotWritten | GaveUp::Settled => {}
                    GaveUp::Kept => return Outcome::Unknown(Some(Late(settled))),
                    GaveUp::TooMany => {
                        self.shared.end(End::Unanswering);
                        return Outcome::Unknown(Some(Late(settled)));
                    }
                },
            }
        }
    }

    /// Asks something about the connection itself, beside the window. An answer that is late is not waited for.
    pub async fn control(&self, body: Body, within: Duration) -> Outcome {
        let asked = async {
            match self.queue(None, body).await {
                Ok((sequence, settled)) => {
                    let forget = Forget {
                        shared: &self.shared,
                        sequence,
                    };
                    let settled = settled.await;
                    drop(forget);
                    match settled {
                        Ok(Settled::Answer(pdu)) => outcome(pdu),
                        Ok(Settled::NotSent) => Outcome::NotSent(NotSent::Closed),
                        Ok(Settled::Unknown) | Err(_) => Outcome::Unknown(None),
                    }
                }
                Err(why) => Outcome::NotSent(why),
            }
        };
        timeout(within, asked)
            .await
            .unwrap_or(Outcome::Unknown(None))
    }

    async fn queue(
        &self,
        slot: Option<Slot>,
        body: Body,
    ) -> Result<(u32, oneshot::Receiver<Settled>), NotSent> {
        let pdu = Pdu::request(0, body);
        // Refused here, before it has a number.
        let mut octets = encode_open(&pdu).map_err(|_| NotSent::Encoding)?;
        let room = self
            .shared
            .queue
            .reserve()
            .await
            .map_err(|_| NotSent::Closed)?;
        let (sequence, settled) = self
            .shared
            .pending
            .open(pdu.body.command(), slot.map(|slot| slot.0));
        set_sequence(&mut octets, sequence);
        room.send(Frame {
            octets: octets.freeze(),
            request: Some(sequence),
        });
        Ok((sequence, settled))
    }

    /// Waits until the connection is over and everything about it is settled.
    pub async fn closed(&self) -> End {
        // It cannot fail: we hold the sender.
        let _ = self.shared.done.subscribe().wait_for(Option::is_some).await;
        self.shared.why_ended().unwrap_or(End::Torn)
    }

    /// When the connection ended, if it did.
    pub fn ended_at(&self) -> Option<Instant> {
        *self.shared.done.borrow()
    }

    /// PDUs that came by it.
    pub fn heard(&self) -> u64 {
        self.shared.heard.load(Ordering::Relaxed)
    }

    /// Whether requests can go out.
    pub fn is_open(&self) -> bool {
        self.shared.why_ended().is_none() && !self.shared.closing.load(Ordering::Acquire)
    }

    /// Takes no more requests, waits at most `within` for the answers to those on their way, and unbinds.
    pub async fn close(&self, within: Duration) {
        self.shared.closing.store(true, Ordering::Release);
        let all = u32::try_from(self.shared.options.window.max(1)).unwrap_or(u32::MAX);
        // All slots are free once every answer is here. Who queued for a slot before us sees that we are closing.
        let answered = timeout(within, self.shared.window.acquire_many(all)).await;
        if self.shared.why_ended().is_none() {
            self.control(Body::Unbind, UNBIND_WITHIN).await;
        }
        drop(answered);
        self.hang_up().await;
    }

    /// Ends the connection without waiting for answers, and returns once all is settled.
    pub async fn hang_up(&self) {
        self.end_now();
        self.closed().await;
    }

    /// Ends the connection; [`Session::closed`] tells when all is settled.
    pub fn end_now(&self) {
        self.shared.end(End::Unbound);
    }

    #[cfg(test)]
    fn number_from(&self, sequence: u32) {
        self.shared.pending.start_after(sequence);
    }
}

/// Forgets a request when nobody waits for it any more.
struct Forget<'a> {
    shared: &'a Shared,
    sequence: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.pending.forget(self.sequence);
    }
}

/// Settles everything when the writer is through, however that came about.
struct Finish(Arc<Shared>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.end(End::Torn);
        self.0.pending.lost();
        self.0.done.send_replace(Some(Instant::now()));
    }
}
