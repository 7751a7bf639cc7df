//! What a trace tells, behaviour by behaviour.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_engine::trace::{EffectTrace, Excerpt, Origin, Outcome, Reason, RuleTrace, TestTrace, Trace, TraceLimits};
use parapet_engine::{Context, Policy, Transaction};

const ALL: TraceLimits = TraceLimits { bytes: 1 << 20, value_bytes: 64, failed_tests: true };

fn policy(rules: &str) -> Arc<Policy> {
    let configuration = parse_str("rules.conf", rules.as_bytes(), &NoFiles).unwrap();
    Arc::new(Policy::compile(&configuration, &NoFiles).unwrap())
}

/// Runs the request phases of a GET, and phase 5.
fn trace_with(limits: TraceLimits, rules: &str, uri: &str) -> Trace {
    let mut transaction = Transaction::new(policy(rules), Context::default()).with_trace(limits);
    transaction.request_line(b"GET", uri.as_bytes(), b"HTTP/1.1");
    transaction.request_header(b"Host", b"www.example.com");
    if transaction.process_request_headers().is_none() {
        transaction.process_request_body();
    }
    transaction.process_logging();
    transaction.take_trace().unwrap()
}

fn trace(rules: &str, uri: &str) -> Trace {
    trace_with(ALL, rules, uri)
}

fn rule(trace: &Trace, id: u32) -> &RuleTrace {
    trace.rules.iter().find(|rule| rule.id == id).unwrap()
}

fn reason(trace: &Trace, id: u32) -> &Reason {
    match &rule(trace, id).outcome {
        Outcome::LeftOut(reason) => reason,
        other => panic!("rule {id}: {other:?}"),
    }
}

fn only_test(trace: &Trace, id: u32) -> &TestTrace {
    let [link] = rule(trace, id).links.as_slice() else { panic!("rule {id} has one link") };
    let [test] = link.tests.as_slice() else { panic!("{:?}", link.tests) };
    test
}

fn text(excerpt: &Excerpt) -> &str {
    std::str::from_utf8(&excerpt.bytes).unwrap()
}

#[test]
fn a_value_is_followed_through_its_transformations_to_the_match() {
    let rules = r#"SecRuleEngine On
SecRule ARGS:q "@rx <(script)" "id:1,phase:1,deny,status:406,t:none,t:urlDecodeUni,t:trim,t:lowercase,capture,msg:'found %{TX.1}',logdata:'in %{MATCHED_VAR_NAME}'""#;
    let trace = trace(rules, "/?q=x%253CSCRIPT%253e");
    let found = rule(&trace, 1);
    assert_eq!((found.phase, found.place.line), (1, 2));
    assert_eq!(found.place.file.to_str(), Some("rules.conf"));
    assert_eq!((text(&found.message), text(&found.data)), ("found script", "in ARGS:q"));
    let Outcome::Matched { disruption: Some(disruption) } = &found.outcome else { panic!("{:?}", found.outcome) };
    assert_eq!((disruption.action, disruption.status, disruption.enforced), ("deny", 406, true));
    let link = &found.links[0];
    assert_eq!((link.targets.as_str(), text(&link.operator)), ("ARGS:q", "@rx <(script)"));
    assert_eq!(link.transformations, ["urlDecodeUni", "trim", "lowercase"]);
    let test = only_test(&trace, 1);
    assert_eq!((text(&test.variable), text(&test.original)), ("ARGS:q", "x%3CSCRIPT%3e"));
    let steps: Vec<_> = test.steps.iter().map(|step| step.result.as_ref().map(text)).collect();
    assert_eq!(steps, [Some("x<SCRIPT>"), None, Some("x<script>")]);
    assert_eq!((text(test.transformed()), test.span, text(&test.found)), ("x<script>", Some((1, 8)), "<script"));
    let captures: Vec<_> = test.captures.iter().map(|capture| capture.as_ref().map(text)).collect();
    assert_eq!(captures, [Some("<script"), Some("script")]);
}

#[test]
fn changes_and_points_are_told_with_what_they_were_before() {
    let rules = r#"SecRuleEngine DetectionOnly
SecAction "id:1,phase:1,pass,nolog,setvar:tx.critical=5,setvar:tx.inbound_anomaly_score_pl2=1"
SecRule ARGS "@contains bad" "id:2,phase:1,pass,setvar:'tx.inbound_anomaly_score_pl2=+%{tx.critical}',setvar:tx.name_%{MATCHED_VAR_NAME}=1"
SecRule TX:INBOUND_ANOMALY_SCORE_PL2 "@ge %{tx.critical}" "id:3,phase:1,deny""#;
    let trace = trace(rules, "/?a=bad&b=good&c=worse+bad");
    let link = &rule(&trace, 2).links[0];
    assert_eq!((link.tested, link.matched), (3, 2));
    let changes: Vec<_> = link.tests.iter().flat_map(|test| &test.effects).map(change).collect();
    assert_eq!(
        changes,
        [
            "TX:inbound_anomaly_score_pl2 1 -> 6",
            "TX:name_ARGS:a - -> 1",
            "TX:inbound_anomaly_score_pl2 6 -> 11",
            "TX:name_ARGS:c - -> 1"
        ]
    );
    let ledger: Vec<_> = trace.ledger.iter().map(|p| (p.rule, p.points, p.total, text(&p.variable))).collect();
    assert_eq!(ledger, [(2, 5, 6, "ARGS:a"), (2, 5, 11, "ARGS:c")]);
    assert_eq!(trace.ledger[0].paranoia_level(), Some(2));
    assert_eq!(text(&trace.ledger[1].found), "bad");
    let last = rule(&trace, 3);
    assert_eq!(last.links[0].argument.as_ref().map(text), Some("5"));
    let Outcome::Matched { disruption: Some(disruption) } = &last.outcome else { panic!("{:?}", last.outcome) };
    assert!(!disruption.enforced, "nothing is enforced that is only detected");
}

fn change(effect: &EffectTrace) -> String {
    let show = |value: &Option<Excerpt>| value.as_ref().map_or("-", text).to_owned();
    match effect {
        EffectTrace::Set { variable, before, after } => {
            format!("{} {} -> {}", text(variable), show(before), show(after))
        }
        EffectTrace::Collection { name, key } => format!("{name} {}", text(key)),
        EffectTrace::Expiry { variable, seconds } => format!("{} expires in {seconds} s", text(variable)),
        EffectTrace::Control(control) => control.clone(),
    }
}

#[test]
fn every_rule_that_does_not_run_says_why() {
    let rules = r#"SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,setvar:tx.detection_paranoia_level=1,ctl:ruleRemoveById=5"
SecRule TX:DETECTION_PARANOIA_LEVEL "@lt 2" "id:2,phase:1,pass,nolog,skipAfter:END"
SecRule ARGS "@rx x" "id:3,phase:1,pass"
SecMarker END
SecAction "id:4,phase:1,pass,nolog,skip:1"
SecAction "id:10,phase:1,pass,nolog"
SecAction "id:5,phase:1,pass,nolog"
SecAction "id:6,phase:1,pass,nolog"
SecAction "id:7,phase:2,deny"
SecAction "id:8,phase:2,pass"
SecAction "id:9,phase:3,pass"
SecAction "id:11,phase:5,pass,nolog"
SecRuleRemoveById 6"#;
    let trace = trace(rules, "/?q=x");
    assert_eq!(*reason(&trace, 3), Reason::ParanoiaGate { by: 2, level: 2 });
    assert_eq!(*reason(&trace, 10), Reason::Skipped { by: 4 });
    assert_eq!(*reason(&trace, 5), Reason::RemovedByCtl { by: 1 });
    let Reason::RemovedByDirective(place) = reason(&trace, 6) else { panic!("{:?}", reason(&trace, 6)) };
    assert_eq!(place.line, 14);
    assert_eq!(*reason(&trace, 8), Reason::Ended { by: 7 });
    assert_eq!(*reason(&trace, 9), Reason::Ended { by: 7 });
    assert!(matches!(rule(&trace, 11).outcome, Outcome::Matched { .. }), "phase 5 always runs");
    let control = rule(&trace, 1).links[0].tests[0].effects.last().map(change);
    assert_eq!(control.as_deref(), Some("removes rule 5"));
}

#[test]
fn a_skip_over_phases_and_a_disabled_engine_are_reasons() {
    let rules = r#"SecRuleEngine On
SecAction "id:3,phase:2,pass,nolog"
SecMarker LATER
SecAction "id:1,phase:1,pass,nolog,skipAfter:LATER"
SecAction "id:2,phase:1,pass,nolog"
SecAction "id:4,phase:2,pass,nolog,ctl:ruleEngine=Off"
SecAction "id:5,phase:2,pass,nolog"
SecAction "id:6,phase:5,pass,nolog""#;
    let trace = trace(rules, "/");
    assert_eq!(*reason(&trace, 2), Reason::Skipped { by: 1 });
    assert_eq!(*reason(&trace, 3), Reason::Skipped { by: 1 });
    assert_eq!(*reason(&trace, 5), Reason::EngineOff { by: Some(4) });
    assert_eq!(*reason(&trace, 6), Reason::EngineOff { by: Some(4) });
}

#[test]
fn excluded_values_name_their_exclusion() {
    let rules = r#"SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,ctl:ruleRemoveTargetById=2;ARGS:token"
SecRule ARGS|!ARGS:/^pass/ "@rx x" "id:2,phase:1,pass"
SecRuleUpdateTargetById 2 "!ARGS:note""#;
    let trace = trace(rules, "/?password=x&token=x&note=x&q=y");
    let link = &rule(&trace, 2).links[0];
    assert_eq!((link.tested, link.matched), (1, 0));
    assert_eq!(link.targets, "ARGS|!ARGS:/^pass/|!ARGS:note");
    let excluded: Vec<_> =
        link.excluded.iter().map(|e| (text(&e.variable), e.exclusion.as_str(), e.origin, e.place.line)).collect();
    assert_eq!(
        excluded,
        [
            ("ARGS:password", "ARGS:/^pass/", Origin::Rule, 3),
            ("ARGS:token", "ARGS:token", Origin::Ctl(1), 2),
            ("ARGS:note", "ARGS:note", Origin::Directive, 4)
        ]
    );
}

#[test]
fn multi_match_tests_every_state_and_chains_stop_where_they_fail() {
    let rules = r#"SecRuleEngine On
SecRule ARGS "@rx a|<" "id:1,phase:1,pass,multiMatch,t:none,t:urlDecode,t:lowercase"
SecRule ARGS "@rx a" "id:2,phase:1,deny,chain"
SecRule MATCHED_VAR "@streq b" "chain"
SecRule ARGS "@rx c" """#;
    let trace = trace(rules, "/?q=A%253C");
    let states: Vec<_> =
        rule(&trace, 1).links[0].tests.iter().map(|test| (text(test.transformed()), test.matched)).collect();
    assert_eq!(states, [("A%3C", false), ("A<", true), ("a<", true)]);
    assert_eq!(rule(&trace, 2).links.len(), 1);
    let trace = self::trace(rules, "/?q=a");
    let links = &rule(&trace, 2).links;
    assert_eq!((links.len(), links[0].matched, links[1].matched, links[1].line), (2, 1, 0, 4));
    assert_eq!(rule(&trace, 2).outcome, Outcome::NotMatched { prefiltered: false });
}

#[test]
fn what_the_prefilter_rules_out_is_marked() {
    let rules = r#"SecRuleEngine On
SecRule ARGS "@rx union\s+select" "id:1,phase:1,pass"
SecRule ARGS "!@rx ^a+$" "id:2,phase:1,pass"
SecRule REQUEST_COOKIES "@rx union\s+select" "id:3,phase:1,pass""#;
    let trace = trace(rules, "/?q=aaa");
    assert_eq!(rule(&trace, 1).outcome, Outcome::NotMatched { prefiltered: true });
    assert!(only_test(&trace, 1).prefiltered);
    assert_eq!(rule(&trace, 2).outcome, Outcome::NotMatched { prefiltered: false });
    assert_eq!(rule(&trace, 3).outcome, Outcome::NotMatched { prefiltered: true });
}

#[test]
fn long_values_are_cut_around_the_match_and_the_whole_trace_is_bounded() {
    let rules = "SecRuleEngine On\nSecRule ARGS \"@contains needle\" \"id:1,phase:1,pass\"";
    let uri = format!("/?q={}needle{}", "x".repeat(5000), "y".repeat(100));
    let trace = trace(rules, &uri);
    let test = only_test(&trace, 1);
    assert_eq!((test.original.length, test.original.bytes.len(), test.span), (5106, 64, Some((5000, 5006))));
    assert_eq!(text(&test.found), "needle");

    let many: String = (0..1000).map(|n| format!("a{n}=needle&")).collect();
    let limits = TraceLimits { bytes: 20_000, ..ALL };
    let trace = trace_with(limits, rules, &format!("/?{many}"));
    let link = &rule(&trace, 1).links[0];
    assert_eq!((link.tested, link.matched), (1000, 1000));
    assert_eq!(link.tests.len() + trace.left_out, 1000);
    assert!(link.tests.len() < 150, "{} tests are kept", link.tests.len());
}

#[test]
fn tests_that_fail_are_only_counted_unless_they_are_wanted() {
    let rules = "SecRuleEngine On\nSecRule ARGS \"@contains b\" \"id:1,phase:1,pass\"";
    let trace = trace_with(TraceLimits::default(), rules, "/?x=a&y=b");
    let link = &rule(&trace, 1).links[0];
    assert_eq!((link.tested, link.matched, link.tests.len(), trace.left_out), (2, 1, 1, 0));
}

#[test]
fn persistent_collections_say_whose_they_are_and_what_expires() {
    let rules = r#"SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.hits=+1,expirevar:ip.hits=60,setenv:seen=yes""#;
    let trace = trace(rules, "/");
    let changes: Vec<_> = only_test(&trace, 1).effects.iter().map(change).collect();
    assert_eq!(changes, ["IP 127.0.0.1", "IP:hits - -> 1", "IP:hits expires in 60 s", "ENV:seen - -> yes"]);
}
