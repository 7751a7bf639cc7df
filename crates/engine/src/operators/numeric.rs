//! `@eq @ge @gt @le @lt`: how numbers are read.

/// Reads a number as C's `atoi` does, as libmodsecurity uses it: white space, a sign, digits; what
/// follows does not matter, and no digits at all are 0. A number that is too large is cut to the
/// largest there is.
pub(crate) fn parse(value: &[u8]) -> i64 {
    let text = value.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let number = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_i64, |number, byte| number.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    if negative { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_are_read_as_atoi_does() {
        for (text, number) in [
            ("", 0),
            ("12", 12),
            (" \t-7x", -7),
            ("+3", 3),
            ("x1", 0),
            ("--1", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", -i64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text}");
        }
    }
}
