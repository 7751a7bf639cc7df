//! `ctl:option=value`.

use crate::ast::{AuditEngine, BodyProcessor, Ctl, EngineMode, ParseXmlIntoArgs, Target};
use crate::error::Errors;
use crate::numbers::{choice, id_ranges, number, on_off};
use crate::support::{self, Support};
use crate::targets::targets;
use crate::text::Slice;

/// Every option of the ModSecurity reference manual.
pub(crate) const OPTIONS: &[&str] = &[
    "auditEngine",
    "auditLogParts",
    "debugLogLevel",
    "forceRequestBodyVariable",
    "forceResponseBodyVariable",
    "hashEnforcement",
    "hashEngine",
    "parseXmlIntoArgs",
    "requestBodyAccess",
    "requestBodyLimit",
    "requestBodyProcessor",
    "responseBodyAccess",
    "responseBodyLimit",
    "responseBodyProcessor",
    "ruleEngine",
    "ruleRemoveById",
    "ruleRemoveByMsg",
    "ruleRemoveByTag",
    "ruleRemoveTargetById",
    "ruleRemoveTargetByMsg",
    "ruleRemoveTargetByTag",
];

pub(crate) const ENGINE_MODES: &[(&str, EngineMode)] =
    &[("On", EngineMode::On), ("Off", EngineMode::Off), ("DetectionOnly", EngineMode::DetectionOnly)];

pub(crate) const AUDIT_ENGINES: &[(&str, AuditEngine)] =
    &[("On", AuditEngine::On), ("Off", AuditEngine::Off), ("RelevantOnly", AuditEngine::RelevantOnly)];

pub(crate) const XML_INTO_ARGS: &[(&str, ParseXmlIntoArgs)] =
    &[("On", ParseXmlIntoArgs::On), ("Off", ParseXmlIntoArgs::Off), ("OnlyArgs", ParseXmlIntoArgs::OnlyArgs)];

pub(crate) const BODY_PROCESSORS: &[(&str, BodyProcessor)] = &[
    ("URLENCODED", BodyProcessor::UrlEncoded),
    ("MULTIPART", BodyProcessor::Multipart),
    ("XML", BodyProcessor::Xml),
    ("JSON", BodyProcessor::Json),
    ("RAW", BodyProcessor::Raw),
];

/// Parses the value of a `ctl` action.
pub(crate) fn ctl(text: Slice<'_>, errors: &mut Errors) -> Option<Ctl> {
    let Some((option, value)) = text.split_once(b'=') else {
        errors.hint(text.span(), "ctl needs option=value", "for example ctl:ruleEngine=Off");
        return None;
    };
    let option = option.trim();
    let value = value.trim();
    let known = OPTIONS.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(option.bytes()));
    let Some(known) = known else {
        errors.unknown(option.span(), "ctl option", option.bytes(), OPTIONS.iter().copied());
        return None;
    };
    if value.is_empty() {
        errors.push(option.span(), format!("ctl:{known} needs a value"));
        return None;
    }
    match support::of_ctl(known) {
        Support::Full => {}
        Support::Only(only, _) if value.bytes().eq_ignore_ascii_case(only.as_bytes()) => return None,
        Support::Only(only, why) => {
            errors.hint(option.span(), format!("ctl:{known} is supported only as {only}"), format!("it {why}"));
            return None;
        }
        Support::Idle(why) => {
            errors.warn(option.span(), format!("ctl:{known} has no meaning here: {why}"));
            return None;
        }
        Support::Refused(why) => {
            errors.hint(option.span(), format!("ctl:{known} is not supported"), why);
            return None;
        }
    }
    Some(match *known {
        "auditEngine" => Ctl::AuditEngine(choice(value, "audit engine mode", AUDIT_ENGINES, errors)?),
        "auditLogParts" => Ctl::AuditLogParts(audit_log_parts(value, true, errors)?),
        "forceRequestBodyVariable" => Ctl::ForceRequestBodyVariable(on_off(value, errors)?),
        "parseXmlIntoArgs" => Ctl::ParseXmlIntoArgs(choice(value, "mode", XML_INTO_ARGS, errors)?),
        "requestBodyAccess" => Ctl::RequestBodyAccess(on_off(value, errors)?),
        "requestBodyLimit" => Ctl::RequestBodyLimit(number(value, 0, u64::MAX, errors)?),
        "requestBodyProcessor" => Ctl::RequestBodyProcessor(processor(value, errors)?),
        "responseBodyAccess" => Ctl::ResponseBodyAccess(on_off(value, errors)?),
        "responseBodyLimit" => Ctl::ResponseBodyLimit(number(value, 0, u64::MAX, errors)?),
        "responseBodyProcessor" => Ctl::ResponseBodyProcessor(processor(value, errors)?),
        "ruleEngine" => Ctl::RuleEngine(choice(value, "engine mode", ENGINE_MODES, errors)?),
        "ruleRemoveById" => Ctl::RuleRemoveById(id_ranges(value, errors)),
        "ruleRemoveByMsg" => Ctl::RuleRemoveByMsg(value.bytes().to_vec()),
        "ruleRemoveByTag" => Ctl::RuleRemoveByTag(value.bytes().to_vec()),
        "ruleRemoveTargetById" => {
            let (ids, targets) = with_targets(value, errors)?;
            Ctl::RuleRemoveTargetById(id_ranges(ids, errors), targets)
        }
        "ruleRemoveTargetByMsg" => {
            let (message, targets) = with_targets(value, errors)?;
            Ctl::RuleRemoveTargetByMsg(message.bytes().to_vec(), targets)
        }
        _ => {
            let (tag, targets) = with_targets(value, errors)?;
            Ctl::RuleRemoveTargetByTag(tag.bytes().to_vec(), targets)
        }
    })
}

fn processor(value: Slice<'_>, errors: &mut Errors) -> Option<BodyProcessor> {
    choice(value, "body processor", BODY_PROCESSORS, errors)
}

/// `rules;targets`
fn with_targets<'t>(value: Slice<'t>, errors: &mut Errors) -> Option<(Slice<'t>, Vec<Target>)> {
    let Some((rules, list)) = value.split_once(b';') else {
        errors.hint(
            value.span(),
            "a target is missing",
            "write the rules, a semicolon, and the target: 942100;ARGS:name",
        );
        return None;
    };
    Some((rules.trim(), targets(list.trim(), errors)))
}

/// Letters of audit log parts, for `ctl` with a leading `+` or `-`.
pub(crate) fn audit_log_parts(value: Slice<'_>, relative: bool, errors: &mut Errors) -> Option<Vec<u8>> {
    let parts = value.bytes().to_ascii_uppercase();
    let letters = match parts.split_first() {
        Some((b'+' | b'-', letters)) if relative => letters,
        _ => parts.as_slice(),
    };
    if letters.is_empty() || !letters.iter().all(|letter| matches!(letter, b'A'..=b'K' | b'Z')) {
        errors.hint(value.span(), "audit log parts are letters from A to K and Z", "for example ABIJDEFHZ");
        return None;
    }
    Some(parts)
}
