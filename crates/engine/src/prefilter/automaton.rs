//! A dense automaton that finds all literals of all rules in one pass, without regard to case.
//!
//! Aho-Corasick with a complete transition table over byte classes. A state that ends at least one
//! literal has a higher number than all that do not, so that the inner loop is one load and one
//! comparison per byte.

/// What a literal belongs to: a gate and the bit of its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// The gate.
    pub(crate) gate: u16,
    /// The clause of the gate, as a bit.
    pub(crate) clause: u8,
}

/// The automaton.
pub(crate) struct Automaton {
    /// Byte to class; letters of either case share one.
    classes: [u8; 256],
    /// `1 << shift` entries per state.
    shift: u32,
    /// Next state, by state and class.
    table: Vec<u16>,
    /// The first state that ends a literal.
    first_end: u16,
    /// Per such state, where its owners lie.
    ends: Vec<(u32, u32)>,
    owners: Vec<Owner>,
}

struct Node {
    next: Vec<(u8, u32)>,
    fail: u32,
    owners: Vec<Owner>,
}

impl Automaton {
    /// States an automaton may have at most.
    pub(crate) const MOST_STATES: usize = u16::MAX as usize;

    /// Builds the automaton; `None` if it would need more than [`Automaton::MOST_STATES`] states.
    /// Literals are in lower case and not empty.
    pub(crate) fn build(literals: &[(Vec<u8>, Owner)]) -> Option<Automaton> {
        let (classes, count) = byte_classes(literals);
        let mut nodes = trie(literals, &classes)?;
        let order = link(&mut nodes);
        let shift = count.next_power_of_two().trailing_zeros();
        Some(dense(&nodes, &order, classes, shift))
    }

    /// Calls `sink` with the owners of every literal found, possibly more than once each.
    pub(crate) fn scan(&self, value: &[u8], mut sink: impl FnMut(&[Owner])) {
        let mut state = 0u16;
        for byte in value {
            let class = self.classes[usize::from(*byte)];
            let index = (usize::from(state) << self.shift) | usize::from(class);
            state = self.table.get(index).copied().unwrap_or(0);
            if state >= self.first_end {
                if let Some((start, end)) = self.ends.get(usize::from(state - self.first_end)) {
                    sink(self.owners.get(*start as usize..*end as usize).unwrap_or_default());
                }
            }
        }
    }

    /// Bytes of memory the automaton takes.
    pub(crate) fn memory(&self) -> usize {
        self.table.len() * 2 + self.ends.len() * 8 + self.owners.len() * 4
    }
}

/// Maps bytes that occur in literals to classes of their own, all others to class 0.
fn byte_classes(literals: &[(Vec<u8>, Owner)]) -> ([u8; 256], usize) {
    let mut used = [false; 256];
    for byte in literals.iter().flat_map(|(literal, _)| literal) {
        used[usize::from(*byte)] = true;
    }
    let mut classes = [0u8; 256];
    let mut count = 1usize;
    for byte in 0..=255u8 {
        if used[usize::from(byte)] {
            classes[usize::from(byte)] = count as u8;
            if byte.is_ascii_lowercase() {
                classes[usize::from(byte.to_ascii_uppercase())] = count as u8;
            }
            count += 1;
        }
    }
    (classes, count)
}

fn trie(literals: &[(Vec<u8>, Owner)], classes: &[u8; 256]) -> Option<Vec<Node>> {
    let mut nodes = vec![Node { next: Vec::new(), fail: 0, owners: Vec::new() }];
    for (literal, owner) in literals {
        let mut at = 0usize;
        for byte in literal {
            let class = classes[usize::from(*byte)];
            let known = nodes.get(at)?.next.iter().find(|(label, _)| *label == class).map(|(_, node)| *node);
            at = match known {
                Some(node) => node as usize,
                None => {
                    let new = nodes.len();
                    if new >= Automaton::MOST_STATES {
                        return None;
                    }
                    nodes.push(Node { next: Vec::new(), fail: 0, owners: Vec::new() });
                    nodes.get_mut(at)?.next.push((class, new as u32));
                    new
                }
            };
        }
        let owners = &mut nodes.get_mut(at)?.owners;
        if !owners.contains(owner) {
            owners.push(*owner);
        }
    }
    Some(nodes)
}

/// Sets the failure links and gathers owners along them; returns the nodes breadth first.
fn link(nodes: &mut [Node]) -> Vec<u32> {
    let mut order = vec![0u32];
    let mut at = 0;
    while at < order.len() {
        let parent = order[at];
        at += 1;
        let children = nodes[parent as usize].next.clone();
        for (class, child) in children {
            let mut fail = nodes[parent as usize].fail;
            let target = loop {
                let found = nodes[fail as usize].next.iter().find(|(label, _)| *label == class).map(|(_, node)| *node);
                match found {
                    Some(node) if node != child => break node,
                    _ if fail == 0 => break 0,
                    _ => fail = nodes[fail as usize].fail,
                }
            };
            nodes[child as usize].fail = target;
            let inherited = nodes[target as usize].owners.clone();
            let owners = &mut nodes[child as usize].owners;
            owners.extend(inherited);
            owners.sort_unstable();
            owners.dedup();
            order.push(child);
        }
    }
    order
}

/// Writes the complete table; `order` is breadth first, so a node's failure target comes before it.
fn dense(nodes: &[Node], order: &[u32], classes: [u8; 256], shift: u32) -> Automaton {
    let stride = 1usize << shift;
    let mut number = vec![0u16; nodes.len()];
    let quiet = order.iter().filter(|node| nodes[**node as usize].owners.is_empty());
    let ending = order.iter().filter(|node| !nodes[**node as usize].owners.is_empty());
    for (new, node) in quiet.clone().chain(ending.clone()).enumerate() {
        number[*node as usize] = new as u16;
    }
    let mut table = vec![0u16; nodes.len() * stride];
    for node in order {
        let row = usize::from(number[*node as usize]) * stride;
        if *node != 0 {
            let fail = usize::from(number[nodes[*node as usize].fail as usize]) * stride;
            table.copy_within(fail..fail + stride, row);
        }
        for (class, child) in &nodes[*node as usize].next {
            table[row + usize::from(*class)] = number[*child as usize];
        }
    }
    let mut ends = Vec::new();
    let mut owners = Vec::new();
    for node in ending {
        let start = owners.len() as u32;
        owners.extend_from_slice(&nodes[*node as usize].owners);
        ends.push((start, owners.len() as u32));
    }
    let first_end = (nodes.len() - ends.len()) as u16;
    Automaton { classes, shift, table, first_end, ends, owners }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(literals: &[&str], text: &str) -> Vec<u16> {
        let literals: Vec<_> = literals
            .iter()
            .enumerate()
            .map(|(gate, literal)| (literal.as_bytes().to_vec(), Owner { gate: gate as u16, clause: 1 }))
            .collect();
        let mut hits = Vec::new();
        Automaton::build(&literals).unwrap().scan(text.as_bytes(), |owners| hits.extend(owners.iter().map(|o| o.gate)));
        hits.sort_unstable();
        hits.dedup();
        hits
    }

    #[test]
    fn overlapping_and_nested_literals_are_all_found() {
        assert_eq!(found(&["he", "she", "his", "hers", "x"], "uSHErs"), [0, 1, 3]);
        assert_eq!(found(&["select", "elect", "ele", "union"], "SeLeCt"), [0, 1, 2]);
        assert_eq!(found(&["aa", "aaa", "b"], "aaaa"), [0, 1]);
        assert_eq!(found(&["a"], ""), [] as [u16; 0]);
        assert_eq!(found(&[], "abc"), [] as [u16; 0]);
    }
}
