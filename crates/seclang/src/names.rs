//! The closed sets of names: variables, operators, transformations.

/// Defines an enum whose variants each have one SecLang name, looked up without case.
macro_rules! names {
    ($(#[$meta:meta])* $enum:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant is the SecLang name beside it")]
        pub enum $enum { $($variant),+ }

        impl $enum {
            /// Every member, in declaration order.
            pub const ALL: &'static [$enum] = &[$($enum::$variant),+];

            /// The name as the ModSecurity manual writes it.
            pub fn name(self) -> &'static str {
                match self { $($enum::$variant => $name),+ }
            }

            /// Finds a name, in any case.
            pub fn from_name(name: &[u8]) -> Option<$enum> {
                $enum::ALL.iter().copied().find(|item| item.name().as_bytes().eq_ignore_ascii_case(name))
            }
        }
    };
}

names! {
    /// Variables of the ModSecurity v3 reference manual and of Coraza.
    Variable {
        Args = "ARGS", ArgsCombinedSize = "ARGS_COMBINED_SIZE", ArgsGet = "ARGS_GET",
        ArgsGetNames = "ARGS_GET_NAMES", ArgsNames = "ARGS_NAMES", ArgsPath = "ARGS_PATH",
        ArgsPost = "ARGS_POST",
        ArgsPostNames = "ARGS_POST_NAMES", AuthType = "AUTH_TYPE", Duration = "DURATION", Env = "ENV",
        Files = "FILES", FilesCombinedSize = "FILES_COMBINED_SIZE", FilesNames = "FILES_NAMES",
        FilesSizes = "FILES_SIZES", FilesTmpNames = "FILES_TMPNAMES",
        FilesTmpContent = "FILES_TMP_CONTENT", FullRequest = "FULL_REQUEST",
        FullRequestLength = "FULL_REQUEST_LENGTH", Geo = "GEO", Global = "GLOBAL",
        HighestSeverity = "HIGHEST_SEVERITY", InboundDataError = "INBOUND_DATA_ERROR", Ip = "IP", Json = "JSON",
        MatchedVar = "MATCHED_VAR", MatchedVarName = "MATCHED_VAR_NAME", MatchedVars = "MATCHED_VARS",
        MatchedVarsNames = "MATCHED_VARS_NAMES", ModsecBuild = "MODSEC_BUILD",
        MscPcreError = "MSC_PCRE_ERROR", MscPcreLimitsExceeded = "MSC_PCRE_LIMITS_EXCEEDED",
        MultipartBoundaryQuoted = "MULTIPART_BOUNDARY_QUOTED",
        MultipartBoundaryWhitespace = "MULTIPART_BOUNDARY_WHITESPACE",
        MultipartCrlfLfLines = "MULTIPART_CRLF_LF_LINES", MultipartDataAfter = "MULTIPART_DATA_AFTER",
        MultipartDataBefore = "MULTIPART_DATA_BEFORE",
        MultipartFileLimitExceeded = "MULTIPART_FILE_LIMIT_EXCEEDED",
        MultipartFilename = "MULTIPART_FILENAME", MultipartHeaderFolding = "MULTIPART_HEADER_FOLDING",
        MultipartInvalidHeaderFolding = "MULTIPART_INVALID_HEADER_FOLDING",
        MultipartInvalidPart = "MULTIPART_INVALID_PART",
        MultipartInvalidQuoting = "MULTIPART_INVALID_QUOTING", MultipartLfLine = "MULTIPART_LF_LINE",
        MultipartMissingSemicolon = "MULTIPART_MISSING_SEMICOLON",
        MultipartSemicolonMissing = "MULTIPART_SEMICOLON_MISSING", MultipartName = "MULTIPART_NAME",
        MultipartPartHeaders = "MULTIPART_PART_HEADERS",
        MultipartStrictError = "MULTIPART_STRICT_ERROR",
        MultipartUnmatchedBoundary = "MULTIPART_UNMATCHED_BOUNDARY",
        OutboundDataError = "OUTBOUND_DATA_ERROR", PathInfo = "PATH_INFO",
        QueryString = "QUERY_STRING", RemoteAddr = "REMOTE_ADDR", RemoteHost = "REMOTE_HOST",
        RemotePort = "REMOTE_PORT", RemoteUser = "REMOTE_USER",
        ReqbodyError = "REQBODY_ERROR", ReqbodyErrorMsg = "REQBODY_ERROR_MSG",
        ReqbodyProcessor = "REQBODY_PROCESSOR", ReqbodyProcessorError = "REQBODY_PROCESSOR_ERROR",
        ReqbodyProcessorErrorMsg = "REQBODY_PROCESSOR_ERROR_MSG",
        RequestBasename = "REQUEST_BASENAME", RequestBody = "REQUEST_BODY",
        RequestBodyLength = "REQUEST_BODY_LENGTH", RequestCookies = "REQUEST_COOKIES",
        RequestCookiesNames = "REQUEST_COOKIES_NAMES", RequestFilename = "REQUEST_FILENAME",
        RequestHeaders = "REQUEST_HEADERS", RequestHeadersNames = "REQUEST_HEADERS_NAMES",
        RequestLine = "REQUEST_LINE", RequestMethod = "REQUEST_METHOD",
        RequestProtocol = "REQUEST_PROTOCOL", RequestUri = "REQUEST_URI",
        RequestUriRaw = "REQUEST_URI_RAW", ResBodyError = "RES_BODY_ERROR",
        ResBodyErrorMsg = "RES_BODY_ERROR_MSG", ResBodyProcessor = "RES_BODY_PROCESSOR",
        ResBodyProcessorError = "RES_BODY_PROCESSOR_ERROR",
        ResBodyProcessorErrorMsg = "RES_BODY_PROCESSOR_ERROR_MSG", Resource = "RESOURCE",
        ResponseArgs = "RESPONSE_ARGS", ResponseBody = "RESPONSE_BODY",
        ResponseContentLength = "RESPONSE_CONTENT_LENGTH",
        ResponseContentType = "RESPONSE_CONTENT_TYPE", ResponseHeaders = "RESPONSE_HEADERS",
        ResponseHeadersNames = "RESPONSE_HEADERS_NAMES", ResponseProtocol = "RESPONSE_PROTOCOL",
        ResponseStatus = "RESPONSE_STATUS", ResponseXml = "RESPONSE_XML", Rule = "RULE", ServerAddr = "SERVER_ADDR",
        ServerName = "SERVER_NAME", ServerPort = "SERVER_PORT", Session = "SESSION",
        SessionId = "SESSIONID", StatusLine = "STATUS_LINE", StreamInputBody = "STREAM_INPUT_BODY",
        StreamOutputBody = "STREAM_OUTPUT_BODY", Time = "TIME", TimeDay = "TIME_DAY",
        TimeEpoch = "TIME_EPOCH", TimeHour = "TIME_HOUR", TimeMin = "TIME_MIN", TimeMon = "TIME_MON",
        TimeSec = "TIME_SEC", TimeWday = "TIME_WDAY", TimeYear = "TIME_YEAR", Tx = "TX",
        UniqueId = "UNIQUE_ID", UriParseError = "URI_PARSE_ERROR", UrlencodedError = "URLENCODED_ERROR", User = "USER",
        UserId = "USERID", WebappId = "WEBAPPID", WebserverErrorLog = "WEBSERVER_ERROR_LOG",
        Xml = "XML",
    }
}

names! {
    /// Operators of the ModSecurity v3 reference manual and of Coraza; aliases are resolved by the parser.
    OperatorKind {
        BeginsWith = "beginsWith", Contains = "contains", ContainsWord = "containsWord",
        DetectSqli = "detectSQLi", DetectXss = "detectXSS", EndsWith = "endsWith", Eq = "eq",
        FuzzyHash = "fuzzyHash", Ge = "ge", GeoLookup = "geoLookup", GsbLookup = "gsbLookup", Gt = "gt",
        InspectFile = "inspectFile", IpMatch = "ipMatch", IpMatchFromDataset = "ipMatchFromDataset",
        IpMatchFromFile = "ipMatchFromFile",
        Le = "le", Lt = "lt", NoMatch = "noMatch", Pm = "pm", PmFromDataset = "pmFromDataset", PmFromFile = "pmFromFile", Rbl = "rbl",
        RestPath = "restpath", Rsub = "rsub", Rx = "rx", RxGlobal = "rxGlobal", StrEq = "streq", StrMatch = "strmatch",
        UnconditionalMatch = "unconditionalMatch", ValidateByteRange = "validateByteRange",
        ValidateDtd = "validateDTD", ValidateHash = "validateHash", ValidateNid = "validateNid", ValidateSchema = "validateSchema",
        ValidateUrlEncoding = "validateUrlEncoding", ValidateUtf8Encoding = "validateUtf8Encoding",
        VerifyCc = "verifyCC", VerifyCpf = "verifyCPF", VerifySsn = "verifySSN",
        VerifySvnr = "verifySVNR", Within = "within",
    }
}

names! {
    /// Transformations of the ModSecurity v3 reference manual; aliases (`normalisePath`, …) are
    /// resolved by the parser.
    Transformation {
        Base64Decode = "base64Decode", Base64DecodeExt = "base64DecodeExt",
        Base64Encode = "base64Encode", CmdLine = "cmdLine", CompressWhitespace = "compressWhitespace",
        CssDecode = "cssDecode", EscapeSeqDecode = "escapeSeqDecode", HexDecode = "hexDecode",
        HexEncode = "hexEncode", HtmlEntityDecode = "htmlEntityDecode", JsDecode = "jsDecode",
        Length = "length", Lowercase = "lowercase", Md5 = "md5", NormalizePath = "normalizePath",
        NormalizePathWin = "normalizePathWin", ParityEven7bit = "parityEven7bit",
        ParityOdd7bit = "parityOdd7bit", ParityZero7bit = "parityZero7bit",
        PhpArgsNames = "phpArgsNames", RemoveComments = "removeComments",
        RemoveCommentsChar = "removeCommentsChar",
        RemoveNulls = "removeNulls", RemoveWhitespace = "removeWhitespace",
        ReplaceComments = "replaceComments", ReplaceNulls = "replaceNulls", Sha1 = "sha1",
        SqlHexDecode = "sqlHexDecode", Trim = "trim", TrimLeft = "trimLeft", TrimRight = "trimRight",
        Uppercase = "uppercase", UrlDecode = "urlDecode", UrlDecodeUni = "urlDecodeUni",
        UrlEncode = "urlEncode", Utf8ToUnicode = "utf8toUnicode",
    }
}
