//! The words of every error, golden: what is wrong, where, and what to do about it.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use parapet_seclang::{Loader, NoFiles, parse, parse_str};

/// Files in memory.
struct Files(BTreeMap<PathBuf, &'static str>);

impl Loader for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.0.get(path).map(|text| text.as_bytes().to_vec());
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = pattern.to_str().unwrap_or_default();
        let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
        let matches = |path: &&PathBuf| {
            let path = path.to_str().unwrap_or_default();
            path.starts_with(before) && path.ends_with(after)
        };
        Ok(self.0.keys().filter(matches).cloned().collect())
    }
}

fn files(files: &[(&str, &'static str)]) -> Files {
    Files(files.iter().map(|(path, text)| (PathBuf::from(path), *text)).collect())
}

fn errors(text: &str) -> String {
    let found = parse_str("waf.conf", text.as_bytes(), &NoFiles).map(|_| ()).unwrap_err();
    found.iter().map(|error| format!("{error}\n")).collect()
}

#[test]
fn every_error_of_a_file_is_reported_with_its_place() {
    let text = r#"SecRuleEngin On
SecRequestBodyLimit lots
SecRule ARGS|REQUEST_HEADER:Host "@beginWith x" \
    "id:1,phase:7,deny,t:lowercas,msg:'a'"
SecRule ARGS "x" "phase:1,deny"
SecRule ARGS "x" "id:2,phase:1,pass,severity:'HIGH',setvar:tz.a=1,ctl:ruleEngin=Off"
SecRule ARGS "x" "id:2,phase:1,pass,skipAfter:END"
SecRule ARGS "x" "id:3,phase:1,deny,chain"
    SecRule ARGS "y" "deny"
SecRule ARGS "x" "id:4,phase:1,deny,chain"
SecMarker END-X
SecRule ARGS "unclosed
SecGuardianLog |/bin/x
SecHashEngine On
SecMarker
<IfModule security2_module>
"#;
    let expected = "\
waf.conf:1:1: unknown directive `SecRuleEngin` (did you mean `SecRuleEngine`?)
waf.conf:2:21: a number from 0 to 18446744073709551615 is expected, not `lots`
waf.conf:3:14: unknown variable `REQUEST_HEADER` (did you mean `REQUEST_HEADERS`?)
waf.conf:3:36: unknown operator `beginWith` (did you mean `beginsWith`?)
waf.conf:4:17: a number from 1 to 5 is expected, not `7`
waf.conf:4:26: unknown transformation `lowercas` (did you mean `lowercase`?)
waf.conf:5:1: this rule has no id (add id:NUMBER to its actions)
waf.conf:6:47: unknown severity `HIGH`
waf.conf:6:60: unknown writable collection `tz` (did you mean `TX`?)
waf.conf:6:71: unknown ctl option `ruleEngin` (did you mean `ruleEngine`?)
waf.conf:7:19: the rule id 2 is already used at waf.conf:6 (give this rule an id of its own)
waf.conf:7:37: skipAfter names the marker `END`, which does not exist (every rule up to the end of the phase would be skipped; add the SecMarker)
waf.conf:9:23: only the first rule of a chain can decide what happens to the request (move this action to the first rule of the chain)
waf.conf:10:1: this rule says chain, but no rule follows it (remove chain, or put the SecRule that belongs to it directly after it)
waf.conf:12:14: the quote \" is never closed (a line that goes on needs a backslash at its end)
waf.conf:13:1: SecGuardianLog is not supported (pipe the audit log instead)
waf.conf:14:1: SecHashEngine is supported only as Off (it rewrites responses to sign their links)
waf.conf:15:1: SecMarker takes 1 argument, not 0 (an argument with blanks in it is written in quotes)
waf.conf:16:1: `<IfModule` is an Apache section, not SecLang (keep the directives inside it and remove the section's lines)
";
    assert_eq!(errors(text), expected);
}

#[test]
fn action_lists_are_strict_about_quotes_and_values() {
    let text = "SecAction \"id:1,pass,msg:'it's'\"
SecAction \"id:2,pass,msg:'open\"
SecAction \"id:3,pass:x,status,nologs\"
SecAction \"id:4,pass,initcol:tx=1,expirevar:ip.a,setvar:score=1\"
SecDefaultAction \"log,msg:'x'\"
SecRuleUpdateTargetById 1-x ARGS
SecRuleUpdateActionById 1 \"id:9\"
";
    let expected = "\
waf.conf:1:30: a comma is missing before `s'` (a quote inside a quoted value is written \\')
waf.conf:2:26: the quote of this value is never closed
waf.conf:3:17: the action pass takes no value
waf.conf:3:24: the action status needs a value: status:…
waf.conf:3:31: unknown action `nologs` (did you mean `nolog`?)
waf.conf:4:30: unknown persistent collection `tx`
waf.conf:4:45: expirevar needs a time (for example expirevar:'ip.block=60' (seconds))
waf.conf:4:57: `score` names no collection (write tx.name)
waf.conf:5:19: SecDefaultAction needs a phase (add phase:1 to phase:5)
waf.conf:5:19: SecDefaultAction needs a disruptive action (add pass, deny, drop or redirect)
waf.conf:5:23: SecDefaultAction cannot carry msg
waf.conf:6:27: a number from 0 to 4294967295 is expected, not `x`
waf.conf:7:28: SecRuleUpdateActionById cannot change the id or the phase of a rule
";
    assert_eq!(errors(text), expected);
}

#[test]
fn includes_are_relative_to_their_file_and_all_errors_are_found() {
    let files = files(&[
        (
            "etc/waf.conf",
            "Include rules/*.conf\nInclude missing.conf\nIncludeOptional nothing/*.conf\nInclude none/*.conf\nbad\n",
        ),
        ("etc/rules/a.conf", "SecRule ARGS x id:1,chain\n"),
        ("etc/rules/b.conf", "SecRule ARGS x id:1\nInclude ../waf.conf\n"),
    ]);
    let found = parse(Path::new("etc/rules/../waf.conf"), &files).map(|_| ()).unwrap_err();
    assert!(found[0].to_string().contains("cannot read this file"), "{found:?}");
    let found = parse(Path::new("etc/waf.conf"), &files).map(|_| ()).unwrap_err();
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let expected = [
        "etc/waf.conf:2:9: cannot read etc/missing.conf: no such file (check that the file exists and may be read)",
        "etc/waf.conf:4:9: no file matches etc/none/*.conf (check the path, or use IncludeOptional)",
        "etc/waf.conf:5:1: unknown directive `bad`",
        "etc/rules/a.conf:1:1: this rule says chain, but no rule follows it (remove chain, or put the SecRule that belongs to it directly after it)",
        "etc/rules/b.conf:1:16: the rule id 1 is already used at etc/rules/a.conf:1 (give this rule an id of its own)",
        "etc/rules/b.conf:2:9: cannot read etc/rules/../waf.conf: no such file (check that the file exists and may be read)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_file_that_is_read_twice_is_named_as_such() {
    let files = files(&[("a.conf", "Include b.conf\nInclude b.conf\n"), ("b.conf", "SecAction id:1,pass\n")]);
    let found = parse(Path::new("a.conf"), &files).map(|_| ()).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "b.conf:1:11: the rule id 1 is already used at b.conf:1 (this file is read twice)"
    );
}

#[test]
fn an_include_loop_ends() {
    let files = files(&[("a.conf", "Include b.conf\n"), ("b.conf", "Include a.conf\n")]);
    let found = parse(Path::new("a.conf"), &files).map(|_| ()).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "b.conf:1:9: a.conf includes itself (remove one of the Include lines that form the loop)"
    );
}

#[test]
fn nonsense_yields_a_bounded_number_of_errors() {
    let text = "nonsense\n".repeat(50_000);
    let found = parse_str("x", text.as_bytes(), &NoFiles).map(|_| ()).unwrap_err();
    assert_eq!(found.len(), 1_000);
}
