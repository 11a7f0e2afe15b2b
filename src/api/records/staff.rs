//! Members of staff by the hospital's own keys: whose patients they treat, when they are away, who stands in.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::patients::answer;
use super::shape::Stored;
use super::{outcome, refused, take};
use crate::access::Scope;
use crate::api::ApiState;
use crate::api::input::{Body, Caller, RecordPath};
use crate::api::problem::{Details, Problem};
use crate::intake::input::StaffInput;
use crate::intake::record::RecordKind;
use crate::intake::staff_json::staff_from_json;
use crate::model::staff::StaffKey;
use crate::store::staff::{self, Staff};
use crate::store::{StoreError, Tx};

/// A member of staff. Name and addresses only for keys with `private:read`.
#[derive(Serialize, ToSchema)]
#[schema(as = Staff)]
pub(in crate::api) struct StaffView {
    /// Our id of them.
    id: String,
    /// Where they work.
    department: Option<String>,
    /// What they are there.
    role: Option<String>,
    /// Whether they work here now.
    active: bool,
    /// When they are away, both days included.
    away: Vec<AwayView>,
    /// Who gets meanwhile what is theirs: SOURCE/KEY.
    substitute: Option<String>,
    /// What they are called; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// In E.164; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// Mail address; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// A time in which they get nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = Away)]
pub(in crate::api) struct AwayView {
    /// The first day; null: already.
    from: Option<String>,
    /// The last day; null: until further notice.
    until: Option<String>,
}

impl StaffView {
    fn of(staff: Staff, sees_private: bool) -> Self {
        let days = staff.away.iter().map(|away| AwayView {
            from: away.from.map(|day| day.to_string()),
            until: away.until.map(|day| day.to_string()),
        });
        Self {
            id: staff.id.to_string(),
            away: days.collect(),
            department: staff.department,
            role: staff.role,
            active: staff.active,
            substitute: staff.substitute.map(|key| key.to_text()),
            name: sees_private.then(|| staff.name.into_revealed()),
            phone: staff
                .phone
                .filter(|_| sees_private)
                .map(|phone| phone.into_revealed()),
            email: staff
                .email
                .filter(|_| sees_private)
                .map(|email| email.into_revealed()),
        }
    }
}

/// Stores a member of staff, whole: what is left out is empty afterwards, but for department and role.
#[utoipa::path(
    put, path = "/v1/staff/{source}/{key}", tag = "records", request_body = StaffInput,
    params(("source" = String, Path, description = "The hospital's system, such as `his`"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 200, description = "Stored, or known just so", body = Stored),
        (status = 201, description = "Stored for the first time", body = Stored),
        (status = 400, description = "No JSON", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "Something is wrong with it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn put_staff(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
    Body(body): Body,
) -> Result<Response, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let now = state.clock.now();
    crate::intake::messages::storable(&body)?;
    let updates = staff_from_json(&source, key.reveal(), &body, &state.records).map_err(refused)?;
    let report = take(&state, updates, now).await?;
    let mut tx = state.intake.store.read().await?;
    let gone = StoreError::BadRow {
        table: "staff",
        what: "one that was just stored is gone",
    };
    let stored = Stored {
        id: find(&mut tx, &source, key.reveal())
            .await?
            .ok_or(gone)?
            .id
            .to_string(),
        outcome: outcome(&report, RecordKind::Staff),
    };
    Ok(answer(stored, "staff", &source, key.reveal()))
}

/// A member of staff. Name and addresses only for keys with `private:read`.
#[utoipa::path(
    get, path = "/v1/staff/{source}/{key}", tag = "records",
    params(("source" = String, Path, description = "The hospital's system"), ("key" = String, Path, description = "Its key")),
    responses(
        (status = 200, description = "The member of staff", body = StaffView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn get_staff(
    State(state): State<ApiState>,
    caller: Caller,
    RecordPath(source, key): RecordPath,
) -> Result<Json<StaffView>, Problem> {
    caller.must(Scope::RecordsRead)?;
    let mut tx = state.intake.store.read().await?;
    let found = find(&mut tx, &source, key.reveal()).await?;
    let staff = found.ok_or_else(Problem::not_found)?;
    Ok(Json(StaffView::of(staff, caller.sees_private())))
}

async fn find(tx: &mut Tx, source: &str, key: &str) -> Result<Option<Staff>, StoreError> {
    let key = StaffKey {
        source: source.to_owned(),
        key: key.to_owned(),
    };
    Ok(staff::by_keys(tx, &[&key]).await?.into_iter().next())
}
