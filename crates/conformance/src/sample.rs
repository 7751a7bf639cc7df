//! Requests to judge, and what the engine makes of each: for comparison with other engines.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use parapet_engine::Policy;

use crate::crs::albedo::Backend;
use crate::crs::exchange::{InProcess, Outcome, Server};
use crate::evaluate::{self, EvaluateError};
use crate::{gate, parallel};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// What to call it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What an engine made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was refused by a rule.
    pub blocked: bool,
    /// Rules in the audit log.
    pub rules: BTreeSet<u32>,
}

/// The queries of a data set as requests of a browser, named by file and line.
///
/// # Errors
/// When the data set cannot be read.
pub fn data_set(path: &Path) -> Result<Vec<Sample>, EvaluateError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let queries = evaluate::queries(path)?.into_iter().enumerate();
    Ok(queries
        .map(|(index, query)| Sample { name: format!("{file}:{}", index + 1), bytes: evaluate::request(&query) })
        .collect())
}

/// The requests of the blocking gate.
pub fn gate() -> Vec<Sample> {
    let corpora = [gate::ORDINARY, gate::ATTACKS];
    let requests = corpora.iter().flat_map(|corpus| gate::requests(corpus));
    requests.map(|(name, bytes)| Sample { name: format!("gate: {name}"), bytes }).collect()
}

/// What a policy makes of each, with an upstream that answers 200 and nothing.
pub fn judge(policy: &Arc<Policy>, samples: &[Sample]) -> Vec<Verdict> {
    let server = InProcess { policy: Arc::clone(policy), backend: Backend::Albedo };
    parallel::map(samples, parallel::cores(), &|_, _| {}, |sample| {
        let Outcome { status, audited, .. } = server.send(&sample.bytes);
        Verdict { blocked: status == Some(403), rules: audited.into_iter().collect() }
    })
}
