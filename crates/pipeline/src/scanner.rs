//! Scanner recognition: is this event the noise of an automated tool?
//!
//! By the rule families of CRS that detect tools (913), or by a tool's name in the user agent.

use aho_corasick::AhoCorasick;
use parapet_event::{SecurityEvent, TrackReason};
use serde::Deserialize;

/// Tools that name themselves in the user agent. The first four are the platform's original list.
const USER_AGENTS: &[&str] = &[
    "nikto",
    "sqlmap",
    "burp",
    "nessus",
    "acunetix",
    "arachni",
    "dirbuster",
    "feroxbuster",
    "gobuster",
    "havij",
    "masscan",
    "netsparker",
    "nmap",
    "nuclei",
    "openvas",
    "owasp zap",
    "qualys",
    "skipfish",
    "w3af",
    "wfuzz",
    "whatweb",
    "wpscan",
    "zgrab",
];

/// The rule families that detect scanners, unless configured otherwise.
pub(crate) fn default_rules() -> Vec<RulePattern> {
    vec![RulePattern::Family(913)]
}

/// The names of scanners, unless configured otherwise.
pub(crate) fn default_user_agents() -> Vec<String> {
    USER_AGENTS.iter().map(|&name| name.to_owned()).collect()
}

/// `"942"` for all rules 942000–942999, or an exact rule id of any other length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum RulePattern {
    /// All rules whose id divided by 1,000 is this.
    Family(u32),
    /// This rule only.
    Rule(u32),
}

impl RulePattern {
    /// Whether the rule belongs to the pattern.
    pub fn matches(self, rule_id: u32) -> bool {
        match self {
            RulePattern::Family(family) => rule_id / 1000 == family,
            RulePattern::Rule(id) => rule_id == id,
        }
    }
}

impl TryFrom<String> for RulePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse::<u32>().map_err(|_| {
            format!("\"{text}\" is no rule pattern: write a family such as \"942\" or a rule id such as \"942100\"")
        })?;
        Ok(if text.len() == 3 { RulePattern::Family(number) } else { RulePattern::Rule(number) })
    }
}

/// Recognises scanners.
#[derive(Debug, Clone)]
pub struct Scanners {
    rules: Vec<RulePattern>,
    /// In lower case, none empty.
    user_agents: Vec<String>,
    /// Finds all of them at once, in any case. Only gigabytes of names make none.
    search: Option<AhoCorasick>,
}

impl Scanners {
    /// `user_agents` are texts that occur, in any case, in the user agent.
    pub fn new(rules: Vec<RulePattern>, user_agents: &[String]) -> Self {
        let names = user_agents.iter().filter(|name| !name.is_empty());
        let user_agents: Vec<_> = names.map(|name| name.to_ascii_lowercase()).collect();
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(&user_agents).ok();
        Scanners { rules, user_agents, search }
    }

    /// Why the event is a scanner's, if it is.
    pub fn recognise(&self, event: &SecurityEvent) -> Option<TrackReason> {
        let by_rule = event
            .findings
            .iter()
            .find(|finding| self.rules.iter().any(|pattern| pattern.matches(finding.rule_id)))
            .map(|finding| TrackReason::ScannerRule(finding.rule_id));
        by_rule.or_else(|| Some(TrackReason::ScannerUserAgent(self.named_in(&event.request.user_agent)?.clone())))
    }

    /// The first of the names that the user agent contains.
    fn named_in(&self, user_agent: &str) -> Option<&String> {
        let found = self.search.as_ref()?.find_overlapping_iter(user_agent).map(|found| found.pattern()).min()?;
        self.user_agents.get(found.as_usize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn tools_are_recognised_by_rule_family_and_by_name_in_any_case() {
        let scanners = Scanners::new(default_rules(), &default_user_agents());
        let mut event = example::event(1);
        assert_eq!(scanners.recognise(&event), None);
        event.request.user_agent = "SQLMap/1.8.2#stable (https://sqlmap.org)".into();
        assert_eq!(scanners.recognise(&event), Some(TrackReason::ScannerUserAgent("sqlmap".into())));
        event.findings.push(example::finding(913_100, Some(2), 5));
        assert_eq!(scanners.recognise(&event), Some(TrackReason::ScannerRule(913_100)));
    }

    #[test]
    fn a_pattern_is_a_family_or_one_rule() {
        let pattern = |text: &str| RulePattern::try_from(text.to_owned());
        assert!(pattern("942").unwrap().matches(942_999));
        assert!(!pattern("942").unwrap().matches(942));
        assert!(pattern("942100").unwrap().matches(942_100));
        assert!(!pattern("942100").unwrap().matches(942_110));
        assert!(pattern("9421").unwrap().matches(9421));
        assert!(pattern("942xxx").unwrap_err().contains("942xxx"));
    }

    #[test]
    fn an_empty_name_does_not_make_everybody_a_scanner() {
        let scanners = Scanners::new(Vec::new(), &[String::new()]);
        assert_eq!(scanners.recognise(&example::event(1)), None);
    }
}
