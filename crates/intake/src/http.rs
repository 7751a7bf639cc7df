//! `kind = "http"`: receives logs by HTTP.
//!
//! ```toml
//! [sources.fleet]
//! kind = "http"
//! listen = "0.0.0.0:9443"
//! token = "…"                  # or PARAPET__SOURCES__FLEET__TOKEN
//! [sources.fleet.tls]
//! certificate = "/etc/parapet/tls/server.pem"
//! key = "/etc/parapet/tls/server.key"
//! client_ca = "/etc/parapet/tls/clients.pem"
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `listen` | address and port | – |
//! | `token` | what clients send as `Authorization: Bearer …` | none: then `tls.client_ca` is needed |
//! | `tls` | certificates, see [`parapet_ports::tls`] | none: plain HTTP |
//! | `body_bytes_max` | largest body, as sent and, ten times as large, unpacked | 64 MiB |
//!
//! `POST /v1/records` takes lines of a log, packed with `Content-Encoding: gzip` or not. The answer
//! comes when all records are durable, and says what became of them:
//!
//! | status | meaning |
//! |---|---|
//! | 202 | taken; lines that are no records are listed and kept as dead letters |
//! | 400, 413, 415 | the body is damaged, too large or packed otherwise; what came before was taken |
//! | 401 | no or a wrong token |
//! | 422 | not one record could be read |
//! | 503 | the pipeline is behind or stopping: send it again, after `Retry-After` seconds |
//!
//! Sending something twice is harmless: events are recognised by their content.

mod unpack;

use crate::listener::{Listener, Stream};
use async_trait::async_trait;
use chrono::Utc;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::source::Receipt;
use parapet_ports::tls::Tls;
use parapet_ports::{ErrorKind, EventSource, PortError, RecordSession, RecordSink, Secret};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use unpack::{Damaged, Unpack};

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn EventSource> =
    Plugin { kind: "http", summary: "Receives lines of logs by HTTP, with a token or client certificates", check };

const PATH: &str = "/v1/records";
/// Time for the head of a request, and between two parts of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client waits for a pipeline that is behind.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);
const RETRY_AFTER_SECONDS: &str = "5";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: SocketAddr,
    token: Option<Secret>,
    tls: Option<Tls>,
    #[serde(default = "body_bytes_max")]
    body_bytes_max: u64,
}

fn body_bytes_max() -> u64 {
    64 << 20
}

fn check(settings: Settings) -> Result<Box<dyn Ready<dyn EventSource>>, PortError> {
    let config: Config = settings.decode()?;
    let name = settings.name;
    let wrong = |what: &str| Err(PortError::new(ErrorKind::Config, format!("{name}: {what}")));
    let by_certificate = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    match &config.token {
        Some(token) if token.expose().len() < 16 => return wrong("token: must have at least 16 characters"),
        None if !by_certificate => return wrong("set `token`, or `tls.client_ca`: nobody else may send events"),
        _ => {}
    }
    if !(1024..=1 << 30).contains(&config.body_bytes_max) {
        return wrong("body_bytes_max must lie between 1024 and 1073741824");
    }
    Ok(Box::new(Checked { name, config: Arc::new(config) }))
}

struct Checked {
    name: String,
    config: Arc<Config>,
}

#[async_trait]
impl Ready<dyn EventSource> for Checked {
    async fn open(&self, _: &Place) -> Result<Arc<dyn EventSource>, PortError> {
        let listener = Listener::bind(&self.name, self.config.listen, self.config.tls.as_ref()).await?;
        let token = self.config.token.as_ref().map(|token| Sha256::digest(token.expose()).into());
        let desk = Arc::new(Desk { token, body_bytes_max: self.config.body_bytes_max });
        Ok(Arc::new(HttpSource { name: self.name.clone(), listener, desk }))
    }
}

struct HttpSource {
    name: String,
    listener: Listener,
    desk: Arc<Desk>,
}

#[async_trait]
impl EventSource for HttpSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, sink: Arc<dyn RecordSink>, stop: CancellationToken) -> Result<(), PortError> {
        let (desk, stopping) = (self.desk.clone(), stop.clone());
        let serve = move |stream: Stream, peer: SocketAddr| {
            let (desk, sink, stop) = (desk.clone(), sink.clone(), stopping.clone());
            async move { connection(stream, peer, desk, sink, stop).await }
        };
        self.listener.serve(&stop, serve).await;
        Ok(())
    }
}

async fn connection(
    stream: Stream,
    peer: SocketAddr,
    desk: Arc<Desk>,
    sink: Arc<dyn RecordSink>,
    stop: CancellationToken,
) {
    let service = service_fn(move |request| {
        let (desk, sink) = (desk.clone(), sink.clone());
        async move { Ok::<_, Infallible>(desk.answer(request, &*sink).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(READ_TIMEOUT).max_buf_size(64 * 1024);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

struct Desk {
    /// SHA-256 of the token: comparing digests tells nothing of it by the time that it takes.
    token: Option<[u8; 32]>,
    body_bytes_max: u64,
}

/// Why a body was not taken to its end.
enum Failed {
    Status(StatusCode, String),
    Behind,
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>, sink: &dyn RecordSink) -> Response<Full<Bytes>> {
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, &format!("POST to {PATH}"));
        }
        if !self.allows(&request) {
            let mut answer = plain(StatusCode::UNAUTHORIZED, "send the token as `Authorization: Bearer …`");
            answer.headers_mut().insert(WWW_AUTHENTICATE, hyper::header::HeaderValue::from_static("Bearer"));
            return answer;
        }
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, &format!("POST to {PATH}"));
        }
        let encoding = request.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
        let unpack = match encoding.as_deref() {
            None | Some(b"" | b"identity") => Unpack::plain(self.body_bytes_max),
            Some(b"gzip" | b"x-gzip") => Unpack::gzip(self.body_bytes_max.saturating_mul(10)),
            Some(_) => return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Encoding must be gzip or identity"),
        };
        let mut receipt = Receipt::default();
        let outcome = self.take(request.into_body(), unpack, &mut *sink.session(), &mut receipt).await;
        report(outcome, &receipt)
    }

    fn allows(&self, request: &Request<Incoming>) -> bool {
        let Some(expected) = self.token else { return true };
        let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        sent.is_some_and(|token| <[u8; 32]>::from(Sha256::digest(token)) == expected)
    }

    async fn take(
        &self,
        mut body: Incoming,
        mut unpack: Unpack,
        session: &mut dyn RecordSession,
        receipt: &mut Receipt,
    ) -> Result<(), Failed> {
        let mut bytes = 0;
        loop {
            let frame = tokio::time::timeout(READ_TIMEOUT, body.frame()).await;
            let frame = frame.map_err(|_| Failed::Status(StatusCode::REQUEST_TIMEOUT, "the body stopped".into()))?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| Failed::Status(StatusCode::BAD_REQUEST, error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            bytes += data.len() as u64;
            if bytes > self.body_bytes_max {
                let message = format!("the body is larger than {} bytes", self.body_bytes_max);
                return Err(Failed::Status(StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            let lines = unpack.push(&data).map_err(damaged)?;
            hand_on(session, &lines, receipt).await?;
        }
        let lines = unpack.finish().map_err(damaged)?;
        hand_on(session, &lines, receipt).await?;
        let finished = tokio::time::timeout(TAKE_TIMEOUT, session.finish()).await;
        receipt.add(finished.map_err(|_| Failed::Behind)?.map_err(|_| Failed::Behind)?);
        Ok(())
    }
}

async fn hand_on(session: &mut dyn RecordSession, lines: &[u8], receipt: &mut Receipt) -> Result<(), Failed> {
    if lines.is_empty() {
        return Ok(());
    }
    let taken = tokio::time::timeout(TAKE_TIMEOUT, session.take(lines, Some(Utc::now()))).await;
    receipt.add(taken.map_err(|_| Failed::Behind)?.map_err(|_| Failed::Behind)?);
    Ok(())
}

fn damaged(damaged: Damaged) -> Failed {
    let status = match damaged {
        Damaged::Packing(_) => StatusCode::BAD_REQUEST,
        Damaged::Size(_) | Damaged::Line(_) => StatusCode::PAYLOAD_TOO_LARGE,
    };
    Failed::Status(status, damaged.to_string())
}

fn report(outcome: Result<(), Failed>, receipt: &Receipt) -> Response<Full<Bytes>> {
    let nothing_read = receipt.events == 0 && receipt.without_findings == 0 && receipt.refused > 0;
    let (status, error) = match outcome {
        Ok(()) if nothing_read => (StatusCode::UNPROCESSABLE_ENTITY, Some("not one record could be read".to_owned())),
        Ok(()) => (StatusCode::ACCEPTED, None),
        Err(Failed::Status(status, error)) => (status, Some(error)),
        Err(Failed::Behind) => {
            (StatusCode::SERVICE_UNAVAILABLE, Some("the pipeline is behind; send it again".to_owned()))
        }
    };
    let refusals: Vec<_> =
        receipt.refusals.iter().map(|refusal| json!({"line": refusal.line, "reason": refusal.reason})).collect();
    let mut body = json!({
        "events": receipt.events,
        "salvaged": receipt.salvaged,
        "without_findings": receipt.without_findings,
        "refused": receipt.refused,
        "refusals": refusals,
    });
    if let Some(error) = error {
        body["error"] = error.into();
    }
    let mut answer = plain(status, "");
    *answer.body_mut() = Full::new(Bytes::from(body.to_string()));
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, hyper::header::HeaderValue::from_static(RETRY_AFTER_SECONDS));
    }
    answer
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *answer.status_mut() = status;
    answer
}
