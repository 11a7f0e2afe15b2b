//! What a client may do to a message that is stored: call it off, send it again, settle it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Scope;
use crate::api::ApiState;
use crate::api::input::{Body, Caller, Params};
use crate::api::problem::{Details, Problem};
use crate::intake::messages::{Fault, Resent, resend as resend_message};
use crate::model::id::MessageId;
use crate::model::message::MessageState;
use crate::store::message_admin::{self, Cancel, Resolve, Settled};

/// Where a message stands now.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Standing {
    /// Its id.
    id: String,
    /// Where it stands.
    state: MessageState,
}

/// What is known of an uncertain message.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the shape of a document")]
pub(in crate::api) struct Resolution {
    /// `sent`: the network has it; `not_sent`: it never had it, and gets it again.
    #[schema(pattern = "^(sent|not_sent)$")]
    outcome: String,
}

fn conflict(code: &'static str, title: &'static str, state: MessageState) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, title)
        .detail(format!("expected another state than {state}"))
}

/// Calls a message off.
///
/// One that left, or may have, cannot be called off; one whose fate is unknown will not be sent again.
#[utoipa::path(
    post, path = "/v1/messages/{id}/cancel", tag = "messages", operation_id = "cancel_message",
    params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "It will not go out", body = Standing),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "Too late", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:write"]))
)]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<Standing>, Problem> {
    caller.must(Scope::MessagesWrite)?;
    let id = MessageId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.write().await?;
    let done = message_admin::cancel(&mut tx, &id, &caller.name(), state.clock.now()).await?;
    tx.commit().await?;
    state.bells.outbox.ring();
    match done {
        Cancel::Done { state } => Ok(Json(Standing {
            id: id.to_string(),
            state,
        })),
        Cancel::TooLate { state } => {
            Err(conflict("too_late", "It is too late to call it off", state))
        }
        Cancel::NotFound => Err(Problem::not_found()),
    }
}

/// Sends a finished message again: a new message that copies it.
#[utoipa::path(
    post, path = "/v1/messages/{id}/resend", tag = "messages", operation_id = "resend_message",
    params(("id" = String, Path, description = "The finished message's id")),
    responses(
        (status = 202, description = "The copy is stored", body = Standing, headers(("Location" = String, description = "Where to look at it"))),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "It is still on its way, or its text is past its keep date", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:write"]))
)]
pub(super) async fn resend(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    caller.must(Scope::MessagesWrite)?;
    let id = MessageId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.write().await?;
    let done = resend_message(
        &mut tx,
        &id,
        &state.intake.desk,
        &caller.name(),
        state.clock.now(),
    )
    .await?;
    tx.commit().await?;
    state.bells.delivery.ring();
    state.bells.outbox.ring();
    let (id, state) = match done {
        Resent::New { id, state } => (id, state),
        Resent::NotFinished { state } => {
            return Err(conflict("not_finished", "It is still on its way", state));
        }
        Resent::Blanked => {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "text_gone",
                "Its text is past its keep date",
            ));
        }
        Resent::NotFound => return Err(Problem::not_found()),
    };
    let mut response = (
        StatusCode::ACCEPTED,
        Json(Standing {
            id: id.to_string(),
            state,
        }),
    )
        .into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/v1/messages/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Settles a message whose fate is unknown with what a person knows.
#[utoipa::path(
    post, path = "/v1/messages/{id}/resolve", tag = "messages", operation_id = "resolve_message", request_body = Resolution,
    params(("id" = String, Path, description = "The uncertain message's id")),
    responses(
        (status = 200, description = "It is settled", body = Standing),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "Nothing is uncertain about it", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "No outcome", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:write"]))
)]
pub(super) async fn resolve(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
    Body(body): Body,
) -> Result<Json<Standing>, Problem> {
    caller.must(Scope::MessagesWrite)?;
    let id = MessageId::parse(&id).ok_or_else(Problem::not_found)?;
    let members = body.as_object().filter(|members| members.len() == 1);
    let outcome = members.and_then(|members| members.get("outcome"));
    let settled = outcome.and_then(Value::as_str).and_then(Settled::parse);
    let settled = settled.ok_or_else(|| Fault::invalid("outcome", "sent or not_sent"))?;
    let mut tx = state.intake.store.write().await?;
    let done =
        message_admin::resolve(&mut tx, &id, settled, &caller.name(), state.clock.now()).await?;
    tx.commit().await?;
    state.bells.delivery.ring();
    state.bells.outbox.ring();
    match done {
        Resolve::Done { state } => Ok(Json(Standing {
            id: id.to_string(),
            state,
        })),
        Resolve::NotUncertain { state } => Err(conflict(
            "not_uncertain",
            "Nothing is uncertain about it",
            state,
        )),
        Resolve::NotFound => Err(Problem::not_found()),
    }
}
