//! Verdicts in words, one kind of verdict each.

use super::people::{Selection, text};
use super::shown::Style;
use super::{Explanation, explain, json};
use crate::requests::Request;
use parapet_engine::Policy;
use parapet_engine::trace::TraceLimits;
use std::sync::Arc;

fn explained(rules: &str, target: &str, body: &[u8]) -> Explanation {
    let policy = Arc::new(Policy::from_text("rules.conf", rules.as_bytes()).unwrap());
    let request = Request {
        source: "test".to_owned(),
        method: b"POST".to_vec(),
        target: target.into(),
        protocol: b"HTTP/1.1".to_vec(),
        headers: vec![(b"Host".to_vec(), b"x".to_vec())],
        body: body.to_vec(),
        ..Request::default()
    };
    let limits = TraceLimits { failed_tests: true, ..TraceLimits::default() };
    let refusal = |head: &[u8]| head.starts_with(b"POST /odd").then(|| (400, "it is odd".to_owned()));
    explain(&policy, request, [127, 0, 0, 1].into(), limits, &refusal)
}

fn words(explanation: &Explanation) -> String {
    text(explanation, &Selection::default(), Style::PLAIN)
}

const SCORE: &str = r#"
SecRule ARGS "@contains bad" "id:1,phase:2,pass,msg:'Bad word',setvar:tx.inbound_anomaly_score_pl1=+5,setvar:tx.blocking_inbound_anomaly_score=+5"
SecAction "id:2,phase:1,pass,nolog,setvar:tx.inbound_anomaly_score_threshold=5,setvar:tx.blocking_paranoia_level=1"
SecRule TX:BLOCKING_INBOUND_ANOMALY_SCORE "@ge %{tx.inbound_anomaly_score_threshold}" "id:3,phase:2,deny,msg:'Too much'"
SecRule TX:BLOCKING_INBOUND_ANOMALY_SCORE "@ge 1" "id:4,phase:5,pass,nolog""#;

#[test]
fn a_score_that_blocks_is_told_with_its_ledger() {
    let explanation = explained(&format!("SecRuleEngine On{SCORE}"), "/?q=very+bad", b"");
    let shown = words(&explanation);
    for expected in [
        "BLOCKED  403 by rule 3 in phase 2: inbound score 5 ≥ 5\n",
        "  inbound    5, blocks from 5   PL1: 5\n",
        "  1           +5  PL1   ARGS:q                      bad                           Bad word\n",
        "              matched \"bad\", bytes 5–8\n",
        "              TX:inbound_anomaly_score_pl1: unset → 5\n",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in\n{shown}");
    }
}

#[test]
fn other_verdicts_have_their_own_words() {
    let verdict = |rules: &str, target: &str, body: &[u8]| {
        let shown = words(&explained(rules, target, body));
        shown.lines().nth(1).unwrap_or_default().to_owned()
    };
    let detect = format!("SecRuleEngine DetectionOnly{SCORE}");
    assert_eq!(
        verdict(&detect, "/?q=bad", b""),
        "PASSED  DetectionOnly: rule 3 would have answered 403: inbound score 5 ≥ 5"
    );
    assert_eq!(verdict(&detect, "/?q=good", b""), "PASSED  inbound score 0 < 5");
    assert_eq!(verdict("SecRuleEngine Off", "/", b""), "PASSED  the engine is off");
    assert_eq!(verdict("SecRuleEngine On", "/", b""), "PASSED  no rule stopped it");
    assert_eq!(verdict("SecRuleEngine On", "/odd", b""), "BLOCKED  400 by the gateway itself: it is odd");
    let allow = "SecRuleEngine On\nSecAction \"id:1,phase:1,allow,msg:'A friend'\"";
    assert_eq!(verdict(allow, "/", b""), "PASSED  rule 1 allows it: A friend");
    let limit = "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimit 3\nSecRequestBodyLimitAction Reject";
    assert_eq!(verdict(limit, "/", b"abcd"), "BLOCKED  413: the body is over SecRequestBodyLimit");
}

#[test]
fn one_rule_alone_is_shown_with_every_value() {
    let explanation = explained(&format!("SecRuleEngine On{SCORE}"), "/?a=x&b=bad", b"");
    let only = |id| text(&explanation, &Selection { only: Some(id), ..Selection::default() }, Style::PLAIN);
    let shown = only(1);
    assert!(
        shown.contains("1 of 2 values of ARGS") && shown.contains("ARGS:a  \"x\"\n              no match"),
        "{shown}"
    );
    assert!(!shown.contains("All 4 rules"), "{shown}");
    assert!(only(99).contains("there is no rule 99"));
}

#[test]
fn json_has_the_bytes_that_are_not_text() {
    let rules = "SecRuleEngine On\nSecRule ARGS \"@rx .\" \"id:1,phase:1,pass,log\"";
    let value = json::value(&explained(rules, "/?q=%ff%00a", b""), &Selection::default());
    let original = &value["rules"][0]["links"][0]["tests"][0]["original"];
    assert_eq!((original["length"].as_u64(), original["base64"].as_str()), (Some(3), Some("/wBh")));
    assert_eq!(value["verdict"]["blocked"], false);
}
