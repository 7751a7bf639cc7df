//! Reading a log of another WAF from its beginning to its end.

use parapet_pipeline::sources::{Format, RECORD_BYTES_MAX, Reader, Record};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A log that is being read.
pub struct Log {
    input: BufReader<Box<dyn Read>>,
    reader: Reader,
    line: Vec<u8>,
    /// Lines read so far.
    pub lines: u64,
    /// Their bytes, line ends included.
    pub bytes: u64,
}

impl Log {
    /// Opens a log, compressed or not; `-` is standard input.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(file: &Path, format: Format) -> io::Result<Log> {
        let input: Box<dyn Read> = match file.as_os_str().as_encoded_bytes() {
            b"-" => Box::new(io::stdin().lock()),
            _ => parapet_intake::open_log(file, 0)?,
        };
        let input = BufReader::with_capacity(256 * 1024, input);
        Ok(Log { input, reader: Reader::new(format), line: Vec::new(), lines: 0, bytes: 0 })
    }

    /// Reads the next line and adds the records that it finishes to `out`, at the end of the log those
    /// that waited for more. `false` at the end.
    ///
    /// # Errors
    /// What the system or the decompressor says.
    pub fn next(&mut self, out: &mut Vec<Record>) -> io::Result<bool> {
        self.line.clear();
        let read = self.input.by_ref().take(RECORD_BYTES_MAX as u64 + 2).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            self.reader.finish(out);
            return Ok(false);
        }
        self.bytes += read as u64;
        self.lines += 1;
        self.reader.line(self.line.strip_suffix(b"\n").unwrap_or(&self.line), None, out);
        Ok(true)
    }
}
