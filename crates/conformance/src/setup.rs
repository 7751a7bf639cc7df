//! The configurations under which rule sets are tested, laid over their unmodified files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_engine::{FileLoader, Policy};
use parapet_seclang::ast::{DirectiveKind, Setting};
use parapet_seclang::{Configuration, Dialect, Loader, parse_all, parse_all_in};

use crate::SetupError;
use crate::live;

/// The engine settings that a site has: those of ModSecurity's recommended configuration.
const BASE: &str = r#"
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial
SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^(?:5|4(?!04))"
SecAuditLogParts ABIJDEFHZ
SecArgumentSeparator &
SecCookieFormat 0
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application(?:/soap\+|/)|text/)xml" \
    "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/(?:[a-z0-9.-]+\+)?json" \
    "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQBODY_ERROR "!@eq 0" \
    "id:200002,phase:2,t:none,log,deny,status:400,msg:'Failed to parse request body.',logdata:'%{reqbody_error_msg}',severity:2"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" \
    "id:200003,phase:2,t:none,log,deny,status:400,msg:'Multipart request body failed strict validation.',severity:2"
SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" \
    "id:200004,phase:2,t:none,log,deny,msg:'Multipart parser detected a possible unmatched boundary.'"
SecRule &ARGS "@ge 1000" \
    "id:200007,phase:2,t:none,log,deny,status:400,msg:'Failed to fully parse request body due to large argument count',severity:2"
"#;

/// What the regression suite of CRS wants set (its README and container setup). CRS 3 inspects XML
/// attributes only where a site opts in, and its suite tests that it does.
const REGRESSION: &str = r#"
SecAction "id:900005,phase:1,nolog,pass,ctl:ruleEngine=DetectionOnly,ctl:ruleRemoveById=910000,\
    setvar:tx.blocking_paranoia_level=4,setvar:tx.paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,\
    setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,\
    setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535,\
    setvar:tx.crs_xml_attr_inspect=1"
"#;

/// How a rule set is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As its regression suite wants it: nothing blocks, paranoia 4, every limit set.
    Regression,
    /// The same for a gateway whose logs are read.
    RegressionOverWire,
    /// As a site runs it, at this paranoia level: blocking.
    Blocking(u8),
    /// The same for a gateway whose logs are read.
    BlockingOverWire(u8),
    /// As a site runs it, at this paranoia level, but nothing blocks, so that every score is complete.
    Scoring(u8),
}

/// A compiled rule set.
pub struct RuleSet {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Major version that `SecComponentSignature` states; 0 if it states none.
    pub major: u32,
}

/// Compiles the rule set at `root` (with `crs-setup.conf.example` and `rules/`).
///
/// # Errors
/// When a file cannot be read, or the rules cannot be parsed or compiled.
pub fn rule_set(root: &Path, mode: Mode) -> Result<RuleSet, SetupError> {
    let after_setup = match mode {
        Mode::Regression => REGRESSION.to_owned(),
        Mode::RegressionOverWire => format!("{REGRESSION}{}", live::RULES),
        Mode::Blocking(level) => blocking(level),
        Mode::BlockingOverWire(level) => format!("{}{}", blocking(level), live::RULES),
        Mode::Scoring(level) => paranoia(level),
    };
    let base = root.join("parapet-base.conf");
    let overlay = root.join("parapet-overlay.conf");
    let loader = Overlay {
        files: BTreeMap::from([(base.clone(), BASE.as_bytes().to_vec()), (overlay.clone(), after_setup.into_bytes())]),
    };
    let entries = [base, root.join("crs-setup.conf.example"), overlay, root.join("rules").join("*.conf")];
    let mut configuration = parse_all(&entries, &loader).map_err(SetupError::Parse)?;
    let major = major_version(&configuration);
    if major == 3 && matches!(mode, Mode::Regression | Mode::RegressionOverWire) {
        // Rules and suite of CRS 3 are written for Apache httpd.
        configuration = parse_all_in(Dialect::Apache, &entries, &loader).map_err(SetupError::Parse)?;
    }
    let policy = Policy::compile(&configuration, &loader).map_err(SetupError::Compile)?;
    Ok(RuleSet { policy: Arc::new(policy), major })
}

fn blocking(level: u8) -> String {
    format!("SecRuleEngine On\n{}", paranoia(level))
}

fn paranoia(level: u8) -> String {
    format!(
        "SecAction \"id:900005,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level={level},setvar:tx.paranoia_level={level}\"\n"
    )
}

/// The number after `OWASP_CRS/`.
fn major_version(configuration: &Configuration) -> u32 {
    let signature = configuration.directives.iter().find_map(|directive| match &directive.kind {
        DirectiveKind::Setting(Setting::ComponentSignature(text)) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    });
    let version = signature.as_deref().and_then(|text| text.split_once('/')).map(|(_, version)| version);
    version.and_then(|version| version.split('.').next()).and_then(|major| major.parse().ok()).unwrap_or(0)
}

/// Files on disk, and some that are only in memory.
struct Overlay {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Loader for Overlay {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(text) => Ok(text.clone()),
            None => FileLoader.read(path),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        FileLoader.glob(pattern)
    }
}
