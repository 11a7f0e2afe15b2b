//! Addresses that are not to be used: see them, add one, lift one.
//!
//! We keep a keyed hash of the address only, so it cannot be shown; whoever knows it can ask for it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::input::{Asked, Body, Caller, Params, cursor};
use super::problem::{Details, Problem};
use super::shapes::Page;
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::intake::messages::{Fault, RecordKey, read_address};
use crate::model::id::{PatientId, SuppressionId};
use crate::model::patient::OptOut;
use crate::model::phone::address_hash;
use crate::store::suppressions::{self, NewSuppression, Suppression, SuppressionReason};
use crate::store::{StoreError, Tx, audits, patients, suppression_list, withdraw};

pub(super) fn routes() -> Routes {
    vec![
        (
            "/v1/suppressions",
            get(list_suppressions).put(put_suppression),
        ),
        ("/v1/suppressions/{id}", delete(delete_suppression)),
    ]
}

/// A suppression that stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Suppression)]
pub(super) struct SuppressionView {
    /// Its id.
    id: String,
    /// A keyed hash: equal for equal addresses of this site.
    address_hash: String,
    /// The one patient it binds; null binds the address for all.
    patient: Option<String>,
    /// `all`, a class or a channel.
    scope: &'static str,
    /// `stop`, `wrong_number`, `deceased`, `complaint`, `import` or `staff`.
    reason: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl SuppressionView {
    fn of(suppression: Suppression) -> Self {
        Self {
            id: suppression.id.to_string(),
            address_hash: suppression.address_hash,
            patient: suppression.patient.map(|id| id.to_string()),
            scope: suppression.scope.as_str(),
            reason: suppression.reason.as_str(),
            created_at: suppression.created_at,
        }
    }
}

/// An address that is not to be used any more: a phone or a mail address.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SuppressionInput)]
#[expect(dead_code, reason = "the shape of a document")]
pub(super) struct SuppressionBody {
    /// A phone number.
    #[schema(max_length = 64)]
    phone: Option<String>,
    /// A mail address.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// `all` (the default), a class or a channel.
    scope: Option<String>,
    /// `import` (the default), `stop`, `wrong_number`, `deceased`, `complaint` or `staff`.
    reason: Option<String>,
    /// The one patient it binds, source/key; by default it binds the address for all.
    #[schema(max_length = 320)]
    patient: Option<String>,
}

/// A suppression that stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct Suppressed {
    /// Its id; null when the same one stood before.
    id: Option<String>,
    /// `new`, or `unchanged` when the same one stood before.
    outcome: &'static str,
}

/// The suppressions that stand, newest first.
#[utoipa::path(
    get, path = "/v1/suppressions", tag = "suppressions",
    params(
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of suppressions", body = Page<SuppressionView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn list_suppressions(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<SuppressionView>>, Problem> {
    caller.must(Scope::RecordsRead)?;
    asked.only(&["limit", "cursor"])?;
    let limit = asked.limit()?;
    let mut tx = state.intake.store.read().await?;
    let found = suppression_list::list(&mut tx, "", asked.cursor()?.as_ref(), limit + 1).await?;
    Ok(Json(Page::of(
        found,
        limit,
        |one| cursor(one.created_at, one.id.as_str()),
        SuppressionView::of,
    )))
}

/// Stops the use of an address at once: what has not left for it is suppressed.
#[utoipa::path(
    put, path = "/v1/suppressions", tag = "suppressions", request_body = SuppressionBody,
    responses(
        (status = 200, description = "The same one stood before", body = Suppressed),
        (status = 201, description = "It stands now", body = Suppressed),
        (status = 422, description = "Something is wrong with it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn put_suppression(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body,
) -> Result<Response, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let wanted = wanted(&state, &body)?;
    let mut tx = state.intake.store.write().await?;
    let patient = match &wanted.patient {
        Some(key) => Some(known(&mut tx, key).await?),
        None => None,
    };
    let new = NewSuppression {
        address_hash: wanted.address_hash,
        patient,
        scope: wanted.scope,
        reason: wanted.reason,
    };
    let id = put(&mut tx, &new, &caller.name(), state.clock.now()).await?;
    tx.commit().await?;
    state.bells.outbox.ring();
    let (status, outcome) = if id.is_some() {
        (StatusCode::CREATED, "new")
    } else {
        (StatusCode::OK, "unchanged")
    };
    let id = id.map(|id| id.to_string());
    Ok((status, Json(Suppressed { id, outcome })).into_response())
}

/// What a client wants suppressed, read and checked by itself.
struct Wanted {
    address_hash: String,
    scope: OptOut,
    reason: SuppressionReason,
    patient: Option<RecordKey>,
}

fn wanted(state: &ApiState, body: &Value) -> Result<Wanted, Fault> {
    let address = read_address(
        body,
        &["scope", "reason", "patient"],
        &state.intake.site.country,
    )?;
    let scope = word(body, "scope", OptOut::parse, "all, a class or a channel")?;
    let words = "stop, wrong_number, deceased, complaint, import or staff";
    let reason = word(body, "reason", SuppressionReason::parse, words)?;
    Ok(Wanted {
        address_hash: address_hash(&state.intake.desk.address_key, address.reveal()),
        scope: scope.unwrap_or(OptOut::All),
        reason: reason.unwrap_or(SuppressionReason::Import),
        patient: word(
            body,
            "patient",
            RecordKey::parse,
            "source/key, such as his/12345",
        )?,
    })
}

async fn known(tx: &mut Tx, key: &RecordKey) -> Result<PatientId, Problem> {
    let unknown = || Fault {
        code: "unknown_patient",
        path: "patient".to_owned(),
        expected: "a patient that was told of before".to_owned(),
    };
    let found = patients::find(tx, &key.source, key.key.reveal()).await?;
    Ok(found.ok_or_else(unknown)?)
}

/// Makes the suppression and stops what has not left, all in the caller's transaction.
async fn put(
    tx: &mut Tx,
    new: &NewSuppression,
    actor: &str,
    now: Timestamp,
) -> Result<Option<SuppressionId>, StoreError> {
    let Some(id) = suppressions::add(tx, new, now).await? else {
        return Ok(None);
    };
    // A narrower one is looked at when a message is claimed.
    if new.scope == OptOut::All {
        withdraw::stop_address(
            tx,
            &new.address_hash,
            new.patient.as_ref(),
            reason_of(new.reason),
            now,
        )
        .await?;
    }
    let detail = serde_json::json!({"scope": new.scope.as_str(), "reason": new.reason.as_str()});
    let act = audits::NewAudit {
        actor,
        action: "suppression.put",
        target: id.as_str(),
        detail,
    };
    audits::add(tx, &act, now).await?;
    Ok(Some(id))
}

/// The reason that a message ends with.
const fn reason_of(reason: SuppressionReason) -> &'static str {
    match reason {
        SuppressionReason::Stop
        | SuppressionReason::Complaint
        | SuppressionReason::Import
        | SuppressionReason::Staff => "opted_out",
        SuppressionReason::WrongNumber => "no_contact_point",
        SuppressionReason::Deceased => "deceased",
    }
}

fn word<T>(
    body: &Value,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Result<Option<T>, Fault> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(read)
            .map(Some)
            .ok_or_else(|| Fault::invalid(name, expected)),
    }
}

/// Lifts a suppression: the address may be used again.
#[utoipa::path(
    delete, path = "/v1/suppressions/{id}", tag = "suppressions",
    params(("id" = String, Path, description = "The suppression's id")),
    responses(
        (status = 204, description = "It stands no more"),
        (status = 404, description = "None of that id stands", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn delete_suppression(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<StatusCode, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let id = SuppressionId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.write().await?;
    let lifted = suppression_list::lift(&mut tx, &id, &caller.name(), state.clock.now()).await?;
    tx.commit().await?;
    if lifted {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
