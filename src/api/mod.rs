//! The HTTP API: JSON under `/v1`, one file per resource (the API document).
//!
//! Every answer that is no success is a problem; what a key may see hangs on its scopes.

mod campaigns;
mod change_requests;
mod events;
mod incoming;
mod input;
mod messages;
mod openapi;
mod overrides;
mod problem;
mod providers;
mod records;
mod rules;
mod shapes;
mod suppressions;
mod tasks;
mod webhooks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;

pub use messages::message_json;
pub use openapi::document;
pub use webhooks::wish::{Draft, read_wish};

use crate::access::Keys;
use crate::channels::Provider;
use crate::clock::Clock;
use crate::intake::SiteInfo;
use crate::intake::messages::Intake;
use crate::outward::Guard;
use crate::stage::Bell;
use crate::store::writer::Writer;
use problem::Problem;

/// The largest body, in bytes; a batch may be larger.
const LARGEST_BODY: usize = 1 << 20;
/// How long a request may take.
const LONGEST: Duration = Duration::from_secs(30);

/// What the API works with. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// How messages come in; it holds the store.
    pub intake: Intake,
    /// What the applying of records has to know of the site.
    pub records: Arc<SiteInfo>,
    /// Where messages go to be committed.
    pub writer: Writer,
    /// The source of now.
    pub clock: Clock,
    /// Who may do what.
    pub keys: Keys,
    /// The stages that may have work afterwards.
    pub bells: Bells,
    /// Who carries messages.
    pub providers: Arc<[Arc<dyn Provider>]>,
    /// The ids of all rules.
    pub rules: Arc<[String]>,
    /// Of them those that somebody may start.
    pub manual_rules: Arc<[String]>,
    /// Which hosts webhooks may be on.
    pub guard: Arc<Guard>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("intake", &self.intake)
            .field("bells", &self.bells)
            .finish_non_exhaustive()
    }
}

/// The bells of the stages that a request may give work to.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    /// Messages to send.
    pub delivery: Bell,
    /// Records that changed.
    pub plan: Bell,
    /// Events to number.
    pub outbox: Bell,
    /// Webhooks to tell.
    pub webhooks: Bell,
}

/// The API over `state`.
pub fn router(state: ApiState) -> Router {
    let router = routes()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        });
    router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This cannot be done here",
            )
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(bounded))
        .with_state(state)
}

type Routes = Vec<(&'static str, MethodRouter<ApiState>)>;

/// Every path with its methods; a test holds it against the document.
fn routes() -> Routes {
    let all = [
        openapi::routes(),
        messages::routes(),
        records::routes(),
        overrides::routes(),
        campaigns::routes(),
        rules::routes(),
        change_requests::routes(),
        incoming::routes(),
        events::routes(),
        suppressions::routes(),
        tasks::routes(),
        providers::routes(),
        webhooks::routes(),
        webhooks::acts::routes(),
    ];
    all.into_iter().flatten().collect()
}

/// Ends what takes too long, and marks answers as not to be kept or guessed at.
async fn bounded(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "It took too long",
        )
        .retry_after_s(5)
        .into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests;
