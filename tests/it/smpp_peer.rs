//! Our SMPP provider against an SMSC written by others: the npm package `smpp` (tests/peers).

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use carebell::channels::sms::smpp::provider::{SmppProvider, open};
use carebell::channels::{
    Accepted, ChannelEvent, ErrorClass, Incoming, NetworkText, Outgoing, Provider, SendError, Sink,
};
use carebell::model::id::AttemptId;
use carebell::model::receipt::ReceiptStatus;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The installed packages. A machine that cannot install them fails here: the test is never left out.
fn packages() -> PathBuf {
    let peers = root().join("target/peers");
    let installed = Command::new("sh")
        .arg(root().join("tests/peers/install.sh"))
        .arg(&peers)
        .output();
    let installed = installed.expect("tests/peers/install.sh runs");
    assert!(
        installed.status.success(),
        "tests/peers/install.sh: {}",
        String::from_utf8_lossy(&installed.stderr)
    );
    peers.join("node_modules")
}

/// The other SMSC, and what it tells.
struct Smsc {
    child: Child,
    told: mpsc::UnboundedReceiver<Value>,
    port: u16,
}

impl Smsc {
    async fn start(arguments: &[PathBuf]) -> Self {
        let mut child = Command::new("node")
            .arg(root().join("tests/peers/smpp_server.js"))
            .args(arguments)
            .env("NODE_PATH", packages())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, told) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut smsc = Self {
            child,
            told,
            port: 0,
        };
        smsc.port = smsc.hears("port").await["port"]
            .as_u64()
            .unwrap()
            .try_into()
            .unwrap();
        smsc
    }

    /// The next thing it tells about `what`.
    async fn hears(&mut self, what: &str) -> Value {
        let wait = async {
            loop {
                let told = self.told.recv().await.expect("the SMSC runs");
                if told.get(what).is_some() {
                    return told;
                }
            }
        };
        timeout(SOON, wait)
            .await
            .unwrap_or_else(|_| panic!("the SMSC hears no {what}"))
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our side: a provider, and what it hears. Everything is stored at once.
struct Clinic {
    provider: Arc<SmppProvider>,
    heard: mpsc::UnboundedReceiver<ChannelEvent>,
}

impl Clinic {
    fn open(smsc: &Smsc, more: &str) -> Self {
        let settings = format!(
            "host = \"127.0.0.1\"\nport = {}\nsystem_id = \"clinic\"\nsender = \"10690000\"\n{more}",
            smsc.port
        );
        let (sender, mut incoming) = mpsc::channel::<Incoming>(64);
        let provider = open(
            toml::from_str(&settings).unwrap(),
            "main",
            Sink::new("main", sender),
            SOON,
        )
        .unwrap();
        let (forward, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(incoming) = incoming.recv().await {
                let _ = forward.send(incoming.event);
                let _ = incoming.stored.send(());
            }
        });
        Self {
            provider: Arc::new(provider),
            heard,
        }
    }

    async fn bound(smsc: &Smsc, more: &str) -> Self {
        let clinic = Self::open(smsc, &format!("password = \"secret\"\n{more}"));
        timeout(SOON, clinic.provider.ready())
            .await
            .expect("the bind comes up");
        clinic
    }

    async fn send(&self, text: &str) -> Result<Accepted, SendError> {
        let outgoing = Outgoing {
            attempt: AttemptId::generate(),
            to: "+8613800000001".to_owned().into(),
            text: text.to_owned().into(),
            sender: None,
            validity: Some(Duration::from_secs(86_400)),
            umr: 4660,
            concat_ref: 77,
            parts_done: Vec::new(),
        };
        timeout(SOON, self.provider.send(outgoing))
            .await
            .expect("the send ends")
    }

    async fn hears<T>(&mut self, pick: impl Fn(ChannelEvent) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = pick(self.heard.recv().await.expect("the provider runs")) {
                    return found;
                }
            }
        };
        timeout(SOON, wait).await.expect("the clinic hears it")
    }

    async fn hears_text(&mut self) -> NetworkText {
        self.hears(|event| match event {
            ChannelEvent::Text(text) => Some(text),
            _ => None,
        })
        .await
    }
}

#[tokio::test]
async fn texts_of_every_kind_arrive_as_written() {
    let mut smsc = Smsc::start(&[]).await;
    let clinic = Clinic::bound(&smsc, "").await;
    assert_eq!(smsc.hears("bind").await["bind"], "transceiver");
    let long_gsm =
        "Your visit is on Monday 30 March at 9:30 [Building 3] {bring: card} €5. ".repeat(5);
    let long_ucs2 = "张女士您好，您预约的复诊时间是三月三十日上午九点半👍。".repeat(6);
    for (text, coding) in [
        ("Hi @9 £€ {1}", 0),
        ("您好 𠮷野", 8),
        (&long_gsm, 0),
        (&long_ucs2, 8),
    ] {
        let accepted = clinic.send(text).await.unwrap();
        let mut whole = String::new();
        for number in 1..=accepted.parts.len() {
            let submit = smsc.hears("submit").await;
            whole.push_str(submit["submit"].as_str().unwrap());
            assert_eq!(submit["data_coding"], coding);
            assert_eq!(
                (&submit["source"], &submit["source_ton"]),
                (&"10690000".into(), &3.into())
            );
            assert_eq!(
                (&submit["dest"], &submit["dest_ton"]),
                (&"8613800000001".into(), &1.into())
            );
            assert_eq!(
                (&submit["registered_delivery"], &submit["umr"]),
                (&1.into(), &4660.into())
            );
            if accepted.parts.len() > 1 {
                assert_eq!(
                    submit["udh"][0],
                    format!("00034d{:02x}{number:02x}", accepted.parts.len())
                );
            }
        }
        assert_eq!(whole, text);
    }
    clinic.provider.close(SOON).await;
    smsc.hears("unbind").await;
}

#[tokio::test]
async fn payload_and_sar_and_sixteen_bits_are_understood() {
    let mut smsc = Smsc::start(&[]).await;
    let text = "张女士您好，您预约的复诊时间是三月三十日上午九点半。".repeat(6);
    for (mode, parts) in [("payload", 1), ("sar", 3), ("udh16", 3)] {
        let clinic = Clinic::bound(&smsc, &format!("concat = \"{mode}\"")).await;
        assert_eq!(clinic.send(&text).await.unwrap().parts.len(), parts);
        let mut whole = String::new();
        for _ in 0..parts {
            whole.push_str(smsc.hears("submit").await["submit"].as_str().unwrap());
        }
        assert_eq!(whole, text, "{mode}");
        clinic.provider.close(SOON).await;
    }
}

#[tokio::test]
async fn receipts_find_their_message() {
    let mut smsc = Smsc::start(&[]).await;
    let mut clinic = Clinic::bound(&smsc, "").await;
    let receipt = |event| match event {
        ChannelEvent::Receipt { receipt, .. } => Some(receipt),
        _ => None,
    };
    // The answer has 00A1 and the receipt 161: one of its spellings is the canonical one of the answer.
    let accepted = clinic.send("hi").await.unwrap();
    assert_eq!(accepted.parts[0].provider_id, "00A1");
    let read = clinic.hears(receipt).await;
    assert!(
        read.provider_ids.contains(&"a1".to_owned()),
        "{:?}",
        read.provider_ids
    );
    assert_eq!((read.status, read.error), (ReceiptStatus::Delivered, None));
    assert_eq!(read.recipient.unwrap().reveal(), "8613800000001");
    assert_eq!(smsc.hears("deliver_resp").await["deliver_resp"], 0);
    // Parameters come before the text.
    clinic.send("tlv").await.unwrap();
    let read = clinic.hears(receipt).await;
    assert_eq!(
        (read.provider_ids[0].as_str(), read.status, read.umr),
        ("a2", ReceiptStatus::Undeliverable, Some(4660))
    );
}

#[tokio::test]
async fn phones_write_in_ucs2_and_in_parts() {
    let mut smsc = Smsc::start(&[]).await;
    let mut clinic = Clinic::bound(&smsc, "receipts = false").await;
    for (how, expected) in [
        ("ucs2", "你好，1 👍"),
        ("udh", "first half, second half"),
        ("sar", "first half, second half"),
    ] {
        clinic.send(&format!("mo {how}")).await.unwrap();
        let text = clinic.hears_text().await;
        assert_eq!(text.text.reveal(), expected);
        assert_eq!(
            (
                text.from.reveal().as_str(),
                text.to.as_str(),
                text.incomplete
            ),
            ("+8613800000001", "10690000", false)
        );
        assert_eq!(smsc.hears("deliver_resp").await["deliver_resp"], 0);
    }
}

#[tokio::test]
async fn both_sides_ask_whether_the_other_is_alive() {
    let mut smsc = Smsc::start(&[]).await;
    let clinic = Clinic::bound(&smsc, "enquire_link_every = \"50ms\"").await;
    smsc.hears("enquire_link").await;
    smsc.hears("enquire_link").await;
    clinic.send("enquire").await.unwrap();
    assert_eq!(smsc.hears("alive").await["alive"], true);
    assert!(clinic.provider.is_up());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let smsc = Smsc::start(&[]).await;
    let clinic = Clinic::bound(&smsc, "").await;
    for (text, code, class) in [
        ("throttle", "ESME_RTHROTTLED", ErrorClass::Throttle),
        ("reject", "ESME_RINVDSTADR", ErrorClass::PermanentRecipient),
        ("nack", "ESME_RINVCMDLEN", ErrorClass::PermanentContent),
    ] {
        let refused = clinic.send(text).await.unwrap_err();
        assert_eq!(
            refused,
            SendError::Rejected {
                code: code.to_owned(),
                class,
                parts: Vec::new()
            }
        );
    }
    // The line lives on.
    assert!(clinic.send("hi").await.is_ok());
}

#[tokio::test]
async fn a_wrong_password_does_not_bind() {
    let mut smsc = Smsc::start(&[]).await;
    let clinic = Clinic::open(&smsc, "password = \"guess\"");
    assert_eq!(smsc.hears("bind").await["known"], false);
    assert!(!clinic.provider.is_up());
    assert_eq!(
        clinic.send("hi").await.unwrap_err(),
        SendError::NotSent { reason: "no_bind" }
    );
}

#[tokio::test]
async fn a_dropped_line_is_unknown_and_comes_back() {
    let mut smsc = Smsc::start(&[]).await;
    let mut clinic = Clinic::bound(&smsc, "").await;
    smsc.hears("bind").await;
    assert_eq!(
        clinic.send("drop").await.unwrap_err(),
        SendError::Unknown { parts: Vec::new() }
    );
    clinic
        .hears(|event| matches!(event, ChannelEvent::Link { up: false }).then_some(()))
        .await;
    smsc.hears("bind").await;
    timeout(SOON, clinic.provider.ready()).await.unwrap();
    assert!(clinic.send("hi").await.is_ok());
    // The carrier takes leave in good order: the same.
    clinic.send("unbind").await.unwrap();
    smsc.hears("bind").await;
    timeout(SOON, clinic.provider.ready()).await.unwrap();
    assert!(clinic.send("hi").await.is_ok());
}

#[tokio::test]
async fn hundreds_at_once_are_all_answered() {
    let smsc = Smsc::start(&[]).await;
    let mut clinic = Clinic::bound(&smsc, "window = 100\nbinds = 2").await;
    let sends = (0..1000).map(|number| {
        let clinic = &clinic;
        async move { clinic.send(&format!("message {number}")).await }
    });
    for end in futures::future::join_all(sends).await {
        assert_eq!(end.unwrap().parts.len(), 1);
    }
    for _ in 0..1000 {
        clinic
            .hears(|event| matches!(event, ChannelEvent::Receipt { .. }).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn the_same_goes_over_tls() {
    let file = |name| root().join("tests/tls").join(name);
    let mut smsc = Smsc::start(&[file("cert.pem"), file("key.pem")]).await;
    let tls = format!(
        "tls = {{ ca_file = {:?}, domain = \"carrier.test\" }}",
        file("ca.pem")
    );
    let mut clinic = Clinic::bound(&smsc, &tls).await;
    smsc.hears("bind").await;
    clinic.send("mo ucs2").await.unwrap();
    assert_eq!(clinic.hears_text().await.text.reveal(), "你好，1 👍");
}
