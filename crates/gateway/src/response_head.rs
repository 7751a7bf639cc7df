//! Reads the head of an upstream's response.
//!
//! Upstreams are the operator's own, so the header block is read with `httparse` and its leniency (bare
//! LF). Framing is as strict as for requests: a response that two readers could frame differently must
//! not reach a client whose connection is kept.

use crate::framing::{self, Framing};
use std::mem::MaybeUninit;

/// Most header lines of a response.
const HEADERS_MAX: usize = 256;

/// What the head of a response says about the rest. Its bytes stay in the input buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// Status code.
    pub(crate) status: u16,
    /// Bytes of the head.
    pub(crate) length: usize,
    /// How the body is delimited, if the response to this method has one.
    pub(crate) framing: Framing,
    /// Whether the connection can serve another request after the body.
    pub(crate) keep_alive: bool,
}

/// Whether a response to `method` with `status` has a body at all (RFC 9112 section 6.3).
pub(crate) fn has_body(method: &[u8], status: u16) -> bool {
    method != b"HEAD" && !(100..200).contains(&status) && status != 204 && status != 304
}

/// Reads the head at the start of `input`; `None` while it is incomplete.
///
/// # Errors
/// What is malformed.
pub(crate) fn parse(input: &[u8]) -> Result<Option<ResponseHead>, &'static str> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut response, input, &mut headers) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("sends too many headers"),
        Err(_) => return Err("sends something that is not an HTTP response"),
    };
    let status = response.code.unwrap_or_default();
    if !(100..600).contains(&status) {
        return Err("sends a status that does not exist");
    }
    let http11 = response.version == Some(1);
    let (mut chunked, mut body_length) = (false, None);
    let (mut close, mut keep_alive) = (false, false);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err("sends a Transfer-Encoding that is not exactly \"chunked\"");
            }
            chunked = true;
        } else if header.name.eq_ignore_ascii_case("content-length") {
            let value = framing::parse_length(header.value.trim_ascii())
                .ok_or("sends a Content-Length that is not a number")?;
            if body_length.is_some_and(|other| other != value) {
                return Err("sends two different Content-Lengths");
            }
            body_length = Some(value);
        } else if header.name.eq_ignore_ascii_case("connection") {
            let has =
                |token: &[u8]| header.value.split(|b| *b == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(token));
            close |= has(b"close");
            keep_alive |= has(b"keep-alive");
        }
    }
    let framing = match (chunked, body_length) {
        (true, Some(_)) => return Err("sends both Content-Length and Transfer-Encoding"),
        (true, None) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    };
    let keep_alive = !close && (http11 || keep_alive);
    Ok(Some(ResponseHead { status, length, framing, keep_alive }))
}

/// Calls `use_headers` with the headers of a complete head.
pub(crate) fn with_headers<'h, T>(
    head: &'h [u8],
    use_headers: impl FnOnce(&mut dyn Iterator<Item = (&'h [u8], &'h [u8])>) -> T,
) -> Option<T> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    config.parse_response_with_uninit_headers(&mut response, head, &mut headers).ok()?;
    let mut iterator = response.headers.iter().map(|header| (header.name.as_bytes(), header.value));
    Some(use_headers(&mut iterator))
}

/// Calls `each` with every header of a complete head.
pub(crate) fn for_each_header<'h>(head: &'h [u8], mut each: impl FnMut(&'h [u8], &'h [u8])) {
    with_headers(head, |headers| headers.for_each(|(name, value)| each(name, value)));
}

/// Names in the Connection headers, if they name more than the connection's own options.
pub(crate) fn connection_tokens(head: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Vec::new();
    for_each_header(head, |name, value| {
        if name.eq_ignore_ascii_case(b"connection") {
            let items = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            tokens
                .extend(items.filter(|t| !t.eq_ignore_ascii_case(b"close") && !t.eq_ignore_ascii_case(b"keep-alive")));
        }
    });
    tokens
}

/// The first line of a head.
pub(crate) fn status_line(head: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    head[..end].trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_follows_the_headers() {
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap().unwrap();
        assert_eq!((head.status, head.length, head.framing, head.keep_alive), (200, 38, Framing::Length(5), true));
        let head =
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.framing, head.keep_alive), (Framing::Chunked, false));
        let head = parse(b"HTTP/1.0 200 OK\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.framing, head.keep_alive), (Framing::UntilClose, false));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent-"), Ok(None));
    }

    #[test]
    fn ambiguous_responses_are_refused() {
        for head in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 999 OK\r\n\r\n",
            b"nonsense\r\n\r\n",
        ] {
            assert!(parse(head).is_err(), "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn some_responses_never_have_a_body() {
        assert!(!has_body(b"HEAD", 200));
        assert!(!has_body(b"GET", 204));
        assert!(!has_body(b"GET", 304));
        assert!(has_body(b"GET", 200));
    }
}
