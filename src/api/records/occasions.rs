//! Occasions by the hospital's own keys: bookings and other dated facts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::patients::answer;
use super::shape::{OccasionView, Stored};
use super::{outcome, refused, take};
use crate::access::Scope;
use crate::api::ApiState;
use crate::api::input::{Body, Caller, RecordPath};
use crate::api::problem::{Details, Problem};
use crate::intake::from_json::{delete_occasion as removal, occasion_from_json};
use crate::intake::input::OccasionInput;
use crate::intake::record::RecordKind;
use crate::store::{StoreError, occasions};

/// Stores an occasion, or with `repeat` as many as it says, with the keys `KEY#1`, `KEY#2` …; the first is answered for all.
///
/// Its reminders are planned anew when date or time really change. An older `version` is ignored.
#[utoipa::path(
    put, path = "/v1/occasions/{source}/{key}", tag = "records", request_body = OccasionInput,
    params(("source" = String, Path, description = "The hospital's system, such as `his`"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 200, description = "Stored, or known just so, or older than what we have", body = Stored),
        (status = 201, description = "Stored for the first time", body = Stored),
        (status = 400, description = "No JSON", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "Something is wrong with it, or its patient is not known", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn put_occasion(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
    Body(body): Body,
) -> Result<Response, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let now = state.clock.now();
    crate::intake::messages::storable(&body)?;
    let updates =
        occasion_from_json(&source, key.reveal(), &body, &state.records).map_err(refused)?;
    let report = take(&state, updates, now).await?;
    let mut tx = state.intake.store.read().await?;
    let id = occasions::find_first(&mut tx, &source, key.reveal()).await?;
    let gone = StoreError::BadRow {
        table: "occasion",
        what: "one that was just stored is gone",
    };
    let stored = Stored {
        id: id.ok_or(gone)?.to_string(),
        outcome: outcome(&report, RecordKind::Occasion),
    };
    Ok(answer(stored, "occasions", &source, key.reveal()))
}

/// An occasion, with what the patient answered. Its attributes only for keys with `private:read`.
#[utoipa::path(
    get, path = "/v1/occasions/{source}/{key}", tag = "records",
    params(("source" = String, Path, description = "The hospital's system"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 200, description = "The occasion", body = OccasionView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn get_occasion(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
) -> Result<Json<OccasionView>, Problem> {
    caller.must(Scope::RecordsRead)?;
    let mut tx = state.intake.store.read().await?;
    let id = occasions::find_first(&mut tx, &source, key.reveal())
        .await?
        .ok_or_else(Problem::not_found)?;
    let occasion = occasions::load(&mut tx, &[id])
        .await?
        .into_iter()
        .next()
        .ok_or_else(Problem::not_found)?;
    Ok(Json(OccasionView::of(occasion, caller.sees_private())))
}

/// Cancels an occasion, all of it if it repeats: it is kept, so that what was sent about it can be explained.
#[utoipa::path(
    delete, path = "/v1/occasions/{source}/{key}", tag = "records",
    params(("source" = String, Path, description = "The hospital's system"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 204, description = "Cancelled"),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn delete_occasion(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
) -> Result<StatusCode, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let mut tx = state.intake.store.read().await?;
    occasions::find_first(&mut tx, &source, key.reveal())
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
