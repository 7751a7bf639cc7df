//! Ids and numbers for events whose producer gives none of ours.

use parapet_event::Origin;
use ulid::Ulid;

/// Numbers the events of one source, from 1 without gaps.
#[derive(Debug, Clone)]
pub(super) struct Numbering {
    instance: Ulid,
    worker: u16,
    next: u64,
}

impl Numbering {
    /// `instance` is unique per start of the process, `worker` per source within it.
    pub(super) fn new(instance: Ulid, worker: u16) -> Self {
        Numbering { instance, worker, next: 1 }
    }

    /// The next number. Taken only for an event that is really handed on.
    pub(super) fn take(&mut self) -> Origin {
        let origin = Origin::new(self.instance, self.worker, self.next);
        self.next += 1;
        origin
    }
}

/// The id of a foreign event: its time, and a hash of what identifies it where it comes from. So a
/// log that is read a second time yields the same ids, and stores recognise them.
///
/// The hash is FNV-1a with 128 bits, of which a ULID has room for 80. It need not withstand an
/// attacker: `parts` come from the WAF, not from its clients.
pub(crate) fn event_id(timestamp_ms: u64, parts: &[&str]) -> Ulid {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    // 0xff is in no UTF-8 text, so no two lists of parts look the same.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    Ulid::from_parts(timestamp_ms, hash ^ (hash >> 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_record_has_the_same_id_and_others_have_others() {
        assert_eq!(event_id(7, &["a", "b"]), event_id(7, &["a", "b"]));
        assert_eq!(event_id(7, &["a", "b"]).timestamp_ms(), 7);
        for other in [&["ab", ""][..], &["a", "c"], &["a"], &["b", "a"]] {
            assert_ne!(event_id(7, &["a", "b"]), event_id(7, other), "{other:?}");
        }
    }

    #[test]
    fn numbers_count_from_one() {
        let mut numbering = Numbering::new(Ulid::nil(), 3);
        assert_eq!(
            [numbering.take(), numbering.take()].map(|origin| (origin.worker, origin.sequence)),
            [(3, 1), (3, 2)]
        );
    }
}
