//! Work for staff: see it, call it done.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{Asked, Caller, Params};
use super::problem::{Details, Problem};
use super::shapes::Page;
use super::{ApiState, Routes};
use crate::access::Scope;
use crate::model::class::Channel;
use crate::model::id::TaskId;
use crate::model::staff::StaffKey;
use crate::model::task::{Priority, TaskKind, TaskState};
use crate::store::staff;
use crate::store::tasks::{self, Filter, Task};

pub(super) fn routes() -> Routes {
    vec![
        ("/v1/tasks", get(list_tasks)),
        ("/v1/tasks/{id}/done", post(finish_task)),
    ]
}

/// Work for staff. Title and text only for keys with `private:read`.
#[derive(Serialize, ToSchema)]
#[schema(as = Task)]
pub(super) struct TaskView {
    /// Its id.
    id: String,
    /// `task` or `popup`.
    channel: Channel,
    /// What it is about.
    kind: TaskKind,
    /// How pressing it is.
    priority: Priority,
    /// Who is to do it.
    department: String,
    /// Whose it is alone, as the source calls them: SOURCE/KEY; null: the department's.
    staff: Option<String>,
    /// Our id of the patient.
    patient: Option<String>,
    /// Our id of the occasion.
    occasion: Option<String>,
    /// The reply it was made of.
    reply: Option<String>,
    /// How many patients, or times, it stands for.
    count: i64,
    /// Whether it is done.
    state: TaskState,
    /// When it came up first.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was done.
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
    /// One line; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// The rest; with `private:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl TaskView {
    fn of(task: Task, sees_private: bool) -> Self {
        Self {
            id: task.id.to_string(),
            channel: task.channel,
            kind: task.kind,
            priority: task.priority,
            department: task.department,
            staff: task.staff.map(|staff| staff.key),
            patient: task.patient.map(|id| id.to_string()),
            occasion: task.occasion.map(|id| id.to_string()),
            reply: task.reply.map(|id| id.to_string()),
            count: task.count,
            state: task.state,
            created_at: task.created_at,
            done_at: task.done_at,
            title: sees_private.then(|| task.title.into_revealed()),
            text: sees_private.then(|| task.text.into_revealed()),
        }
    }
}

/// A task that is done.
#[derive(Serialize, ToSchema)]
pub(super) struct Finished {
    /// Its id.
    id: String,
    /// `done`.
    state: TaskState,
}

/// Tasks: urgent ones first, then the newest.
#[utoipa::path(
    get, path = "/v1/tasks", tag = "tasks",
    params(
        ("department" = Option<String>, Query, description = "Only this department's"),
        ("staff" = Option<String>, Query, description = "Only what is this member of staff's alone: SOURCE/KEY"),
        ("state" = Option<TaskState>, Query, description = "`open` (the default) or `done`"),
        ("limit" = Option<i64>, Query, description = "How many", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before", pattern = "^tsk_[0-9A-Za-z_-]+$")),
    responses(
        (status = 200, description = "A page of tasks", body = Page<TaskView>),
        (status = 400, description = "A parameter cannot be read", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:read"]))
)]
pub(super) async fn list_tasks(
    State(state): State<ApiState>,
    caller: Caller,
    asked: Asked,
) -> Result<Json<Page<TaskView>>, Problem> {
    caller.must(Scope::RecordsRead)?;
    asked.only(&["department", "staff", "state", "limit", "cursor"])?;
    let limit = asked.limit()?;
    let wanted = asked.word("state", TaskState::parse, "open or done")?;
    let mut tx = state.intake.store.read().await?;
    let staff = match asked.text("staff") {
        Some(text) => {
            let unknown = || Problem::bad_parameter("staff", "SOURCE/KEY of a member of staff");
            let key = StaffKey::parse(text).ok_or_else(unknown)?;
            let found = staff::by_keys(&mut tx, &[&key]).await?;
            Some(found.into_iter().next().ok_or_else(unknown)?.id)
        }
        None => None,
    };
    let filter = Filter {
        department: asked.text("department"),
        staff: staff.as_ref(),
        channel: None,
        patient: None,
        done: wanted == Some(TaskState::Done),
    };
    let last = asked.word(
        "cursor",
        TaskId::parse,
        "the next_cursor of an earlier answer",
    )?;
    let last = match last {
        Some(id) => Some(tasks::find(&mut tx, &id).await?.ok_or_else(|| {
            Problem::bad_parameter("cursor", "the next_cursor of an earlier answer")
        })?),
        None => None,
    };
    let found = tasks::list(&mut tx, &filter, last.as_ref(), limit + 1).await?;
    let sees_private = caller.sees_private();
    Ok(Json(Page::of(
        found,
        limit,
        |task| task.id.to_string(),
        |task| TaskView::of(task, sees_private),
    )))
}

/// Calls a task done.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/done", tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "It is done, now or since before", body = Finished),
        (status = 404, description = "There is none", body = Details, content_type = "application/problem+json")),
    security(("key" = ["records:write"]))
)]
pub(super) async fn finish_task(
    State(state): State<ApiState>,
    caller: Caller,
    Params(id): Params<String>,
) -> Result<Json<Finished>, Problem> {
    caller.must(Scope::RecordsWrite)?;
    let id = TaskId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut tx = state.intake.store.write().await?;
    if !tasks::done(&mut tx, &id, &caller.name(), state.clock.now()).await? {
        tasks::find(&mut tx, &id)
            .await?
            .ok_or_else(Problem::not_found)?;
    }
    tx.commit().await?;
    state.bells.outbox.ring();
    Ok(Json(Finished {
        id: id.to_string(),
        state: TaskState::Done,
    }))
}
