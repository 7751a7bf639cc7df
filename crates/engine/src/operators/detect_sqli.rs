//! `@detectSQLi`: SQL injection, as libinjection finds it.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libinjectionrs::{SqliFlags, SqliState};

use super::{sqli_gate, sqli_phrases};

/// The token types of an injection, one byte each: libinjection's fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    bytes: [u8; 8],
}

impl Deref for Fingerprint {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// What stands for a value that cannot be analysed: libinjection's fingerprint of "evil" input.
const EVIL: Fingerprint = Fingerprint { bytes: *b"X\0\0\0\0\0\0\0" };

/// The fingerprint, if the value is SQL injection as it stands or within quotes.
pub(crate) fn detect(value: &[u8]) -> Option<Fingerprint> {
    if is_one_word(value) || sqli_gate::is_harmless(value) {
        return None;
    }
    if is_hostile(value) {
        return Some(EVIL);
    }
    let replaced = sqli_phrases::replaced(value);
    let value = replaced.as_deref().unwrap_or(value);
    // The library is a port that indexes slices. Should it ever fail, the value is what an attacker
    // would send: it counts as found.
    let found = catch_unwind(AssertUnwindSafe(|| {
        let mut state = SqliState::new(value, SqliFlags::FLAG_NONE);
        state.detect().then_some(Fingerprint { bytes: state.fingerprint })
    }));
    found.unwrap_or(Some(EVIL))
}

/// What a byte is to libinjection's tokenizer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Part of a word or number, and never anything else.
    Word,
    /// Part of a word once it has begun.
    Inner,
    /// `.` or a backtick: part of a word, which is looked up from its start to here.
    Lookup,
    /// Ends a word.
    End,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Word; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80..=0x9f | 0xa1..=0xff => Class::Word,
            b'.' | b'`' => Class::Lookup,
            b'$' | 0x01..=0x08 | 0x0e..=0x1f | 0x7f => Class::Inner,
            _ => Class::End,
        };
        byte += 1;
    }
    classes
};

/// Whether the value holds nothing but letters, digits, `_` and bytes over 0x80.
///
/// Such a value is at most two numbers and a word, and the only fingerprint of libinjection's list
/// that these can form is `1U`, which it takes for harmless if it is all there is.
fn is_one_word(value: &[u8]) -> bool {
    value.iter().all(|&byte| CLASSES[usize::from(byte)] == Class::Word)
}

/// Comparisons that the tokenizer may spend on one word.
const MAX_WORK: usize = 1 << 20;

/// Whether a word of the value would take the tokenizer quadratic time: it looks the word up from its
/// start at each `.` and backtick within. More than a thousand of them without any other punctuation
/// or space between are no text.
fn is_hostile(value: &[u8]) -> bool {
    if value.len() < 1024 {
        return false;
    }
    let mut length = 0_usize;
    let mut work = 0_usize;
    for &byte in value {
        match CLASSES[usize::from(byte)] {
            Class::Word | Class::Inner => length += 1,
            Class::Lookup => {
                length += 1;
                work += length;
                if work > MAX_WORK {
                    return true;
                }
            }
            Class::End => (length, work) = (0, 0),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library without any gate.
    fn ungated(value: &[u8]) -> bool {
        SqliState::new(value, SqliFlags::FLAG_NONE).detect()
    }

    #[test]
    fn injections_are_found_with_their_fingerprint() {
        assert_eq!(detect(b"1' OR '1'='1").as_deref(), Some(&b"s&sos"[..]));
        assert!(detect(b"ascii(substring(version() from 1 for 1))").is_some());
        assert!(detect(b"1 union select password from users").is_some());
        assert_eq!(detect(b""), None);
        assert_eq!(detect(b"this is not isqli"), None);
    }

    #[test]
    fn phrases_that_the_library_takes_apart_are_read_as_one_word() {
        assert_eq!(detect(b"1' in boolean mode) and 9198=9198--").as_deref(), Some(&b"sk)&1"[..]));
        assert!(detect(b"'/**/In/**/BOoLEaN/**/moDE)/**/Or/**/5221=(SEleCT 1)").is_some());
        assert_eq!(detect(b"in boolean mode"), None);
    }

    #[test]
    fn the_word_gate_never_hides_an_injection() {
        let words = [
            "union",
            "select",
            "UNION",
            "and",
            "or",
            "null",
            "0x",
            "0b",
            "1e",
            "1d",
            "2f",
            "int",
            "sleep",
            "x",
            "b",
            "q",
            "n",
            "u",
            "e",
            "if",
            "like",
            "not",
            "in",
            "collate",
            "_",
            "having",
            "group",
            "sp_password",
        ];
        let numbers = ["", "1", "0x1", "0b1", "12", "1e5", "0b12", "1e", "0x", "9d", "0", "00", "0b", "0b10b1"];
        for number in numbers {
            for first in words {
                for second in words {
                    let value = format!("{number}{first}{second}");
                    assert!(is_one_word(value.as_bytes()));
                    assert!(!ungated(value.as_bytes()), "{value}");
                }
            }
        }
        let alphabet: Vec<u8> = (0..=255).filter(|&byte| CLASSES[usize::from(byte)] == Class::Word).collect();
        let mut random = crate::fuzzing::Random::new(1);
        for _ in 0..20_000 {
            let value: Vec<u8> = (0..random.below(24)).map(|_| *random.pick(&alphabet)).collect();
            assert!(!ungated(&value), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_word_of_dots_is_refused_and_not_analysed() {
        assert_eq!(detect(&b"a.\x01`".repeat(100_000)), Some(EVIL));
        assert_eq!(detect(&[b"{".as_slice(), &b"a.".repeat(100_000)].concat()), Some(EVIL));
        assert_eq!(detect(&b"a.".repeat(100_000)), None);
        assert_eq!(detect(&b"a. ".repeat(10_000)), None);
        assert_eq!(detect(&b"a".repeat(100_000)), None);
    }
}
