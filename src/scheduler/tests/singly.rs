//! An occasion that changed is planned alone: what else its patient has is left as it stands.

use super::{APPOINTMENT, Clinic, RECHECK, clinics};
use crate::model::id::{OccasionId, PatientId};
use crate::store::marks;

const DISCHARGE: &str = r#"
title = "Discharge"
department = "clinical"
class = "clinical"
[trigger]
on = "discharge"
[[step]]
to = "patient"
after = ["7d"]
send = "recheck"
"#;

/// Changes one record and marks one occasion alone.
async fn change(clinic: &Clinic, sql: &'static str, occasion: &OccasionId, patient: &PatientId) {
    clinic.sql(sql, &[occasion.as_str()]).await;
    let mut tx = clinic.tx().await;
    let marked = [(occasion.clone(), patient.clone())];
    marks::add_occasions(&mut tx, &marked, clinic.clock.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    clinic.run().await;
}

/// `occurrence lead state` of what is planned or superseded, the occasions by their first letters.
async fn standing(clinic: &Clinic, occasion: &OccasionId) -> Vec<String> {
    let all = clinic.texts("SELECT occasion_id || ' ' || rule_id || ' ' || lead || ' ' || state FROM reminder WHERE rule_id <> '' ORDER BY due_at, lead, role, rule_id, epoch").await;
    let of = all
        .iter()
        .filter_map(|line| line.strip_prefix(occasion.as_str()));
    of.map(|rest| rest.trim().to_owned()).collect()
}

#[tokio::test]
async fn a_changed_occasion_leaves_the_patients_other_reminders_alone() {
    let rules = [("recheck", RECHECK), ("appointment", APPOINTMENT)];
    for clinic in clinics(&rules, "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        let one = clinic.book(&ana, "recheck", "2026-07-24T10:00").await;
        let other = clinic.book(&ana, "recheck", "2026-07-30T10:00").await;
        clinic.run().await;
        // Nobody marks the other one: would anybody look at it, its reminders would go.
        clinic
            .sql(
                "UPDATE occasion SET status = 'cancelled' WHERE id = $1",
                &[other.as_str()],
            )
            .await;
        let moved = "UPDATE occasion SET local_at = '2026-07-27T10:00', at = at + 259200000, epoch = 2, moved_at = 1783000000000 WHERE id = $1";
        change(&clinic, moved, &one, &ana).await;
        assert_eq!(
            standing(&clinic, &one).await,
            [
                "recheck 4d superseded",
                "recheck 3d superseded",
                "recheck 4d planned",
                "recheck 1d superseded",
                "recheck 3d planned",
                "recheck 1d planned",
            ]
        );
        assert_eq!(
            standing(&clinic, &other).await,
            [
                "recheck 4d planned",
                "recheck 3d planned",
                "recheck 1d planned"
            ]
        );
        let cancelled = "UPDATE occasion SET status = 'cancelled' WHERE id = $1";
        change(&clinic, cancelled, &one, &ana).await;
        let left = standing(&clinic, &one).await;
        assert!(left.iter().all(|line| line.ends_with("superseded")));
    }
}

#[tokio::test]
async fn an_occasion_of_another_kind_or_patient_leaves_no_orphan() {
    let rules = [
        ("recheck", RECHECK),
        ("appointment", APPOINTMENT),
        ("discharge", DISCHARGE),
    ];
    for clinic in clinics(&rules, "2026-07-02T10:00").await {
        let (ana, bo) = (clinic.patient("Ana").await, clinic.patient("Bo").await);
        let visit = clinic.book(&ana, "discharge", "2026-07-24T10:00").await;
        clinic.run().await;
        assert_eq!(
            standing(&clinic, &visit).await,
            ["discharge +7d planned"],
            "the step after it"
        );
        let kind = "UPDATE occasion SET kind = 'recheck' WHERE id = $1";
        change(&clinic, kind, &visit, &ana).await;
        assert_eq!(
            standing(&clinic, &visit).await,
            [
                "recheck 4d planned",
                "recheck 3d planned",
                "recheck 1d planned",
                "discharge +7d superseded"
            ]
        );
        let back = "UPDATE occasion SET kind = 'discharge' WHERE id = $1";
        change(&clinic, back, &visit, &ana).await;
        let planned = clinic
            .texts("SELECT rule_id || ' ' || lead FROM reminder WHERE state = 'planned'")
            .await;
        assert_eq!(planned, ["discharge +7d"]);
        let other = "UPDATE occasion SET epoch = 2, patient_id = (SELECT id FROM patient WHERE source_key = 'Bo') WHERE id = $1";
        change(&clinic, other, &visit, &bo).await;
        let planned = clinic.texts("SELECT p.source_key || ' ' || r.lead FROM reminder AS r JOIN patient AS p ON p.id = r.patient_id WHERE r.state = 'planned'").await;
        assert_eq!(planned, ["Bo +7d"]);
    }
}

#[tokio::test]
async fn a_fact_on_the_day_of_an_occasion_that_goes_stands_by_itself_again() {
    for clinic in clinics(&[("discharge", DISCHARGE)], "2026-07-02T10:00").await {
        let ana = clinic.patient("Ana").await;
        clinic.sql("INSERT INTO fact (id, patient_id, source, source_key, kind, code, on_day, attributes, row_hash, updated_at)
            SELECT 'fac_1', id, 'his', '1', 'discharge', 'Z', '2026-07-03', '{}', '', 0 FROM patient", &[]).await;
        let visit = clinic.book(&ana, "discharge", "2026-07-03T10:00").await;
        clinic.run().await;
        assert_eq!(standing(&clinic, &visit).await, ["discharge +7d planned"]);
        let cancelled = "UPDATE occasion SET status = 'cancelled' WHERE id = $1";
        change(&clinic, cancelled, &visit, &ana).await;
        let planned = clinic
            .texts("SELECT SUBSTR(occurrence, 1, 20) || ' ' || lead FROM reminder WHERE state = 'planned'")
            .await;
        assert_eq!(planned, ["2026-07-03.discharge +7d"]);
    }
}
