//! Phrases that libinjection reads as one word, and that its port to Rust does not.
//!
//! When libinjection folds tokens it merges neighbouring words as long as its tables know the phrase:
//! `IN` and `BOOLEAN` become `IN BOOLEAN`, a plain word, and with `MODE` the keyword
//! `IN BOOLEAN MODE`. The port takes a phrase that is a plain word for one that it does not know, so it
//! never gets to the longer one, and misses injections such as `1' in boolean mode) and 1=1--`. Here
//! each such phrase is replaced, before the library sees the value, by one word that the tables give
//! the same type and that none of libinjection's rules treats in a special way.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

/// A phrase and the word that stands for it. Longer ones before those that they begin with.
const PHRASES: [(&[&str], &[u8]); 17] = [
    (&["AT", "TIME", "ZONE"], KEYWORD),
    (&["AT", "TIME"], PLAIN),
    (&["CREATE", "OR", "REPLACE"], b"SHUTDOWN"),
    (&["CREATE", "OR"], PLAIN),
    (&["IN", "BOOLEAN", "MODE"], KEYWORD),
    (&["IN", "BOOLEAN"], PLAIN),
    (&["IS", "DISTINCT", "FROM"], OPERATOR),
    (&["IS", "DISTINCT"], PLAIN),
    (&["IS", "NOT", "DISTINCT", "FROM"], OPERATOR),
    (&["IS", "NOT", "DISTINCT"], PLAIN),
    (&["LOCK", "IN", "SHARE", "MODE"], KEYWORD),
    (&["LOCK", "IN", "SHARE"], PLAIN),
    (&["LOCK", "IN"], PLAIN),
    (&["NEXT", "VALUE", "FOR"], KEYWORD),
    (&["NEXT", "VALUE"], PLAIN),
    (&["PREVIOUS", "VALUE", "FOR"], KEYWORD),
    (&["PREVIOUS", "VALUE"], PLAIN),
];

const KEYWORD: &[u8] = b"ZEROFILL";
const OPERATOR: &[u8] = b"DIV";
const PLAIN: &[u8] = b"PLAINWORD";

/// Finds the first words of the phrases.
static FIRST: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let first: Vec<&str> = PHRASES.iter().map(|(words, _)| words[0]).collect();
    AhoCorasickBuilder::new().ascii_case_insensitive(true).match_kind(MatchKind::LeftmostFirst).build(first).ok()
});

/// The value with every phrase replaced; `None` if it has none.
pub(crate) fn replaced(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut kept = 0;
    for found in FIRST.as_ref()?.find_iter(value) {
        let start = found.start();
        if start < kept || !ends_word(start.checked_sub(1).and_then(|before| value.get(before))) {
            continue;
        }
        let phrase = PHRASES.iter().find_map(|(words, word)| Some((end(value, start, words)?, word)));
        if let Some((end, word)) = phrase {
            out.extend_from_slice(&value[kept..start]);
            out.extend_from_slice(word);
            kept = end;
        }
    }
    if kept == 0 {
        return None;
    }
    out.extend_from_slice(&value[kept..]);
    Some(out)
}

/// Where a phrase that begins at `start` ends, if it does begin there.
fn end(value: &[u8], start: usize, words: &[&str]) -> Option<usize> {
    let mut at = start;
    for (position, word) in words.iter().enumerate() {
        if position > 0 {
            at += gap(value.get(at..)?)?;
        }
        let text = value.get(at..at + word.len())?;
        at += word.len();
        if !text.eq_ignore_ascii_case(word.as_bytes()) || !ends_word(value.get(at)) {
            return None;
        }
    }
    Some(at)
}

/// Length of the white space and comments between two words; `None` if nothing is there.
fn gap(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at..)? {
            [byte, ..] if is_white(*byte) => at += 1,
            // MySQL runs what stands in `/*! */`.
            [b'/', b'*', after @ ..] if after.first() != Some(&b'!') => {
                at += 4 + after.windows(2).position(|window| window == b"*/")?;
            }
            _ => return (at > 0).then_some(at),
        }
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0 | 0)
}

/// Whether a word of the tokenizer ends before this byte, or at the end of the value.
fn ends_word(byte: Option<&u8>) -> bool {
    byte.is_none_or(|byte| is_white(*byte) || b"[]{}<>:\\?=@!#~+-*/&|^%(),';\"".contains(byte))
}

#[cfg(test)]
mod tests {
    use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

    use super::*;

    #[test]
    fn phrases_are_replaced_whatever_stands_between_their_words() {
        let text = |value: &str| replaced(value.as_bytes()).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(text("1' in  Boolean/**/mode) or").as_deref(), Some("1' ZEROFILL) or"));
        assert_eq!(text("a is not distinct from b, in boolean c").as_deref(), Some("a DIV b, PLAINWORD c"));
        for value in ["in boolean_mode", "join boolean mode", "in", "in,boolean mode", "in/*!x*/boolean", "", "in /*"] {
            assert_eq!(text(value), None, "{value}");
        }
    }

    #[test]
    fn the_phrases_are_those_of_the_tables_and_the_words_have_their_types() {
        let kind = |word: &str| SQL_KEYWORDS.iter().find(|known| known.word == word).map(|known| known.token_type);
        let in_tables = |phrase: &str| PHRASES.iter().any(|(words, _)| words.join(" ") == phrase);
        for (words, word) in PHRASES {
            let expected = kind(&words.join(" ")).unwrap();
            assert_eq!(kind(std::str::from_utf8(word).unwrap()).unwrap_or(b'n'), expected, "{words:?}");
        }
        for known in SQL_KEYWORDS.iter().filter(|known| known.token_type == b'n' && known.word.contains(' ')) {
            assert!(in_tables(known.word), "{}", known.word);
            let longer = SQL_KEYWORDS.iter().filter(|other| other.word.starts_with(&format!("{} ", known.word)));
            for longer in longer {
                assert!(in_tables(longer.word), "{}", longer.word);
            }
        }
        // A word of a phrase must not take part in another one.
        for word in [KEYWORD, OPERATOR, PLAIN, b"SHUTDOWN"] {
            let word = std::str::from_utf8(word).unwrap();
            let parts = SQL_KEYWORDS.iter().filter(|known| known.word.contains(' '));
            assert!(!parts.flat_map(|known| known.word.split(' ')).any(|part| part == word), "{word}");
        }
    }
}
