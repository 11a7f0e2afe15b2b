//! Patients, occasions and staff by the hospital's own keys: upsert, look at, delete.

mod occasions;
mod patients;
mod shape;
mod staff;

use axum::http::StatusCode;
use axum::routing::put;
use jiff::Timestamp;

use super::problem::Problem;
use super::{ApiState, Routes};
use crate::intake::IntakeError;
use crate::intake::apply::{Apply, apply};
use crate::intake::messages::speakable_path;
use crate::intake::record::{RecordKind, RecordUpdate};
use crate::intake::report::{Counts, Report};

pub(super) use occasions::{__path_delete_occasion, __path_get_occasion, __path_put_occasion};
pub(super) use patients::{__path_delete_patient, __path_get_patient, __path_put_patient};
pub(super) use staff::{__path_get_staff, __path_put_staff};

pub(super) fn routes() -> Routes {
    vec![
        (
            "/v1/patients/{source}/{key}",
            put(patients::put_patient)
                .get(patients::get_patient)
                .delete(patients::delete_patient),
        ),
        (
            "/v1/occasions/{source}/{key}",
            put(occasions::put_occasion)
                .get(occasions::get_occasion)
                .delete(occasions::delete_occasion),
        ),
        (
            "/v1/staff/{source}/{key}",
            put(staff::put_staff).get(staff::get_staff),
        ),
    ]
}

/// Applies what one request tells, and rings for those who plan.
async fn take(
    state: &ApiState,
    updates: Vec<RecordUpdate>,
    now: Timestamp,
) -> Result<Report, Problem> {
    let report = apply(
        &state.intake.store,
        updates,
        &state.records,
        Apply::default(),
        now,
    )
    .await
    .map_err(refused)?;
    if report.changed_anything() {
        state.bells.plan.ring();
        state.bells.outbox.ring();
    }
    if report.sensitive_patients + report.sensitive_records > 0 {
        let problem = Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "sensitive",
            "The record must not be stored",
        );
        return Err(
            problem.detail("nothing of it was stored, and what was known of the patient is purged")
        );
    }
    match report.faults.iter().find(|fault| fault.row_rejected) {
        Some(fault) => Err(invalid(
            fault.at.as_deref().unwrap_or_default(),
            &fault.expected,
        )),
        None => Ok(report),
    }
}

/// What became of the one record of `kind`.
fn outcome(report: &Report, kind: RecordKind) -> &'static str {
    let Counts {
        new,
        changed,
        older,
        ..
    } = report.of(kind);
    match (new, changed, older) {
        (1.., _, _) => "new",
        (0, 1.., _) => "changed",
        (0, 0, 1..) => "older",
        // A fact alone may have changed.
        (0, 0, 0) if report.changed_anything() => "changed",
        (0, 0, 0) => "unchanged",
    }
}

fn refused(problem: IntakeError) -> Problem {
    match problem {
        IntakeError::Store(problem) => problem.into(),
        IntakeError::Input { path, expected } => invalid(&path, &expected),
        IntakeError::Unreadable { .. } | IntakeError::Mapping { .. } | IntakeError::Timezone(_) => {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_value",
                "A value is not what it should be",
            )
        }
    }
}

/// A path may hold names of members that the caller made up.
fn invalid(path: &str, expected: &str) -> Problem {
    let problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_value",
        "A value is not what it should be",
    );
    problem.detail(expected.to_owned()).at(speakable_path(path))
}
