//! Records applied to both databases.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Apply, apply};
use crate::intake::from_json::{delete_occasion, occasion_from_json, patient_from_json};
use crate::intake::record::{RecordKind, RecordUpdate};
use crate::intake::report::{Counts, Report};
use crate::intake::{IntakeError, Settings, SiteInfo, sensitive};
use crate::model::id::OccasionId;
use crate::model::occasion::{Confirmation, ConfirmationEvent, Occasion, OccasionStatus};
use crate::model::patient::{ContactStatus, OptOut, Patient};
use crate::store::testing::{TestStore, stores};
use crate::store::{
    StoreError, Tx, consents, contact_points, facts, marks, occasions, on, patients,
};

pub(super) const NOW: &str = "2026-07-01T00:00:00Z";

pub(super) fn now() -> Timestamp {
    NOW.parse().expect("it is an instant")
}

pub(super) struct Desk {
    pub(super) test: TestStore,
    pub(super) site: SiteInfo,
}

impl Desk {
    pub(super) async fn all() -> Vec<Self> {
        let settings = Settings {
            sensitive: sensitive::Settings {
                flags: vec!["VIP".to_owned()],
                codes: vec!["B20".to_owned(), "F2".to_owned()],
                ids_file: None,
            },
            ..Settings::default()
        };
        let mut desks = Vec::new();
        for test in stores().await {
            let site = SiteInfo::open(
                &test.store,
                "Asia/Shanghai",
                "CN",
                &settings,
                std::path::Path::new(""),
            )
            .await
            .expect("the site opens");
            desks.push(Self { test, site });
        }
        desks
    }

    pub(super) async fn take(&self, updates: Vec<RecordUpdate>) -> Report {
        let report = apply(
            &self.test.store,
            updates,
            &self.site,
            Apply::default(),
            now(),
        )
        .await;
        report.expect("the store takes it")
    }

    pub(super) async fn patient(&self, key: &str, body: Value) -> Report {
        let updates = patient_from_json("his", key, &body, &self.site).expect("the body fits");
        self.take(updates).await
    }

    pub(super) async fn book(&self, key: &str, body: Value) -> Report {
        let updates = occasion_from_json("his", key, &body, &self.site).expect("the body fits");
        self.take(updates).await
    }

    pub(super) async fn tx(&self) -> Tx {
        self.test.store.write().await.expect("a transaction")
    }

    pub(super) async fn load(&self, key: &str) -> Option<Patient> {
        let mut tx = self.tx().await;
        let id = patients::find(&mut tx, "his", key)
            .await
            .expect("it can be asked")?;
        patients::load(&mut tx, &[id])
            .await
            .expect("it can be read")
            .pop()
    }

    pub(super) async fn occasion(&self, key: &str) -> Occasion {
        let mut tx = self.tx().await;
        let id = occasions::find(&mut tx, "his", key)
            .await
            .expect("it can be asked")
            .expect("it is there");
        occasions::load(&mut tx, &[id])
            .await
            .expect("it can be read")
            .remove(0)
    }

    pub(super) async fn count(&self, sql: &'static str) -> i64 {
        let mut tx = self.tx().await;
        on!(&mut tx, conn => sqlx::query_scalar(sql).fetch_one(conn).await)
            .expect("it can be counted")
    }

    pub(super) async fn run(&self, sql: &'static str) {
        let mut tx = self.tx().await;
        tx.run(sql).await.expect("it runs");
        tx.commit().await.expect("it commits");
    }
}

pub(super) fn ana() -> Value {
    json!({
        "name": {"family": "王", "given": "芳"}, "sex": "female", "birth_date": "1975-04-03", "language": "zh-CN", "tags": ["diabetes"],
        "prefer": ["email", "sms"], "attributes": {"occupation": "teacher"},
        "contacts": [{"phone": "138 0000 0001"}, {"email": "ana@example.org"}],
        "relations": [{"relation": "child", "name": {"full": "王明"}, "consented": true, "contacts": [{"phone": "13900000002"}]}],
        "consent": [{"scope": "promotion", "granted": false}],
        "facts": [{"kind": "diagnosis", "code": "E11.9", "system": "icd-10", "on": "2020-05-01"}, {"kind": "diagnosis", "code": "I10"}],
        "version": 3
    })
}

#[tokio::test]
async fn a_patient_is_stored_whole_and_twice_is_once() {
    for desk in Desk::all().await {
        let report = desk.patient("P1", ana()).await;
        assert_eq!(
            report.of(RecordKind::Patient),
            Counts {
                new: 1,
                ..Counts::default()
            }
        );
        assert_eq!(
            report.of(RecordKind::Fact),
            Counts {
                new: 2,
                ..Counts::default()
            }
        );
        let patient = desk.load("P1").await.expect("she is there");
        assert_eq!(patient.name.reveal().full, "王芳");
        assert_eq!(
            patient
                .contacts
                .iter()
                .map(|c| c.address.reveal().as_str())
                .collect::<Vec<_>>(),
            ["+8613800000001", "ana@example.org"]
        );
        assert_eq!(
            patient.family[0].contacts[0].address.reveal(),
            "+8613900000002"
        );
        assert_eq!(
            patient.opt_outs,
            [OptOut::Class(crate::model::class::Class::Promotion)]
        );
        let mut tx = desk.tx().await;
        let marked = marks::take(&mut tx, 10).await.expect("marks");
        assert_eq!(
            marked.iter().map(|(id, _)| id).collect::<Vec<_>>(),
            [&patient.id]
        );
        marks::clear(&mut tx, &marked).await.expect("cleared");
        assert_eq!(
            facts::of(&mut tx, std::slice::from_ref(&patient.id))
                .await
                .expect("facts")[&patient.id]
                .len(),
            2
        );
        tx.commit().await.expect("commit");

        let again = desk.patient("P1", ana()).await;
        assert!(!again.changed_anything());
        assert_eq!(again.of(RecordKind::Patient).unchanged, 1);
        assert_eq!(desk.count("SELECT COUNT(*) FROM plan_mark").await, 0);
        let hash = crate::model::phone::address_hash(&desk.site.address_key, "+8613900000002");
        let holders = patients::by_address(&mut desk.tx().await, &hash)
            .await
            .expect("holders");
        assert_eq!(
            holders,
            [(patient.id.clone(), Some(patient.family[0].id.clone()))]
        );
    }
}

#[tokio::test]
async fn an_older_version_is_ignored_and_facts_left_out_are_gone() {
    for desk in Desk::all().await {
        desk.patient("P1", ana()).await;
        let mut old = ana();
        old["version"] = json!(2);
        old["name"] = json!({"full": "old"});
        assert_eq!(
            desk.patient("P1", old).await.of(RecordKind::Patient).older,
            1
        );
        assert_eq!(
            desk.load("P1")
                .await
                .expect("she is there")
                .name
                .reveal()
                .full,
            "王芳"
        );

        let mut fewer = ana();
        fewer["facts"] = json!([{"kind": "diagnosis", "code": "I10"}]);
        fewer["version"] = json!(4);
        desk.patient("P1", fewer).await;
        assert_eq!(desk.count("SELECT COUNT(*) FROM fact").await, 1);
    }
}

#[tokio::test]
async fn a_wrong_number_stays_wrong_until_the_address_changes() {
    for desk in Desk::all().await {
        desk.patient("P1", ana()).await;
        let before = desk.load("P1").await.expect("she is there");
        let hash = crate::model::phone::address_hash(&desk.site.address_key, "+8613800000001");
        let mut tx = desk.tx().await;
        assert_eq!(
            contact_points::mark(&mut tx, &hash, None, ContactStatus::WrongNumber)
                .await
                .expect("mark"),
            std::slice::from_ref(&before.id)
        );
        tx.commit().await.expect("commit");

        let mut renamed = ana();
        renamed["name"] = json!({"full": "王小芳"});
        desk.patient("P1", renamed).await;
        let after = desk.load("P1").await.expect("she is there");
        assert_eq!(
            (after.contacts[0].status, &after.contacts[0].id),
            (ContactStatus::WrongNumber, &before.contacts[0].id)
        );
        assert_eq!(after.family[0].id, before.family[0].id);

        let mut moved = ana();
        moved["contacts"] = json!([{"phone": "13800000009"}]);
        desk.patient("P1", moved).await;
        let after = desk.load("P1").await.expect("she is there");
        assert_eq!(
            (after.contacts.len(), after.contacts[0].status),
            (1, ContactStatus::Ok)
        );
    }
}

#[tokio::test]
async fn a_record_without_a_date_never_outweighs_what_the_patient_said() -> Result<(), StoreError> {
    for desk in Desk::all().await {
        desk.patient("P1", ana()).await;
        let patient = desk.load("P1").await.expect("she is there");
        let mut tx = desk.tx().await;
        consents::set(
            &mut tx,
            &patient.id,
            None,
            OptOut::All,
            false,
            "reply",
            now(),
        )
        .await?;
        tx.commit().await?;
        let mut leave = ana();
        leave["consent"] = json!([{"scope": "all", "granted": true}]);
        desk.patient("P1", leave.clone()).await;
        assert_eq!(
            desk.load("P1").await.expect("she is there").opt_outs,
            [OptOut::All]
        );
        leave["consent"] = json!([{"scope": "all", "granted": true, "at": "2026-07-02T00:00:00Z"}]);
        desk.patient("P1", leave).await;
        assert_eq!(desk.load("P1").await.expect("she is there").opt_outs, []);
    }
    Ok(())
}

#[tokio::test]
async fn a_moved_booking_starts_a_new_epoch_and_ends_the_wish_about_the_old_one()
-> Result<(), StoreError> {
    for desk in Desk::all().await {
        desk.patient("P1", ana()).await;
        let body = |at: &str, version: i64| json!({"patient": "his/P1", "kind": "appointment", "at": at, "doctor": "Dr. Li", "version": version});
        assert_eq!(
            desk.book("A1", body("2026-07-24T10:00", 1))
                .await
                .of(RecordKind::Occasion)
                .new,
            1
        );
        let first = desk.occasion("A1").await;
        assert_eq!(
            (first.epoch, first.created_at, first.moved_at),
            (1, Some(now()), None)
        );

        let mut tx = desk.tx().await;
        let said =
            occasions::answer(&mut tx, &first.id, 1, ConfirmationEvent::WantsChange, now()).await?;
        assert_eq!(said, Some(Confirmation::ChangeRequested));
        assert_eq!(
            occasions::answer(&mut tx, &first.id, 2, ConfirmationEvent::SaidYes, now()).await?,
            None
        );
        let wish = "INSERT INTO change_request (id, occasion_id, patient_id, epoch, wish, slots, state, created_at)
            SELECT 'chg_1', id, patient_id, epoch, 'reschedule', '{}', 'new', 0 FROM occasion";
        tx.run(wish).await?;
        tx.commit().await?;

        assert!(
            !desk
                .book("A1", body("2026-07-24T10:00", 2))
                .await
                .changed_anything()
        );
        assert_eq!(
            desk.occasion("A1").await.confirmation,
            Confirmation::ChangeRequested
        );
        assert_eq!(
            desk.book("A1", body("2026-07-25T10:00", 3))
                .await
                .of(RecordKind::Occasion)
                .moved,
            1
        );
        let moved = desk.occasion("A1").await;
        assert_eq!(
            (moved.epoch, moved.confirmation, moved.moved_at, moved.id),
            (2, Confirmation::None, Some(now()), first.id)
        );
        for ended in [
            "SELECT COUNT(*) FROM change_request WHERE state = 'superseded'",
            "SELECT COUNT(*) FROM event WHERE type = 'change_request.superseded'",
            "SELECT COUNT(*) FROM event WHERE type = 'occasion.change_requested'",
        ] {
            assert_eq!(desk.count(ended).await, 1, "{ended}");
        }
        assert_eq!(
            desk.book("A1", body("2026-07-30T10:00", 2))
                .await
                .of(RecordKind::Occasion)
                .older,
            1
        );

        let of = occasions::of(&mut desk.tx().await, std::slice::from_ref(&moved.patient)).await?;
        assert_eq!(of[&moved.patient].len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_booking_is_cancelled_and_comes_back() {
    for desk in Desk::all().await {
        desk.patient("P1", ana()).await;
        let body = |status: &str| json!({"patient": "P1", "kind": "appointment", "at": "2026-07-24T10:00", "status": status});
        desk.book("A1", body("booked")).await;
        assert_eq!(
            desk.book("A1", body("cancelled"))
                .await
                .of(RecordKind::Occasion)
                .cancelled,
            1
        );
        let cancelled = desk.occasion("A1").await;
        assert_eq!(
            (cancelled.status, cancelled.cancelled_at, cancelled.epoch),
            (OccasionStatus::Cancelled, Some(now()), 1)
        );
        desk.book("A1", body("booked")).await;
        let back = desk.occasion("A1").await;
        assert_eq!(
            (back.status, back.cancelled_at, back.epoch),
            (OccasionStatus::Booked, None, 2)
        );
        assert_eq!(
            desk.take(delete_occasion("his", "A1").expect("a key"))
                .await
                .of(RecordKind::Removal)
                .removed,
            1
        );
        assert_eq!(desk.occasion("A1").await.status, OccasionStatus::Cancelled);
        assert_eq!(
            desk.take(delete_occasion("his", "A1").expect("a key"))
                .await
                .of(RecordKind::Removal)
                .unchanged,
            1
        );
        desk.book("A1", body("booked")).await;
        assert_eq!(desk.occasion("A1").await.status, OccasionStatus::Booked);
    }
}

/// A patient with a planned reminder and messages in every state that death must settle.
#[tokio::test]
async fn a_booking_of_a_stranger_is_rejected_and_a_dry_run_writes_nothing()
-> Result<(), IntakeError> {
    for desk in Desk::all().await {
        let report = desk
            .book(
                "A1",
                json!({"patient": "P9", "kind": "appointment", "at": "2026-07-24"}),
            )
            .await;
        assert_eq!(
            (report.of(RecordKind::Occasion).rejected, report.fault_count),
            (1, 1)
        );
        let mut updates = patient_from_json("his", "P1", &ana(), &desk.site)?;
        updates.extend(occasion_from_json(
            "his",
            "A1",
            &json!({"patient": "P1", "kind": "appointment", "at": "2026-07-24"}),
            &desk.site,
        )?);
        let report = apply(
            &desk.test.store,
            updates,
            &desk.site,
            Apply {
                dry_run: true,
                first_import: true,
            },
            now(),
        )
        .await?;
        assert_eq!(
            (
                report.of(RecordKind::Patient).new,
                report.of(RecordKind::Fact).new,
                report.of(RecordKind::Occasion).new
            ),
            (1, 2, 1)
        );
        assert_eq!(desk.count("SELECT COUNT(*) FROM patient").await, 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_new_booking_has_itself_planned_and_nothing_else_of_its_patient() {
    const WHOLE: &str = "SELECT COUNT(*) FROM plan_mark";
    const ALONE: &str = "SELECT COUNT(*) FROM plan_mark_occasion";
    let booking = json!({"patient": "P1", "kind": "appointment", "at": "2026-07-24T10:00"});
    for desk in Desk::all().await {
        desk.patient("P1", ana()).await;
        desk.book("A1", booking.clone()).await;
        assert_eq!(
            (desk.count(WHOLE).await, desk.count(ALONE).await),
            (1, 0),
            "whoever is planned as a whole needs no second mark"
        );
        desk.run("DELETE FROM plan_mark").await;
        desk.book("A2", booking.clone()).await;
        desk.book("A2", booking.clone()).await;
        assert_eq!((desk.count(WHOLE).await, desk.count(ALONE).await), (0, 1));
    }
}

#[tokio::test]
async fn what_the_first_import_brings_was_there_before() -> Result<(), IntakeError> {
    for desk in Desk::all().await {
        let mut updates = patient_from_json("his", "P1", &ana(), &desk.site)?;
        let body = json!({"patient": "P1", "kind": "appointment", "at": "2026-07-24", "created_at": "2026-06-30T00:00:00Z"});
        updates.extend(occasion_from_json("his", "A1", &body, &desk.site)?);
        apply(
            &desk.test.store,
            updates,
            &desk.site,
            Apply {
                dry_run: false,
                first_import: true,
            },
            now(),
        )
        .await?;
        assert_eq!(desk.occasion("A1").await.created_at, None);
        desk.book("A2", body).await;
        assert_eq!(
            desk.occasion("A2").await.created_at,
            "2026-06-30T00:00:00Z".parse().ok()
        );
    }
    Ok(())
}

#[test]
fn a_wrong_body_names_the_path_and_never_the_value() {
    let site = SiteInfo {
        timezone: jiff::tz::TimeZone::UTC,
        country: "CN".to_owned(),
        address_key: vec![1],
        sensitive: sensitive::Sensitive::default(),
        clearings: Vec::new(),
    };
    let check = |body: Value, expected: &str| {
        let error = patient_from_json("his", "P1", &body, &site)
            .expect_err("it does not fit")
            .to_string();
        assert!(
            error.starts_with(expected) && !error.contains("13800"),
            "{error}"
        );
    };
    check(
        json!({"contacts": [{"phone": "13800000001"}, {"phone": "13800"}]}),
        "contacts[1].phone: expected a phone number",
    );
    check(
        json!({"contacts": [{"phone": "13800000001", "email": "a@example.org"}]}),
        "contacts[0]: expected either",
    );
    check(
        json!({"relations": [{"relation": "child", "phone": "13800000001"}]}),
        "relations[0].phone: no such field here",
    );
    check(
        json!({"birth_date": "13800000001"}),
        "birth_date: expected a date",
    );
    check(
        json!({"consent": [{"scope": "13800000001", "granted": true}]}),
        "consent[0].scope: expected all",
    );
    check(json!({"version": "13800000001"}), "version: expected i64");
    assert!(OccasionId::parse("occ_1").is_some());
}
