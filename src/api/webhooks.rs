//! Webhooks: other systems that are told of events. What they were told, and what can be asked of them, is in `acts`.

pub(super) mod acts;
pub(super) mod wish;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::input::{Asked, Body, Caller, Params, cursor};
use super::problem::{Details, Problem};
use super::shapes::Page;
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::intake::messages::Fault;
use crate::model::id::WebhookId;
use crate::model::webhook::{Include, Secret, WebhookState};
use crate::store::Tx;
use crate::store::webhooks::{self, Webhook, Wish};
use wish::{Draft, read_wish};

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/webhooks", get(list_webhooks).post(create_webhook)),
        (
            "/v1/webhooks/{id}",
            get(get_webhook)
                .patch(change_webhook)
                .delete(delete_webhook),
        ),
    ]
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    /// Its id.
    id: String,
    /// What people call it.
    name: String,
    /// Where it listens.
    url: String,
    /// Types and families of events that it hears of; none: all.
    types: Vec<String>,
    /// What bodies tell beyond ids and states: `keys`, `address`, `text`.
    include: Vec<Include>,
    /// How many requests at once; 1 keeps the order.
    in_flight: i64,
    /// `enabled` or `disabled`.
    state: WebhookState,
    /// Why it is disabled: `person`, `gone` (it answered 410) or `failing` (it took nothing for days).
    disabled_reason: Option<&'static str>,
    /// How many events follow the last one that it is done with, for it or not.
    behind: i64,
    /// The first failure since it took something.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// What the last failure was, while it fails: `status`, `redirect`, `gone`, `throttled`, `host_refused`, `no_host`, `unreachable`,
    /// `tls`, `timeout` or `broken`.
    problem: Option<String>,
    /// The status of that answer, if one came.
    problem_status: Option<i64>,
    /// When it is tried again, while it fails.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_try_at: Option<Timestamp>,
    /// When it last took something.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_taken_at: Option<Timestamp>,
    /// Until when the secret before this one signs as well.
    #[schema(value_type = Option<String>, format = DateTime)]
    old_secret_until: Option<Timestamp>,
    /// Who made it.
    created_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When somebody last changed it.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// What bodies are signed with; only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl WebhookView {
    fn of(webhook: Webhook, last_event: i64, now: Timestamp) -> Self {
        let (problem, problem_status) = webhook
            .problem
            .map_or((None, None), |(word, status)| (Some(word), status));
        let waits = webhook.tries > 0 && webhook.state == WebhookState::Enabled;
        Self {
            id: webhook.id.to_string(),
            name: webhook.wish.name,
            url: webhook.wish.url,
            types: webhook.wish.filter.patterns().to_vec(),
            include: webhook.wish.include,
            in_flight: webhook.wish.in_flight,
            state: webhook.state,
            disabled_reason: webhook.disabled_reason.map(|reason| reason.as_str()),
            behind: (last_event - webhook.cursor).max(0),
            failing_since: webhook.failing_since,
            problem,
            problem_status,
            next_try_at: waits.then_some(webhook.due_at),
            last_taken_at: webhook.last_taken_at,
            old_secret_until: webhook
                .old_secret
                .map(|(_, until)| until)
                .filter(|until| *until > now),
            created_by: webhook.created_by,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
            secret: None,
        }
    }
}

/// A webhook that is wanted.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookInput)]
#[expect(dead_code, reason = "the shape of a document")]
pub(super) struct WebhookBody {
    /// What people call it.
    #[schema(max_length = 100)]
    name: String,
    /// Where it listens: https, a public host, unless `[webhooks] allow` names it.
    #[schema(max_length = 2000)]
    url: String,
    /// Types of events such as `reply.received`, or families such as `message.*`; none: all.
    types: Option<Vec<String>>,
    /// What bodies tell beyond ids and states: `keys`; with `private:read` also `address` and `text`.
    include: Option<Vec<Include>>,
    /// How many requests at once, 1 to 16; 1, the default, keeps the order.
    in_flight: Option<i64>,
}

/// What is to be otherwise; the rest stays.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChange)]
#[expect(dead_code, reason = "the shape of a document")]
pub(super) struct ChangeBody {
    /// What people call it.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Where it listens.
    #[schema(max_length = 2000)]
    url: Option<String>,
    /// Which events it hears of.
    types: Option<Vec<String>>,
    /// What bodies tell beyond ids and states.
    include: Option<Vec<Include>>,
    /// How many requests at once.
    in_flight: Option<i64>,
    /// Whether it is told of events; true has it go on at once from where it stopped.
    enabled: Option<bool>,
}

/// All webhooks, newest first.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks",
    params(
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of webhooks", body = Page<WebhookView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:read"]))
)]
pub(super) async fn list_webhooks(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<WebhookView>>, Problem> {
    caller.must(Scope::WebhooksRead)?;
    asked.only(&["limit", "cursor"])?;
    let (limit, now) = (asked.limit()?, state.clock.now());
    let mut tx = state.intake.store.read().await?;
    let last = webhooks::last_event(&mut tx).await?;
    let found = webhooks::list(&mut tx, asked.cursor()?.as_ref(), limit + 1).await?;
    Ok(Json(Page::of(
        found,
        limit,
        |one| cursor(one.created_at, one.id.as_str()),
        |one| WebhookView::of(one, last, now),
    )))
}

/// Makes a webhook. It hears of what happens from now on; its secret is shown here and never again.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookBody,
    responses(
        (status = 201, description = "It is made", body = WebhookView),
        (status = 422, description = "Something is wrong with it, or its host is an inner one", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:write"]))
)]
pub(super) async fn create_webhook(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body,
) -> Result<Response, Problem> {
    caller.must(Scope::WebhooksWrite)?;
    let wish = read_wish(&Draft::read(&body, &[])?, None, &state.guard)?;
    may_tell(&caller, &wish)?;
    let (secret, now) = (Secret::generate(), state.clock.now());
    let mut tx = state.intake.store.write().await?;
    let id = webhooks::add(&mut tx, &wish, &secret, &caller.name(), now).await?;
    let mut view = view(&mut tx, &id, now).await?;
    tx.commit().await?;
    view.secret = Some(secret.as_written().reveal().clone());
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/webhooks/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Refuses to send elsewhere what the caller may not see.
fn may_tell(caller: &Caller, wish: &Wish) -> Result<(), Problem> {
    if wish.include.iter().any(|one| one.is_private()) {
        caller.must(Scope::PrivateRead)?;
    }
    Ok(())
}

/// The webhook in a path.
pub(super) fn read_id(text: &str) -> Result<WebhookId, Problem> {
    WebhookId::parse(text).ok_or_else(Problem::not_found)
}

async fn view(tx: &mut Tx, id: &WebhookId, now: Timestamp) -> Result<WebhookView, Problem> {
    let last = webhooks::last_event(tx).await?;
    let found = webhooks::find(tx, id).await?;
    found
        .map(|one| WebhookView::of(one, last, now))
        .ok_or_else(Problem::not_found)
}

/// One webhook: where it stands and what is wrong with it.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = WebhookView)),
    security(("key" = ["webhooks:read"]))
)]
pub(super) async fn get_webhook(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<WebhookView>, Problem> {
    caller.must(Scope::WebhooksRead)?;
    let id = read_id(&id)?;
    let mut tx = state.intake.store.read().await?;
    Ok(Json(view(&mut tx, &id, state.clock.now()).await?))
}

/// Changes what is said of it, and nothing else.
#[utoipa::path(
    patch, path = "/v1/webhooks/{id}", tag = "webhooks", request_body = ChangeBody,
    params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "How it stands now", body = WebhookView),
        (status = 422, description = "Something is wrong with it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:write"]))
)]
pub(super) async fn change_webhook(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
    Body(body): Body,
) -> Result<Json<WebhookView>, Problem> {
    caller.must(Scope::WebhooksWrite)?;
    let (id, now, actor) = (read_id(&id)?, state.clock.now(), caller.name());
    let draft = Draft::read(&body, &["enabled"])?;
    let enabled = match body.get("enabled") {
        None | Some(Value::Null) => None,
        Some(value) => Some(
            value
                .as_bool()
                .ok_or_else(|| Fault::invalid("enabled", "true or false"))?,
        ),
    };
    let mut tx = state.intake.store.write().await?;
    let before = webhooks::find(&mut tx, &id)
        .await?
        .ok_or_else(Problem::not_found)?;
    let wish = read_wish(&draft, Some(&before.wish), &state.guard)?;
    if wish != before.wish {
        // Another place for what it is told counts as much as telling more.
        may_tell(&caller, &wish)?;
        webhooks::change(&mut tx, &id, &wish, &actor, now).await?;
    }
    match enabled {
        Some(true) => drop(webhooks::enable(&mut tx, &id, &actor, now).await?),
        Some(false) => drop(webhooks::disable(&mut tx, &id, &actor, now).await?),
        None => {}
    }
    let view = view(&mut tx, &id, now).await?;
    tx.commit().await?;
    state.bells.webhooks.ring();
    Ok(Json(view))
}

/// Takes it away with all that is kept of it.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses((status = 204, description = "It is no more")),
    security(("key" = ["webhooks:write"]))
)]
pub(super) async fn delete_webhook(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<StatusCode, Problem> {
    caller.must(Scope::WebhooksWrite)?;
    let id = read_id(&id)?;
    let mut tx = state.intake.store.write().await?;
    let found = webhooks::remove(&mut tx, &id, &caller.name(), state.clock.now()).await?;
    tx.commit().await?;
    if found {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}
