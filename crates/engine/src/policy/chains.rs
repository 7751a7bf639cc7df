//! Chains of transformations, each distinct one once.

use std::collections::HashMap;
use std::sync::Arc;

use parapet_seclang::ast::Transformation;

use crate::prefilter::classes::{self, ClassSet};
use crate::transformations::UnicodeMap;

/// A chain of transformations. The default is the empty chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct ChainId(u16);

impl ChainId {
    /// No transformation.
    pub(crate) const EMPTY: ChainId = ChainId(0);
}

/// One transformation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) transformation: Transformation,
    /// Kinds of bytes without which it leaves a value alone.
    pub(crate) changing: ClassSet,
    /// Whether it may change any value, the empty one included.
    pub(crate) always: bool,
}

/// A chain of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    /// Numbers of its steps, in order.
    pub(crate) steps: Vec<u8>,
    pub(crate) changing: ClassSet,
    pub(crate) always: bool,
}

/// All chains of a policy.
#[derive(Default)]
pub(crate) struct Chains {
    steps: Vec<Step>,
    chains: Vec<Chain>,
    known: HashMap<Vec<u8>, ChainId>,
    /// The code page of `urlDecodeUni`, if the configuration names one.
    pub(crate) unicode_map: Option<Arc<UnicodeMap>>,
}

impl Chains {
    /// With the empty chain only.
    pub(crate) fn new() -> Chains {
        Chains {
            steps: Vec::new(),
            chains: vec![Chain::default()],
            known: HashMap::from([(Vec::new(), ChainId::EMPTY)]),
            unicode_map: None,
        }
    }

    /// The chain of these transformations.
    pub(crate) fn intern(&mut self, transformations: &[Transformation]) -> ChainId {
        let steps: Vec<u8> = transformations.iter().map(|transformation| self.step_of(*transformation)).collect();
        if let Some(known) = self.known.get(&steps) {
            return *known;
        }
        let id = ChainId(u16::try_from(self.chains.len()).unwrap_or(u16::MAX));
        let used = || steps.iter().filter_map(|step| self.steps.get(usize::from(*step)));
        let changing = used().fold(0, |set, step| set | step.changing);
        let always = used().any(|step| step.always);
        self.chains.push(Chain { steps: steps.clone(), changing, always });
        self.known.insert(steps, id);
        id
    }

    fn step_of(&mut self, transformation: Transformation) -> u8 {
        let known = self.steps.iter().position(|step| step.transformation == transformation);
        let index = known.unwrap_or_else(|| {
            let changing = classes::changing(transformation);
            self.steps.push(Step { transformation, changing, always: changing == classes::ALL });
            self.steps.len() - 1
        });
        // There are fewer transformations than 256.
        index as u8
    }

    /// A chain.
    pub(crate) fn get(&self, id: ChainId) -> &Chain {
        // The empty chain is always there.
        self.chains.get(usize::from(id.0)).unwrap_or(&self.chains[0])
    }

    /// A step by its number.
    pub(crate) fn step(&self, step: u8) -> Option<Step> {
        self.steps.get(usize::from(step)).copied()
    }

    /// Columns of a table of images: one per step, then one per chain.
    pub(crate) fn columns(&self) -> usize {
        self.steps.len() + self.chains.len()
    }

    /// The column of a chain.
    pub(crate) fn column(&self, id: ChainId) -> usize {
        self.steps.len() + usize::from(id.0)
    }

    /// The chains that end after each step of a chain, the empty one first.
    pub(crate) fn prefixes(&mut self, id: ChainId) -> Vec<ChainId> {
        let steps = self.get(id).steps.clone();
        let all: Vec<Transformation> =
            steps.iter().filter_map(|step| self.step(*step)).map(|s| s.transformation).collect();
        (0..=all.len()).map(|length| self.intern(all.get(..length).unwrap_or_default())).collect()
    }
}
