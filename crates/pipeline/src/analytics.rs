//! Analytics track: writes every event to the event store, in batches, in order.
//!
//! It reads the analytics stream as consumer group `store:NAME`, gathers entries until a batch is
//! large enough or old enough, writes it and acknowledges it. A store that is away is tried again
//! until it is back, with the same batch, so order is kept; meanwhile the stream holds what arrives.
//! Where the store refuses a batch for good, halving finds the events it cannot take; those go to the
//! dead letter file after `attempts` tries, and all others are written.

use crate::dead_letter::{DeadLetter, Letter};
use crate::ledger::{Hop, Numbers};
use crate::stage::{GivenUp, Reader, Stage, Stopped};
use chrono::Utc;
use parapet_ports::{Entry, EventStore, PortError, SharedEvent};
use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Size of batches, and patience with events the store refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Events in a batch at most. Default 4,096.
    pub batch_max: NonZeroUsize,
    /// Milliseconds that the first event of a batch waits for others at most. Default 200.
    pub batch_age_ms: NonZeroU64,
    /// How often an event is offered to a store that refuses it. Default 3.
    pub attempts: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            batch_max: const { NonZeroUsize::new(4096).expect("not zero") },
            batch_age_ms: const { NonZeroU64::new(200).expect("not zero") },
            attempts: const { NonZeroU32::new(3).expect("not zero") },
        }
    }
}

const WAIT: Duration = Duration::from_secs(1);

/// Consumer group of a store on the analytics stream.
pub fn group(store: &str) -> String {
    format!("store:{store}")
}

/// Everything the track works with.
pub(crate) struct Analytics {
    pub(crate) stage: Stage,
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) dead: DeadLetter,
    pub(crate) track: Arc<Hop>,
    pub(crate) hop: Arc<Hop>,
    /// What the store confirmed, or refused, of the producers' numbers.
    pub(crate) numbers: Arc<Numbers>,
}

impl Analytics {
    /// Writes until told to stop.
    pub(crate) async fn run(&self, mut reader: Reader) {
        while let Some(entries) = reader.next(self.config.batch_max.get(), WAIT).await {
            if entries.is_empty() {
                continue;
            }
            let entries = self.gather(&mut reader, entries).await;
            if self.store(&mut reader, entries).await.is_err() {
                return;
            }
        }
    }

    /// Waits for more entries until the batch is full or old.
    async fn gather(&self, reader: &mut Reader, mut entries: Vec<Entry>) -> Vec<Entry> {
        let max = self.config.batch_max.get();
        let due = Instant::now() + Duration::from_millis(self.config.batch_age_ms.get());
        while entries.len() < max {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match reader.next(max - entries.len(), left).await {
                Some(more) => entries.extend(more),
                None => break,
            }
        }
        entries
    }

    async fn store(&self, reader: &mut Reader, entries: Vec<Entry>) -> Result<(), Stopped> {
        let (ids, events): (Vec<_>, Vec<_>) = entries.into_iter().map(|entry| (entry.id, entry.event)).unzip();
        self.hop.produced(events.len() as u64);
        let refused = self.write(&events).await?;
        if let Some(oldest) = events.iter().map(|event| event.timestamp).min() {
            let waited = (Utc::now() - oldest).to_std().unwrap_or_default();
            metrics::histogram!("parapet_event_to_store_seconds").record(waited.as_secs_f64());
        }
        reader.acknowledge(&ids).await?;
        self.numbers.saw(events.iter().map(|event| &**event));
        for hop in [&self.track, &self.hop] {
            hop.delivered(events.len() as u64 - refused);
            hop.dropped("refused by the store", refused);
        }
        Ok(())
    }

    /// Writes all that the store takes; returns how many it refused for good.
    async fn write(&self, events: &[SharedEvent]) -> Result<u64, Stopped> {
        let mut refused = 0;
        // Parts still to write, the next one last: halving keeps their order.
        let mut parts = vec![events];
        while let Some(part) = parts.pop() {
            let error = match self.stage.insist(|| self.store.write(part)).await {
                Ok(()) => continue,
                Err(GivenUp::Stopped) => return Err(Stopped),
                Err(GivenUp::Refused(error)) => error,
            };
            match part {
                [event] => refused += self.give_up(event, error).await?,
                part => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        Ok(refused)
    }

    /// Offers a refused event the remaining times, then buries it. Returns 1 if it was buried.
    async fn give_up(&self, event: &SharedEvent, first: PortError) -> Result<u64, Stopped> {
        let mut last = first;
        for _ in 1..self.config.attempts.get() {
            match self.stage.insist(|| self.store.write(std::slice::from_ref(event))).await {
                Ok(()) => return Ok(0),
                Err(GivenUp::Stopped) => return Err(Stopped),
                Err(GivenUp::Refused(error)) => last = error,
            }
        }
        let reason = format!("store {} refused it {} times: {last}", self.store.name(), self.config.attempts);
        tracing::error!(event = %event.id, reason, "event goes to the dead letter file");
        let letter = Letter::event(self.stage.name(), reason, event.clone());
        self.stage.insist(|| self.dead.bury(vec![letter.clone()])).await.map_err(|_| Stopped)?;
        Ok(1)
    }
}
