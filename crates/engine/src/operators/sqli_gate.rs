//! Which values libinjection cannot take for SQL injection, told in one pass.
//!
//! libinjection cuts a value into tokens, folds them, and looks the types of the first five up in a
//! list. Not one entry of that list is made of barewords, numbers, functions, operators and
//! punctuation alone. So a value is harmless if nothing in it can become anything else: no quote,
//! parenthesis, brace, bracket, comment or variable, no `&&` or `||`, and no word that its tables give
//! another type or merge with the next one. Nor does an entry begin with two barewords, and folding leaves
//! those two alone: text that begins so may have reserved words and parentheses further on. The tests hold
//! this against the library and its tables.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

use super::sqli_fold;

/// What a byte means to the gate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Letter, digit, `_` or a byte of a multi-byte character.
    Word,
    /// Between words, and never part of anything longer.
    Between,
    /// `- / & |`: harmless unless two of them begin a comment or are a logical operator.
    Pair,
    /// A parenthesis: with one it takes the first tokens to tell.
    Parenthesis,
    /// Anything else: the library has to look.
    Other,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80..=0x9f | 0xa1..=0xff => Class::Word,
            0 | b'\t'..=b'\r' | b' ' | 0xa0 => Class::Between,
            b'.' | b',' | b':' | b';' | b'?' | b'!' | b'%' | b'*' | b'+' | b'<' | b'=' | b'>' | b'^' | b'~' | b']' => {
                Class::Between
            }
            b'-' | b'/' | b'&' | b'|' => Class::Pair,
            b'(' | b')' => Class::Parenthesis,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

/// Token types, as libinjection writes them, that a harmless value consists of.
pub(super) const HARMLESS_TYPES: &[u8] = b"1no,.:;?fA";

/// Whether libinjection cannot find SQL injection in the value.
pub(super) fn is_harmless(value: &[u8]) -> bool {
    let is_prose = begins_with_plain_words(value);
    let mut parentheses = false;
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        match CLASSES[usize::from(byte)] {
            Class::Word => {
                let length = value[at..].iter().take_while(|&&byte| CLASSES[usize::from(byte)] == Class::Word).count();
                let run = &value[at..at + length];
                if !is_prose && (is_exponent(&value[..at], byte) || has_reserved(run)) {
                    return false;
                }
                at += length;
            }
            Class::Between => at += 1,
            Class::Pair => {
                let next = value.get(at + 1);
                let doubled = next == Some(&byte) && byte != b'/';
                if doubled || (byte == b'/' && next == Some(&b'*')) {
                    return false;
                }
                at += 1;
            }
            Class::Parenthesis => {
                parentheses = true;
                at += 1;
            }
            Class::Other => return false,
        }
    }
    is_prose || !parentheses || !sqli_fold::may_be_injection(value)
}

/// Whether the first two tokens of a value are barewords that no rule of folding changes, whatever follows.
fn begins_with_plain_words(value: &[u8]) -> bool {
    let word = |text: &[u8]| text.iter().take_while(|&&byte| CLASSES[usize::from(byte)] == Class::Word).count();
    let (first, rest) = value.split_at(word(value));
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    let rest = &rest[spaces..];
    let (second, rest) = rest.split_at(word(rest));
    spaces > 0 && is_plain(first) && is_plain(second) && rest.first().is_none_or(|&byte| sqli_fold::ends_word(byte))
}

/// Whether a run of word bytes is a bareword that merges with no other word and becomes no function.
fn is_plain(word: &[u8]) -> bool {
    let begins_word = word.first().is_some_and(|byte| !byte.is_ascii_digit());
    begins_word && keyword(word) == b'n' && !sqli_fold::is_ambiguous(word)
}

/// Whether a letter after `1.` may belong to the number, so that a word could begin behind it.
fn is_exponent(before: &[u8], letter: u8) -> bool {
    matches!(letter, b'e' | b'E' | b'd' | b'D' | b'f' | b'F')
        && matches!(before, [.., digit, b'.'] if digit.is_ascii_digit())
}

/// Whether a run of word bytes holds a reserved word: it is one, or a number with one behind it.
fn has_reserved(run: &[u8]) -> bool {
    let mut rest = run;
    while rest.first().is_some_and(u8::is_ascii_digit) {
        let (digits, number) = number(rest);
        // Where the run continues a number, the word begins behind the digits.
        if is_reserved(&rest[digits..]) || is_reserved_after_suffix(&rest[digits..]) {
            return true;
        }
        rest = &rest[number..];
    }
    is_reserved(rest) || is_reserved_after_suffix(rest)
}

/// How many bytes of a number are decimal digits, and how many the tokenizer takes for the number.
fn number(text: &[u8]) -> (usize, usize) {
    let count = |from: usize, digit: fn(&u8) -> bool| text[from..].iter().take_while(|byte| digit(byte)).count();
    let digits = count(0, u8::is_ascii_digit);
    let length = match text {
        [b'0', b'x' | b'X', ..] => 2 + count(2, u8::is_ascii_hexdigit),
        [b'0', b'b' | b'B', ..] => 2 + count(2, |byte| matches!(byte, b'0' | b'1')),
        _ if matches!(text.get(digits), Some(b'e' | b'E')) => digits + 1 + count(digits + 1, u8::is_ascii_digit),
        _ => digits,
    };
    (digits, length)
}

/// `1dunion`: Oracle's suffix of a number before a word that begins with `u`.
fn is_reserved_after_suffix(word: &[u8]) -> bool {
    matches!(word, [b'd' | b'D' | b'f' | b'F', b'u' | b'U', ..]) && is_reserved(&word[1..])
}

/// The type of words that a harmless value does not have.
const RESERVED: u8 = b'R';

/// The library's words and operators with the types it gives them, by shape.
struct Keywords {
    /// Shapes that words have, as bits.
    shapes: [u64; 512],
    /// How many shapes that words have come before each 64 of them.
    before: [u16; 512],
    /// The words of each shape that words have.
    words: Vec<Vec<(&'static [u8], u8)>>,
}

static KEYWORDS: LazyLock<Keywords> = LazyLock::new(|| {
    let mut words = BTreeMap::new();
    for keyword in SQL_KEYWORDS.iter().filter(|keyword| keyword.token_type != b'F') {
        // Of words that are merged the first is enough: without it nothing is merged.
        let (word, kind) = match keyword.word.split_once(' ') {
            Some((first, _)) => (first, RESERVED),
            // Behind a semicolon the library takes a function that begins like this for a statement.
            None if keyword.word.starts_with("IF") => (keyword.word, RESERVED),
            None if HARMLESS_TYPES.contains(&keyword.token_type) => (keyword.word, keyword.token_type),
            None => (keyword.word, RESERVED),
        };
        if let Some(shape) = shape(word.as_bytes()) {
            let known = words.entry((shape, word.as_bytes())).or_insert(kind);
            if kind == RESERVED {
                *known = RESERVED;
            }
        }
    }
    let mut keywords = Keywords { shapes: [0; 512], before: [0; 512], words: Vec::new() };
    for ((shape, word), kind) in words {
        let (place, bit) = (shape / 64, 1 << (shape % 64));
        if keywords.shapes[place] & bit == 0 {
            keywords.shapes[place] |= bit;
            keywords.before[place + 1..].iter_mut().for_each(|before| *before += 1);
            keywords.words.push(Vec::new());
        }
        if let Some(same) = keywords.words.last_mut() {
            same.push((word, kind));
        }
    }
    keywords
});

impl Keywords {
    /// The words of a shape.
    fn of(&self, shape: usize) -> &[(&'static [u8], u8)] {
        let (shapes, bit) = (self.shapes[shape / 64], 1 << (shape % 64));
        if shapes & bit == 0 {
            return &[];
        }
        let place = usize::from(self.before[shape / 64]) + (shapes & (bit - 1)).count_ones() as usize;
        self.words.get(place).map_or(&[], Vec::as_slice)
    }
}

/// A number below 32768 for a word of two bytes and more.
fn shape(word: &[u8]) -> Option<usize> {
    match *word {
        [first, second, .., last] => Some(mix(word.len(), first, second, last)),
        [first, last] => Some(mix(2, first, last, last)),
        _ => None,
    }
}

fn mix(length: usize, first: u8, second: u8, last: u8) -> usize {
    let letter = |byte: u8| usize::from(byte & 0x1f);
    (letter(first) | letter(second) << 5 | (letter(last) ^ length) << 10) & 0x7fff
}

/// Whether a word is reserved, in any case.
fn is_reserved(word: &[u8]) -> bool {
    keyword(word) == RESERVED
}

/// The library's type for a word or an operator, in any case; `n` for one that it does not know.
pub(super) fn keyword(word: &[u8]) -> u8 {
    let words = shape(word).map_or(&[][..], |shape| KEYWORDS.of(shape));
    words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map_or(b'n', |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use libinjectionrs::{SqliFlags, SqliState};

    use super::*;
    use crate::fuzzing::Random;

    #[test]
    fn no_fingerprint_of_the_library_is_made_of_harmless_types() {
        let harmless = HARMLESS_TYPES.to_ascii_uppercase();
        let fingerprints: Vec<&str> = SQL_KEYWORDS
            .iter()
            .filter(|keyword| keyword.token_type == b'F')
            .map(|keyword| &keyword.word[1..])
            .collect();
        assert_eq!(fingerprints.len(), 8367);
        for fingerprint in fingerprints {
            assert!(fingerprint.bytes().any(|kind| !harmless.contains(&kind)), "{fingerprint}");
        }
    }

    #[test]
    fn no_fingerprint_of_the_library_begins_with_two_barewords() {
        assert!(!SQL_KEYWORDS.iter().any(|keyword| keyword.token_type == b'F' && keyword.word[1..].starts_with("NN")));
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "most of it is a list")]
    fn what_begins_with_two_plain_words_is_no_injection_to_the_library() {
        let pieces = [
            " ",
            " ",
            ".",
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
            "]",
            "-",
            "/",
            "&",
            "|",
            "(",
            ")",
            "\0",
            "\t",
            "\u{a0}",
            "::",
            ":=",
            "1",
            "2.5",
            "1e5",
            "0x1f",
            "e",
            "u",
            "é",
            " or ",
            " and ",
            " union select ",
            " in boolean mode ",
            " not in (",
            " is not distinct from ",
            " like(",
            " collate a_b ",
        ];
        let words: Vec<&str> =
            SQL_KEYWORDS.iter().filter(|keyword| keyword.token_type != b'F').map(|keyword| keyword.word).collect();
        let starts = ["please", "wrap", "value", "Jane", "x", "n", "q", "b", "u", "e", "_a", "é", "for", "user", "a1"];
        let mut random = Random::new(17);
        let (mut plain, mut others) = (0, 0);
        for _ in 0..300_000 {
            let mut value = Vec::new();
            for _ in 0..2 {
                let word = if random.below(8) == 0 { random.pick(&words) } else { random.pick(&starts) };
                value.extend_from_slice(word.as_bytes());
                value.extend_from_slice(b" ");
            }
            if random.below(2) == 0 {
                value.pop();
            }
            for _ in 0..random.below(12) {
                let piece = if random.below(3) == 0 { random.pick(&words) } else { random.pick(&pieces) };
                value.extend_from_slice(piece.as_bytes());
            }
            let found = SqliState::new(&value, SqliFlags::FLAG_NONE).detect();
            if begins_with_plain_words(&value) && is_harmless(&value) {
                plain += 1;
                assert!(!found, "{}", value.escape_ascii());
            } else {
                others += usize::from(found);
            }
        }
        assert!(plain > 50_000 && others > 300, "{plain} plain, {others} others that are injections");
    }

    #[test]
    fn every_key_that_could_matter_is_reserved_or_holds_a_byte_the_gate_refuses() {
        for keyword in SQL_KEYWORDS.iter().filter(|keyword| keyword.token_type != b'F') {
            let word = keyword.word.as_bytes();
            let matters = word.contains(&b' ') || !HARMLESS_TYPES.contains(&keyword.token_type);
            assert!(!matters || !is_harmless(word), "{}", keyword.word);
            assert!(!matters || !is_harmless(&word.to_ascii_lowercase()), "{}", keyword.word);
        }
    }

    #[test]
    fn a_function_that_may_be_a_statement_is_left_to_the_library() {
        for value in ["U;;IFF*(", "1;ifnull 1", "x ; Iff(1)", "1;ifnull(1,1)"] {
            assert!(!is_harmless(value.as_bytes()), "{value}");
        }
        assert!(SqliState::new(b"U;;IFF*(", SqliFlags::FLAG_NONE).detect());
    }

    #[test]
    fn what_people_write_is_harmless() {
        for value in [
            "rust web application firewall",
            "https://www.example.com/path/page.html?x=1&y=2;z",
            "550e8400-e29b-41d4-a716-446655440000",
            "2026-11-22T16:00:00Z, 5.99 EUR",
            "Jürgen <jane.doe+x%y>",
            "please wrap as a gift, or (if you like) not",
            "Shoe number 1 and 2",
        ] {
            assert!(is_harmless(value.as_bytes()), "{value}");
        }
        for value in [
            "1 union x",
            "1)+(1",
            "f(select 1)",
            "a--b",
            "a/*b",
            "a && b",
            "a || b",
            "x'y",
            "1.e5and 1",
            "1e+5else",
            "0b12and",
            "9dunion",
            "group by",
            "please wrap or 1=1 --",
            "x user(1) union select 1",
            "x not in (select 1)",
            "x y.z union select 1",
        ] {
            assert!(!is_harmless(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn harmless_values_are_no_injection_to_the_library() {
        let punctuation = [
            " ", ".", ",", ":", ";", "?", "!", "%", "*", "+", "<", "=", ">", "^", "~", "]", "-", "/", "&", "|", "\0",
            "\t", "\u{a0}", "::", ":=", "<=>", "1", "2.5", "1e5", "0x1f", "0b1", "e", "d", "f", "x", "_", "é",
        ];
        let words: Vec<&str> =
            SQL_KEYWORDS.iter().filter(|keyword| keyword.token_type != b'F').map(|keyword| keyword.word).collect();
        let mut random = Random::new(11);
        let mut harmless = 0;
        for _ in 0..200_000 {
            let mut value = Vec::new();
            for _ in 0..random.below(10) {
                let word = if random.below(4) == 0 { random.pick(&words) } else { random.pick(&punctuation) };
                value.extend_from_slice(word.as_bytes());
            }
            if is_harmless(&value) {
                harmless += 1;
                assert!(!SqliState::new(&value, SqliFlags::FLAG_NONE).detect(), "{}", value.escape_ascii());
            }
        }
        assert!(harmless > 20_000, "{harmless}");
    }
}
