//! The fast way and the slow way of running a policy find the same.
//!
//! Every request of the Core Rule Set's own regression tests runs through the same rules with the prefilter
//! and what is remembered, also when its values are known, without either, and traced.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests fail by panicking and say what they skip"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_engine::trace::{Outcome, Trace, TraceLimits};
use parapet_engine::{Context, Policy, Transaction};
use serde_yaml_ng::Value;

fn data() -> Option<PathBuf> {
    let data = std::env::var_os("PARAPET_TEST_DATA").map(PathBuf::from);
    if data.is_none() {
        assert!(std::env::var_os("PARAPET_REQUIRE_ALL").is_none(), "PARAPET_TEST_DATA is not set");
        eprintln!("SKIPPED fast_path: PARAPET_TEST_DATA is not set");
    }
    data
}

const BASE: &str = r#"
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/html
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecAction "id:900000,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=4,setvar:tx.arg_length=400,setvar:tx.max_num_args=255"
"#;

fn load(root: &Path, name: &str) -> Policy {
    let directory = std::env::temp_dir().join(format!("parapet-fast-path-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let base = directory.join("base.conf");
    std::fs::write(&base, BASE).unwrap();
    let mut files = vec![base, root.join("crs-setup.conf.example")];
    let mut rules: Vec<PathBuf> = std::fs::read_dir(root.join("rules"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    rules.sort();
    files.extend(rules);
    let policy = Policy::load(&files).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    policy
}

/// What a transaction found, in full.
fn findings(policy: &Arc<Policy>, input: &Value) -> Vec<String> {
    run(Transaction::new(Arc::clone(policy), Context::default()), input).0
}

/// Runs a request; also its trace, if there is one.
fn run(mut transaction: Transaction, input: &Value) -> (Vec<String>, Option<Trace>) {
    let text = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or_default();
    let method = if text("method").is_empty() { "GET" } else { text("method") };
    transaction.request_line(method.as_bytes(), text("uri").as_bytes(), b"HTTP/1.1");
    if let Some(headers) = input.get("headers").and_then(Value::as_mapping) {
        for (name, value) in headers {
            let value = value.as_str().map(str::to_owned).unwrap_or_else(|| format!("{value:?}"));
            transaction.request_header(name.as_str().unwrap_or_default().as_bytes(), value.as_bytes());
        }
    }
    transaction.process_request_headers();
    let body = text("data");
    transaction.append_request_body(body.as_bytes());
    transaction.process_request_body();
    transaction.response_line(200, b"HTTP/1.1");
    transaction.response_header(b"Content-Type", b"text/html");
    transaction.process_response_headers();
    // The body of the request stands in for a response that reflects it.
    transaction.append_response_body(body.as_bytes());
    transaction.process_response_body();
    transaction.process_logging();
    let mut findings: Vec<String> = transaction.matches().map(|found| format!("{found:?}")).collect();
    findings.push(format!("{:?}", transaction.scores()));
    (findings, transaction.take_trace())
}

fn inputs(directory: &Path, out: &mut Vec<(String, Value)>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            inputs(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let document: Value = serde_yaml_ng::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            for test in document.get("tests").and_then(Value::as_sequence).into_iter().flatten() {
                for stage in test.get("stages").and_then(Value::as_sequence).into_iter().flatten() {
                    let stage = stage.get("stage").unwrap_or(stage);
                    if let Some(input) = stage.get("input") {
                        out.push((path.display().to_string(), input.clone()));
                    }
                }
            }
        }
    }
}

/// A trace tells of every rule once, and of as many matches to be logged as were found.
fn check(trace: &Trace, rules: usize, findings: &[String]) {
    assert_eq!(trace.rules.len(), rules);
    let logged = trace.rules.iter().filter(|rule| rule.log && matches!(rule.outcome, Outcome::Matched { .. }));
    let found = findings.iter().filter(|finding| finding.contains("log: true")).count();
    assert_eq!(logged.count(), found);
    for rule in &trace.rules {
        if let Outcome::NotMatched { prefiltered: true } = rule.outcome {
            assert!(rule.links.iter().all(|link| link.matched == 0), "rule {} is ruled out and matches", rule.id);
        }
    }
}

fn compare(root: &Path, every: usize) {
    let name = root.file_name().unwrap().to_string_lossy().into_owned();
    let fast = Arc::new(load(root, &name));
    let slow = Arc::new(load(root, &name).exhaustive());
    let mut all = Vec::new();
    inputs(&root.join("regression/tests"), &mut all);
    assert!(all.len() > 2000, "{} requests", all.len());
    let mut found = 0;
    for (place, input) in all.iter().step_by(every) {
        let expected = findings(&slow, input);
        // What is found out of a value the second time is made use of the third time.
        for time in 1..=3 {
            assert_eq!(findings(&fast, input), expected, "time {time}: {place}: {input:?}");
        }
        let traced = Transaction::new(Arc::clone(&fast), Context::default()).with_trace(TraceLimits::default());
        let (traced, trace) = run(traced, input);
        assert_eq!(traced, expected, "traced: {place}: {input:?}");
        check(&trace.unwrap(), fast.rule_count(), &expected);
        found += expected.len();
    }
    assert!(found > all.len() / every, "{found} findings");
}

#[test]
fn the_fast_way_finds_what_the_slow_way_finds_with_crs_4() {
    if let Some(data) = data() {
        compare(&data.join("crs"), 3);
    }
}

#[test]
fn the_fast_way_finds_what_the_slow_way_finds_with_crs_3() {
    if let Some(data) = data() {
        compare(&data.join("crs-3.3"), 5);
    }
}
