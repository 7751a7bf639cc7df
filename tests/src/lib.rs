//! Drives the real binary: starts it as a user would, sends it bytes, reads what it says.

pub mod client;
pub mod product;
pub mod traffic;
pub mod upstream;
pub mod waf;

use parapet_services::Redis;
use std::fmt::Debug;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The root of the project. Cargo runs tests in the directory of their package; where they were compiled may be
/// another one by now.
pub fn root() -> PathBuf {
    std::path::absolute("..").expect("there is a current directory")
}

/// Says that a test is skipped and why; fails where skipping is forbidden.
#[allow(clippy::print_stdout, reason = "a skip must be seen")]
pub fn skip(test: &str, reason: &str) {
    assert!(
        std::env::var("PARAPET_REQUIRE_ALL").as_deref() != Ok("1"),
        "{test}: {reason}, and PARAPET_REQUIRE_ALL=1 forbids skipping"
    );
    println!("SKIPPED {test}: {reason}");
}

/// How long something may take to come about. Generous: test machines are slow and busy.
const DEADLINE: Duration = Duration::from_secs(90);

/// Asks again and again until there is an answer, for so long.
///
/// # Panics
/// If there is none by then.
pub fn eventually<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < within, "{what} did not come about within {within:?}");
        sleep(Duration::from_millis(50));
    }
}

/// Looks again and again until it finds what is wanted.
///
/// # Panics
/// If that does not come about.
pub fn wait_for<T: PartialEq + Debug>(what: &str, look: impl Fn() -> T, wanted: &T) {
    let start = Instant::now();
    loop {
        let found = look();
        if found == *wanted {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{what} did not come about: {found:?}, not {wanted:?}");
        sleep(Duration::from_millis(50));
    }
}

/// Configuration of both tracks on streams of a Redis server.
pub fn tracks_on(redis: &Redis) -> String {
    let address = redis.address();
    ["realtime", "analytics"]
        .map(|name| format!("[streams.{name}]\nkind = \"redis\"\naddresses = [{address:?}]\n"))
        .concat()
}

/// Where tests leave pictures and logs for people.
pub fn artifacts() -> PathBuf {
    let directory = root().join("tests/artifacts");
    std::fs::create_dir_all(&directory).expect("tests/artifacts can be created");
    directory
}
