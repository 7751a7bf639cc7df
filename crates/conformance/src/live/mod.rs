//! The suites against a gateway that is running: raw bytes over TCP, a real backend behind it, and the
//! rules read from the logs that it writes.
//!
//! This room does not know the gateway; whoever runs a suite starts one and says where it listens
//! ([`Start`]).

pub(crate) mod backend;
mod client;
mod logs;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use parapet_engine::Policy;
use tempfile::TempDir;

use crate::crs::exchange::{Outcome, Server};
use backend::{Backend, BackendServer};
use logs::{Logged, Logs};

/// Rule that logs a marker; the one that CRS's own runner uses.
pub(crate) const MARKER_RULE: u32 = 999_999;
/// Requests that are in flight at the same time: most of a test's time is waiting.
pub(crate) const CONNECTIONS: usize = 8;
/// Longest wait for a log to be written.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at the logs.
const PAUSE: Duration = Duration::from_micros(500);

/// Every transaction is logged, and a marker is logged and otherwise ignored.
pub(crate) const RULES: &str = r#"
SecAuditEngine On
SecRule REQUEST_HEADERS:X-CRS-Test "@rx ^.+$" \
    "id:999999,phase:1,t:none,pass,log,msg:'X-CRS-Test %{MATCHED_VAR}',ctl:ruleRemoveById=1-999999"
"#;

/// What a gateway is to be started with. It must listen on a loopback address.
pub struct Site {
    /// Its rules.
    pub policy: Arc<Policy>,
    /// Its only upstream.
    pub upstream: SocketAddr,
    /// Where its audit log belongs, in libmodsecurity's JSON form.
    pub audit_log: PathBuf,
    /// Where its error log belongs.
    pub error_log: PathBuf,
}

/// A gateway that listens. Dropping it stops it.
pub trait RunningGateway: Send + Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddr;
}

/// Starts a gateway, or says why it cannot.
pub type Start<'s> = &'s dyn Fn(Site) -> Result<Box<dyn RunningGateway>, String>;

/// A gateway under test with everything around it.
pub(crate) struct Live {
    address: SocketAddr,
    logs: Mutex<Logs>,
    // Dropped in this order: the gateway must go before its upstream and its logs.
    _gateway: Box<dyn RunningGateway>,
    _backend: BackendServer,
    _directory: TempDir,
}

impl Live {
    /// Starts a backend, and a gateway in front of it.
    ///
    /// # Errors
    /// Why it does not run.
    pub(crate) fn start(policy: Arc<Policy>, backend: Backend, start: Start<'_>) -> Result<Live, String> {
        let problem = |what: &str, error: &io::Error| format!("{what}: {error}");
        let directory = tempfile::tempdir().map_err(|error| problem("no directory for logs", &error))?;
        let backend = BackendServer::start(backend).map_err(|error| problem("no backend", &error))?;
        let (audit_log, error_log) = (directory.path().join("audit.log"), directory.path().join("error.log"));
        let site =
            Site { policy, upstream: backend.address, audit_log: audit_log.clone(), error_log: error_log.clone() };
        let gateway = start(site)?;
        let logs = Logs::open(&audit_log, &error_log).map_err(|error| problem("the gateway writes no logs", &error))?;
        let address = gateway.address();
        Ok(Live { address, logs: Mutex::new(logs), _gateway: gateway, _backend: backend, _directory: directory })
    }

    /// Sends, and waits until the logs say all that they will say about it.
    fn exchange(&self, request: &[u8]) -> io::Result<Outcome> {
        let exchange = client::send(self.address, request)?;
        let logged = self.logged(exchange.port)?;
        Ok(Outcome {
            status: exchange.status,
            ids: logged.ids,
            log: logged.lines,
            response_body: exchange.body,
            ..Outcome::default()
        })
    }

    fn logged(&self, port: u16) -> io::Result<Logged> {
        let marker =
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-CRS-Test: after port {port}\r\nConnection: close\r\n\r\n");
        let marker = client::send(self.address, marker.as_bytes())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.read()?;
            if logs.take_marker(marker.port) {
                return Ok(logs.take(port));
            }
            drop(logs);
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the gateway does not log the marker"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Server for Live {
    fn send(&self, request: &[u8]) -> Outcome {
        self.exchange(request).unwrap_or_else(|error| Outcome {
            note: Some(format!("the exchange failed: {error}").into()),
            ..Outcome::default()
        })
    }
}
