//! Names in `TX`, interned: a name that the configuration spells out has a slot.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::variables::key_hash;

/// A name in `TX` that the configuration spells out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u16);

/// Hashes a hash: to itself.
#[derive(Debug, Default)]
pub(crate) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash << 8 | u64::from(*byte));
    }

    fn write_u32(&mut self, hash: u32) {
        self.0 = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// All such names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By hash of the name without case. The names are the configuration's own, so nobody who sends
    /// requests can make them collide.
    slots: HashMap<u32, Vec<Slot>, BuildHasherDefault<Itself>>,
    spelled: Vec<Vec<u8>>,
}

impl Names {
    /// With `0` to `9`, the places of captures, in the slots of these numbers.
    pub(crate) fn new() -> Names {
        let mut names = Names::default();
        for digit in b'0'..=b'9' {
            names.intern(&[digit]);
        }
        names
    }

    /// The slot of a name; a new one keeps the spelling it is first seen with. `None` if there are
    /// more names than slots.
    pub(crate) fn intern(&mut self, name: &[u8]) -> Option<Slot> {
        if let Some(slot) = self.find(name) {
            return Some(slot);
        }
        let slot = Slot(u16::try_from(self.spelled.len()).ok()?);
        self.slots.entry(key_hash(name)).or_default().push(slot);
        self.spelled.push(name.to_vec());
        Some(slot)
    }

    /// The slot of a name, if it has one.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Slot> {
        let slots = self.slots.get(&key_hash(name))?;
        slots.iter().copied().find(|slot| self.spelled(*slot).eq_ignore_ascii_case(name))
    }

    /// A name as it was first spelled.
    pub(crate) fn spelled(&self, slot: Slot) -> &[u8] {
        self.spelled.get(usize::from(slot.0)).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.spelled.len()
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Slot, &[u8])> {
        self.spelled.iter().enumerate().map(|(index, name)| (Slot(index as u16), name.as_slice()))
    }
}
