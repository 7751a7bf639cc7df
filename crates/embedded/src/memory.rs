//! State in the memory of this process (`kind = "memory"`).
//!
//! Nothing in it survives the process, and no other process sees it. It is bounded in entries and in
//! bytes: when there is no room, what has not been touched for longest goes first, approximately. So a
//! flood of new keys drives out idle ones, not those in use.

use crate::clock;
use async_trait::async_trait;
use parapet_ports::registry::{Checked, Place, Plugin, Ready, Settings};
use parapet_ports::{ErrorKind, PortError, State};
use serde::Deserialize;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How the registry knows it.
pub const PLUGIN: Plugin<dyn State> = Plugin {
    kind: "memory",
    summary: "shared state in the memory of this process; bounded, and lost at its end",
    check,
};

/// Parts that are locked by themselves.
const PARTS: usize = 16;
/// Bytes that an entry takes besides its key and value.
const OVERHEAD: usize = 96;

/// Configuration (`kind = "memory"`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of all keys and values together. Default 64 MiB.
    pub max_bytes: usize,
    /// Keys. Default 500,000.
    pub max_entries: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { max_bytes: 64 << 20, max_entries: 500_000 }
    }
}

fn check(settings: Settings) -> Checked<dyn State> {
    let config: Config = settings.decode()?;
    if config.max_bytes < 1 << 20 || config.max_entries < 1000 {
        let message = format!("{}: max_bytes must be at least 1048576, max_entries at least 1000", settings.name);
        return Err(PortError::new(ErrorKind::Config, message));
    }
    Ok(Box::new(Checkable(config)))
}

struct Checkable(Config);

#[async_trait]
impl Ready<dyn State> for Checkable {
    async fn open(&self, _place: &Place) -> Result<Arc<dyn State>, PortError> {
        Ok(Arc::new(MemoryState::new(&self.0)))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

/// The state.
pub struct MemoryState {
    parts: Vec<Mutex<Part>>,
    hasher: RandomState,
}

/// Entries in two generations. A touched entry belongs to the young one; when that has half of the room,
/// it becomes the old one, and what nobody touched since goes.
struct Part {
    young: Generation,
    old: Generation,
    half_bytes: usize,
    half_entries: usize,
}

#[derive(Default)]
struct Generation {
    entries: HashMap<Box<[u8]>, Entry>,
    bytes: usize,
}

struct Entry {
    value: Vec<u8>,
    ends: Instant,
}

impl Generation {
    fn insert(&mut self, key: &[u8], entry: Entry) {
        self.bytes += size(key, &entry.value);
        if let Some(before) = self.entries.insert(key.into(), entry) {
            self.bytes -= size(key, &before.value);
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.bytes -= size(key, &entry.value);
        Some(entry)
    }
}

fn size(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + OVERHEAD
}

impl Part {
    /// The living entry of a key, which becomes young.
    fn touch(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let now = clock::ticks();
        if let Some(entry) = self.old.remove(key) {
            self.make_room(size(key, &entry.value));
            self.young.insert(key, entry);
        }
        if self.young.entries.get(key).is_some_and(|entry| entry.ends <= now) {
            self.young.remove(key);
        }
        self.young.entries.get_mut(key)
    }

    fn set(&mut self, key: &[u8], value: Vec<u8>, time_to_live: Duration) -> Result<(), PortError> {
        let size = size(key, &value);
        if size > self.half_bytes {
            let message = format!("a value of {} bytes does not fit into the state in memory", value.len());
            return Err(PortError::new(ErrorKind::Rejected, message));
        }
        self.remove(key);
        self.make_room(size);
        let now = clock::ticks();
        // A time that the clock cannot express is as good as a year.
        let year = Duration::from_secs(365 * 86_400);
        self.young.insert(key, Entry { value, ends: now.checked_add(time_to_live.min(year)).unwrap_or(now) });
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) {
        self.old.remove(key);
        self.young.remove(key);
    }

    fn make_room(&mut self, size: usize) {
        if self.young.bytes + size > self.half_bytes || self.young.entries.len() >= self.half_entries {
            let gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            let now = clock::ticks();
            let alive = gone.entries.values().filter(|entry| entry.ends > now).count();
            metrics::counter!("parapet_state_evicted_total", "state" => "memory").increment(alive as u64);
        }
    }
}

impl MemoryState {
    /// An empty state.
    pub fn new(config: &Config) -> MemoryState {
        let part = || {
            Mutex::new(Part {
                young: Generation::default(),
                old: Generation::default(),
                half_bytes: config.max_bytes / PARTS / 2,
                half_entries: config.max_entries / PARTS / 2,
            })
        };
        MemoryState { parts: (0..PARTS).map(|_| part()).collect(), hasher: RandomState::new() }
    }

    fn part(&self, key: &[u8]) -> MutexGuard<'_, Part> {
        let index = self.hasher.hash_one(key) as usize % PARTS;
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries and bytes it holds, ended ones among them.
    pub fn held(&self) -> (usize, usize) {
        let parts = self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner));
        parts.fold((0, 0), |(entries, bytes), part| {
            let count = part.young.entries.len() + part.old.entries.len();
            (entries + count, bytes + part.young.bytes + part.old.bytes)
        })
    }
}

#[async_trait]
impl State for MemoryState {
    fn name(&self) -> &str {
        "memory"
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        Ok(self.part(key).touch(key).map(|entry| entry.value.clone()))
    }

    async fn put(&self, key: &[u8], value: &[u8], time_to_live: Duration) -> Result<(), PortError> {
        self.part(key).set(key, value.to_vec(), time_to_live)
    }

    async fn increment(&self, key: &[u8], by: i64, time_to_live: Duration) -> Result<i64, PortError> {
        let mut part = self.part(key);
        let Some(entry) = part.touch(key) else {
            part.set(key, by.to_string().into_bytes(), time_to_live)?;
            return Ok(by);
        };
        let number = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<i64>().ok());
        let Some(number) = number else {
            return Err(PortError::new(ErrorKind::Rejected, "the value to add to is no number"));
        };
        let sum = number.saturating_add(by);
        let left = entry.ends.saturating_duration_since(clock::ticks());
        part.set(key, sum.to_string().into_bytes(), left)?;
        Ok(sum)
    }

    async fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        time_to_live: Duration,
    ) -> Result<bool, PortError> {
        let mut part = self.part(key);
        if part.touch(key).map(|entry| entry.value.as_slice()) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => part.set(key, value.to_vec(), time_to_live)?,
            None => part.remove(key),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::suites::state_suite;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_does_what_every_state_must() {
        let states: Mutex<HashMap<String, Arc<dyn State>>> = Mutex::default();
        state_suite(|name| {
            let mut states = states.lock().unwrap();
            let state = states.entry(name).or_insert_with(|| Arc::new(MemoryState::new(&Config::default())));
            std::future::ready(Arc::clone(state))
        })
        .await;
    }

    #[tokio::test]
    async fn a_flood_of_keys_is_bounded_and_spares_what_is_in_use() {
        let config = Config { max_bytes: 4 << 20, max_entries: 20_000 };
        let state = MemoryState::new(&config);
        let minute = Duration::from_secs(60);
        for number in 0..200_000u32 {
            state.put(&number.to_le_bytes(), b"1", minute).await.unwrap();
            if number % 100 == 0 {
                state.increment(b"in use", 1, minute).await.unwrap();
            }
        }
        assert_eq!(state.get(b"in use").await.unwrap().as_deref(), Some(&b"2000"[..]));
        let (entries, bytes) = state.held();
        assert!(entries <= config.max_entries && bytes <= config.max_bytes, "{entries} entries, {bytes} bytes");
        assert!(entries > config.max_entries / 4, "only {entries} entries were kept");

        for number in 0..2000u32 {
            state.put(&number.to_le_bytes(), &[0; 20_000], minute).await.unwrap();
        }
        let (_, bytes) = state.held();
        assert!(bytes <= config.max_bytes, "{bytes} bytes");
        let refused = state.put(b"huge", &[0; 1 << 20], minute).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Rejected);
    }

    #[test]
    fn the_configuration_is_checked() {
        let settings = |text: &str| Settings { name: "state".to_owned(), table: text.parse().unwrap() };
        assert!(check(settings("max_bytes = 2000000")).is_ok());
        assert!(check(settings("max_entries = 1")).is_err());
        assert!(check(settings("size = 1")).is_err());
    }
}
