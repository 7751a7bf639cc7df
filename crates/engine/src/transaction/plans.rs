//! How the values of a target are looked at, given the kinds of bytes they have.
//!
//! The rules of a target transform its values in dozens of ways, but most transformations leave most
//! values alone. Which steps can do something follows from the kinds of bytes of a value; chains that
//! agree in those steps make the same of it. A plan puts their rules together, and is remembered.

use crate::policy::chains::Chains;
use crate::policy::program::Watch;
use crate::prefilter::classes::{self, ClassSet};

/// Plans remembered.
const REMEMBERED: usize = 256;

/// Different ways to transform a value, with the rules that test it so.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The watch, by its address, and the kinds of bytes that the plan is for.
    key: (usize, ClassSet),
    /// For each way its steps.
    pub(super) ways: Vec<Vec<u8>>,
    /// For each way a row of rules.
    pub(super) rules: Vec<u64>,
}

/// Plans for targets and kinds of bytes met before: direct-mapped.
#[derive(Debug, Default)]
pub(super) struct Plans {
    known: Vec<Plan>,
}

impl Plans {
    /// The plan for a value of a watch with these kinds of bytes.
    pub(super) fn of(&mut self, watch: &Watch, value: ClassSet, chains: &Chains) -> &Plan {
        if self.known.is_empty() {
            self.known.resize_with(REMEMBERED, Plan::default);
        }
        // A policy does not move its watches, and these plans belong to one policy.
        let key = (std::ptr::from_ref(watch) as usize, value & watch.changing);
        let mixed = (key.0 as u64 >> 3 ^ key.1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let plan = &mut self.known[(mixed >> 56) as usize % REMEMBERED];
        if plan.key != key {
            *plan = Plan::new(key, watch, chains);
        }
        plan
    }
}

impl Plan {
    fn new(key: (usize, ClassSet), watch: &Watch, chains: &Chains) -> Plan {
        let mut plan = Plan { key, ..Plan::default() };
        for group in &watch.groups {
            let mut now = key.1;
            let mut steps = chains.get(group.chain).steps.clone();
            steps.retain(|step| {
                let Some(step) = chains.step(*step) else { return true };
                let acts = step.always || step.changing & now != 0;
                if acts {
                    now = classes::after(step.transformation, now);
                }
                acts
            });
            let way = plan.ways.iter().position(|known| *known == steps).unwrap_or_else(|| {
                plan.ways.push(steps);
                plan.rules.resize(plan.rules.len() + group.rules.len(), 0);
                plan.ways.len() - 1
            });
            for (all, some) in plan.rules.iter_mut().skip(way * group.rules.len()).zip(&group.rules) {
                *all |= some;
            }
        }
        plan
    }
}
