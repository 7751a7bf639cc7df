//! `@validateUtf8Encoding`.

/// Whether the value is not valid UTF-8 (RFC 3629): truncated or overlong sequences, surrogates and
/// characters beyond U+10FFFF are not.
pub(crate) fn matches(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_err()
}
