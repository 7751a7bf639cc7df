//! The regression suite of the OWASP Core Rule Set, in process.
//!
//! The way of a stage: [`schema`] reads it → [`wire`] builds the bytes that go-ftw would send →
//! [`head`] is the HTTP server that takes or refuses them → [`exchange`] runs the engine, with
//! [`albedo`] as the backend and [`log`] as the error log → [`check`] compares. Nothing is retried
//! over a network, so a result is the same on every run.

pub(crate) mod albedo;
mod check;
pub(crate) mod exchange;
pub(crate) mod head;
mod known;
mod log;
mod schema;
mod template;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_engine::Policy;

use crate::SetupError;
use crate::report::{Failure, Report};
use crate::setup::{Mode, rule_set};
use albedo::Backend;
use known::Known;
use schema::{Schema, Stage, Test};

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only this rule (`942100`) or this test (`942100-3`).
    pub only: Option<String>,
}

/// Why a suite cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The rules are not there or do not compile.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A directory or file of tests cannot be read.
    #[error("cannot read {}: {source}; check the path given with --tests", .path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A test file is not in one of the two schemas.
    #[error("{}: {message}", .path.display())]
    Test {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// There is nothing to run.
    #[error("no test matches {what}; check --tests and --only")]
    Nothing {
        /// What was looked for.
        what: String,
    },
}

/// Runs the tests below `tests` against the rule set at `rules`.
///
/// # Errors
/// When the rules or the tests cannot be loaded, or nothing is left to run.
pub fn run(rules: &Path, tests: &Path, options: &Options) -> Result<Report, RunError> {
    let mut suite = schema::read(tests)?;
    if let Some(only) = &options.only {
        suite.retain(|test| is_selected(test, only));
    }
    if suite.is_empty() {
        let what = options.only.clone().unwrap_or_else(|| tests.display().to_string());
        return Err(RunError::Nothing { what });
    }
    let rule_set = rule_set(rules, Mode::Regression)?;
    let known = Known::for_version(rule_set.major);
    let mut report = Report::default();
    for test in &suite {
        run_test(&rule_set.policy, test, &known, &mut report);
    }
    Ok(report)
}

fn is_selected(test: &Test, only: &str) -> bool {
    test.id == only || test.id.rsplit_once('-').is_some_and(|(rule, _)| rule == only)
}

fn run_test(policy: &Arc<Policy>, test: &Test, known: &Known, report: &mut Report) {
    let reason = known.reason(&test.id);
    let mut passed = true;
    for (position, stage) in test.stages.iter().enumerate() {
        report.total += 1;
        let Some(mismatch) = run_stage(policy, stage) else {
            report.passed += 1;
            continue;
        };
        passed = false;
        report.failed += 1;
        report.failures.push(Failure {
            test: test.id.clone(),
            stage: position + 1,
            expected: mismatch.expected,
            got: mismatch.got,
            known: reason.map(str::to_owned),
        });
    }
    if passed && reason.is_some() {
        report.unexpectedly_passed.push(test.id.clone());
    }
}

fn run_stage(policy: &Arc<Policy>, stage: &Stage) -> Option<check::Mismatch> {
    let backend = match stage.schema {
        Schema::Three => Backend::WebServer,
        Schema::Four => Backend::Albedo,
    };
    let attempts = if stage.output.retry_once { 2 } else { 1 };
    let mut result = None;
    for _ in 0..attempts {
        result = match wire::request(stage) {
            Ok(bytes) => check::check(&stage.output, &exchange::send(policy, &bytes, backend)),
            Err(message) => Some(check::Mismatch { expected: "a request that can be sent".to_owned(), got: message }),
        };
        if result.is_none() {
            break;
        }
    }
    result
}
