//! The feed of everything that happened: a cursor that never misses a late commit.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::input::{Asked, Caller};
use super::problem::{Details, Problem};
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::store::events;

pub(super) fn routes() -> Routes {
    vec![("/v1/events", get(follow_events))]
}

/// Something that happened: ids and states, never a name, a number or a text.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView {
    /// Its place in the feed, from 1.
    seq: i64,
    /// Its id.
    id: String,
    /// `message.<state>`, `occasion.<confirmation>`, `change_request.<state>`, `reply.received`, `suppression.created` …
    #[serde(rename = "type")]
    kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Ids, state, reason, reference.
    #[schema(value_type = Object)]
    data: Value,
}

/// A piece of the feed.
#[derive(Serialize, ToSchema)]
pub(super) struct Feed {
    /// Events, in order.
    data: Vec<EventView>,
    /// For the next call, also when there is nothing more yet.
    next_cursor: String,
}

/// Everything that happened, in order.
///
/// Ask again with the `next_cursor`: nothing is missed, nothing comes twice.
#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    params(
        ("after" = Option<i64>, Query, description = "The `next_cursor` of the call before; 0 or nothing: from the beginning", minimum = 0),
        ("cursor" = Option<i64>, Query, description = "The same as `after`", minimum = 0),
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500)),
    responses(
        (status = 200, description = "A piece of the feed", body = Feed),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["events:read"]))
)]
pub(super) async fn follow_events(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Feed>, Problem> {
    caller.must(Scope::EventsRead)?;
    asked.only(&["after", "cursor", "limit"])?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    let after = asked.word("after", number, "the next_cursor of an earlier answer")?;
    let after = after
        .or(asked.word("cursor", number, "the next_cursor of an earlier answer")?)
        .unwrap_or(0);
    let mut tx = state.intake.store.read().await?;
    let found = events::after(&mut tx, after, asked.limit()?).await?;
    let next_cursor = found.last().map_or(after, |event| event.seq).to_string();
    let show = |event: events::Event| EventView {
        seq: event.seq,
        id: event.id.to_string(),
        kind: event.kind,
        at: event.at,
        data: event.data,
    };
    Ok(Json(Feed {
        data: found.into_iter().map(show).collect(),
        next_cursor,
    }))
}
