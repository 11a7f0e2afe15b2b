//! Who must not be written to or stored: death, flags, deletion, on both databases.

use serde_json::json;

use super::tests::{Desk, ana};
use crate::intake::from_json::delete_patient;
use crate::intake::record::RecordKind;
use crate::model::id::PatientId;
use crate::store::{StoreError, on};

async fn busy(desk: &Desk) -> PatientId {
    desk.patient("P1", ana()).await;
    let patient = desk.load("P1").await.expect("she is there").id;
    desk.run("INSERT INTO reminder (id, plan_key, rule_id, rule_version, timing, class, patient_id, epoch, occurrence, step, lead, role, channels,
        template, catch_up, due_at, expires_at, state, created_at, updated_at)
        SELECT 'rem_1', 'k', 'r', 'v', 't', 'appointment', id, 1, 'o', 's', 'l', 'patient', '[]', 't', FALSE, 1, 2, 'planned', 0, 0 FROM patient").await;
    for (id, state) in [
        ("msg_1", "scheduled"),
        ("msg_2", "queued"),
        ("msg_3", "sending"),
        ("msg_4", "sending"),
        ("msg_5", "queued"),
        ("msg_6", "uncertain"),
        ("msg_7", "delivered"),
    ] {
        let mut tx = desk.tx().await;
        let insert = "INSERT INTO message (id, source, dedupe_key, body_hash, class, lane, state, patient_id, role, channels, channel_index, channel, addresses,
            address_hash, bodies, segments, attempts, uncertain_resends, possible_dup, no_resend, concat_ref, send_at, expires_at, created_at, updated_at)
            VALUES ($1, 'rule', $1, '', 'appointment', 'normal', $2, $3, 'patient', '[]', 0, 'sms', '{\"sms\":\"+8613800000001\"}', 'h', '{}', 1, 0, 0, FALSE, FALSE, 0, 0, 9, 0, 0)";
        on!(&mut tx, conn => sqlx::query(insert).bind(id).bind(state).bind(&patient).execute(conn).await.map(|_| ())).expect("a message");
        let dispatch = "INSERT INTO dispatch (message_id, provider, lane, work, due_at, fence) VALUES ($1, 'main', 'normal', 'send', 0, 1)";
        on!(&mut tx, conn => sqlx::query(dispatch).bind(id).execute(conn).await.map(|_| ()))
            .expect("a dispatch");
        tx.commit().await.expect("commit");
    }
    desk.run("INSERT INTO attempt (id, message_id, n, fence, channel, provider, owner, umr, concat_ref, address_hash, phase, created_at)
        VALUES ('att_1', 'msg_4', 1, 1, 'sms', 'p', 'o', 1, 1, 'h', 'prepared', 0), ('att_2', 'msg_5', 1, 1, 'sms', 'p', 'o', 2, 2, 'h', 'unknown', 0)").await;
    patient
}

#[tokio::test]
async fn death_stops_all_that_has_not_left_in_the_same_transaction() -> Result<(), StoreError> {
    for desk in Desk::all().await {
        busy(&desk).await;
        let mut dead = ana();
        dead["deceased"] = json!(true);
        dead["version"] = json!(4);
        desk.patient("P1", dead).await;
        assert!(desk.load("P1").await.expect("the record stays").deceased);
        let mut tx = desk.tx().await;
        let states: Vec<(String, String, Option<String>, bool)> = on!(&mut tx, conn => sqlx::query_as("SELECT id, state, reason, no_resend FROM message ORDER BY id").fetch_all(conn).await)?;
        let shown: Vec<String> = states
            .iter()
            .map(|(id, state, reason, no)| {
                format!("{id} {state} {} {no}", reason.as_deref().unwrap_or("-"))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "msg_1 suppressed deceased false",
                "msg_2 suppressed deceased false",
                "msg_3 suppressed deceased false",
                "msg_4 sending - true",
                "msg_5 unconfirmed deceased false",
                "msg_6 uncertain - true",
                "msg_7 delivered - false",
            ]
        );
        drop(tx);
        assert_eq!(desk.count("SELECT COUNT(*) FROM dispatch").await, 3);
        assert_eq!(
            desk.count(
                "SELECT COUNT(*) FROM reminder WHERE state = 'skipped' AND reason = 'deceased'"
            )
            .await,
            1
        );
        assert_eq!(
            desk.count("SELECT COUNT(*) FROM event WHERE type = 'message.suppressed'")
                .await,
            3
        );
    }
    Ok(())
}

/// All bytes of the database that lie on the disk, where it is a file.
fn bytes(desk: &Desk) -> Option<Vec<u8>> {
    let file = desk.test.url.strip_prefix("sqlite://")?;
    let read = |ending: &str| std::fs::read(format!("{file}{ending}")).unwrap_or_default();
    Some([read(""), read("-wal")].concat())
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn a_sensitive_patient_never_reaches_the_disk() {
    for desk in Desk::all().await {
        let mut bodies = vec![ana(); 3];
        bodies[0]["tags"] = json!(["vip"]);
        bodies[1]["sensitive"] = json!(true);
        bodies[2]["facts"] = json!([{"kind": "diagnosis", "code": "F20.0"}]);
        for (n, body) in bodies.into_iter().enumerate() {
            let report = desk.patient(&format!("SECRET-{n}"), body).await;
            assert_eq!(
                (
                    report.sensitive_patients,
                    report.purged,
                    report.changed_anything()
                ),
                (1, 0, false)
            );
        }
        for sql in [
            "SELECT COUNT(*) FROM patient",
            "SELECT COUNT(*) FROM fact",
            "SELECT COUNT(*) FROM contact_point",
            "SELECT COUNT(*) FROM audit",
            "SELECT COUNT(*) FROM plan_mark",
        ] {
            assert_eq!(desk.count(sql).await, 0, "{sql}");
        }
        if let Some(bytes) = bytes(&desk) {
            assert!(!holds(&bytes, "13800000001") && !holds(&bytes, "SECRET"));
        }
    }
}

#[tokio::test]
async fn a_patient_who_is_flagged_later_is_purged_to_a_hash() {
    for desk in Desk::all().await {
        let patient = busy(&desk).await;
        desk.book(
            "A1",
            json!({"patient": "P1", "kind": "appointment", "at": "2026-07-24T10:00"}),
        )
        .await;
        if let Some(bytes) = bytes(&desk) {
            assert!(holds(&bytes, "13800000001"));
        }
        let mut flagged = ana();
        flagged["sensitive"] = json!(true);
        let report = desk.patient("P1", flagged).await;
        assert_eq!((report.sensitive_patients, report.purged), (1, 1));
        assert!(desk.load("P1").await.is_none());
        for sql in [
            "SELECT COUNT(*) FROM patient",
            "SELECT COUNT(*) FROM fact",
            "SELECT COUNT(*) FROM contact_point",
            "SELECT COUNT(*) FROM relation",
            "SELECT COUNT(*) FROM consent",
            "SELECT COUNT(*) FROM occasion",
            "SELECT COUNT(*) FROM message",
            "SELECT COUNT(*) FROM dispatch",
            "SELECT COUNT(*) FROM attempt",
            "SELECT COUNT(*) FROM reminder",
            "SELECT COUNT(*) FROM plan_mark",
        ] {
            assert_eq!(desk.count(sql).await, 0, "{sql}");
        }
        assert_eq!(desk.count("SELECT COUNT(*) FROM audit WHERE action = 'patient.purged_as_sensitive' AND length(target) = 32").await, 1);
        if let Some(bytes) = bytes(&desk) {
            for needle in [
                "13800000001",
                "13900000002",
                "ana@example.org",
                "王芳",
                "王明",
                "1975-04-03",
            ] {
                assert!(!holds(&bytes, needle), "{needle} of {patient}");
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_patient_leaves_no_row() {
    for desk in Desk::all().await {
        busy(&desk).await;
        assert_eq!(
            desk.take(delete_patient("his", "P1").expect("a key"))
                .await
                .of(RecordKind::Removal)
                .removed,
            1
        );
        assert_eq!(
            desk.count("SELECT COUNT(*) FROM patient").await
                + desk.count("SELECT COUNT(*) FROM message").await,
            0
        );
    }
}
