//! Physical lines to logical lines: comments, continuations, CR LF and the byte order mark.
//!
//! As Apache's `ap_cfg_getline` does it: a backslash before the line's end joins the next line, and
//! the blanks that begin the next line stay, because they may stand inside a quoted argument.

use crate::ast::Span;
use crate::error::Errors;

/// A logical line and where each of its bytes came from.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
    file: u32,
    /// One for each physical line: offset in `bytes` where it begins, its number.
    parts: Vec<(usize, u32)>,
    /// Bytes that were cut from the beginning of the first physical line.
    indent: u32,
}

impl Line {
    /// The place of a byte.
    pub(crate) fn span(&self, offset: usize) -> Span {
        let part = self.parts.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        let (start, line) = self.parts.get(part).copied().unwrap_or((0, 1));
        let indent = if part == 0 { self.indent } else { 0 };
        let column = u32::try_from(offset - start.min(offset)).unwrap_or(u32::MAX);
        Span { file: self.file, line, column: column.saturating_add(indent).saturating_add(1) }
    }
}

/// Reads the logical lines of one file.
#[derive(Debug)]
pub(crate) struct Lines {
    text: Vec<u8>,
    at: usize,
    number: u32,
    file: u32,
}

impl Lines {
    pub(crate) fn new(file: u32, text: Vec<u8>) -> Lines {
        let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Lines { text, at, number: 0, file }
    }

    /// Place of the line that was read last.
    pub(crate) fn last(&self) -> Span {
        Span { file: self.file, line: self.number.max(1), column: 1 }
    }

    /// The next line that is neither empty nor a comment.
    pub(crate) fn next(&mut self, errors: &mut Errors) -> Option<Line> {
        loop {
            let raw = self.physical()?;
            let indent = self.text[raw.0..raw.1].iter().take_while(|byte| is_blank(**byte)).count();
            let begin = raw.0 + indent;
            if begin == raw.1 {
                continue;
            }
            if self.text[begin] == b'#' {
                self.skip_comment(raw, errors);
                continue;
            }
            return Some(self.join((begin, raw.1), u32::try_from(indent).unwrap_or(u32::MAX)));
        }
    }

    /// Bounds of the next physical line without its end.
    fn physical(&mut self) -> Option<(usize, usize)> {
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let end = memchr::memchr(b'\n', &self.text[start..]).map_or(self.text.len(), |found| start + found);
        self.at = end + 1;
        self.number = self.number.saturating_add(1);
        let end = if end > start && self.text[end - 1] == b'\r' { end - 1 } else { end };
        Some((start, end))
    }

    /// Joins what a backslash at the end continues.
    fn join(&mut self, first: (usize, usize), indent: u32) -> Line {
        let mut line = Line { bytes: Vec::new(), file: self.file, parts: Vec::new(), indent };
        let mut part = first;
        loop {
            let (end, continued) = self.continuation(part);
            line.parts.push((line.bytes.len(), self.number));
            line.bytes.extend_from_slice(&self.text[part.0..end]);
            if !continued {
                break;
            }
            match self.physical() {
                Some(next) => part = next,
                None => break,
            }
        }
        let kept = line.bytes.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
        line.bytes.truncate(kept);
        line
    }

    /// Where the line's text ends, and whether a backslash continues it. Blanks after the backslash
    /// are invisible to whoever wrote it, so they do not matter.
    fn continuation(&self, (start, end): (usize, usize)) -> (usize, bool) {
        let text = &self.text[start..end];
        let trimmed = text.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
        match trimmed.checked_sub(1).and_then(|last| text.get(last)) {
            Some(b'\\') => (start + trimmed - 1, true),
            _ => (end, false),
        }
    }

    /// A comment that ends in a backslash goes on (commented-out rules do that); where the two
    /// ModSecurity versions would disagree on whether the next line is a directive, it is an error.
    fn skip_comment(&mut self, mut raw: (usize, usize), errors: &mut Errors) {
        while self.continuation(raw).1 {
            let resume = (self.at, self.number);
            let Some(next) = self.physical() else { return };
            let text = self.text[next.0..next.1].trim_ascii_start();
            if text.starts_with(b"#") || text.is_empty() {
                (self.at, self.number) = resume;
                return;
            }
            if starts_directive(text) {
                let message = "this line follows a comment that ends in a backslash: Apache takes it as part of the comment, libmodsecurity does not";
                errors.hint(self.last(), message, "remove the backslash at the end of the comment");
                (self.at, self.number) = resume;
                return;
            }
            raw = next;
        }
    }
}

fn starts_directive(text: &[u8]) -> bool {
    text.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(b"Sec"))
        || text.get(..7).is_some_and(|head| head.eq_ignore_ascii_case(b"Include"))
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(String, u32)> {
        let mut errors = Errors::default();
        let mut reader = Lines::new(0, text.to_vec());
        let mut found = Vec::new();
        while let Some(line) = reader.next(&mut errors) {
            found.push((String::from_utf8(line.bytes.clone()).unwrap(), line.span(0).line));
        }
        assert!(errors.is_empty());
        found
    }

    #[test]
    fn continuations_keep_the_blanks_of_the_next_line() {
        assert_eq!(lines(b"a \\\n  b\\\r\nc\nd"), [("a   bc".into(), 1), ("d".into(), 4)]);
    }

    #[test]
    fn byte_order_mark_comments_and_empty_lines_are_skipped() {
        assert_eq!(lines(b"\xef\xbb\xbf# c\n\n  \r\n  x\r\n# c \\\n# d\ny"), [("x".into(), 4), ("y".into(), 7)]);
    }

    #[test]
    fn a_commented_out_rule_may_go_on_without_a_hash() {
        assert_eq!(lines(b"#SecRule ARGS x \\\n  \"id:1\"\ny"), [("y".into(), 3)]);
    }

    #[test]
    fn a_directive_after_a_continued_comment_is_ambiguous() {
        let mut errors = Errors::default();
        let mut reader = Lines::new(0, b"# note \\\nSecRuleEngine On\n".to_vec());
        assert!(reader.next(&mut errors).is_some());
        assert!(!errors.is_empty());
    }

    #[test]
    fn places_point_into_the_physical_line() {
        let mut reader = Lines::new(3, b"  ab \\\n  cd".to_vec());
        let line = reader.next(&mut Errors::default()).unwrap();
        assert_eq!(line.span(0), Span { file: 3, line: 1, column: 3 });
        let c = line.bytes.iter().position(|byte| *byte == b'c').unwrap();
        assert_eq!(line.span(c), Span { file: 3, line: 2, column: 3 });
    }
}
