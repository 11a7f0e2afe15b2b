//! Our own answers to patients: at once, at any hour, and only one past a STOP.

use jiff::SignedDuration;

use super::{Clinic, RECHECK, clinics};
use crate::model::class::Channel;
use crate::model::id::PatientId;
use crate::model::patient::OptOut;
use crate::model::phone::address_hash;
use crate::store::reminders::{Answer, answer};
use crate::store::suppressions::{self, NewSuppression, SuppressionReason};

fn reply(patient: Option<&PatientId>, template: &str, key: &str) -> Answer {
    let address = "+8613700000001".to_owned();
    Answer {
        patient: patient.cloned(),
        relation: None,
        occasion: None,
        template: template.to_owned(),
        ask: None,
        channel: Channel::Sms,
        address_hash: address_hash(b"key", &address),
        address: address.into(),
        key: key.to_owned(),
        language: Some("en".to_owned()),
        data: [("word".to_owned(), "you".into())].into_iter().collect(),
    }
}

async fn say(clinic: &Clinic, answer_: &Answer, stop: bool) {
    let now = clinic.clock.now();
    let mut tx = clinic.tx().await;
    if stop {
        let new = NewSuppression {
            address_hash: answer_.address_hash.clone(),
            patient: None,
            scope: OptOut::All,
            reason: SuppressionReason::Stop,
        };
        suppressions::add(&mut tx, &new, now).await.unwrap();
    }
    answer(&mut tx, answer_, now).await.unwrap();
    answer(&mut tx, answer_, now).await.unwrap();
    tx.commit().await.unwrap();
    clinic.run().await;
}

#[tokio::test]
async fn an_answer_goes_at_once_at_any_hour_and_once() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T23:30").await {
        let ana = clinic.patient("Ana").await;
        say(&clinic, &reply(Some(&ana), "answer_help", "in1"), false).await;
        say(&clinic, &reply(None, "answer_help", "in2"), false).await;
        assert_eq!(clinic.messages().await, ["Hello you", "Hello you"]);
        assert_eq!(
            clinic
                .texts("SELECT class || ' ' || source || ' ' || addresses FROM message")
                .await[0],
            r#"reply reply {"sms":"+8613700000001"}"#
        );
        assert!(
            clinic
                .texts("SELECT answer_to FROM reminder WHERE answer_to IS NOT NULL")
                .await
                .is_empty(),
            "the address is kept no longer than needed"
        );
    }
}

#[tokio::test]
async fn only_the_confirmation_of_a_stop_passes_it() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        say(&clinic, &reply(None, "answer_stop", "in1"), true).await;
        assert_eq!(clinic.messages().await, ["You are opted out."]);
        clinic.clock.advance(SignedDuration::from_mins(5));
        say(&clinic, &reply(None, "answer_stop", "in2"), true).await;
        say(&clinic, &reply(None, "answer_help", "in3"), false).await;
        assert_eq!(clinic.messages().await.len(), 1);
        assert_eq!(
            clinic
                .texts("SELECT reason FROM reminder WHERE state = 'skipped'")
                .await,
            ["opted_out", "opted_out"]
        );
    }
}

#[tokio::test]
async fn an_answer_without_its_words_is_a_fault_for_staff() {
    for clinic in clinics(&[("recheck", RECHECK)], "2026-07-02T10:00").await {
        say(&clinic, &reply(None, "answer_nothing", "in1"), false).await;
        assert!(clinic.messages().await.is_empty());
        assert_eq!(
            clinic.tasks().await,
            ["task fault clinical 1 Template answer_nothing has a fault"]
        );
    }
}
