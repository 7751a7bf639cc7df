//! Which encoding an XML document is in, and its text as UTF-8.
//!
//! Source: XML 1.0, appendix F (detection without external information). UTF-16 is converted, as a
//! server would; encodings that a rule could not read are reported.

use std::borrow::Cow;

use memchr::memmem;

/// The document as UTF-8 without a byte order mark, and what is doubtful about its encoding.
pub(super) fn to_utf8(input: &[u8]) -> (Cow<'_, [u8]>, Option<&'static str>) {
    match *input {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [b'<', 0, 0, 0, ..] | [0, 0, 0, b'<', ..] => {
            (Cow::Borrowed(input), Some("the document is in UTF-32, which is not supported"))
        }
        [0x4c, 0x6f, 0xa7, 0x94, ..] => {
            (Cow::Borrowed(input), Some("the document is in EBCDIC, which is not supported"))
        }
        [0xff, 0xfe, ref text @ ..] => utf16(text, u16::from_le_bytes),
        [0xfe, 0xff, ref text @ ..] => utf16(text, u16::from_be_bytes),
        [b'<', 0, ..] => utf16(input, u16::from_le_bytes),
        [0, b'<', ..] => utf16(input, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, ref text @ ..] => (Cow::Borrowed(text), declared(text)),
        _ => (Cow::Borrowed(input), declared(input)),
    }
}

fn utf16(text: &[u8], unit: fn([u8; 2]) -> u16) -> (Cow<'_, [u8]>, Option<&'static str>) {
    let (units, rest) = text.as_chunks::<2>();
    let mut doubt = (!rest.is_empty()).then_some("the document ends within a character");
    let mut utf8 = String::with_capacity(units.len());
    for character in char::decode_utf16(units.iter().map(|&bytes| unit(bytes))) {
        utf8.push(character.unwrap_or_else(|_| {
            doubt = Some("the document is not valid UTF-16");
            char::REPLACEMENT_CHARACTER
        }));
    }
    (Cow::Owned(utf8.into_bytes()), doubt)
}

/// A doubt if the XML declaration names an encoding in which ASCII text is not what it seems.
fn declared(text: &[u8]) -> Option<&'static str> {
    let declaration = text.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memmem::find(declaration, b"?>")?];
    let value = &declaration[memmem::find(declaration, b"encoding")? + b"encoding".len()..];
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    let (&quote, value) = value.split_first()?;
    let name = &value[..memchr::memchr(quote, value)?];
    let known: [&[u8]; 6] = [b"utf-8", b"utf8", b"us-ascii", b"ascii", b"windows-125", b"iso-8859-"];
    let lower = name.to_ascii_lowercase();
    let plain = known.iter().any(|known| lower.starts_with(known));
    (!plain).then_some("the document declares an encoding that is not supported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_becomes_utf8_with_and_without_a_mark() {
        let text = "<a>é😀</a>";
        for (mark, swap) in [(true, false), (true, true), (false, false), (false, true)] {
            let bytes: Vec<u8> = mark
                .then_some(0xfeff)
                .into_iter()
                .chain(text.encode_utf16())
                .flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            assert_eq!(to_utf8(&bytes), (Cow::Borrowed(text.as_bytes()), None));
        }
    }

    #[test]
    fn encodings_that_hide_ascii_are_reported() {
        assert!(to_utf8(b"<?xml version='1.0' encoding='UTF-7'?><a/>").1.is_some());
        assert!(to_utf8(b"<\0\0\0").1.is_some());
        assert!(to_utf8(b"\xff\xfea").1.is_some());
        for name in ["UTF-8", "ISO-8859-1", "us-ascii", "windows-1252"] {
            assert_eq!(to_utf8(format!("<?xml version=\"1.0\" encoding=\"{name}\"?><a/>").as_bytes()).1, None);
        }
    }
}
