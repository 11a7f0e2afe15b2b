//! Promise 2: everything is checked again when a message is composed, and what is not sent has a named reason.

use super::{APPOINTMENT, BIRTHDAY, Clinic, RECHECK, at, clinics};
use crate::model::id::SuppressionId;
use crate::model::phone::address_hash;
use crate::store::execute;

const MORNING: &str = "2026-07-21T09:00";

/// Plans a recheck on 24 July, changes something behind the planner's back, and composes at 9:00 three days before.
async fn check(rule: &str, sql: &'static str, expected: &str) {
    for clinic in clinics(&[("recheck", rule)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic.sql(sql, &[]).await;
        clinic.clock_to(MORNING).await;
        let lines = clinic.reminders().await;
        assert_eq!(lines[1], format!("3d patient skipped/{expected}"), "{sql}");
        assert!(clinic.messages().await.is_empty());
    }
}

/// What happened to the records, and the reason it is given.
const REASONS: &[(&str, &str)] = &[
    ("UPDATE patient SET deceased = TRUE", "deceased"),
    ("UPDATE patient SET held = TRUE", "held"),
    ("DELETE FROM patient", "superseded"),
    ("UPDATE patient SET birth_on = '2015-01-01'", "no_guardian"),
    ("DELETE FROM contact_point", "no_contact_point"),
    (
        "UPDATE contact_point SET status = 'wrong_number'",
        "no_contact_point",
    ),
    ("UPDATE occasion SET status = 'cancelled'", "cancelled"),
    ("UPDATE occasion SET epoch = 2", "superseded"),
    ("DELETE FROM occasion", "superseded"),
    (
        "UPDATE occasion SET confirmation = 'confirmed'",
        "already_answered",
    ),
    ("UPDATE occasion SET confirmation = 'declined'", "declined"),
    ("UPDATE reminder SET expires_at = due_at - 1", "too_late"),
    (
        "INSERT INTO consent (patient_id, scope, granted, origin, at) SELECT id, 'all', FALSE, 'x', 0 FROM patient",
        "opted_out",
    ),
    (
        "INSERT INTO consent (patient_id, scope, granted, origin, at) SELECT id, 'appointment', FALSE, 'x', 0 FROM patient",
        "opted_out",
    ),
];

const NOTHING: &str = "UPDATE patient SET held = FALSE";

#[tokio::test]
async fn every_reason_has_a_name() {
    for (sql, reason) in REASONS {
        check(RECHECK, sql, reason).await;
    }
}

#[tokio::test]
async fn every_fault_of_a_rule_or_template_has_a_name() {
    check(&format!("mode = \"shadow\"\n{RECHECK}"), NOTHING, "shadow").await;
    let nobody_wrote_it = RECHECK.replace("send = \"recheck\"", "send = \"nothing\"");
    check(&nobody_wrote_it, NOTHING, "template_fault").await;
    let prints_the_place = RECHECK.replace("send = \"recheck\"", "send = \"appointment\"");
    check(&prints_the_place, NOTHING, "missing_value").await;
}

#[tokio::test]
async fn a_declined_booking_is_still_the_staffs() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic
            .sql("UPDATE occasion SET confirmation = 'declined'", &[])
            .await;
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(
            clinic.tasks().await,
            ["task reminder clinical 1 Recheck of Ana"]
        );
        assert_eq!(
            clinic.reminders().await,
            [
                "4d staff composed",
                "3d patient skipped/declined",
                "1d patient skipped/declined"
            ]
        );
    }
}

#[tokio::test]
async fn who_wants_another_time_is_reminded_but_not_asked() {
    let rule = RECHECK.replace("unless = \"answered\"", "");
    for clinic in clinics(&[("recheck", &rule)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock_to(MORNING).await;
        assert_eq!(
            clinic.texts("SELECT confirmation FROM occasion").await,
            ["awaiting"]
        );
        clinic
            .sql("UPDATE occasion SET confirmation = 'change_requested'", &[])
            .await;
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(
            clinic.messages().await,
            ["Ana: recheck 2026-07-24 reply 1", "Ana: recheck 2026-07-24"]
        );
        assert_eq!(clinic.texts("SELECT kind FROM question").await, ["confirm"]);
    }
}

#[tokio::test]
async fn a_question_is_bound_to_address_and_occasion_until_the_visit() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        let visit = clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock_to(MORNING).await;
        let mut tx = clinic.tx().await;
        let hash = clinic
            .texts("SELECT address_hash FROM message")
            .await
            .remove(0);
        let open = crate::store::questions::open(&mut tx, &hash, clinic.clock.now())
            .await
            .unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(
            (open[0].occasions[0].id.clone(), open[0].occasions[0].epoch),
            (visit, 1)
        );
        assert_eq!(open[0].expires_at, at("2026-07-24T10:00"));
        assert!(
            crate::store::questions::open(&mut tx, &hash, at("2026-07-24T10:00"))
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn unless_delivered_asks_whether_an_earlier_text_arrived() {
    let rule = RECHECK.replace("unless = \"answered\"", "unless = \"delivered\"");
    for (state, expected) in [
        ("delivered", "1d patient skipped/already_delivered"),
        ("undelivered", "1d patient composed"),
    ] {
        for clinic in clinics(&[("recheck", &rule)], "2026-07-02T10:00").await {
            let ana = clinic.patient("Ana").await;
            clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
            clinic.clock_to(MORNING).await;
            clinic.sql("UPDATE message SET state = $1", &[state]).await;
            clinic.clock_to("2026-07-23T09:00").await;
            assert_eq!(clinic.reminders().await[2], expected);
        }
    }
}

#[tokio::test]
async fn quiet_hours_put_off_what_comes_late_and_drop_what_would_be_useless() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        // The daemon was down from the morning to the night.
        clinic.clock_to("2026-07-21T22:30").await;
        assert!(clinic.messages().await.is_empty());
        // A record that changes in the night leaves it where it is.
        clinic.mark_all().await;
        clinic.clock_to("2026-07-21T23:00").await;
        assert_eq!(clinic.reminders().await[1], "3d patient planned");
        clinic.clock_to("2026-07-22T08:00").await;
        assert_eq!(clinic.messages().await.len(), 1);
        clinic.clock_to("2026-07-24T05:00").await;
        assert_eq!(
            clinic.reminders().await[2],
            "1d patient planned",
            "8:00 is the last useful minute"
        );
    }
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T08:30").await;
        clinic.clock_to(MORNING).await;
        clinic.clock_to("2026-07-24T05:00").await;
        assert_eq!(
            clinic.reminders().await[2],
            "1d patient skipped/quiet_hours"
        );
    }
}

#[tokio::test]
async fn caps_bind_greetings_across_rules_and_nothing_transactional() {
    let second = BIRTHDAY.replace("09:00", "09:30");
    for clinic in clinics(
        &[("a", BIRTHDAY), ("b", &second), ("recheck", RECHECK)],
        "2026-03-31T10:00",
    )
    .await
    {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-04-05T10:00").await;
        clinic.run().await;
        clinic.clock_to("2026-04-02T09:30").await;
        let lines = clinic.reminders().await;
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.ends_with("skipped/frequency_cap"))
                .count(),
            1,
            "{lines:?}"
        );
        assert_eq!(clinic.messages().await.len(), 2);
    }
    // Also within one chunk.
    for clinic in clinics(&[("a", BIRTHDAY), ("b", &second)], "2026-03-31T10:00").await {
        clinic.patient("Ana").await;
        clinic.run().await;
        clinic.clock_to("2026-04-02T10:00").await;
        assert_eq!(
            clinic.reminders().await,
            ["0d patient composed", "0d patient skipped/frequency_cap"]
        );
    }
}

#[tokio::test]
async fn of_two_words_on_a_day_the_worthier_goes() {
    let tip = BIRTHDAY.replace("greeting", "health_tip");
    let later = tip.replace("09:00", "11:00");
    let promotion = later.replace("health_tip", "promotion");
    // Due together, whichever rule is first by name.
    check_caps(
        &[("a", BIRTHDAY), ("b", &tip)],
        ["greeting/frequency_cap", "health_tip"],
    )
    .await;
    // The tip is to come, so the greeting waits for no place that will be gone.
    check_caps(
        &[("a", BIRTHDAY), ("b", &later)],
        ["greeting/frequency_cap", "health_tip"],
    )
    .await;
    check_caps(
        &[("a", BIRTHDAY), ("b", &promotion)],
        ["greeting", "promotion/frequency_cap"],
    )
    .await;
    // What a rule in shadow plans takes no place.
    let shadow = format!("mode = \"shadow\"\n{later}");
    check_caps(
        &[("a", BIRTHDAY), ("b", &shadow)],
        ["greeting", "health_tip/shadow"],
    )
    .await;
}

/// How each class ends on Ana's birthday.
async fn check_caps(rules: &[(&str, &str)], expected: [&str; 2]) {
    for clinic in clinics(rules, "2026-03-31T10:00").await {
        clinic.patient("Ana").await;
        clinic.run().await;
        clinic.clock_to("2026-04-02T09:00").await;
        clinic.clock_to("2026-04-02T11:00").await;
        let ends = clinic
            .texts("SELECT class || COALESCE('/' || reason, '') FROM reminder ORDER BY class")
            .await;
        assert_eq!(ends, expected);
    }
}

#[tokio::test]
async fn what_another_system_enqueued_counts_for_the_cap() {
    for clinic in clinics(&[("a", BIRTHDAY)], "2026-03-31T10:00").await {
        clinic.patient("Ana").await;
        clinic.run().await;
        let midnight = at("2026-04-02T00:01").as_millisecond();
        clinic.sql("INSERT INTO message (id, source, dedupe_key, body_hash, class, lane, state, patient_id, role,
              channels, channel_index, channel, addresses, address_hash, bodies, segments, attempts, uncertain_resends, possible_dup,
              no_resend, concat_ref, send_at, expires_at, created_at, updated_at)
            SELECT 'msg_1', 'api:1', '1', '', 'promotion', 'bulk', 'sent', id, 'patient', '[]', 0, 'sms', '{}', '', '{}', 1, 0, 0, FALSE,
              FALSE, 0, 0, 0, CAST($1 AS BIGINT), 0 FROM patient", &[&midnight.to_string()]).await;
        clinic.clock_to("2026-04-02T09:00").await;
        assert_eq!(
            clinic.reminders().await,
            ["0d patient skipped/frequency_cap"]
        );
    }
}

#[tokio::test]
async fn each_recipient_has_caps_of_their_own() {
    let rule = BIRTHDAY.replace("[[step]]", "[family]\ncopy = true\n[[step]]");
    for clinic in clinics(&[("a", &rule)], "2026-03-31T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.relation(&ana, "Son", "+8613900000001").await;
        clinic
            .change("UPDATE patient SET special = TRUE", &[])
            .await;
        clinic.run().await;
        clinic.clock_to("2026-04-02T09:00").await;
        assert_eq!(clinic.messages().await.len(), 2);
    }
}

#[tokio::test]
async fn a_standing_stop_binds_whoever_holds_the_number() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        suppress(&clinic, "").await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.reminders().await[1], "3d patient skipped/opted_out");
        assert_eq!(
            clinic.tasks().await[1],
            "task unreachable clinical 1 Cannot be reached: Ana"
        );
    }
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        suppress(&clinic, "pat_somebody_else").await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.messages().await.len(), 1);
    }
}

async fn suppress(clinic: &Clinic, patient: &str) {
    const SQL: &str = "INSERT INTO suppression (id, address_hash, patient_id, scope, reason, created_at) SELECT $1, address_hash, $2, 'all', 'stop', $3 FROM contact_point";
    let mut tx = clinic.tx().await;
    execute!(
        &mut tx,
        sqlx::query(SQL)
            .bind(SuppressionId::generate())
            .bind(patient)
            .bind(clinic.clock.now().as_millisecond())
    )
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        clinic.texts("SELECT address_hash FROM suppression").await[0].len(),
        address_hash(b"key", "x").len()
    );
}

#[tokio::test]
async fn nothing_outlives_its_occasion() {
    for clinic in clinics(&[("appointment", APPOINTMENT)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "appointment", "2026-07-24T10:00").await;
        clinic
            .sql("UPDATE occasion SET place = 'Room 3'", &[])
            .await;
        clinic.clock_to("2026-07-22T09:00").await;
        let late = clinic.texts("SELECT m.id FROM message AS m JOIN occasion AS o ON o.id = m.occasion_id WHERE m.expires_at <= o.at").await;
        assert_eq!(
            late.len(),
            1,
            "promise 3: the message expires before the visit"
        );
    }
}

#[tokio::test]
async fn two_composers_at_once_send_once() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        for name in ["Ana", "Bo", "Cy", "Di"] {
            let patient = clinic.patient(name).await;
            clinic.book(&patient, "recheck", "2026-07-24T10:00").await;
        }
        clinic.run().await;
        clinic.clock.set(at(MORNING));
        let passes = [&clinic.compose, &clinic.compose, &clinic.compose].map(|stage| stage.pass());
        for done in futures::future::join_all(passes).await {
            done.unwrap();
        }
        clinic.run().await;
        assert_eq!(clinic.messages().await.len(), 4);
        assert_eq!(clinic.tasks().await.len(), 4);
    }
}
