//! Logs that were compressed when they were rotated.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Whether the name is that of a compressed file.
pub(super) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz" || extension == "zst")
}

/// Opens a log, compressed with gzip (`.gz`) or Zstandard (`.zst`) or not, for reading from `offset`
/// of its text.
///
/// # Errors
/// What the system or the decompressor says.
pub fn open_log(path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    let mut text: Box<dyn Read + Send> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(file))),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(file)?),
        _ => {
            file.seek(SeekFrom::Start(offset))?;
            return Ok(Box::new(file));
        }
    };
    let skipped = io::copy(&mut text.by_ref().take(offset), &mut io::sink())?;
    if skipped < offset {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the compressed log is shorter than what was read of it",
        ));
    }
    Ok(text)
}
