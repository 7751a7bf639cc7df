//! Where the text of rules comes from: built in, from the disk, over HTTPS.

use parapet_backends::download;
use parapet_engine::FileLoader;
use parapet_seclang::Loader;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Longest file of rules or data that is fetched, in bytes.
const FETCHED_MAX: usize = 64 << 20;
/// How long one may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// The header in which ModSecurity sends the key of `SecRemoteRules`.
const KEY_HEADER: &str = "ModSec-key";

/// Serves the built-in parts by name, addresses over HTTPS, and everything else from the disk.
pub(super) struct Files {
    /// Names and texts of the built-in parts.
    pub(super) built_in: Vec<(&'static str, Vec<u8>)>,
}

impl Loader for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.built_in.iter().find(|(name, _)| path == Path::new(name)) {
            Some((_, text)) => Ok(text.clone()),
            None => FileLoader.read(path),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        FileLoader.glob(pattern)
    }

    fn fetch(&self, url: &str, key: &str) -> io::Result<Vec<u8>> {
        let (url, key) = (url.to_owned(), key.to_owned());
        // A thread of its own: whoever compiles rules may or may not be inside a runtime.
        let fetch = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let header = (!key.is_empty()).then_some((KEY_HEADER, key.as_str()));
            let fetched = runtime.block_on(download::get_with(&url, header, FETCHED_MAX, FETCH_TIMEOUT));
            fetched.map_err(io::Error::other)
        };
        thread::spawn(fetch).join().unwrap_or_else(|_| Err(io::Error::other("the transfer failed")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_fetched_over_https_only_inside_a_runtime_or_not() {
        let files = Files { built_in: vec![("own.conf", b"text".to_vec())] };
        assert_eq!(files.read(Path::new("own.conf")).unwrap(), b"text");
        let fetch = || files.fetch("https://127.0.0.1:1/rules", "key").unwrap_err().to_string();
        assert!(fetch().contains("cannot be reached"), "{}", fetch());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { assert!(fetch().contains("cannot be reached")) });
    }
}
