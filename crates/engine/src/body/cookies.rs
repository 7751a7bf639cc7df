//! The `Cookie` header.
//!
//! As libmodsecurity's `Transaction::addRequestHeader` splits it, with one difference: a cookie
//! without a name is kept, as it is a value that a server may still read.

use memchr::memchr;

/// Calls `sink(name, value)` for each cookie; nothing is decoded. The sink returns whether to go on.
///
/// Cookies are split at `;`, names end at the first `=`, white space before a name and after the last
/// cookie goes, duplicates stay, and a cookie without `=` is a name without a value.
pub(crate) fn parse(header: &[u8], sink: &mut impl FnMut(&[u8], &[u8]) -> bool) {
    let mut rest = header.trim_ascii_end();
    while !rest.is_empty() {
        let end = memchr(b';', rest).unwrap_or(rest.len());
        let cookie = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let (name, value) = match memchr(b'=', cookie) {
            Some(equals) => (&cookie[..equals], &cookie[equals + 1..]),
            None => (cookie, &cookie[end..]),
        };
        let name = name.trim_ascii_start();
        if name.is_empty() && value.is_empty() {
            continue;
        }
        if !sink(name, value) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(header: &[u8]) -> Vec<(String, String)> {
        let mut cookies = Vec::new();
        parse(header, &mut |name, value| {
            cookies.push((name.escape_ascii().to_string(), value.escape_ascii().to_string()));
            true
        });
        cookies
    }

    #[test]
    fn hostile_cookies_are_all_seen() {
        let owned = |expected: &[(&str, &str)]| -> Vec<(String, String)> {
            expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert_eq!(cookies(b"a=1; b=2=3;a=%41 "), owned(&[("a", "1"), ("b", "2=3"), ("a", "%41")]));
        assert_eq!(
            cookies(b"noequals; =value;;  ; $Version=1"),
            owned(&[("noequals", ""), ("", "value"), ("$Version", "1")])
        );
        assert_eq!(cookies(b"; "), owned(&[]));
        assert_eq!(cookies(b"a =1"), owned(&[("a ", "1")]));
    }
}
