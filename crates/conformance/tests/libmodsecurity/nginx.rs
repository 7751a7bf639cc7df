//! nginx with libmodsecurity on free ports in a temporary directory, in front of a page that is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parapet_conformance::sample::{Sample, Verdict};
use tempfile::TempDir;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";
/// In each request, so that its line of the audit log is found.
const MARKER: &str = "X-Sample";
/// Longest wait for nginx to start, or for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests in flight: one more than there are workers, so that none of them waits.
const CLIENTS: usize = 3;

/// What this machine lacks for the comparison, if anything.
pub(crate) fn missing(rule_set: &Path) -> Option<String> {
    if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
        return Some("nginx is not installed".to_owned());
    }
    let needed = [Path::new(MODULE), rule_set];
    needed.into_iter().find(|path| !path.exists()).map(|path| format!("{} is not there", path.display()))
}

/// A running nginx; dropping it stops it.
pub(crate) struct Nginx {
    process: Child,
    port: u16,
    audit_log: PathBuf,
    directory: TempDir,
}

impl Nginx {
    /// Starts it with these rule files.
    pub(crate) fn start(rules: &[PathBuf]) -> Nginx {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        // The worker processes may run as another user.
        make_public(path);
        let audit_log = path.join("audit.log");
        let mut text: String = rules.iter().map(|file| format!("Include {}\n", file.display())).collect();
        text.push_str(&format!(
            "SecAuditEngine On\nSecAuditLogParts ABHZ\nSecAuditLogType Serial\nSecAuditLogFormat JSON\nSecAuditLog {}\n",
            audit_log.display()
        ));
        std::fs::write(path.join("rules.conf"), text).unwrap();
        let port = free_port();
        std::fs::write(path.join("nginx.conf"), configuration(path, port)).unwrap();
        let process = Command::new("nginx")
            .arg("-e")
            .arg(path.join("error.log"))
            .arg("-p")
            .arg(path)
            .arg("-c")
            .arg(path.join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Nginx { process, port, audit_log, directory };
        nginx.wait();
        nginx
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.directory.path().join("error.log")).unwrap_or_default();
                panic!("nginx does not start: {ended:?}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it makes of each of the requests, each on a connection of its own.
    /// `None` if nginx itself refused it with 400, so that libmodsecurity never saw it.
    pub(crate) fn judge(self, samples: &[Sample]) -> Vec<Option<Verdict>> {
        let next = AtomicUsize::new(0);
        let client = || {
            let mut found = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(sample) = samples.get(index) else { return found };
                found.push((index, self.status(&marked(&sample.bytes, index))));
            }
        };
        let statuses: BTreeMap<usize, u16> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        let mut rules = self.stop();
        let verdict = |(index, status): (usize, u16)| {
            let rules = rules.remove(&index);
            assert!(rules.is_some() || status == 400, "{} is not in the audit log", samples[index].name);
            rules.map(|rules| Verdict { blocked: status == 403, rules })
        };
        statuses.into_iter().map(verdict).collect()
    }

    fn status(&self, request: &[u8]) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        assert!(read.is_ok(), "{read:?}: {} after {}", request.escape_ascii(), answer.escape_ascii());
        let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        digits
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| panic!("no answer to {}: {}", request.escape_ascii(), answer.escape_ascii()))
    }

    /// Ends it; returns the rules of each request in its audit log.
    fn stop(mut self) -> BTreeMap<usize, BTreeSet<u32>> {
        self.end();
        let log = std::fs::read(&self.audit_log).unwrap();
        let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| of_line(&String::from_utf8_lossy(line))).collect()
    }

    /// Asks the master process to finish what it has and waits for it.
    fn end(&mut self) {
        let asked = Command::new("kill").arg("-QUIT").arg(self.process.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE;
        while asked.as_ref().is_ok_and(|status| status.success()) && Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}

/// The request with its number.
fn marked(request: &[u8], index: usize) -> Vec<u8> {
    let line = request.windows(2).position(|window| window == b"\r\n").unwrap() + 2;
    let mut bytes = request[..line].to_vec();
    bytes.extend_from_slice(format!("{MARKER}: {index}\r\n").as_bytes());
    bytes.extend_from_slice(&request[line..]);
    bytes
}

/// Number and rules of a line of the audit log; `None` for a connection that sent nothing.
fn of_line(line: &str) -> Option<(usize, BTreeSet<u32>)> {
    let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let transaction = &line["transaction"];
    let number = transaction["request"]["headers"][MARKER].as_str()?.parse().unwrap();
    let messages = transaction["messages"].as_array().unwrap().iter();
    Some((number, messages.map(|message| message["details"]["ruleId"].as_str().unwrap().parse().unwrap()).collect()))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn make_public(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn configuration(directory: &Path, port: u16) -> String {
    let directory = directory.display();
    format!(
        "load_module {MODULE};
worker_processes 2;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ worker_connections 256; }}
http {{
  access_log off;
  keepalive_timeout 0;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  large_client_header_buffers 8 64k;
  underscores_in_headers on;
  ignore_invalid_headers off;
  server {{
    listen 127.0.0.1:{port};
    modsecurity on;
    modsecurity_rules_file {directory}/rules.conf;
    location / {{ proxy_pass http://unix:{directory}/page.sock; }}
  }}
  server {{
    listen unix:{directory}/page.sock;
    location / {{ return 200; }}
  }}
}}
"
    )
}
