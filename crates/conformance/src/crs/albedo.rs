//! The backends of the suites. CRS 4: albedo, where `/reflect` answers what its JSON body asks for and
//! everything else is an empty 200. CRS 3: a web server, which is no proxy and so refuses CONNECT, and
//! which has no file whose name is not UTF-8.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::head::Request;

/// Which backend answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Of the CRS 4 suite.
    Albedo,
    /// Of the CRS 3 suite.
    WebServer,
}

impl Backend {
    /// The one that the suite of a major version of the rule set is written for.
    pub(crate) fn of_version(major: u32) -> Backend {
        if major == 3 { Backend::WebServer } else { Backend::Albedo }
    }
}

/// What the backend answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reflection {
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    encoded_body: Option<String>,
}

/// Answers a request.
pub(crate) fn respond(request: &Request<'_>, backend: Backend) -> Response {
    if backend == Backend::WebServer {
        let status = match request.method {
            b"CONNECT" => 405,
            _ if is_no_text(request.target) => 404,
            _ => 200,
        };
        return with_length(Response { status, headers: Vec::new(), body: Vec::new() });
    }
    let path = request.target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if request.method == b"POST" && path == b"/reflect" {
        return reflect(&request.body);
    }
    with_length(Response { status: 200, headers: Vec::new(), body: Vec::new() })
}

/// Whether the path, unescaped, is not UTF-8.
fn is_no_text(target: &[u8]) -> bool {
    let mut bytes = Vec::new();
    let mut rest = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    std::str::from_utf8(&bytes).is_err()
}

fn reflect(body: &[u8]) -> Response {
    let Ok(reflection) = serde_json::from_slice::<Reflection>(body) else {
        return with_length(Response { status: 400, headers: Vec::new(), body: Vec::new() });
    };
    let encoded = reflection.encoded_body.and_then(|encoded| STANDARD.decode(encoded.trim()).ok());
    let body = encoded.or(reflection.body.map(String::into_bytes)).unwrap_or_default();
    let headers = reflection.headers.into_iter().collect();
    with_length(Response { status: reflection.status.unwrap_or(200), headers, body })
}

/// Adds what the server adds: the length, and a content type where there is a body without one.
fn with_length(mut response: Response) -> Response {
    let has = |name: &str| response.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let needs_type = !response.body.is_empty() && !has("Content-Type");
    let needs_length = !has("Content-Length");
    if needs_type {
        let is_markup = response.body.trim_ascii_start().starts_with(b"<");
        let kind = if is_markup { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
        response.headers.push(("Content-Type".to_owned(), kind.to_owned()));
    }
    if needs_length {
        response.headers.push(("Content-Length".to_owned(), response.body.len().to_string()));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &'static str, body: &str) -> Request<'static> {
        Request {
            method: b"POST",
            target: target.as_bytes(),
            protocol: b"HTTP/1.1",
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn reflect_answers_what_it_is_asked_for() {
        let body = r#"{"status": 500, "headers": {"Content-Type": "text/plain"}, "encodedBody": "aGk="}"#;
        let response = respond(&request("/reflect", body), Backend::Albedo);
        assert_eq!((response.status, response.body.as_slice()), (500, &b"hi"[..]));
        assert_eq!(response.headers[0], ("Content-Type".into(), "text/plain".into()));
        assert_eq!(respond(&request("/reflect", "x"), Backend::Albedo).status, 400);
        assert_eq!(respond(&request("/post", body), Backend::Albedo).body, b"");
    }

    #[test]
    fn the_web_server_has_files_with_proper_names_only() {
        let status = |target| respond(&request(target, ""), Backend::WebServer).status;
        assert_eq!([status("/a%20b?%FF"), status("/i%FFndex.html"), status("/%zz")], [200, 404, 200]);
    }
}
