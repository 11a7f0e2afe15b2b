//! The API's own description, OpenAPI 3.1, generated from the handlers and shapes.

use axum::Json;
use axum::routing::get;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    Routes, change_requests, events, incoming, messages, providers, records, suppressions, tasks,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Carebell", description = "Messages to patients and what they answer.", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    modifiers(&Keys),
    paths(
        self_description,
        messages::one, messages::batch, messages::list, messages::find, messages::timeline,
        messages::cancel, messages::resend, messages::resolve,
        records::put_patient, records::get_patient, records::delete_patient,
        records::put_occasion, records::get_occasion, records::delete_occasion,
        change_requests::list_change_requests, change_requests::accept_change_request, change_requests::reject_change_request,
        incoming::list_inbound, incoming::list_replies,
        events::follow_events,
        suppressions::list_suppressions, suppressions::put_suppression, suppressions::delete_suppression,
        tasks::list_tasks, tasks::finish_task,
        providers::list_providers,
    ),
)]
struct Described;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let parts = document.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("A key made by `carebell apikey create`".to_owned());
        parts.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// The document.
pub fn document() -> Document {
    Described::openapi()
}

pub(super) fn routes() -> Routes {
    vec![("/v1/openapi.json", get(self_description))]
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "about", operation_id = "get_openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
    security(())
)]
async fn self_description() -> Json<Document> {
    Json(document())
}
