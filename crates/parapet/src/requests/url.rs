//! Splits URLs into what goes to the server, without repairing them: rules judge what is odd.

/// The parts of an `http` or `https` URL that reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// `user:password`, if the URL has it.
    pub(super) credentials: Option<&'a [u8]>,
    /// Host, and port if the URL names one.
    pub(super) authority: &'a [u8],
    /// Path, which begins with `/`.
    pub(super) path: Vec<u8>,
    /// What stands between `?` and `#`.
    pub(super) query: Option<&'a [u8]>,
}

impl<'a> Url<'a> {
    /// Reads a URL. One without a scheme is an `http` one, as curl takes it; `None` for other schemes
    /// and for one without a host.
    pub(super) fn parse(text: &'a [u8]) -> Option<Url<'a>> {
        let scheme_ends = text.windows(3).position(|window| window == b"://");
        let rest = match scheme_ends.map(|at| text.split_at(at)) {
            Some((scheme, rest)) if scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)) => {
                let known = [&b"http"[..], b"https", b"ws", b"wss"];
                known.iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
                rest.get(3..)?
            }
            _ => text,
        };
        let authority_ends = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, local) = rest.split_at(authority_ends);
        let (credentials, authority) = match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => (authority.get(..at), authority.get(at + 1..)?),
            None => (None, authority),
        };
        let host_ends = authority.iter().position(|byte| *byte == b']').unwrap_or(0);
        let host_ends = authority.iter().skip(host_ends).position(|byte| *byte == b':').map(|at| host_ends + at);
        let (host, port) = authority.split_at(host_ends.unwrap_or(authority.len()));
        if host.is_empty() || !port.iter().skip(1).all(u8::is_ascii_digit) {
            return None;
        }
        let local = local.split(|byte| *byte == b'#').next().unwrap_or_default();
        let (path, query) = match local.iter().position(|byte| *byte == b'?') {
            Some(at) => (local.get(..at)?, local.get(at + 1..)),
            None => (local, None),
        };
        let path = if path.is_empty() { b"/".to_vec() } else { path.to_vec() };
        Some(Url { credentials, authority, path, query })
    }

    /// The request target: path and query.
    pub(super) fn target(&self) -> Vec<u8> {
        let mut target = self.path.clone();
        if let Some(query) = self.query {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        target
    }
}

/// Resolves `.` and `..` in a path (RFC 3986 section 5.2.4), as curl does before it sends one.
pub(super) fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    kept.pop();
                }
                if is_last {
                    kept.push(b"");
                }
            }
            other => kept.push(other),
        }
    }
    kept.iter().flat_map(|segment| [b"/", *segment].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_and_not_repaired() {
        let url = Url::parse(b"https://u:p@h.example:8443/a//b;c?q=<x>&r=http://y/#top").unwrap();
        assert_eq!(url.credentials, Some(&b"u:p"[..]));
        assert_eq!(url.authority, b"h.example:8443");
        assert_eq!(url.target(), b"/a//b;c?q=<x>&r=http://y/");
        assert_eq!(Url::parse(b"h?x").unwrap().target(), b"/?x");
        assert_eq!(Url::parse(b"localhost:3000/p").unwrap().authority, b"localhost:3000");
        assert_eq!(Url::parse(b"h/?u=http://x/").unwrap().target(), b"/?u=http://x/");
        assert_eq!(Url::parse(b"http://[::1]:80/").unwrap().authority, b"[::1]:80");
        for wrong in [
            &b""[..],
            b"http://",
            b"/path",
            b"data:,x/://",
            b"blob:https://x/1",
            b"chrome-extension://abc/x.js",
            b"file:///etc/passwd",
            b"http://:80/",
        ] {
            assert_eq!(Url::parse(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn dot_segments_are_resolved() {
        let resolved = |path: &str| String::from_utf8(without_dots(path.as_bytes())).unwrap();
        assert_eq!(resolved("/a/../../etc/passwd"), "/etc/passwd");
        assert_eq!(resolved("/a/./b/.."), "/a/");
        assert_eq!(resolved("/a//b"), "/a//b");
        assert_eq!(resolved("/a/%2e%2e/b"), "/a/%2e%2e/b");
        assert_eq!(resolved("/"), "/");
    }
}
