//! The API's own description, OpenAPI 3.1, generated from the handlers and shapes.

use axum::Json;
use axum::routing::get;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::{
    Routes, campaigns, change_requests, events, incoming, messages, overrides, providers, records,
    rules, suppressions, tasks, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Carebell", description = "Messages to patients and what they answer.", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    modifiers(&Keys, &Refusals),
    paths(
        self_description,
        messages::one, messages::batch, messages::list, messages::find, messages::timeline,
        messages::cancel, messages::resend, messages::resolve,
        records::put_patient, records::get_patient, records::delete_patient,
        records::put_occasion, records::get_occasion, records::delete_occasion,
        records::put_staff, records::get_staff,
        overrides::list_overrides, overrides::get_override, overrides::put_override, overrides::delete_override,
        campaigns::list_campaigns, campaigns::start_campaign, campaigns::get_campaign, campaigns::approve_campaign,
        campaigns::cancel_campaign,
        rules::get_rule, rules::approve_rule,
        change_requests::list_change_requests, change_requests::accept_change_request, change_requests::reject_change_request,
        incoming::list_inbound, incoming::list_replies,
        events::follow_events,
        suppressions::list_suppressions, suppressions::put_suppression, suppressions::delete_suppression,
        tasks::list_tasks, tasks::finish_task,
        providers::list_providers,
        webhooks::list_webhooks, webhooks::create_webhook, webhooks::get_webhook, webhooks::change_webhook, webhooks::delete_webhook,
        webhooks::acts::rotate_webhook_secret, webhooks::acts::test_webhook, webhooks::acts::replay_webhook,
        webhooks::acts::list_webhook_deliveries, webhooks::acts::replay_webhook_delivery,
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

/// The problems that any operation of a kind may end in, so that each handler names its own only.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
                &mut item.patch,
            ];
            for operation in operations.into_iter().flatten() {
                add_refusals(operation);
            }
        }
    }
}

fn add_refusals(operation: &mut Operation) {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let is_in = |parameter: &RefOr<Parameter>, place: &ParameterIn| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == *place,
        RefOr::Ref(_) => false,
    };
    let has = |place: ParameterIn| parameters.iter().any(|parameter| is_in(parameter, &place));
    let has_body = operation.request_body.is_some();
    // The requirement of this document itself is an empty one: it needs no key.
    let needs_key = operation.operation_id.as_deref() != Some("get_openapi");
    let wanted = [
        (
            "400",
            has_body || has(ParameterIn::Query),
            "It cannot be read",
        ),
        ("401", needs_key, "No key, or one that does not stand"),
        ("403", needs_key, "The key does not allow this"),
        ("404", has(ParameterIn::Path), "There is none"),
        ("413", has_body, "The body is too large"),
        ("415", has_body, "The body is no JSON by its own word"),
        ("422", has_body, "Something is wrong with it"),
        (
            "503",
            needs_key,
            "Too much waits already, or it took too long",
        ),
    ];
    for (status, applies, words) in wanted {
        if applies && !operation.responses.responses.contains_key(status) {
            let schema = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let response = ResponseBuilder::new()
                .description(words)
                .content("application/problem+json", content);
            operation
                .responses
                .responses
                .insert(status.to_owned(), response.build().into());
        }
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
