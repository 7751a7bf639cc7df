//! Connections to Redis, however its servers are arranged, and their replacement when they break.
//!
//! After a failure to connect the next attempt is not made before a pause (20 ms, doubling up to 5 s);
//! calls in between fail at once. Through sentinels every attempt asks for the master again.

use super::failure::{breaks_connection, port_error};
use super::servers::{Mode, Servers, host_and_port};
use crate::tls::{self, Tls};
use parapet_ports::{ErrorKind, PortError, Secret};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisFuture, RedisResult, Script, TlsCertificates, TlsMode,
    Value,
};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// An open connection; clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Connection::Server(connection) => connection.req_packed_command(cmd),
            Connection::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Connection::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Connection::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Connection::Server(connection) => connection.get_db(),
            Connection::Cluster(connection) => connection.get_db(),
        }
    }
}

enum Target {
    Server(Client),
    Sentinel(Box<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

/// The way to the servers.
pub(crate) struct Link {
    name: String,
    /// Configured addresses, for messages.
    addresses: String,
    target: Target,
    /// Limit of connecting and of an answer.
    timeout: Duration,
    state: Mutex<State>,
}

struct State {
    shared: Option<Connection>,
    /// Counts connections, so that only the first failure of each discards it.
    generation: u64,
    pause: Duration,
    not_before: Instant,
}

impl Link {
    /// Reads the TLS files; connects to nothing. `block_max` is the longest time that a command may ask a
    /// server to wait.
    pub(crate) fn new(name: &str, config: &Servers, block_max: Duration) -> Result<Link, PortError> {
        // An error says that a provider is already installed, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let timeout = Duration::from_millis(config.timeout_ms);
        let certificates = config.tls.as_ref().map(|tls| certificates(name, tls)).transpose()?;
        let target = target(config, certificates, timeout, block_max);
        let target = target.map_err(|error| port_error(name, "the configuration cannot be used", error))?;
        let state = State { shared: None, generation: 0, pause: PAUSE_FIRST, not_before: Instant::now() };
        let addresses = config.addresses.join(", ");
        Ok(Link { name: name.to_owned(), addresses, target, timeout, state: Mutex::new(state) })
    }

    /// Limit of an answer.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A connection of one's own, for commands that block.
    pub(crate) async fn dedicated(&self) -> Result<Connection, PortError> {
        self.connect(&mut *self.state.lock().await).await
    }

    /// Runs a script on the shared connection.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[impl AsRef<[u8]> + Sync],
        arguments: &[&[u8]],
    ) -> RedisOutcome<T> {
        let mut invocation = script.prepare_invoke();
        for key in keys {
            invocation.key(key.as_ref());
        }
        for argument in arguments {
            invocation.arg(*argument);
        }
        let (generation, mut connection) = self.shared().await?;
        let answer = self.bounded(invocation.invoke_async(&mut connection)).await;
        self.settle(generation, answer).await
    }

    /// Sends a command on the shared connection.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisOutcome<T> {
        let (generation, mut connection) = self.shared().await?;
        let answer = self.bounded(command.query_async(&mut connection)).await;
        self.settle(generation, answer).await
    }

    async fn bounded<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    async fn shared(&self) -> Result<(u64, Connection), Failure> {
        let mut state = self.state.lock().await;
        if state.shared.is_none() {
            state.shared = Some(self.connect(&mut state).await?);
            state.generation += 1;
        }
        match &state.shared {
            Some(connection) => Ok((state.generation, connection.clone())),
            None => Err(Failure::Link(self.away())),
        }
    }

    async fn settle<T>(&self, generation: u64, answer: RedisResult<T>) -> RedisOutcome<T> {
        if let Err(error) = &answer
            && breaks_connection(error)
        {
            let mut state = self.state.lock().await;
            if state.generation == generation {
                state.shared = None;
            }
        }
        answer.map_err(Failure::Redis)
    }

    async fn connect(&self, state: &mut State) -> Result<Connection, PortError> {
        let now = Instant::now();
        if now < state.not_before {
            return Err(self.away().with_retry_after(state.not_before - now));
        }
        let attempt = tokio::time::timeout(self.timeout, self.open()).await;
        let failure = match attempt {
            Ok(Ok(connection)) => {
                state.pause = PAUSE_FIRST;
                return Ok(connection);
            }
            Ok(Err(error)) => port_error(&self.name, &format!("cannot connect to Redis at {}", self.addresses), error),
            Err(_) => {
                let (addresses, limit) = (&self.addresses, self.timeout.as_millis());
                let message = format!("{}: Redis at {addresses} did not answer within {limit} ms", self.name);
                PortError::new(ErrorKind::Unavailable, message)
            }
        };
        state.not_before = Instant::now() + state.pause;
        state.pause = (state.pause * 2).min(PAUSE_MAX);
        Err(failure)
    }

    async fn open(&self) -> RedisResult<Connection> {
        // Each call has its own limit, because some block on purpose.
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(self.timeout)).set_response_timeout(None);
        match &self.target {
            Target::Server(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Target::Sentinel(client) => {
                client.lock().await.get_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Target::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }

    fn away(&self) -> PortError {
        PortError::new(
            ErrorKind::Unavailable,
            format!("{}: Redis at {} is away; trying again soon", self.name, self.addresses),
        )
    }

    /// The error at the seam.
    pub(crate) fn port_error(&self, doing: &str, failure: Failure) -> PortError {
        match failure {
            Failure::Link(error) => error,
            Failure::Redis(error) => port_error(&self.name, doing, error),
        }
    }
}

/// Why a call failed: no connection, or an error on it.
pub(crate) enum Failure {
    Link(PortError),
    Redis(redis::RedisError),
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Failure::Link(error)
    }
}

/// Outcome of a call.
pub(crate) type RedisOutcome<T> = Result<T, Failure>;

fn certificates(name: &str, files: &Tls) -> Result<TlsCertificates, PortError> {
    let read = |path: &Path| tls::read(name, path);
    let client_tls = match (&files.certificate_file, &files.key_file) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        _ => None,
    };
    Ok(TlsCertificates { client_tls, root_cert: files.ca_file.as_deref().map(read).transpose()? })
}

fn target(
    config: &Servers,
    certificates: Option<TlsCertificates>,
    timeout: Duration,
    block_max: Duration,
) -> RedisResult<Target> {
    let addresses: Vec<_> = config.addresses.iter().filter_map(|address| address_of(address, &certificates)).collect();
    match config.mode {
        Mode::Single => {
            let info = info(addresses.into_iter().next(), config)?;
            Ok(Target::Server(match certificates {
                Some(certificates) => Client::build_with_tls(info, certificates)?,
                None => Client::open(info)?,
            }))
        }
        Mode::Sentinel => sentinel(config, addresses, certificates),
        Mode::Cluster => {
            let nodes: RedisResult<Vec<_>> = addresses.into_iter().map(|address| info(Some(address), config)).collect();
            let mut builder = ClusterClientBuilder::new(nodes?)
                .connection_timeout(timeout)
                // A blocking read gets its own limit from its caller; this one is behind it.
                .response_timeout(block_max + timeout)
                .overall_response_timeout(None)
                .retries(2);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Ok(Target::Cluster(Box::new(builder.build()?)))
        }
    }
}

fn sentinel(
    config: &Servers,
    addresses: Vec<ConnectionAddr>,
    certificates: Option<TlsCertificates>,
) -> RedisResult<Target> {
    let master = config.master.as_deref().unwrap_or_default();
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_db(config.database.into());
    if let Some(username) = &config.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &config.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    if let Some(username) = &config.sentinel_username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &config.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password.expose());
    }
    if let Some(certificates) = certificates {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    Ok(Target::Sentinel(Box::new(Mutex::new(builder.build()?))))
}

fn address_of(address: &str, certificates: &Option<TlsCertificates>) -> Option<ConnectionAddr> {
    let (host, port) = host_and_port(address)?;
    let host = host.to_owned();
    Some(match certificates {
        Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        None => ConnectionAddr::Tcp(host, port),
    })
}

fn info(address: Option<ConnectionAddr>, config: &Servers) -> RedisResult<ConnectionInfo> {
    let address = address.unwrap_or_else(|| ConnectionAddr::Tcp("127.0.0.1".into(), 6379));
    let mut settings = RedisConnectionInfo::default().set_db(config.database.into());
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = config.password.as_ref().map(Secret::expose) {
        settings = settings.set_password(password);
    }
    Ok(address.into_connection_info()?.set_redis_settings(settings))
}
