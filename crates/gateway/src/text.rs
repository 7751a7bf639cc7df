//! Bytes as text, and what must not be shown in it.

use crate::config::Redact;
use std::fmt::Write;

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Headers that are always redacted.
const SECRET_HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Bytes as UTF-8; whatever is not becomes `\xHH`.
pub(crate) fn from_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The same, cut to `max` bytes of input.
pub(crate) fn from_bytes_cut(bytes: &[u8], max: usize) -> String {
    from_bytes(&bytes[..bytes.len().min(max)])
}

/// Decides what is secret.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    headers: Vec<String>,
    arguments: Vec<String>,
}

impl Redactor {
    /// From the configuration; the built-in names are always included.
    pub(crate) fn new(config: &Redact) -> Self {
        let mut headers: Vec<String> = SECRET_HEADERS.iter().map(|name| (*name).to_owned()).collect();
        headers.extend(config.headers.iter().map(|name| name.to_ascii_lowercase()));
        Redactor { headers, arguments: config.arguments.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// A header value as it may be shown.
    pub(crate) fn header(&self, name: &[u8], value: &[u8]) -> String {
        if self.is_secret_header(name) { REDACTED.to_owned() } else { self.text(from_bytes(value)) }
    }

    fn is_secret_header(&self, name: &[u8]) -> bool {
        self.headers.iter().any(|secret| secret.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether the value of a rule variable such as `REQUEST_HEADERS:Cookie` or `ARGS:password` is
    /// secret.
    pub(crate) fn is_secret_variable(&self, variable: &str) -> bool {
        let (collection, member) = variable.split_once(':').unwrap_or((variable, ""));
        match collection {
            "REQUEST_COOKIES" | "REQUEST_COOKIES_NAMES" => self.is_secret_header(b"cookie"),
            "REQUEST_HEADERS" | "RESPONSE_HEADERS" => self.is_secret_header(member.as_bytes()),
            _ => {
                // JSON members are called json.user.password.
                let last = member.rsplit('.').next().unwrap_or(member);
                self.arguments
                    .iter()
                    .any(|secret| member.eq_ignore_ascii_case(secret) || last.eq_ignore_ascii_case(secret))
            }
        }
    }

    /// Text that may contain `name=value` pairs, such as a URI or matched text.
    pub(crate) fn text(&self, mut text: String) -> String {
        for name in &self.arguments {
            text = redact_argument(text, name);
        }
        text
    }
}

/// Replaces the value after each `name=` that starts a parameter.
fn redact_argument(text: String, name: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut result = String::new();
    let mut copied = 0;
    let mut search = 0;
    while let Some(found) = lower.get(search..).and_then(|rest| rest.find(name)) {
        let start = search + found;
        let after = start + name.len();
        search = after;
        let starts_parameter = start == 0
            || lower.as_bytes().get(start - 1).is_some_and(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        if !starts_parameter || lower.as_bytes().get(after) != Some(&b'=') {
            continue;
        }
        let value = after + 1;
        let end = text[value..]
            .find(|c: char| matches!(c, '&' | ';' | '#' | '"' | '\'') || c.is_whitespace())
            .map_or(text.len(), |length| value + length);
        result.push_str(&text[copied..value]);
        result.push_str(REDACTED);
        copied = end;
        search = end;
    }
    if copied == 0 {
        return text;
    }
    result.push_str(&text[copied..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(&Redact { headers: vec!["X-Api-Key".to_owned()], arguments: vec!["password".to_owned()] })
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_as_hex() {
        assert_eq!(from_bytes(b"a\xff\xc3\xa4\x80b"), "a\\xff\u{e4}\\x80b");
        assert_eq!(from_bytes_cut(b"abc", 2), "ab");
    }

    #[test]
    fn secrets_in_headers_are_hidden() {
        let redactor = redactor();
        assert_eq!(redactor.header(b"COOKIE", b"a=b"), REDACTED);
        assert_eq!(redactor.header(b"Authorization", b"Basic x"), REDACTED);
        assert_eq!(redactor.header(b"x-api-key", b"x"), REDACTED);
        assert_eq!(redactor.header(b"Accept", b"x"), "x");
        assert_eq!(redactor.header(b"Referer", b"/?password=x&y=z"), "/?password=[redacted]&y=z");
    }

    #[test]
    fn secret_arguments_are_hidden_wherever_they_stand() {
        let redactor = redactor();
        assert_eq!(redactor.text("/a?x=1&PassWord=s3cret&z=2".to_owned()), "/a?x=1&PassWord=[redacted]&z=2");
        assert_eq!(redactor.text("password=a&password=b".to_owned()), "password=[redacted]&password=[redacted]");
        assert_eq!(redactor.text("/a?nopassword=1&password".to_owned()), "/a?nopassword=1&password");
        assert_eq!(redactor.text("\u{e4}?password=\u{f6} x".to_owned()), "\u{e4}?password=[redacted] x");
    }

    #[test]
    fn variables_of_secrets_are_secret() {
        let redactor = redactor();
        for variable in
            ["ARGS:password", "ARGS_POST:json.user.Password", "REQUEST_COOKIES:sid", "REQUEST_HEADERS:Cookie"]
        {
            assert!(redactor.is_secret_variable(variable), "{variable}");
        }
        for variable in ["ARGS:q", "REQUEST_URI", "REQUEST_HEADERS:Accept"] {
            assert!(!redactor.is_secret_variable(variable), "{variable}");
        }
    }
}
