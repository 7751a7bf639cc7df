//! What is wrong with a configuration, with its place and the nearest name that would be right.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ast::Span;

/// Errors kept at most; beyond them the text is not SecLang and more lines help nobody.
const MAX_ERRORS: usize = 1_000;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}{}", .file.display(), .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct ParseError {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Something in a configuration that is accepted but does not do what it would do in ModSecurity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}", .file.display())]
pub struct Warning {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
    /// What has no meaning, and why.
    pub message: String,
}

/// Collects errors while parsing goes on.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    found: Vec<(Span, String, Option<String>)>,
    warnings: Vec<(Span, String)>,
}

impl Errors {
    pub(crate) fn push(&mut self, span: Span, message: impl Into<String>) {
        self.add(span, message.into(), None);
    }

    pub(crate) fn hint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.add(span, message.into(), Some(hint.into()));
    }

    /// "unknown {what} `name`", with the nearest known name as the hint.
    pub(crate) fn unknown<'n>(
        &mut self,
        span: Span,
        what: &str,
        name: &[u8],
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.add(span, format!("unknown {what} `{}`", show(name)), hint);
    }

    /// Notes what is accepted without a meaning.
    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>) {
        if self.warnings.len() < MAX_ERRORS {
            self.warnings.push((span, message.into()));
        }
    }

    /// Turns the spans of warnings into places.
    pub(crate) fn warnings(&self, files: &[Arc<PathBuf>]) -> Vec<Warning> {
        let place = |(span, message): &(Span, String)| Warning {
            file: files.get(span.file as usize).map(|file| file.to_path_buf()).unwrap_or_default(),
            line: span.line,
            column: span.column,
            message: message.clone(),
        };
        self.warnings.iter().map(place).collect()
    }

    fn add(&mut self, span: Span, message: String, hint: Option<String>) {
        if self.found.len() < MAX_ERRORS {
            self.found.push((span, message, hint));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MAX_ERRORS
    }

    /// Turns spans into places; errors come in the order of files and lines.
    pub(crate) fn resolve(mut self, files: &[Arc<PathBuf>]) -> Vec<ParseError> {
        self.found.sort_by_key(|(span, ..)| (span.file, span.line, span.column));
        self.found
            .into_iter()
            .map(|(span, message, hint)| ParseError {
                file: files.get(span.file as usize).map(|file| file.to_path_buf()).unwrap_or_default(),
                line: span.line,
                column: span.column,
                message,
                hint,
            })
            .collect()
    }
}

/// Bytes as they are shown in a message: cut short, without control characters.
pub(crate) fn show(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    let cut = bytes.get(..SHOWN).unwrap_or(bytes);
    let mut text: String =
        String::from_utf8_lossy(cut).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if bytes.len() > SHOWN {
        text.push('…');
    }
    text
}

/// The known name that differs least, if it is near enough to be meant.
pub(crate) fn nearest<'n>(name: &[u8], known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_must_be_near() {
        let known = ["SecRule", "SecAction", "SecRuleEngine"];
        assert_eq!(nearest(b"SecRlue", known), Some("SecRule"));
        assert_eq!(nearest(b"secruleengin", known), Some("SecRuleEngine"));
        assert_eq!(nearest(b"ServerName", known), None);
        assert_eq!(nearest(&[b'a'; 10_000], known), None);
    }

    #[test]
    fn shown_text_is_short_and_printable() {
        assert_eq!(show(b"a\x00b\n"), "a\u{fffd}b\u{fffd}");
        assert!(show(&[b'x'; 500]).chars().count() <= 61);
    }
}
