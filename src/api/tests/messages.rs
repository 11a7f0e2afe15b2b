//! Enqueueing: idempotency, batches, suppression, hours, caps, faults.

use futures::future::try_join_all;
use serde_json::{Value, json};

use super::bench::{Bench, Outcome, benches};
use crate::access::Scope;
use crate::model::patient::OptOut;
use crate::model::phone::address_hash;
use crate::store::on;
use crate::store::suppressions::{self, NewSuppression, SuppressionReason};

const PHONE: &str = "+8613800000001";

fn text(class: &str) -> Value {
    json!({"class": class, "to": {"phone": PHONE}, "text": "Ana, your result is here."})
}

async fn count(bench: &Bench) -> anyhow::Result<i64> {
    let mut tx = bench.store.read().await?;
    Ok(
        on!(&mut tx, conn => sqlx::query_scalar("SELECT COUNT(*) FROM message").fetch_one(conn).await)?,
    )
}

async fn suppress(bench: &Bench, reason: SuppressionReason) -> Outcome {
    let hash = address_hash(&bench.state.intake.desk.address_key, PHONE);
    let mut tx = bench.write().await?;
    let new = NewSuppression {
        address_hash: hash,
        patient: None,
        scope: OptOut::All,
        reason,
    };
    suppressions::add(&mut tx, &new, bench.clock.now()).await?;
    Ok(tx.commit().await?)
}

#[tokio::test]
async fn a_message_is_stored_before_the_answer() -> Outcome {
    for bench in benches().await {
        let answer = bench
            .post("/v1/messages", &text("appointment"))
            .await?
            .must_be(202);
        assert_eq!(answer.member("state"), "queued");
        let id = answer.member("id");
        assert_eq!(
            answer.headers.get("location"),
            Some(&format!("/v1/messages/{id}"))
        );
        let shown = bench.get(&format!("/v1/messages/{id}")).await?.must_be(200);
        assert_eq!(shown.json()["channel"], "sms");
        assert!(
            !shown.text.contains(PHONE) && !shown.text.contains("Ana"),
            "{}",
            shown.text
        );

        let key = bench
            .key_for(&[Scope::MessagesRead, Scope::PrivateRead])
            .await?;
        let bearer = format!("Bearer {key}");
        let opened = bench
            .ask(
                "GET",
                &format!("/v1/messages/{id}"),
                &[("authorization", &bearer)],
                b"",
            )
            .await?;
        assert_eq!(
            (&opened.json()["to"]["sms"], &opened.json()["texts"]["sms"]),
            (&json!(PHONE), &json!("Ana, your result is here."))
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer() -> Outcome {
    for bench in benches().await {
        let key = [("idempotency-key", "\"order-1\"")];
        let first = bench
            .send("POST", "/v1/messages", &text("appointment"), &key)
            .await?
            .must_be(202);
        // Its state moves on, the answer does not.
        let cancelled = bench
            .post(
                &format!("/v1/messages/{}/cancel", first.member("id")),
                &json!({}),
            )
            .await?;
        assert_eq!(cancelled.member("state"), "cancelled");
        let again = bench
            .send("POST", "/v1/messages", &text("appointment"), &key)
            .await?
            .must_be(202);
        assert_eq!(first.json(), again.json());
        assert_eq!(first.headers.get("location"), again.headers.get("location"));
        assert_eq!(
            (
                first.headers.get("idempotency-replayed"),
                again
                    .headers
                    .get("idempotency-replayed")
                    .map(String::as_str)
            ),
            (None, Some("true"))
        );

        let other = bench
            .send("POST", "/v1/messages", &text("clinical"), &key)
            .await?
            .must_be(422);
        assert_eq!(other.member("code"), "idempotency_key_reused");
        assert_eq!(count(&bench).await?, 1);
    }
    Ok(())
}

#[tokio::test]
async fn the_order_of_members_makes_no_other_body() -> Outcome {
    for bench in benches().await {
        let headers = [
            ("authorization", &*format!("Bearer {}", bench.key)),
            ("idempotency-key", "k"),
        ];
        let one = br#"{"class":"clinical","to":{"phone":"+8613800000001"},"text":"a"}"#;
        let two = br#"{ "text": "a", "to": {"phone": "+8613800000001"}, "class": "clinical" }"#;
        let first = bench
            .ask("POST", "/v1/messages", &headers, one)
            .await?
            .must_be(202);
        assert_eq!(
            bench
                .ask("POST", "/v1/messages", &headers, two)
                .await?
                .must_be(202)
                .json(),
            first.json()
        );
    }
    Ok(())
}

#[tokio::test]
async fn twenty_posts_of_one_key_at_once_make_one_message() -> Outcome {
    for bench in benches().await {
        let key = [("idempotency-key", "rush")];
        let body = text("appointment");
        let answers =
            try_join_all((0..20).map(|_| bench.send("POST", "/v1/messages", &body, &key))).await?;
        for answer in &answers {
            assert!(
                answer.status == 202
                    || (answer.status == 409 && answer.member("code") == "idempotency_in_flight"),
                "{}",
                answer.text
            );
        }
        let ids: std::collections::BTreeSet<String> = answers
            .iter()
            .filter(|a| a.status == 202)
            .map(|a| a.member("id"))
            .collect();
        assert_eq!((ids.len(), count(&bench).await?), (1, 1));
        let fresh = answers
            .iter()
            .filter(|a| a.status == 202 && !a.headers.contains_key("idempotency-replayed"));
        assert_eq!(fresh.count(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_key_is_free_again_after_thirty_days() -> Outcome {
    for bench in benches().await {
        let key = [("idempotency-key", "monthly")];
        let first = bench
            .send("POST", "/v1/messages", &text("appointment"), &key)
            .await?
            .must_be(202);
        bench
            .clock
            .advance(jiff::SignedDuration::from_hours(31 * 24));
        let second = bench
            .send("POST", "/v1/messages", &text("clinical"), &key)
            .await?
            .must_be(202);
        assert_ne!(first.member("id"), second.member("id"));
    }
    Ok(())
}

#[tokio::test]
async fn keys_of_two_clients_never_meet() -> Outcome {
    for bench in benches().await {
        let key = [("idempotency-key", "same")];
        bench
            .send("POST", "/v1/messages", &text("appointment"), &key)
            .await?
            .must_be(202);
        let other = format!("Bearer {}", bench.key_for(Scope::USUAL).await?);
        let headers = [
            ("authorization", other.as_str()),
            ("idempotency-key", "same"),
        ];
        bench
            .ask(
                "POST",
                "/v1/messages",
                &headers,
                text("clinical").to_string().as_bytes(),
            )
            .await?
            .must_be(202);
        assert_eq!(count(&bench).await?, 2);
    }
    Ok(())
}

#[tokio::test]
async fn one_refusal_in_a_batch_harms_no_other() -> Outcome {
    for bench in benches().await {
        let with_key = |class: &str, key: &str| {
            let mut message = text(class);
            message["idempotency_key"] = json!(key);
            message
        };
        let messages = vec![
            with_key("appointment", "a"),
            json!({"class": "appointment", "to": {"phone": "no number"}, "text": "x"}),
            with_key("appointment", "a"),
            with_key("clinical", "a"),
            text("urgent"),
            json!(7),
        ];
        let answer = bench
            .post("/v1/messages/batch", &json!({"messages": messages}))
            .await?
            .must_be(200);
        let results = answer.json()["results"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let statuses: Vec<i64> = results
            .iter()
            .filter_map(|result| result["status"].as_i64())
            .collect();
        assert_eq!(statuses, [202, 422, 202, 422, 202, 422]);
        assert_eq!(
            (&results[0]["id"], &results[2]["idempotency_replayed"]),
            (&results[2]["id"], &json!(true))
        );
        assert_eq!(results[1]["error"]["path"], "messages[1].to.phone");
        assert_eq!(results[3]["error"]["code"], "idempotency_key_reused");
        assert_eq!(results[5]["error"]["path"], "messages[5]");
        assert_eq!(count(&bench).await?, 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_thousand_go_at_once_and_one_more_does_not() -> Outcome {
    for bench in benches().await {
        let batch =
            |n: usize| json!({"messages": (0..n).map(|_| text("appointment")).collect::<Vec<_>>()});
        let answer = bench
            .post("/v1/messages/batch", &batch(1000))
            .await?
            .must_be(200);
        assert_eq!(
            answer.json()["results"].as_array().map(Vec::len),
            Some(1000)
        );
        assert_eq!(count(&bench).await?, 1000);
        bench
            .post("/v1/messages/batch", &batch(1001))
            .await?
            .must_be(422);
        bench
            .post("/v1/messages/batch", &batch(0))
            .await?
            .must_be(422);
        bench
            .post("/v1/messages/batch", &json!([text("appointment")]))
            .await?
            .must_be(200);
    }
    Ok(())
}

#[tokio::test]
async fn who_said_stop_is_not_written_to() -> Outcome {
    for bench in benches().await {
        suppress(&bench, SuppressionReason::Stop).await?;
        let answer = bench
            .post("/v1/messages", &text("urgent"))
            .await?
            .must_be(202);
        assert_eq!(answer.member("state"), "suppressed");
        let shown = bench
            .get(&format!("/v1/messages/{}", answer.member("id")))
            .await?;
        assert_eq!(shown.member("reason"), "opted_out");
        let mut tx = bench.store.read().await?;
        let waiting: i64 = on!(&mut tx, conn => sqlx::query_scalar("SELECT COUNT(*) FROM dispatch").fetch_one(conn).await)?;
        assert_eq!(waiting, 0);
        drop(tx);
        // Sending it again is held to the same.
        let again = bench
            .post(
                &format!("/v1/messages/{}/resend", answer.member("id")),
                &json!({}),
            )
            .await?
            .must_be(202);
        assert_eq!(again.member("state"), "suppressed");
    }
    Ok(())
}

#[tokio::test]
async fn quiet_hours_and_caps_bind_greetings_and_no_bookings() -> Outcome {
    for bench in benches().await {
        bench.clock.set("2026-11-23T15:00:00Z".parse()?); // 23:00 in Shanghai.
        let states = async |class: &str| {
            anyhow::Ok(bench.post("/v1/messages", &text(class)).await?.must_be(202))
        };
        assert_eq!(states("appointment").await?.member("state"), "queued");
        let greeting = states("greeting").await?;
        assert_eq!(greeting.member("state"), "scheduled");
        let shown = bench
            .get(&format!("/v1/messages/{}", greeting.member("id")))
            .await?;
        assert_eq!(shown.member("send_at"), "2026-11-24T00:00:00Z");

        let second = states("promotion").await?;
        assert_eq!(second.member("state"), "suppressed");
        let shown = bench
            .get(&format!("/v1/messages/{}", second.member("id")))
            .await?;
        assert_eq!(shown.member("reason"), "frequency_cap");
        assert_eq!(states("clinical").await?.member("state"), "queued");
        bench.clock.set("2026-11-25T03:00:00Z".parse()?);
        assert_eq!(states("survey").await?.member("state"), "queued");
    }
    Ok(())
}

#[tokio::test]
async fn a_greeting_that_is_of_use_only_at_night_is_not_sent() -> Outcome {
    for bench in benches().await {
        bench.clock.set("2026-11-23T15:00:00Z".parse()?);
        let mut body = text("greeting");
        body["expires_at"] = json!("2026-11-23T23:59:00+08:00");
        assert_eq!(
            bench
                .post("/v1/messages", &body)
                .await?
                .must_be(202)
                .member("state"),
            "suppressed"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_template_value_is_named() -> Outcome {
    for bench in benches().await {
        let filled = json!({"class": "appointment", "to": {"phone": PHONE}, "template": "plain", "data": {"time": "9:30"}});
        bench.post("/v1/messages", &filled).await?.must_be(202);
        let empty = json!({"class": "appointment", "to": {"phone": PHONE}, "template": "plain"});
        let answer = bench.post("/v1/messages", &empty).await?.must_be(422);
        assert_eq!(
            (answer.member("code"), answer.member("path")),
            ("missing_value".to_owned(), "data.time".to_owned())
        );
        let stranger = json!({"class": "appointment", "to": {"phone": PHONE}, "template": "visit", "data": {"time": "9:30"}});
        assert_eq!(
            bench
                .post("/v1/messages", &stranger)
                .await?
                .must_be(422)
                .member("path"),
            "patient.name"
        );
        let unknown =
            json!({"class": "appointment", "to": {"phone": PHONE}, "template": "nobody_wrote_it"});
        assert_eq!(
            bench
                .post("/v1/messages", &unknown)
                .await?
                .must_be(422)
                .member("code"),
            "unknown_template"
        );
        let voice = json!({"class": "appointment", "channels": ["voice"], "to": {"phone": PHONE}, "template": "plain", "data": {"time": "9"}});
        bench.post("/v1/messages", &voice).await?;
    }
    Ok(())
}

/// A body, the code of its fault, the place. `TO` stands for a good recipient, `LONG` for 1,676 Chinese characters.
const FAULTS: &[(&str, &str, &str)] = &[
    (r#"{TO, "text": "x"}"#, "missing_field", "class"),
    (
        r#"{"class": "13800000001", TO, "text": "x"}"#,
        "invalid_value",
        "class",
    ),
    (
        r#"{"class": "reply", TO, "text": "x"}"#,
        "invalid_value",
        "class",
    ),
    (r#"{"class": "urgent", "text": "x"}"#, "missing_field", "to"),
    (
        r#"{"class": "urgent", "to": {"phone": "n/a"}, "text": "x"}"#,
        "invalid_value",
        "to.phone",
    ),
    (
        r#"{"class": "urgent", "to": {"phone": 13800000001}, "text": "x"}"#,
        "invalid_value",
        "to.phone",
    ),
    (
        r#"{"class": "urgent", "to": {"mobile": "+8613800000001"}, "text": "x"}"#,
        "unknown_field",
        "to.mobile",
    ),
    (
        r#"{"class": "urgent", "to": {"+8613800000001": 1}, "text": "x"}"#,
        "unknown_field",
        "to.?",
    ),
    (
        r#"{"class": "urgent", "to": {"email": "ana at example"}, "text": "x"}"#,
        "invalid_value",
        "to.email",
    ),
    (r#"{"class": "urgent", TO}"#, "missing_field", "text"),
    (
        r#"{"class": "urgent", TO, "text": ""}"#,
        "invalid_value",
        "text",
    ),
    (
        r#"{"class": "urgent", TO, "text": "x", "template": "plain"}"#,
        "invalid_value",
        "template",
    ),
    (
        r#"{"class": "urgent", TO, "text": "nul \u0000"}"#,
        "invalid_value",
        "text",
    ),
    (
        r#"{"class": "urgent", TO, "text": "x", "channels": ["sms", "pigeon"]}"#,
        "invalid_value",
        "channels[1]",
    ),
    (
        r#"{"class": "urgent", TO, "text": "x", "channels": ["task"]}"#,
        "invalid_value",
        "channels[0]",
    ),
    (
        r#"{"class": "urgent", TO, "text": "x", "channels": ["email"]}"#,
        "missing_field",
        "to.email",
    ),
    (
        r#"{"class": "urgent", TO, "text": "x", "send_at": "tomorrow"}"#,
        "invalid_value",
        "send_at",
    ),
    (
        r#"{"class": "urgent", TO, "text": "x", "expires_at": "2020-01-01T00:00:00Z"}"#,
        "invalid_value",
        "expires_at",
    ),
    (
        r#"{"class": "urgent", "patient": "his/0", "text": "x"}"#,
        "unknown_patient",
        "patient",
    ),
    (
        r#"{"class": "urgent", "patient": "98765", "text": "x"}"#,
        "invalid_value",
        "patient",
    ),
    (
        r#"{"class": "urgent", "occasion": "his/0", "text": "x"}"#,
        "unknown_occasion",
        "occasion",
    ),
    (
        r#"{"class": "urgent", TO, "text": "LONG"}"#,
        "too_long",
        "text",
    ),
    ("[]", "invalid_value", ""),
];

#[tokio::test]
async fn faults_say_where_and_repeat_nothing() -> Outcome {
    for bench in benches().await {
        for (body, code, path) in FAULTS {
            let body = body.replace("TO", r#""to": {"phone": "+8613800000001"}"#);
            let body: Value = serde_json::from_str(&body.replace("LONG", &"好".repeat(1676)))?;
            let answer = bench.post("/v1/messages", &body).await?.must_be(422);
            let told = (answer.member("code"), answer.member("path"));
            assert_eq!(
                (told.0.as_str(), told.1.as_str()),
                (*code, *path),
                "{}",
                answer.text
            );
            let kind = answer.headers.get("content-type").map(String::as_str);
            assert_eq!(kind, Some("application/problem+json"));
            for private in ["138000", "ana at", "pigeon", "tomorrow", "98765", "好好"] {
                assert!(!answer.text.contains(private), "{}", answer.text);
            }
        }
        assert_eq!(count(&bench).await?, 0);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_json_is_refused_by_its_place() -> Outcome {
    for bench in benches().await {
        let bearer = format!("Bearer {}", bench.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let broken = bench
            .ask(
                "POST",
                "/v1/messages",
                &headers,
                b"{\"class\": \"urgent\",\n \"to\": +8613800000001}",
            )
            .await?
            .must_be(400);
        assert_eq!(broken.member("code"), "invalid_json");
        assert!(
            broken.member("detail").contains("line 2") && !broken.text.contains("13800"),
            "{}",
            broken.text
        );
        bench
            .ask("POST", "/v1/messages", &headers, b"\xff\xfe")
            .await?
            .must_be(400);
        bench
            .ask("POST", "/v1/messages", &headers, &vec![b' '; (1 << 20) + 1])
            .await?
            .must_be(413);
        let form = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        bench
            .ask("POST", "/v1/messages", &form, b"a=b")
            .await?
            .must_be(415);
    }
    Ok(())
}
