//! What happens on a peer, as it happens.

use super::Node;
use futures::StreamExt;
use parapet_ports::live::LiveMessage;
use parapet_ports::{LiveFeed, PortError};
use reqwest::Method;
use std::time::Duration;
use tokio::time::timeout;

/// Pause before a connection that ended is made again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one connection is kept: the answer has no end of its own.
const CONNECTED_MAX: Duration = Duration::from_secs(24 * 3600);
/// A peer sends at least a heartbeat this often; its silence says that the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Bytes of a message; a longer one is no message.
const LINE_MAX: usize = 4 << 20;

/// Passes on what a peer reports, connecting again whenever the connection ends.
pub(super) async fn follow(node: Node, live: LiveFeed) {
    loop {
        if let Err(error) = pass_on(&node, &live).await {
            tracing::debug!(peer = %node.target, %error, "the live feed of a peer ended");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn pass_on(node: &Node, live: &LiveFeed) -> Result<(), PortError> {
    let request = node.request(Method::GET, "live").timeout(CONNECTED_MAX);
    let answer = request.send().await.map_err(|error| node.target.failure(error))?;
    node.target.read_status(answer.status(), answer.headers())?;
    let mut pieces = answer.bytes_stream();
    let mut pending = Vec::new();
    while let Ok(Some(piece)) = timeout(SILENCE_MAX, pieces.next()).await {
        pending.extend_from_slice(&piece.map_err(|error| node.target.failure(error))?);
        take_lines(&mut pending, |line| match serde_json::from_slice::<LiveMessage>(line) {
            Ok(message) => live.publish(message),
            Err(error) => tracing::warn!(peer = %node.target, %error, "a peer reported something unreadable"),
        });
        if pending.len() > LINE_MAX {
            return Ok(());
        }
    }
    Ok(())
}

/// Takes the whole lines out of a buffer. Empty ones are heartbeats.
fn take_lines(pending: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') else { return };
    let rest = pending.split_off(end + 1);
    pending.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(&mut each);
    *pending = rest;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_whole_and_the_rest_is_kept() {
        let mut lines = Vec::new();
        let mut pending = b"one\n\ntwo\nthr".to_vec();
        take_lines(&mut pending, |line| lines.push(line.to_vec()));
        assert_eq!((lines, pending), (vec![b"one".to_vec(), b"two".to_vec()], b"thr".to_vec()));
    }
}
