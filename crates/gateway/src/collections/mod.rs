//! Collections that rules keep between requests (`initcol`): IP counters, sessions.
//!
//! A request never waits for them. It reads and changes a *local* copy in this process, which is all
//! there is on one machine. Where a [`State`](parapet_ports::State) is shared by several instances,
//! [`sharing`] carries each change there within `share_interval_ms`, and reads a copy in use again when
//! it is older than `refresh_ms`; so what other instances have counted is seen after at most both
//! together, plus the time a call takes. While the shared state is away, each instance counts by itself
//! and hands over later. Changes, not values, are carried, so that counts of all instances add up.
//!
//! The local copies are bounded in number and bytes: what nobody has touched for longest goes first.

mod sharing;

use parapet_engine::persistence::{Changes, CollectionId, CollectionStore, StoredCollection};
use parking_lot::Mutex;
use serde::Deserialize;
use sharing::Queue;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Parts that are locked by themselves.
const PARTS: usize = 16;
/// Bytes that a copy takes besides what is in it.
const OVERHEAD: usize = 256;

/// How collections are kept. Sizes are in bytes, times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectionsConfig {
    /// Bytes of all local copies. Default 32 MiB.
    pub max_bytes: usize,
    /// Local copies. Default 100,000.
    pub max_entries: usize,
    /// Changes are handed to the shared state this often. Default 50.
    pub share_interval_ms: u64,
    /// A local copy in use is read from the shared state again after this time. Default 1,000.
    pub refresh_ms: u64,
}

impl Default for CollectionsConfig {
    fn default() -> Self {
        CollectionsConfig { max_bytes: 32 << 20, max_entries: 100_000, share_interval_ms: 50, refresh_ms: 1_000 }
    }
}

impl CollectionsConfig {
    /// What is wrong with it: the key and why.
    pub(crate) fn check(&self) -> Option<(&'static str, &'static str)> {
        match self {
            _ if self.max_bytes < 1 << 20 => Some(("max_bytes", "must be at least 1048576")),
            _ if self.max_entries < 1000 => Some(("max_entries", "must be at least 1000")),
            _ if self.share_interval_ms == 0 => Some(("share_interval_ms", "must be at least 1")),
            _ => None,
        }
    }
}

/// All local copies.
pub(crate) struct Collections {
    parts: Vec<Mutex<Part>>,
    hasher: RandomState,
    refresh: Duration,
    /// What is to be carried to and from a shared state; locked after a part, never before.
    queue: Mutex<Queue>,
}

/// Copies in two generations. A touched one belongs to the young; when that has half of the room it
/// becomes the old one, and what nobody touched since goes.
struct Part {
    young: Generation,
    old: Generation,
    half_bytes: usize,
    half_entries: usize,
}

#[derive(Default)]
struct Generation {
    copies: HashMap<CollectionId, Copy>,
    bytes: usize,
}

struct Copy {
    stored: StoredCollection,
    /// When it was last what the shared state had.
    read: Instant,
    /// Bytes counted for it.
    size: usize,
}

impl Part {
    /// A copy, which becomes young.
    fn touch(&mut self, id: &CollectionId) -> Option<&mut Copy> {
        if let Some(copy) = self.old.copies.remove(id) {
            self.old.bytes -= copy.size;
            self.insert(id, copy);
        }
        self.young.copies.get_mut(id)
    }

    fn insert(&mut self, id: &CollectionId, mut copy: Copy) {
        self.remove(id);
        copy.size = copy.stored.size() + id.key.len() + OVERHEAD;
        if self.young.bytes + copy.size > self.half_bytes || self.young.copies.len() >= self.half_entries {
            let gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            metrics::counter!("parapet_collections_evicted_total").increment(gone.copies.len() as u64);
        }
        self.young.bytes += copy.size;
        self.young.copies.insert(id.clone(), copy);
    }

    fn remove(&mut self, id: &CollectionId) -> Option<Copy> {
        for generation in [&mut self.young, &mut self.old] {
            if let Some(copy) = generation.copies.remove(id) {
                generation.bytes -= copy.size;
                return Some(copy);
            }
        }
        None
    }
}

impl Collections {
    /// No copies.
    pub(crate) fn new(config: &CollectionsConfig) -> Self {
        let part = || {
            Mutex::new(Part {
                young: Generation::default(),
                old: Generation::default(),
                half_bytes: config.max_bytes / PARTS / 2,
                half_entries: config.max_entries / PARTS / 2,
            })
        };
        Collections {
            parts: (0..PARTS).map(|_| part()).collect(),
            hasher: RandomState::new(),
            refresh: Duration::from_millis(config.refresh_ms),
            queue: Mutex::default(),
        }
    }

    fn part(&self, id: &CollectionId) -> &Mutex<Part> {
        &self.parts[self.hasher.hash_one(id) as usize % PARTS]
    }

    /// Takes what the shared state has, and what has been changed here since on top of it.
    fn accept(&self, id: &CollectionId, mut stored: StoredCollection) {
        let mut part = self.part(id).lock();
        if let Some(changes) = self.queue.lock().pending(id) {
            stored.apply(changes);
        }
        part.insert(id, Copy { stored, read: Instant::now(), size: 0 });
    }

    /// The shared state does not know a collection; what is known here stays.
    fn accept_absence(&self, id: &CollectionId) {
        if let Some(copy) = self.part(id).lock().touch(id) {
            copy.read = Instant::now();
        }
    }

    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        self.parts.iter().map(|part| part.lock()).fold((0, 0), |(copies, bytes), part| {
            let count = part.young.copies.len() + part.old.copies.len();
            (copies + count, bytes + part.young.bytes + part.old.bytes)
        })
    }
}

impl CollectionStore for Collections {
    fn load(&self, id: &CollectionId) -> Option<StoredCollection> {
        let mut part = self.part(id).lock();
        let copy = part.touch(id);
        let is_fresh = copy.as_ref().is_some_and(|copy| copy.read.elapsed() < self.refresh);
        if !is_fresh {
            self.queue.lock().want(id);
        }
        copy.map(|copy| copy.stored.clone())
    }

    fn apply(&self, id: &CollectionId, changes: Changes) {
        let mut part = self.part(id).lock();
        let known = part.remove(id);
        let mut copy =
            known.unwrap_or_else(|| Copy { stored: StoredCollection::new(changes.now), read: Instant::now(), size: 0 });
        copy.stored.apply(&changes);
        part.insert(id, copy);
        self.queue.lock().change(id, changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_engine::persistence::ValueChange;
    use parapet_engine::seclang::ast::PersistentCollection;

    fn id(key: &str) -> CollectionId {
        CollectionId { application: Vec::new(), collection: PersistentCollection::Ip, key: key.as_bytes().to_vec() }
    }

    fn count(by: i64) -> Changes {
        let mut changes = Changes { updates: 1, ..Changes::none(10, 60) };
        changes.note(b"n", ValueChange::Add(by), None);
        changes
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_spares_what_is_in_use() {
        let config = CollectionsConfig { max_bytes: 8 << 20, max_entries: 10_000, ..CollectionsConfig::default() };
        let collections = Collections::new(&config);
        for number in 0..100_000 {
            collections.apply(&id(&number.to_string()), count(1));
            if number % 100 == 0 {
                collections.apply(&id("attacker"), count(1));
            }
        }
        assert_eq!(collections.load(&id("attacker")).unwrap().variables[0].value, b"1000");
        let (copies, bytes) = collections.held();
        assert!(copies <= config.max_entries && bytes <= config.max_bytes, "{copies} copies, {bytes} bytes");
        assert!(copies > config.max_entries / 4, "only {copies} copies were kept");
    }

    #[test]
    fn bytes_are_counted_as_collections_grow_and_go() {
        let config = CollectionsConfig { max_bytes: 2 << 20, max_entries: 10_000, ..CollectionsConfig::default() };
        let collections = Collections::new(&config);
        for number in 0..5_000 {
            let mut changes = Changes { updates: 1, ..Changes::none(10, 60) };
            changes.note(b"text", ValueChange::Set(vec![b'x'; number % 30_000]), None);
            collections.apply(&id(&(number % 70).to_string()), changes);
        }
        let (_, bytes) = collections.held();
        assert!(bytes <= config.max_bytes, "{bytes}");
        let counted: usize = collections
            .parts
            .iter()
            .map(|part| {
                let part = part.lock();
                part.young.copies.values().chain(part.old.copies.values()).map(|copy| copy.size).sum::<usize>()
            })
            .sum();
        assert_eq!(counted, bytes);
    }
}
