//! Our ESME against our SMSC over loopback in one process, and how near that comes to bare frames on the same socket.
//!
//! The bare echo moves frames of the same lengths with the same window and does nothing else: its rate is what the
//! machine gives, and the ratio is what our codec and session cost. Run it with `cargo bench --bench smpp_session`;
//! an argument is the number of messages.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::time::{Duration, Instant};

use bytes::BytesMut;
use carebell::channels::sms::smpp::client::bind;
use carebell::channels::sms::smpp::codec::next_frame;
use carebell::channels::sms::smpp::encode::encode;
use carebell::channels::sms::smpp::pdu::{Address, Bind, BindKind, Body, Pdu, Sm, SmResp};
use carebell::channels::sms::smpp::server::accept;
use carebell::channels::sms::smpp::session::outcome::Outcome;
use carebell::channels::sms::smpp::session::{Halves, Options, Session};
use carebell::channels::sms::smpp::status::Status;
use futures::stream::{self, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const WITHIN: Duration = Duration::from_secs(10);

fn submit() -> Body {
    Body::SubmitSm(Box::new(Sm {
        source: Address {
            ton: 3,
            npi: 0,
            addr: "10690000".into(),
        },
        dest: Address {
            ton: 1,
            npi: 1,
            addr: "8613800000001".into(),
        },
        registered_delivery: 1,
        short_message:
            "You are booked for Monday 30 March at 9:30. Reply 1 to confirm, 2 to cancel.".into(),
        ..Sm::default()
    }))
}

fn submit_resp() -> Body {
    Body::SubmitSmResp(SmResp {
        message_id: "0123456789".into(),
        ..SmResp::default()
    })
}

async fn line() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

/// Messages a second through two sessions.
async fn session(window: usize, count: usize) -> f64 {
    let (near, far) = line().await;
    let smsc = tokio::spawn(async move {
        let yes = |_, _| async { Ok(()) };
        let mut link = accept(Halves::tcp(far), Options::default(), "carrier", WITHIN, yes)
            .await
            .unwrap();
        while let Some(request) = link.next().await {
            request.answer_with(Status::ROK, submit_resp()).await;
        }
    });
    let (inbound, _requests) = mpsc::channel(1);
    let session = Session::start(
        Halves::tcp(near),
        Options {
            window,
            ..Options::default()
        },
        inbound,
    );
    bind(&session, BindKind::Transceiver, Bind::default(), WITHIN)
        .await
        .unwrap();
    let started = Instant::now();
    let ends = stream::iter(0..count)
        .map(|_| session.request(submit()))
        .buffer_unordered(window);
    let acked = ends
        .filter(|end| std::future::ready(matches!(end, Outcome::Acked(_))))
        .count()
        .await;
    let took = started.elapsed();
    assert_eq!(acked, count);
    session.close(WITHIN).await;
    smsc.await.unwrap();
    rate(count, took)
}

/// Frames a second through a bare socket, with the same lengths and window.
async fn echo(window: usize, count: usize) -> f64 {
    let (mut near, mut far) = line().await;
    let request = encode(&Pdu::request(1, submit())).unwrap();
    let answer = encode(&Pdu::request(1, submit_resp())).unwrap();
    let other = tokio::spawn(async move {
        let (mut read, mut write) = (BytesMut::new(), Vec::new());
        while far.read_buf(&mut read).await.unwrap() > 0 {
            write.clear();
            while next_frame(&mut read).unwrap().is_some() {
                write.extend_from_slice(&answer);
            }
            far.write_all(&write).await.unwrap();
        }
    });
    let started = Instant::now();
    let (mut read, mut sent, mut got) = (BytesMut::new(), 0, 0);
    while got < count {
        let more = (window - (sent - got)).min(count - sent);
        near.write_all(&request.repeat(more)).await.unwrap();
        sent += more;
        near.read_buf(&mut read).await.unwrap();
        while next_frame(&mut read).unwrap().is_some() {
            got += 1;
        }
    }
    let took = started.elapsed();
    drop(near);
    other.await.unwrap();
    rate(count, took)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

#[tokio::main]
async fn main() {
    let count = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(200_000);
    println!(
        "{:>7} {:>12} {:>12} {:>6}",
        "window", "session/s", "bare/s", "ratio"
    );
    for window in [1, 10, 100, 1000] {
        let count = if window == 1 { count / 10 } else { count };
        let (ours, bare) = (session(window, count).await, echo(window, count).await);
        println!("{window:>7} {ours:>12.0} {bare:>12.0} {:>6.2}", ours / bare);
    }
}
