//! `kind = "file"`: follows logs as they are written and rotated.
//!
//! ```toml
//! [sources.edge]
//! kind = "file"
//! paths = ["/var/log/modsec_audit.log", "/var/log/nginx/*.error.log"]
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `paths` | files, with `*`, `?` and `[…]` as in a shell | – |
//! | `start` | `beginning` or `end`: where files that are there at the very first start are read from | `beginning` |
//! | `storage` | the paths are indexes of concurrent audit logs, whose files are in this directory | none |
//! | `poll_ms` | how often files are looked at, 10 to 60,000 | 250 |
//! | `idle_ms` | how long nothing may come before an unfinished record is ended, 100 to 600,000 | 3,000 |
//!
//! Name the live logs, not their rotated files: those are found by themselves, see [`follower`].

mod compressed;
mod followed;
mod follower;
mod head;
mod index;
mod lines;
mod positions;
mod rotated;

pub use compressed::open_log;

use async_trait::async_trait;
use follower::{Follower, Plan};
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::{ErrorKind, EventSource, PortError, RecordSink};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn EventSource> =
    Plugin { kind: "file", summary: "Follows log files of other WAFs as they are written and rotated", check };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    paths: Vec<String>,
    #[serde(default)]
    start: Start,
    storage: Option<PathBuf>,
    #[serde(default = "poll_ms")]
    poll_ms: u64,
    #[serde(default = "idle_ms")]
    idle_ms: u64,
}

/// Where files are read from at the very first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Start {
    #[default]
    Beginning,
    End,
}

fn poll_ms() -> u64 {
    250
}

fn idle_ms() -> u64 {
    3_000
}

fn check(settings: Settings) -> Result<Box<dyn Ready<dyn EventSource>>, PortError> {
    let config: Config = settings.decode()?;
    let wrong = |what: String| Err(PortError::new(ErrorKind::Config, format!("{}: {what}", settings.name)));
    if config.paths.is_empty() {
        return wrong("paths: name at least one file".to_owned());
    }
    for path in &config.paths {
        if let Err(error) = glob::Pattern::new(path) {
            return wrong(format!("paths: \"{path}\" is no pattern: {error}"));
        }
        if !path.starts_with('/') {
            return wrong(format!("paths: \"{path}\" must begin with a slash"));
        }
    }
    if !(10..=60_000).contains(&config.poll_ms) {
        return wrong("poll_ms must lie between 10 and 60000".to_owned());
    }
    if !(100..=600_000).contains(&config.idle_ms) {
        return wrong("idle_ms must lie between 100 and 600000".to_owned());
    }
    if config.storage.as_ref().is_some_and(|storage| !storage.is_absolute()) {
        return wrong("storage: must begin with a slash".to_owned());
    }
    Ok(Box::new(Checked(Plan {
        name: settings.name,
        paths: config.paths,
        start: config.start,
        poll: Duration::from_millis(config.poll_ms),
        idle: Duration::from_millis(config.idle_ms),
        storage: config.storage,
    })))
}

struct Checked(Plan);

#[async_trait]
impl Ready<dyn EventSource> for Checked {
    /// Files need not be there yet.
    async fn open(&self, place: &Place) -> Result<Arc<dyn EventSource>, PortError> {
        Ok(Arc::new(FileSource { plan: self.0.clone(), directory: place.directory.clone() }))
    }
}

struct FileSource {
    plan: Plan,
    directory: PathBuf,
}

#[async_trait]
impl EventSource for FileSource {
    fn name(&self) -> &str {
        &self.plan.name
    }

    async fn run(&self, sink: Arc<dyn RecordSink>, stop: CancellationToken) -> Result<(), PortError> {
        Follower::new(self.plan.clone(), &self.directory, sink)?.run(&stop).await
    }
}

#[cfg(test)]
mod tests;
