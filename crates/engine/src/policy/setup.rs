//! What the first rules of phase 1 make of `TX`, worked out at load.
//!
//! CRS begins with some forty rules that give its settings their defaults. As far as they depend on
//! nothing but each other they come to the same for every request: a transaction takes over the result
//! and leaves the rules out. Rules that look at the request stay, and so does all that they may touch.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::names::Slot;
use super::rule::{Change, Ctl, Disruptive, Effect, Flow, Operand, Quick, Rule};
use super::slices::gate_of;
use super::targets::Select;
use super::template::{Piece, Template};
use crate::operators::numeric;
use crate::prefilter::{is_set, set};
use crate::variables::Source;

/// The result of rules that need not run.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Those rules, by position.
    pub(crate) done: Vec<u64>,
    /// The texts that they set, one after the other.
    pub(crate) text: Vec<u8>,
    /// The names they set, with the places of their texts.
    pub(crate) values: Vec<(Slot, Range<usize>)>,
}

/// What is known of `TX` while the rules are gone through.
#[derive(Default)]
struct Known {
    values: HashMap<Slot, Vec<u8>>,
    /// Names that depend on the request.
    open: HashSet<Slot>,
    /// Names that rules which run have read so far: they must not be set earlier than it was.
    read: HashSet<Slot>,
    /// Rules that may be removed, by bit.
    removable: Vec<u64>,
}

/// The request decides, and rules behind this one cannot be relied on.
struct Unforeseen;

impl Setup {
    /// Goes through the rules of the first phase, which begin at index `start`; `removals` are those that
    /// `ctl` can ask for.
    pub(crate) fn of(rules: &[Rule], start: usize, width: usize, removals: &[Vec<u64>]) -> Setup {
        let mut setup = Setup { done: vec![0; width], ..Setup::default() };
        let mut known = Known::default();
        let mut position = 0;
        while let Some(rule) = rules.get(position) {
            let holds = known.holds(rule);
            if holds == Some(true)
                && !is_set(&known.removable, rule.bit as usize)
                && let Some(gate) = gate_of(rule, start)
            {
                position = gate.jump.max(position + 1);
                continue;
            }
            if holds == Some(false) || known.run(rule, holds) {
                set(&mut setup.done, position);
            } else if known.pass(rule, removals).is_err() {
                break;
            }
            position += 1;
        }
        let mut values: Vec<(Slot, Vec<u8>)> = known.values.into_iter().collect();
        values.sort_unstable();
        for (slot, value) in values {
            let begin = setup.text.len();
            setup.text.extend(value);
            setup.values.push((slot, begin..setup.text.len()));
        }
        setup
    }
}

impl Known {
    /// Whether the quick test of a rule holds, if that can be said. A rule without one that looks at
    /// nothing always matches.
    fn holds(&self, rule: &Rule) -> Option<bool> {
        let Some(quick) = rule.quick else {
            return rule.links.first().is_some_and(|head| head.targets.is_empty()).then_some(true);
        };
        let is_known = slots_of(quick).into_iter().flatten().all(|slot| !self.open.contains(&slot));
        is_known.then(|| quick.holds(|slot| self.values.get(&slot).map(|value| numeric::parse(value))))
    }

    /// Does what a rule does, if it does nothing but set names to what is known.
    fn run(&mut self, rule: &Rule, holds: Option<bool>) -> bool {
        let [link] = rule.links.as_slice() else { return false };
        let is_silent = !rule.log && !rule.auditlog && rule.meta.severity.is_none();
        let is_plain = matches!(rule.disruptive, Disruptive::Pass) && rule.flow == Flow::Next && !link.capture;
        if holds != Some(true) || !is_silent || !is_plain || is_set(&self.removable, rule.bit as usize) {
            return false;
        }
        let before = self.values.clone();
        let is_done = link.effects.iter().all(|effect| self.apply(effect).is_some());
        if !is_done {
            self.values = before;
        }
        is_done
    }

    fn apply(&mut self, effect: &Effect) -> Option<()> {
        let Effect::SetTx { slot, change, .. } = effect else { return None };
        if self.open.contains(slot) || self.read.contains(slot) {
            return None;
        }
        let number = |value: Option<&Vec<u8>>| value.map_or(0, |value| numeric::parse(value));
        let sum = |sign: i64, amount: &Template| {
            let by = numeric::parse(&self.expand(amount)?);
            let sum = number(self.values.get(slot)).saturating_add(by.saturating_mul(sign));
            Some(sum.to_string().into_bytes())
        };
        let value = match change {
            Change::Unset => {
                self.values.remove(slot);
                return Some(());
            }
            Change::Set(value) => self.expand(value)?,
            Change::Add(amount) => sum(1, amount)?,
            Change::Subtract(amount) => sum(-1, amount)?,
        };
        self.values.insert(*slot, value);
        Some(())
    }

    fn expand(&self, template: &Template) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        for piece in &template.pieces {
            match piece {
                Piece::Text(plain) => text.extend_from_slice(plain),
                Piece::Tx(slot) if self.open.contains(slot) => return None,
                Piece::Tx(slot) => text.extend(self.values.get(slot).into_iter().flatten()),
                Piece::Value { .. } => return None,
            }
        }
        Some(text)
    }

    /// Notes what a rule that runs may read and write.
    fn pass(&mut self, rule: &Rule, removals: &[Vec<u64>]) -> Result<(), Unforeseen> {
        if rule.flow != Flow::Next || !matches!(rule.disruptive, Disruptive::Pass) {
            return Err(Unforeseen);
        }
        self.read.extend(rule.quick.into_iter().flat_map(slots_of).flatten());
        let described = [&rule.meta.message, &rule.meta.data].into_iter().chain(&rule.meta.tags);
        described.for_each(|template| self.note_read(template));
        for link in &rule.links {
            for target in &link.targets {
                match (target.source, &target.select) {
                    (Source::Tx, Select::Slot(slot)) => self.read.extend([*slot]),
                    (Source::Tx, _) => return Err(Unforeseen),
                    _ => {}
                }
            }
            self.note_read(&link.argument);
            if link.capture {
                (0..10).for_each(|group| self.forget(Slot(group)));
            }
            for effect in &link.effects {
                self.pass_effect(effect, removals)?;
            }
        }
        Ok(())
    }

    fn pass_effect(&mut self, effect: &Effect, removals: &[Vec<u64>]) -> Result<(), Unforeseen> {
        match effect {
            Effect::SetTx { slot, change, .. } => {
                if let Change::Set(value) | Change::Add(value) | Change::Subtract(value) = change {
                    self.note_read(value);
                }
                self.read.insert(*slot);
                self.forget(*slot);
            }
            Effect::Ctl(Ctl::RemoveRules(index)) => {
                let removed = removals.get(usize::from(*index)).map(Vec::as_slice).unwrap_or_default();
                self.removable.resize(removed.len().max(self.removable.len()), 0);
                self.removable.iter_mut().zip(removed).for_each(|(all, some)| *all |= some);
            }
            Effect::Ctl(Ctl::RequestBodyProcessor(_) | Ctl::ForceRequestBodyVariable(_)) => {}
            _ => return Err(Unforeseen),
        }
        Ok(())
    }

    /// A name depends on the request from here on.
    fn forget(&mut self, slot: Slot) {
        // What was set before stays as the transaction finds it, so only later rules are affected.
        self.open.insert(slot);
    }

    fn note_read(&mut self, template: &Template) {
        self.read.extend(template.pieces.iter().filter_map(|piece| match piece {
            Piece::Tx(slot) => Some(*slot),
            _ => None,
        }));
    }
}

/// The names that a quick test compares.
fn slots_of(quick: Quick) -> [Option<Slot>; 2] {
    match quick {
        Quick::Compare { slot, with: Operand::Slot(other), .. } => [Some(slot), Some(other)],
        Quick::Compare { slot, .. } | Quick::Count { slot, .. } => [Some(slot), None],
    }
}
