//! Starting everything in one process, and stopping it again.
//!
//! The order is that of the story: streams and store, pipeline, gateway, console. Stopping goes the
//! other way round at the front: the gateway first, so that the pipeline can run empty.

mod banner;
pub mod plan;
mod sample_site;

use crate::config::load::ConfigError;
use anyhow::{Context, Result, anyhow};
use banner::Banner;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parapet_console::{Console, Info, Server};
use parapet_gateway::{Gateway, PolicySet, SiteConfig};
use parapet_identity::Identity;
use parapet_pipeline::sources::intake::Feed;
use parapet_pipeline::{Parts, Pipeline, Running};
use parapet_ports::registry::Place;
use parapet_ports::traffic::TrafficTotals;
use parapet_ports::{AlertStore, EventStore, LiveFeed, TrafficSource};
use plan::Plan;
use sample_site::SampleSite;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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

/// Runs until the process is told to stop.
///
/// # Errors
/// What could not be opened or bound, and what to do about it.
pub async fn run(plan: Plan, sample: Option<SampleSiteHandle>) -> Result<()> {
    let started = Instant::now();
    for warning in plan.policy.iter().flat_map(|policy| policy.warnings()) {
        tracing::warn!(%warning, "a directive of the rules has no meaning here");
    }
    let metrics = install_metrics()?;
    let data_dir = plan.config.data_dir();
    std::fs::create_dir_all(&data_dir).with_context(|| format!("{} cannot be created", data_dir.display()))?;
    let (stop, stopping) = watch::channel(false);
    if let Some(SampleSiteHandle(site)) = sample {
        let mut stopping = stopping.clone();
        tokio::spawn(site.run(async move {
            // An error means that whoever could stop us is gone.
            let _ = stopping.wait_for(|stop| *stop).await;
        }));
    }
    let identity = Arc::new(Identity::open(&plan.config.identity).await?);
    let live = LiveFeed::new(LIVE_MESSAGES_KEPT);
    let (pipeline, store) = start_pipeline(&plan, identity.clone(), live.clone(), &data_dir).await?;
    let gateway = match &plan.policy {
        None => None,
        Some(policy) => {
            let policies = Arc::new(PolicySet::new(policy.clone()));
            let state = plan.state.open(&Place { directory: data_dir.join("state") }).await?;
            let gateway = Gateway::new(plan.config.gateway.clone(), policies, pipeline.sink()).map_err(all_of)?;
            Some(gateway.sharing_collections(state))
        }
    };
    let console = Console {
        store,
        alerts: identity.clone(),
        accounts: identity.clone(),
        traffic: gateway.as_ref().map_or_else(|| Arc::new(NoGateway) as _, |gateway| Arc::new(gateway.traffic()) as _),
        ledger: pipeline.ledger(),
        live,
        metrics: Arc::new(move || metrics.render()),
        readiness: {
            let health = pipeline.health();
            Arc::new(move || health.problems())
        },
        info: info(&plan, started),
    };
    let console = Server::bind(plan.config.console.clone(), console).await?;
    let credential = identity.bootstrap().await?;
    Banner {
        gateway: &gateway.as_ref().map(Gateway::addresses).unwrap_or_default(),
        console: console.address(),
        rules: plan.policy.as_ref().map(|policy| (policy.rule_count(), policy.hash())),
        sources: plan.config.sources.keys().map(String::as_str).collect(),
        credential: credential.as_ref(),
    }
    .print()
    .context("standard output is closed")?;

    let (stop_console, console_stopping) = watch::channel(false);
    let console = tokio::spawn(console.run(console_stopping));
    let gateway = gateway.map(|gateway| tokio::spawn(gateway.run(stopping)));
    wait_for_signal().await?;
    tracing::info!("stopping: finishing requests in flight, then draining the pipeline");
    stop.send_replace(true);
    if let Some(gateway) = gateway {
        gateway.await.context("the gateway ended badly")??;
    }
    if !pipeline.shutdown().await {
        tracing::warn!("some events were not processed in time; they are processed after the next start");
    }
    stop_console.send_replace(true);
    console.await.context("the console ended badly")?;
    identity.close().await;
    Ok(())
}

/// Opens streams, store and channels and starts the pipeline over them.
async fn start_pipeline(
    plan: &Plan,
    alerts: Arc<dyn AlertStore>,
    live: LiveFeed,
    data_dir: &Path,
) -> Result<(Running, Arc<dyn EventStore>)> {
    let place = |name: &str| Place { directory: data_dir.join(name) };
    let store = plan.store.open(&place("store")).await?;
    let mut channels = Vec::new();
    for (name, channel) in &plan.channels {
        channels.push(channel.open(&place("channels").under(name)).await?);
    }
    let mut sources = Vec::new();
    for (name, source) in &plan.sources {
        let source = source.open(&place("sources").under(name)).await?;
        let config = plan.config.sources.get(name);
        let site = config.and_then(|config| config.site.clone()).unwrap_or_else(|| name.clone());
        sources.push(Feed { source, site, format: config.map(|config| config.format).unwrap_or_default() });
    }
    let parts = Parts {
        sources,
        spool: plan.spool.open(&place("spool")).await?,
        realtime: plan.realtime.open(&place("realtime")).await?,
        analytics: plan.analytics.open(&place("analytics")).await?,
        store: store.clone(),
        alerts,
        channels,
        live,
        directory: data_dir.join("pipeline"),
    };
    Ok((Pipeline::start(plan.config.pipeline.clone(), parts).await?, store))
}

fn info(plan: &Plan, started: Instant) -> Info {
    let policy = plan.policy.as_ref().map(|policy| policy.hash().to_owned()).unwrap_or_default();
    let config = &plan.config;
    let of_sources = config.sources.iter().map(|(name, source)| source.site.as_ref().unwrap_or(name).clone());
    let mut sites: Vec<_> = config.gateway.sites.iter().map(|site| site.name.clone()).chain(of_sources).collect();
    sites.sort();
    sites.dedup();
    Info { version: env!("CARGO_PKG_VERSION").to_owned(), policy: Arc::new(move || policy.clone()), sites, started }
}

/// The traffic of a Parapet that only takes in what other WAFs log: it sees no requests.
struct NoGateway;

impl TrafficSource for NoGateway {
    fn totals(&self) -> TrafficTotals {
        TrafficTotals::default()
    }
}

fn install_metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BOUNDS)?
        .install_recorder()?;
    Ok(handle)
}

async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
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
