//! Reads the head of a request: one strict reading of the bytes, and the bytes themselves kept.
//!
//! The parser never rewrites anything and never gives up half way: it splits what the client sent as
//! well as it can, so that the rules see it, and remembers the first [`Fault`]. A head with a fault is
//! refused whatever the rules say, so a lenient split can never become a request that the upstream
//! reads differently. Grammar: RFC 9112 sections 2 to 5, without its optional leniency (bare LF,
//! obsolete folding, white space around names).

use crate::fault::Fault;
use memchr::memchr;

/// Protocol version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1, and everything that is refused anyway.
    #[default]
    Http11,
}

/// Part of [`Head::raw`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

/// Limits of one head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    /// Bytes of the request line.
    pub(crate) request_line: usize,
    /// Bytes of the whole head.
    pub(crate) total: usize,
    /// Header lines.
    pub(crate) headers: usize,
}

/// A request head as it was sent. Reused from request to request, so that it allocates only while it
/// grows.
#[derive(Debug, Default)]
pub(crate) struct Head {
    raw: Vec<u8>,
    method: Span,
    target: Span,
    protocol: Span,
    headers: Vec<(Span, Span)>,
    /// Version of the request.
    pub(crate) version: Version,
    /// The first thing that makes this head unacceptable.
    pub(crate) fault: Option<Fault>,
}

const fn token_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    table
}

const fn value_bytes() -> [bool; 256] {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = byte == 0x09;
        byte += 1;
    }
    table[0x7f] = false;
    table
}

/// Bytes of a token: methods and header names (RFC 9110 section 5.6.2).
static TOKEN: [bool; 256] = token_bytes();
/// Bytes of a header value: everything but control characters, tab allowed.
static VALUE: [bool; 256] = value_bytes();

/// Whether the bytes are a token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// Whether the bytes may stand in a header value.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| VALUE[usize::from(*byte)])
}

/// Where the head that starts at 0 ends (after its empty line), looking only at line ends from `from`
/// on. A bare LF ends a line here, so that a malformed head is answered at once instead of at the
/// timeout.
pub(crate) fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut position = from;
    while let Some(offset) = memchr(b'\n', bytes.get(position..)?) {
        let next = position + offset + 1;
        match bytes.get(next..) {
            Some([b'\n', ..]) => return Some(next + 1),
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            _ => position = next,
        }
    }
    None
}

impl Head {
    /// Takes a head over from the bytes of the connection. `bytes` ends after the empty line, or
    /// wherever the head was given up.
    pub(crate) fn parse(&mut self, bytes: &[u8], limits: &HeadLimits) {
        self.raw.clear();
        self.raw.extend_from_slice(bytes);
        self.headers.clear();
        self.fault = None;
        self.version = Version::Http11;
        self.method = Span::default();
        self.target = Span::default();
        self.protocol = Span::default();

        let raw = std::mem::take(&mut self.raw);
        let mut lines = Lines { bytes: &raw, position: 0 };
        if let Some(line) = lines.next() {
            self.request_line(&raw, line, limits);
        }
        for line in lines {
            let text = line.span.of(&raw);
            if text.is_empty() && line.ending == Ending::CrLf {
                break;
            }
            self.header_line(&raw, line, limits);
        }
        self.raw = raw;
        self.validate_host();
    }

    fn set_fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn check_line(&mut self, raw: &[u8], line: &Line) {
        if line.ending == Ending::Lf {
            self.set_fault(Fault::malformed("a line of the head ends in a bare LF"));
        }
        let text = line.span.of(raw);
        if memchr(b'\r', text).is_some() {
            self.set_fault(Fault::malformed("the head contains a bare CR"));
        }
        if memchr(0, text).is_some() {
            self.set_fault(Fault::malformed("the head contains a NUL byte"));
        }
    }

    fn request_line(&mut self, raw: &[u8], line: Line, limits: &HeadLimits) {
        self.check_line(raw, &line);
        let text = line.span.of(raw);
        let start = line.span.start as usize;
        if text.len() > limits.request_line {
            self.set_fault(Fault::new(414, format!("the request line is longer than {} bytes", limits.request_line)));
        }
        let method_end = memchr(b' ', text).unwrap_or(text.len());
        self.method = Span::new(start, start + method_end);
        let rest = text.get(method_end + 1..).unwrap_or_default();
        let rest_start = start + (method_end + 1).min(text.len());
        // The protocol is what follows the last space, if it looks like one; HTTP/0.9 has none.
        let (target_len, protocol) = match memchr::memrchr(b' ', rest) {
            Some(space) if rest[space + 1..].get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/")) => {
                (space, Span::new(rest_start + space + 1, rest_start + rest.len()))
            }
            _ => (rest.len(), Span::default()),
        };
        self.target = Span::new(rest_start, rest_start + target_len);
        self.protocol = protocol;

        if !is_token(self.method.of(raw)) {
            self.set_fault(Fault::malformed("the request method is not a token"));
        }
        let target = self.target.of(raw);
        if target.is_empty() || target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            self.set_fault(Fault::malformed("the request target is empty or contains spaces or control characters"));
        }
        match self.protocol.of(raw) {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => self.version = Version::Http10,
            // HTTP/0.9 has no way to say its version, so one that begins with 0 is malformed.
            [b'H', b'T', b'T', b'P', b'/', b'1'..=b'9', b'.', b'0'..=b'9'] => {
                self.set_fault(Fault::new(505, "the protocol version is neither HTTP/1.0 nor HTTP/1.1"));
            }
            _ => self.set_fault(Fault::malformed("the request line does not end in HTTP/1.0 or HTTP/1.1")),
        }
    }

    fn header_line(&mut self, raw: &[u8], line: Line, limits: &HeadLimits) {
        self.check_line(raw, &line);
        let text = line.span.of(raw);
        let start = line.span.start as usize;
        if text.is_empty() {
            return;
        }
        if self.headers.len() >= limits.headers {
            self.set_fault(Fault::new(431, format!("the head has more than {} header lines", limits.headers)));
            return;
        }
        if matches!(text.first(), Some(b' ' | b'\t')) {
            self.set_fault(Fault::malformed("a header is folded over several lines"));
            return;
        }
        let Some(colon) = memchr(b':', text) else {
            self.set_fault(Fault::malformed("a header line has no colon"));
            return;
        };
        let name = &text[..colon];
        if matches!(name.last(), Some(b' ' | b'\t')) {
            self.set_fault(Fault::malformed("white space stands between a header name and its colon"));
        } else if !is_token(name) {
            self.set_fault(Fault::malformed("a header name is not a token"));
        }
        let value = &text[colon + 1..];
        if !is_value(value) {
            self.set_fault(Fault::malformed("a header value contains control characters"));
        }
        let leading = value.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let trailing = value[leading..].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let value_start = start + colon + 1;
        self.headers.push((
            Span::new(start, start + name.trim_ascii_end().len()),
            Span::new(value_start + leading, value_start + value.len() - trailing),
        ));
    }

    /// HTTP/1.1 wants exactly one Host (RFC 9112 section 3.2).
    fn validate_host(&mut self) {
        let count = self.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"host")).count();
        if count > 1 {
            self.set_fault(Fault::malformed("there is more than one Host header"));
        } else if count == 0 && self.version == Version::Http11 {
            self.set_fault(Fault::malformed("an HTTP/1.1 request has no Host header"));
        }
    }

    /// The method as sent.
    pub(crate) fn method(&self) -> &[u8] {
        self.method.of(&self.raw)
    }

    /// The request target as sent.
    pub(crate) fn target(&self) -> &[u8] {
        self.target.of(&self.raw)
    }

    /// The protocol as sent; empty where there is none.
    pub(crate) fn protocol(&self) -> &[u8] {
        self.protocol.of(&self.raw)
    }

    /// All headers in order: name and value, white space around the value removed.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.iter().map(|(name, value)| (name.of(&self.raw), value.of(&self.raw)))
    }

    /// Value of the first header with this name, in any case.
    pub(crate) fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a comma-separated header contains the token, in any case.
    pub(crate) fn header_has_token(&self, name: &[u8], token: &[u8]) -> bool {
        self.headers()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
    }

    /// Whether the connection may serve another request after this one.
    pub(crate) fn keep_alive(&self) -> bool {
        match self.version {
            Version::Http11 => !self.header_has_token(b"connection", b"close"),
            Version::Http10 => self.header_has_token(b"connection", b"keep-alive"),
        }
    }
}

impl Span {
    /// Heads are limited far below 4 GiB.
    fn new(start: usize, end: usize) -> Self {
        Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    fn of(self, raw: &[u8]) -> &[u8] {
        raw.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    CrLf,
    Lf,
    /// The head was given up inside this line.
    Missing,
}

struct Line {
    span: Span,
    ending: Ending,
}

struct Lines<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
        let start = self.position;
        let (end, ending) = match memchr(b'\n', rest) {
            None => (start + rest.len(), Ending::Missing),
            Some(offset) if offset > 0 && rest[offset - 1] == b'\r' => (start + offset - 1, Ending::CrLf),
            Some(offset) => (start + offset, Ending::Lf),
        };
        self.position = match ending {
            Ending::Missing => end,
            Ending::CrLf => end + 2,
            Ending::Lf => end + 1,
        };
        Some(Line { span: Span::new(start, end), ending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { request_line: 8192, total: 65536, headers: 100 };

    fn parse(bytes: &[u8]) -> Head {
        let mut head = Head::default();
        head.parse(bytes, &LIMITS);
        head
    }

    #[test]
    fn bytes_reach_the_engine_as_they_were_sent() {
        let head = parse(b"GET /?a=<script>\"\xff{| HTTP/1.1\r\nHost: x\r\nX-Odd: \t a\xfe b \r\n\r\n");
        assert_eq!(head.fault, None);
        assert_eq!(head.method(), b"GET");
        assert_eq!(head.target(), b"/?a=<script>\"\xff{|");
        assert_eq!(head.protocol(), b"HTTP/1.1");
        assert_eq!(head.header(b"x-odd"), Some(&b"a\xfe b"[..]));
    }

    #[test]
    fn every_ambiguous_head_has_a_fault() {
        let cases: &[(&str, &[u8])] = &[
            ("bare LF", b"GET / HTTP/1.1\nHost: x\r\n\r\n"),
            ("bare LF in a header", b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"),
            ("bare CR", b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"),
            ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("NUL in a value", b"GET / HTTP/1.1\r\nHost: x\0\r\n\r\n"),
            ("folding", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
            ("folding of the first header", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n"),
            ("space before the colon", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
            ("no colon", b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n"),
            ("empty name", b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"),
            ("two spaces", b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("space in the target", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("tab as separator", b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("no protocol", b"GET /\r\nHost: x\r\n\r\n"),
            ("lower-case protocol", b"GET / http/1.1\r\nHost: x\r\n\r\n"),
            ("other version", b"GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
            ("no host", b"GET / HTTP/1.1\r\nA: x\r\n\r\n"),
            ("two hosts", b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
            ("bad method", b"G<T / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("nothing", b"\r\n"),
        ];
        for (name, bytes) in cases {
            assert!(parse(bytes).fault.is_some(), "{name}");
        }
    }

    #[test]
    fn a_head_with_a_fault_is_still_split_for_the_rules() {
        let head = parse(b"POST /x HTTP/1.1\r\nContent-Length : 3\r\nHost: a\r\nbroken\r\nB: c\r\n\r\n");
        assert!(head.fault.is_some());
        assert_eq!(head.method(), b"POST");
        assert_eq!(head.header(b"content-length"), Some(&b"3"[..]));
        assert_eq!(head.header(b"b"), Some(&b"c"[..]));
    }

    #[test]
    fn limits_are_faults_with_their_status() {
        let limits = HeadLimits { request_line: 20, total: 65536, headers: 1 };
        let mut head = Head::default();
        head.parse(b"GET /aaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\n\r\n", &limits);
        assert_eq!(head.fault.as_ref().unwrap().status, 414);
        head.parse(b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n", &limits);
        assert_eq!(head.fault.as_ref().unwrap().status, 431);
    }

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_split() {
        let bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
        let end = bytes.len() - 4;
        for cut in 0..bytes.len() {
            let found = find_end(&bytes[..cut], 0);
            assert_eq!(found, (cut >= end).then_some(end), "cut at {cut}");
        }
        assert_eq!(find_end(b"GET /\n\n", 0), Some(7));
        assert_eq!(find_end(b"GET /\n\r\n", 0), Some(8));
    }
}
