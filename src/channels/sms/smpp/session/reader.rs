//! The reading half: cuts frames, pairs answers with requests, and hands on what the peer asks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::outcome::End;
use super::{Request, Session, Shared};
use crate::channels::sms::smpp::codec::{decode, next_frame};
use crate::channels::sms::smpp::pdu::{Body, Pdu};
use crate::channels::sms::smpp::status::Status;

/// Room made for each read.
const READ_LEN: usize = 16 * 1024;

/// Reads until the connection ends.
pub(super) async fn run<R: AsyncRead + Unpin>(
    shared: Arc<Shared>,
    mut reader: R,
    inbound: mpsc::Sender<Request>,
) {
    let mut queue = Queue {
        inbound,
        patient: true,
    };
    let end = tokio::select! {
        biased;
        () = shared.ended() => return,
        end = read(&shared, &mut reader, &mut queue) => end,
    };
    shared.end(end);
}

/// Where requests of the peer go.
struct Queue {
    inbound: mpsc::Sender<Request>,
    /// Whether a request may wait for room: not again while the queue stays full, or the waits would add up.
    patient: bool,
}

async fn read<R: AsyncRead + Unpin>(
    shared: &Arc<Shared>,
    reader: &mut R,
    queue: &mut Queue,
) -> End {
    let mut stream = BytesMut::with_capacity(READ_LEN);
    loop {
        stream.reserve(READ_LEN);
        match reader.read_buf(&mut stream).await {
            Ok(octets) if octets > 0 => {}
            Ok(_) | Err(_) => return End::Torn,
        }
        loop {
            match next_frame(&mut stream) {
                Ok(Some(frame)) => {
                    if let Some(end) = handle(shared, frame, queue).await {
                        return end;
                    }
                }
                Ok(None) => break,
                Err(bad) => {
                    tracing::warn!(
                        length = bad.length,
                        "SMPP: a PDU of an impossible length ends the connection"
                    );
                    let nack = Pdu {
                        status: Status::RINVCMDLEN,
                        sequence: bad.sequence,
                        body: Body::GenericNack,
                    };
                    shared.send(&nack).await;
                    return End::BadLength;
                }
            }
        }
    }
}

/// Handles one frame; `Some` when the connection is over by it.
async fn handle(shared: &Arc<Shared>, frame: Bytes, queue: &mut Queue) -> Option<End> {
    shared.heard.fetch_add(1, Ordering::Relaxed);
    let pdu = match decode(frame) {
        Ok(pdu) => pdu,
        Err(bad) => {
            tracing::warn!(command = bad.command, status = %bad.status, "SMPP: refused a PDU that cannot be read");
            if let Some(answer) = bad.answer() {
                shared.send(&answer).await;
            }
            return None;
        }
    };
    if pdu.body.is_response() {
        shared.pending.answered(pdu);
        return None;
    }
    match pdu.body {
        Body::EnquireLink | Body::Unbind => {
            let answer = Pdu {
                status: Status::ROK,
                sequence: pdu.sequence,
                body: pdu.body.answer(),
            };
            shared.send(&answer).await;
            matches!(pdu.body, Body::Unbind).then_some(End::PeerUnbound)
        }
        // We dial ourselves, and nothing has to be answered.
        Body::Outbind | Body::AlertNotification(_) => None,
        _ => {
            hand_on(shared, pdu, queue).await;
            None
        }
    }
}

/// Hands a request on. The queue is bounded: a peer that asks faster than we can store waits in the socket for
/// a while, and is then told to come again, so that answers to our own requests do not starve behind it.
async fn hand_on(shared: &Arc<Shared>, pdu: Pdu, queue: &mut Queue) {
    let (sequence, answer) = (pdu.sequence, pdu.body.answer());
    let room = match queue.inbound.try_reserve() {
        Ok(room) => Some(room),
        Err(_) if queue.patient => timeout(shared.options.patience, queue.inbound.reserve())
            .await
            .ok()
            .and_then(Result::ok),
        Err(_) => None,
    };
    queue.patient = room.is_some();
    match room {
        Some(room) => room.send(Request {
            pdu,
            session: Session {
                shared: Arc::clone(shared),
            },
        }),
        None => {
            shared
                .send(&Pdu {
                    status: shared.options.busy,
                    sequence,
                    body: answer,
                })
                .await
        }
    }
}
