//! Who is told: minors through their guardian, family with consent, and what happens when nobody can be reached.

use super::{RECHECK, clinics};

const MORNING: &str = "2026-07-21T09:00";

#[tokio::test]
async fn a_minor_is_told_through_the_guardian() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let kid = clinic.born("Kid", "2016-05-05").await;
        clinic.relation(&kid, "Mum", "+8613900000001").await;
        clinic.book(&kid, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.reminders().await[1], "3d family composed");
        assert_eq!(
            clinic.texts("SELECT addresses FROM message").await,
            [r#"{"sms":"+8613900000001"}"#]
        );
        // The consent goes, and with it the texts; the staff hear of it instead.
        clinic
            .change("UPDATE relation SET consented = FALSE", &[])
            .await;
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(clinic.messages().await.len(), 1);
        assert_eq!(
            clinic.tasks().await[1],
            "task unreachable clinical 1 Cannot be reached: Kid"
        );
    }
}

#[tokio::test]
async fn consent_is_asked_when_the_text_is_made() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let kid = clinic.born("Kid", "2016-05-05").await;
        clinic.relation(&kid, "Mum", "+8613900000001").await;
        clinic.book(&kid, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic
            .sql("UPDATE relation SET consented = FALSE", &[])
            .await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.reminders().await[1], "3d family skipped/no_consent");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_becomes_work_for_staff() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.change("DELETE FROM contact_point", &[]).await;
        clinic.run().await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.reminders().await[1], "3d staff composed");
        assert_eq!(
            clinic.tasks().await[1],
            "task unreachable clinical 1 Cannot be reached: Ana"
        );
        // With a number again, the patient is told the next time.
        clinic.contact(&ana, None, "phone", "+8613800000009").await;
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(clinic.messages().await.len(), 1);
    }
}

#[tokio::test]
async fn a_message_carries_every_channel_that_can_be_used_in_order() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.contact(&ana, None, "email", "ana@example.org").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.clock_to(MORNING).await;
        assert_eq!(
            clinic.texts("SELECT channels FROM message").await,
            [r#"["sms","email"]"#]
        );
        clinic
            .change("UPDATE patient SET prefer = '[\"email\"]'", &[])
            .await;
        clinic.clock_to("2026-07-23T09:00").await;
        assert_eq!(
            clinic
                .texts("SELECT channels FROM message ORDER BY created_at DESC")
                .await[0],
            r#"["email"]"#
        );
    }
}

#[tokio::test]
async fn the_family_has_words_of_its_own() {
    let rule = RECHECK.replace(
        "send = \"recheck\"",
        "send = \"recheck\"\nfamily_send = \"family\"",
    );
    for clinic in clinics(&[("recheck", &rule)], "2026-07-02T10:00").await {
        // A minor and an adult who is marked special are reached by the family, others by themselves.
        let kid = clinic.born("Kid", "2016-05-05").await;
        clinic.relation(&kid, "Mum", "+8613900000001").await;
        clinic.book(&kid, "recheck", "2026-07-24T10:00").await;
        let old = clinic.patient("Old").await;
        clinic.relation(&old, "Son", "+8613900000002").await;
        clinic.book(&old, "recheck", "2026-07-24T10:00").await;
        clinic
            .change(
                "UPDATE patient SET special = TRUE WHERE id = $1",
                &[old.as_str()],
            )
            .await;
        let ana = clinic.patient("Ana").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic.run().await;
        clinic.clock_to(MORNING).await;
        let mut texts = clinic.messages().await;
        texts.sort();
        assert_eq!(
            texts,
            [
                "Ana: recheck 2026-07-24 reply 1",
                "Mum: Kid on 2026-07-24",
                "Son: Old on 2026-07-24"
            ]
        );
    }
    let falls_back = format!("{rule}\n[family]\nfallback = true\n");
    for clinic in clinics(&[("recheck", &falls_back)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.relation(&ana, "Bob", "+8613900000003").await;
        clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        clinic
            .change(
                "UPDATE contact_point SET status = 'wrong_number' WHERE relation_id IS NULL",
                &[],
            )
            .await;
        clinic.run().await;
        clinic.clock_to(MORNING).await;
        assert_eq!(clinic.messages().await, ["Bob: Ana on 2026-07-24"]);
    }
}
