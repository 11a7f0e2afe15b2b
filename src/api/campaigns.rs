//! Campaigns: start a manual rule, see how far it is, let it go as a second person, call it off.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::input::{Asked, Body, Caller, Params, cursor};
use super::problem::{Details, Problem};
use super::shapes::Page;
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::intake::messages::Fault;
use crate::model::id::CampaignId;
use crate::store::campaign_progress::{self, Progress};
use crate::store::campaigns::{self, Acted, Campaign, Counts, NewCampaign};
use crate::store::{StoreError, Tx};

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/campaigns", get(list_campaigns).post(start_campaign)),
        ("/v1/campaigns/{id}", get(get_campaign)),
        ("/v1/campaigns/{id}/approve", post(approve_campaign)),
        ("/v1/campaigns/{id}/cancel", post(cancel_campaign)),
    ]
}

/// A rule to be started by hand.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignInput)]
#[expect(dead_code, reason = "the shape of a document")]
pub(super) struct CampaignBody {
    /// The id of a rule with `on = "manual"`.
    #[schema(max_length = 64)]
    rule: String,
    /// Its moment; now where it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<String>,
}

/// A campaign.
#[derive(Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(super) struct CampaignView {
    /// Its id.
    id: String,
    /// The rule.
    rule: String,
    /// Its moment, a whole minute.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `counting`, `waiting` for a second person, `planning`, `planned` or `cancelled`.
    state: &'static str,
    /// How many patients it reaches, as far as they are counted or planned.
    reach: i64,
    /// How many it was meant for and does not, by reason.
    not_reached: Counts,
    /// Who started it.
    started_by: String,
    /// Who agreed, where a second person had to.
    approved_by: Option<String>,
    /// Who called it off.
    cancelled_by: Option<String>,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// How far it is; only where one campaign is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<ProgressView>,
}

/// What became of its reminders.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignProgress)]
pub(super) struct ProgressView {
    /// Wait for their moment.
    planned: i64,
    /// Became a message or a task.
    composed: i64,
    /// Were called back or planned anew.
    superseded: i64,
    /// Were not sent, by reason.
    skipped: Counts,
    /// The messages, by state.
    messages: Counts,
}

/// A campaign that somebody acted on.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignActed)]
pub(super) struct ActedView {
    /// Its id.
    id: String,
    /// Where it stands now.
    state: &'static str,
}

impl CampaignView {
    fn of(campaign: Campaign, progress: Option<Progress>) -> Self {
        let progress = progress.map(|progress| ProgressView {
            planned: progress.planned,
            composed: progress.composed,
            superseded: progress.superseded,
            skipped: progress.skipped,
            messages: progress.messages,
        });
        Self {
            id: campaign.id.to_string(),
            rule: campaign.rule,
            at: campaign.at,
            state: campaign.state.as_str(),
            reach: campaign.reach,
            not_reached: campaign.not_reached,
            started_by: campaign.started_by,
            approved_by: campaign.approved_by,
            cancelled_by: campaign.cancelled_by,
            created_at: campaign.created_at,
            progress,
        }
    }
}

/// Starts a manual rule. It is counted first; one that reaches many waits for a second person.
#[utoipa::path(
    post, path = "/v1/campaigns", tag = "campaigns", request_body = CampaignBody,
    responses(
        (status = 202, description = "It is started", body = CampaignView),
        (status = 409, description = "The rule is started for that minute already", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "There is no such rule, or it cannot be started", body = Details, content_type = "application/problem+json")),
    security(("key" = ["admin"]))
)]
pub(super) async fn start_campaign(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body,
) -> Result<Response, Problem> {
    caller.must(Scope::Admin)?;
    let now = state.clock.now();
    let (rule, at) = wanted(&state, &body, now)?;
    let mut tx = state.intake.store.write().await?;
    let name = caller.person(&mut tx).await?;
    let new = NewCampaign {
        rule: &rule,
        at,
        started_by: &name,
    };
    let Some(id) = campaigns::start(&mut tx, &new, now).await? else {
        tx.rollback().await?;
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "already_started",
            "The rule is started for that minute already",
        ));
    };
    let campaign = found(&mut tx, &id).await?;
    tx.commit().await?;
    state.bells.plan.ring();
    let place = [(header::LOCATION, format!("/v1/campaigns/{id}"))];
    let shown = Json(CampaignView::of(campaign, None));
    Ok((StatusCode::ACCEPTED, place, shown).into_response())
}

fn wanted(state: &ApiState, body: &Value, now: Timestamp) -> Result<(String, Timestamp), Fault> {
    let expected = "an object with the members rule and at";
    let map = body
        .as_object()
        .ok_or_else(|| Fault::invalid("", expected))?;
    if map
        .keys()
        .any(|name| !["rule", "at"].contains(&name.as_str()))
    {
        return Err(Fault {
            code: "unknown_field",
            path: "?".to_owned(),
            expected: "the members rule and at only".to_owned(),
        });
    }
    let rule = map.get("rule").and_then(Value::as_str);
    let rule = rule.filter(|rule| state.manual_rules.iter().any(|known| known == rule));
    let rule = rule.ok_or_else(|| {
        Fault::invalid(
            "rule",
            "the id of a rule with on = \"manual\" that is not off",
        )
    })?;
    let minute = |at: Timestamp| {
        let cut = at.as_millisecond().rem_euclid(60_000);
        Timestamp::from_millisecond(at.as_millisecond() - cut).unwrap_or(at)
    };
    let at = match map.get("at") {
        None | Some(Value::Null) => minute(now),
        Some(at) => {
            let read = at.as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let far = now.saturating_add(SignedDuration::from_hours(24 * 366));
            let far = far.unwrap_or(Timestamp::MAX);
            let read = read.filter(|at| *at >= minute(now) && *at <= far);
            minute(read.ok_or_else(|| {
                Fault::invalid("at", "a moment of the coming year with its offset")
            })?)
        }
    };
    Ok((rule.to_owned(), at))
}

async fn found(tx: &mut Tx, id: &CampaignId) -> Result<Campaign, Problem> {
    campaigns::find(tx, id)
        .await?
        .ok_or_else(Problem::not_found)
}

/// Campaigns, newest first.
#[utoipa::path(
    get, path = "/v1/campaigns", tag = "campaigns",
    params(
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of campaigns", body = Page<CampaignView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn list_campaigns(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<CampaignView>>, Problem> {
    caller.must(Scope::RecordsRead)?;
    asked.only(&["limit", "cursor"])?;
    let limit = asked.limit()?;
    let mut tx = state.intake.store.read().await?;
    let found = campaigns::list(&mut tx, asked.cursor()?.as_ref(), limit + 1).await?;
    Ok(Json(Page::of(
        found,
        limit,
        |one| cursor(one.created_at, one.id.as_str()),
        |one| CampaignView::of(one, None),
    )))
}

/// One campaign, with how far it is.
#[utoipa::path(
    get, path = "/v1/campaigns/{id}", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "The campaign", body = CampaignView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn get_campaign(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<CampaignView>, Problem> {
    caller.must(Scope::RecordsRead)?;
    let id = CampaignId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.read().await?;
    let campaign = found(&mut tx, &id).await?;
    let progress = campaign_progress::of(&mut tx, &campaign).await?;
    Ok(Json(CampaignView::of(campaign, Some(progress))))
}

/// Lets a campaign go that waits. The key must be of another name than the one that started it.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/approve", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "It goes", body = ActedView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "It does not wait, or the same one started it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["admin"]))
)]
pub(super) async fn approve_campaign(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<ActedView>, Problem> {
    caller.must(Scope::Admin)?;
    let id = CampaignId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.write().await?;
    let name = caller.person(&mut tx).await?;
    let done = campaigns::approve(&mut tx, &id, &name, state.clock.now()).await;
    acted(&state, tx, &id, done).await
}

/// Calls a campaign off: what has not left does not leave.
#[utoipa::path(
    post, path = "/v1/campaigns/{id}/cancel", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign's id")),
    responses(
        (status = 200, description = "It is called off", body = ActedView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["admin"]))
)]
pub(super) async fn cancel_campaign(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<ActedView>, Problem> {
    caller.must(Scope::Admin)?;
    let id = CampaignId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.write().await?;
    let name = caller.person(&mut tx).await?;
    let done = campaigns::cancel(&mut tx, &id, &name, state.clock.now()).await;
    acted(&state, tx, &id, done).await
}

async fn acted(
    state: &ApiState,
    tx: Tx,
    id: &CampaignId,
    done: Result<Acted, StoreError>,
) -> Result<Json<ActedView>, Problem> {
    let done = done?;
    tx.commit().await?;
    state.bells.plan.ring();
    state.bells.outbox.ring();
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title);
    match done {
        Acted::Done(now) => Ok(Json(ActedView {
            id: id.to_string(),
            state: now.as_str(),
        })),
        Acted::SamePerson => Err(conflict(
            "same_person",
            "Another one than the one who started it has to agree",
        )),
        Acted::Otherwise(now) => Err(conflict("not_waiting", "It does not wait")
            .detail(format!("expected another state than {now}"))),
        Acted::NotFound => Err(Problem::not_found()),
    }
}
