//! Lua's patterns (manual §6.4.1), matched within a budget.
//!
//! A pattern backtracks, so a hostile text can make a match take time that grows with a power of its
//! length. Lua's own matcher runs within one instruction where nothing can stop it; this one takes
//! a step of the budget for each piece of the pattern that it tries.

use crate::budget::Budget;

/// Captures of one pattern.
const MOST_CAPTURES: usize = 32;
/// Pieces of a pattern that may wait for the rest to match.
const DEEPEST: u32 = 200;
/// Steps taken from the budget at a time.
const PORTION: u32 = 512;

/// What a pair of parentheses took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// `()`: a position, from 0.
    Position(usize),
    /// Text from a position to another.
    Text(usize, usize),
    /// Text from a position on; the parenthesis is still open.
    Open(usize),
}

/// A pattern at work on a text.
pub(crate) struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    budget: &'a Budget,
    captures: Vec<Capture>,
    depth: u32,
    portion: u32,
}

type Outcome<T> = mlua::Result<T>;

fn wrong<T>(message: &str) -> Outcome<T> {
    Err(mlua::Error::runtime(message))
}

impl<'a> Matcher<'a> {
    /// A pattern without its anchor `^`.
    pub(crate) fn new(text: &'a [u8], pattern: &'a [u8], budget: &'a Budget) -> Matcher<'a> {
        Matcher { text, pattern, budget, captures: Vec::new(), depth: 0, portion: 0 }
    }

    /// Matches at one position; where the match ends.
    pub(crate) fn at(&mut self, start: usize) -> Outcome<Option<usize>> {
        self.captures.clear();
        self.depth = 0;
        self.rest(start, 0)
    }

    /// How many values a match has: its captures, or the whole.
    pub(crate) fn values(&self) -> usize {
        self.captures.len().max(1)
    }

    /// How many captures there are.
    pub(crate) fn captures(&self) -> usize {
        self.captures.len()
    }

    /// A capture of the match from `start` to `end`, from 0; the first is the whole match if the
    /// pattern has no captures.
    pub(crate) fn value(&self, index: usize, start: usize, end: usize) -> Outcome<Capture> {
        match self.captures.get(index) {
            Some(Capture::Open(_)) => wrong("unfinished capture"),
            Some(capture) => Ok(*capture),
            None if index == 0 => Ok(Capture::Text(start, end)),
            None => wrong("invalid capture index"),
        }
    }

    fn step(&mut self) -> Outcome<()> {
        if self.portion == 0 {
            self.budget.take(u64::from(PORTION))?;
            self.portion = PORTION;
        }
        self.portion -= 1;
        Ok(())
    }

    /// Matches the pattern from `p` on at `s`.
    fn rest(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return wrong("pattern too complex");
        }
        let outcome = self.pieces(s, p);
        self.depth -= 1;
        outcome
    }

    fn pieces(&mut self, mut s: usize, mut p: usize) -> Outcome<Option<usize>> {
        loop {
            self.step()?;
            let Some(&first) = self.pattern.get(p) else { return Ok(Some(s)) };
            match (first, self.pattern.get(p + 1).copied()) {
                (b'(', Some(b')')) => return self.open(Capture::Position(s), s, p + 2),
                (b'(', _) => return self.open(Capture::Open(s), s, p + 1),
                (b')', _) => return self.close(s, p + 1),
                (b'$', None) => return Ok((s == self.text.len()).then_some(s)),
                (b'%', Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => match self.frontier(s, p + 2)? {
                    Some(next) => p = next,
                    None => return Ok(None),
                },
                (b'%', Some(digit @ b'0'..=b'9')) => match self.repeated(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let end = self.class_end(p)?;
                    match self.pattern.get(end) {
                        Some(b'?') => {
                            if self.single(s, p, end)
                                && let Some(found) = self.rest(s + 1, end + 1)?
                            {
                                return Ok(Some(found));
                            }
                            p = end + 1;
                        }
                        Some(b'+') if !self.single(s, p, end) => return Ok(None),
                        Some(b'+') => return self.most(s, 1, p, end),
                        Some(b'*') => return self.most(s, 0, p, end),
                        Some(b'-') => return self.fewest(s, p, end),
                        _ if self.single(s, p, end) => (s, p) = (s + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn open(&mut self, capture: Capture, s: usize, p: usize) -> Outcome<Option<usize>> {
        if self.captures.len() >= MOST_CAPTURES {
            return wrong("too many captures");
        }
        let level = self.captures.len();
        self.captures.push(capture);
        let found = self.rest(s, p)?;
        if found.is_none() {
            self.captures.truncate(level);
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let Some(level) = open else { return wrong("invalid pattern capture") };
        let Some(Capture::Open(start)) = self.captures.get(level).copied() else { return Ok(None) };
        self.set(level, Capture::Text(start, s));
        let found = self.rest(s, p)?;
        if found.is_none() {
            self.set(level, Capture::Open(start));
        }
        Ok(found)
    }

    fn set(&mut self, level: usize, capture: Capture) {
        if let Some(place) = self.captures.get_mut(level) {
            *place = capture;
        }
    }

    /// `%bxy`
    fn balanced(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        let (Some(&opens), Some(&closes)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return wrong("malformed pattern (missing arguments to '%b')");
        };
        if self.text.get(s) != Some(&opens) {
            return Ok(None);
        }
        let mut depth = 1u32;
        let mut at = s + 1;
        while let Some(&byte) = self.text.get(at) {
            self.step()?;
            at += 1;
            if byte == closes {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at));
                }
            } else if byte == opens {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%f[set]`: where the pattern goes on, if a run of the set begins here.
    fn frontier(&mut self, s: usize, p: usize) -> Outcome<Option<usize>> {
        if self.pattern.get(p) != Some(&b'[') {
            return wrong("missing '[' after '%f' in pattern");
        }
        let end = self.class_end(p)?;
        let byte = |at: Option<usize>| at.and_then(|at| self.text.get(at).copied()).unwrap_or(0);
        let (before, here) = (byte(s.checked_sub(1)), byte(Some(s)));
        Ok((!self.in_set(before, p, end - 1) && self.in_set(here, p, end - 1)).then_some(end))
    }

    /// `%1`: the text of a capture again.
    fn repeated(&mut self, s: usize, digit: u8) -> Outcome<Option<usize>> {
        let capture = usize::from(digit).checked_sub(usize::from(b'1')).and_then(|index| self.captures.get(index));
        let (start, end) = match capture.copied() {
            Some(Capture::Text(start, end)) => (start, end),
            Some(Capture::Position(_)) => return Ok(None),
            _ => return wrong("invalid capture index"),
        };
        let text = self.text;
        let wanted = text.get(start..end).unwrap_or_default();
        for _ in 0..wanted.len() / 64 {
            self.step()?;
        }
        Ok(text.get(s..).unwrap_or_default().starts_with(wanted).then_some(s + wanted.len()))
    }

    /// `x*`, `x+`: as many as there are, then fewer.
    fn most(&mut self, s: usize, least: usize, p: usize, end: usize) -> Outcome<Option<usize>> {
        let mut count = least;
        while self.single(s + count, p, end) {
            self.step()?;
            count += 1;
        }
        loop {
            if let Some(found) = self.rest(s + count, end + 1)? {
                return Ok(Some(found));
            }
            if count == least {
                return Ok(None);
            }
            count -= 1;
        }
    }

    /// `x-`: none, then more.
    fn fewest(&mut self, mut s: usize, p: usize, end: usize) -> Outcome<Option<usize>> {
        loop {
            if let Some(found) = self.rest(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.single(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    /// Where the class that begins at `p` ends.
    fn class_end(&self, p: usize) -> Outcome<usize> {
        match self.pattern.get(p) {
            Some(b'%') if p + 1 < self.pattern.len() => Ok(p + 2),
            Some(b'%') => wrong("malformed pattern (ends with '%')"),
            Some(b'[') => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                // The first member may be a bracket.
                loop {
                    match self.pattern.get(at) {
                        None => return wrong("malformed pattern (missing ']')"),
                        Some(b'%') => at += 2,
                        Some(_) => at += 1,
                    }
                    match self.pattern.get(at) {
                        None => return wrong("malformed pattern (missing ']')"),
                        Some(b']') => return Ok(at + 1),
                        Some(_) => {}
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether the byte at `s` is of the class from `p` to `end`.
    fn single(&self, s: usize, p: usize, end: usize) -> bool {
        let (Some(&byte), Some(&first)) = (self.text.get(s), self.pattern.get(p)) else { return false };
        match first {
            b'.' => true,
            b'%' => self.pattern.get(p + 1).is_some_and(|class| in_class(byte, *class)),
            b'[' => self.in_set(byte, p, end - 1),
            literal => literal == byte,
        }
    }

    /// Whether a byte is in the set whose brackets are at `p` and `close`.
    fn in_set(&self, byte: u8, p: usize, close: usize) -> bool {
        let mut members = self.pattern.get(p + 1..close).unwrap_or_default();
        let negated = members.first() == Some(&b'^');
        if negated {
            members = members.get(1..).unwrap_or_default();
        }
        loop {
            members = match members {
                [] => return negated,
                [b'%', class, rest @ ..] => {
                    if in_class(byte, *class) {
                        return !negated;
                    }
                    rest
                }
                [low, b'-', high, rest @ ..] => {
                    if (*low..=*high).contains(&byte) {
                        return !negated;
                    }
                    rest
                }
                [literal, rest @ ..] => {
                    if *literal == byte {
                        return !negated;
                    }
                    rest
                }
            };
        }
    }
}

/// Whether a byte is of the class `%class`. A capital letter is the opposite of its small one.
fn in_class(byte: u8, class: u8) -> bool {
    let held = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b'\t'..=b'\r' | b' '),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    held != class.is_ascii_uppercase()
}
