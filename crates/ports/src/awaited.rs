//! What is not there when the process starts: it starts all the same, and opens it when it comes.
//!
//! A stream or a shared state on a server that is away must not keep the gateway from inspecting
//! traffic. So what fails to open for a reason that may pass is tried again every second, and until then
//! every call to it fails as if it were away, which those who call it know how to sit out.

use crate::registry::{Place, Ready};
use crate::stream::Lag;
use crate::{ErrorKind, EventStream, PortError, SharedEvent, State, StreamConsumer};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(1);

/// Something that is opened as soon as it can be.
pub struct Awaited<T: ?Sized> {
    name: String,
    is_shared: bool,
    opened: OnceLock<Arc<T>>,
    problem: Mutex<String>,
}

/// Says what is waited for; `None` when it is there.
pub type Waiting = Arc<dyn Fn() -> Option<String> + Send + Sync>;

impl<T: ?Sized + Send + Sync + 'static> Awaited<T> {
    /// Opens it; `Err` with the handle if it is away, and opened in the background. `name` is for messages.
    async fn open(name: &str, ready: Arc<dyn Ready<T>>, place: Place) -> Result<Result<Arc<T>, Arc<Self>>, PortError> {
        let error = match ready.open(&place).await {
            Ok(opened) => return Ok(Ok(opened)),
            Err(error) if error.kind == ErrorKind::Unavailable => error,
            Err(error) => return Err(error),
        };
        tracing::error!(name, %error, "not there yet; starting without it and trying again until it is");
        let awaited = Arc::new(Awaited {
            name: name.to_owned(),
            is_shared: ready.is_shared(),
            opened: OnceLock::new(),
            problem: Mutex::new(error.to_string()),
        });
        tokio::spawn(insist(Arc::downgrade(&awaited), ready, place));
        Ok(Err(awaited))
    }

    fn waiting(self: Arc<Self>) -> Waiting {
        Arc::new(move || {
            let problem = || self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.opened.get().is_none().then(|| format!("waiting for {}: {}", self.name, problem()))
        })
    }

    fn there(&self) -> Result<&Arc<T>, PortError> {
        self.opened.get().ok_or_else(|| {
            let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
            PortError::new(ErrorKind::Unavailable, format!("{problem} (not there since the start)"))
        })
    }
}

/// Opens it, until that works or nobody wants it any more.
async fn insist<T: ?Sized + Send + Sync + 'static>(awaited: Weak<Awaited<T>>, ready: Arc<dyn Ready<T>>, place: Place) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(awaited) = awaited.upgrade() else { return };
        match ready.open(&place).await {
            Ok(opened) => {
                tracing::info!(name = awaited.name, "is there now");
                // Nobody else sets it.
                let _ = awaited.opened.set(opened);
                return;
            }
            Err(error) => {
                let problem = error.to_string();
                let mut known = awaited.problem.lock().unwrap_or_else(PoisonError::into_inner);
                if *known != problem && error.kind != ErrorKind::Unavailable {
                    tracing::error!(name = awaited.name, %error, "cannot be opened; trying again");
                }
                *known = problem;
            }
        }
    }
}

/// A stream, now or as soon as it can be opened; and in the second case what is waited for.
///
/// # Errors
/// What waiting cannot mend, such as a wrong password.
pub async fn stream(
    name: &str,
    ready: Arc<dyn Ready<dyn EventStream>>,
    place: Place,
) -> Result<(Arc<dyn EventStream>, Option<Waiting>), PortError> {
    Ok(match Awaited::open(name, ready, place).await? {
        Ok(stream) => (stream, None),
        Err(awaited) => (awaited.clone(), Some(awaited.waiting())),
    })
}

/// A shared state, likewise.
///
/// # Errors
/// As [`stream`].
pub async fn state(
    name: &str,
    ready: Arc<dyn Ready<dyn State>>,
    place: Place,
) -> Result<(Arc<dyn State>, Option<Waiting>), PortError> {
    Ok(match Awaited::open(name, ready, place).await? {
        Ok(state) => (state, None),
        Err(awaited) => (awaited.clone(), Some(awaited.waiting())),
    })
}

#[async_trait]
impl EventStream for Awaited<dyn EventStream> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    async fn append(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        self.there()?.append(events).await
    }

    async fn consumer(&self, group: &str, consumer: &str) -> Result<Box<dyn StreamConsumer>, PortError> {
        self.there()?.consumer(group, consumer).await
    }

    async fn lag(&self, group: &str) -> Result<Lag, PortError> {
        self.there()?.lag(group).await
    }

    async fn readers(&self, group: &str) -> Result<usize, PortError> {
        self.there()?.readers(group).await
    }
}

#[async_trait]
impl State for Awaited<dyn State> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        self.there()?.get(key).await
    }

    async fn put(&self, key: &[u8], value: &[u8], time_to_live: Duration) -> Result<(), PortError> {
        self.there()?.put(key, value, time_to_live).await
    }

    async fn increment(&self, key: &[u8], by: i64, time_to_live: Duration) -> Result<i64, PortError> {
        self.there()?.increment(key, by, time_to_live).await
    }

    async fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        time_to_live: Duration,
    ) -> Result<bool, PortError> {
        self.there()?.compare_and_swap(key, expected, value, time_to_live).await
    }
}
