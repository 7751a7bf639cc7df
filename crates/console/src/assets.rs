//! The web UI: files built into the binary (read from disk in debug builds).
//!
//! Everything under `assets/` carries a hash of its content in its name and may be kept for ever;
//! everything else is revalidated by its ETag. A path without a file is a page of the single-page
//! application, unless it looks like a file.

use crate::error::ApiError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Built;

const INDEX: &str = "index.html";
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Parapet</title>\
    <h1>The console assets are not built</h1>\
    <p>Console assets are not built: run <code>make web</code> and start again. \
    The API under <code>/api/v1</code> works without them.</p></html>\n";

/// Answers every path that is not an endpoint.
pub(crate) async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return ApiError::not_found("there is no such endpoint; see /api/v1/openapi.json").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed().await.into_response();
    }
    respond(path, request.headers(), Built::get)
}

/// Answers a known path with another method.
pub(crate) async fn method_not_allowed() -> impl IntoResponse {
    let message = "this path does not know that method; see /api/v1/openapi.json";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

fn respond(path: &str, headers: &HeaderMap, get: impl Fn(&str) -> Option<EmbeddedFile>) -> Response {
    let name = path.trim_start_matches('/');
    if !name.is_empty()
        && let Some(file) = get(name)
    {
        let caching = if name.starts_with("assets/") { IMMUTABLE } else { REVALIDATE };
        return send(file, caching, headers);
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    if name.starts_with("assets/") || last.contains('.') {
        return ApiError::not_found("there is no such file").into_response();
    }
    match get(INDEX) {
        Some(index) => send(index, REVALIDATE, headers),
        None => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, REVALIDATE)], Html(NOT_BUILT)).into_response()
        }
    }
}

fn send(file: EmbeddedFile, caching: HeaderValue, request: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash()));
    let mut response = if is_known(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.data.into_owned()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, caching);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    let mime = file.metadata.mimetype();
    let mime = if mime.starts_with("text/") { format!("{mime}; charset=utf-8") } else { mime.to_owned() };
    if let Ok(mime) = HeaderValue::try_from(mime) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    response
}

/// Whether the client says that it has this very version.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_embed::Metadata;
    use std::borrow::Cow;

    fn built(name: &str) -> Option<EmbeddedFile> {
        let (data, mime): (&[u8], &str) = match name {
            "index.html" => (b"<!doctype html>index", "text/html"),
            "assets/index-abc123.js" => (b"export {}", "text/javascript"),
            "favicon.svg" => (b"<svg/>", "image/svg+xml"),
            _ => return None,
        };
        let metadata = Metadata::__rust_embed_new([7; 32], None, None, mime);
        Some(EmbeddedFile { data: Cow::Borrowed(data), metadata })
    }

    fn get(path: &str) -> Response {
        respond(path, &HeaderMap::new(), built)
    }

    fn text(response: &Response, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn hashed_assets_are_kept_for_ever_and_the_index_is_revalidated() {
        let asset = get("/assets/index-abc123.js");
        assert_eq!(asset.status(), StatusCode::OK);
        assert!(text(&asset, header::CACHE_CONTROL).contains("immutable"));
        assert_eq!(text(&asset, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        for path in ["/", "/events/01JDA5ZQ3V0000000000000000", "/index.html", "/favicon.svg"] {
            let page = get(path);
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            assert_eq!(text(&page, header::CACHE_CONTROL), "no-cache", "{path}");
        }
        assert_eq!(text(&get("/events"), header::CONTENT_TYPE), "text/html; charset=utf-8");
    }

    #[test]
    fn a_missing_file_is_not_answered_with_the_index() {
        for path in ["/assets/old-123.js", "/assets/x", "/robots.txt", "/../../etc/passwd.txt"] {
            assert_eq!(get(path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let tag = text(&get("/"), header::ETAG).to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::try_from(format!("\"other\", W/{tag}")).unwrap());
        assert_eq!(respond("/", &headers, built).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn without_built_assets_the_page_says_what_to_run() {
        let page = respond("/", &HeaderMap::new(), |_| None);
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(NOT_BUILT.contains("onsole assets are not built: run <code>make web</code>"));
    }
}
