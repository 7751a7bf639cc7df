//! Options of curl: which take a value, and which change the request.

/// What an option means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing; it takes no value.
    Nothing,
    /// Nothing; its value is left out.
    NothingWithValue,
    Method,
    Header,
    /// `--data`: a file may take its place, without its line ends.
    Data,
    DataRaw,
    /// A file may take its place as it is.
    DataBinary,
    DataUrlencode,
    Json,
    Form,
    FormString,
    Cookie,
    UserAgent,
    Referer,
    User,
    Bearer,
    Range,
    Url,
    RequestTarget,
    Get,
    Head,
    Compressed,
    PathAsIs,
    Http10,
    Http2,
    Http3,
    /// Another request follows.
    Next,
    /// It cannot be followed: `-T`, `-K`.
    Unsupported,
}

impl Meaning {
    /// Whether a value follows.
    pub(super) fn takes_value(self) -> bool {
        use Meaning as M;
        !matches!(
            self,
            M::Nothing | M::Get | M::Head | M::Compressed | M::PathAsIs | M::Http10 | M::Http2 | M::Http3 | M::Next
        )
    }
}

/// Short name (0 if it has none), long name, meaning. From curl's manual, `curl --help all`.
const OPTIONS: &[(u8, &str, Meaning)] = &[
    (b'X', "request", Meaning::Method),
    (b'H', "header", Meaning::Header),
    (b'd', "data", Meaning::Data),
    (0, "data-ascii", Meaning::Data),
    (0, "data-raw", Meaning::DataRaw),
    (0, "data-binary", Meaning::DataBinary),
    (0, "data-urlencode", Meaning::DataUrlencode),
    (0, "json", Meaning::Json),
    (b'F', "form", Meaning::Form),
    (0, "form-string", Meaning::FormString),
    (b'b', "cookie", Meaning::Cookie),
    (b'A', "user-agent", Meaning::UserAgent),
    (b'e', "referer", Meaning::Referer),
    (b'u', "user", Meaning::User),
    (0, "oauth2-bearer", Meaning::Bearer),
    (b'r', "range", Meaning::Range),
    (0, "url", Meaning::Url),
    (0, "request-target", Meaning::RequestTarget),
    (b'G', "get", Meaning::Get),
    (b'I', "head", Meaning::Head),
    (0, "compressed", Meaning::Compressed),
    (0, "path-as-is", Meaning::PathAsIs),
    (b'0', "http1.0", Meaning::Http10),
    (0, "http1.1", Meaning::Nothing),
    (0, "http2", Meaning::Http2),
    (0, "http2-prior-knowledge", Meaning::Http2),
    (0, "http3", Meaning::Http3),
    (0, "http3-only", Meaning::Http3),
    (b':', "next", Meaning::Next),
    (b'T', "upload-file", Meaning::Unsupported),
    (b'K', "config", Meaning::Unsupported),
    (b'#', "progress-bar", Meaning::Nothing),
    (b'4', "ipv4", Meaning::Nothing),
    (b'6', "ipv6", Meaning::Nothing),
    (b'a', "append", Meaning::Nothing),
    (b'f', "fail", Meaning::Nothing),
    (b'g', "globoff", Meaning::Nothing),
    (b'i', "include", Meaning::Nothing),
    (b'i', "show-headers", Meaning::Nothing),
    (b'j', "junk-session-cookies", Meaning::Nothing),
    (b'J', "remote-header-name", Meaning::Nothing),
    (b'k', "insecure", Meaning::Nothing),
    (b'L', "location", Meaning::Nothing),
    (b'n', "netrc", Meaning::Nothing),
    (b'N', "no-buffer", Meaning::Nothing),
    (b'O', "remote-name", Meaning::Nothing),
    (b'q', "disable", Meaning::Nothing),
    (b's', "silent", Meaning::Nothing),
    (b'S', "show-error", Meaning::Nothing),
    (b'v', "verbose", Meaning::Nothing),
    (b'Z', "parallel", Meaning::Nothing),
    (0, "anyauth", Meaning::Nothing),
    (0, "basic", Meaning::Nothing),
    (0, "create-dirs", Meaning::Nothing),
    (0, "digest", Meaning::Nothing),
    (0, "fail-early", Meaning::Nothing),
    (0, "fail-with-body", Meaning::Nothing),
    (0, "location-trusted", Meaning::Nothing),
    (0, "negotiate", Meaning::Nothing),
    (0, "ntlm", Meaning::Nothing),
    (0, "no-progress-meter", Meaning::Nothing),
    (0, "post301", Meaning::Nothing),
    (0, "post302", Meaning::Nothing),
    (0, "post303", Meaning::Nothing),
    (0, "raw", Meaning::Nothing),
    (0, "retry-all-errors", Meaning::Nothing),
    (0, "retry-connrefused", Meaning::Nothing),
    (0, "ssl-no-revoke", Meaning::Nothing),
    (0, "ssl-reqd", Meaning::Nothing),
    (0, "tcp-nodelay", Meaning::Nothing),
    (0, "tlsv1", Meaning::Nothing),
    (0, "tlsv1.0", Meaning::Nothing),
    (0, "tlsv1.1", Meaning::Nothing),
    (0, "tlsv1.2", Meaning::Nothing),
    (0, "tlsv1.3", Meaning::Nothing),
    (0, "tr-encoding", Meaning::Nothing),
    (b'c', "cookie-jar", Meaning::NothingWithValue),
    (b'C', "continue-at", Meaning::NothingWithValue),
    (b'D', "dump-header", Meaning::NothingWithValue),
    (b'E', "cert", Meaning::NothingWithValue),
    (b'm', "max-time", Meaning::NothingWithValue),
    (b'o', "output", Meaning::NothingWithValue),
    (b'U', "proxy-user", Meaning::NothingWithValue),
    (b'w', "write-out", Meaning::NothingWithValue),
    (b'x', "proxy", Meaning::NothingWithValue),
    (b'y', "speed-time", Meaning::NothingWithValue),
    (b'Y', "speed-limit", Meaning::NothingWithValue),
    (b'z', "time-cond", Meaning::NothingWithValue),
    (0, "cacert", Meaning::NothingWithValue),
    (0, "capath", Meaning::NothingWithValue),
    (0, "cert-type", Meaning::NothingWithValue),
    (0, "ciphers", Meaning::NothingWithValue),
    (0, "connect-timeout", Meaning::NothingWithValue),
    (0, "connect-to", Meaning::NothingWithValue),
    (0, "dns-servers", Meaning::NothingWithValue),
    (0, "expect100-timeout", Meaning::NothingWithValue),
    (0, "interface", Meaning::NothingWithValue),
    (0, "key", Meaning::NothingWithValue),
    (0, "key-type", Meaning::NothingWithValue),
    (0, "limit-rate", Meaning::NothingWithValue),
    (0, "local-port", Meaning::NothingWithValue),
    (0, "max-filesize", Meaning::NothingWithValue),
    (0, "max-redirs", Meaning::NothingWithValue),
    (0, "noproxy", Meaning::NothingWithValue),
    (0, "output-dir", Meaning::NothingWithValue),
    (0, "parallel-max", Meaning::NothingWithValue),
    (0, "pass", Meaning::NothingWithValue),
    (0, "pinnedpubkey", Meaning::NothingWithValue),
    (0, "proto", Meaning::NothingWithValue),
    (0, "proxy-header", Meaning::NothingWithValue),
    (0, "rate", Meaning::NothingWithValue),
    (0, "resolve", Meaning::NothingWithValue),
    (0, "retry", Meaning::NothingWithValue),
    (0, "retry-delay", Meaning::NothingWithValue),
    (0, "retry-max-time", Meaning::NothingWithValue),
    (0, "socks5", Meaning::NothingWithValue),
    (0, "socks5-hostname", Meaning::NothingWithValue),
    (0, "stderr", Meaning::NothingWithValue),
    (0, "tls-max", Meaning::NothingWithValue),
    (0, "trace", Meaning::NothingWithValue),
    (0, "trace-ascii", Meaning::NothingWithValue),
    (0, "unix-socket", Meaning::NothingWithValue),
];

/// The meaning of `--name`; flags may be turned off with `no-`.
pub(super) fn long(name: &[u8]) -> Option<Meaning> {
    let find =
        |name: &[u8]| OPTIONS.iter().find(|(_, long, _)| long.as_bytes() == name).map(|(_, _, meaning)| *meaning);
    find(name).or_else(|| {
        let flag = find(name.strip_prefix(b"no-")?)?;
        (!flag.takes_value()).then_some(Meaning::Nothing)
    })
}

/// The meaning of `-x`.
pub(super) fn short(name: u8) -> Option<Meaning> {
    OPTIONS.iter().find(|(short, ..)| *short == name && name != 0).map(|(_, _, meaning)| *meaning)
}

/// The long name that is nearest to one that does not exist.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let distance = |known: &str| strsim::damerau_levenshtein(known, name);
    OPTIONS.iter().map(|(_, long, _)| *long).min_by_key(|known| distance(known)).filter(|known| distance(known) <= 2)
}
