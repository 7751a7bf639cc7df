//! Makes the literals of a clause few and short.

use super::literals::{Clause, chance};

/// Bytes kept of each literal.
const LONGEST_LITERAL: usize = 32;

/// Cuts literals to their rarest window and drops those that contain another one.
pub(super) fn shorten(clause: Clause) -> Clause {
    let mut literals: Clause = clause.into_iter().map(rarest_window).collect();
    if literals.len() < 2 {
        return literals;
    }
    literals.sort_unstable_by(|left, right| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
    literals.dedup();
    let mut kept = Kept { literals: Vec::new(), next: Vec::new(), first: [NONE; STARTS] };
    for literal in literals {
        let is_contained = |at| literal.get(at..).is_some_and(|rest| kept.begin(rest));
        // The empty literal is in all others.
        if !kept.literals.first().is_some_and(Vec::is_empty) && !(0..literal.len()).any(is_contained) {
            kept.add(literal);
        }
    }
    let mut kept = kept.literals;
    kept.sort_unstable();
    kept
}

/// No literal.
const NONE: usize = usize::MAX;
/// Lists of literals by how they begin.
const STARTS: usize = 1 << 10;

/// Literals in lists by how they begin.
struct Kept {
    literals: Vec<Vec<u8>>,
    /// The next in its list, for each.
    next: Vec<usize>,
    /// The first of each list.
    first: [usize; STARTS],
}

impl Kept {
    fn add(&mut self, literal: Vec<u8>) {
        let first = &mut self.first[start_of(&literal)];
        self.next.push(std::mem::replace(first, self.literals.len()));
        self.literals.push(literal);
    }

    /// Whether one of them begins a text.
    fn begin(&self, text: &[u8]) -> bool {
        let is_in = |start: usize| {
            let mut place = self.first[start];
            while let Some(literal) = self.literals.get(place) {
                if text.starts_with(literal) {
                    return true;
                }
                place = self.next.get(place).copied().unwrap_or(NONE);
            }
            false
        };
        // Literals of one byte are in a list of their own kind.
        is_in(start_of(text)) || text.len() > 1 && is_in(start_of(&text[..1]))
    }
}

/// The list of a literal, by its first two bytes or the one it has.
fn start_of(literal: &[u8]) -> usize {
    let code = |at: usize| literal.get(at).map_or(0, |byte| usize::from(*byte) % 32);
    (code(0) << 5 | code(1)) % STARTS
}

fn rarest_window(literal: Vec<u8>) -> Vec<u8> {
    if literal.len() <= LONGEST_LITERAL {
        return literal;
    }
    let best = literal.windows(LONGEST_LITERAL).min_by(|left, right| chance(left).total_cmp(&chance(right)));
    best.map(<[u8]>::to_vec).unwrap_or(literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_that_contain_another_one_are_dropped() {
        let mut random = crate::fuzzing::Random::new(3);
        for _ in 0..2000 {
            let clause: Clause =
                (0..random.below(12)).map(|_| (0..random.below(5)).map(|_| *random.pick(b"abc")).collect()).collect();
            let contains =
                |text: &[u8], other: &[u8]| other.is_empty() || text.windows(other.len()).any(|w| w == other);
            let mut expected: Clause = clause
                .iter()
                .filter(|text| !clause.iter().any(|other| other != *text && contains(text, other)))
                .cloned()
                .collect();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(shorten(clause.clone()), expected, "{clause:?}");
        }
    }
}
