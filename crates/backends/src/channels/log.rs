//! `kind = "log"`: writes each alert as one structured line.
//!
//! ```toml
//! kind = "log"
//! file = "/var/log/parapet/alerts.ndjson"
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `tracing` | write to Parapet's own log, level WARN, target `parapet::alert` | `true` |
//! | `file` | also append to this file, one JSON object per line; a relative path is inside the channel's data directory | none |
//!
//! The file is opened for each alert, so it can be rotated at any time. Its directory is created; its
//! mode is 0600, because alerts quote what attackers sent.

use async_trait::async_trait;
use parapet_event::{Alert, SecurityEvent};
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::{Channel, ErrorKind, PortError};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn Channel> =
    Plugin { kind: "log", summary: "Writes alerts as structured lines to the log or to a file", check };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "yes")]
    tracing: bool,
    file: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

fn check(settings: Settings) -> Result<Box<dyn Ready<dyn Channel>>, PortError> {
    let config: Config = settings.decode()?;
    let name = settings.name;
    if !config.tracing && config.file.is_none() {
        let message = format!("{name}: writes nowhere; set `file`, or leave `tracing` on");
        return Err(PortError::new(ErrorKind::Config, message));
    }
    if config.file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
        return Err(PortError::new(ErrorKind::Config, format!("{name}: file: is empty")));
    }
    Ok(Box::new(Log { name, tracing: config.tracing, file: config.file }))
}

struct Log {
    name: String,
    tracing: bool,
    file: Option<PathBuf>,
}

#[async_trait]
impl Ready<dyn Channel> for Log {
    async fn open(&self, place: &Place) -> Result<Arc<dyn Channel>, PortError> {
        let file = self.file.as_ref().map(|file| place.directory.join(file));
        if let Some(file) = file.clone() {
            // Nothing is written yet: this finds out now whether it will be possible.
            blocking(file, Vec::new()).await?;
        }
        Ok(Arc::new(Log { name: self.name.clone(), tracing: self.tracing, file }))
    }
}

#[derive(Serialize)]
struct Line<'a> {
    alert: &'a Alert,
    action: &'a str,
    status: u16,
    method: &'a str,
    host: &'a str,
    uri: &'a str,
    user_agent: &'a str,
}

#[async_trait]
impl Channel for Log {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, alert: &Alert, event: &SecurityEvent) -> Result<(), PortError> {
        let request = &event.request;
        if self.tracing {
            // What the client sent is quoted, so it cannot start a line of its own.
            tracing::warn!(
                target: "parapet::alert",
                alert = %alert.id,
                event = %alert.event_id,
                severity = alert.severity.get(),
                attack_type = alert.attack_type.map(|class| class.as_str()),
                client_ip = %alert.client_ip,
                site = ?alert.site,
                rule_id = alert.rule_id.as_deref(),
                uri = ?request.uri,
                "{}",
                alert.title.escape_debug()
            );
        }
        let Some(file) = &self.file else { return Ok(()) };
        let line = Line {
            alert,
            action: event.action.as_str(),
            status: event.status,
            method: &request.method,
            host: &request.host,
            uri: &request.uri,
            user_agent: &request.user_agent,
        };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| {
            PortError::new(ErrorKind::Rejected, "the alert cannot be written as JSON").with_source(error)
        })?;
        bytes.push(b'\n');
        blocking(file.clone(), bytes).await
    }
}

async fn blocking(file: PathBuf, bytes: Vec<u8>) -> Result<(), PortError> {
    let shown = file.display().to_string();
    let written = tokio::task::spawn_blocking(move || append(&file, &bytes)).await;
    written.map_err(io::Error::other).flatten().map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
            _ => ErrorKind::Unavailable,
        };
        PortError::new(kind, format!("cannot append to {shown}")).with_source(error)
    })
}

fn append(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::example;
    use serde_json::Value;

    fn checked(toml: &str) -> Result<Box<dyn Ready<dyn Channel>>, PortError> {
        (PLUGIN.check)(Settings { name: "log".into(), table: toml.parse().unwrap() })
    }

    #[tokio::test]
    async fn each_alert_is_one_line_whatever_the_client_sent() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place { directory: directory.path().join("log") };
        let channel = checked("file = \"alerts.ndjson\"").unwrap().open(&place).await.unwrap();
        let (alert, mut event) = example::alert();
        event.request.uri = "/\n{\"forged\":1}".into();
        channel.deliver(&alert, &event).await.unwrap();
        std::fs::rename(place.directory.join("alerts.ndjson"), place.directory.join("alerts.1")).unwrap();
        channel.deliver(&alert, &event).await.unwrap();
        for file in ["alerts.1", "alerts.ndjson"] {
            let text = std::fs::read_to_string(place.directory.join(file)).unwrap();
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.len(), 1, "{file}");
            assert_eq!((&lines[0]["uri"], &lines[0]["alert"]["severity"]), (&"/\n{\"forged\":1}".into(), &85.into()));
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_found_at_the_start_and_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("taken"), "").unwrap();
        let place = Place { directory: directory.path().into() };
        let error = checked("file = \"taken/alerts\"").unwrap().open(&place).await.err().unwrap();
        assert!(error.to_string().contains("taken/alerts"), "{error}");
    }

    #[test]
    fn a_log_that_writes_nowhere_is_a_mistake() {
        assert!(checked("").is_ok());
        assert!(checked("tracing = false").err().unwrap().to_string().contains("writes nowhere"));
        assert!(checked("file = \"\"").is_err());
        assert!(checked("path = \"x\"").err().unwrap().to_string().contains("unknown field `path`"));
    }
}
