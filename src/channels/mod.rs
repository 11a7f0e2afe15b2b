//! Channels: what every provider can do, and what it tells us.
//!
//! A provider translates and nothing else: it knows no database, no retries, no patients.

pub mod settings;
pub mod sms;

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::model::class::Channel;
use crate::model::id::AttemptId;
use crate::model::private::Private;
use crate::model::receipt::ReceiptStatus;

/// What a provider is asked to carry: one attempt of one message.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The attempt, journalled already.
    pub attempt: AttemptId,
    /// Number in E.164 or mail address.
    pub to: Private<String>,
    /// What to say.
    pub text: Private<String>,
    /// Source address; `None` takes the provider's own.
    pub sender: Option<String>,
    /// How long the network may keep trying.
    pub validity: Option<Duration>,
    /// `user_message_reference` of SMPP: comes back in receipts of good networks.
    pub umr: u16,
    /// Reference that all parts of a long text share; the same on a resend, so that the handset can merge.
    pub concat_ref: u16,
    /// Parts (1-based) that a former attempt got an answer for: not sent again.
    pub parts_done: Vec<u8>,
}

/// One part that the network took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartAccepted {
    /// 1-based number of the part.
    pub part: u8,
    /// The provider's own id of it, as it came.
    pub provider_id: String,
}

/// The network took all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Every part that was sent now, in order.
    pub parts: Vec<PartAccepted>,
    /// Whether a receipt will come.
    pub receipt_expected: bool,
}

/// What a refusal means for the message and its lane (ARCHITECTURE.md, "Retries, failover, limits").
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Slow down and try again.
    Throttle,
    /// Try again later.
    Temporary,
    /// This recipient cannot be reached at all.
    PermanentRecipient,
    /// This text will not be taken.
    PermanentContent,
    /// Our account is at fault: no message should burn its attempts on it.
    PermanentAccount,
}

/// Why a message was not handed over, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nothing left the house: no bind, refused by the encoder, closed before the write.
    #[error("nothing was sent: {reason}")]
    NotSent {
        /// A closed word: `no_bind`, `encoding`, `closed`.
        reason: &'static str,
    },
    /// The network answered no.
    #[error("the provider refused with {code}")]
    Rejected {
        /// The network's code by its own name, such as `ESME_RTHROTTLED`.
        code: String,
        /// What it means.
        class: ErrorClass,
        /// Parts it had taken before.
        parts: Vec<PartAccepted>,
    },
    /// Handed over in whole or part, and no answer came: nobody knows.
    #[error("handed over, but no answer came back")]
    Unknown {
        /// Parts that did get an answer.
        parts: Vec<PartAccepted>,
    },
}

/// One of the open set of carriers.
pub trait Provider: Send + Sync {
    /// Its name in the config.
    fn name(&self) -> &str;
    /// The medium it carries.
    fn channel(&self) -> Channel;
    /// How many messages may be on their way at once.
    fn window(&self) -> usize;
    /// Whether it can take a message now.
    fn is_up(&self) -> bool;
    /// How many messages may leave within the next quarter of a second: what its pace allows. Who claims no more keeps
    /// the way free for what is urgent.
    fn room(&self) -> usize {
        usize::MAX
    }
    /// Hands one attempt over and waits for the answer.
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Accepted, SendError>>;
    /// Waits until it can take a message (a bind came up).
    fn ready(&self) -> BoxFuture<'_, ()>;
    /// Takes leave of the network in good order, waiting at most `within` for what is on its way.
    fn close(&self, within: Duration) -> BoxFuture<'_, ()>;
}

/// A receipt as it came from the network, in our words.
#[derive(Clone, Debug)]
pub struct NetworkReceipt {
    /// All spellings of the provider's id that may be meant, best first.
    pub provider_ids: Vec<String>,
    /// What it says.
    pub status: ReceiptStatus,
    /// The network's own error code, if it gave one.
    pub error: Option<String>,
    /// `user_message_reference`, if the network echoes it.
    pub umr: Option<u16>,
    /// The recipient, to match by when there is no usable id.
    pub recipient: Option<Private<String>>,
}

/// A text from a handset, put together from all its parts.
#[derive(Clone, Debug)]
pub struct NetworkText {
    /// Who wrote, as the network says it (E.164 where it can be told).
    pub from: Private<String>,
    /// The number it was sent to.
    pub to: String,
    /// What was written.
    pub text: Private<String>,
    /// What makes this text the same when the network repeats it.
    pub dedupe_key: String,
    /// Whether parts of it never came.
    pub incomplete: bool,
}

/// Something a provider has to say.
#[derive(Clone, Debug)]
pub enum ChannelEvent {
    /// A receipt. `dedupe_key` makes a repetition known.
    Receipt {
        /// What the network says.
        receipt: NetworkReceipt,
        /// Same key, same receipt.
        dedupe_key: String,
    },
    /// A text, mail or key press from a person.
    Text(NetworkText),
    /// An answer to an attempt that `send` has given up waiting for.
    LateAnswer {
        /// The attempt.
        attempt: AttemptId,
        /// What came of it.
        result: Result<Accepted, SendError>,
    },
    /// A bind came up or went down.
    Link {
        /// Whether messages can go now.
        up: bool,
    },
}

/// An event on its way into the store, with the provider's name and the place to say it is safe.
#[derive(Debug)]
pub struct Incoming {
    /// The provider's name in the config.
    pub provider: String,
    /// What it said.
    pub event: ChannelEvent,
    /// Told once the event is stored; dropped when it could not be.
    pub stored: oneshot::Sender<()>,
}

/// The event could not be stored: the network must offer it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be stored")]
pub struct NotStored;

/// Where providers put what they hear. Bounded: a slow store slows the network down.
#[derive(Clone, Debug)]
pub struct Sink {
    provider: String,
    sender: mpsc::Sender<Incoming>,
}

impl Sink {
    /// A sink for `provider` that feeds `sender`.
    pub fn new(provider: impl Into<String>, sender: mpsc::Sender<Incoming>) -> Self {
        Self {
            provider: provider.into(),
            sender,
        }
    }

    /// Stores `event` and returns once it is safe: only then may the network be told so.
    ///
    /// # Errors
    /// When it could not be stored, or nobody takes events any more.
    pub async fn accept(&self, event: ChannelEvent) -> Result<(), NotStored> {
        let (stored, safe) = oneshot::channel();
        let incoming = Incoming {
            provider: self.provider.clone(),
            event,
            stored,
        };
        self.sender.send(incoming).await.map_err(|_| NotStored)?;
        safe.await.map_err(|_| NotStored)
    }
}
