//! The request body as variables: arguments, files, XML nodes, and what was wrong with it.

use parapet_seclang::ast::{BodyProcessor, LimitAction, ParseXmlIntoArgs, Variable};

use super::State;
use super::request::argument_room;
use crate::body::{json, multipart, xml, xpath};
use crate::limits::Limit;
use crate::policy::Policy;
use crate::variables::Collection;

/// Bytes that the names of nested values may take. Each repeats those it is nested in: many values in
/// something with a long name would make far more text than was sent.
fn most_names(body: &[u8]) -> usize {
    (64 << 10) + 16 * body.len()
}
/// What `FILES_TMPNAMES` calls an upload, its number left out.
pub(super) const UPLOAD: &[u8] = b"upload:";

impl State {
    /// Parses the body as the processor chosen in phase 1 says.
    pub(super) fn read_request_body(&mut self, policy: &Policy) {
        if !self.control.request_body_access {
            return;
        }
        let body = std::mem::take(&mut self.request_body);
        self.set_number(Variable::RequestBodyLength, body.len() as u64);
        if !body.is_empty() {
            let processor = self.control.body_processor;
            let shown = match processor {
                Some(BodyProcessor::UrlEncoded | BodyProcessor::Raw) => true,
                Some(_) => false,
                None => self.control.force_request_body,
            };
            if shown {
                self.set(Variable::RequestBody, &body);
            }
            if policy.settings().stream_in_body_inspection {
                self.set(Variable::StreamInputBody, &body);
            }
            match processor {
                Some(BodyProcessor::UrlEncoded) => {
                    self.add_arguments(policy, Collection::ArgsPost, &body);
                    if self.store.budget.has_met(Limit::Arguments) {
                        self.body_error("URLENCODED", "more arguments than SecArgumentsLimit allows");
                    }
                }
                Some(BodyProcessor::Multipart) => self.read_multipart(policy, &body),
                Some(BodyProcessor::Json) => self.read_json(policy, &body),
                Some(BodyProcessor::Xml) => self.read_xml(policy, &body),
                Some(BodyProcessor::Raw) | None => {}
            }
        }
        self.request_body = body;
    }

    /// Marks the body as not understood; what was understood of it stays.
    fn body_error(&mut self, processor: &str, message: &str) {
        let text = format!("{processor} parsing error: {message}");
        for variable in [Variable::ReqbodyError, Variable::ReqbodyProcessorError] {
            self.set(variable, b"1");
        }
        for variable in [Variable::ReqbodyErrorMsg, Variable::ReqbodyProcessorErrorMsg] {
            self.set(variable, text.as_bytes());
        }
    }

    fn read_json(&mut self, policy: &Policy, body: &[u8]) {
        let room = argument_room(self, policy);
        let mut added = 0;
        let mut names = most_names(body);
        let (collections, store) = (&mut self.collections, &mut self.store);
        let outcome = json::parse(body, policy.settings().json_depth_limit as usize, &mut |name, value| {
            added += 1;
            names = names.saturating_sub(name.len());
            added <= room && names > 0 && collections.add(Collection::ArgsPost, name, value, usize::MAX, store)
        });
        if names == 0 {
            self.store.budget.meet(Limit::Values);
            self.body_error("JSON", "the names of nested values are too long");
        } else if added > room {
            self.store.budget.meet(Limit::Arguments);
            self.body_error("JSON", "more arguments than SecArgumentsLimit allows");
        } else if let Err(error) = outcome {
            self.body_error("JSON", &format!("{} (at byte {})", error.message, error.offset));
        }
        self.count_arguments();
    }

    fn read_xml(&mut self, policy: &Policy, body: &[u8]) {
        let most = policy.limits.collection_values;
        let into_args = self.control.parse_xml_into_args;
        let room = argument_room(self, policy);
        let mut text = Vec::new();
        let mut path: Vec<u8> = b"xml".to_vec();
        let mut lengths: Vec<usize> = Vec::new();
        let mut own_text: Vec<Vec<u8>> = Vec::new();
        let mut added = 0;
        let mut names = most_names(body);
        let mut full = false;
        let mut follower = xpath::Follower::new(&policy.parts.xpaths);
        let (collections, store) = (&mut self.collections, &mut self.store);
        let outcome = xml::parse(body, policy.limits.xml_depth, &mut |event| {
            let mut node = |path: &[u8], value: &[u8]| {
                full |= !collections.add(Collection::XmlNodes, path, value, most, store);
                true
            };
            match event {
                xml::XmlEvent::Start(name) => follower.start(name, text.len()),
                xml::XmlEvent::Attribute(name, value) => _ = follower.attribute(name, value, &mut node),
                xml::XmlEvent::Text(piece) => _ = follower.text(piece, &mut node),
                xml::XmlEvent::End => _ = follower.end(&text, &mut node),
            }
            match event {
                xml::XmlEvent::Start(name) => {
                    lengths.push(path.len());
                    own_text.push(Vec::new());
                    path.push(b'.');
                    path.extend_from_slice(name);
                }
                xml::XmlEvent::Attribute(_, value) => {
                    // Nodes are named by the XPath that finds them, as exclusions name them.
                    full |= !collections.add(Collection::XmlAttributes, b"//@*", value, most, store);
                }
                xml::XmlEvent::Text(piece) => {
                    text.extend_from_slice(piece);
                    if let Some(own) = own_text.last_mut() {
                        own.extend_from_slice(piece);
                    }
                }
                xml::XmlEvent::End => {
                    let own = own_text.pop().unwrap_or_default();
                    if into_args != ParseXmlIntoArgs::Off && !own.trim_ascii().is_empty() {
                        added += 1;
                        names = names.saturating_sub(path.len());
                        full |= names == 0
                            || added > room
                            || !collections.add(Collection::ArgsPost, &path, &own, usize::MAX, store);
                    }
                    path.truncate(lengths.pop().unwrap_or(0));
                }
            }
            !full
        });
        if into_args == ParseXmlIntoArgs::OnlyArgs {
            text.clear();
        }
        self.collections.add(Collection::XmlText, b"/*", &text, 1, &mut self.store);
        if full {
            self.store.budget.meet(Limit::Values);
            self.body_error("XML", "more values than the limits allow");
        } else if let Err(error) = outcome {
            self.body_error("XML", &format!("{} (at byte {})", error.message, error.offset));
        }
        self.count_arguments();
    }

    fn read_multipart(&mut self, policy: &Policy, body: &[u8]) {
        let content_type = self
            .collections
            .first(Collection::RequestHeaders, b"content-type", &self.store)
            .map(|item| self.store.text(item.value).to_vec())
            .unwrap_or_default();
        let limits = multipart::Limits {
            parts: policy.limits.multipart_parts,
            files: policy.settings().upload_file_limit as usize,
        };
        let outcome = multipart::parse(body, &content_type, limits);
        self.set_multipart_flags(&outcome);
        let room = argument_room(self, policy);
        let mut arguments = 0;
        let mut file_bytes = 0u64;
        for part in &outcome.parts {
            let content = body.get(part.content.clone()).unwrap_or_default();
            for header in &part.headers {
                self.add(policy, Collection::MultipartPartHeaders, &part.name, header);
            }
            self.add(policy, Collection::MultipartName, &part.name, &part.name);
            if !part.is_file() {
                arguments += 1;
                if arguments <= room {
                    self.add(policy, Collection::ArgsPost, &part.name, content);
                }
                continue;
            }
            file_bytes += content.len() as u64;
            // An application may go by either name, so both are inspected.
            for filename in part.filename.iter().chain(&part.filename_extended) {
                self.add(policy, Collection::Files, &part.name, filename);
                self.add(policy, Collection::MultipartFilename, &part.name, filename);
            }
            if policy.parts.reads_file_content {
                // Uploads are never written to disk: the name stands for the content beside it.
                let place = self.collections.items(Collection::FilesTmpContent).len();
                self.add(policy, Collection::FilesTmpContent, &part.name, content);
                let name = [UPLOAD, place.to_string().as_bytes()].concat();
                self.add(policy, Collection::FilesTmpNames, &part.name, &name);
            }
            let mut digits = [0u8; 20];
            let size = super::clock::decimal(content.len() as u64, &mut digits);
            self.add(policy, Collection::FilesSizes, &part.name, size);
        }
        self.set_number(Variable::FilesCombinedSize, file_bytes);
        let without_files = body.len() as u64 - file_bytes.min(body.len() as u64);
        let most = policy.settings().request_body_no_files_limit.unwrap_or(u64::MAX);
        if let Some(error) = &outcome.error {
            self.body_error("Multipart", error);
        } else if without_files > most {
            if self.limit_action(policy.settings().request_body_limit_action) == LimitAction::Reject {
                self.store.budget.meet(Limit::BodyWithoutFiles);
            }
            self.body_error("Multipart", "without its files the body is longer than SecRequestBodyNoFilesLimit allows");
        } else if arguments > room {
            self.store.budget.meet(Limit::Arguments);
            self.body_error("Multipart", "more arguments than SecArgumentsLimit allows");
        }
        self.count_arguments();
    }

    fn add(&mut self, policy: &Policy, collection: Collection, name: &[u8], value: &[u8]) {
        let most = policy.limits.collection_values;
        if !self.collections.add(collection, name, value, most, &mut self.store) {
            self.store.budget.meet(Limit::Values);
        }
    }

    fn set_multipart_flags(&mut self, outcome: &multipart::MultipartOutcome) {
        let flags = outcome.flags;
        let strict = outcome.error.is_some()
            || flags.boundary_quoted
            || flags.boundary_whitespace
            || flags.data_before
            || flags.data_after
            || flags.header_folding
            || flags.lf_line
            || flags.missing_semicolon
            || flags.invalid_quoting
            || flags.invalid_part
            || flags.invalid_header_folding
            || flags.file_limit_exceeded;
        for (variable, flag) in [
            (Variable::MultipartBoundaryQuoted, flags.boundary_quoted),
            (Variable::MultipartBoundaryWhitespace, flags.boundary_whitespace),
            (Variable::MultipartCrlfLfLines, flags.crlf_lf_lines),
            (Variable::MultipartDataAfter, flags.data_after),
            (Variable::MultipartDataBefore, flags.data_before),
            (Variable::MultipartFileLimitExceeded, flags.file_limit_exceeded),
            (Variable::MultipartHeaderFolding, flags.header_folding),
            (Variable::MultipartInvalidHeaderFolding, flags.invalid_header_folding),
            (Variable::MultipartInvalidPart, flags.invalid_part),
            (Variable::MultipartInvalidQuoting, flags.invalid_quoting),
            (Variable::MultipartLfLine, flags.lf_line),
            (Variable::MultipartMissingSemicolon, flags.missing_semicolon),
            (Variable::MultipartSemicolonMissing, flags.missing_semicolon),
            (Variable::MultipartStrictError, strict),
        ] {
            self.set_number(variable, u64::from(flag));
        }
        self.set_number(Variable::MultipartUnmatchedBoundary, u64::from(flags.unmatched_boundary));
    }
}
