//! Classification: which track an event takes, and why.
//!
//! In this order, the first that applies decides:
//!
//! 1. anomaly score ≥ `anomaly_threshold` (50), or severity ≥ `severity_threshold` (80) → real-time
//! 2. a scanner: rule family 913, or a scanner's name in the user agent → analytics only
//! 3. a critical rule family: 942 SQL injection, 941 cross-site scripting, 932 command execution,
//!    930 file inclusion → real-time
//! 4. everything else → analytics
//!
//! Every event, also a real-time one, reaches the analytics track. A script of the operator's may
//! replace the settings or decide before all of this ([`crate::classification`]).
//!
//! **Scanners and rule 1.** A sqlmap run sends SQL injection that really matches, so by the look of
//! the request alone each of its thousands of events would be critical, take the real-time track by
//! rule 1 and page somebody; yet a scan must stay on the analytics track and never page anyone. What
//! resolves this is the meaning of severity: it says how much a person has to care, and the noise of
//! a tool that gives its name is not an incident. So the scorer keeps events of scanners below the
//! critical band ([`crate::severity`]), rule 1 then does not apply by severity, and rule 2 decides.
//! The raw anomaly score in rule 1 is left alone: one request that scores 50, ten times the default
//! threshold, takes the real-time track whoever sent it, where live counters see it; its severity is
//! still below the alert threshold, so it pages nobody either.
//!
//! A client can claim to be a scanner in order not to raise alerts. It gains nothing else: its
//! requests are judged and blocked like all others, and the events are in the history. Who wants
//! alerts for scanners too sets `scanner_max = 100` for the severity, and rule 1 sees them.

use crate::scanner::{self, RulePattern, Scanners};
use crate::severity::{self, Scorer};
use parapet_event::{SecurityEvent, Severity, Track, TrackReason};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Thresholds and rule families of the classification.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Anomaly score (inbound or outbound) from which an event is real-time. Default 50.
    pub anomaly_threshold: u32,
    /// Severity from which an event is real-time. Default 80.
    pub severity_threshold: u8,
    /// Critical rule families (first three digits) or rule ids. Default `["942", "941", "932", "930"]`.
    pub critical_rules: Vec<RulePattern>,
    /// Rule families or rule ids that detect scanners. Default `["913"]`.
    pub scanner_rules: Vec<RulePattern>,
    /// Texts that occur, in any case, in the user agent of a scanner. Default: nikto, sqlmap, burp,
    /// nessus and other tools that name themselves.
    pub scanner_user_agents: Vec<String>,
    /// Lua script that replaces settings and may decide by itself, see [`crate::classification`].
    /// Default: none.
    pub script: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            anomaly_threshold: 50,
            severity_threshold: 80,
            critical_rules: [942, 941, 932, 930].map(RulePattern::Family).to_vec(),
            scanner_rules: scanner::default_rules(),
            scanner_user_agents: scanner::default_user_agents(),
            script: None,
        }
    }
}

/// What the router stamps on an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How much it matters.
    pub severity: Severity,
    /// Where it goes first.
    pub track: Track,
    /// Which rule of the classification decided.
    pub reason: TrackReason,
}

/// Why an event goes where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The outcome.
    pub verdict: Verdict,
    /// The rules of the classification, in the order in which they are tried.
    pub steps: Vec<Step>,
}

/// One rule of the classification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The rule.
    pub rule: String,
    /// Where it sends an event.
    pub track: Track,
    /// Whether it applies to this event.
    pub applies: bool,
    /// Whether it is the first that does, and so decides.
    pub decides: bool,
    /// What it looked at.
    pub detail: String,
}

impl Step {
    pub(crate) fn new(rule: String, track: Track, applies: bool, detail: String) -> Step {
        Step { rule, track, applies, decides: false, detail }
    }
}

/// Scores and classifies.
#[derive(Debug, Clone)]
pub struct Classifier {
    anomaly_threshold: u32,
    severity_threshold: u8,
    critical_rules: Vec<RulePattern>,
    scanners: Scanners,
    scorer: Scorer,
}

impl Classifier {
    /// From configuration.
    pub fn new(config: Config, severity: severity::Config) -> Self {
        Classifier {
            anomaly_threshold: config.anomaly_threshold,
            severity_threshold: config.severity_threshold,
            critical_rules: config.critical_rules,
            scanners: Scanners::new(config.scanner_rules, &config.scanner_user_agents),
            scorer: Scorer::new(severity),
        }
    }

    /// Severity and track of an event.
    pub fn classify(&self, event: &SecurityEvent) -> Verdict {
        let scanner = self.scanners.recognise(event);
        let severity = self.scorer.score(event, scanner.is_some());
        let anomaly = event.inbound_score.max(event.outbound_score);
        let (track, reason) = if anomaly >= self.anomaly_threshold {
            (Track::RealTime, TrackReason::AnomalyScore(anomaly))
        } else if severity.get() >= self.severity_threshold {
            (Track::RealTime, TrackReason::CriticalSeverity(severity.get()))
        } else if let Some(reason) = scanner {
            (Track::Analytics, reason)
        } else if let Some(rule_id) = self.critical_rule(event) {
            (Track::RealTime, TrackReason::CriticalRule(rule_id))
        } else {
            (Track::Analytics, TrackReason::Default)
        };
        Verdict { severity, track, reason }
    }

    /// Severity and track of an event, with what each rule of the order found.
    pub fn explain(&self, event: &SecurityEvent) -> Explanation {
        let verdict = self.classify(event);
        let scanner = self.scanners.recognise(event);
        let anomaly = event.inbound_score.max(event.outbound_score);
        let critical = self.critical_rule(event);
        let mut steps = vec![
            Step::new(
                format!("anomaly score ≥ {}", self.anomaly_threshold),
                Track::RealTime,
                anomaly >= self.anomaly_threshold,
                format!("inbound {}, outbound {}", event.inbound_score, event.outbound_score),
            ),
            Step::new(
                format!("severity ≥ {}", self.severity_threshold),
                Track::RealTime,
                verdict.severity.get() >= self.severity_threshold,
                self.scorer.explain(event, scanner.is_some()),
            ),
            Step::new(
                "scanner".to_owned(),
                Track::Analytics,
                scanner.is_some(),
                match scanner {
                    Some(TrackReason::ScannerRule(id)) => format!("rule {id} detects scanners"),
                    Some(TrackReason::ScannerUserAgent(name)) => format!("the user agent names {name}"),
                    _ => format!("neither {} nor user agent \"{}\"", rules(event), event.request.user_agent),
                },
            ),
            Step::new(
                "critical rule".to_owned(),
                Track::RealTime,
                critical.is_some(),
                critical.map_or_else(|| format!("not {}", rules(event)), |id| format!("rule {id}")),
            ),
            Step::new("everything else".to_owned(), Track::Analytics, true, String::new()),
        ];
        if let Some(decisive) = steps.iter_mut().find(|step| step.applies) {
            decisive.decides = true;
        }
        Explanation { verdict, steps }
    }

    fn critical_rule(&self, event: &SecurityEvent) -> Option<u32> {
        let ids = event.findings.iter().map(|finding| finding.rule_id);
        ids.into_iter().find(|&id| self.critical_rules.iter().any(|pattern| pattern.matches(id)))
    }
}

/// Ids of rules named in an explanation at most.
const IDS_SHOWN: usize = 12;

/// The rules that matched, for people.
fn rules(event: &SecurityEvent) -> String {
    if event.findings.is_empty() {
        return "any rule".to_owned();
    }
    let ids: Vec<_> = event.findings.iter().take(IDS_SHOWN).map(|finding| finding.rule_id.to_string()).collect();
    let more = event.findings.len().saturating_sub(IDS_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("one of the rules {}{more}", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use parapet_event::Action;

    fn classifier() -> Classifier {
        Classifier::new(Config::default(), severity::Config::default())
    }

    fn event(rules: &[u32], score: u32, user_agent: &str) -> SecurityEvent {
        let mut event = example::event(1);
        event.findings = rules.iter().map(|&id| example::finding(id, Some(2), 5)).collect();
        event.inbound_score = score;
        event.action = if score >= 5 { Action::Blocked } else { Action::Detected };
        event.request.user_agent = user_agent.into();
        event
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let browser = "Mozilla/5.0";
        for (what, event, track, reason) in [
            ("high score", event(&[920_170], 50, browser), Track::RealTime, TrackReason::AnomalyScore(50)),
            ("critical severity", event(&[942_100], 5, browser), Track::RealTime, TrackReason::CriticalSeverity(85)),
            ("critical family", event(&[942_100], 3, browser), Track::RealTime, TrackReason::CriticalRule(942_100)),
            ("scanner rule", event(&[913_100], 5, browser), Track::Analytics, TrackReason::ScannerRule(913_100)),
            ("everything else", event(&[920_350], 3, browser), Track::Analytics, TrackReason::Default),
            ("just below the score", event(&[920_170], 49, browser), Track::Analytics, TrackReason::Default),
        ] {
            let verdict = classifier().classify(&event);
            assert_eq!((verdict.track, verdict.reason), (track, reason), "{what}");
        }
    }

    #[test]
    fn a_sqlmap_scan_is_analytics_only_and_below_the_alert_threshold() {
        let agent = "sqlmap/1.7.2#stable (https://sqlmap.org)";
        for rules in [&[942_100][..], &[913_100, 942_100, 942_190, 942_270, 942_360], &[932_160, 930_120, 941_100]] {
            let verdict = classifier().classify(&event(rules, 5 * u32::try_from(rules.len()).unwrap(), agent));
            assert_eq!(verdict.track, Track::Analytics, "{rules:?}");
            assert!(verdict.severity.get() < 80, "{rules:?}");
        }
    }

    #[test]
    fn an_extreme_score_is_real_time_even_from_a_scanner_and_still_pages_nobody() {
        let verdict = classifier().classify(&event(&[913_100, 942_100], 60, "sqlmap/1.7"));
        assert_eq!((verdict.track, verdict.reason), (Track::RealTime, TrackReason::AnomalyScore(60)));
        assert!(verdict.severity.get() < 80);
    }

    #[test]
    fn all_of_it_is_configurable_in_the_words_of_the_users_script() {
        let config: Config = serde_json::from_str(
            r#"{"critical_rules":["920"],"anomaly_threshold":7,"scanner_rules":["1234"],"scanner_user_agents":["Robo"]}"#,
        )
        .unwrap();
        let classifier = Classifier::new(config, severity::Config::default());
        let reason = |event: &SecurityEvent| classifier.classify(event).reason;
        assert_eq!(reason(&event(&[920_350], 3, "x")), TrackReason::CriticalRule(920_350));
        assert_eq!(reason(&event(&[920_350], 7, "x")), TrackReason::AnomalyScore(7));
        assert_eq!(reason(&event(&[1234], 3, "x")), TrackReason::ScannerRule(1234));
        assert_eq!(reason(&event(&[920_350], 3, "a robot")), TrackReason::ScannerUserAgent("robo".into()));
        assert!(serde_json::from_str::<Config>(r#"{"critical_rules":["SQL"]}"#).is_err());
    }
}
