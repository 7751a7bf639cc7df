//! `@pm`, `@pmFromFile`: sets of phrases, found without regard to case.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// A set of phrases.
pub(crate) struct Pm {
    automaton: AhoCorasick,
    phrases: Vec<Vec<u8>>,
}

impl Pm {
    /// Compiles the argument of `@pm`: phrases separated by white space, with `|hh hh|` for bytes.
    pub(crate) fn compile(argument: &[u8]) -> Result<Pm, String> {
        let decoded = decode_hex_runs(argument)?;
        Pm::new(decoded.into_iter().filter(|phrase| !phrase.is_empty()).collect())
    }

    /// Compiles the lines of a phrase file; empty lines and lines that begin with `#` say nothing.
    pub(crate) fn compile_file(text: &[u8]) -> Result<Pm, String> {
        Pm::new(phrases_of_file(text))
    }

    fn new(mut phrases: Vec<Vec<u8>>) -> Result<Pm, String> {
        phrases.iter_mut().for_each(|phrase| phrase.make_ascii_lowercase());
        phrases.sort_unstable();
        phrases.dedup();
        if phrases.is_empty() {
            return Err("the set of phrases is empty".to_owned());
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&phrases)
            .map_err(|error| error.to_string())?;
        Ok(Pm { automaton, phrases })
    }

    /// The phrases in lower case, sorted, each once.
    pub(crate) fn phrases(&self) -> &[Vec<u8>] {
        &self.phrases
    }

    /// The leftmost phrase found in the value, as a range of it.
    pub(crate) fn find(&self, value: &[u8]) -> Option<(usize, usize)> {
        self.automaton.find(value).map(|found| (found.start(), found.end()))
    }
}

/// The phrases of a phrase file.
fn phrases_of_file(text: &[u8]) -> Vec<Vec<u8>> {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(<[u8]>::to_vec)
        .collect()
}

/// Splits at white space; within `|…|`, pairs of hexadecimal digits are bytes (Snort's notation).
fn decode_hex_runs(argument: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut phrases = vec![Vec::new()];
    let mut rest = argument;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'|' {
            let run =
                tail.iter().position(|byte| *byte == b'|').and_then(|end| Some((end, hex_run(tail.get(..end)?)?)));
            if let (Some((end, bytes)), Some(phrase)) = (run, phrases.last_mut()) {
                phrase.extend(bytes);
                rest = tail.get(end + 1..).unwrap_or_default();
                continue;
            }
        }
        if byte.is_ascii_whitespace() || byte == 0x0b {
            phrases.push(Vec::new());
        } else if let Some(phrase) = phrases.last_mut() {
            phrase.push(byte);
        }
    }
    Ok(phrases)
}

/// Bytes of a run of hexadecimal pairs; `None` if it is not one.
fn hex_run(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    hex::decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_in_any_case_leftmost_first() {
        let pm = Pm::compile(b"WebZIP  wget|20|x a|b").unwrap();
        assert_eq!(pm.find(b"..WEBzip wget x"), Some((2, 8)));
        assert_eq!(pm.find(b"Wget xx"), Some((0, 6)));
        assert_eq!(pm.find(b"A|B"), Some((0, 3)));
        assert_eq!(pm.find(b"none"), None);
    }

    #[test]
    fn a_phrase_file_has_comments_and_empty_lines() {
        let pm = Pm::compile_file(b"# comment\r\n\r\n.htaccess\r\n/etc/ passwd\n").unwrap();
        assert_eq!(pm.phrases(), [b".htaccess".to_vec(), b"/etc/ passwd".to_vec()]);
    }
}
