//! Groups, stops, and answers without a booking: what makes the rest of an occurrence needless.

use super::{Clinic, clinics};
use crate::model::id::PatientId;

/// An invitation that is repeated twice, and then is the staff's.
const INVITE: &str = r#"
title = "Invitation"
department = "clinical"
class = "clinical"
[trigger]
on = "discharge"
[[step]]
to = "patient"
after = ["7d", "14d"]
send = "invite"
ask = "survey"
group = "ask"
[[step]]
to = "staff"
after = ["21d"]
send = "recheck_staff"
group = "ask"
[[step]]
to = "patient"
after = ["22d"]
send = "listed"
"#;

async fn discharged(clinic: &Clinic) -> PatientId {
    let ana = clinic.patient("Ana").await;
    clinic.book(&ana, "discharge", "2026-07-01T10:00").await;
    clinic.run().await;
    clinic.clock_to("2026-07-08T09:00").await;
    assert_eq!(clinic.messages().await, ["Come to us, Ana"]);
    ana
}

/// How the steps after the first end when `sql` happens after it.
async fn check(sql: &'static str, expected: [&str; 3]) {
    for clinic in clinics(&[("invite", INVITE)], "2026-06-30T10:00").await {
        discharged(&clinic).await;
        clinic.sql(sql, &[]).await;
        clinic.clock_to("2026-07-15T09:00").await;
        clinic.clock_to("2026-07-22T09:00").await;
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(clinic.reminders().await[1..], expected, "{sql}");
    }
}

const NOTHING: &str = "UPDATE patient SET held = FALSE";

#[tokio::test]
async fn an_answer_clears_the_rest_of_its_group() {
    check(
        NOTHING,
        [
            "+14d patient composed",
            "+21d staff composed",
            "+22d patient composed",
        ],
    )
    .await;
    check(
        "UPDATE question SET state = 'answered'",
        [
            "+14d patient skipped/already_answered",
            "+21d staff skipped/already_answered",
            "+22d patient composed",
        ],
    )
    .await;
}

const CLEARED: [&str; 3] = [
    "+14d patient skipped/done",
    "+21d staff skipped/done",
    "+22d patient composed",
];
const KEPT: [&str; 3] = [
    "+14d patient composed",
    "+21d staff composed",
    "+22d patient composed",
];

#[tokio::test]
async fn a_visit_clears_the_rest_of_the_group() {
    check("INSERT INTO fact (id, patient_id, source, source_key, kind, on_day, attributes, row_hash, updated_at)
        SELECT 'f1', id, 'his', 'f1', 'encounter', '2026-07-10', '{}', '', 0 FROM patient", CLEARED).await;
    check("INSERT INTO occasion (id, patient_id, source, source_key, kind, local_at, timezone, at, status, epoch, confirmation, attributes, row_hash, updated_at)
        SELECT 'occ_2', id, 'his', 'v2', 'appointment', '2026-07-10T10:00', 'Asia/Shanghai', 1783648800000, 'fulfilled', 1, 'none', '{}', '', 1783648800000 FROM patient", CLEARED).await;
}

#[tokio::test]
async fn a_visit_before_the_first_word_or_one_still_booked_clears_nothing() {
    check("INSERT INTO fact (id, patient_id, source, source_key, kind, on_day, attributes, row_hash, updated_at)
        SELECT 'f1', id, 'his', 'f1', 'encounter', '2026-07-08', '{}', '', 0 FROM patient", KEPT).await;
    check("INSERT INTO occasion (id, patient_id, source, source_key, kind, local_at, timezone, at, status, epoch, confirmation, attributes, row_hash, updated_at)
        SELECT 'occ_2', id, 'his', 'v2', 'appointment', '2026-07-10T10:00', 'Asia/Shanghai', 1783648800000, 'booked', 1, 'none', '{}', '', 1783648800000 FROM patient", KEPT).await;
}

/// A greeting with an invitation: it hangs on no booking.
const BIRTHDAY: &str = r#"
title = "Birthday"
department = "clinical"
class = "clinical"
[trigger]
on = "birthday"
[[step]]
to = "patient"
before = ["3d", "1d"]
send = "invite"
ask = "rsvp"
unless = "answered"
"#;

#[tokio::test]
async fn unless_answered_looks_at_the_question_where_there_is_no_booking() {
    for (sql, expected) in [
        (NOTHING, "1d patient composed"),
        (
            "UPDATE question SET state = 'answered'",
            "1d patient skipped/already_answered",
        ),
    ] {
        for clinic in clinics(&[("birthday", BIRTHDAY)], "2026-03-29T10:00").await {
            clinic.patient("Ana").await;
            clinic.run().await;
            clinic.clock_to("2026-03-30T09:00").await;
            clinic.sql(sql, &[]).await;
            clinic.clock_to("2026-04-01T09:00").await;
            assert_eq!(clinic.reminders().await[1], expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn a_survey_is_answered_by_its_question_and_not_by_the_booking() {
    let rule = INVITE.replace("group = \"ask\"", "unless = \"answered\"");
    for (sql, expected) in [
        (
            "UPDATE occasion SET confirmation = 'confirmed'",
            "+14d patient composed",
        ),
        (
            "UPDATE question SET state = 'answered'",
            "+14d patient skipped/already_answered",
        ),
    ] {
        for clinic in clinics(&[("invite", &rule)], "2026-06-30T10:00").await {
            discharged(&clinic).await;
            clinic.sql(sql, &[]).await;
            clinic.clock_to("2026-07-15T09:00").await;
            assert_eq!(clinic.reminders().await[1], expected, "{sql}");
        }
    }
}

#[tokio::test]
async fn what_the_record_shows_by_the_time_stops_the_rest() {
    let rule = format!("{INVITE}\n[stop]\nfact = \"vaccination\"\ncode = [\"J11\"]\n");
    for clinic in clinics(&[("invite", &rule)], "2026-06-30T10:00").await {
        discharged(&clinic).await;
        // Behind the planner's back.
        clinic.sql("INSERT INTO fact (id, patient_id, source, source_key, kind, code, on_day, attributes, row_hash, updated_at)
            SELECT 'f1', id, 'his', 'f1', 'vaccination', 'J11.1', '2026-07-10', '{}', '', 0 FROM patient", &[]).await;
        clinic.clock_to("2026-07-15T09:00").await;
        assert_eq!(clinic.reminders().await[1], "+14d patient skipped/done");
    }
}
