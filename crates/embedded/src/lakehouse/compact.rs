//! Merging small files of one day into larger ones: the smallest are read and written again, so that row
//! groups grow; of the others row groups are taken over as they are.

use super::catalog::DataFile;
use super::config::Config;
use super::lake::{Lake, day, file_name};
use super::parquet_file::{Meta, Writer};
use super::query::{Context, failed};
use super::splice;
use futures::StreamExt;
use parapet_ports::{ErrorKind, PortError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinError;

/// Files merged at once; each costs a decoder's memory.
const FILES_MAX: usize = 16;

/// Files that are worth merging: of the same day and of similar size (within a factor of four), and
/// together not larger than the limit.
pub(crate) fn candidates(files: &[Arc<DataFile>], config: &Config) -> Option<Vec<Arc<DataFile>>> {
    let mut tiers = BTreeMap::<(i64, u32), Vec<Arc<DataFile>>>::new();
    // Oldest first, so that neighbours in time are merged.
    for file in files.iter().rev() {
        let tier = file.meta.events.max(1).ilog2() / 2;
        tiers.entry((day(file), tier)).or_default().push(Arc::clone(file));
    }
    for (_, files) in tiers {
        if files.len() < config.compact_files {
            continue;
        }
        let mut events = 0;
        let fits = |file: &Arc<DataFile>| {
            events += file.meta.events;
            events <= config.file_events_max
        };
        let chosen: Vec<_> = files.into_iter().take(FILES_MAX.max(config.compact_files)).take_while(fits).collect();
        if chosen.len() >= 2 {
            return Some(chosen);
        }
    }
    None
}

/// Merges files into one and publishes it in their place.
pub(crate) async fn merge(lake: Arc<Lake>, context: Context, files: Vec<Arc<DataFile>>) -> Result<(), PortError> {
    let Some(first) = files.first() else { return Ok(()) };
    let name = file_name(day(first));
    let meta = if files.iter().all(|file| file.meta.events >= splice::EVENTS_MIN) {
        let (data, files) = (lake.data(), files.iter().rev().cloned().collect::<Vec<_>>());
        tokio::task::spawn_blocking(move || splice::splice(&data, name, &files)).await.map_err(stopped)??
    } else {
        rewrite(&lake, &context, &files, name).await?
    };
    let events = files.iter().map(|file| file.meta.events).sum::<u64>();
    if meta.as_ref().is_none_or(|meta| meta.events != events) {
        return Err(PortError::new(ErrorKind::Corrupt, "merging files gave another number of events than they have"));
    }
    let (count, name) = (files.len(), lake.name.clone());
    let swap = move || lake.replace(&files, meta);
    let replaced = tokio::task::spawn_blocking(swap).await.map_err(stopped)??;
    tracing::debug!(store = name, files = count, events, replaced, "merged small files");
    Ok(())
}

fn stopped(error: JoinError) -> PortError {
    PortError::new(ErrorKind::Unavailable, "merging files was stopped").with_source(error)
}

/// Writes the rows of small files to one, in order.
async fn rewrite(
    lake: &Lake,
    context: &Context,
    files: &[Arc<DataFile>],
    name: String,
) -> Result<Option<Meta>, PortError> {
    let rows = context.merge(files.to_vec())?;
    let mut stream = rows.execute_stream().await.map_err(failed)?;
    let (sender, mut receiver) = mpsc::channel(2);
    let replaces = files.iter().map(|file| file.meta.name.clone()).collect();
    let flushed = files.iter().map(|file| file.meta.flushed).max().unwrap_or(0);
    let expected = files.iter().map(|file| file.meta.events).sum::<u64>();
    let data = lake.data();
    let writing = tokio::task::spawn_blocking(move || -> Result<Option<Meta>, PortError> {
        let mut writer = Writer::create(&data, name, expected as usize)?;
        while let Some(batch) = receiver.blocking_recv() {
            match batch {
                Some(batch) => writer.write(&batch)?,
                None => return writer.finish(flushed, replaces),
            }
        }
        // The reader failed: the unfinished file is deleted when the store is opened again.
        Ok(None)
    });
    let mut events = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed)?;
        events += batch.num_rows() as u64;
        if sender.send(Some(batch)).await.is_err() {
            break;
        }
    }
    if events == expected && sender.send(None).await.is_err() {
        tracing::debug!("the writer of a merged file stopped early");
    }
    drop(sender);
    writing.await.map_err(stopped)?
}
