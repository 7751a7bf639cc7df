//! Sends the request to an upstream and reads the head of its response.

use crate::client::write_both;
use crate::exchange::{End, Exchange};
use crate::framing::Framing;
use crate::inspection;
use crate::response_head::{self, ResponseHead};
use crate::target;
use crate::upstream::{Upstream, UpstreamConnection};
use std::io::{self, Write};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// Longest response head in bytes.
const HEAD_MAX: usize = 128 * 1024;
/// Interim responses (1xx) skipped before the real one.
const INTERIM_MAX: usize = 8;

/// A response whose head has arrived.
pub(crate) struct Response {
    /// Where the rest comes from.
    pub(crate) connection: UpstreamConnection,
    /// Index of the server over all sites.
    pub(crate) server: usize,
    /// Its head.
    pub(crate) head: ResponseHead,
}

enum Failure {
    /// Nothing of a response arrived on a connection that had been idle: it was closed meanwhile.
    Stale,
    /// The request cannot be completed.
    End(End),
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        Failure::End(end)
    }
}

impl Exchange<'_> {
    /// Sends the request and waits for the head of the response.
    pub(crate) async fn forward(&mut self) -> Result<Response, End> {
        let site = Arc::clone(&self.site);
        let upgrade = self.wants_upgrade();
        let mut last = String::from("no upstream is configured");
        for server in site.upstreams.candidates() {
            let connection = match self.connection(server).await {
                Ok(connection) => connection,
                Err(message) => {
                    server.failed();
                    last = message;
                    continue;
                }
            };
            let replayable = connection.reused && self.is_idempotent() && self.body.reader.is_done();
            let outcome = match self.attempt(server, connection, upgrade).await {
                Err(Failure::Stale) if replayable => {
                    let patience = self.worker.shared.config.timeouts.upstream_connect;
                    match server.connect(self.worker.shared.tls.as_ref(), patience).await {
                        Ok(fresh) => self.attempt(server, fresh, upgrade).await,
                        Err(error) => Err(Failure::End(unreachable(server, &error.to_string()))),
                    }
                }
                outcome => outcome,
            };
            return match outcome {
                Ok(response) => {
                    server.succeeded();
                    self.upstream = Some(server.index);
                    Ok(response)
                }
                Err(Failure::Stale) => {
                    server.failed();
                    Err(unreachable(server, "closed the connection without an answer"))
                }
                Err(Failure::End(end)) => {
                    if matches!(end, End::Upstream(..)) {
                        server.failed();
                    }
                    Err(end)
                }
            };
        }
        Err(End::Upstream(502, last))
    }

    async fn connection(&self, server: &Upstream) -> Result<UpstreamConnection, String> {
        if let Some(connection) = self.worker.pool.take(server.index).await {
            return Ok(connection);
        }
        let patience = self.worker.shared.config.timeouts.upstream_connect;
        server
            .connect(self.worker.shared.tls.as_ref(), patience)
            .await
            .map_err(|error| format!("{}:{}: {error}", server.address.host, server.address.port))
    }

    fn is_idempotent(&self) -> bool {
        matches!(self.head.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE")
    }

    /// Whether this is a WebSocket handshake that may pass.
    fn wants_upgrade(&self) -> bool {
        self.site.websocket
            && self.is_http11()
            && self.head.method() == b"GET"
            && self.body.framing == Framing::Empty
            && self.head.header_has_token(b"connection", b"upgrade")
            && self.head.header(b"upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
    }

    async fn attempt(
        &mut self,
        server: &Upstream,
        mut connection: UpstreamConnection,
        upgrade: bool,
    ) -> Result<Response, Failure> {
        let patience = self.worker.shared.config.timeouts.write;
        let mut out = std::mem::take(&mut self.client.out);
        out.clear();
        self.write_request_head(&mut out, upgrade);
        let held = framed_piece(self.body.reader.is_done(), self.body.framing, &self.body.buffered, &mut out);
        let sent = timeout(patience, write_both(&mut connection.stream, &out, held)).await;
        out.clear();
        self.client.out = out;
        let mut broken = match sent {
            Ok(outcome) => outcome.is_err(),
            Err(_) => return Err(End::Upstream(504, "the upstream does not take the request".to_owned()).into()),
        };
        if !self.body.reader.is_done() && !broken {
            broken = self.stream_rest(&mut connection).await?;
        }
        // An upstream may answer early and close; its answer still counts.
        match self.read_response_head(&mut connection, server, upgrade).await {
            Ok(head) => Ok(Response { connection, server: server.index, head }),
            Err(Failure::Stale) if broken && !connection.reused => {
                Err(unreachable(server, "closed the connection while it received the request").into())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Passes on the part of the body that is not inspected. Returns whether the upstream stopped
    /// taking it.
    async fn stream_rest(&mut self, connection: &mut UpstreamConnection) -> Result<bool, End> {
        let patience = self.worker.shared.config.timeouts.write;
        self.body.buffered = Vec::new();
        let mut out = Vec::new();
        while !self.body.reader.is_done() {
            self.body.buffered.clear();
            self.read_body_piece().await?;
            out.clear();
            write_piece(self.body.framing, &self.body.buffered, self.body.reader.is_done(), &mut out);
            match timeout(patience, connection.stream.write_all(&out)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(true),
                Err(_) => return Err(End::Upstream(504, "the upstream does not take the request".to_owned())),
            }
        }
        let flushed = connection.stream.flush().await;
        Ok(flushed.is_err())
    }

    /// The head as the upstream gets it: the client's headers without those of the connection, with the
    /// gateway's own.
    fn write_request_head(&self, out: &mut Vec<u8>, upgrade: bool) {
        let (host, path) = target::of(self.head).map(|target| (target.host, target.path)).unwrap_or_default();
        out.extend_from_slice(self.head.method());
        out.push(b' ');
        target::write_encoded(path, out);
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(host);
        out.extend_from_slice(b"\r\n");
        let trusted = self.origin.through_proxy;
        let plain = self.inspection.is_some() && inspection::reads_responses(&self.policy);
        for (name, value) in self.head.headers() {
            if is_own(name, trusted) || (plain && name.eq_ignore_ascii_case(b"accept-encoding")) {
                continue;
            }
            if self.is_nominated(name) {
                continue;
            }
            write_header(out, name, value);
        }
        if upgrade {
            out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        }
        self.write_forwarded(out, host);
        write_framing(self.head.header(b"content-length").is_some(), &self.body, out);
        out.extend_from_slice(b"\r\n");
    }

    /// Whether the Connection header names this header. Headers that decide who is served, and how the
    /// message is framed, cannot be taken away like that.
    fn is_nominated(&self, name: &[u8]) -> bool {
        const PROTECTED: [&[u8]; 5] = [b"authorization", b"cookie", b"content-type", b"content-encoding", b"origin"];
        self.head.header(b"connection").is_some()
            && self.head.header_has_token(b"connection", name)
            && !PROTECTED.iter().any(|protected| protected.eq_ignore_ascii_case(name))
    }

    fn write_forwarded(&self, out: &mut Vec<u8>, host: &[u8]) {
        let trusted = self.origin.through_proxy;
        out.extend_from_slice(b"X-Forwarded-For: ");
        if trusted {
            for (_, value) in self.head.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"x-forwarded-for")) {
                out.extend_from_slice(value);
                out.extend_from_slice(b", ");
            }
        }
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{}\r\n", self.client.peer.ip());
        let kept = |name: &[u8]| trusted && self.head.header(name).is_some();
        if !kept(b"x-forwarded-proto") {
            let scheme: &[u8] = if self.client.tls { b"https" } else { b"http" };
            write_header(out, b"X-Forwarded-Proto", scheme);
        }
        if !kept(b"x-forwarded-host") {
            write_header(out, b"X-Forwarded-Host", host);
        }
        let mut text = [0; ulid::ULID_LEN];
        write_header(out, b"X-Request-Id", self.id.array_to_str(&mut text).as_bytes());
    }

    async fn read_response_head(
        &mut self,
        connection: &mut UpstreamConnection,
        server: &Upstream,
        upgrade: bool,
    ) -> Result<ResponseHead, Failure> {
        let deadline = Instant::now() + self.worker.shared.config.timeouts.upstream_response;
        let mut interim = 0;
        loop {
            match response_head::parse(&connection.input) {
                Ok(Some(head)) if head.status == 101 && upgrade => return Ok(head),
                Ok(Some(head)) if (100..200).contains(&head.status) => {
                    interim += 1;
                    if head.status == 101 || interim > INTERIM_MAX {
                        return Err(unreachable(server, "answers with 1xx where it must not").into());
                    }
                    bytes::Buf::advance(&mut connection.input, head.length);
                    continue;
                }
                Ok(Some(head)) => return Ok(head),
                Ok(None) if connection.input.len() > HEAD_MAX => {
                    return Err(unreachable(server, "sends a response head that is too long").into());
                }
                Ok(None) => {}
                Err(message) => return Err(unreachable(server, message).into()),
            }
            connection.input.reserve(16 * 1024);
            match timeout_at(deadline, connection.stream.read_buf(&mut connection.input)).await {
                Ok(Ok(count)) if count > 0 => {}
                Ok(Ok(_)) if connection.input.is_empty() => return Err(Failure::Stale),
                Ok(Err(error)) if connection.input.is_empty() && is_reset(&error) => return Err(Failure::Stale),
                Ok(Ok(_)) => return Err(unreachable(server, "closed the connection inside a response head").into()),
                Ok(Err(error)) => return Err(unreachable(server, &error.to_string()).into()),
                Err(_) => {
                    let message = format!("{}:{}: no answer in time", server.address.host, server.address.port);
                    return Err(End::Upstream(504, message).into());
                }
            }
        }
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected)
}

fn unreachable(server: &Upstream, message: &str) -> End {
    End::Upstream(502, format!("{}:{}: {message}", server.address.host, server.address.port))
}

/// Headers that belong to the connection or that the gateway writes itself. `_` counts as `-`, because
/// applications behind CGI-like interfaces cannot tell the two apart.
fn is_own(name: &[u8], trusted: bool) -> bool {
    const CONNECTION: [&[u8]; 11] = [
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
        b"host",
        b"expect",
    ];
    const OWN: [&[u8]; 2] = [b"x-forwarded-for", b"x-request-id"];
    const FROM_PROXIES: [&[u8]; 3] = [b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"];
    let same = |known: &&[u8]| {
        known.len() == name.len()
            && known.iter().zip(name).all(|(a, b)| *a == b.to_ascii_lowercase() || (*a == b'-' && *b == b'_'))
    };
    CONNECTION.iter().any(same) || OWN.iter().any(same) || (!trusted && FROM_PROXIES.iter().any(same))
}

/// Appends one header line.
pub(crate) fn write_header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// A body that is complete gets its length; one that is streamed is framed as the client framed it.
fn write_framing(had_length: bool, body: &crate::exchange::RequestBody, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = match body.framing {
        Framing::Empty if had_length => write!(out, "Content-Length: 0\r\n"),
        Framing::Empty | Framing::UntilClose => Ok(()),
        Framing::Length(length) => write!(out, "Content-Length: {length}\r\n"),
        Framing::Chunked if body.reader.is_done() => write!(out, "Content-Length: {}\r\n", body.buffered.len()),
        Framing::Chunked => write!(out, "Transfer-Encoding: chunked\r\n"),
    };
}

/// The held part of a body behind its head: as it is, or as a first chunk appended to `out`.
fn framed_piece<'b>(done: bool, framing: Framing, held: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
    if done || framing != Framing::Chunked {
        return held;
    }
    write_piece(framing, held, false, out);
    &[]
}

/// Appends a piece of a streamed body in its framing.
pub(crate) fn write_piece(framing: Framing, piece: &[u8], last: bool, out: &mut Vec<u8>) {
    if framing != Framing::Chunked {
        out.extend_from_slice(piece);
        return;
    }
    if !piece.is_empty() {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{:x}\r\n", piece.len());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    if last {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spoofed_headers_of_the_gateway_are_dropped_in_any_spelling() {
        for name in
            ["X-Forwarded-For", "x_forwarded_for", "X-Request-ID", "Transfer_Encoding", "Content_Length", "Forwarded"]
        {
            assert!(is_own(name.as_bytes(), false), "{name}");
        }
        assert!(!is_own(b"Forwarded", true));
        assert!(!is_own(b"X-Forwarded", false));
        assert!(!is_own(b"Cookie", false));
    }

    #[test]
    fn chunks_are_written_so_that_the_decoder_reads_them_back() {
        let mut out = Vec::new();
        write_piece(Framing::Chunked, b"hello ", false, &mut out);
        write_piece(Framing::Chunked, b"", false, &mut out);
        write_piece(Framing::Chunked, b"world", true, &mut out);
        let mut body = Vec::new();
        let decoded = crate::chunked::ChunkDecoder::new().decode(&out, &mut body, usize::MAX).unwrap();
        assert!(decoded.done);
        assert_eq!(body, b"hello world");
    }
}
