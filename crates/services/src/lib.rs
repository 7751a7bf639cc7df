//! Real servers for tests and benchmarks: Redis (alone, watched by a sentinel, as a cluster) and Apache
//! Kafka, started on free ports of the loopback address in a temporary directory.
//!
//! Every `start` returns `None` after saying that the test is skipped when the machine lacks the server;
//! with `PARAPET_REQUIRE_ALL=1` it panics instead. `setup/install test` installs what is needed. A server
//! ends, and its directory is deleted, when its handle is dropped or the test process dies, however that
//! happens: a handle may therefore live in a `static` that all tests of a binary share.

mod certificates;
mod kafka;
mod process;
mod redis;

pub use certificates::Certificates;
pub use kafka::{Kafka, SCRAM_PASSWORD, SCRAM_USER};
pub use redis::{Redis, RedisCluster, Sentinel};

use std::net::TcpListener;

/// Says that a test is skipped and why; fails where skipping is forbidden.
///
/// # Panics
/// If `PARAPET_REQUIRE_ALL` is `1`.
#[allow(clippy::print_stdout, reason = "a skip must be seen")]
pub fn skip(test: &str, reason: &str) {
    assert!(
        std::env::var("PARAPET_REQUIRE_ALL").as_deref() != Ok("1"),
        "{test}: {reason}, and PARAPET_REQUIRE_ALL=1 forbids skipping"
    );
    println!("SKIPPED {test}: {reason}");
}

/// Whether a command is on the search path.
fn installed(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(command).is_file())
}

/// A port that nothing listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback address is free");
    listener.local_addr().expect("a bound socket has an address").port()
}
