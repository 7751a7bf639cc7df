//! A stage's place in a consumer group, and the task that sits in it.

use crate::dead_letter::DeadLetter;
use crate::ledger::{Hop, Numbers};
use crate::monitor::Watched;
use crate::stage::{Reader, Stage};
use futures::FutureExt;
use parapet_ports::{EventStream, PortError};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// A running stage.
pub(crate) type Task = (Stage, JoinHandle<()>);

/// Who appends to a stream that a stage of this process reads, and so counts what its hop is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// Stages of this process only, which count what they append.
    Here,
    /// Perhaps other processes: the reader counts what it reads.
    Elsewhere,
}

impl Appended {
    pub(crate) fn to(stream: &dyn EventStream, writer_runs_here: bool) -> Appended {
        if writer_runs_here && !stream.is_shared() { Appended::Here } else { Appended::Elsewhere }
    }
}

/// What it takes to be a member of a consumer group.
#[derive(Clone)]
pub(crate) struct Membership {
    pub(crate) stage: Stage,
    pub(crate) stream: Arc<dyn EventStream>,
    pub(crate) group: String,
    pub(crate) member: String,
    pub(crate) dead: DeadLetter,
    pub(crate) hop: Arc<Hop>,
    pub(crate) appended: Appended,
}

impl Membership {
    pub(crate) async fn join(&self) -> Result<Reader, PortError> {
        let kept = (&self.dead, &self.hop);
        let reader = Reader::join(&self.stage, &*self.stream, &self.group, &self.member, kept).await?;
        Ok(match self.appended {
            Appended::Here => reader,
            Appended::Elsewhere => reader.counting(),
        })
    }
}

/// A place in a consumer group.
pub(crate) struct Seat {
    pub(crate) stage: Stage,
    pub(crate) membership: Membership,
    pub(crate) hop: Arc<Hop>,
    /// Entries that the stream is known to have dropped before the group could read them, if it is known.
    pub(crate) dropped: Option<u64>,
    /// Producers' numbers at the hop, where gaps are looked for.
    pub(crate) numbers: Option<Arc<Numbers>>,
    /// Taken by the first run of the stage; none if the stream was away at the start.
    pub(crate) reader: Option<Reader>,
}

impl Seat {
    /// The reader, joining the group anew after the first time; `None` if the stage shall end.
    async fn take_reader(&mut self) -> Option<Reader> {
        if let Some(reader) = self.reader.take() {
            return Some(reader);
        }
        let membership = self.membership.clone();
        self.stage.insist(|| membership.join()).await.ok()
    }

    pub(crate) fn watched(&self) -> Watched {
        let Membership { stream, group, appended, .. } = &self.membership;
        Watched {
            stream: stream.clone(),
            group: group.clone(),
            hop: self.hop.clone(),
            appended: *appended,
            dropped: self.dropped,
            numbers: self.numbers.clone(),
        }
    }
}

/// Pause before a stage that panicked is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a stage until it ends. One that panics is started again: a defect in one stage, or in a
/// plugin behind it, must not end the others, nor silently end this one.
pub(crate) fn supervised<F, Fut>(mut seat: Seat, run: F) -> Task
where
    F: Fn(Reader) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let stage = seat.stage.clone();
    let task = tokio::spawn(async move {
        while let Some(reader) = seat.take_reader().await {
            if AssertUnwindSafe(run(reader)).catch_unwind().await.is_ok() {
                return;
            }
            metrics::counter!("parapet_stage_panics_total", "stage" => seat.stage.name()).increment(1);
            tracing::error!(stage = seat.stage.name(), "panicked; starting it again");
            tokio::select! {
                () = tokio::time::sleep(RESTART_PAUSE) => {}
                () = seat.stage.abort().cancelled() => return,
            }
        }
    });
    (stage, task)
}
