//! Rules from disk.

use std::io;
use std::path::{Path, PathBuf};

use parapet_seclang::Loader;

/// Reads rule and data files from the file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileLoader;

/// Directories a pattern may lead through.
const MOST_PATHS: usize = 10_000;

impl Loader for FileLoader {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = vec![PathBuf::new()];
        for component in pattern.components() {
            let text = component.as_os_str().as_encoded_bytes();
            if !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
                paths.iter_mut().for_each(|path| path.push(component));
                continue;
            }
            let mut found = Vec::new();
            for path in &paths {
                let directory = if path.as_os_str().is_empty() { Path::new(".") } else { path.as_path() };
                let Ok(entries) = std::fs::read_dir(directory) else { continue };
                for entry in entries {
                    let name = entry?.file_name();
                    if wildcard(text, name.as_encoded_bytes()) {
                        found.push(path.join(name));
                    }
                }
            }
            paths = found;
            paths.truncate(MOST_PATHS);
        }
        paths.retain(|path| path.exists());
        paths.sort();
        Ok(paths)
    }
}

/// Whether a name matches a pattern of `*`, `?` and `[…]`. A leading dot must be written out.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => set(pattern.get(p..).unwrap_or_default(), name[n]),
            Some(byte) => (*byte == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(width), _) => {
                p += width;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, n));
            }
            (None, None) => return false,
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// Width of a `[…]` set that holds the byte; `None` if it does not.
fn set(pattern: &[u8], byte: u8) -> Option<usize> {
    let close = pattern.iter().skip(2).position(|b| *b == b']')? + 2;
    let inside = pattern.get(1..close)?;
    let (negated, inside) = match inside.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, inside),
    };
    let mut held = false;
    let mut rest = inside;
    while let Some((&low, tail)) = rest.split_first() {
        if let [b'-', high, after @ ..] = tail {
            held |= (low..=*high).contains(&byte);
            rest = after;
        } else {
            held |= low == byte;
            rest = tail;
        }
    }
    (held != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_the_shell_does() {
        assert!(wildcard(b"*.conf", b"a.conf"));
        assert!(!wildcard(b"*.conf", b"a.conf.example"));
        assert!(!wildcard(b"*.conf", b".a.conf"));
        assert!(wildcard(b"REQUEST-9?[0-2]-*", b"REQUEST-911-METHOD"));
        assert!(!wildcard(b"REQUEST-9?[!0-2]-*", b"REQUEST-911-METHOD"));
        assert!(wildcard(b"a*b*c", b"aXbYbZc"));
        assert!(!wildcard(b"a*b*c", b"aXbYbZ"));
    }

    #[test]
    fn files_are_found_sorted() {
        let directory = std::env::temp_dir().join(format!("parapet-glob-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("rules")).unwrap();
        for name in ["b.conf", "a.conf", "c.data"] {
            std::fs::write(directory.join("rules").join(name), b"x").unwrap();
        }
        let found = FileLoader.glob(&directory.join("r*").join("*.conf")).unwrap();
        assert_eq!(found, [directory.join("rules/a.conf"), directory.join("rules/b.conf")]);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
