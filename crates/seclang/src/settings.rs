//! Directives that set one value, each parsed into its [`Setting`].

use std::path::PathBuf;

use crate::ast::{LimitAction, Setting};
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
    audit_log_parts => AuditLogParts = |text, errors| ctl::audit_log_parts(text, false, errors)?;
    audit_log_relevant_status => AuditLogRelevantStatus = |text, _errors| text.bytes().to_vec();
    collection_timeout => CollectionTimeout = |text, errors| number(text, 0, u32::MAX, errors)?;
    component_signature => ComponentSignature = |text, _errors| text.bytes().to_vec();
    content_injection => ContentInjection = |text, errors| on_off(text, errors)?;
    geo_lookup_db => GeoLookupDb = |text, errors| path(text, errors)?;
    http_bl_key => HttpBlKey = |text, _errors| text.bytes().to_vec();
    parse_xml_into_args => ParseXmlIntoArgs = |text, errors| choice(text, "mode", XML_INTO_ARGS, errors)?;
    pcre_match_limit => PcreMatchLimit = |text, errors| number(text, 1, u32::MAX, errors)?;
    request_body_access => RequestBodyAccess = |text, errors| on_off(text, errors)?;
    request_body_json_depth_limit => RequestBodyJsonDepthLimit = |text, errors| number(text, 1, u32::MAX, errors)?;
    request_body_limit => RequestBodyLimit = |text, errors| number(text, 0, u64::MAX, errors)?;
    request_body_limit_action => RequestBodyLimitAction = |text, errors| choice(text, "limit action", LIMIT_ACTIONS, errors)?;
    request_body_no_files_limit => RequestBodyNoFilesLimit = |text, errors| number(text, 0, u64::MAX, errors)?;
    response_body_access => ResponseBodyAccess = |text, errors| on_off(text, errors)?;
    response_body_limit => ResponseBodyLimit = |text, errors| number(text, 0, u64::MAX, errors)?;
    response_body_limit_action => ResponseBodyLimitAction = |text, errors| choice(text, "limit action", LIMIT_ACTIONS, errors)?;
    rule_engine => RuleEngine = |text, errors| choice(text, "engine mode", ENGINE_MODES, errors)?;
    stream_in_body_inspection => StreamInBodyInspection = |text, errors| on_off(text, errors)?;
    stream_out_body_inspection => StreamOutBodyInspection = |text, errors| on_off(text, errors)?;
    upload_file_limit => UploadFileLimit = |text, errors| number(text, 0, u32::MAX, errors)?;
    web_app_id => WebAppId = |text, _errors| text.bytes().to_vec();
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
