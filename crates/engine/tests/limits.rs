//! What happens when a transaction meets a limit: it ends early or incomplete, and says so.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_engine::{Context, Limit, Limits, Policy, Transaction};

const ON: &str = "SecRuleEngine On\nSecRequestBodyAccess On\n";

fn policy(rules: &str, limits: Limits) -> Arc<Policy> {
    let configuration = parse_str("test.conf", format!("{ON}{rules}").as_bytes(), &NoFiles).unwrap();
    Arc::new(Policy::compile(&configuration, &NoFiles).unwrap().with_limits(limits))
}

fn get(policy: &Arc<Policy>, uri: &str, headers: &[(&str, &str)]) -> Transaction {
    let mut transaction = Transaction::new(Arc::clone(policy), Context::default());
    transaction.request_line(b"GET", uri.as_bytes(), b"HTTP/1.1");
    for (name, value) in headers {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    transaction.process_request_headers();
    transaction.process_request_body();
    transaction.process_logging();
    transaction
}

fn met(transaction: &Transaction) -> Vec<Limit> {
    transaction.limits_met().collect()
}

#[test]
fn no_rule_runs_once_the_steps_are_used_up() {
    let rules = r#"
SecRule ARGS "@rx a+b" "id:1,phase:1,pass,log,t:none,t:lowercase"
SecRule REQUEST_METHOD "@streq GET" "id:2,phase:2,deny,log"
SecAction "id:3,phase:5,pass,log""#;
    let uri = format!("/?q={}", "aB".repeat(50_000));
    let few = policy(rules, Limits { steps: 1_000, steps_per_byte: 2, ..Limits::default() });
    let transaction = get(&few, &uri, &[]);
    assert_eq!(met(&transaction), [Limit::Steps]);
    assert!(transaction.is_incomplete());
    assert_eq!(transaction.matches().count(), 0);

    let enough = policy(rules, Limits::default());
    let transaction = get(&enough, &uri, &[]);
    assert_eq!(met(&transaction), []);
    assert_eq!(transaction.matches().count(), 3);
}

#[test]
fn steps_depend_on_the_input_and_values_that_come_again_only_save_some() {
    let rules = r#"SecRule ARGS|REQUEST_HEADERS "@rx (?i)union.{0,20}select" "id:1,phase:1,pass,t:urlDecodeUni""#;
    let steps = |policy: &Arc<Policy>, uri: &str| get(policy, uri, &[("User-Agent", "x")]).steps();
    let (one, other) = (policy(rules, Limits::default()), policy(rules, Limits::default()));
    let (short, long) = ("/?q=%75nion%20select", format!("/?q={}", "%75nion%20select".repeat(1000)));
    let (first, many) = (steps(&one, short), steps(&one, &long));
    assert!(first > 100 && many > 100 * first, "{first} {many}");
    assert_eq!(steps(&other, short), first);
    let again: Vec<u64> = (0..3).map(|_| steps(&one, short)).collect();
    assert!(again[0] <= first && again[1] < first && again[2] == again[1], "{first} {again:?}");
}

#[test]
fn a_pattern_that_is_given_up_makes_the_transaction_incomplete() {
    let rules = r#"
SecRule ARGS "@rx ^(?:(a+)\1?)+b" "id:1,phase:2,deny"
SecRule ARGS "!@rx ^(?:(a+)\1?)+b" "id:2,phase:2,pass,log""#;
    let policy = policy(rules, Limits::default());
    let transaction = get(&policy, "/?q=ab", &[]);
    assert_eq!((met(&transaction), transaction.matches().count()), (vec![], 1));
    let transaction = get(&policy, &format!("/?q={}", "a".repeat(50)), &[]);
    assert_eq!((met(&transaction), transaction.matches().count()), (vec![Limit::Backtracking], 0));
}

#[test]
fn many_values_on_which_a_pattern_is_given_up_end_the_transaction() {
    let policy = policy(r#"SecRule ARGS "@rx ^(?:(a+)\1?)+b" "id:1,phase:2,deny""#, Limits::default());
    let query: Vec<String> = (0..900).map(|n| format!("{n}={}", "a".repeat(40))).collect();
    let transaction = get(&policy, &format!("/?{}", query.join("&")), &[]);
    assert_eq!(met(&transaction), [Limit::Steps, Limit::Backtracking]);
}

#[test]
fn values_that_grow_while_rules_run_are_held_within_the_memory_allowed() {
    let rules = r#"
SecAction "id:1,phase:1,pass,setvar:tx.a=0123456789abcdef"
SecRule ARGS "@unconditionalMatch" "id:2,phase:1,pass,setvar:'tx.a=%{tx.a}%{tx.a}%{tx.a}%{tx.a}'""#;
    let policy = policy(rules, Limits { working_bytes: 1 << 20, ..Limits::default() });
    let query: Vec<String> = (0..500).map(|n| format!("a{n}=1")).collect();
    let transaction = get(&policy, &format!("/?{}", query.join("&")), &[]);
    assert_eq!(met(&transaction), [Limit::WorkingBytes]);
    assert!(transaction.working_bytes() <= 1 << 20);
}

#[test]
fn tables_count_as_memory_too() {
    let rules: String = (1..=200)
        .map(|id| {
            format!("SecRule ARGS|ARGS_NAMES \"@rx x{id}y\" \"id:{id},phase:1,pass,t:lowercase,t:trim,t:hexEncode\"\n")
        })
        .collect();
    let policy = policy(&rules, Limits { working_bytes: 100_000, ..Limits::default() });
    let query: Vec<String> = (0..900).map(|n| format!("A{n}=B{n}")).collect();
    let transaction = get(&policy, &format!("/?{}", query.join("&")), &[]);
    assert_eq!(met(&transaction), [Limit::WorkingBytes]);
    assert!(transaction.working_bytes() <= 100_000, "{}", transaction.working_bytes());
}

#[test]
fn what_is_over_a_count_is_reported_and_the_rest_inspected() {
    let rules = r#"
SecRule REQUEST_COOKIES|REQUEST_HEADERS:X|ARGS "@streq evil" "id:1,phase:1,pass,log"
SecRule ARGS "@unconditionalMatch" "id:2,phase:1,pass,nolog,setvar:'tx.seen_%{MATCHED_VAR_NAME}=1'""#;
    let limits = Limits { collection_values: 10, headers: 10, variables: 5, ..Limits::default() };
    let policy = policy(rules, limits);
    let cookie = format!("a=evil; {}", "b=1; ".repeat(20));
    let case = |uri: &str, headers: &[(&str, &str)], limit| {
        let transaction = get(&policy, uri, headers);
        assert!(met(&transaction).contains(&limit), "{limit:?}: {:?}", met(&transaction));
        assert_eq!(transaction.matches().count(), 1, "{limit:?}");
    };
    case("/", &[("Cookie", &cookie)], Limit::Values);
    case("/", &[&[("X", "evil")][..], &[("Y", "1"); 20]].concat(), Limit::Headers);
    case("/?a=evil&b&c&d&e&f&g&h&i&j&k&l", &[], Limit::Arguments);
    case("/?a=evil&b&c&d&e&f&g", &[], Limit::Variables);
}
