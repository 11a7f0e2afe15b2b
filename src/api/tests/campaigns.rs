//! Campaigns and patients' own settings over HTTP.

use serde_json::json;

use super::bench::{Outcome, benches};
use crate::access::Scope;
use crate::model::campaign::SwitchState;
use crate::store::audits::{self, NewAudit};
use crate::store::rule_switches::{self, Switch};

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

#[tokio::test]
async fn all_settings_are_listed_page_by_page_the_latest_first() -> Outcome {
    for mut bench in benches().await {
        bench.key = bench
            .key_for(&[Scope::RecordsRead, Scope::RecordsWrite])
            .await?;
        for key in ["P1", "P2", "P3"] {
            let patient = json!({"name": {"full": "Ana"}});
            bench
                .put(&format!("/v1/patients/his/{key}"), &patient)
                .await?;
            for rule in ["recheck", "open_day"] {
                let path = format!("/v1/patients/his/{key}/overrides/{rule}");
                bench.put(&path, &json!({"off": true})).await?.must_be(200);
            }
            bench
                .clock
                .set(bench.clock.now() + jiff::SignedDuration::from_secs(1));
        }
        for limit in [1, 2, 5, 10] {
            let all = bench.walk("/v1/overrides", limit).await?;
            let keys: Vec<(&str, &str)> = all
                .iter()
                .map(|one| {
                    (
                        one["source_key"].as_str().unwrap(),
                        one["rule"].as_str().unwrap(),
                    )
                })
                .collect();
            let expected = [
                ("P3", "recheck"),
                ("P3", "open_day"),
                ("P2", "recheck"),
                ("P2", "open_day"),
                ("P1", "recheck"),
                ("P1", "open_day"),
            ];
            assert_eq!(keys, expected, "by {limit}");
        }
        let one = bench.walk("/v1/overrides?rule=recheck", 2).await?;
        assert_eq!(one.len(), 3);
        assert_eq!(
            (&one[0]["source"], &one[0]["off"], &one[0]["set_by"]),
            (&json!("his"), &json!(true), &json!("bench"))
        );
        assert_eq!(bench.get("/v1/overrides?limit=0").await?.status, 400);
        assert_eq!(bench.get("/v1/overrides?cursor=x").await?.status, 400);
        assert_eq!(bench.get("/v1/overrides?patient=x").await?.status, 400);
        let refused = bench.get_as(&[Scope::MessagesRead], "/v1/overrides").await?;
        assert_eq!(refused.status, 403);
    }
    Ok(())
}

#[tokio::test]
async fn a_rule_that_waits_is_let_go_by_another_than_who_installed_it() -> Outcome {
    for mut bench in benches().await {
        let path = "/v1/rules/recheck";
        assert_eq!(bench.get(path).await?.must_be(200).member("state"), "new");
        assert_eq!(bench.get("/v1/rules/nothing").await?.status, 404);
        let now = bench.clock.now();
        let switch = Switch {
            rule: "recheck".to_owned(),
            timing: "t".to_owned(),
            mode: "live".to_owned(),
            state: SwitchState::Waiting,
            baseline: 0,
            reach: 1234,
            approver: None,
            since: now,
            approved_at: None,
        };
        let mut tx = bench.write().await?;
        rule_switches::put(&mut tx, &switch).await?;
        let act = NewAudit {
            actor: "Bench ",
            action: rule_switches::APPLIED,
            target: "recheck",
            detail: json!({}),
        };
        audits::add(&mut tx, &act, now).await?;
        tx.commit().await?;
        let shown = bench.get(path).await?.must_be(200).json();
        assert_eq!(
            (&shown["state"], &shown["reach"]),
            (&json!("waiting"), &json!(1234))
        );
        let approve = "/v1/rules/recheck/approve";
        let refused = bench.post(approve, &json!({})).await?;
        assert_eq!(refused.status, 403, "it takes an admin's key");
        bench.key = bench.key_for(&[Scope::Admin]).await?;
        let same = bench.post(approve, &json!({})).await?.must_be(409);
        assert_eq!(same.member("code"), "same_person");
        let mut tx = bench.write().await?;
        let act = NewAudit {
            actor: "Wang Fang",
            ..act
        };
        let later = now + jiff::SignedDuration::from_secs(1);
        audits::add(&mut tx, &act, later).await?;
        tx.commit().await?;
        let done = bench.post(approve, &json!({})).await?.must_be(200).json();
        assert_eq!(
            (&done["state"], &done["approver"]),
            (&json!("approved"), &json!("bench"))
        );
        let again = bench.post(approve, &json!({})).await?.must_be(409);
        assert_eq!(again.member("code"), "not_waiting");
        assert_eq!(
            bench
                .post("/v1/rules/nothing/approve", &json!({}))
                .await?
                .status,
            404
        );
    }
    Ok(())
}
