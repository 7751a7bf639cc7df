//! What happened to all the rules of a policy, in a few lines.

use super::Explanation;
use parapet_engine::trace::{EffectTrace, Origin, Outcome, Place, Points, Reason, RuleTrace};
use std::collections::BTreeMap;

/// Ids that a line names at most.
const MOST_IDS: usize = 8;

/// Counts of rules by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// All rules.
    pub rules: usize,
    /// Rules that matched.
    pub matched: usize,
    /// Those of them that neither log nor block nor give points: they set things up.
    pub silent: usize,
    /// Rules that were tested and did not match.
    pub not_matched: usize,
    /// Those of them that the prefilter alone rules out.
    pub prefiltered: usize,
    /// Rules that did not run, by reason.
    pub left_out: Vec<Group>,
}

/// Rules that did not run for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The reason.
    pub reason: Reason,
    /// Their ids, in order.
    pub ids: Vec<u32>,
    /// Their phases.
    pub phases: Vec<u8>,
}

impl Summary {
    /// Counts the rules of a trace.
    pub fn of(explanation: &Explanation) -> Summary {
        let mut summary = Summary::default();
        for rule in &explanation.trace.rules {
            summary.rules += 1;
            match &rule.outcome {
                Outcome::Matched { .. } => {
                    summary.matched += 1;
                    summary.silent += usize::from(!is_telling(explanation, rule));
                }
                Outcome::NotMatched { prefiltered } => {
                    summary.not_matched += 1;
                    summary.prefiltered += usize::from(*prefiltered);
                }
                Outcome::LeftOut(reason) => summary.add(rule, reason),
            }
        }
        summary
    }

    fn add(&mut self, rule: &RuleTrace, reason: &Reason) {
        let known = self.left_out.iter().position(|group| is_same(&group.reason, reason));
        let index = known.unwrap_or_else(|| {
            self.left_out.push(Group { reason: reason.clone(), ids: Vec::new(), phases: Vec::new() });
            self.left_out.len() - 1
        });
        if let Some(group) = self.left_out.get_mut(index) {
            group.ids.push(rule.id);
            if !group.phases.contains(&rule.phase) {
                group.phases.push(rule.phase);
            }
        }
    }
}

/// Gates of one level belong together, whatever file they stand in.
fn is_same(left: &Reason, right: &Reason) -> bool {
    match (left, right) {
        (Reason::ParanoiaGate { level: left, .. }, Reason::ParanoiaGate { level: right, .. }) => left == right,
        (left, right) => left == right,
    }
}

impl Group {
    /// The reason in words, for a number of rules.
    pub fn words(&self, detection_level: Option<i64>) -> String {
        let count = self.ids.len();
        let rules = if count == 1 { "1 rule".to_owned() } else { format!("{count} rules") };
        match &self.reason {
            Reason::ParanoiaGate { level, .. } => {
                let now = detection_level.map(|level| format!(", which is {level}")).unwrap_or_default();
                format!("{rules} for paranoia levels from {level}: above the detection level{now}")
            }
            Reason::RemovedByDirective(place) => {
                format!("{rules} removed by the configuration ({}): {}", named(place), self.shown_ids())
            }
            Reason::RemovedByCtl { by } => format!("{rules} removed by ctl of rule {by}: {}", self.shown_ids()),
            Reason::Skipped { by } => format!("{rules} skipped by rule {by}"),
            Reason::Ended { by } => format!("{rules} not reached: rule {by} ended the transaction"),
            Reason::EngineOff { by: Some(by) } => format!("{rules} not reached: rule {by} turned the engine off"),
            Reason::EngineOff { by: None } => format!("{rules} not run: SecRuleEngine is Off"),
            Reason::PhaseNotRun => {
                let phases: Vec<String> = self.phases.iter().map(u8::to_string).collect();
                let is_response = self.phases.iter().all(|phase| matches!(phase, 3 | 4));
                let why = if is_response { ": there is no response (see --response)" } else { "" };
                format!("{rules} of phase {} not run{why}", phases.join(" and "))
            }
        }
    }

    fn shown_ids(&self) -> String {
        ids(&self.ids)
    }
}

/// Ids in words, the first of them if there are many.
pub fn ids(ids: &[u32]) -> String {
    let shown: Vec<String> = ids.iter().take(MOST_IDS).map(u32::to_string).collect();
    let more = if ids.len() > MOST_IDS { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// File name and line: where the file lies is of no interest to a reader of rules.
pub fn named(place: &Place) -> String {
    let name = place.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("{name}:{}", place.line)
}

/// Whether a rule that matched has something to tell: it logs, demands something or gives points.
pub fn is_telling(explanation: &Explanation, rule: &RuleTrace) -> bool {
    let demands = matches!(&rule.outcome, Outcome::Matched { disruption: Some(_) });
    rule.log || demands || points_that_count(explanation).any(|points| points.rule == rule.id)
}

/// What a rule that matched told the engine by `ctl`.
pub fn controls(rule: &RuleTrace) -> impl Iterator<Item = &str> {
    let tests = rule.links.iter().flat_map(|link| &link.tests);
    tests.flat_map(|test| &test.effects).filter_map(|effect| match effect {
        EffectTrace::Control(control) => Some(control.as_str()),
        _ => None,
    })
}

/// Points for the anomaly score of a paranoia level; where the policy has none, for any score. Rules
/// that only sum up give none.
pub fn points_that_count(explanation: &Explanation) -> impl Iterator<Item = &Points> {
    let is_crs = explanation.scores.inbound_threshold > 0;
    let ledger = explanation.trace.ledger.iter();
    ledger.filter(move |points| points.points != 0 && (!is_crs || points.paranoia_level().is_some()))
}

/// Sums of points by paranoia level, of requests or of responses.
pub fn by_level(explanation: &Explanation, is_outbound: bool) -> BTreeMap<u8, i64> {
    let mut sums = BTreeMap::new();
    for points in points_that_count(explanation).filter(|points| points.is_outbound() == is_outbound) {
        if let Some(level) = points.paranoia_level() {
            *sums.entry(level).or_default() += points.points;
        }
    }
    sums
}

/// An exclusion that was met, with what it kept from which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetExclusion {
    /// Name of the value.
    pub variable: Vec<u8>,
    /// The exclusion, as it is written.
    pub exclusion: String,
    /// Whose it is.
    pub origin: Origin,
    /// Where it is written.
    pub place: Place,
    /// The rules.
    pub rules: Vec<u32>,
}

/// All exclusions that were met, each once.
pub fn exclusions<'a>(rules: impl Iterator<Item = &'a RuleTrace>) -> Vec<MetExclusion> {
    let mut met: Vec<MetExclusion> = Vec::new();
    for rule in rules {
        for excluded in rule.links.iter().flat_map(|link| &link.excluded) {
            let is_same = |known: &&mut MetExclusion| {
                known.variable == excluded.variable.bytes
                    && known.exclusion == excluded.exclusion
                    && known.origin == excluded.origin
                    && (known.origin != Origin::Rule || known.place.file == excluded.place.file)
            };
            match met.iter_mut().find(is_same) {
                Some(known) if known.rules.last() == Some(&rule.id) => {}
                Some(known) => known.rules.push(rule.id),
                None => met.push(MetExclusion {
                    variable: excluded.variable.bytes.clone(),
                    exclusion: excluded.exclusion.clone(),
                    origin: excluded.origin,
                    place: excluded.place.clone(),
                    rules: vec![rule.id],
                }),
            }
        }
    }
    met
}
