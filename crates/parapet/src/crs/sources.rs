//! The places a rule set can come from, each fetched by its ordinary client.

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Official release archives; `{version}` is replaced.
const ARCHIVE_URL: &str = "https://github.com/coreruleset/coreruleset/archive/refs/tags/v{version}.tar.gz";
/// The Go module that ships CRS 4.
const GO_MODULE: &str = "github.com/corazawaf/coraza-coreruleset/v4";
/// Versions for which the module has a release.
const GO_VERSIONS: &[&str] = &["4.25.0", "4.22.0"];
/// Debian's package and the version it carries.
const DEBIAN_PACKAGE: (&str, &str) = ("modsecurity-crs", "3.3.4");

/// Unpacked size limit: releases are about 10 MB.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
const ARCHIVE_BYTES_MAX: usize = 64 << 20;
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// A way to obtain one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The official release archive.
    Archive(String),
    /// The Go module, through `go mod download`.
    GoModule(String),
    /// Debian's package, through `apt-get download`.
    Debian,
}

impl Source {
    /// Every way to obtain `version`, or any version, newest first.
    pub fn all(version: Option<&str>) -> Vec<Source> {
        let wanted = |candidate: &str| version.is_none_or(|version| version == candidate);
        let newest = version.unwrap_or_else(|| super::manifest::versions().first().copied().unwrap_or("4.28.0"));
        let mut sources = vec![Source::Archive(newest.to_owned())];
        sources.extend(GO_VERSIONS.iter().filter(|v| wanted(v)).map(|v| Source::GoModule((*v).to_owned())));
        if wanted(DEBIAN_PACKAGE.1) {
            sources.push(Source::Debian);
        }
        sources
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        match self {
            Source::Archive(version) => format!("official release archive of {version}"),
            Source::GoModule(version) => format!("Go module {GO_MODULE} {version}"),
            Source::Debian => format!("Debian package {}", DEBIAN_PACKAGE.0),
        }
    }

    /// Fetches into `scratch`; returns the directory that contains the rule set.
    pub async fn fetch(&self, scratch: &Path) -> Result<PathBuf> {
        match self {
            Source::Archive(version) => {
                let url = ARCHIVE_URL.replace("{version}", version);
                let archive = parapet_backends::download::get(&url, ARCHIVE_BYTES_MAX, DOWNLOAD_TIMEOUT).await?;
                unpack(archive.as_slice(), scratch)?;
                Ok(scratch.to_path_buf())
            }
            Source::GoModule(version) => go_module(version, scratch),
            Source::Debian => debian_package(scratch),
        }
    }
}

/// Unpacks a gzip-compressed tar archive.
pub fn unpack(archive: impl Read, target: &Path) -> Result<()> {
    let limited = GzDecoder::new(archive).take(UNPACKED_BYTES_MAX);
    let mut tar = tar::Archive::new(limited);
    for entry in tar.entries().context("not a .tar.gz archive")? {
        let mut entry = entry.context("the archive is damaged")?;
        let kind = entry.header().entry_type();
        // Links could point outside the target; rule sets have none that matter.
        if kind.is_file() || kind.is_dir() {
            entry.unpack_in(target).context("the archive cannot be unpacked")?;
        }
    }
    Ok(())
}

fn go_module(version: &str, scratch: &Path) -> Result<PathBuf> {
    std::fs::write(scratch.join("go.mod"), "module parapet/crs\n")?;
    let module = format!("{GO_MODULE}@v{version}");
    let output = run("go", ["mod", "download", "-json", module.as_str()], scratch)?;
    let answer: serde_json::Value = serde_json::from_slice(&output).context("go printed no JSON")?;
    let directory = answer["Dir"].as_str().context("go did not say where it put the module")?;
    Ok(PathBuf::from(directory))
}

fn debian_package(scratch: &Path) -> Result<PathBuf> {
    // apt's download method drops privileges; without this it warns that it cannot.
    run("apt-get", ["-o", "APT::Sandbox::User=root", "download", "-q", DEBIAN_PACKAGE.0], scratch)?;
    let package = std::fs::read_dir(scratch)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension() == Some(OsStr::new("deb")))
        .context("apt-get downloaded no package")?;
    let unpacked = scratch.join("unpacked");
    run("dpkg-deb", [OsStr::new("-x"), package.as_os_str(), unpacked.as_os_str()], scratch)?;
    Ok(unpacked)
}

fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>, directory: &Path) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} is not installed"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed: {}", text.lines().last().unwrap_or("no message"));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_version_is_only_sought_where_it_exists() {
        assert_eq!(Source::all(Some("3.3.4")), [Source::Archive("3.3.4".into()), Source::Debian]);
        assert_eq!(Source::all(Some("3.3.10")), [Source::Archive("3.3.10".into())]);
        assert_eq!(Source::all(None).len(), 4);
    }

    #[test]
    fn an_archive_that_is_not_one_is_refused() {
        let target = tempfile::tempdir().unwrap();
        assert!(unpack(&b"plain text"[..], target.path()).is_err());
    }
}
