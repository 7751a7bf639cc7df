//! HTTP Archives: what browsers and proxies export of a session (HAR 1.2), whole or one entry of it.

use super::form::{self, Part};
use super::url::Url;
use super::{HEADERS_MAX, Header, REQUESTS_MAX, Request, Response, Wrong, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The document, or a part that somebody cut out of one.
#[derive(Deserialize)]
struct Document {
    log: Option<Log>,
    #[serde(default)]
    entries: Vec<Entry>,
    request: Option<Sent>,
    response: Option<Received>,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Sent,
    response: Option<Received>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    method: String,
    url: String,
    #[serde(default)]
    http_version: String,
    #[serde(default)]
    headers: Vec<Pair>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    #[serde(default)]
    status: i64,
    #[serde(default)]
    http_version: String,
    #[serde(default)]
    headers: Vec<Pair>,
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    text: Option<String>,
    #[serde(default)]
    params: Vec<Param>,
    #[serde(alias = "_encoding")]
    encoding: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    #[serde(default)]
    value: String,
    file_name: Option<String>,
    content_type: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    text: Option<String>,
    encoding: Option<String>,
}

/// Reads all entries that went to a server.
pub(super) fn requests(text: &[u8]) -> Result<Vec<Request>, Wrong> {
    let document: Document = serde_json::from_slice(text).map_err(|error| Wrong {
        line: error.line(),
        column: error.column(),
        message: format!("this is not a HAR file: {}", reason(&error)),
    })?;
    let mut entries = document.log.map(|log| log.entries).unwrap_or_default();
    entries.extend(document.entries);
    entries.extend(document.request.map(|request| Entry { request, response: document.response }));
    if entries.len() > REQUESTS_MAX {
        return Err(Wrong::at(text, 0, format!("there are more than {REQUESTS_MAX} entries")));
    }
    let several = entries.len() > 1;
    let mut requests = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let number = index + 1;
        let read = request(entry).map_err(|message| Wrong::at(text, 0, format!("entry {number}: {message}")))?;
        // What never left the browser (data:, blob:, extensions) has nothing to explain.
        if let Some(mut request) = read {
            request.source = if several { format!("entry {number}") } else { String::new() };
            requests.push(request);
        }
    }
    if requests.is_empty() {
        return Err(Wrong::at(text, 0, "there is no entry with an http or https request"));
    }
    Ok(requests)
}

/// The message of an error without its place, which is told otherwise.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

fn request(entry: &Entry) -> Result<Option<Request>, String> {
    let sent = &entry.request;
    let Some(url) = Url::parse(sent.url.as_bytes()) else { return Ok(None) };
    let mut notes = Vec::new();
    let mut headers = headers(&sent.headers)?;
    if header(&headers, "Host").is_none() {
        let host = pseudo(&sent.headers, ":authority").unwrap_or_else(|| url.authority.to_vec());
        headers.insert(0, (b"Host".to_vec(), host));
    }
    let body = match &sent.post_data {
        Some(data) => body(data, &mut headers, &mut notes)?,
        None => Vec::new(),
    };
    if !body.is_empty() && header(&headers, "Content-Length").is_none() {
        headers.push((b"Content-Length".to_vec(), body.len().to_string().into_bytes()));
    }
    Ok(Some(Request {
        method: sent.method.clone().into_bytes(),
        target: url.target(),
        protocol: protocol(&sent.http_version),
        headers,
        body,
        response: entry.response.as_ref().map(response).transpose()?.flatten(),
        notes,
        ..Request::default()
    }))
}

/// Headers without the pseudo headers of HTTP/2, which are no headers to a server behind a proxy.
fn headers(pairs: &[Pair]) -> Result<Vec<Header>, String> {
    if pairs.len() > HEADERS_MAX {
        return Err(format!("there are more than {HEADERS_MAX} headers"));
    }
    let real = pairs.iter().filter(|pair| !pair.name.starts_with(':'));
    Ok(real.map(|pair| (pair.name.clone().into_bytes(), pair.value.clone().into_bytes())).collect())
}

fn pseudo(pairs: &[Pair], name: &str) -> Option<Vec<u8>> {
    pairs.iter().find(|pair| pair.name == name).map(|pair| pair.value.clone().into_bytes())
}

/// Browsers write `h2`, `h3`, `http/2.0` and `unknown`.
fn protocol(version: &str) -> Vec<u8> {
    match version.to_ascii_lowercase().as_str() {
        "http/1.0" => b"HTTP/1.0".to_vec(),
        "h2" | "http/2" | "http/2.0" => b"HTTP/2.0".to_vec(),
        "h3" | "http/3" | "http/3.0" => b"HTTP/3.0".to_vec(),
        _ => b"HTTP/1.1".to_vec(),
    }
}

fn body(data: &PostData, headers: &mut Vec<Header>, notes: &mut Vec<String>) -> Result<Vec<u8>, String> {
    if header(headers, "Content-Type").is_none() && !data.mime_type.is_empty() {
        headers.push((b"Content-Type".to_vec(), data.mime_type.clone().into_bytes()));
    }
    match &data.text {
        Some(text) if !text.is_empty() || data.params.is_empty() => decoded(text, data.encoding.as_deref()),
        _ if data.params.is_empty() => Ok(Vec::new()),
        _ => {
            notes
                .push("the entry has the fields of the form but not its text, which was put together again".to_owned());
            Ok(form_of(data))
        }
    }
}

/// The body that a form with these fields has.
fn form_of(data: &PostData) -> Vec<u8> {
    if let Some((_, boundary)) = data.mime_type.split_once("boundary=") {
        let boundary = boundary.split(';').next().unwrap_or_default().trim_matches('"');
        let part = |param: &Param| Part {
            name: param.name.clone().into_bytes(),
            content: param.value.clone().into_bytes(),
            filename: param.file_name.clone().map(String::into_bytes),
            content_type: param.content_type.clone().map(String::into_bytes),
        };
        return form::multipart(&data.params.iter().map(part).collect::<Vec<_>>(), boundary.as_bytes());
    }
    let pairs = data.params.iter().map(|param| format!("{}={}", param.name, param.value));
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}

fn decoded(text: &str, encoding: Option<&str>) -> Result<Vec<u8>, String> {
    if encoding.is_none_or(|encoding| !encoding.eq_ignore_ascii_case("base64")) {
        return Ok(text.as_bytes().to_vec());
    }
    STANDARD.decode(text.trim()).map_err(|error| format!("a body is not valid base64: {error}"))
}

/// The response; `None` if there was none (browsers write the status 0).
fn response(received: &Received) -> Result<Option<Response>, String> {
    let Ok(status @ 100..1000) = u16::try_from(received.status) else { return Ok(None) };
    let body = match &received.content {
        Some(Content { text: Some(text), encoding }) => decoded(text, encoding.as_deref())?,
        _ => Vec::new(),
    };
    Ok(Some(Response {
        status,
        protocol: protocol(&received.http_version),
        headers: headers(&received.headers)?,
        body,
        notes: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Chrome writes it: HTTP/2 with pseudo headers, the response's body in base64.
    const CHROME: &str = r#"{"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"},
"pages": [], "entries": [{
  "_resourceType": "xhr", "startedDateTime": "2026-03-02T10:11:12.131Z", "time": 33.1,
  "request": {"method": "POST", "url": "https://shop.example/api/login?next=%2F#top", "httpVersion": "http/2.0",
    "headers": [{"name": ":authority", "value": "shop.example"}, {"name": ":method", "value": "POST"},
      {"name": "content-type", "value": "application/json"}, {"name": "content-length", "value": "16"}],
    "queryString": [{"name": "next", "value": "%2F"}], "cookies": [], "headersSize": -1, "bodySize": 16,
    "postData": {"mimeType": "application/json", "text": "{\"user\":\"alice\"}"}},
  "response": {"status": 200, "statusText": "", "httpVersion": "http/2.0",
    "headers": [{"name": "content-type", "value": "text/html"}], "cookies": [],
    "content": {"size": 5, "mimeType": "text/html", "text": "aGVsbG8=", "encoding": "base64"},
    "redirectURL": "", "headersSize": -1, "bodySize": -1}, "cache": {}, "timings": {}},
  {"request": {"method": "GET", "url": "data:image/png;base64,AAAA", "httpVersion": "", "headers": []}},
  {"request": {"method": "GET", "url": "http://shop.example/p?q=<script>", "httpVersion": "HTTP/1.1",
    "headers": [{"name": "Host", "value": "shop.example"}]}, "response": {"status": 0, "headers": [], "content": {}}}]}}"#;

    /// As Firefox writes a form with a file: fields, and no text.
    const FIREFOX: &str = r#"{"request": {"bodySize": 300, "method": "POST", "url": "https://shop.example/upload",
"httpVersion": "HTTP/2", "headers": [{"name": "Host", "value": "shop.example"}],
"postData": {"mimeType": "multipart/form-data; boundary=---------------------------1234",
"params": [{"name": "note", "value": "a b"}, {"name": "file", "fileName": "x.php", "contentType": "text/php", "value": "<?php"}]}}}"#;

    #[test]
    fn entries_of_chrome_become_requests() {
        let requests = requests(CHROME.as_bytes()).unwrap();
        assert_eq!(requests.iter().map(|r| r.source.as_str()).collect::<Vec<_>>(), ["entry 1", "entry 3"]);
        let login = &requests[0];
        assert_eq!((&login.method[..], &login.target[..]), (&b"POST"[..], &b"/api/login?next=%2F"[..]));
        assert_eq!(login.protocol, b"HTTP/2.0");
        assert_eq!(header(&login.headers, "host"), Some(&b"shop.example"[..]));
        assert!(login.headers.iter().all(|(name, _)| !name.starts_with(b":")));
        assert_eq!(login.body, br#"{"user":"alice"}"#);
        let response = login.response.as_ref().unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"hello"[..]));
        assert_eq!(requests[1].target, b"/p?q=<script>");
        assert!(requests[1].response.is_none());
    }

    #[test]
    fn a_form_without_text_is_put_together() {
        let request = requests(FIREFOX.as_bytes()).unwrap().remove(0);
        let body = String::from_utf8(request.body).unwrap();
        assert!(body.starts_with(
            "-----------------------------1234\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\na b\r\n"
        ));
        assert!(body.contains("name=\"file\"; filename=\"x.php\"\r\nContent-Type: text/php\r\n\r\n<?php\r\n"));
        assert!(body.ends_with("\r\n-----------------------------1234--\r\n"));
        assert!(header(&request.headers, "content-type").unwrap().starts_with(b"multipart/form-data"));
    }

    #[test]
    fn errors_name_the_place() {
        let wrong = requests(b"{\"log\": {\"entries\": [\n  {\"request\": {\"url\": \"http://x/\"}}]}}").unwrap_err();
        assert_eq!(wrong.line, 2);
        assert_eq!(wrong.message, "this is not a HAR file: missing field `method`");
        assert!(requests(b"{}").unwrap_err().message.contains("no entry"));
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        assert!(requests(format!("{{\"log\": {deep}}}").as_bytes()).is_err());
        let base64 = CHROME.replace("aGVsbG8=", "a");
        assert!(requests(base64.as_bytes()).unwrap_err().message.contains("entry 1: a body is not valid base64"));
    }
}
