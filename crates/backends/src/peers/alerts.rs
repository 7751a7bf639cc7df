//! Alerts, each kept by the peer that raised it.

use super::Peers;
use async_trait::async_trait;
use futures::future::try_join_all;
use parapet_event::{Alert, AlertState};
use parapet_ports::alerts::AlertQuery;
use parapet_ports::node::{Role, Triage};
use parapet_ports::{AlertStore, ErrorKind, PortError};
use reqwest::{Method, StatusCode};
use std::cmp::Reverse;
use std::net::IpAddr;
use ulid::Ulid;

pub(super) struct PeerAlerts {
    pub(super) peers: Peers,
}

#[async_trait]
impl AlertStore for PeerAlerts {
    async fn put(&self, _alert: &Alert) -> Result<(), PortError> {
        Err(PortError::new(ErrorKind::Unsupported, "alerts are raised by the role realtime, not here"))
    }

    async fn get(&self, id: Ulid) -> Result<Option<Alert>, PortError> {
        let nodes = self.peers.with(Role::Realtime)?;
        let path = format!("alerts/{id}");
        let answers: Vec<Option<Alert>> = try_join_all(nodes.into_iter().map(|node| node.look_up(&path))).await?;
        Ok(answers.into_iter().flatten().next())
    }

    async fn list(&self, query: &AlertQuery) -> Result<Vec<Alert>, PortError> {
        let answers: Vec<Vec<Alert>> = self.peers.ask_all(Role::Realtime, "alerts/query", query).await?;
        let mut alerts: Vec<_> = answers.into_iter().flatten().collect();
        alerts.sort_by_key(|alert| Reverse(alert.id));
        alerts.dedup_by_key(|alert| alert.id);
        alerts.truncate(query.limit);
        Ok(alerts)
    }

    async fn set_state(&self, id: Ulid, state: AlertState, by: &str, peer: IpAddr) -> Result<bool, PortError> {
        let triage = Triage { state, by: by.to_owned(), from: peer };
        let mut found = false;
        for node in self.peers.with(Role::Realtime)? {
            let request = node.request(Method::POST, &format!("alerts/{id}/state")).json(&triage);
            let answer = node.send(request).await?;
            if answer.status() != StatusCode::NOT_FOUND {
                node.target.read_status(answer.status(), answer.headers())?;
                found = true;
            }
        }
        Ok(found)
    }
}
