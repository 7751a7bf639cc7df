//! Deleting old events: by age, by size, on request.

use super::catalog::DataFile;
use super::columns::nanoseconds;
use super::lake::{Lake, lock};
use crate::clock;
use parapet_ports::PortError;
use std::collections::HashSet;
use std::sync::Arc;

impl Lake {
    /// Makes events older than `floor` invisible and deletes files that hold nothing else.
    pub(crate) fn raise_floor(&self, floor: i64) -> Result<(), PortError> {
        let _change = lock(&self.changing);
        let flushed = {
            let mut state = lock(&self.state);
            state.floor = state.floor.max(floor);
            state.flushed
        };
        self.drop_files(flushed, |file| file.meta.max_time < floor)
    }

    /// Deletes the oldest files while all of them exceed the configured size.
    pub(crate) fn shrink(&self) -> Result<(), PortError> {
        let limit = self.config.retain_bytes;
        let _change = lock(&self.changing);
        let (files, flushed) = {
            let state = lock(&self.state);
            (Arc::clone(&state.files), state.flushed)
        };
        let mut total = 0;
        let mut excess = HashSet::new();
        for file in files.iter() {
            total += file.meta.bytes;
            if limit > 0 && total > limit {
                excess.insert(file.meta.name.clone());
            }
        }
        if excess.is_empty() {
            return Ok(());
        }
        tracing::info!(store = self.name, files = excess.len(), "deleting the oldest files to stay below retain_bytes");
        self.drop_files(flushed, |file| excess.contains(&file.meta.name))
    }

    fn drop_files(&self, flushed: u64, gone: impl Fn(&DataFile) -> bool) -> Result<(), PortError> {
        let mut dropped = Vec::new();
        self.publish(
            flushed,
            |files| {
                dropped.extend(files.iter().filter(|file| gone(file)).cloned());
                files.retain(|file| !gone(file));
            },
            false,
        )?;
        dropped.iter().for_each(|file| file.retire());
        let events: u64 = dropped.iter().map(|file| file.meta.events).sum();
        metrics::counter!("parapet_lakehouse_deleted_total", "store" => self.name.clone()).increment(events);
        Ok(())
    }

    /// Oldest time that retention by age keeps, if it is configured.
    pub(crate) fn oldest_kept(&self) -> Option<i64> {
        let days = i64::from(self.config.retain_days);
        (days > 0).then(|| nanoseconds(clock::now() - chrono::Duration::days(days)))
    }
}
