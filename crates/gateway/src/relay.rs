//! Passes the response on: head inspected, body held only when the rules want to see it.

use crate::body::{BodyError, BodyReader};
use crate::client::write_both;
use crate::exchange::{End, Exchange, Next};
use crate::fault::Fault;
use crate::forward::{Response, write_header, write_piece};
use crate::framing::Framing;
use crate::inspection::{Inspection, Taken, Verdict};
use crate::response_head::{self, ResponseHead};
use crate::upstream::UpstreamConnection;
use bytes::Buf;
use std::io::Write;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// How the body goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    /// There is none, or all of it is at hand.
    Whole,
    /// Piece by piece, in this framing.
    Streamed(Framing),
}

impl Exchange<'_> {
    /// Passes a response on to the client.
    pub(crate) async fn relay(&mut self, response: Response) -> Result<Next, End> {
        let Response { mut connection, server, head } = response;
        if self.inspection.is_some() {
            self.response_head.extend_from_slice(&connection.input[..head.length]);
        }
        self.inspect_response_head(&head, &connection.input[..head.length])?;
        if head.status == 101 {
            return self.tunnel(connection, &head).await;
        }
        let has_body = response_head::has_body(self.head.method(), head.status);
        let mut reader = BodyReader::new(if has_body { head.framing } else { Framing::Empty });
        let mut out = std::mem::take(&mut self.client.out);
        out.clear();
        write_response_head(&connection.input[..head.length], &mut out);
        connection.input.advance(head.length);

        let mut held = Vec::new();
        self.inspect_response_body(&mut connection, &mut reader, &mut held, has_body).await?;
        let next = self.finish_head(&head, has_body, &reader, held.len(), &mut out);
        self.status = head.status;
        self.answered = true;
        if next.0 == Delivery::Whole {
            self.conclude().await;
        }
        self.send(&out, &held).await?;
        out.clear();
        self.client.out = out;
        if let Delivery::Streamed(framing) = next.0 {
            self.stream_response(&mut connection, &mut reader, framing).await?;
        }
        if head.keep_alive && self.body.reader.is_done() && (!has_body || head.framing != Framing::UntilClose) {
            self.worker.pool.put(server, connection);
        }
        Ok(next.1)
    }

    /// Phase 3.
    fn inspect_response_head(&mut self, head: &ResponseHead, bytes: &[u8]) -> Result<(), End> {
        let Some(inspection) = &mut self.inspection else { return Ok(()) };
        let protocol = bytes.get(..8).unwrap_or_default();
        let verdict =
            response_head::with_headers(bytes, |headers| inspection.response_head(head.status, protocol, headers));
        verdict.unwrap_or(Verdict::Pass).into_result()
    }

    /// Holds as much of the body as the rules want to see, and runs phase 4. Without inspection it only
    /// takes what has already arrived.
    async fn inspect_response_body(
        &mut self,
        connection: &mut UpstreamConnection,
        reader: &mut BodyReader,
        held: &mut Vec<u8>,
        has_body: bool,
    ) -> Result<(), End> {
        let wanted = has_body && self.inspection.as_mut().is_some_and(|inspection| inspection.wants_response_body());
        if wanted {
            self.hold_response(connection, reader, held).await?;
        }
        self.run_phase(held.len(), Inspection::response_complete).await?;
        if wanted
            && reader.is_done()
            && let Some((before, after)) = self.inspection.as_mut().and_then(Inspection::injected)
        {
            held.splice(..0, before);
            held.extend(after);
        }
        if !wanted {
            reader.take_buffered(&mut connection.input, held).map_err(|error| broken_body(&error))?;
        }
        Ok(())
    }

    async fn hold_response(
        &mut self,
        connection: &mut UpstreamConnection,
        reader: &mut BodyReader,
        held: &mut Vec<u8>,
    ) -> Result<(), End> {
        let patience = self.worker.shared.config.timeouts.upstream_body;
        let held_max = self.worker.shared.config.limits.buffered_body_bytes;
        while !reader.is_done() {
            let before = held.len();
            reader
                .read(&mut connection.stream, &mut connection.input, held, patience)
                .await
                .map_err(|error| broken_body(&error))?;
            // The engine keeps a copy of what it inspects.
            if !self.body.reservation.grow_to(self.body.buffered.capacity() + held.capacity() + held.len()) {
                return Err(Fault::new(503, "the memory for buffered bodies is used up").into());
            }
            let Some(inspection) = &mut self.inspection else { return Ok(()) };
            match inspection.response_body(&held[before..]) {
                Taken::All if held.len() < held_max => {}
                Taken::All | Taken::Enough => return Ok(()),
                Taken::TooMuch => return Err(Fault::new(500, "the response body is over the inspection limit").into()),
            }
        }
        Ok(())
    }

    /// Completes the head with its framing, and decides how the body goes out and what follows.
    fn finish_head(
        &self,
        head: &ResponseHead,
        has_body: bool,
        reader: &BodyReader,
        held: usize,
        out: &mut Vec<u8>,
    ) -> (Delivery, Next) {
        let mut next = self.next();
        // Writing to a Vec cannot fail.
        let delivery = match head.framing {
            framing if !has_body => {
                if let (Framing::Length(length), true) = (framing, head.status != 204) {
                    let _ = write!(out, "Content-Length: {length}\r\n");
                }
                Delivery::Whole
            }
            _ if reader.is_done() => {
                let _ = write!(out, "Content-Length: {held}\r\n");
                Delivery::Whole
            }
            Framing::Length(length) => {
                let _ = write!(out, "Content-Length: {length}\r\n");
                Delivery::Streamed(Framing::Length(length))
            }
            _ if self.is_http11() => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                Delivery::Streamed(Framing::Chunked)
            }
            _ => {
                next = Next::Close;
                Delivery::Streamed(Framing::UntilClose)
            }
        };
        if next == Next::Close {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if !self.is_http11() {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if delivery == Delivery::Streamed(Framing::Chunked) && held > 0 {
            let _ = write!(out, "{held:x}\r\n");
        }
        (delivery, next)
    }

    /// Sends the head and what is held of the body in one write.
    async fn send(&mut self, head: &[u8], held: &[u8]) -> Result<(), End> {
        self.sent += held.len() as u64;
        let patience = self.worker.shared.config.timeouts.write;
        match timeout(patience, write_both(&mut self.client.stream, head, held)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone("the client left before the response")),
        }
    }

    async fn stream_response(
        &mut self,
        connection: &mut UpstreamConnection,
        reader: &mut BodyReader,
        framing: Framing,
    ) -> Result<(), End> {
        let patience = self.worker.shared.config.timeouts.upstream_body;
        let write_patience = self.worker.shared.config.timeouts.write;
        // The head announced what was held as the first chunk; here it ends.
        let mut pending: &[u8] = if framing == Framing::Chunked && self.sent > 0 { b"\r\n" } else { b"" };
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let mut out = std::mem::take(&mut self.client.out);
            out.clear();
            out.extend_from_slice(pending);
            pending = b"";
            if !out.is_empty() {
                // Ends the first chunk at once: a stream of events must not wait for its next event.
                self.write_streamed(&out, write_patience).await?;
                out.clear();
            }
            if let Err(error) = reader.read(&mut connection.stream, &mut connection.input, &mut piece, patience).await {
                self.upstream_error = Some(error.to_string());
                return Err(End::Gone("the upstream failed inside its response"));
            }
            let done = reader.is_done();
            if done {
                self.conclude().await;
            }
            write_piece(framing, &piece, done, &mut out);
            self.sent += piece.len() as u64;
            self.write_streamed(&out, write_patience).await?;
            self.client.out = out;
            if done {
                return Ok(());
            }
        }
    }

    async fn write_streamed(&mut self, bytes: &[u8], patience: std::time::Duration) -> Result<(), End> {
        let write = async {
            self.client.stream.write_all(bytes).await?;
            self.client.stream.flush().await
        };
        match timeout(patience, write).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone("the client left inside the response")),
        }
    }
}

fn broken_body(error: &BodyError) -> End {
    let status = if matches!(error, BodyError::Timeout) { 504 } else { 502 };
    End::Upstream(status, format!("response body: {error}"))
}

/// Status line and headers as the client gets them, without framing and without the empty line.
pub(crate) fn write_response_head(bytes: &[u8], out: &mut Vec<u8>) {
    const CONNECTION: [&[u8]; 8] = [
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
    ];
    out.extend_from_slice(b"HTTP/1.1");
    out.extend_from_slice(response_head::status_line(bytes).get(8..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
    let nominated = response_head::connection_tokens(bytes);
    response_head::for_each_header(bytes, |name, value| {
        let hidden = CONNECTION.iter().any(|known| known.eq_ignore_ascii_case(name))
            || nominated.iter().any(|token| token.eq_ignore_ascii_case(name));
        if !hidden {
            write_header(out, name, value);
        }
    });
}
