//! `parapet explain` tells why a request is blocked, in words and as JSON, and what exclusions do.

use parapet_scenarios::product::{rule_set, run_to_end};
use parapet_scenarios::skip;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const HAR: &str = r#"{"log": {"version": "1.2", "entries": [
  {"request": {"method": "GET", "url": "https://shop.example/?q=shoes", "httpVersion": "HTTP/2", "headers": [
    {"name": "Host", "value": "shop.example"}, {"name": "User-Agent", "value": "Mozilla/5.0"}, {"name": "Accept", "value": "*/*"}]},
   "response": {"status": 200, "httpVersion": "HTTP/2", "headers": [{"name": "Content-Type", "value": "text/html"}],
    "content": {"text": "PGI+T1JBLTAxNzU2OiBxdW90ZWQgc3RyaW5nIG5vdCBwcm9wZXJseSB0ZXJtaW5hdGVkPC9iPg==", "encoding": "base64"}}},
  {"request": {"method": "POST", "url": "https://shop.example/api/comments", "httpVersion": "HTTP/2", "headers": [
    {"name": "Host", "value": "shop.example"}, {"name": "User-Agent", "value": "Mozilla/5.0"}, {"name": "Accept", "value": "*/*"},
    {"name": "Content-Type", "value": "application/json"}],
    "postData": {"mimeType": "application/json", "text": "{\"text\":\"<script>alert(1)</script>\"}"}}}]}}"#;

const CURL: &str =
    "curl 'https://shop.example/item' -G \\\n  --data-urlencode \"id=1' OR '1'='1\" \\\n  -A 'Mozilla/5.0'\n";

struct Files {
    directory: TempDir,
    rules: PathBuf,
}

impl Files {
    fn new(test: &str) -> Option<Files> {
        let Some(rules) = rule_set() else {
            skip(test, "there is no rule set");
            return None;
        };
        Some(Files { directory: TempDir::new().expect("a temporary directory"), rules })
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("the file can be written");
        display(&path)
    }

    /// Runs `parapet explain` on a file with arguments; returns exit code, output and errors.
    fn explain(&self, file: &str, arguments: &[&str]) -> (i32, String, String) {
        let (rules, data) = (display(&self.rules), display(&self.directory.path().join("data")));
        let mut all = vec!["explain", "--request", file, "--rules", &rules, "--data-dir", &data];
        all.extend(arguments);
        run_to_end(&all)
    }

    fn json(&self, file: &str, arguments: &[&str]) -> Value {
        let (code, out, said) = self.explain(file, &[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&out).expect("JSON")
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_block_is_explained_in_words() {
    let Some(files) = Files::new("a_block_is_explained_in_words") else { return };
    let curl = files.write("attack.txt", CURL);
    let (code, out, said) = files.explain(&curl, &[]);
    assert_eq!(code, 0, "{said}");
    for expected in [
        "GET /item?id=1%27%20OR%20%271%27%3D%271 HTTP/1.1",
        "BLOCKED  403 by rule 949110 in phase 2: inbound score",
        "blocks from 5",
        "942100      +5  PL1   ARGS:id",
        "SQL Injection Attack Detected via libinjection",
        "@detectSQLi",
        "TX:inbound_anomaly_score_pl1: 0 → 5",
        "above the detection level, which is 1",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in\n{out}");
    }
    assert!(!out.contains('\x1b'), "only a terminal gets colours");
    assert_eq!(files.explain(&curl, &["--exit-code"]).0, 1);
}

#[test]
fn every_entry_of_an_archive_is_explained_as_json() {
    let Some(files) = Files::new("every_entry_of_an_archive_is_explained_as_json") else { return };
    let har = files.write("session.har", HAR);
    let all = files.json(&har, &[]);
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    let (leak, attack) = (&all[0], &all[1]);
    assert_eq!(leak["verdict"]["rule"]["id"], 959100, "the response leaks an error of the database");
    assert_eq!(leak["response"]["status"], 200);
    assert_eq!(attack["verdict"]["status"], 403);
    assert_eq!(attack["consistent"], true);
    assert!(attack["ledger"].as_array().expect("a ledger").iter().any(|entry| {
        entry["rule"] == 941100 && entry["variable"] == "ARGS:json.text" && entry["paranoia_level"] == 1
    }));
    let xss = attack["rules"].as_array().expect("rules").iter().find(|rule| rule["id"] == 941110).expect("941110");
    let test = &xss["links"][0]["tests"][0];
    assert_eq!(test["found"]["text"], "<script>");
    assert_eq!(test["span"], serde_json::json!([0, 8]));
    let one = files.json(&har, &["--entry", "2", "--only", "942190", "--paranoia", "2"]);
    let rule = &one[0]["rules"][0];
    assert_eq!((one.as_array().map(Vec::len), &rule["outcome"]["kind"]), (Some(1), &Value::from("not_matched")));
    assert!(rule["links"][0]["tests"].as_array().is_some_and(|tests| !tests.is_empty()), "each value is shown");
}

#[test]
fn exclusions_say_where_they_come_from() {
    let Some(files) = Files::new("exclusions_say_where_they_come_from") else { return };
    let before = files.write(
        "before.conf",
        "SecRule REQUEST_FILENAME \"@streq /item\" \"id:1000,phase:1,pass,nolog,ctl:ruleRemoveTargetByTag=attack-sqli;ARGS:id\"\n",
    );
    let after = files.write("after.conf", "SecRuleRemoveById 920320\n");
    let config = format!("[rules]\ncrs = {:?}\nbefore = [{before:?}]\nafter = [{after:?}]\n", display(&files.rules));
    let (config, curl) = (files.write("parapet.toml", &config), files.write("attack.txt", CURL));
    let data = display(&files.directory.path().join("data"));
    let (code, out, said) = run_to_end(&["explain", "-r", &curl, "--config", &config, "--data-dir", &data]);
    assert_eq!(code, 0, "{said}");
    for expected in [
        "PASSED  inbound score 0 < 5",
        "ARGS:id is not tested by",
        "ctl of rule 1000 excludes ARGS:id, before.conf:1",
        "1 rule removed by the configuration (after.conf:1): 920320",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in\n{out}");
    }
}

#[test]
fn files_that_are_wrong_are_named_with_the_place() {
    let Some(files) = Files::new("files_that_are_wrong_are_named_with_the_place") else { return };
    for (name, text, expected) in [
        ("a.txt", "curl http://x \\\n  --dta x\n", "a.txt:2:3: curl has no option `--dta`; did you mean --data?"),
        ("b.har", "{\"log\": {\"entries\": [\n {\"request\": {}}]}}", "b.har:2:"),
        ("c.http", "GET / HTTP/1.1\nnonsense\n", "c.http:2:1: `nonsense` is not a header"),
    ] {
        let file = files.write(name, text);
        let (code, out, said) = files.explain(&file, &[]);
        assert_eq!((code, out.as_str()), (2, ""), "{said}");
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
    let smuggling =
        "POST / HTTP/1.1\nHost: x\nUser-Agent: y\nAccept: */*\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n";
    let file = files.write("d.http", smuggling);
    let (_, out, said) = files.explain(&file, &[]);
    assert!(out.contains("BLOCKED  400 by the gateway itself"), "{out}{said}");
    let (code, _, said) = files.explain("absent.http", &[]);
    assert!(code == 2 && said.contains("absent.http cannot be opened"), "{said}");
}
