//! Words of a logical line, and slices of words that still know their place in the file.

use crate::ast::Span;
use crate::error::Errors;
use crate::lines::{Line, is_blank};

/// A word of a line, escapes resolved.
#[derive(Debug)]
pub(crate) struct Text<'l> {
    line: &'l Line,
    bytes: Vec<u8>,
    /// Offset of the first byte in the line.
    start: usize,
    /// For each byte of the line that was dropped: the offset in `bytes` before which it stood.
    dropped: Vec<usize>,
}

impl<'l> Text<'l> {
    fn new(line: &'l Line, start: usize) -> Text<'l> {
        Text { line, bytes: Vec::new(), start, dropped: Vec::new() }
    }

    fn push(&mut self, byte: u8, origin: usize) {
        let expected = self.start + self.bytes.len() + self.dropped.len();
        for _ in expected..origin {
            self.dropped.push(self.bytes.len());
        }
        self.bytes.push(byte);
    }

    fn origin(&self, offset: usize) -> usize {
        self.start + offset + self.dropped.partition_point(|at| *at <= offset)
    }

    /// The whole word.
    pub(crate) fn all(&self) -> Slice<'_> {
        Slice { text: self, start: 0, end: self.bytes.len() }
    }
}

/// A part of a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'t> {
    text: &'t Text<'t>,
    start: usize,
    end: usize,
}

impl<'t> Slice<'t> {
    pub(crate) fn bytes(self) -> &'t [u8] {
        self.text.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where it begins.
    pub(crate) fn span(self) -> Span {
        self.text.line.span(self.text.origin(self.start))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn first(self) -> Option<u8> {
        self.bytes().first().copied()
    }

    /// The part from `start` to `end`, both relative to this slice.
    pub(crate) fn part(self, start: usize, end: usize) -> Slice<'t> {
        let end = self.start.saturating_add(end).min(self.end);
        Slice { text: self.text, start: self.start.saturating_add(start).min(end), end }
    }

    pub(crate) fn from(self, start: usize) -> Slice<'t> {
        self.part(start, usize::MAX)
    }

    pub(crate) fn trim(self) -> Slice<'t> {
        let blank = |byte: &u8| is_blank(*byte) || *byte == b'\n';
        let bytes = self.bytes();
        let start = bytes.iter().take_while(|byte| blank(byte)).count();
        let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        self.part(start, end)
    }

    /// Before and after the first occurrence of a byte.
    pub(crate) fn split_once(self, byte: u8) -> Option<(Slice<'t>, Slice<'t>)> {
        let at = memchr::memchr(byte, self.bytes())?;
        Some((self.part(0, at), self.from(at + 1)))
    }

    /// The non-empty pieces between separators, trimmed.
    pub(crate) fn pieces(self, separator: fn(u8) -> bool) -> Vec<Slice<'t>> {
        let mut found = Vec::new();
        let mut start = 0;
        let bytes = self.bytes();
        for at in 0..=bytes.len() {
            if bytes.get(at).is_none_or(|byte| separator(*byte)) {
                let piece = self.part(start, at).trim();
                if !piece.is_empty() {
                    found.push(piece);
                }
                start = at + 1;
            }
        }
        found
    }

    /// A copy in which a backslash before `quote` is gone.
    pub(crate) fn unescape(self, quote: u8) -> Text<'t> {
        let mut copy = Text::new(self.text.line, self.text.origin(self.start));
        let bytes = self.bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let escaped = *byte == b'\\' && bytes.get(at + 1) == Some(&quote);
            at += usize::from(escaped);
            let kept = if escaped { quote } else { *byte };
            copy.push(kept, self.text.origin(self.start + at));
            at += 1;
        }
        copy
    }
}

/// What two backslashes in an argument mean, which depends on who reads the file first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// libmodsecurity 3 and Coraza: two backslashes, which a regular expression takes for one.
    #[default]
    Libmodsecurity,
    /// ModSecurity 2: Apache httpd reads its configuration before the module does and makes one
    /// backslash of two. Rules for it, such as those of CRS 3, write four where one is meant.
    Apache,
}

/// Splits a line into words as Apache's `ap_getword_conf` does: blanks separate, `"…"` and `'…'`
/// group, and an escaped quote is unescaped.
pub(crate) fn words<'l>(line: &'l Line, dialect: Dialect, errors: &mut Errors) -> Option<Vec<Text<'l>>> {
    let bytes = &line.bytes;
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().take_while(|byte| is_blank(**byte)).count();
        let Some(first) = bytes.get(at).copied() else { return Some(found) };
        if first == b'"' || first == b'\'' {
            let Some((text, next)) = quoted(line, at, first, dialect) else {
                let message = format!("the quote {} is never closed", char::from(first));
                errors.hint(line.span(at), message, "a line that goes on needs a backslash at its end");
                return None;
            };
            if let Some(glued) = bytes.get(next).filter(|byte| !is_blank(**byte)) {
                let message = format!("a blank is missing between the closing quote and `{}`", char::from(*glued));
                errors.hint(line.span(next), message, "a quote inside a quoted argument is written \\\"");
                return None;
            }
            found.push(text);
            at = next;
        } else {
            let mut text = Text::new(line, at);
            while let Some(byte) = bytes.get(at).filter(|byte| !is_blank(**byte)) {
                let halved = dialect == Dialect::Apache && *byte == b'\\' && bytes.get(at + 1) == Some(&b'\\');
                at += usize::from(halved);
                text.push(*byte, at);
                at += 1;
            }
            found.push(text);
        }
    }
}

/// The word whose opening quote stands at `at`, and the offset after its closing quote.
fn quoted(line: &Line, at: usize, quote: u8, dialect: Dialect) -> Option<(Text<'_>, usize)> {
    let bytes = &line.bytes;
    let mut text = Text::new(line, at + 1);
    let mut at = at + 1;
    loop {
        let byte = *bytes.get(at)?;
        if byte == quote {
            return Some((text, at + 1));
        }
        match bytes.get(at + 1) {
            Some(next) if byte == b'\\' && *next == quote => {
                text.push(quote, at + 1);
                at += 2;
            }
            // Two backslashes are one unit, so that `\\"` ends the word.
            Some(b'\\') if byte == b'\\' => {
                if dialect == Dialect::Libmodsecurity {
                    text.push(b'\\', at);
                }
                text.push(b'\\', at + 1);
                at += 2;
            }
            _ => {
                text.push(byte, at);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Lines;

    fn split(line: &[u8]) -> Option<Vec<(String, u32)>> {
        split_as(line, Dialect::Libmodsecurity)
    }

    fn split_as(line: &[u8], dialect: Dialect) -> Option<Vec<(String, u32)>> {
        let mut errors = Errors::default();
        let line = Lines::new(0, line.to_vec()).next(&mut errors)?;
        let words = words(&line, dialect, &mut errors)?;
        Some(
            words
                .iter()
                .map(|word| (String::from_utf8_lossy(word.all().bytes()).into_owned(), word.all().span().column))
                .collect(),
        )
    }

    #[test]
    fn quotes_group_and_only_escaped_quotes_are_unescaped() {
        let expected = [("SecRule", 1), ("ARGS", 9), (r#"@rx \d "x" \\"#, 15), ("id:1", 33)];
        let expected: Vec<_> = expected.iter().map(|(word, column)| ((*word).to_owned(), *column)).collect();
        assert_eq!(split(br#"SecRule ARGS "@rx \d \"x\" \\" 'id:1'"#).unwrap(), expected);
    }

    #[test]
    fn apache_makes_one_backslash_of_two() {
        let line = br#"SecRule "@rx \d \\\\ \\" a\\b\c"#;
        let words = |dialect| -> Vec<String> {
            split_as(line, dialect).unwrap().into_iter().skip(1).map(|(word, _)| word).collect()
        };
        assert_eq!(words(Dialect::Libmodsecurity), [r"@rx \d \\\\ \\", r"a\\b\c"]);
        assert_eq!(words(Dialect::Apache), [r"@rx \d \\ \", r"a\b\c"]);
    }

    #[test]
    fn an_open_quote_and_a_glued_word_are_errors() {
        assert!(split(b"SecRule ARGS \"x").is_none());
        assert!(split(b"SecRule ARGS \"x\"y").is_none());
    }

    #[test]
    fn a_place_after_an_escape_is_right() {
        let mut errors = Errors::default();
        let line = Lines::new(0, br#""a\"b""#.to_vec()).next(&mut errors).unwrap();
        let words = words(&line, Dialect::Libmodsecurity, &mut errors).unwrap();
        let slice = words[0].all();
        assert_eq!(slice.bytes(), b"a\"b");
        assert_eq!(slice.from(2).span().column, 5);
    }
}
