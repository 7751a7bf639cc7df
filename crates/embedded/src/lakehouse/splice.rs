//! One Parquet file out of several large ones, whose row groups are taken over as they are.
//!
//! Decoding events only to encode them again would cost as much as writing them did. What is taken over is
//! compared with its checksum first, so that damage stays in one file and does not come to sit in the middle
//! of a larger one. Row groups of different files may overlap in time: each is sorted, the file need not be.

use super::catalog::DataFile;
use super::parquet_file::{self, META_KEY, Meta, Target, failed};
use crate::directory::io_error;
use datafusion::parquet::bloom_filter::Sbbf;
use datafusion::parquet::column::writer::ColumnCloseResult;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use datafusion::parquet::file::writer::SerializedFileWriter;
use parapet_ports::PortError;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Files with fewer events have row groups that are too small to stay as they are.
pub(crate) const EVENTS_MIN: u64 = 16_384;

/// A file that is taken over.
struct Source {
    file: File,
    metadata: ParquetMetaData,
}

/// Writes a file with the row groups of `files`, which are newest first. Their description, without what
/// only the finished file has.
///
/// # Errors
/// `Corrupt` if one of them is damaged.
pub(crate) fn splice(data: &Path, name: String, files: &[Arc<DataFile>]) -> Result<Option<Meta>, PortError> {
    for file in files {
        verify(file)?;
    }
    let sources: Vec<Source> = files.iter().map(|file| open(&file.path)).collect::<Result<_, _>>()?;
    let Some(first) = sources.first() else { return Ok(None) };
    let Some(mut meta) = files.iter().map(|file| file.meta.clone()).reduce(Meta::and) else { return Ok(None) };
    meta.name.clone_from(&name);
    meta.replaces = files.iter().map(|file| file.meta.name.clone()).collect();
    let mut target = Target::create(data, &name)?;
    let written = write(&mut target, &meta, first, &sources);
    written.map_err(|error| failed(target.temporary(), error))?;
    target.publish(meta).map(Some)
}

/// Compares a file with its checksum; reads all of it where there is none.
fn verify(file: &DataFile) -> Result<(), PortError> {
    match file.meta.checksum {
        Some(checksum) => parquet_file::verify(&file.path, checksum),
        None => parquet_file::check(&file.path),
    }
}

fn open(path: &Path) -> Result<Source, PortError> {
    let file = File::open(path).map_err(|error| io_error("open", path, error))?;
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = reader.parse_and_finish(&file).map_err(|error| failed(path, error))?;
    Ok(Source { file, metadata })
}

fn write(target: &mut Target, meta: &Meta, first: &Source, sources: &[Source]) -> ParquetResult<()> {
    let description = first.metadata.file_metadata();
    let schema = description.schema_descr().root_schema_ptr();
    let mut writer = SerializedFileWriter::new(target, schema, Arc::new(parquet_file::properties(0)))?;
    for pair in description.key_value_metadata().into_iter().flatten().filter(|pair| pair.key != META_KEY) {
        writer.append_key_value_metadata(pair.clone());
    }
    writer.append_key_value_metadata(KeyValue::new(META_KEY.to_owned(), meta.description()));
    for source in sources {
        if source.metadata.file_metadata().schema() != description.schema() {
            return Err(ParquetError::General("the columns differ from those of the other files".to_owned()));
        }
        for group in 0..source.metadata.num_row_groups() {
            take_over(&mut writer, source, group)?;
        }
    }
    writer.close()?;
    Ok(())
}

/// Copies a row group with its Bloom filters and page indexes.
fn take_over(writer: &mut SerializedFileWriter<&mut Target>, source: &Source, number: usize) -> ParquetResult<()> {
    let metadata = &source.metadata;
    let group = metadata.row_group(number);
    let mut target = writer.next_row_group()?;
    for (place, column) in group.columns().iter().enumerate() {
        let result = ColumnCloseResult {
            bytes_written: u64::try_from(column.compressed_size())?,
            rows_written: u64::try_from(group.num_rows())?,
            metadata: column.clone(),
            bloom_filter: Sbbf::read_from_column_chunk(column, &source.file)?,
            column_index: metadata.column_index().and_then(|all| all.get(number)?.get(place)).cloned(),
            offset_index: metadata.offset_index().and_then(|all| all.get(number)?.get(place)).cloned(),
        };
        target.append_column(&source.file, result)?;
    }
    target.close()?;
    Ok(())
}
