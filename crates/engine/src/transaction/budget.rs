//! What a transaction may still cost, and which limits it has met.

use crate::limits::{Limit, Limits};

/// Steps for looking at one value, besides those for its bytes.
pub(crate) const PER_VALUE: u64 = 8;
/// Steps for looking at one rule, besides those for its values.
pub(crate) const PER_RULE: u64 = 16;

/// Steps taken and allowed.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    spent: u64,
    allowed: u64,
    /// Steps that each byte received brings.
    per_byte: u64,
    /// Limits met, by their place in the enumeration.
    met: u32,
}

impl Budget {
    /// The budget of a transaction that has received nothing.
    pub(crate) fn new(limits: &Limits) -> Budget {
        Budget { spent: 0, allowed: limits.steps, per_byte: limits.steps_per_byte, met: 0 }
    }

    /// Allows any number of steps.
    pub(crate) fn lift(&mut self) {
        self.allowed = u64::MAX;
    }

    /// The transaction was given something to inspect.
    pub(crate) fn receive(&mut self, bytes: usize) {
        self.allowed = self.allowed.saturating_add(self.per_byte.saturating_mul(bytes as u64));
    }

    /// Counts steps.
    #[inline]
    pub(crate) fn spend(&mut self, steps: u64) {
        self.spent = self.spent.saturating_add(steps);
    }

    /// Counts looking at some bytes.
    #[inline]
    pub(crate) fn read(&mut self, bytes: usize) {
        self.spend(bytes as u64);
    }

    /// Whether more steps were taken than allowed.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.spent > self.allowed
    }

    /// Steps taken so far.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Notes that a limit left something out.
    #[cold]
    pub(crate) fn meet(&mut self, limit: Limit) {
        self.met |= 1 << limit as u32;
    }

    /// Whether any limit did.
    pub(crate) fn has_met_any(&self) -> bool {
        self.met != 0
    }

    /// Whether this one did.
    pub(crate) fn has_met(&self, limit: Limit) -> bool {
        self.met >> limit as u32 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_received_may_be_looked_at() {
        let mut budget = Budget::new(&Limits { steps: 100, steps_per_byte: 10, ..Limits::default() });
        budget.spend(100);
        assert!(!budget.is_spent());
        budget.spend(1);
        assert!(budget.is_spent());
        budget.receive(1);
        assert!(!budget.is_spent());
        budget.receive(usize::MAX);
        budget.spend(u64::MAX);
        assert!(!budget.is_spent(), "sums saturate");
    }

    #[test]
    fn each_limit_is_noted_by_itself() {
        for limit in Limit::ALL {
            let mut budget = Budget::default();
            budget.meet(*limit);
            for other in Limit::ALL {
                assert_eq!(budget.has_met(*other), limit == other);
            }
        }
    }
}
