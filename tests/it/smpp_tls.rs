//! SMPP over TLS between our own two roles.

use std::path::{Path, PathBuf};
use std::time::Duration;

use carebell::channels::sms::smpp::pdu::{Body, SmResp};
use carebell::channels::sms::smpp::provider::open;
use carebell::channels::sms::smpp::server::accept;
use carebell::channels::sms::smpp::session::{Halves, Options};
use carebell::channels::sms::smpp::status::Status;
use carebell::channels::sms::smpp::tls::acceptor;
use carebell::channels::{Outgoing, Provider, Sink};
use carebell::model::id::AttemptId;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tls")
        .join(name)
}

fn settings(
    listener: &TcpListener,
    tls: &str,
) -> carebell::channels::sms::smpp::provider::settings::Settings {
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        "host = \"127.0.0.1\"\nport = {port}\nsystem_id = \"clinic\"\nsender = \"1\"\ntls = {tls}"
    );
    toml::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_message_goes_over_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(&listener, &format!("{{ ca_file = {:?} }}", file("ca.pem")));
    let (sender, _heard) = mpsc::channel(8);
    let provider = open(settings, "main", Sink::new("main", sender), SOON).unwrap();
    let tls = acceptor(&file("cert.pem"), &file("key.pem")).unwrap();
    let carrier = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tls.accept(stream).await.unwrap();
        let yes = |_, _| async { Ok(()) };
        let mut link = accept(Halves::of(stream), Options::default(), "carrier", SOON, yes)
            .await
            .unwrap();
        let request = link.next().await.unwrap();
        let resp = SmResp {
            message_id: "1".into(),
            ..SmResp::default()
        };
        request
            .answer_with(Status::ROK, Body::SubmitSmResp(resp))
            .await;
        assert!(link.next().await.is_none());
    });
    timeout(SOON, provider.ready()).await.unwrap();
    let outgoing = Outgoing {
        attempt: AttemptId::generate(),
        to: "+8613800000001".to_owned().into(),
        text: "hi".to_owned().into(),
        sender: None,
        validity: None,
        umr: 1,
        concat_ref: 1,
        parts_done: Vec::new(),
    };
    let accepted = timeout(SOON, provider.send(outgoing))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(accepted.parts[0].provider_id, "1");
    provider.close(SOON).await;
    carrier.await.unwrap();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(
        &listener,
        &format!(
            "{{ ca_file = {:?}, domain = \"other.test\" }}",
            file("ca.pem")
        ),
    );
    let (sender, _heard) = mpsc::channel(8);
    let provider = open(settings, "main", Sink::new("main", sender), SOON).unwrap();
    let tls = acceptor(&file("cert.pem"), &file("key.pem")).unwrap();
    let (stream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    assert!(timeout(SOON, tls.accept(stream)).await.unwrap().is_err());
    assert!(!provider.is_up());
}
