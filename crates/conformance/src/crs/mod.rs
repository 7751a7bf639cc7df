//! The regression suite of the OWASP Core Rule Set, in process and over the wire.
//!
//! The way of a stage: [`schema`] reads it → [`wire`] builds the bytes that go-ftw would send →
//! a [`Server`] takes them → [`check`] compares. In process the server is [`head`], an HTTP parser that
//! takes or refuses them, and [`exchange`], which runs the engine, with [`albedo`] as the backend and
//! [`log`] as the error log. Over the wire it is [`Live`], a gateway that was started for the suite.

pub(crate) mod albedo;
pub(crate) mod check;
pub(crate) mod exchange;
pub(crate) mod head;
mod known;
mod log;
mod schema;
mod template;
mod wire;

use std::path::{Path, PathBuf};

use crate::SetupError;
use crate::live::{self, Live, Start};
use crate::parallel::{self, Progress};
use crate::report::Report;
use crate::setup::{Mode, RuleSet, rule_set};
use albedo::Backend;
use check::Mismatch;
use exchange::{InProcess, Server};
use known::Known;
use schema::{Stage, Test};

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
    /// The gateway for a run over the wire does not start.
    #[error("the gateway under test does not start: {0}")]
    Gateway(String),
    /// There is nothing to run.
    #[error("no test matches {what}; check --tests and --only")]
    Nothing {
        /// What was looked for.
        what: String,
    },
}

/// Runs the tests below `tests` against the rule set at `rules`, in this process.
///
/// # Errors
/// When the rules or the tests cannot be loaded, or nothing is left to run.
pub fn run(rules: &Path, tests: &Path, options: &Options, progress: Progress<'_>) -> Result<Report, RunError> {
    let suite = read(tests, options)?;
    let RuleSet { policy, major } = rule_set(rules, Mode::Regression)?;
    let server = InProcess { policy, backend: Backend::of_version(major) };
    Ok(run_suite(&suite, &server, &Known::in_process(major), parallel::cores(), progress))
}

/// Runs them through a gateway that `start` starts, over real sockets.
///
/// # Errors
/// As [`run`], or when the gateway does not start.
pub fn run_over_wire(
    rules: &Path,
    tests: &Path,
    options: &Options,
    start: Start<'_>,
    progress: Progress<'_>,
) -> Result<Report, RunError> {
    let suite = read(tests, options)?;
    let RuleSet { policy, major } = rule_set(rules, Mode::RegressionOverWire)?;
    let server = Live::start(policy, Backend::of_version(major), start).map_err(RunError::Gateway)?;
    Ok(run_suite(&suite, &server, &Known::over_wire(major), live::CONNECTIONS, progress))
}

fn read(tests: &Path, options: &Options) -> Result<Vec<Test>, RunError> {
    let mut suite = schema::read(tests)?;
    if let Some(only) = &options.only {
        suite.retain(|test| is_selected(test, only));
    }
    if suite.is_empty() {
        let what = options.only.clone().unwrap_or_else(|| tests.display().to_string());
        return Err(RunError::Nothing { what });
    }
    Ok(suite)
}

fn is_selected(test: &Test, only: &str) -> bool {
    test.id == only || test.id.rsplit_once('-').is_some_and(|(rule, _)| rule == only)
}

fn run_suite(suite: &[Test], server: &impl Server, known: &Known, threads: usize, progress: Progress<'_>) -> Report {
    let run_test = |test: &Test| test.stages.iter().map(|stage| run_stage(server, stage)).collect::<Vec<_>>();
    let results = parallel::map(suite, threads, progress, run_test);
    let mut report = Report::default();
    for (test, results) in suite.iter().zip(results) {
        report.add(&test.id, known.reason(&test.id), results);
    }
    report
}

fn run_stage(server: &impl Server, stage: &Stage) -> Option<Mismatch> {
    let attempts = if stage.output.retry_once { 2 } else { 1 };
    let mut result = None;
    for _ in 0..attempts {
        result = match wire::request(stage) {
            Ok(bytes) => check::check(&stage.output, &server.send(&bytes)),
            Err(message) => Some(Mismatch { expected: "a request that can be sent".to_owned(), got: message }),
        };
        if result.is_none() {
            break;
        }
    }
    result
}
