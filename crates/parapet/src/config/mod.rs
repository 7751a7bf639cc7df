//! The configuration file: the sections of all rooms in one.

pub mod load;
pub mod section;
pub mod source;

use crate::run::roles::Roles;
use load::ConfigError;
use parapet_ports::node::Role;
use section::Section;
use serde::Deserialize;
use source::Source;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the configuration is looked for when none is named.
const DEFAULT_FILE: &str = "/etc/parapet/parapet.toml";

/// Everything that can be configured. Each section belongs to one room, which documents it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where Parapet keeps everything it writes. Default: `~/.local/share/parapet`.
    pub data_dir: Option<PathBuf>,
    /// Parts of the work that this process has. Default: all.
    pub roles: Roles,
    /// The other processes of this installation.
    pub peers: parapet_backends::peers::Config,
    /// Parapet's own log.
    pub log: crate::logging::Config,
    /// Rules of the policy.
    pub rules: crate::rules::Config,
    /// Listeners, sites and limits.
    pub gateway: parapet_gateway::Config,
    /// Logs of other WAFs, by name.
    pub sources: BTreeMap<String, Source>,
    /// Router, tracks and alerting.
    pub pipeline: parapet_pipeline::Config,
    /// The three streams of the pipeline.
    pub streams: Streams,
    /// Where events are kept.
    pub store: Store,
    /// What instances share for a while: counters of rules.
    pub state: State,
    /// Where alerts go, by name.
    pub channels: BTreeMap<String, Section>,
    /// Accounts and the control database.
    pub identity: parapet_identity::Config,
    /// Console and API.
    pub console: parapet_console::Config,
}

/// The `[streams]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// Between the gateway and the router.
    pub spool: Section,
    /// The real-time track.
    pub realtime: Section,
    /// The analytics track.
    pub analytics: Section,
}

impl Default for Streams {
    fn default() -> Self {
        let journal = || Section::of_kind("journal");
        // The spool stands between the gateway and a full disk: it gives up the oldest, and counts.
        Streams { spool: journal().with_default("when_full", "drop-oldest"), realtime: journal(), analytics: journal() }
    }
}

/// The `[store]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Store(pub Section);

impl Default for Store {
    fn default() -> Self {
        Store(Section::of_kind("lakehouse"))
    }
}

/// The `[state]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct State(pub Section);

impl Default for State {
    fn default() -> Self {
        State(Section::of_kind("memory"))
    }
}

/// Reads the configuration: the named file, or the default one if it is there, or the built-in
/// defaults; then the environment.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn read(file: Option<&Path>) -> Result<Config, Vec<ConfigError>> {
    let named = file.map(Path::to_path_buf);
    let path = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
    let (name, text) = match &path {
        None => ("built-in defaults".to_owned(), String::new()),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                let message = format!("cannot be read: {error}");
                vec![ConfigError { place: name.clone(), message, hint: None }]
            })?;
            (name, text)
        }
    };
    let environment = std::env::vars().filter(|(name, _)| name.starts_with(load::ENVIRONMENT_PREFIX));
    let mut config: Config = load::load(&name, &text, environment)?;
    if let Some(directory) = path.as_deref().and_then(Path::parent) {
        config.resolve_paths(directory);
    }
    Ok(config)
}

impl Config {
    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    /// Where rule sets are installed.
    pub fn rule_sets(&self) -> PathBuf {
        self.data_dir().join("crs")
    }

    /// Whether the gateway is part of it: with sources and no site, Parapet only takes in what other
    /// WAFs log.
    pub fn has_gateway(&self) -> bool {
        self.roles.has(Role::Gateway) && (!self.gateway.sites.is_empty() || self.sources.is_empty())
    }

    /// Relative rule files and scripts are meant from the configuration file's directory.
    fn resolve_paths(&mut self, directory: &Path) {
        let rules = &mut self.rules;
        for path in rules.before.iter_mut().chain(&mut rules.after).chain(&mut rules.setup) {
            *path = directory.join(&*path);
        }
        if let Some(script) = &mut self.pipeline.classification.script {
            *script = directory.join(&*script);
        }
    }
}

/// A service sets `data_dir` in its configuration file; without one, the user's own directory.
fn default_data_dir() -> PathBuf {
    let own = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let own = own.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    own.map_or_else(|| PathBuf::from("/var/lib/parapet"), |directory| directory.join("parapet"))
}
