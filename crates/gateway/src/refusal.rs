//! What the gateway itself has against a request, whatever the rules say of it.

use crate::config::Limits;
use crate::fault::Fault;
use crate::framing;
use crate::head::{Head, HeadLimits};
use crate::target;

/// Whether a head whose framing is clear asks for something that is served.
pub(crate) fn check(head: &Head) -> Result<(), Fault> {
    target::of(head)?;
    if head.method() == b"CONNECT" {
        return Err(Fault::new(405, "CONNECT is not served"));
    }
    match head.header(b"expect") {
        Some(expect) if !expect.eq_ignore_ascii_case(b"100-continue") => {
            Err(Fault::new(417, "the Expect header is something else than 100-continue"))
        }
        _ => Ok(()),
    }
}

/// Status and reason with which the gateway refuses a request with this head: request line, headers and
/// the empty line, as they are sent. `None` if it has nothing against it.
pub fn refusal(head: &[u8], limits: &Limits) -> Option<(u16, String)> {
    let limits =
        HeadLimits { request_line: limits.request_line_bytes, total: limits.head_bytes, headers: limits.headers };
    let mut parsed = Head::default();
    parsed.parse(head, &limits);
    let fault = parsed.fault.clone();
    let fault = fault.or_else(|| framing::of_request(&parsed).err()).or_else(|| check(&parsed).err())?;
    Some((fault.status, fault.message.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_with_two_readings_are_refused_and_attacks_are_left_to_the_rules() {
        let refused = |head: &str| refusal(head.as_bytes(), &Limits::default()).map(|(status, _)| status);
        assert_eq!(refused("GET /?q=<script> HTTP/1.1\r\nHost: x\r\n\r\n"), None);
        let both = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(refused(both), Some(400));
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), Some(400));
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), Some(400));
    }
}
