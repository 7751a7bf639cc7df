//! Collections that outlive the transaction: loading them, changing them, giving the changes back.

use std::sync::Arc;

use parapet_seclang::ast::{PersistentCollection, Variable};
use sha2::{Digest, Sha256};

use super::State;
use super::store::Span;
use crate::operators::numeric;
use crate::persistence::{Changes, CollectionId, CollectionStore, StoredCollection, ValueChange};
use crate::policy::Policy;
use crate::policy::rule::{Change, Rule};
use crate::policy::template::Template;

/// Keys longer than this are kept as their digest, in bytes.
const LONGEST_KEY: usize = 256;
/// Every persistent collection.
const ALL: [PersistentCollection; 5] = [
    PersistentCollection::Ip,
    PersistentCollection::Session,
    PersistentCollection::User,
    PersistentCollection::Global,
    PersistentCollection::Resource,
];
/// Members that say something about the collection; rules cannot set them.
const BUILT_IN: [&[u8]; 6] =
    [b"CREATE_TIME", b"IS_NEW", b"KEY", b"LAST_UPDATE_TIME", b"UPDATE_COUNTER", b"UPDATE_RATE"];
/// The member that rules can set: seconds for which the collection is kept after a change.
const TIMEOUT: &[u8] = b"TIMEOUT";

/// Where collections are kept, and whether there is something to give back.
#[derive(Default)]
pub(crate) struct Keeper {
    store: Option<Arc<dyn CollectionStore>>,
    changed: bool,
}

/// What a transaction has changed in a collection.
#[derive(Debug)]
pub(crate) struct Kept {
    id: CollectionId,
    changes: Changes,
    /// Whether an earlier phase has already given changes back, so that this transaction was counted.
    counted: bool,
}

impl Keeper {
    /// Keeps collections in a store.
    pub(super) fn new(store: Arc<dyn CollectionStore>) -> Keeper {
        Keeper { store: Some(store), changed: false }
    }
}

impl State {
    fn seconds(&self) -> u64 {
        (self.control.now_micros / 1_000_000).saturating_add(self.control.elapsed.as_secs())
    }

    /// `initcol`, `setsid`, `setuid`, `setrsc`. An empty key would throw everybody together, so it names
    /// nothing; a key that is already in force changes nothing.
    pub(super) fn init_collection(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        collection: PersistentCollection,
        key: &Template,
    ) {
        let text = self.expand_to_vec(policy, Some(rule), key);
        let known = self.collections.persistent(collection).key;
        if text.is_empty() || known.is_some_and(|known| self.store.get(known) == text) {
            return;
        }
        self.keep_collections();
        match collection {
            PersistentCollection::Session => self.set(Variable::SessionId, &text),
            PersistentCollection::User => self.set(Variable::UserId, &text),
            _ => {}
        }
        let id = CollectionId {
            application: policy.settings().web_app_id.clone().unwrap_or_default(),
            collection,
            key: if text.len() > LONGEST_KEY { Sha256::digest(&text).to_vec() } else { text.clone() },
        };
        let now = self.seconds();
        let stored = self.keeper.store.as_ref().and_then(|store| store.load(&id));
        let stored = stored.filter(|stored| stored.ends() > now);
        let timeout = stored.as_ref().map_or(policy.settings().collection_timeout, |stored| stored.timeout);
        let key = self.store.push(&text);
        let persistent = self.collections.persistent_mut(collection);
        persistent.key = Some(key);
        persistent.values.values.clear();
        persistent.kept = Some(Box::new(Kept { id, changes: Changes::none(now, timeout), counted: false }));
        self.fill_collection(policy, collection, stored.as_ref(), timeout, now);
    }

    /// Puts the members of a collection in their place.
    fn fill_collection(
        &mut self,
        policy: &Policy,
        collection: PersistentCollection,
        stored: Option<&StoredCollection>,
        timeout: u32,
        now: u64,
    ) {
        let new = StoredCollection::new(now);
        let known = stored.unwrap_or(&new);
        let minutes = (now.saturating_sub(known.created) / 60).max(1);
        let numbers = [
            (&b"CREATE_TIME"[..], known.created),
            (b"IS_NEW", u64::from(stored.is_none())),
            (b"LAST_UPDATE_TIME", known.updated),
            (b"UPDATE_COUNTER", known.updates),
            (b"UPDATE_RATE", known.updates / minutes),
            (TIMEOUT, u64::from(timeout)),
        ];
        for (name, number) in numbers {
            let name = self.store.push(name);
            let value = self.push_number(i64::try_from(number).unwrap_or(i64::MAX));
            self.put(policy, collection, name, value);
        }
        let name = self.store.push(b"KEY");
        let key = self.collections.persistent(collection).key.unwrap_or_default();
        self.put(policy, collection, name, key);
        for variable in known.variables.iter().filter(|variable| !variable.has_ended(now)) {
            let name = self.store.push(&variable.name);
            let value = self.store.push(&variable.value);
            self.put(policy, collection, name, value);
        }
    }

    fn put(&mut self, policy: &Policy, collection: PersistentCollection, name: Span, value: Span) {
        let values = &mut self.collections.persistent_mut(collection).values;
        values.set(name, value, policy.limits.variables, &mut self.store);
    }

    /// `setvar` on a collection; without a key it says nothing.
    pub(super) fn set_persistent(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        collection: PersistentCollection,
        name: &Template,
        change: &Change,
    ) {
        let name = self.expand_to_span(policy, Some(rule), name);
        let before = self.collections.persistent(collection).values.get(self.store.get(name), &self.store);
        let after = self.changed(policy, rule, before, change);
        let number = |span: Option<Span>| span.map_or(0, |span| numeric::parse(self.store.get(span)));
        let noted = match (change, after) {
            (Change::Unset, _) | (_, None) => ValueChange::Removed,
            (Change::Set(_), Some(value)) => ValueChange::Set(self.store.get(value).to_vec()),
            (Change::Add(_) | Change::Subtract(_), after) => {
                ValueChange::Add(number(after).saturating_sub(number(before)))
            }
        };
        self.store_persistent(policy, collection, name, after, noted);
    }

    /// Sets a member of a collection to `after`, or takes it out, and notes how that came about.
    pub(super) fn store_persistent(
        &mut self,
        policy: &Policy,
        collection: PersistentCollection,
        name: Span,
        after: Option<Span>,
        noted: ValueChange,
    ) {
        let text = self.store.get(name);
        let is_built_in = BUILT_IN.iter().any(|built_in| text.eq_ignore_ascii_case(built_in));
        if is_built_in || self.collections.persistent(collection).key.is_none() {
            return;
        }
        match after {
            Some(value) => self.put(policy, collection, name, value),
            None => {
                let values = &mut self.collections.persistent_mut(collection).values;
                values.unset(self.store.get(name), &self.store);
            }
        }
        self.note_kept(collection, name, noted, None);
    }

    /// `expirevar`: the variable ends in so many seconds. In `TX`, which ends with the transaction, it
    /// means nothing.
    pub(super) fn expire_persistent(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        collection: PersistentCollection,
        name: &Template,
        seconds: &Template,
    ) {
        let seconds = numeric::parse(&self.expand_to_vec(policy, Some(rule), seconds));
        let name = self.expand_to_span(policy, Some(rule), name);
        let expires = self.seconds().saturating_add(u64::try_from(seconds).unwrap_or(0)).max(1);
        self.note_kept(collection, name, ValueChange::Kept, Some(expires));
    }

    fn note_kept(&mut self, collection: PersistentCollection, name: Span, value: ValueChange, expires: Option<u64>) {
        let now = self.seconds();
        let name = self.store.get(name);
        let Some(kept) = &mut self.collections.persistent_mut(collection).kept else { return };
        if name.eq_ignore_ascii_case(TIMEOUT) {
            if let ValueChange::Set(seconds) = &value {
                kept.changes.timeout = u32::try_from(numeric::parse(seconds).max(0)).unwrap_or(u32::MAX);
            }
        } else {
            kept.changes.note(name, value, expires);
        }
        kept.changes.now = now;
        self.keeper.changed = true;
    }

    /// Gives what was changed to whoever keeps the collections.
    pub(super) fn keep_collections(&mut self) {
        if !std::mem::take(&mut self.keeper.changed) {
            return;
        }
        let Some(store) = &self.keeper.store else { return };
        for collection in ALL {
            let Some(kept) = &mut self.collections.persistent_mut(collection).kept else { continue };
            if kept.changes.variables.is_empty() {
                continue;
            }
            kept.changes.updates = u64::from(!std::mem::replace(&mut kept.counted, true));
            let next = Changes::none(kept.changes.now, kept.changes.timeout);
            store.apply(&kept.id, std::mem::replace(&mut kept.changes, next));
        }
    }
}
