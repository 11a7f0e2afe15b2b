//! Several ways out: who is down, refuses us or errs is passed by, and never at the price of a second copy.

use carebell::simulator::conduct::{Conduct, Refusal};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::clinic::{Clinic, Setup, each};

/// `ESME_RINVSYSID`: our account is at fault.
const ACCOUNT: u32 = 0x0F;
/// `ESME_RSYSERR`: the carrier has trouble of its own.
const TROUBLE: u32 = 0x08;

fn two(main: Conduct) -> Setup {
    Setup {
        carriers: vec![("main", main, ""), ("spare", Conduct::default(), "")],
        ..Setup::default()
    }
}

/// A network that refuses all with `status`.
fn refusing(status: u32) -> Conduct {
    Conduct {
        refusals: vec![Refusal {
            prefix: String::new(),
            status,
        }],
        ..Conduct::default()
    }
}

async fn enqueue(clinic: &Clinic, from: usize, count: usize) {
    let message = |n: usize| json!({"class": "clinical", "to": {"phone": format!("+86138{n:08}")}, "text": "Your result is ready."});
    let messages: Vec<Value> = (from..from + count).map(message).collect();
    let http = clinic.http().await;
    let answer = http
        .post("/v1/messages/batch", "", &json!({"messages": messages}))
        .await;
    let results = answer.json()["results"].clone();
    assert!(
        results
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["state"] == "queued"),
        "{results}"
    );
}

/// What was told of a kind so far, in order.
async fn told(clinic: &Clinic, kind: &str) -> Vec<Value> {
    let all: Vec<(String, String)> = clinic
        .rows("SELECT type, data FROM event ORDER BY id")
        .await;
    all.into_iter()
        .filter(|event| event.0 == kind)
        .map(|event| serde_json::from_str(&event.1).unwrap())
        .collect()
}

/// Lets seconds pass until `count` events of `kind` were told.
async fn until_told(clinic: &Clinic, kind: &str, count: usize) {
    clinic
        .until(kind, async || {
            clinic.clock.advance(SignedDuration::from_secs(1));
            told(clinic, kind).await.len() >= count
        })
        .await;
    // The routes follow what was told at once, but not in its transaction.
    clinic
        .until("the routes follow", async || {
            let down = clinic.app().house.desk.routes.live().down;
            down.is_empty() == (kind != "provider.down")
        })
        .await;
}

fn submits(clinic: &Clinic) -> (u64, u64) {
    (
        clinic.carrier_of("main").submits(),
        clinic.carrier_of("spare").submits(),
    )
}

#[tokio::test]
async fn what_waits_for_a_provider_that_is_down_goes_by_the_next_until_it_is_back() {
    each(two(Conduct::default()), async |clinic| {
        clinic.settle().await;
        clinic.carrier_of("main").line.cut();
        clinic
            .until("the bind is gone", async || {
                let providers = clinic.http().await.get("/v1/providers").await.json();
                providers["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| one["up"] == false)
            })
            .await;
        enqueue(clinic, 0, 5).await;
        until_told(clinic, "provider.down", 1).await;
        clinic.settle().await;
        enqueue(clinic, 5, 5).await;
        clinic.settle().await;
        assert_eq!(submits(clinic), (0, 10));
        assert_eq!(clinic.states().await, ["delivered"; 10]);
        clinic.carrier_of("main").line.mend();
        until_told(clinic, "provider.up", 1).await;
        enqueue(clinic, 10, 3).await;
        clinic.settle().await;
        assert_eq!(submits(clinic), (3, 10));
        assert_eq!(
            told(clinic, "provider.down").await,
            [json!({"provider": "main", "state": "down"})]
        );
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_refuses_our_account_is_left_alone_and_tried_again_by_one() {
    each(two(refusing(ACCOUNT)), async |clinic| {
        enqueue(clinic, 0, 30).await;
        until_told(clinic, "provider.down", 1).await;
        clinic
            .until("all left by the other", async || {
                clinic.clock.advance(SignedDuration::from_millis(200));
                clinic
                    .states()
                    .await
                    .iter()
                    .all(|state| state == "delivered")
            })
            .await;
        let attempts: i64 = clinic
            .one("SELECT CAST(SUM(attempts) AS BIGINT) FROM message")
            .await;
        assert_eq!((attempts, submits(clinic).1), (0, 30));
        clinic
            .carrier_of("main")
            .network
            .set_conduct(Conduct::default());
        until_told(clinic, "provider.up", 1).await;
        // It carries again, with fewer points than before: its refusals count.
        let before = submits(clinic).0;
        enqueue(clinic, 30, 50).await;
        clinic.settle().await;
        assert!(submits(clinic).0 > before, "{:?}", submits(clinic));
    })
    .await;
}

#[tokio::test]
async fn with_one_provider_alone_a_fault_of_the_account_burns_no_attempt_and_few_tries() {
    each(Setup::with(refusing(ACCOUNT)), async |clinic| {
        enqueue(clinic, 0, 200).await;
        // The window of 20 was out already; after that one at a time tries.
        until_told(clinic, "provider.down", 1).await;
        for _ in 0..10 {
            clinic.clock.advance(SignedDuration::from_secs(30));
            let tries = clinic.carrier().submits();
            clinic.ring();
            clinic
                .until("somebody looked", async || {
                    clinic.carrier().submits() <= tries + 1
                })
                .await;
        }
        let attempts: i64 = clinic
            .one("SELECT CAST(SUM(attempts) AS BIGINT) FROM message")
            .await;
        assert_eq!(attempts, 0);
        assert!(
            clinic.carrier().submits() <= 40,
            "{}",
            clinic.carrier().submits()
        );
        clinic.carrier().network.set_conduct(Conduct::default());
        clinic
            .until("it is over", async || {
                clinic.clock.advance(SignedDuration::from_secs(10));
                clinic
                    .states()
                    .await
                    .iter()
                    .all(|state| state == "delivered")
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_nobody_knows_the_fate_of_never_goes_by_another() {
    let lost = Conduct {
        answers_lost: 100,
        receipts: carebell::simulator::conduct::Receipts {
            silent: true,
            ..Default::default()
        },
        ..Conduct::default()
    };
    let setup = Setup {
        config: "[delivery]\nresponse_timeout = \"300ms\"\n",
        ..two(lost)
    };
    each(setup, async |clinic| {
        enqueue(clinic, 0, 5).await;
        clinic
            .until("all are uncertain", async || {
                clinic
                    .states()
                    .await
                    .iter()
                    .all(|state| state == "uncertain")
            })
            .await;
        let main = clinic.carrier_of("main");
        main.line.cut();
        until_told(clinic, "provider.down", 1).await;
        main.network.set_conduct(Conduct::default());
        clinic.clock.advance(SignedDuration::from_mins(11));
        clinic
            .until("they wait to be sent again", async || {
                clinic.states().await.iter().all(|state| state == "queued")
            })
            .await;
        enqueue(clinic, 5, 1).await;
        clinic
            .until("the other one left", async || {
                clinic
                    .states()
                    .await
                    .iter()
                    .any(|state| state == "delivered")
            })
            .await;
        assert_eq!(submits(clinic), (5, 1));
        main.line.mend();
        clinic
            .until("they left by the way they came", async || {
                clinic.clock.advance(SignedDuration::from_millis(200));
                clinic
                    .states()
                    .await
                    .iter()
                    .all(|state| state == "delivered")
            })
            .await;
        assert_eq!(submits(clinic), (10, 1));
        clinic.settle().await;
    })
    .await;
}

#[tokio::test]
async fn points_leave_a_provider_that_errs_and_drift_back_when_it_is_well() {
    each(two(refusing(TROUBLE)), async |clinic| {
        enqueue(clinic, 0, 40).await;
        until_told(clinic, "route.shifted", 1).await;
        let first = told(clinic, "route.shifted").await.swap_remove(0);
        assert_eq!(
            first,
            json!({"route": "sms:", "weights": {"main": 90, "spare": 10}, "reason": "errors"})
        );
        clinic
            .carrier_of("main")
            .network
            .set_conduct(Conduct::default());
        clinic
            .until("all is at rest again", async || {
                clinic.clock.advance(SignedDuration::from_secs(30));
                let told = told(clinic, "route.shifted").await;
                told.last()
                    .is_some_and(|last| last["reason"] == "rest" && last["weights"]["main"] == 100)
            })
            .await;
        clinic.settle().await;
        assert_eq!(clinic.states().await, ["delivered"; 40]);
    })
    .await;
}
