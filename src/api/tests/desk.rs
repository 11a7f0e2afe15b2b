//! Wishes, suppressions, the feed, tasks, what came in, providers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bench::{Bench, Outcome, benches};
use super::records::enrol;
use crate::access::Scope;
use crate::model::class::Channel;
use crate::model::id::{OccasionId, PatientId, ReplyId, TaskId};
use crate::model::task::{Priority, TaskKind};
use crate::store::replies::{NewChangeRequest, request_change};
use crate::store::tasks::{self, NewTask};
use crate::store::{execute, occasions, patients};

const PHONE: &str = "+8613800000001";

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
        let all = bench.walk("/v1/change_requests", 1).await?;
        let states: Vec<&str> = all
            .iter()
            .filter_map(|wish| wish["state"].as_str())
            .collect();
        assert_eq!(states, ["new", "superseded"]);
        let new = bench.walk("/v1/change_requests?state=new", 1).await?;
        assert_eq!(
            (&new[0]["source_key"], &new[0]["wish"]),
            (&json!("A-77"), &json!("reschedule"))
        );

        let (accept, reject) = (
            format!("/v1/change_requests/{second}/accept"),
            format!("/v1/change_requests/{second}/reject"),
        );
        for _ in 0..2 {
            let answer = bench
                .post(&accept, &json!({"reason": "moved to Thursday"}))
                .await?
                .must_be(200);
            assert_eq!(answer.member("state"), "accepted");
        }
        assert_eq!(
            bench
                .post(&reject, &json!({}))
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

fn later() -> Value {
    json!({"class": "appointment", "to": {"phone": PHONE}, "text": "x", "send_at": "2026-12-01T00:00:00Z"})
}

#[tokio::test]
async fn a_suppression_stops_what_has_not_left_until_it_is_lifted() -> Outcome {
    for bench in benches().await {
        let id = bench
            .post("/v1/messages", &later())
            .await?
            .must_be(202)
            .member("id");
        let stop = json!({"phone": "138 0000 0001", "reason": "stop"});
        let made = bench.put("/v1/suppressions", &stop).await?.must_be(201);
        let again = bench.put("/v1/suppressions", &stop).await?.must_be(200);
        assert_eq!(again.member("outcome"), "unchanged");
        assert_eq!(bench.state(&id).await?, "suppressed");
        let another = bench.post("/v1/messages", &later()).await?.must_be(202);
        assert_eq!(another.member("state"), "suppressed");

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
            (bench.delete(&path).await?, bench.delete(&path).await?),
            (204, 404)
        );
        let free = bench.post("/v1/messages", &later()).await?.must_be(202);
        assert_eq!(free.member("state"), "scheduled");
    }
    Ok(())
}

#[tokio::test]
async fn a_suppression_that_makes_no_sense_is_refused() -> Outcome {
    let cases = [
        (json!({}), "phone"),
        (json!({"phone": PHONE, "email": "a@b.example"}), "email"),
        (json!({"phone": PHONE, "scope": "everything"}), "scope"),
        (json!({"phone": PHONE, "reason": "because"}), "reason"),
        (json!({"phone": PHONE, "patient": "his/none"}), "patient"),
        (json!({"phone": PHONE, "patient": "none"}), "patient"),
    ];
    for bench in benches().await {
        for (body, path) in &cases {
            assert_eq!(
                bench
                    .put("/v1/suppressions", body)
                    .await?
                    .must_be(422)
                    .member("path"),
                *path
            );
        }
        assert_eq!(bench.walk("/v1/suppressions", 10).await?.len(), 0);
    }
    Ok(())
}

async fn follow(bench: &Bench, from: &str) -> anyhow::Result<(Vec<String>, String)> {
    while bench.publish().await? > 0 {}
    let (mut after, mut seen) = (from.to_owned(), Vec::new());
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
            None => return Ok((seen, after)),
        }
    }
}

#[tokio::test]
async fn the_feed_tells_everything_once_and_nothing_private() -> Outcome {
    for bench in benches().await {
        enrol(&bench).await?;
        let body = json!({"class": "appointment", "patient": "his/12345", "text": "private words", "reference": "r-1"});
        bench.post("/v1/messages", &body).await?.must_be(202);
        bench
            .put("/v1/suppressions", &json!({"phone": PHONE}))
            .await?
            .must_be(201);
        let (seen, after) = follow(&bench, "0").await?;
        for kind in [
            "message.queued",
            "suppression.created",
            "message.suppressed",
        ] {
            assert!(seen.iter().any(|seen| seen == kind), "{seen:?}");
        }
        assert_eq!(after, seen.len().to_string());
        // What comes later is found from there.
        let mail = json!({"class": "clinical", "to": {"email": "a@b.example"}, "text": "x"});
        bench.post("/v1/messages", &mail).await?.must_be(202);
        assert_eq!(follow(&bench, &after).await?.0, ["message.queued"]);
        bench.get("/v1/events?after=-1").await?.must_be(400);
    }
    Ok(())
}

fn task(n: usize) -> NewTask {
    NewTask {
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
        staff: None,
        title: "Ana wrote".to_owned().into(),
        text: "private words".to_owned().into(),
        patient: None,
        occasion: None,
        reminder: None,
        reply: None,
        count: 1,
    }
}

#[tokio::test]
async fn staff_systems_see_tasks_and_call_them_done() -> Outcome {
    for bench in benches().await {
        let mut tx = bench.write().await?;
        let five: Vec<NewTask> = (0..5).map(task).collect();
        tasks::add(&mut tx, &five, bench.clock.now()).await?;
        tx.commit().await?;
        let rows = bench.walk("/v1/tasks", 2).await?;
        assert!(
            rows.iter()
                .all(|row| row.get("title").is_none() && row.get("text").is_none())
        );
        let seen: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!(
            (seen.len(), seen.iter().collect::<BTreeSet<_>>().len()),
            (5, 5)
        );
        assert_eq!(rows[0]["priority"], "urgent");
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
        let done = bench.walk("/v1/tasks?state=done", 2).await?;
        assert_eq!((done.len(), &done[0]["id"]), (1, &json!(seen[0])));
    }
    Ok(())
}

const INBOX: &str = "INSERT INTO inbox (id, provider, kind, dedupe_key, body, state, received_at)
    VALUES ('inb_1', 'main', 'text', 'k', $1, 'done', 5)";
const REPLY: &str = "INSERT INTO reply (id, inbox_id, channel, provider, address, address_hash, sent_to, text, intent, slots,
      needs_human, outcome, received_at, handled_at)
    VALUES ('rep_1', 'inb_1', 'sms', 'main', '+8613800000001', 'h', '1069', 'private words', 'confirm', '{}', FALSE, 'confirmed', 5, 6)";

#[tokio::test]
async fn what_came_in_is_shown_without_its_words() -> Outcome {
    for bench in benches().await {
        let body = json!({"channel": "sms", "from": PHONE, "from_hash": "h", "to": "1069", "text": "private words", "incomplete": false});
        let mut tx = bench.write().await?;
        execute!(&mut tx, sqlx::query(INBOX).bind(body.to_string()))?;
        execute!(&mut tx, sqlx::query(REPLY))?;
        tx.commit().await?;
        for path in ["/v1/inbound", "/v1/replies"] {
            let shown = bench.get(path).await?.must_be(200);
            assert!(shown.text.contains("\"main\""), "{}", shown.text);
            assert!(
                !shown.text.contains("private words") && !shown.text.contains("1380000"),
                "{}",
                shown.text
            );
            let scopes = [Scope::MessagesRead, Scope::PrivateRead];
            let opened = bench.get_as(&scopes, path).await?.must_be(200).json();
            let first = &opened["data"][0];
            assert_eq!(
                (&first["text"], &first["from"]),
                (&json!("private words"), &json!(PHONE))
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn providers_show_what_waits_for_them() -> Outcome {
    for bench in benches().await {
        let now = json!({"class": "appointment", "to": {"phone": PHONE}, "text": "x"});
        bench.post("/v1/messages", &now).await?.must_be(202);
        bench.post("/v1/messages", &later()).await?.must_be(202);
        let shown = bench.get("/v1/providers").await?.must_be(200).json();
        let first = &shown["data"][0];
        assert_eq!(
            (&first["name"], &first["ready"]["normal"], &first["later"]),
            (&json!("main"), &json!(1), &json!(1))
        );
    }
    Ok(())
}
