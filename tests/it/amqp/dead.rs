//! What can never be done is set aside with the reason, and people look after it.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::{ana, message, visit};
use crate::clinic::broker::{Broker, Heard, Word};
use crate::clinic::daemon::{self, carebell};
use crate::clinic::{Setup, database, each};

/// A number that may stand in no reason.
const NUMBER: &str = "13899990000";

#[expect(clippy::too_many_lines, reason = "a table")]
fn poison() -> Vec<(Word, &'static str)> {
    let text = |body: &str| Word {
        key: "message.send.clinical".to_owned(),
        id: None,
        body: body.to_owned(),
    };
    let send = |body: Value| text(&body.to_string());
    let to = json!({"phone": NUMBER});
    vec![
        (text("{\"to\": "), "invalid_json"),
        (text("[]"), "invalid_value"),
        (
            send(json!({"to": to, "text": "x", "class": "promotion"})),
            "class_disagrees",
        ),
        (
            send(json!({"to": to, "text": "x", NUMBER: 1})),
            "unknown_field",
        ),
        (send(json!({"to": to})), "missing_field"),
        (
            send(json!({"to": {"phone": "12"}, "text": NUMBER})),
            "invalid_value",
        ),
        (
            send(json!({"to": to, "template": "no_such"})),
            "unknown_template",
        ),
        (
            Word::new(
                "message.send.clinical",
                "key",
                &json!({"to": to, "text": "x", "idempotency_key": "other"}),
            ),
            "invalid_value",
        ),
        (
            Word::new("message.cancel", "c", &json!({"id": "msg_0000"})),
            "not_found",
        ),
        (
            Word::new(
                "message.cancel",
                "c",
                &json!({"id": "msg_1", "why": NUMBER}),
            ),
            "invalid_value",
        ),
        (
            Word::new("patient.upsert", "p", &json!({"name": {"full": NUMBER}})),
            "missing_field",
        ),
        (
            Word::new(
                "patient.upsert",
                "p",
                &json!({"source": "his", "key": "P9", "name": {"full": "A"}, "birth_date": NUMBER}),
            ),
            "invalid_value",
        ),
        (
            Word::new(
                "occasion.upsert",
                "o",
                &json!({"occasion": "his/A9", "patient": "his/P9", "kind": "x", "at": NUMBER}),
            ),
            "invalid_value",
        ),
        (
            Word::new(
                "occasion.cancel",
                "o",
                &json!({"occasion": "his/A9", "at": NUMBER}),
            ),
            "unknown_field",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_set_aside_with_a_reason_that_tells_nothing_private_and_harms_no_other() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    each(
        Setup {
            config: broker.config(""),
            ..Setup::default()
        },
        async |clinic| {
            broker.declare().await;
            for (n, (word, code)) in poison().into_iter().enumerate() {
                broker
                    .publish(&[word.clone(), message(n, "clinical")])
                    .await;
                let dead = broker.dead(1).await;
                let [letter] = &dead[..] else {
                    panic!("{dead:?}")
                };
                let reason = [
                    letter.header("x-carebell-code"),
                    letter.header("x-carebell-path"),
                    letter.header("x-carebell-expected"),
                ];
                assert_eq!(reason[0], code, "{word:?} {reason:?}");
                assert_eq!(
                    (&letter.body, &letter.key),
                    (&word.body, &word.key),
                    "the original is kept"
                );
                assert!(!reason.concat().contains(NUMBER), "{reason:?}");
            }
            let good = i64::try_from(poison().len()).unwrap();
            clinic
                .until("the others are there", async || {
                    clinic.one::<i64>("SELECT COUNT(*) FROM message").await == good
                })
                .await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_tells_of_is_set_aside_after_a_while_and_what_no_queue_wants_at_once() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    each(
        Setup {
            config: broker.config(""),
            ..Setup::default()
        },
        async |_| {
            broker.declare().await;
            let lonely = json!({"patient": "his/P404", "text": "x"});
            broker
                .publish(&[
                    Word::new("occasion.upsert", "o", &visit("2026-03-30T09:30", 1)),
                    Word::new("message.send.survey", "s", &lonely),
                    Word::new("message.send.reply", "r", &lonely),
                ])
                .await;
            let mut dead = broker.dead(3).await;
            dead.sort_by(|a, b| a.key.cmp(&b.key));
            let keys: Vec<&str> = dead.iter().map(|letter| letter.key.as_str()).collect();
            assert_eq!(
                keys,
                [
                    "message.send.reply",
                    "message.send.survey",
                    "occasion.upsert"
                ]
            );
            let codes: Vec<String> = dead[1..]
                .iter()
                .map(|letter: &Heard| letter.header("x-carebell-code"))
                .collect();
            assert_eq!(codes, ["unknown_patient", "unknown_patient"]);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensitive_patient_goes_nowhere_not_even_to_the_dead_letters() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    each(
        Setup {
            config: broker.config(""),
            ..Setup::default()
        },
        async |clinic| {
            broker.declare().await;
            let mut secret = ana();
            secret["sensitive"] = json!(true);
            broker
                .publish(&[
                    Word::new("patient.upsert", "p", &secret),
                    message(1, "clinical"),
                ])
                .await;
            clinic
                .until("the next is there", async || {
                    clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 1
                })
                .await;
            assert_eq!(clinic.one::<i64>("SELECT COUNT(*) FROM patient").await, 0);
            assert_eq!(broker.drain("carebell.dead").await.len(), 0);
        },
    )
    .await;
}

fn run(config: &Path, words: &[&str]) -> (Output, String) {
    let done = carebell(words, config).output().unwrap();
    let said = String::from_utf8(done.stdout.clone()).unwrap();
    (done, said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn people_declare_list_show_requeue_and_drop() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    let mut database = database::sqlite();
    let amqp = format!("[amqp]\nurl = \"{}\"\n", broker.url);
    let (config, _) = daemon::prepare(&database, &amqp).await;

    let (done, _) = run(&config, &["amqp", "dead", "list"]);
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(told.contains("run `carebell amqp declare`"), "{told}");
    let (done, said) = run(&config, &["amqp", "declare"]);
    assert!(
        done.status.success() && said.contains("queue carebell.commands.urgent is made"),
        "{said}"
    );
    let (done, said) = run(&config, &["amqp", "declare", "--json"]);
    assert!(done.status.success(), "{said}");
    let pieces: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        pieces.len() == 7 && pieces.iter().all(|piece| piece["was_there"] == true),
        "{said}"
    );

    let daemon = daemon::Daemon::start(&config).await;
    let lonely = |n: u32| json!({"patient": format!("his/P{n}"), "text": "Your report is ready."});
    let mut ana = ana();
    broker
        .publish(&[
            Word::new("message.send.clinical", "k1", &lonely(1)),
            Word::new("message.send.clinical", "k2", &lonely(2)),
            Word::new("message.send.clinical", "k3", &json!({"text": "x"})),
        ])
        .await;
    let deadline = std::time::Instant::now() + crate::clinic::PATIENCE;
    let letters = loop {
        let (done, said) = run(&config, &["amqp", "dead", "list", "--json"]);
        assert!(done.status.success(), "{done:?}");
        let letters: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if letters.len() == 3 || std::time::Instant::now() > deadline {
            break letters;
        }
    };
    assert_eq!(letters.len(), 3, "{letters:?}");
    let find = |key: &str| {
        letters
            .iter()
            .find(|letter| letter["message_id"] == key)
            .unwrap()
            .clone()
    };
    let (first, third) = (find("k1"), find("k3"));
    assert_eq!(
        (first["code"].as_str(), third["code"].as_str()),
        (Some("unknown_patient"), Some("missing_field"))
    );
    assert_eq!(first["client"], "his");
    let id = first["id"].as_str().unwrap();
    let (_, said) = run(&config, &["amqp", "dead", "show", id]);
    assert!(
        said.contains("unknown_patient") && !said.contains("report is ready"),
        "{said}"
    );
    let (_, said) = run(&config, &["amqp", "dead", "show", id, "--body", "--json"]);
    assert!(said.contains("report is ready"), "{said}");

    ana["key"] = json!("P1");
    broker
        .publish(&[Word::new("patient.upsert", "p", &ana)])
        .await;
    let (done, said) = run(&config, &["amqp", "dead", "requeue", id]);
    assert!(
        done.status.success() && said.contains("1 requeued"),
        "{said}"
    );
    let store = database.open().await;
    let deadline = std::time::Instant::now() + crate::clinic::PATIENCE;
    let mut look = tokio::time::interval(crate::clinic::LOOK);
    let sql = "SELECT source, dedupe_key FROM message";
    while database::rows::<(String, String)>(&store, sql).await
        != [("amqp:his".to_owned(), "k1".to_owned())]
    {
        assert!(
            std::time::Instant::now() < deadline,
            "the command was not given again"
        );
        look.tick().await;
    }
    let (_, said) = run(
        &config,
        &["amqp", "dead", "drop", "--code", "missing_field"],
    );
    assert!(said.contains("1 dropped"), "{said}");
    let (_, said) = run(&config, &["amqp", "dead", "drop", "--all", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&said).unwrap()["dropped"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    let (done, said) = run(&config, &["amqp", "dead", "drop", id]);
    assert_eq!((done.status.code(), said.trim()), (Some(1), "0 dropped."));
    let (_, said) = run(&config, &["amqp", "dead", "list"]);
    assert_eq!(said.trim(), "There are none.");
    store.close().await;
    let (ended, said) = daemon.stop();
    assert!(ended.success(), "{said}");
    database.remove().await;
}
