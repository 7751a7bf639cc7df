//! Configuration of the gateway, and everything that can be said about it without any I/O.

use crate::collections::CollectionsConfig;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// The `[gateway]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses to listen on, for example `127.0.0.1:8080` or `[::]:80`.
    pub listen: Vec<String>,
    /// Worker threads; each serves its connections alone. 0: one per core.
    pub workers: usize,
    /// Networks or addresses whose `X-Forwarded-*` headers are believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Protected applications. The one with `default = true`, else the first, serves every host that no
    /// site names.
    pub sites: Vec<SiteConfig>,
    /// What one request may cost.
    pub limits: Limits,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// What happens to a request when something inside fails.
    pub fail_policy: FailPolicy,
    /// What never leaves the gateway in an event or a log.
    pub redact: Redact,
    /// Collections that rules keep between requests.
    pub collections: CollectionsConfig,
    /// File for the audit log: one JSON object a line, as libmodsecurity writes it.
    pub audit_log: Option<PathBuf>,
    /// File for findings in the form of an Apache error log.
    pub error_log: Option<PathBuf>,
    /// File for one JSON object per request.
    pub access_log: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec!["127.0.0.1:8080".to_owned()],
            workers: 0,
            trusted_proxies: Vec::new(),
            sites: Vec::new(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            fail_policy: FailPolicy::default(),
            redact: Redact::default(),
            collections: CollectionsConfig::default(),
            audit_log: None,
            error_log: None,
            access_log: None,
        }
    }
}

/// One protected application.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// Name in events, metrics and logs.
    pub name: String,
    /// Host names it serves, without port; `*.example.com` matches every name below `example.com`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Serves the hosts that no site names.
    #[serde(default)]
    pub default: bool,
    /// Servers of the application, for example `http://127.0.0.1:8081`; requests go round.
    pub upstreams: Vec<String>,
    /// Overrides `SecRuleEngine` of the rules.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Passes WebSocket handshakes on.
    #[serde(default = "yes")]
    pub websocket: bool,
    /// Largest request body in bytes, instead of the gateway's limit.
    #[serde(default)]
    pub request_body_bytes: Option<u64>,
}

impl SiteConfig {
    /// A site with these upstreams and everything else at its default.
    pub fn new(name: impl Into<String>, upstreams: Vec<String>) -> Self {
        SiteConfig {
            name: name.into(),
            hosts: Vec::new(),
            default: false,
            upstreams,
            mode: None,
            websocket: true,
            request_body_bytes: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// Override of the rule engine for one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Mode {
    /// Rules run and block.
    On,
    /// Rules run and nothing is blocked.
    DetectionOnly,
    /// No rules run.
    Off,
}

/// What one request may cost. All sizes in bytes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Request line; longer is 414.
    pub request_line_bytes: usize,
    /// Request head; longer is 431.
    pub head_bytes: usize,
    /// Header lines; more is 431.
    pub headers: usize,
    /// Request body; longer is 413.
    pub request_body_bytes: u64,
    /// Part of one body that is held for inspection, even if the rules would allow more.
    pub buffered_body_bytes: usize,
    /// Bodies held for inspection on all connections together; above it requests get 503.
    pub buffered_total_bytes: usize,
    /// Open client connections per worker; further ones are closed at once.
    pub connections_per_worker: usize,
    /// Findings in one event.
    pub findings: usize,
    /// Steps that the rules may take on any request with its response: bytes read, weighted by what
    /// reading them costs at worst. Above it, `fail_policy.engine_limit` applies.
    pub engine_steps: u64,
    /// Steps that they may take on top for each byte of the request and its response.
    pub engine_steps_per_byte: u64,
    /// Memory that the engine may take for one request and its response, their bodies not counted.
    pub engine_working_bytes: usize,
}

impl Limits {
    /// The limits of the rule engine.
    pub fn of_engine(&self) -> parapet_engine::Limits {
        parapet_engine::Limits {
            steps: self.engine_steps,
            steps_per_byte: self.engine_steps_per_byte,
            working_bytes: self.engine_working_bytes,
            ..parapet_engine::Limits::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let engine = parapet_engine::Limits::default();
        Limits {
            request_line_bytes: 16 * 1024,
            head_bytes: 64 * 1024,
            headers: 200,
            request_body_bytes: 128 * 1024 * 1024,
            buffered_body_bytes: 16 * 1024 * 1024,
            buffered_total_bytes: 512 * 1024 * 1024,
            connections_per_worker: 10_000,
            findings: 200,
            engine_steps: engine.steps,
            engine_steps_per_byte: engine.steps_per_byte,
            engine_working_bytes: engine.working_bytes,
        }
    }
}

/// How long to wait for what, in seconds; fractions are allowed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a whole request head, from its first byte.
    #[serde(deserialize_with = "seconds")]
    pub head: Duration,
    /// For the next part of a request body.
    #[serde(deserialize_with = "seconds")]
    pub body: Duration,
    /// For the next request on an idle connection.
    #[serde(deserialize_with = "seconds")]
    pub keep_alive: Duration,
    /// For the client to take more of an answer.
    #[serde(deserialize_with = "seconds")]
    pub write: Duration,
    /// For a connection to an upstream.
    #[serde(deserialize_with = "seconds")]
    pub upstream_connect: Duration,
    /// For the head of a response; then 504.
    #[serde(deserialize_with = "seconds")]
    pub upstream_response: Duration,
    /// For the next part of a response body.
    #[serde(deserialize_with = "seconds")]
    pub upstream_body: Duration,
    /// How long an idle connection to an upstream is kept.
    #[serde(deserialize_with = "seconds")]
    pub upstream_keep_alive: Duration,
    /// For the next bytes in a tunnelled WebSocket.
    #[serde(deserialize_with = "seconds")]
    pub tunnel: Duration,
    /// For requests in flight when the gateway is asked to stop.
    #[serde(deserialize_with = "seconds")]
    pub shutdown: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Timeouts {
            head: seconds(15),
            body: seconds(30),
            keep_alive: seconds(60),
            write: seconds(30),
            upstream_connect: seconds(5),
            upstream_response: seconds(60),
            upstream_body: seconds(300),
            upstream_keep_alive: seconds(30),
            tunnel: seconds(600),
            shutdown: seconds(30),
        }
    }
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let parse = |text: String| {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is not a network such as 10.0.0.0/8")))
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(parse).collect()
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(u64),
        Fraction(f64),
    }
    let number = match Number::deserialize(deserializer)? {
        Number::Whole(number) => return Ok(Duration::from_secs(number)),
        Number::Fraction(number) => number,
    };
    Duration::try_from_secs_f64(number).map_err(|_| serde::de::Error::custom("not a number of seconds"))
}

/// What happens to a request when something inside fails, on sites whose rules block; where they only
/// detect, failures of the engine never refuse a request. The table of all cases:
///
/// | failure | `open` | `closed` |
/// |---|---|---|
/// | `engine_error`: a defect in the engine while it works on the request | passed on without the verdict | 500 |
/// | `engine_limit`: the request takes the rules more steps or memory than the engine allows, or has more arguments | passed on, inspected in part | 413 |
/// | the same for its response | passed on, inspected in part | 500 |
/// | `spool_full`: events cannot be kept | passed on, the oldest events are dropped and counted | 503 |
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailPolicy {
    /// A defect in the engine.
    pub engine_error: FailDirection,
    /// A limit of the engine.
    pub engine_limit: FailDirection,
    /// No room for events.
    pub spool_full: FailDirection,
}

impl Default for FailPolicy {
    fn default() -> Self {
        FailPolicy {
            engine_error: FailDirection::Closed,
            engine_limit: FailDirection::Closed,
            spool_full: FailDirection::Open,
        }
    }
}

/// Whether a failure lets a request through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailDirection {
    /// The request is passed on.
    Open,
    /// The request is refused.
    Closed,
}

/// What never leaves the gateway in an event or a log, besides `Authorization`, `Proxy-Authorization`,
/// `Cookie` and `Set-Cookie`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redact {
    /// Further header names.
    pub headers: Vec<String>,
    /// Names of request parameters, for example `password`.
    pub arguments: Vec<String>,
}

/// One thing that is wrong with the configuration, or with the machine it meets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct ConfigError {
    /// Where in the table, for example `sites[0].upstreams`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        ConfigError { field: field.into(), message: message.into() }
    }
}

impl Config {
    /// Everything that is wrong; empty for a good configuration. Does no I/O.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.listen.is_empty() {
            errors.push(ConfigError::new("listen", "name at least one address, for example \"127.0.0.1:8080\""));
        }
        for (index, address) in self.listen.iter().enumerate() {
            if address.parse::<SocketAddr>().is_err() {
                let message = format!("\"{address}\" is not an address and port; write for example \"0.0.0.0:8080\"");
                errors.push(ConfigError::new(format!("listen[{index}]"), message));
            }
        }
        if self.sites.is_empty() {
            errors.push(ConfigError::new("sites", "name at least one site with its upstreams"));
        }
        if self.sites.iter().filter(|site| site.default).count() > 1 {
            errors.push(ConfigError::new("sites", "only one site can be the default"));
        }
        self.check_sites(&mut errors);
        if self.limits.head_bytes < self.limits.request_line_bytes {
            errors.push(ConfigError::new("limits.head_bytes", "must not be below limits.request_line_bytes"));
        }
        if self.limits.head_bytes > 16 * 1024 * 1024 {
            errors.push(ConfigError::new("limits.head_bytes", "must not be above 16 MiB"));
        }
        if self.limits.headers == 0 || self.limits.connections_per_worker == 0 {
            errors.push(ConfigError::new("limits", "headers and connections_per_worker must be at least 1"));
        }
        if self.limits.buffered_body_bytes > self.limits.buffered_total_bytes {
            errors
                .push(ConfigError::new("limits.buffered_body_bytes", "must not be above limits.buffered_total_bytes"));
        }
        if let Some((key, message)) = self.collections.check() {
            errors.push(ConfigError::new(format!("collections.{key}"), message));
        }
        errors
    }

    fn check_sites(&self, errors: &mut Vec<ConfigError>) {
        let mut names = HashSet::new();
        let mut hosts = HashSet::new();
        for (index, site) in self.sites.iter().enumerate() {
            if site.name.is_empty() || !names.insert(&site.name) {
                let message = format!("\"{}\": every site needs a name of its own", site.name);
                errors.push(ConfigError::new(format!("sites[{index}].name"), message));
            }
            for host in &site.hosts {
                if host.is_empty() || host.contains([':', '/']) && !host.starts_with('[') {
                    let message = format!("\"{host}\" is not a host name; leave scheme and port out");
                    errors.push(ConfigError::new(format!("sites[{index}].hosts"), message));
                }
                if !hosts.insert(host.to_ascii_lowercase()) {
                    let message = format!("\"{host}\" already belongs to another site");
                    errors.push(ConfigError::new(format!("sites[{index}].hosts"), message));
                }
            }
            if site.upstreams.is_empty() {
                let message = "name at least one upstream, for example \"http://127.0.0.1:8081\"";
                errors.push(ConfigError::new(format!("sites[{index}].upstreams"), message));
            }
            for upstream in &site.upstreams {
                if let Err(message) = upstream.parse::<UpstreamAddress>() {
                    errors.push(ConfigError::new(format!("sites[{index}].upstreams"), message));
                }
            }
        }
    }
}

/// Address of one upstream server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamAddress {
    /// Name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// Whether to speak TLS.
    pub(crate) tls: bool,
}

impl std::str::FromStr for UpstreamAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not an upstream; write for example \"http://127.0.0.1:8081\"");
        let (tls, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(wrong()),
            None => (false, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest, if tls { 443 } else { 80 }),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || port == 0 || host.contains(['/', '@', '?', '#', '[', ']', ' ']) {
            return Err(wrong());
        }
        Ok(UpstreamAddress { host: host.to_owned(), port, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str) -> SiteConfig {
        SiteConfig::new(name, vec!["127.0.0.1:1".to_owned()])
    }

    #[test]
    fn a_good_configuration_has_no_errors() {
        let config = Config { sites: vec![site("shop")], ..Config::default() };
        assert_eq!(config.check(), []);
    }

    #[test]
    fn every_error_is_found_and_names_its_field() {
        let config = Config {
            listen: vec!["localhost:80".to_owned()],
            sites: vec![
                SiteConfig { hosts: vec!["a.example:80".to_owned()], ..site("a") },
                SiteConfig { upstreams: vec!["ftp://x".to_owned()], ..site("a") },
                SiteConfig { upstreams: Vec::new(), ..site("b") },
            ],
            ..Config::default()
        };
        let errors: Vec<_> = config.check().into_iter().map(|error| error.field).collect();
        assert_eq!(
            errors,
            ["listen[0]", "sites[0].hosts", "sites[1].name", "sites[1].upstreams", "sites[2].upstreams"]
        );
    }

    #[test]
    fn upstream_addresses_are_read() {
        let parse = |text: &str| text.parse::<UpstreamAddress>().map(|a| (a.host, a.port, a.tls));
        assert_eq!(parse("http://10.0.0.1:8081/"), Ok(("10.0.0.1".to_owned(), 8081, false)));
        assert_eq!(parse("https://app.example"), Ok(("app.example".to_owned(), 443, true)));
        assert_eq!(parse("http://[::1]:90"), Ok(("::1".to_owned(), 90, false)));
        assert_eq!(parse("http://[::1]"), Ok(("::1".to_owned(), 80, false)));
        assert!(parse("http://a/b:80").is_err());
        assert!(parse("http://a:99999").is_err());
    }
}
