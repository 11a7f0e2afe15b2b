//! Enqueues messages: one, or up to a thousand.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::shape::{Batch, Enqueued, ItemResult, MessageBody, Results};
use crate::access::Scope;
use crate::api::ApiState;
use crate::api::input::{Body, Caller};
use crate::api::problem::{Details, Problem};
use crate::intake::messages::{
    self, Accepted, Fault, MessageRequest, Order, Refusal, idempotency_key,
};
use crate::model::message::MessageState;

/// The most messages of one batch.
const MOST: usize = 1000;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Enqueues one message.
///
/// It is committed before the answer. One that must not be sent is stored as `suppressed` all the same.
#[utoipa::path(
    post, path = "/v1/messages", tag = "messages", operation_id = "enqueue_message", request_body = MessageBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Same key and body, same answer; kept for 30 days", max_length = 255)),
    responses(
        (status = 202, description = "Stored", body = Enqueued, headers(
            ("Location" = String, description = "Where to look at it"),
            ("Idempotency-Replayed" = String, description = "`true` when the same request came before"))),
        (status = 400, description = "No JSON", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "The first request with this key is not done yet", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "Something is wrong with it, or another request used the key", body = Details, content_type = "application/problem+json"),
        (status = 503, description = "Too much waits already", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:write"]))
)]
pub(super) async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    caller.must(Scope::MessagesWrite)?;
    let mut order = order(&state, &caller, &body)?;
    if let Some(shown) = headers.get(KEY) {
        let key = idempotency_key(shown.to_str().unwrap_or_default(), "Idempotency-Key")?;
        let other = order.request.idempotency_key.replace(key.clone());
        if other.is_some_and(|other| other != key) {
            return Err(Fault::invalid("idempotency_key", "the key of the header, or none").into());
        }
    }
    let answer =
        messages::accept(&state.intake, &state.writer, vec![order], state.clock.now()).await;
    let accepted = answer.into_iter().next().ok_or_else(Problem::not_found)??;
    ring(&state, std::iter::once(&accepted));
    let mut response = (StatusCode::ACCEPTED, Json(Enqueued::of(&accepted))).into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/v1/messages/{}", accepted.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    if accepted.is_repeat {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Enqueues up to 1000 messages.
///
/// The results are in order; one that is refused harms no other. Each may have its own `idempotency_key`.
#[utoipa::path(
    post, path = "/v1/messages/batch", tag = "messages", operation_id = "enqueue_messages", request_body = Batch,
    responses(
        (status = 200, description = "One result for each message", body = Results),
        (status = 400, description = "No JSON", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "More than 8 MiB", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "No list, or too long a one", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:write"]))
)]
pub(super) async fn batch(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body,
) -> Result<Json<Results>, Problem> {
    caller.must(Scope::MessagesWrite)?;
    let items = items(&body)?;
    let (mut results, mut places, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    for (n, item) in items.iter().enumerate() {
        results.push(None);
        match order(&state, &caller, item) {
            Ok(order) => {
                places.push(n);
                orders.push(order);
            }
            Err(fault) => put(
                &mut results,
                n,
                Err(fault.within(&format!("messages[{n}]")).into()),
            ),
        }
    }
    let answers = messages::accept(&state.intake, &state.writer, orders, state.clock.now()).await;
    ring(
        &state,
        answers.iter().filter_map(|answer| answer.as_ref().ok()),
    );
    for (n, answer) in places.into_iter().zip(answers) {
        put(
            &mut results,
            n,
            answer.map_err(|refusal| within(refusal, n).into()),
        );
    }
    let results = results.into_iter().flatten().collect();
    Ok(Json(Results { results }))
}

fn put(results: &mut [Option<ItemResult>], n: usize, answer: Result<Accepted, Problem>) {
    if let Some(slot) = results.get_mut(n) {
        *slot = Some(ItemResult::of(answer));
    }
}

fn within(refusal: Refusal, n: usize) -> Refusal {
    match refusal {
        Refusal::Fault(fault) => Refusal::Fault(fault.within(&format!("messages[{n}]"))),
        other @ (Refusal::KeyReused
        | Refusal::InFlight
        | Refusal::Store(_)
        | Refusal::Unavailable(_)) => other,
    }
}

/// The messages of a batch: the member `messages`, or a bare list.
fn items(body: &Value) -> Result<&[Value], Fault> {
    let list = match body {
        Value::Array(list) => list,
        Value::Object(map) => {
            let other = map.keys().any(|name| name != "messages");
            match map.get("messages") {
                Some(Value::Array(list)) if !other => list,
                Some(_) if !other => return Err(Fault::invalid("messages", "a list")),
                Some(_) => {
                    return Err(Fault {
                        code: "unknown_field",
                        path: "?".to_owned(),
                        expected: "the member messages only".to_owned(),
                    });
                }
                None => return Err(Fault::missing("messages", "a list of messages")),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(Fault::invalid("", "an object with the member messages"));
        }
    };
    if (1..=MOST).contains(&list.len()) {
        Ok(list)
    } else {
        Err(Fault::invalid("messages", format!("1 to {MOST} messages")))
    }
}

fn order(state: &ApiState, caller: &Caller, body: &Value) -> Result<Order, Fault> {
    let intake = &state.intake;
    let request = MessageRequest::read(body, &intake.site.country, &intake.desk.address_key)?;
    Ok(Order {
        request,
        source: caller.name(),
    })
}

fn ring<'a>(state: &ApiState, mut accepted: impl Iterator<Item = &'a Accepted>) {
    if accepted.any(|one| one.state == MessageState::Queued && !one.is_repeat) {
        state.bells.delivery.ring();
    }
    state.bells.outbox.ring();
}
