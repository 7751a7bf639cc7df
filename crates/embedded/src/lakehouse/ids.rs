//! Ids of the files that recent writes overlapped with.

use super::catalog::DataFile;
use super::parquet_file::read_ids;
use parapet_ports::{ErrorKind, PortError};
use std::collections::VecDeque;
use std::sync::Arc;
use ulid::Ulid;

/// Memory for ids.
const BYTES_MAX: usize = 64 << 20;

/// A cache of the ids of files, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct IdCache {
    files: VecDeque<(String, Arc<Vec<Ulid>>)>,
}

impl IdCache {
    /// Ids of a file, ascending; `None` if the file is damaged. A damaged file answers no query
    /// either, so that its events may be written again.
    pub(crate) fn get(&mut self, file: &DataFile) -> Result<Option<Arc<Vec<Ulid>>>, PortError> {
        let known = self.files.iter().position(|(name, _)| *name == file.meta.name);
        let entry = match known.and_then(|at| self.files.remove(at)) {
            Some(entry) => entry,
            None => match read_ids(&file.path) {
                Ok(ids) => (file.meta.name.clone(), Arc::new(ids)),
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    tracing::warn!(path = %file.path.display(), %error, "ids of a file could not be read");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            },
        };
        let ids = Arc::clone(&entry.1);
        self.files.push_back(entry);
        while self.files.len() > 1 && self.bytes() > BYTES_MAX {
            self.files.pop_front();
        }
        Ok(Some(ids))
    }

    fn bytes(&self) -> usize {
        self.files.iter().map(|(_, ids)| ids.len() * size_of::<Ulid>()).sum()
    }
}
