//! The response as variables.

use parapet_seclang::ast::{BodyProcessor, EngineMode, Variable};

use super::State;
use super::collections::Collections;
use super::request::{is_common, processor_name};
use crate::body::{json, urlencoded, xml};
use crate::limits::Limit;
use crate::policy::Policy;
use crate::variables::Collection;

impl State {
    /// The status line.
    pub(super) fn response_line(&mut self, status: u16, protocol: &[u8]) {
        self.store.budget.receive(protocol.len());
        self.control.status = status;
        self.set_number(Variable::ResponseStatus, u64::from(status));
        self.set_common(Variable::ResponseProtocol, protocol);
        let begin = self.store.begin();
        self.store.push(protocol);
        self.store.push(b" ");
        let code = self.store.span(self.collections.scalar(Variable::ResponseStatus));
        self.store.push_span(code);
        let line = self.store.finish(begin);
        let line = self.store.intern_span(line);
        self.collections.set_scalar(Variable::StatusLine, line);
    }

    /// A header.
    pub(super) fn response_header(&mut self, policy: &Policy, name: &[u8], value: &[u8]) {
        self.store.budget.receive(name.len() + value.len());
        let add = if is_common(name) { Collections::add_common } else { Collections::add };
        let most = policy.limits.headers;
        if !add(&mut self.collections, Collection::ResponseHeaders, name, value, most, &mut self.store) {
            self.store.budget.meet(Limit::Headers);
            return;
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            self.set_common(Variable::ResponseContentType, value);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.set(Variable::ResponseContentLength, value);
        }
    }

    /// Whether the body is to be inspected.
    pub(super) fn wants_response_body(&self, policy: &Policy) -> bool {
        if self.control.engine == EngineMode::Off || !self.control.response_body_access {
            return false;
        }
        let listed = &policy.settings().response_mime_types;
        let is_listed = |kind: &[u8]| {
            let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            listed.iter().any(|listed| listed.eq_ignore_ascii_case(kind) || (kind.is_empty() && *listed == b"null"))
        };
        // Nobody knows which of several types the client goes by, so one that is listed is enough.
        let headers = self.collections.items(Collection::ResponseHeaders).iter();
        let mut kinds = headers
            .filter(|header| self.store.text(header.name).eq_ignore_ascii_case(b"content-type"))
            .map(|header| self.store.text(header.value))
            .peekable();
        kinds.peek().is_none() && is_listed(b"") || kinds.any(is_listed)
    }

    /// Decides how the body will be read, besides being searched as it is.
    pub(super) fn set_response_processor(&mut self, processor: BodyProcessor) {
        self.control.response_body_processor = Some(processor);
        self.set(Variable::ResBodyProcessor, processor_name(processor));
    }

    /// Sets `RESPONSE_BODY`, and `RESPONSE_ARGS` or `RESPONSE_XML` if a processor was chosen.
    pub(super) fn read_response_body(&mut self, policy: &Policy) {
        let body = std::mem::take(&mut self.response_body);
        self.set(Variable::ResponseBody, &body);
        if policy.settings().stream_out_body_inspection {
            self.set(Variable::StreamOutputBody, &body);
        }
        match self.control.response_body_processor.filter(|_| !body.is_empty()) {
            Some(BodyProcessor::Json) => self.read_response_json(policy, &body),
            Some(BodyProcessor::Xml) => self.read_response_xml(policy, &body),
            Some(BodyProcessor::UrlEncoded) => {
                let most = policy.limits.collection_values;
                let (collections, store) = (&mut self.collections, &mut self.store);
                urlencoded::parse(&body, policy.settings().argument_separator, &mut |name, value| {
                    collections.add(Collection::ResponseArgs, name, value, most, store)
                });
            }
            Some(BodyProcessor::Multipart | BodyProcessor::Raw) | None => {}
        }
        if !body.is_empty() {
            self.set_number(Variable::ResponseContentLength, body.len() as u64);
        }
        self.response_body = body;
    }

    fn read_response_json(&mut self, policy: &Policy, body: &[u8]) {
        let most = policy.limits.collection_values;
        let (collections, store) = (&mut self.collections, &mut self.store);
        let outcome = json::parse(body, policy.settings().json_depth_limit as usize, &mut |name, value| {
            collections.add(Collection::ResponseArgs, name, value, most, store)
        });
        if let Err(error) = outcome {
            self.response_error(&format!("JSON parsing error: {} (at byte {})", error.message, error.offset));
        }
    }

    fn read_response_xml(&mut self, policy: &Policy, body: &[u8]) {
        let most = policy.limits.collection_values;
        let mut text = Vec::new();
        let (collections, store) = (&mut self.collections, &mut self.store);
        let outcome = xml::parse(body, policy.limits.xml_depth, &mut |event| {
            match event {
                xml::XmlEvent::Attribute(_, value) => {
                    return collections.add(Collection::ResponseXmlAttributes, b"//@*", value, most, store);
                }
                xml::XmlEvent::Text(piece) => text.extend_from_slice(piece),
                xml::XmlEvent::Start(_) | xml::XmlEvent::End => {}
            }
            true
        });
        self.collections.add(Collection::ResponseXmlText, b"/*", &text, 1, &mut self.store);
        if let Err(error) = outcome {
            self.response_error(&format!("XML parsing error: {} (at byte {})", error.message, error.offset));
        }
    }

    fn response_error(&mut self, message: &str) {
        for variable in [Variable::ResBodyError, Variable::ResBodyProcessorError] {
            self.set(variable, b"1");
        }
        for variable in [Variable::ResBodyErrorMsg, Variable::ResBodyProcessorErrorMsg] {
            self.set(variable, message.as_bytes());
        }
    }
}
