//! Takes up changed rules while requests are served.
//!
//! On SIGHUP the rule files that the configuration names are read and compiled anew, beside the traffic;
//! then the new policy takes the place of the old one. Requests under way end with the policy they began
//! with. Rules that are wrong change nothing.

use crate::config::Config;
use crate::rules;
use anyhow::Result;
use parapet_gateway::PolicySet;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

/// Watches for the signal until the task is dropped. A process without rules goes on as it is.
///
/// # Errors
/// If the process cannot be told of signals.
pub async fn on_hangup(config: Config, policies: Option<Arc<PolicySet>>) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        let Some(policies) = policies.clone() else {
            tracing::info!("there is no gateway here, and so no rules to read again");
            continue;
        };
        let config = config.clone();
        // A compiler that fails has said why; the policy in force stays.
        let _ = tokio::task::spawn_blocking(move || reload(&config, &policies)).await;
    }
    Ok(())
}

fn reload(config: &Config, policies: &PolicySet) {
    let began = Instant::now();
    let limits = config.gateway.limits.of_engine();
    match rules::policy(&config.rules, &config.rule_sets(), limits) {
        Ok(policy) => {
            for warning in policy.warnings() {
                tracing::warn!(%warning, "a directive of the rules has no meaning here");
            }
            let (rules, hash) = (policy.rule_count(), policy.hash().to_owned());
            for site in &config.gateway.sites {
                policies.swap(&site.name, policy.clone());
            }
            let took_ms = began.elapsed().as_millis();
            tracing::info!(rules, policy = hash, took_ms, "the rules were read again and are in force");
        }
        Err(errors) => {
            for error in &errors {
                tracing::error!(%error, "a rule is wrong");
            }
            let count = errors.len();
            tracing::error!(count, "the rules were read again and are wrong; the earlier ones stay in force");
        }
    }
}
