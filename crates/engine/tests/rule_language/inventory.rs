//! Every name of the language does what the table of supported names says: it loads and runs, it is
//! a warning, or it is an error with its place and reason.

use parapet_engine::Policy;
use parapet_engine::seclang::support::{Entry, Kind, Support, inventory};
use parapet_engine::seclang::{ParseError, parse_str};

use crate::harness::{FORM, Files, Request, run};
use crate::maxmind;

/// Arguments with which a directive is right. Names that are not here take `On`.
const DIRECTIVES: &[(&str, &str)] = &[
    ("Include", "some.conf"),
    ("IncludeOptional", "none/*.conf"),
    ("SecAction", "id:1,phase:1,pass"),
    ("SecArgumentSeparator", "&"),
    ("SecArgumentsLimit", "1000"),
    ("SecAuditEngine", "RelevantOnly"),
    ("SecAuditLogParts", "ABIJDEFHZ"),
    ("SecAuditLogRelevantStatus", "^5"),
    ("SecCollectionTimeout", "600"),
    ("SecComponentSignature", "OWASP_CRS/4"),
    ("SecDefaultAction", "phase:1,log,pass"),
    ("SecGeoLookupDb", "geo.mmdb"),
    ("SecHttpBlKey", "abcdefghijkl"),
    ("SecMarker", "END"),
    ("SecParseXmlIntoArgs", "OnlyArgs"),
    ("SecPcreMatchLimit", "1000"),
    ("SecRemoteRules", "key https://rules.example/a.conf"),
    ("SecRemoteRulesFailAction", "Warn"),
    ("SecRequestBodyJsonDepthLimit", "512"),
    ("SecRequestBodyLimit", "13107200"),
    ("SecRequestBodyLimitAction", "Reject"),
    ("SecRequestBodyNoFilesLimit", "131072"),
    ("SecResponseBodyLimit", "524288"),
    ("SecResponseBodyLimitAction", "ProcessPartial"),
    ("SecResponseBodyMimeType", "text/html text/plain"),
    ("SecResponseBodyMimeTypesClear", ""),
    ("SecRule", "ARGS x id:1,phase:1,pass"),
    ("SecRuleRemoveById", "1 2-3"),
    ("SecRuleRemoveByMsg", "x"),
    ("SecRuleRemoveByTag", "x"),
    ("SecRuleScript", "script.lua id:1,phase:2,pass"),
    ("SecRuleUpdateActionById", "1 pass"),
    ("SecRuleUpdateTargetById", "1 !ARGS:a"),
    ("SecRuleUpdateTargetByMsg", "x !ARGS:a"),
    ("SecRuleUpdateTargetByTag", "x !ARGS:a"),
    ("SecUnicodeMapFile", "unicode.mapping 20127"),
    ("SecUploadFileLimit", "100"),
    ("SecWebAppId", "shop"),
];

/// Arguments of operators; the others take `1`.
const OPERATORS: &[(&str, &str)] = &[
    ("fuzzyHash", "hashes 50"),
    ("inspectFile", "script.lua"),
    ("ipMatch", "192.0.2.0/24"),
    ("ipMatchFromFile", "addresses"),
    ("pmFromFile", "phrases"),
    ("rbl", "bl.example.org"),
    ("restpath", "/users/{id}"),
    ("validateNid", r"cl \d+"),
    ("validateByteRange", "1-255"),
    ("verifyCC", r"\d+"),
    ("verifyCPF", r"\d+"),
    ("verifySSN", r"\d+"),
    ("verifySVNR", r"\d+"),
];

/// Actions as they stand in a rule; the others have no value.
const ACTIONS: &[(&str, &str)] = &[
    ("accuracy", "accuracy:9"),
    ("append", "append:'x'"),
    ("chain", "chain"),
    ("ctl", "ctl:ruleEngine=On"),
    ("deprecatevar", "deprecatevar:ip.x=1/2"),
    ("exec", "exec:script.lua"),
    ("expirevar", "expirevar:ip.x=60"),
    ("id", "rev:1"),
    ("initcol", "initcol:ip=%{REMOTE_ADDR}"),
    ("logdata", "logdata:'x'"),
    ("maturity", "maturity:9"),
    ("msg", "msg:'x'"),
    ("pause", "pause:100"),
    ("phase", "phase:1"),
    ("prepend", "prepend:'x'"),
    ("proxy", "proxy:http://h/"),
    ("redirect", "redirect:http://h/"),
    ("rev", "rev:1"),
    ("sanitiseArg", "sanitiseArg:x"),
    ("sanitiseMatchedBytes", "sanitiseMatchedBytes:1/4"),
    ("sanitiseRequestHeader", "sanitiseRequestHeader:x"),
    ("sanitiseResponseHeader", "sanitiseResponseHeader:x"),
    ("setenv", "setenv:x=1"),
    ("setrsc", "setrsc:x"),
    ("setsid", "setsid:x"),
    ("setuid", "setuid:x"),
    ("setvar", "setvar:tx.x=1"),
    ("severity", "severity:CRITICAL"),
    ("skip", "skip:1"),
    ("skipAfter", "skipAfter:END"),
    ("status", "status:403"),
    ("t", "t:none"),
    ("tag", "tag:'x'"),
    ("ver", "ver:'x'"),
    ("xmlns", "xmlns:soap='http://h/'"),
];

/// Values of `ctl` options; the others take `On`.
const OPTIONS: &[(&str, &str)] = &[
    ("auditLogParts", "+E"),
    ("debugLogLevel", "9"),
    ("requestBodyLimit", "1000"),
    ("requestBodyProcessor", "XML"),
    ("responseBodyLimit", "1000"),
    ("responseBodyProcessor", "JSON"),
    ("ruleRemoveById", "1-9"),
    ("ruleRemoveByMsg", "x"),
    ("ruleRemoveByTag", "x"),
    ("ruleRemoveTargetById", "1-9;ARGS:/^a/"),
    ("ruleRemoveTargetByMsg", "x;ARGS:a"),
    ("ruleRemoveTargetByTag", "x;ARGS:a"),
];

fn value<'a>(table: &[(&str, &'a str)], name: &str, usual: &'a str) -> &'a str {
    table.iter().find(|(known, _)| *known == name).map_or(usual, |(_, value)| value)
}

/// A configuration that uses a name, with the value that it may have if there is only one.
fn sample(entry: &Entry, only: Option<&str>) -> String {
    let name = entry.name;
    match entry.kind {
        Kind::Directive => format!("{name} {}", value(DIRECTIVES, name, only.unwrap_or("On"))),
        Kind::Variable => format!("SecRule {name} \"@rx .\" \"id:1,phase:2,pass\""),
        Kind::Operator => format!("SecRule ARGS \"@{name} {}\" \"id:1,phase:2,pass\"", value(OPERATORS, name, "1")),
        Kind::Transformation => format!("SecRule ARGS \"@rx .\" \"id:1,phase:2,pass,t:{name}\""),
        Kind::Action => {
            let action = value(ACTIONS, name, name);
            format!(
                "SecRule ARGS \"@rx .\" \"id:1,phase:2,{action}\"\nSecRule ARGS \"@rx .\" \"{}\"\nSecMarker END",
                match name {
                    "chain" => "t:none",
                    _ => "id:2,phase:2,pass",
                }
            )
        }
        Kind::CtlOption => {
            let value = value(OPTIONS, name, only.unwrap_or("On"));
            format!("SecAction \"id:1,phase:1,pass,ctl:{name}={value}\"")
        }
        Kind::BodyProcessor => format!("SecAction \"id:1,phase:1,pass,ctl:requestBodyProcessor={name}\""),
    }
}

fn files() -> Files {
    Files(
        [
            ("some.conf", b"".to_vec()),
            ("geo.mmdb", maxmind::database()),
            ("https://rules.example/a.conf", b"".to_vec()),
            ("unicode.mapping", b"20127 (US-ASCII)\n00a1:21\n".to_vec()),
            ("hashes", b"3:AB:C\n".to_vec()),
            ("addresses", b"192.0.2.1\n".to_vec()),
            ("phrases", b"x\n".to_vec()),
            ("script.lua", b"function main() end\n".to_vec()),
        ]
        .into(),
    )
}

const ALWAYS: &str = "SecRuleEngine On\nSecRequestBodyAccess On\nSecContentInjection On\nSecGeoLookupDb geo.mmdb\n";

/// Loads a configuration after what all of them need.
fn load(text: &str) -> Result<Policy, Vec<ParseError>> {
    let configuration = parse_str("a.conf", format!("{ALWAYS}{text}\n").as_bytes(), &files())?;
    Ok(Policy::compile(&configuration, &files()).unwrap_or_else(|errors| panic!("{text}\n{errors:?}")))
}

/// Loads what is supported and sends a request through it.
fn works(text: &str) -> Policy {
    let policy = load(text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    let warnings = policy.warnings().to_vec();
    let headers = [("Content-Type", FORM)];
    let policy = std::sync::Arc::new(policy);
    run(&policy, &Request { method: "POST", uri: "/?a=1", headers: &headers, body: "b=2", ..Request::default() });
    assert!(warnings.is_empty(), "{text}\n{warnings:?}");
    std::sync::Arc::into_inner(policy).unwrap()
}

/// The one error of a configuration, with its reason.
fn fails(text: &str, why: &str) {
    let errors = load(text).err().unwrap_or_else(|| panic!("this is accepted:\n{text}"));
    let lines = ALWAYS.lines().count() as u32;
    let error = &errors[0];
    assert!(error.line > lines && error.column >= 1, "{text}\n{error}");
    assert!(error.hint.as_deref().is_some_and(|hint| hint.contains(why)), "{text}\n{error}");
}

#[test]
fn every_name_does_what_the_table_says() {
    let entries = inventory();
    let mut counts = [0; 4];
    for entry in &entries {
        match entry.support {
            Support::Full => {
                works(&sample(entry, None));
                counts[0] += 1;
            }
            Support::Only(value, why) => {
                works(&sample(entry, Some(value)));
                fails(&sample(entry, Some("On")), why);
                counts[1] += 1;
            }
            Support::Idle(why) => {
                let policy = load(&sample(entry, None)).unwrap();
                let warnings = policy.warnings();
                assert_eq!(warnings.len(), 1, "{}", entry.name);
                assert!(warnings[0].message.contains(why) && warnings[0].line > 4, "{}", warnings[0]);
                counts[2] += 1;
            }
            Support::Refused(why) => {
                fails(&sample(entry, None), why);
                counts[3] += 1;
            }
        }
    }
    assert_eq!(counts.iter().sum::<usize>(), entries.len());
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn the_recommended_configuration_of_modsecurity_loads() {
    // The directives of modsecurity.conf-recommended of libmodsecurity 3.0.16 and of Debian's package.
    let text = r#"SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" \
     "id:'200000',phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" \
     "id:'200001',phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyInMemoryLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecRule &ARGS "@ge 1000" "id:'200007', phase:2,t:none,log,deny,status:400,severity:2"
SecRule REQBODY_ERROR "!@eq 0" \
"id:'200002', phase:2,t:none,log,deny,status:400,logdata:'%{reqbody_error_msg}',severity:2"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" \
"id:'200003',phase:2,t:none,log,deny,status:400, \
msg:'Multipart request body failed strict validation: \
PE %{REQBODY_PROCESSOR_ERROR}, \
FL %{MULTIPART_FILE_LIMIT_EXCEEDED}'"
SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" "id:'200004',phase:2,t:none,log,deny"
SecPcreMatchLimit 1000
SecPcreMatchLimitRecursion 1000
SecRule TX:/^MSC_/ "!@streq 0" "id:'200005',phase:2,t:none,deny"
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
SecStatusEngine On
"#;
    let policy = load(text).unwrap();
    assert_eq!(policy.rule_count(), 7);
    let idle: Vec<&str> = policy.warnings().iter().filter_map(|warning| warning.message.split(' ').next()).collect();
    let expected = [
        "SecRequestBodyInMemoryLimit",
        "SecPcreMatchLimitRecursion",
        "SecTmpDir",
        "SecDataDir",
        "SecAuditLogType",
        "SecAuditLog",
        "SecStatusEngine",
    ];
    assert_eq!(idle, expected);
}
