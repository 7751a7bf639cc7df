//! Why a transaction ended as it did: every rule, what it tested, what it changed.
//!
//! A transaction records this when it is asked to
//! ([`Transaction::with_trace`](crate::Transaction::with_trace)) and then runs every rule on every
//! value, so that what the fast way leaves out is explained too; verdict and findings are the same.
//! Everything here is plain data that owns its text. Long values are cut, and say how long they are.

use std::path::PathBuf;
use std::sync::Arc;

/// Bounds of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceLimits {
    /// Bytes a trace may take. Beyond them tests are only counted.
    pub bytes: usize,
    /// Bytes of one value that are kept.
    pub value_bytes: usize,
    /// Whether tests that did not match are kept; they are counted either way.
    pub failed_tests: bool,
}

impl Default for TraceLimits {
    fn default() -> Self {
        TraceLimits { bytes: 32 << 20, value_bytes: 2 << 10, failed_tests: false }
    }
}

/// What happened in a transaction, rule by rule.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Rules in the order in which they were reached; then those of phases that did not run, and those
    /// that the configuration removes.
    pub rules: Vec<RuleTrace>,
    /// What rules added to scores, in order.
    pub ledger: Vec<Points>,
    /// Tests that are counted but not kept because the trace was full.
    pub left_out: usize,
}

/// A place in a rule file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<PathBuf>,
    /// Line, from 1.
    pub line: u32,
}

/// Bytes of a value, cut if it is long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Where in the value it begins.
    pub start: usize,
    /// Length of the whole value in bytes.
    pub length: usize,
}

impl Excerpt {
    /// Whether something is missing.
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }
}

/// One rule: what became of it.
#[derive(Debug, Clone)]
pub struct RuleTrace {
    /// Its id.
    pub id: u32,
    /// Its phase, 1 to 5.
    pub phase: u8,
    /// Where it is written.
    pub place: Place,
    /// `msg`; macros are expanded if the rule matched and is logged.
    pub message: Excerpt,
    /// `logdata`, the same; empty if it did not match.
    pub data: Excerpt,
    /// Severity, 0 (emergency) to 7 (debug).
    pub severity: Option<u8>,
    /// Whether a match of it is logged.
    pub log: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// Its links that ran; the last one is the one that did not match, if none did not.
    pub links: Vec<LinkTrace>,
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All its links matched.
    Matched {
        /// What it demanded, if it is disruptive.
        disruption: Option<Disruption>,
    },
    /// A link did not match.
    NotMatched {
        /// Whether the prefilter alone shows that, so that the rule does not run ordinarily.
        prefiltered: bool,
    },
    /// It did not run.
    LeftOut(Reason),
}

/// What a rule that matched demanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disruption {
    /// `deny`, `drop`, `redirect`, `proxy` or `allow`.
    pub action: &'static str,
    /// HTTP status; 0 for `allow`.
    pub status: u16,
    /// Whether it was done. It is not under `DetectionOnly`, nor in phase 5.
    pub enforced: bool,
}

/// Why a rule did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A directive (`SecRuleRemoveById` and its like) removes it from the policy.
    RemovedByDirective(Place),
    /// `ctl:ruleRemove…` of a rule removed it from this transaction.
    RemovedByCtl {
        /// The rule that said so.
        by: u32,
    },
    /// `skip` or `skipAfter` of a rule passed over it.
    Skipped {
        /// The rule that skipped.
        by: u32,
    },
    /// The same, where the rule does nothing but compare the paranoia level.
    ParanoiaGate {
        /// The rule that skipped.
        by: u32,
        /// The level that the rules behind it need.
        level: i64,
    },
    /// A rule stopped the transaction, or allowed it.
    Ended {
        /// The rule.
        by: u32,
    },
    /// `SecRuleEngine Off`, or `ctl:ruleEngine=Off` of a rule.
    EngineOff {
        /// The rule, if it was one.
        by: Option<u32>,
    },
    /// The caller did not run its phase.
    PhaseNotRun,
}

/// One link of a rule that ran.
#[derive(Debug, Clone, Default)]
pub struct LinkTrace {
    /// Line on which it is written; its file is the rule's.
    pub line: u32,
    /// Its variables, as the configuration leaves them: `ARGS|!ARGS:token`. Empty for `SecAction`.
    pub targets: String,
    /// Its operator: `!@rx ^a`. Empty for `SecAction`.
    pub operator: Excerpt,
    /// The operator's argument with macros expanded, if it has any.
    pub argument: Option<Excerpt>,
    /// Names of its transformations, in order.
    pub transformations: Vec<&'static str>,
    /// Whether it tests after each transformation (`multiMatch`).
    pub multi_match: bool,
    /// Values it tested; with `multiMatch`, every state of them.
    pub tested: usize,
    /// How many of them matched. 1 for `SecAction`.
    pub matched: usize,
    /// How many of them the prefilter alone shows not to match.
    pub prefiltered: usize,
    /// The tests that are kept.
    pub tests: Vec<TestTrace>,
    /// Values that it did not test because of an exclusion.
    pub excluded: Vec<Excluded>,
}

/// One value that a link tested.
#[derive(Debug, Clone, Default)]
pub struct TestTrace {
    /// Name of the value: `ARGS:q`. Empty for `SecAction`, which tests nothing.
    pub variable: Excerpt,
    /// The value before transformations.
    pub original: Excerpt,
    /// What each transformation made of it.
    pub steps: Vec<StepTrace>,
    /// Whether it matched, a negated operator considered.
    pub matched: bool,
    /// The part of the transformed value that the operator hit, in bytes of it. `None` where the
    /// operator looks at the whole value, or is negated.
    pub span: Option<(usize, usize)>,
    /// The text of that part, or what else the operator says it found (libinjection's fingerprint).
    pub found: Excerpt,
    /// What `capture` put into `TX.0` to `TX.9`; `None` for groups that took no part.
    pub captures: Vec<Option<Excerpt>>,
    /// Whether the prefilter alone shows that it cannot match.
    pub prefiltered: bool,
    /// What the match changed, in order.
    pub effects: Vec<EffectTrace>,
}

impl TestTrace {
    /// The value as the operator saw it.
    pub fn transformed(&self) -> &Excerpt {
        self.steps.iter().rev().find_map(|step| step.result.as_ref()).unwrap_or(&self.original)
    }
}

/// One transformation of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTrace {
    /// Its name: `urlDecodeUni`.
    pub transformation: &'static str,
    /// What it made of the value; `None` if it left it alone.
    pub result: Option<Excerpt>,
}

/// A value that an exclusion kept from a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// Name of the value: `ARGS:password`.
    pub variable: Excerpt,
    /// The value.
    pub value: Excerpt,
    /// The exclusion: `ARGS:/^pass/`.
    pub exclusion: String,
    /// Whose exclusion it is.
    pub origin: Origin,
    /// Where the exclusion is written.
    pub place: Place,
}

/// Whose exclusion keeps a value from a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The rule's own: its list of variables says so.
    Rule,
    /// A directive added it to the rule (`SecRuleUpdateTargetById` and its like).
    Directive,
    /// `ctl:ruleRemoveTarget…` of this rule.
    Ctl(u32),
}

/// Something that a match changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectTrace {
    /// `setvar`, `setenv`: a variable has another value.
    Set {
        /// Its name: `TX:inbound_anomaly_score_pl1`.
        variable: Excerpt,
        /// What it was; `None` if it was not set.
        before: Option<Excerpt>,
        /// What it is; `None` if it was unset.
        after: Option<Excerpt>,
    },
    /// `initcol` and its like: a persistent collection is in use.
    Collection {
        /// Its name.
        name: &'static str,
        /// Its key.
        key: Excerpt,
    },
    /// `expirevar`: a value of a persistent collection will be gone.
    Expiry {
        /// Its name: `IP:blocked`.
        variable: Excerpt,
        /// In how many seconds.
        seconds: i64,
    },
    /// `ctl`: the rest of the transaction runs differently. For people: `ruleEngine=Off`.
    Control(String),
}

/// Points that a rule added to a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Points {
    /// The rule.
    pub rule: u32,
    /// Its phase.
    pub phase: u8,
    /// Name of the score in `TX`.
    pub score: String,
    /// What was added.
    pub points: i64,
    /// What it came to.
    pub total: i64,
    /// Name of the value that matched: `ARGS:q`.
    pub variable: Excerpt,
    /// The part of it that matched; the whole value where the operator does not tell.
    pub found: Excerpt,
}

impl Points {
    /// The paranoia level whose anomaly score this is, by the names of CRS
    /// (`inbound_anomaly_score_pl2`, in CRS 3 `anomaly_score_pl2`); `None` for other scores.
    pub fn paranoia_level(&self) -> Option<u8> {
        let (name, level) = self.score.rsplit_once("_pl")?;
        let is_anomaly = name.to_ascii_lowercase().ends_with("anomaly_score");
        level.parse().ok().filter(|level| is_anomaly && (1..=4).contains(level))
    }

    /// Whether it counts for the response.
    pub fn is_outbound(&self) -> bool {
        self.score.to_ascii_lowercase().starts_with("outbound")
    }
}
