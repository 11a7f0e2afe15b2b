//! The real binary, killed and started again: nothing accepted is lost, what may have gone twice is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use carebell::clock::Clock;
use carebell::simulator::conduct::{Conduct, Receipts};
use carebell::store::Store;
use serde_json::json;
use tokio::sync::watch;

use crate::clinic::carrier::Carrier;
use crate::clinic::daemon::{self, Daemon, carebell};
use crate::clinic::database::{self, Database};
use crate::clinic::http::Http;
use crate::clinic::{LOOK, PATIENCE, provider};

/// How many messages are enqueued.
const MESSAGES: usize = 2000;
/// How many in one request.
const BATCH: usize = 100;
/// How many submits may wait for their answer.
const WINDOW: usize = 20;
/// How often the daemon is killed.
const KILLS: u64 = 4;
/// How many submits pass between two kills.
const APART: u64 = 350;

/// A network that takes its time, so that the window is full when the daemon dies.
fn slow(receipts: Receipts) -> Conduct {
    Conduct {
        answer_after: Duration::from_millis(20),
        receipts,
        ..Conduct::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_on_sqlite_loses_nothing_and_flags_what_came_twice() {
    let silent = Receipts {
        silent: true,
        ..Receipts::default()
    };
    let twice = kill_again_and_again(database::sqlite(), slow(silent)).await;
    assert!(
        twice > 0,
        "the test is too tame: without receipts some must have gone twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_come_while_we_wait_spare_the_second_copy() {
    kill_again_and_again(database::sqlite(), slow(Receipts::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_on_postgres_loses_nothing_and_flags_what_came_twice() {
    for database in database::fresh()
        .await
        .into_iter()
        .filter(|database| database.kind == "PostgreSQL")
    {
        let silent = Receipts {
            silent: true,
            ..Receipts::default()
        };
        kill_again_and_again(database, slow(silent)).await;
    }
}

/// Enqueues and kills; says how many messages came twice.
async fn kill_again_and_again(mut database: Database, conduct: Conduct) -> usize {
    let has_receipts = !conduct.receipts.silent;
    let mut carrier = Carrier::start(conduct, Clock::System, false).await;
    let more =
        provider("main", carrier.line.address.port(), "") + "[delivery]\nuncertain_wait = \"1s\"\n";
    let (config, key) = daemon::prepare(&database, &more).await;
    let mut running = Daemon::start(&config).await;
    let address = watch::Sender::new(running.address);
    let enqueueing = tokio::spawn(enqueue(address.subscribe(), key.clone()));
    for kill in 1..=KILLS {
        carrier.has_seen(kill * APART).await;
        running.kill_9();
        running = Daemon::start(&config).await;
        address.send_replace(running.address);
    }
    let ids = enqueueing.await.unwrap();
    let store = database.open().await;
    let twice = all_arrive(
        &store,
        &carrier,
        &ids,
        WINDOW * usize::try_from(KILLS).unwrap(),
        has_receipts,
    )
    .await;
    let http = Http::new(running.address, &key);
    if let Some(n) = twice.first() {
        let shown = http.get(&format!("/v1/messages/{}", ids[*n])).await.json();
        assert_eq!(shown["possible_duplicate"], true, "{shown}");
    }
    eprintln!(
        "{}: {KILLS} kills, {} came twice, {:?}",
        database.kind,
        twice.len(),
        states(&store).await
    );
    store.close().await;
    let (ended, said) = running.stop();
    assert!(ended.success(), "{said}");
    carrier.stop().await;
    database.remove().await;
    twice.len()
}

/// Waits until every message has come to its end, and holds what arrived against what was accepted.
/// Gives those that came twice.
async fn all_arrive(
    store: &Store,
    carrier: &Carrier,
    ids: &[String],
    most: usize,
    has_receipts: bool,
) -> Vec<usize> {
    const OPEN: &str = "SELECT COUNT(*) FROM message WHERE state IN ('scheduled', 'queued', 'sending', 'uncertain')";
    const UNTOLD: &str =
        "SELECT COUNT(*) FROM message WHERE state NOT IN ('delivered', 'unconfirmed')";
    let mut look = tokio::time::interval(LOOK * 5);
    let until = Instant::now() + PATIENCE * 2;
    while database::rows::<(i64,)>(store, if has_receipts { UNTOLD } else { OPEN }).await != [(0,)]
    {
        assert!(
            Instant::now() < until,
            "messages are left open: {:?}",
            states(store).await
        );
        look.tick().await;
    }
    let rows: Vec<(String, String, bool)> =
        database::rows(store, "SELECT id, state, possible_dup FROM message").await;
    let rows: BTreeMap<String, (String, bool)> = rows
        .into_iter()
        .map(|(id, state, flag)| (id, (state, flag)))
        .collect();
    let arrived: Vec<usize> = (0..ids.len())
        .map(|n| carrier.network.phone(&number(n)).thread().len())
        .collect();
    let lost: Vec<usize> = (0..ids.len()).filter(|n| arrived[*n] == 0).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
    assert_eq!(
        rows.len(),
        ids.len(),
        "what was accepted twice is one message"
    );
    let copies: usize = arrived.iter().map(|times| times - 1).sum();
    assert!(copies <= most, "{copies} copies are more than {most}");
    let twice: Vec<usize> = (0..ids.len()).filter(|n| arrived[*n] > 1).collect();
    for n in &twice {
        let (state, is_flagged) = &rows[&ids[*n]];
        assert!(
            is_flagged,
            "message {n} came {} times unflagged, {state}",
            arrived[*n]
        );
    }
    let good = if has_receipts {
        "delivered"
    } else {
        "submitted"
    };
    let not_good = rows
        .values()
        .filter(|(state, _)| state != good && state != "unconfirmed")
        .count();
    assert_eq!(not_good, 0, "{:?}", states(store).await);
    twice
}

async fn states(store: &Store) -> Vec<(String, i64)> {
    database::rows(
        store,
        "SELECT state, COUNT(*) FROM message GROUP BY state ORDER BY state",
    )
    .await
}

fn number(n: usize) -> String {
    format!("+86138{n:08}")
}

/// Enqueues them all by HTTP, asking again with the same keys while the daemon is away. Gives their ids in order.
async fn enqueue(mut address: watch::Receiver<std::net::SocketAddr>, key: String) -> Vec<String> {
    let mut ids = Vec::new();
    for batch in 0..MESSAGES / BATCH {
        let messages: Vec<_> = (batch * BATCH..(batch + 1) * BATCH)
            .map(|n| json!({"class": "clinical", "to": {"phone": number(n)}, "text": format!("Result {n} is ready."), "idempotency_key": format!("k{n}")}))
            .collect();
        let body = json!({"messages": messages}).to_string();
        ids.extend(loop {
            let http = Http::new(*address.borrow_and_update(), &key);
            match http.ask("POST", "/v1/messages/batch", "", &body).await {
                Ok(answer) if answer.status == 200 => break accepted(&answer.json()),
                Ok(answer) => panic!("{answer:?}"),
                // Gone: ask the next one.
                Err(_) => address.changed().await.unwrap(),
            }
        });
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), MESSAGES);
    ids
}

fn accepted(body: &serde_json::Value) -> Vec<String> {
    let results = body["results"].as_array().unwrap();
    results
        .iter()
        .map(|one| {
            one["id"]
                .as_str()
                .unwrap_or_else(|| panic!("refused: {one}"))
                .to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_share_a_postgres_and_one_finishes_what_the_other_left() {
    for mut database in database::fresh()
        .await
        .into_iter()
        .filter(|database| database.kind == "PostgreSQL")
    {
        let mut carrier = Carrier::start(slow(Receipts::default()), Clock::System, false).await;
        let more = provider("main", carrier.line.address.port(), "")
            + "[delivery]\nuncertain_wait = \"1s\"\n";
        let (config, key) = daemon::prepare(&database, &more).await;
        let (stays, falls) = (Daemon::start(&config).await, Daemon::start(&config).await);
        let address = watch::Sender::new(stays.address);
        let enqueueing = tokio::spawn(enqueue(address.subscribe(), key));
        carrier.has_seen(APART * 2).await;
        falls.kill_9();
        let ids = enqueueing.await.unwrap();
        let store = database.open().await;
        let owners: Vec<(String,)> =
            database::rows(&store, "SELECT DISTINCT owner FROM attempt").await;
        assert_eq!(owners.len(), 2, "both carried");
        all_arrive(&store, &carrier, &ids, WINDOW, true).await;
        store.close().await;
        let (ended, said) = stays.stop();
        assert!(ended.success(), "{said}");
        carrier.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_the_same_file_and_a_taken_port_are_refused_with_the_reason() {
    let database = database::sqlite();
    let (config, _) = daemon::prepare(&database, "").await;
    let begun = Instant::now();
    let running = Daemon::start(&config).await;
    eprintln!(
        "up after {:?}, {} KiB resident",
        begun.elapsed(),
        running.resident_kib()
    );
    let second = carebell(&["serve"], &config).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(3), "{said}");
    assert!(said.contains("another `carebell serve` works on"), "{said}");

    let other = database::sqlite();
    let (config, _) = daemon::prepare(&other, "").await;
    let text = std::fs::read_to_string(&config).unwrap();
    let taken = format!("[http]\nlisten = \"{}\"", running.address);
    std::fs::write(
        &config,
        text.replacen("[http]\nlisten = \"127.0.0.1:0\"", &taken, 1),
    )
    .unwrap();
    let third = carebell(&["serve"], &config).output().unwrap();
    let said = String::from_utf8_lossy(&third.stderr);
    assert_eq!(third.status.code(), Some(3), "{said}");
    assert!(said.contains("is taken"), "{said}");
    let (ended, said) = running.stop();
    assert!(ended.success(), "{said}");
}
