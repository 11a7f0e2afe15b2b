//! What became of a request, and of a connection.

use tokio::sync::oneshot;

use super::pending::Settled;
use crate::channels::sms::smpp::pdu::{Body, Pdu};
use crate::channels::sms::smpp::status::Status;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The line broke, or the peer hung up.
    Torn,
    /// The peer took leave.
    PeerUnbound,
    /// We took leave.
    Unbound,
    /// The peer reads nothing any more.
    Stalled,
    /// The peer gave no sign of life.
    Silent,
    /// The peer answers nothing any more.
    Unanswering,
    /// A PDU had an impossible length.
    BadLength,
}

impl End {
    pub(super) const fn is_polite(self) -> bool {
        match self {
            Self::PeerUnbound | Self::Unbound | Self::BadLength => true,
            Self::Torn | Self::Stalled | Self::Silent | Self::Unanswering => false,
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Answered with `ESME_ROK`.
    Acked(Body),
    /// Answered with another status.
    Rejected(Status),
    /// Not one octet of it left.
    NotSent(NotSent),
    /// It left, in whole or part, and nobody knows. With a time-out the answer may still come.
    Unknown(Option<Late>),
}

/// Why nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The connection is over.
    Closed,
    /// It cannot be written as a PDU.
    Encoding,
}

/// An answer that was not in time: the connection keeps its number for as long as it lives.
#[derive(Debug)]
pub struct Late(pub(super) oneshot::Receiver<Settled>);

impl Late {
    /// The answer once it comes; `None` when the connection ended without it.
    pub async fn answer(self) -> Option<Outcome> {
        match self.0.await {
            Ok(Settled::Answer(pdu)) => Some(outcome(pdu)),
            Ok(Settled::NotSent | Settled::Unknown) | Err(_) => None,
        }
    }
}

/// What an answer means.
pub(super) fn outcome(pdu: Pdu) -> Outcome {
    match (pdu.status.is_ok(), &pdu.body) {
        // A nack that claims success refused what it could not read all the same.
        (true, Body::GenericNack) => Outcome::Rejected(Status::RSYSERR),
        (true, _) => Outcome::Acked(pdu.body),
        (false, _) => Outcome::Rejected(pdu.status),
    }
}
