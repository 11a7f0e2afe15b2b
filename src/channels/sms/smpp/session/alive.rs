//! Asks the peer whether it is alive.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::sleep;

use super::outcome::End;
use super::{Options, Session, Shared};
use crate::channels::sms::smpp::pdu::Body;

/// Asks every while whether the peer is alive. Anything it sends is a sign of life.
pub(super) async fn run(shared: Arc<Shared>) {
    let Options {
        enquire_link_every,
        enquire_link_timeout,
        ..
    } = shared.options;
    if enquire_link_every.is_zero() {
        return;
    }
    let session = Session {
        shared: Arc::clone(&shared),
    };
    loop {
        tokio::select! {
            () = shared.ended() => return,
            () = sleep(enquire_link_every) => {}
        }
        let before = shared.heard.load(Ordering::Relaxed);
        tokio::select! {
            () = shared.ended() => return,
            _ = session.control(Body::EnquireLink, enquire_link_timeout) => {}
        }
        if shared.heard.load(Ordering::Relaxed) == before {
            shared.end(End::Silent);
            return;
        }
    }
}
