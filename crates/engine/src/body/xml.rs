//! XML bodies: text and attributes, no entity expansion beyond the five built in and numeric ones.
//!
//! A scanner of our own, because what a firewall needs is the opposite of what an XML library does:
//! never stop at the first fault, never fetch or expand anything, and still report every fault.
//! Source of the grammar: XML 1.0, fifth edition. An entity that a document declares itself is not
//! expanded; the literals of its internal subset are reported as text instead, so that what a server
//! would expand is inspected.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

use super::xml_encoding;

/// What the parser meets, in document order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XmlEvent<'a> {
    /// An element opens.
    Start(&'a [u8]),
    /// An attribute of the element just opened.
    Attribute(&'a [u8], &'a [u8]),
    /// Text (also CDATA) within the open element.
    Text(&'a [u8]),
    /// The open element closes.
    End,
}

/// Why an XML body is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XmlError {
    /// What is wrong, for `REQBODY_ERROR_MSG`.
    pub(crate) message: String,
    /// Offset of the byte it was noticed at, in the UTF-8 form of the document.
    pub(crate) offset: usize,
}

/// Calls `sink` for each event, also those before and after an error; the sink returns whether to go
/// on. The first error is returned when the document has been read.
pub(crate) fn parse(
    input: &[u8],
    max_depth: usize,
    sink: &mut impl FnMut(XmlEvent<'_>) -> bool,
) -> Result<(), XmlError> {
    let (document, doubt) = xml_encoding::to_utf8(input);
    let mut scanner =
        Scanner { input: &document, at: 0, open: Vec::new(), max_depth, seen_element: false, doubt: None };
    if let Some(message) = doubt {
        scanner.note(message);
    }
    scanner.document(sink);
    scanner.doubt.map_or(Ok(()), Err)
}

struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
    /// Names of the open elements.
    open: Vec<&'a [u8]>,
    max_depth: usize,
    seen_element: bool,
    /// The first error.
    doubt: Option<XmlError>,
}

impl<'a> Scanner<'a> {
    fn document(&mut self, sink: &mut impl FnMut(XmlEvent<'_>) -> bool) {
        while self.at < self.input.len() {
            let rest = &self.input[self.at..];
            let go_on = if rest[0] != b'<' {
                self.text(sink)
            } else if rest.starts_with(b"<!--") {
                self.comment()
            } else if rest.starts_with(b"<![CDATA[") {
                self.cdata(sink)
            } else if rest.starts_with(b"<!") {
                self.declaration(sink)
            } else if rest.starts_with(b"<?") {
                self.skip_past(b"?>", "a processing instruction is not closed");
                true
            } else if rest.starts_with(b"</") {
                self.end_tag(sink)
            } else {
                self.start_tag(sink)
            };
            if !go_on {
                return;
            }
        }
        if !self.open.is_empty() {
            self.note("an element is not closed");
        } else if !self.seen_element {
            self.note("the document has no element");
        }
    }

    /// Text up to the next `<`.
    fn text(&mut self, sink: &mut impl FnMut(XmlEvent<'_>) -> bool) -> bool {
        let rest = &self.input[self.at..];
        let text = &rest[..memchr(b'<', rest).unwrap_or(rest.len())];
        if self.open.is_empty() {
            if text.trim_ascii().is_empty() {
                self.at += text.len();
                return true;
            }
            self.note("there is text outside the root element");
        }
        let decoded = self.decode(text);
        self.at += text.len();
        sink(XmlEvent::Text(&decoded))
    }

    fn comment(&mut self) -> bool {
        self.at += b"<!--".len();
        self.skip_past(b"-->", "a comment is not closed");
        true
    }

    fn cdata(&mut self, sink: &mut impl FnMut(XmlEvent<'_>) -> bool) -> bool {
        self.at += b"<![CDATA[".len();
        if self.open.is_empty() {
            self.note("there is text outside the root element");
        }
        let rest = &self.input[self.at..];
        let length = memmem::find(rest, b"]]>");
        self.skip_past(b"]]>", "a CDATA section is not closed");
        sink(XmlEvent::Text(&rest[..length.unwrap_or(rest.len())]))
    }

    /// A document type declaration: its literals are text, its markup is skipped.
    fn declaration(&mut self, sink: &mut impl FnMut(XmlEvent<'_>) -> bool) -> bool {
        let start = self.at;
        self.at += b"<!".len();
        let mut subset = false;
        while let Some(&byte) = self.input.get(self.at) {
            let rest = &self.input[self.at..];
            self.at += 1;
            match byte {
                b'"' | b'\'' => {
                    let length = memchr(byte, &rest[1..]);
                    let literal = &rest[1..length.map_or(rest.len(), |length| length + 1)];
                    self.at += literal.len() + usize::from(length.is_some());
                    if subset {
                        // Literals are declarations of entities and defaults of attributes.
                        let decoded = self.decode(literal);
                        if !sink(XmlEvent::Text(&decoded)) || !sink(XmlEvent::Text(b" ")) {
                            return false;
                        }
                    }
                }
                b'<' if rest.starts_with(b"<!--") => {
                    self.at += b"!--".len();
                    self.skip_past(b"-->", "a comment is not closed");
                }
                b'[' => subset = true,
                b']' => subset = false,
                b'>' if !subset => return true,
                _ => {}
            }
        }
        self.note_at("a document type declaration is not closed", start);
        true
    }

    fn end_tag(&mut self, sink: &mut impl FnMut(XmlEvent<'_>) -> bool) -> bool {
        let rest = &self.input[self.at + 2..];
        let name = rest[..memchr(b'>', rest).unwrap_or(rest.len())].trim_ascii_end();
        let known = self.open.pop();
        if known != Some(name) {
            self.note("an end tag does not match its start tag");
        }
        self.skip_past(b">", "a tag is not closed");
        known.is_none() || sink(XmlEvent::End)
    }

    fn start_tag(&mut self, sink: &mut impl FnMut(XmlEvent<'_>) -> bool) -> bool {
        let rest = &self.input[self.at + 1..];
        let name = &rest[..rest.iter().position(|&byte| ends_name(byte)).unwrap_or(rest.len())];
        if name.first().is_none_or(|&byte| !starts_name(byte)) {
            self.note("a `<` does not begin a tag");
            self.at += 1;
            return sink(XmlEvent::Text(b"<"));
        }
        if self.open.is_empty() && self.seen_element {
            self.note("there is more than one root element");
        }
        if self.open.len() >= self.max_depth {
            self.note("elements are nested too deeply");
            return false;
        }
        self.seen_element = true;
        self.at += 1 + name.len();
        sink(XmlEvent::Start(name)) && self.attributes(name, sink)
    }

    /// Reads attributes up to the end of the tag, and opens the element or closes it at once.
    fn attributes(&mut self, name: &'a [u8], sink: &mut impl FnMut(XmlEvent<'_>) -> bool) -> bool {
        loop {
            self.skip_space();
            match &self.input[self.at..] {
                [b'>', ..] => {
                    self.at += 1;
                    self.open.push(name);
                    return true;
                }
                [b'/', b'>', ..] => {
                    self.at += 2;
                    return sink(XmlEvent::End);
                }
                [] => {
                    self.note("a tag is not closed");
                    return sink(XmlEvent::End);
                }
                [b'<', ..] => {
                    // The next tag begins before this one ends.
                    self.note("a tag is not closed");
                    self.open.push(name);
                    return true;
                }
                [b'/' | b'=' | b'"' | b'\'', ..] => {
                    self.note("a tag is malformed");
                    self.at += 1;
                }
                _ => {
                    if !self.attribute(sink) {
                        return false;
                    }
                }
            }
        }
    }

    fn attribute(&mut self, sink: &mut impl FnMut(XmlEvent<'_>) -> bool) -> bool {
        let rest = &self.input[self.at..];
        let name = &rest[..rest.iter().position(|&byte| ends_name(byte)).unwrap_or(rest.len())];
        self.at += name.len();
        self.skip_space();
        if self.input.get(self.at) != Some(&b'=') {
            self.note("an attribute has no value");
            return sink(XmlEvent::Attribute(name, b""));
        }
        self.at += 1;
        self.skip_space();
        let rest = &self.input[self.at..];
        let value = match rest.first() {
            Some(&quote @ (b'"' | b'\'')) => {
                let length = memchr(quote, &rest[1..]);
                if length.is_none() {
                    self.note("an attribute value is not closed");
                }
                let value = &rest[1..length.map_or(rest.len(), |length| length + 1)];
                self.at += 1 + value.len() + usize::from(length.is_some());
                value
            }
            _ => {
                self.note("an attribute value is not quoted");
                let length = rest.iter().position(|&byte| byte.is_ascii_whitespace() || byte == b'>');
                let value = &rest[..length.unwrap_or(rest.len())];
                self.at += value.len();
                value
            }
        };
        let value = self.decode(value);
        sink(XmlEvent::Attribute(name, &value))
    }

    /// Replaces the five built-in entities and character references; others stay and are an error.
    fn decode(&mut self, text: &'a [u8]) -> Cow<'a, [u8]> {
        if std::str::from_utf8(text).is_err() {
            self.note("the document is not valid in its encoding");
        }
        let Some(first) = memchr(b'&', text) else { return Cow::Borrowed(text) };
        let mut decoded = text[..first].to_vec();
        let mut rest = &text[first..];
        while let Some((_, after)) = rest.split_first() {
            match reference(after) {
                Some((character, length)) => {
                    decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = &after[length..];
                }
                None => {
                    self.note("an entity is unknown");
                    decoded.push(b'&');
                    rest = after;
                }
            }
            let plain = memchr(b'&', rest).unwrap_or(rest.len());
            decoded.extend_from_slice(&rest[..plain]);
            rest = &rest[plain..];
        }
        Cow::Owned(decoded)
    }

    fn skip_space(&mut self) {
        while self.input.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Moves past the next `end`, or to the end of input with an error.
    fn skip_past(&mut self, end: &[u8], message: &str) {
        match memmem::find(&self.input[self.at..], end) {
            Some(offset) => self.at += offset + end.len(),
            None => {
                self.note(message);
                self.at = self.input.len();
            }
        }
    }

    fn note(&mut self, message: &str) {
        self.note_at(message, self.at);
    }

    fn note_at(&mut self, message: &str, offset: usize) {
        if self.doubt.is_none() {
            self.doubt = Some(XmlError { message: message.to_owned(), offset });
        }
    }
}

/// The character that the text after an ampersand stands for, and its length with the semicolon.
fn reference(text: &[u8]) -> Option<(char, usize)> {
    // Character references may have leading zeros without number; they are read digit by digit.
    if let Some(number) = text.strip_prefix(b"#") {
        let (digits, radix, prefix) = match number.strip_prefix(b"x") {
            Some(digits) => (digits, 16, 2),
            None => (number, 10, 1),
        };
        let mut code = 0_u32;
        let mut length = 0;
        for digit in digits.iter().map_while(|&byte| char::from(byte).to_digit(radix)) {
            code = code.saturating_mul(radix).saturating_add(digit);
            length += 1;
        }
        let character = char::from_u32(code).filter(|_| length > 0 && digits.get(length) == Some(&b';'))?;
        return Some((character, prefix + length + 1));
    }
    let longest = &text[..text.len().min(5)];
    let length = memchr2(b';', b'&', longest)?;
    let character = match &longest[..=length] {
        b"lt;" => '<',
        b"gt;" => '>',
        b"amp;" => '&',
        b"quot;" => '"',
        b"apos;" => '\'',
        _ => return None,
    };
    Some((character, length + 1))
}

/// Whether a byte can begin a name; every byte of a multi-byte character can.
fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || !byte.is_ascii()
}

/// Whether a byte ends a name, be it well formed or not.
fn ends_name(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/' | b'=' | b'<' | b'"' | b'\'')
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
