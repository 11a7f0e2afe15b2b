//! Leave to send: what needs it, what a relation's covers, and what a refusal is called.

use super::{BIRTHDAY, Clinic, RECHECK, clinics};
use crate::model::class::Class;

const GRANTED: &str = "INSERT INTO consent (patient_id, scope, granted, origin, at) SELECT id, $1, TRUE, 'x', 0 FROM patient";

#[tokio::test]
async fn a_class_that_needs_consent_goes_only_to_who_gave_it() {
    for (scope, expected) in [
        (None, "0d patient skipped/no_consent"),
        (Some("promotion"), "0d patient skipped/no_consent"),
        (Some("sms"), "0d patient skipped/no_consent"),
        (Some("greeting"), "0d patient composed"),
        (Some("all"), "0d patient composed"),
    ] {
        for mut clinic in clinics(&[("birthday", BIRTHDAY)], "2026-03-31T10:00").await {
            clinic.compose.gates.need_consent = vec![Class::Greeting];
            clinic.patient("Ana").await;
            if let Some(scope) = scope {
                clinic.sql(GRANTED, &[scope]).await;
            }
            clinic.clock_to("2026-04-02T09:00").await;
            assert_eq!(clinic.reminders().await, [expected], "{scope:?}");
        }
    }
}

/// A boy with a mother whose consent is for `scope`.
async fn boy(clinic: &Clinic, scope: &str) {
    let kid = clinic.born("Kid", "2016-04-02").await;
    clinic.relation(&kid, "Mum", "+8613900000001").await;
    clinic.sql("INSERT INTO consent (patient_id, relation_id, scope, granted, origin, at) SELECT patient_id, id, $1, TRUE, 'x', 0 FROM relation", &[scope]).await;
    clinic.book(&kid, "recheck", "2026-04-05T10:00").await;
    clinic.run().await;
    clinic.clock_to("2026-04-02T09:00").await;
}

#[tokio::test]
async fn a_relation_who_consented_to_appointments_gets_no_greetings() {
    let rules = [("birthday", BIRTHDAY), ("recheck", RECHECK)];
    for (scope, texts) in [("appointment", 1), ("all", 2), ("greeting", 1)] {
        for clinic in clinics(&rules, "2026-03-31T10:00").await {
            boy(&clinic, scope).await;
            assert_eq!(clinic.messages().await.len(), texts, "{scope}");
        }
    }
}

#[tokio::test]
async fn consent_that_shrinks_after_planning_has_a_name() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-03-31T10:00").await {
        let kid = clinic.born("Kid", "2016-04-02").await;
        clinic.relation(&kid, "Mum", "+8613900000001").await;
        clinic.book(&kid, "recheck", "2026-04-05T10:00").await;
        clinic.run().await;
        clinic.sql("INSERT INTO consent (patient_id, relation_id, scope, granted, origin, at) SELECT patient_id, id, 'clinical', TRUE, 'x', 0 FROM relation", &[]).await;
        clinic.clock_to("2026-04-02T09:00").await;
        assert_eq!(clinic.reminders().await[1], "3d family skipped/no_consent");
    }
}

#[tokio::test]
async fn a_record_that_is_gone_is_a_sensitive_one() {
    for clinic in clinics(&[("birthday", BIRTHDAY)], "2026-03-31T10:00").await {
        clinic.patient("Ana").await;
        clinic.run().await;
        clinic.sql("DELETE FROM patient", &[]).await;
        clinic.clock_to("2026-04-02T09:00").await;
        assert_eq!(clinic.reminders().await, ["0d patient skipped/sensitive"]);
    }
}

#[tokio::test]
async fn a_refusal_is_called_one_whoever_looks_first() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock_to("2026-07-20T08:30").await;
        clinic.change("INSERT INTO consent (patient_id, scope, granted, origin, at) SELECT id, 'all', FALSE, 'reply', 0 FROM patient", &[]).await;
        clinic.run().await;
        clinic.clock_to("2026-07-21T09:00").await;
        let reasons = clinic
            .texts("SELECT DISTINCT reason FROM reminder WHERE role = 'patient'")
            .await;
        assert_eq!(reasons, ["opted_out"]);
        let words = clinic
            .texts("SELECT text FROM task WHERE kind = 'unreachable'")
            .await;
        assert!(words[0].contains("they have opted out"), "{words:?}");
        // Whoever wants to hear from us again does.
        clinic
            .change("UPDATE consent SET granted = TRUE", &[])
            .await;
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(clinic.messages().await.len(), 1);
    }
}

#[tokio::test]
async fn one_channel_refused_leaves_the_others() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.contact(&ana, None, "email", "ana@example.org").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic.sql("INSERT INTO consent (patient_id, scope, granted, origin, at) SELECT id, 'sms', FALSE, 'x', 0 FROM patient", &[]).await;
        clinic.clock_to("2026-07-21T09:00").await;
        assert_eq!(
            clinic.texts("SELECT channels FROM message").await,
            ["[\"email\"]"]
        );
    }
}

#[tokio::test]
async fn a_stand_in_task_is_made_though_the_staffs_own_waited_as_well() {
    let (day_3, day_1) = ("2026-07-21T09:30", "2026-07-23T10:00");
    for (marked, refused, back, unreachable) in [
        (true, "all", day_3, 1),
        (true, "appointment", day_3, 1),
        (false, "all", day_3, 1),
        (true, "all", day_1, 2),
        (false, "all", day_1, 2),
    ] {
        for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
            let ana = clinic.patient("Ana").await;
            clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
            clinic.run().await;
            // Nobody was there when the staff's hour came and when the patient's did.
            clinic.clock.set(super::at(back));
            clinic.sql("INSERT INTO consent (patient_id, scope, granted, origin, at) SELECT id, $1, FALSE, 'reply', 0 FROM patient", &[refused]).await;
            if marked {
                clinic.mark_all().await;
                while clinic.plan.pass().await.unwrap() > 0 {}
            }
            clinic.run().await;
            let mut kinds = clinic.texts("SELECT kind FROM task ORDER BY kind").await;
            assert_eq!(kinds.remove(0), "reminder", "{marked} {refused} {back}");
            assert_eq!(
                kinds,
                vec!["unreachable"; unreachable],
                "{marked} {refused} {back}"
            );
        }
    }
}

#[tokio::test]
async fn a_stand_in_task_is_made_for_a_booking_that_nobody_looked_at_in_time() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-20T08:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.sql("INSERT INTO consent (patient_id, scope, granted, origin, at) SELECT id, 'all', FALSE, 'reply', 0 FROM patient", &[]).await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock.set(super::at("2026-07-21T09:30"));
        clinic.run().await;
        let kinds = clinic.texts("SELECT kind FROM task ORDER BY kind").await;
        assert_eq!(kinds, ["reminder", "unreachable"]);
    }
}
