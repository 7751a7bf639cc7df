//! Accepting connections for the receivers: bounded in number, with or without TLS.

use parapet_ports::tls::{self, Tls};
use parapet_ports::{ErrorKind, PortError};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Connections served at the same time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 256;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which mostly means that file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long connections may finish what they are at when the receiver stops.
const GRACE: Duration = Duration::from_secs(5);

/// A bound address.
pub(crate) struct Listener {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds the address and reads the certificates.
    ///
    /// # Errors
    /// `Config` if a certificate cannot be used, `Unavailable` if the address cannot be listened on.
    pub(crate) async fn bind(name: &str, address: SocketAddr, tls: Option<&Tls>) -> Result<Listener, PortError> {
        let acceptor = tls.map(|tls| tls::server_config(name, tls).map(TlsAcceptor::from)).transpose()?;
        let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(name, address, error))?;
        let bound = listener.local_addr().unwrap_or(address);
        tracing::info!(source = name, address = %bound, tls = acceptor.is_some(), "listening");
        Ok(Listener { listener, acceptor })
    }

    /// Serves each connection in a task of its own until told to stop.
    pub(crate) async fn serve<F, Fut>(&self, stop: &CancellationToken, serve: F)
    where
        F: Fn(Stream, SocketAddr) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            // A place is taken before accepting: further clients wait in the listen queue.
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (serve, acceptor) = (serve.clone(), self.acceptor.clone());
                    connections.spawn(async move {
                        match secured(stream, acceptor).await {
                            Ok(stream) => serve(stream, peer).await,
                            Err(error) => tracing::debug!(%peer, %error, "a connection was not secured"),
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let rest = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// An error that says what to do.
pub(crate) fn cannot_listen(name: &str, address: SocketAddr, error: io::Error) -> PortError {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "another process uses this port",
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "correct `listen`",
    };
    PortError::new(ErrorKind::Unavailable, format!("{name}: cannot listen on {address} ({advice})")).with_source(error)
}

async fn secured(stream: TcpStream, acceptor: Option<TlsAcceptor>) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else { return Ok(Stream::Plain(stream)) };
    let secured = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
    Ok(Stream::Tls(Box::new(secured.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)))
}

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
