//! From files to a configuration: follows includes, groups chains, collects every error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::actions::actions;
use crate::ast::{
    Configuration, Directive, DirectiveKind, Link, Operator, OperatorKind, RemoteRulesFailAction, Rule, Span,
};
use crate::checks::{self, Whole};
use crate::directives::{self, Form, argument};
use crate::error::{Errors, ParseError, show};
use crate::lines::{Line, Lines};
use crate::loader::Loader;
use crate::numbers::choice;
use crate::operators::operator;
use crate::settings::path_from_bytes;
use crate::targets::targets;
use crate::text::{Dialect, Slice, Text, words};

/// Files that may include one another in a row.
const MAX_DEPTH: usize = 32;
/// Files of one configuration.
const MAX_FILES: usize = 4_096;
/// Bytes of all files of one configuration.
const MAX_BYTES: usize = 256 << 20;

/// Parses one file and everything it includes.
///
/// # Errors
/// Everything that is wrong in any of the files, in the order of files and lines.
pub fn parse(entry: &Path, loader: &dyn Loader) -> Result<Configuration, Vec<ParseError>> {
    parse_all(&[entry.to_path_buf()], loader)
}

/// Parses files in order as one configuration. An entry may be a pattern with wildcards.
///
/// # Errors
/// Everything that is wrong in any of the files, in the order of files and lines.
pub fn parse_all(entries: &[PathBuf], loader: &dyn Loader) -> Result<Configuration, Vec<ParseError>> {
    parse_all_in(Dialect::default(), entries, loader)
}

/// The same for files that are written in this dialect.
///
/// # Errors
/// As [`parse_all`].
pub fn parse_all_in(
    dialect: Dialect,
    entries: &[PathBuf],
    loader: &dyn Loader,
) -> Result<Configuration, Vec<ParseError>> {
    let mut parser = Parser::new(dialect, loader);
    for entry in entries {
        parser.entry(entry);
    }
    parser.finish()
}

/// Parses text that is not in a file; `name` stands for it in errors, and relative includes are
/// relative to its directory.
///
/// # Errors
/// Everything that is wrong in the text and in any file it includes.
pub fn parse_str(name: &str, text: &[u8], loader: &dyn Loader) -> Result<Configuration, Vec<ParseError>> {
    let mut parser = Parser::new(Dialect::default(), loader);
    parser.open(PathBuf::from(name), text.to_vec());
    parser.run();
    parser.finish()
}

const FAIL_ACTIONS: &[(&str, RemoteRulesFailAction)] =
    &[("Abort", RemoteRulesFailAction::Abort), ("Warn", RemoteRulesFailAction::Warn)];

/// A rule whose chain is not complete yet.
struct OpenChain {
    span: Span,
    is_action: bool,
    rule: Rule,
}

/// A file that is being read.
struct Source {
    lines: Lines,
    path: Arc<PathBuf>,
}

struct Parser<'l> {
    dialect: Dialect,
    loader: &'l dyn Loader,
    configuration: Configuration,
    errors: Errors,
    whole: Whole,
    /// Files that are being read, the innermost last.
    sources: Vec<Source>,
    /// Included files that come next, in reverse order, with the depth at which they stand.
    pending: Vec<(PathBuf, Span, usize)>,
    chain: Option<OpenChain>,
    bytes: usize,
    /// What happens when remote rules cannot be fetched.
    fail_action: RemoteRulesFailAction,
}

impl<'l> Parser<'l> {
    fn new(dialect: Dialect, loader: &'l dyn Loader) -> Parser<'l> {
        Parser {
            dialect,
            loader,
            configuration: Configuration::default(),
            errors: Errors::default(),
            whole: Whole::default(),
            sources: Vec::new(),
            pending: Vec::new(),
            chain: None,
            bytes: 0,
            fail_action: RemoteRulesFailAction::default(),
        }
    }

    /// Reads one entry. Errors about the entry itself have no line; they name the entry.
    fn entry(&mut self, entry: &Path) {
        let found = if is_pattern(entry) { self.loader.glob(entry) } else { Ok(vec![entry.to_path_buf()]) };
        match found {
            Ok(found) if found.is_empty() => self.entry_error(entry, "no file matches this pattern".to_owned()),
            Ok(found) => {
                for path in found {
                    match self.loader.read(&path) {
                        Ok(text) => {
                            self.open(path, text);
                            self.run();
                        }
                        Err(error) => self.entry_error(&path, format!("cannot read this file: {error}")),
                    }
                }
            }
            Err(error) => self.entry_error(entry, format!("cannot look for files: {error}")),
        }
    }

    fn entry_error(&mut self, path: &Path, message: String) {
        let span = Span { file: self.file_index(path.to_path_buf()), line: 1, column: 1 };
        self.errors.hint(span, message, "check that the file exists and may be read");
    }

    fn file_index(&mut self, path: PathBuf) -> u32 {
        self.configuration.files.push(Arc::new(path));
        u32::try_from(self.configuration.files.len() - 1).unwrap_or(u32::MAX)
    }

    fn open(&mut self, path: PathBuf, text: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(text.len());
        let file = self.file_index(path.clone());
        self.sources.push(Source { lines: Lines::new(file, text), path: Arc::new(path) });
    }

    /// Reads lines until no file is left.
    fn run(&mut self) {
        loop {
            while self.pending.last().is_some_and(|(.., depth)| *depth == self.sources.len()) {
                if let Some((path, span, _)) = self.pending.pop() {
                    self.open_included(path, span);
                }
            }
            let Some(source) = self.sources.last_mut() else { return };
            match source.lines.next(&mut self.errors) {
                Some(line) if !self.errors.is_full() => self.line(&line),
                _ => {
                    let end = source.lines.last();
                    self.sources.pop();
                    self.end_of_file(end);
                }
            }
        }
    }

    /// A chain that is open at the end of a file would swallow the first rule of the next file.
    fn end_of_file(&mut self, end: Span) {
        if self.chain.as_ref().is_some_and(|chain| chain.span.file == end.file) {
            self.close_chain_without_follower();
        }
    }

    fn line(&mut self, line: &Line) {
        let Some(words) = words(line, self.dialect, &mut self.errors) else { return };
        let slices: Vec<Slice<'_>> = words.iter().map(Text::all).collect();
        let Some((name, arguments)) = slices.split_first() else { return };
        let Some(entry) = directives::find(*name, arguments.len(), &mut self.errors) else { return };
        let span = name.span();
        if !matches!(entry.form, Form::Rule | Form::Action | Form::Script) {
            self.close_chain_without_follower();
        }
        match entry.form {
            Form::Rule => self.rule(span, arguments),
            Form::Action => self.action(span, arguments),
            Form::Script => self.script(span, arguments),
            Form::Include | Form::IncludeOptional => {
                let optional = matches!(entry.form, Form::IncludeOptional);
                self.include_directive(arguments, optional);
            }
            Form::Plain(parse) => {
                if let Some(kind) = parse(arguments, &mut self.errors) {
                    self.add(span, kind);
                }
            }
            Form::Value(parse) => {
                if let Some(setting) = parse(arguments, &mut self.errors) {
                    self.add(span, DirectiveKind::Setting(setting));
                }
            }
            Form::RemoteRules => self.remote_rules(span, arguments),
            Form::RemoteRulesFailAction => {
                let value = argument(arguments, 0);
                let found = value.and_then(|value| choice(value, "fail action", FAIL_ACTIONS, &mut self.errors));
                self.fail_action = found.unwrap_or(self.fail_action);
            }
            Form::Only(value, why) => {
                if !arguments.iter().all(|argument| argument.bytes().eq_ignore_ascii_case(value.as_bytes())) {
                    let message = format!("{} is supported only as {value}", entry.name);
                    self.errors.hint(span, message, format!("it {why}"));
                }
            }
            Form::Idle(why) => self.errors.warn(span, format!("{} has no meaning here: {why}", entry.name)),
            Form::Refused(why) => {
                self.errors.hint(span, format!("{} is not supported", entry.name), why);
            }
        }
    }

    fn add(&mut self, span: Span, kind: DirectiveKind) {
        if let DirectiveKind::Marker(name) = &kind {
            self.whole.marker(name);
        }
        self.configuration.directives.push(Directive { span, kind });
    }

    fn rule(&mut self, span: Span, arguments: &[Slice<'_>]) {
        let (Some(list), Some(test)) = (argument(arguments, 0), argument(arguments, 1)) else { return };
        let targets = targets(list, &mut self.errors);
        let operator = operator(test, &mut self.errors);
        self.link(span, Link { span, targets, operator, actions: Vec::new() }, argument(arguments, 2), false);
    }

    fn action(&mut self, span: Span, arguments: &[Slice<'_>]) {
        let operator = Operator { span, negated: false, kind: OperatorKind::UnconditionalMatch, argument: Vec::new() };
        let link = Link { span, targets: Vec::new(), operator, actions: Vec::new() };
        self.link(span, link, argument(arguments, 0), true);
    }

    /// `SecRuleScript file.lua "…"`: a test without variables.
    fn script(&mut self, span: Span, arguments: &[Slice<'_>]) {
        let Some(file) = argument(arguments, 0) else { return };
        let argument_text = file.bytes().to_vec();
        let operator =
            Operator { span: file.span(), negated: false, kind: OperatorKind::InspectFile, argument: argument_text };
        let link = Link { span, targets: Vec::new(), operator, actions: Vec::new() };
        self.link(span, link, argument(arguments, 1), false);
    }

    /// Adds a link to the open chain, or begins a rule; a link without `chain` ends it.
    fn link(&mut self, span: Span, mut link: Link, list: Option<Slice<'_>>, is_action: bool) {
        let found = list.map(|list| actions(list, &mut self.errors)).unwrap_or_default();
        link.actions = found.list;
        let chain = match self.chain.take() {
            Some(mut chain) => {
                chain.rule.links.push(link);
                chain
            }
            None => OpenChain { span, is_action, rule: Rule { links: vec![link] } },
        };
        if found.chain {
            self.chain = Some(chain);
        } else {
            self.close(chain);
        }
    }

    fn close(&mut self, chain: OpenChain) {
        checks::rule(&chain.rule, &mut self.errors);
        self.whole.rule(&chain.rule);
        let kind = if chain.is_action { DirectiveKind::Action(chain.rule) } else { DirectiveKind::Rule(chain.rule) };
        self.add(chain.span, kind);
    }

    fn close_chain_without_follower(&mut self) {
        let Some(chain) = self.chain.take() else { return };
        let last = chain.rule.links.last().map_or(chain.span, |link| link.span);
        self.errors.hint(
            last,
            "this rule says chain, but no rule follows it",
            "remove chain, or put the SecRule that belongs to it directly after it",
        );
        self.close(chain);
    }

    fn include_directive(&mut self, arguments: &[Slice<'_>], optional: bool) {
        let Some(text) = argument(arguments, 0) else { return };
        let Some(path) = path_from_bytes(text.bytes()).filter(|path| !path.as_os_str().is_empty()) else {
            self.errors.push(text.span(), "the path is empty or not valid UTF-8");
            return;
        };
        let base = self.sources.last().and_then(|source| source.path.parent().map(Path::to_path_buf));
        let path = base.unwrap_or_default().join(path);
        self.include(&path, text.span(), optional);
    }

    /// Finds the files of a pattern and queues them.
    fn include(&mut self, path: &Path, span: Span, optional: bool) {
        let depth = self.sources.len();
        if depth >= MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} files include one another in a row");
            self.errors.push(span, message);
            return;
        }
        let found = if is_pattern(path) || optional {
            match self.loader.glob(path) {
                Ok(found) => found,
                Err(error) => {
                    self.errors.push(span, format!("cannot look for {}: {error}", path.display()));
                    return;
                }
            }
        } else {
            vec![path.to_path_buf()]
        };
        if found.is_empty() && !optional {
            let message = format!("no file matches {}", path.display());
            self.errors.hint(span, message, "check the path, or use IncludeOptional");
        }
        self.pending.extend(found.into_iter().rev().map(|path| (path, span, depth)));
    }

    /// `SecRemoteRules KEY URL`: the rules stand where the directive does.
    fn remote_rules(&mut self, span: Span, arguments: &[Slice<'_>]) {
        let (Some(key), Some(url)) = (argument(arguments, 0), argument(arguments, 1)) else { return };
        let text = |slice: Slice<'_>| String::from_utf8_lossy(slice.bytes()).into_owned();
        let address = text(url);
        if !address.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            let message = format!("`{}` is no https: address", show(url.bytes()));
            self.errors.hint(url.span(), message, "rules are fetched only over HTTPS");
            return;
        }
        if self.sources.len() >= MAX_DEPTH || self.configuration.files.len() >= MAX_FILES {
            self.errors.push(span, "too many files include one another");
            return;
        }
        let path = PathBuf::from(&address);
        if self.sources.iter().any(|source| *source.path == path) {
            self.errors.push(span, format!("{address} includes itself"));
            return;
        }
        match (self.loader.fetch(&address, &text(key)), self.fail_action) {
            (Ok(rules), _) => {
                self.configuration.fetched.push(rules.clone());
                self.open(path, rules);
            }
            (Err(error), RemoteRulesFailAction::Warn) => {
                self.errors.warn(url.span(), format!("the remote rules are left out: {error}"));
            }
            (Err(error), RemoteRulesFailAction::Abort) => {
                let message = format!("cannot fetch the remote rules: {error}");
                self.errors.hint(
                    url.span(),
                    message,
                    "SecRemoteRulesFailAction Warn before it would start without them",
                );
            }
        }
    }

    fn open_included(&mut self, path: PathBuf, span: Span) {
        if self.sources.iter().any(|source| *source.path == path) {
            let message = format!("{} includes itself", path.display());
            self.errors.hint(span, message, "remove one of the Include lines that form the loop");
            return;
        }
        if self.configuration.files.len() >= MAX_FILES || self.bytes >= MAX_BYTES {
            let message = format!("more than {MAX_FILES} files or {MAX_BYTES} bytes of rules");
            self.errors.push(span, message);
            self.pending.clear();
            return;
        }
        match self.loader.read(&path) {
            Ok(text) => self.open(path, text),
            Err(error) => {
                let message = format!("cannot read {}: {error}", show(path.as_os_str().as_encoded_bytes()));
                self.errors.hint(span, message, "check that the file exists and may be read");
            }
        }
    }

    fn finish(mut self) -> Result<Configuration, Vec<ParseError>> {
        for (second, id, first) in std::mem::take(&mut self.whole.duplicates) {
            let file = self.configuration.files.get(first.file as usize);
            let file = file.map(|file| file.display().to_string()).unwrap_or_default();
            let message = format!("the rule id {id} is already used at {file}:{}", first.line);
            let path = |span: Span| self.configuration.files.get(span.file as usize);
            let is_same_place = second.line == first.line && path(second) == path(first);
            let hint = if is_same_place { "this file is read twice" } else { "give this rule an id of its own" };
            self.errors.hint(second, message, hint);
        }
        self.whole.finish(&mut self.errors);
        if self.errors.is_empty() {
            self.configuration.warnings = self.errors.warnings(&self.configuration.files);
            Ok(self.configuration)
        } else {
            Err(self.errors.resolve(&self.configuration.files))
        }
    }
}

/// Whether a path has wildcards.
fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}
