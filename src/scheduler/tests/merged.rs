//! Several occasions of one day are told in one message, as long as all of them stand.

use super::{Clinic, RECHECK, at, clinics};
use crate::model::id::OccasionId;

const MORNING: &str = "2026-07-21T09:00";

/// Two rules of bookings whose words have a place for several.
const CHECK: &str = r#"
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
"#;

fn visit() -> String {
    CHECK.replace("recheck", "visit")
}

/// Ana has two rechecks on 24 July, and composing has come to three days before.
async fn two(clinic: &Clinic) -> [OccasionId; 2] {
    let ana = clinic.patient("Ana").await;
    let late = clinic.book(&ana, "recheck", "2026-07-24T15:00").await;
    let early = clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
    clinic.run().await;
    clinic.clock_to(MORNING).await;
    [early, late]
}

#[tokio::test]
async fn two_bookings_on_one_day_are_told_in_one_message() {
    for clinic in clinics(&[("check", CHECK)], "2026-07-02T10:00").await {
        let visits = two(&clinic).await;
        assert_eq!(clinic.messages().await, ["Ana: 1) 10:00 2) 15:00 reply 1"]);
        assert_eq!(
            clinic
                .reminders()
                .await
                .iter()
                .filter(|line| line.ends_with("skipped/merged"))
                .count(),
            1
        );
        let same = clinic
            .texts("SELECT DISTINCT message_id FROM reminder WHERE message_id IS NOT NULL")
            .await;
        assert_eq!(same.len(), 1, "both point to the one message");
        let asked: Vec<crate::store::questions::Asked> =
            serde_json::from_str(&clinic.texts("SELECT occasions FROM question").await[0]).unwrap();
        assert_eq!(
            asked.iter().map(|one| one.id.clone()).collect::<Vec<_>>(),
            visits
        );
        assert_eq!(
            clinic.texts("SELECT confirmation FROM occasion").await,
            ["awaiting", "awaiting"]
        );
        let ends = clinic
            .texts(
                "SELECT id FROM message WHERE expires_at = (SELECT MIN(expires_at) FROM reminder)",
            )
            .await;
        assert_eq!(ends.len(), 1, "it is of use as long as all of it is");
    }
}

#[tokio::test]
async fn bookings_of_two_rules_go_together_and_those_of_two_days_do_not() {
    let visit = visit();
    for clinic in clinics(&[("check", CHECK), ("visit", &visit)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&ana, "visit", "2026-07-24T11:00").await;
        clinic.book(&ana, "visit", "2026-07-25T11:00").await;
        let bo = clinic.patient("Bob").await;
        clinic.book(&bo, "visit", "2026-07-24T11:00").await;
        clinic.run().await;
        clinic.clock_to(MORNING).await;
        let mut texts = clinic.messages().await;
        texts.sort();
        assert_eq!(
            texts,
            [
                "Ana: 1) 10:00 2) 11:00 reply 1",
                "Bob: 2026-07-24 11:00 reply 1"
            ]
        );
        clinic.clock_to("2026-07-22T09:00").await;
        assert!(
            clinic
                .messages()
                .await
                .contains(&"Ana: 2026-07-25 11:00 reply 1".to_owned())
        );
    }
}

#[tokio::test]
async fn words_that_have_no_place_for_several_are_sent_one_by_one() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        two(&clinic).await;
        assert_eq!(
            clinic.messages().await,
            [
                "Ana: recheck 2026-07-24 reply 1",
                "Ana: recheck 2026-07-24 reply 1"
            ]
        );
    }
}

#[tokio::test]
async fn a_question_does_not_go_together_with_a_plain_word() {
    let plain = visit().replace("ask = \"confirm\"", "");
    for clinic in clinics(&[("check", CHECK), ("visit", &plain)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&ana, "visit", "2026-07-24T11:00").await;
        clinic.run().await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.messages().await.len(), 2);
    }
}

#[tokio::test]
async fn a_rule_in_shadow_adds_nothing_to_what_others_send() {
    let shadow = format!("mode = \"shadow\"\n{}", visit());
    for clinic in clinics(&[("check", CHECK), ("visit", &shadow)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.book(&ana, "visit", "2026-07-24T11:00").await;
        clinic.run().await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.messages().await, ["Ana: 2026-07-24 10:00 reply 1"]);
    }
}

#[tokio::test]
async fn what_moves_before_the_text_left_is_taken_out_and_the_rest_told_anew() {
    for clinic in clinics(&[("check", CHECK)], "2026-07-02T10:00").await {
        for (moves, stays) in [(0, "15:00"), (1, "10:00")] {
            let visits = two(&clinic).await;
            clinic.shift(&visits[moves], "2026-08-24T10:00").await;
            clinic.run().await;
            let left = clinic
                .texts("SELECT bodies FROM message WHERE state = 'queued'")
                .await;
            assert_eq!(left.len(), 1, "{left:?}");
            assert!(
                left[0].contains(&format!("2026-07-24 {stays} reply 1")),
                "{left:?}"
            );
            assert_eq!(
                clinic
                    .texts("SELECT reason FROM message WHERE state = 'cancelled'")
                    .await,
                ["superseded"]
            );
            let open = clinic.texts("SELECT m.id FROM question q JOIN message m ON m.id = q.message_id WHERE m.state = 'queued'").await;
            assert_eq!(open.len(), 1);
            clinic.sql("DELETE FROM reminder", &[]).await;
            clinic.sql("DELETE FROM message", &[]).await;
            clinic.sql("DELETE FROM question", &[]).await;
            clinic.sql("DELETE FROM patient", &[]).await;
            clinic.clock.set(at("2026-07-02T10:00"));
        }
    }
}

#[tokio::test]
async fn what_is_on_the_wire_goes_its_way() {
    for clinic in clinics(&[("check", CHECK)], "2026-07-02T10:00").await {
        let visits = two(&clinic).await;
        clinic
            .sql("UPDATE message SET state = 'submitted'", &[])
            .await;
        clinic.shift(&visits[0], "2026-08-24T10:00").await;
        clinic.run().await;
        assert_eq!(
            clinic.texts("SELECT state FROM message").await,
            ["submitted"]
        );
    }
}

#[tokio::test]
async fn a_text_of_several_is_made_of_all_or_of_none() {
    use crate::model::id::MessageId;
    use crate::store::due::{Outcome, due, settle};
    for clinic in clinics(&[("check", CHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T15:00").await;
        let early = clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        while clinic.plan.pass().await.unwrap() > 0 {}
        let mut tx = clinic.tx().await;
        let ready = due(&mut tx, &[], at(MORNING), 10).await.unwrap();
        let message = MessageId::generate();
        let outcomes = [
            (ready[0].id.clone(), Outcome::Message(message.clone())),
            (ready[1].id.clone(), Outcome::Merged(message)),
        ];
        tx.commit().await.unwrap();
        // One of them moves after the records were read.
        clinic
            .sql(
                "UPDATE occasion SET epoch = 2 WHERE id = $1",
                &[early.as_str()],
            )
            .await;
        let mut tx = clinic.tx().await;
        assert!(
            settle(&mut tx, &outcomes, at(MORNING))
                .await
                .unwrap()
                .is_empty()
        );
        tx.commit().await.unwrap();
        assert_eq!(
            clinic.reminders().await,
            ["3d patient planned", "3d patient planned"]
        );
    }
}
