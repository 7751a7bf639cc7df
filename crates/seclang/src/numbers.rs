//! Numbers, switches and id ranges as they stand in arguments.

use std::fmt::Display;

use crate::ast::IdRange;
use crate::error::{Errors, show};
use crate::text::Slice;

/// A decimal number within bounds.
pub(crate) fn number<N>(text: Slice<'_>, least: N, most: N, errors: &mut Errors) -> Option<N>
where
    N: TryFrom<u64> + PartialOrd + Display + Copy,
{
    let text = text.trim();
    let found = decimal(text.bytes()).and_then(|value| N::try_from(value).ok());
    let found = found.filter(|value| *value >= least && *value <= most);
    if found.is_none() {
        errors.push(text.span(), format!("a number from {least} to {most} is expected, not `{}`", show(text.bytes())));
    }
    found
}

fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// One of several words, in any case.
pub(crate) fn choice<T: Copy>(
    text: Slice<'_>,
    what: &str,
    choices: &[(&'static str, T)],
    errors: &mut Errors,
) -> Option<T> {
    let bytes = text.bytes();
    let found = choices.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(bytes));
    if found.is_none() {
        let names = choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let message = format!("unknown {what} `{}`", show(bytes));
        errors.hint(text.span(), message, format!("one of: {names}"));
    }
    found.map(|(_, value)| *value)
}

/// `On` or `Off`.
pub(crate) fn on_off(text: Slice<'_>, errors: &mut Errors) -> Option<bool> {
    choice(text, "switch", &[("On", true), ("Off", false)], errors)
}

/// Rule ids and ranges of them, separated by blanks or commas: `942100 950000-959999`.
pub(crate) fn id_ranges(text: Slice<'_>, errors: &mut Errors) -> Vec<IdRange> {
    let mut found = Vec::new();
    for piece in text.pieces(|byte| matches!(byte, b' ' | b'\t' | b',')) {
        let piece = strip_quotes(piece);
        let range = match piece.split_once(b'-') {
            Some((first, last)) => number(first, 0, u32::MAX, errors).zip(number(last, 0, u32::MAX, errors)),
            None => number(piece, 0, u32::MAX, errors).map(|id| (id, id)),
        };
        match range {
            Some((first, last)) if first > last => {
                errors.push(piece.span(), format!("the range {first}-{last} is empty"));
            }
            Some((first, last)) => found.push(IdRange { first, last }),
            None => {}
        }
    }
    if text.trim().is_empty() {
        errors.push(text.span(), "a rule id is missing");
    }
    found
}

fn strip_quotes(text: Slice<'_>) -> Slice<'_> {
    let bytes = text.bytes();
    let quoted = bytes.len() >= 2 && bytes.first() == Some(&b'\'') && bytes.last() == Some(&b'\'');
    if quoted { text.part(1, bytes.len() - 1) } else { text }
}
