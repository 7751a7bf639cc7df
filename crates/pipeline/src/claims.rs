//! Which process has the open alert of a (site, client, class), where several share the real-time track.
//!
//! Each of them sees a part of a burst. Whoever sees the first event claims the alert in the shared state,
//! for the length of the dedup window, and raises it; the others add what they see to a counter there,
//! from which it takes the count over. The claim names the event that raised the alert, so an event that
//! is delivered again, to whomever, finds its own claim and still gets its alert.
//!
//! The state may be away or forget: then two processes may raise an alert each, which is better than none.

use crate::alert::Key;
use parapet_event::SecurityEvent;
use parapet_ports::{PortError, State};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ulid::Ulid;

/// Limit of a call: an alert does not wait for the state for long.
const CALL_MAX: Duration = Duration::from_secs(2);
/// After a failure the state is left alone for this time.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a claim of another process is believed without looking again.
const BELIEVED: Duration = Duration::from_secs(10);
/// Claims of others that are remembered, and own ones whose counters are looked at.
const CLAIMS_MAX: usize = 256;

/// Whose an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// This process raises it.
    Ours,
    /// Another process has it.
    Theirs,
}

/// The claims of this process, and what it knows of those of others.
pub(crate) struct Claims {
    /// `None` if no other process can share it.
    state: Option<Arc<dyn State>>,
    window: Duration,
    not_before: Option<Instant>,
    theirs: HashMap<Key, (Ulid, Instant)>,
    ours: VecDeque<Own>,
    /// Events counted onto alerts of others and not added to their counters yet.
    counted: HashMap<Ulid, i64>,
}

/// An alert that this process claimed.
struct Own {
    id: Ulid,
    key: Key,
    until: Instant,
    /// Events of others that its count has already.
    known: i64,
}

impl Claims {
    pub(crate) fn new(state: Option<Arc<dyn State>>, window: Duration) -> Claims {
        Claims {
            state,
            window,
            not_before: None,
            theirs: HashMap::new(),
            ours: VecDeque::new(),
            counted: HashMap::new(),
        }
    }

    /// Claims the alert of an event that none of this process's own alerts covers.
    pub(crate) async fn claim(&mut self, event: &SecurityEvent) -> Claim {
        let Some(state) = self.reachable() else { return Claim::Ours };
        let key = Key::of_event(event);
        if let Some((id, seen)) = self.theirs.get(&key)
            && seen.elapsed() < BELIEVED
        {
            return self.theirs(*id);
        }
        match self.bounded(claim(&*state, &key, event.id, self.window)).await {
            Some(holder) if holder != event.id => {
                if self.theirs.len() >= CLAIMS_MAX {
                    self.theirs.retain(|_, (_, seen)| seen.elapsed() < BELIEVED);
                }
                if self.theirs.len() < CLAIMS_MAX {
                    self.theirs.insert(key, (holder, Instant::now()));
                }
                self.theirs(holder)
            }
            _ => {
                self.hold(event.id, key);
                Claim::Ours
            }
        }
    }

    fn theirs(&mut self, id: Ulid) -> Claim {
        *self.counted.entry(id).or_default() += 1;
        Claim::Theirs
    }

    fn hold(&mut self, id: Ulid, key: Key) {
        if self.ours.len() >= CLAIMS_MAX {
            self.ours.pop_front();
        }
        self.ours.push_back(Own { id, key, until: Instant::now() + self.window, known: 0 });
    }

    /// Adds to the counters of others what was counted onto their alerts. What the state does not take is
    /// lost: it is a count, and the events are in the history.
    pub(crate) async fn tell(&mut self) {
        for (id, events) in std::mem::take(&mut self.counted) {
            let Some(state) = self.reachable() else { return };
            let window = self.window;
            self.bounded(async move { state.increment(&counter(id), events, window * 2).await }).await;
        }
    }

    /// Own alerts with what others counted onto them since this was last asked.
    pub(crate) async fn counted_by_others(&mut self) -> Vec<(Ulid, u64)> {
        let now = Instant::now();
        // What was counted at the end of the window arrives a little later.
        while self.ours.front().is_some_and(|own| own.until + BELIEVED < now) {
            self.ours.pop_front();
        }
        let mut counted = Vec::new();
        for index in 0..self.ours.len() {
            let Some(state) = self.reachable() else { break };
            let id = self.ours[index].id;
            let value = self.bounded(async move { state.get(&counter(id)).await }).await.flatten();
            let sum = value.and_then(|text| String::from_utf8(text).ok()?.parse::<i64>().ok()).unwrap_or(0);
            let new = sum - self.ours[index].known;
            if new > 0 {
                self.ours[index].known = sum;
                counted.push((id, new as u64));
            }
        }
        counted
    }

    /// Gives up an alert that nobody shall count onto any more.
    pub(crate) async fn release(&mut self, id: Ulid) {
        let Some(index) = self.ours.iter().position(|own| own.id == id) else { return };
        let (Some(own), Some(state)) = (self.ours.remove(index), self.reachable()) else { return };
        let window = self.window;
        self.bounded(async move {
            state.compare_and_swap(&name(&own.key), Some(id.to_string().as_bytes()), None, window).await
        })
        .await;
    }

    fn reachable(&self) -> Option<Arc<dyn State>> {
        self.state.clone().filter(|_| self.not_before.is_none_or(|pause| pause <= Instant::now()))
    }

    /// A call that may fail without harm.
    async fn bounded<T>(&mut self, call: impl Future<Output = Result<T, PortError>>) -> Option<T> {
        let problem = match tokio::time::timeout(CALL_MAX, call).await {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", CALL_MAX.as_millis()),
        };
        tracing::warn!(problem, "the shared state is away: processes may raise an alert each for the same burst");
        self.not_before = Some(Instant::now() + PAUSE);
        None
    }
}

/// The holder of the claim, which is `id` if there was none.
async fn claim(state: &dyn State, key: &Key, id: Ulid, window: Duration) -> Result<Ulid, PortError> {
    let (name, value) = (name(key), id.to_string());
    if state.compare_and_swap(&name, None, Some(value.as_bytes()), window).await? {
        return Ok(id);
    }
    let holder = state.get(&name).await?.and_then(|text| Ulid::from_string(std::str::from_utf8(&text).ok()?).ok());
    // A claim that ended in between leaves the alert to us.
    Ok(holder.unwrap_or(id))
}

fn name(key: &Key) -> Vec<u8> {
    format!("alert:{key}").into_bytes()
}

fn counter(id: Ulid) -> Vec<u8> {
    format!("alert-count:{id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use parapet_embedded::memory::{self, MemoryState};

    const WINDOW: Duration = Duration::from_secs(300);

    /// Two processes on one state.
    fn two() -> (Claims, Claims) {
        let state: Arc<dyn State> = Arc::new(MemoryState::new(&memory::Config::default()));
        (Claims::new(Some(state.clone()), WINDOW), Claims::new(Some(state), WINDOW))
    }

    #[tokio::test]
    async fn the_first_has_the_alert_and_learns_what_others_count() {
        let (mut one, mut other) = two();
        let first = example::event(1);
        assert_eq!(one.claim(&first).await, Claim::Ours);
        for number in 2..=4 {
            assert_eq!(other.claim(&example::event(number)).await, Claim::Theirs);
        }
        assert_eq!(one.counted_by_others().await, [], "not told yet");
        other.tell().await;
        assert_eq!(one.counted_by_others().await, [(first.id, 3)]);
        assert_eq!(one.counted_by_others().await, [], "told once");
        let mut elsewhere = example::event(5);
        elsewhere.site = "blog".into();
        assert_eq!(other.claim(&elsewhere).await, Claim::Ours, "another site is another alert");
    }

    #[tokio::test]
    async fn an_event_that_is_delivered_again_finds_its_own_claim() {
        let (mut one, mut other) = two();
        let event = example::event(1);
        assert_eq!(one.claim(&event).await, Claim::Ours);
        assert_eq!(other.claim(&event).await, Claim::Ours, "the first died before it raised the alert");
    }

    #[tokio::test]
    async fn an_alert_that_was_given_up_can_be_claimed_by_anyone() {
        let (mut one, mut other) = two();
        let event = example::event(1);
        assert_eq!(one.claim(&event).await, Claim::Ours);
        one.release(event.id).await;
        assert_eq!(other.claim(&example::event(2)).await, Claim::Ours);
    }

    #[tokio::test]
    async fn without_a_shared_state_every_alert_is_ours() {
        let mut alone = Claims::new(None, WINDOW);
        for number in 1..=2 {
            assert_eq!(alone.claim(&example::event(number)).await, Claim::Ours);
        }
        assert!(alone.counted_by_others().await.is_empty());
    }
}
