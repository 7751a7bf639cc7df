//! What libinjection makes of a value with parentheses but without quotes, comments, variables and
//! reserved words: its first five tokens, folded.
//!
//! User agents are such values, and every request has one. The tokenizer and the folding rules are
//! those of libinjection 3.9 for the few token types that such a value can have; wherever another
//! type could arise, the answer is left to the library. The tests hold this against the library.

use std::collections::HashSet;
use std::sync::LazyLock;

use libinjectionrs::sqli::sqli_data::{CharType, SQL_KEYWORDS, get_char_type};

use super::sqli_gate::{HARMLESS_TYPES, keyword};

/// Tokens of a fingerprint.
const LENGTH: usize = 5;

/// The library has to look.
struct Unsure;

/// A token: its type as libinjection writes it, and what of its text matters.
#[derive(Clone, Copy, Default)]
struct Token {
    kind: u8,
    /// `+`, `-`, `!`, `~` or `!!`.
    unary: bool,
    /// The operator `LIKE`.
    like: bool,
}

impl Token {
    fn new(kind: u8) -> Token {
        Token { kind, ..Token::default() }
    }

    /// A word or a number.
    fn is_plain(self) -> bool {
        matches!(self.kind, b'n' | b'1')
    }
}

/// Fingerprints of the library that tokens of this kind can form, padded with zeros.
static FINGERPRINTS: LazyLock<HashSet<[u8; LENGTH]>> = LazyLock::new(|| {
    let types = HARMLESS_TYPES.to_ascii_uppercase();
    SQL_KEYWORDS
        .iter()
        .filter(|keyword| keyword.token_type == b'F')
        .map(|keyword| &keyword.word.as_bytes()[1..])
        .filter(|fingerprint| fingerprint.iter().all(|kind| types.contains(kind) || matches!(kind, b'(' | b')')))
        .map(padded)
        .collect()
});

fn padded(fingerprint: &[u8]) -> [u8; LENGTH] {
    let mut padded = [0; LENGTH];
    for (place, kind) in padded.iter_mut().zip(fingerprint) {
        *place = kind.to_ascii_uppercase();
    }
    padded
}

/// Whether the value may be an injection to the library.
pub(super) fn may_be_injection(value: &[u8]) -> bool {
    match fold(&mut Tokens { value, at: 0 }) {
        Ok(fingerprint) => FINGERPRINTS.contains(&fingerprint),
        Err(Unsure) => true,
    }
}

/// The fingerprint of a value.
fn fold(tokens: &mut Tokens<'_>) -> Result<[u8; LENGTH], Unsure> {
    let mut token = [Token::default(); LENGTH + 3];
    loop {
        let Some(first) = tokens.next()? else { return Ok([0; LENGTH]) };
        // Leading parentheses and signs do not count.
        if first.kind != b'(' && !first.unary {
            token[0] = first;
            break;
        }
    }
    let (mut end, mut left, mut more) = (1_usize, 0_usize, true);
    loop {
        if end >= LENGTH && is_loop(&token) {
            if end > LENGTH {
                token[1] = token[LENGTH];
                end = 2;
            } else {
                end = 1;
            }
            left = 0;
        }
        if !more || left >= LENGTH {
            break;
        }
        more = fill(tokens, &mut token, &mut end, left + 2)?;
        if end < left + 2 {
            left = end;
            continue;
        }
        let (first, second) = (token[left], token[left + 1]);
        match (first.kind, second.kind) {
            (b';', b';') => {
                end -= 1;
                continue;
            }
            (b'o', _) if second.unary => {
                end -= 1;
                left = 0;
                continue;
            }
            (b'(', _) if second.unary => {
                end -= 1;
                left = left.saturating_sub(1);
                continue;
            }
            (b'o', b'(') if first.like => return Err(Unsure),
            (b'(', b'(') | (b')', b')') => {
                end -= 1;
                left = 0;
                continue;
            }
            _ => {}
        }
        more = more && fill(tokens, &mut token, &mut end, left + 3)?;
        if end < left + 3 {
            left = end;
            continue;
        }
        if fold_three(&mut token, left, &mut end) {
            left = 0;
        } else {
            left += 1;
        }
    }
    let kinds: Vec<u8> = token[..end.min(LENGTH)].iter().map(|token| token.kind).collect();
    Ok(padded(&kinds))
}

/// Reads tokens until `end` reaches `wanted`; `false` if there are no more.
fn fill(tokens: &mut Tokens<'_>, token: &mut [Token], end: &mut usize, wanted: usize) -> Result<bool, Unsure> {
    while *end <= LENGTH && *end < wanted {
        match tokens.next()? {
            Some(next) => {
                token[*end] = next;
                *end += 1;
            }
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// Five tokens that say nothing and are dropped, such as `1+(1)`.
fn is_loop(token: &[Token]) -> bool {
    let kinds: [u8; LENGTH] = std::array::from_fn(|index| token[index].kind);
    matches!(
        kinds,
        [b'1', b'o' | b',', b'(', b'1', b')']
            | [b'n', b'o', b'(', b'n' | b'1', b')']
            | [b'1', b')', b',', b'(', b'1']
            | [b'n', b')', b'o', b'(', b'n']
    )
}

/// Folds three tokens; whether folding begins anew.
fn fold_three(token: &mut [Token], left: usize, end: &mut usize) -> bool {
    let [first, second, third] = [token[left], token[left + 1], token[left + 2]];
    let dropped = match (first.kind, second.kind, third.kind) {
        (b'1', b'o', b'1') => 2,
        (b'o', middle, b'o') if middle != b'(' => 2,
        (b'n' | b'1', b'o' | b',', b'n' | b'1') => 2,
        (b'n', b'.', b'n') => 2,
        (b',', _, kind) if second.unary && (matches!(kind, b'(' | b'f') || third.is_plain()) => {
            token[left + 1] = third;
            // After `, -1` the rule goes back to what was before the comma.
            if third.is_plain() { 3 } else { 1 }
        }
        _ => return false,
    };
    *end -= dropped;
    true
}

/// The tokenizer.
struct Tokens<'a> {
    value: &'a [u8],
    at: usize,
}

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, Unsure> {
        while let Some(&byte) = self.value.get(self.at) {
            let token = match get_char_type(byte) {
                CharType::White => {
                    self.at += 1;
                    continue;
                }
                CharType::Number => self.number(),
                CharType::Op1 | CharType::Unary | CharType::Dash | CharType::Slash => self.operator(1),
                CharType::Op2 | CharType::Bang => self.long_operator(byte),
                CharType::LeftParens | CharType::RightParens | CharType::Comma | CharType::Semicolon => {
                    self.at += 1;
                    Token::new(byte)
                }
                CharType::Other => {
                    self.at += 1;
                    Token::new(b'?')
                }
                CharType::Word
                | CharType::BString
                | CharType::EString
                | CharType::NQString
                | CharType::QString
                | CharType::UString
                | CharType::XString => self.word()?,
                _ => return Err(Unsure),
            };
            return Ok(Some(token));
        }
        Ok(None)
    }

    fn operator(&mut self, length: usize) -> Token {
        let text = &self.value[self.at..self.at + length];
        self.at += length;
        let unary = matches!(text, b"+" | b"-" | b"!" | b"~" | b"!!");
        Token { kind: b'o', unary, like: false }
    }

    fn long_operator(&mut self, byte: u8) -> Token {
        let rest = &self.value[self.at..];
        if rest.starts_with(b"<=>") {
            return self.operator(3);
        }
        if rest.get(..2).is_some_and(|pair| keyword(pair) != b'n') {
            return self.operator(2);
        }
        if byte == b':' && rest.len() > 1 {
            self.at += 1;
            return Token::new(b':');
        }
        self.operator(1)
    }

    fn word(&mut self) -> Result<Token, Unsure> {
        let rest = &self.value[self.at..];
        let length = rest.iter().position(|&byte| ends_word(byte)).unwrap_or(rest.len());
        let word = &rest[..length];
        let mut end = length;
        let mut kind = b'n';
        for dot in memchr::memchr_iter(b'.', &word[..length.min(32)]) {
            kind = keyword(&word[..dot]);
            if kind != b'n' {
                end = dot;
                break;
            }
        }
        if kind == b'n' {
            kind = keyword(word);
        }
        let word = &word[..end];
        if !matches!(kind, b'n' | b'f' | b'o' | b'1') || is_ambiguous(word) {
            return Err(Unsure);
        }
        self.at += end;
        Ok(Token { kind, unary: false, like: word.eq_ignore_ascii_case(b"like") })
    }

    /// A number, a dot, or what begins like a number and is a word.
    fn number(&mut self) -> Token {
        let text = &self.value[self.at..];
        let count = |from: usize, digit: fn(&u8) -> bool| text[from..].iter().take_while(|byte| digit(byte)).count();
        let prefixed = match text {
            [b'0', b'x' | b'X', ..] => Some(count(2, u8::is_ascii_hexdigit)),
            [b'0', b'b' | b'B', ..] => Some(count(2, |byte| matches!(byte, b'0' | b'1'))),
            _ => None,
        };
        if let Some(digits) = prefixed {
            self.at += 2 + digits;
            return Token::new(if digits == 0 { b'n' } else { b'1' });
        }
        let mut end = count(0, u8::is_ascii_digit);
        if text.get(end) == Some(&b'.') {
            end += 1;
            end += count(end, u8::is_ascii_digit);
            if end == 1 {
                self.at += 1;
                return Token::new(b'.');
            }
        }
        let mut kind = b'1';
        if matches!(text.get(end), Some(b'e' | b'E')) {
            end += 1;
            end += usize::from(matches!(text.get(end), Some(b'+' | b'-')));
            let digits = count(end, u8::is_ascii_digit);
            end += digits;
            if digits == 0 {
                kind = b'n';
            }
        }
        let suffix = matches!(text.get(end), Some(b'd' | b'D' | b'f' | b'F'));
        let before = matches!(text.get(end + 1), None | Some(b' ' | b'\t'..=b'\r' | 0xa0 | 0 | b';' | b'u' | b'U'));
        self.at += end + usize::from(suffix && before);
        Token::new(kind)
    }
}

/// Whether a word is a function before a parenthesis and a bareword elsewhere.
pub(super) fn is_ambiguous(word: &[u8]) -> bool {
    let ambiguous: [&[u8]; 5] = [b"user", b"user_id", b"user_name", b"database", b"password"];
    ambiguous.iter().any(|name| name.eq_ignore_ascii_case(word))
}

/// The bytes that end a word.
pub(super) fn ends_word(byte: u8) -> bool {
    b" []{}<>:\\?=@!#~+-*/&|^%(),';\t\n\x0b\x0c\r\"\xa0\0".contains(&byte)
}

#[cfg(test)]
mod tests {
    use libinjectionrs::{SqliFlags, SqliState};

    use super::super::sqli_gate::is_harmless;
    use super::*;
    use crate::fuzzing::Random;

    #[test]
    fn user_agents_are_harmless() {
        for value in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5",
            "curl/8.5.0 (x86_64-pc-linux-gnu)",
            "Jane Doe (mother), John Doe (father)",
        ] {
            assert!(is_harmless(value.as_bytes()), "{value}");
        }
        for value in ["1)+(1", "x(1)", "1,(1)", "sleep(5)", "like(1", "user(1)"] {
            let library = SqliState::new(value.as_bytes(), SqliFlags::FLAG_NONE).detect();
            assert!(!library || !is_harmless(value.as_bytes()), "{value}");
        }
        assert!(!is_harmless(b"1,(select(1)"));
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "most of it is a list")]
    fn the_fold_hides_nothing_from_the_library() {
        let pieces = [
            " ",
            ".",
            ",",
            ",",
            ":",
            ";",
            "?",
            "!",
            "%",
            "*",
            "+",
            "<",
            "=",
            ">",
            "^",
            "~",
            "-",
            "/",
            "&",
            "|",
            "(",
            "(",
            ")",
            ")",
            "\0",
            "::",
            ":=",
            "<=>",
            "!!",
            "1",
            "2.5",
            "1e5",
            "1e",
            "0x1f",
            "0x",
            "0b1",
            "e",
            "d",
            "f",
            "x",
            "n",
            "é",
            "like",
            "sleep",
            "true",
            "count",
            "ifnull",
            "dbms_lock.sleep",
            "div",
            "a.b",
        ];
        let words: Vec<&str> = SQL_KEYWORDS
            .iter()
            .filter(|keyword| matches!(keyword.token_type, b'f' | b'o' | b'1' | b'n' | b'A'))
            .map(|keyword| keyword.word)
            .collect();
        let mut random = Random::new(13);
        let (mut harmless, mut injections) = (0, 0);
        for _ in 0..300_000 {
            let mut value = Vec::new();
            for _ in 0..random.below(12) {
                let piece = if random.below(12) == 0 { random.pick(&words) } else { random.pick(&pieces) };
                value.extend_from_slice(piece.as_bytes());
            }
            let found = SqliState::new(&value, SqliFlags::FLAG_NONE).detect();
            injections += usize::from(found);
            if value.contains(&b'(') && is_harmless(&value) {
                harmless += 1;
                assert!(!found, "{}", value.escape_ascii());
            }
        }
        assert!(harmless > 20_000 && injections > 500, "{harmless} harmless, {injections} injections");
    }
}
