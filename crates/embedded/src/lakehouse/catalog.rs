//! Which Parquet files belong to the store: the manifest, its recovery, and files that are on their
//! way out.
//!
//! Publishing is the replacement of `manifest.json`: it names the files and how far the write-ahead
//! log is covered by them in one step, so a crash before it leaves the events in the log and a crash
//! after it leaves them in the files, never in both.

use super::parquet_file::{self, Meta};
use crate::clock;
use crate::damage::{self, Damage};
use crate::directory::{io_error, keep_aside, replace_file};
use parapet_ports::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const MANIFEST: &str = "manifest.json";
const MANIFEST_VERSION: u32 = 1;
/// Directory of Parquet files below the store's own.
pub(crate) const DATA: &str = "data";
const QUARANTINE: &str = "quarantine";

/// A published file. Queries hold on to it; when it was replaced or deleted, the last one that lets go
/// deletes it from the disk.
#[derive(Debug)]
pub(crate) struct DataFile {
    pub(crate) meta: Meta,
    pub(crate) path: PathBuf,
    obsolete: AtomicBool,
}

impl DataFile {
    pub(crate) fn new(data: &Path, meta: Meta) -> Arc<DataFile> {
        Arc::new(DataFile { path: data.join(&meta.name), meta, obsolete: AtomicBool::new(false) })
    }

    /// Deletes the file when nobody reads it any more.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        if *self.obsolete.get_mut()
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a replaced file could not be deleted");
        }
    }
}

/// Content of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    /// Log records up to this one are in the files.
    pub(crate) flushed: u64,
    /// Events older than this, in nanoseconds since 1970, are deleted even where their file remains.
    pub(crate) floor: i64,
    pub(crate) files: Vec<Meta>,
}

impl Manifest {
    pub(crate) fn new(flushed: u64, floor: i64, files: &[Arc<DataFile>]) -> Manifest {
        let files = files.iter().map(|file| file.meta.clone()).collect();
        Manifest { version: MANIFEST_VERSION, flushed, floor, files }
    }

    /// Publishes: durable when it returns.
    pub(crate) fn publish(&self, directory: &Path) -> Result<(), PortError> {
        let path = directory.join(MANIFEST);
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        replace_file(&path, &bytes, true).map_err(|error| io_error("publish", &path, error))
    }
}

/// What was found when the store was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) manifest: Manifest,
    pub(crate) files: Vec<Arc<DataFile>>,
    pub(crate) damages: Vec<Damage>,
}

/// Reads the manifest, or rebuilds it from the files; removes leftovers of a crash and sets damaged
/// files aside.
pub(crate) fn open(name: &str, directory: &Path) -> Result<Opened, PortError> {
    let data = directory.join(DATA);
    fs::create_dir_all(&data).map_err(|error| io_error("create the directory", &data, error))?;
    let found = list(&data).map_err(|error| io_error("list", &data, error))?;
    let mut damages = Vec::new();
    let mut manifest = match read_manifest(name, directory, &mut damages)? {
        Some(manifest) => manifest,
        None => rebuild(name, directory, &found, &mut damages),
    };
    let listed: HashSet<&str> = manifest.files.iter().map(|meta| meta.name.as_str()).collect();
    for name in found.keys().filter(|name| !listed.contains(name.as_str())) {
        // Written but never published (its events are in the log), or replaced.
        let path = data.join(name);
        fs::remove_file(&path).map_err(|error| io_error("delete the leftover", &path, error))?;
    }
    let expected = manifest.files.len();
    manifest.files.retain(|meta| match found.get(&meta.name) {
        Some(bytes) if *bytes == meta.bytes => true,
        Some(bytes) => {
            let reason = format!("{bytes} bytes instead of {}", meta.bytes);
            damages.push(quarantine(name, directory, meta, reason));
            false
        }
        None => {
            let gone = Err(io::Error::from(io::ErrorKind::NotFound));
            damages.push(damage::report(
                name,
                &data.join(&meta.name),
                0,
                meta.bytes,
                "the file is missing".into(),
                gone,
            ));
            false
        }
    });
    if manifest.files.len() < expected {
        manifest.publish(directory)?;
    }
    let files = manifest.files.iter().map(|meta| DataFile::new(&data, meta.clone())).collect();
    Ok(Opened { manifest, files, damages })
}

fn read_manifest(name: &str, directory: &Path, damages: &mut Vec<Damage>) -> Result<Option<Manifest>, PortError> {
    let path = directory.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &path, error)),
    };
    match serde_json::from_slice::<Manifest>(&bytes) {
        Ok(manifest) if manifest.version > MANIFEST_VERSION => Err(PortError::new(
            ErrorKind::Unsupported,
            format!(
                "{} has format version {}, written by a newer release; run that release",
                path.display(),
                manifest.version
            ),
        )),
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) => {
            let kept = keep_aside(&path, 0, &bytes);
            damages.push(damage::report(name, &path, 0, bytes.len() as u64, error.to_string(), kept));
            Ok(None)
        }
    }
}

/// The manifest as the footers of the files tell it.
fn rebuild(name: &str, directory: &Path, found: &BTreeMap<String, u64>, damages: &mut Vec<Damage>) -> Manifest {
    let data = directory.join(DATA);
    let mut files = Vec::new();
    for file_name in found.keys() {
        match parquet_file::read_meta(&data.join(file_name)) {
            Ok(meta) => files.push(Meta { name: file_name.clone(), ..meta }),
            Err(error) => damages.push(quarantine_path(name, directory, file_name, error.to_string())),
        }
    }
    let replaced: HashSet<String> = files.iter().flat_map(|meta| meta.replaces.iter().cloned()).collect();
    files.retain(|meta| !replaced.contains(&meta.name));
    let flushed = files.iter().map(|meta| meta.flushed).max().unwrap_or(0);
    files.iter_mut().for_each(|meta| meta.replaces.clear());
    Manifest { version: MANIFEST_VERSION, flushed, floor: i64::MIN, files }
}

/// Parquet files below the data directory with their sizes; unfinished ones are deleted.
fn list(data: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    for day in fs::read_dir(data)? {
        let day = day?;
        if !day.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(day.path())? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with(".tmp") {
                fs::remove_file(file.path())?;
            } else if name.ends_with(".parquet") {
                found.insert(format!("{}/{name}", day.file_name().to_string_lossy()), file.metadata()?.len());
            }
        }
    }
    Ok(found)
}

/// Moves a damaged file out of the way.
pub(crate) fn quarantine(owner: &str, directory: &Path, meta: &Meta, reason: String) -> Damage {
    quarantine_path(owner, directory, &meta.name, reason)
}

fn quarantine_path(owner: &str, directory: &Path, name: &str, reason: String) -> Damage {
    let path = directory.join(DATA).join(name);
    let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    let side = format!("{}.corrupt-{}", name.replace('/', "_"), clock::now().format("%Y%m%dT%H%M%S%3fZ"));
    let target = directory.join(QUARANTINE).join(side);
    let kept =
        fs::create_dir_all(directory.join(QUARANTINE)).and_then(|()| fs::rename(&path, &target)).map(|()| target);
    damage::report(owner, &path, 0, bytes, reason, kept)
}
