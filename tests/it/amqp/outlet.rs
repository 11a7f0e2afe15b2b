//! What the broker is told.

use std::collections::{BTreeMap, BTreeSet};

use super::message;
use crate::clinic::broker::{Broker, control};
use crate::clinic::{Setup, each};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_a_message_is_told_as_cloudevents() {
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
            let mut ear = broker.listen("message.#").await;
            broker.publish(&[message(1, "urgent")]).await;
            clinic
                .until("it is there", async || {
                    clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 1
                })
                .await;
            clinic.settle().await;
            let id: String = clinic.one("SELECT id FROM message").await;
            for state in ["queued", "submitted", "delivered"] {
                let heard = ear.next().await;
                let event = heard.json();
                assert_eq!(
                    (heard.key.as_str(), event["type"].as_str()),
                    (
                        format!("message.{state}").as_str(),
                        Some(heard.key.as_str())
                    )
                );
                assert_eq!(event["specversion"], "1.0");
                assert_eq!(event["source"], "/carebell");
                assert_eq!(
                    (
                        &event["data"]["id"],
                        &event["data"]["state"],
                        &event["data"]["reference"]
                    ),
                    (&id.as_str().into(), &state.into(), &"r1".into())
                );
                assert_eq!(
                    event["id"].as_str(),
                    heard.properties.message_id().as_ref().map(|id| id.as_str())
                );
                assert!(
                    event["time"]
                        .as_str()
                        .is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok())
                );
                assert_eq!(*heard.properties.delivery_mode(), Some(2));
                let kind = heard
                    .properties
                    .content_type()
                    .as_ref()
                    .map(|kind| kind.as_str().to_owned());
                assert!(kind.is_some_and(|kind| kind.starts_with("application/cloudevents+json")));
                assert!(
                    !heard.body.contains("13800000001") && !heard.body.contains("Result"),
                    "{}",
                    heard.body
                );
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_events_wait_and_then_come_in_order() {
    let Some(broker) = Broker::alone().await else {
        return;
    };
    each(Setup { config: broker.config(""), ..Setup::default() }, async |clinic| {
        broker.declare().await;
        let queue = "absent_reader";
        broker.bind(queue, "#").await;
        let http = clinic.http().await;
        let send = async |n: usize| {
            let word = message(n, "clinical");
            let mut body: serde_json::Value = serde_json::from_str(&word.body).unwrap();
            body["class"] = "clinical".into();
            assert_eq!(http.post("/v1/messages", "", &body).await.status, 202);
        };
        for n in 0..20 {
            send(n).await;
        }
        control(&["stop_app"]);
        for n in 20..60 {
            send(n).await;
        }
        clinic.settle().await;
        control(&["start_app"]);
        clinic.until("all is told", async || {
            clinic.one::<i64>("SELECT (SELECT MAX(seq) FROM event) - (SELECT cursor FROM outbox WHERE sink = 'amqp')").await == 0
        }).await;
        let heard = broker.drain(queue).await;
        let mut told: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        let mut highest = 0;
        for event in heard.iter().map(|heard| heard.json()) {
            let sequence: u64 = event["sequence"].as_str().unwrap().parse().unwrap();
            told.entry(sequence).or_default().insert(event["id"].as_str().unwrap().to_owned());
            // A chunk that was not confirmed comes again as a whole; nothing is ever skipped.
            assert!(sequence <= highest + 1, "{sequence} came after {highest}");
            highest = highest.max(sequence);
        }
        let events: Vec<(i64, String)> = clinic.rows("SELECT seq, id FROM event ORDER BY seq").await;
        assert_eq!(told.len(), events.len());
        for (seq, id) in events {
            assert_eq!(told[&u64::try_from(seq).unwrap()], BTreeSet::from([id]), "the id is always the same");
        }
        broker.delete(queue).await;
    })
    .await;
}
