//! `parapet route` tells which track events take, and why.

use parapet_scenarios::product::run_to_end;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// A record as Apache with ModSecurity 2 writes it: SQL injection from a browser.
const APACHE: &str = include_str!("../../crates/pipeline/src/sources/samples/apache-json.txt");

const SCRIPT: &str = r#"
function classify(event)
  if event.site == "payments" then return {track = "realtime", reason = "payments is watched closely"} end
end
"#;

fn event(user_agent: &str) -> String {
    json!({
        "schema": 1, "id": "01JDA5ZQ3V0000000000000001", "timestamp": "2026-01-02T03:04:05Z",
        "origin": {"instance": "01JDA5ZQ3V0000000000000000", "worker": 0, "sequence": 1}, "site": "shop",
        "client_ip": "203.0.113.9", "client_port": 1, "status": 403, "action": "blocked", "severity": 0,
        "request": {"method": "GET", "uri": "/?id=1", "protocol": "HTTP/1.1", "host": "shop", "user_agent": user_agent,
            "headers": [], "body_bytes": 0},
        "rule_id": "942100", "attack_type": "sqli", "inbound_score": 5, "outbound_score": 0, "inbound_threshold": 5,
        "paranoia_level": 1, "policy": "p",
        "findings": [{"rule_id": 942_100, "phase": 2, "message": "SQLi", "data": "", "tags": [], "rule_severity": 2,
            "variable": "ARGS:id", "matched": "1", "operator": "@detectSQLi", "scores": [], "file": "f", "line": 1}]
    })
    .to_string()
}

fn write(directory: &TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("a file");
    display(&path)
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_rule_of_the_classification_is_shown_with_what_it_saw() {
    let directory = TempDir::new().expect("a temporary directory");
    let events = write(&directory, "events.ndjson", &[event("Mozilla/5.0"), event("sqlmap/1.8")].join("\n"));
    let data = display(directory.path());
    let (code, out, said) = run_to_end(&["route", "--json", "--explain", "--data-dir", &data, &events]);
    assert_eq!(code, 0, "{said}");
    let lines = lines(&out);
    assert_eq!((&lines[0]["track"], &lines[0]["reason"]["rule"]), (&json!("realtime"), &json!("critical_severity")));
    assert_eq!((&lines[1]["track"], &lines[1]["reason"]["detail"]), (&json!("analytics"), &json!("sqlmap")));
    for line in &lines {
        let steps = line["steps"].as_array().expect("steps");
        assert_eq!(steps.len(), 5);
        assert_eq!(steps.iter().filter(|step| step["decides"] == true).count(), 1, "{line}");
    }
    let (code, out, _) = run_to_end(&["route", "--explain", "--data-dir", &data, &events]);
    assert_eq!(code, 0);
    for part in ["decides  severity ≥ 80", "the user agent names sqlmap", "2 events: 1 real-time, 1 analytics"] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
}

#[test]
fn the_operators_script_decides_as_it_does_in_the_router() {
    let directory = TempDir::new().expect("a temporary directory");
    let script = write(&directory, "classify.lua", SCRIPT);
    let config = write(&directory, "parapet.toml", &format!("[pipeline.classification]\nscript = {script:?}\n"));
    let log = write(&directory, "apache.json", APACHE);
    let route = |site: &str| {
        let (code, out, said) = run_to_end(&["route", "--json", "--config", &config, "--site", site, &log]);
        assert_eq!(code, 0, "{said}");
        lines(&out).remove(0)
    };
    assert_eq!(route("payments")["reason"], json!({"rule": "script", "detail": "payments is watched closely"}));
    assert_ne!(route("shop")["reason"]["rule"], "script");
    write(&directory, "classify.lua", "function classify(");
    let (code, _, said) = run_to_end(&["route", "--config", &config, &log]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("classify.lua:1"), "{said}");
}

#[test]
fn what_cannot_be_read_is_reported_with_its_line_and_fails() {
    let directory = TempDir::new().expect("a temporary directory");
    let text = format!("{}\nnot json\n{}", event("x"), event("y").replace("2026-01-02", "1970-01-02"));
    let events = write(&directory, "events.ndjson", &text);
    let data = display(directory.path());
    let (code, out, said) = run_to_end(&["route", "--data-dir", &data, &events]);
    assert_eq!(code, 1);
    assert!(out.contains("1 events: 1 real-time, 0 analytics; 0 transactions without findings, 2 records refused"));
    assert!(said.contains("events.ndjson:2: ") && said.contains("events.ndjson:3: the timestamp"), "{said}");
    let (code, out, _) = run_to_end(&["route", "--json", "--data-dir", &data, &events]);
    assert_eq!((code, lines(&out)[1]["line"].as_u64()), (1, Some(2)));
    assert!(lines(&out)[1]["error"].is_string(), "{out}");
}
