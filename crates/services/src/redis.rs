//! Redis: one server, a master with a replica and a sentinel, or a cluster of three.

use crate::certificates::Certificates;
use crate::process::Process;
use crate::{free_port, installed, skip};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const READY: &str = "Ready to accept connections";
const PATIENCE: Duration = Duration::from_secs(60);

fn is_installed(test: &str) -> bool {
    let there = installed("redis-server") && installed("redis-cli");
    if !there {
        skip(test, "redis-server is not installed");
    }
    there
}

/// One Redis server. What it confirmed survives [`Redis::kill`]: it writes an append-only file.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    certificates: Option<Certificates>,
}

impl Redis {
    /// Starts a server with further command line arguments.
    pub fn start(test: &str, arguments: &[&str]) -> Option<Redis> {
        is_installed(test).then(|| Redis::launch(arguments))
    }

    /// Starts a server that speaks TLS only and asks clients for a certificate.
    pub fn start_tls(test: &str) -> Option<Redis> {
        if !is_installed(test) {
            return None;
        }
        let directory = Process::directory("redis");
        let certificates = Certificates::make(&directory);
        let port = free_port();
        let path = |path: &Path| path.display().to_string();
        let mut command = Redis::command_line(&directory, 0);
        command.extend(["--tls-port".into(), port.to_string(), "--tls-ca-cert-file".into(), path(&certificates.ca)]);
        command.extend(["--tls-cert-file".into(), path(&certificates.server)]);
        command.extend(["--tls-key-file".into(), path(&certificates.server_key)]);
        let process = Process::start(&directory, command, READY);
        Some(Redis { process, port, certificates: Some(certificates) })
    }

    fn launch(arguments: &[&str]) -> Redis {
        let (directory, port) = (Process::directory("redis"), free_port());
        let mut command = Redis::command_line(&directory, port);
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Redis { process: Process::start(&directory, command, READY), port, certificates: None }
    }

    fn command_line(directory: &Path, port: u16) -> Vec<String> {
        let (directory, port) = (directory.display().to_string(), port.to_string());
        ["redis-server", "--bind", "127.0.0.1", "--port", &port, "--dir", &directory]
            .into_iter()
            .chain(["--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0"])
            .map(str::to_owned)
            .collect()
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Certificates, if it speaks TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port with what it had.
    pub fn restart(&mut self) {
        self.process.restart();
    }

    /// Sends a command with `redis-cli` and returns what that printed.
    ///
    /// # Panics
    /// If there is no answer, or an error.
    pub fn command(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments)
    }
}

fn cli(port: u16, arguments: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-e", "-p", &port.to_string()]).args(arguments).output();
    let output = output.expect("redis-cli can be started");
    assert!(output.status.success(), "redis-cli {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A master, its replica, and a sentinel that puts the replica in the master's place when that dies.
#[derive(Debug)]
pub struct Sentinel {
    /// The first master.
    pub master: Redis,
    /// Its replica.
    pub replica: Redis,
    _process: Process,
    port: u16,
}

impl Sentinel {
    /// Name of the master.
    pub const MASTER: &'static str = "parapet";

    /// Starts all three and waits until the sentinel knows the replica.
    pub fn start(test: &str) -> Option<Sentinel> {
        if !is_installed(test) {
            return None;
        }
        let master = Redis::launch(&[]);
        let replica = Redis::launch(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        wait_for("replication", || replica.command(&["INFO", "replication"]).contains("master_link_status:up"));
        wait_for("the replica to keep up", || master.command(&["INFO", "replication"]).contains("state=online"));
        let (directory, port) = (Process::directory("sentinel"), free_port());
        let file = directory.join("sentinel.conf");
        let configuration = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {name} 1500\nsentinel failover-timeout {name} 5000\n",
            directory.display(),
            master.port,
            name = Sentinel::MASTER
        );
        fs::write(&file, configuration).expect("the directory can be written");
        let command = ["redis-server".into(), file.into_os_string(), "--sentinel".into()];
        let process = Process::start(&directory, command, "+monitor master");
        wait_for("the sentinel sees the replica", || {
            cli(port, &["SENTINEL", "MASTER", Sentinel::MASTER]).contains("num-slaves\n1\n")
        });
        Some(Sentinel { master, replica, _process: process, port })
    }

    /// Address of the sentinel.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// A cluster of three masters.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the nodes and waits until they are one cluster.
    pub fn start(test: &str) -> Option<RedisCluster> {
        if !is_installed(test) {
            return None;
        }
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes: Vec<_> = (0..3).map(|_| Redis::launch(&arguments)).collect();
        let addresses: Vec<_> = nodes.iter().map(Redis::address).collect();
        let mut command: Vec<&str> = vec!["--cluster", "create"];
        command.extend(addresses.iter().map(String::as_str));
        command.extend(["--cluster-replicas", "0", "--cluster-yes"]);
        nodes[0].command(&command);
        for node in &nodes {
            wait_for("the cluster", || node.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
        }
        Some(RedisCluster { nodes })
    }

    /// Addresses of all nodes.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::address).collect()
    }
}
