//! A server process that cannot outlive the test.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the server until its own standard input ends or says a word: the pipe to it is closed at the
/// latest by the death of the test. Without a word the directory is deleted.
const GUARD: &str = r#"
directory=$1; shift
"$@" >>"$directory/output.log" 2>&1 </dev/null &
server=$!
keep=; read -r keep
kill -9 $server; wait $server 2>/dev/null
[ -n "$keep" ] || rm -rf "$directory"
"#;
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, running or killed.
#[derive(Debug)]
pub(crate) struct Process {
    directory: PathBuf,
    command: Vec<OsString>,
    /// Text in the output that says that the server is up.
    ready: &'static str,
    guard: Option<(Child, ChildStdin)>,
}

impl Process {
    /// A new temporary directory for a server.
    pub(crate) fn directory(name: &str) -> PathBuf {
        let prefix = format!("parapet-{name}-");
        tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary directory can be made").keep()
    }

    /// Starts the command and waits until its output has `ready`.
    ///
    /// # Panics
    /// With the end of its output if that takes too long.
    pub(crate) fn start<S: Into<OsString>>(
        directory: &Path,
        command: impl IntoIterator<Item = S>,
        ready: &'static str,
    ) -> Process {
        let command = command.into_iter().map(Into::into).collect();
        let mut process = Process { directory: directory.to_owned(), command, ready, guard: None };
        process.restart();
        process
    }

    /// Starts the killed server again in the same directory.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let before = self.output().len();
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&self.directory)
            .args(&self.command)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let stdin = guard.stdin.take().expect("standard input is a pipe");
        self.guard = Some((guard, stdin));
        let deadline = Instant::now() + PATIENCE;
        while !self.output()[before..].contains(self.ready) {
            assert!(Instant::now() < deadline, "{:?} did not start:\n{}", self.command, self.output());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the server as a crash would; its directory stays.
    pub(crate) fn kill(&mut self) {
        if let Some((mut guard, mut stdin)) = self.guard.take() {
            // An error means that the guard is gone, and the server with it.
            let _ = stdin.write_all(b"keep\n");
            let _ = guard.wait();
        }
    }

    fn output(&self) -> String {
        let bytes = fs::read(self.directory.join("output.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        match self.guard.take() {
            Some((mut guard, stdin)) => {
                drop(stdin);
                let _ = guard.wait();
            }
            None => {
                let _ = fs::remove_dir_all(&self.directory);
            }
        }
    }
}
