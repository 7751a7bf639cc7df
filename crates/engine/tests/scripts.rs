//! Lua in rules: `SecRuleScript`, `@inspectFile`, `exec`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_engine::seclang::{Loader, parse_all};
use parapet_engine::{Context, Limit, Limits, Policy, ScriptLimits, Transaction};

/// Files in memory.
struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    /// `rules/test.conf`, and scripts beside it.
    fn new(rules: &str, scripts: &[(&str, &str)]) -> Files {
        let rules = format!("SecRuleEngine On\nSecRequestBodyAccess On\n{rules}\n");
        let mut files = BTreeMap::from([(PathBuf::from("rules/test.conf"), rules.into_bytes())]);
        files.extend(scripts.iter().map(|(name, text)| (Path::new("rules").join(name), text.as_bytes().to_vec())));
        Files(files)
    }
}

impl Loader for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

fn load(rules: &str, scripts: &[(&str, &str)]) -> Result<Policy, String> {
    let files = Files::new(rules, scripts);
    let parsed = parse_all(&[PathBuf::from("rules/test.conf")], &files);
    let configuration = parsed.map_err(|errors| errors[0].to_string())?;
    Policy::compile(&configuration, &files).map_err(|errors| errors[0].to_string())
}

fn policy(rules: &str, scripts: &[(&str, &str)]) -> Arc<Policy> {
    Arc::new(load(rules, scripts).unwrap_or_else(|error| panic!("{error}")))
}

fn begin(policy: &Arc<Policy>, uri: &str) -> Transaction {
    let mut transaction = Transaction::new(Arc::clone(policy), Context::default());
    transaction.request_line(b"GET", uri.as_bytes(), b"HTTP/1.1");
    transaction.request_header(b"Host", b"shop.example");
    transaction.request_header(b"User-Agent", b"Browser/1.0");
    transaction
}

/// Runs both request phases.
fn run(policy: &Arc<Policy>, uri: &str) -> Transaction {
    let mut transaction = begin(policy, uri);
    transaction.process_request_headers();
    transaction.process_request_body();
    transaction
}

fn tx(transaction: &Transaction, name: &str) -> String {
    String::from_utf8_lossy(transaction.tx(name.as_bytes()).unwrap_or_default()).into_owned()
}

#[test]
fn a_script_decides_over_a_rule_and_gives_its_message() {
    let policy = policy(
        r#"SecRuleScript check.lua "id:1,phase:1,deny,status:418,log,setvar:tx.hits=+1"
SecRuleScript "check.lua" "id:2,phase:1,pass,log,msg:'my own words'""#,
        &[("check.lua", "function main() if m.getvar('ARGS:q') == 'bad' then return 'q is bad' end end")],
    );
    let mut transaction = begin(&policy, "/?q=good");
    assert_eq!(transaction.process_request_headers(), None);
    assert_eq!(transaction.matches().count(), 0);
    assert!(!transaction.is_incomplete() && transaction.script_messages().is_empty());

    let mut transaction = begin(&policy, "/?q=bad");
    let intervention = transaction.process_request_headers().unwrap();
    assert_eq!((intervention.status, intervention.rule_id), (418, 1));
    assert_eq!(transaction.matches().next().unwrap().message, b"q is bad");
    assert_eq!(tx(&transaction, "hits"), "1");

    let mut transaction = begin(&policy, "/?q=bad");
    transaction.set_engine_mode(parapet_engine::EngineMode::DetectionOnly);
    transaction.process_request_headers();
    let messages: Vec<&[u8]> = transaction.matches().map(|found| found.message).collect();
    assert_eq!(messages, [&b"q is bad"[..], b"my own words"]);
}

#[test]
fn variables_are_read_transformed_and_set() {
    let script = r#"
function main()
  local list = {}
  for _, v in ipairs(m.getvars("ARGS", "lowercase")) do list[#list + 1] = v.name .. "=" .. v.value end
  m.setvar("tx.all", table.concat(list, " "))
  m.setvar("tx.agent", m.getvar("REQUEST_HEADERS.user-agent", {"uppercase", "none", "lowercase", "hexEncode"}))
  m.setvar("tx.missing", tostring(m.getvar("ARGS.nothing")) .. tostring(m.getvar("TX.nothing")))
  m.setvar("TX.number", 7)
  m.setvar("tx.gone", nil)
  m.setvar("ip.seen", "yes")
  m.setvar("tx.back", m.getvar("tx.given") .. m.getvar("IP:seen") .. #m.getvars("TX:given") .. #m.getvars("REQUEST_HEADERS"))
end"#;
    let policy = policy(
        r#"SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:tx.given=G,setvar:tx.gone=1"
SecRuleScript s.lua "id:2,phase:1,deny"
SecRule TX:NUMBER "@eq 7" "id:3,phase:1,pass,nolog,setvar:tx.compared=1""#,
        &[("s.lua", script)],
    );
    let transaction = run(&policy, "/?A=One&b=TWO");
    assert_eq!(transaction.script_messages(), [], "nothing failed");
    assert_eq!(tx(&transaction, "all"), "ARGS:A=one ARGS:b=two");
    assert_eq!(tx(&transaction, "agent"), "62726f777365722f312e30");
    assert_eq!(tx(&transaction, "missing"), "nilnil");
    assert_eq!(tx(&transaction, "back"), "Gyes12");
    assert_eq!((tx(&transaction, "compared").as_str(), transaction.tx(b"gone")), ("1", None));
}

#[test]
fn a_variable_that_a_script_sets_opens_and_closes_gates() {
    let policy = policy(
        r#"SecAction "id:1,phase:1,pass,nolog,setvar:tx.level=1"
SecRule ARGS:a "@rx ." "id:2,phase:1,pass,nolog,exec:raise.lua"
SecRule TX:LEVEL "@lt 3" "id:3,phase:1,pass,nolog,skipAfter:END"
SecRule ARGS:a "@rx x" "id:4,phase:1,pass,log"
SecMarker END"#,
        &[("raise.lua", "function main() m.setvar('tx.level', 3) return 'ignored' end")],
    );
    let ids = |uri: &str| -> Vec<u32> { run(&policy, uri).matches().map(|found| found.rule_id).collect() };
    assert_eq!(ids("/?a=x"), [4]);
    assert_eq!(ids("/?b=x"), []);
}

#[test]
fn scripts_inspect_uploads_that_are_never_written() {
    let scripts = [(
        "upload.lua",
        "function main(name, content) if content:find('EICAR', 1, true) then return 'virus in ' .. name end end",
    )];
    let body = "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"1.txt\"\r\n\r\nclean\r\n--x\r\n\
                Content-Disposition: form-data; name=\"b\"; filename=\"2.txt\"\r\n\r\nan EICAR test\r\n--x--\r\n";
    for (variable, message) in [("FILES_TMPNAMES", "virus in upload:1"), ("FILES_TMP_CONTENT", "virus in b")] {
        let policy =
            policy(&format!(r#"SecRule {variable} "@inspectFile upload.lua" "id:1,phase:2,deny,log""#), &scripts);
        let mut transaction = begin(&policy, "/");
        transaction.request_header(b"Content-Type", b"multipart/form-data; boundary=x");
        assert_eq!(transaction.process_request_headers(), None);
        transaction.append_request_body(body.as_bytes());
        assert_eq!(transaction.process_request_body().map(|found| found.rule_id), Some(1), "{variable}");
        assert_eq!(transaction.matches().next().unwrap().message, message.as_bytes());
    }
}

#[test]
fn a_script_that_fails_is_a_limit_that_was_met_and_says_why() {
    let limits = Limits {
        script: ScriptLimits { steps: 100_000, time: std::time::Duration::from_secs(60), ..ScriptLimits::default() },
        ..Limits::default()
    };
    for (script, why) in [
        ("function main()\n  return 'x' .. nil\nend", "rules/s.lua:2: attempt to concatenate a nil value"),
        ("function main() while true do end end", "rules/s.lua:1: the script ran for more steps"),
        ("function main() m.getvar('NO_SUCH') end", "rules/s.lua:1: there is no variable `NO_SUCH`"),
        ("function main() m.getvar('ARGS', 'rot13') end", "there is no transformation `rot13`"),
        ("function main() m.setvar('ARGS.a', 'x') end", "ARGS cannot be set"),
        ("function main() m.setvar('tx', 'x') end", "names no member"),
        ("function main() m.log('high', 'x') end", "the level must be a number"),
        ("function main() io.open('/etc/passwd') end", "attempt to index a nil value (global 'io')"),
        ("function main() return ('a'):rep(2000):find(('.-'):rep(20) .. 'b') end", "more steps"),
    ] {
        let policy = load(r#"SecRuleScript s.lua "id:7,phase:1,deny""#, &[("s.lua", script)]).unwrap();
        let policy = Arc::new(policy.with_limits(limits));
        let mut transaction = begin(&policy, "/?a=1");
        assert_eq!(transaction.process_request_headers(), None, "{script}");
        assert_eq!(transaction.limits_met().collect::<Vec<_>>(), [Limit::Script], "{script}");
        let [message] = transaction.script_messages() else { panic!("{script}") };
        assert!((message.rule_id, message.level) == (7, 1) && message.text.contains(why), "{script}: {message:?}");
    }
}

#[test]
fn scripts_can_log_within_bounds() {
    let policy = policy(
        r#"SecRuleScript s.lua "id:1,phase:1,pass""#,
        &[("s.lua", "function main() for i = 1, 500 do m.log(9, i .. ('x'):rep(5000)) end end")],
    );
    let transaction = run(&policy, "/");
    assert!(!transaction.is_incomplete());
    assert_eq!(transaction.script_messages().len(), 100);
    let first = &transaction.script_messages()[0];
    assert!(first.level == 9 && first.text.starts_with("1x") && first.text.len() == 1024);
}

#[test]
fn nothing_passes_from_one_transaction_to_the_next() {
    let policy = policy(
        r#"SecRuleScript s.lua "id:1,phase:1,pass""#,
        &[(
            "s.lua",
            "function main() n = (n or 0) + 1 m.setvar('tx.n', n) m.setvar('tx.' .. m.getvar('ARGS:k'), 1) end",
        )],
    );
    for key in ["a", "b", "c"] {
        let transaction = run(&policy, &format!("/?k={key}"));
        assert_eq!((tx(&transaction, "n"), tx(&transaction, key)), ("1".to_owned(), "1".to_owned()));
        assert!(["a", "b", "c"].iter().all(|other| *other == key || tx(&transaction, other).is_empty()));
    }
}

#[test]
fn what_is_wrong_with_a_script_is_an_error_at_load() {
    let main = "function main() end";
    for (rule, scripts, message) in [
        (r#"SecRuleScript none.lua "id:1,phase:1,pass""#, vec![], "rules/test.conf:3:15: cannot read rules/none.lua"),
        (r#"SecRuleScript s.lua "id:1,phase:1,pass""#, vec![("s.lua", "function main(\nend")], "rules/s.lua:2:"),
        (r#"SecRuleScript s.lua "id:1,phase:1,pass""#, vec![("s.lua", "x = 1")], "defines no function main"),
        (r#"SecRuleScript s.lua "id:1,phase:1,pass""#, vec![("s.lua", "require 'socket'")], "no other modules"),
        (r#"SecRuleScript s.lua "id:1,phase:1,pass""#, vec![("s.lua", "while true do end")], "more steps"),
        (r#"SecRuleScript s.lua "id:1,phase:1,pass""#, vec![("s.lua", "\x1bLua")], "compiled Lua is not run"),
        (r#"SecRuleScript s.py "id:1,phase:1,pass""#, vec![("s.py", main)], "is no Lua script"),
        (r#"SecRule ARGS "@inspectFile /bin/scan" "id:1,phase:2,pass""#, vec![], "is no Lua script"),
        (r#"SecRule ARGS x "id:1,phase:2,pass,exec:/bin/scan""#, vec![], "rules/test.conf:3:35: `/bin/scan` is no Lua"),
        (r#"SecRuleScript s.lua "phase:1,pass""#, vec![("s.lua", main)], "this rule has no id"),
    ] {
        let error = load(rule, &scripts).map(drop).expect_err(rule);
        assert!(error.contains(message), "{rule}: {error}");
    }
}

#[test]
fn a_script_can_be_part_of_a_chain() {
    let policy = policy(
        r#"SecRule ARGS:a "@rx ." "id:1,phase:1,deny,log,msg:'both',chain"
SecRuleScript s.lua "setvar:tx.chained=1""#,
        &[("s.lua", "function main() return m.getvar('ARGS:b') end")],
    );
    assert_eq!(begin(&policy, "/?a=1&b=2").process_request_headers().map(|found| found.rule_id), Some(1));
    assert_eq!(begin(&policy, "/?a=1").process_request_headers(), None);
    assert_eq!(begin(&policy, "/?b=1").process_request_headers(), None);
}
