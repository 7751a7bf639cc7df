//! Follows the logs of a gateway: the audit log in libmodsecurity's JSON form, one transaction a line,
//! and the error log in the form of an Apache error log, one finding a line.
//!
//! A transaction is found by the port of its client. A port is one test's alone while its connection is
//! open, and the test keeps it open until its lines are read; so the order in which parallel requests
//! are logged does not matter. Whether all lines of a connection are there is known from a marker: a
//! request that is sent after the connection has ended. Both logs are written in order, so once they
//! have the marker they have everything before it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::MARKER_RULE;

/// Lines of both logs that no test has taken yet.
pub(super) struct Logs {
    audit: Follower,
    error: Follower,
    transactions: HashMap<u16, Vec<Transaction>>,
    /// By unique id of the transaction.
    findings: HashMap<String, Vec<String>>,
}

/// What the logs say about one connection's first request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Logged {
    /// Rules in the audit log, then those that are in the error log only (`noauditlog`).
    pub(super) ids: Vec<u32>,
    /// Lines of the error log.
    pub(super) lines: Vec<String>,
}

/// One line of the audit log, as far as it matters here.
#[derive(Deserialize)]
struct AuditLine {
    transaction: Transaction,
}

#[derive(Deserialize)]
struct Transaction {
    client_port: u16,
    unique_id: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    details: Details,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    rule_id: String,
}

impl Logs {
    /// Begins at the beginning of both.
    pub(super) fn open(audit: &Path, error: &Path) -> io::Result<Logs> {
        Ok(Logs {
            audit: Follower::open(audit)?,
            error: Follower::open(error)?,
            transactions: HashMap::new(),
            findings: HashMap::new(),
        })
    }

    /// Reads what was written since.
    ///
    /// # Errors
    /// A file cannot be read, or a line of the audit log is not what libmodsecurity writes.
    pub(super) fn read(&mut self) -> io::Result<()> {
        for line in self.audit.lines()? {
            let AuditLine { transaction } = serde_json::from_slice(&line)?;
            self.transactions.entry(transaction.client_port).or_default().push(transaction);
        }
        for line in self.error.lines()? {
            let line = String::from_utf8_lossy(&line).into_owned();
            let id = field(&line, "unique_id").unwrap_or_default().to_owned();
            self.findings.entry(id).or_default().push(line);
        }
        Ok(())
    }

    /// Takes the marker that was sent from this port, if both logs have it.
    pub(super) fn take_marker(&mut self, port: u16) -> bool {
        let is_logged = |found: &Transaction| {
            let lines = self.findings.get(&found.unique_id);
            lines.is_some_and(|lines| lines.iter().any(|line| rule_of(line) == Some(MARKER_RULE)))
        };
        if !self.transactions.get(&port).is_some_and(|found| found.iter().any(is_logged)) {
            return false;
        }
        self.take(port);
        true
    }

    /// Takes what is known of a port's connection.
    pub(super) fn take(&mut self, port: u16) -> Logged {
        let mut logged = Logged::default();
        // What follows the first request on a connection is a test's own trailing bytes.
        for (position, transaction) in self.transactions.remove(&port).into_iter().flatten().enumerate() {
            let lines = self.findings.remove(&transaction.unique_id).unwrap_or_default();
            if position > 0 {
                continue;
            }
            let audited = transaction.messages.iter().filter_map(|message| message.details.rule_id.parse().ok());
            // Rule 0 is the gateway's own finding about malformed bytes.
            logged.ids = audited.filter(|id| *id != 0).collect();
            let unaudited: Vec<u32> = lines.iter().filter_map(|line| rule_of(line)).collect();
            logged.ids.extend(unaudited.into_iter().filter(|id| *id != 0 && !audited_has(&transaction, *id)));
            logged.lines = lines;
        }
        logged
    }
}

fn audited_has(transaction: &Transaction, id: u32) -> bool {
    transaction.messages.iter().any(|message| message.details.rule_id.parse() == Ok(id))
}

fn rule_of(line: &str) -> Option<u32> {
    field(line, "id")?.parse().ok()
}

/// The value of a field such as `[id "942100"]`. Quotes inside a value are escaped, so the fields that
/// a request can influence cannot pretend to be another one.
fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, after) = line.split_once(&format!(" [{name} \""))?;
    after.split_once("\"]").map(|(value, _)| value)
}

/// Reads whole lines from a file that grows.
struct Follower {
    file: File,
    rest: Vec<u8>,
}

impl Follower {
    fn open(path: &Path) -> io::Result<Follower> {
        Ok(Follower { file: File::open(path)?, rest: Vec::new() })
    }

    fn lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        self.file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(<[u8]>::to_vec).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    fn audit(port: u16, id: &str, rules: &[u32]) -> String {
        let messages: Vec<String> =
            rules.iter().map(|rule| format!("{{\"message\":\"m\",\"details\":{{\"ruleId\":\"{rule}\"}}}}")).collect();
        format!(
            "{{\"transaction\":{{\"client_port\":{port},\"unique_id\":\"{id}\",\"messages\":[{}]}}}}\n",
            messages.join(",")
        )
    }

    fn error(id: &str, rule: u32) -> String {
        format!("x [error] ModSecurity: Warning. [id \"{rule}\"] [data \"a\\\"] [id \\\"5\"] [unique_id \"{id}\"]\n")
    }

    #[test]
    fn lines_find_their_connection_whatever_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let (audit_path, error_path) = (directory.path().join("audit.log"), directory.path().join("error.log"));
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path).unwrap();
        let (mut audit_log, mut error_log) = (open(&audit_path), open(&error_path));
        let mut logs = Logs::open(&audit_path, &error_path).unwrap();

        audit_log.write_all((audit(2, "b", &[20, 0]) + &audit(1, "a", &[10])).as_bytes()).unwrap();
        error_log.write_all((error("a", 10) + &error("a", 11) + &error("b", 20)).as_bytes()).unwrap();
        audit_log.write_all(audit(3, "m", &[]).as_bytes()).unwrap();
        let (half, rest) = (&error("m", MARKER_RULE)[..9], &error("m", MARKER_RULE)[9..]);
        error_log.write_all(half.as_bytes()).unwrap();
        logs.read().unwrap();
        assert!(!logs.take_marker(3), "the marker is in one log only");
        error_log.write_all(rest.as_bytes()).unwrap();
        logs.read().unwrap();
        assert!(logs.take_marker(3));
        assert_eq!(logs.take(1).ids, [10, 11], "a rule that keeps out of the audit log counts");
        assert_eq!(logs.take(2).ids, [20]);
        assert_eq!(logs.take(2), Logged::default());
    }
}
