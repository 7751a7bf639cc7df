//! What every match of a pattern must contain, read off its syntax tree.
//!
//! The result is a conjunction of clauses; a clause is a set of literals at least one of which
//! occurs, in lower case, in every value that the pattern matches. Sound by construction: whatever
//! is not understood contributes nothing. The idea is that of RE2's `FilteredRE2`.
//!
//! Patterns against evasion allow punctuation between any two letters (`c["'\\]*a["'\\]*t`). They are read
//! a second time as if such *fillers* were absent; the bytes that a filler needs then satisfy the
//! clauses as well: a value has `cat`, or a quote or a backslash.

use std::cell::Cell;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::classes;
use super::shorten::shorten;

/// Literals one of which must occur, in lower case, each once.
pub(crate) type Clause = Vec<Vec<u8>>;

/// Strings a sub-pattern may match exactly before it counts as not exact.
const MOST_EXACT: usize = 128;
/// Bytes of such strings.
const LONGEST_EXACT: usize = 24;
/// Literals a clause may have.
const MOST_LITERALS: usize = 3000;
/// Bytes a class may have before a sub-pattern with it counts as not exact: with letters, and without.
const WIDEST_CLASS: [usize; 2] = [12, 32];
/// Strings a sub-pattern may match before its repetitions are not written out.
const MOST_REPEATED: usize = 3;
/// Clauses that are made of an alternation.
const MOST_UNIONS: usize = 3;
/// Bytes that fillers of one pattern may need, all together.
const MOST_FILLERS: usize = 16;
/// Clauses kept per pattern.
pub(crate) const MOST_CLAUSES: usize = 4;
/// A clause that benign text is more likely than this to satisfy is not kept beside a better one.
const USELESS: f64 = 0.6;

/// What is known of a sub-pattern.
#[derive(Default, Clone)]
struct Known {
    /// All strings it can match, in lower case, if they are few.
    exact: Option<Clause>,
    /// Bytes without which that holds: those of the fillers left out.
    unless: Vec<u8>,
    /// What each of its matches must contain.
    clauses: Vec<Clause>,
}

/// The clauses of a pattern, best first; none if nothing useful is known.
pub(crate) fn clauses_of(hir: &Hir) -> Vec<Clause> {
    let without_fillers = Reading::new(true);
    let mut clauses = without_fillers.know(hir).into_clauses();
    if without_fillers.has_left_out.get() {
        clauses.extend(Reading::new(false).know(hir).into_clauses());
    }
    choose(clauses)
}

/// Whether a pattern matches the empty value and no other, as `^$` does.
pub(crate) fn matches_only_empty(hir: &Hir) -> bool {
    let properties = hir.properties();
    properties.maximum_len() == Some(0)
        && properties.look_set_prefix().contains(Look::Start)
        && properties.look_set_suffix().contains(Look::End)
}

/// Shortens, ranks and limits clauses; drops those that say nothing.
pub(crate) fn choose(clauses: Vec<Clause>) -> Vec<Clause> {
    let mut ranked: Vec<(f64, Clause)> =
        clauses.into_iter().map(shorten).filter(is_useful).map(|clause| (likelihood(&clause), clause)).collect();
    ranked.sort_by(|left, right| left.0.total_cmp(&right.0).then_with(|| left.1.cmp(&right.1)));
    ranked.dedup_by(|left, right| left.1 == right.1);
    let mut chosen: Vec<Clause> = Vec::new();
    for (likelihood, clause) in ranked {
        if chosen.len() < MOST_CLAUSES && (likelihood < USELESS || chosen.is_empty()) {
            chosen.push(clause);
        }
    }
    chosen
}

fn is_useful(clause: &Clause) -> bool {
    let only_alphanumeric_bytes =
        clause.iter().any(|literal| literal.len() == 1 && literal.iter().any(|b| b.is_ascii_lowercase()));
    !clause.is_empty()
        && clause.len() <= MOST_LITERALS
        && clause.iter().all(|l| !l.is_empty())
        && !only_alphanumeric_bytes
}

/// How likely benign text of some fifty bytes satisfies a clause; only the order matters.
fn likelihood(clause: &Clause) -> f64 {
    clause.iter().map(|literal| (chance(literal) * 50.0).min(1.0)).sum()
}

/// How likely a literal stands at a given place of benign text.
pub(crate) fn chance(literal: &[u8]) -> f64 {
    literal.iter().map(|byte| frequency(*byte)).product()
}

fn frequency(byte: u8) -> f64 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 0.07,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 0.035,
        b' ' => 0.08,
        b'a'..=b'z' => 0.02,
        b'0'..=b'9' => 0.025,
        b'.' | b'/' | b'-' | b'_' | b',' | b'=' | b':' => 0.015,
        b'(' | b')' | b';' | b'+' | b'%' | b'&' | b'\'' | b'"' | b'?' => 0.004,
        0x80.. => 0.004,
        _ => 0.001,
    }
}

impl Known {
    fn exactly(exact: Clause) -> Known {
        Known { exact: Some(exact), ..Known::default() }
    }

    /// Its clauses, the exact strings counted as one of them.
    fn into_clauses(self) -> Vec<Clause> {
        let mut clauses = self.clauses;
        if let Some(exact) = self.exact.filter(|exact| exact.iter().all(|string| !string.is_empty())) {
            clauses.push(or_one_of(exact, &self.unless));
        }
        clauses
    }

    /// Rare bytes one of which is in each match that is not empty, if there are such.
    fn fillers(&self) -> Option<Vec<u8>> {
        let rarest = |literal: &Vec<u8>| {
            let rare = literal.iter().copied().filter(|byte| is_filler(*byte));
            rare.min_by(|left, right| frequency(*left).total_cmp(&frequency(*right)))
        };
        let of = |clause: &Clause| clause.iter().filter(|literal| !literal.is_empty()).map(rarest).collect();
        let candidates: Vec<Option<Vec<u8>>> = self.exact.iter().chain(&self.clauses).map(of).collect();
        let mut best = candidates.into_iter().flatten().min_by_key(Vec::len)?;
        best.extend_from_slice(&self.unless);
        best.sort_unstable();
        best.dedup();
        (best.len() <= MOST_FILLERS).then_some(best)
    }
}

/// Punctuation that is rare in what people send.
fn is_filler(byte: u8) -> bool {
    byte.is_ascii_punctuation()
        && !matches!(byte, b' ' | b',' | b'.' | b'-' | b'/' | b'_' | b':' | b'=' | b'?' | b'%' | b'+')
}

/// A clause that one of these bytes satisfies as well.
fn or_one_of(mut clause: Clause, bytes: &[u8]) -> Clause {
    clause.extend(bytes.iter().map(|byte| vec![*byte]));
    clause
}

/// How a pattern is read.
struct Reading {
    /// What may be absent and needs rare punctuation is taken to be absent.
    leaves_out_fillers: bool,
    /// Whether something was.
    has_left_out: Cell<bool>,
}

impl Reading {
    fn new(leaves_out_fillers: bool) -> Reading {
        Reading { leaves_out_fillers, has_left_out: Cell::new(false) }
    }

    fn know(&self, hir: &Hir) -> Known {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Known::exactly(vec![Vec::new()]),
            HirKind::Literal(literal) => know_literal(&literal.0),
            HirKind::Class(class) => know_class(class),
            HirKind::Capture(capture) => self.know(&capture.sub),
            HirKind::Repetition(repetition) => self.know_repetition(&repetition.sub, repetition.min, repetition.max),
            HirKind::Concat(parts) => know_concat(parts.iter().map(|part| self.know(part))),
            HirKind::Alternation(branches) => know_alternation(branches.iter().map(|part| self.know(part)).collect()),
        }
    }

    fn know_repetition(&self, sub: &Hir, min: u32, max: Option<u32>) -> Known {
        let known = self.know(sub);
        if min == 0
            && self.leaves_out_fillers
            && let Some(unless) = known.fillers()
        {
            self.has_left_out.set(true);
            return Known { unless, ..Known::exactly(vec![Vec::new()]) };
        }
        match (min, max) {
            (0, Some(1)) => match known.exact {
                Some(mut exact) if exact.len() < MOST_EXACT => {
                    exact.push(Vec::new());
                    exact.sort_unstable();
                    exact.dedup();
                    Known { unless: known.unless, ..Known::exactly(exact) }
                }
                _ => Known::default(),
            },
            (0, _) => Known::default(),
            (1, Some(1)) => known,
            (min, Some(max)) if min == max && min <= 4 && known.exact.is_some() => {
                know_concat((0..min).map(|_| known.clone()))
            }
            (2.., _) if known.exact.as_ref().is_some_and(|exact| exact.len() <= MOST_REPEATED) => {
                let clauses = know_concat((0..min.min(4)).map(|_| known.clone())).into_clauses();
                Known { clauses, ..Known::default() }
            }
            _ => Known { clauses: known.into_clauses(), ..Known::default() },
        }
    }
}

fn know_literal(bytes: &[u8]) -> Known {
    let lower = bytes.to_ascii_lowercase();
    if lower.len() <= LONGEST_EXACT {
        Known::exactly(vec![lower])
    } else {
        Known { clauses: vec![vec![lower]], ..Known::default() }
    }
}

fn know_class(class: &Class) -> Known {
    let Class::Bytes(class) = class else { return Known::default() };
    let mut bytes: Vec<u8> = class
        .ranges()
        .iter()
        .flat_map(|range| range.start()..=range.end())
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    bytes.sort_unstable();
    bytes.dedup();
    let singles: Clause = bytes.iter().map(|byte| vec![*byte]).collect();
    let quiet = bytes.iter().all(|byte| classes::of_byte(*byte) & classes::LOWERCASE == 0);
    if singles.len() <= WIDEST_CLASS[usize::from(quiet)] {
        return Known::exactly(singles);
    }
    Known { clauses: if quiet { vec![singles] } else { Vec::new() }, ..Known::default() }
}

fn know_concat(parts: impl Iterator<Item = Known>) -> Known {
    let mut run: Clause = vec![Vec::new()];
    let mut unless: Vec<u8> = Vec::new();
    let mut clauses = Vec::new();
    let mut whole = true;
    for part in parts {
        clauses.extend(part.clauses);
        let product = part.exact.as_ref().and_then(|exact| cross(&run, exact));
        match product {
            Some(product) => {
                run = product;
                unless.extend(part.unless);
            }
            None => {
                let next = part.exact.unwrap_or_else(|| vec![Vec::new()]);
                clauses.push(or_one_of(std::mem::replace(&mut run, next), &unless));
                unless = part.unless;
                whole = false;
            }
        }
    }
    unless.sort_unstable();
    unless.dedup();
    if whole {
        return Known { exact: Some(run), unless, clauses };
    }
    clauses.push(or_one_of(run, &unless));
    clauses.retain(|clause| clause.iter().all(|literal| !literal.is_empty()));
    Known { clauses, ..Known::default() }
}

/// Every string of the one followed by every string of the other, unless they are too many.
fn cross(left: &Clause, right: &Clause) -> Option<Clause> {
    if left.len() * right.len() > MOST_EXACT {
        return None;
    }
    let mut product = Vec::with_capacity(left.len() * right.len());
    for head in left {
        for tail in right {
            if head.len() + tail.len() > LONGEST_EXACT {
                return None;
            }
            product.push([head.as_slice(), tail.as_slice()].concat());
        }
    }
    product.sort_unstable();
    product.dedup();
    Some(product)
}

fn know_alternation(branches: Vec<Known>) -> Known {
    let count: usize = branches.iter().map(|branch| branch.exact.as_ref().map_or(MOST_EXACT + 1, Vec::len)).sum();
    if count <= MOST_EXACT {
        let mut unless: Vec<u8> = branches.iter().flat_map(|branch| branch.unless.iter().copied()).collect();
        unless.sort_unstable();
        unless.dedup();
        let mut exact: Clause = branches.into_iter().filter_map(|branch| branch.exact).flatten().collect();
        exact.sort_unstable();
        exact.dedup();
        return Known { unless, ..Known::exactly(exact) };
    }
    let chosen: Vec<Vec<Clause>> = branches.into_iter().map(|branch| choose(branch.into_clauses())).collect();
    let most = chosen.iter().map(Vec::len).max().unwrap_or(0).min(MOST_UNIONS);
    // One clause of each branch makes a clause of the whole: the best of all, the second best, ...
    let union = |rank: usize| {
        let mut union: Clause = Vec::new();
        for clauses in &chosen {
            union.extend_from_slice(clauses.get(rank).or(clauses.last())?);
        }
        union.sort_unstable();
        union.dedup();
        (union.len() <= MOST_LITERALS).then_some(union)
    };
    Known { clauses: (0..most).filter_map(union).collect(), ..Known::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Rx;

    fn clauses(pattern: &str) -> Vec<Vec<String>> {
        let (_, hir) = Rx::compile_parsed(pattern.as_bytes(), None).unwrap();
        clauses_of(&hir.unwrap())
            .into_iter()
            .map(|clause| clause.into_iter().map(|l| String::from_utf8_lossy(&l).into_owned()).collect())
            .collect()
    }

    #[test]
    fn all_parts_of_a_sequence_are_required() {
        assert_eq!(clauses("(?i)union.*?select.*?from"), [["select"], ["union"], ["from"]]);
    }

    #[test]
    fn alternatives_are_one_clause() {
        assert_eq!(clauses("(?i)sleep\\s*?\\(|benchmark\\s*?\\("), [vec!["benchmark", "sleep"], vec!["("]]);
        assert_eq!(clauses("x(?:ab|cd)?y"), [["xaby", "xcdy", "xy"]]);
    }

    #[test]
    fn fillers_between_letters_satisfy_the_clause_themselves() {
        assert_eq!(clauses(r#"(?i)c["\x5c]*a["\x5c]*t"#), [["\"", "\\", "cat"]]);
        assert!(clauses(r"(?i)c[a-z]*a[a-z]*t").is_empty(), "letters are no fillers");
    }

    #[test]
    fn what_may_be_absent_is_not_required() {
        assert!(clauses("(?:abc)*").is_empty());
        assert!(clauses("abc|.*").is_empty());
        assert!(clauses("[a-z]+").is_empty());
        assert!(clauses("^$").is_empty());
    }

    #[test]
    fn only_patterns_bound_at_both_ends_match_only_the_empty_value() {
        let only_empty = |pattern: &str| {
            let (_, hir) = Rx::compile_parsed(pattern.as_bytes(), None).unwrap();
            matches_only_empty(&hir.unwrap())
        };
        assert!(only_empty("^$"));
        assert!(!only_empty("^|$"));
        assert!(!only_empty("^"));
        assert!(!only_empty("$"));
        assert!(!only_empty("^a?$"));
    }

    #[test]
    fn a_set_of_punctuation_is_required() {
        assert_eq!(clauses("[a-z]+[;|][a-z]+"), [[";", "|"]]);
    }
}
