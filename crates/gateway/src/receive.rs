//! Reads the request body before anything of the request goes to the upstream.

use crate::body::BodyError;
use crate::exchange::{End, Exchange};
use crate::fault::Fault;
use crate::framing::Framing;
use crate::inspection::Taken;
use tokio::io::AsyncWriteExt;

/// Invites the body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Exchange<'_> {
    /// Reads and hands to the engine as much of the body as it wants. What the policy leaves
    /// uninspected stays on the connection and is streamed later.
    pub(crate) async fn receive_body(&mut self) -> Result<(), End> {
        let limit = self.site.request_body_bytes;
        if let Framing::Length(length) = self.body.framing
            && length > limit
        {
            return Err(too_large(limit).into());
        }
        if self.body.reader.is_done() {
            return Ok(());
        }
        self.invite_body().await?;
        let wanted = self.inspection.as_mut().is_some_and(|inspection| inspection.wants_request_body());
        if !wanted {
            // What came along with the head goes out along with the head.
            let client = &mut *self.client;
            let taken = self.body.reader.take_buffered(&mut client.input, &mut self.body.buffered);
            taken.map_err(|error| body_end(&error))?;
            return self.check_size();
        }
        let held_max = self.worker.shared.config.limits.buffered_body_bytes;
        while !self.body.reader.is_done() {
            let before = self.body.buffered.len();
            self.read_body_piece().await?;
            // The engine keeps a copy of what it inspects.
            let held = self.body.buffered.capacity() + self.body.buffered.len();
            if !self.body.reservation.grow_to(held) {
                return Err(Fault::new(503, "the memory for buffered bodies is used up").into());
            }
            let Some(inspection) = &mut self.inspection else { break };
            match inspection.request_body(&self.body.buffered[before..]) {
                Taken::All if self.body.buffered.len() < held_max => {}
                Taken::All | Taken::Enough => break,
                Taken::TooMuch => return Err(Fault::new(413, "the body is over the inspection limit").into()),
            }
        }
        Ok(())
    }

    /// Answers `Expect: 100-continue`, now that the head has passed.
    async fn invite_body(&mut self) -> Result<(), End> {
        if !self.is_http11() || !self.client.input.is_empty() || self.head.header(b"expect").is_none() {
            return Ok(());
        }
        let sent = async {
            self.client.stream.write_all(CONTINUE).await?;
            self.client.stream.flush().await
        };
        sent.await.map_err(|_| End::Gone("the client left before its body"))
    }

    /// Appends the next piece of the body to what is held.
    pub(crate) async fn read_body_piece(&mut self) -> Result<(), End> {
        let patience = self.worker.shared.config.timeouts.body;
        let client = &mut *self.client;
        let body = &mut self.body;
        let read = body.reader.read(&mut client.stream, &mut client.input, &mut body.buffered, patience).await;
        read.map_err(|error| body_end(&error))?;
        self.check_size()
    }

    fn check_size(&self) -> Result<(), End> {
        let limit = self.site.request_body_bytes;
        if self.body.reader.received > limit { Err(too_large(limit).into()) } else { Ok(()) }
    }
}

fn body_end(error: &BodyError) -> End {
    match error {
        BodyError::Malformed(message) => Fault::malformed(*message).into(),
        BodyError::Timeout => Fault::new(408, "the body did not arrive in time").into(),
        BodyError::Truncated | BodyError::Io(_) => End::Gone("the client left inside its body"),
    }
}

/// 413.
fn too_large(limit: u64) -> Fault {
    Fault::new(413, format!("the body is longer than {limit} bytes"))
}
