//! What commands do.

use serde_json::json;

use super::{ana, message, visit};
use crate::clinic::broker::{Broker, Word};
use crate::clinic::{Clinic, Setup, each};

async fn on(broker: &Broker, scenario: impl AsyncFn(&mut Clinic)) {
    let config = broker.config("");
    each(
        Setup {
            config,
            ..Setup::default()
        },
        scenario,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_routing_key_does_its_work() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    on(&broker, async |clinic| {
        broker.declare().await;
        broker.publish(&[Word::new("patient.upsert", "p", &ana())]).await;
        clinic.until("the patient is there", async || {
            clinic.one::<i64>("SELECT COUNT(*) FROM patient WHERE source_key = 'P1'").await == 1
        }).await;
        broker.publish(&[Word::new("occasion.upsert", "o", &visit("2026-03-30T09:30", 1))]).await;
        clinic.until("the booking is there", async || {
            clinic.one::<i64>("SELECT COUNT(*) FROM occasion WHERE source_key = 'A1' AND status = 'booked'").await == 1
        }).await;
        let classes = ["urgent", "appointment", "clinical", "survey", "health_tip", "invitation", "greeting", "promotion"];
        let sends: Vec<Word> = classes.iter().enumerate().map(|(n, class)| message(n + 10, class)).collect();
        broker.publish(&sends).await;
        clinic.until("one message of each class is there", async || {
            let found: Vec<(String, String)> = clinic.rows("SELECT class, source FROM message ORDER BY created_at").await;
            classes.iter().all(|class| found.contains(&((*class).to_owned(), "amqp:his".to_owned())))
        }).await;
        let later = json!({"to": {"phone": "+8613800000002"}, "text": "Later", "send_at": "2026-03-21T10:00:00+08:00"});
        broker.publish(&[Word::new("message.send.clinical", "later", &later), Word::new("message.send.clinical", "later2", &later)]).await;
        let both = "SELECT id FROM message WHERE dedupe_key IN ('later', 'later2') AND state = 'scheduled' ORDER BY dedupe_key";
        clinic.until("both are there", async || clinic.rows::<(String,)>(both).await.len() == 2).await;
        let ids: Vec<(String,)> = clinic.rows(both).await;
        broker.publish(&[
            Word::new("message.cancel", "c1", &json!({"idempotency_key": "later"})),
            Word::new("message.cancel", "c2", &json!({"id": ids[1].0})),
            Word::new("occasion.cancel", "oc", &json!({"occasion": "his/A1"})),
        ]).await;
        clinic.until("messages and booking are called off", async || {
            clinic.one::<i64>("SELECT COUNT(*) FROM message WHERE state = 'cancelled'").await == 2
                && clinic.one::<i64>("SELECT COUNT(*) FROM occasion WHERE status = 'cancelled'").await == 1
        }).await;
        clinic.settle().await;
        assert_eq!(clinic.phone(&super::number(10)).last(), "Result 10 is ready.");
        assert_eq!(broker.drain("carebell.dead").await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_twice_is_one_message() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    on(&broker, async |clinic| {
        broker.declare().await;
        broker
            .publish(&[
                message(1, "clinical"),
                message(1, "clinical"),
                message(2, "clinical"),
            ])
            .await;
        broker.publish(&[message(1, "clinical")]).await;
        clinic
            .until("both are there", async || {
                clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 2
            })
            .await;
        clinic
            .until("all is taken", async || {
                broker.count("carebell.commands.normal").await == Some(0)
            })
            .await;
        clinic.settle().await;
        assert_eq!(clinic.one::<i64>("SELECT COUNT(*) FROM message").await, 2);
        assert_eq!(clinic.phone(&super::number(1)).texts().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_called_off_before_it_comes_never_goes_out() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    on(&broker, async |clinic| {
        broker.declare().await;
        broker
            .publish(&[Word::new(
                "message.cancel",
                "c",
                &json!({"idempotency_key": "k7"}),
            )])
            .await;
        clinic
            .until("the word is kept", async || {
                clinic.one::<i64>("SELECT COUNT(*) FROM called_off").await == 1
            })
            .await;
        broker
            .publish(&[message(7, "promotion"), message(8, "promotion")])
            .await;
        clinic
            .until("both are there", async || {
                clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 2
            })
            .await;
        clinic.settle().await;
        let states: Vec<(String, String)> = clinic
            .rows("SELECT dedupe_key, state FROM message ORDER BY 1")
            .await;
        assert_eq!(states[0], ("k7".to_owned(), "cancelled".to_owned()));
        assert_ne!(states[1].1, "cancelled");
        assert_eq!(clinic.phone(&super::number(7)).texts().len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_comes_before_its_patient_waits_and_its_cancel_waits_behind_it() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    on(&broker, async |clinic| {
        broker.declare().await;
        let other = json!({"occasion": "his/A2", "patient": "his/P1", "kind": "appointment", "at": "2026-03-31T09:30"});
        broker.publish(&[
            Word::new("occasion.upsert", "o1", &visit("2026-03-30T09:30", 1)),
            Word::new("occasion.cancel", "o2", &json!({"source": "his", "key": "A1"})),
            Word::new("occasion.upsert", "o3", &other),
            message(1, "urgent"),
        ]).await;
        // What follows is not held up.
        clinic.until("the message is there", async || clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 1).await;
        broker.publish(&[Word::new("patient.upsert", "p", &ana())]).await;
        clinic.until("both bookings are there", async || {
            clinic.one::<i64>("SELECT COUNT(*) FROM occasion").await == 2
                && clinic.one::<i64>("SELECT COUNT(*) FROM occasion WHERE status = 'cancelled'").await == 1
        }).await;
        let states: Vec<(String, String)> = clinic.rows("SELECT source_key, status FROM occasion ORDER BY 1").await;
        assert_eq!(states, [("A1".to_owned(), "cancelled".to_owned()), ("A2".to_owned(), "booked".to_owned())]);
        assert_eq!(broker.drain("carebell.dead").await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_cancelled_and_stored_again_ends_as_stored() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    on(&broker, async |clinic| {
        broker.declare().await;
        clinic.somebody("P1", "Ana", "+8613800000001").await;
        let cancel = Word::new(
            "occasion.cancel",
            "c",
            &json!({"source": "his", "key": "A1"}),
        );
        let mut words = Vec::new();
        for version in 1..=9 {
            words.push(Word::new(
                "occasion.upsert",
                "o",
                &visit(&format!("2026-03-30T09:0{version}"), version),
            ));
            words.push(cancel.clone());
        }
        words.push(Word::new(
            "occasion.upsert",
            "o",
            &visit("2026-03-30T10:30", 20),
        ));
        // One after the other: that is the order in which they stand in the queue.
        for word in words {
            broker.publish(&[word]).await;
        }
        clinic
            .until("the last word is heard", async || {
                let found: Vec<(String, String)> =
                    clinic.rows("SELECT status, local_at FROM occasion").await;
                found
                    .first()
                    .is_some_and(|(status, at)| status == "booked" && at.contains("10:30"))
            })
            .await;
        assert_eq!(broker.drain("carebell.dead").await.len(), 0);
    })
    .await;
}
