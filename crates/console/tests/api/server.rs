//! Binding, failing stores, deadlines and shutdown.

use crate::bench::{Bench, config, console};
use crate::client::{Request, send};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parapet_console::{Config, ServeError, Server, serve};
use parapet_event::{AggregateQuery, Bucket, EventPage, EventQuery, SecurityEvent};
use parapet_ports::{ErrorKind, EventStore, PortError, SharedEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use ulid::Ulid;

/// A store that takes its time and then fails.
struct Failing {
    kind: ErrorKind,
    delay: Duration,
}

#[async_trait]
impl EventStore for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    async fn write(&self, _: &[SharedEvent]) -> Result<(), PortError> {
        Ok(())
    }

    async fn query(&self, _: &EventQuery) -> Result<EventPage, PortError> {
        tokio::time::sleep(self.delay).await;
        Err(PortError::new(self.kind, "cannot open /var/lib/parapet/secret.parquet"))
    }

    async fn get(&self, _: Ulid) -> Result<Option<SecurityEvent>, PortError> {
        tokio::time::sleep(self.delay).await;
        Ok(None)
    }

    async fn aggregate(&self, _: &AggregateQuery) -> Result<Vec<Bucket>, PortError> {
        Ok(Vec::new())
    }

    async fn retain(&self, _: DateTime<Utc>) -> Result<u64, PortError> {
        Ok(0)
    }
}

/// A console over a failing store, with the cookie of an analyst.
async fn failing(
    config: Config,
    kind: ErrorKind,
    delay: Duration,
) -> (std::net::SocketAddr, String, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let server = Server::bind(config, console(Arc::new(Failing { kind, delay }))).await.unwrap();
    let address = server.address();
    let (stop, stopping) = watch::channel(false);
    let server = tokio::spawn(server.run(stopping));
    let login = Request::new("POST", "/api/v1/session").json(r#"{"username":"anna","password":"secret"}"#);
    let cookie = send(address, &login).await.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    (address, cookie, stop, server)
}

#[tokio::test]
async fn a_failing_store_is_an_error_that_hides_its_inside() {
    for (kind, status, code) in [
        (ErrorKind::Unavailable, 503, "unavailable"),
        (ErrorKind::Corrupt, 500, "internal"),
        (ErrorKind::Config, 500, "internal"),
    ] {
        let (address, cookie, _stop, _server) = failing(config(), kind, Duration::ZERO).await;
        let answer = send(address, &Request::new("GET", "/api/v1/events").header("Cookie", &cookie)).await;
        assert_eq!(answer.error(), (status, code.into()));
        assert!(!answer.text().contains("parquet"), "{}", answer.text());
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let config = Config { request_timeout_seconds: 1, ..config() };
    let (address, cookie, _stop, _server) = failing(config, ErrorKind::Corrupt, Duration::from_secs(60)).await;
    let answer = send(address, &Request::new("GET", "/api/v1/events").header("Cookie", &cookie)).await;
    assert_eq!(answer.error(), (503, "timeout".into()));
}

#[tokio::test]
async fn a_busy_address_is_an_error_that_names_it_and_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let (_stop, stopping) = watch::channel(false);
    let store = Arc::new(Failing { kind: ErrorKind::Corrupt, delay: Duration::ZERO });
    let refused = serve(Config { bind: address, ..config() }, console(store), stopping).await.unwrap_err();
    assert!(matches!(refused, ServeError::Bind { .. }));
    let message = refused.to_string();
    assert!(message.contains(&address.to_string()) && message.contains("console.bind"), "{message}");
    assert!(message.contains("another process"), "{message}");
}

#[tokio::test]
async fn an_open_request_finishes_before_the_server_stops() {
    let (address, cookie, stop, server) = failing(config(), ErrorKind::Corrupt, Duration::from_millis(700)).await;
    let path = format!("/api/v1/events/{}", Ulid::nil());
    let request = Request::new("GET", &path).header("Cookie", &cookie);
    let open = tokio::spawn(async move { send(address, &request).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(true).unwrap();
    assert_eq!(open.await.unwrap().error(), (404, "not_found".into()));
    tokio::time::timeout(Duration::from_secs(3), server).await.expect("the server still runs").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_shutdown() {
    let bench = Bench::start().await;
    let mut idle = TcpStream::connect(bench.address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", bench.address);
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut some = [0; 16];
    idle.read_exact(&mut some).await.unwrap();
    let silent = TcpStream::connect(bench.address).await.unwrap();
    bench.stop.send(true).unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(6), bench.server).await;
    stopped.expect("the server still runs").unwrap();
    drop(silent);
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    let config = Config { connections_max: 1, ..config() };
    let bench = Bench::with(config, parapet_ports::LiveFeed::new(1)).await;
    let address = bench.address;
    let holder = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waiting = tokio::spawn(async move { send(address, &Request::new("GET", "/healthz")).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    drop(holder);
    assert_eq!(waiting.await.unwrap().status, 200);
}
