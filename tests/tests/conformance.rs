//! The Core Rule Set's own suites through a real gateway, from the command line.
#![allow(clippy::print_stdout, reason = "what a suite says belongs in the output of its test")]

use parapet_scenarios::product::run_to_end;
use parapet_scenarios::{root, skip};
use std::path::PathBuf;

/// A folder of the test data, or `None` after saying that the test is skipped.
fn test_data(test: &str, name: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("PARAPET_TEST_DATA") else {
        skip(test, "PARAPET_TEST_DATA is not set");
        return None;
    };
    // A relative path is meant from the project's root.
    let path = root().join(data).join(name);
    assert!(path.is_dir(), "PARAPET_TEST_DATA has no {name}");
    Some(path)
}

fn suite_passes_over_the_wire(test: &str, rule_set: &str, stages: usize) {
    let Some(rules) = test_data(test, rule_set) else { return };
    let tests = rules.join("regression/tests");
    let [rules, tests] = [&rules, &tests].map(|path| path.to_str().expect("the path is UTF-8"));
    let (code, printed, said) = run_to_end(&["crs", "test", "--wire", "--rules", rules, "--tests", tests]);
    println!("{printed}");
    assert_eq!(code, 0, "{printed}{said}");
    let last = printed.lines().last().unwrap_or_default();
    assert!(last.starts_with("passed ") && last.ends_with(&format!(", total {stages}")), "{last}");
}

#[test]
fn the_suite_of_crs_4_passes_over_the_wire() {
    suite_passes_over_the_wire("the_suite_of_crs_4_passes_over_the_wire", "crs", 4_972);
}

#[test]
fn the_suite_of_crs_3_passes_over_the_wire() {
    suite_passes_over_the_wire("the_suite_of_crs_3_passes_over_the_wire", "crs-3.3", 2_553);
}

#[test]
fn the_blocking_gate_holds_over_the_wire() {
    let Some(rules) = test_data("the_blocking_gate_holds_over_the_wire", "crs") else { return };
    let rules = rules.to_str().expect("the path is UTF-8");
    let (code, printed, said) = run_to_end(&["crs", "gate", "--wire", "--rules", rules]);
    assert_eq!(code, 0, "{printed}{said}");
}
