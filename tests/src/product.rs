//! A running Parapet with a directory and ports of its own.

use crate::upstream::Upstream;
use std::fmt::Write as _;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the binary may take to be ready. Generous: test machines are slow and busy.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// The binary under test: `PARAPET_BINARY`, or the one beside the tests.
pub fn binary() -> PathBuf {
    let beside = || {
        let tests = std::env::current_exe().expect("tests have a path");
        tests.ancestors().nth(2).expect("tests are in target/PROFILE/deps").join("parapet")
    };
    let path = std::env::var_os("PARAPET_BINARY").map_or_else(beside, PathBuf::from);
    assert!(path.is_file(), "{} is not there: run `cargo build -p parapet` first", path.display());
    path
}

/// The Core Rule Set to test with: `PARAPET_CRS` (`make test` sets it), else the test data.
pub fn rule_set() -> Option<PathBuf> {
    let from_data = || {
        let data = std::env::var_os("PARAPET_TEST_DATA")?;
        Some(crate::root().join(data).join("crs"))
    };
    std::env::var_os("PARAPET_CRS").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(from_data)
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a local address").port()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Where a process keeps its things, and what it is told.
struct Files {
    directory: TempDir,
    data: PathBuf,
    config: String,
}

/// A running Parapet; killed when it is dropped.
pub struct Product {
    /// Where the gateway listens.
    pub gateway: SocketAddr,
    /// Where the console listens.
    pub console: SocketAddr,
    /// The application behind it.
    pub upstream: Upstream,
    /// Name and password of the first administrator.
    pub login: (String, String),
    directory: TempDir,
    data: PathBuf,
    child: Child,
}

impl Product {
    /// Starts with a sample application behind it; `extra` is added to the configuration file.
    pub fn start(extra: &str) -> Product {
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        Product::launch(directory, data, extra)
    }

    /// The same with its data in a directory of the caller's.
    pub fn start_in(data: &Path, extra: &str) -> Product {
        Product::launch(TempDir::new().expect("a temporary directory"), data.to_path_buf(), extra)
    }

    /// Starts while a server that it needs is away: it is alive, but not ready.
    pub fn start_unready(extra: &str) -> Product {
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        Product::launch_until(Product::is_alive, ["", ""], directory, data, extra)
    }

    /// Starts with rules of the caller's behind the rule set.
    pub fn with_rules(file: &Path) -> Product {
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        let rules = format!("after = [{file:?}]\n");
        Product::launch_until(Product::is_ready, ["", &rules], directory, data, "")
    }

    /// Starts without a gateway; `sources` is what feeds it.
    pub fn fed_by(sources: &str) -> Product {
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        let console = local(free_port());
        let config = format!("data_dir = {data:?}\n[console]\nbind = \"{console}\"\n{sources}\n");
        let files = Files { directory, data, config };
        Product::launch_with(Product::is_ready, files, local(0), console, Upstream::start())
    }

    /// Starts one process of several, with some of the roles; only a console has a login.
    pub fn with_roles(roles: &[&str], extra: &str) -> Product {
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        Product::launch_as(&format!("roles = {roles:?}\n"), directory, data, extra)
    }

    fn launch(directory: TempDir, data: PathBuf, extra: &str) -> Product {
        Product::launch_as("", directory, data, extra)
    }

    fn launch_as(roles: &str, directory: TempDir, data: PathBuf, extra: &str) -> Product {
        Product::launch_until(Product::is_ready, [roles, ""], directory, data, extra)
    }

    /// Starts with what is said about roles and rules, until it is as wanted.
    fn launch_until(
        started: fn(&Product) -> bool,
        [roles, rules]: [&str; 2],
        directory: TempDir,
        data: PathBuf,
        extra: &str,
    ) -> Product {
        let upstream = Upstream::start();
        let (gateway, console) = (local(free_port()), local(free_port()));
        let crs = rule_set().expect("PARAPET_CRS or PARAPET_TEST_DATA names a rule set");
        let mut config = format!("data_dir = {data:?}\n{roles}");
        let _ = write!(
            config,
            "[rules]\ncrs = {crs:?}\n{rules}\
             [gateway]\nlisten = [\"{gateway}\"]\nworkers = 1\ntrusted_proxies = [\"127.0.0.1\"]\n\
             [[gateway.sites]]\nname = \"shop\"\nupstreams = [\"http://{}\"]\n[console]\nbind = \"{console}\"\n{extra}\n",
            upstream.address()
        );
        Product::launch_with(started, Files { directory, data, config }, gateway, console, upstream)
    }

    fn launch_with(
        started: fn(&Product) -> bool,
        files: Files,
        gateway: SocketAddr,
        console: SocketAddr,
        upstream: Upstream,
    ) -> Product {
        let Files { directory, data, config } = files;
        std::fs::write(directory.path().join("parapet.toml"), config).expect("the configuration can be written");
        let child = spawn(directory.path());
        let login = (String::new(), String::new());
        let mut product = Product { gateway, console, upstream, login, directory, data, child };
        product.wait_until(started);
        if product.output().contains("  Console ") {
            product.login = product.read_login();
        }
        product
    }

    /// Whether it answers, and has everything that it needs. One that speaks TLS is asked on its own machine.
    fn is_ready(&self) -> bool {
        if self.output().lines().any(|line| line.starts_with("  Health ") && line.contains("https://")) {
            let data = self.data.display().to_string();
            return run_to_end(&["ledger", "--json", "--data-dir", &data]).0 == 0;
        }
        crate::client::get(self.console, "/readyz").is_ok_and(|answer| answer.status == 200)
    }

    fn is_alive(&self) -> bool {
        crate::client::get(self.console, "/healthz").is_ok_and(|answer| answer.status == 200)
    }

    /// Kills the process without warning, as a power failure would, and starts it again.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Kills the process without warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// Starts it again after [`Product::kill`].
    pub fn restart(&mut self) {
        self.child = spawn(self.directory.path());
        self.wait_until(Product::is_ready);
    }

    /// Asks the process to stop and waits until it did.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.child.wait().expect("the process ends")
    }

    /// Sends the process a signal, for example `STOP`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Resident memory in kilobytes.
    pub fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS is there");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("VmRSS is a number")
    }

    /// What the process printed to standard output and standard error.
    pub fn output(&self) -> String {
        read_output(self.directory.path())
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    fn wait_until(&mut self, started: fn(&Product) -> bool) {
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                panic!("parapet ended with {status} instead of starting:\n{}", self.output());
            }
            if started(self) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("parapet did not start within {START_DEADLINE:?}:\n{}", self.output());
    }

    /// The banner shows `First login      admin / PASSWORD   (shown only this once)`.
    fn read_login(&self) -> (String, String) {
        let output = self.output();
        let line = output.lines().find_map(|line| line.trim().strip_prefix("First login"));
        let line = line.unwrap_or_else(|| panic!("the first login is not in the output:\n{output}"));
        let mut words = line.split_whitespace();
        let name = words.next().expect("a user name").to_owned();
        (name, words.nth(1).expect("a password").to_owned())
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = self.output();
            #[allow(clippy::print_stderr, reason = "a failing test shows what the product said")]
            {
                eprintln!("--- what parapet said ---\n{text}");
            }
        }
    }
}

fn spawn(directory: &Path) -> Child {
    let open = |name: &str| File::options().create(true).append(true).open(directory.join(name)).expect("a log file");
    Command::new(binary())
        .args(["run", "--config"])
        .arg(directory.join("parapet.toml"))
        .stdin(Stdio::null())
        .stdout(open("stdout"))
        .stderr(open("stderr"))
        .spawn()
        .expect("parapet starts")
}

fn read_output(directory: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    format!("{}{}", read("stdout"), read("stderr"))
}

/// Runs the binary with arguments until it ends; returns exit code, standard output and standard error.
pub fn run_to_end(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(binary()).args(arguments).stdin(Stdio::null()).output().expect("parapet runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}
