//! The same requests, the same Core Rule Set at paranoia level 1, two engines: nginx with libmodsecurity,
//! and ours. Every verdict and every list of rules is compared; a difference that
//! `known-differences.txt` does not explain fails the test.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod differences;
mod nginx;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use differences::Known;
use nginx::Nginx;
use parapet_conformance::sample::{self, Sample, Verdict};
use parapet_engine::Policy;

/// Where Debian's package modsecurity-crs has its rules and its setup.
const RULES: &str = "/usr/share/modsecurity-crs/rules";
const SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";

/// Requests that nginx answers with 400 before libmodsecurity sees them: this one leaves the root.
const REFUSED_BY_NGINX: [&str; 1] = ["gate: path traversal in the path, encoded"];

fn skip(reason: &str) {
    let test = "libmodsecurity";
    assert!(
        std::env::var_os("PARAPET_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "{test}: {reason}, and PARAPET_REQUIRE_ALL=1 forbids skipping"
    );
    println!("SKIPPED {test}: {reason}");
}

fn samples(data: &Path) -> Vec<Sample> {
    let mut samples = sample::gate();
    let bench = Path::new("../../bench/requests");
    for entry in std::fs::read_dir(bench).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        samples.push(Sample { name, bytes: std::fs::read(path).unwrap() });
    }
    for name in ["legitimate.jsonl", "sqli.jsonl"] {
        samples.extend(sample::data_set(&data.join("datasets").join(name)).unwrap());
    }
    samples
}

#[test]
fn verdicts_and_rules_are_those_of_libmodsecurity() {
    let Some(data) = std::env::var_os("PARAPET_TEST_DATA").map(PathBuf::from) else {
        return skip("PARAPET_TEST_DATA is not set");
    };
    if let Some(missing) = nginx::missing(Path::new(RULES)) {
        return skip(&missing);
    }
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site.conf");
    std::fs::write(&site, include_str!("site.conf")).unwrap();
    let rules = [site, PathBuf::from(SETUP), PathBuf::from(RULES).join("*.conf")];
    let samples = samples(&data);
    let theirs = Nginx::start(&rules).judge(&samples);
    let policy = Arc::new(Policy::load(&rules).unwrap());
    let ours = sample::judge(&policy, &samples);
    compare(&samples, &theirs, &ours);
}

fn compare(samples: &[Sample], theirs: &[Option<Verdict>], ours: &[Verdict]) {
    let known = Known::read();
    let mut unexplained = Vec::new();
    let mut same = 0;
    for ((sample, theirs), ours) in samples.iter().zip(theirs).zip(ours) {
        let Some(theirs) = theirs else {
            assert!(REFUSED_BY_NGINX.contains(&sample.name.as_str()), "nginx refuses {}", sample.name);
            continue;
        };
        same += usize::from(theirs == ours);
        for difference in known.unexplained(sample, theirs, ours) {
            let line = sample.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
            unexplained.push(format!("{}: {difference}: {}", sample.name, line.escape_ascii()));
        }
    }
    let blocked = ours.iter().filter(|verdict| verdict.blocked).count();
    println!("{} requests, {blocked} blocked, the same verdict and rules for {same}", samples.len());
    for (entry, count) in known.counts() {
        println!("explained by the list: {entry}, {count} requests");
        assert!(count > 0, "{entry} explains nothing: remove it from the list");
    }
    assert!(unexplained.is_empty(), "{} differences:\n{}", unexplained.len(), unexplained.join("\n"));
}
