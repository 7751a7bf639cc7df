//! Joins the chunks of a body.

/// The body, and what was wrong with the rest, if it does not end as it should.
pub(super) fn join(text: &[u8]) -> (Vec<u8>, Option<&'static str>) {
    let mut body = Vec::new();
    let mut rest = text;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return (body, Some("the last chunk is missing"));
        };
        let (line, after) = rest.split_at(end);
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
        let Some(size) = size.and_then(|digits| usize::from_str_radix(digits, 16).ok()) else {
            return (body, Some("a chunk does not begin with its size in hexadecimal digits"));
        };
        rest = after.get(1..).unwrap_or_default();
        if size == 0 {
            return (body, None);
        }
        let Some(chunk) = rest.get(..size) else {
            body.extend_from_slice(rest);
            return (body, Some("a chunk is shorter than it says"));
        };
        body.extend_from_slice(chunk);
        rest = rest.get(size..).unwrap_or_default();
        match rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            Some(next) => rest = next,
            None => return (body, Some("a chunk is longer than it says")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_as_far_as_they_go() {
        assert_eq!(join(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"), (b"abcde".to_vec(), None));
        assert_eq!(join(b"3\nabc\n0\n\n"), (b"abc".to_vec(), None));
        for (text, body) in [
            (&b""[..], &b""[..]),
            (b"3\r\nabc\r\n", b"abc"),
            (b"9\r\nabc", b"abc"),
            (b"1\r\nabc", b"a"),
            (b"x\r\n", b""),
            (b"+1\r\na\r\n0\r\n", b""),
            (b"ffffffffffffffffffff\r\na", b""),
        ] {
            let (joined, wrong) = join(text);
            assert_eq!(joined, body);
            assert!(wrong.is_some(), "{}", text.escape_ascii());
        }
    }
}
