//! What can be asked of a webhook: a new secret, a test, what it was told, and to be told again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::read_id;
use crate::access::Scope;
use crate::api::input::{Asked, Body, Caller, OptionalBody, Params, cursor};
use crate::api::problem::{Details, Problem};
use crate::api::shapes::Page;
use crate::api::{ApiState, Routes};
use crate::intake::messages::Fault;
use crate::model::id::{EventId, WebhookDeliveryId, WebhookId};
use crate::model::webhook::{AsideKind, Secret, TryOutcome};
use crate::store::webhook_log::{self, Delivery};
use crate::store::{webhook_admin, webhooks};

/// How long the secret before a new one signs as well, in hours, unless somebody says otherwise.
const OVERLAP_H: i64 = 24;
/// And the longest that somebody may say.
const LONGEST_OVERLAP_H: i64 = 168;

pub(in crate::api) fn routes() -> Routes {
    vec![
        (
            "/v1/webhooks/{id}/rotate_secret",
            post(rotate_webhook_secret),
        ),
        ("/v1/webhooks/{id}/test", post(test_webhook)),
        ("/v1/webhooks/{id}/replay", post(replay_webhook)),
        ("/v1/webhooks/{id}/deliveries", get(list_webhook_deliveries)),
        (
            "/v1/webhooks/{id}/deliveries/{delivery}/replay",
            post(replay_webhook_delivery),
        ),
    ]
}

/// How a secret is changed.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookRotation)]
#[expect(dead_code, reason = "the shape of a document")]
pub(in crate::api) struct RotationBody {
    /// For how many hours the present secret signs as well, 0 to 168; 24 where nothing is said.
    keep_old_for_h: Option<i64>,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub(in crate::api) struct SecretView {
    /// The secret, shown here and never again.
    secret: String,
    /// Until when the one before signs as well.
    #[schema(value_type = String, format = DateTime)]
    old_secret_until: Timestamp,
}

/// From when on events are told again.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookReplay)]
#[expect(dead_code, reason = "the shape of a document")]
pub(in crate::api) struct ReplayBody {
    /// The moment; now or later skips what waits.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// What a replay leads to.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookReplayed)]
pub(in crate::api) struct ReplayedView {
    /// How many events it goes through again, for it or not.
    behind: i64,
}

/// An event that goes to a webhook beside its turn.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAsked)]
pub(in crate::api) struct AskedView {
    /// The event's id, which is the `webhook-id` of the request.
    event: String,
}

/// One try to tell a webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(in crate::api) struct DeliveryView {
    /// Its id.
    id: String,
    /// The event, which is the `webhook-id` of the request.
    event: String,
    /// The event's type.
    #[serde(rename = "type")]
    kind: String,
    /// Which try it was, from 1.
    #[serde(rename = "try")]
    number: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// How long it took, in milliseconds.
    took_ms: i64,
    /// `taken`, `refused` (another try follows) or `given_up`.
    outcome: TryOutcome,
    /// What was wrong.
    problem: Option<String>,
    /// The status of the answer, if one came.
    status: Option<i64>,
}

impl DeliveryView {
    fn of(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            event: delivery.event.to_string(),
            kind: delivery.kind,
            number: delivery.number,
            at: delivery.at,
            took_ms: delivery.took_ms,
            outcome: delivery.outcome,
            problem: delivery.problem,
            status: delivery.status,
        }
    }
}

/// Gives a webhook a new secret. For a while both sign, so that nothing is refused while the other side changes over.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/rotate_secret", tag = "webhooks", request_body = Option<RotationBody>,
    params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The new secret", body = SecretView),
        (status = 422, description = "Something is wrong with it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:write"]))
)]
pub(in crate::api) async fn rotate_webhook_secret(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
    OptionalBody(body): OptionalBody,
) -> Result<Json<SecretView>, Problem> {
    caller.must(Scope::WebhooksWrite)?;
    let (id, now) = (read_id(&id)?, state.clock.now());
    let hours = hours(body.as_ref())?;
    let old_until = now
        .checked_add(SignedDuration::from_hours(hours))
        .unwrap_or(now);
    let secret = Secret::generate();
    let mut tx = state.intake.store.write().await?;
    let found = webhooks::rotate(&mut tx, &id, &secret, old_until, &caller.name(), now).await?;
    tx.commit().await?;
    if !found {
        return Err(Problem::not_found());
    }
    Ok(Json(SecretView {
        secret: secret.as_written().reveal().clone(),
        old_secret_until: old_until,
    }))
}

fn hours(body: Option<&Value>) -> Result<i64, Fault> {
    const MEMBER: &str = "keep_old_for_h";
    let Some(body) = body else {
        return Ok(OVERLAP_H);
    };
    only(body, MEMBER)?;
    let expected = || Fault::invalid(MEMBER, format!("a number from 0 to {LONGEST_OVERLAP_H}"));
    match body.get(MEMBER) {
        None | Some(Value::Null) => Ok(OVERLAP_H),
        Some(value) => value
            .as_i64()
            .filter(|hours| (0..=LONGEST_OVERLAP_H).contains(hours))
            .ok_or_else(expected),
    }
}

/// Refuses a body that is no object, or has another member than `member`.
fn only(body: &Value, member: &str) -> Result<(), Fault> {
    let map = body
        .as_object()
        .ok_or_else(|| Fault::invalid("", format!("an object with the member {member}")))?;
    if map.keys().all(|name| name == member) {
        return Ok(());
    }
    Err(Fault {
        code: "unknown_field",
        path: "?".to_owned(),
        expected: format!("only the member {member}"),
    })
}

/// Sends a test event, `webhook.test`, also to a webhook that is disabled. What comes of it stands among the deliveries.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 202, description = "It is sent", body = AskedView),
        (status = 409, description = "Too much was asked for already", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:write"]))
)]
pub(in crate::api) async fn test_webhook(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<(StatusCode, Json<AskedView>), Problem> {
    caller.must(Scope::WebhooksWrite)?;
    let id = read_id(&id)?;
    ask(&state, &caller, &id, EventId::generate(), AsideKind::Test).await
}

/// Sends the event of one delivery again, beside its turn.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/deliveries/{delivery}/replay", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("delivery" = String, Path, description = "The delivery's id")),
    responses(
        (status = 202, description = "It is sent", body = AskedView),
        (status = 409, description = "Too much was asked for already", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:write"]))
)]
pub(in crate::api) async fn replay_webhook_delivery(
    State(state): State<ApiState>,
    caller: Caller,
    Params((id, delivery)): Params<(String, String)>,
) -> Result<(StatusCode, Json<AskedView>), Problem> {
    caller.must(Scope::WebhooksWrite)?;
    let id = read_id(&id)?;
    let delivery = WebhookDeliveryId::parse(&delivery).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.read().await?;
    let event = webhook_admin::event_of(&mut tx, &id, &delivery).await?;
    drop(tx);
    let event = event.ok_or_else(Problem::not_found)?;
    ask(&state, &caller, &id, event, AsideKind::Replay).await
}

async fn ask(
    state: &ApiState,
    caller: &Caller,
    id: &WebhookId,
    event: EventId,
    kind: AsideKind,
) -> Result<(StatusCode, Json<AskedView>), Problem> {
    let (actor, now) = (caller.name(), state.clock.now());
    let mut tx = state.intake.store.write().await?;
    if webhooks::find(&mut tx, id).await?.is_none() {
        return Err(Problem::not_found());
    }
    let asked = webhook_admin::ask(&mut tx, id, &event, kind, &actor, now).await?;
    tx.commit().await?;
    state.bells.webhooks.ring();
    if asked {
        let event = event.to_string();
        return Ok((StatusCode::ACCEPTED, Json(AskedView { event })));
    }
    let problem = Problem::new(
        StatusCode::CONFLICT,
        "too_many_asked",
        "Too much was asked for already",
    );
    Err(problem.detail(format!(
        "expected fewer than {} that wait for this webhook",
        webhook_admin::MOST_ASKED
    )))
}

/// Has a webhook told again, in order, of all that happened since a moment; of what is later than now it skips what waits.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/replay", tag = "webhooks", request_body = ReplayBody,
    params(("id" = String, Path, description = "The webhook's id")),
    responses(
        (status = 202, description = "It is set back", body = ReplayedView),
        (status = 422, description = "Something is wrong with it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:write"]))
)]
pub(in crate::api) async fn replay_webhook(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
    Body(body): Body,
) -> Result<(StatusCode, Json<ReplayedView>), Problem> {
    caller.must(Scope::WebhooksWrite)?;
    let id = read_id(&id)?;
    only(&body, "since")?;
    let since = body
        .get("since")
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<Timestamp>().ok());
    let since = since.ok_or_else(|| {
        Fault::invalid(
            "since",
            "a moment with its offset, such as 2026-12-01T09:00:00Z",
        )
    })?;
    let mut tx = state.intake.store.write().await?;
    let behind =
        webhook_admin::replay(&mut tx, &id, since, &caller.name(), state.clock.now()).await?;
    tx.commit().await?;
    state.bells.webhooks.ring();
    let behind = behind.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(ReplayedView { behind })))
}

/// What a webhook was told, newest first.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The webhook's id"),
        ("outcome" = Option<TryOutcome>, Query, description = "Of one outcome"),
        ("event" = Option<String>, Query, description = "Of one event", pattern = "^evt_[0-9A-Za-z_-]{1,64}$"),
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of tries", body = Page<DeliveryView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["webhooks:read"]))
)]
pub(in crate::api) async fn list_webhook_deliveries(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
    asked: Asked,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    caller.must(Scope::WebhooksRead)?;
    asked.only(&["outcome", "event", "limit", "cursor"])?;
    let (id, limit) = (read_id(&id)?, asked.limit()?);
    let outcome = asked.word("outcome", TryOutcome::parse, "taken, refused or given_up")?;
    let event = asked.word("event", EventId::parse, "an event's id")?;
    let mut tx = state.intake.store.read().await?;
    if webhooks::find(&mut tx, &id).await?.is_none() {
        return Err(Problem::not_found());
    }
    let place = asked.cursor()?;
    let found = webhook_log::list(
        &mut tx,
        &id,
        outcome,
        event.as_ref(),
        place.as_ref(),
        limit + 1,
    )
    .await?;
    Ok(Json(Page::of(
        found,
        limit,
        |one| cursor(one.at, one.id.as_str()),
        DeliveryView::of,
    )))
}
