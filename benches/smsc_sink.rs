//! The whole SMPP provider against an SMSC that others wrote, beside that SMSC's own flood tool in the same run.
//!
//! The flood tool writes raw frames as fast as the SMSC takes them: its rate is the ceiling, and the ratio is what
//! a provider that keeps a window, sequence numbers and outcomes costs. The tools (`smsc-sink` and `smpp-flood`)
//! are not part of this project: `CAREBELL_SMSC_SINK` names the folder their release build lies in.
//! Run it with `cargo bench --bench smsc_sink`; an argument is the number of messages.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use carebell::channels::sms::smpp::provider;
use carebell::channels::{Incoming, Outgoing, Provider, Sink};
use carebell::model::id::AttemptId;
use futures::stream::{self, StreamExt};
use tokio::sync::mpsc;

const WINDOW: usize = 100;

/// An SMSC of its own that ends with the bench.
struct Smsc(Child);

impl Drop for Smsc {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(tools: &Path) -> (Smsc, u16) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let listen = format!("127.0.0.1:{port}");
    let mut smsc = Command::new(tools.join("smsc-sink"));
    smsc.args(["--listen", &listen, "--quiet"])
        .stderr(Stdio::null());
    (Smsc(smsc.spawn().unwrap()), port)
}

fn flood(tools: &Path, port: u16, count: usize) -> f64 {
    let connect = format!("127.0.0.1:{port}");
    let (window, count) = (WINDOW.to_string(), count.to_string());
    let args = [
        "--connect",
        &connect,
        "--conns",
        "1",
        "--window",
        &window,
        "--count",
        &count,
    ];
    let out = Command::new(tools.join("smpp-flood"))
        .args(args)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    report["tps"].as_f64().unwrap()
}

fn outgoing(n: usize) -> Outgoing {
    Outgoing {
        attempt: AttemptId::generate(),
        to: format!("+86138{n:08}").into(),
        text: "You are booked for Monday 30 March at 9:30. Reply 1 to confirm."
            .to_owned()
            .into(),
        sender: None,
        validity: None,
        umr: u16::try_from(n % 65_536).unwrap(),
        concat_ref: 1,
        parts_done: Vec::new(),
    }
}

async fn ours(port: u16, count: usize) -> f64 {
    let settings = format!(
        "host = \"127.0.0.1\"\nport = {port}\nsystem_id = \"bench\"\npassword = \"x\"\nsender = \"10690000\"\nwindow = {WINDOW}\nreceipts = false"
    );
    let (sender, mut events) = mpsc::channel::<Incoming>(WINDOW);
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            let _ = event.stored.send(());
        }
    });
    let sink = Sink::new("bench", sender);
    let provider = provider::open(
        toml::from_str(&settings).unwrap(),
        "bench",
        sink,
        Duration::from_secs(10),
    )
    .unwrap();
    let provider: Arc<dyn Provider> = Arc::new(provider);
    provider.ready().await;
    let started = Instant::now();
    let sends = stream::iter(0..count).map(|n| {
        let provider = Arc::clone(&provider);
        async move { provider.send(outgoing(n)).await.unwrap() }
    });
    sends.buffer_unordered(WINDOW).for_each(async |_| {}).await;
    let rate = f64::from(u32::try_from(count).unwrap()) / started.elapsed().as_secs_f64();
    provider.close(Duration::from_secs(1)).await;
    rate
}

fn main() {
    let Some(tools) = std::env::var_os("CAREBELL_SMSC_SINK").map(PathBuf::from) else {
        println!(
            "smsc_sink: set CAREBELL_SMSC_SINK to the folder of smsc-sink and smpp-flood to measure against them"
        );
        return;
    };
    let count = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(200_000);
    let (_smsc, port) = start(&tools);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ours = runtime.block_on(ours(port, count));
    let ceiling = flood(&tools, port, count);
    println!(
        "smsc_sink: window {WINDOW}, {count} messages: ours {ours:.0}/s, flood tool {ceiling:.0}/s, ratio {:.2}",
        ours / ceiling
    );
}
