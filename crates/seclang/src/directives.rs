//! The table of directives: what each takes, and which are refused and why.
//!
//! Source: ModSecurity Reference Manual (v3.x) and the v2 directives that people still have in their
//! files. A directive that is not here is an error; none is ignored silently.

use crate::actions::actions;
use crate::ast::{DirectiveKind, IdRange, Setting, Target};
use crate::error::{Errors, show};
use crate::numbers::{id_ranges, number};
use crate::settings;
use crate::targets::targets;
use crate::text::Slice;

/// How a directive is parsed.
pub(crate) enum Form {
    /// `SecRule`.
    Rule,
    /// `SecAction`.
    Action,
    /// `Include`.
    Include,
    /// `IncludeOptional`: no file is no error.
    IncludeOptional,
    /// By itself, into a directive.
    Plain(fn(&[Slice<'_>], &mut Errors) -> Option<DirectiveKind>),
    /// By itself, into a setting.
    Value(fn(&[Slice<'_>], &mut Errors) -> Option<Setting>),
    /// Accepted with `Off` only, because then it asks for nothing; the text says what it would do.
    OffOnly(&'static str),
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

const ANY: (usize, usize) = (0, usize::MAX);

/// Every directive.
pub(crate) const DIRECTIVES: &[Entry] = &[
    row("Include", (1, 1), Form::Include),
    row("IncludeOptional", (1, 1), Form::IncludeOptional),
    row("SecAction", (1, 1), Form::Action),
    value("SecArgumentSeparator", settings::argument_separator),
    value("SecArgumentsLimit", settings::arguments_limit),
    value("SecAuditEngine", settings::audit_engine),
    value("SecAuditLog", settings::audit_log),
    value("SecAuditLog2", settings::audit_log_2),
    value("SecAuditLogDirMode", settings::audit_log_dir_mode),
    value("SecAuditLogFileMode", settings::audit_log_file_mode),
    value("SecAuditLogFormat", settings::audit_log_format),
    value("SecAuditLogParts", settings::audit_log_parts),
    value("SecAuditLogRelevantStatus", settings::audit_log_relevant_status),
    value("SecAuditLogStorageDir", settings::audit_log_storage_dir),
    value("SecAuditLogType", settings::audit_log_type),
    row(
        "SecCacheTransformations",
        ANY,
        Form::Refused("every transformed value is computed once anyway; remove the line"),
    ),
    row("SecChrootDir", ANY, Form::Refused("use the service manager's confinement instead")),
    value("SecCollectionTimeout", settings::collection_timeout),
    value("SecComponentSignature", settings::component_signature),
    row("SecConnEngine", (1, 1), Form::OffOnly("limits connections by rules; use the gateway's connection limits")),
    row("SecConnReadStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    row("SecConnWriteStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    row("SecContentInjection", (1, 1), Form::OffOnly("changes response bodies")),
    value("SecCookieFormat", settings::cookie_format),
    row("SecCookieV0Separator", ANY, Form::Refused("cookies are separated by semicolons")),
    value("SecDataDir", settings::data_dir),
    value("SecDebugLog", settings::debug_log),
    value("SecDebugLogLevel", settings::debug_log_level),
    row("SecDefaultAction", (1, 1), Form::Plain(default_action)),
    row("SecDisableBackendCompression", (1, 1), Form::OffOnly("is the gateway's business")),
    value("SecGeoLookupDb", settings::geo_lookup_db),
    row("SecGsbLookupDb", ANY, Form::Refused("the Safe Browsing list format that it reads is no longer published")),
    row("SecGuardianLog", ANY, Form::Refused("pipe the audit log instead")),
    row("SecHashEngine", (1, 1), Form::OffOnly("rewrites responses to sign their links")),
    row("SecHashKey", ANY, Form::Refused("response signing is not supported")),
    row("SecHashMethodPm", ANY, Form::Refused("response signing is not supported")),
    row("SecHashMethodRx", ANY, Form::Refused("response signing is not supported")),
    row("SecHashParam", ANY, Form::Refused("response signing is not supported")),
    value("SecHttpBlKey", settings::http_bl_key),
    row("SecInterceptOnError", (1, 1), Form::OffOnly("is the gateway's fail policy")),
    row("SecMarker", (1, 1), Form::Plain(marker)),
    value("SecParseXmlIntoArgs", settings::parse_xml_into_args),
    value("SecPcreMatchLimit", settings::pcre_match_limit),
    value("SecPcreMatchLimitRecursion", settings::pcre_match_limit_recursion),
    row("SecReadStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    row("SecRemoteRules", (2, 2), Form::Value(settings::remote_rules)),
    value("SecRemoteRulesFailAction", settings::remote_rules_fail_action),
    value("SecRequestBodyAccess", settings::request_body_access),
    value("SecRequestBodyInMemoryLimit", settings::request_body_in_memory_limit),
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
    row("SecRuleInheritance", (1, 1), Form::OffOnly("belongs to Apache's per-directory configuration")),
    value("SecRulePerfTime", settings::rule_perf_time),
    row("SecRuleRemoveById", (1, usize::MAX), Form::Plain(remove_by_id)),
    row("SecRuleRemoveByMsg", (1, 1), Form::Plain(remove_by_msg)),
    row("SecRuleRemoveByTag", (1, 1), Form::Plain(remove_by_tag)),
    row("SecRuleScript", ANY, Form::Refused("Lua rules are not supported; write the test as a SecRule")),
    row("SecRuleUpdateActionById", (2, 2), Form::Plain(update_action_by_id)),
    row("SecRuleUpdateTargetById", (2, 2), Form::Plain(update_target_by_id)),
    row("SecRuleUpdateTargetByMsg", (2, 2), Form::Plain(update_target_by_msg)),
    row("SecRuleUpdateTargetByTag", (2, 2), Form::Plain(update_target_by_tag)),
    value("SecSensorId", settings::sensor_id),
    value("SecServerSignature", settings::server_signature),
    value("SecStatusEngine", settings::status_engine),
    value("SecStreamInBodyInspection", settings::stream_in_body_inspection),
    value("SecStreamOutBodyInspection", settings::stream_out_body_inspection),
    value("SecTmpDir", settings::tmp_dir),
    value("SecTmpSaveUploadedFiles", settings::tmp_save_uploaded_files),
    row("SecUnicodeCodePage", ANY, Form::Refused("name the code page as second argument of SecUnicodeMapFile")),
    row("SecUnicodeMapFile", (1, 2), Form::Value(settings::unicode_map_file)),
    value("SecUploadDir", settings::upload_dir),
    value("SecUploadFileLimit", settings::upload_file_limit),
    value("SecUploadFileMode", settings::upload_file_mode),
    value("SecUploadKeepFiles", settings::upload_keep_files),
    value("SecWebAppId", settings::web_app_id),
    row("SecWriteStateLimit", ANY, Form::Refused("use the gateway's connection limits")),
    value("SecXmlExternalEntity", settings::xml_external_entity),
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
