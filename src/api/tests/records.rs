//! Records by the hospital's own keys, and messages to those they name.

use serde_json::{Value, json};

use super::bench::{Bench, Outcome, benches};
use crate::access::Scope;

const PHONE: &str = "+8613800000001";

fn ana() -> Value {
    json!({
        "name": {"full": "Ana Lima", "given": "Ana", "family": "Lima"}, "birth_date": "1975-04-02", "language": "en",
        "contacts": [{"phone": PHONE}, {"email": "ana@example.org"}], "attributes": {"occupation": "teacher"},
    })
}

fn visit(at: &str) -> Value {
    json!({"patient": "his/12345", "kind": "appointment", "at": at, "doctor": "Dr Lee"})
}

/// A patient with a booking: Ana, `his/12345`, and `his/A-77`.
pub(super) async fn enrol(bench: &Bench) -> Outcome {
    bench
        .put("/v1/patients/his/12345", &ana())
        .await?
        .must_be(201);
    bench
        .put("/v1/occasions/his/A-77", &visit("2026-12-01T10:00"))
        .await?
        .must_be(201);
    Ok(())
}

#[tokio::test]
async fn a_patient_is_told_once_and_again() -> Outcome {
    for bench in benches().await {
        let path = "/v1/patients/his/12345";
        let first = bench.put(path, &ana()).await?.must_be(201);
        assert_eq!(
            first.headers.get("location").map(String::as_str),
            Some(path)
        );
        let again = bench.put(path, &ana()).await?.must_be(200);
        assert_eq!(
            (again.member("outcome"), again.member("id")),
            ("unchanged".to_owned(), first.member("id"))
        );
        let mut changed = ana();
        changed["language"] = json!("zh-CN");
        assert_eq!(
            bench
                .put(path, &changed)
                .await?
                .must_be(200)
                .member("outcome"),
            "changed"
        );
        assert_eq!(
            (bench.delete(path).await?, bench.delete(path).await?),
            (204, 404)
        );
        bench.get(path).await?.must_be(404);
    }
    Ok(())
}

#[tokio::test]
async fn who_a_patient_is_needs_a_key_for_it() -> Outcome {
    for bench in benches().await {
        enrol(&bench).await?;
        let shown = bench.get("/v1/patients/his/12345").await?.must_be(200);
        assert_eq!(
            shown.json()["contacts"][0],
            json!({"kind": "phone", "status": "ok"})
        );
        for private in ["Ana", "1380000", "example.org", "1975", "teacher"] {
            assert!(!shown.text.contains(private), "{}", shown.text);
        }
        let scopes = [Scope::RecordsRead, Scope::PrivateRead];
        let opened = bench
            .get_as(&scopes, "/v1/patients/his/12345")
            .await?
            .must_be(200)
            .json();
        assert_eq!(
            (&opened["name"]["full"], &opened["contacts"][0]["address"]),
            (&json!("Ana Lima"), &json!(PHONE))
        );
    }
    Ok(())
}

#[tokio::test]
async fn faults_of_records_say_where_and_repeat_nothing() -> Outcome {
    let cases = [
        (
            "/v1/patients/his/1",
            json!({"contacts": [{"phone": "13x"}]}),
            "contacts[0].phone",
        ),
        (
            "/v1/patients/his/1",
            json!({"birth_date": "in 1931"}),
            "birth_date",
        ),
        ("/v1/patients/his/1", json!({"name": "Ana Lima"}), "name"),
        (
            "/v1/patients/his/1",
            json!({"attributes": {"note": "a\u{0}b"}}),
            "attributes.note",
        ),
        (
            "/v1/occasions/his/1",
            json!({"patient": "his/12345", "kind": "appointment", "at": "noon"}),
            "at",
        ),
        ("/v1/occasions/his/1", json!([]), ""),
    ];
    for bench in benches().await {
        enrol(&bench).await?;
        for (path, body, place) in &cases {
            let answer = bench.put(path, body).await?.must_be(422);
            assert_eq!(answer.member("path"), *place, "{}", answer.text);
            for private in ["13x", "1931", "Ana", "noon", "a\u{0}b"] {
                assert!(!answer.text.contains(private), "{}", answer.text);
            }
        }
        bench
            .put(
                "/v1/occasions/his/B-1",
                &json!({"patient": "his/nobody", "kind": "appointment", "at": "2026-12-01T10:00"}),
            )
            .await?
            .must_be(422);
        bench
            .put("/v1/patients/his/%00", &ana())
            .await?
            .must_be(404);
    }
    Ok(())
}

#[tokio::test]
async fn a_sensitive_patient_is_refused_and_purged() -> Outcome {
    for bench in benches().await {
        enrol(&bench).await?;
        let mut flagged = ana();
        flagged["sensitive"] = json!(true);
        assert_eq!(
            bench
                .put("/v1/patients/his/12345", &flagged)
                .await?
                .must_be(422)
                .member("code"),
            "sensitive"
        );
        bench.get("/v1/patients/his/12345").await?.must_be(404);
        bench.get("/v1/occasions/his/A-77").await?.must_be(404);
    }
    Ok(())
}

#[tokio::test]
async fn a_message_finds_its_patient_and_its_occasion() -> Outcome {
    for bench in benches().await {
        enrol(&bench).await?;
        let body = json!({"class": "appointment", "occasion": "his/A-77", "template": "visit", "data": {"time": "10:00"}, "channels": ["sms"]});
        let id = bench
            .post("/v1/messages", &body)
            .await?
            .must_be(202)
            .member("id");
        let scopes = [Scope::Admin, Scope::PrivateRead];
        let shown = bench
            .get_as(&scopes, &format!("/v1/messages/{id}"))
            .await?
            .json();
        assert_eq!(
            (&shown["texts"]["sms"], &shown["to"]["sms"]),
            (&json!("Ana Lima, see you at 10:00."), &json!(PHONE))
        );
        // Two hours before ten in the morning in Shanghai.
        assert_eq!(
            (&shown["expires_at"], &shown["template"]),
            (&json!("2026-12-01T00:00:00Z"), &json!("visit"))
        );
        let mine = bench.get("/v1/messages?patient=his/12345").await?.json();
        assert_eq!(mine["data"].as_array().map(Vec::len), Some(1));

        bench
            .put("/v1/patients/his/2", &json!({"name": {"full": "Bo"}}))
            .await?
            .must_be(201);
        let other = json!({"class": "appointment", "patient": "his/2", "occasion": "his/A-77", "text": "x"});
        assert_eq!(
            bench
                .post("/v1/messages", &other)
                .await?
                .must_be(422)
                .member("path"),
            "occasion"
        );
        let unreachable = bench
            .post(
                "/v1/messages",
                &json!({"class": "appointment", "patient": "his/2", "text": "x"}),
            )
            .await?
            .must_be(202);
        assert_eq!(unreachable.member("state"), "suppressed");
    }
    Ok(())
}

#[tokio::test]
async fn the_dead_and_those_who_refused_are_not_written_to() -> Outcome {
    for bench in benches().await {
        let mut refused = ana();
        refused["consent"] =
            json!([{"scope": "clinical", "granted": false}, {"scope": "sms", "granted": false}]);
        bench
            .put("/v1/patients/his/12345", &refused)
            .await?
            .must_be(201);
        let state = async |class: &str, channels: Value| {
            let body =
                json!({"class": class, "patient": "his/12345", "text": "x", "channels": channels});
            anyhow::Ok(
                bench
                    .post("/v1/messages", &body)
                    .await?
                    .must_be(202)
                    .member("state"),
            )
        };
        assert_eq!(state("clinical", json!(["email"])).await?, "suppressed");
        assert_eq!(state("appointment", json!(["sms"])).await?, "suppressed");
        assert_eq!(
            state("appointment", json!(["sms", "email"])).await?,
            "queued"
        );
        let mut dead = ana();
        dead["deceased"] = json!(true);
        bench
            .put("/v1/patients/his/12345", &dead)
            .await?
            .must_be(200);
        assert_eq!(state("urgent", json!(["email"])).await?, "suppressed");
    }
    Ok(())
}

#[tokio::test]
async fn the_number_of_the_dead_is_not_written_to_unless_somebody_else_has_it() -> Outcome {
    for bench in benches().await {
        let mut dead = ana();
        dead["deceased"] = json!(true);
        bench
            .put("/v1/patients/his/12345", &dead)
            .await?
            .must_be(201);
        let bare = json!({"class": "urgent", "to": {"phone": PHONE}, "text": "x"});
        let refused = bench.post("/v1/messages", &bare).await?.must_be(202);
        assert_eq!(refused.member("state"), "suppressed");
        let spouse = json!({"name": {"full": "Leo"}, "contacts": [{"phone": PHONE}]});
        bench.put("/v1/patients/his/2", &spouse).await?.must_be(201);
        let free = bench.post("/v1/messages", &bare).await?.must_be(202);
        assert_eq!(free.member("state"), "queued");
    }
    Ok(())
}

#[tokio::test]
async fn an_occasion_moves_and_an_old_version_is_ignored() -> Outcome {
    for bench in benches().await {
        enrol(&bench).await?;
        let version = |at: &str, version: i64| {
            let mut body = visit(at);
            body["version"] = json!(version);
            body
        };
        bench
            .put("/v1/occasions/his/A-77", &version("2026-12-02T10:00", 5))
            .await?
            .must_be(200);
        assert_eq!(
            bench
                .put("/v1/occasions/his/A-77", &version("2026-12-03T10:00", 4))
                .await?
                .must_be(200)
                .member("outcome"),
            "older"
        );
        let shown = bench
            .get("/v1/occasions/his/A-77")
            .await?
            .must_be(200)
            .json();
        assert_eq!(
            (&shown["at"], &shown["epoch"]),
            (&json!("2026-12-02T10:00"), &json!(2))
        );
        assert_eq!(
            bench
                .send("DELETE", "/v1/occasions/his/A-77", &json!({}), &[])
                .await?
                .status,
            204
        );
        assert_eq!(
            bench
                .get("/v1/occasions/his/A-77")
                .await?
                .must_be(200)
                .member("status"),
            "cancelled"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_doctor_is_told_with_absence_and_substitute() -> Outcome {
    let path = "/v1/staff/his/D1";
    let doctor = json!({
        "name": "Dr Lee", "department": "clinical", "email": "lee@example.org",
        "away": [{"from": "2026-12-24", "until": "2027-01-02"}], "substitute": "D2",
    });
    for bench in benches().await {
        bench.get(path).await?.must_be(404);
        bench.put(path, &doctor).await?.must_be(201);
        let again = bench.put(path, &doctor).await?.must_be(200);
        assert_eq!(again.member("outcome"), "unchanged");
        let shown = bench.get(path).await?.must_be(200);
        assert!(
            !shown.text.contains("Lee") && !shown.text.contains("lee@"),
            "{}",
            shown.text
        );
        let body: Value = serde_json::from_str(&shown.text)?;
        assert_eq!(body["away"], doctor["away"]);
        assert_eq!(body["substitute"], "his/D2");
        bench
            .put(path, &json!({"name": "Dr Lee"}))
            .await?
            .must_be(200);
        let back: Value = serde_json::from_str(&bench.get(path).await?.text)?;
        assert_eq!(
            (&back["away"], &back["substitute"]),
            (&json!([]), &Value::Null)
        );
        for (body, place) in [
            (json!({"name": " "}), "name"),
            (json!({"name": "X", "away": [{}]}), "away[0]"),
            (
                json!({"name": "X", "away": [{"from": "soon"}]}),
                "away[0].from",
            ),
            (
                json!({"name": "X", "away": [{"from": "2026-12-24", "until": "2026-12-01"}]}),
                "away[0].until",
            ),
            (json!({"name": "X", "phone": "13x"}), "phone"),
            (json!({"name": "X", "substitute": "/"}), "substitute"),
        ] {
            let answer = bench.put(path, &body).await?.must_be(422);
            assert_eq!(answer.member("path"), place, "{}", answer.text);
        }
        enrol(&bench).await?;
        let mut treated = visit("2026-12-01T10:00");
        treated["doctor_key"] = json!("D1");
        bench
            .put("/v1/occasions/his/A-77", &treated)
            .await?
            .must_be(200);
        let shown = bench.get("/v1/occasions/his/A-77").await?.must_be(200);
        assert_eq!(shown.member("doctor_key"), "his/D1");
        bench.get("/v1/tasks?staff=his/D1").await?.must_be(200);
        bench.get("/v1/tasks?staff=his/D9").await?.must_be(400);
    }
    Ok(())
}
