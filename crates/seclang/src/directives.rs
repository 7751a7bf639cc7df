//! The table of directives: what each takes, and which are refused and why.
//!
//! Source: ModSecurity Reference Manual (v3.x) and the v2 directives that people still have in their
//! files. A directive that is not here is an error; none is ignored silently.

use crate::actions::actions;
use crate::ast::{DirectiveKind, IdRange, Setting, Target};
use crate::error::{Errors, show};
use crate::numbers::{id_ranges, number};
use crate::settings;
use crate::support::Support;
use crate::targets::targets;
use crate::text::Slice;

/// How a directive is parsed.
pub(crate) enum Form {
    /// `SecRule`.
    Rule,
    /// `SecAction`.
    Action,
    /// `SecRuleScript`.
    Script,
    /// `Include`.
    Include,
    /// `IncludeOptional`: no file is no error.
    IncludeOptional,
    /// By itself, into a directive.
    Plain(fn(&[Slice<'_>], &mut Errors) -> Option<DirectiveKind>),
    /// By itself, into a setting.
    Value(fn(&[Slice<'_>], &mut Errors) -> Option<Setting>),
    /// `SecRemoteRules`.
    RemoteRules,
    /// `SecRemoteRulesFailAction`.
    RemoteRulesFailAction,
    /// Accepted with one value only, because then it asks for nothing; the text says what it would do.
    Only(&'static str, &'static str),
    /// Accepted with a warning, because it has no meaning here; the text says why.
    Idle(&'static str),
    /// Never accepted; the text says why or what to use.
    Refused(&'static str),
}

/// A row of the table.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// Least and greatest number of arguments.
    pub(crate) arguments: (usize, usize),
    pub(crate) form: Form,
}

const fn row(name: &'static str, arguments: (usize, usize), form: Form) -> Entry {
    Entry { name, arguments, form }
}

const fn value(name: &'static str, parse: fn(&[Slice<'_>], &mut Errors) -> Option<Setting>) -> Entry {
    Entry { name, arguments: (1, 1), form: Form::Value(parse) }
}

const fn idle(name: &'static str, why: &'static str) -> Entry {
    Entry { name, arguments: ANY, form: Form::Idle(why) }
}

const fn only(name: &'static str, value: &'static str, why: &'static str) -> Entry {
    Entry { name, arguments: (1, 1), form: Form::Only(value, why) }
}

const ANY: (usize, usize) = (0, usize::MAX);

/// Why settings of ModSecurity's audit log files have no meaning.
const AUDIT_LOG: &str =
    "the gateway's own configuration says where the audit log goes; it is JSON, one line a transaction";
/// Why settings of upload files have no meaning.
const UPLOADS: &str = "uploads are inspected in memory and never written to disk";

impl Entry {
    /// How far the directive is supported.
    pub(crate) fn support(&self) -> Support {
        match self.form {
            Form::Only(value, why) => Support::Only(value, why),
            Form::Idle(why) => Support::Idle(why),
            Form::Refused(why) => Support::Refused(why),
            _ => Support::Full,
        }
    }
}

/// Every directive.
pub(crate) const DIRECTIVES: &[Entry] = &[
    row("Include", (1, 1), Form::Include),
    row("IncludeOptional", (1, 1), Form::IncludeOptional),
    row("SecAction", (1, 1), Form::Action),
    value("SecArgumentSeparator", settings::argument_separator),
    value("SecArgumentsLimit", settings::arguments_limit),
    value("SecAuditEngine", settings::audit_engine),
    idle("SecAuditLog", AUDIT_LOG),
    idle("SecAuditLog2", AUDIT_LOG),
    idle("SecAuditLogDir", AUDIT_LOG),
    idle("SecAuditLogDirMode", AUDIT_LOG),
    idle("SecAuditLogFileMode", AUDIT_LOG),
    idle("SecAuditLogFormat", AUDIT_LOG),
    value("SecAuditLogParts", settings::audit_log_parts),
    value("SecAuditLogRelevantStatus", settings::audit_log_relevant_status),
    idle("SecAuditLogStorageDir", AUDIT_LOG),
    idle("SecAuditLogType", AUDIT_LOG),
    idle("SecCacheTransformations", "every transformed value is computed once per transaction anyway"),
    row("SecChrootDir", ANY, Form::Refused("use the service manager's confinement instead")),
    value("SecCollectionTimeout", settings::collection_timeout),
    value("SecComponentSignature", settings::component_signature),
    only("SecConnEngine", "Off", "limits connections by rules; use the gateway's connection limits"),
    row("SecConnReadStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    row("SecConnWriteStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    value("SecContentInjection", settings::content_injection),
    only("SecCookieFormat", "0", "selects the cookies of RFC 2109, which browsers do not send"),
    only("SecCookieV0Separator", ";", "would split cookies where servers do not"),
    idle("SecDataDir", "the configuration says where persistent collections are kept"),
    row("SecDataset", ANY, Form::Refused("put the values into a file: @pmFromFile, @ipMatchFromFile")),
    idle("SecDebugLog", "there is no debug log; the trace of a request shows the same"),
    idle("SecDebugLogLevel", "there is no debug log; the trace of a request shows the same"),
    row("SecDefaultAction", (1, 1), Form::Plain(default_action)),
    idle(
        "SecDisableBackendCompression",
        "the gateway asks for uncompressed responses whenever the policy reads their bodies",
    ),
    value("SecGeoLookupDb", settings::geo_lookup_db),
    row("SecGsbLookupDb", ANY, Form::Refused("the Safe Browsing list format that it reads is no longer published")),
    row("SecGuardianLog", ANY, Form::Refused("pipe the audit log instead")),
    only("SecHashEngine", "Off", "rewrites responses to sign their links"),
    row("SecHashKey", ANY, Form::Refused("response signing is not supported")),
    row("SecHashMethodPm", ANY, Form::Refused("response signing is not supported")),
    row("SecHashMethodRx", ANY, Form::Refused("response signing is not supported")),
    row("SecHashParam", ANY, Form::Refused("response signing is not supported")),
    value("SecHttpBlKey", settings::http_bl_key),
    only("SecIgnoreRuleCompilationErrors", "Off", "would leave out rules that are wrong"),
    only("SecInterceptOnError", "Off", "is the gateway's fail policy"),
    row("SecMarker", (1, 1), Form::Plain(marker)),
    value("SecParseXmlIntoArgs", settings::parse_xml_into_args),
    value("SecPcreMatchLimit", settings::pcre_match_limit),
    idle("SecPcreMatchLimitRecursion", "no pattern is matched by recursion; SecPcreMatchLimit bounds backtracking"),
    row("SecReadStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    row("SecRemoteRules", (2, 2), Form::RemoteRules),
    row("SecRemoteRulesFailAction", (1, 1), Form::RemoteRulesFailAction),
    value("SecRequestBodyAccess", settings::request_body_access),
    idle("SecRequestBodyInMemoryLimit", "bodies are inspected in memory, within the gateway's budget for all of them"),
    value("SecRequestBodyJsonDepthLimit", settings::request_body_json_depth_limit),
    value("SecRequestBodyLimit", settings::request_body_limit),
    value("SecRequestBodyLimitAction", settings::request_body_limit_action),
    value("SecRequestBodyNoFilesLimit", settings::request_body_no_files_limit),
    row("SecRequestEncoding", ANY, Form::Refused("requests are inspected as bytes, whatever their encoding")),
    value("SecResponseBodyAccess", settings::response_body_access),
    value("SecResponseBodyLimit", settings::response_body_limit),
    value("SecResponseBodyLimitAction", settings::response_body_limit_action),
    row("SecResponseBodyMimeType", (1, usize::MAX), Form::Value(settings::response_body_mime_type)),
    row("SecResponseBodyMimeTypesClear", (0, 0), Form::Value(settings::response_body_mime_types_clear)),
    row("SecRule", (2, 3), Form::Rule),
    value("SecRuleEngine", settings::rule_engine),
    idle("SecRuleInheritance", "it belongs to Apache's per-directory configuration"),
    idle("SecRulePerfTime", "the trace of a request shows what each rule does"),
    row("SecRuleRemoveById", (1, usize::MAX), Form::Plain(remove_by_id)),
    row("SecRuleRemoveByMsg", (1, 1), Form::Plain(remove_by_msg)),
    row("SecRuleRemoveByTag", (1, 1), Form::Plain(remove_by_tag)),
    row("SecRuleScript", (1, 2), Form::Script),
    row("SecRuleUpdateActionById", (2, 2), Form::Plain(update_action_by_id)),
    row("SecRuleUpdateTargetById", (2, 2), Form::Plain(update_target_by_id)),
    row("SecRuleUpdateTargetByMsg", (2, 2), Form::Plain(update_target_by_msg)),
    row("SecRuleUpdateTargetByTag", (2, 2), Form::Plain(update_target_by_tag)),
    idle("SecRxPreFilter", "patterns are always filtered by their literals first"),
    idle("SecSensorId", "events carry the name of the gateway's instance"),
    idle("SecServerSignature", "the Server header is the upstream's"),
    idle("SecStatusEngine", "nobody receives the status reports any more"),
    value("SecStreamInBodyInspection", settings::stream_in_body_inspection),
    value("SecStreamOutBodyInspection", settings::stream_out_body_inspection),
    idle("SecTmpDir", UPLOADS),
    idle("SecTmpSaveUploadedFiles", UPLOADS),
    row("SecUnicodeCodePage", ANY, Form::Refused("name the code page as second argument of SecUnicodeMapFile")),
    row("SecUnicodeMapFile", (1, 2), Form::Value(settings::unicode_map_file)),
    idle("SecUploadDir", UPLOADS),
    value("SecUploadFileLimit", settings::upload_file_limit),
    idle("SecUploadFileMode", UPLOADS),
    only("SecUploadKeepFiles", "Off", "would write uploads to disk; they are inspected in memory"),
    value("SecWebAppId", settings::web_app_id),
    row("SecWriteStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    only("SecXmlExternalEntity", "Off", "would fetch what the body of a request names"),
];

/// Finds a row, and checks the number of arguments.
pub(crate) fn find(name: Slice<'_>, arguments: usize, errors: &mut Errors) -> Option<&'static Entry> {
    let bytes = name.bytes();
    let Some(entry) = DIRECTIVES.iter().find(|entry| entry.name.as_bytes().eq_ignore_ascii_case(bytes)) else {
        if bytes.starts_with(b"<") {
            let message = format!("`{}` is an Apache section, not SecLang", show(bytes));
            errors.hint(name.span(), message, "keep the directives inside it and remove the section's lines");
        } else {
            errors.unknown(name.span(), "directive", bytes, DIRECTIVES.iter().map(|entry| entry.name));
        }
        return None;
    };
    let (least, most) = entry.arguments;
    if arguments < least || arguments > most {
        let wanted = match (least, most) {
            (least, most) if least == most => format!("{least}"),
            (least, usize::MAX) => format!("at least {least}"),
            (least, most) => format!("{least} to {most}"),
        };
        let noun = if wanted == "1" || wanted == "at least 1" { "argument" } else { "arguments" };
        let message = format!("{} takes {wanted} {noun}, not {arguments}", entry.name);
        errors.hint(name.span(), message, "an argument with blanks in it is written in quotes");
        return None;
    }
    Some(entry)
}

/// The argument at a position; the table's row has checked that it is there.
pub(crate) fn argument<'t>(arguments: &[Slice<'t>], position: usize) -> Option<Slice<'t>> {
    arguments.get(position).copied()
}

fn default_action(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<DirectiveKind> {
    let list = argument(arguments, 0)?;
    let found = actions(list, errors);
    crate::checks::default_action(list, &found, errors);
    Some(DirectiveKind::DefaultAction(found.list))
}

fn marker(arguments: &[Slice<'_>], _errors: &mut Errors) -> Option<DirectiveKind> {
    Some(DirectiveKind::Marker(argument(arguments, 0)?.bytes().to_vec()))
}

fn remove_by_id(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<DirectiveKind> {
    let ranges: Vec<IdRange> = arguments.iter().flat_map(|text| id_ranges(*text, errors)).collect();
    Some(DirectiveKind::RemoveById(ranges))
}

fn remove_by_msg(arguments: &[Slice<'_>], _errors: &mut Errors) -> Option<DirectiveKind> {
    Some(DirectiveKind::RemoveByMsg(argument(arguments, 0)?.bytes().to_vec()))
}

fn remove_by_tag(arguments: &[Slice<'_>], _errors: &mut Errors) -> Option<DirectiveKind> {
    Some(DirectiveKind::RemoveByTag(argument(arguments, 0)?.bytes().to_vec()))
}

fn update_target_by_id(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<DirectiveKind> {
    let ids = id_ranges(argument(arguments, 0)?, errors);
    Some(DirectiveKind::UpdateTargetById(ids, targets(argument(arguments, 1)?, errors)))
}

fn update_target_by_msg(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<DirectiveKind> {
    let (pattern, targets) = pattern_and_targets(arguments, errors)?;
    Some(DirectiveKind::UpdateTargetByMsg(pattern, targets))
}

fn update_target_by_tag(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<DirectiveKind> {
    let (pattern, targets) = pattern_and_targets(arguments, errors)?;
    Some(DirectiveKind::UpdateTargetByTag(pattern, targets))
}

fn pattern_and_targets(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<(Vec<u8>, Vec<Target>)> {
    Some((argument(arguments, 0)?.bytes().to_vec(), targets(argument(arguments, 1)?, errors)))
}

/// `SecRuleUpdateActionById 12345 "deny,status:403"`, or `12345:1` for the first link after the head.
fn update_action_by_id(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<DirectiveKind> {
    let place = argument(arguments, 0)?;
    let list = argument(arguments, 1)?;
    let (id, link) = match place.split_once(b':') {
        Some((id, link)) => (id, number(link, 0, u32::MAX, errors)?),
        None => (place, 0),
    };
    let id = number(id, 1, u32::MAX, errors)?;
    let found = actions(list, errors);
    crate::checks::update_action(list, &found, errors);
    Some(DirectiveKind::UpdateActionById(id, usize::try_from(link).ok()?, found.list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_name_twice() {
        let names: Vec<String> = DIRECTIVES.iter().map(|entry| entry.name.to_ascii_lowercase()).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
