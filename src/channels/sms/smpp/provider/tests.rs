//! The provider against our own SMSC role, over loopback.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::settings::{OpenError, Settings};
use super::{SmppProvider, open};
use crate::channels::sms::smpp::pdu::{Address, Bind, BindKind, Body, Sm, SmResp};
use crate::channels::sms::smpp::server::{AcceptError, Link, accept};
use crate::channels::sms::smpp::session::outcome::Outcome;
use crate::channels::sms::smpp::session::{Halves, Options};
use crate::channels::sms::smpp::status::Status;
use crate::channels::{
    ChannelEvent, ErrorClass, Incoming, Outgoing, Provider, ReceiptStatus, SendError, Sink,
};
use crate::model::id::AttemptId;

const SOON: Duration = Duration::from_secs(20);

/// A carrier on a port of its own.
struct Carrier {
    listener: TcpListener,
}

impl Carrier {
    async fn listen() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    async fn bound(&self) -> Result<Link, AcceptError> {
        let (stream, _) = timeout(SOON, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let check = |_, bind: Bind| async move {
            if bind.password.reveal() == b"secret" {
                Ok(())
            } else {
                Err(Status::RINVPASWD)
            }
        };
        accept(
            Halves::tcp(stream),
            Options::default(),
            "carrier",
            SOON,
            check,
        )
        .await
    }

    fn settings(&self, more: &str) -> Settings {
        let port = self.listener.local_addr().unwrap().port();
        let text = format!(
            "host = \"127.0.0.1\"\nport = {port}\nsystem_id = \"clinic\"\nsender = \"10690000\"\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    /// A provider that is bound, the carrier's end of it, and what the provider hears.
    async fn provider(&self, more: &str) -> (Arc<SmppProvider>, Link, mpsc::Receiver<Incoming>) {
        let settings = self.settings(&format!("password = \"secret\"\n{more}"));
        let (provider, mut heard) = opened(settings, Duration::from_secs(60));
        let link = self.bound().await.unwrap();
        timeout(SOON, provider.ready()).await.unwrap();
        let ChannelEvent::Link { up: true } = next(&mut heard).await.event else {
            panic!("no link")
        };
        (provider, link, heard)
    }
}

fn opened(
    settings: Settings,
    response_timeout: Duration,
) -> (Arc<SmppProvider>, mpsc::Receiver<Incoming>) {
    let (sender, heard) = mpsc::channel(64);
    let provider = open(
        settings,
        "main",
        Sink::new("main", sender),
        response_timeout,
    )
    .unwrap();
    (Arc::new(provider), heard)
}

async fn next(heard: &mut mpsc::Receiver<Incoming>) -> Incoming {
    timeout(SOON, heard.recv()).await.unwrap().unwrap()
}

fn outgoing(text: &str) -> Outgoing {
    Outgoing {
        attempt: AttemptId::generate(),
        to: "+8613800000001".to_owned().into(),
        text: text.to_owned().into(),
        sender: None,
        validity: Some(Duration::from_secs(3600)),
        umr: 7,
        concat_ref: 9,
        parts_done: Vec::new(),
    }
}

type Sending = JoinHandle<Result<crate::channels::Accepted, SendError>>;

fn send(provider: &Arc<SmppProvider>, outgoing: Outgoing) -> Sending {
    let provider = Arc::clone(provider);
    tokio::spawn(async move { provider.send(outgoing).await })
}

fn id(id: &str) -> Body {
    Body::SubmitSmResp(SmResp {
        message_id: id.into(),
        ..SmResp::default()
    })
}

fn from_phone(text: &str) -> Sm {
    Sm {
        source: Address {
            ton: 1,
            npi: 1,
            addr: "8613800000001".into(),
        },
        dest: Address {
            ton: 3,
            npi: 0,
            addr: "10690000".into(),
        },
        short_message: text.into(),
        ..Sm::default()
    }
}

fn deliver(link: &Link, sm: Sm) -> JoinHandle<Outcome> {
    let session = link.session().clone();
    tokio::spawn(async move { session.request(Body::DeliverSm(Box::new(sm))).await })
}

#[tokio::test]
async fn a_message_is_accepted_with_the_ids_of_its_parts() {
    let carrier = Carrier::listen().await;
    let (provider, mut link, _heard) = carrier.provider("").await;
    assert!(provider.is_up());
    assert_eq!(provider.window(), 10);
    let sending = send(&provider, outgoing(&"a".repeat(400)));
    for number in 1..=3 {
        let request = link.next().await.unwrap();
        request
            .answer_with(Status::ROK, id(&format!("id{number}")))
            .await;
    }
    let accepted = sending.await.unwrap().unwrap();
    let ids: Vec<_> = accepted
        .parts
        .iter()
        .map(|part| (part.part, part.provider_id.as_str()))
        .collect();
    assert_eq!(ids, [(1, "id1"), (2, "id2"), (3, "id3")]);
    assert!(accepted.receipt_expected);
    let closing = tokio::spawn(async move { provider.close(SOON).await });
    assert!(link.next().await.is_none());
    closing.await.unwrap();
}

#[tokio::test]
async fn refusals_have_a_class() {
    let carrier = Carrier::listen().await;
    let (provider, mut link, _heard) = carrier.provider("").await;
    let cases = [
        (
            Status::RINVDSTADR,
            "ESME_RINVDSTADR",
            ErrorClass::PermanentRecipient,
        ),
        (Status::RSYSERR, "ESME_RSYSERR", ErrorClass::Temporary),
        (Status::RTHROTTLED, "ESME_RTHROTTLED", ErrorClass::Throttle),
        (Status(0x0555), "0x00000555", ErrorClass::Temporary),
    ];
    for (status, code, class) in cases {
        let sending = send(&provider, outgoing("hi"));
        link.next().await.unwrap().answer(status).await;
        let expected = SendError::Rejected {
            code: code.to_owned(),
            class,
            parts: Vec::new(),
        };
        assert_eq!(sending.await.unwrap().unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a_dropped_line_leaves_written_ones_unknown_and_is_dialled_again() {
    let carrier = Carrier::listen().await;
    let (provider, mut link, mut heard) = carrier.provider("window = 2").await;
    let (first, second, third) = (
        send(&provider, outgoing("a")),
        send(&provider, outgoing("b")),
        send(&provider, outgoing("c")),
    );
    let mut requests = vec![link.next().await.unwrap(), link.next().await.unwrap()];
    requests.remove(0).answer_with(Status::ROK, id("1")).await;
    requests.push(link.next().await.unwrap());
    link.session().hang_up().await;
    let mut ends = Vec::new();
    for sending in [first, second, third] {
        ends.push(sending.await.unwrap().map(|_| ()));
    }
    let unknown = SendError::Unknown { parts: Vec::new() };
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 1);
    assert_eq!(
        ends.iter()
            .filter(|end| **end == Err(unknown.clone()))
            .count(),
        2
    );
    let ChannelEvent::Link { up: false } = next(&mut heard).await.event else {
        panic!("no link")
    };
    assert_eq!(
        provider.send(outgoing("d")).await.unwrap_err(),
        SendError::NotSent { reason: "no_bind" }
    );

    let mut link = carrier.bound().await.unwrap();
    timeout(SOON, provider.ready()).await.unwrap();
    let sending = send(&provider, outgoing("e"));
    link.next()
        .await
        .unwrap()
        .answer_with(Status::ROK, id("2"))
        .await;
    assert!(sending.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_late_answer_comes_as_an_event() {
    let carrier = Carrier::listen().await;
    let (provider, mut heard) = opened(
        carrier.settings("password = \"secret\""),
        Duration::from_millis(50),
    );
    let mut link = carrier.bound().await.unwrap();
    timeout(SOON, provider.ready()).await.unwrap();
    let ChannelEvent::Link { up: true } = next(&mut heard).await.event else {
        panic!("no link")
    };
    let sent = outgoing(&"a".repeat(200));
    let sending = send(&provider, sent.clone());
    let (first, second) = (link.next().await.unwrap(), link.next().await.unwrap());
    assert_eq!(
        sending.await.unwrap().unwrap_err(),
        SendError::Unknown { parts: Vec::new() }
    );
    second.answer_with(Status::ROK, id("2")).await;
    let ChannelEvent::LateAnswer { attempt, result } = next_stored(&mut heard).await else {
        panic!("not late")
    };
    assert_eq!(attempt, sent.attempt);
    let Err(SendError::Unknown { parts }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(parts.len(), 1);
    first.answer_with(Status::ROK, id("1")).await;
    let ChannelEvent::LateAnswer { result, .. } = next_stored(&mut heard).await else {
        panic!("not late")
    };
    assert_eq!(result.unwrap().parts.len(), 2);
}

async fn next_stored(heard: &mut mpsc::Receiver<Incoming>) -> ChannelEvent {
    let incoming = next(heard).await;
    incoming.stored.send(()).unwrap();
    incoming.event
}

#[tokio::test]
async fn a_receipt_is_acknowledged_once_it_is_stored() {
    let carrier = Carrier::listen().await;
    let (_provider, link, mut heard) = carrier.provider("").await;
    let receipt = Sm {
        esm_class: 4,
        ..from_phone("id:00A7 stat:DELIVRD err:000")
    };
    let delivering = deliver(&link, receipt.clone());
    let incoming = next(&mut heard).await;
    let ChannelEvent::Receipt {
        receipt: read,
        dedupe_key,
    } = incoming.event
    else {
        panic!("no receipt")
    };
    assert_eq!(
        (read.provider_ids[0].as_str(), read.status),
        ("a7", ReceiptStatus::Delivered)
    );
    assert_eq!(dedupe_key, "a7:delivered");
    assert!(!delivering.is_finished());
    incoming.stored.send(()).unwrap();
    assert!(matches!(delivering.await.unwrap(), Outcome::Acked(_)));
    // The store is down: the carrier is to offer it again.
    let delivering = deliver(&link, receipt);
    drop(next(&mut heard).await.stored);
    assert!(matches!(
        delivering.await.unwrap(),
        Outcome::Rejected(Status::RX_T_APPN)
    ));
}

#[tokio::test]
async fn a_receipt_may_come_as_data_sm_and_other_requests_are_refused() {
    let carrier = Carrier::listen().await;
    let (_provider, link, mut heard) = carrier.provider("").await;
    let session = link.session().clone();
    let mut sm = from_phone("");
    sm.tlvs.push(0x001E, "77");
    sm.tlvs.push(0x0427, vec![5]);
    let delivering = tokio::spawn(async move {
        let delivered = session.request(Body::DataSm(Box::new(sm))).await;
        let refused = session.request(Body::SubmitSm(Box::default())).await;
        (delivered, refused)
    });
    let ChannelEvent::Receipt { receipt, .. } = next_stored(&mut heard).await else {
        panic!("no receipt")
    };
    assert_eq!(receipt.status, ReceiptStatus::Undeliverable);
    let (delivered, refused) = delivering.await.unwrap();
    assert!(matches!(delivered, Outcome::Acked(Body::DataSmResp(_))));
    assert!(matches!(refused, Outcome::Rejected(Status::RINVCMDID)));
}

#[tokio::test]
async fn a_text_comes_with_its_number_and_a_key() {
    let carrier = Carrier::listen().await;
    let (_provider, link, mut heard) = carrier.provider("").await;
    let mut keys = Vec::new();
    for stored in [false, true, true] {
        let sm = Sm {
            data_coding: 8,
            short_message: vec![0x4F, 0x60].into(),
            ..from_phone("")
        };
        let delivering = deliver(&link, sm);
        let incoming = next(&mut heard).await;
        let ChannelEvent::Text(text) = incoming.event else {
            panic!("no text")
        };
        assert_eq!(
            (
                text.from.reveal().as_str(),
                text.to.as_str(),
                text.text.reveal().as_str()
            ),
            ("+8613800000001", "10690000", "你")
        );
        assert!(!text.incomplete);
        keys.push(text.dedupe_key);
        if stored {
            incoming.stored.send(()).unwrap();
        } else {
            drop(incoming.stored);
        }
        delivering.await.unwrap();
    }
    // The second is the first offered again; the third was written anew.
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
}

fn part(number: u8, text: &str) -> Sm {
    let short_message = [&[5, 0, 3, 77, 2, number], text.as_bytes()].concat();
    Sm {
        esm_class: 0x40,
        short_message: short_message.into(),
        ..from_phone("")
    }
}

#[tokio::test]
async fn parts_are_acknowledged_together_once_the_whole_is_stored() {
    let carrier = Carrier::listen().await;
    let (_provider, link, mut heard) = carrier.provider("").await;
    let (second, first) = (
        deliver(&link, part(2, "world")),
        deliver(&link, part(1, "hello ")),
    );
    let incoming = next(&mut heard).await;
    let ChannelEvent::Text(text) = incoming.event else {
        panic!("no text")
    };
    assert_eq!(text.text.reveal(), "hello world");
    assert!(!first.is_finished() && !second.is_finished());
    incoming.stored.send(()).unwrap();
    assert!(matches!(first.await.unwrap(), Outcome::Acked(_)));
    assert!(matches!(second.await.unwrap(), Outcome::Acked(_)));
    // Offered once more, it is known.
    assert!(matches!(
        deliver(&link, part(2, "world")).await.unwrap(),
        Outcome::Acked(_)
    ));
}

/// A carrier with a window of 1 never sends the second part before the first is answered.
#[tokio::test]
async fn a_carrier_that_sends_one_at_a_time_gets_its_parts_through() {
    let carrier = Carrier::listen().await;
    let (_provider, link, mut heard) = carrier.provider("").await;
    assert!(matches!(
        deliver(&link, part(1, "hello ")).await.unwrap(),
        Outcome::Rejected(Status::RX_T_APPN)
    ));
    let second = deliver(&link, part(2, "world"));
    let ChannelEvent::Text(text) = next_stored(&mut heard).await else {
        panic!("no text")
    };
    assert_eq!(text.text.reveal(), "hello world");
    assert!(matches!(second.await.unwrap(), Outcome::Acked(_)));
    assert!(matches!(
        deliver(&link, part(1, "hello ")).await.unwrap(),
        Outcome::Acked(_)
    ));
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_soon() {
    let carrier = Carrier::listen().await;
    let (provider, _heard) = opened(carrier.settings("password = \"guess\""), SOON);
    assert_eq!(
        carrier.bound().await.unwrap_err(),
        AcceptError::Refused(Status::RINVPASWD)
    );
    assert!(!provider.is_up());
    let again = timeout(Duration::from_secs(1), carrier.listener.accept()).await;
    assert!(again.is_err());
    provider.close(SOON).await;
}

#[tokio::test]
async fn a_transmitter_and_a_receiver_share_the_work() {
    let carrier = Carrier::listen().await;
    let settings = carrier.settings("password = \"secret\"\nbind = \"transmitter_receiver\"");
    let (provider, mut heard) = opened(settings, SOON);
    let mut links = vec![
        carrier.bound().await.unwrap(),
        carrier.bound().await.unwrap(),
    ];
    links.sort_by_key(|link| link.kind() == BindKind::Receiver);
    let (receiver, mut transmitter) = (links.pop().unwrap(), links.pop().unwrap());
    assert_eq!(
        (transmitter.kind(), receiver.kind()),
        (BindKind::Transmitter, BindKind::Receiver)
    );
    timeout(SOON, provider.ready()).await.unwrap();
    let sending = send(&provider, outgoing("hi"));
    transmitter
        .next()
        .await
        .unwrap()
        .answer_with(Status::ROK, id("1"))
        .await;
    assert!(sending.await.unwrap().is_ok());
    let delivering = deliver(&receiver, from_phone("1"));
    loop {
        if let ChannelEvent::Text(_) = next_stored(&mut heard).await {
            break;
        }
    }
    assert!(matches!(delivering.await.unwrap(), Outcome::Acked(_)));
    let serve = tokio::spawn(async move { while transmitter.next().await.is_some() {} });
    let mut receiver = receiver;
    let listen = tokio::spawn(async move { while receiver.next().await.is_some() {} });
    timeout(SOON, provider.close(SOON)).await.unwrap();
    serve.await.unwrap();
    listen.await.unwrap();
}

#[tokio::test]
async fn more_than_the_window_waits_its_turn() {
    let carrier = Carrier::listen().await;
    let (provider, mut link, _heard) = carrier.provider("window = 3").await;
    let sending: Vec<_> = (0..50).map(|_| send(&provider, outgoing("hi"))).collect();
    for served in 0..50 {
        let request = link.next().await.unwrap();
        request
            .answer_with(Status::ROK, id(&served.to_string()))
            .await;
    }
    for one in sending {
        one.await.unwrap().unwrap();
    }
}

#[track_caller]
fn check_refused(more: &str, expected: &str) {
    let settings: Result<Settings, _> = toml::from_str(&format!(
        "host = \"h\"\nsystem_id = \"s\"\nsender = \"1\"\n{more}"
    ));
    let (sender, _heard) = mpsc::channel(1);
    let error = match settings {
        Err(error) => error.to_string(),
        Ok(settings) => open(settings, "main", Sink::new("main", sender), SOON)
            .err()
            .map_or_else(String::new, |error: OpenError| error.to_string()),
    };
    assert!(error.contains(expected), "{error}");
}

#[tokio::test]
async fn odd_settings_are_refused_with_the_reason() {
    check_refused("port = \"x\"", "port");
    check_refused("colour = 1", "unknown field `colour`");
    check_refused("enquire_link_every = \"soon\"", "no duration");
    check_refused("window = 0", "`window`");
    check_refused("binds = 0", "`binds`");
    check_refused("concat = \"udh7\"", "udh16");
    check_refused("password = \"a\"\npassword_file = \"b\"", "both given");
    check_refused("password_file = \"/nowhere/at/all\"", "cannot be read");
    check_refused("tls = { ca_file = \"/nowhere/at/all\" }", "tls:");
    check_refused("system_type = \"1234567890123\"", "`system_type`");
}
