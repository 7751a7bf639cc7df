//! The pages the gateway answers with itself. They show the request id and nothing technical.

use ulid::Ulid;

/// Form of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Plain,
}

/// What a page says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    /// Status of the answer.
    pub(crate) status: u16,
    /// Id that the client can quote.
    pub(crate) id: Ulid,
    /// Accept header of the request.
    pub(crate) accept: &'a [u8],
    /// Whether the method was HEAD: the body is left out.
    pub(crate) head_only: bool,
    /// Whether the connection ends after the answer.
    pub(crate) close: bool,
    /// Where a redirect leads.
    pub(crate) location: Option<&'a [u8]>,
}

/// Reason phrase of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Refused")
}

fn explanation(status: u16) -> &'static str {
    match status {
        400 | 505 => "The request could not be understood.",
        405 => "The method is not available here.",
        408 => "The request took too long to arrive.",
        413 => "The request is too large.",
        414 => "The address of the request is too long.",
        417 => "The expectation of the request cannot be met.",
        431 => "The headers of the request are too large.",
        500 => "The request could not be processed.",
        502 => "The application is not available. Please try again later.",
        503 => "The service is busy. Please try again later.",
        504 => "The application took too long to answer. Please try again later.",
        300..=399 => "The requested page is elsewhere.",
        _ => "The request was blocked for security reasons.",
    }
}

/// The first form that the client names; clients without a preference get plain text.
fn form(accept: &[u8]) -> Form {
    for item in accept.split(|byte| *byte == b',') {
        let kind = item.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(b"text/html") || kind.eq_ignore_ascii_case(b"application/xhtml+xml") {
            return Form::Html;
        }
        if kind.eq_ignore_ascii_case(b"application/json") || kind.to_ascii_lowercase().ends_with(b"+json") {
            return Form::Json;
        }
        if kind.eq_ignore_ascii_case(b"text/plain") {
            return Form::Plain;
        }
    }
    Form::Plain
}

impl Page<'_> {
    /// Appends the whole answer. Returns the bytes of body in it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> u64 {
        let (kind, body) = self.body();
        let reason = reason(self.status);
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nX-Request-Id: {}\r\n",
            self.status,
            body.len(),
            self.id
        );
        if self.status == 503 {
            head.push_str("Retry-After: 5\r\n");
        }
        if self.close {
            head.push_str("Connection: close\r\n");
        }
        out.extend_from_slice(head.as_bytes());
        if let Some(location) = self.location {
            out.extend_from_slice(b"Location: ");
            out.extend(location.iter().copied().filter(|byte| *byte > b' ' && *byte != 0x7f));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if self.head_only {
            return 0;
        }
        out.extend_from_slice(body.as_bytes());
        body.len() as u64
    }

    fn body(&self) -> (&'static str, String) {
        let Page { status, id, .. } = self;
        let (reason, text) = (reason(*status), explanation(*status));
        match form(self.accept) {
            Form::Html => (
                "text/html; charset=utf-8",
                format!(
                    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status} {reason}</title>\
                     <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;color:#222}}\
                     code{{background:#eee;padding:.1em .4em}}</style></head>\
                     <body><h1>{reason}</h1><p>{text}</p><p>Request id: <code>{id}</code></p></body></html>\n"
                ),
            ),
            Form::Json => (
                "application/json",
                format!("{{\"error\":{{\"status\":{status},\"message\":\"{text}\",\"request_id\":\"{id}\"}}}}\n"),
            ),
            Form::Plain => ("text/plain; charset=utf-8", format!("{status} {reason}\n{text}\nRequest id: {id}\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(accept: &str) -> String {
        let mut out = Vec::new();
        let page = Page {
            status: 403,
            id: Ulid::nil(),
            accept: accept.as_bytes(),
            head_only: false,
            close: false,
            location: None,
        };
        page.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_form_follows_accept() {
        assert!(page("text/html,application/json;q=0.9").contains("Content-Type: text/html"));
        assert!(page("application/json, text/html").contains("Content-Type: application/json"));
        assert!(page("application/problem+json").contains("Content-Type: application/json"));
        assert!(page("*/*").contains("Content-Type: text/plain"));
        assert!(page("").contains("Content-Type: text/plain"));
    }

    #[test]
    fn the_json_page_is_json_and_every_page_shows_the_id() {
        let text = page("application/json");
        let body = text.split("\r\n\r\n").nth(1).unwrap();
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(value["error"]["request_id"], Ulid::nil().to_string());
        for accept in ["text/html", "*/*"] {
            assert!(page(accept).split("\r\n\r\n").nth(1).unwrap().contains(&Ulid::nil().to_string()));
        }
    }

    #[test]
    fn a_redirect_cannot_split_the_answer() {
        let mut out = Vec::new();
        let page = Page {
            status: 302,
            id: Ulid::nil(),
            accept: b"",
            head_only: true,
            close: true,
            location: Some(b"http://x/\r\nSet-Cookie: a=b"),
        };
        assert_eq!(page.write(&mut out), 0);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("Location: http://x/Set-Cookie:a=b\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
    }
}
