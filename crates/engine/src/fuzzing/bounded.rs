//! Whatever a transaction is given, it keeps its limits, and does the same the next time.

use std::sync::Arc;

use parapet_seclang::{NoFiles, parse_str};

use super::choices::Choices;
use super::differential::outcome;
use super::rules;
use crate::{Context, Limit, Limits, Policy, Transaction};

/// Runs in which what is remembered settles, at most.
const WARM_UPS: usize = 40;
/// Runs that cost the same when it has: what a value leaves to be tested is worked out the second time and made
/// use of the third time.
const ALIKE: usize = 4;

/// Random rules against random requests, with limits that some of them meet.
pub fn bounded_transaction(input: &[u8]) {
    let mut choices = Choices::new(input);
    let limits = Limits {
        steps: choices.pick(&[100, 1_000, 10_000, 1_000_000]),
        steps_per_byte: choices.pick(&[0, 1, 100]),
        working_bytes: choices.pick(&[2_000, 10_000, 100_000, 1 << 20]),
        collection_values: choices.pick(&[1, 3, 100]),
        headers: choices.pick(&[1, 3, 100]),
        xml_depth: choices.pick(&[1, 100]),
        multipart_parts: choices.pick(&[1, 100]),
        matches: choices.pick(&[0, 1, 1_000]),
        variables: choices.pick(&[1, 3, 100]),
        ..Limits::default()
    };
    let rules = rules::configuration(&mut choices);
    let Ok(configuration) = parse_str("fuzz.conf", &rules, &NoFiles) else { return };
    let Ok(policy) = Policy::compile(&configuration, &NoFiles) else { return };
    let policy = Arc::new(policy.with_limits(limits));
    let exchange = rules::exchange(&mut choices);
    let begin = || Transaction::new(Arc::clone(&policy), Context::default());
    // What is remembered of values makes later times cheaper than the first, so that a limit may no longer be
    // met, or only later, after more values that are then remembered. Before long nothing changes any more.
    let dearest = outcome(begin(), &exchange).1.steps();
    let (mut last, mut alike) = (dearest, 1);
    for _ in 0..WARM_UPS {
        let steps = outcome(begin(), &exchange).1.steps();
        alike = if std::mem::replace(&mut last, steps) == steps { alike + 1 } else { 1 };
        if alike == ALIKE {
            break;
        }
    }
    let (first, transaction) = outcome(begin(), &exchange);
    let shown = || format!("{limits:?}\n{}\n{exchange:?}", String::from_utf8_lossy(&rules));
    assert!(transaction.working_bytes() <= limits.working_bytes, "{} bytes, {}", transaction.working_bytes(), shown());
    assert!(transaction.matches().count() <= limits.matches, "{}", shown());
    let steps = transaction.steps();
    // The limit may have been met in an early phase, before the bytes came that allow more steps.
    let met = transaction.limits_met().any(|limit| limit == Limit::Steps);
    assert!(!met || steps > limits.steps, "{steps} steps, {}", shown());
    drop(transaction);
    let (second, transaction) = outcome(begin(), &exchange);
    assert_eq!((first, steps), (second, transaction.steps()), "once more, {}", shown());
    let limited = transaction.limits_met().next().is_some();
    assert!(limited || steps <= dearest, "{steps} steps after {dearest}, {}", shown());
}
