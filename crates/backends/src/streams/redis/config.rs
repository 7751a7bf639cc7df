//! Configuration of a Redis stream.

use crate::streams::tls::Tls;
use crate::streams::wire::Encoding;
use parapet_ports::{ErrorKind, PortError, Secret};
use serde::Deserialize;

/// How the servers are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// One server.
    #[default]
    Single,
    /// Sentinels, which know the master.
    Sentinel,
    /// A cluster, which knows where the stream is.
    Cluster,
}

/// What an append does at `max_events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenFull {
    /// It fails with `Full`; nothing that was accepted is given up.
    #[default]
    Reject,
    /// The oldest entries go, and each group that had not acknowledged them counts them as dropped.
    DropOldest,
}

impl WhenFull {
    /// Its name for the script.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            WhenFull::Reject => "reject",
            WhenFull::DropOldest => "drop-oldest",
        }
    }
}

/// The table; see the top of the module for what each field means.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) mode: Mode,
    pub(crate) addresses: Vec<String>,
    pub(crate) master: Option<String>,
    pub(crate) stream: Option<String>,
    pub(crate) database: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) sentinel_username: Option<String>,
    pub(crate) sentinel_password: Option<Secret>,
    pub(crate) tls: Option<Tls>,
    pub(crate) encoding: Encoding,
    pub(crate) max_events: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) retain_events: u64,
    pub(crate) wait_replicas: u32,
    pub(crate) timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mode: Mode::Single,
            addresses: vec!["127.0.0.1:6379".into()],
            master: None,
            stream: None,
            database: 0,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            tls: None,
            encoding: Encoding::Json,
            max_events: 1_000_000,
            when_full: WhenFull::Reject,
            retain_events: 10_000,
            wait_replicas: 0,
            timeout_ms: 5000,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub(crate) fn validate(&self, name: &str) -> Result<(), PortError> {
        if let Some(tls) = &self.tls {
            tls.validate(name)?;
        }
        match self.problem() {
            Some(problem) => Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}"))),
            None => Ok(()),
        }
    }

    fn problem(&self) -> Option<String> {
        if self.addresses.is_empty() {
            return Some("addresses: name at least one server, as \"HOST:PORT\"".into());
        }
        if let Some(address) = self.addresses.iter().find(|address| host_and_port(address).is_none()) {
            return Some(format!("addresses: \"{address}\" is not HOST:PORT"));
        }
        if self.mode == Mode::Single && self.addresses.len() > 1 {
            return Some("addresses: several servers need mode = \"sentinel\" or \"cluster\"".into());
        }
        if (self.mode == Mode::Sentinel) != self.master.is_some() {
            return Some("master: names the master that the sentinels watch; set it with mode = \"sentinel\"".into());
        }
        if self.mode == Mode::Cluster && self.database != 0 {
            return Some("database: a cluster has only database 0".into());
        }
        if self.mode != Mode::Sentinel && (self.sentinel_username.is_some() || self.sentinel_password.is_some()) {
            return Some("sentinel_username, sentinel_password: only with mode = \"sentinel\"".into());
        }
        if (self.username.is_some() && self.password.is_none())
            || (self.sentinel_username.is_some() && self.sentinel_password.is_none())
        {
            return Some("password: a user name needs one".into());
        }
        if self.stream.as_ref().is_some_and(String::is_empty) {
            return Some("stream: is empty".into());
        }
        if self.max_events < 1000 {
            return Some("max_events must be at least 1000".into());
        }
        if self.retain_events > self.max_events {
            return Some("retain_events must not be larger than max_events".into());
        }
        (!(100..=60_000).contains(&self.timeout_ms)).then(|| "timeout_ms must lie between 100 and 60000".into())
    }
}

/// The parts of `HOST:PORT` or `[IPV6]:PORT`.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let ambiguous = bare.is_none() && host.contains(':');
    (!host.is_empty() && !ambiguous).then_some(())?;
    Some((host, port.parse().ok()?))
}
