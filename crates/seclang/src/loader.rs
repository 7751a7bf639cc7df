//! The seam through which files reach the parser.

use std::io;
use std::path::{Path, PathBuf};

/// Gives the parser the files that a configuration names. The parser itself does no I/O.
pub trait Loader {
    /// Content of one file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Paths that match a pattern (`*`, `?`, `[…]` in any component), sorted; empty when none do.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
    /// Content of an `https:` address that a configuration names: rules of `SecRemoteRules`, sent for
    /// with their key, or the file of a `…FromFile` operator, whose key is empty. Without an
    /// implementation there is no network.
    fn fetch(&self, url: &str, key: &str) -> io::Result<Vec<u8>> {
        let _ = key;
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("{url}: nothing is fetched over the network here")))
    }
}

/// A loader that has no files, for text that includes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Loader for NoFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is not available here", path.display())))
    }

    fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}
