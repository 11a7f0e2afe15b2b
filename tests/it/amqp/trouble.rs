//! Whatever happens to broker, daemon and database: what was published is stored exactly once.

use std::collections::BTreeSet;
use std::time::Duration;

use carebell::clock::Clock;
use carebell::simulator::conduct::Conduct;
use carebell::store::Store;
use serde_json::json;

use super::{message, number};
use crate::clinic::broker::{Broker, Word, control};
use crate::clinic::carrier::Carrier;
use crate::clinic::daemon::{self, Daemon};
use crate::clinic::database::{self, Database};
use crate::clinic::{Clinic, LOOK, PATIENCE, Setup, each, provider};

/// How many commands are published while something breaks.
const MANY: usize = 4000;

fn many() -> Vec<Word> {
    let classes = ["urgent", "clinical", "promotion", "appointment"];
    (0..MANY)
        .map(|n| message(n, classes[n % classes.len()]))
        .collect()
}

/// Every key once, and nothing else.
async fn has_all(clinic: &Clinic) {
    let all = "SELECT COUNT(*) FROM message";
    let count = i64::try_from(MANY).unwrap();
    clinic
        .until("all are stored", async || {
            clinic.one::<i64>(all).await >= count
        })
        .await;
    let keys: Vec<(String,)> = clinic.rows("SELECT dedupe_key FROM message").await;
    let distinct: BTreeSet<String> = keys.iter().map(|key| key.0.clone()).collect();
    assert_eq!((keys.len(), distinct.len()), (MANY, MANY));
    assert!((0..MANY).all(|n| distinct.contains(&format!("k{n}"))));
}

async fn breaks(conduct: impl AsyncFn(&Clinic)) {
    let Some(broker) = Broker::alone().await else {
        return;
    };
    each(
        Setup {
            config: broker.config(""),
            ..Setup::default()
        },
        async |clinic| {
            broker.declare().await;
            let words = many();
            let publishing = broker.publish(&words);
            let breaking = async {
                let some = i64::try_from(MANY / 8).unwrap();
                clinic
                    .until("it is under way", async || {
                        clinic.one::<i64>("SELECT COUNT(*) FROM message").await >= some
                    })
                    .await;
                conduct(clinic).await;
            };
            futures::join!(publishing, breaking);
            has_all(clinic).await;
            assert_eq!(broker.drain("carebell.dead").await.len(), 0);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_stopped_and_started_under_load_loses_nothing_and_doubles_nothing() {
    breaks(async |clinic| {
        for _ in 0..2 {
            control(&["stop_app"]);
            control(&["start_app"]);
            clinic.settle().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_is_made_anew_and_nobody_is_needed() {
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
            broker.publish(&[message(1, "urgent")]).await;
            clinic
                .until("it is there", async || {
                    clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 1
                })
                .await;
            broker.delete("carebell.commands.urgent").await;
            clinic
                .until("the queue is back", async || {
                    broker.count("carebell.commands.urgent").await.is_some()
                })
                .await;
            broker.publish(&[message(2, "urgent")]).await;
            clinic
                .until("the next is there", async || {
                    clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 2
                })
                .await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_takes_no_writes_commands_are_held_and_none_is_set_aside() {
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
            // Somebody else holds the file, or the table, for longer than anybody waits for a lock.
            let store = Store::open(
                &clinic.app().house.config.database.url,
                std::path::Path::new(""),
            )
            .await
            .unwrap();
            let mut lock = store.write().await.unwrap();
            lock.run(if store.is_shared() {
                "LOCK TABLE message IN ACCESS EXCLUSIVE MODE"
            } else {
                "UPDATE outbox SET cursor = cursor"
            })
            .await
            .unwrap();
            broker.publish(&many()[..200]).await;
            let mut look = tokio::time::interval(Duration::from_secs(7));
            look.tick().await;
            look.tick().await;
            assert_eq!(broker.drain("carebell.dead").await.len(), 0);
            lock.rollback().await.unwrap();
            store.close().await;
            clinic
                .until("all are stored", async || {
                    clinic.one::<i64>("SELECT COUNT(*) FROM message").await == 200
                })
                .await;
            clinic
                .until("all are acknowledged", async || {
                    broker.count("carebell.commands.urgent").await == Some(0)
                        && broker.count("carebell.commands.bulk").await == Some(0)
                })
                .await;
            assert_eq!(broker.drain("carebell.dead").await.len(), 0);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_the_daemon_in_the_middle_loses_nothing_and_stores_nothing_twice() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    for database in database::fresh().await {
        kill_again_and_again(&broker, database).await;
    }
}

async fn kill_again_and_again(broker: &Broker, mut database: Database) {
    let mut carrier = Carrier::start(Conduct::default(), Clock::System, false).await;
    let more = provider("main", carrier.line.address.port(), "") + broker.config("");
    let (config, _) = daemon::prepare(&database, &more).await;
    broker.declare().await;
    broker.publish(&many()).await;
    let store = database.open().await;
    let mut running = Daemon::start(&config).await;
    let mut look = tokio::time::interval(LOOK / 5);
    let count =
        async || database::rows::<(i64,)>(&store, "SELECT COUNT(*) FROM message").await[0].0;
    for kill in 1..=4 {
        let enough = kill * i64::try_from(MANY / 8).unwrap();
        let until = std::time::Instant::now() + PATIENCE;
        while count().await < enough {
            assert!(
                std::time::Instant::now() < until,
                "nothing comes in any more: {}",
                count().await
            );
            look.tick().await;
        }
        running.kill_9();
        running = Daemon::start(&config).await;
    }
    let until = std::time::Instant::now() + PATIENCE * 2;
    let open = "SELECT COUNT(*) FROM message WHERE state <> 'delivered'";
    while count().await < i64::try_from(MANY).unwrap()
        || database::rows::<(i64,)>(&store, open).await != [(0,)]
    {
        assert!(
            std::time::Instant::now() < until,
            "{} of {MANY}",
            count().await
        );
        look.tick().await;
    }
    let keys: Vec<(String,)> =
        database::rows(&store, "SELECT DISTINCT dedupe_key FROM message").await;
    assert_eq!(
        (keys.len(), count().await),
        (MANY, i64::try_from(MANY).unwrap())
    );
    let lost = (0..MANY)
        .filter(|n| carrier.network.phone(&number(*n)).thread().is_empty())
        .count();
    assert_eq!(lost, 0);
    assert_eq!(broker.drain("carebell.dead").await.len(), 0);
    store.close().await;
    let (ended, said) = running.stop();
    assert!(ended.success(), "{said}");
    carrier.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_topology_the_daemon_says_the_command_and_goes_on_when_somebody_gave_it() {
    let Some(broker) = Broker::shared().await else {
        return;
    };
    let mut database = database::sqlite();
    let (config, _) =
        daemon::prepare(&database, &format!("[amqp]\nurl = \"{}\"\n", broker.url)).await;
    let daemon = Daemon::start(&config).await;
    let mut look = tokio::time::interval(LOOK);
    let until = std::time::Instant::now() + PATIENCE;
    while !daemon.said().contains("run `carebell amqp declare`") {
        assert!(std::time::Instant::now() < until, "{}", daemon.said());
        look.tick().await;
    }
    broker.declare().await;
    broker
        .publish(&[Word::new(
            "message.send.urgent",
            "k",
            &json!({"to": {"phone": number(1)}, "text": "Go."}),
        )])
        .await;
    let store = database.open().await;
    while database::rows::<(i64,)>(&store, "SELECT COUNT(*) FROM message").await != [(1,)] {
        assert!(std::time::Instant::now() < until, "{}", daemon.said());
        look.tick().await;
    }
    store.close().await;
    let (ended, said) = daemon.stop();
    assert!(ended.success(), "{said}");
    database.remove().await;
}
