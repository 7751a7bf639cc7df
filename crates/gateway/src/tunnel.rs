//! Carries an accepted WebSocket: after the inspected handshake, bytes in both directions.

use crate::exchange::{End, Exchange, Next};
use crate::relay::write_response_head;
use crate::response_head::ResponseHead;
use crate::upstream::UpstreamConnection;
use bytes::{Buf, BytesMut};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes carried at a time.
const PIECE: usize = 16 * 1024;

impl Exchange<'_> {
    /// Answers the handshake and carries bytes until both sides are done, nothing moves for too long, or the
    /// gateway stops.
    pub(crate) async fn tunnel(
        &mut self,
        mut connection: UpstreamConnection,
        head: &ResponseHead,
    ) -> Result<Next, End> {
        if let Some(inspection) = &mut self.inspection {
            inspection.response_complete().into_result()?;
        }
        self.client.out.clear();
        write_response_head(&connection.input[..head.length], &mut self.client.out);
        self.client.out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        connection.input.advance(head.length);
        self.answered = true;
        self.status = 101;
        self.conclude().await;
        self.client.flush().await.map_err(|_| End::Gone("the client left before the response"))?;

        let shared = &self.worker.shared;
        let idle = shared.config.timeouts.tunnel;
        let activity = Activity::new();
        let (client_read, client_write) = tokio::io::split(&mut self.client.stream);
        let (upstream_read, upstream_write) = tokio::io::split(&mut connection.stream);
        let up = pump(client_read, upstream_write, &mut self.client.input, &activity);
        let down = pump(upstream_read, client_write, &mut connection.input, &activity);
        tokio::select! {
            (_, sent) = async { tokio::join!(up, down) } => self.sent += sent,
            () = activity.idle_for(idle) => {}
            () = shared.stopping() => {}
        }
        Ok(Next::Close)
    }
}

/// When bytes last moved.
struct Activity {
    started: Instant,
    last: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Activity { started: Instant::now(), last: AtomicU64::new(0) }
    }

    fn note(&self) {
        self.last.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    async fn idle_for(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let idle = self.started.elapsed().saturating_sub(last);
            match limit.checked_sub(idle) {
                Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                _ => return,
            }
        }
    }
}

/// Carries one direction to its end; returns the bytes carried.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    buffer: &mut BytesMut,
    activity: &Activity,
) -> u64 {
    let mut carried = 0;
    let outcome: io::Result<()> = async {
        loop {
            if !buffer.is_empty() {
                to.write_all(buffer).await?;
                to.flush().await?;
                carried += buffer.len() as u64;
                buffer.clear();
                activity.note();
            }
            buffer.reserve(PIECE);
            if from.read_buf(buffer).await? == 0 {
                return Ok(());
            }
        }
    }
    .await;
    tracing::trace!(?outcome, carried, "one direction of a tunnel ended");
    // The other side learns that nothing more comes; if it is gone already, there is nothing to tell.
    let _ = to.shutdown().await;
    carried
}
