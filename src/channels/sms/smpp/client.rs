//! The ESME's side of a connection: dials and binds.

use std::time::Duration;

use super::pdu::{Bind, BindKind, BindResp, Body};
use super::session::Session;
use super::session::outcome::Outcome;
use super::status::Status;

/// Why a bind did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The carrier said no.
    #[error("the carrier refused the bind with {0}")]
    Refused(Status),
    /// The carrier did not answer, or hung up.
    #[error("the carrier did not answer the bind")]
    Unanswered,
}

/// Binds `session`; returns what the carrier says of itself. Unless that comes about, the connection is ended, even
/// when the caller stops waiting.
///
/// # Errors
/// When the carrier refuses, hangs up, or says nothing `within`.
pub async fn bind(
    session: &Session,
    kind: BindKind,
    bind: Bind,
    within: Duration,
) -> Result<BindResp, BindError> {
    let guard = EndOnDrop(session);
    let bound = match session.control(Body::Bind(kind, bind), within).await {
        Outcome::Acked(Body::BindResp(_, resp)) => Ok(resp),
        Outcome::Acked(_) => Ok(BindResp::default()),
        Outcome::Rejected(status) => Err(BindError::Refused(status)),
        Outcome::NotSent(_) | Outcome::Unknown(_) => Err(BindError::Unanswered),
    };
    if bound.is_ok() {
        // The connection is the caller's now.
        std::mem::forget(guard);
    }
    bound
}

/// Ends a connection that nobody waits for any more.
struct EndOnDrop<'a>(&'a Session);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end_now();
    }
}
