//! Records that a hospital system brings in, through the intake.

use carebell::intake::apply::{self, Apply};
use carebell::intake::from_json;
use carebell::intake::record::RecordUpdate;
use carebell::intake::report::Report;
use serde_json::{Value, json};

use super::Clinic;
use super::carrier::Phone;

/// A grown-up with a phone, in the words of `PUT /v1/patients/…`.
pub(crate) fn person(name: &str, phone: &str) -> Value {
    json!({"name": {"full": name}, "birth_date": "1980-06-15", "language": "en", "contacts": [{"phone": phone}]})
}

impl Clinic {
    /// Brings a patient in. The word on them settles nothing yet.
    pub(crate) async fn patient(&self, key: &str, body: Value) -> Report {
        let site = &self.app().house.info;
        self.bring(from_json::patient_from_json("his", key, &body, site).unwrap())
            .await
    }

    /// Brings a grown-up in, and gives their phone.
    pub(crate) async fn somebody(&self, key: &str, name: &str, number: &str) -> Phone {
        self.patient(key, person(name, number)).await;
        self.phone(number)
    }

    /// Brings an occasion in.
    pub(crate) async fn occasion(&self, key: &str, body: Value) -> Report {
        let site = &self.app().house.info;
        self.bring(from_json::occasion_from_json("his", key, &body, site).unwrap())
            .await
    }

    /// Books an appointment and lets everything take its course.
    pub(crate) async fn book(&self, key: &str, patient: &str, at: &str) {
        self.book_unsettled(key, patient, at).await;
        self.settle().await;
    }

    /// Books an appointment; nothing is waited for.
    pub(crate) async fn book_unsettled(&self, key: &str, patient: &str, at: &str) {
        self.occasion(
            key,
            json!({"patient": patient, "kind": "appointment", "at": at}),
        )
        .await;
    }

    /// Brings records in, and rings for those who plan.
    pub(crate) async fn bring(&self, updates: Vec<RecordUpdate>) -> Report {
        let house = &self.app().house;
        let report = apply::apply(
            &house.store,
            updates,
            &house.info,
            Apply::default(),
            self.clock.now(),
        )
        .await
        .unwrap();
        self.app().bells.plan.ring();
        report
    }

    /// How an occasion stands: its confirmation.
    pub(crate) async fn confirmation(&self, key: &str) -> String {
        let all: Vec<(String, String)> = self
            .rows("SELECT source_key, confirmation FROM occasion")
            .await;
        all.into_iter()
            .find(|(found, _)| found == key)
            .expect("an occasion of that key")
            .1
    }

    /// Reminders of patients and family that ended without a message, by what was sent, why, in order.
    pub(crate) async fn skipped(&self) -> Vec<(String, String)> {
        self.rows(
            "SELECT template, COALESCE(reason, '') FROM reminder WHERE role <> 'staff' AND state = 'skipped' ORDER BY due_at, id",
        )
        .await
    }

    /// The kinds of the tasks that staff have, in order.
    pub(crate) async fn tasks(&self) -> Vec<String> {
        let all: Vec<(String,)> = self
            .rows("SELECT kind FROM task WHERE kind <> 'reminder' ORDER BY created_at, id")
            .await;
        all.into_iter().map(|task| task.0).collect()
    }

    /// The states of all messages but our own answers, in order.
    pub(crate) async fn states(&self) -> Vec<String> {
        let all: Vec<(String,)> = self
            .rows("SELECT state FROM message WHERE class <> 'reply' ORDER BY created_at, id")
            .await;
        all.into_iter().map(|message| message.0).collect()
    }
}
