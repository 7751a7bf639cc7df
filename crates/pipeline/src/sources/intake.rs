//! Intake: hands on what sources bring, durably, and makes them wait when the pipeline is behind.
//!
//! Unlike the gateway a source can wait, so nothing is ever dropped here for want of room: records are
//! appended to the spool stream directly, while less than `backlog_max` events wait there. The limit
//! lies far below the size of the spool, so that an old log that is read in one go cannot push out
//! what the gateway found.
//!
//! Records that are refused go to the dead letter file. Events are numbered here, in the order in
//! which they are appended.
//!
//! Metrics, each with the label `source`: `parapet_source_lines_total`, `parapet_source_bytes_total`,
//! `parapet_source_events_total`, `parapet_source_salvaged_total`, `parapet_source_refused_total`,
//! `parapet_source_without_findings_total`. The ledger's hop is `source:NAME`.

use super::identity::Numbering;
use super::{Format, Reader, Reading, Record, Refused};
use crate::chain::Chain;
use crate::dead_letter::{DeadLetter, Letter};
use crate::ledger::{EventLedger, Hop};
use crate::router;
use crate::stage::{GivenUp, Stage};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use metrics::Counter;
use parapet_event::SecurityEvent;
use parapet_ports::source::{Receipt, Refusal};
use parapet_ports::{ErrorKind, EventSource, EventStream, PortError, RecordSession, RecordSink, SharedEvent};
use serde::Deserialize;
use std::num::NonZeroU64;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use ulid::Ulid;

/// Events appended at once at most.
const BATCH_MAX: usize = 512;
/// Pause of a source that waits for the pipeline.
const BEHIND_PAUSE: Duration = Duration::from_millis(20);
/// Pause before a source that ended is run again.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// How sources are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Events that may wait in the spool before sources wait. Default 20,000.
    pub backlog_max: NonZeroU64,
}

impl Default for Config {
    fn default() -> Self {
        Config { backlog_max: const { NonZeroU64::new(20_000).expect("not zero") } }
    }
}

/// A source and how its records are understood.
pub struct Feed {
    /// Where they come from.
    pub source: Arc<dyn EventSource>,
    /// Site that its events belong to.
    pub site: String,
    /// Form of its records.
    pub format: Format,
}

/// What all sources share.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) config: Config,
    pub(crate) stage: Stage,
    pub(crate) spool: Arc<dyn EventStream>,
    /// The hops that read the spool.
    pub(crate) readers: Vec<Arc<Hop>>,
    pub(crate) dead: DeadLetter,
    pub(crate) ledger: Arc<EventLedger>,
}

impl Intake {
    /// Runs a source until the stage is drained. One that fails or panics is run again.
    pub(crate) async fn run(self, feed: Feed, instance: Ulid, worker: u16) {
        let stage = self.stage.clone();
        let name = feed.source.name().to_owned();
        let desk: Arc<dyn RecordSink> = Arc::new(Desk(Arc::new(Shared {
            hop: self.ledger.hop(&format!("source:{name}")),
            numbering: Mutex::new((Numbering::new(instance, worker), Chain::default())),
            counts: Counts::new(&name),
            name: format!("source:{name}"),
            site: feed.site,
            format: feed.format,
            intake: self,
        })));
        while !stage.is_draining() {
            let run = feed.source.run(desk.clone(), stage.drain_token());
            match AssertUnwindSafe(run).catch_unwind().await {
                Ok(Ok(())) if stage.is_draining() => return,
                Ok(Ok(())) => tracing::error!(source = name, "ended; starting it again"),
                Ok(Err(error)) => tracing::error!(source = name, %error, "failed; starting it again"),
                Err(_) => tracing::error!(source = name, "panicked; starting it again"),
            }
            metrics::counter!("parapet_source_restarts_total", "source" => name.clone()).increment(1);
            tokio::select! {
                () = tokio::time::sleep(RESTART_PAUSE) => {}
                () = stage.draining() => {}
            }
        }
    }

    /// Waits until there is room in the spool.
    async fn wait_for_room(&self) -> Result<(), GivenUp> {
        loop {
            let mut waiting = 0;
            for group in [router::GROUP, router::FAST_GROUP] {
                let lag = self.stage.insist(|| self.spool.lag(group)).await?;
                waiting = waiting.max(lag.unread + lag.pending);
            }
            if waiting < self.config.backlog_max.get() {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(BEHIND_PAUSE) => {}
                () = self.stage.draining() => return Err(GivenUp::Stopped),
            }
        }
    }
}

struct Counts {
    lines: Counter,
    bytes: Counter,
    events: Counter,
    salvaged: Counter,
    refused: Counter,
    without_findings: Counter,
}

impl Counts {
    fn new(source: &str) -> Self {
        let label = || ("source", source.to_owned());
        Counts {
            lines: metrics::counter!("parapet_source_lines_total", &[label()]),
            bytes: metrics::counter!("parapet_source_bytes_total", &[label()]),
            events: metrics::counter!("parapet_source_events_total", &[label()]),
            salvaged: metrics::counter!("parapet_source_salvaged_total", &[label()]),
            refused: metrics::counter!("parapet_source_refused_total", &[label()]),
            without_findings: metrics::counter!("parapet_source_without_findings_total", &[label()]),
        }
    }
}

/// What the sessions of one source share.
struct Shared {
    intake: Intake,
    hop: Arc<Hop>,
    /// Held while a batch is numbered and appended, so that numbers arrive in their order.
    numbering: Mutex<(Numbering, Chain)>,
    counts: Counts,
    /// For the ledger and dead letters.
    name: String,
    site: String,
    format: Format,
}

struct Desk(Arc<Shared>);

impl RecordSink for Desk {
    fn session(&self) -> Box<dyn RecordSession> {
        Box::new(Session { shared: self.0.clone(), reader: Reader::new(self.0.format), records: Vec::new() })
    }
}

struct Session {
    shared: Arc<Shared>,
    reader: Reader,
    /// Finished and not handed on yet.
    records: Vec<Record>,
}

#[async_trait]
impl RecordSession for Session {
    async fn take(&mut self, lines: &[u8], received: Option<DateTime<Utc>>) -> Result<Receipt, PortError> {
        let mut receipt = Receipt { held: self.reader.held(), ..Receipt::default() };
        if lines.is_empty() {
            return Ok(receipt);
        }
        let text = lines.strip_suffix(b"\n").unwrap_or(lines);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
            self.reader.line(&text[start..end], received, &mut self.records);
            start = end + 1;
            if self.records.len() >= BATCH_MAX {
                self.hand_on(&mut receipt).await?;
            }
            self.shared.counts.lines.increment(1);
        }
        self.hand_on(&mut receipt).await?;
        self.shared.counts.bytes.increment(lines.len() as u64);
        Ok(receipt)
    }

    async fn refuse(&mut self, record: &[u8], reason: &str) -> Result<Receipt, PortError> {
        self.records.push(Record::refused(0, Refused::BySource(reason.to_owned()), record));
        let mut receipt = Receipt::default();
        self.hand_on(&mut receipt).await?;
        Ok(receipt)
    }

    async fn finish(&mut self) -> Result<Receipt, PortError> {
        let mut receipt = Receipt::default();
        self.reader.finish(&mut self.records);
        self.hand_on(&mut receipt).await?;
        Ok(receipt)
    }
}

impl Session {
    /// Makes finished records durable and adds them to the receipt.
    async fn hand_on(&mut self, receipt: &mut Receipt) -> Result<(), PortError> {
        let records = std::mem::take(&mut self.records);
        let mut new = Receipt { held: self.reader.held(), ..Receipt::default() };
        let (mut events, mut letters) = (Vec::new(), Vec::new());
        for Record { line, outcome, raw } in records {
            match outcome {
                Ok(Reading { event, salvaged }) => {
                    new.events += 1;
                    new.salvaged += u64::from(salvaged.is_some());
                    events.push(event);
                }
                Err(Refused::NoFindings) => new.without_findings += 1,
                Err(refused) => {
                    let reason = refused.to_string();
                    letters.push(Letter::raw(&self.shared.name, &reason, String::from_utf8_lossy(&raw)));
                    new.refusals.push(Refusal { line, reason });
                }
            }
        }
        new.refused = letters.len() as u64;
        self.shared.hand_on(events, letters, &new).await.map_err(|_| stopped())?;
        receipt.add(new);
        Ok(())
    }
}

fn stopped() -> PortError {
    PortError::new(ErrorKind::Unavailable, "the pipeline is stopping")
}

impl Shared {
    async fn hand_on(&self, events: Vec<SecurityEvent>, letters: Vec<Letter>, counts: &Receipt) -> Result<(), GivenUp> {
        self.append(events).await?;
        self.intake.stage.insist(|| self.intake.dead.bury(letters.clone())).await?;
        // Counted when it is done: a source that is stopped before reads the record again.
        self.hop.produced(counts.refused + counts.without_findings);
        self.hop.dropped("refused (dead letter)", counts.refused);
        self.hop.dropped("no rule matched", counts.without_findings);
        self.counts.events.increment(counts.events);
        self.counts.salvaged.increment(counts.salvaged);
        self.counts.refused.increment(counts.refused);
        self.counts.without_findings.increment(counts.without_findings);
        Ok(())
    }

    async fn append(&self, events: Vec<SecurityEvent>) -> Result<(), GivenUp> {
        if events.is_empty() {
            return Ok(());
        }
        self.intake.wait_for_room().await?;
        let (numbering, chain) = &mut *self.numbering.lock().await;
        let number = |mut event: SecurityEvent| {
            event.origin = numbering.take();
            event.site.clone_from(&self.site);
            SharedEvent::new(event)
        };
        let mut events: Vec<_> = events.into_iter().map(number).collect();
        match self.append_batch(&mut events, chain).await {
            Err(GivenUp::Refused(_)) => {}
            outcome => return outcome,
        }
        // One event spoils the batch, for example by its size: find it by appending one at a time.
        for event in &mut events {
            match self.append_batch(std::slice::from_mut(event), chain).await {
                Err(GivenUp::Refused(error)) => {
                    let reason = format!("the spool stream refused it: {error}");
                    let letter = vec![Letter::event(&self.name, reason, event.clone())];
                    self.intake.stage.insist(|| self.intake.dead.bury(letter.clone())).await?;
                    self.hop.produced(1);
                    self.hop.dropped("refused by the stream (dead letter)", 1);
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn append_batch(&self, events: &mut [SharedEvent], chain: &mut Chain) -> Result<(), GivenUp> {
        chain.link(events);
        self.intake.stage.insist(|| self.intake.spool.append(events)).await?;
        chain.appended(events);
        let count = events.len() as u64;
        self.intake.readers.iter().for_each(|hop| hop.produced(count));
        self.hop.produced(count);
        self.hop.delivered(count);
        Ok(())
    }
}
