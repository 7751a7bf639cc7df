//! Where the files of a rule set are in the packages that carry it, and how they are laid out here.
//!
//! Parapet keeps every rule set the way the official release has it: `crs-setup.conf.example`,
//! `rules/` and, where the package has them, the regression tests in `tests/`.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Name of the setup file in Parapet's layout.
pub const SETUP: &str = "crs-setup.conf.example";

/// Setup file, rules directory and tests directory below the root of a package; the first that is
/// there counts. In order: the official release, the Go module, Debian's package, plain checkouts.
const KNOWN: &[(&str, &str, &str)] = &[
    ("crs-setup.conf.example", "rules", "tests/regression/tests"),
    ("crs-setup.conf.example", "rules", "regression/tests"),
    ("crs-setup.conf.example", "rules", "tests"),
    ("rules/@crs-setup.conf.example", "rules/@owasp_crs", "tests"),
    ("etc/modsecurity/crs/crs-setup.conf", "usr/share/modsecurity-crs/rules", ""),
    ("crs-setup.conf", "rules", ""),
];

/// A rule set found in a directory.
#[derive(Debug)]
pub struct RuleSet {
    /// Its setup file.
    pub setup: PathBuf,
    /// Its rules.
    pub rules: PathBuf,
    /// Its regression tests.
    pub tests: Option<PathBuf>,
    /// Version as the setup file says it.
    pub version: String,
}

impl RuleSet {
    /// Looks for a rule set in `root`, or in the one directory that `root` contains (archives have
    /// a top directory).
    pub fn find(root: &Path) -> Result<RuleSet> {
        for candidate in [root.to_path_buf()].into_iter().chain(only_child(root)) {
            let here = |path: &str| candidate.join(path);
            let known = KNOWN.iter().filter(|(setup, rules, _)| here(setup).is_file() && here(rules).is_dir());
            // Prefer a layout whose tests are there too.
            let mut known: Vec<_> = known.collect();
            known.sort_by_key(|(_, _, tests)| tests.is_empty() || !here(tests).is_dir());
            if let Some((setup, rules, tests)) = known.first() {
                let tests = Some(here(tests)).filter(|path| !tests.is_empty() && path.is_dir());
                let version = version_of(&here(setup))?;
                return Ok(RuleSet { setup: here(setup), rules: here(rules), tests, version });
            }
        }
        bail!(
            "{}: no Core Rule Set here. Expected {SETUP} and rules/ (the official release archive unpacked, \
             or one of its packages)",
            root.display()
        )
    }

    /// Copies the rule set into `target` in Parapet's layout.
    pub fn copy_to(&self, target: &Path) -> Result<()> {
        copy_file(&self.setup, &target.join(SETUP))?;
        copy_tree(&self.rules, &target.join("rules"))?;
        if let Some(tests) = &self.tests {
            copy_tree(tests, &target.join("tests"))?;
        }
        Ok(())
    }
}

/// The version that a setup file names in its first lines (`… ver.4.28.0`).
fn version_of(setup: &Path) -> Result<String> {
    let text = std::fs::read(setup).with_context(|| format!("{}: cannot be read", setup.display()))?;
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .take(10)
        .find_map(|line| line.split("ver.").nth(1))
        .map(|version| version.trim().to_owned())
        .filter(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !version.is_empty())
        .with_context(|| format!("{}: does not say its version in the first ten lines", setup.display()))
}

fn only_child(root: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(root).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let first = entries.find(|path| path.is_dir())?;
    entries.all(|path| !path.is_dir()).then_some(first)
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("{}: cannot be created", parent.display()))?;
    }
    // Read and write rather than copy: package caches are read-only and the copy must not be.
    let content = std::fs::read(from).with_context(|| format!("{}: cannot be read", from.display()))?;
    std::fs::write(to, content).with_context(|| format!("{}: cannot be written", to.display()))
}

/// Copies a tree; symbolic links are not followed, so that nothing outside it is read.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let mut pending = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = pending.pop() {
        let entries = std::fs::read_dir(&from).with_context(|| format!("{}: cannot be read", from.display()))?;
        std::fs::create_dir_all(&to).with_context(|| format!("{}: cannot be created", to.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let target = to.join(entry.file_name());
            if kind.is_dir() {
                pending.push((entry.path(), target));
            } else if kind.is_file() {
                copy_file(&entry.path(), &target)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn every_known_layout_is_found_and_copied_to_the_same_one() {
        for (setup, rules, tests) in KNOWN {
            let root = tempfile::tempdir().unwrap();
            write(root.path(), &format!("top/{setup}"), "# ------\n# OWASP CRS ver.4.28.0\n");
            write(root.path(), &format!("top/{rules}/a.conf"), "SecMarker A\n");
            if !tests.is_empty() {
                write(root.path(), &format!("top/{tests}/942/942100.yaml"), "---\n");
            }
            let found = RuleSet::find(root.path()).unwrap();
            assert_eq!(found.version, "4.28.0", "{setup}");
            let target = tempfile::tempdir().unwrap();
            found.copy_to(target.path()).unwrap();
            assert!(target.path().join("rules/a.conf").is_file(), "{setup}");
            assert_eq!(target.path().join("tests/942/942100.yaml").is_file(), !tests.is_empty(), "{setup}");
        }
    }

    #[test]
    fn a_directory_without_rules_is_an_error_that_says_what_was_expected() {
        let root = tempfile::tempdir().unwrap();
        let error = RuleSet::find(root.path()).unwrap_err().to_string();
        assert!(error.contains("crs-setup.conf.example and rules/"), "{error}");
    }
}
