//! A walk plans the same as planning every patient, whatever it leaves unread.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{BIRTHDAY, Clinic, RECHECK, at, clinics};
use crate::model::id::PatientId;
use crate::planning::decide::{Horizon, decide};
use crate::planning::subject::{self, Needs};

const KEYS: &[&str] = &[
    "",
    "diagnosis = [\"E10\", \"e11\"]",
    "age = { min = 60 }",
    "age = { max = 20 }",
    "age = { min = 30, max = 60 }\nsex = \"female\"",
    "sex = \"male\"",
    "tags = [\"vip\"]",
    "tags = [\"vip\", \"a\\\\b\"]\ndiagnosis = [\"E1\"]",
    "where = 'patient.diagnoses.size() > 1'",
    "sex = \"female\"\nwhere = 'patient.age > 40'",
];

const TRIGGERS: &[&str] = &[
    "on = \"birthday\"",
    "on = \"holiday\"\nholiday = \"12-24\"",
    "on = \"season\"\nfrom = \"12-23\"\nuntil = \"02-10\"",
    "on = \"every\"\ncron = \"0 10 24,26 12 *\"",
    "on = \"recheck\"",
];

const STOP: &str = "[stop]\nfact = \"vaccination\"\nsince = \"6mo\"\n";

/// A rule for each trigger and set of keys, some with a stop.
fn rules() -> Vec<(String, String)> {
    let mut all = vec![
        ("birthday".to_owned(), BIRTHDAY.to_owned()),
        ("recheck".to_owned(), RECHECK.to_owned()),
    ];
    for (t, trigger) in TRIGGERS.iter().enumerate() {
        for (k, keys) in KEYS.iter().enumerate() {
            let stop = if (t + k) % 3 == 0 { STOP } else { "" };
            let rule = format!(
                "department = \"clinical\"\nclass = \"clinical\"\n[trigger]\n{trigger}\n[audience]\n{keys}\n{stop}
                [[step]]\nto = \"staff\"\nbefore = [\"3d\", \"0d\"]\nsend = \"holiday_staff\"
                [[step]]\nto = \"patient\"\nbefore = [\"1d\", \"0d\"]\nsend = \"birthday\""
            );
            all.push((format!("rule_{t}_{k}"), rule));
        }
    }
    all
}

/// Numbers as if drawn by lot, the same at every run.
struct Lot(u64);

impl Lot {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }
}

/// A small hospital where most have something on these days.
async fn people(clinic: &Clinic, lot: &mut Lot) {
    for n in 0..40 {
        let born = format!("{}-12-{:02}", 1935 + lot.below(85), 20 + lot.below(10));
        let patient = clinic.born(&format!("P{n}"), &born).await;
        let (sex, tags) = (
            lot.of(&["female", "male", "unknown"]),
            lot.of(&["[]", "[]", "[\"vip\"]", "[\"vip\",\"a\\\\b\"]"]),
        );
        clinic
            .sql(
                "UPDATE patient SET sex = $2, tags = $3 WHERE id = $1",
                &[patient.as_str(), sex, tags],
            )
            .await;
        if lot.below(8) == 0 {
            clinic
                .sql(
                    "UPDATE patient SET lunar_md = 1117, birth_md = NULL WHERE id = $1",
                    &[patient.as_str()],
                )
                .await;
        }
        for (fact, kind) in [("d", "diagnosis"), ("e", "diagnosis"), ("v", "vaccination")] {
            if lot.below(2) == 0 {
                let code = lot.of(&["E10.1", "E11", "e11.9", "I10", "E2"]);
                let id = format!("fac_{fact}{n}");
                clinic.sql("INSERT INTO fact (id, patient_id, source, source_key, kind, code, on_day, attributes, row_hash, updated_at)
                    VALUES ($1, $2, 'his', $1, $3, $4, '2026-11-02', '{}', '', 0)", &[&id, patient.as_str(), kind, code]).await;
            }
        }
        if lot.below(2) == 0 {
            let day = format!("2026-12-{:02}T10:00", 22 + lot.below(8));
            clinic.book(&patient, "recheck", &day).await;
        }
        for (t, _) in TRIGGERS.iter().enumerate() {
            let rule = format!("rule_{t}_{}", lot.below(KEYS.len() as u64));
            let leads = lot.of(&["[\"5d\"]", "[\"2d\",\"1w\"]"]);
            if lot.below(3) == 0 {
                clinic.sql("INSERT INTO rule_override (patient_id, rule_id, is_off, leads, set_by, updated_at) VALUES ($1, $2, FALSE, $3, 'x', 0)",
                    &[patient.as_str(), &rule, leads]).await;
            }
        }
        if lot.below(15) == 0 {
            clinic
                .sql(
                    "UPDATE patient SET deceased = TRUE WHERE id = $1",
                    &[patient.as_str()],
                )
                .await;
        }
    }
    // All is as if nobody had told of it: only walks find it.
    clinic
        .sql("UPDATE occasion SET created_at = NULL", &[])
        .await;
    clinic.sql("DELETE FROM plan_mark", &[]).await;
}

type Planned = BTreeSet<(String, i64)>;

/// What the rules yield when every patient is asked with all that is known.
async fn brute_force(clinic: &Clinic, horizon: &Horizon) -> Planned {
    let ids: Vec<PatientId> = clinic
        .texts("SELECT id FROM patient")
        .await
        .iter()
        .filter_map(|id| PatientId::parse(id))
        .collect();
    let mut tx = clinic.test.store.read().await.unwrap();
    let subjects = subject::load(&mut tx, &ids, &Needs::all(), horizon.now)
        .await
        .unwrap();
    let all = subjects
        .iter()
        .flat_map(|subject| decide(clinic.plan.book.active(), subject, horizon).reminders);
    all.filter(|plan| plan.due_at > horizon.now)
        .map(|plan| (plan.plan_key, plan.due_at.as_millisecond()))
        .collect()
}

async fn walked(clinic: &Clinic, now: Timestamp) -> Planned {
    let rows = clinic
        .texts(
            "SELECT plan_key || '|' || CAST(due_at AS TEXT) FROM reminder WHERE state = 'planned'",
        )
        .await;
    let read = |row: &String| {
        let (key, due) = row.rsplit_once('|').unwrap();
        (key.to_owned(), due.parse().unwrap())
    };
    let mut all: Planned = rows.iter().map(read).collect();
    all.retain(|(_, due)| *due > now.as_millisecond());
    all
}

#[tokio::test]
async fn a_walk_plans_the_same_as_planning_every_patient() {
    let rules = rules();
    let rules: Vec<(&str, &str)> = rules
        .iter()
        .map(|(id, text)| (id.as_str(), text.as_str()))
        .collect();
    for mut clinic in clinics(&rules, "2026-12-19T12:00").await {
        assert_eq!(clinic.plan.book.active().count(), rules.len());
        clinic.plan.settings.chunk = 2;
        people(&clinic, &mut Lot(7)).await;
        let mut seen = 0;
        for day in 19..=27 {
            clinic.clock.set(at(&format!("2026-12-{day}T12:00")));
            while clinic.plan.pass().await.unwrap() > 0 {}
            let horizon = Horizon {
                now: clinic.clock.now(),
                ahead: clinic.plan.settings.plan_ahead,
                looks_back: false,
                to: None,
            };
            let (found, wanted) = (
                walked(&clinic, horizon.now).await,
                brute_force(&clinic, &horizon).await,
            );
            let missing: Vec<_> = wanted.difference(&found).collect();
            let idle: Vec<_> = found.difference(&wanted).collect();
            assert!(
                missing.is_empty() && idle.is_empty(),
                "{day}: {missing:#?} {idle:#?}"
            );
            seen += wanted.len();
        }
        assert!(seen > 1000, "{seen}");
    }
}

#[tokio::test]
async fn who_wants_a_greeting_earlier_gets_it_though_their_day_comes_up_later() {
    for mut clinic in clinics(&[("birthday", BIRTHDAY)], "2026-03-01T10:00").await {
        clinic.plan.settings.plan_ahead = jiff::SignedDuration::from_hours(24 * 3);
        let ana = clinic.patient("Ana").await;
        clinic.patient("Bo").await;
        clinic.sql("INSERT INTO rule_override (patient_id, rule_id, is_off, leads, set_by, updated_at) VALUES ($1, 'birthday', FALSE, '[\"5d\"]', 'x', 0)",
            &[ana.as_str()]).await;
        for day in 25..=31 {
            clinic.clock_to(&format!("2026-03-{day}T10:00")).await;
        }
        assert_eq!(
            clinic.reminders().await,
            ["5d patient composed", "0d patient planned"]
        );
    }
}
