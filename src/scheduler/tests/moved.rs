//! A moved booking tells who was told: nobody else hears of a date that they never knew.

use super::{Clinic, clinics};
use crate::model::id::OccasionId;

const RULE: &str = r#"
title = "Check"
department = "clinical"
class = "appointment"
[trigger]
on = "recheck"
[[step]]
to = "patient"
before = ["3d"]
at = "09:00"
send = "listed"
ask = "confirm"
[[step]]
to = "patient"
on = "moved"
send = "moved"
ask = "confirm"
"#;

async fn booked(clinic: &Clinic) -> OccasionId {
    let ana = clinic.patient("Ana").await;
    let visit = clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
    clinic.run().await;
    visit
}

#[tokio::test]
async fn who_was_told_the_old_date_hears_of_the_new_one_at_once() {
    for state in ["submitted", "sent", "delivered", "uncertain", "unconfirmed"] {
        for clinic in clinics(&[("check", RULE)], "2026-07-02T10:00").await {
            let visit = booked(&clinic).await;
            clinic.clock_to("2026-07-21T09:00").await;
            clinic.sql("UPDATE message SET state = $1", &[state]).await;
            clinic.clock_to("2026-07-21T10:00").await;
            clinic.shift(&visit, "2026-08-24T10:00").await;
            clinic.run().await;
            assert_eq!(
                clinic.messages().await[1..],
                ["Ana: moved to 2026-08-24 from 2026-07-24 reply 1"],
                "{state}"
            );
            let asked = clinic
                .texts("SELECT occasions FROM question ORDER BY asked_at DESC")
                .await;
            assert!(asked[0].contains("\"epoch\":2"), "{asked:?}");
            // What is due for the new date goes as ever.
            clinic.clock_to("2026-08-21T09:00").await;
            assert_eq!(clinic.messages().await.len(), 3);
        }
    }
}

#[tokio::test]
async fn who_was_never_told_is_not() {
    for state in [
        "queued",
        "failed",
        "cancelled",
        "suppressed",
        "undelivered",
        "expired",
    ] {
        for clinic in clinics(&[("check", RULE)], "2026-07-02T10:00").await {
            let visit = booked(&clinic).await;
            clinic.clock_to("2026-07-21T09:00").await;
            clinic.sql("UPDATE message SET state = $1", &[state]).await;
            clinic.clock_to("2026-07-21T10:00").await;
            clinic.shift(&visit, "2026-08-24T10:00").await;
            clinic.run().await;
            assert_eq!(
                clinic
                    .texts("SELECT reason FROM reminder WHERE lead = 'moved'")
                    .await,
                ["not_told"],
                "{state}"
            );
        }
    }
}

#[tokio::test]
async fn the_notice_of_a_move_stands_for_a_late_reminder() {
    for clinic in clinics(&[("check", RULE)], "2026-07-02T10:00").await {
        let visit = booked(&clinic).await;
        clinic.clock_to("2026-07-21T09:00").await;
        clinic
            .sql("UPDATE message SET state = 'delivered'", &[])
            .await;
        clinic.clock_to("2026-07-21T10:00").await;
        // All leads of the new date are past.
        clinic.shift(&visit, "2026-07-22T10:00").await;
        clinic.run().await;
        assert_eq!(
            clinic.messages().await[1..],
            ["Ana: moved to 2026-07-22 from 2026-07-24 reply 1"]
        );
        assert_eq!(
            clinic
                .texts("SELECT state || '/' || reason FROM reminder WHERE lead = 'catch_up'")
                .await,
            ["skipped/merged"]
        );
    }
}

#[tokio::test]
async fn who_was_not_told_gets_the_late_reminder_instead() {
    for clinic in clinics(&[("check", RULE)], "2026-07-02T10:00").await {
        let visit = booked(&clinic).await;
        clinic.clock_to("2026-07-10T10:00").await;
        clinic.shift(&visit, "2026-07-11T15:00").await;
        clinic.run().await;
        assert_eq!(clinic.messages().await, ["Ana: 2026-07-11 15:00 reply 1"]);
    }
}

#[tokio::test]
async fn a_step_for_new_bookings_gives_way_to_the_notice_of_a_move() {
    let rule = RULE.replace("before = [\"3d\"]\nat = \"09:00\"", "on = \"created\"");
    for clinic in clinics(&[("check", &rule)], "2026-07-02T10:00").await {
        let visit = booked(&clinic).await;
        assert_eq!(clinic.messages().await, ["Ana: 2026-07-24 10:00 reply 1"]);
        clinic
            .sql("UPDATE message SET state = 'delivered'", &[])
            .await;
        clinic.clock_to("2026-07-10T10:00").await;
        clinic.shift(&visit, "2026-08-24T10:00").await;
        clinic.run().await;
        assert_eq!(
            clinic.messages().await[1..],
            ["Ana: moved to 2026-08-24 from 2026-07-24 reply 1"]
        );
        assert!(
            clinic
                .reminders()
                .await
                .contains(&"created patient skipped/merged".to_owned())
        );
    }
}

#[tokio::test]
async fn what_another_system_told_counts_as_well() {
    for clinic in clinics(&[("check", RULE)], "2026-07-02T10:00").await {
        let visit = booked(&clinic).await;
        clinic.sql("INSERT INTO message (id, source, dedupe_key, body_hash, class, lane, state, patient_id, occasion_id, occasion_epoch, role,
              channels, channel_index, channel, addresses, address_hash, bodies, segments, attempts, uncertain_resends, possible_dup,
              no_resend, concat_ref, send_at, expires_at, created_at, updated_at)
            SELECT 'msg_1', 'api:1', '1', '', 'appointment', 'normal', 'delivered', patient_id, id, 1, 'patient', '[\"sms\"]', 0, 'sms', '{}',
              '', '{\"sms\":{\"text\":\"from elsewhere\",\"segments\":1}}', 1, 0, 0, FALSE, FALSE, 0, 0, 0, 0, 0 FROM occasion", &[]).await;
        clinic.clock_to("2026-07-10T10:00").await;
        clinic.shift(&visit, "2026-08-24T10:00").await;
        clinic.run().await;
        assert_eq!(
            clinic.messages().await[1..],
            ["Ana: moved to 2026-08-24 from 2026-07-24 reply 1"]
        );
    }
}
