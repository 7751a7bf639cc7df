//! Puts the gateway together, starts it and stops it.

use crate::budget::Budget;
use crate::collections::Collections;
use crate::config::{Config, ConfigError};
use crate::counters::Totals;
use crate::listen::{self, BoundSocket};
use crate::log_writer::{LogThread, LogWriter};
use crate::policies::PolicySet;
use crate::sites::Sites;
use crate::text::Redactor;
use crate::worker::{Shared, Worker};
use parapet_ports::traffic::TrafficTotals;
use parapet_ports::{EventSink, State, TrafficSource};
use pingora_core::connectors::TransportConnector;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use ulid::Ulid;

/// A gateway that is checked and listens, but does not serve yet.
pub struct Gateway {
    shared: Arc<Shared>,
    sockets: Vec<BoundSocket>,
    log_threads: Vec<LogThread>,
    /// Through which collections are shared.
    state: Option<Arc<dyn State>>,
}

/// The gateway's own count of its requests.
#[derive(Debug, Clone)]
pub struct Traffic(Arc<Totals>);

impl TrafficSource for Traffic {
    fn totals(&self) -> TrafficTotals {
        self.0.snapshot()
    }
}

impl Gateway {
    /// Checks the configuration, resolves the upstreams, opens the logs and starts listening. A metrics
    /// recorder must be installed before, or nothing is recorded.
    ///
    /// # Errors
    /// Everything that is wrong, each with what to do.
    pub fn new(
        config: Config,
        policies: Arc<PolicySet>,
        sink: Arc<dyn EventSink>,
    ) -> Result<Gateway, Vec<ConfigError>> {
        let mut errors = config.check();
        if !errors.is_empty() {
            return Err(errors);
        }
        let sites = Sites::new(&config);
        errors.extend(check_upstreams(&sites));
        let tls = tls_connector(&sites).unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let mut log_threads = Vec::new();
        let mut open = |path: &Option<PathBuf>, name: &'static str| {
            let path = path.as_ref()?;
            match LogWriter::open(path, name) {
                Ok((writer, thread)) => {
                    log_threads.push(thread);
                    Some(writer)
                }
                Err(error) => {
                    let message =
                        format!("cannot open {}: {error}; create the directory or change its owner", path.display());
                    errors.push(ConfigError::new(format!("{name}_log"), message));
                    None
                }
            }
        };
        let audit_log = open(&config.audit_log, "audit");
        let error_log = open(&config.error_log, "error");
        let access_log = open(&config.access_log, "access");
        let mut sockets = Vec::new();
        for address in &config.listen {
            match BoundSocket::bind(address) {
                Ok(socket) => sockets.push(socket),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let shared = Arc::new(Shared {
            sites,
            policies,
            sink,
            totals: Arc::new(Totals::default()),
            budget: Budget::new(config.limits.buffered_total_bytes),
            redactor: Redactor::new(&config.redact),
            collections: Arc::new(Collections::new(&config.collections)),
            audit_log,
            error_log,
            access_log,
            tls,
            instance: Ulid::generate(),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            config,
        });
        Ok(Gateway { shared, sockets, log_threads, state: None })
    }

    /// Shares the collections that rules keep between requests with other instances. Without it each
    /// gateway keeps its own, which end with it.
    #[must_use]
    pub fn sharing_collections(mut self, state: Arc<dyn State>) -> Gateway {
        self.shared.collections.open_queue();
        self.state = Some(state);
        self
    }

    /// Addresses it listens on, ports resolved.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|socket| socket.address).collect()
    }

    /// The count of its requests, for consoles.
    pub fn traffic(&self) -> Traffic {
        Traffic(Arc::clone(&self.shared.totals))
    }

    /// Unique id of this start, as in the origin of its events.
    pub fn instance(&self) -> Ulid {
        self.shared.instance
    }

    /// Serves until `shutdown` turns true, then finishes the requests in flight and writes out the logs.
    ///
    /// # Errors
    /// The system refuses threads or descriptors.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> std::io::Result<()> {
        let Gateway { shared, sockets, log_threads, state } = self;
        let count = match shared.config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let grace = shared.config.timeouts.shutdown;
        let (end_sharing, sharing_ends) = watch::channel(false);
        let sharing = state.map(|state| {
            let every = Duration::from_millis(shared.config.collections.share_interval_ms);
            tokio::spawn(Arc::clone(&shared.collections).share(state, every, sharing_ends))
        });
        let mut threads = Vec::new();
        for number in 0..count {
            let worker = Arc::new(Worker::new(Arc::clone(&shared), u16::try_from(number).unwrap_or(u16::MAX)));
            threads.push(listen::start(worker, number, &sockets, shutdown.clone(), grace)?);
        }
        drop(sockets);
        // An error only says that whoever could ask for the shutdown is gone, which is one.
        let _ = shutdown.wait_for(|stop| *stop).await;
        shared.begin_stopping();
        drop(shared);
        let ended = tokio::task::spawn_blocking(move || {
            let panicked = threads.into_iter().filter_map(|thread| thread.join().err()).count();
            log_threads.into_iter().for_each(LogThread::join);
            panicked
        });
        match ended.await {
            Ok(0) => {}
            _ => tracing::error!("a worker of the gateway ended with a panic"),
        }
        end_sharing.send_replace(true);
        if let Some(sharing) = sharing
            && sharing.await.is_err()
        {
            tracing::error!("the sharing of collections ended with a panic");
        }
        Ok(())
    }
}

/// Names that do not resolve are found at the start, not at the first request.
fn check_upstreams(sites: &Sites) -> Vec<ConfigError> {
    let servers = sites.iter().flat_map(|site| site.upstreams.servers().iter().map(move |server| (site, server)));
    servers
        .filter_map(|(site, server)| {
            let address = &server.address;
            let error = match (address.host.as_str(), address.port).to_socket_addrs() {
                Ok(found) if found.len() > 0 => return None,
                Ok(_) => "it has no address".to_owned(),
                Err(error) => error.to_string(),
            };
            let message = format!(
                "the upstream {} cannot be resolved: {error}; correct the name, or the name server of this machine",
                address.host
            );
            Some(ConfigError::new(format!("sites \"{}\".upstreams", site.name), message))
        })
        .collect()
}

fn tls_connector(sites: &Sites) -> Result<Option<TransportConnector>, ConfigError> {
    if !sites.iter().flat_map(|site| site.upstreams.servers()).any(|server| server.address.tls) {
        return Ok(None);
    }
    // The connector panics where the machine has no CA certificates.
    catch_unwind(|| TransportConnector::new(None)).map(Some).map_err(|_| {
        ConfigError::new(
            "sites.upstreams",
            "an https upstream needs the CA certificates of the system; install ca-certificates or set SSL_CERT_FILE",
        )
    })
}
