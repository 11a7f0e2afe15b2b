//! Campaigns and patients' own settings over HTTP.

use serde_json::json;

use super::bench::{Outcome, benches};
use crate::access::Scope;

#[tokio::test]
async fn a_rule_is_started_once_and_called_off() -> Outcome {
    for mut bench in benches().await {
        let body = json!({"rule": "open_day", "at": "2026-12-01T09:00:30+08:00"});
        let refused = bench.post("/v1/campaigns", &body).await?;
        assert_eq!(refused.status, 403, "it takes an admin's key");
        bench.key = bench.key_for(&[Scope::Admin]).await?;
        let started = bench.post("/v1/campaigns", &body).await?;
        assert_eq!(started.status, 202, "{}", started.text);
        let shown = started.json();
        assert_eq!(shown["state"], "counting");
        assert_eq!(shown["at"], "2026-12-01T01:00:00Z");
        let again = bench.post("/v1/campaigns", &body).await?;
        assert_eq!(
            (again.status, again.json()["code"].as_str()),
            (409, Some("already_started"))
        );
        for wrong in [
            json!({"rule": "recheck"}),
            json!({"rule": "open_day", "at": "yesterday"}),
            json!({"rule": "open_day", "at": "2026-01-01T00:00:00Z"}),
            json!({"rule": "open_day", "to": "all"}),
            json!([]),
        ] {
            let told = bench.post("/v1/campaigns", &wrong).await?;
            assert_eq!(told.status, 422, "{wrong}");
        }
        let id = shown["id"].as_str().unwrap_or_default().to_owned();
        let path = format!("/v1/campaigns/{id}");
        let approve = format!("{path}/approve");
        let told = bench.post(&approve, &json!({})).await?;
        assert_eq!(
            (told.status, told.json()["code"].as_str()),
            (409, Some("not_waiting"))
        );
        let told = bench.post(&format!("{path}/cancel"), &json!({})).await?;
        assert_eq!(
            (told.status, told.json()["state"].as_str()),
            (200, Some("cancelled"))
        );
        let one = bench.get(&path).await?.json();
        assert_eq!(
            (&one["state"], &one["progress"]["planned"]),
            (&json!("cancelled"), &json!(0))
        );
        let all = bench.get("/v1/campaigns").await?.json();
        assert_eq!(all["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(bench.get("/v1/campaigns/cmp_1").await?.status, 404);
    }
    Ok(())
}

#[tokio::test]
async fn a_patients_own_setting_is_set_seen_and_taken_back() -> Outcome {
    for bench in benches().await {
        let patient = json!({"name": {"full": "Ana"}, "contacts": [{"phone": "+8613800000001"}]});
        bench.put("/v1/patients/his/P1", &patient).await?;
        let path = "/v1/patients/his/P1/overrides/recheck";
        assert_eq!(bench.get(path).await?.status, 404);
        let body = json!({"before": ["5d", "1d"], "by": ["voice", "sms"]});
        for outcome in ["set", "unchanged"] {
            let told = bench.put(path, &body).await?;
            assert_eq!(
                (told.status, told.json()["outcome"].as_str()),
                (200, Some(outcome))
            );
        }
        let shown = bench.get(path).await?.json();
        assert_eq!(
            (&shown["before"], &shown["off"]),
            (&json!(["5d", "1d"]), &json!(false))
        );
        for wrong in [
            json!({}),
            json!({"off": true, "by": ["sms"]}),
            json!({"before": ["soon"]}),
            json!({"by": ["task"]}),
            json!({"by": "sms"}),
            json!({"channel": "sms"}),
        ] {
            assert_eq!(bench.put(path, &wrong).await?.status, 422, "{wrong}");
        }
        for unknown in [
            "/v1/patients/his/P2/overrides/recheck",
            "/v1/patients/his/P1/overrides/x",
        ] {
            let off = json!({"off": true});
            assert_eq!(bench.put(unknown, &off).await?.status, 404);
        }
        assert_eq!(bench.delete(path).await?, 204);
        assert_eq!(bench.delete(path).await?, 404);
    }
    Ok(())
}
