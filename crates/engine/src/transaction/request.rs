//! The request line and headers as variables.

use std::borrow::Cow;

use parapet_seclang::ast::{BodyProcessor, Transformation, Variable};

use super::collections::Collections;
use super::{Context, State};
use crate::body::{cookies, urlencoded};
use crate::limits::Limit;
use crate::policy::Policy;
use crate::transformations;
use crate::variables::Collection;

impl State {
    /// Sets what is known before the request.
    pub(super) fn begin(&mut self, policy: &Policy, context: &Context) {
        self.control.now_micros = context.now_micros;
        self.set(Variable::UniqueId, context.unique_id.as_bytes());
        self.set_address(&[Variable::RemoteAddr, Variable::RemoteHost], context.client.ip());
        self.set_number(Variable::RemotePort, u64::from(context.client.port()));
        self.set_address(&[Variable::ServerAddr], context.server.ip());
        self.set_number(Variable::ServerPort, u64::from(context.server.port()));
        self.set_common(Variable::ServerName, context.server_name.as_bytes());
        let zero = self.store.intern_common(b"0");
        for variable in ZERO_AT_FIRST {
            self.collections.set_scalar(*variable, zero);
        }
        if let Some(name) = &policy.settings().web_app_id {
            self.set(Variable::WebappId, name);
        }
    }

    fn set_address(&mut self, variables: &[Variable], address: std::net::IpAddr) {
        use std::io::Write;
        let mut text = [0u8; 48];
        let mut rest = text.as_mut_slice();
        let before = rest.len();
        let written = match write!(rest, "{address}") {
            Ok(()) => before - rest.len(),
            Err(_) => 0,
        };
        let text = self.store.intern(text.get(..written).unwrap_or_default());
        for variable in variables {
            self.collections.set_scalar(*variable, text);
        }
    }

    /// The request line.
    pub(super) fn request_line(&mut self, policy: &Policy, method: &[u8], uri: &[u8], protocol: &[u8]) {
        self.store.budget.receive(method.len() + uri.len() + protocol.len());
        self.set_common(Variable::RequestMethod, method);
        self.set(Variable::RequestUriRaw, uri);
        self.set_common(Variable::RequestProtocol, protocol);
        let begin = self.store.begin();
        for (index, part) in [method, uri, protocol].iter().enumerate() {
            if index > 0 && !part.is_empty() {
                self.store.push(b" ");
            }
            self.store.push(part);
        }
        let line = self.store.finish(begin);
        let line = self.store.intern_span(line);
        self.collections.set_scalar(Variable::RequestLine, line);

        let local = without_authority(uri);
        self.set(Variable::RequestUri, local);
        let (path, query) = match memchr::memchr(b'?', local) {
            Some(at) => (local.get(..at).unwrap_or_default(), local.get(at + 1..).unwrap_or_default()),
            None => (local, &[][..]),
        };
        // Decoded only after the query has been cut off, so that `%3F` cannot hide the rest of a path.
        let path = &*percent_decoded(path);
        self.set(Variable::RequestFilename, path);
        self.set(Variable::PathInfo, path);
        self.set(Variable::QueryString, query);
        let base = path.iter().rposition(|byte| matches!(byte, b'/' | b'\\')).map_or(0, |at| at + 1);
        self.set(Variable::RequestBasename, path.get(base..).unwrap_or_default());
        self.add_arguments(policy, Collection::ArgsGet, query);
    }

    /// Parses pairs of names and values into arguments.
    pub(super) fn add_arguments(&mut self, policy: &Policy, collection: Collection, text: &[u8]) {
        let settings = policy.settings();
        let most = argument_room(self, policy);
        let mut dropped = false;
        let mut added = 0;
        let (collections, store) = (&mut self.collections, &mut self.store);
        let invalid = urlencoded::parse(text, settings.argument_separator, &mut |name, value| {
            dropped |= added >= most || !collections.add(collection, name, value, usize::MAX, store);
            added += 1;
            !dropped
        });
        if dropped {
            self.store.budget.meet(Limit::Arguments);
        }
        if invalid {
            self.set(Variable::UrlencodedError, b"1");
        }
        self.count_arguments();
    }

    /// Sets `ARGS_COMBINED_SIZE`.
    pub(super) fn count_arguments(&mut self) {
        let mut size = 0;
        for collection in [Collection::ArgsGet, Collection::ArgsPost] {
            for item in self.collections.items(collection) {
                size += self.store.span(item.name).len() + self.store.span(item.value).len();
            }
        }
        self.set_number(Variable::ArgsCombinedSize, size as u64);
    }

    /// A header.
    pub(super) fn request_header(&mut self, policy: &Policy, name: &[u8], value: &[u8]) {
        self.store.budget.receive(name.len() + value.len());
        let add = if is_common(name) { Collections::add_common } else { Collections::add };
        let most = policy.limits.headers;
        if !add(&mut self.collections, Collection::RequestHeaders, name, value, most, &mut self.store) {
            self.store.budget.meet(Limit::Headers);
            return;
        }
        if name.eq_ignore_ascii_case(b"cookie") {
            let most = policy.limits.collection_values;
            let (collections, store) = (&mut self.collections, &mut self.store);
            let mut full = false;
            cookies::parse(value, &mut |name, value| {
                full = !collections.add(Collection::RequestCookies, name, value, most, store);
                !full
            });
            if full {
                self.store.budget.meet(Limit::Values);
            }
        } else if name.eq_ignore_ascii_case(b"content-type") {
            if starts_with(value, b"multipart/form-data") {
                self.set_processor(BodyProcessor::Multipart);
            } else if starts_with(value, b"application/x-www-form-urlencoded") {
                self.set_processor(BodyProcessor::UrlEncoded);
            }
        } else if name.eq_ignore_ascii_case(b"host") {
            let host = match value.first() {
                Some(b'[') => memchr::memchr(b']', value).map_or(value, |at| value.get(..=at).unwrap_or(value)),
                _ => memchr::memchr(b':', value).map_or(value, |at| value.get(..at).unwrap_or(value)),
            };
            self.set_common(Variable::ServerName, host);
        } else if name.eq_ignore_ascii_case(b"authorization") {
            let scheme = value.split(|byte| *byte == b' ').next().unwrap_or_default();
            self.set(Variable::AuthType, scheme);
            if let Some(user) = basic_user(value) {
                self.set(Variable::RemoteUser, &user);
            }
        }
    }

    /// Decides how the body will be read.
    pub(super) fn set_processor(&mut self, processor: BodyProcessor) {
        self.control.body_processor = Some(processor);
        self.set_common(Variable::ReqbodyProcessor, processor_name(processor));
    }
}

/// The name of a processor as rules see it.
pub(super) fn processor_name(processor: BodyProcessor) -> &'static [u8] {
    match processor {
        BodyProcessor::UrlEncoded => b"URLENCODED",
        BodyProcessor::Multipart => b"MULTIPART",
        BodyProcessor::Xml => b"XML",
        BodyProcessor::Json => b"JSON",
        BodyProcessor::Raw => b"RAW",
    }
}

/// Whether many requests have the same value of a header, and it is no secret.
pub(super) fn is_common(header: &[u8]) -> bool {
    starts_with(header, b"sec-") || COMMON_HEADERS.iter().any(|common| header.eq_ignore_ascii_case(common))
}

/// Headers whose values depend on the browser, the server or the page, not on the visitor.
const COMMON_HEADERS: &[&[u8]] = &[
    b"accept",
    b"accept-charset",
    b"accept-encoding",
    b"accept-language",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-type",
    b"dnt",
    b"host",
    b"origin",
    b"pragma",
    b"server",
    b"te",
    b"upgrade-insecure-requests",
    b"user-agent",
    b"vary",
];

/// How many arguments may still be added.
pub(super) fn argument_room(state: &State, policy: &Policy) -> usize {
    let have = state.collections.items(Collection::ArgsGet).len() + state.collections.items(Collection::ArgsPost).len();
    let most = match policy.settings().arguments_limit {
        0 => policy.limits.collection_values,
        limit => (limit as usize).min(policy.limits.collection_values),
    };
    most.saturating_sub(have)
}

/// The user of basic authentication (RFC 7617).
fn basic_user(authorization: &[u8]) -> Option<Vec<u8>> {
    let credentials = authorization.get(6..).filter(|_| starts_with(authorization, b"basic "))?.trim_ascii();
    let mut decoded = Vec::new();
    let changed = transformations::apply(Transformation::Base64Decode, credentials, &mut decoded);
    let end = memchr::memchr(b':', &decoded).filter(|_| changed)?;
    decoded.truncate(end);
    Some(decoded)
}

/// Variables that are numbers and nought until something happens.
const ZERO_AT_FIRST: &[Variable] = &[
    Variable::ArgsCombinedSize,
    Variable::FilesCombinedSize,
    Variable::InboundDataError,
    Variable::OutboundDataError,
    Variable::MscPcreError,
    Variable::MscPcreLimitsExceeded,
    Variable::MultipartBoundaryQuoted,
    Variable::MultipartBoundaryWhitespace,
    Variable::MultipartCrlfLfLines,
    Variable::MultipartDataAfter,
    Variable::MultipartDataBefore,
    Variable::MultipartFileLimitExceeded,
    Variable::MultipartHeaderFolding,
    Variable::MultipartInvalidHeaderFolding,
    Variable::MultipartInvalidPart,
    Variable::MultipartInvalidQuoting,
    Variable::MultipartLfLine,
    Variable::MultipartMissingSemicolon,
    Variable::MultipartSemicolonMissing,
    Variable::MultipartStrictError,
    Variable::MultipartUnmatchedBoundary,
    Variable::ReqbodyError,
    Variable::ReqbodyProcessorError,
    Variable::ResBodyError,
    Variable::ResBodyProcessorError,
    Variable::UriParseError,
    Variable::RequestBodyLength,
    Variable::ResponseContentLength,
    Variable::UrlencodedError,
];

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A path with its `%HH` escapes resolved, as both ModSecurity versions give it to rules; `+` stays.
fn percent_decoded(path: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', path).is_none() {
        return Cow::Borrowed(path);
    }
    let digit = |at: usize| path.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.get(at).copied() {
        let escape = if byte == b'%' { digit(at + 1).zip(digit(at + 2)) } else { None };
        let value = escape.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(value.unwrap_or(byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    Cow::Owned(decoded)
}

/// A request target without scheme and authority. `//host/path` is a path.
fn without_authority(uri: &[u8]) -> &[u8] {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let at = uri.iter().position(|byte| !is_scheme(byte)).unwrap_or(0);
    let Some(rest) = uri.get(at..).and_then(|rest| rest.strip_prefix(b"://")).filter(|_| at > 0) else { return uri };
    match rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')) {
        Some(path) => rest.get(path..).unwrap_or_default(),
        None => b"/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scheme_has_an_authority() {
        assert_eq!(without_authority(b"http://h:1/p?q=http://x/"), b"/p?q=http://x/");
        assert_eq!(without_authority(b"/p?q=http://x/"), b"/p?q=http://x/");
        assert_eq!(without_authority(b"//h/p"), b"//h/p");
        assert_eq!(without_authority(b"http://h"), b"/");
        assert_eq!(without_authority(b"http://h?x"), b"?x");
    }
}
