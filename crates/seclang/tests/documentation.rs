//! The documentation says what the tables of supported names say, and no documented name is missing.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::path::Path;

use parapet_seclang::support::{Entry, Kind, Support, inventory};

const KINDS: &[(Kind, &str, &str)] = &[
    (Kind::Directive, "directive", "Directives"),
    (Kind::Variable, "variable", "Variables"),
    (Kind::Operator, "operator", "Operators"),
    (Kind::Transformation, "transformation", "Transformations"),
    (Kind::Action, "action", "Actions"),
    (Kind::CtlOption, "`ctl` option", "Options of `ctl`"),
    (Kind::BodyProcessor, "body processor", "Body processors"),
];

fn exceptions(entries: &[Entry]) -> String {
    let mut table = "| kind | name | what happens |\n|---|---|---|\n".to_owned();
    for (kind, singular, _) in KINDS {
        for entry in entries.iter().filter(|entry| entry.kind == *kind) {
            let happens = match entry.support {
                Support::Full => continue,
                Support::Only(value, why) => format!("only `{value}` is accepted; it {why}"),
                Support::Idle(why) => format!("accepted with a warning: {why}"),
                Support::Refused(why) => format!("error: {why}"),
            };
            writeln!(table, "| {singular} | `{}` | {happens} |", entry.name).unwrap();
        }
    }
    table
}

fn supported(entries: &[Entry]) -> String {
    let mut lists = String::new();
    for (kind, _, plural) in KINDS {
        let named = entries.iter().filter(|entry| entry.kind == *kind && entry.support == Support::Full);
        let names: Vec<String> = named.map(|entry| format!("`{}`", entry.name)).collect();
        writeln!(lists, "**{plural}** ({}): {}.\n", names.len(), names.join(" ")).unwrap();
    }
    lists.truncate(lists.len() - 1);
    lists
}

/// The page with the part between two comments replaced.
fn with_part(page: &str, name: &str, part: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{part}{end}{after}")
}

#[test]
fn the_page_lists_what_the_tables_say() {
    let path = Path::new("../../docs/seclang.md");
    let page = std::fs::read_to_string(path).unwrap();
    let entries = inventory();
    let fresh = with_part(&page, "exceptions", &exceptions(&entries));
    let fresh = with_part(&fresh, "supported", &supported(&entries));
    if std::env::var_os("PARAPET_UPDATE_DOCS").is_some() {
        std::fs::write(path, &fresh).unwrap();
    } else {
        assert!(page == fresh, "docs/seclang.md is stale: run this test with PARAPET_UPDATE_DOCS=1");
    }
}

// What the scanner of libmodsecurity 3.0.16 and its reference manual name, and what Coraza 3 adds.
const DIRECTIVES: &str =
    "Include SecAction SecArgumentSeparator SecArgumentsLimit SecAuditEngine SecAuditLog SecAuditLog2
    SecAuditLogDirMode SecAuditLogFileMode SecAuditLogFormat SecAuditLogParts SecAuditLogRelevantStatus
    SecAuditLogStorageDir SecAuditLogType SecCacheTransformations SecChrootDir SecCollectionTimeout
    SecComponentSignature SecConnEngine SecConnReadStateLimit SecConnWriteStateLimit SecContentInjection
    SecCookieFormat SecCookieV0Separator SecDataDir SecDebugLog SecDebugLogLevel SecDefaultAction
    SecDisableBackendCompression SecGeoLookupDb SecGsbLookupDb SecGuardianLog SecHashEngine SecHashKey
    SecHashMethodPm SecHashMethodRx SecHashParam SecHttpBlKey SecInterceptOnError SecMarker SecParseXmlIntoArgs
    SecPcreMatchLimit SecPcreMatchLimitRecursion SecRemoteRules SecRemoteRulesFailAction SecRequestBodyAccess
    SecRequestBodyInMemoryLimit SecRequestBodyJsonDepthLimit SecRequestBodyLimit SecRequestBodyLimitAction
    SecRequestBodyNoFilesLimit SecResponseBodyAccess SecResponseBodyLimit SecResponseBodyLimitAction
    SecResponseBodyMimeType SecResponseBodyMimeTypesClear SecRule SecRuleEngine SecRuleInheritance SecRulePerfTime
    SecRuleRemoveById SecRuleRemoveByMsg SecRuleRemoveByTag SecRuleScript SecRuleUpdateActionById
    SecRuleUpdateTargetById SecRuleUpdateTargetByMsg SecRuleUpdateTargetByTag SecSensorId SecServerSignature
    SecStatusEngine SecStreamInBodyInspection SecStreamOutBodyInspection SecTmpDir SecTmpSaveUploadedFiles
    SecUnicodeMapFile SecUploadDir SecUploadFileLimit SecUploadFileMode SecUploadKeepFiles SecWebAppId
    SecXmlExternalEntity
    SecAuditLogDir SecDataset SecIgnoreRuleCompilationErrors SecRxPreFilter";
const VARIABLES: &str = "ARGS ARGS_COMBINED_SIZE ARGS_GET ARGS_GET_NAMES ARGS_NAMES ARGS_POST ARGS_POST_NAMES AUTH_TYPE
    DURATION ENV FILES FILES_COMBINED_SIZE FILES_NAMES FILES_SIZES FILES_TMPNAMES FILES_TMP_CONTENT FULL_REQUEST
    FULL_REQUEST_LENGTH GEO GLOBAL HIGHEST_SEVERITY INBOUND_DATA_ERROR IP MATCHED_VAR MATCHED_VARS MATCHED_VARS_NAMES
    MATCHED_VAR_NAME MODSEC_BUILD MSC_PCRE_ERROR MSC_PCRE_LIMITS_EXCEEDED MULTIPART_BOUNDARY_QUOTED
    MULTIPART_BOUNDARY_WHITESPACE MULTIPART_CRLF_LF_LINES MULTIPART_DATA_AFTER MULTIPART_DATA_BEFORE
    MULTIPART_FILENAME MULTIPART_FILE_LIMIT_EXCEEDED MULTIPART_HEADER_FOLDING MULTIPART_INVALID_HEADER_FOLDING
    MULTIPART_INVALID_PART MULTIPART_INVALID_QUOTING MULTIPART_LF_LINE MULTIPART_MISSING_SEMICOLON MULTIPART_NAME
    MULTIPART_PART_HEADERS MULTIPART_SEMICOLON_MISSING MULTIPART_STRICT_ERROR MULTIPART_UNMATCHED_BOUNDARY
    OUTBOUND_DATA_ERROR PATH_INFO QUERY_STRING REMOTE_ADDR REMOTE_HOST REMOTE_PORT REMOTE_USER REQBODY_ERROR
    REQBODY_ERROR_MSG REQBODY_PROCESSOR REQBODY_PROCESSOR_ERROR REQBODY_PROCESSOR_ERROR_MSG REQUEST_BASENAME
    REQUEST_BODY REQUEST_BODY_LENGTH REQUEST_COOKIES REQUEST_COOKIES_NAMES REQUEST_FILENAME REQUEST_HEADERS
    REQUEST_HEADERS_NAMES REQUEST_LINE REQUEST_METHOD REQUEST_PROTOCOL REQUEST_URI REQUEST_URI_RAW RESOURCE
    RESPONSE_BODY RESPONSE_CONTENT_LENGTH RESPONSE_CONTENT_TYPE RESPONSE_HEADERS RESPONSE_HEADERS_NAMES
    RESPONSE_PROTOCOL RESPONSE_STATUS RULE SERVER_ADDR SERVER_NAME SERVER_PORT SESSION SESSIONID STATUS_LINE
    STREAM_INPUT_BODY STREAM_OUTPUT_BODY TIME TIME_DAY TIME_EPOCH TIME_HOUR TIME_MIN TIME_MON TIME_SEC TIME_WDAY
    TIME_YEAR TX UNIQUE_ID URLENCODED_ERROR USER USERID WEBAPPID WEBSERVER_ERROR_LOG XML
    ARGS_PATH JSON RESPONSE_ARGS RESPONSE_XML RES_BODY_ERROR RES_BODY_ERROR_MSG RES_BODY_PROCESSOR
    RES_BODY_PROCESSOR_ERROR RES_BODY_PROCESSOR_ERROR_MSG URI_PARSE_ERROR";
const OPERATORS: &str =
    "beginsWith contains containsWord detectSQLi detectXSS endsWith eq fuzzyHash ge geoLookup gsbLookup
    gt inspectFile ipMatch ipMatchFromFile le lt noMatch pm pmFromFile rbl rsub rx rxGlobal streq strmatch
    unconditionalMatch validateByteRange validateDTD validateHash validateSchema validateUrlEncoding
    validateUtf8Encoding verifyCC verifyCPF verifySSN verifySVNR within
    ipMatchFromDataset pmFromDataset restpath validateNid";
const TRANSFORMATIONS: &str = "base64Decode base64DecodeExt base64Encode cmdLine compressWhitespace cssDecode
    escapeSeqDecode hexDecode hexEncode htmlEntityDecode jsDecode length lowercase md5 none normalizePath
    normalizePathWin parityEven7bit parityOdd7bit parityZero7bit phpArgsNames removeComments removeCommentsChar
    removeNulls removeWhitespace replaceComments replaceNulls sha1 sqlHexDecode trim trimLeft trimRight uppercase
    urlDecode urlDecodeUni urlEncode utf8toUnicode";
const ACTIONS: &str = "accuracy allow append auditlog block capture chain ctl deny deprecatevar drop exec expirevar id
    initcol log logdata maturity msg multiMatch noauditlog nolog pass pause phase prepend proxy redirect rev
    sanitiseArg sanitiseMatched sanitiseMatchedBytes sanitiseRequestHeader sanitiseResponseHeader setenv setrsc setsid
    setuid setvar severity skip skipAfter status t tag ver xmlns";
const OPTIONS: &str = "auditEngine auditLogParts debugLogLevel forceRequestBodyVariable hashEnforcement hashEngine
    parseXmlIntoArgs requestBodyAccess requestBodyLimit requestBodyProcessor responseBodyAccess responseBodyLimit
    ruleEngine ruleRemoveById ruleRemoveByMsg ruleRemoveByTag ruleRemoveTargetById ruleRemoveTargetByMsg
    ruleRemoveTargetByTag
    forceResponseBodyVariable responseBodyProcessor";
const PROCESSORS: &str = "URLENCODED MULTIPART XML JSON RAW";

#[test]
fn every_documented_name_is_in_the_tables_and_no_other() {
    // Directives of ModSecurity 2 that have a row so that their error can say what to do.
    const OLD: &[&str] =
        &["IncludeOptional", "SecReadStateLimit", "SecRequestEncoding", "SecUnicodeCodePage", "SecWriteStateLimit"];
    let entries = inventory();
    let lists = [DIRECTIVES, VARIABLES, OPERATORS, TRANSFORMATIONS, ACTIONS, OPTIONS, PROCESSORS];
    for ((kind, singular, _), list) in KINDS.iter().zip(lists) {
        let documented: Vec<&str> = list.split_whitespace().collect();
        let known: Vec<&str> = entries.iter().filter(|entry| entry.kind == *kind).map(|entry| entry.name).collect();
        for name in &documented {
            assert!(known.contains(name), "the {singular} {name} is documented and has no row");
        }
        for name in &known {
            let listed = documented.contains(name) || OLD.contains(name);
            assert!(listed, "the {singular} {name} has a row and is documented nowhere");
        }
    }
}
