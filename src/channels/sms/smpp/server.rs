//! The SMSC's side of a connection: takes a bind, then requests, and delivers.
//!
//! ```text
//! let mut link = accept(Halves::tcp(stream), options, "carrier", within, |bind| check(bind)).await?;
//! let session = link.session().clone();               // session.request(Body::DeliverSm(…)) has its own window
//! while let Some(request) = link.next().await {
//!     request.answer_with(Status::ROK, Body::SubmitSmResp(…)).await;
//! }
//! ```

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::pdu::{Bind, BindKind, BindResp, Body, VERSION};
use super::session::{Halves, Options, Request, Session};
use super::status::Status;
use super::tlv::{SC_INTERFACE_VERSION, Tlvs};

/// Requests of the ESME that may wait for us.
const INBOUND: usize = 1024;

/// Why nobody is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The connection ended first.
    #[error("the peer hung up before it bound")]
    HungUp,
    /// No bind came in time.
    #[error("the peer did not bind in time")]
    Late,
    /// The credentials were refused.
    #[error("the bind was refused with {0}")]
    Refused(Status),
}

/// A bound ESME. Dropped, its connection ends.
#[derive(Debug)]
pub struct Link {
    session: Session,
    requests: mpsc::Receiver<Request>,
    kind: BindKind,
    system_id: String,
}

/// Takes the bind of a peer. `authenticate` is given it and says yes, or the status to refuse with.
///
/// `options` begin with [`Options::smsc`].
///
/// # Errors
/// When the peer hangs up, does not bind `within`, or is refused.
pub async fn accept<R, W, F>(
    halves: Halves<R, W>,
    options: Options,
    own_id: &str,
    within: Duration,
    authenticate: impl FnOnce(BindKind, Bind) -> F,
) -> Result<Link, AcceptError>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<(), Status>>,
{
    let (inbound, requests) = mpsc::channel(INBOUND);
    let session = Session::start(halves, options, inbound);
    // From here on the connection ends when we are dropped.
    let mut link = Link {
        session,
        requests,
        kind: BindKind::Receiver,
        system_id: String::new(),
    };
    let deadline = Instant::now() + within;
    loop {
        let Ok(request) = timeout_at(deadline, link.requests.recv()).await else {
            return Err(AcceptError::Late);
        };
        let Some(request) = request else {
            return Err(AcceptError::HungUp);
        };
        let Body::Bind(kind, bind) = request.pdu.body.clone() else {
            request.answer(Status::RINVBNDSTS).await;
            continue;
        };
        link.kind = kind;
        link.system_id = bind.system_id.to_text();
        if let Err(status) = authenticate(kind, bind).await {
            request.answer(status).await;
            return Err(AcceptError::Refused(status));
        }
        let mut tlvs = Tlvs::new();
        tlvs.push(SC_INTERFACE_VERSION, vec![VERSION]);
        let resp = BindResp {
            system_id: own_id.into(),
            tlvs,
        };
        request
            .answer_with(Status::ROK, Body::BindResp(kind, resp))
            .await;
        return Ok(link);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.session.end_now();
    }
}

impl Link {
    /// The connection: deliver by its `request`, end it by its `close`.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Which way messages go.
    pub const fn kind(&self) -> BindKind {
        self.kind
    }

    /// Who bound.
    pub fn system_id(&self) -> &str {
        &self.system_id
    }

    /// What the ESME asks next; `None` once the connection is over. A second bind, and a message from an ESME that
    /// bound as a receiver only, are refused here.
    pub async fn next(&mut self) -> Option<Request> {
        loop {
            let request = self.requests.recv().await?;
            let refusal = match &request.pdu.body {
                Body::Bind(..) => Some(Status::RALYBND),
                Body::SubmitSm(_) | Body::DataSm(_) if !self.kind.transmits() => {
                    Some(Status::RINVBNDSTS)
                }
                _ => None,
            };
            match refusal {
                Some(status) => request.answer(status).await,
                None => return Some(request),
            }
        }
    }
}
