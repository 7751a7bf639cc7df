//! Drives the real binary: starts it as a user would, sends it bytes, reads what it says.

pub mod client;
pub mod product;
pub mod traffic;
pub mod upstream;
pub mod waf;

use std::path::PathBuf;

/// The root of the project.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
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

/// Where tests leave pictures and logs for people.
pub fn artifacts() -> PathBuf {
    let directory = root().join("tests/artifacts");
    std::fs::create_dir_all(&directory).expect("tests/artifacts can be created");
    directory
}
