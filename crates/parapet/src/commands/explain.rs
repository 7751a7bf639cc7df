//! `parapet explain`

use super::{Failure, Outcome, configuration};
use crate::cli::ExplainOptions;
use crate::config::Config;
use crate::explain::people::{self, Selection};
use crate::explain::shown::Style;
use crate::explain::{self, json};
use crate::requests::{self, Request};
use crate::rules;
use crate::run::report;
use anyhow::{Context, anyhow};
use parapet_engine::Policy;
use parapet_engine::trace::TraceLimits;
use std::io::{ErrorKind, Write};
use std::sync::Arc;

/// Explains the requests of a file.
pub fn run(options: &ExplainOptions) -> Outcome {
    let requests = requests_of(options).map_err(wrong_argument)?;
    let config = configuration(&options.settings)?;
    let policy = policy_of(options, &config)?;
    let refusal = |head: &[u8]| parapet_gateway::refusal(head, &config.gateway.limits);
    let selection = Selection { only: options.only, phase: options.phase, all: options.all };
    let limits = TraceLimits { failed_tests: options.all || options.only.is_some(), ..TraceLimits::default() };
    let style = Style::of_stdout();
    let mut any_blocked = false;
    let mut values = Vec::new();
    for (index, request) in requests.into_iter().enumerate() {
        let explanation = explain::explain(&policy, request, options.client, limits, &refusal);
        any_blocked |= explanation.is_blocked();
        if options.json {
            values.push(json::value(&explanation, &selection));
        } else {
            let gap = if index > 0 { "\n\n" } else { "" };
            print(&format!("{gap}{}", people::text(&explanation, &selection, style)))?;
        }
    }
    if options.json {
        let text = serde_json::to_string_pretty(&values).map_err(anyhow::Error::from)?;
        print(&format!("{text}\n"))?;
    }
    if any_blocked && options.exit_code { Err(Failure::Check) } else { Ok(()) }
}

fn requests_of(options: &ExplainOptions) -> anyhow::Result<Vec<Request>> {
    let mut requests = requests::read(&options.request, options.r#as)?;
    let count = requests.len();
    if let Some(entry) = options.entry {
        let chosen = entry.checked_sub(1).filter(|index| *index < count).ok_or_else(|| {
            anyhow!("--entry {entry}: {} has {count} requests, numbered from 1", options.request.display())
        })?;
        requests = vec![requests.swap_remove(chosen)];
    }
    if let Some(path) = &options.response {
        let response = requests::read_response(path)?;
        for request in &mut requests {
            request.response = Some(response.clone());
        }
    }
    Ok(requests)
}

/// The policy of the configuration, or of a rule set that is named.
fn policy_of(options: &ExplainOptions, config: &Config) -> Result<Arc<Policy>, Failure> {
    let installed = config.rule_sets();
    let dialect = config.rules.dialect;
    let named = rules::Config { dialect, ..rules::Config::default() };
    let mut chosen = match &options.rules {
        Some(path) if path.is_file() => rules::Config { crs: "none".to_owned(), after: vec![path.clone()], ..named },
        Some(path) => rules::Config { crs: path.display().to_string(), ..named },
        None => config.rules.clone(),
    };
    if let Some(level) = options.paranoia {
        (chosen.paranoia_level, chosen.detection_paranoia_level) = (level, None);
    }
    rules::policy(&chosen, &installed, parapet_engine::Limits::default()).map_err(|errors| {
        report(&errors);
        Failure::Config
    })
}

/// A file that cannot be used is a wrong argument; what is wrong is said here.
fn wrong_argument(error: anyhow::Error) -> Failure {
    eprintln!("error: {error:#}");
    Failure::Config
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("standard output cannot be written"),
    }
}
