//! `@rx`: regular expressions over bytes, linear where possible, bounded backtracking where not.

use std::sync::OnceLock;

use regex_automata::meta;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::captures::Captures as Slots;
use regex_syntax::hir::Hir;

use super::backtracking::{Backtracking, MOST_MATCHES};
use super::pcre_syntax::translate;
use super::{Captures, GivenUp};

/// Steps for each byte of a value.
pub(crate) const STEPS_PER_BYTE: u64 = 4;
/// Steps for compiling each byte of a pattern.
pub(crate) const COMPILE_STEPS: u64 = 5_000;
/// Bytes one compiled pattern may take.
const PATTERN_SIZE: usize = 32 << 20;
/// Bytes of lazily built states kept per pattern and thread.
const STATE_CACHE: usize = 1 << 20;

/// A compiled pattern.
pub(crate) struct Rx {
    engine: Engine,
}

enum Engine {
    Linear {
        find: meta::Regex,
        /// Groups in the pattern, the whole match not counted.
        groups: usize,
        /// Built at the first hit whose groups are wanted: detection alone is faster without them.
        captures: OnceLock<Option<meta::Regex>>,
        pattern: String,
    },
    Backtracking(Backtracking),
}

impl Rx {
    /// Compiles a pattern; the error says what is wrong with it.
    pub(crate) fn compile(pattern: &[u8]) -> Result<Rx, String> {
        Rx::compile_parsed(pattern, None).map(|(rx, _)| rx)
    }

    /// As [`Rx::compile`], with a limit for backtracking (`SecPcreMatchLimit`); a linear pattern's syntax tree comes with it, for the prefilter.
    pub(crate) fn compile_parsed(pattern: &[u8], match_limit: Option<u32>) -> Result<(Rx, Option<Hir>), String> {
        let translated = translate(pattern)?;
        if translated.backtracking {
            let engine = Engine::Backtracking(Backtracking::compile(translated.pattern, match_limit)?);
            return Ok((Rx { engine }, None));
        }
        let hir = parse(&translated.pattern)?;
        let find = build(&hir, WhichCaptures::Implicit)?;
        let groups = hir.properties().explicit_captures_len();
        let engine = Engine::Linear { find, groups, captures: OnceLock::new(), pattern: translated.pattern };
        Ok((Rx { engine }, Some(hir)))
    }

    /// Whether the pattern is found in the value.
    ///
    /// # Errors
    /// The pattern needs backtracking and was given up.
    pub(crate) fn is_match(&self, value: &[u8]) -> Result<bool, GivenUp> {
        match &self.engine {
            Engine::Linear { find, .. } => Ok(find.is_match(value)),
            Engine::Backtracking(pattern) => pattern.is_match(value),
        }
    }

    /// Whether it always comes to a result.
    pub(crate) fn is_linear(&self) -> bool {
        matches!(self.engine, Engine::Linear { .. })
    }

    /// Steps that looking for the pattern in so many bytes takes at worst, unless it is given up.
    pub(crate) fn steps(&self, length: u64) -> u64 {
        STEPS_PER_BYTE * length
    }

    /// The first match and its groups.
    pub(crate) fn captures(&self, value: &[u8], out: &mut Captures) {
        match &self.engine {
            Engine::Linear { find, groups: 0, .. } => {
                if let Some(found) = find.find(value) {
                    out.push_range(found.start(), found.end());
                }
            }
            Engine::Linear { captures, pattern, find, .. } => {
                let regex = with_groups(captures, pattern, find);
                let mut slots = regex.create_captures();
                regex.captures(value, &mut slots);
                push_groups(&slots, out);
            }
            Engine::Backtracking(pattern) => {
                if let Ok(Some(found)) = pattern.first(value) {
                    push_found(&found, out);
                }
            }
        }
    }

    /// All matches among the first [`MOST_MATCHES`], each with its groups, as far as there is room for them
    /// in `TX.0` to `TX.9`. An empty match counts only if it is the first.
    pub(crate) fn all_captures(&self, value: &[u8], out: &mut Captures) {
        match &self.engine {
            Engine::Linear { captures, pattern, find, .. } => {
                for slots in with_groups(captures, pattern, find).captures_iter(value).take(MOST_MATCHES) {
                    if slots.get_match().is_some_and(|found| !found.is_empty()) || out.len() == 0 {
                        push_groups(&slots, out);
                    }
                    if out.len() >= 10 {
                        break;
                    }
                }
            }
            Engine::Backtracking(pattern) => {
                for found in pattern.all(value).unwrap_or_default() {
                    if found.get(0).is_some_and(|found| found.start() < found.end()) || out.len() == 0 {
                        push_found(&found, out);
                    }
                    if out.len() >= 10 {
                        break;
                    }
                }
            }
        }
    }

    /// Calls `sink` with each match of the whole pattern, left to right, until it returns `false`.
    ///
    /// # Errors
    /// The pattern was given up: it needs backtracking, or there are more matches than [`MOST_MATCHES`].
    pub(crate) fn each_match(&self, value: &[u8], mut sink: impl FnMut(usize, usize) -> bool) -> Result<(), GivenUp> {
        let mut more = MOST_MATCHES;
        let mut next = |start, end| {
            more -= 1;
            sink(start, end) && more > 0
        };
        match &self.engine {
            Engine::Linear { find, .. } => {
                for found in find.find_iter(value) {
                    if !next(found.start(), found.end()) {
                        break;
                    }
                }
            }
            Engine::Backtracking(pattern) => {
                for found in pattern.all(value)?.iter().filter_map(|found| found.get(0)) {
                    if !next(found.start(), found.end()) {
                        break;
                    }
                }
            }
        }
        if more > 0 { Ok(()) } else { Err(GivenUp { steps: self.steps(value.len() as u64) * MOST_MATCHES as u64 }) }
    }
}

/// The form of a linear pattern that knows its groups, built at its first use.
fn with_groups<'a>(
    captures: &'a OnceLock<Option<meta::Regex>>,
    pattern: &str,
    find: &'a meta::Regex,
) -> &'a meta::Regex {
    let built = captures.get_or_init(|| parse(pattern).and_then(|hir| build(&hir, WhichCaptures::All)).ok());
    built.as_ref().unwrap_or(find)
}

fn push_found(found: &fancy_regex::Captures<'_, [u8]>, out: &mut Captures) {
    for group in 0..found.len() {
        match found.get(group) {
            Some(group) => out.push_range(group.start(), group.end()),
            None => out.push_absent(),
        }
    }
}

fn push_groups(slots: &Slots, out: &mut Captures) {
    if !slots.is_match() {
        return;
    }
    for group in 0..slots.group_len() {
        match slots.get_group(group) {
            Some(span) => out.push_range(span.start, span.end),
            None => out.push_absent(),
        }
    }
}

fn parse(pattern: &str) -> Result<Hir, String> {
    regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .dot_matches_new_line(true)
        .nest_limit(500)
        .build()
        .parse(pattern)
        .map_err(|error| error.to_string())
}

fn build(hir: &Hir, captures: WhichCaptures) -> Result<meta::Regex, String> {
    let config = meta::Config::new()
        .utf8_empty(false)
        .which_captures(captures)
        .nfa_size_limit(Some(PATTERN_SIZE))
        .hybrid_cache_capacity(STATE_CACHE)
        // Dense automata cost load time and memory for speed that the prefilter already gives.
        .dfa(false)
        .onepass(false)
        .auto_prefilter(false);
    meta::Builder::new().configure(config).build_from_hir(hir).map_err(|error| match error.size_limit() {
        Some(limit) => format!("the compiled pattern exceeds {limit} bytes"),
        None => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_match_as_bytes_and_dots_match_newlines() {
        let rx = Rx::compile(br"^a.\x{ff}$").unwrap();
        assert!(rx.is_match(b"a\n\xff").unwrap());
        assert!(!rx.is_match("a\n\u{ff}".as_bytes()).unwrap());
    }

    #[test]
    fn groups_that_took_no_part_are_absent_not_shifted() {
        let rx = Rx::compile(br"(a)|(b)").unwrap();
        let mut captures = Captures::default();
        rx.captures(b"xb", &mut captures);
        assert_eq!(captures.get(0, b"xb"), Some(&b"b"[..]));
        assert_eq!(captures.get(1, b"xb"), None);
        assert_eq!(captures.get(2, b"xb"), Some(&b"b"[..]));
    }

    #[test]
    fn look_around_and_back_references_work() {
        assert!(Rx::compile(br"(?i)<(\w+)>.*</\1>").unwrap().is_match(b"<b>\xff</B>").unwrap());
        assert!(Rx::compile(br"a(?!b)").unwrap().is_match(b"ac").unwrap());
        assert!(!Rx::compile(br"a++a").unwrap().is_match(b"aaa").unwrap());
    }
}
