//! What a group commits for a partition: the offset before which everything is done, and in the commit's
//! metadata what was acknowledged out of order after it and how many entries were lost so far.
//!
//! The metadata is `{"dropped":N,"acknowledged":[[ENTRIES AFTER THE OFFSET, HOW MANY],…]}`. Brokers take
//! 4096 bytes; what does not fit is left out, and delivered again after a restart.

use super::ranges::Ranges;
use serde::{Deserialize, Serialize};

const METADATA_MAX: usize = 4000;

/// A position in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Everything before this offset is acknowledged or lost.
    pub(crate) floor: i64,
    /// What is acknowledged or lost after it.
    pub(crate) done: Ranges,
    /// Entries lost before they were acknowledged.
    pub(crate) dropped: u64,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    dropped: u64,
    #[serde(default)]
    acknowledged: Vec<(i64, i64)>,
}

impl Position {
    /// The start of a group that never committed.
    pub(crate) fn starting_at(floor: i64) -> Position {
        Position { floor, done: Ranges::default(), dropped: 0 }
    }

    /// What was committed. Metadata of another program is passed over.
    pub(crate) fn restore(floor: i64, metadata: &str) -> Position {
        let mut position = Position::starting_at(floor);
        if let Ok(metadata) = serde_json::from_str::<Metadata>(metadata) {
            position.dropped = metadata.dropped;
            for (after, count) in metadata.acknowledged {
                if after > 0
                    && let Some(start) = floor.checked_add(after)
                    && let Some(end) = start.checked_add(count)
                {
                    position.done.insert(start, end);
                }
            }
        }
        position
    }

    /// The metadata to commit with the floor.
    pub(crate) fn metadata(&self) -> String {
        let mut metadata = Metadata { dropped: self.dropped, acknowledged: Vec::new() };
        let mut length = 64;
        for (start, end) in self.done.iter() {
            let range = (start - self.floor, end - start);
            length += format!("[{},{}],", range.0, range.1).len();
            if length > METADATA_MAX {
                break;
            }
            metadata.acknowledged.push(range);
        }
        // Numbers are always JSON.
        serde_json::to_string(&metadata).unwrap_or_default()
    }

    /// Marks one entry as done.
    pub(crate) fn acknowledge(&mut self, offset: i64) {
        if offset >= self.floor {
            self.done.insert(offset, offset + 1);
            self.advance();
        }
    }

    /// Counts entries up to but not including `end` as lost, from `start` on, unless they are done.
    pub(crate) fn lose(&mut self, start: i64, end: i64) -> u64 {
        let lost = self.done.insert(start.max(self.floor), end);
        self.dropped += lost;
        self.advance();
        lost
    }

    fn advance(&mut self) {
        if let Some(end) = self.done.take_from(self.floor) {
            self.floor = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_follows_the_contiguous_part_and_the_rest_is_remembered() {
        let mut position = Position::starting_at(10);
        for offset in [12, 14, 10, 15] {
            position.acknowledge(offset);
        }
        assert_eq!(
            (position.floor, position.metadata().as_str()),
            (11, r#"{"dropped":0,"acknowledged":[[1,1],[3,2]]}"#)
        );
        assert_eq!(Position::restore(11, &position.metadata()), position);
        position.acknowledge(11);
        assert_eq!(position.floor, 13);
        position.acknowledge(3);
        assert_eq!(position.lose(0, 20), 5, "13 and 16 to 19");
        assert_eq!((position.floor, position.dropped), (20, 5));
    }

    #[test]
    fn metadata_stays_within_what_brokers_take() {
        let mut position = Position::starting_at(1 << 40);
        for offset in 0..5000 {
            position.acknowledge((1 << 40) + 1 + 2 * offset);
        }
        let metadata = position.metadata();
        assert!((3000..4096).contains(&metadata.len()), "{} bytes", metadata.len());
        let restored = Position::restore(1 << 40, &metadata);
        assert!(restored.done.iter().zip(position.done.iter()).all(|(a, b)| a == b));
    }

    #[test]
    fn hostile_metadata_is_harmless() {
        for metadata in ["", "x", "{}", r#"{"dropped":1,"acknowledged":[[9223372036854775807,9],[-5,2],[2,-9]]}"#] {
            let position = Position::restore(7, metadata);
            assert_eq!((position.floor, position.done), (7, Ranges::default()), "{metadata}");
        }
    }
}
