//! The servers of one site: round robin, passive health, connections.

use crate::config::UpstreamAddress;
use bytes::BytesMut;
use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as TransportStream;
use pingora_core::upstreams::peer::HttpPeer;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Failures in a row after which a server rests.
const FAILURES_MAX: u32 = 3;
/// How long it rests.
const REST: Duration = Duration::from_secs(10);
/// Idle connections kept per worker and server.
const IDLE_MAX: usize = 128;

/// One server.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Index over all sites, for the pools of the workers.
    pub(crate) index: usize,
    /// Where it is.
    pub(crate) address: UpstreamAddress,
    literal: Option<IpAddr>,
    failures: AtomicU32,
    /// Milliseconds since `epoch` until which it rests.
    rests_until: AtomicU64,
    epoch: Instant,
}

/// The servers of one site.
#[derive(Debug)]
pub(crate) struct UpstreamSet {
    servers: Vec<Upstream>,
    next: AtomicUsize,
}

/// A connection to a server, with bytes that were read too far.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    /// The connection.
    pub(crate) stream: Stream,
    /// Bytes read and not yet used.
    pub(crate) input: BytesMut,
    /// Whether it served a request before.
    pub(crate) reused: bool,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// Not within the time limit.
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    /// The name has no address.
    #[error("the name has no address")]
    Unresolved,
    /// Refused, unreachable and the like.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
}

impl Upstream {
    fn new(index: usize, address: UpstreamAddress) -> Self {
        Upstream {
            index,
            literal: address.host.parse().ok(),
            address,
            failures: AtomicU32::new(0),
            rests_until: AtomicU64::new(0),
            epoch: Instant::now(),
        }
    }

    fn rests(&self) -> bool {
        let until = self.rests_until.load(Ordering::Relaxed);
        until > 0 && (self.epoch.elapsed().as_millis() as u64) < until
    }

    /// Notes that the server answered.
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.rests_until.store(0, Ordering::Relaxed);
        }
    }

    /// Notes that the server did not answer.
    pub(crate) fn failed(&self) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX {
            let until = self.epoch.elapsed() + REST;
            self.rests_until.store(until.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Addresses of the server now.
    pub(crate) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.literal {
            return Ok(vec![SocketAddr::new(address, self.address.port)]);
        }
        Ok(tokio::net::lookup_host((self.address.host.as_str(), self.address.port)).await?.collect())
    }

    /// Opens a connection. `tls` is there whenever the server wants it.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub(crate) async fn connect(
        &self,
        tls: Option<&TransportConnector>,
        patience: Duration,
    ) -> Result<UpstreamConnection, ConnectError> {
        let stream = timeout(patience, self.open(tls)).await.map_err(|_| ConnectError::Timeout(patience))??;
        Ok(UpstreamConnection { stream, input: BytesMut::new(), reused: false })
    }

    async fn open(&self, tls: Option<&TransportConnector>) -> Result<Stream, ConnectError> {
        let mut last = ConnectError::Unresolved;
        for address in self.resolve().await? {
            let outcome = match (self.address.tls, tls) {
                (true, Some(connector)) => {
                    let peer = HttpPeer::new(address, true, self.address.host.clone());
                    connector.new_stream(&peer).await.map_err(|error| ConnectError::Tls(error.to_string()))
                }
                (true, None) => Err(ConnectError::Tls("no TLS connector was prepared".to_owned())),
                (false, _) => TcpStream::connect(address).await.map_err(ConnectError::Io).map(|tcp| {
                    // Without it small writes wait for acknowledgements; a socket that refuses is still usable.
                    let _ = tcp.set_nodelay(true);
                    Box::new(TransportStream::from(tcp)) as Stream
                }),
            };
            match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl UpstreamSet {
    /// Servers with indices from `first_index` on.
    pub(crate) fn new(addresses: Vec<UpstreamAddress>, first_index: usize) -> Self {
        let servers = addresses
            .into_iter()
            .enumerate()
            .map(|(offset, address)| Upstream::new(first_index + offset, address))
            .collect();
        UpstreamSet { servers, next: AtomicUsize::new(0) }
    }

    /// All servers.
    pub(crate) fn servers(&self) -> &[Upstream] {
        &self.servers
    }

    /// Servers in the order to try them: round robin, those that rest last.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Upstream> {
        let count = self.servers.len();
        let start = if count > 1 { self.next.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        let turn = move |resting: bool| {
            (0..count)
                .filter_map(move |offset| self.servers.get((start + offset) % count))
                .filter(move |server| server.rests() == resting)
        };
        turn(false).chain(turn(true))
    }
}

/// Idle connections of one worker. Each worker keeps its own, so that a connection never changes its
/// thread and taking one costs no more than an uncontended lock.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Vec<Mutex<Vec<(UpstreamConnection, Instant)>>>,
    keep: Duration,
}

impl Pool {
    /// An empty pool for so many servers.
    pub(crate) fn new(servers: usize, keep: Duration) -> Self {
        Pool { idle: (0..servers).map(|_| Mutex::new(Vec::new())).collect(), keep }
    }

    /// The freshest idle connection to the server that is still open.
    pub(crate) async fn take(&self, server: usize) -> Option<UpstreamConnection> {
        loop {
            let (mut connection, since) = self.idle.get(server)?.lock().ok()?.pop()?;
            if since.elapsed() < self.keep && is_open(&mut connection.stream).await {
                connection.reused = true;
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose last response was read to its end.
    pub(crate) fn put(&self, server: usize, connection: UpstreamConnection) {
        if !connection.input.is_empty() {
            return;
        }
        let Some(Ok(mut idle)) = self.idle.get(server).map(Mutex::lock) else { return };
        // The oldest stand first.
        let expired = idle.iter().take_while(|(_, since)| since.elapsed() >= self.keep).count();
        idle.drain(..expired);
        if idle.len() < IDLE_MAX {
            idle.push((connection, Instant::now()));
        }
    }
}

/// Whether an idle connection is silent and open. An upstream that closed it, or that sends something
/// nobody asked for, must not serve another request.
async fn is_open(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    poll_fn(|context| {
        let mut buffer = ReadBuf::new(&mut byte);
        Poll::Ready(Pin::new(&mut *stream).poll_read(context, &mut buffer).is_pending())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: u16) -> UpstreamSet {
        let address = |port| UpstreamAddress { host: "127.0.0.1".to_owned(), port, tls: false };
        UpstreamSet::new((1..=count).map(address).collect(), 0)
    }

    fn order(set: &UpstreamSet) -> Vec<u16> {
        set.candidates().map(|server| server.address.port).collect()
    }

    #[test]
    fn servers_take_turns_and_each_is_tried_once() {
        let set = set(3);
        assert_eq!(order(&set), [1, 2, 3]);
        assert_eq!(order(&set), [2, 3, 1]);
        assert_eq!(order(&set), [3, 1, 2]);
    }

    #[test]
    fn a_failing_server_rests_until_it_answers() {
        let set = set(2);
        for _ in 0..FAILURES_MAX {
            set.servers()[0].failed();
        }
        assert_eq!(order(&set), [2, 1]);
        assert_eq!(order(&set), [2, 1]);
        set.servers()[0].succeeded();
        assert_eq!(order(&set), [1, 2]);
    }

    #[tokio::test]
    async fn idle_connections_are_reused_only_while_open() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let set = UpstreamSet::new(vec![UpstreamAddress { host: "127.0.0.1".to_owned(), port, tls: false }], 0);
        let pool = Pool::new(1, Duration::from_secs(10));
        let connection = set.servers()[0].connect(None, Duration::from_secs(1)).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        pool.put(0, connection);
        let connection = pool.take(0).await.unwrap();
        assert!(connection.reused);
        pool.put(0, connection);
        drop(accepted);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(pool.take(0).await.is_none());
    }
}
