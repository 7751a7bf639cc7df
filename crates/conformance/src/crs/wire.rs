//! What goes over the wire for a stage: the rules of go-ftw 2 (`ftwhttp/request.go`). The runner of
//! the CRS 3 suite differs in one thing: it sends `Content-Length` only where there is a body.

use super::schema::{Data, Input, Schema, Stage};
use super::template;

const FORM: &str = "application/x-www-form-urlencoded";

/// The bytes of the request.
///
/// # Errors
/// When the test itself is invalid; the text says why.
pub(crate) fn request(stage: &Stage) -> Result<Vec<u8>, String> {
    let input = &stage.input;
    if let Some(raw) = input.raw()? {
        return Ok(raw);
    }
    let method = input.method.as_deref().unwrap_or("GET");
    let uri = input.uri.as_deref().unwrap_or("/");
    let version = input.version.as_deref().unwrap_or("HTTP/1.1");
    let mut headers = input.headers();
    let mut body = body(input)?;
    if input.autocompletes() {
        if !body.is_empty() {
            if !has(&headers, "Content-Type") {
                headers.push(("Content-Type".to_owned(), FORM.to_owned()));
            }
            let is_form = |(name, value): &(String, String)| {
                name.eq_ignore_ascii_case("Content-Type") && value.eq_ignore_ascii_case(FORM)
            };
            if headers.iter().any(is_form) {
                body = escape_form(body);
            }
        }
        body = end_lines_of_multipart(&headers, body);
        let may_have_body = stage.schema == Schema::Four && has_body_method(method);
        add_standard_headers(&mut headers, may_have_body, body.len());
    } else {
        body = end_lines_of_multipart(&headers, body);
    }
    let mut bytes = format!("{method} {uri} {version}\r\n").into_bytes();
    for (name, value) in &headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn body(input: &Input) -> Result<Vec<u8>, String> {
    if let Some(data) = input.encoded_data()? {
        return Ok(data);
    }
    let text = match &input.data {
        None => return Ok(Vec::new()),
        Some(Data::Text(text)) => text.clone(),
        Some(Data::Lines(lines)) => lines.join("\r\n"),
    };
    Ok(template::expand(&text).unwrap_or(text).into_bytes())
}

fn has(headers: &[(String, String)], name: &str) -> bool {
    headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// go-ftw's expression `^POST|PUT|PATCH|DELETE$`, which anchors only its first and last alternative.
fn has_body_method(method: &str) -> bool {
    method.starts_with("POST") || method.contains("PUT") || method.contains("PATCH") || method.ends_with("DELETE")
}

/// `Connection: close` and `Content-Length`, and nothing else: no `Host`, no `User-Agent`.
fn add_standard_headers(headers: &mut Vec<(String, String)>, may_have_body: bool, length: usize) {
    if !has(headers, "Connection") {
        headers.push(("Connection".to_owned(), "close".to_owned()));
    }
    if !has(headers, "Content-Length") && (length > 0 || may_have_body) {
        headers.push(("Content-Length".to_owned(), length.to_string()));
    }
}

/// Escapes keys and values unless unescaping would change the text, which go-ftw takes as the sign
/// that they are escaped already.
fn escape_form(body: Vec<u8>) -> Vec<u8> {
    if body.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return body;
    }
    let mut out = Vec::with_capacity(body.len());
    // As in go-ftw, a trailing separator does not survive.
    let body = body.strip_suffix(b"&").unwrap_or(&body);
    for (position, token) in body.split(|byte| *byte == b'&').enumerate() {
        if position > 0 {
            out.push(b'&');
        }
        let equals = token.iter().position(|byte| *byte == b'=');
        let (key, value) = token.split_at(equals.unwrap_or(token.len()));
        escape_into(&mut out, key);
        if let Some(value) = value.strip_prefix(b"=") {
            out.push(b'=');
            escape_into(&mut out, value);
        }
    }
    out
}

/// Go's `url.QueryEscape`.
fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
}

/// In a multipart body every line feed becomes CR LF, also where a CR stands before it already.
fn end_lines_of_multipart(headers: &[(String, String)], body: Vec<u8>) -> Vec<u8> {
    let is_multipart = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("Content-Type") && value.to_ascii_lowercase().contains("multipart/form-data;")
    };
    if !headers.iter().any(is_multipart) {
        return body;
    }
    let mut out = Vec::with_capacity(body.len() + body.len() / 16);
    for byte in body {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(yaml: &str) -> String {
        sent(yaml, Schema::Four)
    }

    fn sent(yaml: &str, schema: Schema) -> String {
        let stage = Stage { schema, input: serde_yaml_ng::from_str(yaml).unwrap(), ..Stage::default() };
        String::from_utf8(request(&stage).unwrap()).unwrap()
    }

    #[test]
    fn the_older_suite_sends_a_length_only_with_a_body() {
        assert!(sent("{method: POST}", Schema::Four).contains("Content-Length: 0"));
        assert!(!sent("{method: POST}", Schema::Three).contains("Content-Length"));
    }

    #[test]
    fn headers_are_sorted_and_completed_but_no_host_is_invented() {
        let sent = wire("{method: POST, uri: /x, headers: {Host: a, Accept: 300}, data: 'a=b c&d'}");
        assert_eq!(
            sent,
            "POST /x HTTP/1.1\r\nAccept: 300\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Connection: close\r\nContent-Length: 7\r\n\r\na=b+c&d"
        );
        assert_eq!(wire("{version: ''}"), "GET / \r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn escaped_forms_stay_and_nothing_is_added_without_autocompletion() {
        assert!(wire("{data: 'a=%41'}").ends_with("\r\n\r\na=%41"));
        let sent = wire("{method: POST, autocomplete_headers: false, data: 'a=b c'}");
        assert_eq!(sent, "POST / HTTP/1.1\r\n\r\na=b c");
    }

    #[test]
    fn multipart_lines_end_in_crlf_and_crlf_in_crcrlf() {
        let sent = wire("{headers: {Content-Type: 'multipart/form-data; boundary=x'}, data: \"a\\nb\\r\\nc\"}");
        assert!(sent.ends_with("Content-Length: 8\r\n\r\na\r\nb\r\r\nc"), "{sent:?}");
    }
}
