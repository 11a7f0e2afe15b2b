//! What came in: texts as they came, replies as they were read.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::input::{Asked, Caller, cursor, patient_of};
use super::problem::{Details, Problem};
use super::shapes::Page;
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::model::class::Channel;
use crate::store::incoming::{self, Inbound, Reply};

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/inbound", get(list_inbound)),
        ("/v1/replies", get(list_replies)),
    ]
}

/// A text as it came. Number and text only for keys with `private:read`.
#[derive(Serialize, ToSchema)]
#[schema(as = Inbound)]
pub(super) struct InboundView {
    /// Its id.
    id: String,
    /// Who brought it.
    provider: String,
    /// The medium.
    channel: Channel,
    /// `new` until it was read, then `done`.
    state: String,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// The number of ours that it was sent to.
    to: String,
    /// Who wrote; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// What was written; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl InboundView {
    fn of(inbound: Inbound, sees_private: bool) -> Self {
        Self {
            id: inbound.id.to_string(),
            provider: inbound.provider,
            channel: inbound.channel,
            state: inbound.state,
            received_at: inbound.received_at,
            to: inbound.to,
            from: sees_private.then(|| inbound.from.into_revealed()),
            text: sees_private.then(|| inbound.text.into_revealed()),
        }
    }
}

/// A reply as it was read. Number, text and slots only for keys with `private:read`.
#[derive(Serialize, ToSchema)]
#[schema(as = Reply)]
pub(super) struct ReplyView {
    /// Its id.
    id: String,
    /// The text it came with.
    inbound: String,
    /// The medium.
    channel: Channel,
    /// Who brought it.
    provider: String,
    /// Our id of the patient.
    patient: Option<String>,
    /// Our id of the occasion it is about.
    occasion: Option<String>,
    /// The message it answers.
    message: Option<String>,
    /// What it was taken for.
    intent: String,
    /// Whether a person has to look.
    needs_human: bool,
    /// What was done about it.
    outcome: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// Who wrote; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// What was written; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What was read out of it; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<Value>,
}

impl ReplyView {
    fn of(reply: Reply, sees_private: bool) -> Self {
        Self {
            id: reply.id.to_string(),
            inbound: reply.inbound.to_string(),
            channel: reply.channel,
            provider: reply.provider,
            patient: reply.patient.map(|id| id.to_string()),
            occasion: reply.occasion.map(|id| id.to_string()),
            message: reply.message.map(|id| id.to_string()),
            intent: reply.intent,
            needs_human: reply.needs_human,
            outcome: reply.outcome,
            received_at: reply.received_at,
            from: sees_private.then(|| reply.from.into_revealed()),
            text: sees_private.then(|| reply.text.into_revealed()),
            slots: sees_private.then(|| reply.slots.into_revealed()),
        }
    }
}

/// Texts that came in, newest first.
#[utoipa::path(
    get, path = "/v1/inbound", tag = "replies",
    params(
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of texts", body = Page<InboundView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:read"]))
)]
pub(super) async fn list_inbound(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<InboundView>>, Problem> {
    caller.must(Scope::MessagesRead)?;
    asked.only(&["limit", "cursor"])?;
    let limit = asked.limit()?;
    let mut tx = state.intake.store.read().await?;
    let found = incoming::inbound(&mut tx, asked.cursor()?.as_ref(), limit + 1).await?;
    let sees_private = caller.sees_private();
    Ok(Json(Page::of(
        found,
        limit,
        |one| cursor(one.received_at, one.id.as_str()),
        |one| InboundView::of(one, sees_private),
    )))
}

/// Replies as they were read, newest first.
#[utoipa::path(
    get, path = "/v1/replies", tag = "replies",
    params(
        ("patient" = Option<String>, Query, description = "Only this patient's: source/key, or our id", pattern = "^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"),
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of replies", body = Page<ReplyView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["messages:read"]))
)]
pub(super) async fn list_replies(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<ReplyView>>, Problem> {
    caller.must(Scope::MessagesRead)?;
    asked.only(&["patient", "limit", "cursor"])?;
    let limit = asked.limit()?;
    let mut tx = state.intake.store.read().await?;
    let mut patient = None;
    if let Some(name) = asked.text("patient") {
        patient = patient_of(&mut tx, name).await?;
        if patient.is_none() {
            return Ok(Json(Page::none()));
        }
    }
    let found = incoming::replies(
        &mut tx,
        patient.as_ref(),
        asked.cursor()?.as_ref(),
        limit + 1,
    )
    .await?;
    let sees_private = caller.sees_private();
    Ok(Json(Page::of(
        found,
        limit,
        |one| cursor(one.received_at, one.id.as_str()),
        |one| ReplyView::of(one, sees_private),
    )))
}
