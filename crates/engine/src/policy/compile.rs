//! From directives to a policy.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parapet_script::Script;
use parapet_seclang::ast::{self, ActionKind, Configuration, DirectiveKind, TargetMode};
use parapet_seclang::{Loader, Warning};
use sha2::{Digest, Sha256};

use super::actions::{self, Defaults, Removals};
use super::chains::Chains;
use super::compile_removals::exclude;
use super::exclusions;
use super::names::{Names, Slot};
use super::program::{Markers, Program};
use super::rule::{Effect, Flow, Link, Meta, Operand, Quick, RemovedRule, Rule, TargetRemoval};
use super::settings::Settings;
use super::targets::{self, Exclusion, Select, Target, XML_NODES, resolve_slots};
use super::template::Template;
use crate::body::xpath::XPath;
use crate::error::CompileError;
use crate::operators::{GeoLookup, Lookup, Number, Operator, Pm, Rx, numeric};
use crate::prefilter::{Need, Prefilter, classes};
use crate::trace::Place;
use crate::transformations::UnicodeMap;
use crate::variables::Source;

/// A rule as the directives so far leave it.
pub(crate) struct Draft {
    pub(crate) rule: ast::Rule,
    defaults: Arc<[Defaults; 5]>,
    /// Place among rules and markers.
    order: usize,
}

/// Everything a policy is made of.
pub(crate) struct Compiled {
    pub(crate) settings: Settings,
    pub(crate) rules: Vec<Rule>,
    pub(crate) programs: [Program; 5],
    pub(crate) markers: Markers,
    pub(crate) chains: Chains,
    pub(crate) names: Names,
    /// Of the request phases, and of those after them.
    pub(crate) prefilters: [Prefilter; 2],
    /// The first bit of the rules in the second prefilter.
    pub(crate) response_bit: usize,
    /// Whether a rule tests the content of uploaded files, so that it must be kept.
    pub(crate) reads_file_content: bool,
    /// Whether a rule runs a script.
    pub(crate) runs_scripts: bool,
    /// Whether `ctl` may take a target in `TX` from a rule.
    pub(crate) tx_removals: bool,
    pub(crate) removals: Vec<Vec<u64>>,
    pub(crate) target_removals: Vec<TargetRemoval>,
    /// Rules that directives took out, for traces.
    pub(crate) removed_rules: Vec<RemovedRule>,
    /// Whether a rule looks names up.
    pub(crate) asks_resolver: bool,
    /// XPath expressions that rules name, each once.
    pub(crate) xpaths: Vec<XPath>,
    pub(crate) hash: String,
    /// What the configuration asks for that has no meaning here.
    pub(crate) warnings: Vec<Warning>,
}

/// Compiles a configuration, or says everything that is wrong with it.
pub(crate) fn compile(configuration: &Configuration, loader: &dyn Loader) -> Result<Compiled, Vec<CompileError>> {
    let mut compiler = Compiler {
        configuration,
        loader,
        errors: Vec::new(),
        warnings: configuration.warnings.clone(),
        digest: Sha256::new(),
        names: Names::new(),
        chains: Chains::new(),
        removals: Removals::default(),
        patterns: HashMap::new(),
        phrases: HashMap::new(),
        scripts: HashMap::new(),
        geo: None,
        http_bl_key: None,
        content_injection: false,
        pcre_match_limit: None,
    };
    let walked = compiler.walk();
    let compiled = compiler.finish(walked);
    if compiler.errors.is_empty() { Ok(compiled) } else { Err(compiler.errors) }
}

/// What the walk over the directives leaves.
#[derive(Default)]
pub(super) struct Walked {
    settings: Settings,
    drafts: Vec<Draft>,
    removed_rules: Vec<RemovedRule>,
    /// `SecUnicodeMapFile`.
    pub(super) unicode_map: Option<Arc<UnicodeMap>>,
    /// Markers and their places among rules and markers.
    markers: Vec<(Vec<u8>, usize)>,
}

/// A regular expression and what a value needs to match it, or why it cannot be compiled.
pub(super) type CompiledPattern = Result<(Arc<Rx>, Need), String>;

pub(super) struct Compiler<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) loader: &'a dyn Loader,
    errors: Vec<CompileError>,
    pub(super) warnings: Vec<Warning>,
    pub(super) digest: Sha256,
    pub(super) names: Names,
    chains: Chains,
    pub(super) removals: Removals,
    /// Patterns that occur more than once are compiled once.
    pub(super) patterns: HashMap<Vec<u8>, CompiledPattern>,
    pub(super) phrases: HashMap<Vec<u8>, (Arc<Pm>, Need)>,
    /// Scripts by path, or why they cannot run.
    pub(super) scripts: HashMap<PathBuf, Result<Script, String>>,
    /// `SecGeoLookupDb`.
    pub(super) geo: Option<Arc<GeoLookup>>,
    pub(super) http_bl_key: Option<Vec<u8>>,
    content_injection: bool,
    pub(super) pcre_match_limit: Option<u32>,
}

impl Compiler<'_> {
    pub(super) fn error(&mut self, span: ast::Span, message: String) {
        let file = self.configuration.files.get(span.file as usize).map(|file| file.to_path_buf()).unwrap_or_default();
        self.errors.push(CompileError { file, line: span.line, column: span.column, message });
    }

    fn digest_files(&mut self) {
        for file in &self.configuration.files {
            self.digest.update(file.as_os_str().as_encoded_bytes());
            if let Ok(text) = self.loader.read(file) {
                self.digest.update(&text);
            }
        }
        self.configuration.fetched.iter().for_each(|text| self.digest.update(text));
    }

    pub(super) fn place(&self, span: ast::Span) -> Place {
        let file = self.configuration.files.get(span.file as usize).map(Arc::clone).unwrap_or_default();
        Place { file, line: span.line }
    }

    /// What is kept of a rule that the directive at `by` takes out.
    fn removed(&self, draft: &Draft, by: ast::Span) -> RemovedRule {
        let head = draft.rule.links.first();
        let (span, actions) = head.map(|head| (head.span, head.actions.as_slice())).unwrap_or_default();
        RemovedRule {
            id: actions::id_of(actions),
            phase: actions::phase_of(actions),
            place: self.place(span),
            by: self.place(by),
        }
    }

    /// Takes the directives in order; each changes only what stands before it.
    fn walk(&mut self) -> Walked {
        let mut walked = Walked::default();
        let mut defaults: Arc<[Defaults; 5]> = Arc::default();
        let mut mime_types_set = false;
        for (order, directive) in self.configuration.directives.iter().enumerate() {
            match &directive.kind {
                DirectiveKind::Rule(rule) | DirectiveKind::Action(rule) => {
                    walked.drafts.push(Draft { rule: rule.clone(), defaults: Arc::clone(&defaults), order });
                }
                DirectiveKind::Marker(name) => walked.markers.push((name.clone(), order)),
                DirectiveKind::DefaultAction(actions) => {
                    let (phase, of_phase) = Defaults::read(actions);
                    let mut all = (*defaults).clone();
                    if let Some(place) = all.get_mut(usize::from(phase).saturating_sub(1)) {
                        *place = of_phase;
                    }
                    defaults = Arc::new(all);
                }
                DirectiveKind::UpdateActionById(id, link, actions) => {
                    exclusions::update_actions(&mut walked.drafts, *id, *link, actions);
                }
                DirectiveKind::Setting(setting) => {
                    if let Err(message) = self.setting_file(directive.span, setting, &mut walked) {
                        self.error(directive.span, message);
                    }
                    walked.settings.apply(setting, &mut mime_types_set);
                }
                other => match exclude(&mut walked.drafts, other) {
                    Ok(removed) => {
                        walked.removed_rules.extend(removed.iter().map(|draft| self.removed(draft, directive.span)));
                    }
                    Err(message) => self.error(directive.span, message),
                },
            }
        }
        walked
    }

    fn finish(&mut self, walked: Walked) -> Compiled {
        let Walked { settings, mut drafts, removed_rules, markers, unicode_map } = walked;
        self.digest_files();
        self.chains.unicode_map = unicode_map;
        self.content_injection = settings.content_injection;
        self.pcre_match_limit = settings.pcre_match_limit;
        self.http_bl_key.clone_from(&settings.http_bl_key);
        drafts.sort_by_key(|draft| (phase_of(draft), draft.order));
        self.compile_patterns(&drafts);

        let mut places = places_of(&markers, &drafts);
        let mut rules = Vec::with_capacity(drafts.len());
        let mut needs = Vec::new();
        let mut ranges = Vec::new();
        let mut response_bit = 0;
        for phase in 1..=5 {
            let first_rule = rules.len();
            // Each phase has words of its own, so that its part of a result is a slice.
            needs.resize(needs.len().next_multiple_of(64), Need::Class(0));
            let first_word = needs.len() / 64;
            if phase == 3 {
                response_bit = needs.len();
            }
            for draft in drafts.iter().filter(|draft| phase_of(draft) == phase) {
                let bit = needs.len() as u32;
                let (rule, need) = self.rule(draft, rules.len(), bit, &mut places);
                rules.push(rule);
                needs.push(need);
            }
            ranges.push((first_rule..rules.len(), first_word..needs.len().div_ceil(64)));
        }
        for rule in &mut rules {
            rule.links.iter_mut().flat_map(|link| &mut link.targets).for_each(|t| resolve_slots(t, &self.names));
        }
        targets::number(rules.iter_mut().filter_map(|rule| rule.links.first_mut()).flat_map(|head| &mut head.targets));
        let (removals, target_removals) = self.resolve_removals(&drafts, &rules, needs.len().div_ceil(64));
        let programs = std::array::from_fn(|index| match ranges.get(index) {
            Some((range, words)) => {
                Program::build(&rules, range.clone(), words.clone(), &self.chains, &self.names, &removals)
            }
            None => Program::default(),
        });
        let runs_scripts = rules.iter().flat_map(|rule| &rule.links).any(Link::runs_script);
        Compiled {
            settings,
            xpaths: xpaths(&rules),
            asks_resolver: rules.iter().flat_map(|rule| &rule.links).any(asks_resolver),
            programs,
            // A script can ask for any variable.
            reads_file_content: runs_scripts || rules.iter().flat_map(|rule| &rule.links).any(reads_file_content),
            runs_scripts,
            rules,
            markers: places,
            chains: std::mem::take(&mut self.chains),
            names: std::mem::take(&mut self.names),
            // Texts of responses are searched for other things than those of requests, in smaller tables.
            prefilters: [
                Prefilter::build(needs.get(..response_bit).unwrap_or_default()),
                Prefilter::build(needs.get(response_bit..).unwrap_or_default()),
            ],
            response_bit,
            tx_removals: target_removals
                .iter()
                .any(|removal| removal.exclusions.iter().any(|exclusion| exclusion.variable == ast::Variable::Tx)),
            removals,
            target_removals,
            removed_rules,
            warnings: std::mem::take(&mut self.warnings),
            hash: hex::encode(self.digest.finalize_reset()).chars().take(16).collect(),
        }
    }

    fn rule(&mut self, draft: &Draft, index: usize, bit: u32, markers: &mut Markers) -> (Rule, Need) {
        let unset = Vec::new();
        let head = draft.rule.links.first();
        let head_actions = head.map_or(&unset, |head| &head.actions);
        let phase = actions::phase_of(head_actions);
        let fallback = Defaults::default();
        let defaults = draft.defaults.get(usize::from(phase) - 1).unwrap_or(&fallback);
        let decision = actions::decide(head_actions, defaults, &mut self.names);
        let span = head.map(|head| head.span).unwrap_or_default();
        let mut meta = Meta {
            file: self.configuration.files.get(span.file as usize).map(Arc::clone).unwrap_or_default(),
            line: span.line,
            ..Meta::default()
        };
        let mut flow = Flow::Next;
        let mut links = Vec::with_capacity(draft.rule.links.len());
        let mut need = Need::Nothing;
        for (position, link) in draft.rule.links.iter().enumerate() {
            if position == 0 {
                actions::describe(&mut meta, &defaults.others, false, &mut self.names);
            }
            actions::describe(&mut meta, &link.actions, position == 0, &mut self.names);
            if flow == Flow::Next {
                flow = flow_of(&link.actions, phase, index, markers);
            }
            let (compiled, of_link) = self.link(link, defaults, position == 0);
            if position == 0 {
                need = of_link;
            }
            links.push(compiled);
        }
        let quick = links.first().and_then(quick_of);
        let rule = Rule {
            id: actions::id_of(head_actions),
            phase,
            links,
            disruptive: decision.disruptive,
            status: decision.status,
            flow,
            log: decision.log,
            auditlog: decision.auditlog,
            meta,
            quick,
            bit,
        };
        (rule, need)
    }

    /// The effects of a link; those of the default actions come first, in the head of a chain.
    fn effects(&mut self, link: &ast::Link, defaults: &Defaults, head: bool) -> Vec<Effect> {
        let inherited = if head { defaults.others.as_slice() } else { &[] };
        let all: Vec<ast::Action> = inherited.iter().chain(&link.actions).cloned().collect();
        let injects = |action: &&ast::Action| matches!(action.kind, ActionKind::Append(_) | ActionKind::Prepend(_));
        if let Some(action) = all.iter().find(injects).filter(|_| !self.content_injection) {
            self.error(action.span, "append and prepend need SecContentInjection On".to_owned());
        }
        let mut effects = Vec::new();
        for action in &all {
            let outcome = match &action.kind {
                ActionKind::Exec(name) => self.script(action.span, name).map(|script| Some(Effect::Exec(script))),
                kind => actions::effect(kind, &mut self.names, &mut self.removals),
            };
            match outcome {
                Ok(effect) => effects.extend(effect),
                Err(message) => self.error(action.span, message),
            }
        }
        effects
    }

    fn link(&mut self, link: &ast::Link, defaults: &Defaults, head: bool) -> (Link, Need) {
        let mut targets = Vec::new();
        let mut excluded = Vec::new();
        for target in &link.targets {
            let outcome = if target.mode == TargetMode::Exclude {
                // The list stands between the beginning of the rule and its operator.
                let is_own = target.span.file == link.span.file
                    && (link.span.line..=link.operator.span.line).contains(&target.span.line);
                Exclusion::compile(target, self.place(target.span), &mut self.names)
                    .map(|exclusion| excluded.push(Exclusion { is_own, ..exclusion }))
            } else {
                Target::compile(target, &mut self.names).map(|target| targets.push(target))
            };
            if let Err(message) = outcome {
                self.error(target.span, message);
            }
        }
        let effects = self.effects(link, defaults, head);
        let argument = Template::parse(&link.operator.argument, &mut self.names);
        let (operator, need) = match self.operator(&link.operator, &argument) {
            Ok(compiled) => compiled,
            Err(message) => {
                self.error(link.operator.span, message);
                (Operator::Never, Need::Nothing)
            }
        };
        if link.targets.is_empty() && matches!(operator, Operator::Lookup(Lookup::Script(_))) {
            // `SecRuleScript` is asked once: its own id stands for a value.
            targets.push(Target::of_rule());
        }
        let has = |wanted: &ActionKind| link.actions.iter().any(|action| action.kind == *wanted);
        let transformations = actions::transformations(&link.actions, defaults);
        let number = argument.plain().map(numeric::parse).filter(|_| matches!(operator, Operator::Number(_)));
        let mut operator_text = if link.operator.negated { b"!@".to_vec() } else { b"@".to_vec() };
        operator_text.extend_from_slice(link.operator.kind.name().as_bytes());
        if !link.operator.argument.is_empty() {
            operator_text.push(b' ');
            operator_text.extend_from_slice(&link.operator.argument);
        }
        let chain = self.chains.intern(&transformations);
        let multi_match = has(&ActionKind::MultiMatch);
        let counts = targets.iter().any(|target: &Target| target.count);
        let compiled = Link {
            capture: has(&ActionKind::Capture) && operator.has_captures(),
            targets,
            exclusions: excluded,
            operator,
            negated: link.operator.negated,
            needed: if link.operator.negated || counts { classes::ALL } else { need.classes() },
            argument,
            number,
            chain,
            tested_after: if multi_match { self.chains.prefixes(chain) } else { vec![chain] },
            multi_match,
            effects,
            operator_text,
            targets_text: link.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join("|").into(),
            line: link.span.line,
        };
        (compiled, need)
    }
}

fn phase_of(draft: &Draft) -> u8 {
    draft.rule.links.first().map_or(2, |head| actions::phase_of(&head.actions))
}

/// Where the markers stand among sorted rules, in each phase.
fn places_of(markers: &[(Vec<u8>, usize)], drafts: &[Draft]) -> Markers {
    let mut places = Markers::default();
    for (name, order) in markers {
        let after = std::array::from_fn(|index| {
            let phase = index as u8 + 1;
            drafts.partition_point(|draft| (phase_of(draft), draft.order) < (phase, *order))
        });
        let marker = places.intern(name);
        places.add(marker, after);
    }
    places
}

/// The XPath expressions of all rules.
fn xpaths(rules: &[Rule]) -> Vec<XPath> {
    let mut found: Vec<XPath> = Vec::new();
    let targets = rules.iter().flat_map(|rule| &rule.links).flat_map(|link| &link.targets);
    for target in targets.filter(|target| target.source == XML_NODES) {
        if let Select::Key { key, .. } = &target.select
            && let Ok(path) = XPath::parse(key)
            && !found.contains(&path)
        {
            found.push(path);
        }
    }
    found
}

fn flow_of(actions: &[ast::Action], phase: u8, index: usize, markers: &mut Markers) -> Flow {
    let found = actions.iter().find_map(|action| match &action.kind {
        ActionKind::Skip(count) => Some(Flow::Skip(*count)),
        ActionKind::SkipAfter(name) => {
            let marker = markers.intern(name);
            let rule = markers.after(marker, phase, index).and_then(|rule| u32::try_from(rule).ok());
            Some(Flow::SkipAfter { rule, marker })
        }
        _ => None,
    });
    found.unwrap_or(Flow::Next)
}

/// The quick test of a link, if it only looks at numbers in `TX`.
fn quick_of(link: &Link) -> Option<Quick> {
    let [target] = link.targets.as_slice() else { return None };
    let (Operator::Number(number), Source::Tx, Select::Slot(slot)) = (&link.operator, target.source, &target.select)
    else {
        return None;
    };
    let plain = link.chain == super::chains::ChainId::EMPTY && link.exclusions.is_empty() && !link.multi_match;
    let (slot, number, negated): (Slot, Number, bool) = (*slot, *number, link.negated);
    match (target.count, link.number, link.argument.slot()) {
        (true, Some(with), _) if plain => Some(Quick::Count { slot, number, negated, with }),
        (false, Some(with), _) if plain => {
            Some(Quick::Compare { slot, number, negated, with: Operand::Constant(with) })
        }
        (false, None, Some(other)) if plain => {
            Some(Quick::Compare { slot, number, negated, with: Operand::Slot(other) })
        }
        _ => None,
    }
}

fn asks_resolver(link: &Link) -> bool {
    matches!(link.operator, Operator::Lookup(Lookup::Rbl(_)))
}

fn reads_file_content(link: &Link) -> bool {
    let content = |variable| matches!(variable, ast::Variable::FilesTmpContent | ast::Variable::FilesTmpNames);
    link.targets.iter().any(|target| content(target.variable))
}
