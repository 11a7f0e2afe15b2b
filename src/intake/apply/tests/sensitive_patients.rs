//! Nothing of a sensitive patient is stored, and what was known before goes.

use serde_json::json;

use super::{Desk, ana, busy};

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
