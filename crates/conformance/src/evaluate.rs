//! True and false positive rates of a rule set on data sets, at every paranoia level and threshold.
//!
//! A data set is JSON lines with the key `query`: the query string of a GET request as a browser
//! sends it. Each query runs once for each paranoia level with nothing blocking, so that its score is
//! complete; a threshold then is a comparison.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_engine::Policy;
use serde::{Deserialize, Serialize};

use crate::SetupError;
use crate::crs::albedo::Backend;
use crate::crs::exchange::{InProcess, Server};
use crate::parallel::{self, Progress};
use crate::setup::{Mode, rule_set};

/// Inbound anomaly score thresholds that are tabulated; 5 is the default of the rule set.
const THRESHOLDS: [i64; 6] = [3, 5, 7, 10, 15, 20];

/// Why rates cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The rules are not there or do not compile.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A data set cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The data set.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line of a data set is not what is expected.
    #[error("{}:{line}: {message}; a line is a JSON object with the key `query`", .path.display())]
    Line {
        /// The data set.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A data set without a line.
    #[error("{} is empty, so it has no rate", .path.display())]
    Empty {
        /// The data set.
        path: PathBuf,
    },
}

/// Rates at one paranoia level and threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rate {
    /// Blocking paranoia level, 1 to 4.
    pub paranoia: u8,
    /// Inbound anomaly score from which a request is blocked.
    pub threshold: i64,
    /// Attacks that are blocked, of all attacks, from 0 to 1.
    pub true_positive_rate: f64,
    /// Legitimate requests that are blocked, of all legitimate ones, from 0 to 1.
    pub false_positive_rate: f64,
}

/// The measured rates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Legitimate requests.
    pub legitimate: usize,
    /// Attacks.
    pub attacks: usize,
    /// For each level and threshold.
    pub rates: Vec<Rate>,
}

#[derive(Deserialize)]
struct Line {
    query: String,
}

/// Measures the rule set at `rules`.
///
/// # Errors
/// When the rules cannot be compiled, or a data set cannot be read.
pub fn run(
    rules: &Path,
    legitimate: &Path,
    attacks: &Path,
    progress: Progress<'_>,
) -> Result<Evaluation, EvaluateError> {
    const LEVELS: [u8; 4] = [1, 2, 3, 4];
    let legitimate = queries(legitimate)?;
    let attacks = queries(attacks)?;
    let each = legitimate.len() + attacks.len();
    let mut rates = Vec::new();
    for (position, paranoia) in LEVELS.into_iter().enumerate() {
        let policy = rule_set(rules, Mode::Scoring(paranoia))?.policy;
        let before = position * each;
        let attack_scores = scores(&policy, &attacks, &|done, _| progress(before + done, LEVELS.len() * each));
        let before = before + attacks.len();
        let legitimate_scores = scores(&policy, &legitimate, &|done, _| progress(before + done, LEVELS.len() * each));
        rates.extend(THRESHOLDS.iter().map(|threshold| Rate {
            paranoia,
            threshold: *threshold,
            true_positive_rate: share(&attack_scores, *threshold),
            false_positive_rate: share(&legitimate_scores, *threshold),
        }));
    }
    Ok(Evaluation { legitimate: legitimate.len(), attacks: attacks.len(), rates })
}

/// Share of the requests of a data set that the rule set blocks as it is, at this paranoia level.
///
/// # Errors
/// When the rules cannot be compiled, or the data set cannot be read.
pub fn blocked_share(rules: &Path, data: &Path, paranoia: u8) -> Result<f64, EvaluateError> {
    let queries = queries(data)?;
    let policy = rule_set(rules, Mode::Blocking(paranoia))?.policy;
    let server = InProcess { policy, backend: Backend::Albedo };
    let statuses = parallel::map(&queries, parallel::cores(), &|_, _| {}, |query| server.send(&request(query)).status);
    let blocked = statuses.iter().filter(|status| **status != Some(200)).count();
    Ok(ratio(blocked, queries.len()))
}

/// The queries of a data set, in order.
pub(crate) fn queries(path: &Path) -> Result<Vec<String>, EvaluateError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| EvaluateError::Read { path: path.to_path_buf(), source })?;
    let mut found = Vec::new();
    for (position, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parsed: Line = serde_json::from_str(line).map_err(|error| EvaluateError::Line {
            path: path.to_path_buf(),
            line: position + 1,
            message: error.to_string(),
        })?;
        found.push(parsed.query);
    }
    if found.is_empty() {
        return Err(EvaluateError::Empty { path: path.to_path_buf() });
    }
    Ok(found)
}

/// A query as a browser sends it.
pub(crate) fn request(query: &str) -> Vec<u8> {
    // What cannot stand in a request line is escaped, as any client does.
    let mut target = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            b'#' | 0..=b' ' | 0x7f.. => target.push_str(&format!("%{byte:02X}")),
            other => target.push(char::from(other)),
        }
    }
    format!(
        "GET /?{target} HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) \
         Gecko/20100101 Firefox/128.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
         Accept-Language: en-GB,en;q=0.5\r\n\r\n"
    )
    .into_bytes()
}

fn scores(policy: &Arc<Policy>, queries: &[String], progress: Progress<'_>) -> Vec<i64> {
    let server = InProcess { policy: Arc::clone(policy), backend: Backend::Albedo };
    parallel::map(queries, parallel::cores(), progress, |query| server.send(&request(query)).scores.inbound)
}

fn share(scores: &[i64], threshold: i64) -> f64 {
    ratio(scores.iter().filter(|score| **score >= threshold).count(), scores.len())
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} legitimate requests, {} attacks", self.legitimate, self.attacks)?;
        writeln!(f, "paranoia  threshold  attacks blocked  legitimate blocked")?;
        for rate in &self.rates {
            writeln!(
                f,
                "{:>8}  {:>9}  {:>14.2}%  {:>17.2}%",
                rate.paranoia,
                rate.threshold,
                rate.true_positive_rate * 100.0,
                rate.false_positive_rate * 100.0
            )?;
        }
        Ok(())
    }
}
