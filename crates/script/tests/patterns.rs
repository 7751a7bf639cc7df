//! Patterns match as those of the interpreter's own string library, which is compared with here.

use mlua::{Lua, LuaOptions, StdLib};
use parapet_script::{Limits, Nothing, Sandbox, Script};

/// What a piece of Lua says in the sandbox and in a plain interpreter: its result, or its error
/// without the place.
struct Both {
    sandbox: Sandbox,
    plain: Lua,
}

impl Both {
    fn new() -> Both {
        let plain = Lua::new_with(StdLib::STRING | StdLib::TABLE, LuaOptions::new()).expect("it runs");
        let limits = Limits { steps: 100_000_000, time: std::time::Duration::from_secs(60), ..Limits::default() };
        Both { sandbox: Sandbox::new(limits).expect("it runs"), plain }
    }

    /// What both say to each of some function bodies.
    fn say(&mut self, bodies: &[String]) -> Vec<(String, String)> {
        let mut source = String::from(
            "local function said(ok, ...)
               local words = {tostring(ok)}
               for i = 1, select('#', ...) do words[#words + 1] = tostring((select(i, ...))) end
               return table.concat(words, '|')
             end
             function main()
               local all = {}\n",
        );
        for body in bodies {
            source += &format!("all[#all + 1] = said(pcall(function() {body} end))\n");
        }
        source += "return table.concat(all, '\\1') end";
        let script = Script::compile("both.lua", source.as_bytes()).expect("Lua");
        self.sandbox.load(&script, &mut Nothing).expect("it loads");
        let ours = self.sandbox.call(&script, "main", &[], &mut Nothing).expect("it runs");
        self.plain.load(source).set_name("=both").exec().expect("it loads");
        let theirs: mlua::LuaString = self.plain.load("return main()").eval().expect("it runs");
        let ours = String::from_utf8_lossy(ours.as_text().expect("a text")).into_owned();
        let theirs = String::from_utf8_lossy(&theirs.as_bytes()).into_owned();
        assert_eq!(ours.split('\x01').count(), bodies.len());
        ours.split('\x01').map(shown).zip(theirs.split('\x01').map(shown)).collect()
    }
}

/// Without the place of an error, and without what only one of the two adds to it.
fn shown(said: &str) -> String {
    let Some(error) = said.strip_prefix("false|") else { return said.to_owned() };
    let error = error.split("\nstack traceback").next().unwrap_or(error);
    let message = error.rsplit(": ").next().unwrap_or(error);
    // Lua says where in the text a wrong index stands; the rest is the same.
    let message = message.split(" %").next().unwrap_or(message);
    format!("false|{}", message.split(" in replacement").next().unwrap_or(message))
}

#[test]
fn chosen_patterns() {
    let bodies = [
        "return table.concat({('hello world'):find('o w')}, ',')",
        "return table.concat({('hello'):find('l+')}, ',')",
        "return table.concat({('a.b'):find('.', 2, true)}, ',')",
        "return table.concat({('hello'):find('')}, ',')",
        "return table.concat({('hello'):find('', 6)}, ',')",
        "return tostring(('hello'):find('', 7))",
        "return table.concat({('hello'):find('l', -2)}, ',')",
        "return table.concat({('key = value'):match('^(%w+)%s*=%s*(%w+)$')}, ',')",
        "return table.concat({('abc'):match('()b()')}, ',')",
        "return ('[[x]] y'):match('%[%[(.-)%]%]')",
        "return ('f(a(b)c)d'):match('%b()')",
        "return ('THE (quick) fox'):find('%((%a+)%)')",
        "return (('THE (quick) fox'):gsub('%f[%a]%a+', '<%0>'))",
        "return ('\"hi\" \\'x\\''):match('([\"\\'])(.-)%1')",
        "return (('hello world'):gsub('o', '0'))",
        "return select(2, ('hello world'):gsub('o', '0', 1))",
        "return (('abc'):gsub('', '-'))",
        "return (('abc'):gsub('%w', '%0%0'))",
        "return (('hello'):gsub('(h)(e)', '%2%1'))",
        "return (('$a $b'):gsub('%$(%w+)', {a = '1'}))",
        "return (('ab'):gsub('.', function(c) return c == 'a' and 'x' end))",
        "return (('abc'):gsub('^a', 'x'))",
        "return (('100%'):gsub('%%', ' percent'))",
        "local r = {} for w in ('one two'):gmatch('%a*') do r[#r + 1] = w end return table.concat(r, ';')",
        "return ('x]y'):match('[]]')",
        "return ('a-z'):match('[a%-]+')",
        "return ('abc123'):match('[^%d]+')",
        "return ('aXb'):match('%u')",
        "return ('\\0a'):match('%z?a')",
        "return tostring(('abc'):match('x?y*c$'))",
        "return ('x'):match('%')",
        "return ('x'):match('(x')",
        "return ('x'):match('x)')",
        "return ('x'):match('%1')",
        "return ('x'):gsub('x', '%9')",
        "return ('x'):gsub('x', '%a')",
        "return ('x'):match('%f')",
        "return (('x'):rep(300)):match(('(x)'):rep(40))",
        "return (('x'):rep(300)):match(('x?'):rep(300))",
    ]
    .map(str::to_owned);
    for (body, (ours, theirs)) in bodies.iter().zip(Both::new().say(&bodies)) {
        assert_eq!(ours, theirs, "{body}");
    }
}

/// A generator of numbers that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn pick(&mut self, from: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| from[self.below(from.len())]).collect()
    }

    fn call(&mut self, letters: &[&str], pieces: &[&str]) -> String {
        let (text, pattern, from) = (self.pick(letters, 8), self.pick(pieces, 6), self.below(6) as i64 - 3);
        match self.below(4) {
            0 => format!("return ('{text}'):find('{pattern}', {from})"),
            1 => format!("return ('{text}'):match('{pattern}', {from})"),
            2 => format!("return ('{text}'):gsub('{pattern}', '<%0>')"),
            _ => format!(
                "local r = {{}} for a, b in ('{text}'):gmatch('{pattern}') do r[#r + 1] = tostring(a) .. tostring(b) end
                 return table.concat(r, ',')"
            ),
        }
    }
}

#[test]
fn random_patterns() {
    let mut both = Both::new();
    let mut random = Random(20_240_229);
    let pieces = [
        "a", "b", ".", "%a", "%d", "%A", "[ab]", "[^a]", "[a-c1]", "[%w_]", "[]]", "*", "+", "-", "?", "(", ")", "()",
        "^", "$", "%1", "%b()", "%f[%w]", "%%", "%.", " ", "(a*)", "(.-)",
    ];
    let letters = ["a", "b", "c", "1", " ", "(", ")", ".", "]", "_", "aa"];
    let mut matched = 0;
    for _ in 0..60 {
        let bodies: Vec<String> = (0..100).map(|_| random.call(&letters, &pieces)).collect();
        for (body, (ours, theirs)) in bodies.iter().zip(both.say(&bodies)) {
            assert_eq!(ours, theirs, "{body}");
            matched += usize::from(ours.starts_with("true|") && !ours.starts_with("true|nil"));
        }
    }
    assert!(matched > 1500, "only {matched} of the patterns matched anything");
}
