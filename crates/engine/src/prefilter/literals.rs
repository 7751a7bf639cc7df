//! What every match of a pattern must contain, read off its syntax tree.
//!
//! The result is a conjunction of clauses; a clause is a set of literals at least one of which
//! occurs, in lower case, in every value that the pattern matches. Sound by construction: whatever
//! is not understood contributes nothing. The idea is that of RE2's `FilteredRE2`.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::classes;

/// Literals one of which must occur, in lower case, each once.
pub(crate) type Clause = Vec<Vec<u8>>;

/// Strings a sub-pattern may match exactly before it counts as not exact.
const MOST_EXACT: usize = 128;
/// Bytes of such strings.
const LONGEST_EXACT: usize = 24;
/// Literals a clause may have.
const MOST_LITERALS: usize = 3000;
/// Bytes kept of each literal.
const LONGEST_LITERAL: usize = 32;
/// Clauses kept per pattern.
pub(crate) const MOST_CLAUSES: usize = 4;
/// A clause that benign text is more likely than this to satisfy is not kept beside a better one.
const USELESS: f64 = 0.6;

/// What is known of a sub-pattern.
#[derive(Default)]
struct Known {
    /// All strings it can match, in lower case, if they are few.
    exact: Option<Clause>,
    /// What each of its matches must contain.
    clauses: Vec<Clause>,
}

/// The clauses of a pattern, best first; none if nothing useful is known.
pub(crate) fn clauses_of(hir: &Hir) -> Vec<Clause> {
    let known = know(hir);
    let mut clauses = known.clauses;
    if let Some(exact) = known.exact {
        clauses.push(exact);
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

/// Cuts literals to their rarest window and drops those that contain another one.
fn shorten(clause: Clause) -> Clause {
    let mut literals: Clause = clause.into_iter().map(rarest_window).collect();
    literals.sort_unstable();
    literals.dedup();
    if literals.len() > 600 {
        return literals;
    }
    let kept: Clause = literals
        .iter()
        .filter(|literal| {
            !literals.iter().any(|other| {
                other.len() < literal.len() && !other.is_empty() && memchr::memmem::find(literal, other).is_some()
            })
        })
        .cloned()
        .collect();
    kept
}

fn rarest_window(literal: Vec<u8>) -> Vec<u8> {
    if literal.len() <= LONGEST_LITERAL {
        return literal;
    }
    let best = literal.windows(LONGEST_LITERAL).min_by(|left, right| chance(left).total_cmp(&chance(right)));
    best.map(<[u8]>::to_vec).unwrap_or(literal)
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

fn know(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => exactly(vec![Vec::new()]),
        HirKind::Literal(literal) => know_literal(&literal.0),
        HirKind::Class(class) => know_class(class),
        HirKind::Capture(capture) => know(&capture.sub),
        HirKind::Repetition(repetition) => know_repetition(&repetition.sub, repetition.min, repetition.max),
        HirKind::Concat(parts) => know_concat(parts.iter().map(know)),
        HirKind::Alternation(branches) => know_alternation(branches.iter().map(know).collect()),
    }
}

fn exactly(exact: Clause) -> Known {
    Known { exact: Some(exact), clauses: Vec::new() }
}

fn know_literal(bytes: &[u8]) -> Known {
    let lower = bytes.to_ascii_lowercase();
    if lower.len() <= LONGEST_EXACT { exactly(vec![lower]) } else { Known { exact: None, clauses: vec![vec![lower]] } }
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
    if singles.len() <= 12 {
        return exactly(singles);
    }
    let quiet = bytes.iter().all(|byte| classes::of_byte(*byte) & classes::LOWERCASE == 0);
    Known { exact: None, clauses: if quiet { vec![singles] } else { Vec::new() } }
}

fn know_repetition(sub: &Hir, min: u32, max: Option<u32>) -> Known {
    let known = know(sub);
    match (min, max) {
        (0, Some(1)) => match known.exact {
            Some(mut exact) if exact.len() < MOST_EXACT => {
                exact.push(Vec::new());
                exact.sort_unstable();
                exact.dedup();
                exactly(exact)
            }
            _ => Known::default(),
        },
        (0, _) => Known::default(),
        (1, Some(1)) => known,
        (min, Some(max)) if min == max && min <= 4 && known.exact.is_some() => {
            let copies = (0..min).map(|_| Known { exact: known.exact.clone(), clauses: known.clauses.clone() });
            know_concat(copies)
        }
        _ => Known { exact: None, clauses: with_exact(known) },
    }
}

/// The clauses of something, its exact strings counted as one of them.
fn with_exact(known: Known) -> Vec<Clause> {
    let mut clauses = known.clauses;
    clauses.extend(known.exact.filter(|exact| exact.iter().all(|string| !string.is_empty())));
    clauses
}

fn know_concat(parts: impl Iterator<Item = Known>) -> Known {
    let mut run: Clause = vec![Vec::new()];
    let mut clauses = Vec::new();
    let mut whole = true;
    for part in parts {
        clauses.extend(part.clauses);
        match part.exact {
            Some(exact) => match cross(&run, &exact) {
                Some(product) => run = product,
                None => {
                    clauses.push(std::mem::replace(&mut run, exact));
                    whole = false;
                }
            },
            None => {
                clauses.push(std::mem::replace(&mut run, vec![Vec::new()]));
                whole = false;
            }
        }
    }
    if whole {
        return Known { exact: Some(run), clauses };
    }
    clauses.push(run);
    clauses.retain(|clause| clause.iter().all(|literal| !literal.is_empty()));
    Known { exact: None, clauses }
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
        let mut exact: Clause = branches.into_iter().filter_map(|branch| branch.exact).flatten().collect();
        exact.sort_unstable();
        exact.dedup();
        return exactly(exact);
    }
    let mut union: Clause = Vec::new();
    for branch in branches {
        let Some(best) = choose(with_exact(branch)).into_iter().next() else { return Known::default() };
        union.extend(best);
        if union.len() > MOST_LITERALS {
            return Known::default();
        }
    }
    union.sort_unstable();
    union.dedup();
    Known { exact: None, clauses: vec![union] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Rx;

    fn clauses(pattern: &str) -> Vec<Vec<String>> {
        let (_, hir) = Rx::compile_parsed(pattern.as_bytes()).unwrap();
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
        assert_eq!(clauses("(?i)sleep\\s*?\\(|benchmark\\s*?\\("), [["benchmark".to_owned(), "sleep".to_owned()]]);
        assert_eq!(clauses("x(?:ab|cd)?y"), [["xaby", "xcdy", "xy"]]);
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
            let (_, hir) = Rx::compile_parsed(pattern.as_bytes()).unwrap();
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
