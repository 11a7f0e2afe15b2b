//! What staff are told: the treating doctor in the morning, whoever stands in, other departments, a count for many.

use carebell::intake::staff_json::staff_from_json;
use serde_json::{Value, json};

use crate::clinic::{Clinic, Setup, each};

const RECHECK: &str = r#"
title = "Recheck"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "staff"
doctor = true
digest = true
before = ["1d"]
at = "07:30"
by = ["task"]
send = "recheck_staff"
"#;

const REVISIT: &str = r#"
title = "Follow-up"
department = "clinical"
class = "appointment"
[trigger]
on = "revisit"
[[step]]
to = "staff"
doctor = true
digest = true
before = ["1d"]
at = "07:30"
by = ["task"]
send = "revisit_staff"
"#;

const PICKUP: &str = r#"
title = "Check-up"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "staff"
cc = ["pharmacy"]
before = ["4d"]
at = "08:30"
by = ["popup", "task"]
send = "recheck_staff"
"#;

const HOLIDAY: &str = r#"
title = "Mid-Autumn"
department = "marketing"
class = "greeting"
[trigger]
on = "holiday"
holiday = "mid_autumn"
[[step]]
to = "staff"
before = ["3d"]
at = "08:30"
by = ["popup", "task", "email"]
send = "holiday_staff"
"#;

fn setup(rules: Vec<(&'static str, &'static str)>) -> Setup {
    Setup {
        rules: Some(rules),
        ..Setup::default()
    }
}

impl Clinic {
    /// Brings a doctor of the clinical department in.
    async fn doctor(&self, key: &str, name: &str, more: Value) {
        let mut body = json!({"name": name, "department": "clinical"});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let site = &self.app().house.info;
        self.bring(staff_from_json("his", key, &body, site).unwrap())
            .await;
    }

    /// Brings a patient with a visit to a doctor in.
    async fn visit(&self, name: &str, kind: &str, at: &str, doctor: &str) {
        let number = format!("+86138{:08}", name.bytes().map(u64::from).sum::<u64>());
        self.somebody(name, name, &number).await;
        let body = json!({"patient": name, "kind": kind, "at": at, "doctor_key": doctor, "place": "Room 3"});
        self.occasion(&format!("{name}-{kind}"), body).await;
        self.settle().await;
    }

    /// Channel, department, addressee, count, and title with text of every task for staff, sorted.
    async fn work(&self) -> Vec<String> {
        let mut all: Vec<(String,)> = self
            .rows("SELECT t.channel || ' ' || t.department || ' ' || COALESCE(s.name, '-') || ' ' || CAST(t.count AS TEXT) || ' ' || t.title || '|' || t.text
                FROM task AS t LEFT JOIN staff AS s ON s.id = t.staff_id WHERE t.kind = 'reminder'")
            .await;
        all.sort();
        all.into_iter().map(|task| task.0).collect()
    }
}

#[tokio::test]
async fn the_treating_doctor_gets_one_digest_at_half_past_seven() {
    let rules = vec![("recheck", RECHECK), ("revisit", REVISIT)];
    each(setup(rules), async |clinic| {
        clinic.doctor("D1", "Li Na", json!({})).await;
        clinic.doctor("D2", "Wu Ming", json!({})).await;
        clinic
            .visit("Ana", "recheck", "2026-03-24T10:00", "D1")
            .await;
        clinic
            .visit("Bo", "revisit", "2026-03-24T09:00", "his/D1")
            .await;
        clinic
            .visit("Cy", "recheck", "2026-03-24T11:00", "D2")
            .await;
        clinic.clock_to("2026-03-23 07:29").await;
        assert!(clinic.work().await.is_empty());
        clinic.clock_to("2026-03-23 07:30").await;
        let work = clinic.work().await;
        assert_eq!(work.len(), 2, "{work:?}");
        assert_eq!(
            work[0],
            "task clinical Li Na 2 Monday 23 March: 2 to see to|Li Na: 2 to see to.\n\
             1) Tuesday 24 March 09:00 Follow-up: Bo, Room 3\n\
             2) Tuesday 24 March 10:00 Recheck: Ana, Room 3"
        );
        assert!(work[1].starts_with("task clinical Wu Ming 1 "), "{work:?}");
        // What comes in later for the same day is told by itself.
        clinic.clock_to("2026-03-23 11:00").await;
        clinic
            .visit("Di", "recheck", "2026-03-24T15:00", "D1")
            .await;
        let work = clinic.work().await;
        assert_eq!(work.len(), 3, "{work:?}");
        assert!(
            work.iter()
                .any(|line| line.starts_with("task clinical Li Na 1 Check-up")),
            "{work:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn on_leave_doctors_items_go_to_the_substitute() {
    each(setup(vec![("recheck", RECHECK)]), async |clinic| {
        let leave =
            json!({"away": [{"from": "2026-03-22", "until": "2026-03-25"}], "substitute": "D2"});
        clinic.doctor("D1", "Li Na", leave).await;
        clinic.doctor("D2", "Wu Ming", json!({})).await;
        clinic
            .visit("Ana", "recheck", "2026-03-24T10:00", "D1")
            .await;
        clinic
            .visit("Bo", "recheck", "2026-03-24T11:00", "D2")
            .await;
        clinic
            .visit("Cy", "recheck", "2026-03-27T11:00", "D1")
            .await;
        clinic.clock_to("2026-03-23 07:30").await;
        let work = clinic.work().await;
        assert_eq!(work.len(), 1, "{work:?}");
        assert!(work[0].starts_with("task clinical Wu Ming 2 "), "{work:?}");
        assert!(
            work[0].ends_with("(For Li Na, away until 2026-03-25.)"),
            "{work:?}"
        );
        clinic.clock_to("2026-03-26 07:30").await;
        let work = clinic.work().await;
        assert!(work[0].starts_with("task clinical Li Na 1 "), "{work:?}");
        assert!(!work[0].contains("away"), "{work:?}");
    })
    .await;
}

#[tokio::test]
async fn the_pharmacy_is_told_as_well() {
    each(setup(vec![("pickup", PICKUP)]), async |clinic| {
        clinic
            .visit("Ana", "recheck", "2026-03-27T10:00", "D1")
            .await;
        clinic.clock_to("2026-03-23 08:30").await;
        let work = clinic.work().await;
        let heads: Vec<&str> = work
            .iter()
            .map(|line| line.split_once(" 1 ").unwrap().0)
            .collect();
        let expected = [
            "popup clinical -",
            "popup pharmacy -",
            "task clinical -",
            "task pharmacy -",
        ];
        assert_eq!(heads, expected);
    })
    .await;
}

#[tokio::test]
async fn a_holiday_tells_marketing_once_with_the_count() {
    let setup = Setup {
        at: "2026-09-20 10:00",
        ..setup(vec![("mid_autumn", HOLIDAY)])
    };
    each(setup, async |clinic| {
        for (key, phone) in [
            ("P1", "+8613800000001"),
            ("P2", "+8613800000002"),
            ("P3", "+8613800000003"),
        ] {
            clinic.somebody(key, "Somebody", phone).await;
        }
        clinic.settle().await;
        clinic.clock_to("2026-09-22 08:30").await;
        clinic.clock_to("2026-09-22 12:00").await;
        let work = clinic.work().await;
        assert_eq!(
            work.len(),
            2,
            "a pop-up and a task; nobody there has mail: {work:?}"
        );
        assert!(work[0].starts_with("popup marketing - 3 "), "{work:?}");
        assert!(work[1].starts_with("task marketing - 3 "), "{work:?}");
        clinic.clock_to("2026-09-26 12:00").await;
        assert_eq!(clinic.work().await.len(), 2);
    })
    .await;
}
