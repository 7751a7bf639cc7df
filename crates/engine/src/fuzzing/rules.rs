//! Random rules and requests that have a chance to meet.

use super::choices::Choices;

/// Text that rules look for and requests are made of.
pub(super) const WORDS: &[&[u8]] = &[
    b"a",
    b"b",
    b"B",
    b"1",
    b"0",
    b" ",
    b"or",
    b"union",
    b"select",
    b"UNION",
    b"<script>",
    b"=",
    b"'",
    b"\"",
    b"--",
    b"/*",
    b"*/",
    b"../",
    b"/",
    b"\\",
    b"%41",
    b"%u0041",
    b"%25",
    b"+",
    b"&lt;",
    b"&#97;",
    b"\\x61",
    b"\\u0061",
    b"onload=",
    b"sleep(",
    b")",
    b";",
    b".",
    b"_",
    b"x",
    b"\xc3\xa9",
    b"\xff",
    b"\0",
    b"4111111111111111",
    b"abc",
    b"script",
    b"\t",
    b"YWJj",
    b"616263",
    b"javascript:",
    b"-",
    b"#",
    b"^",
];
/// Pieces of patterns.
const PATTERNS: &[&str] = &[
    "a",
    "b",
    "or",
    "union",
    "(?i)select",
    "[a-z]+",
    r"\d{1,3}",
    "(?:a|b|union)",
    r"\bor\b",
    "^",
    "$",
    ".",
    ".*",
    "x?",
    "(a+)",
    "(?=a)",
    r"(\w)\1",
    r"\x41",
    "[^a]",
    r"\s*",
    "union.{0,5}select",
    "a{2,}",
    "(?i:SCRIPT)",
    r"\W",
    "<",
    "=",
    "'",
    "(?:abc|select|--)",
    "a|b",
    "[[:alpha:]]{3}",
    r"\xff",
    "(?!b)",
    "b*",
    "(?i)on[a-z]{3,9}=",
    "/",
    "(?:^|a)b",
    "1|or",
];
const TARGETS: &[&str] = &[
    "ARGS",
    "ARGS_NAMES",
    "ARGS:a",
    "ARGS:/^a/",
    "ARGS_GET",
    "ARGS_POST",
    "ARGS_GET_NAMES",
    "ARGS_COMBINED_SIZE",
    "REQUEST_HEADERS",
    "REQUEST_HEADERS:X",
    "REQUEST_HEADERS_NAMES",
    "REQUEST_COOKIES",
    "REQUEST_COOKIES_NAMES",
    "REQUEST_URI",
    "REQUEST_URI_RAW",
    "REQUEST_FILENAME",
    "REQUEST_BASENAME",
    "REQUEST_BODY",
    "REQUEST_LINE",
    "REQUEST_METHOD",
    "QUERY_STRING",
    "&ARGS",
    "&TX:a",
    "&REQUEST_HEADERS:X",
    "TX:a",
    "TX:/a/",
    "TX",
    "MATCHED_VAR",
    "MATCHED_VARS",
    "MATCHED_VARS_NAMES",
    "MATCHED_VAR_NAME",
    "RESPONSE_BODY",
    "RESPONSE_HEADERS:X",
    "RESPONSE_STATUS",
    "FILES",
    "FILES_NAMES",
    "MULTIPART_PART_HEADERS",
    "XML:/*",
    "XML://@*",
    "REMOTE_ADDR",
    "REQBODY_ERROR",
    "TX:1",
    "REQUEST_PROTOCOL",
    "ARGS|!ARGS:a",
    "ARGS|ARGS_NAMES|REQUEST_COOKIES|!REQUEST_COOKIES:/a/|XML:/*",
    "REQUEST_HEADERS|!REQUEST_HEADERS:X",
    "TX:0",
];
const TRANSFORMATIONS: &[&str] = &[
    "none",
    "lowercase",
    "uppercase",
    "urlDecode",
    "urlDecodeUni",
    "htmlEntityDecode",
    "jsDecode",
    "cssDecode",
    "removeWhitespace",
    "compressWhitespace",
    "removeNulls",
    "replaceNulls",
    "replaceComments",
    "removeComments",
    "removeCommentsChar",
    "cmdLine",
    "normalizePath",
    "normalizePathWin",
    "base64Decode",
    "base64DecodeExt",
    "hexDecode",
    "sqlHexDecode",
    "escapeSeqDecode",
    "utf8toUnicode",
    "length",
    "trim",
    "trimLeft",
    "trimRight",
    "hexEncode",
    "md5",
    "urlEncode",
    "base64Encode",
];
const ACTIONS: &[&str] = &[
    "setvar:tx.a=1",
    "setvar:tx.a=+1",
    "setvar:tx.a=-2",
    "setvar:!tx.a",
    "setvar:'tx.b=%{MATCHED_VAR}'",
    "setvar:'tx.a_%{MATCHED_VAR_NAME}=%{tx.1}'",
    "ctl:ruleRemoveById=2",
    "ctl:ruleRemoveById=3-4",
    "ctl:ruleRemoveTargetById=2;ARGS:a",
    "ctl:ruleRemoveTargetById=3;ARGS",
    "ctl:ruleRemoveTargetByTag=t;REQUEST_COOKIES:a",
    "ctl:ruleRemoveByTag=t",
    "capture",
    "multiMatch",
    "tag:t",
    "tag:'%{tx.0}'",
    "msg:'%{MATCHED_VAR_NAME} %{tx.a}'",
    "logdata:'%{MATCHED_VAR} %{tx.0}'",
    "severity:2",
    "setvar:tx.inbound_anomaly_score=+3",
    "ctl:requestBodyProcessor=URLENCODED",
    "ctl:requestBodyProcessor=XML",
    "ctl:requestBodyProcessor=JSON",
    "ctl:forceRequestBodyVariable=On",
    "ctl:ruleEngine=DetectionOnly",
    "setvar:tx.b=%{tx.a}",
    "nolog",
    "auditlog",
];
const FLOWS: &[&str] =
    &["pass", "pass", "pass", "deny", "block", "allow", "allow:phase", "skip:1", "skipAfter:END", "skipAfter:MIDDLE"];

/// A configuration of up to eight rules.
pub(super) fn configuration(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut text = b"SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n".to_vec();
    text.extend_from_slice(b"SecResponseBodyMimeType text/html\n");
    if choices.one_in(4) {
        text.extend_from_slice(b"SecDefaultAction \"phase:2,log,deny,status:406\"\n");
    }
    for id in 1..=1 + choices.below(8) {
        rule(choices, id, &mut text);
        if choices.one_in(6) {
            text.extend_from_slice(b"SecMarker MIDDLE\n");
        }
    }
    // What a rule skips to must be there.
    text.extend_from_slice(b"SecMarker MIDDLE\nSecMarker END\n");
    match choices.below(6) {
        4 => text.extend_from_slice(b"SecRuleUpdateTargetById 2 \"!ARGS:a\"\n"),
        5 => text.extend_from_slice(b"SecRuleRemoveById 3\n"),
        _ => {}
    }
    text
}

fn rule(choices: &mut Choices<'_>, id: usize, text: &mut Vec<u8>) {
    let phase = choices.pick(&[1, 2, 2, 2, 4, 5]);
    let links = 1 + choices.pick(&[0, 0, 0, 1, 2]);
    for link in 0..links {
        let mut actions =
            if link == 0 { format!("id:{id},phase:{phase},log,{}", choices.pick(FLOWS)) } else { "log".to_owned() };
        for _ in 0..choices.below(4) {
            actions.push_str(",t:");
            actions.push_str(choices.pick(TRANSFORMATIONS));
        }
        for _ in 0..choices.below(4) {
            actions.push(',');
            actions.push_str(choices.pick(ACTIONS));
        }
        if link + 1 < links {
            actions.push_str(",chain");
        }
        let mut targets = choices.pick(TARGETS).to_owned();
        if choices.one_in(3) {
            targets.push('|');
            targets.push_str(choices.pick(TARGETS));
        }
        let negation = if choices.one_in(6) { "!" } else { "" };
        text.extend_from_slice(format!("SecRule {targets} \"{negation}").as_bytes());
        text.extend_from_slice(&operator(choices));
        text.extend_from_slice(format!("\" \"{actions}\"\n").as_bytes());
    }
}

/// An operator with its argument.
fn operator(choices: &mut Choices<'_>) -> Vec<u8> {
    let name = choices.pick(&[
        "rx",
        "rx",
        "rx",
        "rx",
        "rx",
        "pm",
        "pm",
        "contains",
        "beginsWith",
        "endsWith",
        "streq",
        "within",
        "containsWord",
        "strmatch",
        "eq",
        "ge",
        "lt",
        "detectSQLi",
        "detectXSS",
        "validateByteRange",
        "validateUrlEncoding",
        "validateUtf8Encoding",
        "ipMatch",
        "unconditionalMatch",
        "verifyCC",
        "rxGlobal",
    ]);
    let mut argument = match name {
        "rx" | "rxGlobal" if choices.one_in(12) => b"%{tx.b}".to_vec(),
        "rx" | "rxGlobal" => pattern(choices),
        "pm" => (0..=choices.below(4)).flat_map(|_| [&word(choices)[..], b" "].concat()).collect(),
        "eq" | "ge" | "lt" => choices.pick(&[&b"0"[..], b"1", b"3", b"200", b"%{tx.a}"]).to_vec(),
        "detectSQLi" | "detectXSS" | "validateUrlEncoding" | "validateUtf8Encoding" | "unconditionalMatch" => {
            Vec::new()
        }
        "validateByteRange" => choices.pick(&[&b"32-126"[..], b"0-255", b"9,10,13,97-122", b"1-255"]).to_vec(),
        "ipMatch" => choices.pick(&[&b"127.0.0.0/8"[..], b"::1,10.0.0.1"]).to_vec(),
        "verifyCC" => br"\d{13,16}".to_vec(),
        _ if choices.one_in(6) => b"%{tx.b}".to_vec(),
        _ => [word(choices), word(choices)].concat(),
    };
    // What would end or escape the quoted argument is not what is tested here.
    argument.retain(|byte| !matches!(byte, b'"' | b'\n' | b'\r' | 0));
    [b"@", name.as_bytes(), b" ", &argument].concat()
}

/// A word that can stand in an unquoted list.
pub(super) fn word(choices: &mut Choices<'_>) -> Vec<u8> {
    let word = choices.pick(WORDS);
    word.iter().copied().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\\')).collect()
}

/// A pattern; not all are valid.
pub(super) fn pattern(choices: &mut Choices<'_>) -> Vec<u8> {
    (0..=choices.below(4)).flat_map(|_| choices.pick(PATTERNS).bytes()).collect()
}

/// A request and its response.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) method: Vec<u8>,
    pub(super) uri: Vec<u8>,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) status: u16,
    pub(super) response: Vec<u8>,
}

/// One that is made of the words that rules look for.
pub(super) fn exchange(choices: &mut Choices<'_>) -> Exchange {
    let mut exchange = Exchange {
        method: choices.pick(&[&b"GET"[..], b"POST", b"HEAD"]).to_vec(),
        uri: [b"/", &choices.text(WORDS, 4)[..], b"?", &pairs(choices, b"&")].concat(),
        status: choices.pick(&[200, 404, 500]),
        ..Exchange::default()
    };
    let mut header = |name: &[u8], value: Vec<u8>| exchange.headers.push((name.to_vec(), value));
    header(b"Host", b"localhost".to_vec());
    header(choices.pick(&[&b"X"[..], b"x", b"Y", b"Referer"]), choices.text(WORDS, 6));
    if choices.one_in(2) {
        header(b"Cookie", pairs(choices, b"; "));
    }
    let (kind, body): (&[u8], Vec<u8>) = match choices.below(6) {
        0 => (b"", Vec::new()),
        1 | 2 => (b"application/x-www-form-urlencoded", pairs(choices, b"&")),
        3 => (b"multipart/form-data; boundary=XX", parts(choices)),
        4 => {
            let (name, value) = (choices.text(WORDS, 2), choices.text(WORDS, 6));
            (b"application/json", [b"{\"", &name[..], b"\":[\"", &value, b"\",1,{\"a\":\"", &value, b"\"}]}"].concat())
        }
        _ => {
            let (attribute, value) = (choices.text(WORDS, 2), choices.text(WORDS, 6));
            (b"text/xml", [b"<a b='", &attribute[..], b"'>", &value, b"</a>"].concat())
        }
    };
    if !kind.is_empty() {
        header(b"Content-Type", kind.to_vec());
    }
    exchange.body = body;
    exchange.response = choices.text(WORDS, 8);
    exchange
}

fn pairs(choices: &mut Choices<'_>, separator: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for index in 0..choices.below(5) {
        if index > 0 {
            text.extend_from_slice(separator);
        }
        text.extend(choices.text(WORDS, 2));
        text.push(b'=');
        text.extend(choices.text(WORDS, 6));
    }
    text
}

fn parts(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..choices.below(4) {
        let file = if choices.one_in(3) { "; filename=\"a.php\"" } else { "" };
        let name = choices.pick(&["a", "b", "or", "x y"]);
        let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        text.extend_from_slice(head.as_bytes());
        text.extend(choices.text(WORDS, 6));
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(choices.pick(&[&b"--XX--\r\n"[..], b"--XX--", b"--XX", b""]));
    text
}
