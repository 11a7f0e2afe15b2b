//! Patients by the hospital's own keys.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::shape::{PatientView, Stored};
use super::{outcome, refused, take};
use crate::access::Scope;
use crate::api::ApiState;
use crate::api::input::{Body, Caller, RecordPath};
use crate::api::problem::{Details, Problem};
use crate::intake::from_json::{delete_patient as removal, patient_from_json};
use crate::intake::input::PatientInput;
use crate::intake::record::RecordKind;
use crate::store::{StoreError, patients};

/// Stores a patient, whole: what is left out is empty afterwards.
///
/// The same again changes nothing; an older `version` is ignored. A sensitive patient is refused and purged.
#[utoipa::path(
    put, path = "/v1/patients/{source}/{key}", tag = "records", request_body = PatientInput,
    params(("source" = String, Path, description = "The hospital's system, such as `his`"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 200, description = "Stored, or known just so, or older than what we have", body = Stored),
        (status = 201, description = "Stored for the first time", body = Stored),
        (status = 400, description = "No JSON", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "Something is wrong with it, or the patient must not be stored", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn put_patient(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
    Body(body): Body,
) -> Result<Response, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let now = state.clock.now();
    crate::intake::messages::storable(&body)?;
    let updates =
        patient_from_json(&source, key.reveal(), &body, &state.records).map_err(refused)?;
    let report = take(&state, updates, now).await?;
    let mut tx = state.intake.store.read().await?;
    let id = patients::find(&mut tx, &source, key.reveal()).await?;
    let gone = StoreError::BadRow {
        table: "patient",
        what: "one that was just stored is gone",
    };
    let stored = Stored {
        id: id.ok_or(gone)?.to_string(),
        outcome: outcome(&report, RecordKind::Patient),
    };
    Ok(answer(stored, "patients", &source, key.reveal()))
}

/// What was stored; where to look at it, when it is new and its key can stand in a header.
pub(super) fn answer(stored: Stored, kind: &str, source: &str, key: &str) -> Response {
    if stored.outcome != "new" {
        return Json(stored).into_response();
    }
    let mut response = (StatusCode::CREATED, Json(stored)).into_response();
    let is_plain = key
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    if let Some(place) = HeaderValue::try_from(format!("/v1/{kind}/{source}/{key}"))
        .ok()
        .filter(|_| is_plain)
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// A patient. Names, numbers and what else is private only for keys with `private:read`.
#[utoipa::path(
    get, path = "/v1/patients/{source}/{key}", tag = "records",
    params(("source" = String, Path, description = "The hospital's system"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 200, description = "The patient", body = PatientView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn get_patient(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
) -> Result<Json<PatientView>, Problem> {
    caller.must(Scope::RecordsRead)?;
    let mut tx = state.intake.store.read().await?;
    let id = patients::find(&mut tx, &source, key.reveal())
        .await?
        .ok_or_else(Problem::not_found)?;
    let patient = patients::load(&mut tx, &[id])
        .await?
        .into_iter()
        .next()
        .ok_or_else(Problem::not_found)?;
    Ok(Json(PatientView::of(patient, caller.sees_private())))
}

/// Removes a patient and every row about them; what has not left is withdrawn.
#[utoipa::path(
    delete, path = "/v1/patients/{source}/{key}", tag = "records",
    params(("source" = String, Path, description = "The hospital's system"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn delete_patient(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
) -> Result<StatusCode, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let mut tx = state.intake.store.read().await?;
    patients::find(&mut tx, &source, key.reveal())
        .await?
        .ok_or_else(Problem::not_found)?;
    drop(tx);
    take(
        &state,
        removal(&source, key.reveal()).map_err(refused)?,
        state.clock.now(),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
