//! What one patient has of a rule that others have not: off, other leads, other channels.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
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
use crate::intake::messages::{Fault, RecordKey};
use crate::model::id::PatientId;
use crate::planning::own;
use crate::rules::overrides::Override;
use crate::store::overrides::{self, Kept};
use crate::store::{Tx, patients};

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/overrides", get(list_overrides)),
        (
            "/v1/patients/{source}/{key}/overrides/{rule}",
            get(get_override).put(put_override).delete(delete_override),
        ),
    ]
}

/// A setting: `off`, or other leads, other channels, or both.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OverrideInput)]
#[expect(dead_code, reason = "the shape of a document")]
pub(super) struct OverrideBody {
    /// Nothing of the rule for this patient.
    off: Option<bool>,
    /// Leads for what goes to patient and family before the occasion, such as `5d`.
    before: Option<Vec<String>>,
    /// Channels for what goes to patient and family, in this order: `sms`, `voice`, `email`.
    by: Option<Vec<String>>,
}

/// A setting that stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Override)]
pub(super) struct OverrideView {
    /// The rule.
    rule: String,
    /// Whether nothing of the rule is planned.
    off: bool,
    /// The leads.
    before: Option<Vec<String>>,
    /// The channels.
    by: Option<Vec<String>>,
    /// Who set it.
    set_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A setting that stands, with whose it is.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedOverride)]
pub(super) struct ListedView {
    /// Our id of the patient.
    patient: String,
    /// The system that knows the patient.
    source: String,
    /// The patient's key there.
    source_key: String,
    /// The setting.
    #[serde(flatten)]
    setting: OverrideView,
}

/// What became of a setting.
#[derive(Serialize, ToSchema)]
pub(super) struct OverrideOutcome {
    /// `set`, or `unchanged` when the same one stood before.
    outcome: &'static str,
}

impl OverrideView {
    fn of(kept: Kept) -> Self {
        Self {
            rule: kept.setting.rule,
            off: kept.setting.off,
            before: kept.setting.before,
            by: kept.setting.by,
            set_by: kept.set_by,
            updated_at: kept.updated_at,
        }
    }
}

/// All settings, the latest first.
#[utoipa::path(
    get, path = "/v1/overrides", tag = "records",
    params(
        ("rule" = Option<String>, Query, description = "Only of this rule"),
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^-?[0-9]+[.][0-9A-Za-z_]+$")),
    responses(
        (status = 200, description = "A page of settings", body = Page<ListedView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn list_overrides(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<ListedView>>, Problem> {
    caller.must(Scope::RecordsRead)?;
    asked.only(&["rule", "limit", "cursor"])?;
    let (limit, rule) = (asked.limit()?, asked.text("rule").unwrap_or_default());
    let mut tx = state.intake.store.read().await?;
    let found = overrides::page(&mut tx, rule, asked.cursor()?.as_ref(), limit + 1).await?;
    Ok(Json(Page::of(
        found,
        limit,
        |one| cursor(one.kept.updated_at, &one.id()),
        |one| ListedView {
            patient: one.patient.to_string(),
            source: one.source,
            source_key: one.source_key.into_revealed(),
            setting: OverrideView::of(one.kept),
        },
    )))
}

/// The setting of a patient for a rule.
#[utoipa::path(
    get, path = "/v1/patients/{source}/{key}/overrides/{rule}", tag = "records",
    params(
        ("source" = String, Path, description = "The system that knows the patient"),
        ("key" = String, Path, description = "The patient's key there"),
        ("rule" = String, Path, description = "The rule")),
    responses(
        (status = 200, description = "The setting", body = OverrideView),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn get_override(
    State(state): State<ApiState>,
    caller: Caller,
    Params((source, key, rule)): Params<(String, String, String)>,
) -> Result<Json<OverrideView>, Problem> {
    caller.must(Scope::RecordsRead)?;
    let mut tx = state.intake.store.read().await?;
    let patient = known(&mut tx, &source, &key).await?;
    let all = overrides::list(&mut tx, &patient).await?;
    let found = all.into_iter().find(|kept| kept.setting.rule == rule);
    found
        .map(|kept| Json(OverrideView::of(kept)))
        .ok_or_else(Problem::not_found)
}

/// Sets what a patient has of a rule. It wins over the rule; the patient is planned again at once.
#[utoipa::path(
    put, path = "/v1/patients/{source}/{key}/overrides/{rule}", tag = "records", request_body = OverrideBody,
    params(
        ("source" = String, Path, description = "The system that knows the patient"),
        ("key" = String, Path, description = "The patient's key there"),
        ("rule" = String, Path, description = "The rule")),
    responses(
        (status = 200, description = "It stands", body = OverrideOutcome),
        (status = 404, description = "There is no such patient or rule", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "Something is wrong with it", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn put_override(
    State(state): State<ApiState>,
    caller: Caller,
    Params((source, key, rule)): Params<(String, String, String)>,
    Body(body): Body,
) -> Result<Json<OverrideOutcome>, Problem> {
    caller.must(Scope::RecordsWrite)?;
    if !state.rules.contains(&rule) {
        return Err(Problem::not_found());
    }
    let set = wanted(&rule, &body)?;
    let mut tx = state.intake.store.write().await?;
    let patient = known(&mut tx, &source, &key).await?;
    let (stored, now) = (own::stored(&set), state.clock.now());
    // Whoever asks later why a rule treats a patient otherwise wants to know who it was.
    let name = caller.person(&mut tx).await?;
    let is_new = overrides::set(&mut tx, &patient, &stored, &name, now).await?;
    tx.commit().await?;
    state.bells.plan.ring();
    let outcome = if is_new { "set" } else { "unchanged" };
    Ok(Json(OverrideOutcome { outcome }))
}

fn wanted(rule: &str, body: &Value) -> Result<Override, Fault> {
    let expected = "an object with the member off, or with before and by";
    let map = body
        .as_object()
        .ok_or_else(|| Fault::invalid("", expected))?;
    let known = ["off", "before", "by"];
    if map.keys().any(|name| !known.contains(&name.as_str())) {
        return Err(Fault {
            code: "unknown_field",
            path: "?".to_owned(),
            expected: "the members off, before and by only".to_owned(),
        });
    }
    let words = |name: &str| match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            words
                .map(Some)
                .ok_or_else(|| Fault::invalid(name, "a list of texts"))
        }
        Some(_) => Err(Fault::invalid(name, "a list of texts")),
    };
    let off = match map.get("off") {
        None | Some(Value::Null) => false,
        Some(value) => value
            .as_bool()
            .ok_or_else(|| Fault::invalid("off", "true or false"))?,
    };
    let (before, by) = (words("before")?, words("by")?);
    // The words of the error would repeat what was sent.
    let expected = "off alone, or leads such as 5d in before and sms, voice or email in by";
    Override::read(rule, off, before.as_deref(), by.as_deref())
        .map_err(|_| Fault::invalid("", expected))
}

/// Takes a setting back: the rule's own word counts again.
#[utoipa::path(
    delete, path = "/v1/patients/{source}/{key}/overrides/{rule}", tag = "records",
    params(
        ("source" = String, Path, description = "The system that knows the patient"),
        ("key" = String, Path, description = "The patient's key there"),
        ("rule" = String, Path, description = "The rule")),
    responses(
        (status = 204, description = "It stands no more"),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn delete_override(
    State(state): State<ApiState>,
    caller: Caller,
    Params((source, key, rule)): Params<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let mut tx = state.intake.store.write().await?;
    let patient = known(&mut tx, &source, &key).await?;
    let now = state.clock.now();
    let was_there = overrides::remove(&mut tx, &patient, &rule, &caller.name(), now).await?;
    tx.commit().await?;
    state.bells.plan.ring();
    if was_there {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}

async fn known(tx: &mut Tx, source: &str, key: &str) -> Result<PatientId, Problem> {
    let record = RecordKey::parse(&format!("{source}/{key}"));
    let record = record.filter(|record| record.source == source);
    let record = record.ok_or_else(Problem::not_found)?;
    let found = patients::find(tx, &record.source, record.key.reveal()).await?;
    found.ok_or_else(Problem::not_found)
}
