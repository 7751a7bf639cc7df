//! Framing of records in append-only files, shared by the journal's segments and the lakehouse's
//! write-ahead log.
//!
//! A file starts with 24 bytes: magic `PARAPETL`, format version (u16), kind (u16), first sequence
//! number (u64), CRC-32 of these 20 bytes. Then records follow: marker (4 bytes), payload length
//! (u32), CRC-32 over length, sequence and payload (u32), sequence number (u64), payload. Integers are
//! little-endian; the CRC is the one of IEEE 802.3. The marker is not valid UTF-8, so it cannot occur
//! inside the JSON of an undamaged record, which is what lets a reader find the next record after
//! damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: u64 = 24;
/// Bytes of a record before its payload.
pub(crate) const RECORD_OVERHEAD: usize = 20;
/// Largest payload.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 << 20;

const MAGIC: &[u8; 8] = b"PARAPETL";
const VERSION: u16 = 1;
const MARKER: [u8; 4] = [0xF1, 0x50, 0x52, 0x0A];
const READ_BYTES: usize = 1 << 20;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Kind {
    /// A segment of a journal.
    Journal = 1,
    /// Write-ahead log of a lakehouse.
    WriteAhead = 2,
}

/// What the first bytes of a file say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Ours; first sequence number.
    Good(u64),
    /// Written by a newer version of this software.
    Newer(u16),
    /// Cut short, damaged, or not such a file.
    Damaged,
}

/// The header of a new file.
pub(crate) fn header(kind: Kind, first: u64) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[10..12].copy_from_slice(&(kind as u16).to_le_bytes());
    bytes[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..20]);
    bytes[20..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads the header of a file.
pub(crate) fn read_header(file: &File, kind: Kind) -> io::Result<Header> {
    let mut bytes = [0; HEADER_BYTES as usize];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Header::Damaged),
        Err(error) => return Err(error),
    }
    let version = u16::from_le_bytes([bytes[8], bytes[9]]);
    if bytes[..8] == *MAGIC && version > VERSION && word(&bytes[20..]) == crc32fast::hash(&bytes[..20]) {
        return Ok(Header::Newer(version));
    }
    let first = long(&bytes[12..]);
    Ok(if bytes == header(kind, first) { Header::Good(first) } else { Header::Damaged })
}

/// Appends one record to a buffer. The payload must not be longer than [`PAYLOAD_BYTES_MAX`].
pub(crate) fn push(buffer: &mut Vec<u8>, sequence: u64, payload: &[u8]) {
    let length = (payload.len() as u32).to_le_bytes();
    let sequence = sequence.to_le_bytes();
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(&sequence);
    crc.update(payload);
    buffer.extend_from_slice(&MARKER);
    buffer.extend_from_slice(&length);
    buffer.extend_from_slice(&crc.finalize().to_le_bytes());
    buffer.extend_from_slice(&sequence);
    buffer.extend_from_slice(payload);
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).unwrap_or_default()
}

fn long(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).unwrap_or_default()
}

/// What stands at a position of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A whole record.
    Record {
        /// Where it starts.
        offset: u64,
        /// Its number.
        sequence: u64,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// Bytes that are no record, up to the next record or the end of the file.
    Damage {
        /// Where they start.
        from: u64,
        /// Where the next record starts.
        to: u64,
        /// No record follows.
        tail: bool,
    },
}

/// Reads the records of a file one after the other.
pub(crate) struct Reader<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> Reader<'a> {
    /// Reads from `position`, which must be the start of a record, up to `end`.
    pub(crate) fn new(file: &'a File, position: u64, end: u64) -> Self {
        Reader { file, position, end, window: Vec::new(), window_start: 0 }
    }

    /// Where the next item starts.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next record or damage; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Item<'_>>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let offset = self.position;
        if let Some(length) = self.record_at(offset)? {
            self.position = offset + (RECORD_OVERHEAD + length) as u64;
            let record = self.bytes(offset, RECORD_OVERHEAD + length)?;
            let sequence = record.get(12..).map(long).unwrap_or_default();
            return Ok(Some(Item::Record { offset, sequence, payload: record.get(RECORD_OVERHEAD..).unwrap_or(&[]) }));
        }
        let next = self.find_record(offset + 1)?;
        self.position = next.unwrap_or(self.end);
        Ok(Some(Item::Damage { from: offset, to: self.position, tail: next.is_none() }))
    }

    /// Length of the payload if a whole, valid record stands at `offset`.
    fn record_at(&mut self, offset: u64) -> io::Result<Option<usize>> {
        let left = self.end.saturating_sub(offset);
        if left < RECORD_OVERHEAD as u64 {
            return Ok(None);
        }
        let head = self.bytes(offset, RECORD_OVERHEAD)?;
        let (marker, length, crc) = match head {
            [a, b, c, d, rest @ ..] => ([*a, *b, *c, *d], word(rest) as usize, word(rest.get(4..).unwrap_or(&[]))),
            _ => return Ok(None),
        };
        if marker != MARKER || length > PAYLOAD_BYTES_MAX || (RECORD_OVERHEAD + length) as u64 > left {
            return Ok(None);
        }
        let record = self.bytes(offset, RECORD_OVERHEAD + length)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(record.get(4..8).unwrap_or(&[]));
        hasher.update(record.get(12..).unwrap_or(&[]));
        Ok((hasher.finalize() == crc).then_some(length))
    }

    /// Start of the first whole record at or after `offset`.
    fn find_record(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        while offset + (RECORD_OVERHEAD as u64) <= self.end {
            let take = READ_BYTES.min((self.end - offset) as usize);
            let chunk = self.bytes(offset, take)?;
            let found = chunk.windows(MARKER.len()).position(|window| window == MARKER);
            match found {
                Some(index) => {
                    offset += index as u64;
                    if self.record_at(offset)?.is_some() {
                        return Ok(Some(offset));
                    }
                    offset += 1;
                }
                // The marker may lie across the border of two chunks.
                None => offset += (take - (MARKER.len() - 1)) as u64,
            }
        }
        Ok(None)
    }

    /// Bytes of the file, read ahead. Shorter than asked only if the file was cut under us.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let window_end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || offset + length as u64 > window_end {
            let want = length.max(READ_BYTES.min((self.end - offset) as usize));
            self.window.resize(want, 0);
            self.window_start = offset;
            let mut filled = 0;
            while filled < want {
                match self.file.read_at(self.window.get_mut(filled..).unwrap_or(&mut []), offset + filled as u64) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            self.window.truncate(filled);
        }
        let start = (offset - self.window_start) as usize;
        Ok(self.window.get(start..start + length).unwrap_or(&[]))
    }
}

/// Bytes of a file from one offset to another, as far as they exist.
pub(crate) fn copy(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (to - from) as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(bytes.get_mut(filled..).unwrap_or(&mut []), from + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn records(bytes: &[u8]) -> (Vec<u64>, Vec<(u64, u64, bool)>) {
        let file = file_of(bytes);
        let mut reader = Reader::new(&file, 0, bytes.len() as u64);
        let (mut sequences, mut damages) = (Vec::new(), Vec::new());
        while let Some(item) = reader.next().unwrap() {
            match item {
                Item::Record { sequence, payload, .. } => {
                    assert_eq!(payload, format!("payload {sequence}").as_bytes());
                    sequences.push(sequence);
                }
                Item::Damage { from, to, tail } => damages.push((from, to, tail)),
            }
        }
        (sequences, damages)
    }

    fn three() -> (Vec<u8>, Vec<u64>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for sequence in 1..=3u64 {
            push(&mut bytes, sequence, format!("payload {sequence}").as_bytes());
            ends.push(bytes.len() as u64);
        }
        (bytes, ends)
    }

    #[test]
    fn a_file_cut_at_any_byte_gives_every_whole_record() {
        let (bytes, ends) = three();
        for cut in 0..=bytes.len() {
            let (sequences, damages) = records(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut as u64).count();
            assert_eq!(sequences.len(), whole, "cut at {cut}");
            let torn = cut != 0 && !ends.contains(&(cut as u64));
            assert_eq!(damages.len(), usize::from(torn), "cut at {cut}");
            assert!(damages.iter().all(|(_, _, tail)| *tail));
        }
    }

    #[test]
    fn any_changed_byte_loses_only_its_own_record() {
        let (bytes, ends) = three();
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x40;
            let (sequences, damages) = records(&damaged);
            let hit = ends.iter().position(|end| (position as u64) < *end).unwrap() as u64 + 1;
            let expected: Vec<u64> = (1..=3).filter(|sequence| *sequence != hit).collect();
            assert_eq!(sequences, expected, "byte {position}");
            assert_eq!(damages.len(), 1);
            assert_eq!(damages[0].2, hit == 3);
        }
    }

    #[test]
    fn a_header_says_whether_the_file_can_be_read() {
        let good = header(Kind::Journal, 42);
        assert_eq!(read_header(&file_of(&good), Kind::Journal).unwrap(), Header::Good(42));
        assert_eq!(read_header(&file_of(&good), Kind::WriteAhead).unwrap(), Header::Damaged);
        assert_eq!(read_header(&file_of(&good[..20]), Kind::Journal).unwrap(), Header::Damaged);
        let mut newer = good;
        newer[8] = 9;
        let crc = crc32fast::hash(&newer[..20]);
        newer[20..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read_header(&file_of(&newer), Kind::Journal).unwrap(), Header::Newer(9));
    }
}
