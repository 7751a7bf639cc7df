//! What each peer says of itself, asked once a second; and the sums over all of them.

use super::{Node, Peers};
use parapet_ports::ledger::HopCount;
use parapet_ports::node::NodeStatus;
use parapet_ports::traffic::TrafficTotals;
use parapet_ports::{Ledger, TrafficSource};
use reqwest::Method;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(1);

/// Keeps what is known of a peer up to date.
pub(super) async fn follow(node: Node) {
    loop {
        let answer = match node.send(node.request(Method::GET, "status")).await {
            Ok(answer) => node.read::<NodeStatus>(answer).await,
            Err(error) => Err(error),
        };
        let status = answer.map_err(|error| format!("is away: {error}"));
        match (&status, node.known()) {
            (Ok(status), Err(_)) => tracing::info!(peer = %node.target, name = status.name, "a peer is there"),
            (Err(error), Ok(_)) => tracing::warn!(peer = %node.target, %error, "a peer is gone"),
            _ => {}
        }
        node.note(status);
        tokio::time::sleep(PERIOD).await;
    }
}

/// The ledger of the installation: the counts of a hop are added up. Those of a peer that is away are
/// missing, which the list of problems says.
pub(super) struct WholeLedger {
    pub(super) own: Arc<dyn Ledger>,
    pub(super) peers: Peers,
}

impl Ledger for WholeLedger {
    fn snapshot(&self) -> BTreeMap<String, HopCount> {
        let mut all = self.own.snapshot();
        for (_, status) in self.peers.status() {
            for (hop, count) in status.map(|status| status.ledger).unwrap_or_default() {
                all.entry(hop).or_default().add(&count);
            }
        }
        all
    }
}

/// Traffic over all gateways.
pub(super) struct WholeTraffic {
    pub(super) own: Option<Arc<dyn TrafficSource>>,
    pub(super) peers: Peers,
}

impl TrafficSource for WholeTraffic {
    fn totals(&self) -> TrafficTotals {
        let peers = self.peers.status().into_iter().filter_map(|(_, status)| status.ok()?.traffic);
        self.own.iter().map(|own| own.totals()).chain(peers).fold(TrafficTotals::default(), |sum, one| TrafficTotals {
            requests: sum.requests + one.requests,
            blocked: sum.blocked + one.blocked,
            rejected: sum.rejected + one.rejected,
            detected: sum.detected + one.detected,
            upstream_errors: sum.upstream_errors + one.upstream_errors,
        })
    }
}
