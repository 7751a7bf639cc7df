//! Opens what the roles of this process work on.

use super::plan::Plan;
use anyhow::{Context, Result};
use parapet_backends::peers::Peers;
use parapet_identity::Identity;
use parapet_pipeline::sources::intake::Feed;
use parapet_pipeline::{AnalyticsParts, IntakeParts, Parts, RealTimeParts, RouterParts};
use parapet_ports::awaited::{self, Waiting};
use parapet_ports::node::Role;
use parapet_ports::registry::{Place, Ready};
use parapet_ports::{Channel, EventStream, LiveFeed, State};
use std::path::Path;
use std::sync::Arc;
use ulid::Ulid;

/// What was opened.
pub struct Opened {
    /// For the pipeline.
    pub parts: Parts,
    /// What instances share for a while.
    pub state: Option<Arc<dyn State>>,
    /// What is not there yet.
    pub waiting: Vec<Waiting>,
}

/// Opens streams, state, store and channels, each only if a role of this process needs it. A server that
/// is away is waited for, beside everything else.
///
/// # Errors
/// What could not be opened, and will not be by waiting.
pub async fn open(
    plan: &Plan,
    identity: Option<&Arc<Identity>>,
    peers: Option<&Peers>,
    live: LiveFeed,
    data_dir: &Path,
) -> Result<Opened> {
    let mut waiting = Vec::new();
    let has = |role| plan.config.roles.has(role);
    let router = has(Role::Router);
    let spool = stream(&plan.spool, "spool", has(Role::Gateway) || router, data_dir, &mut waiting).await?;
    // Whoever keeps the history reports what was lost on the way there, which is for the alerts.
    let reports = has(Role::Analytics) && plan.realtime.is_shared();
    let realtime =
        stream(&plan.realtime, "realtime", has(Role::Realtime) || router || reports, data_dir, &mut waiting).await?;
    let analytics =
        stream(&plan.analytics, "analytics", has(Role::Analytics) || router, data_dir, &mut waiting).await?;
    let store = if has(Role::Analytics) { Some(plan.store.open(&place(data_dir, "store")).await?) } else { None };
    let reports = realtime.clone().filter(|_| reports);
    let events = store.clone().or_else(|| peers.map(Peers::events));
    let state = match has(Role::Gateway) || has(Role::Realtime) {
        true => {
            let (state, away) = awaited::state("state", plan.state.clone(), place(data_dir, "state")).await?;
            waiting.extend(away);
            Some(state)
        }
        false => None,
    };
    let shared = state.clone().filter(|_| plan.state.is_shared());
    let parts = Parts {
        intake: match &spool {
            Some(spool) if has(Role::Gateway) => {
                Some(IntakeParts { spool: spool.clone(), sources: sources(plan, data_dir).await? })
            }
            _ => None,
        },
        router: match (spool, &realtime, &analytics) {
            (Some(spool), Some(realtime), Some(analytics)) if router => {
                Some(RouterParts { spool, realtime: realtime.clone(), analytics: analytics.clone() })
            }
            _ => None,
        },
        realtime: match (realtime, identity) {
            (Some(stream), Some(identity)) if has(Role::Realtime) => {
                let channels = channels(plan, data_dir).await?;
                Some(RealTimeParts { stream, alerts: identity.clone(), channels, state: shared, events })
            }
            _ => None,
        },
        analytics: analytics.zip(store).map(|(stream, store)| AnalyticsParts { stream, store, reports }),
        live,
        directory: data_dir.join("pipeline"),
    };
    Ok(Opened { parts, state, waiting })
}

/// Opens the logs of other WAFs.
async fn sources(plan: &Plan, data_dir: &Path) -> Result<Vec<Feed>> {
    let mut feeds = Vec::new();
    for (name, source) in &plan.sources {
        let source = source.open(&place(data_dir, "sources").under(name)).await?;
        let config = plan.config.sources.get(name);
        let site = config.and_then(|config| config.site.clone()).unwrap_or_else(|| name.clone());
        feeds.push(Feed { source, site, format: config.map(|config| config.format).unwrap_or_default() });
    }
    Ok(feeds)
}

async fn channels(plan: &Plan, data_dir: &Path) -> Result<Vec<Arc<dyn Channel>>> {
    let mut channels = Vec::new();
    for (name, channel) in &plan.channels {
        channels.push(channel.open(&place(data_dir, "channels").under(name)).await?);
    }
    Ok(channels)
}

async fn stream(
    ready: &Arc<dyn Ready<dyn EventStream>>,
    name: &str,
    is_needed: bool,
    data_dir: &Path,
    waiting: &mut Vec<Waiting>,
) -> Result<Option<Arc<dyn EventStream>>> {
    if !is_needed {
        return Ok(None);
    }
    let (stream, away) = awaited::stream(name, ready.clone(), place(data_dir, name)).await?;
    waiting.extend(away);
    Ok(Some(stream))
}

fn place(data_dir: &Path, name: &str) -> Place {
    Place { directory: data_dir.join(name) }
}

/// Name of this process in the consumer groups: that of the machine and something random, made at the
/// first start and kept in the data directory, so that a restarted process takes up what it had read.
///
/// # Errors
/// If the data directory cannot be written.
pub fn member_name(data_dir: &Path) -> Result<String> {
    let path = data_dir.join("member");
    if let Ok(known) = std::fs::read_to_string(&path)
        && !known.trim().is_empty()
    {
        return Ok(known.trim().to_owned());
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "parapet" } else { host.trim() };
    let name = format!("{host}-{}", Ulid::generate().to_string().to_ascii_lowercase());
    std::fs::write(&path, &name).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(name)
}
