//! Listens, and gives every connection to a worker.
//!
//! Each worker is a thread with a runtime of its own that runs one listening service of the proxy
//! framework over the shared sockets. A connection stays where it was accepted: no work is stolen, no
//! lock is shared.

use crate::config::ConfigError;
use crate::exchange;
use crate::worker::Worker;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::protocols::Stream;
use pingora_core::server::{Fds, ShutdownWatch};
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::watch;

/// How often a stopping worker looks whether its requests are done.
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct BoundSocket {
    socket: TcpListener,
    /// Its address, the port resolved.
    pub(crate) address: SocketAddr,
}

impl BoundSocket {
    /// Starts listening.
    ///
    /// # Errors
    /// Names the address and says what to do.
    pub(crate) fn bind(text: &str) -> Result<Self, ConfigError> {
        let bind = || {
            let socket = TcpListener::bind(text)?;
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok(BoundSocket { socket, address })
        };
        bind().map_err(|error: io::Error| {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there; stop it or choose another port",
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need the capability CAP_NET_BIND_SERVICE; grant it or choose another port"
                }
                io::ErrorKind::AddrNotAvailable => "this machine has no such address; use one of its own or 0.0.0.0",
                _ => "check the address",
            };
            ConfigError::new("listen", format!("cannot listen on {text}: {error}; {advice}"))
        })
    }
}

struct App(Arc<Worker>);

#[async_trait]
impl ServerApp for App {
    async fn process_new(self: &Arc<Self>, session: Stream, _shutdown: &ShutdownWatch) -> Option<Stream> {
        exchange::serve(&self.0, session).await;
        None
    }
}

/// Starts the thread of one worker. It ends after `shutdown` turns true and its requests are done, or
/// after `grace`.
///
/// # Errors
/// The system refuses a thread, a runtime or another descriptor.
pub(crate) fn start(
    worker: Arc<Worker>,
    number: usize,
    sockets: &[BoundSocket],
    shutdown: watch::Receiver<bool>,
    grace: Duration,
) -> io::Result<JoinHandle<()>> {
    let mut service = Service::new(format!("gateway-{number}"), App(Arc::clone(&worker)));
    let mut descriptors = Fds::new();
    for bound in sockets {
        let address = bound.address.to_string();
        // The session has buffers of its own; another layer would only copy.
        service.add_listener(ListenerConfig::tcp(address.clone()).l4_buffer(L4BufferSettings::unbuffered()));
        descriptors.add(address, bound.socket.try_clone()?.into_raw_fd());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("gateway-{number}")).spawn(move || {
        runtime.block_on(async {
            service.start_service(Some(Arc::new(Mutex::new(descriptors))), shutdown, 1).await;
            let deadline = Instant::now() + grace;
            while worker.exchanges() > 0 && Instant::now() < deadline {
                tokio::time::sleep(DRAIN_TICK).await;
            }
            if worker.exchanges() > 0 {
                tracing::warn!(worker = number, requests = worker.exchanges(), "stopping with requests in flight");
            }
        });
        runtime.shutdown_background();
    })
}
