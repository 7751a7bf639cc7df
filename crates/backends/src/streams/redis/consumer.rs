//! One consumer of a group.
//!
//! A read that blocks runs in a task of its own, with a connection of its own. When the caller gives up
//! waiting, the task goes on and the next read takes over where it is: so a cancelled read loses nothing,
//! and no command ever waits behind a blocked one.

use super::Stream;
use super::entry::{Delivered, Fields, format_id};
use crate::redis::failure::{breaks_connection, is_group_missing};
use crate::redis::link::{Connection, Failure};
use async_trait::async_trait;
use parapet_ports::stream::Undecodable;
use parapet_ports::{Entry, EntryId, ErrorKind, PortError, StreamConsumer};
use redis::{RedisResult, Script, cmd};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The server is not asked to wait longer than this at once.
pub(crate) const BLOCK_MAX: Duration = Duration::from_secs(5);
/// What a read that shall not wait still waits for a question that is already on its way.
const GRACE: Duration = Duration::from_millis(50);
/// Entries that one read asks for.
const READ_MAX: usize = 10_000;
/// Entries that one script handles, so that it keeps the server for a moment only.
const SCRIPT_MAX: usize = 500;

/// Streams, each with ids and fields; nothing when the time is up.
type Reply = Option<Vec<(String, Vec<(String, Fields)>)>>;
/// Entries with their number of deliveries, from a script.
type Counted = Vec<(String, u32, Fields)>;

/// A consumer of a group.
pub(crate) struct Consumer {
    stream: Arc<Stream>,
    group: String,
    name: String,
    /// While it is there: what this consumer left open in an earlier life, after this id, comes first.
    resume_after: Option<String>,
    delivered: Delivered,
    connection: Option<Connection>,
    /// A question on its way.
    asking: Option<JoinHandle<(Connection, RedisResult<Reply>)>>,
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

impl Consumer {
    pub(crate) fn new(stream: Arc<Stream>, group: &str, name: &str) -> Consumer {
        Consumer {
            stream,
            group: group.to_owned(),
            name: name.to_owned(),
            resume_after: Some("0-0".to_owned()),
            delivered: Delivered::default(),
            connection: None,
            asking: None,
        }
    }

    /// Fetches what is next into `delivered`, waiting up to `wait` for it.
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<(), PortError> {
        if let Some(after) = self.resume_after.clone() {
            return self.resume(&after, max.min(SCRIPT_MAX)).await;
        }
        let patience = if self.asking.is_some() { wait.max(GRACE) } else { wait + self.stream.link.timeout() };
        if self.asking.is_none() {
            self.ask(max, wait).await?;
        }
        let Some(asking) = &mut self.asking else { return Ok(()) };
        let Ok(answer) = tokio::time::timeout(patience, asking).await else {
            // The question stays on its way. One that is not answered in time at all ends by itself.
            return Ok(());
        };
        self.asking = None;
        let Ok((connection, reply)) = answer else {
            return Err(PortError::new(ErrorKind::Unavailable, format!("{}: the read was stopped", self.stream.name)));
        };
        match reply {
            Ok(reply) => {
                self.connection = Some(connection);
                let entries = reply.into_iter().flatten().flat_map(|(_, entries)| entries);
                entries.for_each(|(id, fields)| self.delivered.push(&id, 1, fields));
                Ok(())
            }
            Err(error) => {
                if !breaks_connection(&error) {
                    self.connection = Some(connection);
                }
                self.failed("cannot read", Failure::Redis(error)).await
            }
        }
    }

    /// Sends the question for new entries on its way.
    async fn ask(&mut self, max: usize, wait: Duration) -> Result<(), PortError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.stream.link.dedicated().await?,
        };
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.group).arg(&self.name).arg("COUNT").arg(max.min(READ_MAX));
        if !wait.is_zero() {
            command.arg("BLOCK").arg(wait.as_millis().max(1) as u64);
        }
        command.arg("STREAMS").arg(&self.stream.keys[0]).arg(">");
        let limit = wait + self.stream.link.timeout();
        self.asking = Some(tokio::spawn(async move {
            let answer = tokio::time::timeout(limit, command.query_async(&mut connection)).await;
            let late = |_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
            (connection, answer.unwrap_or_else(late))
        }));
        Ok(())
    }

    async fn resume(&mut self, after: &str, max: usize) -> Result<(), PortError> {
        let most = max.to_string();
        let arguments = [self.group.as_bytes(), self.name.as_bytes(), after.as_bytes(), most.as_bytes()];
        let Stream { link, keys, scripts, .. } = &*self.stream;
        match link.run::<(String, Counted)>(&scripts.resume, keys, &arguments).await {
            Ok((last, entries)) => {
                self.resume_after = (!last.is_empty()).then_some(last);
                entries.into_iter().for_each(|(id, count, fields)| self.delivered.push(&id, count, fields));
                Ok(())
            }
            Err(failure) => self.failed("cannot read", failure).await,
        }
    }

    /// The error at the seam. A group that is not there any more is made again first: the server lost its
    /// data, and what comes next shall not be missed.
    async fn failed<T>(&self, doing: &str, failure: Failure) -> Result<T, PortError> {
        if let Failure::Redis(error) = &failure
            && is_group_missing(error)
        {
            tracing::error!(stream = self.stream.name, group = self.group, "the group was gone; making it again");
            self.stream.join(&self.group).await?;
        }
        Err(self.stream.link.port_error(doing, failure))
    }

    async fn claim(&mut self, script: &Script, idle: Duration, max: usize) -> Result<(), PortError> {
        let (idle, most) = (idle.as_millis().to_string(), max.to_string());
        let arguments = [self.group.as_bytes(), self.name.as_bytes(), idle.as_bytes(), most.as_bytes()];
        match self.stream.link.run::<Counted>(script, &self.stream.keys, &arguments).await {
            Ok(entries) => {
                entries.into_iter().for_each(|(id, count, fields)| self.delivered.push(&id, count, fields));
                Ok(())
            }
            Err(failure) => self.failed("cannot reclaim", failure).await,
        }
    }
}

#[async_trait]
impl StreamConsumer for Consumer {
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, PortError> {
        let deadline = Instant::now() + wait.min(Duration::from_secs(86_400));
        let known = self.delivered.undecodable.len();
        while max > 0 && self.delivered.entries.is_empty() && self.delivered.undecodable.len() == known {
            let left = deadline.saturating_duration_since(Instant::now());
            let resuming = self.resume_after.is_some();
            self.fetch(max, left.min(BLOCK_MAX)).await?;
            if left.is_zero() && !resuming {
                break;
            }
        }
        Ok(self.delivered.take(max))
    }

    fn take_undecodable(&mut self) -> Vec<Undecodable> {
        std::mem::take(&mut self.delivered.undecodable)
    }

    async fn acknowledge(&mut self, ids: &[EntryId]) -> Result<(), PortError> {
        for ids in ids.chunks(READ_MAX) {
            let mut command = cmd("XACK");
            command.arg(&self.stream.keys[0]).arg(&self.group);
            ids.iter().for_each(|id| {
                command.arg(format_id(*id));
            });
            let acknowledged = self.stream.link.query::<u64>(&command).await;
            acknowledged.map_err(|failure| self.stream.link.port_error("cannot acknowledge", failure))?;
        }
        Ok(())
    }

    async fn reclaim(&mut self, idle: Duration, max: usize) -> Result<Vec<Entry>, PortError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let stream = Arc::clone(&self.stream);
        let mut waiting = std::mem::take(&mut self.delivered.entries);
        let claimed = self.claim(&stream.scripts.reclaim, idle, max.min(SCRIPT_MAX)).await;
        let reclaimed = &self.delivered.entries;
        // What waits here for the caller may have become stale meanwhile: it goes out once.
        waiting.retain(|entry| reclaimed.iter().all(|other| other.id != entry.id));
        let reclaimed = std::mem::replace(&mut self.delivered.entries, waiting);
        claimed.map(|()| reclaimed.into())
    }
}
