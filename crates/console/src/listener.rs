//! Connections of the console: binding, limits on slow clients, shutdown.

use crate::auth::Peer;
use crate::config::{Config, ConfigError, Settings};
use crate::protect;
use crate::state::{App, Front, NodeApp, stopping};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, rt};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parapet_ports::PortError;
use parapet_ports::tls;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Time for the header of a request, and that a connection may idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time in which a client must take at least some bytes of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections of commands on this machine at the same time.
const LOCAL_CONNECTIONS_MAX: usize = 16;
/// Bytes of a request header.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Pause after a failed accept, which mostly means that file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the console does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Settings that cannot be used.
    #[error("the console's settings cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigError>),
    /// A certificate that cannot be used.
    #[error("{0}")]
    Tls(PortError),
    /// The address cannot be listened on.
    #[error("the console cannot listen on {address}: {source}; {}", advice(.source))]
    Bind {
        /// Address of the setting `console.bind`.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process uses this port: stop it, or set console.bind to a free one",
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address: correct console.bind",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: set console.bind to a higher one"
        }
        _ => "correct console.bind",
    }
}

/// Binds and serves until `shutdown` becomes `true`.
///
/// # Errors
/// Settings that cannot be used, or an address that cannot be listened on.
pub async fn serve(config: Config, front: impl Into<Front>, shutdown: watch::Receiver<bool>) -> Result<(), ServeError> {
    Server::bind(config, front).await?.run(shutdown).await;
    Ok(())
}

/// A console that listens but does not answer yet.
#[derive(Debug)]
pub struct Server {
    config: Config,
    front: Front,
    settings: Arc<Settings>,
    door: Door,
    address: SocketAddr,
    local: Option<Door>,
}

impl Server {
    /// Checks the settings, reads the certificate and listens on the address.
    ///
    /// # Errors
    /// Settings that cannot be used, or an address that cannot be listened on.
    pub async fn bind(config: Config, front: impl Into<Front>) -> Result<Server, ServeError> {
        let settings = Arc::new(config.settings().map_err(ServeError::Config)?);
        let tls = config.tls.as_ref().map(|tls| tls::server_config("console.tls", tls)).transpose();
        let acceptor = tls.map_err(ServeError::Tls)?.map(TlsAcceptor::from);
        let bind_error = |source| ServeError::Bind { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let door = Door::Network(listener, acceptor);
        Ok(Server { config, front: front.into(), settings, door, address, local: None })
    }

    /// Also answers commands on this machine, at a socket in a directory that only this user may enter.
    /// Where it cannot be made, for example because its path is too long, there is none.
    #[must_use]
    pub fn with_socket(mut self, socket: &Path) -> Server {
        match Door::local(socket) {
            Ok(door) => self.local = Some(door),
            Err(error) => {
                tracing::warn!(socket = %socket.display(), %error, "commands on this machine cannot ask this process");
            }
        }
        self
    }

    /// The address it listens on; tells the port where the setting says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` becomes `true`, then lets open requests finish.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        tracing::info!(address = %self.address, tls = self.config.tls.is_some(), "the console listens");
        let (settings, stopped) = (self.settings, shutdown.clone());
        let local = protect::local(self.front.node().peers.clone());
        let router = match self.front {
            Front::Console(console) => {
                let watchers = Arc::new(Semaphore::new(self.config.watchers_max));
                protect::console(App { console: *console, settings, watchers, shutdown: stopped })
            }
            Front::Node(node) => protect::node(NodeApp { node, settings, shutdown: stopped }),
        };
        let grace = Duration::from_secs(self.config.shutdown_grace_seconds);
        let network = admit(self.door, router, self.config.connections_max, grace, shutdown.clone());
        match self.local {
            None => network.await,
            Some(door) => {
                let local = admit(door, local, LOCAL_CONNECTIONS_MAX, grace, shutdown);
                tokio::join!(network, local);
            }
        }
    }
}

/// Where connections come in.
enum Door {
    Network(TcpListener, Option<TlsAcceptor>),
    /// The socket is removed with it.
    Local(UnixListener, PathBuf),
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Door::Network(_, None) => "Network",
            Door::Network(_, Some(_)) => "Network with TLS",
            Door::Local(..) => "Local",
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Door::Local(_, path) = self {
            // The next start replaces one that stays.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Bytes either way.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

/// A connection that came in and is not secured yet.
enum Arrived {
    Network(TcpStream, SocketAddr, Option<TlsAcceptor>),
    Local(UnixStream),
}

impl Door {
    fn local(socket: &Path) -> io::Result<Door> {
        if let Some(directory) = socket.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
        }
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Door::Local(UnixListener::bind(socket)?, socket.to_owned()))
    }

    async fn accept(&self) -> io::Result<Arrived> {
        match self {
            Door::Network(listener, acceptor) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Arrived::Network(stream, peer, acceptor.clone()))
            }
            Door::Local(listener, _) => Ok(Arrived::Local(listener.accept().await?.0)),
        }
    }
}

impl Arrived {
    /// The connection, after the handshake where there is one.
    async fn secure(self) -> io::Result<(Box<dyn Bytes>, Peer)> {
        match self {
            Arrived::Network(stream, peer, None) => Ok((Box::new(stream), Peer(peer))),
            Arrived::Network(stream, peer, Some(acceptor)) => {
                let secured = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
                let secured = secured.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                Ok((Box::new(secured), Peer(peer)))
            }
            Arrived::Local(stream) => Ok((Box::new(stream), Peer(SocketAddr::from(([127, 0, 0, 1], 0))))),
        }
    }
}

/// Lets connections in until the shutdown, then lets open requests finish.
async fn admit(
    door: Door,
    router: Router,
    connections_max: usize,
    grace: Duration,
    mut shutdown: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    let mut connections = JoinSet::new();
    loop {
        // A place is taken before accepting: further clients wait in the listen queue.
        let accepted = tokio::select! {
            () = stopping(&mut shutdown) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&door, &places) => accepted,
        };
        match accepted {
            Ok((arrived, place)) => {
                let (router, shutdown) = (router.clone(), shutdown.clone());
                connections.spawn(async move {
                    match arrived.secure().await {
                        Ok((stream, peer)) => connection(stream, peer, router, shutdown).await,
                        Err(error) => tracing::debug!(%error, "a console connection was not secured"),
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the console cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(door);
    let finished = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!(open = connections.len(), "closing console connections that did not finish in time");
        connections.shutdown().await;
    }
}

async fn accept(door: &Door, places: &Arc<Semaphore>) -> io::Result<(Arrived, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((door.accept().await?, place))
}

/// Serves one connection; on shutdown its current request is its last.
async fn connection(stream: Box<dyn Bytes>, peer: Peer, router: Router, mut shutdown: watch::Receiver<bool>) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEADER_BYTES_MAX);
    let mut connection = pin!(http.serve_connection(guarded(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, peer = %peer.0, "a console connection ended early");
    }
}

fn guarded(stream: Box<dyn Bytes>) -> impl rt::Read + rt::Write + Unpin {
    TokioIo::new(Guarded { stream, deadline: Box::pin(sleep(WRITE_TIMEOUT)), waiting: false })
}

/// A stream whose writes fail when the other side takes nothing for [`WRITE_TIMEOUT`]. Without it a
/// watcher that stops reading would keep its connection for ever.
struct Guarded {
    stream: Box<dyn Bytes>,
    deadline: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Guarded {
    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = false;
            return outcome;
        }
        if !self.waiting {
            self.waiting = true;
            self.deadline.as_mut().reset(Instant::now() + WRITE_TIMEOUT);
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, outcome)
    }
}
