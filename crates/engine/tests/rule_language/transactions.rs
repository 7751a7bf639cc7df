//! Requests, bodies, collections and findings as rules and callers see them.

use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_engine::{BodyStatus, Context, Policy, Transaction};

use crate::harness::{FORM, Request, get, policy, post, run};
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
    let text = b"SecRule ARGS \"@rx (\" \"id:1,phase:1,pass\"\nSecRule ARGS \"@pmFromFile none.data\" \"id:2,phase:1,pass\"\nSecRule XML:/a[1] \"x\" \"id:3,phase:2,pass\"\n";
    let configuration = parse_str("bad.conf", text, &NoFiles).unwrap();
    let errors = Policy::compile(&configuration, &NoFiles).unwrap_err();
    let lines: Vec<u32> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 2, 3]);
    assert!(errors[0].to_string().starts_with("bad.conf:1:"), "{}", errors[0]);
}

#[test]
fn the_status_decides_what_is_logged_without_a_finding() {
    let rules = "SecAuditEngine RelevantOnly\nSecAuditLogRelevantStatus \"^(?:5|4(?!04))\"\n\
                 SecRule ARGS:go \"@rx ^[0-9]+$\" \"id:1,phase:1,deny,nolog,status:403\"\n\
                 SecRule ARGS:go \"@streq lost\" \"id:2,phase:1,deny,nolog,status:404\"";
    let policy = policy(rules);
    let logged = |uri| run(&policy, &Request { uri, ..Request::default() }).transaction.audit().log;
    assert_eq!([logged("/?go=1"), logged("/?go=lost"), logged("/?go=on")], [true, false, false]);

    let broken = "SecAuditLogRelevantStatus \"(\"\nSecRule ARGS \"@rx (\" \"id:1,phase:1\"\n";
    let configuration = parse_str("test.conf", broken.as_bytes(), &NoFiles).expect("the rules parse");
    let errors = Policy::compile(&configuration, &NoFiles).expect_err("neither expression is one");
    let mut lines: Vec<u32> = errors.iter().map(|error| error.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 2]);
}
