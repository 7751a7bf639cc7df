//! Action lists: `id:1,phase:2,block,msg:'one, two',setvar:'tx.score=+5',t:none`.

use crate::ast::{Action, ActionKind, AllowScope, Transformation};
use crate::ctl;
use crate::error::{Errors, show};
use crate::numbers::number;
use crate::setvar;
use crate::support::{self, Support};
use crate::text::{Slice, Text};

/// What follows an action's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    Never,
    Optional,
    Required,
}

/// Every action of the ModSecurity reference manual.
pub(crate) const ACTIONS: &[(&str, Argument)] = &[
    ("accuracy", Argument::Required),
    ("allow", Argument::Optional),
    ("append", Argument::Required),
    ("auditlog", Argument::Never),
    ("block", Argument::Never),
    ("capture", Argument::Never),
    ("chain", Argument::Never),
    ("ctl", Argument::Required),
    ("deny", Argument::Never),
    ("deprecatevar", Argument::Required),
    ("drop", Argument::Never),
    ("exec", Argument::Required),
    ("expirevar", Argument::Required),
    ("id", Argument::Required),
    ("initcol", Argument::Required),
    ("log", Argument::Never),
    ("logdata", Argument::Required),
    ("maturity", Argument::Required),
    ("msg", Argument::Required),
    ("multiMatch", Argument::Never),
    ("noauditlog", Argument::Never),
    ("nolog", Argument::Never),
    ("pass", Argument::Never),
    ("pause", Argument::Required),
    ("phase", Argument::Required),
    ("prepend", Argument::Required),
    ("proxy", Argument::Required),
    ("redirect", Argument::Required),
    ("rev", Argument::Required),
    ("sanitiseArg", Argument::Required),
    ("sanitiseMatched", Argument::Never),
    ("sanitiseMatchedBytes", Argument::Optional),
    ("sanitiseRequestHeader", Argument::Required),
    ("sanitiseResponseHeader", Argument::Required),
    ("setenv", Argument::Required),
    ("setrsc", Argument::Required),
    ("setsid", Argument::Required),
    ("setuid", Argument::Required),
    ("setvar", Argument::Required),
    ("severity", Argument::Required),
    ("skip", Argument::Required),
    ("skipAfter", Argument::Required),
    ("status", Argument::Required),
    ("t", Argument::Required),
    ("tag", Argument::Required),
    ("ver", Argument::Required),
    ("xmlns", Argument::Required),
];

/// Other spellings of actions.
const ALIASES: &[(&str, &str)] = &[
    ("sanitizeArg", "sanitiseArg"),
    ("sanitizeMatched", "sanitiseMatched"),
    ("sanitizeMatchedBytes", "sanitiseMatchedBytes"),
    ("sanitizeRequestHeader", "sanitiseRequestHeader"),
    ("sanitizeResponseHeader", "sanitiseResponseHeader"),
];

/// Other spellings of transformations.
const TRANSFORMATION_ALIASES: &[(&str, Transformation)] =
    &[("normalisePath", Transformation::NormalizePath), ("normalisePathWin", Transformation::NormalizePathWin)];

/// Names of severities; the position is the number.
const SEVERITIES: &[&str] = &["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];

/// A parsed action list.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    pub(crate) list: Vec<Action>,
    /// Whether `chain` is among them.
    pub(crate) chain: bool,
}

/// Parses a list; actions that are wrong are reported and left out.
pub(crate) fn actions(list: Slice<'_>, errors: &mut Errors) -> Actions {
    let mut found = Actions::default();
    let mut rest = list.trim();
    while !rest.is_empty() {
        let length = rest.bytes().iter().take_while(|byte| !matches!(byte, b':' | b',')).count();
        let name = rest.part(0, length).trim();
        let after = rest.from(length);
        let (value, next) = match after.first() {
            Some(b':') => match value(after.from(1).trim(), errors) {
                Some((value, next)) => (Some(value), next),
                None => return found,
            },
            _ => (None, after),
        };
        rest = next.from(1).trim();
        if name.is_empty() && value.is_none() {
            continue;
        }
        one(name, value.as_ref(), &mut found, errors);
    }
    found
}

/// The value at the beginning of `rest`, and what follows it from the comma on.
fn value<'t>(rest: Slice<'t>, errors: &mut Errors) -> Option<(Text<'t>, Slice<'t>)> {
    let bytes = rest.bytes();
    if rest.first() != Some(b'\'') {
        let end = memchr::memchr(b',', bytes).unwrap_or(bytes.len());
        return Some((rest.part(0, end).trim().unescape(b'\''), rest.from(end)));
    }
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => {
                let next = rest.from(at + 1).trim();
                if next.first().is_some_and(|byte| byte != b',') {
                    let message = format!("a comma is missing before `{}`", show(next.bytes()));
                    errors.hint(next.span(), message, "a quote inside a quoted value is written \\'");
                    return None;
                }
                return Some((rest.part(1, at).unescape(b'\''), next));
            }
            _ => at += 1,
        }
    }
    errors.push(rest.span(), "the quote of this value is never closed");
    None
}

/// Checks one action's name and argument, and adds it.
fn one(name: Slice<'_>, value: Option<&Text<'_>>, found: &mut Actions, errors: &mut Errors) {
    let given = name.bytes();
    let alias = ALIASES.iter().find(|(alias, _)| alias.as_bytes().eq_ignore_ascii_case(given));
    let wanted = alias.map_or(given, |(_, name)| name.as_bytes());
    let known = ACTIONS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(wanted));
    let Some((known, argument)) = known else {
        errors.unknown(name.span(), "action", given, ACTIONS.iter().map(|(name, _)| *name));
        return;
    };
    match support::of_action(known) {
        Support::Refused(why) => {
            errors.hint(name.span(), format!("the action {known} is not supported"), why);
            return;
        }
        Support::Idle(why) => {
            errors.warn(name.span(), format!("the action {known} has no meaning here: {why}"));
            return;
        }
        Support::Full | Support::Only(..) => {}
    }
    let empty = value.is_none_or(|value| value.all().is_empty());
    match argument {
        Argument::Never if value.is_some() => {
            errors.push(name.span(), format!("the action {known} takes no value"));
            return;
        }
        // An empty message or tag is legal, only useless.
        Argument::Required if value.is_none() || (empty && !matches!(*known, "msg" | "logdata" | "tag")) => {
            errors.push(name.span(), format!("the action {known} needs a value: {known}:…"));
            return;
        }
        _ => {}
    }
    if *known == "chain" {
        found.chain = true;
        return;
    }
    let value = value.map_or(name.part(0, 0), Text::all);
    if let Some(kind) = kind(known, value, errors) {
        found.list.push(Action { span: name.span(), kind });
    }
}

fn kind(name: &str, value: Slice<'_>, errors: &mut Errors) -> Option<ActionKind> {
    let text = || value.bytes().to_vec();
    Some(match name {
        "accuracy" => ActionKind::Accuracy(number(value, 1, 9, errors)?),
        "allow" => ActionKind::Allow(allow(value, errors)?),
        "append" => ActionKind::Append(text()),
        "auditlog" => ActionKind::AuditLog,
        "block" => ActionKind::Block,
        "capture" => ActionKind::Capture,
        "ctl" => ActionKind::Ctl(ctl::ctl(value, errors)?),
        "deny" => ActionKind::Deny,
        "drop" => ActionKind::Drop,
        "exec" => ActionKind::Exec(text()),
        "expirevar" => setvar::expire(value, errors)?,
        "id" => ActionKind::Id(number(value, 1, u32::MAX, errors)?),
        "initcol" => setvar::init(value, errors)?,
        "log" => ActionKind::Log,
        "logdata" => ActionKind::LogData(text()),
        "maturity" => ActionKind::Maturity(number(value, 1, 9, errors)?),
        "msg" => ActionKind::Msg(text()),
        "multiMatch" => ActionKind::MultiMatch,
        "noauditlog" => ActionKind::NoAuditLog,
        "nolog" => ActionKind::NoLog,
        "pass" => ActionKind::Pass,
        "phase" => ActionKind::Phase(phase(value, errors)?),
        "prepend" => ActionKind::Prepend(text()),
        "redirect" => ActionKind::Redirect(text()),
        "rev" => ActionKind::Rev(text()),
        "sanitiseArg" => ActionKind::SanitiseArg(text()),
        "sanitiseMatched" => ActionKind::SanitiseMatched,
        "sanitiseMatchedBytes" => ActionKind::SanitiseMatchedBytes(byte_range(value, errors)?),
        "sanitiseRequestHeader" => ActionKind::SanitiseRequestHeader(text()),
        "sanitiseResponseHeader" => ActionKind::SanitiseResponseHeader(text()),
        "setenv" => setvar::env(value),
        "setrsc" => ActionKind::SetRsc(text()),
        "setsid" => ActionKind::SetSid(text()),
        "setuid" => ActionKind::SetUid(text()),
        "setvar" => ActionKind::SetVar(setvar::setvar(value, errors)?),
        "severity" => ActionKind::Severity(severity(value, errors)?),
        "skip" => ActionKind::Skip(number(value, 1, u32::MAX, errors)?),
        "skipAfter" => ActionKind::SkipAfter(text()),
        "status" => ActionKind::Status(number(value, 100, 999, errors)?),
        "t" => ActionKind::Transformation(transformation(value, errors)?),
        "tag" => ActionKind::Tag(text()),
        "ver" => ActionKind::Ver(text()),
        other => {
            errors.push(value.span(), format!("the action {other} is not implemented"));
            return None;
        }
    })
}

fn allow(value: Slice<'_>, errors: &mut Errors) -> Option<AllowScope> {
    match value.bytes().to_ascii_lowercase().as_slice() {
        b"" => Some(AllowScope::Transaction),
        b"phase" => Some(AllowScope::Phase),
        b"request" => Some(AllowScope::Request),
        other => {
            errors.unknown(value.span(), "scope of allow", other, ["phase", "request"]);
            None
        }
    }
}

fn phase(value: Slice<'_>, errors: &mut Errors) -> Option<u8> {
    match value.bytes().to_ascii_lowercase().as_slice() {
        b"request" => Some(2),
        b"response" => Some(4),
        b"logging" => Some(5),
        _ => number(value, 1, 5, errors),
    }
}

fn severity(value: Slice<'_>, errors: &mut Errors) -> Option<u8> {
    let bytes = value.bytes();
    if bytes.first().is_some_and(u8::is_ascii_digit) {
        return number(value, 0, 7, errors);
    }
    let found = SEVERITIES.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(bytes));
    let found = found.and_then(|position| u8::try_from(position).ok());
    if found.is_none() {
        errors.unknown(value.span(), "severity", bytes, SEVERITIES.iter().copied());
    }
    found
}

fn transformation(value: Slice<'_>, errors: &mut Errors) -> Option<Option<Transformation>> {
    let name = value.bytes();
    if name.eq_ignore_ascii_case(b"none") {
        return Some(None);
    }
    let alias = || {
        let found = TRANSFORMATION_ALIASES.iter().find(|(alias, _)| alias.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(_, transformation)| *transformation)
    };
    let found = Transformation::from_name(name).or_else(alias);
    if found.is_none() {
        let known = Transformation::ALL.iter().map(|item| item.name()).chain(["none"]);
        errors.unknown(value.span(), "transformation", name, known);
    }
    found.map(Some)
}

/// `sanitiseMatchedBytes:1/4`: bytes to leave visible at the beginning and at the end.
fn byte_range(value: Slice<'_>, errors: &mut Errors) -> Option<Option<(u32, u32)>> {
    if value.is_empty() {
        return Some(None);
    }
    let Some((first, last)) = value.split_once(b'/') else {
        errors.hint(value.span(), "two numbers separated by a slash are expected", "for example 1/4");
        return None;
    };
    Some(Some((number(first, 0, u32::MAX, errors)?, number(last, 0, u32::MAX, errors)?)))
}
