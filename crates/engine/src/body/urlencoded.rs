//! Query strings and `application/x-www-form-urlencoded` bodies.
//!
//! As libmodsecurity's `extractArguments`: split at the separator, then at the first `=`, then decode
//! both sides (`+` is a space); an invalid encoding stays as it is and is reported.

use memchr::memchr;

use crate::transformations::url_decode;

/// Calls `sink(name, value)`, both decoded, for each pair; the sink returns whether to go on.
/// Returns whether an invalid percent-encoding was met.
///
/// A pair without `=` has an empty value; an empty pair (`&&`) is none at all.
pub(crate) fn parse(input: &[u8], separator: u8, sink: &mut impl FnMut(&[u8], &[u8]) -> bool) -> bool {
    let mut invalid = false;
    let mut name_buffer = Vec::new();
    let mut value_buffer = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let end = memchr(separator, rest).unwrap_or(rest.len());
        let pair = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = match memchr(b'=', pair) {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        let name = decode(name, &mut name_buffer, &mut invalid);
        let value = decode(value, &mut value_buffer, &mut invalid);
        if !sink(name, value) {
            break;
        }
    }
    invalid
}

/// The decoded text: in the buffer, or the text itself where there is nothing to decode.
fn decode<'a>(text: &'a [u8], buffer: &'a mut Vec<u8>, invalid: &mut bool) -> &'a [u8] {
    buffer.clear();
    let decoded = url_decode::decode(text, buffer);
    *invalid |= decoded.invalid;
    if decoded.changed { buffer } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(input: &[u8]) -> (Vec<(String, String)>, bool) {
        let mut pairs = Vec::new();
        let invalid = parse(input, b'&', &mut |name, value| {
            pairs.push((name.escape_ascii().to_string(), value.escape_ascii().to_string()));
            true
        });
        (pairs, invalid)
    }

    fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn names_and_values_are_decoded_once() {
        let (found, invalid) = pairs(b"a+b=%3Cscript%3e&c=1%2526=2&%64");
        assert_eq!(found, owned(&[("a b", "<script>"), ("c", "1%26=2"), ("d", "")]));
        assert!(!invalid);
    }

    #[test]
    fn an_invalid_encoding_is_kept_and_reported() {
        for input in [&b"a=%"[..], b"a=%1", b"a=%zz%41", b"%g=1"] {
            assert!(pairs(input).1, "{}", input.escape_ascii());
        }
        assert_eq!(pairs(b"a=%zz%41").0, owned(&[("a", "%zzA")]));
    }

    #[test]
    fn separators_alone_are_no_arguments_but_a_nameless_value_is_one() {
        assert_eq!(pairs(b"&&a=1&&=x&=").0, owned(&[("a", "1"), ("", "x"), ("", "")]));
        assert_eq!(pairs(b"").0, owned(&[]));
    }

    #[test]
    fn the_sink_ends_the_parse() {
        let mut seen = 0;
        parse(b"a&b&c", b'&', &mut |_, _| {
            seen += 1;
            seen < 2
        });
        assert_eq!(seen, 2);
    }
}
