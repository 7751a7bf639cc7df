//! Collections that outlive a transaction (`initcol`): what is kept of them, and who keeps it.
//!
//! The engine asks a [`CollectionStore`] for a collection when a rule names its key, and gives it what
//! the transaction has changed at the end of each phase. It gives *changes*, not values: counters that
//! two transactions or two instances have raised at once add up.

mod encoding;

use parapet_seclang::ast::PersistentCollection;

use crate::operators::numeric;

/// Bytes that one collection may hold; what would make it larger is left out.
const LARGEST: usize = 64 << 10;
/// Bytes that a variable takes besides its name and value.
const OVERHEAD: usize = 32;

/// Keeps collections between transactions.
///
/// Both calls happen on the thread that serves the request, so they must return without waiting for
/// anything outside of the process. What they give may be somewhat behind what others have changed.
pub trait CollectionStore: Send + Sync {
    /// A collection, if it is known.
    fn load(&self, id: &CollectionId) -> Option<StoredCollection>;

    /// Applies changes to a collection, which comes to be if it is not known. See
    /// [`StoredCollection::apply`].
    fn apply(&self, id: &CollectionId, changes: Changes);
}

/// What tells one collection from all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CollectionId {
    /// `SecWebAppId`; empty if there is none. Applications share nothing.
    pub application: Vec<u8>,
    /// Which collection.
    pub collection: PersistentCollection,
    /// The key that `initcol` named; a digest of it if it is long.
    pub key: Vec<u8>,
}

/// A collection as it is kept. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCollection {
    /// `CREATE_TIME`.
    pub created: u64,
    /// `LAST_UPDATE_TIME`.
    pub updated: u64,
    /// `TIMEOUT`: seconds after the last update at which it is forgotten.
    pub timeout: u32,
    /// `UPDATE_COUNTER`: transactions that have changed it.
    pub updates: u64,
    /// Its variables, in the order in which they came to be.
    pub variables: Vec<StoredVariable>,
}

/// A variable of a collection. Names differ by more than the case of their letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVariable {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// When it ends (`expirevar`).
    pub expires: Option<u64>,
}

/// What one or more transactions have changed in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// When.
    pub now: u64,
    /// The collection's timeout in seconds.
    pub timeout: u32,
    /// By how much the count of updates grows.
    pub updates: u64,
    /// Changes of variables, each name once.
    pub variables: Vec<VariableChange>,
}

/// What happened to one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableChange {
    /// Its name.
    pub name: Vec<u8>,
    /// What happened to its value.
    pub value: ValueChange,
    /// When it ends, if that was said.
    pub expires: Option<u64>,
}

/// What happened to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueChange {
    /// Nothing.
    Kept,
    /// It was set.
    Set(Vec<u8>),
    /// A number was added; what was no number counts as 0.
    Add(i64),
    /// It was taken out.
    Removed,
}

impl ValueChange {
    /// Both changes, one after the other, as one.
    #[must_use]
    pub fn then(self, later: ValueChange) -> ValueChange {
        match (self, later) {
            (before, ValueChange::Kept) => before,
            (ValueChange::Set(value), ValueChange::Add(more)) => ValueChange::Set(added(&value, more)),
            (ValueChange::Add(some), ValueChange::Add(more)) => ValueChange::Add(some.saturating_add(more)),
            (ValueChange::Removed, ValueChange::Add(number)) => ValueChange::Set(added(b"", number)),
            (_, later) => later,
        }
    }
}

fn added(value: &[u8], more: i64) -> Vec<u8> {
    numeric::parse(value).saturating_add(more).to_string().into_bytes()
}

impl Changes {
    /// No changes yet.
    pub fn none(now: u64, timeout: u32) -> Changes {
        Changes { now, timeout, updates: 0, variables: Vec::new() }
    }

    /// Adds a change of one variable.
    pub fn note(&mut self, name: &[u8], value: ValueChange, expires: Option<u64>) {
        match self.variables.iter_mut().find(|change| change.name.eq_ignore_ascii_case(name)) {
            Some(change) => {
                let removed = value == ValueChange::Removed;
                change.value = std::mem::replace(&mut change.value, ValueChange::Kept).then(value);
                change.expires = if removed { None } else { expires.or(change.expires) };
            }
            None => self.variables.push(VariableChange { name: name.to_vec(), value, expires }),
        }
    }

    /// Adds changes that came later.
    pub fn merge(&mut self, later: Changes) {
        self.now = self.now.max(later.now);
        self.timeout = later.timeout;
        self.updates = self.updates.saturating_add(later.updates);
        for change in later.variables {
            self.note(&change.name, change.value, change.expires);
        }
    }

    /// About how many bytes they take.
    pub fn size(&self) -> usize {
        let value = |change: &VariableChange| match &change.value {
            ValueChange::Set(value) => value.len(),
            _ => 0,
        };
        self.variables.iter().map(|change| change.name.len() + value(change) + OVERHEAD).sum::<usize>() + OVERHEAD
    }
}

impl StoredCollection {
    /// A collection that comes to be now.
    pub fn new(now: u64) -> StoredCollection {
        StoredCollection { created: now, updated: now, timeout: 0, updates: 0, variables: Vec::new() }
    }

    /// Seconds since 1970 at which it is forgotten.
    pub fn ends(&self) -> u64 {
        self.updated.saturating_add(u64::from(self.timeout))
    }

    /// Applies changes. Variables that have ended by then are gone before; a collection that has ended
    /// begins anew.
    pub fn apply(&mut self, changes: &Changes) {
        if self.updates > 0 && self.ends() <= changes.now {
            *self = StoredCollection::new(changes.now);
        }
        self.variables.retain(|variable| !variable.has_ended(changes.now));
        self.updated = self.updated.max(changes.now);
        self.timeout = changes.timeout;
        self.updates = self.updates.saturating_add(changes.updates);
        let mut size = self.size();
        for change in &changes.variables {
            let place = self.variables.iter().position(|known| known.name.eq_ignore_ascii_case(&change.name));
            match (&change.value, place) {
                (ValueChange::Removed, Some(index)) => {
                    self.variables.remove(index);
                }
                (ValueChange::Kept, Some(index)) => self.change(index, None, change.expires),
                (ValueChange::Set(value), Some(index)) => self.change(index, Some(value.clone()), change.expires),
                (ValueChange::Add(number), Some(index)) => {
                    let value = self.variables.get(index).map(|variable| added(&variable.value, *number));
                    self.change(index, value, change.expires);
                }
                (ValueChange::Kept | ValueChange::Removed, None) => {}
                (ValueChange::Set(value), None) => self.add(change, value.clone(), &mut size),
                (ValueChange::Add(number), None) => self.add(change, added(b"", *number), &mut size),
            }
        }
    }

    fn change(&mut self, index: usize, value: Option<Vec<u8>>, expires: Option<u64>) {
        let fits = value.as_ref().is_none_or(|value| value.len() < LARGEST / 2);
        if let Some(variable) = self.variables.get_mut(index).filter(|_| fits) {
            variable.value = value.unwrap_or_else(|| std::mem::take(&mut variable.value));
            variable.expires = expires.or(variable.expires);
        }
    }

    fn add(&mut self, change: &VariableChange, value: Vec<u8>, size: &mut usize) {
        let more = change.name.len() + value.len() + OVERHEAD;
        if *size + more <= LARGEST {
            *size += more;
            self.variables.push(StoredVariable { name: change.name.clone(), value, expires: change.expires });
        }
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        self.variables.iter().map(|variable| variable.name.len() + variable.value.len() + OVERHEAD).sum::<usize>()
            + 2 * OVERHEAD
    }
}

impl StoredVariable {
    /// Whether `expirevar` has ended it.
    pub fn has_ended(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(now: u64, variables: &[(&str, ValueChange, Option<u64>)]) -> Changes {
        let mut changes = Changes { updates: 1, ..Changes::none(now, 60) };
        for (name, value, expires) in variables {
            changes.note(name.as_bytes(), value.clone(), *expires);
        }
        changes
    }

    fn value<'a>(stored: &'a StoredCollection, name: &str) -> Option<&'a [u8]> {
        stored.variables.iter().find(|variable| variable.name == name.as_bytes()).map(|variable| &*variable.value)
    }

    #[test]
    fn changes_made_at_once_add_up_in_any_order() {
        let one = changes(10, &[("count", ValueChange::Add(3), None), ("a", ValueChange::Set(b"x".to_vec()), None)]);
        let other = changes(11, &[("COUNT", ValueChange::Add(4), None)]);
        for order in [[&one, &other], [&other, &one]] {
            let mut stored = StoredCollection::new(9);
            order.into_iter().for_each(|changes| stored.apply(changes));
            let count = stored.variables.iter().find(|variable| variable.name.eq_ignore_ascii_case(b"count"));
            assert_eq!(count.unwrap().value, b"7");
            assert_eq!((stored.updates, stored.created), (2, 9));
        }
    }

    #[test]
    fn merged_changes_do_what_they_did_one_after_the_other() {
        let steps = [
            changes(1, &[("n", ValueChange::Add(2), Some(50)), ("gone", ValueChange::Set(b"1".to_vec()), None)]),
            changes(2, &[("n", ValueChange::Set(b"5".to_vec()), None), ("gone", ValueChange::Removed, None)]),
            changes(3, &[("n", ValueChange::Add(-1), None), ("gone", ValueChange::Add(7), None)]),
            changes(4, &[("n", ValueChange::Kept, Some(90))]),
        ];
        let mut apart = StoredCollection::new(0);
        steps.iter().for_each(|step| apart.apply(step));
        let mut merged = Changes::none(0, 60);
        steps.into_iter().for_each(|step| merged.merge(step));
        let mut at_once = StoredCollection::new(0);
        at_once.apply(&merged);
        assert_eq!(apart, at_once);
        assert_eq!((value(&apart, "n"), value(&apart, "gone")), (Some(&b"4"[..]), Some(&b"7"[..])));
        assert_eq!(apart.variables.iter().find(|variable| variable.name == b"n").unwrap().expires, Some(90));
    }

    #[test]
    fn what_has_ended_is_gone() {
        let mut stored = StoredCollection::new(0);
        stored.apply(&changes(0, &[("a", ValueChange::Add(5), Some(10)), ("b", ValueChange::Add(5), None)]));
        stored.apply(&changes(10, &[("a", ValueChange::Add(1), None), ("b", ValueChange::Add(1), None)]));
        assert_eq!((value(&stored, "a"), value(&stored, "b")), (Some(&b"1"[..]), Some(&b"6"[..])));
        stored.apply(&changes(70, &[("b", ValueChange::Add(1), None)]));
        assert_eq!((value(&stored, "b"), stored.created, stored.updates), (Some(&b"1"[..]), 70, 1));
    }

    #[test]
    fn a_collection_stays_small() {
        let mut stored = StoredCollection::new(0);
        for number in 0..10_000 {
            let name = format!("name{number}");
            stored.apply(&changes(1, &[(&name, ValueChange::Set(vec![b'x'; 100]), None)]));
        }
        stored.apply(&changes(1, &[("name1", ValueChange::Set(vec![b'x'; 1 << 20]), None)]));
        assert!(stored.size() <= LARGEST, "{}", stored.size());
        stored.apply(&changes(1, &[("name1", ValueChange::Add(1), None)]));
        assert_eq!(value(&stored, "name1"), Some(&b"1"[..]), "what is there can still change");
    }
}
