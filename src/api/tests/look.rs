//! Looking: keys and scopes, pages, the timeline, calling off.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bench::{Answer, Bench, Outcome, benches};
use crate::access::Scope;

async fn fill(bench: &Bench, n: usize) -> Outcome {
    let message = |n: usize| json!({"class": "appointment", "to": {"phone": "+8613800000001"}, "text": format!("{n}"), "reference": format!("r{n}")});
    let messages: Vec<_> = (0..n).map(message).collect();
    bench
        .post("/v1/messages/batch", &json!({"messages": messages}))
        .await?
        .must_be(200);
    Ok(())
}

async fn pages(bench: &Bench, query: &str) -> anyhow::Result<Vec<String>> {
    let rows = bench.walk(&format!("/v1/messages{query}"), 7).await?;
    let reference = |row: &Value| row["reference"].as_str().unwrap_or_default().to_owned();
    Ok(rows.iter().map(reference).collect())
}

#[tokio::test]
async fn pages_never_miss_or_repeat() -> Outcome {
    for bench in benches().await {
        // All in one millisecond, then some more.
        fill(&bench, 40).await?;
        bench.clock.advance(jiff::SignedDuration::from_secs(60));
        fill(&bench, 10).await?;
        for query in [
            "",
            "?state=queued",
            "?channel=sms",
            "?since=2026-11-23T02:30:00Z",
            "?state=queued&channel=sms",
        ] {
            let seen = pages(&bench, query).await?;
            assert_eq!(
                (seen.len(), seen.iter().collect::<BTreeSet<_>>().len()),
                (50, 40),
                "{query}"
            );
        }
        assert_eq!(
            pages(&bench, "?since=2026-11-23T02:31:00Z").await?.len(),
            10
        );
        assert_eq!(
            pages(&bench, "?state=delivered").await?.len()
                + pages(&bench, "?patient=his/none").await?.len(),
            0
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_page_is_not_disturbed_by_what_comes_meanwhile() -> Outcome {
    for bench in benches().await {
        fill(&bench, 20).await?;
        let first = bench.get("/v1/messages?limit=10").await?.json();
        bench.clock.advance(jiff::SignedDuration::from_secs(1));
        fill(&bench, 5).await?;
        let cursor = first["next_cursor"].as_str().unwrap_or_default();
        let second = bench
            .get(&format!("/v1/messages?limit=10&cursor={cursor}"))
            .await?
            .json();
        let ids = |page: &Value| {
            page["data"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|m| m["id"].to_string())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(ids(&first).union(&ids(&second)).count(), 20);
    }
    Ok(())
}

#[tokio::test]
async fn a_key_opens_its_scopes_only() -> Outcome {
    for bench in benches().await {
        let ask = async |key: &str, method: &str, path: &str, body: &str| {
            bench
                .ask(
                    method,
                    path,
                    &[("authorization", &format!("Bearer {key}"))],
                    body.as_bytes(),
                )
                .await
        };
        let reader = bench.key_for(&[Scope::MessagesRead]).await?;
        ask(&reader, "GET", "/v1/messages", "").await?.must_be(200);
        let refused = ask(&reader, "POST", "/v1/messages", "{}")
            .await?
            .must_be(403);
        assert!(
            refused.member("code") == "forbidden"
                && refused.member("detail").contains("messages:write")
        );
        let writer = bench.key_for(&[Scope::MessagesWrite]).await?;
        ask(&writer, "GET", "/v1/messages", "").await?.must_be(403);
        for bad in ["", "cb_", "cb_0000", "nonsense"] {
            let refused = ask(bad, "GET", "/v1/messages", "").await?.must_be(401);
            assert_eq!(
                refused.headers.get("www-authenticate").map(String::as_str),
                Some("Bearer")
            );
        }
        bench
            .ask("GET", "/v1/messages", &[], b"")
            .await?
            .must_be(401);
        bench
            .ask(
                "GET",
                "/v1/messages",
                &[("authorization", "Basic Y2I6")],
                b"",
            )
            .await?
            .must_be(401);
    }
    Ok(())
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() -> Outcome {
    for bench in benches().await {
        for query in [
            "state=lost",
            "channel=pigeon",
            "since=yesterday",
            "limit=0",
            "limit=501",
            "limit=x",
            "cursor=1",
            "cursor=1.a'",
            "wat=1",
            "limit=1&limit=2",
            "patient=%00",
        ] {
            let answer = bench
                .get(&format!("/v1/messages?{query}"))
                .await?
                .must_be(400);
            assert_eq!(answer.member("code"), "invalid_parameter", "{query}");
        }
        for path in [
            "/v1/messages/none",
            "/v1/messages/msg_1",
            "/v1/messages/msg_1/timeline",
            "/v1/nothing",
            "/",
            "/v1/messages/%ff",
        ] {
            assert_eq!(
                bench.get(path).await?.must_be(404).member("code"),
                "not_found",
                "{path}"
            );
        }
        assert_eq!(
            bench
                .send("DELETE", "/v1/messages", &json!({}), &[])
                .await?
                .must_be(405)
                .member("code"),
            "method_not_allowed"
        );
    }
    Ok(())
}

const LATER: &str = "2026-12-01T09:00:00+08:00";

async fn act(bench: &Bench, id: &str, act: &str, body: Value) -> anyhow::Result<Answer> {
    bench.post(&format!("/v1/messages/{id}/{act}"), &body).await
}

#[tokio::test]
async fn what_is_called_off_stays_and_tells_its_story() -> Outcome {
    for bench in benches().await {
        let body = json!({"class": "appointment", "to": {"phone": "+8613800000001"}, "text": "x", "send_at": LATER});
        let id = bench
            .post("/v1/messages", &body)
            .await?
            .must_be(202)
            .member("id");
        let shown = bench.get(&format!("/v1/messages/{id}")).await?;
        assert_eq!(shown.member("state"), "scheduled");
        for _ in 0..2 {
            let answer = act(&bench, &id, "cancel", json!({})).await?.must_be(200);
            assert_eq!(answer.member("state"), "cancelled");
        }
        let timeline = bench
            .get(&format!("/v1/messages/{id}/timeline"))
            .await?
            .must_be(200)
            .json();
        let told = timeline["data"].as_array().into_iter().flatten();
        let told: Vec<&str> = told.filter_map(|moment| moment["what"].as_str()).collect();
        assert_eq!(told, ["accepted", "message.cancel", "state"]);
        for verb in ["cancel", "resend"] {
            act(&bench, "msg_none", verb, json!({})).await?.must_be(404);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_finished_one_goes_again_as_another() -> Outcome {
    for bench in benches().await {
        let body = json!({"class": "appointment", "to": {"phone": "+8613800000001"}, "text": "x", "send_at": LATER});
        let id = bench
            .post("/v1/messages", &body)
            .await?
            .must_be(202)
            .member("id");
        act(&bench, &id, "cancel", json!({})).await?.must_be(200);
        let refused = act(&bench, &id, "resolve", json!({"outcome": "sent"}))
            .await?
            .must_be(409);
        assert_eq!(refused.member("code"), "not_uncertain");
        act(&bench, &id, "resolve", json!({"outcome": "maybe"}))
            .await?
            .must_be(422);

        let copy = act(&bench, &id, "resend", json!({})).await?.must_be(202);
        assert_eq!(copy.member("state"), "queued");
        let shown = bench
            .get(&format!("/v1/messages/{}", copy.member("id")))
            .await?
            .json();
        assert_eq!(
            (&shown["source"], &shown["possible_duplicate"]),
            (&json!("resend"), &json!(true))
        );
        let early = act(&bench, &copy.member("id"), "resend", json!({}))
            .await?
            .must_be(409);
        assert_eq!(early.member("code"), "not_finished");
    }
    Ok(())
}
