//! What every stage does alike: join a consumer group, read, insist until a call works, acknowledge,
//! and stop when told.
//!
//! A stage that is told to drain reads until nothing is left and ends. A stage that is aborted ends
//! at once; what it had not acknowledged is delivered again after the next start.

use crate::dead_letter::{DeadLetter, Letter};
use crate::health::Health;
use crate::ledger::Hop;
use parapet_ports::stream::Undecodable;
use parapet_ports::{Entry, EntryId, ErrorKind, EventStream, PortError, StreamConsumer};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const BACKOFF_FIRST: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long an entry must have been unacknowledged before another member takes it over, and how
/// often that is looked for.
const RECLAIM_IDLE: Duration = Duration::from_secs(60);

/// The stage was told to end at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Why a call was given up.
#[derive(Debug)]
pub(crate) enum GivenUp {
    /// The stage was told to end at once.
    Stopped,
    /// The other side refuses this very data; trying again cannot help.
    Refused(PortError),
}

/// Name, health and stop signals of one stage.
#[derive(Clone)]
pub(crate) struct Stage {
    name: &'static str,
    health: Arc<Health>,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Stage {
    /// A stage that ends at once when `abort` is cancelled.
    pub(crate) fn new(name: &'static str, health: Arc<Health>, abort: CancellationToken) -> Self {
        Stage { name, health, drain: CancellationToken::new(), abort }
    }

    /// Name for messages and dead letters.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Tells the stage to finish what is there and end.
    pub(crate) fn drain(&self) {
        self.drain.cancel();
    }

    /// Whether the stage shall end when nothing is left.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_cancelled() || self.abort.is_cancelled()
    }

    /// Cancelled when the stage is told to finish what is there and end.
    pub(crate) fn drain_token(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Resolves when the stage is told to drain or to end.
    pub(crate) async fn draining(&self) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = self.abort.cancelled() => {}
        }
    }

    /// Cancelled when the stage is told to end at once.
    pub(crate) fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// Calls until it works, pausing ever longer (20 ms to 5 s, or what the other side asked for)
    /// between failures. Failures show in the health report and are logged when they begin and end.
    pub(crate) async fn insist<T, F, Fut>(&self, mut call: F) -> Result<T, GivenUp>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, PortError>> + Send,
    {
        let mut backoff = Backoff::new();
        loop {
            let outcome = tokio::select! {
                outcome = call() => outcome,
                () = self.abort.cancelled() => return Err(GivenUp::Stopped),
            };
            match outcome {
                Ok(value) => {
                    self.works();
                    return Ok(value);
                }
                Err(error) if error.kind == ErrorKind::Rejected => return Err(GivenUp::Refused(error)),
                Err(error) => {
                    self.fails(&error);
                    self.pause(&mut backoff, &error).await.map_err(|Stopped| GivenUp::Stopped)?;
                }
            }
        }
    }

    /// Notes a problem that is being tried again.
    pub(crate) fn fails(&self, error: &PortError) {
        if self.health.fails(self.name, error.to_string()) {
            tracing::error!(stage = self.name, %error, "failing; trying again until it works");
        }
    }

    fn works(&self) {
        if self.health.works(self.name) {
            tracing::info!(stage = self.name, "works again");
        }
    }

    async fn pause(&self, backoff: &mut Backoff, error: &PortError) -> Result<(), Stopped> {
        let pause = error.retry_after.map_or_else(|| backoff.next(), |wish| wish.min(BACKOFF_MAX));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.abort.cancelled() => Err(Stopped),
        }
    }
}

struct Backoff {
    pause: Duration,
}

impl Backoff {
    fn new() -> Self {
        Backoff { pause: BACKOFF_FIRST }
    }

    fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(BACKOFF_MAX);
        pause
    }
}

/// A member of a consumer group, read by one stage.
pub(crate) struct Reader {
    stage: Stage,
    consumer: Box<dyn StreamConsumer>,
    reclaim_at: Instant,
    dead: DeadLetter,
    hop: Arc<Hop>,
    /// Met, but not yet in the dead letter file and acknowledged.
    undecodable: Vec<Undecodable>,
    /// Whether what is read counts as produced, where nobody in this process counts what is appended.
    counted: bool,
}

impl Reader {
    /// Joins the group once. Entries that hold no event go to the dead letter file, and `hop` counts them.
    pub(crate) async fn join(
        stage: &Stage,
        stream: &dyn EventStream,
        group: &str,
        member: &str,
        (dead, hop): (&DeadLetter, &Arc<Hop>),
    ) -> Result<Reader, PortError> {
        let consumer = stream.consumer(group, member).await?;
        Ok(Reader {
            stage: stage.clone(),
            consumer,
            reclaim_at: Instant::now() + RECLAIM_IDLE,
            dead: dead.clone(),
            hop: hop.clone(),
            undecodable: Vec::new(),
            counted: false,
        })
    }

    /// Counts every entry that is read as produced, where nobody in this process counts what is appended.
    pub(crate) fn counting(mut self) -> Reader {
        self.counted = true;
        self
    }

    /// The next entries, waiting up to `wait` for the first. Empty when there are none yet; `None`
    /// when the stage shall end: aborted, or drained and nothing left. Cancel safe.
    pub(crate) async fn next(&mut self, max: usize, wait: Duration) -> Option<Vec<Entry>> {
        let mut backoff = Backoff::new();
        let stage = self.stage.clone();
        loop {
            let draining = stage.is_draining();
            let read = self.read(max, if draining { Duration::ZERO } else { wait });
            let outcome = tokio::select! {
                biased;
                () = stage.abort.cancelled() => return None,
                outcome = read => outcome,
                () = stage.drain.cancelled(), if !draining => continue,
            };
            match outcome {
                Ok(entries) => {
                    stage.works();
                    if self.counted {
                        self.hop.produced(entries.len() as u64);
                    }
                    return if entries.is_empty() && draining { None } else { Some(entries) };
                }
                Err(error) => {
                    stage.fails(&error);
                    stage.pause(&mut backoff, &error).await.ok()?;
                }
            }
        }
    }

    /// Entries left behind by a member that died come first. Only this member's own task calls this,
    /// between batches, so nothing it is working on itself can be taken over.
    async fn read(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, PortError> {
        self.bury().await?;
        if Instant::now() >= self.reclaim_at {
            let left_behind = self.consumer.reclaim(RECLAIM_IDLE, max).await?;
            if !left_behind.is_empty() {
                return Ok(left_behind);
            }
            self.reclaim_at = Instant::now() + RECLAIM_IDLE;
        }
        self.consumer.read(max, wait).await
    }

    /// Puts what could not be decoded into the dead letter file and acknowledges it. Cancel safe: what is
    /// interrupted is done again, so a letter may be there twice.
    async fn bury(&mut self) -> Result<(), PortError> {
        self.undecodable.extend(self.consumer.take_undecodable());
        if self.undecodable.is_empty() {
            return Ok(());
        }
        let letter = |entry: &Undecodable| Letter::bytes(self.stage.name, &entry.reason, entry.bytes.clone());
        self.dead.bury(self.undecodable.iter().map(letter).collect()).await?;
        let ids: Vec<_> = self.undecodable.iter().map(|entry| entry.id).collect();
        self.consumer.acknowledge(&ids).await?;
        if self.counted {
            self.hop.produced(ids.len() as u64);
        }
        self.hop.dropped("undecodable (dead letter)", ids.len() as u64);
        tracing::error!(
            stage = self.stage.name,
            entries = ids.len(),
            "entries hold no event: see the dead letter file"
        );
        self.undecodable.clear();
        Ok(())
    }

    /// Acknowledges, trying until it works.
    pub(crate) async fn acknowledge(&mut self, ids: &[EntryId]) -> Result<(), Stopped> {
        let mut backoff = Backoff::new();
        loop {
            let outcome = tokio::select! {
                outcome = self.consumer.acknowledge(ids) => outcome,
                () = self.stage.abort.cancelled() => return Err(Stopped),
            };
            match outcome {
                Ok(()) => {
                    self.stage.works();
                    return Ok(());
                }
                Err(error) => {
                    self.stage.fails(&error);
                    self.stage.pause(&mut backoff, &error).await?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..12).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000, 5000, 5000]);
    }

    #[tokio::test]
    async fn a_call_is_repeated_until_it_works_and_the_problem_shows_meanwhile() {
        let health = Arc::new(Health::default());
        let stage = Stage::new("analytics", health.clone(), CancellationToken::new());
        let mut calls = 0;
        let outcome = stage
            .insist(|| {
                calls += 1;
                let fails = calls < 4;
                assert_eq!(health.problems().is_empty(), calls == 1);
                async move { if fails { Err(PortError::new(ErrorKind::Unavailable, "away")) } else { Ok(7) } }
            })
            .await;
        assert!(matches!(outcome, Ok(7)));
        assert_eq!(calls, 4);
        assert!(health.problems().is_empty());
    }

    /// A consumer that has one undecodable entry, and then nothing.
    #[derive(Default)]
    struct Poisoned {
        met: bool,
        acknowledged: Arc<std::sync::Mutex<Vec<EntryId>>>,
    }

    #[async_trait::async_trait]
    impl StreamConsumer for Poisoned {
        async fn read(&mut self, _max: usize, _wait: Duration) -> Result<Vec<Entry>, PortError> {
            Ok(Vec::new())
        }

        fn take_undecodable(&mut self) -> Vec<Undecodable> {
            let entry = Undecodable { id: EntryId(7, 0), reason: "no event".into(), bytes: vec![0xff, 0x00] };
            if std::mem::replace(&mut self.met, true) { Vec::new() } else { vec![entry] }
        }

        async fn acknowledge(&mut self, ids: &[EntryId]) -> Result<(), PortError> {
            self.acknowledged.lock().unwrap().extend(ids);
            Ok(())
        }

        async fn reclaim(&mut self, _idle: Duration, _max: usize) -> Result<Vec<Entry>, PortError> {
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn what_holds_no_event_is_a_dead_letter_before_it_is_acknowledged() {
        let directory = tempfile::tempdir().unwrap();
        let consumer = Poisoned::default();
        let acknowledged = consumer.acknowledged.clone();
        let ledger = crate::ledger::EventLedger::new();
        let mut reader = Reader {
            stage: Stage::new("router", Arc::default(), CancellationToken::new()),
            consumer: Box::new(consumer),
            reclaim_at: Instant::now() + RECLAIM_IDLE,
            dead: DeadLetter::new(directory.path().to_owned(), crate::dead_letter::Config::default()),
            hop: ledger.hop("router"),
            undecodable: Vec::new(),
            counted: false,
        };
        assert!(reader.next(10, Duration::ZERO).await.unwrap().is_empty());
        let letters = std::fs::read_to_string(directory.path().join("dead-letter.ndjson")).unwrap();
        assert!(letters.contains(r#""reason":"no event","raw_base64":"/wA=""#), "{letters}");
        assert_eq!(*acknowledged.lock().unwrap(), [EntryId(7, 0)]);
        let count = parapet_ports::Ledger::snapshot(&ledger).remove("router").unwrap();
        assert_eq!(count.dropped.values().sum::<u64>(), 1);
    }

    #[tokio::test]
    async fn refused_data_is_not_tried_again_and_an_abort_ends_the_trying() {
        let abort = CancellationToken::new();
        let stage = Stage::new("analytics", Arc::default(), abort.clone());
        let refused = stage.insist(|| async { Err::<(), _>(PortError::new(ErrorKind::Rejected, "no")) }).await;
        assert!(matches!(refused, Err(GivenUp::Refused(_))));
        abort.cancel();
        let stopped = stage.insist(|| async { Err::<(), _>(PortError::new(ErrorKind::Unavailable, "away")) }).await;
        assert!(matches!(stopped, Err(GivenUp::Stopped)));
    }
}
