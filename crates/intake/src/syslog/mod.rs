//! `kind = "syslog"`: receives logs as syslog messages, RFC 5424 or RFC 3164.
//!
//! ```toml
//! [sources.apache]
//! kind = "syslog"
//! listen = "0.0.0.0:6514"
//! transport = "tls"            # tcp, tls or udp
//! [sources.apache.tls]
//! certificate = "/etc/parapet/tls/server.pem"
//! key = "/etc/parapet/tls/server.key"
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `listen` | address and port | – |
//! | `transport` | `tcp`, `tls` or `udp` | `tcp` |
//! | `tls` | certificates, see [`parapet_ports::tls`] | – |
//! | `allow` | networks whose messages are taken | all |
//!
//! A message holds one line of a log: a JSON record or a line of an error log. Over TCP and TLS
//! messages are framed by octet counting or by line feeds, whichever a message uses, and a sender is
//! slowed down while the pipeline is behind. Syslog has no acknowledgement: what is on its way when
//! Parapet stops is lost unless the sender keeps a queue, and UDP loses messages whenever it is behind.
//! Prefer TCP with a sender that queues on disk.

mod framing;
mod message;

use crate::listener::{Listener, Stream, cannot_listen};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use framing::Frames;
use ipnet::IpNet;
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::tls::Tls;
use parapet_ports::{ErrorKind, EventSource, PortError, RecordSession, RecordSink};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn EventSource> =
    Plugin { kind: "syslog", summary: "Receives lines of logs as syslog messages over TCP, TLS or UDP", check };

/// Bytes read at once, and datagrams handed on together.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long nothing may come before unfinished records are ended.
const IDLE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: SocketAddr,
    #[serde(default)]
    transport: Transport,
    tls: Option<Tls>,
    allow: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Transport {
    #[default]
    Tcp,
    Tls,
    Udp,
}

fn check(settings: Settings) -> Result<Box<dyn Ready<dyn EventSource>>, PortError> {
    let config: Config = settings.decode()?;
    let name = settings.name;
    if (config.transport == Transport::Tls) != config.tls.is_some() {
        let message = format!("{name}: transport = \"tls\" and the table `tls` belong together");
        return Err(PortError::new(ErrorKind::Config, message));
    }
    let network = |text: &String| {
        let parsed = text.parse().or_else(|_| text.parse().map(|address: IpAddr| IpNet::from(address)));
        parsed.map_err(|_| {
            let message = format!("{name}: allow: \"{text}\" is no network; write for example \"10.0.0.0/8\"");
            PortError::new(ErrorKind::Config, message)
        })
    };
    let allowed = config.allow.as_ref().map(|list| list.iter().map(network).collect::<Result<_, _>>()).transpose()?;
    Ok(Box::new(Checked { name, config, allowed: Allowed(allowed) }))
}

struct Checked {
    name: String,
    config: Config,
    allowed: Allowed,
}

#[async_trait]
impl Ready<dyn EventSource> for Checked {
    async fn open(&self, _: &Place) -> Result<Arc<dyn EventSource>, PortError> {
        let Config { listen, transport, tls, .. } = &self.config;
        let socket = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(listen).await;
                Socket::Datagrams(socket.map_err(|error| cannot_listen(&self.name, *listen, error))?)
            }
            Transport::Tcp | Transport::Tls => {
                Socket::Connections(Listener::bind(&self.name, *listen, tls.as_ref()).await?)
            }
        };
        Ok(Arc::new(Syslog { name: self.name.clone(), socket, allowed: self.allowed.clone() }))
    }
}

struct Syslog {
    name: String,
    socket: Socket,
    allowed: Allowed,
}

enum Socket {
    Connections(Listener),
    Datagrams(UdpSocket),
}

/// Networks whose messages are taken; `None` for all.
#[derive(Clone)]
struct Allowed(Option<Arc<[IpNet]>>);

impl Allowed {
    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
    }
}

#[async_trait]
impl EventSource for Syslog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, sink: Arc<dyn RecordSink>, stop: CancellationToken) -> Result<(), PortError> {
        match &self.socket {
            Socket::Datagrams(socket) => receive(socket, &self.allowed, &*sink, &stop).await,
            Socket::Connections(listener) => {
                let (allowed, stopping) = (self.allowed.clone(), stop.clone());
                let serve = move |stream: Stream, peer: SocketAddr| {
                    let (allowed, sink, stop) = (allowed.clone(), sink.clone(), stopping.clone());
                    async move {
                        if !allowed.allows(peer.ip()) {
                            tracing::warn!(%peer, "a syslog connection from outside of `allow` is closed");
                        } else if let Err(error) = connection(stream, &*sink, &stop).await {
                            tracing::info!(%peer, %error, "a syslog connection ended");
                        }
                    }
                };
                listener.serve(&stop, serve).await;
                Ok(())
            }
        }
    }
}

/// Lines of messages that are handed on together.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    /// Time of the first message.
    time: Option<DateTime<Utc>>,
}

impl Batch {
    fn add(&mut self, message: &[u8]) {
        let message = message::parse(message);
        if message.text.is_empty() {
            return;
        }
        self.time.get_or_insert_with(|| message.time.unwrap_or_else(Utc::now));
        self.lines.extend(message.text.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        self.lines.push(b'\n');
    }

    /// Hands on; returns whether records wait for further lines.
    async fn hand_on(&mut self, session: &mut dyn RecordSession) -> Result<bool, PortError> {
        let batch = std::mem::take(self);
        Ok(session.take(&batch.lines, batch.time).await?.held > 0)
    }
}

async fn connection(mut stream: Stream, sink: &dyn RecordSink, stop: &CancellationToken) -> Result<(), PortError> {
    let (mut session, mut frames, mut held) = (sink.session(), Frames::default(), false);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = tokio::select! {
            read = stream.read(&mut buffer) => read,
            () = tokio::time::sleep(IDLE), if held => {
                session.finish().await?;
                held = false;
                continue;
            }
            () = stop.cancelled() => break,
        };
        let read =
            read.map_err(|error| PortError::new(ErrorKind::Unavailable, "the connection broke").with_source(error));
        let mut batch = Batch::default();
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                session.finish().await?;
                return Err(error);
            }
        };
        if read == 0 {
            break;
        }
        frames
            .push(&buffer[..read], |message| batch.add(message))
            .map_err(|error| PortError::new(ErrorKind::Rejected, error.to_string()))?;
        if !batch.lines.is_empty() {
            held = batch.hand_on(&mut *session).await?;
        }
    }
    let mut batch = Batch::default();
    frames.finish(|message| batch.add(message));
    batch.hand_on(&mut *session).await?;
    session.finish().await?;
    Ok(())
}

async fn receive(
    socket: &UdpSocket,
    allowed: &Allowed,
    sink: &dyn RecordSink,
    stop: &CancellationToken,
) -> Result<(), PortError> {
    let (mut session, mut held) = (sink.session(), false);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = tokio::time::sleep(IDLE), if held => {
                session.finish().await?;
                held = false;
                continue;
            }
            () = stop.cancelled() => break,
        };
        let mut batch = Batch::default();
        let mut next = received.ok();
        while let Some((length, peer)) = next {
            if allowed.allows(peer.ip()) {
                batch.add(&buffer[..length]);
            }
            next = if batch.lines.len() < CHUNK_BYTES { socket.try_recv_from(&mut buffer).ok() } else { None };
        }
        if !batch.lines.is_empty() {
            held = batch.hand_on(&mut *session).await?;
        }
    }
    session.finish().await?;
    Ok(())
}
