//! Texts with `%{…}` macros, parsed once.

use parapet_seclang::ast::Variable;

use super::names::{Names, Slot};
use crate::variables::Source;

/// A text with macros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Plain text.
    Text(Vec<u8>),
    /// A name in `TX`.
    Tx(Slot),
    /// A variable, or a member of a collection.
    Value { variable: Variable, source: Source, key: Option<Vec<u8>> },
}

impl Template {
    /// Parses a text. What is not a macro for a known variable stays text, as libmodsecurity does.
    pub(crate) fn parse(text: &[u8], names: &mut Names) -> Template {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut rest = text;
        while let Some((&byte, tail)) = rest.split_first() {
            if byte == b'%' && tail.first() == Some(&b'{') {
                let body = tail.get(1..).unwrap_or_default();
                let end = memchr::memchr(b'}', body);
                if let Some((end, piece)) = end.and_then(|end| Some((end, parse_macro(body.get(..end)?, names)?))) {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(piece);
                    rest = body.get(end + 1..).unwrap_or_default();
                    continue;
                }
            }
            plain.push(byte);
            rest = tail;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Template { pieces }
    }

    /// The text, if there are no macros.
    pub(crate) fn plain(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(&[]),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The one name in `TX` that the whole text is, if it is one.
    pub(crate) fn slot(&self) -> Option<Slot> {
        match self.pieces.as_slice() {
            [Piece::Tx(slot)] => Some(*slot),
            _ => None,
        }
    }
}

fn parse_macro(body: &[u8], names: &mut Names) -> Option<Piece> {
    let separator = body.iter().position(|byte| matches!(byte, b'.' | b':'));
    let (name, key) = match separator {
        Some(at) => (body.get(..at)?, body.get(at + 1..)),
        None => (body, None),
    };
    let variable = Variable::from_name(name)?;
    if let (Variable::Tx, Some(key)) = (variable, key) {
        return names.intern(key).map(Piece::Tx);
    }
    Some(Piece::Value { variable, source: Source::of(variable), key: key.map(<[u8]>::to_vec) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_and_text_alternate() {
        let mut names = Names::new();
        let template = Template::parse(b"a %{TX.x}%{ARGS:q} %{nope} %{", &mut names);
        assert!(
            matches!(template.pieces.as_slice(), [Piece::Text(_), Piece::Tx(_), Piece::Value { .. }, Piece::Text(t)] if t == b" %{nope} %{")
        );
        assert_eq!(Template::parse(b"50% {x}", &mut names).plain(), Some(&b"50% {x}"[..]));
        assert_eq!(Template::parse(b"%{tx.X}", &mut names).slot(), names.find(b"x"));
    }
}
