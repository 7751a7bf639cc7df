//! Damaged text never panics, never hangs, and its errors have places inside the text.

#![allow(clippy::unwrap_used, reason = "a test")]

use parapet_seclang::{NoFiles, parse_str};

const TEXT: &[u8] = br#"# comment \
# goes on
SecRuleEngine On
SecRule "ARGS|!ARGS:/^a|b$/|&TX:'x y'|XML://@*" "!@rx \"x\" \\" \
    "id:1,phase:2,deny,status:403,msg:'it\'s, x',t:none,t:lowercase,setvar:'tx.a%{x=y}=+%{tx.b}',chain"
  SecRule "TX:'a b'" "@within %{tx.list}" "ctl:ruleRemoveTargetById=1-5;ARGS:x,t:none"
SecAction "id:2,pass,skipAfter:END,initcol:ip=%{REMOTE_ADDR},expirevar:'ip.x=60',sanitiseMatchedBytes:1/4"
SecMarker END
SecDefaultAction "phase:1,log,pass"
SecRuleUpdateTargetById 1 "!ARGS:/x/"
SecRuleRemoveById 7 8-9 "10,11"
SecUnicodeMapFile "unicode.mapping 20127"
IncludeOptional conf.d/*.conf
"#;

/// Bytes that mean something to the parser.
const SPECIAL: &[u8] = b"\"'\\/|,:;=!&@%{} \t\r\n#\xff\x00Sx1-";

/// A small generator (Marsaglia's xorshift), so that every run does the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

#[test]
fn damaged_text_yields_errors_with_places() {
    assert_eq!(parse_str("x.conf", TEXT, &NoFiles).map(|_| ()), Ok(()));
    let mut random = Random(0x5eed_1e55_0b5e_55ed);
    for _ in 0..2_000 {
        let mut text = TEXT.to_vec();
        for _ in 0..=random.below(4) {
            if text.is_empty() {
                break;
            }
            let at = random.below(text.len());
            match random.below(4) {
                0 => text[at] = SPECIAL[random.below(SPECIAL.len())],
                1 => text.insert(at, SPECIAL[random.below(SPECIAL.len())]),
                2 => drop(text.drain(at..(at + 1 + random.below(8)).min(text.len()))),
                _ => text.truncate(at.max(1)),
            }
        }
        let lines = text.split(|byte| *byte == b'\n').count();
        if let Err(errors) = parse_str("x.conf", &text, &NoFiles) {
            for error in errors {
                assert!((1..=lines).contains(&(error.line as usize)) && error.column >= 1, "{error}");
            }
        }
    }
}

#[test]
fn long_lines_and_lists_take_linear_time() {
    let mut text = b"SecRule ARGS".to_vec();
    for n in 0..200_000 {
        text.extend_from_slice(format!("|!ARGS:a{n}").as_bytes());
    }
    text.extend_from_slice(b" \"x\" \"id:1,phase:1,pass");
    text.extend_from_slice(&b",tag:'\\'\\'\\''".repeat(100_000));
    text.extend_from_slice(b"\"\n");
    let start = std::time::Instant::now();
    assert!(parse_str("x.conf", &text, &NoFiles).is_ok());
    // Quadratic work would take minutes.
    assert!(start.elapsed().as_secs() < 20);
}
