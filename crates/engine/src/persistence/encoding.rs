//! A collection as bytes, for stores that keep bytes: a version, numbers as little-endian, texts with
//! their length before them.

use super::{OVERHEAD, StoredCollection, StoredVariable};

/// The first byte.
const VERSION: u8 = 1;

impl StoredCollection {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() + OVERHEAD);
        out.push(VERSION);
        out.extend_from_slice(&self.created.to_le_bytes());
        out.extend_from_slice(&self.updated.to_le_bytes());
        out.extend_from_slice(&self.timeout.to_le_bytes());
        out.extend_from_slice(&self.updates.to_le_bytes());
        for variable in &self.variables {
            // Nothing ends at 0, so it can stand for never.
            out.extend_from_slice(&variable.expires.unwrap_or(0).to_le_bytes());
            for text in [&variable.name, &variable.value] {
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(text);
            }
        }
        out
    }

    /// From its bytes; `None` if they are damaged or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<StoredCollection> {
        let (&version, mut rest) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        let rest = &mut rest;
        let mut stored = StoredCollection {
            created: u64::from_le_bytes(take(rest)?),
            updated: u64::from_le_bytes(take(rest)?),
            timeout: u32::from_le_bytes(take(rest)?),
            updates: u64::from_le_bytes(take(rest)?),
            variables: Vec::new(),
        };
        while !rest.is_empty() {
            let expires = Some(u64::from_le_bytes(take(rest)?)).filter(|expires| *expires != 0);
            let (name, value) = (text(rest)?, text(rest)?);
            stored.variables.push(StoredVariable { name, value, expires });
        }
        Some(stored)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_everything_and_damage_is_noticed() {
        let variable =
            |name: &[u8], expires| StoredVariable { name: name.to_vec(), value: b"\0\xff".to_vec(), expires };
        let stored = StoredCollection {
            created: 1,
            updated: u64::MAX,
            timeout: 3600,
            updates: 7,
            variables: vec![variable(b"", Some(9)), variable(b"count", None)],
        };
        let bytes = stored.to_bytes();
        assert_eq!(StoredCollection::from_bytes(&bytes).as_ref(), Some(&stored));
        let whole = [29, 29 + 8 + 4 + 4 + 2, bytes.len()];
        for length in 0..=bytes.len() {
            let read = StoredCollection::from_bytes(&bytes[..length]);
            assert_eq!(read.is_some(), whole.contains(&length), "{length}");
        }
        assert_eq!(StoredCollection::from_bytes(b"\x02"), None);
    }
}
