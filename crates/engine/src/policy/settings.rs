//! Everything that directives set to one value.

use parapet_seclang::ast::{AuditEngine, EngineMode, LimitAction, ParseXmlIntoArgs, Setting};

/// Settings of a policy, as its directives leave them.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `SecRuleEngine`.
    pub engine: EngineMode,
    /// `SecRequestBodyAccess`.
    pub request_body_access: bool,
    /// `SecRequestBodyLimit`, in bytes.
    pub request_body_limit: u64,
    /// `SecRequestBodyNoFilesLimit`, in bytes: what a body may be long without its uploaded files.
    /// Without the directive only `request_body_limit` counts.
    pub request_body_no_files_limit: Option<u64>,
    /// `SecRequestBodyLimitAction`.
    pub request_body_limit_action: LimitAction,
    /// `SecRequestBodyJsonDepthLimit`.
    pub json_depth_limit: u32,
    /// `SecArgumentsLimit`.
    pub arguments_limit: u32,
    /// `SecArgumentSeparator`.
    pub argument_separator: u8,
    /// `SecUploadFileLimit`.
    pub upload_file_limit: u32,
    /// `SecParseXmlIntoArgs`.
    pub parse_xml_into_args: ParseXmlIntoArgs,
    /// `SecResponseBodyAccess`.
    pub response_body_access: bool,
    /// `SecResponseBodyLimit`, in bytes.
    pub response_body_limit: u64,
    /// `SecResponseBodyLimitAction`.
    pub response_body_limit_action: LimitAction,
    /// `SecResponseBodyMimeType`, in lower case.
    pub response_mime_types: Vec<Vec<u8>>,
    /// `SecAuditEngine`.
    pub audit_engine: AuditEngine,
    /// `SecAuditLogParts`.
    pub audit_log_parts: Vec<u8>,
    /// `SecAuditLogRelevantStatus`, a regular expression.
    pub audit_log_relevant_status: Option<Vec<u8>>,
    /// `SecCollectionTimeout`, in seconds.
    pub collection_timeout: u32,
    /// `SecComponentSignature`, each in order.
    pub component_signatures: Vec<Vec<u8>>,
    /// `SecContentInjection`.
    pub content_injection: bool,
    /// `SecHttpBlKey`.
    pub http_bl_key: Option<Vec<u8>>,
    /// `SecPcreMatchLimit`: ways to match that a pattern which needs backtracking may try from each
    /// byte of a value.
    pub pcre_match_limit: Option<u32>,
    /// `SecStreamInBodyInspection`.
    pub stream_in_body_inspection: bool,
    /// `SecStreamOutBodyInspection`.
    pub stream_out_body_inspection: bool,
    /// `SecWebAppId`.
    pub web_app_id: Option<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            engine: EngineMode::Off,
            request_body_access: false,
            request_body_limit: 13_107_200,
            request_body_no_files_limit: None,
            request_body_limit_action: LimitAction::Reject,
            json_depth_limit: 512,
            arguments_limit: 1000,
            argument_separator: b'&',
            upload_file_limit: 100,
            parse_xml_into_args: ParseXmlIntoArgs::Off,
            response_body_access: false,
            response_body_limit: 524_288,
            response_body_limit_action: LimitAction::ProcessPartial,
            response_mime_types: vec![b"text/plain".to_vec(), b"text/html".to_vec()],
            audit_engine: AuditEngine::Off,
            audit_log_parts: b"ABCFHZ".to_vec(),
            audit_log_relevant_status: None,
            collection_timeout: 3600,
            component_signatures: Vec::new(),
            content_injection: false,
            http_bl_key: None,
            pcre_match_limit: None,
            stream_in_body_inspection: false,
            stream_out_body_inspection: false,
            web_app_id: None,
        }
    }
}

impl Settings {
    /// Applies one directive. `mime_types_set` says whether the list of types is still the default
    /// one, which the first directive replaces.
    pub(crate) fn apply(&mut self, setting: &Setting, mime_types_set: &mut bool) {
        match setting {
            Setting::RuleEngine(mode) => self.engine = *mode,
            Setting::RequestBodyAccess(on) => self.request_body_access = *on,
            Setting::RequestBodyLimit(limit) => self.request_body_limit = *limit,
            Setting::RequestBodyNoFilesLimit(limit) => self.request_body_no_files_limit = Some(*limit),
            Setting::RequestBodyLimitAction(action) => self.request_body_limit_action = *action,
            Setting::RequestBodyJsonDepthLimit(depth) => self.json_depth_limit = *depth,
            Setting::ArgumentsLimit(limit) => self.arguments_limit = *limit,
            Setting::ArgumentSeparator(byte) => self.argument_separator = *byte,
            Setting::UploadFileLimit(limit) => self.upload_file_limit = *limit,
            Setting::ParseXmlIntoArgs(mode) => self.parse_xml_into_args = *mode,
            Setting::ResponseBodyAccess(on) => self.response_body_access = *on,
            Setting::ResponseBodyLimit(limit) => self.response_body_limit = *limit,
            Setting::ResponseBodyLimitAction(action) => self.response_body_limit_action = *action,
            Setting::ResponseBodyMimeType(types) => {
                if !std::mem::replace(mime_types_set, true) {
                    self.response_mime_types.clear();
                }
                self.response_mime_types.extend(types.iter().map(|kind| kind.to_ascii_lowercase()));
            }
            Setting::ResponseBodyMimeTypesClear => {
                *mime_types_set = true;
                self.response_mime_types.clear();
            }
            Setting::ContentInjection(on) => self.content_injection = *on,
            Setting::HttpBlKey(key) => self.http_bl_key = Some(key.clone()),
            Setting::PcreMatchLimit(limit) => self.pcre_match_limit = Some(*limit),
            Setting::StreamInBodyInspection(on) => self.stream_in_body_inspection = *on,
            Setting::StreamOutBodyInspection(on) => self.stream_out_body_inspection = *on,
            Setting::AuditEngine(engine) => self.audit_engine = *engine,
            Setting::AuditLogParts(parts) => self.audit_log_parts.clone_from(parts),
            Setting::AuditLogRelevantStatus(pattern) => self.audit_log_relevant_status = Some(pattern.clone()),
            Setting::CollectionTimeout(seconds) => self.collection_timeout = *seconds,
            Setting::ComponentSignature(text) => self.component_signatures.push(text.clone()),
            Setting::WebAppId(text) => self.web_app_id = Some(text.clone()),
            // Their files are read where the policy is compiled.
            Setting::GeoLookupDb(_) | Setting::UnicodeMapFile { .. } => {}
        }
    }
}
