//! What `sanitise…` actions keep out of findings, and out of what the caller logs.

use parapet_engine::trace::TraceLimits;
use parapet_engine::{Context, Transaction};

use crate::harness::{FORM, Outcome, Request, get, policy, post, run};

/// Everything the findings say, as one text.
fn all_findings(outcome: &Outcome) -> String {
    let mut text = String::new();
    for found in outcome.transaction.matches() {
        let matched = found.matched.iter().map(|(_, value)| *value);
        for bytes in [found.message, found.data, found.value].into_iter().chain(matched).chain(found.tags) {
            text.push_str(&String::from_utf8_lossy(bytes));
            text.push('\n');
        }
    }
    text
}

const SHOW: &str = "msg:'saw %{MATCHED_VAR}',logdata:'%{TX.0} in %{MATCHED_VAR_NAME}',tag:'t/%{MATCHED_VAR}'";

#[test]
fn a_secret_argument_is_masked_wherever_rules_report_it() {
    let rules = format!(
        r#"SecRule ARGS "@rx (hunter2)" "id:1,phase:1,pass,capture,{SHOW}"
        SecRule REQUEST_URI|QUERY_STRING|REQUEST_LINE "@contains user" "id:2,phase:1,pass,capture,{SHOW}"
        SecRule ARGS "@rx HUNTER2" "id:3,phase:1,pass,t:uppercase,{SHOW},chain"
            SecRule MATCHED_VARS "@contains H"
        SecAction "id:4,phase:1,pass,nolog,sanitiseArg:Password""#
    );
    let outcome = get(&rules, "/login?user=ann&pass%77ord=hunter2%21&x=1");
    assert_eq!(outcome.ids, [1, 2, 3]);
    let text = all_findings(&outcome);
    assert!(!text.to_lowercase().contains("hunter2"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
    assert!(text.contains("/login?user=ann&pass%77ord=**********&x=1"), "{text}");
    let secrets = outcome.transaction.secrets().unwrap();
    assert_eq!(&*secrets.mask(b"/a?password=x&b=y"), b"/a?password=*&b=y");
    assert_eq!(&*secrets.mask(b"said hunter2! twice: HUNTER2!"), b"said ******** twice: ********");
}

#[test]
fn findings_that_stand_before_the_action_are_masked_too() {
    let rules = r#"SecRule ARGS:card "@rx ^\d+$" "id:1,phase:2,pass,msg:'%{MATCHED_VAR}'"
        SecAction "id:2,phase:5,pass,nolog,sanitiseArg:card""#;
    let outcome = post(rules, FORM, "card=4111111111111111&b=2");
    assert_eq!(all_findings(&outcome), "****************\n\n****************\n****************\n");
}

#[test]
fn fixed_texts_and_other_variables_stay_readable() {
    let rules = r#"SecRule ARGS:a "@streq 1" "id:1,phase:1,pass,msg:'password seen',tag:'fixed'"
        SecAction "id:2,phase:1,pass,nolog,sanitiseArg:password""#;
    let outcome = get(rules, "/?a=1&password=seen");
    assert_eq!(all_findings(&outcome), "password seen\n\n1\n1\nfixed\n");
}

#[test]
fn what_a_rule_matched_can_be_declared_secret_by_that_rule() {
    let rules = r#"SecRule REQUEST_HEADERS|ARGS "@contains token-" "id:1,phase:1,pass,sanitiseMatched,logdata:'%{MATCHED_VAR}'"
        SecRule REQUEST_HEADERS:X-Key "@rx ." "id:2,phase:1,pass""#;
    let headers = [("X-Key", "token-abc"), ("X-Other", "open")];
    let outcome = run(&policy(rules), &Request { headers: &headers, uri: "/?q=token-def", ..Request::default() });
    assert_eq!(outcome.ids, [1, 2]);
    assert!(!all_findings(&outcome).contains("token"), "{}", all_findings(&outcome));
    let secrets = outcome.transaction.secrets().unwrap();
    assert!(secrets.has_request_header(b"x-key") && !secrets.has_request_header(b"X-Other"));
    assert_eq!(&*secrets.mask(b"/?q=token-def"), b"/?q=*********");
}

#[test]
fn of_a_card_number_the_last_digits_may_stay() {
    let rules = r#"SecRule ARGS "@verifyCC \d{16}" "id:1,phase:2,pass,capture,sanitiseMatchedBytes:0/4,logdata:'%{TX.0}'"
        SecRule ARGS "@verifyCC \d{16}" "id:2,phase:2,pass,msg:'%{MATCHED_VAR}'""#;
    let outcome = post(rules, FORM, "note=pay+5555555555554444+now");
    assert_eq!(outcome.ids, [1, 2]);
    let text = all_findings(&outcome);
    assert!(text.contains("pay ************4444 now") && !text.contains("55555"), "{text}");
}

#[test]
fn headers_are_secret_by_name_in_both_directions() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,sanitiseRequestHeader:Authorization,sanitiseResponseHeader:X-Token"
        SecRule REQUEST_HEADERS:Authorization "@rx ." "id:2,phase:1,pass"
        SecRule REMOTE_USER "@streq ann" "id:3,phase:1,pass""#;
    let headers = [("Authorization", "Basic YW5uOnNlY3JldA==")];
    let outcome = run(&policy(rules), &Request { headers: &headers, ..Request::default() });
    assert_eq!(outcome.ids, [2, 3]);
    assert!(!all_findings(&outcome).contains("YW5u") && !all_findings(&outcome).contains("ann"));
    let secrets = outcome.transaction.secrets().unwrap();
    assert!(secrets.has_request_header(b"authorization") && secrets.has_response_header(b"x-token"));
    assert!(!secrets.has_response_header(b"authorization"));
}

#[test]
fn a_json_body_with_a_secret_member_is_masked_whole() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON,sanitiseArg:json.pin"
        SecRule FULL_REQUEST "@contains pin" "id:2,phase:2,pass"
        SecRule ARGS:json.pin "@rx ^\d+$" "id:3,phase:2,pass,msg:'%{MATCHED_VAR}'""#;
    let outcome = post(rules, "application/json", r#"{"pin":"4\u0037\u0031\u0031"}"#);
    assert_eq!(outcome.ids, [2, 3]);
    let text = all_findings(&outcome);
    assert!(!text.contains("4711") && !text.contains("u0037"), "{text}");
}

#[test]
fn with_too_many_secrets_everything_is_secret() {
    let rules = r#"SecRule ARGS_NAMES "@beginsWith p" "id:1,phase:1,pass,nolog,sanitiseMatched"
        SecRule ARGS:open "@streq value" "id:2,phase:1,pass,msg:'%{MATCHED_VAR}'""#;
    let query: Vec<String> = (0..100).map(|n| format!("p{n}value=secret{n}")).collect();
    let outcome = get(rules, &format!("/?open=value&{}", query.join("&")));
    assert_eq!(all_findings(&outcome), "*****\n\n*****\n*****\n");
    assert_eq!(&*outcome.transaction.secrets().unwrap().mask(b"anything"), b"********");
}

#[test]
fn a_trace_hides_them_too() {
    let rules = r#"SecRule ARGS:pin "@rx ^(\d+)$" "id:1,phase:1,pass,capture,t:none,t:hexEncode,t:hexDecode,setvar:tx.copy=%{MATCHED_VAR},setvar:tx.score=+5"
        SecRule TX:copy "@rx ." "id:2,phase:1,pass,logdata:'%{MATCHED_VAR}'"
        SecAction "id:3,phase:5,pass,nolog,sanitiseArg:pin""#;
    let transaction = Transaction::new(policy(rules), Context::default());
    let mut transaction = transaction.with_trace(TraceLimits { failed_tests: true, ..TraceLimits::default() });
    transaction.request_line(b"GET", b"/?pin=47110815", b"HTTP/1.1");
    transaction.process_request_headers();
    transaction.process_request_body();
    transaction.process_logging();
    let trace = format!("{:?}", transaction.take_trace().unwrap());
    let secret = format!("{:?}", b"47110815");
    let secret = secret.trim_matches(['[', ']']);
    assert!(!trace.contains(secret), "{trace}");
    assert!(trace.contains(&format!("{:?}", b"********").replace(['[', ']'], "")), "{trace}");
}

#[test]
fn secrets_end_with_their_transaction() {
    let policy = policy(
        r#"SecRule ARGS:hide "@streq 1" "id:1,phase:1,pass,nolog,sanitiseArg:q"
        SecRule ARGS:q "@rx ." "id:2,phase:1,pass""#,
    );
    let hidden = run(&policy, &Request { uri: "/?hide=1&q=value", ..Request::default() });
    assert!(hidden.transaction.secrets().is_some());
    drop(hidden);
    let open = run(&policy, &Request { uri: "/?q=value", ..Request::default() });
    assert!(open.transaction.secrets().is_none());
    assert!(all_findings(&open).contains("value"));
}
