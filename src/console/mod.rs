//! Pages for staff: what is planned, sent, answered and confirmed, live; tasks, bookings, messages, patients.
//!
//! Read only. There is no login yet, so `app` mounts it on loopback addresses alone; names of patients are on these
//! pages and nowhere in the logs.

mod dates;
mod view;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use minijinja::{Environment, Value, context};
use tracing::error;

use crate::clock::Clock;
use crate::model::id::PatientId;
use crate::model::message::MessageState;
use crate::pages::{self, Guard, Language};
use crate::store::board::{self, Which};
use crate::store::{Store, StoreError, Tx};
use dates::Dates;

/// Days ahead that bookings are shown for.
const AHEAD: i64 = 14;
/// Lines of a list on the board, and on a page of its own.
const FEW: i64 = 8;
const MANY: i64 = 200;

/// What the pages need.
#[derive(Clone, Debug)]
pub struct ConsoleState {
    /// Where it all is.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// What the hospital is called.
    pub site_name: String,
    /// Its wall clock.
    pub timezone: TimeZone,
    /// The language of a reader who asks for none that we have.
    pub language: Language,
    /// Who may read.
    pub guard: Guard,
    /// Whether the demo's phones are at `/phones`.
    pub phones: bool,
}

/// Whether the console may be opened on `listen`: without a login only to this machine itself.
pub fn may_open(listen: SocketAddr) -> bool {
    listen.ip().is_loopback()
}

#[derive(Debug)]
struct Console {
    state: ConsoleState,
    english: Environment<'static>,
    chinese: Environment<'static>,
}

/// The pages: `/` and all below `/console`.
pub fn router(state: ConsoleState) -> Router {
    let guard = state.guard;
    let console = Console {
        english: view::templates(Language::English),
        chinese: view::templates(Language::Chinese),
        state,
    };
    Router::new()
        .route("/", get(board_page))
        .route("/console", get(|| async { pages::redirect("/") }))
        .route("/console/bookings", get(bookings_page))
        .route("/console/messages", get(messages_page))
        .route("/console/answers", get(answers_page))
        .route("/console/tasks", get(tasks_page))
        .route("/console/patients/{id}", get(patient_page))
        .route("/console/beside", get(beside_page))
        .route("/console/language", get(pages::switch))
        .route("/console/assets/{name}", get(asset))
        .route(
            "/favicon.ico",
            get(|headers: HeaderMap| async move {
                pages::asset(&headers, "image/svg+xml", pages::MARK)
            }),
        )
        .with_state(Arc::new(console))
        .layer(middleware::from_fn(move |request, next| {
            guard.check(request, next)
        }))
}

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error("there is no such page")]
    Missing,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Only the kind and the line: the detail may hold what was to be printed.
    #[error("a page cannot be made: {0}, line {1}")]
    Template(minijinja::ErrorKind, usize),
}

impl From<minijinja::Error> for PageError {
    fn from(error: minijinja::Error) -> Self {
        Self::Template(error.kind(), error.line().unwrap_or_default())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::Missing => (
                StatusCode::NOT_FOUND,
                "There is no such page. / 没有这个页面。",
            )
                .into_response(),
            Self::Store(_) | Self::Template(..) => {
                error!("Console: {self}");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The page cannot be shown now; the log says why. / 暂时无法显示，原因见日志。",
                )
                    .into_response()
            }
        }
    }
}

/// One request: who reads, when, and in which language.
struct Reading<'a> {
    console: &'a Console,
    headers: &'a HeaderMap,
    language: Language,
    now: Timestamp,
    dates: Dates,
}

impl Console {
    fn reading<'a>(&'a self, headers: &'a HeaderMap) -> Reading<'a> {
        let language = Language::of(headers, self.state.language);
        let now = self.state.clock.now();
        Reading {
            console: self,
            headers,
            language,
            now,
            dates: Dates::new(language, self.state.timezone.clone(), now),
        }
    }
}

impl Reading<'_> {
    async fn tx(&self) -> Result<Tx, StoreError> {
        self.console.state.store.read().await
    }

    /// `days` from the beginning of today on the hospital's wall clock.
    fn day(&self, days: i64) -> Timestamp {
        let zone = &self.console.state.timezone;
        let today = self.now.to_zoned(zone.clone()).date();
        let day = today.checked_add(days.days()).unwrap_or(today);
        day.to_zoned(zone.clone())
            .map_or(self.now, |zoned| zoned.timestamp())
    }

    fn show(&self, template: &str, path: &str, content: Value) -> Result<Response, PageError> {
        let environment = match self.language {
            Language::English => &self.console.english,
            Language::Chinese => &self.console.chinese,
        };
        let other = self.language.pick("zh-CN", "en");
        let frame = context! {
            site => &self.console.state.site_name, phones => self.console.state.phones, path, other,
            language => self.language.code(), today => self.dates.long_day(self.now),
        };
        let html = environment
            .get_template(template)?
            .render(context! { ..content, ..frame })?;
        Ok(pages::page(self.headers, html))
    }
}

type Shown = Result<Response, PageError>;

async fn board_page(State(console): State<Arc<Console>>, headers: HeaderMap) -> Shown {
    let reading = console.reading(&headers);
    let mut tx = reading.tx().await?;
    let figures = board::figures(
        &mut tx,
        reading.day(0),
        reading.day(1),
        reading.now,
        reading.day(AHEAD),
    )
    .await?;
    let occasions = board::occasions(&mut tx, reading.now, reading.day(AHEAD), 18).await?;
    let content = context! {
        figures => view::figures(&figures),
        answers => view::replies(board::replies(&mut tx, None, FEW).await?, &reading.dates),
        tasks => view::tasks(board::tasks(&mut tx, None, 6).await?, &reading.dates),
        days => view::by_day(occasions, &reading.dates),
        next => view::reminders(board::reminders(&mut tx, None, 6).await?, &reading.dates),
        sent => view::messages(board::messages(&mut tx, Which::Latest, 6).await?, &reading.dates),
    };
    reading.show("board.html", "/", content)
}

async fn bookings_page(State(console): State<Arc<Console>>, headers: HeaderMap) -> Shown {
    let reading = console.reading(&headers);
    let mut tx = reading.tx().await?;
    let occasions = board::occasions(&mut tx, reading.day(0), reading.day(AHEAD), MANY).await?;
    let figures = board::figures(
        &mut tx,
        reading.day(0),
        reading.day(1),
        reading.now,
        reading.day(AHEAD),
    )
    .await?;
    let content = context! { days => view::by_day(occasions, &reading.dates), figures => view::figures(&figures) };
    reading.show("bookings.html", "/console/bookings", content)
}

#[derive(serde::Deserialize)]
struct Filter {
    state: Option<String>,
}

async fn messages_page(
    State(console): State<Arc<Console>>,
    Query(filter): Query<Filter>,
    headers: HeaderMap,
) -> Shown {
    let reading = console.reading(&headers);
    let state = filter.state.as_deref().and_then(MessageState::parse);
    let mut tx = reading.tx().await?;
    let messages = board::messages(&mut tx, state.map_or(Which::Latest, Which::In), MANY).await?;
    let states: Vec<&str> = MessageState::ALL
        .iter()
        .map(|state| state.as_str())
        .collect();
    let content = context! { messages => view::messages(messages, &reading.dates), states, chosen => state.map(MessageState::as_str) };
    reading.show("messages.html", "/console/messages", content)
}

async fn answers_page(State(console): State<Arc<Console>>, headers: HeaderMap) -> Shown {
    let reading = console.reading(&headers);
    let answers = board::replies(&mut reading.tx().await?, None, MANY).await?;
    reading.show(
        "answers.html",
        "/console/answers",
        context! { answers => view::replies(answers, &reading.dates) },
    )
}

async fn tasks_page(State(console): State<Arc<Console>>, headers: HeaderMap) -> Shown {
    let reading = console.reading(&headers);
    let tasks = board::tasks(&mut reading.tx().await?, None, MANY).await?;
    reading.show(
        "tasks.html",
        "/console/tasks",
        context! { tasks => view::tasks(tasks, &reading.dates) },
    )
}

async fn patient_page(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Shown {
    let id = PatientId::parse(&id).ok_or(PageError::Missing)?;
    let reading = console.reading(&headers);
    let mut tx = reading.tx().await?;
    let card = board::card(&mut tx, id.as_str())
        .await?
        .ok_or(PageError::Missing)?;
    let messages = board::messages(&mut tx, Which::About(id.as_str()), 50).await?;
    let replies = board::replies(&mut tx, Some(id.as_str()), 50).await?;
    let content = context! {
        card => view::card(&card, &reading.dates),
        thread => view::thread(messages, replies, &reading.dates),
        occasions => view::occasions(board::occasions_of(&mut tx, id.as_str(), 50).await?, &reading.dates),
        reminders => view::reminders(board::reminders(&mut tx, Some(id.as_str()), 50).await?, &reading.dates),
        tasks => view::tasks(board::tasks(&mut tx, Some(id.as_str()), 20).await?, &reading.dates),
    };
    reading.show("patient.html", &format!("/console/patients/{id}"), content)
}

/// The hospital's side, narrow enough to stand beside a phone.
async fn beside_page(State(console): State<Arc<Console>>, headers: HeaderMap) -> Shown {
    let reading = console.reading(&headers);
    let mut tx = reading.tx().await?;
    let content = context! {
        answers => view::replies(board::replies(&mut tx, None, 6).await?, &reading.dates),
        tasks => view::tasks(board::tasks(&mut tx, None, 4).await?, &reading.dates),
    };
    reading.show("beside.html", "/console/beside", content)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Shown {
    const STYLE: &str = include_str!("assets/console.css");
    let (kind, body) = match name.as_str() {
        "base.css" => ("text/css; charset=utf-8", pages::BASE_STYLE),
        "console.css" => ("text/css; charset=utf-8", STYLE),
        "live.js" => ("text/javascript; charset=utf-8", pages::LIVE_SCRIPT),
        "mark.svg" => ("image/svg+xml", pages::MARK),
        _ => return Err(PageError::Missing),
    };
    Ok(pages::asset(&headers, kind, body))
}

#[cfg(test)]
mod tests;
