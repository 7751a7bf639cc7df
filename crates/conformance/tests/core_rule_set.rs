//! The Core Rule Set under the engine: its regression suites, the blocking gate, and the false
//! positive rate on real traffic.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::path::PathBuf;

use parapet_conformance::{crs, evaluate, gate};

/// The directory of shared test data, or `None` after saying that the test is skipped.
fn test_data(test: &str) -> Option<PathBuf> {
    match std::env::var_os("PARAPET_TEST_DATA") {
        Some(path) => Some(PathBuf::from(path)),
        None if std::env::var_os("PARAPET_REQUIRE_ALL").is_some_and(|value| value == "1") => {
            panic!("{test}: PARAPET_TEST_DATA is not set")
        }
        None => {
            println!("SKIPPED {test}: PARAPET_TEST_DATA is not set");
            None
        }
    }
}

fn suite_passes(test: &str, name: &str, stages: usize) {
    let Some(data) = test_data(test) else { return };
    let root = data.join(name);
    let report = crs::run(&root, &root.join("regression/tests"), &crs::Options::default(), &|_, _| {}).unwrap();
    println!("{report}");
    assert_eq!(report.total, stages);
    assert_eq!(report.passed + report.failed, report.total);
    assert!(report.is_success(), "{report}");
}

#[test]
fn the_regression_suite_of_crs_4_passes_but_for_known_failures() {
    suite_passes("the_regression_suite_of_crs_4_passes_but_for_known_failures", "crs", 4_972);
}

#[test]
fn the_regression_suite_of_crs_3_passes_but_for_known_failures() {
    suite_passes("the_regression_suite_of_crs_3_passes_but_for_known_failures", "crs-3.3", 2_553);
}

#[test]
fn ordinary_requests_pass_and_attacks_are_blocked_by_default() {
    let Some(data) = test_data("ordinary_requests_pass_and_attacks_are_blocked_by_default") else { return };
    let report = gate::run(&data.join("crs")).unwrap();
    assert!(report.is_success(), "{report}");
    assert!(report.ordinary >= 20 && report.attacks >= 20);
}

#[test]
fn real_traffic_is_hardly_ever_blocked() {
    let Some(data) = test_data("real_traffic_is_hardly_ever_blocked") else { return };
    let share = evaluate::blocked_share(&data.join("crs"), &data.join("datasets/legitimate.jsonl"), 1).unwrap();
    println!("false positive rate at paranoia 1: {:.2}%", share * 100.0);
    assert!(share < 0.03, "{share}");
}
