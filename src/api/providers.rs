//! Who carries messages, whether they can, and what waits for them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{Asked, Caller};
use super::problem::Problem;
use super::shapes::Page;
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::model::class::Channel;
use crate::store::provider_load::{self, Load};

pub(super) fn routes() -> Routes {
    vec![("/v1/providers", get(list_providers))]
}

/// A provider and its work.
#[derive(Serialize, ToSchema)]
#[schema(as = Provider)]
pub(super) struct ProviderView {
    /// Its name in the config.
    name: String,
    /// The medium it carries; null when it is in the config no more.
    channel: Option<Channel>,
    /// Whether it can take a message now; null when it is in the config no more.
    up: Option<bool>,
    /// How many messages may be on their way at once.
    window: Option<usize>,
    /// Messages that are due, by lane.
    ready: BTreeMap<String, i64>,
    /// Messages that are due later.
    later: i64,
    /// When the oldest one that is due was due.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_due_at: Option<Timestamp>,
    /// Messages whose fate is unknown.
    uncertain: i64,
    /// Tries that wait for their answer.
    open_attempts: i64,
}

/// All providers.
#[utoipa::path(
    get, path = "/v1/providers", tag = "providers",
    responses((status = 200, description = "All of them", body = Page<ProviderView>)),
    security(("key" = ["messages:read"]))
)]
pub(super) async fn list_providers(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<ProviderView>>, Problem> {
    caller.must(Scope::MessagesRead)?;
    asked.only(&[])?;
    let mut tx = state.intake.store.read().await?;
    let mut loads = provider_load::all(&mut tx, state.clock.now()).await?;
    drop(tx);
    let view = |name: &str, load: Load| ProviderView {
        name: name.to_owned(),
        channel: None,
        up: None,
        window: None,
        ready: load.ready,
        later: load.later,
        oldest_due_at: load.oldest_due_at,
        uncertain: load.uncertain,
        open_attempts: load.open_attempts,
    };
    let mut data: Vec<ProviderView> = Vec::new();
    for provider in state.providers.iter() {
        let mut one = view(
            provider.name(),
            loads.remove(provider.name()).unwrap_or_default(),
        );
        (one.channel, one.up, one.window) = (
            Some(provider.channel()),
            Some(provider.is_up()),
            Some(provider.window()),
        );
        data.push(one);
    }
    data.extend(
        loads
            .into_iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, load)| view(&name, load)),
    );
    Ok(Json(Page {
        data,
        next_cursor: None,
    }))
}
