//! The client's side of a connection: reads heads, writes answers.

use crate::fault::Fault;
use crate::head::{self, Head, HeadLimits};
use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{timeout, timeout_at};

/// Bytes asked for at a time while a head is read.
const READ: usize = 8 * 1024;
/// Buffers up to this many bytes are kept by an idle connection.
const KEPT: usize = 16 * 1024;
/// Empty lines skipped before a request line (RFC 9112 section 2.2).
const EMPTY_LINES_MAX: usize = 2;
/// How much of what a refused client still sends is read before the connection is closed, so that the
/// answer is not lost to a reset.
const LINGER_BYTES: usize = 1024 * 1024;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(1);

/// A connection from a client.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    /// The connection.
    pub(crate) stream: Stream,
    /// Bytes read and not yet used.
    pub(crate) input: BytesMut,
    /// Bytes being put together for one write.
    pub(crate) out: Vec<u8>,
    /// Address of the other end.
    pub(crate) peer: SocketAddr,
    /// Address of this end.
    pub(crate) local: SocketAddr,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    write_patience: Duration,
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// A head, possibly with a fault.
    Head,
    /// Nothing: the client is gone or idle for too long.
    Nothing,
}

/// How long to wait for a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadPatience {
    /// For its first byte.
    pub(crate) first: Duration,
    /// For the rest.
    pub(crate) rest: Duration,
}

impl ClientConnection {
    /// Takes over an accepted connection.
    pub(crate) fn new(stream: Stream, write_patience: Duration) -> Self {
        let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let digest = stream.get_socket_digest();
        let inet = |address: Option<&pingora_core::protocols::l4::socket::SocketAddr>| {
            address.and_then(|address| address.as_inet()).copied().unwrap_or(unknown)
        };
        let (peer, local) = match &digest {
            Some(digest) => (inet(digest.peer_addr()), inet(digest.local_addr())),
            None => (unknown, unknown),
        };
        let tls = stream.get_ssl_digest().is_some();
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        ClientConnection { stream, input: BytesMut::new(), out: Vec::new(), peer, local, tls, write_patience }
    }

    /// Reads the next head into `head`. Bytes after it stay in `input`.
    pub(crate) async fn read_head(&mut self, head: &mut Head, limits: &HeadLimits, patience: HeadPatience) -> Arrival {
        let mut searched = 0;
        let mut deadline = None;
        let mut empty_lines = 0;
        loop {
            while empty_lines < EMPTY_LINES_MAX && searched == 0 && self.input.starts_with(b"\r\n") {
                self.input.advance(2);
                empty_lines += 1;
            }
            if let Some(end) = head::find_end(&self.input, searched)
                && end <= limits.total
            {
                head.parse(&self.input[..end], limits);
                self.input.advance(end);
                return Arrival::Head;
            }
            if self.input.len() > limits.total {
                return self.give_up(head, limits, too_long(&self.input, limits));
            }
            if self.input.len() > limits.request_line && memchr::memchr(b'\n', &self.input).is_none() {
                return self.give_up(head, limits, too_long(&self.input, limits));
            }
            searched = self.input.len().saturating_sub(2);
            self.input.reserve(READ);
            let read = match deadline {
                None if self.input.is_empty() => timeout(patience.first, self.stream.read_buf(&mut self.input)).await,
                _ => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + patience.rest);
                    timeout_at(deadline.into(), self.stream.read_buf(&mut self.input)).await
                }
            };
            let fault = match read {
                Ok(Ok(count)) if count > 0 => continue,
                _ if self.input.is_empty() => return Arrival::Nothing,
                Err(_) => Fault::new(408, "the head did not arrive in time"),
                Ok(Ok(_)) => Fault::malformed("the connection ended inside the head"),
                Ok(Err(_)) => Fault::malformed("the connection failed inside the head"),
            };
            return self.give_up(head, limits, fault);
        }
    }

    fn give_up(&mut self, head: &mut Head, limits: &HeadLimits, fault: Fault) -> Arrival {
        let shown = self.input.len().min(limits.total);
        head.parse(&self.input[..shown], limits);
        head.fault = Some(fault);
        Arrival::Head
    }

    /// Writes everything in `out`, then empties it.
    ///
    /// # Errors
    /// The client is gone or takes nothing for too long.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let outcome = timeout(self.write_patience, async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        })
        .await;
        self.out.clear();
        outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Gives back what an unusually large exchange took, before the connection falls idle.
    pub(crate) fn trim(&mut self) {
        if self.out.capacity() > KEPT {
            self.out = Vec::new();
        }
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = BytesMut::new();
        }
    }

    /// Ends the connection so that the client can still read the last answer.
    pub(crate) async fn close(mut self) {
        if timeout(LINGER, self.stream.shutdown()).await.is_err() {
            return;
        }
        let drain = async {
            let mut left = LINGER_BYTES;
            while left > 0 {
                self.input.clear();
                self.input.reserve(READ);
                match self.stream.read_buf(&mut self.input).await {
                    Ok(count) if count > 0 => left = left.saturating_sub(count),
                    _ => break,
                }
            }
        };
        // Either way the connection is over.
        let _ = timeout(LINGER, drain).await;
    }
}

fn too_long(input: &[u8], limits: &HeadLimits) -> Fault {
    if memchr::memchr(b'\n', input).is_none_or(|end| end > limits.request_line) {
        Fault::new(414, format!("the request line is longer than {} bytes", limits.request_line))
    } else {
        Fault::new(431, format!("the head is longer than {} bytes", limits.total))
    }
}

/// Writes two buffers as one, without copying them together.
pub(crate) async fn write_both<S: AsyncWrite + Unpin>(stream: &mut S, first: &[u8], second: &[u8]) -> io::Result<()> {
    let total = first.len() + second.len();
    let mut written = 0;
    while written < first.len() {
        let parts = [IoSlice::new(&first[written..]), IoSlice::new(second)];
        let count = stream.write_vectored(&parts).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        written += count;
    }
    if written < total {
        stream.write_all(&second[written - first.len()..]).await?;
    }
    stream.flush().await
}
