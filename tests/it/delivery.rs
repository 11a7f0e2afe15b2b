//! Between us and the carrier: what is sent arrives, is known to have arrived, and is not sent twice unawares.

use std::time::Duration;

use carebell::simulator::conduct::{Conduct, Receipts, Refusal};
use carebell::simulator::dialect::Dialect;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::clinic::http::Http;
use crate::clinic::{Clinic, Setup, each};

fn number(n: usize) -> String {
    format!("+86138{n:08}")
}

fn message(n: usize) -> Value {
    json!({"class": "clinical", "to": {"phone": number(n)}, "text": format!("Result {n} is ready.")})
}

async fn enqueue(http: &Http, count: usize) {
    let messages: Vec<Value> = (0..count).map(message).collect();
    let answer = http
        .post("/v1/messages/batch", "", &json!({"messages": messages}))
        .await;
    let states: Vec<Value> = answer.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].clone())
        .collect();
    assert!(states.iter().all(|state| state == "queued"), "{states:?}");
}

/// How many texts each of the first `count` phones holds.
fn arrived(clinic: &Clinic, count: usize) -> Vec<usize> {
    (0..count)
        .map(|n| clinic.phone(&number(n)).texts().len())
        .collect()
}

async fn count(clinic: &Clinic, state: &str) -> usize {
    clinic
        .states()
        .await
        .iter()
        .filter(|found| *found == state)
        .count()
}

#[tokio::test]
async fn receipts_are_understood_in_every_dialect_before_and_after_the_answer() {
    each(Setup::default(), async |clinic| {
        let http = clinic.http().await;
        let long = "Please bring your papers and come to the second floor. ".repeat(5);
        for (dialect, name) in Dialect::ALL {
            for before_answer in [false, true] {
                let receipts = Receipts {
                    dialect: *dialect,
                    before_answer,
                    repeated: 50,
                    spread: Duration::from_millis(30),
                    ..Receipts::default()
                };
                clinic.carrier().network.set_conduct(Conduct {
                    receipts: receipts.clone(),
                    ..Conduct::default()
                });
                for text in ["Your result is ready.", &long] {
                    let body =
                        json!({"class": "clinical", "to": {"phone": number(1)}, "text": text});
                    let id = http.post("/v1/messages", "", &body).await.json()["id"]
                        .as_str()
                        .unwrap()
                        .to_owned();
                    clinic.settle().await;
                    let state =
                        http.get(&format!("/v1/messages/{id}")).await.json()["state"].clone();
                    assert_eq!(
                        state, "delivered",
                        "{name}, before the answer: {before_answer}"
                    );
                }
                clinic.carrier().network.set_conduct(Conduct {
                    receipts,
                    undelivered: 100,
                    ..Conduct::default()
                });
                let id = http.post("/v1/messages", "", &message(2)).await.json()["id"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                clinic.settle().await;
                let state = http.get(&format!("/v1/messages/{id}")).await.json()["state"].clone();
                assert_eq!(
                    state, "undelivered",
                    "{name}, before the answer: {before_answer}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_id_in_decimal_is_not_taken_for_anothers_in_hex() {
    let early = Conduct {
        receipts: Receipts {
            before_answer: true,
            ..Receipts::default()
        },
        ..Conduct::default()
    };
    each(
        Setup {
            has_small_ids: true,
            ..Setup::with(early)
        },
        async |clinic| {
            let http = clinic.http().await;
            // The receipt of number 16 comes before its answer; number 10 is known by then, and is 16 read in hex.
            enqueue(&http, 15).await;
            clinic.settle().await;
            clinic.carrier().network.set_conduct(Conduct {
                undelivered: 100,
                ..clinic.carrier().network.conduct()
            });
            let id = http.post("/v1/messages", "", &message(15)).await.json()["id"]
                .as_str()
                .unwrap()
                .to_owned();
            clinic.settle().await;
            let state = http.get(&format!("/v1/messages/{id}")).await.json()["state"].clone();
            assert_eq!(
                (state, count(clinic, "delivered").await),
                (json!("undelivered"), 15)
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_long_chinese_text_arrives_whole() {
    each(Setup::default(), async |clinic| {
        let text = "您好！请于明天上午九点到门诊楼二层内分泌科复查，带上医保卡和上次的化验单，空腹前来。👍𠮷".repeat(8);
        let http = clinic.http().await;
        let sent = http.post("/v1/messages", "", &json!({"class": "clinical", "to": {"phone": number(1)}, "text": text})).await;
        assert_eq!(sent.status, 202, "{sent:?}");
        clinic.settle().await;
        assert_eq!(clinic.phone(&number(1)).last(), text);
        let segments: i64 = clinic.one("SELECT segments FROM message").await;
        assert_eq!(clinic.carrier().submits(), u64::try_from(segments).unwrap());
        assert!(segments > 4, "{segments}");
        assert_eq!(clinic.states().await, ["delivered"]);
    })
    .await;
}

#[tokio::test]
async fn being_told_to_slow_down_costs_no_attempt() {
    each(Setup::default(), async |clinic| {
        let http = clinic.http().await;
        clinic.carrier().network.set_conduct(Conduct {
            throttled: 100,
            ..Conduct::default()
        });
        enqueue(&http, 1).await;
        // The pace of a throttled account is kept on the real clock: time passes here only while the message waits.
        clinic
            .until("it is told so several times", async || {
                if clinic.states().await == ["queued"] {
                    clinic.clock.advance(SignedDuration::from_mins(1));
                }
                clinic.carrier().network.counts().throttled >= 5
            })
            .await;
        clinic.settle().await;
        let attempts: i64 = clinic.one("SELECT attempts FROM message").await;
        assert_eq!(attempts, 0);
        clinic.carrier().network.set_conduct(Conduct::default());
        clinic.pass(SignedDuration::from_mins(1)).await;
        assert_eq!(
            (clinic.states().await, arrived(clinic, 1)),
            (vec!["delivered".to_owned()], vec![1])
        );
    })
    .await;
}

#[tokio::test]
async fn a_number_that_is_refused_fails_and_is_not_tried_again() {
    let refusals = vec![Refusal {
        prefix: "86138".to_owned(),
        status: 0x0B,
    }];
    each(
        Setup::with(Conduct {
            refusals,
            ..Conduct::default()
        }),
        async |clinic| {
            enqueue(&clinic.http().await, 1).await;
            clinic.settle().await;
            clinic.pass(SignedDuration::from_hours(2)).await;
            assert_eq!(
                (clinic.states().await, clinic.carrier().submits()),
                (vec!["failed".to_owned()], 1)
            );
        },
    )
    .await;
}

/// Twenty of thirty messages are with the carrier, their answers are not with us, and the line breaks.
async fn break_in_mid_window(clinic: &Clinic) {
    let http = clinic.http().await;
    clinic.settle().await;
    clinic.carrier().line.hold_answers();
    enqueue(&http, 30).await;
    clinic.carrier().has_seen(20).await;
    clinic.carrier().line.cut();
    clinic
        .until("the line is seen to be down", async || {
            count(clinic, "uncertain").await == 20
        })
        .await;
    clinic.carrier().line.mend();
    // What could not leave meanwhile waits two seconds each time.
    clinic
        .until("the rest leaves", async || {
            clinic.clock.advance(SignedDuration::from_millis(200));
            !clinic
                .states()
                .await
                .iter()
                .any(|state| state == "queued" || state == "sending")
        })
        .await;
    clinic.settle().await;
}

#[tokio::test]
async fn a_network_that_loses_delays_repeats_and_reorders_loses_no_message() {
    let receipts = Receipts {
        spread: Duration::from_millis(200),
        lost: 10,
        repeated: 30,
        ..Receipts::default()
    };
    let bad = Conduct {
        submits_lost: 10,
        answers_lost: 10,
        receipts,
        seed: 7,
        ..Conduct::default()
    };
    let setup = Setup {
        config: "[delivery]\nresponse_timeout = \"300ms\"\n",
        ..Setup::with(bad)
    };
    each(setup, async |clinic| {
        let http = clinic.http().await;
        enqueue(&http, 100).await;
        clinic.settle().await;
        clinic.carrier().network.set_conduct(Conduct::default());
        for _ in 0..3 {
            clinic.pass(SignedDuration::from_mins(11)).await;
        }
        let arrived = arrived(clinic, 100);
        let flags: Vec<(String,)> = clinic
            .rows("SELECT addresses FROM message WHERE possible_dup")
            .await;
        let is_flagged = |n: usize| {
            flags
                .iter()
                .any(|(addresses,)| addresses.contains(&number(n)))
        };
        assert!(
            arrived.iter().all(|times| (1..=2).contains(times)),
            "{arrived:?}"
        );
        assert!(
            (0..100).all(|n| arrived[n] == 1 || is_flagged(n)),
            "each copy is flagged"
        );
        let open = clinic
            .states()
            .await
            .into_iter()
            .filter(|state| state != "delivered" && state != "submitted")
            .count();
        assert_eq!(open, 0, "{:?}", clinic.tally().await);
    })
    .await;
}

#[tokio::test]
async fn a_line_that_drops_in_mid_window_leads_to_flagged_copies_after_the_wait_at_the_same_provider()
 {
    let silent = Conduct {
        receipts: Receipts {
            silent: true,
            ..Receipts::default()
        },
        ..Conduct::default()
    };
    let config = "[[routes]]\nchannel = \"sms\"\nproviders = [\"main\", \"other\"]\n";
    let setup = Setup {
        carriers: vec![("main", silent, ""), ("other", Conduct::default(), "")],
        config,
        ..Setup::default()
    };
    each(setup, async |clinic| {
        break_in_mid_window(clinic).await;
        assert_eq!(
            (
                count(clinic, "uncertain").await,
                count(clinic, "submitted").await
            ),
            (20, 10)
        );
        clinic.pass(SignedDuration::from_mins(9)).await;
        assert_eq!(clinic.carrier().submits(), 30, "the wait is not over");
        clinic.pass(SignedDuration::from_mins(2)).await;
        assert_eq!(count(clinic, "submitted").await, 30);
        let twice = arrived(clinic, 30)
            .into_iter()
            .filter(|times| *times == 2)
            .count();
        let flagged: i64 = clinic
            .one("SELECT COUNT(*) FROM message WHERE possible_dup")
            .await;
        assert_eq!((twice, flagged), (20, 20));
        assert_eq!(
            clinic.carrier_of("other").submits(),
            0,
            "another provider would make the copy certain"
        );
        clinic.pass(SignedDuration::from_hours(24)).await;
        assert_eq!(clinic.carrier().submits(), 50, "one copy at most");
    })
    .await;
}

#[tokio::test]
async fn receipts_that_come_when_the_line_is_back_spare_the_copies() {
    each(Setup::default(), async |clinic| {
        break_in_mid_window(clinic).await;
        clinic
            .until("all are known", async || {
                count(clinic, "delivered").await == 30
            })
            .await;
        clinic.pass(SignedDuration::from_hours(1)).await;
        assert_eq!(arrived(clinic, 30), vec![1; 30]);
        let flagged: i64 = clinic
            .one("SELECT COUNT(*) FROM message WHERE possible_dup")
            .await;
        assert_eq!(flagged, 0);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_comes_late_stops_the_copy() {
    let late = Conduct {
        answer_after: Duration::from_millis(1200),
        receipts: Receipts {
            silent: true,
            ..Receipts::default()
        },
        ..Conduct::default()
    };
    let setup = Setup {
        config: "[delivery]\nresponse_timeout = \"300ms\"\n",
        ..Setup::with(late)
    };
    each(setup, async |clinic| {
        enqueue(&clinic.http().await, 5).await;
        clinic
            .until("nobody knows", async || {
                count(clinic, "uncertain").await == 5
            })
            .await;
        clinic
            .until("the answers come", async || {
                count(clinic, "submitted").await == 5
            })
            .await;
        clinic.pass(SignedDuration::from_hours(1)).await;
        assert_eq!(arrived(clinic, 5), [1; 5]);
    })
    .await;
}

#[tokio::test]
async fn a_submit_that_is_lost_on_the_way_goes_again_after_the_wait() {
    let setup = Setup {
        config: "[delivery]\nresponse_timeout = \"300ms\"\n",
        ..Setup::with(Conduct {
            submits_lost: 100,
            ..Conduct::default()
        })
    };
    each(setup, async |clinic| {
        enqueue(&clinic.http().await, 5).await;
        clinic
            .until("nobody knows", async || {
                count(clinic, "uncertain").await == 5
            })
            .await;
        clinic.carrier().network.set_conduct(Conduct::default());
        clinic.pass(SignedDuration::from_mins(11)).await;
        assert_eq!(
            (arrived(clinic, 5), count(clinic, "delivered").await),
            (vec![1; 5], 5)
        );
    })
    .await;
}

#[tokio::test]
async fn a_carrier_that_is_down_for_an_hour_loses_nothing() {
    each(Setup::default(), async |clinic| {
        clinic.carrier().line.cut();
        let http = clinic.http().await;
        enqueue(&http, 50).await;
        for _ in 0..6 {
            clinic.clock.advance(SignedDuration::from_mins(10));
            clinic.ring();
            assert_eq!(
                http.get("/v1/messages?limit=1").await.status,
                200,
                "the house works meanwhile"
            );
        }
        assert_eq!(arrived(clinic, 50), [0; 50]);
        clinic.carrier().line.mend();
        clinic
            .until("all arrive", async || {
                clinic.clock.advance(SignedDuration::from_secs(1));
                count(clinic, "delivered").await == 50
            })
            .await;
        assert_eq!(arrived(clinic, 50), [1; 50]);
        let attempts: i64 = clinic
            .one("SELECT COUNT(*) FROM message WHERE attempts > 0")
            .await;
        assert_eq!(attempts, 0);
    })
    .await;
}

#[tokio::test]
async fn each_prefix_goes_to_its_provider_and_answers_come_back_from_both() {
    let config = "[[routes]]\nchannel = \"sms\"\nprefix = \"+86\"\nproviders = [\"china\"]\n[[routes]]\nchannel = \"sms\"\nproviders = [\"world\"]\n";
    let setup = Setup {
        carriers: vec![
            ("china", Conduct::default(), ""),
            ("world", Conduct::default(), ""),
        ],
        config,
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let http = clinic.http().await;
        for to in ["+8613800000001", "+12025550123"] {
            assert_eq!(
                http.post(
                    "/v1/messages",
                    "",
                    &json!({"class": "clinical", "to": {"phone": to}, "text": "Hello."})
                )
                .await
                .status,
                202
            );
        }
        clinic.settle().await;
        assert_eq!(clinic.states().await, ["delivered", "delivered"]);
        assert_eq!(
            (
                clinic.carrier_of("china").submits(),
                clinic.carrier_of("world").submits()
            ),
            (1, 1)
        );
        assert_eq!(
            clinic
                .carrier_of("world")
                .network
                .phone("+12025550123")
                .thread()
                .len(),
            1
        );
        clinic.phone("+12025550123").reply("STOP");
        clinic.settle().await;
        assert_eq!(
            clinic.carrier_of("world").submits(),
            2,
            "the answer goes the way it came"
        );
    })
    .await;
}

#[tokio::test]
async fn the_same_request_twice_is_one_message() {
    each(Setup::default(), async |clinic| {
        let http = clinic.http().await;
        let key = "Idempotency-Key: k-1\r\n";
        let first = http.post("/v1/messages", key, &message(1)).await;
        let again = http.post("/v1/messages", key, &message(1)).await;
        assert_eq!((first.status, again.status), (202, 202));
        assert_eq!(first.json()["id"], again.json()["id"]);
        assert!(
            !first.head.contains("idempotency-replayed")
                && again.head.contains("idempotency-replayed: true"),
            "{}",
            again.head
        );
        assert_eq!(
            http.post("/v1/messages", key, &message(2)).await.status,
            422
        );
        let third = message(3);
        let at_once = futures::future::join_all(
            (0..8).map(|_| http.post("/v1/messages", "Idempotency-Key: k-2\r\n", &third)),
        )
        .await;
        assert!(
            at_once
                .iter()
                .all(|answer| [202, 409].contains(&answer.status)),
            "{at_once:?}"
        );
        clinic.settle().await;
        assert_eq!(clinic.phone(&number(1)).texts().len(), 1);
        assert_eq!(clinic.phone(&number(3)).texts().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn stopping_in_order_leaves_nothing_uncertain_and_starting_goes_on() {
    each(
        Setup::with(Conduct {
            answer_after: Duration::from_millis(200),
            ..Conduct::default()
        }),
        async |clinic| {
            enqueue(&clinic.http().await, 60).await;
            clinic.carrier().has_seen(20).await;
            clinic.stop().await;
            let before = clinic.carrier().submits();
            assert!(before < 60, "it stopped in the middle: {before}");
            clinic.start().await;
            let open: i64 = clinic
                .one("SELECT COUNT(*) FROM attempt WHERE phase = 'unknown'")
                .await;
            assert_eq!(open, 0);
            clinic.settle().await;
            assert_eq!(
                (arrived(clinic, 60), count(clinic, "delivered").await),
                (vec![1; 60], 60)
            );
        },
    )
    .await;
}
