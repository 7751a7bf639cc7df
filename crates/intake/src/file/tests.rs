//! Files that are written, renamed, truncated and compressed while they are followed.

use super::*;
use crate::kept::{Kept, Sink};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Instant;
use tokio::task::JoinHandle;

/// A directory with logs, and a follower of `*.log` in it that can be stopped and started.
struct Scene {
    directory: tempfile::TempDir,
    kept: Arc<Kept>,
    more: String,
    running: Option<(CancellationToken, JoinHandle<Result<(), PortError>>)>,
}

impl Scene {
    async fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("logs")).unwrap();
        let mut scene = Scene { directory, kept: Arc::default(), more: more.to_owned(), running: None };
        scene.start().await;
        scene
    }

    async fn start(&mut self) {
        let paths = self.log("*.log");
        let poll = if self.more.contains("poll_ms") { "" } else { "poll_ms = 10" };
        let table = format!("paths = [{paths:?}]\nidle_ms = 100\n{poll}\n{}", self.more);
        let ready = check(Settings { name: "edge".into(), table: toml::from_str(&table).unwrap() }).unwrap();
        let source = ready.open(&Place { directory: self.directory.path().join("state") }).await.unwrap();
        let stop = CancellationToken::new();
        let (sink, token) = (Arc::new(Sink(self.kept.clone())), stop.clone());
        self.running = Some((stop, tokio::spawn(async move { source.run(sink, token).await })));
    }

    async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    /// Ends the follower as a crash would.
    async fn kill(&mut self) {
        let (_, task) = self.running.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.path().join("logs").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.log(name), text);
    }

    async fn expect(&self, lines: &[&str]) {
        let start = Instant::now();
        loop {
            let kept = self.kept.lines();
            if kept == lines {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(20) && kept.len() <= lines.len(),
                "{kept:?} is not {lines:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn gzip(from: &Path, to: &Path) {
    let mut gz = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
    gz.write_all(&fs::read(from).unwrap()).unwrap();
    gz.finish().unwrap();
    fs::remove_file(from).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_arrive_when_they_are_whole_and_records_that_wait_are_ended() {
    let scene = Scene::new("").await;
    scene.append("a.log", "one\ntw");
    scene.expect(&["one"]).await;
    scene.append("a.log", "o\n+three\n");
    scene.expect(&["one", "two", "+three"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_reading_goes_on_where_it_was_durable() {
    let mut scene = Scene::new("").await;
    scene.append("a.log", "one\n+two\n");
    scene.expect(&["one", "+two"]).await;
    scene.stop().await;
    scene.append("a.log", "three\nfour\n");
    scene.start().await;
    scene.expect(&["one", "+two", "three", "four"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_repeats_lines_and_loses_none() {
    let mut scene = Scene::new("").await;
    let mut written = Vec::new();
    for round in 0..5 {
        for number in 0..200 {
            let line = format!("line {round} {number}");
            scene.append("a.log", &format!("{line}\n"));
            written.push(line);
        }
        tokio::time::sleep(Duration::from_millis(37 * round)).await;
        scene.kill().await;
        scene.start().await;
    }
    let start = Instant::now();
    while !scene.kept.lines().contains(written.last().unwrap()) {
        assert!(start.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kept = scene.kept.lines();
    assert!(written.iter().all(|line| kept.contains(line)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_log_is_read_to_its_end_though_its_writer_is_late() {
    let scene = Scene::new("").await;
    scene.append("a.log", "one\n");
    scene.expect(&["one"]).await;
    let mut writer = OpenOptions::new().append(true).open(scene.log("a.log")).unwrap();
    fs::rename(scene.log("a.log"), scene.log("a.log.1")).unwrap();
    writer.write_all(b"two\n").unwrap();
    scene.expect(&["one", "two"]).await;
    scene.append("a.log", "three\n");
    scene.expect(&["one", "two", "three"]).await;
    writer.write_all(b"four\n").unwrap();
    scene.expect(&["one", "two", "three", "four"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copytruncate_loses_nothing_that_is_in_the_copy() {
    let scene = Scene::new("poll_ms = 300").await;
    scene.append("a.log", "one\n");
    scene.expect(&["one"]).await;
    for round in 0..3 {
        let from = ["one", "two", "three", "four"];
        // Between two looks: more is written, the log is copied and truncated, and grows again.
        scene.append("a.log", &format!("more {round}\n"));
        fs::copy(scene.log("a.log"), scene.log(&format!("a.log.{round}"))).unwrap();
        OpenOptions::new().write(true).open(scene.log("a.log")).unwrap().set_len(0).unwrap();
        scene.append("a.log", &format!("{} {}\n", from[round + 1], "x".repeat(round * 100)));
        let start = Instant::now();
        while scene.kept.lines().len() < 3 + 2 * round {
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", scene.kept.lines());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let kept: Vec<String> =
        scene.kept.lines().iter().map(|line| line.trim_end_matches([' ', 'x']).to_owned()).collect();
    assert_eq!(kept, ["one", "more 0", "two", "more 1", "three", "more 2", "four"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_during_a_pause_are_found_in_their_order_compressed_or_not() {
    let mut scene = Scene::new("").await;
    scene.append("a.log", "one\ntwo\n");
    scene.expect(&["one", "two"]).await;
    scene.stop().await;
    scene.append("a.log", "three\n");
    gzip(&scene.log("a.log"), &scene.log("a.log.3.gz"));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = zstd::encode_all(&b"four\nfive"[..], 1).unwrap();
    fs::write(scene.log("a.log.2.zst"), second).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    scene.append("a.log.1", "six\n");
    tokio::time::sleep(Duration::from_millis(20)).await;
    scene.append("a.log", "seven\n");
    scene.start().await;
    let all = ["one", "two", "three", "four", "five", "six", "seven"];
    scene.expect(&all).await;
    scene.stop().await;
    scene.start().await;
    scene.append("a.log", "eight\n");
    scene.expect(&[&all[..], &["eight"]].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_rotated_right_after_a_crash_at_the_start_is_found() {
    let mut scene = Scene::new("").await;
    scene.append("a.log", "one\n");
    scene.expect(&["one"]).await;
    scene.kill().await;
    scene.append("a.log", "two\n");
    gzip(&scene.log("a.log"), &scene.log("a.log.1.gz"));
    scene.append("a.log", "three\n");
    scene.start().await;
    // The crash may have come before the place of the first line was saved: then it is read again.
    let start = Instant::now();
    while !scene.kept.lines().contains(&"three".to_owned()) {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", scene.kept.lines());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let lines = scene.kept.lines();
    assert!(lines.ends_with(&["two".to_owned(), "three".to_owned()]), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_rotated_log_does_not_hold_up_the_live_one() {
    let mut scene = Scene::new("").await;
    scene.append("a.log", "one\n");
    scene.expect(&["one"]).await;
    scene.stop().await;
    let mut gz = GzEncoder::new(Vec::new(), Compression::none());
    gz.write_all("lost\n".repeat(1000).as_bytes()).unwrap();
    let mut bytes = gz.finish().unwrap();
    bytes.truncate(3000);
    fs::write(scene.log("a.log.1.gz"), bytes).unwrap();
    scene.append("a.log", "two\n");
    scene.start().await;
    let start = Instant::now();
    while !scene.kept.lines().contains(&"two".to_owned()) {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", scene.kept.lines().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_where_files_begin_that_were_there_before() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("logs")).unwrap();
    append(&directory.path().join("logs/a.log"), "old\n");
    let mut scene = Scene { directory, kept: Arc::default(), more: "start = \"end\"".into(), running: None };
    scene.start().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    scene.append("a.log", "one\n");
    scene.append("b.log", "two\n");
    scene.expect(&["one", "two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_leads_to_the_files_of_the_transactions() {
    let directory = tempfile::tempdir().unwrap();
    let storage = directory.path().join("store");
    fs::create_dir_all(storage.join("20261128")).unwrap();
    fs::create_dir(directory.path().join("logs")).unwrap();
    fs::write(storage.join("20261128/t1"), "first record\n").unwrap();
    let mut scene = Scene { more: format!("storage = {storage:?}"), directory, kept: Arc::default(), running: None };
    scene.start().await;
    scene.append("a.log", "h c - - [x] \"GET / HTTP/1.1\" 403 0 - - id - /20261128/t1 0 12 md5:1\n");
    scene.expect(&["first record"]).await;
    scene.append("a.log", "h c - - [x] \"GET / HTTP/1.1\" 403 0 - - id - /20261128/t2 0 12 md5:1\n");
    let start = Instant::now();
    while scene.kept.lines().len() < 2 {
        assert!(start.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let kept = scene.kept.lines();
    assert!(kept[1].starts_with("REFUSED the transaction's file /20261128/t2 cannot be read"), "{kept:?}");
}

#[test]
fn wrong_configurations_are_named() {
    let error = |table: &str| {
        let settings = Settings { name: "edge".into(), table: toml::from_str(table).unwrap() };
        check(settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(error("paths = [\"/var/log/*.log\"]"), "");
    assert!(error("").contains("missing field `paths`"));
    assert!(error("paths = []").contains("at least one"));
    assert!(error("paths = [\"a.log\"]").contains("must begin with a slash"));
    assert!(error("paths = [\"/a[.log\"]").contains("is no pattern"));
    assert!(error("paths = [\"/a\"]\npoll_ms = 1").contains("poll_ms"));
    assert!(error("paths = [\"/a\"]\nstart = \"middle\"").contains("middle"));
    assert!(error("paths = [\"/a\"]\npath = 1").contains("unknown field `path`"));
}
