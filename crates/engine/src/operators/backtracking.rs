//! Patterns that only backtracking can match: look-around, back references, possessive repetition.
//!
//! The ways to match that are tried on one value are limited, the more the longer the value. As few are
//! allowed at first, which is enough for almost any value, and more only when those are used up: so
//! what a test cost is known, within a small factor, without a clock.

use std::sync::OnceLock;

use fancy_regex::{Captures, Regex};

use super::GivenUp;

/// Ways that may be tried, from the first attempt to the last.
const TRIES: [usize; 3] = [2_000, 100_000, 4_000_000];
/// Ways that each byte of a value is worth: the last attempt is for long values only.
const TRIES_PER_BYTE: usize = 20;
/// Steps that each way counts as.
const STEPS_PER_TRY: u64 = 20;
/// Bytes that the parts of a pattern that need no backtracking may take.
const PATTERN_SIZE: usize = 32 << 20;
/// Matches looked at in one value: each may have taken a look at all the rest of it.
pub(super) const MOST_MATCHES: usize = 10_000;

/// A compiled pattern.
pub(crate) struct Backtracking {
    pattern: String,
    /// The pattern with each limit, as far as it was needed.
    attempts: [OnceLock<Option<Regex>>; TRIES.len()],
    /// `SecPcreMatchLimit`: ways that may be tried from each byte at which a match can begin. The first
    /// attempt is made in any case.
    match_limit: Option<u32>,
}

impl Backtracking {
    /// Compiles a pattern; the error says what is wrong with it.
    pub(crate) fn compile(pattern: String, match_limit: Option<u32>) -> Result<Backtracking, String> {
        let first = build(&pattern, TRIES[0]).map_err(|error| error.to_string())?;
        let attempts = [OnceLock::from(Some(first)), OnceLock::new(), OnceLock::new()];
        Ok(Backtracking { pattern, attempts, match_limit })
    }

    /// Whether the pattern is found in the value.
    pub(crate) fn is_match(&self, value: &[u8]) -> Result<bool, GivenUp> {
        self.attempt(value, |regex| regex.is_match(value))
    }

    /// The first match.
    pub(crate) fn first<'v>(&self, value: &'v [u8]) -> Result<Option<Captures<'v, [u8]>>, GivenUp> {
        self.attempt(value, |regex| regex.captures(value))
    }

    /// All matches.
    pub(crate) fn all<'v>(&self, value: &'v [u8]) -> Result<Vec<Captures<'v, [u8]>>, GivenUp> {
        self.attempt(value, |regex| regex.captures_iter(value).take(MOST_MATCHES).collect())
    }

    fn attempt<T>(&self, value: &[u8], search: impl Fn(&Regex) -> Result<T, fancy_regex::Error>) -> Result<T, GivenUp> {
        let mut spent = 0;
        let allowed =
            self.match_limit.map_or(u64::MAX, |limit| u64::from(limit).saturating_mul(value.len() as u64 + 1));
        let enough = value.len().saturating_mul(TRIES_PER_BYTE);
        for (position, (attempt, tries)) in self.attempts.iter().zip(TRIES).enumerate() {
            if position > 1 && TRIES.get(position - 1).is_some_and(|before| *before >= enough) {
                break;
            }
            if position > 0 && tries as u64 > allowed {
                break;
            }
            let regex = attempt.get_or_init(|| build(&self.pattern, tries).ok());
            if let Some(Ok(found)) = regex.as_ref().map(&search) {
                return Ok(found);
            }
            spent += tries as u64 * STEPS_PER_TRY;
        }
        Err(GivenUp { steps: spent })
    }
}

fn build(pattern: &str, tries: usize) -> Result<Regex, fancy_regex::Error> {
    fancy_regex::RegexBuilder::new(pattern)
        .unicode_mode(false)
        .bytes_mode(fancy_regex::BytesMode::Ascii)
        .dot_matches_new_line(true)
        .backtrack_limit(tries)
        .delegate_size_limit(PATTERN_SIZE)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Backtracking {
        Backtracking::compile(text.to_owned(), None).unwrap()
    }

    #[test]
    fn the_match_limit_counts_from_each_beginning() {
        let limited = Backtracking::compile(r"^(?:(a+)\1?)+b".to_owned(), Some(1_000)).unwrap();
        assert_eq!(limited.is_match(&[b'a'; 50]).unwrap_err().steps, 2_000 * STEPS_PER_TRY);
        assert_eq!(limited.is_match(&[b'a'; 150]).unwrap_err().steps, 102_000 * STEPS_PER_TRY);
        assert_eq!(limited.is_match(b"aab"), Ok(true));
    }

    #[test]
    fn a_pattern_that_tries_too_many_ways_is_given_up() {
        let exponential = pattern(r"^(?:(a+)\1?)+b");
        let few = exponential.is_match(&[b'a'; 50]).unwrap_err().steps;
        let many = exponential.is_match(&vec![b'a'; 50_000]).unwrap_err().steps;
        assert_eq!(few, 102_000 * STEPS_PER_TRY);
        assert_eq!(many, 4_102_000 * STEPS_PER_TRY);
    }

    #[test]
    fn long_ordinary_values_are_searched_to_their_end() {
        let value = [&b"ordinary text, ".repeat(20_000)[..], b"<b>x</b>"].concat();
        assert_eq!(pattern(r"<(\w+)>[^<]*</\1>").is_match(&value), Ok(true));
    }

    #[test]
    fn all_matches_are_found_in_order() {
        let found = pattern(r"(\w)\1").all(b"aa b cc").unwrap();
        let starts: Vec<_> = found.iter().filter_map(|found| found.get(0)).map(|all| all.start()).collect();
        assert_eq!(starts, [0, 5]);
    }
}
