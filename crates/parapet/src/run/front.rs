//! What the listener of this process serves: people, if it has the role console; probes and peers in
//! any case.

use super::plan::Plan;
use anyhow::{Result, anyhow};
use metrics_exporter_prometheus::PrometheusHandle;
use parapet_backends::peers::Peers;
use parapet_console::{Console, Front, Info, Node, PeerApi};
use parapet_identity::Identity;
use parapet_pipeline::{Parts, Running};
use parapet_ports::awaited::Waiting;
use parapet_ports::node::{NodeStatus, Role};
use parapet_ports::traffic::TrafficTotals;
use parapet_ports::{AlertStore, EventStore, Ledger, LiveFeed, TrafficSource};
use std::sync::Arc;
use std::time::Instant;

/// The traffic of a Parapet that only takes in what other WAFs log: it sees no requests.
struct NoTraffic;

impl TrafficSource for NoTraffic {
    fn totals(&self) -> TrafficTotals {
        TrafficTotals::default()
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the history and the alerts of this process are, kept aside before the pipeline takes them.
#[derive(Clone, Default)]
pub struct Kept {
    events: Option<Arc<dyn EventStore>>,
    alerts: Option<Arc<dyn AlertStore>>,
}

impl Kept {
    /// What the parts hold.
    pub fn of(parts: &Parts) -> Kept {
        Kept {
            events: parts.analytics.as_ref().map(|analytics| analytics.store.clone()),
            alerts: parts.realtime.as_ref().map(|realtime| realtime.alerts.clone()),
        }
    }
}

/// What is running in this process.
pub struct Inside<'a> {
    /// What was configured.
    pub plan: &'a Plan,
    /// Its name among the members.
    pub member: String,
    /// Accounts and alerts, if a role needs them.
    pub identity: Option<Arc<Identity>>,
    /// The other processes, if any are named.
    pub peers: Option<Peers>,
    /// The pipeline.
    pub pipeline: &'a Running,
    /// What its roles keep.
    pub kept: Kept,
    /// What was not there when the process started.
    pub waiting: Arc<[Waiting]>,
    /// Totals of the gateway, if it runs here.
    pub traffic: Option<Arc<dyn TrafficSource>>,
    /// What just happened.
    pub live: LiveFeed,
    /// All metrics.
    pub metrics: PrometheusHandle,
    /// When the process started.
    pub started: Instant,
}

impl Inside<'_> {
    /// What the listener serves.
    ///
    /// # Errors
    /// If the role console lacks what it needs, which the plan's checks rule out.
    pub fn front(self) -> Result<Front> {
        let node = self.node();
        if !self.plan.config.roles.has(Role::Console) {
            return Ok(node.into());
        }
        let missing = || anyhow!("the role console has neither the role that keeps this nor a peer");
        let identity = self.identity.clone().ok_or_else(missing)?;
        let peers = self.peers.as_ref();
        let console = Console {
            store: self.kept.events.clone().or_else(|| peers.map(Peers::events)).ok_or_else(missing)?,
            alerts: self.kept.alerts.clone().or_else(|| peers.map(Peers::alerts)).ok_or_else(missing)?,
            accounts: identity,
            traffic: match peers {
                Some(peers) => peers.traffic(self.traffic.clone()),
                None => self.traffic.clone().unwrap_or_else(|| Arc::new(NoTraffic)),
            },
            ledger: self.ledger(),
            live: self.live.clone(),
            info: self.info(),
            node,
        };
        Ok(console.into())
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        let own = self.pipeline.ledger();
        match &self.peers {
            Some(peers) => peers.ledger(own),
            None => own,
        }
    }

    fn node(&self) -> Node {
        let metrics = self.metrics.clone();
        Node {
            metrics: Arc::new(move || metrics.render()),
            readiness: Arc::new(self.problems()),
            peers: Some(PeerApi {
                token: self.plan.config.peers.token.clone(),
                status: Arc::new(self.status()),
                events: self.kept.events.clone(),
                alerts: self.kept.alerts.clone(),
                live: self.live.clone(),
            }),
        }
    }

    /// What is wrong with this process, peers that it asks included.
    fn problems(&self) -> impl Fn() -> Vec<String> + Send + Sync + 'static {
        let (own, peers) = (self.own_problems(), self.peers.clone());
        move || {
            let mut problems = own();
            let status = peers.iter().flat_map(Peers::status);
            problems.extend(status.filter_map(|(peer, status)| Some(format!("peer {peer} {}", status.err()?))));
            problems
        }
    }

    fn own_problems(&self) -> impl Fn() -> Vec<String> + Clone + Send + Sync + 'static {
        let (health, waiting) = (self.pipeline.health(), self.waiting.clone());
        move || {
            let mut problems: Vec<_> = waiting.iter().filter_map(|waiting| waiting()).collect();
            problems.extend(health.problems());
            problems
        }
    }

    fn status(&self) -> impl Fn() -> NodeStatus + Send + Sync + 'static {
        let (name, roles, sites) = (self.member.clone(), self.plan.config.roles.list(), self.plan.site_names());
        let (ledger, problems) = (self.pipeline.ledger(), self.own_problems());
        let (policy, traffic) = (self.plan.policy.clone(), self.traffic.clone());
        move || NodeStatus {
            name: name.clone(),
            version: VERSION.to_owned(),
            roles: roles.clone(),
            policy: policy.as_ref().map(|policy| policy.hash().to_owned()),
            sites: sites.clone(),
            traffic: traffic.as_ref().map(|traffic| traffic.totals()),
            ledger: ledger.snapshot(),
            workers: ledger.workers(),
            problems: problems(),
        }
    }

    fn info(&self) -> Info {
        let (policy, own_sites) = (self.plan.policy.clone(), self.plan.site_names());
        let (asked, peers) = (self.peers.clone(), self.peers.clone());
        let known = |peers: &Option<Peers>| -> Vec<NodeStatus> {
            peers.iter().flat_map(Peers::status).filter_map(|(_, status)| status.ok()).collect()
        };
        Info {
            version: VERSION.to_owned(),
            // Gateways that differ are in the middle of a change: all their policies are named.
            policy: Arc::new(move || {
                let mut hashes: Vec<String> = policy.iter().map(|policy| policy.hash().to_owned()).collect();
                hashes.extend(known(&asked).into_iter().filter_map(|status| status.policy));
                hashes.sort();
                hashes.dedup();
                hashes.join(", ")
            }),
            sites: Arc::new(move || {
                let mut sites = own_sites.clone();
                sites.extend(known(&peers).into_iter().flat_map(|status| status.sites));
                sites.sort();
                sites.dedup();
                sites
            }),
            started: self.started,
        }
    }
}
