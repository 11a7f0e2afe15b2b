//! Patients' wishes about their bookings, for the hospital's system to answer.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::input::{Asked, Caller, OptionalBody, Params, cursor};
use super::problem::{Details, Problem};
use super::shapes::Page;
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::intake::messages::Fault;
use crate::model::id::ChangeRequestId;
use crate::store::change_requests::{self, Answer, Answered, ChangeRequest};

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/change_requests", get(list_change_requests)),
        (
            "/v1/change_requests/{id}/accept",
            post(accept_change_request),
        ),
        (
            "/v1/change_requests/{id}/reject",
            post(reject_change_request),
        ),
    ]
}

/// A patient's wish about a booking.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangeRequest)]
pub(super) struct WishView {
    /// Its id.
    id: String,
    /// Our id of the booking.
    occasion: String,
    /// The system the booking is from.
    source: Option<String>,
    /// That system's key of the booking.
    source_key: Option<String>,
    /// The booking's epoch when the patient wrote.
    epoch: i64,
    /// Our id of the patient.
    patient: String,
    /// The reply that says so.
    reply: Option<String>,
    /// `cancel` or `reschedule`.
    wish: String,
    /// The time they would like, as far as it could be read.
    slots: Value,
    /// `new`, `accepted`, `rejected`, or `superseded` by a newer wish or a moved booking.
    state: String,
    /// What was said with the answer.
    reason: Option<String>,
    /// When it came up.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
}

impl WishView {
    fn of(wish: ChangeRequest) -> Self {
        let (source, source_key) = wish.booking.unzip();
        Self {
            id: wish.id.to_string(),
            occasion: wish.occasion.to_string(),
            source,
            source_key,
            epoch: wish.epoch,
            patient: wish.patient.to_string(),
            reply: wish.reply.map(|id| id.to_string()),
            wish: wish.wish,
            slots: wish.slots,
            state: wish.state,
            reason: wish.reason,
            created_at: wish.created_at,
            answered_at: wish.answered_at,
        }
    }
}

/// What goes with an answer.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeRequestAnswer)]
#[expect(dead_code, reason = "the shape of a document")]
pub(super) struct AnswerBody {
    /// A word for staff: why. No private data.
    #[schema(max_length = 255)]
    reason: Option<String>,
}

/// A wish that was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangeRequestAnswered)]
pub(super) struct AnsweredView {
    /// Its id.
    id: String,
    /// `accepted` or `rejected`.
    state: &'static str,
}

/// Wishes, newest first.
#[utoipa::path(
    get, path = "/v1/change_requests", tag = "bookings",
    params(
        ("state" = Option<String>, Query, description = "`new`, `accepted`, `rejected` or `superseded`", pattern = "^(new|accepted|rejected|superseded)$"),
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of wishes", body = Page<WishView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn list_change_requests(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<WishView>>, Problem> {
    caller.must(Scope::RecordsRead)?;
    asked.only(&["state", "limit", "cursor"])?;
    let limit = asked.limit()?;
    let known = |word: &str| {
        ["new", "accepted", "rejected", "superseded"]
            .into_iter()
            .find(|known| *known == word)
    };
    let wanted = asked
        .word("state", known, "new, accepted, rejected or superseded")?
        .unwrap_or_default();
    let mut tx = state.intake.store.read().await?;
    let found = change_requests::list(&mut tx, wanted, asked.cursor()?.as_ref(), limit + 1).await?;
    Ok(Json(Page::of(
        found,
        limit,
        |wish| cursor(wish.created_at, wish.id.as_str()),
        WishView::of,
    )))
}

/// Says that a wish will be granted. Moving or cancelling the booking itself is the hospital's to tell.
#[utoipa::path(
    post, path = "/v1/change_requests/{id}/accept", tag = "bookings", request_body = Option<AnswerBody>,
    params(("id" = String, Path, description = "The wish's id")),
    responses(
        (status = 200, description = "It stands", body = AnsweredView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "Another answer came first, or a newer wish", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn accept_change_request(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
    body: OptionalBody,
) -> Result<Json<AnsweredView>, Problem> {
    answer(&state, &caller, &id, &body, Answer::Accepted).await
}

/// Says that a wish will not be granted: the booking stands as it is.
#[utoipa::path(
    post, path = "/v1/change_requests/{id}/reject", tag = "bookings", request_body = Option<AnswerBody>,
    params(("id" = String, Path, description = "The wish's id")),
    responses(
        (status = 200, description = "It stands", body = AnsweredView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "Another answer came first, or a newer wish", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn reject_change_request(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
    body: OptionalBody,
) -> Result<Json<AnsweredView>, Problem> {
    answer(&state, &caller, &id, &body, Answer::Rejected).await
}

async fn answer(
    state: &ApiState,
    caller: &Caller,
    id: &str,
    body: &OptionalBody,
    answer: Answer,
) -> Result<Json<AnsweredView>, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let reason = reason(body)?;
    let id = ChangeRequestId::parse(id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.write().await?;
    let done = change_requests::answer(
        &mut tx,
        &id,
        answer,
        reason.as_deref(),
        &caller.name(),
        state.clock.now(),
    )
    .await?;
    tx.commit().await?;
    state.bells.plan.ring();
    state.bells.outbox.ring();
    match done {
        Answered::Done => Ok(Json(AnsweredView {
            id: id.to_string(),
            state: answer.as_str(),
        })),
        Answered::Otherwise { state } => {
            let problem = Problem::new(
                StatusCode::CONFLICT,
                "already_answered",
                "Another answer came first, or a newer wish",
            );
            Err(problem.detail(format!("expected another state than {state}")))
        }
        Answered::NotFound => Err(Problem::not_found()),
    }
}

fn reason(OptionalBody(body): &OptionalBody) -> Result<Option<String>, Fault> {
    let Some(body) = body else { return Ok(None) };
    let map = body
        .as_object()
        .ok_or_else(|| Fault::invalid("", "an object with the member reason, or nothing"))?;
    if map.keys().any(|name| name != "reason") {
        return Err(Fault {
            code: "unknown_field",
            path: "?".to_owned(),
            expected: "the member reason only".to_owned(),
        });
    }
    match map.get("reason") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= 255 && !text.contains('\0') => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(Fault::invalid("reason", "a text of at most 255 characters")),
    }
}
