//! Records by the hospital's own keys, messages to patients, wishes, suppressions, tasks, the feed.

use serde_json::{Value, json};

use super::bench::{Bench, Outcome, benches};
use crate::access::Scope;
use crate::model::class::Channel;
use crate::model::id::{OccasionId, PatientId, ReplyId, TaskId};
use crate::model::task::{Priority, TaskKind};
use crate::store::replies::{NewChangeRequest, request_change};
use crate::store::tasks::{self, NewTask};
use crate::store::{occasions, on, patients};

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

async fn put(bench: &Bench, path: &str, body: &Value) -> anyhow::Result<super::bench::Answer> {
    bench.send("PUT", path, body, &[]).await
}

async fn enrol(bench: &Bench) -> Outcome {
    put(bench, "/v1/patients/his/12345", &ana())
        .await?
        .must_be(201);
    put(bench, "/v1/occasions/his/A-77", &visit("2026-12-01T10:00"))
        .await?
        .must_be(201);
    Ok(())
}

#[tokio::test]
async fn a_patient_is_told_once_and_again() -> Outcome {
    for bench in benches().await {
        let first = put(&bench, "/v1/patients/his/12345", &ana())
            .await?
            .must_be(201);
        assert_eq!(
            first.headers.get("location").map(String::as_str),
            Some("/v1/patients/his/12345")
        );
        let again = put(&bench, "/v1/patients/his/12345", &ana())
            .await?
            .must_be(200);
        assert_eq!(
            (again.member("outcome"), again.member("id")),
            ("unchanged".to_owned(), first.member("id"))
        );
        let mut changed = ana();
        changed["language"] = json!("zh-CN");
        assert_eq!(
            put(&bench, "/v1/patients/his/12345", &changed)
                .await?
                .must_be(200)
                .member("outcome"),
            "changed"
        );

        let shown = bench.get("/v1/patients/his/12345").await?.must_be(200);
        assert_eq!(
            shown.json()["contacts"][0],
            json!({"kind": "phone", "status": "ok"})
        );
        for private in ["Ana", "1380000", "example.org", "1975", "teacher"] {
            assert!(!shown.text.contains(private), "{}", shown.text);
        }
        let key = bench
            .key_for(&[Scope::RecordsRead, Scope::PrivateRead])
            .await?;
        let opened = bench
            .ask(
                "GET",
                "/v1/patients/his/12345",
                &[("authorization", &format!("Bearer {key}"))],
                b"",
            )
            .await?
            .must_be(200);
        assert_eq!(
            (
                &opened.json()["name"]["full"],
                &opened.json()["contacts"][0]["address"]
            ),
            (&json!("Ana Lima"), &json!(PHONE))
        );

        assert_eq!(
            bench
                .send("DELETE", "/v1/patients/his/12345", &json!({}), &[])
                .await?
                .status,
            204
        );
        bench.get("/v1/patients/his/12345").await?.must_be(404);
        bench
            .send("DELETE", "/v1/patients/his/12345", &json!({}), &[])
            .await?
            .must_be(404);
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
            let answer = put(&bench, path, body).await?.must_be(422);
            assert_eq!(answer.member("path"), *place, "{}", answer.text);
            for private in ["13x", "1931", "Ana", "noon", "a\u{0}b"] {
                assert!(!answer.text.contains(private), "{}", answer.text);
            }
        }
        put(
            &bench,
            "/v1/occasions/his/B-1",
            &json!({"patient": "his/nobody", "kind": "appointment", "at": "2026-12-01T10:00"}),
        )
        .await?
        .must_be(422);
        put(&bench, "/v1/patients/his/%00", &ana())
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
            put(&bench, "/v1/patients/his/12345", &flagged)
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
        let key = bench.key_for(&[Scope::Admin, Scope::PrivateRead]).await?;
        let shown = bench
            .ask(
                "GET",
                &format!("/v1/messages/{id}"),
                &[("authorization", &format!("Bearer {key}"))],
                b"",
            )
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

        put(
            &bench,
            "/v1/patients/his/2",
            &json!({"name": {"full": "Bo"}}),
        )
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
        put(&bench, "/v1/patients/his/12345", &refused)
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
        put(&bench, "/v1/patients/his/12345", &dead)
            .await?
            .must_be(200);
        assert_eq!(state("urgent", json!(["email"])).await?, "suppressed");
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
        put(
            &bench,
            "/v1/occasions/his/A-77",
            &version("2026-12-02T10:00", 5),
        )
        .await?
        .must_be(200);
        assert_eq!(
            put(
                &bench,
                "/v1/occasions/his/A-77",
                &version("2026-12-03T10:00", 4)
            )
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

async fn ids(bench: &Bench) -> anyhow::Result<(PatientId, OccasionId)> {
    let mut tx = bench.store.read().await?;
    let patient = patients::find(&mut tx, "his", "12345")
        .await?
        .ok_or_else(|| anyhow::anyhow!("no patient"))?;
    let occasion = occasions::find(&mut tx, "his", "A-77")
        .await?
        .ok_or_else(|| anyhow::anyhow!("no occasion"))?;
    Ok((patient, occasion))
}

async fn wish(bench: &Bench) -> anyhow::Result<String> {
    let (patient, occasion) = ids(bench).await?;
    let mut tx = bench.write().await?;
    let wish = NewChangeRequest {
        occasion,
        epoch: 1,
        patient,
        reply: ReplyId::generate(),
        wish: "reschedule",
        slots: json!({"date": "2026-12-03"}),
    };
    let id = request_change(&mut tx, &wish, bench.clock.now()).await?;
    tx.commit().await?;
    Ok(id.to_string())
}

#[tokio::test]
async fn a_wish_is_answered_once() -> Outcome {
    for bench in benches().await {
        enrol(&bench).await?;
        let first = wish(&bench).await?;
        bench.clock.advance(jiff::SignedDuration::from_secs(1));
        let second = wish(&bench).await?;
        let all = bench.get("/v1/change_requests").await?.must_be(200).json();
        let states: Vec<&str> = all["data"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|wish| wish["state"].as_str())
            .collect();
        assert_eq!(states, ["new", "superseded"]);
        let new = bench.get("/v1/change_requests?state=new").await?.json();
        assert_eq!(
            (&new["data"][0]["source_key"], &new["data"][0]["wish"]),
            (&json!("A-77"), &json!("reschedule"))
        );

        let accept = format!("/v1/change_requests/{second}/accept");
        for _ in 0..2 {
            assert_eq!(
                bench
                    .post(&accept, &json!({"reason": "moved to Thursday"}))
                    .await?
                    .must_be(200)
                    .member("state"),
                "accepted"
            );
        }
        assert_eq!(
            bench
                .post(&format!("/v1/change_requests/{second}/reject"), &json!({}))
                .await?
                .must_be(409)
                .member("code"),
            "already_answered"
        );
        bench
            .post(&format!("/v1/change_requests/{first}/accept"), &json!({}))
            .await?
            .must_be(409);
        bench
            .post(&accept, &json!({"because": 1}))
            .await?
            .must_be(422);
        // No body at all is fine.
        let bearer = format!("Bearer {}", bench.key);
        bench
            .ask("POST", &accept, &[("authorization", &bearer)], b"")
            .await?
            .must_be(200);
        bench
            .post("/v1/change_requests/chg_none/accept", &json!({}))
            .await?
            .must_be(404);
    }
    Ok(())
}

#[tokio::test]
async fn a_suppression_stops_what_has_not_left() -> Outcome {
    for bench in benches().await {
        let waiting = json!({"class": "appointment", "to": {"phone": PHONE}, "text": "x", "send_at": "2026-12-01T00:00:00Z"});
        let id = bench
            .post("/v1/messages", &waiting)
            .await?
            .must_be(202)
            .member("id");
        let stop = json!({"phone": "138 0000 0001", "reason": "stop"});
        let made = put(&bench, "/v1/suppressions", &stop).await?.must_be(201);
        assert_eq!(
            put(&bench, "/v1/suppressions", &stop)
                .await?
                .must_be(200)
                .member("outcome"),
            "unchanged"
        );
        assert_eq!(
            bench
                .get(&format!("/v1/messages/{id}"))
                .await?
                .member("state"),
            "suppressed"
        );
        assert_eq!(
            bench
                .post("/v1/messages", &waiting)
                .await?
                .must_be(202)
                .member("state"),
            "suppressed"
        );

        let all = bench.get("/v1/suppressions").await?.must_be(200);
        assert_eq!(
            (
                &all.json()["data"][0]["reason"],
                all.text.contains("1380000")
            ),
            (&json!("stop"), false)
        );
        let path = format!("/v1/suppressions/{}", made.member("id"));
        assert_eq!(
            bench.send("DELETE", &path, &json!({}), &[]).await?.status,
            204
        );
        bench
            .send("DELETE", &path, &json!({}), &[])
            .await?
            .must_be(404);
        assert_eq!(
            bench
                .post("/v1/messages", &waiting)
                .await?
                .must_be(202)
                .member("state"),
            "scheduled"
        );

        for (body, path) in [
            (json!({}), "phone"),
            (json!({"phone": PHONE, "email": "a@b.example"}), "email"),
            (json!({"phone": PHONE, "scope": "everything"}), "scope"),
            (json!({"phone": PHONE, "reason": "because"}), "reason"),
            (json!({"phone": PHONE, "patient": "his/none"}), "patient"),
            (json!({"phone": PHONE, "patient": "none"}), "patient"),
        ] {
            assert_eq!(
                put(&bench, "/v1/suppressions", &body)
                    .await?
                    .must_be(422)
                    .member("path"),
                path
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_feed_tells_everything_once_and_nothing_private() -> Outcome {
    for bench in benches().await {
        enrol(&bench).await?;
        bench.post("/v1/messages", &json!({"class": "appointment", "patient": "his/12345", "text": "private words", "reference": "r-1"})).await?;
        put(&bench, "/v1/suppressions", &json!({"phone": PHONE})).await?;
        while bench.publish().await? > 0 {}
        let (mut after, mut seen) = ("0".to_owned(), Vec::new());
        loop {
            let piece = bench
                .get(&format!("/v1/events?limit=1&after={after}"))
                .await?
                .must_be(200);
            for private in ["private words", "1380000", "Ana"] {
                assert!(!piece.text.contains(private), "{}", piece.text);
            }
            after = piece.member("next_cursor");
            match piece.json()["data"]
                .as_array()
                .and_then(|data| data.first())
            {
                Some(event) => seen.push(event["type"].as_str().unwrap_or_default().to_owned()),
                None => break,
            }
        }
        assert!(
            seen.contains(&"message.queued".to_owned())
                && seen.contains(&"suppression.created".to_owned()),
            "{seen:?}"
        );
        assert_eq!(after, seen.len().to_string());
        // What comes later is found from there.
        bench
            .post(
                "/v1/messages",
                &json!({"class": "clinical", "to": {"email": "a@b.example"}, "text": "x"}),
            )
            .await?
            .must_be(202);
        bench.publish().await?;
        assert_eq!(
            bench
                .get(&format!("/v1/events?after={after}"))
                .await?
                .json()["data"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
        bench.get("/v1/events?after=-1").await?.must_be(400);
    }
    Ok(())
}

#[tokio::test]
async fn staff_systems_see_tasks_and_call_them_done() -> Outcome {
    for bench in benches().await {
        let mut tx = bench.write().await?;
        let task = |n: usize| NewTask {
            id: TaskId::generate(),
            dedupe_key: format!("t{n}"),
            channel: Channel::Task,
            kind: TaskKind::Reply,
            priority: if n == 3 {
                Priority::Urgent
            } else {
                Priority::Normal
            },
            department: "clinical".to_owned(),
            title: "Ana wrote".to_owned().into(),
            text: "private words".to_owned().into(),
            patient: None,
            occasion: None,
            reminder: None,
            reply: None,
            count: 1,
        };
        tasks::add(
            &mut tx,
            &(0..5).map(task).collect::<Vec<_>>(),
            bench.clock.now(),
        )
        .await?;
        tx.commit().await?;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = bench
                .get(&format!("/v1/tasks?limit=2{cursor}"))
                .await?
                .must_be(200);
            assert!(
                !page.text.contains("private") && !page.text.contains("Ana"),
                "{}",
                page.text
            );
            seen.extend(
                page.json()["data"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|task| task["id"].as_str().unwrap_or_default().to_owned()),
            );
            match page.json()["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(
            (
                seen.len(),
                seen.iter().collect::<std::collections::BTreeSet<_>>().len()
            ),
            (5, 5)
        );
        for _ in 0..2 {
            bench
                .post(&format!("/v1/tasks/{}/done", seen[0]), &json!({}))
                .await?
                .must_be(200);
        }
        bench
            .post("/v1/tasks/tsk_none/done", &json!({}))
            .await?
            .must_be(404);
        let done = bench.get("/v1/tasks?state=done").await?.json();
        assert_eq!(
            (
                &done["data"][0]["id"],
                done["data"].as_array().map(Vec::len)
            ),
            (&json!(seen[0]), Some(1))
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_came_in_is_shown_without_its_words() -> Outcome {
    for bench in benches().await {
        const INBOX: &str = "INSERT INTO inbox (id, provider, kind, dedupe_key, body, state, received_at) VALUES ('inb_1', 'main', 'text', 'k', $1, 'done', 5)";
        const REPLY: &str = "INSERT INTO reply (id, inbox_id, channel, provider, address, address_hash, sent_to, text, intent, slots, needs_human, outcome,
            received_at, handled_at) VALUES ('rep_1', 'inb_1', 'sms', 'main', '+8613800000001', 'h', '1069', 'private words', 'confirm', '{}', FALSE, 'confirmed', 5, 6)";
        let body = json!({"channel": "sms", "from": PHONE, "from_hash": "h", "to": "1069", "text": "private words", "incomplete": false}).to_string();
        let mut tx = bench.write().await?;
        crate::store::execute!(&mut tx, sqlx::query(INBOX).bind(body))?;
        crate::store::execute!(&mut tx, sqlx::query(REPLY))?;
        tx.commit().await?;
        let key = bench
            .key_for(&[Scope::MessagesRead, Scope::PrivateRead])
            .await?;
        for path in ["/v1/inbound", "/v1/replies"] {
            let shown = bench.get(path).await?.must_be(200);
            assert!(
                shown.text.contains("\"main\"")
                    && !shown.text.contains("private words")
                    && !shown.text.contains("1380000"),
                "{}",
                shown.text
            );
            let opened = bench
                .ask(
                    "GET",
                    path,
                    &[("authorization", &format!("Bearer {key}"))],
                    b"",
                )
                .await?
                .must_be(200)
                .json();
            assert_eq!(
                (&opened["data"][0]["text"], &opened["data"][0]["from"]),
                (&json!("private words"), &json!(PHONE))
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn providers_show_what_waits_for_them() -> Outcome {
    for bench in benches().await {
        bench
            .post(
                "/v1/messages",
                &json!({"class": "appointment", "to": {"phone": PHONE}, "text": "x"}),
            )
            .await?
            .must_be(202);
        let shown = bench.get("/v1/providers").await?.must_be(200).json();
        assert_eq!(
            (
                &shown["data"][0]["name"],
                &shown["data"][0]["ready"]["normal"]
            ),
            (&json!("main"), &json!(1))
        );
        let mut tx = bench.store.read().await?;
        let kept: Vec<(String,)> = on!(&mut tx, conn => sqlx::query_as("SELECT provider FROM dispatch").fetch_all(conn).await)?;
        assert_eq!(kept, [("main".to_owned(),)]);
    }
    Ok(())
}
