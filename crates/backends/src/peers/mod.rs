//! The other processes of this installation, asked over their API ([`parapet_ports::node`]).
//!
//! Where a console has neither the history nor the alerts in its own process, it asks whoever has
//! them. Each question goes to every peer with the role for it, and the answers become one: peers of
//! the same role share the work, so each knows a part. If one of them is away the question fails and
//! names it: half an answer that looks whole would be worse than none.
//!
//! ```toml
//! [peers]
//! token = "a long random text, the same in all processes"
//! urls = ["https://waf-1.internal:9090", "https://waf-2.internal:9090"]
//! [peers.tls]
//! ca_file = "/etc/parapet/tls/ca.pem"
//! ```
//!
//! The token and the events are for nobody else to read: a peer on another machine is asked by HTTPS
//! (there `console.tls`, or a proxy that speaks it), unless `allow_plain_http` says that the network in
//! between is trusted.

mod alerts;
mod events;
mod live;
mod status;

use crate::egress::Target;
use crate::tls::{self, Tls};
use futures::future::{join_all, try_join_all};
use parapet_ports::node::{NodeStatus, PREFIX, Role};
use parapet_ports::{AlertStore, ErrorKind, EventStore, Ledger, LiveFeed, PortError, Secret, TrafficSource};
use reqwest::{Certificate, Client, ClientBuilder, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// The `[peers]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What processes of one installation show each other; with it this process answers its peers.
    /// At least 32 characters.
    pub token: Option<Secret>,
    /// Where the other processes listen (their `console.bind`), for a process that asks them.
    pub urls: Vec<String>,
    /// Authorities that sign the peers' certificates, instead of the system's, and the certificate that
    /// this process shows them.
    pub(crate) tls: Tls,
    /// Lets `urls` name other machines without TLS. Default false.
    pub allow_plain_http: bool,
}

/// Shortest token that is not worth guessing at.
const TOKEN_MIN: usize = 32;
/// A peer that has not answered by then is away.
const ANSWER_MAX: Duration = Duration::from_secs(20);

impl Config {
    /// Checks the table without any I/O.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn validate(&self) -> Result<(), Vec<PortError>> {
        let wrong = |what: String| PortError::new(ErrorKind::Config, format!("peers.{what}"));
        let mut errors: Vec<_> = self.targets().filter_map(Result::err).collect();
        errors.extend(self.tls.validate("peers").err());
        let readable = self.targets().flatten().filter(Target::is_readable_on_the_way);
        if let Some(target) = readable.into_iter().find(|_| !self.allow_plain_http) {
            errors.push(wrong(format!(
                "urls: {target} would send the token and events in plain text; use https (console.tls there), or set \
                 peers.allow_plain_http = true if nobody else is on that network"
            )));
        }
        match &self.token {
            Some(token) if token.expose().len() < TOKEN_MIN => {
                errors.push(wrong(format!(
                    "token: is shorter than {TOKEN_MIN} characters; `openssl rand -hex 32` makes a good one"
                )));
            }
            None if !self.urls.is_empty() => {
                errors.push(wrong("token: is missing; it is what the peers of `urls` ask for".to_owned()));
            }
            _ => {}
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn nodes(&self) -> Result<Vec<Node>, PortError> {
        let token = self.token.clone().unwrap_or_else(|| Secret::new(""));
        let node = |target: Result<Target, PortError>| {
            let target = target?;
            let client = target.build(self.secured(target.client_builder())?)?;
            Ok(Node { client, name: target.to_string(), target, token: token.clone(), status: Arc::default() })
        };
        self.targets().map(node).collect()
    }

    /// The client's side of TLS.
    fn secured(&self, builder: ClientBuilder) -> Result<ClientBuilder, PortError> {
        let unusable = |path: &Path, error: reqwest::Error| {
            PortError::new(ErrorKind::Config, format!("peers: tls: {} cannot be used", path.display()))
                .with_source(error)
        };
        let mut builder = builder;
        if let Some(path) = &self.tls.ca_file {
            let authorities = Certificate::from_pem_bundle(&tls::read("peers", path)?);
            builder = builder.tls_certs_only(authorities.map_err(|error| unusable(path, error))?);
        }
        if let (Some(certificate), Some(key)) = (&self.tls.certificate_file, &self.tls.key_file) {
            let pem = [tls::read("peers", certificate)?, b"\n".to_vec(), tls::read("peers", key)?].concat();
            let identity = reqwest::Identity::from_pem(&pem);
            builder = builder.identity(identity.map_err(|error| unusable(certificate, error))?);
        }
        Ok(builder)
    }

    fn targets(&self) -> impl Iterator<Item = Result<Target, PortError>> {
        // Peers are inside by nature, so private addresses are what is expected.
        self.urls.iter().map(|url| Target::new("peers.urls", &Secret::new(url.as_str()), true))
    }
}

/// Asks processes once what they say of themselves: the one whose socket this is, if there is one, and the
/// peers of the table. Each answer comes with the name of who gave it.
///
/// # Errors
/// `Config` for a table that [`Config::validate`] refuses, or a certificate that cannot be used.
pub async fn ask_status(
    config: &Config,
    socket: Option<&Path>,
) -> Result<Vec<(String, Result<NodeStatus, PortError>)>, PortError> {
    let mut nodes = config.nodes()?;
    if let Some(socket) = socket {
        let target = Target::new("socket", &Secret::new("http://localhost"), true)?;
        let client = target.build(target.client_builder().unix_socket(socket))?;
        let name = socket.display().to_string();
        nodes.insert(0, Node { client, name, target, token: Secret::new(""), status: Arc::default() });
    }
    let ask = |node: Node| async move {
        let status = match node.send(node.request(Method::GET, "status")).await {
            Ok(answer) => node.read(answer).await,
            Err(error) => Err(error),
        };
        (node.name, status)
    };
    Ok(join_all(nodes.into_iter().map(ask)).await)
}

/// All peers; cheap to clone.
#[derive(Clone)]
pub struct Peers {
    nodes: Arc<[Node]>,
    /// Ends the tasks with the last clone.
    _tasks: Arc<JoinSet<()>>,
}

impl Peers {
    /// Starts to watch the peers: their status once a second, and what happens on them, which goes to
    /// `live`. A peer need not be there yet.
    ///
    /// # Errors
    /// `Config` for a table that [`Config::validate`] refuses, `Unavailable` if there can be no client.
    pub fn watch(config: &Config, live: &LiveFeed) -> Result<Peers, PortError> {
        let nodes = config.nodes()?;
        let mut tasks = JoinSet::new();
        for node in &nodes {
            tasks.spawn(status::follow(node.clone()));
            tasks.spawn(live::follow(node.clone(), live.clone()));
        }
        Ok(Peers { nodes: nodes.into(), _tasks: Arc::new(tasks) })
    }

    /// The history of events, over all peers that have a part of it.
    pub fn events(&self) -> Arc<dyn EventStore> {
        Arc::new(events::PeerEvents { peers: self.clone() })
    }

    /// The alerts, over all peers that keep some.
    pub fn alerts(&self) -> Arc<dyn AlertStore> {
        Arc::new(alerts::PeerAlerts { peers: self.clone() })
    }

    /// The account of events, this process and its peers together.
    pub fn ledger(&self, own: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        Arc::new(status::WholeLedger { own, peers: self.clone() })
    }

    /// Totals of all gateways, this process and its peers together.
    pub fn traffic(&self, own: Option<Arc<dyn TrafficSource>>) -> Arc<dyn TrafficSource> {
        Arc::new(status::WholeTraffic { own, peers: self.clone() })
    }

    /// What each peer last said of itself; `Err` with the reason for one that is away.
    pub fn status(&self) -> Vec<(String, Result<NodeStatus, String>)> {
        self.nodes.iter().map(|node| (node.target.to_string(), node.known())).collect()
    }

    /// The peers with a role.
    ///
    /// # Errors
    /// `Unavailable` if none has it, or if it is not known of a peer whether it does.
    fn with(&self, role: Role) -> Result<Vec<&Node>, PortError> {
        let mut found = Vec::new();
        for node in self.nodes.iter() {
            match node.known() {
                Ok(status) if status.roles.contains(&role) => found.push(node),
                Ok(_) => {}
                Err(reason) => {
                    return Err(PortError::new(ErrorKind::Unavailable, format!("peer {}: {reason}", node.target)));
                }
            }
        }
        if found.is_empty() {
            let message = format!("no peer has the role {role}; add its address to peers.urls");
            return Err(PortError::new(ErrorKind::Unavailable, message));
        }
        Ok(found)
    }

    /// Asks every peer with a role the same question.
    async fn ask_all<A: DeserializeOwned>(
        &self,
        role: Role,
        path: &str,
        question: &(impl Serialize + Sync),
    ) -> Result<Vec<A>, PortError> {
        try_join_all(self.with(role)?.into_iter().map(|node| node.ask(path, question))).await
    }
}

/// One peer.
#[derive(Clone)]
struct Node {
    /// What it is called in messages.
    name: String,
    client: Client,
    target: Target,
    token: Secret,
    /// What it last said of itself; `None` before it was asked.
    status: Arc<Mutex<Option<Result<NodeStatus, String>>>>,
}

impl Node {
    fn known(&self) -> Result<NodeStatus, String> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone().unwrap_or_else(|| Err("has not answered yet".to_owned()))
    }

    fn note(&self, status: Result<NodeStatus, String>) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut url = self.target.url();
        url.set_path(&format!("{PREFIX}/{path}"));
        self.client.request(method, url).bearer_auth(self.token.expose())
    }

    /// Asks a question with a body.
    async fn ask<A: DeserializeOwned>(&self, path: &str, question: &(impl Serialize + Sync)) -> Result<A, PortError> {
        let answer = self.send(self.request(Method::POST, path).json(question)).await?;
        self.read(answer).await
    }

    /// Looks one thing up; `None` if the peer does not have it.
    async fn look_up<A: DeserializeOwned>(&self, path: &str) -> Result<Option<A>, PortError> {
        match self.send(self.request(Method::GET, path)).await? {
            answer if answer.status() == StatusCode::NOT_FOUND => Ok(None),
            answer => self.read(answer).await.map(Some),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, PortError> {
        request.timeout(ANSWER_MAX).send().await.map_err(|error| self.target.failure(error))
    }

    async fn read<A: DeserializeOwned>(&self, answer: reqwest::Response) -> Result<A, PortError> {
        self.target.read_status(answer.status(), answer.headers())?;
        answer.json().await.map_err(|error| self.target.failure(error))
    }
}
