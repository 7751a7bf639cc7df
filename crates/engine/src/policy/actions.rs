//! The actions of rules, merged with the default actions of their phase.

use parapet_seclang::ast::{self, ActionKind, Transformation};

use super::names::Names;
use super::rule::{Change, Ctl, Disruptive, Effect, Meta, Secret};
use super::template::Template;
use crate::variables::persistent;

/// What `SecDefaultAction` says for one phase.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    disruptive: Option<ActionKind>,
    status: Option<u16>,
    log: bool,
    auditlog: bool,
    transformations: Vec<Transformation>,
    /// Tags, and what each rule does when it matches.
    pub(crate) others: Vec<ast::Action>,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            disruptive: None,
            status: None,
            log: true,
            auditlog: true,
            transformations: Vec::new(),
            others: Vec::new(),
        }
    }
}

impl Defaults {
    /// Reads the actions of a `SecDefaultAction`; also the phase they are for.
    pub(crate) fn read(actions: &[ast::Action]) -> (u8, Defaults) {
        let mut defaults = Defaults::default();
        let mut phase = 2;
        for action in actions {
            match &action.kind {
                ActionKind::Phase(number) => phase = *number,
                ActionKind::Status(status) => defaults.status = Some(*status),
                ActionKind::Log => defaults.log = true,
                ActionKind::NoLog => (defaults.log, defaults.auditlog) = (false, false),
                ActionKind::AuditLog => defaults.auditlog = true,
                ActionKind::NoAuditLog => defaults.auditlog = false,
                ActionKind::Transformation(Some(transformation)) => defaults.transformations.push(*transformation),
                ActionKind::Transformation(None) => defaults.transformations.clear(),
                kind if is_disruptive(kind) => defaults.disruptive = Some(kind.clone()),
                _ => defaults.others.push(action.clone()),
            }
        }
        (phase, defaults)
    }
}

fn is_disruptive(kind: &ActionKind) -> bool {
    matches!(
        kind,
        ActionKind::Allow(_)
            | ActionKind::Block
            | ActionKind::Deny
            | ActionKind::Drop
            | ActionKind::Pass
            | ActionKind::Redirect(_)
    )
}

/// Phase that a rule's actions name; 2 if they do not.
pub(crate) fn phase_of(actions: &[ast::Action]) -> u8 {
    let named = actions.iter().rev().find_map(|action| match action.kind {
        ActionKind::Phase(phase) => Some(phase),
        _ => None,
    });
    named.unwrap_or(2).clamp(1, 5)
}

/// Id that a rule's actions name; 0 if they do not.
pub(crate) fn id_of(actions: &[ast::Action]) -> u32 {
    let named = actions.iter().rev().find_map(|action| match action.kind {
        ActionKind::Id(id) => Some(id),
        _ => None,
    });
    named.unwrap_or(0)
}

/// What the head's actions decide for the whole rule.
pub(crate) struct Decision {
    pub(crate) disruptive: Disruptive,
    pub(crate) status: u16,
    pub(crate) log: bool,
    pub(crate) auditlog: bool,
}

/// Merges the head's actions with the defaults of its phase.
pub(crate) fn decide(actions: &[ast::Action], defaults: &Defaults, names: &mut Names) -> Decision {
    let (mut log, mut auditlog) = (defaults.log, defaults.auditlog);
    let mut status = None;
    let mut disruptive = None;
    for action in actions {
        match &action.kind {
            ActionKind::Log => (log, auditlog) = (true, true),
            ActionKind::NoLog => (log, auditlog) = (false, false),
            ActionKind::AuditLog => auditlog = true,
            ActionKind::NoAuditLog => auditlog = false,
            ActionKind::Status(code) => status = Some(*code),
            kind if is_disruptive(kind) => disruptive = Some(kind),
            _ => {}
        }
    }
    let chosen = match disruptive {
        Some(ActionKind::Block) | None => defaults.disruptive.as_ref(),
        other => other,
    };
    let disruptive = match chosen {
        Some(ActionKind::Allow(scope)) => Disruptive::Allow(*scope),
        Some(ActionKind::Deny) => Disruptive::Deny,
        Some(ActionKind::Drop) => Disruptive::Drop,
        Some(ActionKind::Redirect(url)) => Disruptive::Redirect(Template::parse(url, names)),
        _ => Disruptive::Pass,
    };
    let usual = if matches!(disruptive, Disruptive::Redirect(_)) { 302 } else { 403 };
    Decision { disruptive, status: status.or(defaults.status).unwrap_or(usual), log, auditlog }
}

/// Transformations of a link: those of the defaults, then its own; `t:none` clears all before it.
pub(crate) fn transformations(actions: &[ast::Action], defaults: &Defaults) -> Vec<Transformation> {
    let mut chain = defaults.transformations.clone();
    for action in actions {
        match action.kind {
            ActionKind::Transformation(Some(transformation)) => chain.push(transformation),
            ActionKind::Transformation(None) => chain.clear(),
            _ => {}
        }
    }
    chain
}

/// Adds what a link's actions say about the rule's findings. The head speaks first; a later link
/// only fills in what is still missing.
pub(crate) fn describe(meta: &mut Meta, actions: &[ast::Action], head: bool, names: &mut Names) {
    for action in actions {
        match &action.kind {
            ActionKind::Msg(text) if head || meta.message.pieces.is_empty() => {
                meta.message = Template::parse(text, names);
            }
            ActionKind::LogData(text) if head || meta.data.pieces.is_empty() => {
                meta.data = Template::parse(text, names)
            }
            ActionKind::Tag(text) => meta.tags.push(Template::parse(text, names)),
            ActionKind::Severity(severity) if head || meta.severity.is_none() => meta.severity = Some(*severity),
            ActionKind::Rev(text) if head => meta.revision.clone_from(text),
            ActionKind::Ver(text) if head => meta.version.clone_from(text),
            ActionKind::Maturity(grade) if head => meta.maturity = Some(*grade),
            ActionKind::Accuracy(grade) if head => meta.accuracy = Some(*grade),
            _ => {}
        }
    }
}

/// Removals that `ctl` actions ask for, in the order of the indexes in [`Ctl`].
#[derive(Default)]
pub(crate) struct Removals {
    pub(crate) rules: Vec<ast::Ctl>,
    pub(crate) targets: Vec<ast::Ctl>,
}

/// The effect of an action, if it has one when its rule matches. `exec` is compiled elsewhere.
pub(crate) fn effect(kind: &ActionKind, names: &mut Names, removals: &mut Removals) -> Result<Option<Effect>, String> {
    Ok(Some(match kind {
        ActionKind::SetVar(setvar) => set_variable(setvar, names)?,
        ActionKind::ExpireVar { variable, seconds } => match persistent(variable.collection) {
            Some(collection) => Effect::ExpirePersistent {
                collection,
                name: Template::parse(&variable.key, names),
                seconds: Template::parse(seconds, names),
            },
            // Within one transaction nothing has time to expire.
            None => return Ok(None),
        },
        ActionKind::InitCol { collection, key } => {
            Effect::InitCollection { collection: *collection, key: Template::parse(key, names) }
        }
        ActionKind::SetSid(key) => init(ast::PersistentCollection::Session, key, names),
        ActionKind::SetUid(key) => init(ast::PersistentCollection::User, key, names),
        ActionKind::SetRsc(key) => init(ast::PersistentCollection::Resource, key, names),
        ActionKind::SetEnv { name, value } => {
            Effect::SetEnv { name: Template::parse(name, names), value: Template::parse(value, names) }
        }
        ActionKind::Ctl(ctl) => Effect::Ctl(ctl_effect(ctl, removals)?),
        ActionKind::Append(text) => Effect::Inject { at_end: true, text: Template::parse(text, names) },
        ActionKind::Prepend(text) => Effect::Inject { at_end: false, text: Template::parse(text, names) },
        ActionKind::SanitiseArg(name) => Effect::Sanitise(Secret::Argument(name.clone())),
        ActionKind::SanitiseMatched => Effect::Sanitise(Secret::Matched),
        ActionKind::SanitiseMatchedBytes(kept) => Effect::Sanitise(Secret::MatchedBytes(kept.unwrap_or_default())),
        ActionKind::SanitiseRequestHeader(name) => Effect::Sanitise(Secret::RequestHeader(name.clone())),
        ActionKind::SanitiseResponseHeader(name) => Effect::Sanitise(Secret::ResponseHeader(name.clone())),
        // What these say is read by `decide`, `describe`, `transformations` or the compiler.
        ActionKind::Id(_)
        | ActionKind::Phase(_)
        | ActionKind::Msg(_)
        | ActionKind::LogData(_)
        | ActionKind::Tag(_)
        | ActionKind::Severity(_)
        | ActionKind::Rev(_)
        | ActionKind::Ver(_)
        | ActionKind::Maturity(_)
        | ActionKind::Accuracy(_)
        | ActionKind::Allow(_)
        | ActionKind::Block
        | ActionKind::Deny
        | ActionKind::Drop
        | ActionKind::Pass
        | ActionKind::Redirect(_)
        | ActionKind::Skip(_)
        | ActionKind::SkipAfter(_)
        | ActionKind::Status(_)
        | ActionKind::AuditLog
        | ActionKind::NoAuditLog
        | ActionKind::Capture
        | ActionKind::Exec(_)
        | ActionKind::Log
        | ActionKind::NoLog
        | ActionKind::MultiMatch
        | ActionKind::Transformation(_) => return Ok(None),
    }))
}

fn set_variable(setvar: &ast::SetVar, names: &mut Names) -> Result<Effect, String> {
    let change = match &setvar.change {
        ast::Change::Set(text) => Change::Set(Template::parse(text, names)),
        ast::Change::Add(text) => Change::Add(Template::parse(text, names)),
        ast::Change::Subtract(text) => Change::Subtract(Template::parse(text, names)),
        ast::Change::Unset => Change::Unset,
    };
    let name = Template::parse(&setvar.variable.key, names);
    Ok(match (persistent(setvar.variable.collection), name.plain()) {
        (Some(collection), _) => Effect::SetPersistent { collection, name, change },
        (None, Some(plain)) => {
            let is_score = memchr::memmem::find(&plain.to_ascii_lowercase(), b"_score").is_some();
            let ledger = is_score && matches!(change, Change::Add(_));
            let slot = names.intern(plain).ok_or("too many different names in TX")?;
            Effect::SetTx { slot, change, ledger }
        }
        (None, None) => Effect::SetTxNamed { name, change },
    })
}

fn init(collection: ast::PersistentCollection, key: &[u8], names: &mut Names) -> Effect {
    Effect::InitCollection { collection, key: Template::parse(key, names) }
}

fn ctl_effect(ctl: &ast::Ctl, removals: &mut Removals) -> Result<Ctl, String> {
    let numbered = |list: &mut Vec<ast::Ctl>| {
        let index = u16::try_from(list.len()).map_err(|_| "too many ctl actions".to_owned())?;
        list.push(ctl.clone());
        Ok::<u16, String>(index)
    };
    Ok(match ctl {
        ast::Ctl::RuleRemoveById(_) | ast::Ctl::RuleRemoveByMsg(_) | ast::Ctl::RuleRemoveByTag(_) => {
            Ctl::RemoveRules(numbered(&mut removals.rules)?)
        }
        ast::Ctl::RuleRemoveTargetById(..)
        | ast::Ctl::RuleRemoveTargetByMsg(..)
        | ast::Ctl::RuleRemoveTargetByTag(..) => Ctl::RemoveTargets(numbered(&mut removals.targets)?),
        ast::Ctl::RuleEngine(mode) => Ctl::RuleEngine(*mode),
        ast::Ctl::AuditEngine(engine) => Ctl::AuditEngine(*engine),
        ast::Ctl::AuditLogParts(parts) => Ctl::AuditLogParts(parts.clone()),
        ast::Ctl::ForceRequestBodyVariable(on) => Ctl::ForceRequestBodyVariable(*on),
        ast::Ctl::RequestBodyAccess(on) => Ctl::RequestBodyAccess(*on),
        ast::Ctl::RequestBodyLimit(limit) => Ctl::RequestBodyLimit(*limit),
        ast::Ctl::RequestBodyProcessor(processor) => Ctl::RequestBodyProcessor(*processor),
        ast::Ctl::ResponseBodyAccess(on) => Ctl::ResponseBodyAccess(*on),
        ast::Ctl::ResponseBodyLimit(limit) => Ctl::ResponseBodyLimit(*limit),
        ast::Ctl::ResponseBodyProcessor(processor) => Ctl::ResponseBodyProcessor(*processor),
        ast::Ctl::ParseXmlIntoArgs(mode) => Ctl::ParseXmlIntoArgs(*mode),
    })
}
