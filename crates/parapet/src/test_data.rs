//! Reaches the data that tests may use but the project does not carry.

use std::path::PathBuf;

/// `PARAPET_TEST_DATA/name`, or `None` after saying that the test is skipped. With
/// `PARAPET_REQUIRE_ALL=1` a would-be skip is a failure.
pub(crate) fn path(test: &str, name: &str) -> Option<PathBuf> {
    if let Some(root) = std::env::var_os("PARAPET_TEST_DATA") {
        // Tests run in their crate's directory; a relative path is meant from the project's root.
        let path = PathBuf::from("../..").join(root).join(name);
        assert!(path.exists(), "PARAPET_TEST_DATA has no {name}");
        return Some(path);
    }
    assert!(
        std::env::var("PARAPET_REQUIRE_ALL").as_deref() != Ok("1"),
        "{test}: PARAPET_TEST_DATA is not set and PARAPET_REQUIRE_ALL=1 forbids skipping"
    );
    #[allow(clippy::print_stdout, reason = "a skip must be seen")]
    {
        println!("SKIPPED {test}: PARAPET_TEST_DATA is not set");
    }
    None
}
