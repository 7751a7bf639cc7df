//! One Parquet file: writing it, reading ids from it, checking it.
//!
//! Rows are sorted newest first. Row groups and pages are small enough for their statistics to prune,
//! client addresses have Bloom filters. The footer repeats what the manifest says about the file, so
//! that the manifest can be rebuilt.

use super::columns::{column, internal, schema};
use crate::directory::{io_error, sync_parent};
use datafusion::arrow::array::{Array, ListArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;
use parapet_ports::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use ulid::Ulid;

const ROW_GROUP_EVENTS: usize = 32_768;
const PAGE_EVENTS: usize = 2_048;
/// Bytes read at a time to compare a file with its checksum.
const VERIFIED_BYTES: usize = 256 << 10;
/// A file with more different rules is not pruned by rule.
const RULES_MAX: usize = 4_096;
/// Key of the file's own description in its footer.
pub(crate) const META_KEY: &str = "parapet.file";

/// What is known about a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Path below the data directory, `day=2026-01-31/<ulid>.parquet`.
    pub(crate) name: String,
    /// Size of the file; 0 inside the file itself.
    pub(crate) bytes: u64,
    /// CRC-32 (IEEE 802.3) of the file; absent inside the file itself.
    #[serde(default)]
    pub(crate) checksum: Option<u32>,
    pub(crate) events: u64,
    /// Times in nanoseconds since 1970, both inclusive.
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
    /// Lowest and highest id.
    pub(crate) min_id: Ulid,
    pub(crate) max_id: Ulid,
    /// Rules that occur; absent if there are too many.
    pub(crate) rules: Option<BTreeSet<u32>>,
    /// Log records up to this one are in published files.
    pub(crate) flushed: u64,
    /// Files whose events this one took over.
    pub(crate) replaces: Vec<String>,
}

impl Meta {
    /// Of a file with the events of two others. Its name and what it replaces are for the caller.
    pub(crate) fn and(self, other: Meta) -> Meta {
        let mut rules = self.rules.zip(other.rules).map(|(mut rules, others)| {
            rules.extend(others);
            rules
        });
        rules = rules.filter(|rules| rules.len() <= RULES_MAX);
        Meta {
            name: self.name,
            bytes: 0,
            checksum: None,
            events: self.events + other.events,
            min_time: self.min_time.min(other.min_time),
            max_time: self.max_time.max(other.max_time),
            min_id: self.min_id.min(other.min_id),
            max_id: self.max_id.max(other.max_id),
            rules,
            flushed: self.flushed.max(other.flushed),
            replaces: Vec::new(),
        }
    }

    /// As it stands in the footer of the file.
    pub(crate) fn description(&self) -> String {
        serde_json::to_string(&Meta { bytes: 0, checksum: None, ..self.clone() }).unwrap_or_default()
    }
}

/// A file under a temporary name; [`Target::publish`] gives it its own.
pub(crate) struct Target {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    bytes: u64,
    checksum: crc32fast::Hasher,
}

impl Target {
    /// Starts a file below the data directory.
    pub(crate) fn create(data: &Path, name: &str) -> Result<Target, PortError> {
        let path = data.join(name);
        let temporary = path.with_extension("tmp");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| io_error("create the directory", parent, error))?;
        }
        let file = File::create(&temporary).map_err(|error| io_error("create", &temporary, error))?;
        Ok(Target { path, temporary, file, bytes: 0, checksum: crc32fast::Hasher::new() })
    }

    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Makes the file durable and gives it its name; its complete description.
    pub(crate) fn publish(self, mut meta: Meta) -> Result<Meta, PortError> {
        let publish = || {
            self.file.sync_all()?;
            fs::rename(&self.temporary, &self.path)?;
            sync_parent(&self.path)
        };
        publish().map_err(|error| io_error("publish", &self.path, error))?;
        meta.bytes = self.bytes;
        meta.checksum = Some(self.checksum.finalize());
        meta.replaces = Vec::new();
        Ok(meta)
    }

    fn discard(self) -> Result<(), PortError> {
        fs::remove_file(&self.temporary).map_err(|error| io_error("delete", &self.temporary, error))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.checksum.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file of sorted rows.
pub(crate) struct Writer {
    temporary: PathBuf,
    writer: ArrowWriter<Target>,
    meta: Option<Meta>,
    name: String,
}

/// How files are written; the row groups of one with so many events are of equal size.
pub(crate) fn properties(events: usize) -> WriterProperties {
    let groups = events.div_ceil(ROW_GROUP_EVENTS).max(1);
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_max_row_group_row_count(Some(events.div_ceil(groups).max(1)))
        .set_data_page_row_count_limit(PAGE_EVENTS)
        .set_write_batch_size(1024)
        .set_dictionary_page_size_limit(256 << 10)
        .set_column_dictionary_enabled(ColumnPath::from("event"), false)
        .set_column_dictionary_enabled(ColumnPath::from("search"), false)
        .set_column_dictionary_enabled(ColumnPath::from("id"), false)
        .set_column_bloom_filter_enabled(ColumnPath::from("client_ip"), true)
        .set_column_bloom_filter_max_ndv(ColumnPath::from("client_ip"), ROW_GROUP_EVENTS as u64)
        .build()
}

impl Writer {
    /// Starts a file of so many events below the data directory.
    pub(crate) fn create(data: &Path, name: String, events: usize) -> Result<Writer, PortError> {
        let target = Target::create(data, &name)?;
        let temporary = target.temporary.clone();
        let writer = ArrowWriter::try_new(target, schema(), Some(properties(events)))
            .map_err(|error| failed(&temporary, error))?;
        Ok(Writer { temporary, writer, meta: None, name })
    }

    /// Appends rows, which must continue the order.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), PortError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        describe(batch, &mut self.meta, &self.name)?;
        self.writer.write(batch).map_err(|error| failed(&self.temporary, error))
    }

    /// Writes the footer, makes the file durable and gives it its name; `None` if it has no rows.
    pub(crate) fn finish(mut self, flushed: u64, replaces: Vec<String>) -> Result<Option<Meta>, PortError> {
        let mut meta = self.meta.take();
        if let Some(meta) = &mut meta {
            meta.flushed = flushed;
            meta.replaces = replaces;
            self.writer.append_key_value_metadata(KeyValue::new(META_KEY.to_owned(), meta.description()));
        }
        let target = self.writer.into_inner().map_err(|error| failed(&self.temporary, error))?;
        match meta {
            Some(meta) => target.publish(meta).map(Some),
            None => target.discard().map(|()| None),
        }
    }
}

/// Takes rows into the description of their file.
fn describe(batch: &RecordBatch, meta: &mut Option<Meta>, name: &str) -> Result<(), PortError> {
    let times: &TimestampNanosecondArray = column(batch, "timestamp")?;
    let rules: &ListArray = column(batch, "rule_ids")?;
    let ids = ids(batch)?;
    let meta = meta.get_or_insert_with(|| Meta {
        name: name.to_owned(),
        bytes: 0,
        checksum: None,
        events: 0,
        min_time: i64::MAX,
        max_time: i64::MIN,
        min_id: Ulid::max(),
        max_id: Ulid::nil(),
        rules: Some(BTreeSet::new()),
        flushed: 0,
        replaces: Vec::new(),
    });
    meta.events += batch.num_rows() as u64;
    for time in times.values() {
        meta.min_time = meta.min_time.min(*time);
        meta.max_time = meta.max_time.max(*time);
    }
    for id in ids {
        meta.min_id = meta.min_id.min(id);
        meta.max_id = meta.max_id.max(id);
    }
    if let Some(known) = &mut meta.rules {
        let all = rules.values().as_any().downcast_ref::<UInt32Array>();
        if let (Some(all), [first, .., last]) = (all, rules.value_offsets()) {
            known.extend(all.values().get(*first as usize..*last as usize).unwrap_or_default());
        }
        if known.len() > RULES_MAX {
            meta.rules = None;
        }
    }
    Ok(())
}

/// Ids of a batch.
pub(crate) fn ids(batch: &RecordBatch) -> Result<Vec<Ulid>, PortError> {
    let ids: &StringArray = column(batch, "id")?;
    let parse = |id: &str| Ulid::from_string(id);
    ids.iter()
        .map(|id| {
            parse(id.unwrap_or_default()).map_err(|_| PortError::new(ErrorKind::Corrupt, "a stored id is no ULID"))
        })
        .collect()
}

/// Ids of a file, ascending.
pub(crate) fn read_ids(path: &Path) -> Result<Vec<Ulid>, PortError> {
    let mut found = Vec::new();
    for batch in reader(path, Some(&["id"]))? {
        found.extend(ids(&batch.map_err(internal)?)?);
    }
    found.sort_unstable();
    Ok(found)
}

/// Compares a file with its checksum.
///
/// # Errors
/// `Corrupt` if they differ.
pub(crate) fn verify(path: &Path, checksum: u32) -> Result<(), PortError> {
    let mut file = File::open(path).map_err(|error| io_error("open", path, error))?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; VERIFIED_BYTES];
    loop {
        match file.read(&mut buffer).map_err(|error| io_error("read", path, error))? {
            0 => break,
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    if hasher.finalize() == checksum {
        return Ok(());
    }
    Err(PortError::new(ErrorKind::Corrupt, format!("{} differs from its checksum", path.display())))
}

/// Reads every page of a file.
///
/// # Errors
/// `Corrupt` if any of it cannot be decoded.
pub(crate) fn check(path: &Path) -> Result<(), PortError> {
    for batch in reader(path, None)? {
        batch.map_err(|error| PortError::new(ErrorKind::Corrupt, "a page cannot be decoded").with_source(error))?;
    }
    Ok(())
}

/// The description in the footer of a file.
pub(crate) fn read_meta(path: &Path) -> Result<Meta, PortError> {
    let file = File::open(path).map_err(|error| io_error("open", path, error))?;
    let bytes = file.metadata().map_err(|error| io_error("read", path, error))?.len();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(path, error))?;
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    let description = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == META_KEY)?.value.as_deref());
    let meta = serde_json::from_str::<Meta>(description.unwrap_or_default());
    let meta = meta.map_err(|error| {
        PortError::new(ErrorKind::Corrupt, format!("{} was not written by a lakehouse", path.display()))
            .with_source(error)
    })?;
    Ok(Meta { bytes, ..meta })
}

fn reader(path: &Path, columns: Option<&[&str]>) -> Result<ParquetRecordBatchReader, PortError> {
    let file = File::open(path).map_err(|error| io_error("open", path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(path, error))?;
    let mask = match columns {
        Some(columns) => ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied()),
        None => ProjectionMask::all(),
    };
    builder.with_projection(mask).with_batch_size(8192).build().map_err(|error| failed(path, error))
}

/// An error of the library in words.
pub(crate) fn failed(path: &Path, error: ParquetError) -> PortError {
    if let ParquetError::External(source) = &error
        && let Some(source) = source.downcast_ref::<io::Error>()
    {
        return io_error("use", path, io::Error::new(source.kind(), source.to_string()));
    }
    PortError::new(ErrorKind::Corrupt, format!("cannot use {}", path.display())).with_source(error)
}
