//! Calls out of order do no harm.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use parapet_engine::trace::TraceLimits;
use parapet_engine::{BodyStatus, Context, Policy, Transaction};

const RULES: &[u8] = br#"SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecRequestBodyLimit 1000
SecResponseBodyLimit 1000
SecAction "id:1,phase:1,pass,log,setvar:tx.one=+1"
SecAction "id:2,phase:2,pass,log,setvar:tx.two=+1"
SecAction "id:3,phase:3,pass,log,setvar:tx.three=+1"
SecAction "id:4,phase:4,pass,log,setvar:tx.four=+1"
SecAction "id:5,phase:5,pass,log,setvar:tx.five=+1"
SecRule ARGS "@contains attack" "id:6,phase:2,deny""#;

/// Makes the call of a number.
fn call(transaction: &mut Transaction, number: usize) {
    match number {
        0 => transaction.request_line(b"POST", b"/?q=attack", b"HTTP/1.1"),
        1 => transaction.request_header(b"Content-Type", b"application/x-www-form-urlencoded"),
        2 => drop(transaction.process_request_headers()),
        3 => drop(transaction.append_request_body(b"a=attack&b=2")),
        4 => drop(transaction.process_request_body()),
        5 => transaction.response_line(200, b"HTTP/1.1"),
        6 => transaction.response_header(b"Content-Type", b"text/html"),
        7 => drop(transaction.process_response_headers()),
        8 => drop(transaction.append_response_body(b"<html>")),
        9 => drop(transaction.process_response_body()),
        10 => transaction.process_logging(),
        _ => drop(transaction.take_trace()),
    }
}

/// Every call is made three times, in orders that a linear congruence mixes.
#[test]
fn no_order_of_calls_panics_or_runs_a_phase_twice() {
    let policy = Arc::new(Policy::from_text("rules.conf", RULES).unwrap());
    for seed in 0..500usize {
        let mut transaction = Transaction::new(Arc::clone(&policy), Context::default());
        if seed % 2 == 0 {
            transaction = transaction.with_trace(TraceLimits::default());
        }
        let (multiplier, mut state) = ([5, 13, 17, 25, 29][seed % 5], seed);
        for _ in 0..36 {
            state = (state * multiplier + 7) % 36;
            call(&mut transaction, state % 12);
        }
        let mut ids: Vec<u32> = transaction.matches().map(|found| found.rule_id).collect();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "order {seed}");
        assert!(ids.is_sorted_by_key(|id| if *id == 6 { 2 } else { *id }), "order {seed}: {ids:?}");
        for name in [&b"one"[..], b"two", b"three", b"four", b"five"] {
            assert!(matches!(transaction.tx(name), None | Some(b"1")), "order {seed}");
        }
    }
}

#[test]
fn a_phase_that_was_passed_does_not_run_any_more() {
    let policy = Arc::new(Policy::from_text("rules.conf", RULES).unwrap());
    let mut transaction = Transaction::new(policy, Context::default());
    transaction.process_logging();
    transaction.request_line(b"GET", b"/?q=attack", b"HTTP/1.1");
    assert_eq!(transaction.process_request_headers(), None);
    assert_eq!(transaction.process_request_body(), None);
    assert_eq!(transaction.matches().map(|found| found.rule_id).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_body_after_its_phase_is_bounded_and_not_inspected() {
    let policy = Arc::new(Policy::from_text("rules.conf", RULES).unwrap());
    let mut transaction = Transaction::new(policy, Context::default());
    transaction.process_request_body();
    assert_eq!(transaction.append_request_body(&[b'a'; 1000]), BodyStatus::Accepted);
    assert_eq!(transaction.append_request_body(b"attack"), BodyStatus::Rejected);
    assert_eq!(transaction.process_request_body(), None);
}

#[test]
fn policies_and_transactions_go_from_thread_to_thread() {
    fn is_send<T: Send>(_: &T) {}
    fn is_shared<T: Send + Sync>(_: &T) {}
    let policy = Arc::new(Policy::from_text("rules.conf", RULES).unwrap());
    is_shared(&policy);
    is_send(&Transaction::new(policy, Context::default()));
}
