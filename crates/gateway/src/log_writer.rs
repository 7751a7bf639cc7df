//! Writes log lines to a file from a thread of its own, so that a slow disk never slows a request.

use metrics::Counter;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Lines that may wait for the disk; further ones are dropped and counted.
const QUEUE_LINES: usize = 4096;

/// Handle of one log file.
#[derive(Clone)]
pub(crate) struct LogWriter {
    sender: SyncSender<Vec<u8>>,
    counter: Counter,
}

/// The writing thread; joined so that the last lines reach the file.
pub(crate) struct LogThread(JoinHandle<()>);

impl LogWriter {
    /// Opens the file for appending and starts the thread, which ends when the last handle is gone.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(path: &Path, name: &'static str) -> io::Result<(LogWriter, LogThread)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, receiver) = sync_channel(QUEUE_LINES);
        let counter = metrics::counter!("parapet_gateway_log_dropped_total", "log" => name);
        let writer = LogWriter { sender, counter: counter.clone() };
        let path = path.to_owned();
        let thread = std::thread::Builder::new()
            .name(format!("log-{name}"))
            .spawn(move || write_lines(&path, BufWriter::with_capacity(64 * 1024, file), &receiver, &counter))?;
        Ok((writer, LogThread(thread)))
    }

    /// Queues one line, newline included, or drops it if the disk is too slow.
    pub(crate) fn write(&self, line: Vec<u8>) {
        if self.sender.try_send(line).is_err() {
            self.counter.increment(1);
        }
    }
}

impl LogThread {
    /// Waits until everything queued is written. All handles must be gone.
    pub(crate) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("a log writer ended with a panic");
        }
    }
}

fn write_lines(path: &Path, mut file: impl Write, receiver: &Receiver<Vec<u8>>, counter: &Counter) {
    let mut failing = false;
    while let Ok(first) = receiver.recv() {
        let mut lines = 1;
        let mut outcome = file.write_all(&first);
        while lines < QUEUE_LINES as u64 && outcome.is_ok() {
            let Ok(line) = receiver.try_recv() else { break };
            outcome = file.write_all(&line);
            lines += 1;
        }
        let outcome = outcome.and_then(|()| file.flush());
        match outcome {
            Ok(()) => failing = false,
            Err(error) => {
                counter.increment(lines);
                // Said once per outage, not once per line.
                if !failing {
                    tracing::error!(path = %path.display(), %error, "cannot write the log; lines are dropped and counted");
                }
                failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_the_file_in_order() {
        let path = std::env::temp_dir().join(format!("parapet-log-{}", ulid::Ulid::generate()));
        let (writer, thread) = LogWriter::open(&path, "test").unwrap();
        for number in 0..1000 {
            writer.write(format!("{number}\n").into_bytes());
        }
        drop(writer);
        thread.join();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.lines().count(), 1000);
        assert_eq!(text.lines().last(), Some("999"));
    }

    #[test]
    fn a_directory_that_does_not_exist_is_an_error() {
        assert!(LogWriter::open(Path::new("/nonexistent/audit.log"), "test").is_err());
    }
}
