//! One connection against a peer that does just what the test says. Time is paused: nothing sleeps.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::outcome::{End, NotSent, Outcome};
use super::{Halves, Options, Request, Session};
use crate::channels::sms::smpp::codec::{decode, next_frame};
use crate::channels::sms::smpp::encode::encode;
use crate::channels::sms::smpp::pdu::{Body, MAX_SEQUENCE, Pdu, Sm, SmResp};
use crate::channels::sms::smpp::status::Status;

const SECOND: Duration = Duration::from_secs(1);

/// The other end of the line.
struct Peer {
    line: DuplexStream,
    read: BytesMut,
}

impl Peer {
    async fn next(&mut self) -> Option<Pdu> {
        loop {
            if let Some(frame) = next_frame(&mut self.read).unwrap() {
                return Some(decode(frame).unwrap());
            }
            let read = self.line.read_buf(&mut self.read).await.ok()?;
            if read == 0 {
                return None;
            }
        }
    }

    /// Nothing comes, however long one waits.
    async fn hears_nothing(&mut self) -> bool {
        timeout(Duration::from_millis(100), self.next())
            .await
            .is_err()
    }

    async fn say(&mut self, pdu: &Pdu) {
        self.line.write_all(&encode(pdu).unwrap()).await.unwrap();
    }

    async fn answer(&mut self, request: &Pdu, status: Status) {
        self.say(&Pdu {
            status,
            sequence: request.sequence,
            body: request.body.answer(),
        })
        .await;
    }
}

fn options() -> Options {
    Options {
        window: 3,
        response_timeout: 5 * SECOND,
        enquire_link_every: Duration::ZERO,
        ..Options::default()
    }
}

/// A session whose writes tell exactly what left, over a line that holds `room` octets.
fn start(options: Options, room: usize) -> (Session, Peer, mpsc::Receiver<Request>) {
    let (ours, theirs) = duplex(room);
    let (read, write) = tokio::io::split(ours);
    let (inbound, requests) = mpsc::channel(2);
    let session = Session::start(
        Halves {
            read,
            write,
            exact: true,
        },
        options,
        inbound,
    );
    (
        session,
        Peer {
            line: theirs,
            read: BytesMut::new(),
        },
        requests,
    )
}

/// Lets every task come as far as it can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn submit(text: &str) -> Body {
    Body::SubmitSm(Box::new(Sm {
        short_message: text.into(),
        ..Sm::default()
    }))
}

fn ask(session: &Session, text: &str) -> tokio::task::JoinHandle<Outcome> {
    let (session, body) = (session.clone(), submit(text));
    tokio::spawn(async move { session.request(body).await })
}

#[tokio::test(start_paused = true)]
async fn the_window_is_never_exceeded() {
    let (session, mut peer, _requests) = start(options(), 4096);
    let asked: Vec<_> = (0..9).map(|_| ask(&session, "hi")).collect();
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(peer.next().await.unwrap());
    }
    assert!(peer.hears_nothing().await);
    for _ in 0..6 {
        peer.answer(&open.remove(0), Status::ROK).await;
        open.push(peer.next().await.unwrap());
        assert!(peer.hears_nothing().await);
    }
    for request in open {
        peer.answer(&request, Status::RTHROTTLED).await;
    }
    let mut ends = Vec::new();
    for one in asked {
        ends.push(matches!(one.await.unwrap(), Outcome::Acked(_)));
    }
    assert_eq!(ends.iter().filter(|acked| **acked).count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_torn_line_tells_what_left_and_what_did_not() {
    // Each submit takes 33 + 20 octets: one whole and half of the second go through.
    let (session, peer, _requests) = start(
        Options {
            window: 5,
            ..options()
        },
        80,
    );
    let asked: Vec<_> = (0..5)
        .map(|_| ask(&session, "twenty letters these"))
        .collect();
    settle().await;
    drop(peer);
    let mut ends = Vec::new();
    for one in asked {
        ends.push(match one.await.unwrap() {
            Outcome::Unknown(None) => "unknown",
            Outcome::NotSent(NotSent::Closed) => "not sent",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        ends,
        ["unknown", "unknown", "not sent", "not sent", "not sent"]
    );
    assert_eq!(session.closed().await, End::Torn);
    assert!(matches!(
        session.request(submit("x")).await,
        Outcome::NotSent(NotSent::Closed)
    ));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_slot_was_not_sent() {
    let (session, mut peer, _requests) = start(
        Options {
            window: 1,
            ..options()
        },
        4096,
    );
    let (first, second) = (ask(&session, "a"), ask(&session, "b"));
    peer.next().await.unwrap();
    drop(peer);
    assert!(matches!(first.await.unwrap(), Outcome::Unknown(None)));
    assert!(matches!(
        second.await.unwrap(),
        Outcome::NotSent(NotSent::Closed)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_understood_and_the_slot_is_free() {
    let (session, mut peer, _requests) = start(
        Options {
            window: 1,
            ..options()
        },
        4096,
    );
    let asked = ask(&session, "a");
    let request = peer.next().await.unwrap();
    let Outcome::Unknown(Some(late)) = asked.await.unwrap() else {
        panic!("no time-out")
    };
    // The window has room again, and the number of the late one is not given twice.
    session.number_from(0);
    let asked = ask(&session, "b");
    let next = peer.next().await.unwrap();
    assert_ne!(next.sequence, request.sequence);
    peer.answer(&next, Status::ROK).await;
    assert!(matches!(asked.await.unwrap(), Outcome::Acked(_)));
    peer.answer(&request, Status::RINVDSTADR).await;
    assert!(matches!(
        late.answer().await,
        Some(Outcome::Rejected(Status::RINVDSTADR))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_outlive_its_line() {
    let (session, mut peer, _requests) = start(options(), 4096);
    let asked = ask(&session, "a");
    peer.next().await.unwrap();
    let Outcome::Unknown(Some(late)) = asked.await.unwrap() else {
        panic!("no time-out")
    };
    drop(peer);
    assert!(late.answer().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up() {
    let alive = Options {
        enquire_link_every: 30 * SECOND,
        enquire_link_timeout: 10 * SECOND,
        ..options()
    };
    let (session, mut peer, _requests) = start(alive, 4096);
    for _ in 0..3 {
        let enquire = peer.next().await.unwrap();
        assert_eq!(enquire.body, Body::EnquireLink);
        peer.answer(&enquire, Status::ROK).await;
    }
    let since = Instant::now();
    assert_eq!(peer.next().await.unwrap().body, Body::EnquireLink);
    assert_eq!(session.closed().await, End::Silent);
    assert_eq!(since.elapsed(), 40 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn anything_heard_is_a_sign_of_life() {
    let alive = Options {
        enquire_link_every: 30 * SECOND,
        enquire_link_timeout: 10 * SECOND,
        ..options()
    };
    let (session, mut peer, _requests) = start(alive, 4096);
    assert_eq!(peer.next().await.unwrap().body, Body::EnquireLink);
    peer.say(&Pdu::request(1, Body::EnquireLink)).await;
    assert_eq!(peer.next().await.unwrap().body, Body::EnquireLinkResp);
    assert_eq!(peer.next().await.unwrap().body, Body::EnquireLink);
    assert!(session.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_stalled_peer_ends_the_connection_with_exact_outcomes() {
    // 60 octets: one frame of 53, and the head of the next.
    let (session, _peer, _requests) = start(options(), 60);
    let asked: Vec<_> = (0..5)
        .map(|_| ask(&session, "twenty letters these"))
        .collect();
    assert_eq!(session.closed().await, End::Stalled);
    let mut ends = Vec::new();
    for one in asked {
        ends.push(matches!(one.await.unwrap(), Outcome::Unknown(_)));
    }
    assert_eq!(ends, [true, true, false, false, false]);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_answers_and_unbinds() {
    let (session, mut peer, _requests) = start(
        Options {
            window: 1,
            ..options()
        },
        4096,
    );
    let (first, waiting) = (ask(&session, "a"), ask(&session, "b"));
    let request = peer.next().await.unwrap();
    let closing = tokio::spawn({
        let session = session.clone();
        async move { session.close(3 * SECOND).await }
    });
    assert!(peer.hears_nothing().await);
    peer.answer(&request, Status::ROK).await;
    assert!(matches!(first.await.unwrap(), Outcome::Acked(_)));
    let unbind = peer.next().await.unwrap();
    assert_eq!(unbind.body, Body::Unbind);
    peer.answer(&unbind, Status::ROK).await;
    closing.await.unwrap();
    assert!(matches!(
        waiting.await.unwrap(),
        Outcome::NotSent(NotSent::Closed)
    ));
    assert_eq!(session.closed().await, End::Unbound);
    assert!(peer.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_ever() {
    let (session, mut peer, _requests) = start(options(), 4096);
    let asked = ask(&session, "a");
    peer.next().await.unwrap();
    session.close(SECOND).await;
    assert!(matches!(asked.await.unwrap(), Outcome::Unknown(None)));
}

#[tokio::test(start_paused = true)]
async fn the_peer_may_take_leave() {
    let (session, mut peer, _requests) = start(options(), 4096);
    let asked = ask(&session, "a");
    peer.next().await.unwrap();
    peer.say(&Pdu::request(9, Body::Unbind)).await;
    assert_eq!(
        peer.next().await,
        Some(Pdu {
            status: Status::ROK,
            sequence: 9,
            body: Body::UnbindResp
        })
    );
    assert_eq!(session.closed().await, End::PeerUnbound);
    assert!(matches!(asked.await.unwrap(), Outcome::Unknown(None)));
}

#[tokio::test(start_paused = true)]
async fn a_bad_pdu_is_answered_and_the_stream_goes_on() {
    let (_session, mut peer, _requests) = start(options(), 4096);
    let header = |length: u8, command: u8, sequence: u8| {
        [
            0, 0, 0, length, 0, 0, 0, command, 0, 0, 0, 0, 0, 0, 0, sequence,
        ]
    };
    // A deliver_sm without its body, and a command that does not exist.
    peer.line.write_all(&header(16, 0x05, 7)).await.unwrap();
    peer.line.write_all(&header(16, 0x77, 8)).await.unwrap();
    let expected = Pdu {
        status: Status::RINVMSGLEN,
        sequence: 7,
        body: Body::DeliverSmResp(SmResp::default()),
    };
    assert_eq!(peer.next().await, Some(expected));
    assert_eq!(
        peer.next().await,
        Some(Pdu {
            status: Status::RINVCMDID,
            sequence: 8,
            body: Body::GenericNack
        })
    );
    peer.say(&Pdu::request(9, Body::EnquireLink)).await;
    assert_eq!(
        peer.next().await,
        Some(Pdu {
            status: Status::ROK,
            sequence: 9,
            body: Body::EnquireLinkResp
        })
    );
}

#[tokio::test(start_paused = true)]
async fn an_impossible_length_ends_the_connection_with_a_nack() {
    let (session, mut peer, _requests) = start(options(), 4096);
    peer.line
        .write_all(&[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3])
        .await
        .unwrap();
    assert_eq!(
        peer.next().await,
        Some(Pdu {
            status: Status::RINVCMDLEN,
            sequence: 3,
            body: Body::GenericNack
        })
    );
    assert_eq!(peer.next().await, None);
    assert_eq!(session.closed().await, End::BadLength);
}

#[tokio::test(start_paused = true)]
async fn a_nack_is_a_refusal_and_strays_are_let_go() {
    let (session, mut peer, _requests) = start(options(), 4096);
    let asked = ask(&session, "a");
    let request = peer.next().await.unwrap();
    // Neither the answer to another command nor one to a number that is not open.
    peer.say(&Pdu {
        status: Status::ROK,
        sequence: request.sequence,
        body: Body::DeliverSmResp(SmResp::default()),
    })
    .await;
    peer.say(&Pdu {
        status: Status::ROK,
        sequence: 4711,
        body: Body::SubmitSmResp(SmResp::default()),
    })
    .await;
    peer.say(&Pdu {
        status: Status::RINVCMDLEN,
        sequence: request.sequence,
        body: Body::GenericNack,
    })
    .await;
    assert!(matches!(
        asked.await.unwrap(),
        Outcome::Rejected(Status::RINVCMDLEN)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_tells_the_peer_to_come_again_and_answers_go_on() {
    let (session, mut peer, mut requests) = start(
        Options {
            patience: SECOND,
            ..options()
        },
        4096,
    );
    let asked = ask(&session, "a");
    let ours = peer.next().await.unwrap();
    for sequence in 1..=20 {
        peer.say(&Pdu::request(sequence, Body::DeliverSm(Box::default())))
            .await;
    }
    peer.answer(&ours, Status::ROK).await;
    // Two have room; the third is refused when its patience is over and the rest at once. Our answer was behind them.
    for sequence in 3..=20 {
        let refused = peer.next().await.unwrap();
        assert_eq!(
            (refused.sequence, refused.status),
            (sequence, Status::RX_T_APPN)
        );
    }
    assert!(matches!(asked.await.unwrap(), Outcome::Acked(_)));
    let first = requests.recv().await.unwrap();
    first.answer(Status::ROK).await;
    let answered = peer.next().await.unwrap();
    assert_eq!((answered.sequence, answered.status), (1, Status::ROK));
}

#[tokio::test(start_paused = true)]
async fn numbers_wrap() {
    let (session, mut peer, _requests) = start(options(), 4096);
    session.number_from(MAX_SEQUENCE - 1);
    let _asked = (ask(&session, "a"), ask(&session, "b"));
    assert_eq!(peer.next().await.unwrap().sequence, MAX_SEQUENCE);
    assert_eq!(peer.next().await.unwrap().sequence, 1);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_frees_nothing_until_the_answer() {
    let (session, mut peer, _requests) = start(
        Options {
            window: 1,
            ..options()
        },
        4096,
    );
    let asked = ask(&session, "a");
    let request = peer.next().await.unwrap();
    asked.abort();
    let asked = ask(&session, "b");
    assert!(peer.hears_nothing().await);
    peer.answer(&request, Status::ROK).await;
    let request = peer.next().await.unwrap();
    peer.answer(&request, Status::ROK).await;
    assert!(matches!(asked.await.unwrap(), Outcome::Acked(_)));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_not_sent() {
    let (session, mut peer, _requests) = start(options(), 4096);
    let long = "x".repeat(300);
    assert!(matches!(
        session.request(submit(&long)).await,
        Outcome::NotSent(NotSent::Encoding)
    ));
    assert!(peer.hears_nothing().await);
}
