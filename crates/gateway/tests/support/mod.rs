//! What the tests of the gateway share: a tiny upstream, a gateway on a free port, a client that sends
//! exactly the bytes it is told.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a module shared by test binaries, each of which uses its part"
)]

use async_trait::async_trait;
use parapet_engine::Policy;
use parapet_engine::seclang::{Configuration, NoFiles};
use parapet_event::SecurityEvent;
use parapet_gateway::{Config, Gateway, PolicySet, SiteConfig, Traffic};
use parapet_ports::traffic::TrafficTotals;
use parapet_ports::{EventSink, State, TrafficSource};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Longest wait for anything in a test.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What the upstream received.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Head of the request as text.
    pub head: String,
    /// Body, chunks decoded.
    pub body: Vec<u8>,
}

/// A server with a fixed set of paths.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<Received>>>,
    pub connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream =
            Upstream { address: listener.local_addr().unwrap(), requests: Arc::default(), connections: Arc::default() };
        let shared = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = shared.clone();
                tokio::spawn(async move { shared.serve(stream).await });
            }
        });
        upstream
    }

    pub fn received(&self) -> Vec<Received> {
        self.requests.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut input = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = find(&input, b"\r\n\r\n") {
                    break at + 4;
                }
                if stream.read_buf(&mut input).await.ok()? == 0 {
                    return None;
                }
            };
            let head = String::from_utf8_lossy(&input[..end]).into_owned();
            input.drain(..end);
            let body = read_body(&head, &mut stream, &mut input, true).await?;
            let target = head.split(' ').nth(1)?.to_owned();
            let method = head.split(' ').next()?.to_owned();
            self.requests.lock().unwrap().push(Received { head, body: body.clone() });
            if !respond(&mut stream, &method, &target, &body).await? {
                return None;
            }
        }
    }
}

async fn respond(stream: &mut TcpStream, method: &str, target: &str, body: &[u8]) -> Option<bool> {
    let path = target.split('?').next()?;
    let simple = |kind: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let bytes = match path {
        "/bytes" => simple("application/octet-stream", &every_byte()),
        "/echo" => simple("application/octet-stream", body),
        "/leak" => simple("text/html", b"<p>ORA-00933: SQL command not properly ended</p>"),
        "/leak-as-image-and-page" => two_types("image/png", "text/html"),
        "/leak-as-page-and-image" => two_types("Text/HTML ; charset=utf-7", "image/png"),
        "/chunked" => b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x\r\n world\r\n0\r\nT: x\r\n\r\n".to_vec(),
        "/until-close" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\n\r\nuntil the end").await.ok()?;
            return Some(false);
        }
        "/large" => simple("text/css", &vec![b'x'; 3_000_000]),
        "/events" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await.ok()?;
            tokio::time::sleep(Duration::from_secs(3)).await;
            stream.write_all(b"data: 2\n\n").await.ok()?;
            return Some(false);
        }
        "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n".to_vec(),
        "/hop" => b"HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        "/interim" => b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
        "/broken" => b"this is not HTTP\r\n\r\n".to_vec(),
        "/smuggle" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        "/truncated" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 100\r\n\r\nhalf").await.ok()?;
            return Some(false);
        }
        "/hang" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return Some(false);
        }
        "/drop" => return Some(false),
        "/websocket" => {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n").await.ok()?;
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer).await.ok()? {
                    0 => return Some(false),
                    count => stream.write_all(&buffer[..count]).await.ok()?,
                }
            }
        }
        _ => simple("text/html", b"<html><body>hello from the upstream</body></html>"),
    };
    let bytes = if method == "HEAD" { bytes[..find(&bytes, b"\r\n\r\n")? + 4].to_vec() } else { bytes };
    stream.write_all(&bytes).await.ok()?;
    Some(true)
}

/// A page with an error of a database, of which two headers say what it is.
fn two_types(first: &str, second: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {first}\r\nContent-Type: {second}\r\nContent-Length: 9\r\n\r\nORA-00933")
        .into_bytes()
}

/// Every byte value, several times.
pub fn every_byte() -> Vec<u8> {
    (0..4096_u32).map(|number| (number % 256) as u8).collect()
}

pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Value of a header in a head.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
}

async fn read_body(head: &str, stream: &mut TcpStream, input: &mut Vec<u8>, request: bool) -> Option<Vec<u8>> {
    if header(head, "transfer-encoding").is_some() {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = find(input, b"\r\n") {
                    break at;
                }
                if stream.read_buf(input).await.ok()? == 0 {
                    return None;
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&input[..line]).ok()?, 16).ok()?;
            while input.len() < line + 2 + size + 2 {
                if stream.read_buf(input).await.ok()? == 0 {
                    return None;
                }
            }
            body.extend_from_slice(&input[line + 2..line + 2 + size]);
            input.drain(..line + 2 + size + 2);
            if size == 0 {
                return Some(body);
            }
        }
    }
    if let Some(length) = header(head, "content-length") {
        let length: usize = length.parse().ok()?;
        while input.len() < length {
            if stream.read_buf(input).await.ok()? == 0 {
                return None;
            }
        }
        return Some(input.drain(..length).collect());
    }
    if request {
        return Some(Vec::new());
    }
    while stream.read_buf(input).await.ok()? > 0 {}
    Some(std::mem::take(input))
}

/// Keeps events for the test.
#[derive(Default)]
pub struct Events {
    list: Mutex<Vec<SecurityEvent>>,
    pub full: AtomicBool,
    /// Nothing that was submitted is safe while this is set.
    pub unsettled: AtomicBool,
}

#[async_trait]
impl EventSink for Events {
    fn submit(&self, event: SecurityEvent) {
        self.list.lock().unwrap().push(event);
    }

    async fn settled(&self) {
        while self.unsettled.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn accepting(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }
}

impl Events {
    /// All events, as soon as there are `count`.
    pub async fn wait(&self, count: usize) -> Vec<SecurityEvent> {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let list = self.list.lock().unwrap().clone();
            if list.len() >= count {
                return list;
            }
            assert!(std::time::Instant::now() < deadline, "only {} of {count} events", list.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn now(&self) -> Vec<SecurityEvent> {
        self.list.lock().unwrap().clone()
    }
}

/// A running gateway.
pub struct Running {
    pub address: SocketAddr,
    pub events: Arc<Events>,
    pub traffic: Traffic,
    pub policies: Arc<PolicySet>,
    shutdown: watch::Sender<bool>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// A configuration for one site on a free port.
pub fn config(upstreams: &[SocketAddr]) -> Config {
    Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        workers: 1,
        sites: vec![SiteConfig::new("shop", upstreams.iter().map(|address| format!("http://{address}")).collect())],
        ..Config::default()
    }
}

impl Running {
    pub fn start(config: Config, policies: PolicySet) -> Running {
        Running::start_as(config, policies, |gateway| gateway)
    }

    /// One that shares the collections of its rules.
    pub fn start_sharing(config: Config, policies: PolicySet, state: Arc<dyn State>) -> Running {
        Running::start_as(config, policies, |gateway| gateway.sharing_collections(state))
    }

    fn start_as(config: Config, policies: PolicySet, change: impl FnOnce(Gateway) -> Gateway) -> Running {
        let events = Arc::new(Events::default());
        let policies = Arc::new(policies);
        let gateway = Gateway::new(config, Arc::clone(&policies), Arc::clone(&events) as Arc<dyn EventSink>).unwrap();
        let gateway = change(gateway);
        let address = gateway.addresses()[0];
        let traffic = gateway.traffic();
        let (shutdown, watch) = watch::channel(false);
        let task = tokio::spawn(gateway.run(watch));
        Running { address, events, traffic, policies, shutdown, task }
    }

    pub async fn connect(&self) -> Client {
        connect(self.address).await
    }

    /// Sends the bytes on a connection of their own and reads one response.
    pub async fn send(&self, bytes: impl AsRef<[u8]>) -> Response {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.response().await
    }

    pub async fn get(&self, target: &str) -> Response {
        get(self.address, target).await
    }

    /// Waits until the totals are as expected; requests are counted after they are answered.
    pub async fn wait_for(&self, expected: impl Fn(TrafficTotals) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !expected(self.traffic.totals()) {
            assert!(std::time::Instant::now() < deadline, "{:?}", self.traffic.totals());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops it and waits until it has stopped.
    pub async fn stop(self) {
        self.ask_to_stop();
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }

    pub fn ask_to_stop(&self) {
        self.shutdown.send(true).unwrap();
    }
}

async fn connect(address: SocketAddr) -> Client {
    Client { stream: TcpStream::connect(address).await.unwrap(), input: Vec::new() }
}

/// The answer of a gateway to a GET.
pub async fn get(address: SocketAddr, target: &str) -> Response {
    let mut client = connect(address).await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n")).await;
    client.response().await
}

/// A connection to the gateway.
pub struct Client {
    pub stream: TcpStream,
    input: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads a head.
    pub async fn head(&mut self) -> Option<String> {
        timeout(PATIENCE, async {
            loop {
                if let Some(at) = find(&self.input, b"\r\n\r\n") {
                    return Some(
                        String::from_utf8_lossy(&self.input.drain(..at + 4).collect::<Vec<u8>>()).into_owned(),
                    );
                }
                if self.stream.read_buf(&mut self.input).await.ok()? == 0 {
                    return None;
                }
            }
        })
        .await
        .expect("no answer in time")
    }

    pub async fn try_response(&mut self, with_body: bool) -> Option<Response> {
        let head = self.head().await?;
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        let body = if !with_body || status == 204 || status == 304 || status < 200 {
            Vec::new()
        } else {
            timeout(PATIENCE, read_body(&head, &mut self.stream, &mut self.input, false))
                .await
                .expect("no body in time")?
        };
        Some(Response { status, head, body })
    }

    pub async fn response(&mut self) -> Response {
        self.try_response(true).await.expect("the connection ended without an answer")
    }

    /// Reads exactly so many bytes.
    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        timeout(PATIENCE, async {
            while self.input.len() < count {
                if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                    break;
                }
            }
        })
        .await
        .expect("no bytes in time");
        let count = count.min(self.input.len());
        self.input.drain(..count).collect()
    }

    /// Whether the other side closes the connection without sending anything more.
    pub async fn is_closed(&mut self) -> bool {
        if !self.input.is_empty() {
            return false;
        }
        let mut byte = [0; 1];
        match timeout(PATIENCE, self.stream.read(&mut byte)).await {
            Ok(Ok(count)) => count == 0,
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }
}

/// A policy without rules.
pub fn no_rules() -> Policy {
    Policy::compile(&Configuration::default(), &NoFiles).unwrap()
}
