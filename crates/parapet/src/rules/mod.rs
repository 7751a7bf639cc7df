//! The policy that is put in force: built-in base, rule set, tuning, the user's own rules.

mod files;

use crate::config::load::ConfigError;
use crate::crs::install;
use files::Files;
use parapet_engine::{Limits, Policy};
use parapet_gateway::DnsResolver;
use parapet_seclang::{Loader, parse_all_in};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a request may wait for the block lists of one `@rbl`.
const BLOCK_LIST_DEADLINE: Duration = Duration::from_millis(500);
const BASE: &str = include_str!("base.conf");
/// Names under which the built-in parts appear in findings and messages.
const BASE_NAME: &str = "parapet-base.conf";
const TUNING_NAME: &str = "parapet-tuning.conf";

/// The `[rules]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which Core Rule Set: `newest` of those installed, a version, a directory that holds
    /// `crs-setup.conf.example` and `rules/`, or `none`. Default `newest`.
    pub crs: String,
    /// What two backslashes in an argument of a rule mean. Default `libmodsecurity`.
    pub dialect: Dialect,
    /// Whether rules block. A site can override it. Default `On`.
    pub mode: Mode,
    /// Rules up to this level count for blocking, 1–4. Default 1.
    pub paranoia_level: u8,
    /// Rules up to this level run and are logged; at least `paranoia_level`. Default: the same.
    pub detection_paranoia_level: Option<u8>,
    /// Score from which a request is blocked. Default 5.
    pub inbound_threshold: u32,
    /// Score from which a response is blocked. Default 4.
    pub outbound_threshold: u32,
    /// Instead of the rule set's own setup file.
    pub setup: Option<PathBuf>,
    /// Rule files that run before the rule set: exclusions that act per request.
    pub before: Vec<PathBuf>,
    /// Rule files that run after the rule set: own rules, exclusions that act at start.
    pub after: Vec<PathBuf>,
}

/// For which engine rule files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// libmodsecurity 3 and Coraza: `\\\\` is two backslashes.
    Libmodsecurity,
    /// ModSecurity 2 in Apache httpd, which makes one of them: for files taken over from there, and
    /// for CRS 3, which is written like that.
    Apache,
}

/// `SecRuleEngine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Mode {
    /// Rules run and block.
    On,
    /// Rules run and nothing is blocked.
    DetectionOnly,
    /// No rules run.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            crs: "newest".to_owned(),
            dialect: Dialect::Libmodsecurity,
            mode: Mode::On,
            paranoia_level: 1,
            detection_paranoia_level: None,
            inbound_threshold: 5,
            outbound_threshold: 4,
            setup: None,
            before: Vec::new(),
            after: Vec::new(),
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut wrong = |key: &str, message: &str| {
            errors.push(ConfigError { place: format!("rules.{key}"), message: message.to_owned(), hint: None });
        };
        if !(1..=4).contains(&self.paranoia_level) {
            wrong("paranoia_level", "must be 1, 2, 3 or 4");
        }
        let detection = self.detection_paranoia_level.unwrap_or(self.paranoia_level);
        if detection < self.paranoia_level || detection > 4 {
            wrong("detection_paranoia_level", "must be at least paranoia_level and at most 4");
        }
        if self.inbound_threshold == 0 {
            wrong("inbound_threshold", "must be at least 1: at 0 every request would be blocked");
        }
        if self.outbound_threshold == 0 {
            wrong("outbound_threshold", "must be at least 1: at 0 every response would be blocked");
        }
        errors
    }
}

/// Compiles the policy. `installed` is the directory of installed rule sets.
///
/// # Errors
/// Everything that is wrong, each with file, line and column.
pub fn compile(config: &Config, installed: &Path) -> Result<Policy, Vec<ConfigError>> {
    let errors = config.check();
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut entries = vec![PathBuf::from(BASE_NAME)];
    match rule_set(config, installed)? {
        Some(root) => {
            entries.push(config.setup.clone().unwrap_or_else(|| root.join("crs-setup.conf.example")));
            entries.push(PathBuf::from(TUNING_NAME));
            entries.extend(config.before.iter().cloned());
            entries.push(root.join("rules/*.conf"));
        }
        None => {
            entries.push(PathBuf::from(TUNING_NAME));
            entries.extend(config.before.iter().cloned());
        }
    }
    entries.extend(config.after.iter().cloned());
    let loader = Files { built_in: vec![(BASE_NAME, BASE.as_bytes().to_vec()), (TUNING_NAME, tuning(config))] };
    let entries = expand(&entries, &loader)?;
    let dialect = match config.dialect {
        Dialect::Libmodsecurity => parapet_seclang::Dialect::Libmodsecurity,
        Dialect::Apache => parapet_seclang::Dialect::Apache,
    };
    let parsed = parse_all_in(dialect, &entries, &loader)
        .map_err(|errors| errors.iter().map(from_display).collect::<Vec<_>>())?;
    let policy = Policy::compile(&parsed, &loader);
    let policy = policy.map_err(|errors| errors.iter().map(from_display).collect::<Vec<_>>())?;
    if policy.asks_resolver() {
        return Ok(policy.with_resolver(Arc::new(DnsResolver::of_system(BLOCK_LIST_DEADLINE))));
    }
    Ok(policy)
}

/// The root of the rule set to use.
fn rule_set(config: &Config, installed: &Path) -> Result<Option<PathBuf>, Vec<ConfigError>> {
    let missing = |message: String| {
        vec![ConfigError {
            place: "rules.crs".to_owned(),
            message,
            hint: Some("run `parapet crs install`, or name a directory that has the rules".to_owned()),
        }]
    };
    match config.crs.as_str() {
        "none" => Ok(None),
        "newest" => match install::list(installed).into_iter().next() {
            Some((_, root)) => Ok(Some(root)),
            None => Err(missing(format!(
                "no Core Rule Set is installed in {}; Parapet does not start without rules",
                installed.display()
            ))),
        },
        name => {
            let versioned = installed.join(name);
            let root = if versioned.is_dir() { versioned } else { PathBuf::from(name) };
            if root.join("rules").is_dir() {
                Ok(Some(root))
            } else {
                Err(missing(format!("\"{name}\" is neither an installed version nor a directory with rules/")))
            }
        }
    }
}

/// Replaces patterns by the files they match, in order.
fn expand(entries: &[PathBuf], loader: &dyn Loader) -> Result<Vec<PathBuf>, Vec<ConfigError>> {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    for entry in entries {
        if !entry.to_string_lossy().contains(['*', '?', '[']) {
            files.push(entry.clone());
            continue;
        }
        let reason = match loader.glob(entry) {
            Ok(found) if !found.is_empty() => {
                files.extend(found);
                continue;
            }
            Ok(_) => "matches no file".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        errors.push(ConfigError { place: entry.display().to_string(), message: reason, hint: None });
    }
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

fn from_display(error: &impl std::fmt::Display) -> ConfigError {
    // Rule errors already begin with file:line:column.
    let text = error.to_string();
    let (place, message) = text.split_once(": ").unwrap_or(("rules", &text));
    ConfigError { place: place.to_owned(), message: message.to_owned(), hint: None }
}

/// SecLang for the settings of the `[rules]` table. CRS takes a variable that is set as it is.
fn tuning(config: &Config) -> Vec<u8> {
    let blocking = config.paranoia_level;
    let detection = config.detection_paranoia_level.unwrap_or(blocking);
    let mode = match config.mode {
        Mode::On => "On",
        Mode::DetectionOnly => "DetectionOnly",
        Mode::Off => "Off",
    };
    let mut text = format!("SecRuleEngine {mode}\nSecAction \"id:10000,phase:1,pass,nolog,t:none");
    let variables = [
        ("blocking_paranoia_level", u32::from(blocking)),
        ("detection_paranoia_level", u32::from(detection)),
        // The names that CRS 3 uses for the same two settings.
        ("paranoia_level", u32::from(blocking)),
        ("executing_paranoia_level", u32::from(detection)),
        ("inbound_anomaly_score_threshold", config.inbound_threshold),
        ("outbound_anomaly_score_threshold", config.outbound_threshold),
    ];
    for (name, value) in variables {
        // Writing to a String cannot fail.
        let _ = write!(text, ",setvar:tx.{name}={value}");
    }
    text.push_str("\"\n");
    text.into_bytes()
}

/// Compiles, with the limits of each transaction, and shares.
///
/// # Errors
/// As [`compile`].
pub fn policy(config: &Config, installed: &Path, limits: Limits) -> Result<Arc<Policy>, Vec<ConfigError>> {
    compile(config, installed).map(|policy| Arc::new(policy.with_limits(limits)))
}
