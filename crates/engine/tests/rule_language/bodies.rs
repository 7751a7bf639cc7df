//! Limits of bodies, what is made of them, and what is added to responses.

use parapet_engine::seclang::NoFiles;
use parapet_engine::{BodyStatus, Context, Limit, Transaction};

use crate::harness::{FORM, Request, get, load, policy, post, run};

const JSON: &str = r#"SecAction "id:900,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON""#;
const MULTIPART: &str = "multipart/form-data; boundary=B";

/// What becomes of a body of this type, and the rules it meets.
fn append(directives: &str, kind: &str, body: &str) -> (BodyStatus, Vec<u32>, Vec<Limit>) {
    let mut transaction = Transaction::new(policy(directives), Context::default());
    transaction.request_line(b"POST", b"/", b"HTTP/1.1");
    transaction.request_header(b"Content-Type", kind.as_bytes());
    transaction.process_request_headers();
    let status = transaction.append_request_body(body.as_bytes());
    transaction.process_request_body();
    let ids = transaction.matches().map(|found| found.rule_id).collect();
    let limits = transaction.limits_met().collect();
    (status, ids, limits)
}

fn part(name: &str, file: bool, content: &str) -> String {
    let filename = if file { "; filename=\"f\"" } else { "" };
    format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n{content}\r\n")
}

#[test]
fn a_body_without_files_has_a_limit_of_its_own() {
    let rules = format!(
        r#"SecRequestBodyLimit 1000
        SecRequestBodyNoFilesLimit 10
        {JSON}
        SecRule REQBODY_ERROR "@eq 1" "id:1,phase:2,pass""#
    );
    assert_eq!(append(&rules, FORM, "a=12345678").0, BodyStatus::Accepted);
    assert_eq!(append(&rules, FORM, "a=123456789").0, BodyStatus::Rejected);
    assert_eq!(append(&rules, "application/json", r#"{"a":12345}"#).0, BodyStatus::Rejected);
    let partial = format!("{rules}\nSecRequestBodyLimitAction ProcessPartial");
    assert_eq!(append(&partial, FORM, "a=123456789").0, BodyStatus::Partial);
}

#[test]
fn files_do_not_count_towards_that_limit() {
    let rules = r#"SecRequestBodyLimit 10000
        SecRequestBodyNoFilesLimit 300
        SecRule REQBODY_ERROR "@eq 1" "id:1,phase:2,pass,msg:'%{REQBODY_ERROR_MSG}'""#;
    let upload = format!("{}{}--B--\r\n", part("a", false, "x"), part("f", true, &"y".repeat(2_000)));
    assert_eq!(append(rules, MULTIPART, &upload), (BodyStatus::Accepted, vec![], vec![]));
    let field = format!("{}--B--\r\n", part("a", false, &"x".repeat(400)));
    assert_eq!(append(rules, MULTIPART, &field), (BodyStatus::Accepted, vec![1], vec![Limit::BodyWithoutFiles]));
    let partial = format!("{rules}\nSecRequestBodyLimitAction ProcessPartial");
    assert_eq!(append(&partial, MULTIPART, &field), (BodyStatus::Accepted, vec![1], vec![]));
}

#[test]
fn the_limit_of_arguments_holds_for_every_kind_of_body() {
    let rules = r#"SecArgumentsLimit 3
        SecRule &ARGS "@ge 3" "id:1,phase:2,pass"
        SecRule REQBODY_ERROR "@eq 1" "id:2,phase:2,pass"
        SecRule ARGS "@contains evil" "id:3,phase:2,pass""#;
    let expected = (BodyStatus::Accepted, vec![1, 2], vec![Limit::Arguments]);
    assert_eq!(append(rules, FORM, "a=1&b=2&c=3&d=evil"), expected);
    let json = format!("{JSON}\n{rules}");
    assert_eq!(append(&json, "application/json", r#"{"a":1,"b":2,"c":3,"d":"evil"}"#), expected);
    let fields: String = ["1", "2", "3", "evil"].iter().map(|value| part("a", false, value)).collect();
    assert_eq!(append(rules, MULTIPART, &format!("{fields}--B--\r\n")), expected);
}

#[test]
fn json_deeper_than_its_limit_is_not_understood() {
    let rules =
        format!("SecRequestBodyJsonDepthLimit 3\n{JSON}\nSecRule REQBODY_ERROR \"@eq 1\" \"id:1,phase:2,pass\"");
    assert!(post(&rules, "application/json", r#"{"a":{"b":{"c":1}}}"#).ids.is_empty());
    assert_eq!(post(&rules, "application/json", r#"{"a":{"b":{"c":{"d":1}}}}"#).ids, [1]);
}

#[test]
fn xml_nodes_are_found_by_their_path() {
    let rules = r#"SecAction "id:900,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
        SecRule XML:/order/item/@id "@eq 7" "id:1,phase:2,pass,msg:'%{MATCHED_VAR_NAME}'"
        SecRule XML://note "@contains evil" "id:2,phase:2,pass"
        SecRule XML:/order/note/text() "@streq evil" "id:3,phase:2,pass"
        SecRule &XML:/order/item "@eq 2" "id:4,phase:2,pass"
        SecRule XML:/* "@contains evil" "id:5,phase:2,pass""#;
    let body = "<o:order xmlns:o='x'><item id='7'/><item id='8'><note>ev<b>il</b></note></item></o:order>";
    let outcome = post(rules, "text/xml", body);
    assert_eq!(outcome.ids, [1, 2, 4, 5]);
    assert_eq!(outcome.message(1), "XML:/order/item/@id");
    let removed = rules.replace("pass,nolog,", "pass,nolog,ctl:ruleRemoveTargetById=1;XML:/order/item/@id,");
    assert_eq!(post(&removed, "text/xml", body).ids, [2, 4, 5]);
    let error = load("SecRule XML:/a[1] \"x\" \"id:1,phase:2\"", &NoFiles).err().unwrap();
    assert!(error.contains("XPath `/a[1]`"), "{error}");
}

#[test]
fn ctl_turns_xml_into_arguments() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=XML,ctl:parseXmlIntoArgs=On"
        SecRule ARGS:xml.a.b "@streq evil" "id:2,phase:2,pass""#;
    assert_eq!(post(rules, "text/xml", "<a><b>evil</b></a>").ids, [2]);
    assert!(post(&rules.replace("=On", "=Off"), "text/xml", "<a><b>evil</b></a>").ids.is_empty());
}

#[test]
fn the_whole_request_is_one_variable() {
    let rules = r#"SecRule FULL_REQUEST "@rx ^POST / HTTP/1\.1\r\nContent-Type: text/plain\r\n\r\nbody$" "id:1,phase:2,pass"
        SecRule FULL_REQUEST_LENGTH "@eq 49" "id:2,phase:2,pass"
        SecRule STREAM_INPUT_BODY "@streq body" "id:3,phase:2,pass""#;
    assert_eq!(post(rules, "text/plain", "body").ids, [1, 2]);
    assert_eq!(post(&format!("SecStreamInBodyInspection On\n{rules}"), "text/plain", "body").ids, [1, 2, 3]);
    let out = r#"SecStreamOutBodyInspection On
        SecRule STREAM_OUTPUT_BODY "@contains secret" "id:1,phase:4,pass""#;
    assert_eq!(get(out, "/").ids, [1]);
}

#[test]
fn responses_are_taken_apart_on_demand() {
    let rules = r#"SecResponseBodyMimeType application/json text/xml
        SecRule RESPONSE_CONTENT_TYPE "json" "id:1,phase:3,pass,nolog,ctl:responseBodyProcessor=JSON"
        SecRule RESPONSE_CONTENT_TYPE "xml" "id:2,phase:3,pass,nolog,ctl:responseBodyProcessor=XML"
        SecRule RESPONSE_ARGS:json.card "@rx ^\d+$" "id:3,phase:4,pass"
        SecRule RES_BODY_ERROR "@eq 1" "id:4,phase:4,pass,msg:'%{RES_BODY_PROCESSOR}'"
        SecRule RESPONSE_XML:/* "@contains evil" "id:5,phase:4,pass"
        SecRule RESPONSE_XML://@* "@contains evil" "id:6,phase:4,pass""#;
    let ids =
        |kind, body| run(&policy(rules), &Request { response_type: kind, response: body, ..Request::default() }).ids;
    assert_eq!(ids("application/json", r#"{"card":4111}"#), [3]);
    assert_eq!(ids("application/json", r#"{"card":4111"#), [3, 4]);
    assert_eq!(ids("text/xml", "<a>evil</a>"), [5]);
    assert_eq!(ids("text/xml", "<a b='evil'/>"), [6]);
}

#[test]
fn rules_add_to_responses_where_that_is_switched_on() {
    let rules = r#"SecAction "id:1,phase:3,pass,nolog,prepend:'<!-- %{TX.x} -->',append:'one'"
        SecAction "id:2,phase:4,pass,nolog,append:' two'""#;
    let outcome = get(&format!("SecContentInjection On\n{rules}"), "/");
    assert_eq!(outcome.transaction.injected(), (&b"<!--  -->"[..], &b"one two"[..]));
    let error = load(rules, &NoFiles).err().unwrap();
    assert!(error.starts_with("test.conf:4:") && error.contains("SecContentInjection On"), "{error}");
}

#[test]
fn a_pattern_that_is_given_up_is_flagged_as_the_recommended_configuration_expects() {
    let rules = r#"SecPcreMatchLimit 1000
        SecRule ARGS "@rx ^(?:(a+)\1?)+b" "id:1,phase:1,deny"
        SecRule TX:/^MSC_/ "!@streq 0" "id:200005,phase:2,t:none,deny,msg:'%{MATCHED_VAR_NAME}'"
        SecRule MSC_PCRE_LIMITS_EXCEEDED "@eq 1" "id:2,phase:5,pass,msg:'%{MSC_PCRE_ERROR}'""#;
    let outcome = get(rules, &format!("/?q={}", "a".repeat(60)));
    assert_eq!(outcome.ids, [200005, 2]);
    assert_eq!(outcome.intervention.as_ref().unwrap().rule_id, 200005);
    assert_eq!(outcome.message(2), "MATCH_LIMIT");
    assert_eq!(outcome.transaction.limits_met().collect::<Vec<_>>(), [Limit::Backtracking]);
    assert_eq!(get(rules, "/?q=aab").ids, [1]);
    assert!(get(rules, "/?q=other").ids.is_empty());
}

#[test]
fn default_actions_bring_tags_and_variables() {
    let rules = r#"SecDefaultAction "phase:1,log,pass,tag:'host/%{REQUEST_HEADERS.Host}',setvar:tx.seen=+1"
        SecRule ARGS "@rx ." "id:1,phase:1,tag:'own'"
        SecAction "id:2,phase:2,pass,nolog""#;
    let outcome = run(&policy(rules), &Request { uri: "/?a=1&b=2", headers: &[("Host", "h")], ..Request::default() });
    assert_eq!(outcome.tx("seen").as_deref(), Some("2"));
    let found = outcome.transaction.matches().next().unwrap();
    assert_eq!(found.tags, [&b"host/h"[..], b"own"]);
}

#[test]
fn what_modsecurity_tells_of_itself_and_of_the_user() {
    let rules = r#"SecRule MODSEC_BUILD "@ge 030000000" "id:1,phase:1,pass"
        SecRule REMOTE_USER "@streq ann" "id:2,phase:1,pass"
        SecRule STATUS "@eq 200" "id:3,phase:3,pass""#;
    let headers = [("Authorization", "basic YW5uOnNlY3JldA==")];
    assert_eq!(run(&policy(rules), &Request { headers: &headers, ..Request::default() }).ids, [1, 2, 3]);
    assert_eq!(get(rules, "/").ids, [1, 3]);
}
