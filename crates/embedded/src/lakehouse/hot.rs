//! Events in memory: written, logged, not yet in a Parquet file.

use super::columns::{Rows, internal, times};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use parapet_ports::PortError;
use std::collections::HashSet;
use std::time::Instant;
use ulid::Ulid;

/// One generation of events in memory.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    batches: Vec<RecordBatch>,
    ids: HashSet<Ulid>,
    bytes: usize,
    /// Times of the oldest and newest, in nanoseconds since 1970.
    times: Option<(i64, i64)>,
    /// When the first of them arrived.
    pub(crate) since: Option<Instant>,
    /// Number of its newest event in the write-ahead log; known once the generation is complete.
    pub(crate) last_logged: u64,
}

impl Hot {
    /// Adds rows. Batches are merged like the digits of a binary counter, so that many small writes
    /// leave few batches and each row is copied a logarithmic number of times.
    pub(crate) fn push(&mut self, rows: Rows, now: Instant) -> Result<(), PortError> {
        let times = times(&rows.batch)?;
        if let (Some(low), Some(high)) = (times.iter().min(), times.iter().max()) {
            let (known_low, known_high) = self.times.unwrap_or((*low, *high));
            self.times = Some((known_low.min(*low), known_high.max(*high)));
        }
        self.ids.extend(&rows.ids);
        self.batches.push(rows.batch);
        while let [.., before, last] = self.batches.as_slice()
            && before.num_rows() < 2 * last.num_rows()
            && last.num_rows() < 4096
        {
            let merged = concat_batches(&last.schema(), [before, last]).map_err(internal)?;
            self.batches.truncate(self.batches.len() - 2);
            self.batches.push(merged);
        }
        self.bytes = self.batches.iter().map(RecordBatch::get_array_memory_size).sum();
        self.since.get_or_insert(now);
        Ok(())
    }

    pub(crate) fn contains(&self, id: &Ulid) -> bool {
        self.ids.contains(id)
    }

    /// How many events.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Memory of the columns.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Oldest and newest time.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        self.times
    }

    /// The columns.
    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }
}
