//! `parapet crs install`: obtain, check, put in place.

use super::layout::RuleSet;
use super::manifest;
use super::sources::{self, Source};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// What to install and how strictly.
#[derive(Debug, Default)]
pub struct Request {
    /// Only this version; otherwise the newest that can be had.
    pub version: Option<String>,
    /// An archive or a directory instead of the network.
    pub from: Option<PathBuf>,
    /// Accept files that the manifest does not know.
    pub allow_unverified: bool,
}

/// An installed rule set.
#[derive(Debug)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Its root.
    pub root: PathBuf,
    /// Whether every file matched the manifest.
    pub verified: bool,
    /// Whether it was there already.
    pub already: bool,
}

/// Installs below `directory` (as `directory/VERSION`). `progress` gets one line per step.
pub async fn install(directory: &Path, request: &Request, progress: impl Fn(&str)) -> Result<Installed> {
    if let Some(version) = &request.version {
        check_version_is_allowed(version, request.allow_unverified)?;
        if let Some(installed) = installed_already(directory, version) {
            return Ok(installed);
        }
    }
    std::fs::create_dir_all(directory).with_context(|| format!("{}: cannot be created", directory.display()))?;
    let scratch = tempfile::Builder::new()
        .prefix(".incoming-")
        .tempdir_in(directory)
        .with_context(|| format!("{}: cannot be written", directory.display()))?;
    match &request.from {
        Some(from) => install_from_path(directory, request, from, scratch.path()),
        None => install_from_network(directory, request, scratch.path(), progress).await,
    }
}

async fn install_from_network(
    directory: &Path,
    request: &Request,
    scratch: &Path,
    progress: impl Fn(&str),
) -> Result<Installed> {
    let mut failures = Vec::new();
    for (number, source) in Source::all(request.version.as_deref()).into_iter().enumerate() {
        progress(&format!("Core Rule Set: trying the {}", source.describe()));
        let place = scratch.join(number.to_string());
        std::fs::create_dir(&place)?;
        let outcome = match source.fetch(&place).await {
            Ok(root) => put_in_place(directory, request, &root, scratch),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(installed) => return Ok(installed),
            Err(error) => {
                progress(&format!("  not there: {error:#}"));
                failures.push(format!("  {}: {error:#}", source.describe()));
            }
        }
    }
    bail!(
        "the Core Rule Set could not be obtained:\n{}\nWhat helps: install Go or `apt-get update` and try again, or \
         fetch a release archive elsewhere and run `parapet crs install --from ARCHIVE`",
        failures.join("\n")
    )
}

fn install_from_path(directory: &Path, request: &Request, from: &Path, scratch: &Path) -> Result<Installed> {
    if from.is_dir() {
        return put_in_place(directory, request, from, scratch);
    }
    let archive = std::fs::File::open(from).with_context(|| format!("{}: cannot be read", from.display()))?;
    let unpacked = scratch.join("archive");
    std::fs::create_dir(&unpacked)?;
    sources::unpack(archive, &unpacked).with_context(|| from.display().to_string())?;
    put_in_place(directory, request, &unpacked, scratch)
}

/// Copies to a staging directory, checks there, then renames: a reader never sees half a rule set.
fn put_in_place(directory: &Path, request: &Request, source: &Path, scratch: &Path) -> Result<Installed> {
    let found = RuleSet::find(source)?;
    if request.version.as_ref().is_some_and(|wanted| *wanted != found.version) {
        bail!("it is version {}, not {}", found.version, request.version.as_deref().unwrap_or_default());
    }
    check_version_is_allowed(&found.version, request.allow_unverified)?;
    let staged = tempfile::Builder::new().prefix("staged-").tempdir_in(scratch)?;
    found.copy_to(staged.path())?;
    let differences = manifest::verify(staged.path(), &found.version);
    if !differences.is_empty() && !request.allow_unverified {
        let lines: Vec<_> = differences.iter().take(20).map(|difference| format!("  {difference}")).collect();
        bail!(
            "version {} does not match its release ({} differences):\n{}\nUse --allow-unverified only if you \
             trust where it came from",
            found.version,
            differences.len(),
            lines.join("\n")
        );
    }
    let root = directory.join(&found.version);
    if root.exists() {
        std::fs::remove_dir_all(&root).with_context(|| format!("{}: cannot be replaced", root.display()))?;
    }
    std::fs::rename(staged.keep(), &root).with_context(|| format!("{}: cannot be created", root.display()))?;
    Ok(Installed { version: found.version, root, verified: differences.is_empty(), already: false })
}

fn check_version_is_allowed(version: &str, allow_unverified: bool) -> Result<()> {
    if manifest::is_supported(version) || allow_unverified {
        return Ok(());
    }
    bail!(
        "version {version} is not in Parapet's manifest (known: {}). To install it without that check, add \
         --allow-unverified",
        manifest::versions().join(", ")
    )
}

fn installed_already(directory: &Path, version: &str) -> Option<Installed> {
    let root = directory.join(version);
    let verified = root.is_dir() && manifest::verify(&root, version).is_empty();
    verified.then(|| Installed { version: version.to_owned(), root, verified, already: true })
}

/// Rule sets below `directory`, newest first.
pub fn list(directory: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found: Vec<(Vec<u32>, String, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            let numbers = name.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()?;
            path.join("rules").is_dir().then_some((numbers, name, path))
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    found.into_iter().map(|(_, name, path)| (name, path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(name: &str) -> Option<PathBuf> {
        crate::test_data::path("crs installation", name)
    }

    async fn install_from(from: &Path, allow_unverified: bool) -> (tempfile::TempDir, Result<Installed>) {
        let directory = tempfile::tempdir().unwrap();
        let request = Request { version: None, from: Some(from.to_path_buf()), allow_unverified };
        let outcome = install(directory.path(), &request, |_| {}).await;
        (directory, outcome)
    }

    #[tokio::test]
    async fn a_release_is_installed_with_its_tests_and_verified() {
        let Some(crs) = shared("crs") else { return };
        let (directory, outcome) = install_from(&crs, false).await;
        let installed = outcome.unwrap();
        assert_eq!((installed.version.as_str(), installed.verified), ("4.28.0", true));
        assert!(installed.root.join("tests/REQUEST-942-APPLICATION-ATTACK-SQLI/942100.yaml").is_file());
        assert_eq!(list(directory.path()).len(), 1);
    }

    #[tokio::test]
    async fn one_changed_byte_is_refused_and_named() {
        let Some(crs) = shared("crs") else { return };
        let copy = tempfile::tempdir().unwrap();
        RuleSet::find(&crs).unwrap().copy_to(copy.path()).unwrap();
        let rule_file = copy.path().join("rules/REQUEST-942-APPLICATION-ATTACK-SQLI.conf");
        let mut text = std::fs::read(&rule_file).unwrap();
        text.push(b'\n');
        std::fs::write(&rule_file, text).unwrap();
        let (directory, outcome) = install_from(copy.path(), false).await;
        let error = format!("{:#}", outcome.unwrap_err());
        assert!(error.contains("REQUEST-942-APPLICATION-ATTACK-SQLI.conf: content differs"), "{error}");
        assert!(list(directory.path()).is_empty(), "nothing may be left behind");
        let (_directory, outcome) = install_from(copy.path(), true).await;
        assert!(!outcome.unwrap().verified);
    }

    #[tokio::test]
    async fn an_unknown_version_needs_the_flag() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("rules")).unwrap();
        std::fs::write(root.path().join("crs-setup.conf.example"), "# OWASP CRS ver.9.9.9\n").unwrap();
        let (_directory, outcome) = install_from(root.path(), false).await;
        assert!(format!("{:#}", outcome.unwrap_err()).contains("--allow-unverified"));
        let (_directory, outcome) = install_from(root.path(), true).await;
        assert_eq!(outcome.unwrap().version, "9.9.9");
    }

    #[test]
    fn versions_sort_by_number_not_by_letter() {
        let directory = tempfile::tempdir().unwrap();
        for version in ["3.3.4", "4.9.0", "4.28.0", "3.3.10"] {
            std::fs::create_dir_all(directory.path().join(version).join("rules")).unwrap();
        }
        let names: Vec<_> = list(directory.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["4.28.0", "4.9.0", "3.3.10", "3.3.4"]);
    }
}
