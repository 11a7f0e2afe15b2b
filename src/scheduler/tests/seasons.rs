//! Seasons and daily caps when nobody was there to send on somebody's day.

use super::{Clinic, clinics};

/// Winter: four days, two patients a day.
const CAPPED: &str = r#"
title = "Winter"
department = "clinical"
class = "health_tip"
[trigger]
on = "season"
from = "07-10"
until = "07-13"
daily_cap = 2
[[step]]
to = "patient"
before = ["0d"]
at = "10:00"
send = "invite"
"#;

/// The messages of each day, and how many reminders ended without one and why.
async fn told(clinic: &Clinic) -> (Vec<String>, Vec<String>) {
    let days = clinic
        .texts("SELECT CAST(COUNT(*) AS TEXT) FROM message GROUP BY created_at / 86400000 ORDER BY created_at / 86400000")
        .await;
    let ends = clinic
        .texts("SELECT DISTINCT reason FROM reminder WHERE state = 'skipped'")
        .await;
    (days, ends)
}

async fn people(clinic: &Clinic, count: usize) {
    for n in 0..count {
        clinic.patient(&format!("P{n}")).await;
    }
    clinic.run().await;
}

#[tokio::test]
async fn whoever_had_a_day_on_which_nobody_was_there_gets_one_of_those_that_follow() {
    for clinic in clinics(&[("winter", CAPPED)], "2026-07-08T12:00").await {
        people(&clinic, 7).await;
        clinic.clock_to("2026-07-10T10:00").await;
        assert_eq!(told(&clinic).await.0, ["2"]);
        // Down for all of the 11th; back on the 12th before the hour.
        clinic.clock_to("2026-07-12T09:00").await;
        for hour in ["2026-07-12T10:00", "2026-07-13T10:00", "2026-07-14T10:00"] {
            clinic.clock_to(hour).await;
        }
        let (days, ends) = told(&clinic).await;
        assert_eq!(days, ["2", "2", "2"], "never more than two a day");
        assert_eq!(ends, ["too_late"], "for one no day is left");
        let places = clinic
            .texts("SELECT CAST(COUNT(*) AS TEXT) FROM reminder WHERE state = 'composed'")
            .await;
        assert_eq!(places, ["6"]);
    }
}

#[tokio::test]
async fn a_record_that_changes_meanwhile_moves_nobody_from_the_day_they_got() {
    for clinic in clinics(&[("winter", CAPPED)], "2026-07-08T12:00").await {
        people(&clinic, 4).await;
        clinic.clock_to("2026-07-10T10:00").await;
        clinic.clock_to("2026-07-12T11:00").await;
        let due = "SELECT CAST(due_at AS TEXT) || ' ' || CAST(expires_at AS TEXT) FROM reminder WHERE state = 'planned' ORDER BY id";
        let before = clinic.texts(due).await;
        assert_eq!(before.len(), 2);
        clinic.mark_all().await;
        clinic.run().await;
        assert_eq!(clinic.texts(due).await, before);
        clinic.clock_to("2026-07-13T10:00").await;
        assert_eq!(
            told(&clinic).await,
            (vec!["2".to_owned(), "2".to_owned()], vec![])
        );
    }
}

#[tokio::test]
async fn a_season_whose_first_day_went_by_unused_is_told_on_the_next() {
    let rule = CAPPED.replace("daily_cap = 2\n", "");
    for clinic in clinics(&[("winter", &rule)], "2026-07-08T12:00").await {
        people(&clinic, 3).await;
        clinic.clock_to("2026-07-11T12:00").await;
        assert_eq!(
            told(&clinic).await.0,
            [] as [&str; 0],
            "the hour of today is past"
        );
        clinic.mark_all().await;
        clinic.clock_to("2026-07-12T10:00").await;
        assert_eq!(told(&clinic).await, (vec!["3".to_owned()], vec![]));
    }
    for clinic in clinics(&[("winter", &rule)], "2026-07-08T12:00").await {
        people(&clinic, 3).await;
        clinic.clock_to("2026-07-14T12:00").await;
        assert_eq!(told(&clinic).await, (vec![], vec!["too_late".to_owned()]));
    }
}
