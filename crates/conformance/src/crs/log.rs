//! Error-log lines in the form of Apache's ModSecurity, because the suite's expressions read them.

use std::fmt::Write as _;

use parapet_engine::Match;

const SEVERITIES: [&str; 8] = ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];

/// The line of one match.
pub(crate) fn line(found: &Match<'_>) -> String {
    let mut text = String::from("[client 127.0.0.1] ModSecurity: Warning. Matched");
    let mut field = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = write!(text, " [{name} \"{value}\"]");
    };
    field("id", &found.rule_id.to_string());
    if !found.message.is_empty() {
        field("msg", &printable(found.message));
    }
    if !found.data.is_empty() {
        field("data", &printable(found.data));
    }
    if let Some(severity) = found.severity.and_then(|severity| SEVERITIES.get(usize::from(severity))) {
        field("severity", severity);
    }
    for tag in &found.tags {
        field("tag", &printable(tag));
    }
    text
}

/// As ModSecurity 2 writes a log: bytes that are not printable as `\xHH`.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, "\\x{other:02x}");
            }
        }
    }
    text
}
