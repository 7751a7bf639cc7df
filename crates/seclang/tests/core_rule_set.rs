//! The unmodified Core Rule Set parses, and nothing of it is lost on the way.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::io;
use std::path::{Path, PathBuf};

use parapet_seclang::ast::{DirectiveKind, Rule};
use parapet_seclang::{Configuration, Loader, NoFiles, parse_all};

/// Reads from disk; wildcards only in the last component and only `*.suffix`.
struct Disk;

impl Loader for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let suffix = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default().trim_start_matches('*');
        let mut found: Vec<PathBuf> = std::fs::read_dir(pattern.parent().unwrap())?
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().is_some_and(|path| path.ends_with(suffix)))
            .collect();
        found.sort();
        Ok(found)
    }
}

/// The directory of shared test data, or `None` after saying that the test is skipped.
fn test_data(test: &str) -> Option<PathBuf> {
    match std::env::var_os("PARAPET_TEST_DATA") {
        Some(path) => Some(PathBuf::from(path)),
        None if std::env::var_os("PARAPET_REQUIRE_ALL").is_some_and(|value| value == "1") => {
            panic!("{test}: PARAPET_TEST_DATA is not set")
        }
        None => {
            println!("SKIPPED {test}: PARAPET_TEST_DATA is not set");
            None
        }
    }
}

fn load(root: &Path) -> Configuration {
    let entries = [root.join("crs-setup.conf.example"), root.join("rules/*.conf")];
    parse_all(&entries, &Disk)
        .unwrap_or_else(|errors| panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// Occurrences of a directive at the beginning of lines, counted without the parser.
fn count(root: &Path, directive: &str) -> usize {
    let files = Disk.glob(&root.join("rules/*.conf")).unwrap();
    let mut text = std::fs::read_to_string(root.join("crs-setup.conf.example")).unwrap();
    for file in files {
        text.push_str(&std::fs::read_to_string(file).unwrap());
        text.push('\n');
    }
    let starts = |line: &&str| line.trim_start().split([' ', '\t']).next() == Some(directive);
    text.lines().filter(starts).count()
}

fn rules(configuration: &Configuration) -> Vec<&Rule> {
    let rule = |kind| match kind {
        &DirectiveKind::Rule(ref rule) | &DirectiveKind::Action(ref rule) => Some(rule),
        _ => None,
    };
    configuration.directives.iter().filter_map(|directive| rule(&directive.kind)).collect()
}

fn links(configuration: &Configuration, with_targets: bool) -> usize {
    rules(configuration)
        .iter()
        .flat_map(|rule| &rule.links)
        .filter(|link| link.targets.is_empty() != with_targets)
        .count()
}

#[test]
fn crs_4_parses_completely() {
    let Some(data) = test_data("crs_4_parses_completely") else { return };
    let root = data.join("crs");
    let configuration = load(&root);
    assert_eq!(links(&configuration, true), 695);
    assert_eq!(links(&configuration, true), count(&root, "SecRule"));
    assert_eq!(links(&configuration, false), count(&root, "SecAction"));
    let markers = |directive: &&parapet_seclang::ast::Directive| matches!(directive.kind, DirectiveKind::Marker(_));
    assert_eq!(configuration.directives.iter().filter(markers).count(), count(&root, "SecMarker"));
    let updates = configuration.directives.iter().filter_map(|directive| match &directive.kind {
        DirectiveKind::UpdateTargetById(ids, targets) => Some((ids.len(), targets.len())),
        _ => None,
    });
    let updates: Vec<_> = updates.collect();
    assert_eq!(updates.len(), 55);
    assert!(updates.iter().all(|(ids, targets)| *ids > 0 && *targets > 0));
}

#[test]
fn crs_3_parses_completely() {
    let Some(data) = test_data("crs_3_parses_completely") else { return };
    let root = data.join("crs-3.3");
    let configuration = load(&root);
    assert_eq!(links(&configuration, true), 795);
    assert_eq!(links(&configuration, true), count(&root, "SecRule"));
    assert_eq!(links(&configuration, false), count(&root, "SecAction"));
}

#[test]
fn every_directive_of_the_recommended_configuration_is_understood() {
    let text = br#"
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" \
     "id:'200000',phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyInMemoryLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecRule &ARGS "@ge 1000" "id:'200007', phase:2,t:none,log,deny,status:400,severity:2"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" \
"id:'200003',phase:2,t:none,log,deny,status:400, \
msg:'Multipart request body failed: \
PE %{REQBODY_PROCESSOR_ERROR}, \
BQ %{MULTIPART_BOUNDARY_QUOTED}'"
SecPcreMatchLimit 1000
SecPcreMatchLimitRecursion 1000
SecRule TX:/^MSC_/ "!@streq 0" \
        "id:'200005',phase:2,t:none,deny,msg:'Internal error flagged: %{MATCHED_VAR_NAME}'"
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial
SecTmpDir /tmp/
SecDataDir /tmp/
SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^(?:5|4(?!04))"
SecAuditLogParts ABIJDEFHZ
SecAuditLogType Serial
SecAuditLog /var/log/modsec_audit.log
SecArgumentSeparator &
SecCookieFormat 0
SecUnicodeMapFile unicode.mapping 20127
SecStatusEngine Off
"#;
    let configuration = parapet_seclang::parse_str("recommended.conf", text, &NoFiles).unwrap();
    assert_eq!(configuration.directives.len(), 21);
    assert_eq!(configuration.warnings.len(), 7);
    assert_eq!(rules(&configuration).len(), 4);
}
