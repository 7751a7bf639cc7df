//! Concurrent audit logs (`SecAuditLogType Concurrent`): each line of the log names a file in the
//! storage directory that holds one transaction.
//!
//! ModSecurity 2 and 3 write the path relative to the directory, after the transaction's id and a
//! hyphen: `… 179532919798.168228 - /20261122/20261122-0633/20261122-063317-179532919798.168228 0 2345 md5:…`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parapet_ports::source::Receipt;
use parapet_ports::{PortError, RecordSession, RecordSink};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Largest file of one transaction.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Opens sessions for lines that are records, or that name files with records.
pub(super) struct Sessions {
    pub(super) sink: Arc<dyn RecordSink>,
    /// Where the files are, if lines name files.
    pub(super) storage: Option<PathBuf>,
}

impl Sessions {
    pub(super) fn open(&self) -> Box<dyn RecordSession> {
        match &self.storage {
            None => self.sink.session(),
            Some(storage) => {
                Box::new(Index { sink: self.sink.clone(), lines: self.sink.session(), storage: storage.clone() })
            }
        }
    }
}

struct Index {
    sink: Arc<dyn RecordSink>,
    /// Takes lines that name no file that can be read.
    lines: Box<dyn RecordSession>,
    storage: PathBuf,
}

#[async_trait]
impl RecordSession for Index {
    async fn take(&mut self, lines: &[u8], received: Option<DateTime<Utc>>) -> Result<Receipt, PortError> {
        let mut receipt = Receipt::default();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            receipt.add(match read(&self.storage, line).await {
                Ok(text) => {
                    let mut session = self.sink.session();
                    let mut of_file = session.take(&text, received).await?;
                    of_file.add(session.finish().await?);
                    of_file
                }
                Err(why) => self.lines.refuse(line, &why).await?,
            });
        }
        Ok(receipt)
    }

    async fn refuse(&mut self, record: &[u8], reason: &str) -> Result<Receipt, PortError> {
        self.lines.refuse(record, reason).await
    }

    async fn finish(&mut self) -> Result<Receipt, PortError> {
        Ok(Receipt::default())
    }
}

/// The file that a line names.
async fn read(storage: &Path, line: &[u8]) -> Result<Vec<u8>, String> {
    let named = std::str::from_utf8(line).ok().and_then(named_file);
    let named = named.ok_or("the line names no file of a transaction")?;
    let path = below(storage, named).ok_or_else(|| format!("{named} leads out of the storage directory"))?;
    let read = move || -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        std::fs::File::open(&path)?.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
    text.map_err(|error| format!("the transaction's file {named} cannot be read: {error}"))
}

/// The path in a line of the index: the first word that begins with a slash after the quoted request,
/// which a client wrote.
fn named_file(line: &str) -> Option<&str> {
    let after_request = line.rsplit_once('"').map_or(line, |(_, rest)| rest);
    after_request.split_ascii_whitespace().find(|word| word.starts_with('/'))
}

/// A path inside a directory; it may be given with the directory, too.
fn below(directory: &Path, named: &str) -> Option<PathBuf> {
    let named = Path::new(named);
    let relative = named.strip_prefix(directory).or_else(|_| named.strip_prefix("/")).ok()?;
    relative.components().all(|part| matches!(part, Component::Normal(_))).then(|| directory.join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_in_the_line_whatever_the_client_sent() {
        let v3 = r#"127.0.0.1 127.0.0.1 - - [22/Nov/2026:06:33:17 +0000] "GET /get /x HTTP/1.1" 403 0 - - 1795.16 - /20261122/20261122-0633/f 0 2345 md5:12"#;
        let v2 = r#"h 127.0.0.1 - - [28/Nov/2026:15:57:15 +0000] "GET /?a HTTP/1.1" 403 239 "-" "-" awr5 "-" /www-data/20261128/f 0 6411 md5:a4 "#;
        assert_eq!(named_file(v3), Some("/20261122/20261122-0633/f"));
        assert_eq!(named_file(v2), Some("/www-data/20261128/f"));
        assert_eq!(named_file("nothing"), None);
    }

    #[test]
    fn no_path_leads_out_of_the_directory() {
        let directory = Path::new("/var/audit");
        assert_eq!(below(directory, "/2026/f"), Some("/var/audit/2026/f".into()));
        assert_eq!(below(directory, "/var/audit/2026/f"), Some("/var/audit/2026/f".into()));
        assert_eq!(below(directory, "/../../etc/passwd"), None);
        assert_eq!(below(directory, "/var/audit/../../etc/passwd"), None);
    }
}
