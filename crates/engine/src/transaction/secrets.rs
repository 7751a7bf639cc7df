//! What `sanitise…` actions keep out of everything that leaves the engine.
//!
//! The rules themselves see every value. Masking happens when a phase has run, so that a rule may
//! declare a value secret after others have reported it. Where a secret is known by its name, the
//! whole value is masked, and so is every text that a rule built from it; elsewhere its occurrences are.

use std::borrow::Cow;

use aho_corasick::AhoCorasick;
use parapet_seclang::ast::{BodyProcessor, Variable};

use super::State;
use super::evaluate::{Key, MatchedValue};
use super::store::Span;
use crate::operators::{Captures, Operator};
use crate::policy::Policy;
use crate::policy::names::Slot;
use crate::policy::rule::{Link, Secret};
use crate::transformations::url_decode;
use crate::variables::Collection;

/// Names and values that are told apart; with more, everything is secret.
const MOST: usize = 64;
/// Shorter values are not searched for in other texts: masking every `1` hides nothing and spoils all.
pub(super) const SHORTEST_VALUE: usize = 4;
/// Matches of one value whose bytes are masked.
const MOST_MATCHES: usize = 32;

/// What the rules of a transaction have declared secret.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    arguments: Vec<Vec<u8>>,
    request_headers: Vec<Vec<u8>>,
    response_headers: Vec<Vec<u8>>,
    /// Values, with the bytes that may be shown at their beginning and at their end.
    values: Vec<(Vec<u8>, usize, usize)>,
    /// There are too many to tell them apart.
    all: bool,
}

impl Secrets {
    /// Whether nothing is secret.
    pub fn is_empty(&self) -> bool {
        self.arguments.is_empty()
            && self.request_headers.is_empty()
            && self.response_headers.is_empty()
            && self.values.is_empty()
            && !self.all
    }

    /// Whether the value of a request header is secret.
    pub fn has_request_header(&self, name: &[u8]) -> bool {
        self.all || has(&self.request_headers, name)
    }

    /// Whether the value of a response header is secret.
    pub fn has_response_header(&self, name: &[u8]) -> bool {
        self.all || has(&self.response_headers, name)
    }

    /// A text such as a URI as it may be shown: secret arguments and the occurrences of secret values
    /// are replaced by asterisks.
    pub fn mask<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        self.mask_with(self.search().as_ref(), text)
    }

    pub(super) fn mask_with<'t>(&self, search: Option<&AhoCorasick>, text: &'t [u8]) -> Cow<'t, [u8]> {
        if self.all {
            return Cow::Owned(vec![b'*'; text.len()]);
        }
        if self.is_empty() || text.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = text.to_vec();
        self.mask_pairs(text, &mut masked);
        if let Some(search) = search {
            for found in search.find_overlapping_iter(text) {
                let Some((_, first, last)) = self.values.get(found.pattern().as_usize()) else { continue };
                let hidden = found.start() + first..found.end().saturating_sub(*last);
                if let Some(place) = masked.get_mut(hidden) {
                    place.fill(b'*');
                }
            }
        }
        if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
    }

    /// Masks the values of secret arguments in `name=value` pairs.
    fn mask_pairs(&self, text: &[u8], masked: &mut [u8]) {
        if self.arguments.is_empty() {
            return;
        }
        let separates =
            |byte: &u8| matches!(byte, b'?' | b'&' | b';' | b'#' | b'"' | b'\'') || byte.is_ascii_whitespace();
        let mut start = 0;
        let mut name = Vec::new();
        for piece in text.split(separates) {
            if let Some(equals) = memchr::memchr(b'=', piece) {
                name.clear();
                let decoded = url_decode::decode(&piece[..equals], &mut name);
                let name = if decoded.changed { &name[..] } else { &piece[..equals] };
                if has(&self.arguments, name)
                    && let Some(place) = masked.get_mut(start + equals + 1..start + piece.len())
                {
                    place.fill(b'*');
                }
            }
            start += piece.len() + 1;
        }
    }

    pub(super) fn search(&self) -> Option<AhoCorasick> {
        if self.values.is_empty() {
            return None;
        }
        let values = self.values.iter().map(|(value, ..)| value);
        AhoCorasick::builder().ascii_case_insensitive(true).build(values).ok()
    }

    /// Whether the value of a rule's variable, such as `ARGS:password`, is secret as a whole.
    pub(super) fn has_variable(&self, name: &[u8]) -> bool {
        let name = name.strip_prefix(b"MATCHED_VARS:").unwrap_or(name);
        let Some(at) = memchr::memchr(b':', name) else {
            return match name {
                b"AUTH_TYPE" | b"REMOTE_USER" => has(&self.request_headers, b"authorization"),
                _ => self.all,
            };
        };
        let (collection, member) = (&name[..at], &name[at + 1..]);
        match collection {
            b"ARGS" | b"ARGS_GET" | b"ARGS_POST" | b"ARGS_PATH" => self.all || has(&self.arguments, member),
            b"REQUEST_HEADERS" => self.has_request_header(member),
            b"RESPONSE_HEADERS" => self.has_response_header(member),
            b"REQUEST_COOKIES" | b"REQUEST_COOKIES_NAMES" => self.has_request_header(b"cookie"),
            _ => self.all,
        }
    }

    fn add_name(list: &mut Vec<Vec<u8>>, name: &[u8], all: &mut bool) {
        if has(list, name) {
            return;
        }
        *all |= list.len() >= MOST;
        if !*all {
            list.push(name.to_vec());
        }
    }

    fn add_value(&mut self, value: &[u8], first: usize, last: usize) {
        if value.len() < SHORTEST_VALUE || self.values.iter().any(|known| known.0 == value) {
            return;
        }
        self.all |= self.values.len() >= MOST;
        if !self.all {
            self.values.push((value.to_vec(), first, last));
        }
    }

    pub(super) fn clear(&mut self) {
        self.arguments.clear();
        self.request_headers.clear();
        self.response_headers.clear();
        self.values.clear();
        self.all = false;
    }
}

fn has(names: &[Vec<u8>], name: &[u8]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

impl State {
    /// Does what a `sanitise…` action says.
    pub(super) fn sanitise(&mut self, policy: &Policy, link: &Link, secret: &Secret) {
        let secrets = &mut self.secrets;
        match secret {
            Secret::Argument(name) => Secrets::add_name(&mut secrets.arguments, name, &mut secrets.all),
            Secret::RequestHeader(name) => Secrets::add_name(&mut secrets.request_headers, name, &mut secrets.all),
            Secret::ResponseHeader(name) => Secrets::add_name(&mut secrets.response_headers, name, &mut secrets.all),
            Secret::Matched => {
                if let Some(matched) = self.matched.last().copied() {
                    self.sanitise_matched(policy, matched);
                }
            }
            Secret::MatchedBytes((first, last)) => {
                if let Some(matched) = self.matched.last().copied() {
                    self.sanitise_bytes(policy, link, matched, *first as usize, *last as usize);
                }
            }
        }
    }

    fn sanitise_matched(&mut self, policy: &Policy, matched: MatchedValue) {
        let member = match matched.name.key {
            Key::Text(span) => self.store.get(span).to_vec(),
            Key::Slot(slot) => policy.parts.names.spelled(slot).to_vec(),
            Key::None => Vec::new(),
        };
        let value = self.store.get(matched.value).to_vec();
        let secrets = &mut self.secrets;
        match matched.name.variable {
            Variable::Args | Variable::ArgsGet | Variable::ArgsPost | Variable::ArgsPath => {
                Secrets::add_name(&mut secrets.arguments, &member, &mut secrets.all);
            }
            Variable::RequestHeaders => Secrets::add_name(&mut secrets.request_headers, &member, &mut secrets.all),
            Variable::ResponseHeaders => Secrets::add_name(&mut secrets.response_headers, &member, &mut secrets.all),
            _ => {}
        }
        secrets.add_value(&value, 0, 0);
    }

    /// The bytes that the operator matched; the whole value if it cannot say which.
    fn sanitise_bytes(&mut self, policy: &Policy, link: &Link, matched: MatchedValue, first: usize, last: usize) {
        let value = self.store.get(matched.value).to_vec();
        let mut found: Vec<(usize, usize)> = Vec::new();
        match &link.operator {
            Operator::Rx(rx) | Operator::RxGlobal(rx) | Operator::Verify(_, rx) if !link.negated => {
                let _ = rx.each_match(&value, |start, end| {
                    found.push((start, end));
                    found.len() < MOST_MATCHES
                });
            }
            operator if operator.has_captures() && !link.negated && !matches!(operator, Operator::RxMacro) => {
                let mut captures = Captures::default();
                operator.captures(b"", &value, &mut captures);
                found.extend(captures.range(0));
            }
            _ => {}
        }
        if found.is_empty() || found.len() >= MOST_MATCHES {
            self.sanitise_matched(policy, matched);
            return;
        }
        for (start, end) in found {
            if let Some(bytes) = value.get(start..end) {
                self.secrets.add_value(bytes, first, last);
            }
        }
    }

    /// Masks what the findings so far say.
    pub(super) fn mask_findings(&mut self, policy: &Policy) {
        if self.secrets.is_empty() {
            return;
        }
        let mut secrets = self.secrets.clone();
        for (collections, names) in [
            (&[Collection::ArgsGet, Collection::ArgsPost][..], &self.secrets.arguments),
            (&[Collection::RequestHeaders][..], &self.secrets.request_headers),
            (&[Collection::ResponseHeaders][..], &self.secrets.response_headers),
        ] {
            for item in collections.iter().flat_map(|collection| self.collections.items(*collection)) {
                if has(names, self.store.text(item.name)) {
                    secrets.add_value(self.store.text(item.value), 0, 0);
                }
            }
        }
        // What a rule captured of a secret value is still in `TX.0` to `TX.9`.
        for slot in 0..10 {
            let captured = self.collections.slot(Slot(slot)).map(|span| self.store.get(span)).unwrap_or_default();
            if secrets.values.iter().any(|(value, ..)| memchr::memmem::find(value, captured).is_some()) {
                secrets.add_value(captured, 0, 0);
            }
        }
        // A body in another form spells its values in its own way.
        let opaque = !secrets.arguments.is_empty() && self.control.body_processor != Some(BodyProcessor::UrlEncoded);
        let search = secrets.search();
        let mut reports = std::mem::take(&mut self.reports);
        reports.mask(policy, &mut self.store, |variable, text| match (variable, text) {
            (Some(name), _) if secrets.has_variable(name) => Hidden::Whole,
            (Some(b"REQUEST_BODY" | b"STREAM_INPUT_BODY" | b"FULL_REQUEST"), _) if opaque => Hidden::Whole,
            (_, text) => match secrets.mask_with(search.as_ref(), text) {
                Cow::Borrowed(_) => Hidden::Nothing,
                Cow::Owned(masked) => Hidden::Parts(masked),
            },
        });
        self.reports = reports;
        self.secrets = secrets;
    }
}

/// What of a text must not be shown.
pub(super) enum Hidden {
    Nothing,
    Parts(Vec<u8>),
    Whole,
}

/// The place of a masked text.
pub(super) fn masked(span: Span, hidden: Hidden, store: &mut super::store::Store) -> Span {
    match hidden {
        Hidden::Nothing => span,
        Hidden::Parts(text) => store.push(&text),
        Hidden::Whole => store.push(&vec![b'*'; span.len()]),
    }
}
