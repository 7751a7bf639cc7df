//! What applies to every request: an id, a known host, no other site's forms, a deadline, and the
//! security headers of the answer.

use crate::assets;
use crate::config::Settings;
use crate::error::ApiError;
use crate::openapi;
use crate::peer::{self, PeerApi};
use crate::state::{App, NodeApp};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use parapet_ports::node::PREFIX;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tower_http::compression::CompressionLayer;
use tracing::Instrument;
use ulid::Ulid;

/// Bytes of a request body. The largest body of the API is a password change.
const BODY_BYTES_MAX: usize = 64 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Styles may be inline because the component and chart libraries set them; scripts never are.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; manifest-src 'self'; \
    worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
];

/// The whole application of a console: routes, web UI and what applies to all of them.
pub(crate) fn console(app: App) -> Router {
    let (routes, _) = openapi::api();
    let settings = app.settings.clone();
    let peers = app.console.node.peers.clone().map_or_else(Router::new, peer::router);
    let routes = routes.fallback(assets::fallback).method_not_allowed_fallback(assets::method_not_allowed);
    protected(routes.with_state(app).merge(peers), settings)
}

/// The application of a process that serves no people: probes and peers.
pub(crate) fn node(app: NodeApp) -> Router {
    let (routes, _) = openapi::probes::<NodeApp>().split_for_parts();
    let settings = app.settings.clone();
    let peers = app.node.peers.clone().map_or_else(Router::new, peer::router);
    let routes = routes.fallback(no_console).with_state(app);
    protected(routes.merge(peers), settings)
}

/// The application for callers on this machine who may open the process's socket: what peers may ask.
pub(crate) fn local(api: Option<PeerApi>) -> Router {
    api.map_or_else(Router::new, peer::local_router).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

async fn no_console() -> ApiError {
    ApiError::not_found("this process has no console; ask one with the role console")
}

fn protected(routes: Router, settings: Arc<Settings>) -> Router {
    routes
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(settings, protect))
}

async fn protect(State(settings): State<Arc<Settings>>, request: Request, next: Next) -> Response {
    let id = Ulid::generate().to_string();
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("console", request_id = %id, %method, path);
    let answer = async {
        match refusal(&settings, &request) {
            Some(error) => error.into_response(),
            None => match tokio::time::timeout(settings.request_timeout, next.run(request)).await {
                Ok(response) => response,
                Err(_) => {
                    let message = "the request took too long; narrow it down, for example by a shorter time range";
                    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", message).into_response()
                }
            },
        }
    };
    let mut response = answer.instrument(span.clone()).await;
    let status = response.status();
    tracing::debug!(parent: &span, status = status.as_u16(), elapsed_us = started.elapsed().as_micros(), "answered");
    metrics::counter!("parapet_console_requests_total", "status" => status.as_str().to_owned()).increment(1);
    metrics::histogram!("parapet_console_request_seconds").record(started.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if settings.https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Why this request is not looked at, if it is not.
fn refusal(settings: &Settings, request: &Request) -> Option<ApiError> {
    // Probes come by whatever name the orchestrator uses and answer nothing that is worth hiding;
    // peers show a token, which no page of another site has.
    let path = request.uri().path();
    if !matches!(path, "/healthz" | "/readyz")
        && !path.starts_with(PREFIX)
        && let Err(error) = check_host(settings, request)
    {
        return Some(error);
    }
    let from_other_site =
        request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    if from_other_site && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = "another web site sent this request";
        return Some(ApiError::new(StatusCode::FORBIDDEN, "cross_site", message));
    }
    None
}

/// Refuses names that are not this server's: a page that points its own name at this address
/// (DNS rebinding) must not reach the API.
fn check_host(settings: &Settings, request: &Request) -> Result<(), ApiError> {
    let host = host(request.headers())
        .ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, "bad_host", "the Host header is missing or malformed"))?;
    let known = host == "localhost"
        || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
        || settings.hosts.contains(&host);
    if known {
        return Ok(());
    }
    let message = format!(
        "the console is not known as `{host}`; set console.public_url, or add the name to console.allowed_hosts"
    );
    Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message))
}

/// The host of the Host header, without port, in lower case.
fn host(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::HOST)?.to_str().ok()?;
    let authority: axum::http::uri::Authority = value.parse().ok()?;
    Some(authority.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn verdict(host: &str) -> u16 {
        let config = Config {
            public_url: Some("https://waf.example.com".into()),
            allowed_hosts: vec!["Parapet.internal".into()],
            ..Config::default()
        };
        let request = Request::builder().uri("/").header("host", host).body(axum::body::Body::empty()).unwrap();
        match check_host(&config.settings().unwrap(), &request) {
            Ok(()) => 200,
            Err(error) => error.into_response().status().as_u16(),
        }
    }

    #[test]
    fn only_known_hosts_are_answered() {
        for host in ["localhost:9090", "127.0.0.1:9090", "[::1]:9090", "WAF.example.com", "parapet.internal:443"] {
            assert_eq!(verdict(host), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "example.com"] {
            assert_eq!(verdict(host), 421, "{host}");
        }
        assert_eq!(verdict("a b"), 400);
    }
}
