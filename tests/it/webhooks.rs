//! Webhooks: other systems hear what happened, in order, signed, and nobody's trouble is another's.

mod crash;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::clinic::http::Http;
use crate::clinic::receiver::{Answer, Heard, Receiver};
use crate::clinic::{Clinic, Setup, each};

const ALLOWED: &str = "[webhooks]\nallow = [\"127.0.0.1\"]\n";
/// What a message that arrives tells of itself.
const STATES: [&str; 3] = ["message.queued", "message.submitted", "message.delivered"];

fn setup() -> Setup {
    Setup {
        config: ALLOWED,
        ..Setup::default()
    }
}

/// Makes a webhook for messages; gives its id and its secret.
async fn webhook(http: &Http, url: &str, more: Value) -> (String, String) {
    let mut wish = json!({"name": "HIS", "url": url, "types": ["message.*"]});
    wish.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = http.post("/v1/webhooks", "", &wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// Enqueues a message and lets it be delivered; gives its id.
async fn send(clinic: &Clinic, http: &Http, n: u32) -> String {
    let body = json!({"class": "clinical", "to": {"phone": format!("+86138{n:08}")}, "text": "Your result is ready."});
    let accepted = http.post("/v1/messages", "", &body).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    clinic.settle().await;
    accepted.json()["id"].as_str().unwrap().to_owned()
}

async fn look(http: &Http, id: &str) -> Value {
    http.get(&format!("/v1/webhooks/{id}")).await.json()
}

async fn act(http: &Http, id: &str, what: &str, body: Value) -> Value {
    let answer = http
        .post(&format!("/v1/webhooks/{id}/{what}"), "", &body)
        .await;
    assert!(answer.status < 300, "{}", answer.text);
    answer.json()
}

async fn change(http: &Http, id: &str, body: Value) -> Value {
    let path = format!("/v1/webhooks/{id}");
    let answer = http
        .ask("PATCH", &path, "", &body.to_string())
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// How many of the signatures a secret made. Reckoned here once more, by the words of the standard.
fn made_by(heard: &Heard, secret: &str) -> usize {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, at) = (heard.id(), &heard.headers["webhook-timestamp"]);
    mac.update(format!("{id}.{at}.{}", heard.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let signatures = heard.headers["webhook-signature"].split(' ');
    signatures.filter(|one| *one == expected).count()
}

#[tokio::test]
async fn a_webhook_hears_every_state_of_a_message_in_order_once_and_signed() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, secret) = webhook(&http, &receiver.url(), json!({})).await;
        let message = send(clinic, &http, 1).await;
        let heard = receiver.heard();
        assert_eq!(receiver.taken(), STATES);
        let now = clinic.clock.now().as_second().to_string();
        for one in &heard {
            let body = one.json();
            assert_eq!(body["data"]["id"], message.as_str());
            assert_eq!(
                body["timestamp"].as_str().unwrap(),
                clinic.clock.now().to_string()
            );
            assert!(body["sequence"].as_i64().is_some());
            assert!(
                !one.body.contains("+86138") && !one.body.contains("result"),
                "{body}"
            );
            assert_eq!(one.headers["webhook-timestamp"], now);
            assert_eq!(one.headers["content-type"], "application/json");
            assert_eq!(made_by(one, &secret), 1);
        }
        let ids: BTreeSet<&str> = heard.iter().map(Heard::id).collect();
        assert_eq!(ids.len(), STATES.len());
        let shown = look(&http, &id).await;
        assert_eq!(
            (shown["state"].as_str(), shown["failing_since"].as_str()),
            (Some("enabled"), None),
            "{shown}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_was_down_hears_all_of_it_later_in_order_with_the_same_ids() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, _) = webhook(&http, &receiver.url(), json!({})).await;
        receiver.answers(|_| 503.into());
        send(clinic, &http, 1).await;
        let first = receiver.heard();
        // One request tells that it is down: what follows waits.
        assert_eq!(first.len(), 1);
        let shown = look(&http, &id).await;
        assert_eq!(
            (shown["problem"].as_str(), shown["problem_status"].as_i64()),
            (Some("status"), Some(503)),
            "{shown}"
        );
        let place = receiver.stop().await;
        clinic.pass(SignedDuration::from_secs(10)).await;
        let shown = look(&http, &id).await;
        assert_eq!(shown["problem"], "unreachable", "{shown}");

        let receiver = Receiver::start_at(place).await;
        clinic.pass(SignedDuration::from_mins(7)).await;
        assert_eq!(receiver.taken(), STATES);
        assert_eq!(receiver.heard()[0].id(), first[0].id());
        let shown = look(&http, &id).await;
        assert!(
            shown["problem"].is_null() && shown["failing_since"].is_null() && shown["behind"] == 0,
            "{shown}"
        );
        let tries = http
            .get(&format!("/v1/webhooks/{id}/deliveries"))
            .await
            .json();
        let outcomes: Vec<&str> = tries["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["outcome"].as_str().unwrap())
            .collect();
        assert_eq!(outcomes, ["taken", "taken", "taken", "refused", "refused"]);
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_is_silent_delays_no_other_and_not_the_feed() {
    each(setup(), async |clinic| {
        let http = clinic.http().await;
        let (silent, quick) = (Receiver::start().await, Receiver::start().await);
        silent.answers(|_| Answer::Silence);
        webhook(&http, &silent.url(), json!({})).await;
        webhook(&http, &quick.url(), json!({})).await;
        let body = json!({"class": "clinical", "to": {"phone": "+8613800000001"}, "text": "Your result is ready."});
        http.post("/v1/messages", "", &body).await;
        clinic
            .until("the quick one has heard all", async || {
                quick.taken() == STATES
            })
            .await;
        silent.has_heard(1).await;
        assert_eq!(silent.heard().len(), 1, "it still has its first request");
        let feed = http.get("/v1/events").await.json();
        assert!(feed["data"].as_array().unwrap().len() >= STATES.len());
        silent.let_go();
        clinic.settle().await;
        assert_eq!(silent.taken(), STATES);
    })
    .await;
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_followed_by_nobody() {
    each(setup(), async |clinic| {
        let http = clinic.http().await;
        let (here, there) = (Receiver::start().await, Receiver::start().await);
        let (id, _) = webhook(&http, &here.url(), json!({})).await;
        let elsewhere = there.url();
        here.answers(move |_| Answer::Status(307, Some(("location", elsewhere.clone()))));
        send(clinic, &http, 1).await;
        assert_eq!((here.heard().len(), there.heard().len()), (1, 0));
        assert_eq!(look(&http, &id).await["problem"], "redirect");
    })
    .await;
}

#[tokio::test]
async fn who_answers_410_is_told_no_more_and_staff_hear_of_it() {
    each(setup(), async |clinic| {
        let http = clinic.http().await;
        let (gone, other) = (Receiver::start().await, Receiver::start().await);
        let (id, _) = webhook(&http, &gone.url(), json!({})).await;
        webhook(
            &http,
            &other.url(),
            json!({"types": ["webhook.*", "task.opened"]}),
        )
        .await;
        gone.answers(|_| 410.into());
        send(clinic, &http, 1).await;
        clinic.pass(SignedDuration::from_hours(48)).await;
        assert_eq!(gone.heard().len(), 1);
        let shown = look(&http, &id).await;
        assert_eq!(
            (shown["state"].as_str(), shown["disabled_reason"].as_str()),
            (Some("disabled"), Some("gone")),
            "{shown}"
        );
        let told = other.heard();
        assert_eq!(other.taken(), ["webhook.disabled", "task.opened"]);
        assert_eq!(told[0].json()["data"], json!({"id": id, "reason": "gone"}));
        let tasks = http.get("/v1/tasks").await;
        assert!(
            tasks.text.contains("Webhook HIS is disabled"),
            "{}",
            tasks.text
        );

        // Enabled again it goes on where it stopped.
        gone.answers(|_| 200.into());
        change(&http, &id, json!({"enabled": true})).await;
        clinic.settle().await;
        assert_eq!(gone.taken(), STATES);
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, _) = webhook(&http, &receiver.url(), json!({})).await;
        receiver.answers(|_| Answer::Status(429, Some(("retry-after", "3600".to_owned()))));
        send(clinic, &http, 1).await;
        let again = clinic.clock.now() + SignedDuration::from_hours(1);
        assert_eq!(look(&http, &id).await["next_try_at"], again.to_string());
        receiver.answers(|_| 202.into());
        clinic.pass(SignedDuration::from_mins(59)).await;
        assert_eq!(receiver.heard().len(), 1);
        clinic.pass(SignedDuration::from_mins(1)).await;
        assert_eq!(receiver.taken(), STATES);
    })
    .await;
}

#[tokio::test]
async fn who_takes_nothing_for_three_days_is_disabled_and_loses_nothing() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, _) = webhook(&http, &receiver.url(), json!({})).await;
        receiver.answers(|_| 401.into());
        send(clinic, &http, 1).await;
        let mut tries = 1;
        for hours in [1, 1, 3, 7, 12, 18, 25, 30, 30, 30, 30] {
            clinic.pass(SignedDuration::from_hours(hours)).await;
            let came = receiver.heard().len();
            assert!(came <= tries + 1, "one try when it is due");
            tries = came;
        }
        let shown = look(&http, &id).await;
        assert_eq!(shown["disabled_reason"], "failing", "{shown}");
        assert!((8..=11).contains(&tries), "{tries}");
        receiver.answers(|_| 200.into());
        clinic.pass(SignedDuration::from_hours(48)).await;
        assert!(receiver.taken().is_empty());
        change(&http, &id, json!({"enabled": true})).await;
        clinic.settle().await;
        let taken = receiver.taken();
        assert_eq!(taken[..3], STATES, "{taken:?}");
    })
    .await;
}

#[tokio::test]
async fn an_event_that_alone_is_refused_holds_up_the_others_for_minutes_only() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, _) = webhook(&http, &receiver.url(), json!({})).await;
        let dislikes = |body: &Value| {
            Answer::from(if body["type"] == "message.submitted" {
                500
            } else {
                204
            })
        };
        receiver.answers(dislikes);
        send(clinic, &http, 1).await;
        assert_eq!(receiver.taken(), STATES[..1]);
        clinic.pass(SignedDuration::from_secs(6)).await;
        assert_eq!(receiver.taken(), STATES[..1]);
        clinic.pass(SignedDuration::from_mins(6)).await;
        assert_eq!(receiver.taken(), ["message.queued", "message.delivered"]);
        assert_eq!(look(&http, &id).await["behind"], 0);
        // It is not forgotten.
        receiver.answers(|_| 204.into());
        clinic.pass(SignedDuration::from_hours(1)).await;
        assert_eq!(
            receiver.taken(),
            ["message.queued", "message.delivered", "message.submitted"]
        );
        clinic.pass(SignedDuration::from_hours(48)).await;
        assert_eq!(receiver.taken().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_was_told_can_be_told_again_since_a_moment_or_one_by_one() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, _) = webhook(&http, &receiver.url(), json!({})).await;
        send(clinic, &http, 1).await;
        clinic.pass(SignedDuration::from_hours(1)).await;
        let since = clinic.clock.now();
        let second = send(clinic, &http, 2).await;
        assert_eq!(receiver.heard().len(), 6);
        let replayed = act(&http, &id, "replay", json!({"since": since.to_string()})).await;
        assert_eq!(replayed["behind"], 3);
        clinic.settle().await;
        let heard = receiver.heard();
        assert_eq!(heard.len(), 9);
        for (again, before) in heard[6..].iter().zip(&heard[3..6]) {
            assert_eq!((again.id(), &again.body), (before.id(), &before.body));
            assert_eq!(again.json()["data"]["id"], second.as_str());
        }

        let tries = http
            .get(&format!("/v1/webhooks/{id}/deliveries?limit=1"))
            .await
            .json();
        let delivery = tries["data"][0]["id"].as_str().unwrap();
        let asked = act(
            &http,
            &id,
            &format!("deliveries/{delivery}/replay"),
            json!({}),
        )
        .await;
        clinic.settle().await;
        let heard = receiver.heard();
        assert_eq!(
            (heard.len(), heard[9].id()),
            (10, asked["event"].as_str().unwrap())
        );

        // All of it, and nothing of what waits.
        change(&http, &id, json!({"enabled": false})).await;
        send(clinic, &http, 3).await;
        act(
            &http,
            &id,
            "replay",
            json!({"since": "2999-01-01T00:00:00Z"}),
        )
        .await;
        change(&http, &id, json!({"enabled": true})).await;
        clinic.settle().await;
        assert_eq!(receiver.heard().len(), 10);
        act(
            &http,
            &id,
            "replay",
            json!({"since": "2000-01-01T00:00:00Z"}),
        )
        .await;
        clinic.settle().await;
        assert_eq!(receiver.heard().len(), 19);
    })
    .await;
}

#[tokio::test]
async fn while_a_secret_changes_both_are_valid_and_then_the_new_one_alone() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, old) = webhook(&http, &receiver.url(), json!({})).await;
        let rotated = act(&http, &id, "rotate_secret", json!({"keep_old_for_h": 2})).await;
        let new = rotated["secret"].as_str().unwrap();
        send(clinic, &http, 1).await;
        let heard = receiver.heard();
        assert_eq!((made_by(&heard[0], &old), made_by(&heard[0], new)), (1, 1));
        assert!(!look(&http, &id).await["old_secret_until"].is_null());
        clinic.pass(SignedDuration::from_hours(2)).await;
        send(clinic, &http, 2).await;
        let last = receiver.heard().pop().unwrap();
        assert_eq!((made_by(&last, &old), made_by(&last, new)), (0, 1));
        assert!(look(&http, &id).await["old_secret_until"].is_null());
        for secret in [old.as_str(), new] {
            let shown = http.get("/v1/webhooks").await.text
                + &http
                    .get(&format!("/v1/webhooks/{id}/deliveries"))
                    .await
                    .text;
            assert!(!shown.contains(secret));
        }
    })
    .await;
}

#[tokio::test]
async fn a_test_is_sent_to_a_webhook_that_is_disabled_as_well_and_once() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, secret) = webhook(&http, &receiver.url(), json!({})).await;
        change(&http, &id, json!({"enabled": false})).await;
        send(clinic, &http, 1).await;
        assert!(receiver.heard().is_empty());
        let asked = act(&http, &id, "test", json!({})).await;
        clinic.settle().await;
        let heard = receiver.heard();
        assert_eq!((heard.len(), heard[0].kind().as_str()), (1, "webhook.test"));
        assert_eq!(heard[0].id(), asked["event"].as_str().unwrap());
        assert_eq!(made_by(&heard[0], &secret), 1);
        receiver.answers(|_| 500.into());
        act(&http, &id, "test", json!({})).await;
        clinic.pass(SignedDuration::from_hours(24)).await;
        assert_eq!(receiver.heard().len(), 2, "a test is no promise");
        let tries = http
            .get(&format!("/v1/webhooks/{id}/deliveries?outcome=given_up"))
            .await
            .json();
        assert_eq!(tries["data"].as_array().unwrap().len(), 1, "{tries}");
        assert_eq!(tries["data"][0]["status"], 500);
    })
    .await;
}

#[tokio::test]
async fn an_inner_host_is_refused_when_it_is_named_and_when_a_name_leads_to_it() {
    let setup = Setup {
        config: "[webhooks]\nallow = [\"127.0.0.2\"]\n",
        ..Setup::default()
    };
    each(setup, async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        for url in [
            receiver.url(),
            format!("https://localhost:{}/", receiver.address.port()),
            "https://169.254.169.254/latest".to_owned(),
        ] {
            let refused = http
                .post("/v1/webhooks", "", &json!({"name": "x", "url": url}))
                .await;
            assert_eq!(
                (refused.status, refused.json()["code"].as_str()),
                (422, Some("host_refused")),
                "{}",
                refused.text
            );
        }
        // One that was made before the settings were narrowed.
        let (id, _) = webhook(&http, "http://127.0.0.2:9/", json!({})).await;
        let moved: &'static str =
            Box::leak(format!("UPDATE webhook SET url = '{}'", receiver.url()).into_boxed_str());
        crate::clinic::database::execute(&clinic.app().house.store, moved).await;
        send(clinic, &http, 1).await;
        assert_eq!(look(&http, &id).await["problem"], "host_refused");
        assert!(receiver.heard().is_empty());
    })
    .await;
}

#[tokio::test]
async fn bodies_tell_more_where_the_webhook_asked_for_it() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        webhook(&http, &receiver.url(), json!({"types": ["message.*", "reply.received"], "include": ["text", "address", "keys"]})).await;
        let patient = json!({"name": {"full": "Li Na"}, "contacts": [{"phone": "+8613800000001"}]});
        let put = http.ask("PUT", "/v1/patients/his/P1", "", &patient.to_string()).await.unwrap();
        assert!(put.status < 300, "{}", put.text);
        let body = json!({"class": "clinical", "patient": "his/P1", "to": {"phone": "+8613800000001"}, "text": "Your result is ready."});
        assert_eq!(http.post("/v1/messages", "", &body).await.status, 202);
        clinic.settle().await;
        clinic.phone("+8613800000001").reply("Thank you so much");
        clinic.settle().await;
        let heard = receiver.heard();
        let data = heard[0].json()["data"].clone();
        assert_eq!((&data["text"], &data["address"]), (&json!("Your result is ready."), &json!("+8613800000001")));
        assert_eq!((&data["patient_key"], &data["occasion_key"]), (&json!("his/P1"), &Value::Null), "{data}");
        let reply = heard.iter().find(|one| one.kind() == "reply.received").unwrap().json();
        assert_eq!((&reply["data"]["text"], &reply["data"]["address"]), (&json!("Thank you so much"), &json!("+8613800000001")), "{reply}");
        assert_eq!(reply["data"]["patient_key"], "his/P1", "{reply}");
    })
    .await;
}

#[tokio::test]
async fn several_requests_at_once_lose_nothing_and_double_nothing() {
    each(setup(), async |clinic| {
        let (http, receiver) = (clinic.http().await, Receiver::start().await);
        let (id, _) = webhook(&http, &receiver.url(), json!({"in_flight": 8})).await;
        change(&http, &id, json!({"enabled": false})).await;
        for n in 0..20 {
            let body = json!({"class": "clinical", "to": {"phone": format!("+86138{n:08}")}, "text": "Your result is ready."});
            http.post("/v1/messages", "", &body).await;
        }
        clinic.settle().await;
        receiver.answers(|body| Answer::from(if body["sequence"].as_i64() == Some(30) { 503 } else { 204 }));
        change(&http, &id, json!({"enabled": true})).await;
        clinic.settle().await;
        receiver.answers(|_| 204.into());
        clinic.pass(SignedDuration::from_secs(10)).await;
        let heard = receiver.heard();
        let taken: BTreeSet<&str> = heard.iter().filter(|one| one.status == 204).map(Heard::id).collect();
        assert_eq!(taken.len(), 60);
        // At most what was in flight when one was refused came twice.
        assert!(heard.len() <= 60 + 8, "{}", heard.len());
    })
    .await;
}
