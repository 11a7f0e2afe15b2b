//! Both roles against each other.

use std::time::Duration;

use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::{BindError, bind};
use super::pdu::{Bind, BindKind, Body, Sm, SmResp};
use super::server::{AcceptError, Link, accept};
use super::session::outcome::{End, Outcome};
use super::session::{Halves, Options, Request, Session};
use super::status::Status;

const SECOND: Duration = Duration::from_secs(1);

/// An ESME and the SMSC that is about to accept it.
fn pair() -> (
    Session,
    mpsc::Receiver<Request>,
    JoinHandle<Result<Link, AcceptError>>,
) {
    let (near, far) = duplex(4096);
    let (inbound, requests) = mpsc::channel(8);
    let session = Session::start(Halves::of(near), Options::default(), inbound);
    let accepting = tokio::spawn(async move {
        let check = |_, bind: Bind| async move {
            if bind.password.reveal() == b"secret" {
                Ok(())
            } else {
                Err(Status::RINVPASWD)
            }
        };
        accept(
            Halves::of(far),
            Options::default(),
            "carrier",
            10 * SECOND,
            check,
        )
        .await
    });
    (session, requests, accepting)
}

fn credentials(password: &str) -> Bind {
    Bind {
        system_id: "clinic".into(),
        password: password.into(),
        ..Bind::default()
    }
}

fn text(text: &str) -> Box<Sm> {
    Box::new(Sm {
        short_message: text.into(),
        ..Sm::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_bound_esme_submits_and_is_delivered_to() {
    let (session, mut requests, accepting) = pair();
    let resp = bind(
        &session,
        BindKind::Transceiver,
        credentials("secret"),
        SECOND,
    )
    .await
    .unwrap();
    assert_eq!(resp.system_id.to_text(), "carrier");
    let mut link = accepting.await.unwrap().unwrap();
    assert_eq!(
        (link.system_id(), link.kind()),
        ("clinic", BindKind::Transceiver)
    );

    let smsc = tokio::spawn(async move {
        let request = link.next().await.unwrap();
        let resp = SmResp {
            message_id: "m1".into(),
            ..SmResp::default()
        };
        request
            .answer_with(Status::ROK, Body::SubmitSmResp(resp))
            .await;
        let delivered = link.session().request(Body::DeliverSm(text("1"))).await;
        (link, delivered)
    });
    let Outcome::Acked(Body::SubmitSmResp(resp)) =
        session.request(Body::SubmitSm(text("hi"))).await
    else {
        panic!("not acked")
    };
    assert_eq!(resp.message_id.to_text(), "m1");
    requests.recv().await.unwrap().answer(Status::ROK).await;
    let (mut link, delivered) = smsc.await.unwrap();
    assert!(matches!(delivered, Outcome::Acked(Body::DeliverSmResp(_))));

    session.close(SECOND).await;
    assert!(link.next().await.is_none());
    assert_eq!(link.session().closed().await, End::PeerUnbound);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_refused() {
    let (session, _requests, accepting) = pair();
    let refused = bind(
        &session,
        BindKind::Transmitter,
        credentials("guess"),
        SECOND,
    )
    .await;
    assert_eq!(refused, Err(BindError::Refused(Status::RINVPASWD)));
    assert_eq!(
        accepting.await.unwrap().unwrap_err(),
        AcceptError::Refused(Status::RINVPASWD)
    );
    assert_eq!(session.closed().await, End::Torn);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_served_before_the_bind() {
    let (session, _requests, accepting) = pair();
    let refused = session.request(Body::SubmitSm(text("hi"))).await;
    assert!(matches!(refused, Outcome::Rejected(Status::RINVBNDSTS)));
    assert_eq!(accepting.await.unwrap().unwrap_err(), AcceptError::Late);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_does_not_submit_and_nobody_binds_twice() {
    let (session, _requests, accepting) = pair();
    bind(&session, BindKind::Receiver, credentials("secret"), SECOND)
        .await
        .unwrap();
    let mut link = accepting.await.unwrap().unwrap();
    let serving = tokio::spawn(async move { link.next().await.is_none() });
    let refused = session.request(Body::SubmitSm(text("hi"))).await;
    assert!(matches!(refused, Outcome::Rejected(Status::RINVBNDSTS)));
    let again = bind(&session, BindKind::Receiver, credentials("secret"), SECOND).await;
    assert_eq!(again, Err(BindError::Refused(Status::RALYBND)));
    session.hang_up().await;
    assert!(serving.await.unwrap());
}
