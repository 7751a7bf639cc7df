//! The values of a transaction by name.

use parapet_seclang::ast::{PersistentCollection, Variable};

use super::kept::Kept;
use super::store::{Span, Store, StringId};
use crate::limits::Limit;
use crate::policy::names::{Names, Slot};
use crate::variables::{Collection, key_hash};

/// A member of a collection of request or response data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) name: StringId,
    pub(crate) value: StringId,
    /// Hash of the name without case.
    pub(crate) hash: u32,
}

/// A member of a collection that rules write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) name: Span,
    pub(crate) hash: u32,
    pub(crate) value: Span,
}

/// Names and values that rules write, other than the slots of `TX`.
#[derive(Debug, Default)]
pub(crate) struct NamedValues {
    pub(crate) values: Vec<Named>,
}

impl NamedValues {
    /// Place of a name.
    pub(crate) fn position(&self, name: &[u8], store: &Store) -> Option<usize> {
        self.position_of(name, key_hash(name), store)
    }

    fn position_of(&self, name: &[u8], hash: u32, store: &Store) -> Option<usize> {
        self.values.iter().position(|named| named.hash == hash && store.get(named.name).eq_ignore_ascii_case(name))
    }

    /// Value of a name.
    pub(crate) fn get(&self, name: &[u8], store: &Store) -> Option<Span> {
        self.position(name, store).and_then(|index| self.values.get(index)).map(|named| named.value)
    }

    /// Sets a name; `most` names are kept at most.
    pub(crate) fn set(&mut self, name: Span, value: Span, most: usize, store: &mut Store) {
        store.budget.spend(self.values.len() as u64);
        let text = store.get(name);
        let hash = key_hash(text);
        match self.position_of(text, hash, store) {
            Some(index) => {
                if let Some(named) = self.values.get_mut(index) {
                    named.value = value;
                }
            }
            None if self.values.len() < most => {
                self.values.push(Named { name, hash, value });
            }
            None => store.budget.meet(Limit::Variables),
        }
    }

    /// Takes a name out.
    pub(crate) fn unset(&mut self, name: &[u8], store: &Store) {
        if let Some(index) = self.position(name, store) {
            self.values.remove(index);
        }
    }
}

/// A collection that outlives the transaction.
#[derive(Debug, Default)]
pub(crate) struct Persistent {
    /// Its key, once `initcol` named it; writes before that are lost, as in libmodsecurity.
    pub(crate) key: Option<Span>,
    pub(crate) values: NamedValues,
    /// What is to be kept of it.
    pub(crate) kept: Option<Box<Kept>>,
}

/// All values of a transaction by name.
#[derive(Default)]
pub(crate) struct Collections {
    scalars: Vec<StringId>,
    items: [Vec<Item>; Collection::COUNT],
    /// `TX` names that the configuration spells out.
    slots: Vec<Option<Span>>,
    /// `TX` names that rules build.
    pub(crate) tx: NamedValues,
    persistent: [Persistent; 5],
}

impl Collections {
    /// Empties everything, keeping the memory.
    pub(crate) fn reset(&mut self, names: &Names) {
        self.scalars.clear();
        self.scalars.resize(Variable::ALL.len(), StringId::EMPTY);
        self.items.iter_mut().for_each(Vec::clear);
        self.slots.clear();
        self.slots.resize(names.len(), None);
        self.tx.values.clear();
        for persistent in &mut self.persistent {
            persistent.key = None;
            persistent.kept = None;
            persistent.values.values.clear();
        }
    }

    /// The value of a variable that has one.
    pub(crate) fn scalar(&self, variable: Variable) -> StringId {
        self.scalars.get(variable as usize).copied().unwrap_or(StringId::EMPTY)
    }

    /// Sets it.
    pub(crate) fn set_scalar(&mut self, variable: Variable, value: StringId) {
        if let Some(place) = self.scalars.get_mut(variable as usize) {
            *place = value;
        }
    }

    /// Members of a collection.
    pub(crate) fn items(&self, collection: Collection) -> &[Item] {
        self.items.get(collection as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds a member unless there are `most` already; whether it was added.
    pub(crate) fn add(
        &mut self,
        collection: Collection,
        name: &[u8],
        value: &[u8],
        most: usize,
        store: &mut Store,
    ) -> bool {
        let Some(items) = self.items.get_mut(collection as usize).filter(|items| items.len() < most) else {
            return false;
        };
        let name = store.intern_common(name);
        items.push(Item { name, value: store.intern(value), hash: store.key_hash(name) });
        true
    }

    /// The same for a value that many requests have and that is no secret.
    pub(crate) fn add_common(
        &mut self,
        collection: Collection,
        name: &[u8],
        value: &[u8],
        most: usize,
        store: &mut Store,
    ) -> bool {
        let Some(items) = self.items.get_mut(collection as usize).filter(|items| items.len() < most) else {
            return false;
        };
        let name = store.intern_common(name);
        items.push(Item { name, value: store.intern_common(value), hash: store.key_hash(name) });
        true
    }

    /// Takes all members out.
    pub(crate) fn clear(&mut self, collection: Collection) {
        if let Some(items) = self.items.get_mut(collection as usize) {
            items.clear();
        }
    }

    /// Takes the members of a name out.
    pub(crate) fn remove(&mut self, collection: Collection, name: &[u8], store: &Store) {
        let hash = key_hash(name);
        if let Some(items) = self.items.get_mut(collection as usize) {
            items.retain(|item| item.hash != hash || !store.text(item.name).eq_ignore_ascii_case(name));
        }
    }

    /// The first member of a name.
    pub(crate) fn first(&self, collection: Collection, name: &[u8], store: &Store) -> Option<Item> {
        let hash = key_hash(name);
        self.items(collection)
            .iter()
            .find(|item| item.hash == hash && store.text(item.name).eq_ignore_ascii_case(name))
            .copied()
    }

    /// A name in `TX`.
    pub(crate) fn slot(&self, slot: Slot) -> Option<Span> {
        self.slots.get(usize::from(slot.0)).copied().flatten()
    }

    /// All slots that are set.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Slot, Span)> {
        self.slots.iter().enumerate().filter_map(|(index, value)| value.map(|value| (Slot(index as u16), value)))
    }

    /// Sets a name in `TX`, or takes it out.
    pub(crate) fn set_slot(&mut self, slot: Slot, value: Option<Span>) {
        if let Some(place) = self.slots.get_mut(usize::from(slot.0)) {
            *place = value;
        }
    }

    /// A collection that outlives the transaction.
    pub(crate) fn persistent(&self, collection: PersistentCollection) -> &Persistent {
        &self.persistent[collection as usize]
    }

    /// The same, to be changed.
    pub(crate) fn persistent_mut(&mut self, collection: PersistentCollection) -> &mut Persistent {
        &mut self.persistent[collection as usize]
    }
}
