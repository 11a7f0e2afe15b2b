//! Webhooks by the API: what is shown to whom, what is refused, pages.

use serde_json::{Value, json};

use super::bench::{Answer, Bench, Outcome, benches};
use crate::access::Scope;
use crate::store::on;

async fn with(bench: &mut Bench, scopes: &[Scope]) -> Outcome {
    bench.key = bench.key_for(scopes).await?;
    Ok(())
}

async fn add(bench: &Bench, more: Value) -> anyhow::Result<Answer> {
    let mut wish = json!({"name": "HIS", "url": "https://his.example.org/in"});
    for (name, value) in more.as_object().into_iter().flatten() {
        wish[name] = value.clone();
    }
    bench.post("/v1/webhooks", &wish).await
}

#[tokio::test]
async fn the_secret_is_shown_once_and_the_usual_key_may_do_nothing() -> Outcome {
    for mut bench in benches().await {
        assert_eq!(add(&bench, json!({})).await?.status, 403);
        assert_eq!(bench.get("/v1/webhooks").await?.status, 403);
        with(&mut bench, &[Scope::WebhooksWrite, Scope::WebhooksRead]).await?;
        let made = add(&bench, json!({})).await?.must_be(201);
        let (id, secret) = (made.member("id"), made.member("secret"));
        assert!(secret.starts_with("whsec_"), "{}", made.text);
        assert_eq!(made.headers["location"], format!("/v1/webhooks/{id}"));
        let shown = bench.get(&format!("/v1/webhooks/{id}")).await?.must_be(200);
        assert!(!shown.text.contains(&secret));
        assert_eq!(shown.json()["in_flight"], 1);
        let rotated = bench
            .post(&format!("/v1/webhooks/{id}/rotate_secret"), &Value::Null)
            .await?
            .must_be(200);
        assert_ne!(rotated.member("secret"), secret);
        with(&mut bench, &[Scope::WebhooksRead]).await?;
        for act in ["rotate_secret", "test", "replay"] {
            assert_eq!(
                bench
                    .post(&format!("/v1/webhooks/{id}/{act}"), &json!({}))
                    .await?
                    .status,
                403,
                "{act}"
            );
        }
        assert_eq!(
            bench
                .send("DELETE", &format!("/v1/webhooks/{id}"), &Value::Null, &[])
                .await?
                .status,
            403
        );
    }
    Ok(())
}

#[tokio::test]
async fn whoever_may_not_see_private_data_cannot_have_it_sent_anywhere() -> Outcome {
    for mut bench in benches().await {
        with(&mut bench, &[Scope::Admin]).await?;
        for include in ["address", "text"] {
            assert_eq!(
                add(&bench, json!({"include": [include]})).await?.status,
                403,
                "{include}"
            );
        }
        let id = add(&bench, json!({"include": ["keys"]}))
            .await?
            .must_be(201)
            .member("id");
        let path = format!("/v1/webhooks/{id}");
        assert_eq!(
            bench
                .send("PATCH", &path, &json!({"include": ["text"]}), &[])
                .await?
                .status,
            403
        );
        with(&mut bench, &[Scope::Admin, Scope::PrivateRead]).await?;
        bench
            .send("PATCH", &path, &json!({"include": ["text"]}), &[])
            .await?
            .must_be(200);
        // Nor have it sent to another place.
        with(&mut bench, &[Scope::Admin]).await?;
        let elsewhere = json!({"url": "https://elsewhere.example.org/"});
        assert_eq!(
            bench.send("PATCH", &path, &elsewhere, &[]).await?.status,
            403
        );
        bench
            .send("PATCH", &path, &json!({"include": []}), &[])
            .await?
            .must_be(200);
        bench
            .send("PATCH", &path, &elsewhere, &[])
            .await?
            .must_be(200);
        let mut tx = bench.store.read().await?;
        let acts: Vec<(String, String)> = on!(&mut tx, conn => sqlx::query_as("SELECT action, detail FROM audit WHERE target LIKE 'whk_%' ORDER BY id").fetch_all(conn).await)?;
        assert_eq!(acts.len(), 4, "{acts:?}");
        assert!(
            acts[1].0 == "webhook.change" && acts[1].1.contains("text"),
            "{acts:?}"
        );
    }
    Ok(())
}

/// Wishes that cannot be met, and what is said of each.
fn wrong() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({"url": null}), "missing_field", "url"),
        (json!({"name": null}), "missing_field", "name"),
        (json!({"name": ""}), "invalid_value", "name"),
        (json!({"name": 7}), "invalid_value", "name"),
        (json!({"url": "nowhere"}), "invalid_value", "url"),
        (
            json!({"url": "https://me:secret@his.example.org/"}),
            "invalid_value",
            "url",
        ),
        (
            json!({"url": "https://10.0.0.1/secret"}),
            "host_refused",
            "url",
        ),
        (json!({"url": "https://8.8.8.8:22/"}), "host_refused", "url"),
        (json!({"url": "https://127.0.0.2/"}), "host_refused", "url"),
        (json!({"types": ["messages"]}), "invalid_value", "types"),
        (json!({"types": "message.*"}), "invalid_value", "types"),
        (json!({"include": ["secret"]}), "invalid_value", "include"),
        (json!({"in_flight": 0}), "invalid_value", "in_flight"),
        (json!({"in_flight": 17}), "invalid_value", "in_flight"),
        (json!({"secret": "x"}), "unknown_field", "?"),
    ]
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_place_and_repeated_by_nobody() -> Outcome {
    for mut bench in benches().await {
        with(&mut bench, &[Scope::Admin]).await?;
        for (wish, code, path) in wrong() {
            let refused = add(&bench, wish.clone()).await?.must_be(422);
            assert_eq!(
                (
                    refused.member("code").as_str(),
                    refused.member("path").as_str()
                ),
                (code, path),
                "{wish} {}",
                refused.text
            );
            assert!(
                !refused.text.contains("secret@") && !refused.text.contains("/secret"),
                "{}",
                refused.text
            );
        }
        let id = add(&bench, json!({})).await?.must_be(201).member("id");
        for (act, body) in [
            ("replay", json!({})),
            ("replay", json!({"since": "yesterday"})),
            (
                "replay",
                json!({"since": "2026-01-01T00:00:00Z", "until": 1}),
            ),
            ("rotate_secret", json!({"keep_old_for_h": 169})),
            ("rotate_secret", json!({"keep": 1})),
        ] {
            bench
                .post(&format!("/v1/webhooks/{id}/{act}"), &body)
                .await?
                .must_be(422);
        }
        for path in [
            "/v1/webhooks/whk_none",
            "/v1/webhooks/x",
            "/v1/webhooks/whk_none/deliveries",
        ] {
            assert_eq!(bench.get(path).await?.status, 404, "{path}");
        }
        for path in [
            "/v1/webhooks/whk_none/test",
            "/v1/webhooks/whk_none/deliveries/whd_none/replay",
        ] {
            assert_eq!(bench.post(path, &json!({})).await?.status, 404, "{path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn webhooks_come_page_by_page_and_go() -> Outcome {
    for mut bench in benches().await {
        with(&mut bench, &[Scope::Admin]).await?;
        let mut made = Vec::new();
        for n in 0..5 {
            made.push(
                add(&bench, json!({"name": format!("no {n}")}))
                    .await?
                    .must_be(201)
                    .member("id"),
            );
        }
        let listed = bench.walk("/v1/webhooks", 2).await?;
        let ids: Vec<&str> = listed.iter().filter_map(|one| one["id"].as_str()).collect();
        made.reverse();
        assert_eq!(ids, made);
        for id in &made {
            assert_eq!(
                bench
                    .send("DELETE", &format!("/v1/webhooks/{id}"), &Value::Null, &[])
                    .await?
                    .status,
                204
            );
            assert_eq!(
                bench
                    .send("DELETE", &format!("/v1/webhooks/{id}"), &Value::Null, &[])
                    .await?
                    .status,
                404
            );
        }
        assert!(bench.walk("/v1/webhooks", 2).await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn nobody_can_pile_up_what_is_to_be_sent_beside_its_turn() -> Outcome {
    for mut bench in benches().await {
        with(&mut bench, &[Scope::Admin]).await?;
        let id = add(&bench, json!({})).await?.must_be(201).member("id");
        let path = format!("/v1/webhooks/{id}/test");
        for _ in 0..100 {
            bench.post(&path, &json!({})).await?.must_be(202);
        }
        assert_eq!(
            bench
                .post(&path, &json!({}))
                .await?
                .must_be(409)
                .member("code"),
            "too_many_asked"
        );
    }
    Ok(())
}
