//! Hostile inputs, each known from an advisory against an engine of this kind, put to rules. The
//! numbers are those of the list of such inputs that engines are checked against.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_engine::{BodyStatus, Context, Limit, Limits, Policy, Transaction};

const ON: &str = "SecRuleEngine On\nSecRequestBodyAccess On\nSecRequestBodyLimitAction ProcessPartial\n";
const FORM: &str = "application/x-www-form-urlencoded";

fn policy(rules: &str) -> Arc<Policy> {
    let configuration = parse_str("test.conf", format!("{ON}{rules}").as_bytes(), &NoFiles).unwrap();
    Arc::new(Policy::compile(&configuration, &NoFiles).unwrap())
}

/// Runs all phases of a request, whatever the rules say, and returns the transaction.
fn run(policy: &Arc<Policy>, uri: &str, headers: &[(&str, &str)], body: &[u8]) -> Transaction {
    let mut transaction = Transaction::new(Arc::clone(policy), Context::default());
    transaction.request_line(if body.is_empty() { b"GET" } else { b"POST" }, uri.as_bytes(), b"HTTP/1.1");
    for (name, value) in headers {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    transaction.process_request_headers();
    transaction.append_request_body(body);
    transaction.process_request_body();
    transaction.process_logging();
    transaction
}

fn ids(transaction: &Transaction) -> Vec<u32> {
    transaction.matches().map(|found| found.rule_id).collect()
}

fn get(rules: &str, uri: &str) -> Vec<u32> {
    ids(&run(&policy(rules), uri, &[], b""))
}

fn post(rules: &str, kind: &str, body: &[u8]) -> Vec<u32> {
    ids(&run(&policy(rules), "/", &[("Content-Type", kind)], body))
}

/// CVE-2026-21876: the charset of an early part, as a rule sees it.
#[test]
fn row_01_a_rule_sees_the_charset_of_every_part() {
    let rules = r#"SecRule MULTIPART_PART_HEADERS "@rx ^content-type:.*charset=utf-7" "id:1,phase:2,pass,t:lowercase""#;
    let body = "--X\r\nContent-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=utf-7\r\n\r\nx\r\n\
                --X\r\nContent-Disposition: form-data; name=b\r\n\r\ny\r\n--X--\r\n";
    assert_eq!(post(rules, "multipart/form-data; boundary=X", body.as_bytes()), [1]);
}

/// CVE-2023-38199 and CVE-2022-39955: several types, or one that says something else than the body is.
#[test]
fn row_05_no_content_type_hides_the_body() {
    let rules = r#"
SecRule &REQUEST_HEADERS:Content-Type "@gt 1" "id:1,phase:1,pass"
SecRule REQUEST_HEADERS:Content-Type "@contains charset=utf-7" "id:2,phase:1,pass"
SecRule REQUEST_HEADERS:Content-Type "!@rx ^(?:application/x-www-form-urlencoded|multipart/form-data)" "id:3,phase:1,pass,ctl:forceRequestBodyVariable=On"
SecRule ARGS|REQUEST_BODY "@contains evil" "id:4,phase:2,pass""#;
    let policy = policy(rules);
    let two = |first, second| ids(&run(&policy, "/", &[("Content-Type", first), ("content-type", second)], b"a=evil"));
    assert_eq!(two(FORM, "text/plain"), [1, 3, 4]);
    assert_eq!(two("text/plain", FORM), [1, 3, 4]);
    assert_eq!(two("text/plain", "text/plain; charset=utf-7"), [1, 2, 3, 4]);
    let one = |kind| ids(&run(&policy, "/", &[("Content-Type", kind)], b"{\"a\":\"evil\"}"));
    assert_eq!(one("text/plain"), [3, 4]);
    assert_eq!(one("multipart/mixed; boundary=X"), [3, 4]);
    assert_eq!(one(" application/x-www-form-urlencoded"), [3, 4]);
}

/// CVE-2022-39957 and CVE-2022-39958: headers that ask for an answer nobody can inspect.
#[test]
fn row_06_rules_see_what_makes_an_answer_unreadable() {
    let rules = r#"
SecRule REQUEST_HEADERS:Accept-Charset "@contains utf-7" "id:1,phase:1,pass,t:lowercase"
SecRule REQUEST_HEADERS:Range "@rx bytes=(?:\d*-\d*,?\s*){3}" "id:2,phase:1,pass"
SecRule REQUEST_HEADERS:Content-Encoding "!@streq identity" "id:3,phase:1,pass""#;
    let headers = [("Accept-Charset", "UTF-7"), ("Range", "bytes=0-0,1-1,2-2"), ("Content-Encoding", "gzip")];
    assert_eq!(ids(&run(&policy(rules), "/", &headers, b"")), [1, 2, 3]);
}

/// CVE-2024-1019 and CVE-2025-29914: an escaped question mark, and a path that looks like a host.
#[test]
fn row_07_nothing_of_a_path_is_taken_for_something_else() {
    let rules = r#"
SecRule REQUEST_FILENAME "@contains evil" "id:1,phase:1,pass"
SecRule REQUEST_URI "@contains evil" "id:2,phase:1,pass"
SecRule ARGS "@contains evil" "id:3,phase:1,pass""#;
    assert_eq!(get(rules, "/a%3fb=evil"), [1, 2]);
    assert_eq!(get(rules, "//evil/path"), [1, 2]);
    assert_eq!(get(rules, "/index.php/evil"), [1, 2]);
    assert_eq!(get(rules, "/a?b=evil"), [2, 3]);
    assert_eq!(get(rules, "http://host/evil"), [1, 2]);
}

/// Shapes of JSON in which a value could hide.
#[test]
fn row_09_every_value_of_json_is_inspected_whatever_its_shape() {
    let rules = r#"
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "@eq 1" "id:1,phase:2,pass"
SecRule ARGS|ARGS_NAMES "@contains evil" "id:2,phase:2,pass""#;
    let found = |body: &str| post(rules, "application/json", body.as_bytes());
    assert_eq!(found(r#"{"a":"evil","a":"fine"}"#), [2]);
    assert_eq!(found(r#"{"a":"fine","a":"evil"}"#), [2]);
    assert_eq!(found(r#""evil""#), [2]);
    assert_eq!(found(r#"{"a":"evil"} trailing"#), [1, 2]);
    assert_eq!(found(r#"{"a":"evil""#), [1, 2]);
    assert_eq!(found(&format!("{{\"{}evil\":1}}", "x".repeat(100_000))), [2]);
    assert_eq!(found(&format!("{{\"a\":\"evil\",\"b\":{}1", "[".repeat(100_000))), [1, 2]);
}

/// A long key around many values: each of their names repeats it.
#[test]
fn row_09_names_of_nested_values_do_not_outgrow_the_body() {
    let rules = r#"
SecAction "id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "@eq 1" "id:1,phase:2,pass"
SecRule ARGS_NAMES "@contains evil" "id:2,phase:2,pass""#;
    let body = format!("{{\"evil{}\":[{}1]}}", "x".repeat(20_000), "1,".repeat(900));
    let transaction = run(&policy(rules), "/", &[("Content-Type", "application/json")], body.as_bytes());
    assert_eq!(ids(&transaction), [1, 2]);
    assert_eq!(transaction.limits_met().collect::<Vec<_>>(), [Limit::Values]);
    assert!(transaction.working_bytes() < 40 * body.len(), "{}", transaction.working_bytes());
}

/// CRS issue 4767 and CVE-2025-52891: an entity that is not resolved does not blind the rest.
#[test]
fn row_10_every_value_of_xml_is_inspected_whatever_its_entities() {
    let rules = r#"
SecRule REQUEST_HEADERS:Content-Type "@contains xml" "id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule XML:/*|XML://@* "@contains evil" "id:1,phase:2,pass""#;
    let found = |body: &[u8]| post(rules, "text/xml", body);
    assert_eq!(found(b"<a>&unknown;<b>evil</b></a>"), [1]);
    assert_eq!(found(b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;evil</a>"), [1]);
    assert_eq!(found(b"<!DOCTYPE a [<!ENTITY % x 'y'> %x;]><a>evil</a>"), [1]);
    assert_eq!(found(b"<a><b/><c></c><d e=''/>evil</a>"), [1]);
    assert_eq!(found(b"<a b='evil'/>"), [1]);
    let utf16: Vec<u8> = "\u{feff}<a>evil</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(found(&utf16), [1]);
    let bomb = "<!DOCTYPE a [<!ENTITY a 'xxxxxxxxxx'><!ENTITY b '&a;&a;&a;'><!ENTITY c '&b;&b;&b;'>]><a>&c;evil</a>";
    let transaction = run(&policy(rules), "/", &[("Content-Type", "text/xml")], bomb.as_bytes());
    assert_eq!(ids(&transaction), [1]);
    assert!(transaction.working_bytes() < 20_000, "nothing is expanded: {}", transaction.working_bytes());
}

/// GHSA-f5qm-3h4p-8qhg and CVE-2023-28882: a value on which a pattern is given up is reported, and many
/// of them end the transaction.
#[test]
fn row_15_a_pattern_that_backtracks_for_ever_is_given_up_aloud() {
    let policy = policy(r#"SecRule ARGS "@rx ^(?:(a+)\1?)+b" "id:1,phase:2,deny""#);
    let value = "a".repeat(60);
    let one = run(&policy, &format!("/?a={value}"), &[], b"");
    assert_eq!(one.limits_met().collect::<Vec<_>>(), [Limit::Backtracking]);
    let many: Vec<String> = (0..900).map(|n| format!("{n}={value}")).collect();
    let many = run(&policy, &format!("/?{}", many.join("&")), &[], b"");
    assert!(many.limits_met().any(|limit| limit == Limit::Steps));
}

/// CVE-2025-47947 and CVE-2025-48866: what is kept of matches grows with the request, not with its square.
#[test]
fn row_16_matched_data_of_a_thousand_arguments_stays_small() {
    let rules: String = (1..=50)
        .map(|id| format!("SecRule ARGS|ARGS_NAMES \"@rx .\" \"id:{id},phase:2,pass,log,capture,msg:'%{{MATCHED_VAR}}',logdata:'%{{MATCHED_VAR_NAME}} %{{MATCHED_VAR}} %{{TX.0}}'\"\n"))
        .collect();
    let policy = policy(&rules);
    let memory = |count: usize| {
        let body: Vec<String> = (0..count).map(|n| format!("a{n}={n}")).collect();
        let transaction = run(&policy, "/", &[("Content-Type", FORM)], body.join("&").as_bytes());
        assert_eq!(ids(&transaction).len(), 50);
        transaction.working_bytes()
    };
    let (small, large) = (memory(100), memory(800));
    assert!(large < 9 * small, "{small} bytes for 100 arguments, {large} for 800");
}

/// A payload behind the last argument or byte that is inspected: the transaction says so.
#[test]
fn row_17_what_is_past_a_limit_is_reported() {
    let rules = r#"SecArgumentsLimit 1000
SecRequestBodyLimit 20000
SecRule &ARGS "@ge 1000" "id:1,phase:2,pass"
SecRule ARGS "@contains evil" "id:2,phase:2,pass""#;
    let policy = policy(rules);
    let body = |count: usize| [vec!["a"; count], vec!["b=evil"]].concat().join("&");
    let inside = run(&policy, "/", &[("Content-Type", FORM)], body(998).as_bytes());
    assert_eq!((ids(&inside), inside.is_incomplete()), (vec![2], false));
    let past = run(&policy, "/", &[("Content-Type", FORM)], body(1000).as_bytes());
    assert_eq!(ids(&past), [1]);
    assert_eq!(past.limits_met().collect::<Vec<_>>(), [Limit::Arguments]);
    let mut transaction = Transaction::new(Arc::clone(&policy), Context::default());
    assert_eq!(transaction.append_request_body(&[b'a'; 20_000]), BodyStatus::Accepted);
    assert_eq!(transaction.append_request_body(b"evil"), BodyStatus::Partial);
}

/// Coraza issue 1628: bytes without any separator, read as a form because a rule says so.
#[test]
fn row_18_bytes_forced_into_a_form_take_memory_in_proportion() {
    let rules = r#"SecRequestBodyLimit 20000000
SecAction "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=URLENCODED"
SecRule ARGS|ARGS_NAMES|REQUEST_BODY "@rx (?i)evil" "id:2,phase:2,deny,t:urlDecodeUni,t:lowercase,t:removeNulls""#;
    let body: Vec<u8> = (0..4 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let transaction = run(&policy(rules), "/", &[("Content-Type", "application/octet-stream")], &body);
    assert!(transaction.working_bytes() <= Limits::default().working_bytes);
    assert!(transaction.is_incomplete() || transaction.working_bytes() < 12 * body.len());
}

/// CRS issues 4546 to 4549: names that a server trims.
#[test]
fn row_20_padded_file_names_reach_the_rules_as_sent() {
    let rules = r#"
SecRule FILES "@rx \.php[\s.]*$" "id:1,phase:2,pass"
SecRule FILES "@rx (?i)\.php::\$data" "id:2,phase:2,pass""#;
    for (name, found) in [("a.php", 1), ("a.php ", 1), ("a.php\t", 1), ("a.php...", 1), ("a.php::$DATA", 2)] {
        let body = format!("--X\r\nContent-Disposition: form-data; name=f; filename=\"{name}\"\r\n\r\nx\r\n--X--\r\n");
        assert_eq!(post(rules, "multipart/form-data; boundary=X", body.as_bytes()), [found], "{name}");
    }
}

/// Cookies that parsers read differently, and those that HTTP/2 sends in crumbs.
#[test]
fn row_22_every_cookie_is_inspected() {
    let rules = r#"
SecRule REQUEST_COOKIES|REQUEST_COOKIES_NAMES "@contains evil" "id:1,phase:1,pass"
SecRule REQUEST_COOKIES_NAMES "@streq $Version" "id:2,phase:1,pass""#;
    let policy = policy(rules);
    for cookie in
        ["evil", "=evil", "a=1; a=evil", "a=evil; a=1", "a=b=evil", " evil = 1", "a=\"x; evil=1\"", ";;;evil;"]
    {
        assert_eq!(ids(&run(&policy, "/", &[("Cookie", cookie)], b"")), [1], "{cookie}");
    }
    assert_eq!(ids(&run(&policy, "/", &[("Cookie", "$Version=1; a=b")], b"")), [2]);
    assert_eq!(ids(&run(&policy, "/", &[("Cookie", "a=1"), ("cookie", "b=evil")], b"")), [1]);
}

/// Coraza issues 1641 and 1642: nothing of a transaction is left for the next one.
#[test]
fn row_26_nothing_leaks_from_one_transaction_into_the_next() {
    let rules = r#"
SecAction "id:1,phase:1,pass,nolog,setvar:tx.count=+1"
SecRule ARGS "@rx (ev)(il)" "id:2,phase:2,pass,capture,setvar:tx.seen=%{TX.2},setvar:'tx.at_%{MATCHED_VAR_NAME}=1',ctl:ruleRemoveById=3,ctl:ruleRemoveTargetById=4;ARGS:b,ctl:ruleEngine=DetectionOnly"
SecRule TX:seen|TX:1|TX:/^at_/|MATCHED_VAR "@rx ." "id:3,phase:2,pass"
SecRule ARGS "@rx ." "id:4,phase:2,pass,logdata:'%{TX.count} %{TX.1} %{TX.seen}'"
SecRule ARGS "@streq skip" "id:5,phase:2,pass,skipAfter:END"
SecAction "id:6,phase:2,deny,log"
SecMarker END"#;
    let policy = policy(rules);
    let seen = |transaction: &Transaction| -> Vec<String> {
        transaction.matches().map(|found| format!("{found:?}")).collect()
    };
    let quiet = |policy: &Arc<Policy>| run(policy, "/?b=1", &[("X", "y")], b"");
    let expected = seen(&quiet(&policy));
    let long = format!("a=evil&{}", "b=evil&".repeat(900));
    for (uri, body) in [("/?a=evil&b=evil", ""), ("/?a=skip", ""), ("/", &long)] {
        for _ in 0..3 {
            run(
                &policy,
                uri,
                &[("Content-Type", FORM), ("Cookie", "c=evil"), ("Content-Type", "text/xml")],
                body.as_bytes(),
            );
            let after = quiet(&policy);
            assert_eq!(seen(&after), expected, "after {uri}");
            assert!(!after.is_incomplete());
        }
    }
}

/// Values that keep automata from settling, on many rules and many arguments: the budget ends it.
#[test]
fn row_27_rules_times_values_end_with_the_budget() {
    let rules: String = (1..=200)
        .map(|id| {
            format!(
                "SecRule ARGS|ARGS_NAMES \"@rx (?:a|ab|b.{{1,{id}}}){{3,}}[^a]{{2,9}}$\" \"id:{id},phase:2,pass\"\n"
            )
        })
        .collect();
    let configuration = parse_str("test.conf", format!("{ON}{rules}").as_bytes(), &NoFiles).unwrap();
    let limits = Limits { steps: 1_000_000, steps_per_byte: 100, ..Limits::default() };
    let policy = Arc::new(Policy::compile(&configuration, &NoFiles).unwrap().with_limits(limits));
    let body: Vec<String> = (0..900).map(|n| format!("{n}={}", "abba".repeat(n % 40))).collect();
    let body = body.join("&");
    let transaction = run(&policy, "/", &[("Content-Type", FORM)], body.as_bytes());
    assert_eq!(transaction.limits_met().collect::<Vec<_>>(), [Limit::Steps]);
    let allowed = limits.steps + limits.steps_per_byte * (body.len() as u64 + 100);
    assert!(transaction.steps() < allowed + 100_000, "{} steps of {allowed}", transaction.steps());
}
