//! Severity: how much an event matters, from 0 to 100.
//!
//! `severity = strongest finding + score + outcome`, at most 100; events of scanners at most 59.
//!
//! **Strongest finding** (0–65): of all findings, the highest sum of points for the attack class and
//! points for the severity that the rule's author gave.
//!
//! | class | points | | rule severity | points |
//! |---|---|---|---|---|
//! | SQL injection, command execution, Java injection, web shell | 50 | | emergency, alert, critical (0–2) | 15 |
//! | file inclusion (local, remote), PHP injection | 48 | | error (3) | 10 |
//! | cross-site scripting, other injection | 46 | | warning (4) | 5 |
//! | protocol abuse (smuggling, splitting) | 40 | | none given | 5 |
//! | session fixation, data disclosure | 35 | | notice (5) | 2 |
//! | anything else | 25 | | info, debug (6, 7) | 0 |
//! | scanner | 10 | | | |
//! | protocol violation | 5 | | | |
//!
//! The class of a CRS rule is that of its family, the class of any other rule that of its `attack-…`
//! tag. Rules that only keep the score (949, 959, 980, …) count for nothing here.
//!
//! **Score** (0–20): the anomaly score relative to the threshold at which the policy blocks, inbound
//! or outbound, whichever is higher: up to 10 below the threshold, 10 at it, and 2 more for each
//! further multiple, up to 20 at six times the threshold. A request that a rule blocked without any
//! score counts as at the threshold. (Events do not carry the outbound threshold; it is taken as 4,
//! the default of CRS.)
//!
//! **Outcome** (0–15): 10 for a blocked request, 5 for a rejected one, 15 for one that reached the
//! threshold and was let through all the same, because the policy only detects: that attack arrived.
//!
//! So one critical rule at the default threshold of 5 gives 85 for blocked SQL injection, 83 for
//! file inclusion and 81 for cross-site scripting: critical, which raises an alert. A scanner's user
//! agent alone gives 45, a numeric Host header 16.
//!
//! **Scanners.** Whatever a tool throws at a site, the event stays below the critical band (59, in
//! the configuration `scanner_max`): automated noise is not by itself an incident, and must never
//! page anyone. See [`crate::classify`] for how this goes together with the tracks.

use parapet_event::{Action, AttackClass, Finding, SecurityEvent, Severity};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Default outbound threshold of CRS.
const OUTBOUND_THRESHOLD: u32 = 4;

/// How severity is computed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Highest severity of an event that a scanner caused. Default 59. 100 treats scanners like
    /// everybody else, so that their attacks raise alerts.
    pub scanner_max: u8,
    /// Points per attack class that differ from the table, for example `{ scanner = 20 }`.
    pub class_points: BTreeMap<AttackClass, u8>,
}

impl Default for Config {
    fn default() -> Self {
        Config { scanner_max: 59, class_points: BTreeMap::new() }
    }
}

/// Computes severity.
#[derive(Debug, Clone)]
pub struct Scorer {
    config: Config,
}

impl Scorer {
    /// From configuration.
    pub fn new(config: Config) -> Self {
        Scorer { config }
    }

    /// The severity of the event; `scanner` says whether a scanner caused it.
    pub fn score(&self, event: &SecurityEvent, scanner: bool) -> Severity {
        let strongest = event.findings.iter().map(|finding| self.finding_points(finding)).max().unwrap_or(0);
        let sum = strongest + score_points(event) + outcome_points(event);
        let limit = if scanner { self.config.scanner_max } else { 100 };
        Severity::new(u8::try_from(sum).unwrap_or(100).min(limit))
    }

    /// How the severity comes about, in words.
    pub(crate) fn explain(&self, event: &SecurityEvent, scanner: bool) -> String {
        let strongest = event.findings.iter().map(|finding| (self.finding_points(finding), finding.rule_id)).max();
        let (points, rule) = strongest.unwrap_or_default();
        let (score, outcome) = (score_points(event), outcome_points(event));
        let severity = self.score(event, scanner).get();
        let limit =
            if scanner { format!(", at most {} for a scanner", self.config.scanner_max) } else { String::new() };
        format!("{severity} = {points} for rule {rule} + {score} for the score + {outcome} for the outcome{limit}")
    }

    fn finding_points(&self, finding: &Finding) -> u32 {
        let Some(class) = class_of(finding) else { return 0 };
        let class_points = self.config.class_points.get(&class).copied().unwrap_or_else(|| class_points(class));
        u32::from(class_points) + rule_severity_points(finding.rule_severity)
    }
}

/// The attack class of a finding: by family for CRS rules, by tag for all others.
pub(crate) fn class_of(finding: &Finding) -> Option<AttackClass> {
    if (900_000..1_000_000).contains(&finding.rule_id) {
        return AttackClass::of_rule(finding.rule_id);
    }
    let tagged = finding
        .tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("attack-"))
        .find_map(|name| AttackClass::ALL.into_iter().find(|class| class.as_str() == name));
    // Rule 0 is the HTTP parser itself.
    let untagged = if finding.rule_id == 0 { AttackClass::ProtocolViolation } else { AttackClass::Generic };
    Some(tagged.unwrap_or(untagged))
}

fn class_points(class: AttackClass) -> u8 {
    match class {
        AttackClass::Sqli | AttackClass::Rce | AttackClass::InjectionJava | AttackClass::WebShell => 50,
        AttackClass::Lfi | AttackClass::Rfi | AttackClass::InjectionPhp => 48,
        AttackClass::Xss | AttackClass::InjectionGeneric => 46,
        AttackClass::Protocol => 40,
        AttackClass::Fixation | AttackClass::Disclosure => 35,
        AttackClass::Generic => 25,
        AttackClass::Scanner => 10,
        AttackClass::ProtocolViolation => 5,
    }
}

fn rule_severity_points(severity: Option<u8>) -> u32 {
    match severity {
        Some(0..=2) => 15,
        Some(3) => 10,
        Some(4) | None => 5,
        Some(5) => 2,
        Some(_) => 0,
    }
}

/// Score in percent of the threshold, the higher of inbound and outbound.
fn percent_of_threshold(event: &SecurityEvent) -> u64 {
    let percent = |score: u32, threshold: u32| match threshold {
        0 => 0,
        _ => u64::from(score) * 100 / u64::from(threshold),
    };
    let scored =
        percent(event.inbound_score, event.inbound_threshold).max(percent(event.outbound_score, OUTBOUND_THRESHOLD));
    if event.action == Action::Blocked { scored.max(100) } else { scored }
}

fn score_points(event: &SecurityEvent) -> u32 {
    let percent = percent_of_threshold(event);
    let points = if percent < 100 { percent / 10 } else { 10 + (percent - 100) / 50 };
    u32::try_from(points.min(20)).unwrap_or(20)
}

fn outcome_points(event: &SecurityEvent) -> u32 {
    match event.action {
        Action::Blocked => 10,
        Action::Rejected => 5,
        Action::Detected if percent_of_threshold(event) >= 100 => 15,
        Action::Detected => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use parapet_event::SeverityBand::{self, Critical, High, Low, Medium};

    struct Case {
        what: &'static str,
        /// Rule, its severity, points it added.
        findings: &'static [(u32, Option<u8>, i64)],
        threshold: u32,
        action: Action,
        severity: u8,
        band: SeverityBand,
    }

    const fn case(
        what: &'static str,
        findings: &'static [(u32, Option<u8>, i64)],
        threshold: u32,
        action: Action,
        severity: u8,
        band: SeverityBand,
    ) -> Case {
        Case { what, findings, threshold, action, severity, band }
    }

    const CRITICAL: Option<u8> = Some(2);
    const WARNING: Option<u8> = Some(4);
    const NOTICE: Option<u8> = Some(5);

    const CASES: &[Case] = &[
        case("SQL injection blocked", &[(942_100, CRITICAL, 5)], 5, Action::Blocked, 85, Critical),
        case("command execution blocked", &[(932_160, CRITICAL, 5)], 5, Action::Blocked, 85, Critical),
        case("file inclusion blocked", &[(930_120, CRITICAL, 5)], 5, Action::Blocked, 83, Critical),
        case("cross-site scripting blocked", &[(941_100, CRITICAL, 5)], 5, Action::Blocked, 81, Critical),
        case("Log4Shell blocked", &[(944_150, CRITICAL, 5)], 5, Action::Blocked, 85, Critical),
        case("SQL injection let through", &[(942_100, CRITICAL, 5)], 5, Action::Detected, 90, Critical),
        case("three SQL rules blocked", &[(942_100, CRITICAL, 15)], 5, Action::Blocked, 89, Critical),
        case("huge score blocked", &[(942_100, CRITICAL, 4_000)], 5, Action::Blocked, 95, Critical),
        case("SQL rule below a high threshold", &[(942_100, CRITICAL, 5)], 100, Action::Detected, 65, High),
        case("SQL rule of a level that does not score", &[(942_432, WARNING, 0)], 5, Action::Detected, 55, Medium),
        case("smuggling blocked", &[(921_110, CRITICAL, 5)], 5, Action::Blocked, 75, High),
        case("scanner user agent blocked", &[(913_100, CRITICAL, 5)], 5, Action::Blocked, 45, Medium),
        case("numeric Host header", &[(920_350, WARNING, 3)], 5, Action::Detected, 16, Low),
        case("missing Accept header", &[(920_300, NOTICE, 2)], 5, Action::Detected, 11, Low),
        case("protocol violation blocked", &[(920_170, CRITICAL, 5)], 5, Action::Blocked, 40, Medium),
        case("many protocol violations", &[(920_170, CRITICAL, 50)], 5, Action::Detected, 55, Medium),
        case("nits do not add up with the verdict rule", &[(949_110, Some(0), 0)], 5, Action::Blocked, 20, Low),
        case("not HTTP", &[(0, CRITICAL, 0)], 5, Action::Rejected, 25, Low),
        case("own rule blocks without a score", &[(1000, None, 0)], 0, Action::Blocked, 50, Medium),
        case("own critical rule blocks", &[(1000, CRITICAL, 5)], 5, Action::Blocked, 60, High),
        case("nothing found", &[], 5, Action::Detected, 0, Low),
    ];

    fn event(case: &Case) -> SecurityEvent {
        let mut event = example::event(1);
        event.findings =
            case.findings.iter().map(|&(id, severity, points)| example::finding(id, severity, points)).collect();
        event.inbound_score = case.findings.iter().map(|&(_, _, points)| u32::try_from(points).unwrap()).sum();
        event.inbound_threshold = case.threshold;
        event.action = case.action;
        event
    }

    #[test]
    fn the_table_of_cases_holds() {
        let scorer = Scorer::new(Config::default());
        for case in CASES {
            let severity = scorer.score(&event(case), false);
            assert_eq!((severity.get(), severity.band()), (case.severity, case.band), "{}", case.what);
        }
    }

    #[test]
    fn what_a_scanner_does_is_never_critical() {
        let scorer = Scorer::new(Config::default());
        for case in CASES {
            assert!(scorer.score(&event(case), true).get() <= 59, "{}", case.what);
        }
        let strict = Scorer::new(Config { scanner_max: 100, ..Config::default() });
        assert_eq!(strict.score(&event(&CASES[0]), true).get(), 85);
    }

    #[test]
    fn outbound_findings_are_scored_against_the_outbound_threshold() {
        let mut event = example::event(1);
        event.findings = vec![example::finding(951_110, CRITICAL, 0)];
        (event.inbound_score, event.outbound_score) = (0, 4);
        assert_eq!(Scorer::new(Config::default()).score(&event, false).get(), 70);
    }

    #[test]
    fn a_tag_gives_the_class_of_a_rule_outside_crs() {
        let mut event = example::event(1);
        event.findings = vec![example::finding(1000, CRITICAL, 5)];
        event.findings[0].tags = vec!["application-multi".into(), "attack-sqli".into()];
        assert_eq!(Scorer::new(Config::default()).score(&event, false).get(), 85);
    }

    #[test]
    fn class_points_can_be_configured() {
        let config: Config = serde_json::from_str(r#"{"class_points":{"xss":10}}"#).unwrap();
        let mut event = example::event(1);
        event.findings = vec![example::finding(941_100, CRITICAL, 5)];
        assert_eq!(Scorer::new(config).score(&event, false).get(), 45);
        assert!(serde_json::from_str::<Config>(r#"{"clas_points":{}}"#).is_err());
    }
}
