//! What scripts can do, and what they cannot.

use std::time::Duration;

use parapet_script::{Failure, FailureKind, Host, Limits, Nothing, Sandbox, Script, Value};

/// Time that no test reaches on a busy machine, so that steps and memory decide.
const PATIENT: Limits = Limits { steps: 1_000_000, time: Duration::from_secs(60), memory: 16 << 20, text: 64 << 10 };

fn sandbox() -> Sandbox {
    Sandbox::new(PATIENT).expect("it runs")
}

/// Runs `source` as the body of a function in a new sandbox.
fn run(source: &str) -> Result<Value, Failure> {
    run_in(&mut sandbox(), source)
}

fn run_in(sandbox: &mut Sandbox, source: &str) -> Result<Value, Failure> {
    let source = format!("function main() {source}\nend");
    let script = Script::compile("test.lua", source.as_bytes()).expect("it runs");
    sandbox.load(&script, &mut Nothing)?;
    sandbox.call(&script, "main", &[], &mut Nothing)
}

fn text(source: &str) -> String {
    let value = run(source).expect(source);
    String::from_utf8(value.to_text().expect(source)).expect("it runs")
}

fn kind(source: &str) -> FailureKind {
    run(source).expect_err(source).kind
}

#[test]
fn values_come_and_go_unchanged() {
    let script = Script::compile("echo.lua", b"function echo(...) return ... end").unwrap();
    let mut sandbox = sandbox();
    sandbox.load(&script, &mut Nothing).unwrap();
    let value = Value::Map(vec![(
        b"list".to_vec(),
        Value::List(vec![Value::Integer(-1), Value::Number(0.5), Value::Boolean(true), Value::text(*b"\0\xff")]),
    )]);
    assert_eq!(sandbox.call(&script, "echo", std::slice::from_ref(&value), &mut Nothing).unwrap(), value);
    assert_eq!(sandbox.call(&script, "echo", &[], &mut Nothing).unwrap(), Value::Nil);
}

#[test]
fn the_globals_of_a_script_can_be_read() {
    let script = Script::compile("c.lua", b"threshold = 50\nrules = {'942', '941'}\nfunction classify() end").unwrap();
    let mut sandbox = sandbox();
    assert!(sandbox.global(&script, "threshold").is_err(), "it is not loaded yet");
    sandbox.load(&script, &mut Nothing).unwrap();
    assert_eq!(sandbox.global(&script, "threshold").unwrap(), Value::Integer(50));
    assert_eq!(sandbox.global(&script, "rules").unwrap(), Value::List(vec!["942".into(), "941".into()]));
    assert_eq!(sandbox.global(&script, "string").unwrap(), Value::Nil, "it is not the script's own");
    assert!(sandbox.defines(&script, "classify") && !sandbox.defines(&script, "rules"));
}

#[test]
fn errors_name_the_script_and_the_line() {
    let error = Script::compile("rules/check.lua", b"x = 1\n\nif x then\n").unwrap_err();
    assert_eq!((error.script.as_str(), error.line), ("rules/check.lua", 4));
    assert!(error.to_string().starts_with("rules/check.lua:4: "), "{error}");
    assert!(error.message.contains("'end' expected"), "{error}");

    let failure = run("local a\n return a.b").unwrap_err();
    assert_eq!((failure.kind, failure.line), (FailureKind::Error, Some(2)));
    assert_eq!(failure.to_string(), "test.lua:2: attempt to index a nil value (local 'a')");
    let failure = run("\n\nerror('no such thing')").unwrap_err();
    assert_eq!(failure.to_string(), "test.lua:3: no such thing");
    let failure = run("return ('x'):find('[')").unwrap_err();
    assert_eq!(failure.to_string(), "test.lua:1: malformed pattern (missing ']')");

    let script = Script::compile("empty.lua", b"#!/usr/bin/lua\n\xef").unwrap_err();
    assert_eq!(script.line, 2);
    let script = Script::compile("empty.lua", b"#!/usr/bin/lua\n").unwrap();
    let mut sandbox = sandbox();
    sandbox.load(&script, &mut Nothing).unwrap();
    let failure = sandbox.call(&script, "main", &[], &mut Nothing).unwrap_err();
    assert_eq!(failure.to_string(), "empty.lua: the script defines no function main");
}

#[test]
fn nothing_dangerous_is_in_reach() {
    for name in [
        "io",
        "os",
        "package",
        "debug",
        "coroutine",
        "require",
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "rawset",
        "collectgarbage",
        "print",
        "string.dump",
        "table.move",
        "_ENV._ENV",
    ] {
        assert_eq!(text(&format!("return type({name})")), "nil", "{name}");
    }
    let bytecode = b"\x1bLua\x54\0\x19\x93";
    assert!(Script::compile("b.lua", bytecode).unwrap_err().message.contains("compiled Lua"));
    assert!(Script::compile("b.lua", &[b"#\n".as_slice(), bytecode].concat()).is_err());
    assert!(run("return setmetatable({}, {__gc = function() while true do end end})").is_err());
    assert_eq!(run("return getmetatable('')").unwrap(), Value::Boolean(false));
    assert_eq!(run("return getmetatable(string) or getmetatable(_G)").unwrap(), Value::Boolean(false));
    assert!(run("setmetatable(string, {})").is_err());
    assert!(run("return function() end").unwrap_err().message.contains("cannot leave"));
    let caught = "local _, e = pcall(function() return ('x'):find('[') end) return type(getmetatable(e))";
    assert_eq!(text(caught), "boolean");
}

#[test]
fn scripts_leave_nothing_behind() {
    let mut sandbox = sandbox();
    for attempt in ["string.upper = nil", "table.insert(string, 1)", "math.pi = 3", "_G.string.x = 1"] {
        let failure = run_in(&mut sandbox, attempt).unwrap_err();
        assert!(failure.message.contains("libraries cannot be changed"), "{attempt}: {failure}");
    }
    run_in(&mut sandbox, "leak = 1 string = 2 _G.tostring = 3").unwrap();
    let after = "return tostring(leak) .. type(string) .. type(tostring) .. ('x'):upper()";
    assert_eq!(run_in(&mut sandbox, after).unwrap(), "niltablefunctionX".into());
}

#[test]
fn each_load_begins_anew_and_calls_share_it() {
    let script = Script::compile("count.lua", b"n = 0 function main() n = n + 1 return n end").unwrap();
    let mut sandbox = sandbox();
    for _ in 0..2 {
        sandbox.load(&script, &mut Nothing).unwrap();
        for expected in 1..=3 {
            assert_eq!(sandbox.call(&script, "main", &[], &mut Nothing).unwrap(), Value::Integer(expected));
        }
    }
}

#[test]
fn endless_scripts_are_stopped_however_they_hide() {
    for source in [
        "while true do end",
        "local function f() return f() end f()",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
        "table.sort({1, 2, 3, 4}, function() while true do end end)",
        "('x'):gsub('x', function() while true do end end)",
        "local x <close> = setmetatable({}, {__close = function() while true do end end}) error('x')",
    ] {
        assert_eq!(kind(source), FailureKind::Steps, "{source}");
    }
}

#[test]
fn patterns_that_backtrack_are_stopped() {
    for call in ["find", "match", "gsub", "gmatch"] {
        let last = if call == "gsub" { ", ''" } else { "" };
        let rest = if call == "gmatch" { "()" } else { "" };
        let source = format!("return (('a'):rep(5000)):{call}(('.-'):rep(15) .. 'b'{last}){rest}");
        assert_eq!(kind(&source), FailureKind::Steps, "{call}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut sandbox = Sandbox::new(Limits { steps: 1 << 30, ..PATIENT }).unwrap();
    for source in [
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "return ('x'):rep(1 << 30)",
        "local s = 'x' while true do s = s .. s end",
        "return (('x'):rep(1 << 20)):gsub('x', ('y'):rep(1 << 10))",
        "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1 << 20) .. i end",
    ] {
        assert_eq!(run_in(&mut sandbox, source).expect_err(source).kind, FailureKind::Memory, "{source}");
    }
    assert_eq!(run_in(&mut sandbox, "return #(('x'):rep(1 << 20))").unwrap(), Value::Integer(1 << 20));
    assert!(sandbox.memory() < 9 << 20, "{}", sandbox.memory());
    assert!(Sandbox::new(Limits { memory: 1000, ..PATIENT }).is_err());
}

#[test]
fn time_is_bounded_where_steps_are_cheap() {
    let limits = Limits { steps: u64::MAX, time: Duration::from_millis(30), ..PATIENT };
    let mut sandbox = Sandbox::new(limits).unwrap();
    let failure = run_in(&mut sandbox, "local s = ('x'):rep(1 << 20) while true do s:upper() end").unwrap_err();
    assert_eq!(failure.kind, FailureKind::Time);
}

#[test]
fn what_leaves_a_script_is_bounded() {
    assert_eq!(run("return ('x'):rep(1 << 20)").unwrap().as_text().unwrap().len(), PATIENT.text);
    assert!(run("local t = {} t.t = t return t").unwrap_err().message.contains("nested"));
    assert!(run("local t = {} for i = 1, 200000 do t[i] = i end return t").unwrap_err().message.contains("many"));
    let failure = run("error(('x'):rep(1 << 20))").unwrap_err();
    assert!(failure.message.len() <= 1024);
}

/// Offers a list that scripts can add to.
struct Recorder(Vec<Vec<Value>>);

impl Host for Recorder {
    fn functions(&self) -> &'static [&'static str] {
        &["m.add", "count"]
    }

    fn call(&mut self, function: usize, arguments: &[Value]) -> Result<Value, String> {
        match function {
            0 if arguments.is_empty() => Err("nothing to add".to_owned()),
            0 => {
                self.0.push(arguments.to_vec());
                Ok(Value::Nil)
            }
            _ => Ok(Value::Integer(self.0.len() as i64)),
        }
    }
}

#[test]
fn a_host_offers_functions() {
    let source = b"m.add('early')\nfunction main(n)\n  for i = 1, n do m.add(i, 'x') end\n  return count()\nend\nfunction wrong()\n  m.add()\nend";
    let script = Script::compile("host.lua", source).unwrap();
    let mut sandbox = sandbox();
    let mut recorder = Recorder(Vec::new());
    sandbox.load(&script, &mut recorder).unwrap();
    let result = sandbox.call(&script, "main", &[Value::Integer(2)], &mut recorder).unwrap();
    assert_eq!(result, Value::Integer(3));
    assert_eq!(recorder.0[2], [Value::Integer(2), "x".into()]);
    let failure = sandbox.call(&script, "wrong", &[], &mut recorder).unwrap_err();
    assert_eq!(failure.to_string(), "host.lua:7: nothing to add");
    let failure = sandbox.call(&script, "main", &[Value::Integer(1 << 40)], &mut recorder).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Steps, "calls of the host count");
}

#[test]
fn a_sandbox_goes_on_after_every_failure() {
    let mut sandbox = sandbox();
    for source in [
        "while true do end",
        "error()",
        "error({})",
        "return ('x'):rep(1 << 40)",
        "local function f() return 1 + f() end f()",
    ] {
        assert!(run_in(&mut sandbox, source).is_err(), "{source}");
        assert_eq!(run_in(&mut sandbox, "return 1").unwrap(), Value::Integer(1));
    }
}

#[test]
fn a_sandbox_may_change_threads() {
    fn sendable<T: Send>() {}
    sendable::<Sandbox>();
    sendable::<Script>();
}
