//! How far each name of ModSecurity's and Coraza's language is supported.
//!
//! The parser, the documentation and the tests read the same tables: what is listed here as refused is
//! an error with the reason as its hint, and what is listed as idle is a warning.

use crate::actions::ACTIONS;
use crate::ctl::{BODY_PROCESSORS, OPTIONS};
use crate::directives::DIRECTIVES;
use crate::names::{OperatorKind, Transformation, Variable};

/// How far a name is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It means what it means in ModSecurity.
    Full,
    /// Accepted with this value only; then, what another value would do.
    Only(&'static str, &'static str),
    /// Accepted with a warning, because it has no meaning here; then, why.
    Idle(&'static str),
    /// An error; then, why, or what to use instead.
    Refused(&'static str),
}

/// What kind of name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `SecRuleEngine`.
    Directive,
    /// `ARGS`.
    Variable,
    /// `@rx`.
    Operator,
    /// `t:lowercase`.
    Transformation,
    /// `deny`.
    Action,
    /// `ctl:ruleEngine`.
    CtlOption,
    /// `ctl:requestBodyProcessor=JSON`.
    BodyProcessor,
}

/// A name of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// As the manual spells it.
    pub name: &'static str,
    /// How far it is supported.
    pub support: Support,
}

/// Exceptions among the variables.
const VARIABLES: &[(Variable, Support)] = &[
    (Variable::Json, Support::Refused("the members of a JSON body are arguments: ARGS:json.name")),
    (Variable::UriParseError, Support::Idle("a request target is taken as it is; it is always 0")),
    (Variable::WebserverErrorLog, Support::Idle("there is no web server behind it; it is always empty")),
];

/// Exceptions among the operators.
const OPERATORS: &[(OperatorKind, Support)] = &[
    (OperatorKind::GsbLookup, Support::Refused("the Safe Browsing lists that it reads are no longer published")),
    (OperatorKind::IpMatchFromDataset, Support::Refused("put the addresses into a file: @ipMatchFromFile")),
    (OperatorKind::PmFromDataset, Support::Refused("put the phrases into a file: @pmFromFile")),
    (
        OperatorKind::Rsub,
        Support::Refused("bodies are inspected, not rewritten; SecContentInjection adds to responses"),
    ),
    (OperatorKind::ValidateDtd, Support::Refused("document types are never loaded; validate in the application")),
    (OperatorKind::ValidateHash, Support::Refused("response signing is not supported")),
    (OperatorKind::ValidateSchema, Support::Refused("schemas are not supported; validate in the application")),
];

/// Exceptions among the actions.
const ACTION_EXCEPTIONS: &[(&str, Support)] = &[
    ("deprecatevar", Support::Refused("let the variable expire: expirevar:ip.score=60")),
    ("pause", Support::Refused("a delayed answer holds a connection open for the attacker; use deny or drop")),
    ("proxy", Support::Refused("the gateway's sites say where requests go; use redirect or deny")),
    ("xmlns", Support::Idle("XPath expressions compare names without their namespaces")),
];

/// Exceptions among the options of `ctl`.
const CTL_EXCEPTIONS: &[(&str, Support)] = &[
    ("debugLogLevel", Support::Idle("there is no debug log; the trace of a request shows the same")),
    ("forceResponseBodyVariable", Support::Idle("RESPONSE_BODY holds every response body that is inspected")),
    ("hashEnforcement", Support::Only("Off", "verifies signed links, and responses are not signed")),
    ("hashEngine", Support::Only("Off", "signs links in responses")),
];

fn exception<T: PartialEq>(table: &[(T, Support)], item: &T) -> Support {
    table.iter().find(|(known, _)| known == item).map_or(Support::Full, |(_, support)| *support)
}

/// How far a variable is supported.
pub fn of_variable(variable: Variable) -> Support {
    exception(VARIABLES, &variable)
}

/// How far an operator is supported.
pub fn of_operator(operator: OperatorKind) -> Support {
    exception(OPERATORS, &operator)
}

pub(crate) fn of_action(name: &str) -> Support {
    exception(ACTION_EXCEPTIONS, &name)
}

pub(crate) fn of_ctl(name: &str) -> Support {
    exception(CTL_EXCEPTIONS, &name)
}

/// Every name that the parser knows, aliases left out, kind by kind.
pub fn inventory() -> Vec<Entry> {
    let entry = |kind, name, support| Entry { kind, name, support };
    let directives = DIRECTIVES.iter().map(|row| entry(Kind::Directive, row.name, row.support()));
    let variables = Variable::ALL.iter().map(|item| entry(Kind::Variable, item.name(), of_variable(*item)));
    let operators = OperatorKind::ALL.iter().map(|item| entry(Kind::Operator, item.name(), of_operator(*item)));
    let transformations = Transformation::ALL
        .iter()
        .map(|item| item.name())
        .chain(["none"])
        .map(|name| entry(Kind::Transformation, name, Support::Full));
    let actions = ACTIONS.iter().map(|(name, _)| entry(Kind::Action, name, of_action(name)));
    let options = OPTIONS.iter().map(|name| entry(Kind::CtlOption, name, of_ctl(name)));
    let processors = BODY_PROCESSORS.iter().map(|(name, _)| entry(Kind::BodyProcessor, name, Support::Full));
    directives
        .chain(variables)
        .chain(operators)
        .chain(transformations)
        .chain(actions)
        .chain(options)
        .chain(processors)
        .collect()
}
