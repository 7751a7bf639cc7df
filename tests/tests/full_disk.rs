//! A disk that is really full: traffic goes on, the problem shows, and nothing is lost once there is room.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set};
use parapet_scenarios::{skip, wait_for};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const NAME: &str = "a_full_disk_stops_neither_traffic_nor_the_account_of_events";
/// Room for a fresh start with its first events, in mebibytes.
const SIZE_MB: usize = 48;
const ATTACKS: usize = 50;

/// A small file system in memory; taken away when it is dropped.
struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    fn mount() -> Result<SmallDisk, String> {
        let directory = TempDir::new().expect("a temporary directory");
        let size = format!("size={SIZE_MB}m");
        let mut mount = Command::new("mount");
        let outcome = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).output();
        match outcome {
            Ok(output) if output.status.success() => Ok(SmallDisk { directory }),
            Ok(output) => Err(format!("a small disk cannot be mounted: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("a small disk cannot be mounted: {error}")),
        }
    }

    fn filler(&self) -> PathBuf {
        self.directory.path().join("filler")
    }

    /// Writes until the system says that there is no space left.
    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        for block in [vec![0u8; 1 << 16], vec![0u8; 1]] {
            loop {
                match file.write(&block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("the disk cannot be filled: {error}"),
                }
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("the filler can be removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because the product may still be ending.
        let _ = Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}

#[test]
fn a_full_disk_stops_neither_traffic_nor_the_account_of_events() {
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(reason) => return skip(NAME, &reason),
    };
    let product = Product::start_in(disk.directory.path(), "");
    let session = Session::login(product.console, &product.login);
    let attack = |number: usize| {
        let answer = client::get(product.gateway, &format!("/?n={number}&q=<script>alert(1)</script>"));
        assert_eq!(answer.expect("an answer").status, 403);
    };
    let blocked = || {
        let answer = session.get("/api/v1/events?action=blocked&limit=1000");
        answer.json().as_array().map(Vec::len).ok_or(answer.body)
    };
    let ready = || client::get(product.console, "/readyz").expect("an answer");
    attack(0);
    wait_for("the first event", blocked, &Ok(1));

    disk.fill();
    for number in 1..=ATTACKS {
        attack(number);
    }
    assert_eq!(client::get(product.gateway, "/").expect("an answer").status, 200, "ordinary traffic goes on");
    wait_for("readiness to show the problem", || ready().status, &503);
    assert!(ready().body.contains("spool"), "the stage that cannot write is named: {}", ready().body);

    disk.free();
    wait_for("all events", blocked, &Ok(1 + ATTACKS));
    wait_for("readiness", || ready().status, &200);
    let output = product.output();
    assert!(!output.contains("panicked"), "{output}");
    assert!(output.contains("space"), "the log says what is wrong:\n{output}");
}
