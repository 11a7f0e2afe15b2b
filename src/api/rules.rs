//! Rules that were switched on: whether one may act, and letting one act that waits for a second person.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{Caller, Params};
use super::problem::{Details, Problem};
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::store::rule_switches::{self, Agreed, Switch};

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/rules/{rule}", get(get_rule)),
        ("/v1/rules/{rule}/approve", post(approve_rule)),
    ]
}

/// Whether a rule may act.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleSwitch)]
pub(super) struct RuleView {
    /// The rule.
    rule: String,
    /// `new` before anything is planned by it, `checking` while all is planned anew, `waiting` for a second person,
    /// `open`, or `approved` by one.
    state: &'static str,
    /// How many patients more than before have something due within a day.
    reach: i64,
    /// Who agreed.
    approver: Option<String>,
    /// When it was switched on or changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// When somebody agreed.
    #[schema(value_type = Option<String>, format = DateTime)]
    approved_at: Option<Timestamp>,
}

impl RuleView {
    fn of(rule: String, switch: Option<Switch>) -> Self {
        let new = Self {
            rule,
            state: "new",
            reach: 0,
            approver: None,
            since: None,
            approved_at: None,
        };
        match switch {
            None => new,
            Some(switch) => Self {
                state: switch.state.as_str(),
                reach: switch.reach,
                approver: switch.approver,
                since: Some(switch.since),
                approved_at: switch.approved_at,
                ..new
            },
        }
    }
}

/// Whether a rule may act, or waits for a second person.
#[utoipa::path(
    get, path = "/v1/rules/{rule}", tag = "rules",
    params(("rule" = String, Path, description = "The rule")),
    responses(
        (status = 200, description = "Where it stands", body = RuleView),
        (status = 404, description = "There is no such rule", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn get_rule(
    State(state): State<ApiState>,
    caller: Caller,
    Params(rule): Params<String>,
) -> Result<Json<RuleView>, Problem> {
    caller.must(Scope::RecordsRead)?;
    if !state.rules.contains(&rule) {
        return Err(Problem::not_found());
    }
    let mut tx = state.intake.store.read().await?;
    let switch = rule_switches::all(&mut tx).await?.remove(&rule);
    Ok(Json(RuleView::of(rule, switch)))
}

/// Lets a rule act that was switched on and reaches many at once. The key must be of another name than the one who
/// installed the rule, where that is known.
#[utoipa::path(
    post, path = "/v1/rules/{rule}/approve", tag = "rules",
    params(("rule" = String, Path, description = "The rule")),
    responses(
        (status = 200, description = "It may act", body = RuleView),
        (status = 404, description = "There is no such rule", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "It does not wait, or the same one installed it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["admin"]))
)]
pub(super) async fn approve_rule(
    State(state): State<ApiState>,
    caller: Caller,
    Params(rule): Params<String>,
) -> Result<Json<RuleView>, Problem> {
    caller.must(Scope::Admin)?;
    if !state.rules.contains(&rule) {
        return Err(Problem::not_found());
    }
    let mut tx = state.intake.store.write().await?;
    let name = caller.person(&mut tx).await?;
    let done = rule_switches::approve(&mut tx, &rule, &name, state.clock.now()).await?;
    let switch = rule_switches::all(&mut tx).await?.remove(&rule);
    tx.commit().await?;
    let conflict = |code, title| Problem::new(StatusCode::CONFLICT, code, title);
    match done {
        Agreed::Done => {
            // What it planned is due, perhaps since long.
            state.bells.plan.ring();
            Ok(Json(RuleView::of(rule, switch)))
        }
        Agreed::SamePerson => Err(conflict(
            "same_person",
            "Another one than the one who installed it has to agree",
        )),
        Agreed::NotWaiting => Err(conflict("not_waiting", "It does not wait")),
    }
}
