//! Names in `TX`, interned: a name that the configuration spells out has a slot.

use std::collections::HashMap;

/// A name in `TX` that the configuration spells out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u16);

/// All such names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    slots: HashMap<Vec<u8>, Slot>,
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
        let key = name.to_ascii_lowercase();
        if let Some(slot) = self.slots.get(&key) {
            return Some(*slot);
        }
        let slot = Slot(u16::try_from(self.spelled.len()).ok()?);
        self.slots.insert(key, slot);
        self.spelled.push(name.to_vec());
        Some(slot)
    }

    /// The slot of a name, if it has one.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Slot> {
        // Names that rules build at run time are short; longer ones are in no configuration.
        let mut buffer = [0u8; 96];
        match buffer.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                self.slots.get(&*lower).copied()
            }
            None => self.slots.get(&name.to_ascii_lowercase()).copied(),
        }
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
