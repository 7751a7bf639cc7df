//! Directives that set one value, each parsed into its [`Setting`].

use std::path::PathBuf;

use crate::ast::{AuditLogFormat, AuditLogType, LimitAction, RemoteRulesFailAction, Setting, UploadKeepFiles};
use crate::ctl::{self, AUDIT_ENGINES, ENGINE_MODES, XML_INTO_ARGS};
use crate::directives::argument;
use crate::error::{Errors, show};
use crate::numbers::{choice, number, on_off};
use crate::text::Slice;

const LIMIT_ACTIONS: &[(&str, LimitAction)] =
    &[("Reject", LimitAction::Reject), ("ProcessPartial", LimitAction::ProcessPartial)];

/// Defines one function for each setting that takes one argument.
macro_rules! settings {
    ($($name:ident => $variant:ident = |$text:ident, $errors:ident| $parse:expr;)+) => {
        $(pub(crate) fn $name(arguments: &[Slice<'_>], $errors: &mut Errors) -> Option<Setting> {
            let $text = argument(arguments, 0)?;
            Some(Setting::$variant($parse))
        })+
    };
}

settings! {
    argument_separator => ArgumentSeparator = |text, errors| separator(text, errors)?;
    arguments_limit => ArgumentsLimit = |text, errors| number(text, 1, u32::MAX, errors)?;
    audit_engine => AuditEngine = |text, errors| choice(text, "audit engine mode", AUDIT_ENGINES, errors)?;
    audit_log => AuditLog = |text, errors| path(text, errors)?;
    audit_log_2 => AuditLog2 = |text, errors| path(text, errors)?;
    audit_log_dir_mode => AuditLogDirMode = |text, errors| mode(text, errors)?;
    audit_log_file_mode => AuditLogFileMode = |text, errors| mode(text, errors)?;
    audit_log_format => AuditLogFormat = |text, errors| choice(
        text, "audit log format",
        &[("Native", AuditLogFormat::Native), ("JSON", AuditLogFormat::Json)], errors)?;
    audit_log_parts => AuditLogParts = |text, errors| ctl::audit_log_parts(text, false, errors)?;
    audit_log_relevant_status => AuditLogRelevantStatus = |text, _errors| text.bytes().to_vec();
    audit_log_storage_dir => AuditLogStorageDir = |text, errors| path(text, errors)?;
    audit_log_type => AuditLogType = |text, errors| choice(
        text, "audit log type",
        &[("Serial", AuditLogType::Serial), ("Concurrent", AuditLogType::Concurrent),
          ("Parallel", AuditLogType::Concurrent), ("HTTPS", AuditLogType::Https)], errors)?;
    collection_timeout => CollectionTimeout = |text, errors| number(text, 0, u32::MAX, errors)?;
    component_signature => ComponentSignature = |text, _errors| text.bytes().to_vec();
    cookie_format => CookieFormat = |text, errors| number(text, 0, 1, errors)?;
    data_dir => DataDir = |text, errors| path(text, errors)?;
    debug_log => DebugLog = |text, errors| path(text, errors)?;
    debug_log_level => DebugLogLevel = |text, errors| number(text, 0, 9, errors)?;
    geo_lookup_db => GeoLookupDb = |text, errors| path(text, errors)?;
    http_bl_key => HttpBlKey = |text, _errors| text.bytes().to_vec();
    parse_xml_into_args => ParseXmlIntoArgs = |text, errors| choice(text, "mode", XML_INTO_ARGS, errors)?;
    pcre_match_limit => PcreMatchLimit = |text, errors| number(text, 1, u32::MAX, errors)?;
    pcre_match_limit_recursion => PcreMatchLimitRecursion = |text, errors| number(text, 1, u32::MAX, errors)?;
    remote_rules_fail_action => RemoteRulesFailAction = |text, errors| choice(
        text, "fail action",
        &[("Abort", RemoteRulesFailAction::Abort), ("Warn", RemoteRulesFailAction::Warn)], errors)?;
    request_body_access => RequestBodyAccess = |text, errors| on_off(text, errors)?;
    request_body_in_memory_limit => RequestBodyInMemoryLimit = |text, errors| number(text, 0, u64::MAX, errors)?;
    request_body_json_depth_limit => RequestBodyJsonDepthLimit = |text, errors| number(text, 1, u32::MAX, errors)?;
    request_body_limit => RequestBodyLimit = |text, errors| number(text, 0, u64::MAX, errors)?;
    request_body_limit_action => RequestBodyLimitAction = |text, errors| choice(text, "limit action", LIMIT_ACTIONS, errors)?;
    request_body_no_files_limit => RequestBodyNoFilesLimit = |text, errors| number(text, 0, u64::MAX, errors)?;
    response_body_access => ResponseBodyAccess = |text, errors| on_off(text, errors)?;
    response_body_limit => ResponseBodyLimit = |text, errors| number(text, 0, u64::MAX, errors)?;
    response_body_limit_action => ResponseBodyLimitAction = |text, errors| choice(text, "limit action", LIMIT_ACTIONS, errors)?;
    rule_engine => RuleEngine = |text, errors| choice(text, "engine mode", ENGINE_MODES, errors)?;
    rule_perf_time => RulePerfTime = |text, errors| number(text, 0, u32::MAX, errors)?;
    sensor_id => SensorId = |text, _errors| text.bytes().to_vec();
    server_signature => ServerSignature = |text, _errors| text.bytes().to_vec();
    status_engine => StatusEngine = |text, errors| on_off(text, errors)?;
    stream_in_body_inspection => StreamInBodyInspection = |text, errors| on_off(text, errors)?;
    stream_out_body_inspection => StreamOutBodyInspection = |text, errors| on_off(text, errors)?;
    tmp_dir => TmpDir = |text, errors| path(text, errors)?;
    tmp_save_uploaded_files => TmpSaveUploadedFiles = |text, errors| on_off(text, errors)?;
    upload_dir => UploadDir = |text, errors| path(text, errors)?;
    upload_file_limit => UploadFileLimit = |text, errors| number(text, 0, u32::MAX, errors)?;
    upload_file_mode => UploadFileMode = |text, errors| mode(text, errors)?;
    upload_keep_files => UploadKeepFiles = |text, errors| choice(
        text, "mode",
        &[("Off", UploadKeepFiles::Off), ("On", UploadKeepFiles::On),
          ("RelevantOnly", UploadKeepFiles::RelevantOnly)], errors)?;
    web_app_id => WebAppId = |text, _errors| text.bytes().to_vec();
    xml_external_entity => XmlExternalEntity = |text, errors| on_off(text, errors)?;
}

/// `SecRemoteRules key url`
pub(crate) fn remote_rules(arguments: &[Slice<'_>], _errors: &mut Errors) -> Option<Setting> {
    let key = argument(arguments, 0)?.bytes().to_vec();
    Some(Setting::RemoteRules { key, url: argument(arguments, 1)?.bytes().to_vec() })
}

/// `SecResponseBodyMimeType text/html text/plain`
pub(crate) fn response_body_mime_type(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<Setting> {
    let pieces = arguments.iter().flat_map(|text| text.pieces(|byte| matches!(byte, b' ' | b'\t')));
    let types: Vec<Vec<u8>> = pieces.map(|piece| piece.bytes().to_ascii_lowercase()).collect();
    if types.is_empty() {
        errors.push(argument(arguments, 0)?.span(), "a MIME type is missing");
    }
    Some(Setting::ResponseBodyMimeType(types))
}

/// `SecResponseBodyMimeTypesClear`
pub(crate) fn response_body_mime_types_clear(_: &[Slice<'_>], _errors: &mut Errors) -> Option<Setting> {
    Some(Setting::ResponseBodyMimeTypesClear)
}

/// `SecUnicodeMapFile unicode.mapping 20127`; libmodsecurity also takes both as one quoted argument.
pub(crate) fn unicode_map_file(arguments: &[Slice<'_>], errors: &mut Errors) -> Option<Setting> {
    let pieces: Vec<Slice<'_>> =
        arguments.iter().flat_map(|text| text.pieces(|byte| matches!(byte, b' ' | b'\t'))).collect();
    let [file, code_page] = pieces.as_slice() else {
        let message = "SecUnicodeMapFile takes a file and a code page";
        errors.hint(argument(arguments, 0)?.span(), message, "for example unicode.mapping 20127");
        return None;
    };
    let code_page = number(*code_page, 0, u32::MAX, errors)?;
    Some(Setting::UnicodeMapFile { path: path(*file, errors)?, code_page })
}

fn separator(text: Slice<'_>, errors: &mut Errors) -> Option<u8> {
    match text.bytes() {
        [byte] => Some(*byte),
        other => {
            errors.push(text.span(), format!("the separator must be one byte, not `{}`", show(other)));
            None
        }
    }
}

fn path(text: Slice<'_>, errors: &mut Errors) -> Option<PathBuf> {
    if text.is_empty() {
        errors.push(text.span(), "a path is missing");
        return None;
    }
    let found = path_from_bytes(text.bytes());
    if found.is_none() {
        errors.push(text.span(), "the path is not valid UTF-8");
    }
    found
}

/// A path from its bytes, where this platform can express it.
pub(crate) fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// File modes: octal, or `default`.
fn mode(text: Slice<'_>, errors: &mut Errors) -> Option<Option<u32>> {
    if text.bytes().eq_ignore_ascii_case(b"default") {
        return Some(None);
    }
    let digits = std::str::from_utf8(text.bytes()).ok();
    let found = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()).filter(|mode| *mode <= 0o7777);
    if found.is_none() {
        let message = format!("`{}` is no file mode", show(text.bytes()));
        errors.hint(text.span(), message, "an octal number as 0600, or default");
    }
    found.map(Some)
}
