//! `string.find`, `match`, `gmatch` and `gsub` within a budget.

use std::sync::Arc;

use mlua::{Function, Lua, LuaString, MultiValue, Table, Value as LuaValue};

use crate::budget::Budget;
use crate::pattern::{Capture, Matcher};
use crate::sandbox::raise;

/// Puts the functions in place of the library's own. `longest` bounds what `gsub` may make, in bytes.
pub(crate) fn install(lua: &Lua, string: &Table, budget: &Arc<Budget>, longest: usize) -> mlua::Result<()> {
    let counted = Arc::clone(budget);
    let find =
        lua.create_function(move |lua, arguments: Search| placed(lua, search(lua, &counted, &arguments, true)))?;
    string.set("find", find)?;
    let counted = Arc::clone(budget);
    let matched =
        lua.create_function(move |lua, arguments: Search| placed(lua, search(lua, &counted, &arguments, false)))?;
    string.set("match", matched)?;
    let counted = Arc::clone(budget);
    let all = lua.create_function(move |lua, arguments: Search| {
        let (text, pattern, from, _) = arguments;
        let next = position(from, text.as_bytes().len());
        let walk = Walk { text, pattern, next, last: None };
        iterate(lua, &counted, walk)
    })?;
    string.set("gmatch", all)?;
    let counted = Arc::clone(budget);
    let replace = lua
        .create_function(move |lua, arguments: Replace| placed(lua, substitute(lua, &counted, longest, &arguments)))?;
    string.set("gsub", replace)
}

/// Text, pattern, where to begin, whether the pattern is plain text.
type Search = (LuaString, LuaString, Option<i64>, Option<bool>);
/// Text, pattern, replacement, how many at most.
type Replace = (LuaString, LuaString, LuaValue, Option<i64>);

/// Gives an error that has no place yet the line of the caller.
fn placed<T>(lua: &Lua, outcome: mlua::Result<T>) -> mlua::Result<T> {
    match outcome {
        Err(mlua::Error::RuntimeError(message)) => Err(raise(lua, &message)),
        other => other,
    }
}

/// Where a search begins, from 0; negative positions count from the end.
fn position(from: Option<i64>, length: usize) -> usize {
    match from.unwrap_or(1) {
        from if from > 0 => usize::try_from(from - 1).unwrap_or(usize::MAX),
        0 => 0,
        from => length.saturating_sub(usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

fn search(lua: &Lua, budget: &Budget, arguments: &Search, find: bool) -> mlua::Result<MultiValue> {
    let (text, pattern, from, plain) = arguments;
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let nothing = || MultiValue::from_iter([LuaValue::Nil]);
    let mut start = position(*from, text.len());
    if start > text.len() {
        return Ok(nothing());
    }
    let is_plain = plain.unwrap_or(false) || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte));
    if find && is_plain {
        budget.take((text.len() / 64) as u64 + 1)?;
        let found = memchr::memmem::find(text.get(start..).unwrap_or_default(), &pattern);
        return Ok(match found {
            Some(at) => MultiValue::from_iter([integer(start + at + 1), integer(start + at + pattern.len())]),
            None => nothing(),
        });
    }
    let anchored = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(&text, pattern.get(usize::from(anchored)..).unwrap_or_default(), budget);
    while start <= text.len() {
        if let Some(end) = matcher.at(start)? {
            let mut values = MultiValue::new();
            if find {
                values.extend([integer(start + 1), integer(end)]);
            }
            let count = if find { matcher.captures() } else { matcher.values() };
            for index in 0..count {
                values.push_back(value(lua, &text, matcher.value(index, start, end)?)?);
            }
            return Ok(values);
        }
        if anchored {
            break;
        }
        start += 1;
    }
    Ok(nothing())
}

fn integer(number: usize) -> LuaValue {
    LuaValue::Integer(number as i64)
}

fn value(lua: &Lua, text: &[u8], capture: Capture) -> mlua::Result<LuaValue> {
    Ok(match capture {
        Capture::Position(at) => integer(at + 1),
        Capture::Text(start, end) => LuaValue::String(lua.create_string(text.get(start..end).unwrap_or_default())?),
        Capture::Open(_) => LuaValue::Nil,
    })
}

/// Where `gmatch` stands.
struct Walk {
    text: LuaString,
    pattern: LuaString,
    next: usize,
    /// End of the last match: an empty one directly behind it is passed over.
    last: Option<usize>,
}

fn iterate(lua: &Lua, budget: &Arc<Budget>, mut walk: Walk) -> mlua::Result<Function> {
    let budget = Arc::clone(budget);
    lua.create_function_mut(move |lua, ()| {
        let found = next_match(lua, &budget, &mut walk);
        placed(lua, found)
    })
}

fn next_match(lua: &Lua, budget: &Budget, walk: &mut Walk) -> mlua::Result<MultiValue> {
    let (text, pattern) = (walk.text.as_bytes(), walk.pattern.as_bytes());
    let mut matcher = Matcher::new(&text, &pattern, budget);
    while walk.next <= text.len() {
        let start = walk.next;
        match matcher.at(start)? {
            Some(end) if Some(end) != walk.last => {
                (walk.next, walk.last) = (end, Some(end));
                let captured = (0..matcher.values()).map(|index| value(lua, &text, matcher.value(index, start, end)?));
                return captured.collect();
            }
            _ => walk.next += 1,
        }
    }
    Ok(MultiValue::from_iter([LuaValue::Nil]))
}

fn substitute(lua: &Lua, budget: &Budget, longest: usize, arguments: &Replace) -> mlua::Result<MultiValue> {
    let (text, pattern, with, most) = arguments;
    if !matches!(
        with,
        LuaValue::String(_) | LuaValue::Integer(_) | LuaValue::Number(_) | LuaValue::Table(_) | LuaValue::Function(_)
    ) {
        let message = format!("bad argument #3 to 'gsub' (string/function/table expected, got {})", with.type_name());
        return Err(mlua::Error::runtime(message));
    }
    let replacement = lua.coerce_string(with.clone()).ok().flatten();
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let anchored = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(&text, pattern.get(usize::from(anchored)..).unwrap_or_default(), budget);
    let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(0));
    let mut out = Vec::new();
    let (mut at, mut last, mut count) = (0, None, 0);
    while count < most {
        match matcher.at(at)? {
            Some(end) if Some(end) != last => {
                count += 1;
                let before = out.len();
                match &replacement {
                    Some(replacement) => fill(&mut out, &replacement.as_bytes(), &text, &matcher, at, end)?,
                    None => look_up(lua, &mut out, with, &text, &matcher, at, end)?,
                }
                (at, last) = (end, Some(end));
                budget.take(((out.len() - before) / 64) as u64 + 1)?;
            }
            _ => match text.get(at) {
                Some(byte) => {
                    out.push(*byte);
                    at += 1;
                }
                None => break,
            },
        }
        if out.len() > longest {
            return Err(mlua::Error::MemoryError("resulting string too large".to_owned()));
        }
        if anchored {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(MultiValue::from_iter([LuaValue::String(lua.create_string(&out)?), integer(count)]))
}

/// Writes a replacement with `%0` to `%9` in it.
fn fill(
    out: &mut Vec<u8>,
    replacement: &[u8],
    text: &[u8],
    matcher: &Matcher<'_>,
    start: usize,
    end: usize,
) -> mlua::Result<()> {
    let mut rest = replacement.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let capture = match rest.next() {
            Some(b'%') => {
                out.push(b'%');
                continue;
            }
            Some(b'0') => Capture::Text(start, end),
            Some(digit @ b'1'..=b'9') => matcher.value(usize::from(digit - b'1'), start, end)?,
            _ => return Err(mlua::Error::runtime("invalid use of '%' in replacement string")),
        };
        match capture {
            Capture::Text(from, to) => out.extend_from_slice(text.get(from..to).unwrap_or_default()),
            Capture::Position(at) => out.extend_from_slice((at + 1).to_string().as_bytes()),
            Capture::Open(_) => {}
        }
    }
    Ok(())
}

/// Writes what a table or a function says instead of a match; the match itself if they say nothing.
fn look_up(
    lua: &Lua,
    out: &mut Vec<u8>,
    with: &LuaValue,
    text: &[u8],
    matcher: &Matcher<'_>,
    start: usize,
    end: usize,
) -> mlua::Result<()> {
    let said: LuaValue = match with {
        LuaValue::Table(table) => table.get(value(lua, text, matcher.value(0, start, end)?)?)?,
        LuaValue::Function(function) => {
            let captured = (0..matcher.values()).map(|index| value(lua, text, matcher.value(index, start, end)?));
            function.call(captured.collect::<mlua::Result<MultiValue>>()?)?
        }
        _ => LuaValue::Nil,
    };
    match said {
        LuaValue::Nil | LuaValue::Boolean(false) => out.extend_from_slice(text.get(start..end).unwrap_or_default()),
        LuaValue::String(said) => out.extend_from_slice(&said.as_bytes()),
        LuaValue::Integer(_) | LuaValue::Number(_) => {
            let said = lua.coerce_string(said)?;
            out.extend_from_slice(&said.map(|said| said.as_bytes().to_vec()).unwrap_or_default());
        }
        other => {
            return Err(mlua::Error::runtime(format!("invalid replacement value (a {})", other.type_name())));
        }
    }
    Ok(())
}
