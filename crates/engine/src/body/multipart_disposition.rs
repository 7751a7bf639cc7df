//! The `Content-Disposition` of a part.
//!
//! As libmodsecurity's `parse_content_disposition`, with its numbers for faults, and with `filename*`
//! of RFC 5987. Faults do not end the reading: what can be read is inspected.

use memchr::memchr;

use crate::transformations::hex;

/// What a Content-Disposition says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    /// `name`.
    pub(super) name: Option<Vec<u8>>,
    /// `filename`.
    pub(super) filename: Option<Vec<u8>>,
    /// `filename*`, decoded.
    pub(super) filename_extended: Option<Vec<u8>>,
    /// A single quote stands where a double quote belongs, or within a value.
    pub(super) single_quotes: bool,
    /// The first fault.
    pub(super) fault: Option<i8>,
}

impl Disposition {
    fn fault(&mut self, number: i8) {
        self.fault.get_or_insert(number);
    }

    /// Keeps a parameter.
    fn keep(&mut self, name: &[u8], value: Vec<u8>) {
        let (slot, duplicate) = if name.eq_ignore_ascii_case(b"name") {
            (&mut self.name, -14)
        } else if name.eq_ignore_ascii_case(b"filename") {
            (&mut self.filename, -15)
        } else if name.eq_ignore_ascii_case(b"filename*") {
            (&mut self.filename_extended, -15)
        } else {
            return self.fault(-11);
        };
        let known = slot.is_some();
        // Of two values the last stays; that there are two is a fault.
        *slot = Some(value);
        if known {
            self.fault(duplicate);
        }
        if name.iter().any(u8::is_ascii_uppercase) {
            self.fault(-11);
        }
    }
}

/// Reads the value of a Content-Disposition header.
pub(super) fn parse(value: &[u8]) -> Disposition {
    let mut disposition = Disposition::default();
    let rest = value.strip_prefix(b"form-data").unwrap_or_else(|| {
        disposition.fault(-1);
        from_semicolon(value)
    });
    let rest = skip_blank(rest);
    if !rest.is_empty() && rest[0] != b';' {
        disposition.fault(-2);
    }
    parameters(from_semicolon(rest), &mut disposition);
    disposition
}

/// Reads `; name=value` as often as it comes.
fn parameters(mut rest: &[u8], disposition: &mut Disposition) {
    while let Some(after) = rest.strip_prefix(b";") {
        rest = skip_blank(after);
        if rest.is_empty() {
            return disposition.fault(-3);
        }
        let length = rest.iter().take_while(|byte| !matches!(byte, b'=' | b'\t' | b' ' | b';')).count();
        let (name, after) = rest.split_at(length);
        rest = skip_blank(after);
        let Some(text) = rest.strip_prefix(b"=") else {
            disposition.fault(if rest.is_empty() { -4 } else { -13 });
            rest = from_semicolon(rest);
            continue;
        };
        // Servers that search for the text `filename=` do not see one with a space before the `=`.
        if rest.len() < after.len() && !name.eq_ignore_ascii_case(b"name") {
            disposition.fault(-13);
        }
        rest = skip_blank(text);
        if rest.is_empty() {
            return disposition.fault(-6);
        }
        let text;
        (text, rest) = value(rest, disposition);
        if name.eq_ignore_ascii_case(b"filename*") {
            let text = extended(&text, disposition);
            disposition.keep(name, text);
        } else {
            disposition.single_quotes |= text.contains(&b'\'');
            disposition.keep(name, text);
        }
        rest = skip_blank(rest);
        if !rest.is_empty() && rest[0] != b';' {
            disposition.fault(-12);
            rest = from_semicolon(rest);
        }
    }
}

/// Reads a quoted string or a token; returns it and what follows.
fn value<'a>(text: &'a [u8], disposition: &mut Disposition) -> (Vec<u8>, &'a [u8]) {
    let (&first, quoted) = text.split_first().unwrap_or((&b' ', text));
    if !matches!(first, b'"' | b'\'') {
        let length = text.iter().take_while(|&&byte| is_token(byte)).count();
        if matches!(text.get(length), Some(b'"' | b'\'')) {
            disposition.single_quotes = true;
        }
        return (text[..length].to_vec(), &text[length..]);
    }
    // A single quote is no quote in RFC 7578, but some servers accept it.
    disposition.single_quotes |= first == b'\'';
    let mut value = Vec::new();
    let mut bytes = quoted.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == first {
            return (value, &quoted[at + 1..]);
        }
        // Only the quote and the backslash can be escaped; others are file names of old browsers.
        let escaped = byte == b'\\' && quoted.get(at + 1).is_some_and(|&next| next == first || next == b'\\');
        let byte = if escaped { bytes.next().map_or(byte, |(_, next)| next) } else { byte };
        value.push(byte);
    }
    disposition.fault(-7);
    (value, &[])
}

/// Decodes `charset'language'text` of RFC 5987.
fn extended(text: &[u8], disposition: &mut Disposition) -> Vec<u8> {
    let mut pieces = text.splitn(3, |&byte| byte == b'\'');
    let (Some(charset), Some(_), Some(encoded)) = (pieces.next(), pieces.next(), pieces.next()) else {
        disposition.fault(-16);
        return text.to_vec();
    };
    if !charset.eq_ignore_ascii_case(b"utf-8") && !charset.eq_ignore_ascii_case(b"iso-8859-1") {
        disposition.fault(-17);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        match hex::pair(after).filter(|_| byte == b'%') {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

fn skip_blank(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..]
}

/// What begins with the next semicolon.
fn from_semicolon(text: &[u8]) -> &[u8] {
    &text[memchr(b';', text).unwrap_or(text.len())..]
}

/// RFC 2045 token characters.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> (Option<String>, Option<String>, Option<String>, Option<i8>) {
        let text = |value: Option<Vec<u8>>| value.map(|value| String::from_utf8(value).unwrap());
        let disposition = parse(value.as_bytes());
        (text(disposition.name), text(disposition.filename), text(disposition.filename_extended), disposition.fault)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn names_are_read_quoted_and_plain() {
        assert_eq!(read("form-data; name=\"a b\"; filename=\"x.php\""), (some("a b"), some("x.php"), None, None));
        assert_eq!(read("form-data;name=a;filename=x.php"), (some("a"), some("x.php"), None, None));
        assert_eq!(read(r#"form-data; name="a\"b\\c\d""#), (some(r#"a"b\c\d"#), None, None, None));
        assert_eq!(read("form-data"), (None, None, None, None));
    }

    #[test]
    fn an_extended_file_name_is_decoded() {
        assert_eq!(
            read("form-data; name=a; filename=\"x\"; filename*=UTF-8''%C3%A9%2ephp"),
            (some("a"), some("x"), some("é.php"), None)
        );
        assert_eq!(read("form-data; name=a; filename*=x.php").3, Some(-16));
        assert_eq!(read("form-data; name=a; filename*=utf-7''x.php"), (some("a"), None, some("x.php"), Some(-17)));
    }

    #[test]
    fn faults_have_libmodsecuritys_numbers_and_the_names_are_still_read() {
        for (value, name, fault) in [
            ("attachment; name=a", "a", -1),
            ("form-data x; name=a", "a", -2),
            ("form-data; name=a;", "a", -3),
            ("form-data; name=a; filename", "a", -4),
            ("form-data; name=a; filename=", "a", -6),
            ("form-data; name=\"a", "a", -7),
            ("form-data; name=a; size=1", "a", -11),
            ("form-data; NAME=a", "a", -11),
            ("form-data; name=\"a\"b; filename=x", "a", -12),
            ("form-data; x y; name=a", "a", -13),
            ("form-data; name=a; filename =x", "a", -13),
            ("form-data; name=b; name=a", "a", -14),
            ("form-data; name=a; filename=x; filename=y", "a", -15),
        ] {
            let (found, _, _, number) = read(value);
            assert_eq!((found, number), (some(name), Some(fault)), "{value}");
        }
    }

    #[test]
    fn single_quotes_are_flagged() {
        for value in ["form-data; name='a'", "form-data; name=\"it's\"", "form-data; name=a\"b\""] {
            assert!(parse(value.as_bytes()).single_quotes, "{value}");
        }
        assert!(!parse(b"form-data; name=a; filename*=utf-8''x").single_quotes);
    }
}
