//! The HTTP/1 server in front of the engine: which requests reach it, and how.
//!
//! The suite is written for a strict HTTP server (its statuses are those of Apache httpd with
//! `HttpProtocolOptions Strict`), so requests that such a server refuses are refused here: RFC 9112
//! framing and grammar, no fragment in the target, a port in the target of CONNECT.

/// A request that reached the engine, as raw as it was sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'r> {
    pub(crate) method: &'r [u8],
    pub(crate) target: &'r [u8],
    pub(crate) protocol: &'r [u8],
    pub(crate) headers: Vec<(&'r [u8], Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Why a request did not reach the engine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Answered with 400; the text says why.
    BadRequest(&'static str),
    /// The connection ends without a response that HTTP/1 clients understand.
    NoResponse,
}

/// Header lines of one request at most.
const MAX_HEADERS: usize = 1_000;

use Refusal::{BadRequest, NoResponse};

/// Reads one request; bytes after it are of no interest.
pub(crate) fn parse(bytes: &[u8]) -> Result<Request<'_>, Refusal> {
    let mut rest = bytes;
    // RFC 9112 §2.2: empty lines before the request line are ignored.
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        rest = after;
    }
    let (line, rest) = line(rest)?.ok_or(NoResponse)?;
    let (method, target, protocol) = request_line(line)?;
    let (headers, rest) = headers(rest)?;
    let mut request = Request { method, target, protocol, headers, body: Vec::new() };
    check_target(&request)?;
    check_host(&request)?;
    request.body = body(&mut request.headers, rest)?;
    Ok(request)
}

type Line<'r> = (&'r [u8], &'r [u8]);

/// A line without its CR LF, and what follows it; `None` if there is none.
fn line(bytes: &[u8]) -> Result<Option<Line<'_>>, Refusal> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let (line, rest) = bytes.split_at(end);
    let line = line.strip_suffix(b"\r").ok_or(BadRequest("a line ends in LF alone"))?;
    Ok(Some((line, rest.get(1..).unwrap_or_default())))
}

/// Method, target, protocol.
type RequestLine<'r> = (&'r [u8], &'r [u8], &'r [u8]);

fn request_line(line: &[u8]) -> Result<RequestLine<'_>, Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(protocol), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(BadRequest("the request line does not have three parts"));
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(BadRequest("the method is not a token"));
    }
    if protocol.is_empty() {
        // As HTTP/0.9: what comes back has no status line.
        return Err(NoResponse);
    }
    match protocol.strip_prefix(b"HTTP/") {
        Some([b'1'..=b'9', b'.', b'0'..=b'9']) => Ok((method, target, protocol)),
        _ => Err(BadRequest("the protocol version is not HTTP/1.0 or later")),
    }
}

type Headers<'r> = Vec<(&'r [u8], Vec<u8>)>;

fn headers(mut rest: &[u8]) -> Result<(Headers<'_>, &[u8]), Refusal> {
    let mut found: Headers<'_> = Vec::new();
    loop {
        let (text, next) = line(rest)?.ok_or(BadRequest("the header block does not end"))?;
        rest = next;
        if text.is_empty() {
            return Ok((found, rest));
        }
        if text.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err(BadRequest("a header line contains a control character"));
        }
        if matches!(text.first(), Some(b' ' | b'\t')) {
            let Some((_, value)) = found.last_mut() else {
                return Err(BadRequest("the first header line begins with a blank"));
            };
            value.push(b' ');
            value.extend_from_slice(text.trim_ascii());
            continue;
        }
        let colon = text.iter().position(|byte| *byte == b':').ok_or(BadRequest("a header line has no colon"))?;
        let (name, value) = text.split_at(colon);
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(BadRequest("a header name is not a token"));
        }
        if found.len() >= MAX_HEADERS {
            return Err(BadRequest("too many header lines"));
        }
        found.push((name, value.get(1..).unwrap_or_default().trim_ascii().to_vec()));
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The forms of RFC 9112 §3.2. Bytes that a URI may not contain pass, because rules judge them.
fn check_target(request: &Request<'_>) -> Result<(), Refusal> {
    let target = request.target;
    if target.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return Err(BadRequest("the target contains a control character"));
    }
    if target.contains(&b'#') {
        return Err(BadRequest("the target contains a fragment"));
    }
    if request.method == b"CONNECT" {
        let port = target.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let has_port = target.contains(&b':') && !port.is_empty() && port.iter().all(u8::is_ascii_digit);
        return if has_port { Ok(()) } else { Err(BadRequest("CONNECT needs a host and a port")) };
    }
    let is_asterisk = request.method == b"OPTIONS" && target == b"*";
    let has_scheme =
        target.windows(3).any(|part| part == b"://") && target.first().is_some_and(u8::is_ascii_alphabetic);
    // A query without a path is an empty path to lenient servers, so the rules get to see it.
    if matches!(target.first(), Some(b'/' | b'?')) || is_asterisk || has_scheme {
        Ok(())
    } else {
        Err(BadRequest("the target is neither a path nor a URI"))
    }
}

/// HTTP/1.1 needs exactly one host; an escape in a host name is never legitimate.
fn check_host(request: &Request<'_>) -> Result<(), Refusal> {
    let mut hosts = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"Host"));
    let host = hosts.next().map(|(_, value)| value.as_slice());
    if hosts.next().is_some() {
        return Err(BadRequest("there are several Host headers"));
    }
    let is_old = request.protocol == b"HTTP/1.0";
    match host {
        None | Some(b"") if !is_old => Err(BadRequest("there is no Host")),
        Some(host) if host.iter().any(|byte| matches!(byte, b'%' | b' ' | b'/')) => {
            Err(BadRequest("the Host contains a character that no host name has"))
        }
        _ => Ok(()),
    }
}

/// Framing by RFC 9112 §6.3: chunked wins over a length, which then is removed.
fn body(headers: &mut Headers<'_>, rest: &[u8]) -> Result<Vec<u8>, Refusal> {
    let value_of = |wanted: &[u8]| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.clone())
    };
    if let Some(encoding) = value_of(b"Transfer-Encoding") {
        if !encoding.eq_ignore_ascii_case(b"chunked") {
            return Err(BadRequest("the transfer encoding is unknown"));
        }
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(b"Content-Length"));
        return chunks(rest);
    }
    let Some(length) = value_of(b"Content-Length") else { return Ok(Vec::new()) };
    let length = std::str::from_utf8(&length).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length: usize =
        length.and_then(|text| text.parse().ok()).ok_or(BadRequest("the content length is no number"))?;
    // The server waits for the rest until the client gives up.
    rest.get(..length).map(<[u8]>::to_vec).ok_or(NoResponse)
}

fn chunks(mut rest: &[u8]) -> Result<Vec<u8>, Refusal> {
    const MALFORMED: Refusal = BadRequest("a chunk is malformed");
    let mut body = Vec::new();
    loop {
        let (text, next) = line(rest)?.ok_or(MALFORMED)?;
        let digits = text.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
        let length = digits.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or(MALFORMED)?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(next.get(..length).ok_or(MALFORMED)?);
        let after = next.get(length..).unwrap_or_default();
        rest = after.strip_prefix(b"\r\n").ok_or(MALFORMED)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> u16 {
        match parse(request.as_bytes()) {
            Ok(_) => 200,
            Err(BadRequest(_)) => 400,
            Err(NoResponse) => 0,
        }
    }

    #[test]
    fn a_request_reaches_the_engine_as_it_was_sent() {
        let request =
            parse(b"POST /a?<b>=\\ HTTP/4.0\r\nHost:  x \r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nabc").unwrap();
        assert_eq!((request.method, request.target), (&b"POST"[..], &b"/a?<b>=\\"[..]));
        assert_eq!(request.headers[0], (&b"Host"[..], b"x".to_vec()));
        assert_eq!(request.headers[1].1, b"a b");
        assert_eq!(request.body, b"ab");
    }

    #[test]
    fn chunks_are_joined_and_win_over_a_length() {
        let request = parse(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nHi \r\n3;x\r\nCRS\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!(request.body, b"Hi CRS");
        assert_eq!(request.headers.len(), 2);
    }

    #[test]
    fn malformed_requests_are_refused() {
        for request in [
            "\tGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / JUNK/1.0\r\nHost: x\r\n\r\n",
            "GET / HTTP/0.9\r\nHost: x\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /#a HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET \\ HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x%00\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3x\r\n\r\n",
            "CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\nHost: x\n\n",
        ] {
            assert_eq!(status(request), 400, "{request:?}");
        }
        assert_eq!(status("GET / \r\nHost: x\r\n\r\n"), 0);
        assert_eq!(status("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab"), 0);
        assert_eq!(status("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
        assert_eq!(status("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
        assert_eq!(status("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    }
}
