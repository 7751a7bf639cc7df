//! The line of a log inside a syslog message.
//!
//! Senders differ more than the RFCs admit, so what cannot be recognised as a header is left in place:
//! the reader of the format decides.

use chrono::{DateTime, Utc};

/// What is of use in a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// When the sender says it was; `None` for RFC 3164, whose times have neither year nor zone.
    pub(super) time: Option<DateTime<Utc>>,
    /// The line.
    pub(super) text: &'a [u8],
}

/// Takes the header off.
pub(super) fn parse(message: &[u8]) -> Message<'_> {
    let message = message.trim_ascii_end();
    let message = message.strip_suffix(b"\0").unwrap_or(message);
    let rest = priority(message).unwrap_or(message);
    let (time, text) = match rest.strip_prefix(b"1 ").and_then(rfc5424) {
        Some((time, text)) => (time, text),
        None => rfc3164(rest),
    };
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii_start();
    Message { time, text: text.strip_prefix(b"@cee:").unwrap_or(text).trim_ascii_start() }
}

/// `<PRI>`.
fn priority(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(b"<")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits).then_some(())?;
    rest[digits..].strip_prefix(b">")
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    Some((&text[..end], &text[end + 1..]))
}

fn timestamp(text: &[u8]) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(std::str::from_utf8(text).ok()?).ok()?.to_utc())
}

/// `TIMESTAMP HOST APP PROCID MSGID STRUCTURED-DATA [MSG]`, after the version.
fn rfc5424(text: &[u8]) -> Option<(Option<DateTime<Utc>>, &[u8])> {
    let (at, mut text) = word(text)?;
    let time = timestamp(at);
    if time.is_none() && at != b"-" {
        return None;
    }
    for _ in 0..4 {
        (_, text) = word(text)?;
    }
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some((time, rest.trim_ascii_start()));
    }
    while text.first() == Some(&b'[') {
        let (mut quoted, mut escaped) = (false, false);
        let end = text.iter().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b']' if !quoted => return true,
                _ => {}
            }
            false
        })?;
        text = &text[end + 1..];
    }
    Some((time, text.trim_ascii_start()))
}

/// `Nov 22 06:33:17 HOST TAG[PID]: MSG`, or with an RFC 3339 time, or without either.
fn rfc3164(text: &[u8]) -> (Option<DateTime<Utc>>, &[u8]) {
    let dated = text.len() > 16
        && text[3] == b' '
        && text[6] == b' '
        && text[9] == b':'
        && text[12] == b':'
        && text[15] == b' ';
    let (time, rest) = match word(text) {
        _ if dated => (None, &text[16..]),
        Some((at, rest)) if at.len() > 18 && at.get(10) == Some(&b'T') => (timestamp(at), rest),
        _ => return (None, untagged(text).unwrap_or(text)),
    };
    // The host may be left out.
    let without_host = word(rest).filter(|(host, _)| !host.ends_with(b":")).map_or(rest, |(_, rest)| rest);
    (time, untagged(without_host).or_else(|| untagged(rest)).unwrap_or(rest))
}

/// What follows `TAG:` or `TAG[PID]:`.
fn untagged(text: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = word(text)?;
    let name = tag.strip_suffix(b":")?;
    let is_tag = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_./[]#".contains(byte));
    (is_tag && name.len() <= 64).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &str) -> &str {
        std::str::from_utf8(parse(message.as_bytes()).text).unwrap()
    }

    #[test]
    fn rfc5424_headers_are_taken_off() {
        let message = "<165>1 2026-11-22T06:33:17.5+01:00 host app 12 ID47 [a@1 x=\"]\\\"]\"][b] \u{feff}{\"a\": 1}";
        assert_eq!(text(message), "{\"a\": 1}");
        let time = parse(message.as_bytes()).time.unwrap();
        assert_eq!(time.to_rfc3339(), "2026-11-22T05:33:17.500+00:00");
        assert_eq!(text("<165>1 - - - - - - {\"a\": 1}\n"), "{\"a\": 1}");
        assert_eq!(text("<165>1 2026-11-22T06:33:17Z host app - - -"), "");
    }

    #[test]
    fn rfc3164_headers_are_taken_off() {
        let line = "2026/11/22 06:33:17 [error] 1#1: *1 [client 1.2.3.4] ModSecurity: Warning.";
        for header in
            ["<187>Nov 22 06:33:17 host nginx: ", "<187>Nov  2 06:33:17 nginx: ", "<187>nginx[12]: ", "<187>", ""]
        {
            assert_eq!(text(&format!("{header}{line}")), line, "{header}");
        }
        assert_eq!(text("<13>Nov 22 06:33:17 host waf: @cee: {\"a\":1}\0"), "{\"a\":1}");
        let forwarded = parse(b"<13>2026-11-22T06:33:17.25+00:00 host waf {\"a\":1}");
        assert_eq!((forwarded.text, forwarded.time.is_some()), (&b"host waf {\"a\":1}"[..], true));
        let forwarded = parse(b"<13>2026-11-22T06:33:17.25+00:00 host waf: {\"a\":1}");
        assert_eq!(forwarded.text, b"{\"a\":1}");
    }

    #[test]
    fn no_bytes_panic() {
        let message = b"<165>1 2026-11-22T06:33:17.5+01:00 host app 12 ID47 [a@1 x=\"]\\\"]\"] text \xff";
        for start in 0..message.len() {
            for end in start..message.len() {
                let _ = parse(&message[start..end]);
            }
        }
    }
}
