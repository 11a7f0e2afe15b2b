//! Looks at messages: one, a page of many, what happened to one.

use axum::Json;
use axum::extract::State;

use super::shape::{MessageView, MomentView, Timeline};
use crate::access::Scope;
use crate::api::ApiState;
use crate::api::input::{Asked, Caller, Params, cursor, patient_of};
use crate::api::problem::{Details, Problem};
use crate::api::shapes::Page;
use crate::model::class::Channel;
use crate::model::id::MessageId;
use crate::model::message::MessageState;
use crate::store::message_view::{self, Filter};
use crate::store::timeline;

/// One message, with its tries, receipts and replies.
#[utoipa::path(
    get, path = "/v1/messages/{id}", tag = "messages", operation_id = "get_message",
    params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "The message", body = MessageView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:read"]))
)]
pub(super) async fn find(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<MessageView>, Problem> {
    caller.must(Scope::MessagesRead)?;
    let id = MessageId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.read().await?;
    let message = message_view::find(&mut tx, &id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let attempts = message_view::attempts(&mut tx, &id).await?;
    let replies = message_view::replies(&mut tx, &message).await?;
    let sees_private = caller.sees_private();
    Ok(Json(MessageView::of(message, sees_private).with(
        attempts,
        replies,
        sees_private,
    )))
}

/// Messages, newest first.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages", operation_id = "list_messages",
    params(
        ("state" = Option<MessageState>, Query, description = "Only those in this state"),
        ("channel" = Option<Channel>, Query, description = "Only those on this channel"),
        ("patient" = Option<String>, Query, description = "Only this patient's: source/key, or our id", pattern = "^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"),
        ("since" = Option<String>, Query, description = "Only those accepted since then (RFC 3339)", format = DateTime),
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of messages", body = Page<MessageView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:read"]))
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<MessageView>>, Problem> {
    caller.must(Scope::MessagesRead)?;
    asked.only(&["state", "channel", "patient", "since", "limit", "cursor"])?;
    let limit = asked.limit()?;
    let mut filter = Filter {
        state: asked.word("state", MessageState::parse, "a state of messages")?,
        channel: asked.word("channel", Channel::parse, "a channel")?,
        patient: None,
        since: asked.instant("since")?,
        after: asked.cursor()?,
        most: limit + 1,
    };
    let mut tx = state.intake.store.read().await?;
    if let Some(name) = asked.text("patient") {
        match patient_of(&mut tx, name).await? {
            Some(id) => filter.patient = Some(id),
            None => return Ok(Json(Page::none())),
        }
    }
    let found = message_view::list(&mut tx, &filter).await?;
    let sees_private = caller.sees_private();
    let place = |message: &message_view::Message| cursor(message.created_at, message.id.as_str());
    Ok(Json(Page::of(found, limit, place, |message| {
        MessageView::of(message, sees_private)
    })))
}

/// Everything that happened to a message, in order.
#[utoipa::path(
    get, path = "/v1/messages/{id}/timeline", tag = "messages", operation_id = "get_message_timeline",
    params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "What happened", body = Timeline),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:read"]))
)]
pub(super) async fn timeline(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<Timeline>, Problem> {
    caller.must(Scope::MessagesRead)?;
    let id = MessageId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.read().await?;
    let message = message_view::find(&mut tx, &id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let moments = timeline::of(&mut tx, &message).await?;
    Ok(Json(Timeline {
        data: moments.into_iter().map(MomentView::of).collect(),
    }))
}
