//! Which Redis servers, and how to log in: the options that every plugin on Redis has.
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `mode` | `single`; `sentinel`: `addresses` are the sentinels; `cluster`: `addresses` are some of its nodes | `single` |
//! | `addresses` | servers as `HOST:PORT` | `["127.0.0.1:6379"]` |
//! | `master` | name of the master that the sentinels watch | – |
//! | `database` | number of the database | 0 |
//! | `username`, `password` | ACL user | none |
//! | `sentinel_username`, `sentinel_password` | user at the sentinels | none |
//! | `tls` | table; its presence turns TLS on | none |
//! | `tls.ca_file` | authorities to trust | the system's |
//! | `tls.certificate_file`, `tls.key_file` | client certificate and its key | none |
//! | `timeout_ms` | limit of connecting and of an answer | 5000 |

use crate::tls::Tls;
use parapet_ports::registry::Settings;
use parapet_ports::{ErrorKind, PortError, Secret};
use serde::Deserialize;

/// Names of the options.
const OPTIONS: [&str; 10] = [
    "mode",
    "addresses",
    "master",
    "database",
    "username",
    "password",
    "sentinel_username",
    "sentinel_password",
    "tls",
    "timeout_ms",
];

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

/// The options.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Servers {
    pub(crate) mode: Mode,
    pub(crate) addresses: Vec<String>,
    pub(crate) master: Option<String>,
    pub(crate) database: u16,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) sentinel_username: Option<String>,
    pub(crate) sentinel_password: Option<Secret>,
    pub(crate) tls: Option<Tls>,
    pub(crate) timeout_ms: u64,
}

impl Default for Servers {
    fn default() -> Self {
        Servers {
            mode: Mode::Single,
            addresses: vec!["127.0.0.1:6379".into()],
            master: None,
            database: 0,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            tls: None,
            timeout_ms: 5000,
        }
    }
}

impl Servers {
    /// Takes these options out of a plugin's table, which keeps its own, and checks them.
    ///
    /// # Errors
    /// `Config`, naming the plugin and the option.
    pub(crate) fn take(settings: &mut Settings) -> Result<Servers, PortError> {
        let mut table = toml::Table::new();
        for option in OPTIONS {
            if let Some(value) = settings.table.remove(option) {
                table.insert(option.to_owned(), value);
            }
        }
        let name = settings.name.clone();
        let servers: Servers = Settings { name: name.clone(), table }.decode()?;
        if let Some(tls) = &servers.tls {
            tls.validate(&name)?;
        }
        match servers.problem() {
            Some(problem) => Err(PortError::new(ErrorKind::Config, format!("{name}: {problem}"))),
            None => Ok(servers),
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
