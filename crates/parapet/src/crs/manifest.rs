//! The checked-in digests of every supported Core Rule Set version.

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

const MANIFEST: &str = include_str!("manifest.txt");

/// Supported versions, newest first.
pub fn versions() -> Vec<&'static str> {
    let mut seen = Vec::new();
    for (version, _, _) in entries() {
        if !seen.contains(&version) {
            seen.push(version);
        }
    }
    seen
}

/// Whether the version is in the manifest.
pub fn is_supported(version: &str) -> bool {
    entries().any(|(known, _, _)| known == version)
}

/// What differs from the manifest.
#[derive(Debug, PartialEq, Eq)]
pub enum Difference {
    /// A file of the manifest is not there (or cannot be read).
    Missing(String),
    /// A file has other content.
    Changed(String),
    /// A rule or data file that the manifest does not know.
    Unknown(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing(path) => write!(f, "{path}: missing"),
            Difference::Changed(path) => write!(f, "{path}: content differs from the release"),
            Difference::Unknown(path) => write!(f, "{path}: not part of the release"),
        }
    }
}

/// Compares a rule set (`crs-setup.conf.example` and `rules/` below `root`) with the manifest.
pub fn verify(root: &Path, version: &str) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut known = BTreeSet::new();
    for (_, digest, path) in entries().filter(|(v, _, _)| *v == version) {
        known.insert(path.to_owned());
        match std::fs::read(root.join(path)) {
            Err(_) => differences.push(Difference::Missing(path.to_owned())),
            Ok(content) if hex::encode(Sha256::digest(&content)) != digest => {
                differences.push(Difference::Changed(path.to_owned()));
            }
            Ok(_) => {}
        }
    }
    for path in rule_files(root) {
        if !known.contains(&path) {
            differences.push(Difference::Unknown(path));
        }
    }
    differences
}

fn rule_files(root: &Path) -> Vec<String> {
    let Ok(directory) = std::fs::read_dir(root.join("rules")) else {
        return Vec::new();
    };
    let mut files: Vec<String> = directory
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".conf") || name.ends_with(".data"))
        .map(|name| format!("rules/{name}"))
        .collect();
    files.sort();
    files
}

fn entries() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    MANIFEST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.splitn(3, ' ');
        Some((fields.next()?, fields.next()?, fields.next()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_version_a_digest_and_a_path() {
        let lines = MANIFEST.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(entries().count(), lines);
        for (version, digest, path) in entries() {
            assert_eq!(digest.len(), 64, "{version} {path}");
            assert!(path == "crs-setup.conf.example" || path.starts_with("rules/"), "{path}");
        }
    }

    #[test]
    fn versions_are_listed_once_and_newest_first() {
        assert_eq!(versions(), ["4.28.0", "4.25.0", "4.22.0", "3.3.10", "3.3.4"]);
    }

    #[test]
    fn differences_are_named_file_by_file() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("rules")).unwrap();
        std::fs::write(root.path().join("crs-setup.conf.example"), "changed").unwrap();
        std::fs::write(root.path().join("rules/EXTRA.conf"), "").unwrap();
        let differences = verify(root.path(), "4.28.0");
        assert!(differences.contains(&Difference::Changed("crs-setup.conf.example".into())));
        assert!(differences.contains(&Difference::Unknown("rules/EXTRA.conf".into())));
        assert!(differences.contains(&Difference::Missing("rules/REQUEST-901-INITIALIZATION.conf".into())));
    }
}
