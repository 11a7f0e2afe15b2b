//! The real binary, killed while it tells a webhook; and two of them beside each other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::clinic::daemon::{self, Daemon};
use crate::clinic::database::{self, Database};
use crate::clinic::http::Http;
use crate::clinic::receiver::{Heard, Receiver};

/// How many messages are enqueued; nobody carries them, so each is told of once.
const MESSAGES: usize = 600;
const CONFIG: &str = "[webhooks]\nallow = [\"127.0.0.1\"]\n";

async fn webhook(http: &Http, receiver: &Receiver) {
    let wish = json!({"name": "HIS", "url": receiver.url(), "types": ["message.failed"]});
    let made = http.post("/v1/webhooks", "", &wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

async fn enqueue(http: &Http) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for batch in 0..MESSAGES / 100 {
        let one = |n: usize| json!({"class": "clinical", "to": {"phone": format!("+86138{n:08}")}, "text": "Ready.", "idempotency_key": format!("k{n}")});
        let messages: Vec<Value> = (batch * 100..(batch + 1) * 100).map(one).collect();
        let answer = http
            .post("/v1/messages/batch", "", &json!({"messages": messages}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let results = answer.json();
        ids.extend(
            results["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(ids.len(), MESSAGES);
    ids
}

fn messages(heard: &[Heard]) -> Vec<String> {
    heard
        .iter()
        .map(|one| one.json()["data"]["id"].as_str().unwrap().to_owned())
        .collect()
}

/// In order, but for stretches that came again from further back.
fn has_order(heard: &[Heard]) -> bool {
    let mut first = BTreeSet::new();
    let new = heard.iter().filter(|one| first.insert(one.id().to_owned()));
    let places: Vec<i64> = new
        .map(|one| one.json()["sequence"].as_i64().unwrap())
        .collect();
    places.is_sorted()
}

async fn killed_twice(mut database: Database) {
    let receiver = Receiver::start().await;
    let (config, key) = daemon::prepare(&database, CONFIG).await;
    let mut running = Daemon::start(&config).await;
    let http = Http::new(running.address, &key);
    webhook(&http, &receiver).await;
    let ids = enqueue(&http).await;
    for kill in 1..=2 {
        receiver.has_heard(kill * MESSAGES / 4).await;
        running.kill_9();
        running = Daemon::start(&config).await;
    }
    receiver.has_heard_of(MESSAGES).await;
    let (ended, said) = running.stop();
    assert!(ended.success(), "{said}");
    let heard = receiver.heard();
    assert_eq!(
        messages(&heard).into_iter().collect::<BTreeSet<_>>(),
        ids,
        "told of each"
    );
    assert!(has_order(&heard));
    let again = heard.len() - MESSAGES;
    eprintln!(
        "{}: 2 kills, {again} of {MESSAGES} told again",
        database.kind
    );
    assert!(again <= MESSAGES, "{again}");
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_no_event_for_a_webhook_on_sqlite() {
    killed_twice(database::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_tell_a_webhook_once_and_one_takes_over_from_the_other() {
    let all = database::fresh().await.into_iter();
    for mut database in all.filter(|database| database.kind == "PostgreSQL") {
        let receiver = Receiver::start().await;
        // A lease lasts for two requests and half a minute: short ones, so that nobody waits long.
        let (config, key) = daemon::prepare(
            &database,
            &format!("{CONFIG}timeout = \"1s\"\nconnect_timeout = \"1s\"\n"),
        )
        .await;
        let (one, other) = (Daemon::start(&config).await, Daemon::start(&config).await);
        let http = Http::new(one.address, &key);
        webhook(&http, &receiver).await;
        enqueue(&http).await;
        receiver.has_heard_of(MESSAGES).await;
        assert_eq!(receiver.heard().len(), MESSAGES, "nothing came twice");
        assert!(has_order(&receiver.heard()));
        // Whichever had the lease: it is taken over.
        one.kill_9();
        let http = Http::new(other.address, &key);
        let body =
            json!({"class": "clinical", "to": {"phone": "+8613899999999"}, "text": "Ready."});
        assert_eq!(http.post("/v1/messages", "", &body).await.status, 202);
        receiver.has_heard_of(MESSAGES + 1).await;
        let (ended, said) = other.stop();
        assert!(ended.success(), "{said}");
        database.remove().await;
    }
}
