//! Properties of the body parsers.

use crate::body::{self, multipart::Limits, xml::XmlEvent};

/// Pairs do not outgrow the input, and the report of invalid encodings is right.
pub fn urlencoded(input: &[u8]) {
    let mut bytes = 0;
    let mut pairs = 0;
    let invalid = body::urlencoded::parse(input, b'&', &mut |name, value| {
        bytes += name.len() + value.len();
        pairs += 1;
        true
    });
    assert!(bytes <= input.len());
    assert!(pairs <= input.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).count());
    let hex = |at: Option<&u8>| at.is_some_and(u8::is_ascii_hexdigit);
    let wrong =
        |text: &[u8]| (0..text.len()).any(|at| text[at] == b'%' && !(hex(text.get(at + 1)) && hex(text.get(at + 2))));
    let expected = input.split(|&byte| byte == b'&').flat_map(|pair| pair.splitn(2, |&byte| byte == b'=')).any(wrong);
    assert_eq!(invalid, expected);
}

/// Nothing but separators and white space is lost.
pub fn cookies(input: &[u8]) {
    let mut letters = 0;
    body::cookies::parse(input, &mut |name, value| {
        letters += name.iter().chain(value).filter(|&&byte| is_content(byte)).count();
        true
    });
    let cookies = input.split(|&byte| byte == b';');
    let expected = cookies
        .map(|cookie| {
            let equals = cookie.iter().position(|&byte| byte == b'=');
            cookie.iter().filter(|&&byte| is_content(byte)).count() - usize::from(equals.is_some())
        })
        .sum::<usize>();
    assert_eq!(letters, expected);
}

/// Not white space, which may be trimmed.
fn is_content(byte: u8) -> bool {
    !byte.is_ascii_whitespace()
}

/// Every name begins with `json`; what a strict parser accepts is accepted.
pub fn json(input: &[u8]) {
    let mut bytes = 0;
    let result = body::json::parse(input, 100, &mut |name, value| {
        assert!(name.starts_with(b"json"));
        bytes += value.len();
        true
    });
    // An escape is never shorter than what it stands for.
    assert!(bytes <= input.len());
    if let Err(error) = &result {
        assert!(error.offset <= input.len() && !error.message.is_empty());
    }
    #[cfg(test)]
    if serde_json::from_slice::<serde_json::Value>(input).is_ok() {
        assert_eq!(result, Ok(()), "{}", input.escape_ascii());
    }
}

/// Elements nest, attributes belong to the element just opened, and a valid document is balanced.
pub fn xml(input: &[u8]) {
    let mut depth = 0_usize;
    let mut in_tag = false;
    let result = body::xml::parse(input, 100, &mut |event| {
        match event {
            XmlEvent::Start(name) => {
                assert!(!name.is_empty());
                depth += 1;
            }
            XmlEvent::Attribute(..) => assert!(in_tag),
            XmlEvent::Text(_) => {}
            XmlEvent::End => depth = depth.checked_sub(1).expect("an element ends that has not begun"),
        }
        in_tag = matches!(event, XmlEvent::Start(_) | XmlEvent::Attribute(..));
        true
    });
    assert!(result.is_err() || depth == 0);
}

/// Parts lie in the body, in order and apart from each other, and a nameless one is an error.
pub fn multipart(input: &[u8]) {
    let limits = Limits { parts: 20, files: 5 };
    let outcome = body::multipart::parse(input, b"multipart/form-data; boundary=X", limits);
    let mut end = 0;
    for part in &outcome.parts {
        assert!(end <= part.content.start && part.content.start <= part.content.end);
        assert!(!part.name.is_empty() || outcome.error.is_some());
        end = part.content.end;
    }
    assert!(end <= input.len());
    assert!(outcome.parts.len() <= limits.parts);
    assert!(
        !outcome.flags.invalid_part
            || outcome.error.is_some()
            || outcome.parts.iter().all(|part| !part.name.is_empty())
    );
    // The parameter itself may be anything, too.
    body::multipart::parse(b"--X\r\n\r\n--X--", input, limits);
}
