//! The one place that decides where a request body ends.
//!
//! RFC 9112 section 6.3 allows a proxy to repair some ambiguous messages. This one does not: a message
//! that two readers could frame differently is refused, because that difference is request smuggling.

use crate::fault::Fault;
use crate::head::{Head, Version};

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Everything until the connection ends; responses only.
    UntilClose,
}

/// Frames a request.
pub(crate) fn of_request(head: &Head) -> Result<Framing, Fault> {
    let mut length = None;
    let mut chunked = false;
    for (name, value) in head.headers() {
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some() {
                return Err(Fault::malformed("there is more than one Content-Length header"));
            }
            length = Some(parse_length(value).ok_or_else(|| Fault::malformed("Content-Length is not one number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked {
                return Err(Fault::malformed("there is more than one Transfer-Encoding header"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::malformed("Transfer-Encoding is something else than exactly \"chunked\""));
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Fault::malformed("there are both Content-Length and Transfer-Encoding")),
        (None, true) if head.version == Version::Http10 => {
            Err(Fault::malformed("an HTTP/1.0 request has Transfer-Encoding"))
        }
        (None, true) => Ok(Framing::Chunked),
        (None | Some(0), false) => Ok(Framing::Empty),
        (Some(length), false) => Ok(Framing::Length(length)),
    }
}

/// A decimal number of at most 18 digits: no sign, no list, no white space.
pub(crate) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::HeadLimits;

    fn frame(headers: &str) -> Result<Framing, Fault> {
        frame_version("HTTP/1.1", headers)
    }

    fn frame_version(version: &str, headers: &str) -> Result<Framing, Fault> {
        let mut head = Head::default();
        let text = format!("POST / {version}\r\nHost: x\r\n{headers}\r\n");
        head.parse(text.as_bytes(), &HeadLimits { request_line: 100, total: 10_000, headers: 10 });
        of_request(&head)
    }

    #[test]
    fn one_reading_is_accepted() {
        assert_eq!(frame(""), Ok(Framing::Empty));
        assert_eq!(frame("Content-Length: 0\r\n"), Ok(Framing::Empty));
        assert_eq!(frame("Content-Length: 12\r\n"), Ok(Framing::Length(12)));
        assert_eq!(frame("transfer-encoding: Chunked\r\n"), Ok(Framing::Chunked));
    }

    #[test]
    fn two_readings_are_refused() {
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 9999999999999999999\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
        ] {
            assert!(frame(headers).is_err(), "{headers:?}");
        }
        assert!(frame_version("HTTP/1.0", "Transfer-Encoding: chunked\r\n").is_err());
    }
}
