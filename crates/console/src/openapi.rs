//! All routes of the API, and the OpenAPI document that describes exactly these.

use crate::auth::{COOKIE, CSRF_HEADER};
use crate::routes::{alerts, events, live, overview, probes, session};
use crate::schema;
use crate::state::{App, NodeApp};
use axum::extract::FromRef;
use axum::response::IntoResponse;
use axum::{Router, http::header};
use std::sync::LazyLock;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Parapet API",
        version = "1.0.0",
        description = "Events, alerts and live traffic of the web application firewall. Log in with \
            `POST /api/v1/session`; the session cookie authenticates, and requests that change something carry \
            the session's `csrf` in `X-CSRF-Token`. All times are UTC in RFC 3339. Every error has the shape of \
            ErrorBody; every answer has an `X-Request-Id`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "session", description = "Logging in and out"),
        (name = "events", description = "History of security events"),
        (name = "alerts", description = "Alerts and their triage"),
        (name = "overview", description = "What is running, traffic totals, event accounts, live stream"),
        (name = "probes", description = "For orchestrators and Prometheus"),
    ),
    components(schemas(live::TrafficTick, live::Missed, schema::SeverityBand, schema::GroupBy)),
    modifiers(&SecuritySchemes),
)]
struct Document;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let session = ApiKey::Cookie(ApiKeyValue::new(COOKIE));
        let csrf = ApiKey::Header(ApiKeyValue::new(CSRF_HEADER));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
        components.add_security_scheme("csrf", SecurityScheme::ApiKey(csrf));
        components.add_security_scheme("metrics", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Every endpoint, with the document that is built from the same list.
pub(crate) fn api() -> (Router<App>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(session::login, session::current, session::logout))
        .routes(routes!(session::change_password))
        .routes(routes!(events::list))
        .routes(routes!(events::summary))
        .routes(routes!(events::get))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::triage))
        .routes(routes!(overview::overview))
        .routes(routes!(overview::ledger))
        .routes(routes!(live::live))
        .merge(probes())
        .routes(routes!(document))
        .split_for_parts()
}

/// The endpoints that every process has.
pub(crate) fn probes<S>() -> OpenApiRouter<S>
where
    NodeApp: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new().routes(routes!(probes::health)).routes(routes!(probes::ready)).routes(routes!(probes::metrics))
}

static TEXT: LazyLock<String> = LazyLock::new(|| {
    let (_, document) = api();
    // Serialising plain data into a string cannot fail; were it to, the freshness test would tell.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

/// The OpenAPI document as JSON text.
pub fn openapi_json() -> &'static str {
    &TEXT
}

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "getOpenApi", tag = "probes",
    responses((status = 200, body = Object, content_type = "application/json"))
)]
async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}
