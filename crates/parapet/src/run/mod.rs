//! Starting the roles of this process, and stopping them again.
//!
//! The order is that of the story: streams and store, pipeline, gateway, console. Stopping goes the
//! other way round at the front: the gateway first, so that the pipeline can run empty.

mod banner;
mod front;
mod parts;
pub mod plan;
mod reload;
pub mod roles;
mod sample_site;

use crate::config::load::ConfigError;
use anyhow::{Context, Result, anyhow};
use banner::Banner;
use front::{Inside, Kept};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parapet_backends::peers::Peers;
use parapet_console::Server;
use parapet_gateway::{Gateway, PolicySet, SiteConfig};
use parapet_identity::Identity;
use parapet_pipeline::{Pipeline, Running};
use parapet_ports::node::Role;
use parapet_ports::{LiveFeed, State, TrafficSource};
use parts::Opened;
use plan::Plan;
use sample_site::SampleSite;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Messages kept for consoles that read slowly.
const LIVE_MESSAGES_KEPT: usize = 1024;
/// Upper bounds of latency histograms, in seconds.
const LATENCY_BOUNDS: &[f64] =
    &[0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];

/// Adds the sample site to a configuration that has no site.
pub async fn add_sample_site(config: &mut crate::config::Config) -> Result<SampleSiteHandle> {
    let site = SampleSite::bind().await.context("the sample site cannot listen on 127.0.0.1")?;
    config.gateway.sites.push(SiteConfig::new("sample", vec![format!("http://{}", site.address())]));
    config.gateway.audit_log.get_or_insert_with(|| config.data_dir.clone().unwrap_or_default().join("audit.log"));
    Ok(SampleSiteHandle(site))
}

/// A sample site that is ready to run.
pub struct SampleSiteHandle(SampleSite);

impl SampleSiteHandle {
    fn start(self, mut stopping: watch::Receiver<bool>) {
        tokio::spawn(self.0.run(async move {
            // An error means that whoever could stop us is gone.
            let _ = stopping.wait_for(|stop| *stop).await;
        }));
    }
}

/// Runs until the process is told to stop.
///
/// # Errors
/// What could not be opened or bound, and what to do about it.
pub async fn run(mut plan: Plan, sample: Option<SampleSiteHandle>) -> Result<()> {
    let started = Instant::now();
    for warning in plan.policy.iter().flat_map(|policy| policy.warnings()) {
        tracing::warn!(%warning, "a directive of the rules has no meaning here");
    }
    let metrics = install_metrics()?;
    let data_dir = plan.config.data_dir();
    let member = settle(&mut plan.config)?;
    let (stop, stopping) = watch::channel(false);
    if let Some(sample) = sample {
        sample.start(stopping.clone());
    }
    let identity = open_identity(&plan).await?;
    let live = LiveFeed::new(LIVE_MESSAGES_KEPT);
    let peers = watch_peers(&plan, &live)?;
    let Opened { parts, state, waiting } =
        parts::open(&plan, identity.as_ref(), peers.as_ref(), live.clone(), &data_dir).await?;
    let kept = Kept::of(&parts);
    let pipeline = Pipeline::start(plan.config.pipeline.clone(), parts).await?;
    let policies = plan.policy.clone().map(|policy| Arc::new(PolicySet::new(policy)));
    let gateway = open_gateway(&plan, policies.clone(), &pipeline, state)?;
    let traffic = gateway.as_ref().map(|gateway| Arc::new(gateway.traffic()) as Arc<dyn TrafficSource>);
    let front = Inside {
        plan: &plan,
        member,
        identity: identity.clone(),
        peers,
        pipeline: &pipeline,
        kept,
        waiting: waiting.into(),
        traffic,
        live,
        metrics,
        started,
    };
    let listener =
        Server::bind(plan.config.console.clone(), front.front()?).await?.with_socket(&local_socket(&data_dir));
    let credential = match &identity {
        Some(identity) if plan.config.roles.has(Role::Console) => identity.bootstrap().await?,
        _ => None,
    };
    Banner {
        roles: &plan.config.roles,
        gateway: &gateway.as_ref().map(Gateway::addresses).unwrap_or_default(),
        listener: listener.address(),
        secure: plan.config.console.tls.is_some(),
        rules: plan.policy.as_ref().map(|policy| (policy.rule_count(), policy.hash())),
        sources: plan.source_names(),
        credential: credential.as_ref(),
    }
    .print()
    .context("standard output is closed")?;

    let (stop_listener, listener_stopping) = watch::channel(false);
    let listener = tokio::spawn(listener.run(listener_stopping));
    let gateway = gateway.map(|gateway| tokio::spawn(gateway.run(stopping)));
    wait_to_stop(&plan, policies).await?;
    tracing::info!("stopping: finishing requests in flight, then draining the pipeline");
    stop.send_replace(true);
    finish(gateway, pipeline).await?;
    stop_listener.send_replace(true);
    listener.await.context("the listener ended badly")?;
    if let Some(identity) = identity {
        identity.close().await;
    }
    Ok(())
}

/// Lets the gateway finish its requests, and then the pipeline run empty.
async fn finish<E>(gateway: Option<JoinHandle<Result<(), E>>>, pipeline: Running) -> Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    if let Some(gateway) = gateway {
        gateway.await.context("the gateway ended badly")??;
    }
    if !pipeline.shutdown().await {
        tracing::warn!("some events were not processed in time; they are processed after the next start");
    }
    Ok(())
}

/// The other processes, if any are named.
fn watch_peers(plan: &Plan, live: &LiveFeed) -> Result<Option<Peers>> {
    let peers = &plan.config.peers;
    if peers.urls.is_empty() { Ok(None) } else { Ok(Some(Peers::watch(peers, live)?)) }
}

/// Where a process answers commands on this machine.
pub fn local_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("run/parapet.sock")
}

/// Makes the data directory and the name of this process among the members of the streams' groups.
fn settle(config: &mut crate::config::Config) -> Result<String> {
    let data_dir = config.data_dir();
    std::fs::create_dir_all(&data_dir).with_context(|| format!("{} cannot be created", data_dir.display()))?;
    let member = config.pipeline.member.take().map_or_else(|| parts::member_name(&data_dir), Ok)?;
    config.pipeline.member = Some(member.clone());
    Ok(member)
}

/// Accounts and alerts, for the roles that have to do with them.
async fn open_identity(plan: &Plan) -> Result<Option<Arc<Identity>>> {
    let roles = &plan.config.roles;
    if !roles.has(Role::Realtime) && !roles.has(Role::Console) {
        return Ok(None);
    }
    Ok(Some(Arc::new(Identity::open(&plan.config.identity).await?)))
}

fn open_gateway(
    plan: &Plan,
    policies: Option<Arc<PolicySet>>,
    pipeline: &Running,
    state: Option<Arc<dyn State>>,
) -> Result<Option<Gateway>> {
    let (Some(policies), Some(sink), Some(state)) = (policies, pipeline.sink(), state) else { return Ok(None) };
    let gateway = Gateway::new(plan.config.gateway.clone(), policies, sink).map_err(all_of)?;
    Ok(Some(gateway.sharing_collections(state)))
}

fn install_metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BOUNDS)?
        .install_recorder()?;
    Ok(handle)
}

/// Waits until the process is told to stop; meanwhile takes up changed rules when it is told to.
async fn wait_to_stop(plan: &Plan, policies: Option<Arc<PolicySet>>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let reloading = tokio::spawn(reload::on_hangup(plan.config.clone(), policies));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    reloading.abort();
    Ok(())
}

/// One error that says all.
fn all_of(errors: Vec<parapet_gateway::ConfigError>) -> anyhow::Error {
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    anyhow!("{}", errors.join("\n"))
}

/// Prints configuration errors, one a line.
#[allow(clippy::print_stderr, reason = "the command line talks to a person")]
pub fn report(errors: &[ConfigError]) {
    for error in errors {
        eprintln!("error: {error}");
    }
    let count = errors.len();
    eprintln!("{count} {} in the configuration; nothing was started", if count == 1 { "error" } else { "errors" });
}
