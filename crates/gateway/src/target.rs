//! The request target: which form it has, and how it is written for the upstream.

use crate::fault::Fault;
use crate::head::Head;

/// What a target names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// Authority of an absolute-form target, else of the Host header; empty if there is neither.
    pub(crate) host: &'a [u8],
    /// Path and query; may be empty in absolute form.
    pub(crate) path: &'a [u8],
}

/// Splits the target of a request.
///
/// # Errors
/// A form that a server does not serve, or one that names another host than the Host header does.
pub(crate) fn of(head: &Head) -> Result<Target<'_>, Fault> {
    let host = head.header(b"host").unwrap_or_default();
    if !host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(byte)) {
        return Err(Fault::malformed("the Host header contains bytes that no host name has"));
    }
    let target = head.target();
    if target.contains(&b'#') {
        // Some servers cut it off, others take it as a part of the path.
        return Err(Fault::malformed("the request target has a fragment"));
    }
    if head.method() == b"CONNECT" {
        return authority(target);
    }
    if target.first() == Some(&b'/') {
        return Ok(Target { host, path: target });
    }
    if target == b"*" && head.method() == b"OPTIONS" {
        return Ok(Target { host, path: target });
    }
    let Some(rest) = strip_scheme(target) else {
        return Err(Fault::malformed("the request target is neither a path nor an http URL"));
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || !authority.eq_ignore_ascii_case(host) {
        return Err(Fault::malformed("the request target and the Host header name different hosts"));
    }
    Ok(Target { host, path })
}

/// The target of CONNECT: a host and a port.
fn authority(target: &[u8]) -> Result<Target<'_>, Fault> {
    let split = target.iter().rposition(|byte| *byte == b':').map(|colon| target.split_at(colon));
    match split {
        Some((host, [_, port @ ..])) if !host.is_empty() && !port.is_empty() && port.iter().all(u8::is_ascii_digit) => {
            Ok(Target { host, path: b"" })
        }
        _ => Err(Fault::malformed("the target of CONNECT is not a host and a port")),
    }
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"]
        .iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .map(|scheme| &target[scheme.len()..])
}

/// Bytes that may stand in a path or query as they are (RFC 3986: pchar, `/`, `?`, and `%` itself;
/// brackets too, which everybody sends and accepts).
const fn allowed() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b':'
                    | b'@'
                    | b'/'
                    | b'?'
                    | b'%'
                    | b'['
                    | b']'
            );
        byte += 1;
    }
    table
}

static ALLOWED: [bool; 256] = allowed();

/// Writes path and query for the upstream: illegal bytes percent-encoded, everything else untouched.
pub(crate) fn write_encoded(path: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if path.first() != Some(&b'/') && path != b"*" {
        out.push(b'/');
    }
    if path.iter().all(|byte| ALLOWED[usize::from(*byte)]) {
        out.extend_from_slice(path);
        return;
    }
    for byte in path.iter().copied() {
        if ALLOWED[usize::from(byte)] {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::HeadLimits;

    fn head(text: &[u8]) -> Head {
        let mut head = Head::default();
        head.parse(text, &HeadLimits { request_line: 1000, total: 10_000, headers: 10 });
        head
    }

    #[test]
    fn illegal_bytes_are_encoded_and_legal_ones_untouched() {
        let mut out = Vec::new();
        write_encoded(b"/a%20b/[x]?q=<script>\"\xff#f&c=%zz", &mut out);
        assert_eq!(out, b"/a%20b/[x]?q=%3Cscript%3E%22%FF%23f&c=%zz");
        out.clear();
        write_encoded(b"?q", &mut out);
        assert_eq!(out, b"/?q");
    }

    #[test]
    fn absolute_form_must_agree_with_host() {
        let same = head(b"GET http://a.example/x?y HTTP/1.1\r\nHost: A.example\r\n\r\n");
        assert_eq!(of(&same).unwrap().path, b"/x?y");
        let other = head(b"GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert!(of(&other).is_err());
    }

    #[test]
    fn other_forms_are_refused() {
        assert!(of(&head(b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n")).is_err());
        assert!(of(&head(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n")).is_err());
        assert!(of(&head(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).is_ok());
        assert!(of(&head(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")).is_err());
        assert!(of(&head(b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")).is_err());
        assert!(of(&head(b"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n")).is_err());
    }

    #[test]
    fn connect_names_a_host_and_a_port() {
        let connect =
            |target: &str| of(&head(format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())).is_ok();
        assert!(connect("a.example:443") && connect("[::1]:443"));
        for target in ["a.example", "a.example:", ":443", "a.example:https", "/"] {
            assert!(!connect(target), "{target}");
        }
    }
}
