//! The rule language, one behaviour per test: what libmodsecurity and the Core Rule Set rely on.

use std::sync::Arc;

use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_engine::{BodyStatus, Context, Intervention, Policy, Transaction};

/// A policy with the engine on, bodies read, and these directives.
fn policy(directives: &str) -> Arc<Policy> {
    let text = format!("SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n{directives}\n");
    let configuration = parse_str("test.conf", text.as_bytes(), &NoFiles).expect("the rules parse");
    Arc::new(Policy::compile(&configuration, &NoFiles).expect("the rules compile"))
}

struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request { method: "GET", uri: "/", headers: &[], body: "" }
    }
}

struct Outcome {
    intervention: Option<Intervention>,
    ids: Vec<u32>,
    transaction: Transaction,
}

impl Outcome {
    fn tx(&self, name: &str) -> Option<String> {
        self.transaction.tx(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn message(&self, id: u32) -> String {
        let found = self.transaction.matches().find(|found| found.rule_id == id).expect("the rule matched");
        String::from_utf8_lossy(found.message).into_owned()
    }
}

fn run(policy: &Arc<Policy>, request: &Request<'_>) -> Outcome {
    let mut transaction = Transaction::new(Arc::clone(policy), Context::default());
    transaction.request_line(request.method.as_bytes(), request.uri.as_bytes(), b"HTTP/1.1");
    for (name, value) in request.headers {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    let mut intervention = transaction.process_request_headers();
    if intervention.is_none() {
        transaction.append_request_body(request.body.as_bytes());
        intervention = transaction.process_request_body();
    }
    if intervention.is_none() {
        transaction.response_line(200, b"HTTP/1.1");
        transaction.response_header(b"Content-Type", b"text/html");
        intervention = transaction.process_response_headers();
    }
    if intervention.is_none() {
        if transaction.wants_response_body() {
            transaction.append_response_body(b"<p>secret</p>");
        }
        intervention = transaction.process_response_body();
    }
    transaction.process_logging();
    let ids = transaction.matches().map(|found| found.rule_id).collect();
    Outcome { intervention, ids, transaction }
}

fn get(directives: &str, uri: &str) -> Outcome {
    run(&policy(directives), &Request { uri, ..Request::default() })
}

fn post(directives: &str, kind: &str, body: &str) -> Outcome {
    let headers = [("Content-Type", kind)];
    run(&policy(directives), &Request { method: "POST", headers: &headers, body, ..Request::default() })
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn names_fold_case_on_lookup_and_keep_it_in_reports() {
    let outcome = get(r#"SecRule ARGS:foo "@streq 1" "id:1,phase:1,pass,msg:'%{MATCHED_VAR_NAME}'""#, "/?FoO=1");
    assert_eq!(outcome.message(1), "ARGS:FoO");
}

#[test]
fn setvar_runs_for_each_matching_value_even_if_the_chain_fails() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,pass,nolog,setvar:tx.head=+5,chain"
        SecRule ARGS "@contains nothing" "setvar:tx.child=+1""#;
    let outcome = get(rules, "/?a=x&b=y&c=xx");
    assert_eq!(outcome.tx("head").as_deref(), Some("10"));
    assert_eq!(outcome.tx("child"), None);
    assert!(outcome.ids.is_empty());
}

#[test]
fn captures_fill_groups_and_take_the_rest_out() {
    let rules = r#"SecRule ARGS:a "@rx (1)(2)(3)" "id:1,phase:1,pass,nolog,capture"
        SecRule ARGS:b "@rx (x)|(y)" "id:2,phase:1,pass,capture,msg:'[%{TX.0}|%{TX.1}|%{TX.2}|%{TX.3}]'""#;
    let outcome = get(rules, "/?a=123&b=y");
    assert_eq!(outcome.message(2), "[y||y|]");
    assert_eq!(outcome.tx("1").as_deref(), Some(""));
    assert_eq!(outcome.tx("3"), None);
}

#[test]
fn without_capture_nothing_is_captured() {
    assert_eq!(get(r#"SecRule ARGS "@rx (a)" "id:1,phase:1,pass""#, "/?x=a").tx("0"), None);
}

#[test]
fn a_phrase_is_captured_as_it_stands_in_the_value() {
    let outcome = get(r#"SecRule ARGS "@pm select UNION" "id:1,phase:1,pass,capture""#, "/?x=a+UnIoN+b");
    assert_eq!(outcome.tx("0").as_deref(), Some("UnIoN"));
}

#[test]
fn matched_variables_hold_transformed_values_and_reset_with_each_rule() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,pass,t:lowercase,chain,msg:'%{MATCHED_VAR}'"
            SecRule MATCHED_VARS "@streq xa" "chain"
            SecRule MATCHED_VARS_NAMES "@streq ARGS:a" "t:none"
        SecRule MATCHED_VARS "@unconditionalMatch" "id:2,phase:1,pass"
        SecRule ARGS "@contains x" "id:3,phase:1,pass,t:lowercase,chain"
            SecRule &MATCHED_VARS "@eq 2" """#;
    let outcome = get(rules, "/?a=XA&b=xb&c=c");
    assert_eq!(outcome.ids, [1, 3]);
}

#[test]
fn the_heads_message_is_expanded_after_the_chain() {
    let rules = r#"SecRule ARGS:a "@rx ." "id:1,phase:1,pass,chain,msg:'%{TX.seen} %{MATCHED_VAR_NAME}'"
        SecRule ARGS:b "@rx ." "setvar:tx.seen=yes""#;
    assert_eq!(get(rules, "/?a=1&b=2").message(1), "yes ARGS:b");
}

#[test]
fn macros_work_in_arguments_names_and_values() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,setvar:tx.allowed=GET HEAD,setvar:tx.n=2"
        SecRule REQUEST_METHOD "!@within %{tx.allowed}" "id:2,phase:1,pass"
        SecRule REQUEST_METHOD "@within %{tx.allowed}" "id:3,phase:1,pass"
        SecRule ARGS "@rx ^a{%{tx.n}}$" "id:4,phase:1,pass,setvar:'tx.hit_%{MATCHED_VAR_NAME}=%{MATCHED_VAR}'"
        SecRule TX:/^hit_/ "@streq aa" "id:5,phase:1,pass,msg:'%{MATCHED_VAR_NAME}'""#;
    let outcome = get(rules, "/?p=aa&q=aaa");
    assert_eq!(outcome.ids, [3, 4, 5]);
    assert_eq!(outcome.message(5), "TX:hit_ARGS:p");
    assert_eq!(outcome.tx("hit_args:P").as_deref(), Some("aa"));
}

#[test]
fn setvar_counts_without_panics() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,setvar:tx.a=+3,setvar:tx.b=abc,setvar:tx.b=+2,setvar:tx.c=1,setvar:tx.c=-5,setvar:tx.d,setvar:!tx.d,setvar:tx.e=9223372036854775807,setvar:tx.e=+9223372036854775807,setvar:tx.f""#;
    let outcome = get(rules, "/");
    assert_eq!(outcome.tx("a").as_deref(), Some("3"));
    assert_eq!(outcome.tx("b").as_deref(), Some("2"));
    assert_eq!(outcome.tx("c").as_deref(), Some("-4"));
    assert_eq!(outcome.tx("d"), None);
    assert!(outcome.tx("e").is_some());
    assert_eq!(outcome.tx("f").as_deref(), Some("1"));
}

#[test]
fn absent_variables_match_nothing_and_count_as_nought() {
    let rules = r#"SecRule ARGS:none "!@rx x" "id:1,phase:1,pass"
        SecRule &ARGS:none "@eq 0" "id:2,phase:1,pass"
        SecRule &ARGS "@eq 2" "id:3,phase:1,pass"
        SecRule TX:none "!@eq 5" "id:4,phase:1,pass"
        SecRule &TX:none "@eq 0" "id:5,phase:1,pass""#;
    assert_eq!(get(rules, "/?a=1&b=2").ids, [2, 3, 5]);
}

#[test]
fn exclusions_take_values_out() {
    let rules = r#"SecRule ARGS|!ARGS:a|!ARGS:/^skip/ "@contains x" "id:1,phase:1,pass,msg:'%{MATCHED_VAR_NAME}'""#;
    assert!(get(rules, "/?a=x&skip_me=x").ids.is_empty());
    assert_eq!(get(rules, "/?a=x&b=x").message(1), "ARGS:b");
}

#[test]
fn t_none_clears_what_the_default_action_brings() {
    let rules = r#"SecDefaultAction "phase:1,log,auditlog,pass,t:lowercase"
        SecRule ARGS "@streq abc" "id:1"
        SecRule ARGS "@streq ABC" "id:2,t:none"
        SecRule ARGS "@streq cba" "id:3,t:none,t:lowercase""#;
    let rules = rules.replace("\"id:", "\"phase:1,id:");
    assert_eq!(get(&rules, "/?a=ABC").ids, [1, 2]);
}

#[test]
fn multi_match_tests_after_every_transformation_that_changed_the_value() {
    let rules = r#"SecRule ARGS "@rx ." "id:1,phase:1,pass,nolog,multiMatch,t:none,t:lowercase,t:removeNulls,t:removeWhitespace,setvar:tx.n=+1""#;
    assert_eq!(get(rules, "/?a=A+B").tx("n").as_deref(), Some("3"));
    assert_eq!(get(rules, "/?a=ab").tx("n").as_deref(), Some("1"));
}

#[test]
fn skips_go_over_rules_and_markers_stand_in_every_phase() {
    let rules = r#"SecRule ARGS:a "@streq 1" "id:1,phase:1,pass,nolog,skipAfter:END"
        SecAction "id:2,phase:1,pass"
        SecAction "id:3,phase:2,pass"
        SecMarker END
        SecAction "id:4,phase:1,pass,skip:1"
        SecAction "id:5,phase:1,pass,chain"
            SecRule ARGS "@rx ." ""
        SecAction "id:6,phase:1,pass""#;
    assert_eq!(get(rules, "/?a=1").ids, [4, 6, 3]);
    assert_eq!(get(rules, "/?a=2").ids, [2, 4, 6, 3]);
}

#[test]
fn a_skip_without_a_marker_behind_it_lasts_until_the_marker() {
    let rules = r#"SecAction "id:1,phase:2,pass"
        SecMarker BEFORE
        SecAction "id:2,phase:1,pass,skipAfter:BEFORE"
        SecAction "id:3,phase:1,pass"
        SecAction "id:4,phase:2,pass""#;
    assert_eq!(get(rules, "/").ids, [2, 4]);
}

#[test]
fn removing_rules_leaves_markers_alone() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,ctl:ruleRemoveById=2-9,skipAfter:END"
        SecAction "id:2,phase:1,pass"
        SecMarker END
        SecAction "id:3,phase:1,pass"
        SecAction "id:10,phase:1,pass""#;
    assert_eq!(get(rules, "/").ids, [10]);
}

#[test]
fn chains_act_and_report_once_after_the_whole_chain() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,deny,status:418,msg:'m',chain"
        SecRule ARGS "@contains y" "chain"
        SecRule ARGS:c "@streq z" """#;
    let outcome = get(rules, "/?a=xy&b=x&c=z");
    assert_eq!(outcome.ids, [1]);
    assert_eq!(outcome.intervention.unwrap().status, 418);
    assert!(get(rules, "/?a=xy").intervention.is_none());
}

#[test]
fn block_does_what_the_default_action_of_its_phase_does() {
    let rules = r#"SecDefaultAction "phase:1,log,auditlog,pass"
        SecDefaultAction "phase:2,log,auditlog,deny,status:406"
        SecAction "id:1,phase:1,block"
        SecRule ARGS:b "@streq 1" "id:2,phase:2,block"
        SecRule ARGS:b "@streq 2" "id:3,phase:2,block,status:410"
        SecRule ARGS:b "@streq 3" "id:4,phase:2""#;
    let status = |uri| get(rules, uri).intervention.map(|intervention| intervention.status);
    assert_eq!(status("/"), None);
    assert_eq!(status("/?b=1"), Some(406));
    assert_eq!(status("/?b=2"), Some(410));
    assert_eq!(status("/?b=3"), Some(406));
}

#[test]
fn detection_only_does_everything_but_stop() {
    let rules = r#"SecRuleEngine DetectionOnly
        SecAction "id:1,phase:1,deny,setvar:tx.a=1,skipAfter:END"
        SecAction "id:2,phase:1,pass"
        SecMarker END
        SecAction "id:3,phase:1,allow"
        SecAction "id:4,phase:2,drop""#;
    let outcome = get(rules, "/");
    assert_eq!(outcome.ids, [1, 3, 4]);
    assert!(outcome.intervention.is_none());
    assert_eq!(outcome.tx("a").as_deref(), Some("1"));
}

#[test]
fn allow_ends_as_much_as_it_says() {
    let rules = |scope: &str| {
        format!(
            r#"SecAction "id:1,phase:1,nolog,{scope}"
            SecAction "id:2,phase:1,pass"
            SecAction "id:3,phase:2,pass"
            SecAction "id:4,phase:3,pass"
            SecAction "id:5,phase:5,pass""#
        )
    };
    assert_eq!(get(&rules("allow"), "/").ids, [5]);
    assert_eq!(get(&rules("allow:phase"), "/").ids, [3, 4, 5]);
    assert_eq!(get(&rules("allow:request"), "/").ids, [4, 5]);
    assert_eq!(get(&rules("pass"), "/").ids, [2, 3, 4, 5]);
}

#[test]
fn ctl_removes_rules_by_id_tag_and_message() {
    let tail = r#"SecAction "id:10,phase:1,pass,tag:'one',msg:'first'"
        SecAction "id:11,phase:1,pass,tag:'one/two',msg:'second'"
        SecAction "id:12,phase:2,pass,tag:'one',msg:'third'""#;
    let ids = |ctl: &str| get(&format!("SecAction \"id:1,phase:1,pass,nolog,{ctl}\"\n{tail}"), "/").ids;
    assert_eq!(ids("ctl:ruleRemoveById=10"), [11, 12]);
    assert_eq!(ids("ctl:ruleRemoveById=11-12"), [10]);
    assert_eq!(ids("ctl:ruleRemoveByTag=one"), [11]);
    assert_eq!(ids("ctl:ruleRemoveByMsg=^(?:first|third)$"), [11]);
}

#[test]
fn ctl_removes_targets_also_from_later_links() {
    let tail = r#"SecRule ARGS "@contains x" "id:10,phase:1,pass,tag:'t',chain"
            SecRule ARGS|ARGS_NAMES "@contains x" """#;
    let matched = |ctl: &str, uri: &str| {
        !get(&format!("SecAction \"id:1,phase:1,pass,nolog,{ctl}\"\n{tail}"), uri).ids.is_empty()
    };
    assert!(matched("ctl:ruleRemoveTargetById=10;ARGS:other", "/?a=x"));
    assert!(!matched("ctl:ruleRemoveTargetById=10;ARGS:A", "/?a=x"));
    assert!(matched("ctl:ruleRemoveTargetById=10;ARGS:a", "/?a=x&b=x"));
    assert!(!matched("ctl:ruleRemoveTargetById=5-15;ARGS", "/?a=x&b=x"));
    assert!(!matched("ctl:ruleRemoveTargetByTag=t;ARGS:/^a/", "/?a1=x&a2=x"));
    assert!(matched("ctl:ruleRemoveTargetByTag=u;ARGS:a", "/?a=x"));
}

#[test]
fn directives_change_only_the_rules_before_them() {
    let rules = r#"SecRule ARGS "@contains x" "id:1,phase:1,pass,tag:'a',msg:'one'"
        SecRule ARGS "@contains x" "id:2,phase:1,pass,tag:'b',msg:'two'"
        SecRule ARGS "@contains x" "id:3,phase:1,pass,tag:'c',msg:'three'"
        SecRuleRemoveById 1
        SecRuleRemoveByTag ^b$
        SecRuleUpdateTargetById 3 "!ARGS:q,REQUEST_HEADERS:X-Test"
        SecRule ARGS "@contains x" "id:4,phase:1,pass,tag:'b'""#;
    assert_eq!(get(rules, "/?p=x").ids, [3, 4]);
    assert_eq!(get(rules, "/?q=x").ids, [4]);
    let request = Request { headers: &[("x-test", "x")], ..Request::default() };
    assert_eq!(run(&policy(rules), &request).ids, [3]);
}

#[test]
fn update_action_by_id_replaces_actions() {
    let rules = r#"SecRule ARGS "@contains X" "id:1,phase:1,pass,t:none,msg:'old'"
        SecRuleUpdateActionById 1 "deny,status:410,msg:'new'"
        SecRule ARGS "@contains x" "id:2,phase:1,pass,t:none"
        SecRuleUpdateActionById 2 "t:lowercase""#;
    let outcome = get(rules, "/?a=X");
    assert_eq!(outcome.message(1), "new");
    assert_eq!(outcome.intervention.unwrap().status, 410);
}

#[test]
fn the_request_line_is_taken_apart_without_its_authority() {
    let rules = r#"SecAction "id:1,phase:1,pass,msg:'%{REQUEST_URI} %{REQUEST_FILENAME} %{REQUEST_BASENAME} %{QUERY_STRING} %{REQUEST_URI_RAW} %{REQUEST_LINE}'""#;
    assert_eq!(
        get(rules, "http://h/a/b.php?x=/y").message(1),
        "/a/b.php?x=/y /a/b.php b.php x=/y http://h/a/b.php?x=/y GET http://h/a/b.php?x=/y HTTP/1.1"
    );
    assert_eq!(get(rules, "//h/p").message(1), "//h/p //h/p p  //h/p GET //h/p HTTP/1.1");
}

#[test]
fn the_request_body_is_shown_as_version_2_shows_it() {
    let rules = r#"SecRule REQUEST_BODY "@contains x" "id:1,phase:2,pass""#;
    assert_eq!(post(rules, FORM, "a=x").ids, [1]);
    assert!(post(rules, "text/plain", "a=x").ids.is_empty());
    let forced = format!("SecAction \"id:9,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On\"\n{rules}");
    assert_eq!(post(&forced, "text/plain", "a=x").ids, [1]);
    let json = format!("SecAction \"id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"\n{rules}");
    assert!(post(&json, "application/json", r#"{"a":"x"}"#).ids.is_empty());
}

#[test]
fn json_keeps_duplicates_and_partial_results() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
        SecRule ARGS:json.a "@contains attack" "id:2,phase:2,pass"
        SecRule REQBODY_ERROR "@eq 1" "id:3,phase:2,pass"
        SecRule ARGS:json.l.array_1 "@streq 2" "id:4,phase:2,pass""#;
    assert_eq!(post(rules, "application/json", r#"{"a":"attack","a":"fine"}"#).ids, [2]);
    assert_eq!(post(rules, "application/json", r#"{"a":"attack","#).ids, [2, 3]);
    let names = r#"SecAction "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
        SecRule ARGS "@streq two" "id:2,phase:2,pass,msg:'%{MATCHED_VAR_NAME}'""#;
    assert_eq!(post(names, "application/json", r#"{"l":[1,"two"]}"#).message(2), "ARGS:json.l.array_1");
}

#[test]
fn xml_text_and_attributes_are_separate_targets() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
        SecRule XML:/* "@contains evil" "id:2,phase:2,pass"
        SecRule XML://@* "@contains evil" "id:3,phase:2,pass""#;
    assert_eq!(post(rules, "text/xml", "<a><b>evil</b></a>").ids, [2]);
    assert_eq!(post(rules, "text/xml", "<a b=\"evil\"/>").ids, [3]);
    let removed = rules.replace("pass,nolog,", "pass,nolog,ctl:ruleRemoveTargetById=3;XML://@*,");
    assert!(post(&removed, "text/xml", "<a b=\"evil\"/>").ids.is_empty());
}

#[test]
fn arguments_over_the_limit_are_an_error_not_a_blind_spot() {
    let rules = r#"SecArgumentsLimit 3
        SecRule &ARGS "@ge 3" "id:1,phase:2,pass"
        SecRule REQBODY_ERROR "@eq 1" "id:2,phase:2,pass""#;
    assert_eq!(post(rules, FORM, "a=1&b=2&c=3&d=evil").ids, [1, 2]);
    assert!(post(rules, FORM, "a=1&b=2").ids.is_empty());
    assert!(post(rules, FORM, "a=1&b=2&c=3&d=4").transaction.is_incomplete());
}

#[test]
fn multipart_parts_become_arguments_and_files() {
    let rules = r#"SecRule FILES "@streq a.php" "id:1,phase:2,pass,msg:'%{MATCHED_VAR_NAME}'"
        SecRule FILES_NAMES "@streq up" "id:2,phase:2,pass"
        SecRule ARGS:field "@streq value" "id:3,phase:2,pass"
        SecRule FILES_COMBINED_SIZE "@eq 4" "id:4,phase:2,pass"
        SecRule MULTIPART_PART_HEADERS:up "@contains text/x" "id:5,phase:2,pass"
        SecRule MULTIPART_STRICT_ERROR "@eq 1" "id:6,phase:2,pass""#;
    let body = "--B\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n--B\r\n\
        Content-Disposition: form-data; name=\"up\"; filename=\"a.php\"\r\nContent-Type: text/x\r\n\r\nDATA\r\n--B--\r\n";
    let outcome = post(rules, "multipart/form-data; boundary=B", body);
    assert_eq!(outcome.ids, [1, 2, 3, 4, 5]);
    assert_eq!(outcome.message(1), "FILES:up");
}

#[test]
fn bodies_over_the_limit_are_refused_or_cut() {
    let append = |directives: &str, body: &[u8]| {
        let mut transaction = Transaction::new(policy(directives), Context::default());
        transaction.request_line(b"POST", b"/", b"HTTP/1.1");
        transaction.request_header(b"Content-Type", FORM.as_bytes());
        transaction.process_request_headers();
        let status = transaction.append_request_body(body);
        transaction.process_request_body();
        let ids: Vec<u32> = transaction.matches().map(|found| found.rule_id).collect();
        (status, ids)
    };
    let rules = r#"SecRequestBodyLimit 5
        SecRule INBOUND_DATA_ERROR "@eq 1" "id:1,phase:2,pass"
        SecRule REQBODY_ERROR "@eq 1" "id:2,phase:2,pass"
        SecRule ARGS:a "@streq 123" "id:3,phase:2,pass""#;
    assert_eq!(append(rules, b"a=123").0, BodyStatus::Accepted);
    assert_eq!(append(&format!("SecRequestBodyLimitAction Reject\n{rules}"), b"a=1234").0, BodyStatus::Rejected);
    let partial = append(&format!("SecRequestBodyLimitAction ProcessPartial\n{rules}"), b"a=1234");
    assert_eq!(partial, (BodyStatus::Partial, vec![1, 3]));
    let detecting =
        append(&format!("SecRequestBodyLimitAction Reject\nSecRuleEngine DetectionOnly\n{rules}"), b"a=1234");
    assert_eq!(detecting.0, BodyStatus::Partial);
}

#[test]
fn response_bodies_of_listed_types_are_inspected() {
    let rules = r#"SecRule RESPONSE_BODY "@contains secret" "id:1,phase:4,deny,status:502"
        SecRule RESPONSE_HEADERS:content-type "@beginsWith text" "id:2,phase:3,pass""#;
    let outcome = get(rules, "/");
    assert_eq!(outcome.ids, [2, 1]);
    assert_eq!(outcome.intervention.unwrap().status, 502);
    let unlisted = format!("SecResponseBodyMimeType application/json\n{rules}");
    assert_eq!(get(&unlisted, "/").ids, [2]);
}

#[test]
fn collections_live_within_a_transaction() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,setvar:ip.lost=1,initcol:ip=%{REMOTE_ADDR},setvar:ip.count=+2"
        SecRule IP:COUNT "@eq 2" "id:2,phase:2,pass,setvar:ip.count=+1"
        SecRule &IP:lost "@eq 0" "id:3,phase:2,pass"
        SecRule IP:count "@eq 3" "id:4,phase:2,pass,msg:'%{ip.count}'""#;
    let outcome = get(rules, "/");
    assert_eq!(outcome.ids, [2, 3, 4]);
    assert_eq!(outcome.message(4), "3");
}

#[test]
fn quiet_rules_are_not_reported() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog"
        SecAction "id:2,phase:1,pass,noauditlog"
        SecAction "id:3,phase:1,pass,nolog,auditlog""#;
    let outcome = get(rules, "/");
    let flags: Vec<_> = outcome.transaction.matches().map(|found| (found.rule_id, found.log, found.auditlog)).collect();
    assert_eq!(flags, [(2, true, false), (3, false, true)]);
}

#[test]
fn findings_carry_the_scores_that_the_rule_gave() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,setvar:tx.critical_anomaly_score=5"
        SecRule ARGS "@contains x" "id:2,phase:1,pass,setvar:tx.inbound_anomaly_score_pl1=+%{tx.critical_anomaly_score},setvar:tx.xss_score=+1,setvar:tx.other=+1""#;
    let outcome = get(rules, "/?a=x&b=x");
    let found = outcome.transaction.matches().next().unwrap();
    assert_eq!(found.scores, [(&b"inbound_anomaly_score_pl1"[..], 10), (&b"xss_score"[..], 2)]);
    assert_eq!(found.matched, [(&b"ARGS:a"[..], &b"x"[..]), (&b"ARGS:b"[..], &b"x"[..])]);
}

#[test]
fn severity_and_time_are_variables() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,severity:4"
        SecAction "id:2,phase:1,pass,nolog,severity:2"
        SecAction "id:3,phase:1,pass,nolog,severity:5"
        SecRule HIGHEST_SEVERITY "@eq 2" "id:4,phase:2,pass,msg:'%{TIME_YEAR}-%{TIME_EPOCH} %{rule.id}'""#;
    assert_eq!(get(rules, "/").message(4), "1970-0 4");
}

#[test]
fn cookies_are_split_at_semicolons_and_not_decoded() {
    let rules = r#"SecRule REQUEST_COOKIES:a "@streq %41" "id:1,phase:1,pass"
        SecRule REQUEST_COOKIES_NAMES "@streq b" "id:2,phase:1,pass"
        SecRule &REQUEST_COOKIES:a "@eq 2" "id:3,phase:1,pass""#;
    let request = Request { headers: &[("Cookie", "a=%41; b; a=2")], ..Request::default() };
    assert_eq!(run(&policy(rules), &request).ids, [1, 2, 3]);
}

#[test]
fn state_does_not_leak_between_transactions() {
    let rules = r#"SecRule ARGS:set "@streq 1" "id:1,phase:1,pass,capture,setvar:tx.x=1,setvar:tx.dyn_%{MATCHED_VAR}=1,initcol:ip=a,setvar:ip.y=1,ctl:ruleRemoveById=2,ctl:ruleEngine=DetectionOnly"
        SecRule TX:x|TX:/^dyn/|IP:y "@eq 1" "id:2,phase:2,pass"
        SecRule ARGS:set "@streq 2" "id:3,phase:2,deny""#;
    let policy = policy(rules);
    assert_eq!(run(&policy, &Request { uri: "/?set=1", ..Request::default() }).ids, [1]);
    assert!(run(&policy, &Request::default()).ids.is_empty());
    assert!(run(&policy, &Request { uri: "/?set=2", ..Request::default() }).intervention.is_some());
}

#[test]
fn interventions_say_what_to_do() {
    let outcome = get(r#"SecAction "id:7,phase:1,redirect:'http://x/%{REQUEST_FILENAME}',msg:'m'""#, "/p");
    let intervention = outcome.intervention.unwrap();
    assert_eq!((intervention.status, intervention.rule_id, intervention.message.as_str()), (302, 7, "m"));
    assert_eq!(intervention.url.as_deref(), Some(&b"http://x//p"[..]));
}

#[test]
fn everything_that_cannot_be_compiled_is_reported_with_its_place() {
    let text = b"SecRule ARGS \"@rx (\" \"id:1,phase:1,pass\"\nSecRule ARGS \"@pmFromFile none.data\" \"id:2,phase:1,pass\"\nSecRule ARGS \"@inspectFile x\" \"id:3,phase:1,pass\"\n";
    let configuration = parse_str("bad.conf", text, &NoFiles).unwrap();
    let errors = Policy::compile(&configuration, &NoFiles).unwrap_err();
    let lines: Vec<u32> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 2, 3]);
    assert!(errors[0].to_string().starts_with("bad.conf:1:"), "{}", errors[0]);
}
