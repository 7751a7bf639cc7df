//! Requests and responses that are made to cost as much as possible, of any size.

/// A request, and the body of its response.
#[derive(Default)]
pub(crate) struct Exchange {
    pub(crate) uri: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) response: Vec<u8>,
}

impl Exchange {
    /// Bytes of everything.
    pub(crate) fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.uri.len() + headers + self.body.len() + self.response.len()
    }

    fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Exchange {
        self.headers.push((name.as_bytes().to_vec(), value.into()));
        self
    }
}

/// A family of inputs.
pub(crate) struct Input {
    pub(crate) name: String,
    /// Makes one of about so many bytes.
    pub(crate) make: Box<dyn Fn(usize) -> Exchange>,
}

/// Text that, repeated, has made a transformation or a parser of some engine take quadratic time, or
/// that keeps a pattern's automaton in its most expensive states.
const REPEATED: &[&str] = &[
    "a",
    " ",
    "a ",
    "%20a",
    "%00",
    "a%00",
    "/*",
    "*/",
    "/**/",
    "<!--",
    "-->",
    "--",
    "#",
    "&amp;#",
    "&#x3",
    "&#0000",
    "&a",
    "&lt;",
    "\\",
    "\\\\",
    "\\u",
    "\\u0041",
    "\\x4",
    "\\101",
    "/../",
    "../",
    "./",
    "//",
    "/a/../",
    "0x",
    "0x41",
    "%u",
    "%u0041",
    "%",
    "%25",
    "\"",
    "^",
    "'",
    "\"^'\\",
    " ,;",
    "(",
    " (",
    "/ ",
    "\u{e9}",
    "\u{1f600}",
    "YWJj",
    "616263",
    "=",
    "[",
    "{",
    "<",
    "{{",
    "${",
    "a.",
    "a`",
    "$a$",
    "@",
    "@@a",
    "1,",
    "1+",
    "or ",
    "' or ",
    "1 or 1=1 ",
    "union select ",
    "select(",
    "x'0",
    "q'(",
    "e1",
    ";",
    ";cat ",
    "/bin/",
    "$(",
    "`",
    "a;a",
    "|",
    "/???/",
    "{a,b}",
    "a'b'",
    "$IFS",
    "<a ",
    "<a b=",
    "<script ",
    "on",
    "onx=",
    "javascript:",
    "data:",
    "style=",
    "expression(",
    "<?",
    "<?php ",
    "eval(",
    "_GET[",
    "O:1:",
    "http://",
    "file://",
    "\r\n",
    "\r\na: b",
    "set-cookie:",
    "python ",
    ".ini ",
    "c:\\",
    "\\\\a\\",
    "wget ",
    "nc -",
    "function(",
    "=>",
    "import ",
    "constructor",
    "__proto__",
    "java.lang.",
    "%{",
    "#{",
    "rO0AB",
    "aced0005",
    "()",
    "!!",
    "~",
    "zz",
    "0",
    "-1",
    "+",
    "aA1",
    "\t",
];

/// Words that begin what many patterns look for, so that their automata never settle.
const WORDS: &[&str] = &[
    "select",
    "union",
    "from",
    "or",
    "and",
    "sleep",
    "having",
    "like",
    "between",
    "cat",
    "etc",
    "passwd",
    "bin",
    "sh",
    "wget",
    "script",
    "onload",
    "alert",
    "style",
    "href",
    "javascript",
    "eval",
    "exec",
    "system",
    "php",
    "base64",
    "http",
    "file",
    "ftp",
    "..",
    "/",
    "\\",
    "'",
    "\"",
    "`",
    "(",
    ")",
    "<",
    ">",
    "=",
    ";",
    "|",
    "$",
    "{",
    "}",
    "[",
    "]",
    "@",
    "#",
    "--",
    "/*",
    "*/",
    "0x",
    "1",
    "23",
    " ",
    "  ",
    "\t",
    ",",
    ":",
    "!",
    "~",
    "^",
    "*",
    "?",
    "a",
    "zz",
    "_",
    "-",
    ".",
];

fn repeat(text: &str, size: usize) -> Vec<u8> {
    let mut out = text.repeat(size / text.len() + 1).into_bytes();
    out.truncate(size);
    out
}

/// Words in no order, the same in every run.
fn jumble(size: usize, salt: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 16);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ salt;
    while out.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(WORDS[(state >> 20) as usize % WORDS.len()].as_bytes());
    }
    out.truncate(size);
    out
}

/// So that a form holds exactly this text.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b'&' | b'=' | b'+' | b'%' | b'#' => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out
}

fn get() -> Exchange {
    Exchange { uri: b"/".to_vec(), ..Exchange::default() }
        .header("Host", "shop.example.com")
        .header("User-Agent", "Mozilla/5.0")
        .header("Accept", "*/*")
}

fn post(kind: &str, body: Vec<u8>) -> Exchange {
    let length = body.len().to_string();
    Exchange { body, ..get() }.header("Content-Type", kind).header("Content-Length", length)
}

fn form(body: Vec<u8>) -> Exchange {
    post("application/x-www-form-urlencoded", body)
}

fn json(body: Vec<u8>) -> Exchange {
    post("application/json", body)
}

fn xml(body: Vec<u8>) -> Exchange {
    post("text/xml", body)
}

fn multipart(body: Vec<u8>) -> Exchange {
    post("multipart/form-data; boundary=XX", body)
}

/// `count` arguments that share `size` bytes.
fn arguments(size: usize, count: usize, value: impl Fn(usize, usize) -> Vec<u8>) -> Vec<u8> {
    let each = (size / count).saturating_sub(8).max(1);
    let pairs = (0..count).map(|n| [format!("a{n}=").into_bytes(), value(each, n)].concat());
    pairs.collect::<Vec<_>>().join(&b'&')
}

fn part(head: &str, content: &[u8]) -> Vec<u8> {
    [b"--XX\r\n", head.as_bytes(), b"\r\n\r\n", content, b"\r\n"].concat()
}

fn parts(size: usize, count: usize) -> Vec<u8> {
    let each = (size / count).saturating_sub(70).max(1);
    let one = |n| part(&format!("Content-Disposition: form-data; name=\"a{n}\""), &jumble(each, n as u64));
    [(0..count).flat_map(one).collect::<Vec<u8>>(), b"--XX--\r\n".to_vec()].concat()
}

type Family = (&'static str, fn(usize) -> Exchange);

/// Values and names of arguments in a form.
const FORMS: &[Family] = &[
    ("words in one argument", |size| form([b"a=".to_vec(), jumble(size, 1)].concat())),
    ("words in 25 arguments", |size| form(arguments(size, 25, |size, n| escaped(&jumble(size, n as u64))))),
    ("words in 999 arguments", |size| form(arguments(size, 999, |size, n| jumble(size, n as u64)))),
    ("words in 999 names", |size| {
        let each = (size / 999).saturating_sub(6).max(1);
        let names = (0..999).map(|n| [jumble(each, n), n.to_string().into_bytes()].concat());
        form(names.collect::<Vec<_>>().join(&b'&'))
    }),
    ("999 equal names", |size| form(arguments(size, 999, |size, _| repeat("or 1=1 ", size)))),
];

/// What the request line and headers hold.
const HEADS: &[Family] = &[
    ("words in the query", |size| Exchange { uri: [b"/?a=".to_vec(), jumble(size, 2)].concat(), ..get() }),
    ("words in the path", |size| Exchange { uri: [b"/".to_vec(), jumble(size, 3)].concat(), ..get() }),
    ("dots in the path", |size| Exchange { uri: repeat("/a/../", size), ..get() }),
    ("words in a header", |size| get().header("X-Text", jumble(size, 4))),
    ("words in the agent", |size| get().header("User-Agent", jumble(size, 5))),
    ("words in the referer", |size| get().header("Referer", jumble(size, 6))),
    ("200 headers", |size| {
        let each = size / 200;
        (0..200).fold(get(), |exchange, n| exchange.header(&format!("X-{n}"), jumble(each.saturating_sub(5), n)))
    }),
    ("cookies of three bytes", |size| get().header("Cookie", repeat("a=b; ", size))),
    ("cookies of words", |size| get().header("Cookie", arguments_as_cookies(size))),
    ("ranges", |size| get().header("Range", [b"bytes=".to_vec(), repeat("0-1,", size)].concat())),
    ("accept", |size| get().header("Accept", repeat("text/html;q=0.1,", size))),
];

/// JSON.
const JSON_BODIES: &[Family] = &[
    ("JSON, nested arrays", |size| json(repeat("[", size))),
    ("JSON, nested objects", |size| json(repeat("{\"a\":", size))),
    ("JSON, balanced to depth 500", |size| {
        let inner = [repeat("[", 500), b"1".to_vec(), repeat("]", 500)].concat();
        let many = vec![inner; size / 1001 + 1];
        json([b"[".to_vec(), many.join(&b','), b"]".to_vec()].concat())
    }),
    ("JSON, numbers", |size| json([b"[".to_vec(), repeat("1,", size), b"1]".to_vec()].concat())),
    ("JSON, escapes", |size| json([b"[\"".to_vec(), repeat("\\u003c", size), b"\"]".to_vec()].concat())),
    ("JSON, one long key", |size| json([b"{\"".to_vec(), repeat("or1", size), b"\":[1,2,3,4]}".to_vec()].concat())),
    ("JSON, a long key around 999 values", |size| {
        json(
            [
                b"{\"".to_vec(),
                repeat("or1", size.saturating_sub(2000)),
                b"\":[".to_vec(),
                repeat("1,", 1996),
                b"1]}".to_vec(),
            ]
            .concat(),
        )
    }),
];

/// XML.
const XML_BODIES: &[Family] = &[
    ("XML, nested", |size| xml(repeat("<a>", size))),
    ("XML, attributes", |size| xml([b"<a ".to_vec(), repeat("b='or 1=1' ", size), b"/>".to_vec()].concat())),
    ("XML, siblings", |size| xml([b"<r>".to_vec(), repeat("<a>or</a>", size), b"</r>".to_vec()].concat())),
    ("XML, words", |size| xml([b"<r><![CDATA[".to_vec(), jumble(size, 7), b"]]></r>".to_vec()].concat())),
    ("XML, unknown entities", |size| xml([b"<r>".to_vec(), repeat("&a;", size), b"</r>".to_vec()].concat())),
    ("XML, numeric entities", |size| xml([b"<r>".to_vec(), repeat("&#60;", size), b"</r>".to_vec()].concat())),
    ("XML, nested entities", |size| {
        let entities: String =
            (1..size / 60).map(|n| format!("<!ENTITY e{n} \"&e{};&e{};&e{};\">\n", n - 1, n - 1, n - 1)).collect();
        xml(format!("<!DOCTYPE r [<!ENTITY e0 \"x\">\n{entities}]><r>&e{};</r>", size / 60).into_bytes())
    }),
];

/// Parts and files.
const MULTIPART_BODIES: &[Family] = &[
    ("multipart, many parts", |size| multipart(parts(size, size / 140))),
    ("multipart, 10 parts", |size| multipart(parts(size, 10))),
    ("multipart, files", |size| {
        let one = |n: usize| part(&format!("Content-Disposition: form-data; name=f{n}; filename=a{n}.php"), b"<?php");
        multipart([(0..size / 90).flat_map(one).collect::<Vec<u8>>(), b"--XX--\r\n".to_vec()].concat())
    }),
    ("multipart, headers of a part", |size| {
        let head = format!("Content-Disposition: form-data; name=a\r\n{}X: y", "X-A: b\r\n".repeat(size / 8));
        multipart([part(&head, b"x"), b"--XX--\r\n".to_vec()].concat())
    }),
    ("multipart, look-alikes", |size| {
        let content = repeat("--XY\r\n--XX \r\n--X", size);
        multipart([part("Content-Disposition: form-data; name=a", &content), b"--XX--\r\n".to_vec()].concat())
    }),
    ("multipart, a long boundary", |size| {
        let boundary = "b".repeat(size / 3);
        let body = format!("--{boundary}\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--{boundary}--\r\n");
        post(&format!("multipart/form-data; boundary={boundary}"), body.into_bytes())
    }),
];

/// Bodies of no type, and those of responses.
const OTHERS: &[Family] = &[
    ("bytes without a type", |size| post("application/octet-stream", jumble(size, 8))),
    ("a type of words", |size| post(&String::from_utf8_lossy(&jumble(size, 9)), b"a=b".to_vec())),
    ("response of words", |size| Exchange { response: jumble(size, 10), ..get() }),
    ("response of errors", |size| Exchange {
        response: repeat("ORA-0 SQL syntax Warning: mysql_ at line <? ", size),
        ..get()
    }),
];

/// All families.
pub(crate) fn all() -> Vec<Input> {
    let groups = [FORMS, HEADS, JSON_BODIES, XML_BODIES, MULTIPART_BODIES, OTHERS];
    let made = groups.concat().into_iter().map(|(name, make)| Input { name: name.to_owned(), make: Box::new(make) });
    let repeated = REPEATED.iter().map(|text| Input {
        name: format!("argument of {}", text.escape_default()),
        make: Box::new(|size| form([b"a=".to_vec(), repeat(text, size)].concat())),
    });
    made.chain(repeated).collect()
}

fn arguments_as_cookies(size: usize) -> Vec<u8> {
    let cookies = (0..size / 24).map(|n| [format!("c{n}=").into_bytes(), jumble(16, n as u64)].concat());
    cookies.collect::<Vec<_>>().join(&b"; "[..])
}
