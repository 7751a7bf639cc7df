//! Connections of the console: binding, limits on slow clients, shutdown.

use crate::auth::Peer;
use crate::config::{Config, ConfigError};
use crate::protect;
use crate::state::{App, Front, NodeApp, stopping};
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, rt};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Time for the header of a request, and that a connection may idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time in which a client must take at least some bytes of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
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
    settings: Arc<crate::config::Settings>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Checks the settings and listens on the address.
    ///
    /// # Errors
    /// Settings that cannot be used, or an address that cannot be listened on.
    pub async fn bind(config: Config, front: impl Into<Front>) -> Result<Server, ServeError> {
        let settings = Arc::new(config.settings().map_err(ServeError::Config)?);
        let bind_error = |source| ServeError::Bind { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Server { config, front: front.into(), settings, listener, address })
    }

    /// The address it listens on; tells the port where the setting says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` becomes `true`, then lets open requests finish.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        tracing::info!(address = %self.address, "the console listens");
        let (settings, stopped) = (self.settings, shutdown.clone());
        let router = match self.front {
            Front::Console(console) => {
                let watchers = Arc::new(Semaphore::new(self.config.watchers_max));
                protect::console(App { console: *console, settings, watchers, shutdown: stopped })
            }
            Front::Node(node) => protect::node(NodeApp { node, settings, shutdown: stopped }),
        };
        let places = Arc::new(Semaphore::new(self.config.connections_max));
        let grace = Duration::from_secs(self.config.shutdown_grace_seconds);
        let mut connections = JoinSet::new();
        loop {
            // A place is taken before accepting: further clients wait in the listen queue.
            let accepted = tokio::select! {
                () = stopping(&mut shutdown) => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, peer, place)) => {
                    let connection = connection(stream, Peer(peer), router.clone(), shutdown.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the console cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let finished = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!(open = connections.len(), "closing console connections that did not finish in time");
            connections.shutdown().await;
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

/// Serves one connection; on shutdown its current request is its last.
async fn connection(stream: TcpStream, peer: Peer, router: Router, mut shutdown: watch::Receiver<bool>) {
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

fn guarded(stream: TcpStream) -> impl rt::Read + rt::Write + Unpin {
    TokioIo::new(Guarded { stream, deadline: Box::pin(sleep(WRITE_TIMEOUT)), waiting: false })
}

/// A stream whose writes fail when the other side takes nothing for [`WRITE_TIMEOUT`]. Without it a
/// watcher that stops reading would keep its connection for ever.
struct Guarded {
    stream: TcpStream,
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
