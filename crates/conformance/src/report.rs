//! What a run found, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::crs::check::Mismatch;

/// One stage that did not do what its test wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The test, as `942100-3`.
    pub test: String,
    /// The stage of the test, from 1.
    pub stage: usize,
    /// What the test wants.
    pub expected: String,
    /// What came instead.
    pub got: String,
    /// Why this failure is known and accepted; `None` for one that is not.
    pub known: Option<String>,
}

/// The result of a regression run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Stages that did what their tests want.
    pub passed: usize,
    /// Stages that did not.
    pub failed: usize,
    /// All stages.
    pub total: usize,
    /// Every failure, in the order of the suite.
    pub failures: Vec<Failure>,
    /// Tests that are listed as known failures but pass now: the list is out of date.
    pub unexpectedly_passed: Vec<String>,
}

impl Report {
    /// Adds the results of a test's stages: `None` for one that passed. `known` is the reason why the
    /// test is accepted to fail.
    pub(crate) fn add(&mut self, test: &str, known: Option<&str>, results: Vec<Option<Mismatch>>) {
        let passed = results.iter().all(Option::is_none);
        for (position, result) in results.into_iter().enumerate() {
            self.total += 1;
            let Some(Mismatch { expected, got }) = result else {
                self.passed += 1;
                continue;
            };
            self.failed += 1;
            let known = known.map(str::to_owned);
            self.failures.push(Failure { test: test.to_owned(), stage: position + 1, expected, got, known });
        }
        if passed && known.is_some() {
            self.unexpectedly_passed.push(test.to_owned());
        }
    }

    /// Whether every failure is a known one and every known one still fails.
    pub fn is_success(&self) -> bool {
        self.unexpectedly_passed.is_empty() && self.failures.iter().all(|failure| failure.known.is_some())
    }
}

impl fmt::Display for Report {
    /// Every failure, then as last line `passed N, failed M, total T`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            let label = if failure.known.is_some() { "known" } else { "FAILED" };
            writeln!(f, "{label} {} stage {}", failure.test, failure.stage)?;
            writeln!(f, "    expected: {}", failure.expected)?;
            writeln!(f, "    got:      {}", failure.got)?;
            if let Some(reason) = &failure.known {
                writeln!(f, "    reason:   {reason}")?;
            }
        }
        for test in &self.unexpectedly_passed {
            writeln!(f, "PASSES NOW {test}: remove it from the list of known failures")?;
        }
        writeln!(f, "passed {}, failed {}, total {}", self.passed, self.failed, self.total)
    }
}
