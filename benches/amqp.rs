//! How many commands a second come from RabbitMQ into the store, beside a bare consumer of the same queue in the same
//! run; and how many events go out.
//!
//! Run it with `scripts/with-rabbitmq cargo bench --bench amqp`; the argument is how many commands. PostgreSQL is
//! measured where `CAREBELL_TEST_POSTGRES` names a server.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use carebell::amqp::topology;
use carebell::app::{App, House, Start};
use carebell::clock::Clock;
use carebell::config::Config;
use carebell::model::class::Lane;
use carebell::store::Store;
use carebell::store::testing::{self, TestStore};
use futures::StreamExt as _;
use futures::future::join_all;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

/// How many commands are on their way to the broker at once.
const AT_ONCE: usize = 500;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse().ok());
    let count: usize = numbers.next().unwrap_or(100_000);
    let Ok(node) = std::env::var("CAREBELL_TEST_AMQP") else {
        println!(
            "CAREBELL_TEST_AMQP names no broker, so nothing is measured: scripts/with-rabbitmq"
        );
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut tests = vec![testing::sqlite().await.unwrap()];
    if let Ok(server) = std::env::var("CAREBELL_TEST_POSTGRES") {
        tests.push(testing::postgres(&server).await.unwrap());
    }
    let url = vhost(&node);
    for (n, test) in tests.into_iter().enumerate() {
        let kind = if test.store.is_shared() {
            "PostgreSQL"
        } else {
            "SQLite"
        };
        fill(&url, count, n).await;
        let bare_s = bare(&url, count).await;
        fill(&url, count, n).await;
        measure(kind, &url, &test, count, bare_s).await;
    }
}

/// A virtual host of our own.
fn vhost(node: &str) -> String {
    let control = std::env::var("CAREBELL_TEST_AMQP_CONTROL").unwrap();
    let name = format!("bench_{}", std::process::id());
    assert!(
        Command::new(control)
            .args(["vhost", &name])
            .status()
            .unwrap()
            .success()
    );
    format!("{}/{name}", node.rsplit_once('/').unwrap().0)
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap()
}

/// Puts commands into the queue of the lane `bulk`, and waits until the broker has them all.
async fn fill(url: &str, count: usize, run: usize) {
    let connection = connect(url).await;
    topology::declare(&connection).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    for chunk in (0..count).collect::<Vec<_>>().chunks(AT_ONCE) {
        let sent = chunk.iter().map(|n| {
            let body = format!(
                "{{\"to\":{{\"phone\":\"+86138{n:08}\"}},\"text\":\"Dear patient {n}, we wish you a good year. Your hospital.\",\"reference\":\"bench-{n}\"}}"
            );
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_app_id("bench".into())
                .with_message_id(format!("bench-{run}-{n}").into());
            let channel = channel.clone();
            async move {
                let (exchange, key) = (topology::COMMANDS.into(), "message.send.clinical".into());
                let options = BasicPublishOptions::default();
                channel.basic_publish(exchange, key, options, body.as_bytes(), properties).await.unwrap().await.unwrap()
            }
        });
        assert!(join_all(sent).await.iter().all(lapin::Confirmation::is_ack));
    }
}

/// Takes all commands out and does nothing with them: what broker and client allow.
async fn bare(url: &str, count: usize) -> f64 {
    let channel = connect(url).await.create_channel().await.unwrap();
    channel
        .basic_qos(2000, BasicQosOptions::default())
        .await
        .unwrap();
    let (queue, none) = (topology::queue(Lane::Normal), FieldTable::default());
    let began = Instant::now();
    let mut consumer = channel
        .basic_consume(
            queue.into(),
            "bare".into(),
            BasicConsumeOptions::default(),
            none,
        )
        .await
        .unwrap();
    for n in 1..=count {
        let delivery = consumer.next().await.unwrap().unwrap();
        if n % 500 == 0 || n == count {
            channel
                .basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true })
                .await
                .unwrap();
        }
    }
    began.elapsed().as_secs_f64()
}

async fn measure(kind: &str, url: &str, test: &TestStore, count: usize, bare_s: f64) {
    let text = format!(
        "[site]\ntimezone = \"Asia/Shanghai\"\n[http]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         [database]\nurl = \"{}\"\n[rules]\ndir = \"nowhere\"\n[templates]\ndir = \"templates\"\n[log]\nlevel = \"warn\"\n\
         [providers.main]\nchannel = \"sms\"\nkind = \"smpp\"\nhost = \"127.0.0.1\"\nport = 9\nsystem_id = \"x\"\npassword = \"x\"\nsender = \"1\"\n\
         [amqp]\nurl = \"{url}\"\n",
        test.url
    );
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let config = Config::parse("bench", &text, std::iter::empty(), base).unwrap();
    let house = House::open(config).await.unwrap();
    let store = house.store.clone();
    let (began, cpu) = (Instant::now(), cpu_s());
    let start = Start {
        clock: Clock::System,
        pages: None,
        open_console: false,
    };
    let app = App::start(house, start).await.unwrap();
    let stored = "SELECT COUNT(*) FROM message";
    wait_for(&store, stored, count).await;
    let took_s = began.elapsed().as_secs_f64();
    let cpu = cpu_s() - cpu;
    println!(
        "{kind}: {count} commands stored in {took_s:.2} s, {:.0} a second; {:.2} ms of CPU each 1000 in this process; a bare consumer takes {bare_s:.2} s, {:.0} a second: {:.2} of it",
        number(count) / took_s,
        cpu * 1e6 / number(count),
        number(count) / bare_s,
        bare_s / took_s,
    );
    wait_for(
        &store,
        "SELECT cursor FROM outbox WHERE sink = 'amqp'",
        count,
    )
    .await;
    let told_s = began.elapsed().as_secs_f64();
    println!(
        "{kind}: their events are told {:.2} s after that, {:.0} a second from the start",
        told_s - took_s,
        number(count) / told_s
    );
    app.stop().await;
}

async fn wait_for(store: &Store, sql: &'static str, count: usize) {
    let count = i64::try_from(count).unwrap();
    let mut look = tokio::time::interval(Duration::from_millis(100));
    loop {
        let found: Option<(i64,)> = match store {
            Store::Sqlite { read, .. } => sqlx::query_as(sql).fetch_optional(read).await.unwrap(),
            Store::Postgres { pool } => sqlx::query_as(sql).fetch_optional(pool).await.unwrap(),
        };
        if found.is_some_and(|(found,)| found >= count) {
            return;
        }
        look.tick().await;
    }
}

/// What this process has used, in seconds.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks = |n: usize| fields[n].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn number(n: usize) -> f64 {
    n as f64
}
