//! Rules as the interpreter runs them.

use std::path::PathBuf;
use std::sync::Arc;

use parapet_script::Script;
use parapet_seclang::ast::{
    AllowScope, AuditEngine, BodyProcessor, EngineMode, ParseXmlIntoArgs, PersistentCollection,
};

use super::chains::ChainId;
use super::names::Slot;
use super::targets::{Exclusion, Target};
use super::template::Template;
use crate::operators::{Lookup, Number, Operator};
use crate::prefilter::classes::ClassSet;
use crate::trace::Place;

/// A rule: one link, or a chain of them.
pub(crate) struct Rule {
    pub(crate) id: u32,
    /// 1 to 5.
    pub(crate) phase: u8,
    pub(crate) links: Vec<Link>,
    pub(crate) disruptive: Disruptive,
    pub(crate) status: u16,
    pub(crate) flow: Flow,
    pub(crate) log: bool,
    pub(crate) auditlog: bool,
    pub(crate) meta: Meta,
    /// A test that can be made without collecting values; if it fails the rule does not match.
    pub(crate) quick: Option<Quick>,
    /// Its bit in the prefilter's results and in the sets of removed rules.
    pub(crate) bit: u32,
}

/// What is said about a rule's findings.
#[derive(Default)]
pub(crate) struct Meta {
    pub(crate) message: Template,
    pub(crate) data: Template,
    pub(crate) tags: Vec<Template>,
    pub(crate) severity: Option<u8>,
    pub(crate) revision: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) maturity: Option<u8>,
    pub(crate) accuracy: Option<u8>,
    pub(crate) file: Arc<PathBuf>,
    pub(crate) line: u32,
}

/// One `SecRule` or `SecAction`.
pub(crate) struct Link {
    /// Empty for `SecAction`.
    pub(crate) targets: Vec<Target>,
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
    /// A value that it matches has a byte of one of these kinds.
    pub(crate) needed: ClassSet,
    pub(crate) argument: Template,
    /// The argument as a number, if the operator compares with a constant one.
    pub(crate) number: Option<i64>,
    pub(crate) chain: ChainId,
    /// Chains after which values are tested: one, or for `multiMatch` all that the chain begins with.
    pub(crate) tested_after: Vec<ChainId>,
    pub(crate) multi_match: bool,
    pub(crate) capture: bool,
    pub(crate) effects: Vec<Effect>,
    /// `!@op argument`, for reports.
    pub(crate) operator_text: Vec<u8>,
    /// The list of variables, for traces.
    pub(crate) targets_text: Box<str>,
    /// Line on which it begins.
    pub(crate) line: u32,
}

/// A test on `TX` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quick {
    /// A number compared with a constant or another number; an absent left side does not match.
    Compare { slot: Slot, number: Number, negated: bool, with: Operand },
    /// Whether a name is set, as 0 or 1, compared with a constant.
    Count { slot: Slot, number: Number, negated: bool, with: i64 },
}

impl Quick {
    /// Whether the test holds; `number_in` is the number that a name has, if it is set.
    pub(crate) fn holds(self, number_in: impl Fn(Slot) -> Option<i64>) -> bool {
        match self {
            Quick::Compare { slot, number, negated, with } => match number_in(slot) {
                None => false,
                Some(value) => {
                    let with = match with {
                        Operand::Constant(with) => with,
                        Operand::Slot(other) => number_in(other).unwrap_or(0),
                    };
                    number.holds(value, with) != negated
                }
            },
            Quick::Count { slot, number, negated, with } => {
                number.holds(i64::from(number_in(slot).is_some()), with) != negated
            }
        }
    }
}

/// The right side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    Constant(i64),
    Slot(Slot),
}

/// What happens to the transaction when a rule matches.
#[derive(Debug, Clone)]
pub(crate) enum Disruptive {
    Pass,
    Deny,
    Drop,
    Allow(AllowScope),
    Redirect(Template),
}

/// Which rule runs next when a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    /// Leaves out the next rules.
    Skip(u32),
    /// Goes on at a rule of the same phase, by index; `None`: the marker does not follow in this
    /// phase, so the skip lasts until it is met in a later one.
    SkipAfter {
        rule: Option<u32>,
        marker: u16,
    },
}

/// What a link does each time it matches a value.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    SetTx {
        slot: Slot,
        change: Change,
        ledger: bool,
    },
    SetTxNamed {
        name: Template,
        change: Change,
    },
    SetPersistent {
        collection: PersistentCollection,
        name: Template,
        change: Change,
    },
    InitCollection {
        collection: PersistentCollection,
        key: Template,
    },
    ExpirePersistent {
        collection: PersistentCollection,
        name: Template,
        seconds: Template,
    },
    SetEnv {
        name: Template,
        value: Template,
    },
    /// `append` and `prepend`.
    Inject {
        at_end: bool,
        text: Template,
    },
    Sanitise(Secret),
    /// Runs a script, whatever it says.
    Exec(Script),
    Ctl(Ctl),
}

/// What a `sanitise…` action keeps out of logs.
#[derive(Debug, Clone)]
pub(crate) enum Secret {
    Argument(Vec<u8>),
    RequestHeader(Vec<u8>),
    ResponseHeader(Vec<u8>),
    /// The variable that matched.
    Matched,
    /// What the operator matched in it, but for so many bytes at the beginning and at the end.
    MatchedBytes((u32, u32)),
}

/// How a variable is changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(Template),
    Add(Template),
    Subtract(Template),
    Unset,
}

/// `ctl` options.
#[derive(Debug, Clone)]
pub(crate) enum Ctl {
    /// Index into [`Policy`](super::Policy)'s removals.
    RemoveRules(u16),
    /// Index into the policy's target removals.
    RemoveTargets(u16),
    RuleEngine(EngineMode),
    AuditEngine(AuditEngine),
    AuditLogParts(Vec<u8>),
    ForceRequestBodyVariable(bool),
    RequestBodyAccess(bool),
    RequestBodyLimit(u64),
    RequestBodyProcessor(BodyProcessor),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(u64),
    ResponseBodyProcessor(BodyProcessor),
    ParseXmlIntoArgs(ParseXmlIntoArgs),
}

/// A rule that a directive took out of the policy.
pub(crate) struct RemovedRule {
    pub(crate) id: u32,
    pub(crate) phase: u8,
    pub(crate) place: Place,
    /// Where the directive is written.
    pub(crate) by: Place,
}

/// Targets that `ctl` takes out of some rules.
pub(crate) struct TargetRemoval {
    /// Rules concerned, by bit.
    pub(crate) rules: Vec<u64>,
    pub(crate) exclusions: Vec<Exclusion>,
}

impl Link {
    /// Whether it runs a script, which may set any variable.
    pub(crate) fn runs_script(&self) -> bool {
        matches!(self.operator, Operator::Lookup(Lookup::Script(_)))
            || self.effects.iter().any(|effect| matches!(effect, Effect::Exec(_)))
    }

    /// Whether all its values are known before the phase begins and are tested as they are.
    pub(crate) fn is_steady(&self) -> bool {
        !self.targets.is_empty() && self.targets.iter().all(|target| !target.count && target.source.is_steady())
    }
}
