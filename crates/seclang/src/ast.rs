//! What SecLang text means: typed directives with source spans.
//!
//! Sources: ModSecurity Reference Manual v3.x, CRS rule files. Numbers, enumerations and references
//! between directives (default actions, exclusions, chains) are typed here; variable, operator,
//! transformation and action *names* are resolved against the closed sets below, so that everything
//! that can be wrong with the text is reported with its place before the engine sees it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use crate::error::Warning;

/// A place in a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Index into [`Configuration::files`].
    pub file: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

/// A parsed configuration: all files, includes resolved, in order.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// Paths of the files, as they were named.
    pub files: Vec<Arc<PathBuf>>,
    /// Directives in order.
    pub directives: Vec<Directive>,
    /// Rules that came over the network, in order: no file holds them.
    pub fetched: Vec<Vec<u8>>,
    /// What is accepted without having a meaning here, and why.
    pub warnings: Vec<Warning>,
}

/// A directive and its place.
#[derive(Debug, Clone)]
pub struct Directive {
    /// Where it begins.
    pub span: Span,
    /// What it says.
    pub kind: DirectiveKind,
}

/// What a directive says.
#[derive(Debug, Clone)]
pub enum DirectiveKind {
    /// `SecRule`, with the chained rules that follow it.
    Rule(Rule),
    /// `SecAction`: a rule without a test, possibly the head of a chain.
    Action(Rule),
    /// `SecMarker`.
    Marker(Vec<u8>),
    /// `SecDefaultAction`.
    DefaultAction(Vec<Action>),
    /// `SecRuleRemoveById`.
    RemoveById(Vec<IdRange>),
    /// `SecRuleRemoveByTag`: a regular expression.
    RemoveByTag(Vec<u8>),
    /// `SecRuleRemoveByMsg`: a regular expression.
    RemoveByMsg(Vec<u8>),
    /// `SecRuleUpdateTargetById`.
    UpdateTargetById(Vec<IdRange>, Vec<Target>),
    /// `SecRuleUpdateTargetByTag`: a regular expression and targets.
    UpdateTargetByTag(Vec<u8>, Vec<Target>),
    /// `SecRuleUpdateTargetByMsg`: a regular expression and targets.
    UpdateTargetByMsg(Vec<u8>, Vec<Target>),
    /// `SecRuleUpdateActionById`: rule id, link of its chain (0 is the head), actions.
    UpdateActionById(u32, usize, Vec<Action>),
    /// Everything that sets one value.
    Setting(Setting),
}

/// Inclusive range of rule ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// First.
    pub first: u32,
    /// Last.
    pub last: u32,
}

impl IdRange {
    /// Whether the id lies in the range.
    pub fn contains(self, id: u32) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

/// A rule: one link, or a chain of them. The first link's actions carry id, phase and messages.
#[derive(Debug, Clone)]
pub struct Rule {
    /// At least one.
    pub links: Vec<Link>,
}

/// One `SecRule` (or `SecAction`, which has no targets) of a chain.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where it begins.
    pub span: Span,
    /// Variables to test; empty for `SecAction`, and for `SecRuleScript`, whose script is the argument of
    /// its operator.
    pub targets: Vec<Target>,
    /// The test.
    pub operator: Operator,
    /// Actions in order, the word `chain` left out.
    pub actions: Vec<Action>,
}

/// One element of a variable list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it stands.
    pub span: Span,
    /// Plain, `!` or `&`.
    pub mode: TargetMode,
    /// Which variable.
    pub variable: Variable,
    /// Which members of a collection.
    pub selector: Selector,
}

/// As it is written in a list; bytes that are not UTF-8 are replaced.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.mode {
            TargetMode::Include => "",
            TargetMode::Exclude => "!",
            TargetMode::Count => "&",
        })?;
        f.write_str(self.variable.name())?;
        match &self.selector {
            Selector::All => Ok(()),
            Selector::Key(key) | Selector::XPath(key) => write!(f, ":{}", String::from_utf8_lossy(key)),
            Selector::Regex(pattern) => write!(f, ":/{}/", String::from_utf8_lossy(pattern)),
        }
    }
}

/// How a target is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetMode {
    /// Its values are tested.
    Include,
    /// `!`: its values are taken out again.
    Exclude,
    /// `&`: the number of its values is tested.
    Count,
}

/// Members of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// All members (no selector).
    All,
    /// One key, compared without case.
    Key(Vec<u8>),
    /// Keys that match a regular expression, written `/…/` (quotes around it are allowed).
    Regex(Vec<u8>),
    /// XPath, for `XML:/*` and `XML://@*`.
    XPath(Vec<u8>),
}

/// An operator with its argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Where it stands.
    pub span: Span,
    /// `!@op`: the outcome is inverted.
    pub negated: bool,
    /// Which operator.
    pub kind: OperatorKind,
    /// Its argument; macros are not expanded here.
    pub argument: Vec<u8>,
}

/// An action.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// Where it stands.
    pub span: Span,
    /// What it does.
    pub kind: ActionKind,
}

/// Text that may contain `%{…}` macros, unparsed.
pub type Template = Vec<u8>;

/// What an action does. `chain` is structure and does not appear.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is the SecLang action of the same name")]
pub enum ActionKind {
    // metadata
    Id(u32),
    Phase(u8),
    Msg(Template),
    LogData(Template),
    Tag(Template),
    Severity(u8),
    Rev(Vec<u8>),
    Ver(Vec<u8>),
    Maturity(u8),
    Accuracy(u8),
    // disruptive
    Allow(AllowScope),
    Block,
    Deny,
    Drop,
    Pass,
    Redirect(Template),
    // flow
    Skip(u32),
    SkipAfter(Vec<u8>),
    // data
    Status(u16),
    // non-disruptive
    Append(Template),
    AuditLog,
    NoAuditLog,
    Capture,
    Ctl(Ctl),
    Exec(Vec<u8>),
    ExpireVar {
        variable: CollectionKey,
        seconds: Template,
    },
    InitCol {
        collection: PersistentCollection,
        key: Template,
    },
    Log,
    NoLog,
    MultiMatch,
    Prepend(Template),
    SanitiseArg(Vec<u8>),
    SanitiseMatched,
    SanitiseMatchedBytes(Option<(u32, u32)>),
    SanitiseRequestHeader(Vec<u8>),
    SanitiseResponseHeader(Vec<u8>),
    SetEnv {
        name: Template,
        value: Template,
    },
    SetRsc(Template),
    SetSid(Template),
    SetUid(Template),
    SetVar(SetVar),
    /// `t:…`; `None` is `t:none`, which clears everything before it.
    Transformation(Option<Transformation>),
}

/// What `allow` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowScope {
    /// All phases but logging.
    Transaction,
    /// The current phase.
    Phase,
    /// The request phases.
    Request,
}

/// `COLLECTION.key` or `COLLECTION:key`; the key may contain macros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionKey {
    /// Upper-case name of the collection.
    pub collection: WritableCollection,
    /// Key within it.
    pub key: Template,
}

/// Collections that rules may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the SecLang collection of the same name")]
pub enum WritableCollection {
    Tx,
    Ip,
    Session,
    User,
    Global,
    Resource,
}

/// Collections that outlive a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the SecLang collection of the same name")]
pub enum PersistentCollection {
    Ip,
    Session,
    User,
    Global,
    Resource,
}

/// `setvar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVar {
    /// What to change.
    pub variable: CollectionKey,
    /// How.
    pub change: Change,
}

/// What `setvar` does to its variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `x=value`; `x` alone sets "1".
    Set(Template),
    /// `x=+n`
    Add(Template),
    /// `x=-n`
    Subtract(Template),
    /// `!x`
    Unset,
}

/// `ctl:…`, which changes the rest of the current transaction.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is the ctl option of the same name")]
pub enum Ctl {
    AuditEngine(AuditEngine),
    /// Parts to add (`+E`), take away (`-E`) or use (`ABE`).
    AuditLogParts(Vec<u8>),
    ForceRequestBodyVariable(bool),
    ParseXmlIntoArgs(ParseXmlIntoArgs),
    RequestBodyAccess(bool),
    RequestBodyLimit(u64),
    RequestBodyProcessor(BodyProcessor),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(u64),
    ResponseBodyProcessor(BodyProcessor),
    RuleEngine(EngineMode),
    RuleRemoveById(Vec<IdRange>),
    RuleRemoveByMsg(Vec<u8>),
    RuleRemoveByTag(Vec<u8>),
    RuleRemoveTargetById(Vec<IdRange>, Vec<Target>),
    RuleRemoveTargetByMsg(Vec<u8>, Vec<Target>),
    RuleRemoveTargetByTag(Vec<u8>, Vec<Target>),
}

/// `SecRuleEngine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EngineMode {
    /// No rules run.
    #[default]
    Off,
    /// Rules run; nothing is blocked.
    DetectionOnly,
    /// Rules run and block.
    On,
}

/// `SecAuditEngine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AuditEngine {
    /// No transaction is logged.
    #[default]
    Off,
    /// Only those with a finding or a relevant status.
    RelevantOnly,
    /// All.
    On,
}

/// `SecParseXmlIntoArgs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ParseXmlIntoArgs {
    /// XML is in `XML` only.
    #[default]
    Off,
    /// XML is in `XML` and `ARGS`.
    On,
    /// XML is in `ARGS` only.
    OnlyArgs,
}

/// Body processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the SecLang body processor of the same name")]
pub enum BodyProcessor {
    UrlEncoded,
    Multipart,
    Xml,
    Json,
    Raw,
}

/// What happens to a body over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LimitAction {
    /// Refuse the transaction.
    #[default]
    Reject,
    /// Inspect what fits.
    ProcessPartial,
}

/// Directives that set one value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is the directive of the same name, without `Sec`")]
pub enum Setting {
    ArgumentSeparator(u8),
    ArgumentsLimit(u32),
    AuditEngine(AuditEngine),
    AuditLogParts(Vec<u8>),
    AuditLogRelevantStatus(Vec<u8>),
    CollectionTimeout(u32),
    ComponentSignature(Vec<u8>),
    ContentInjection(bool),
    GeoLookupDb(PathBuf),
    HttpBlKey(Vec<u8>),
    PcreMatchLimit(u32),
    ParseXmlIntoArgs(ParseXmlIntoArgs),
    RequestBodyAccess(bool),
    RequestBodyJsonDepthLimit(u32),
    RequestBodyLimit(u64),
    RequestBodyLimitAction(LimitAction),
    RequestBodyNoFilesLimit(u64),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(u64),
    ResponseBodyLimitAction(LimitAction),
    /// Adds to the list.
    ResponseBodyMimeType(Vec<Vec<u8>>),
    ResponseBodyMimeTypesClear,
    RuleEngine(EngineMode),
    StreamInBodyInspection(bool),
    StreamOutBodyInspection(bool),
    UnicodeMapFile {
        path: PathBuf,
        code_page: u32,
    },
    UploadFileLimit(u32),
    WebAppId(Vec<u8>),
}

/// `SecRemoteRulesFailAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RemoteRulesFailAction {
    /// Rules that cannot be fetched are an error.
    #[default]
    Abort,
    /// They are left out with a warning.
    Warn,
}

pub use crate::names::{OperatorKind, Transformation, Variable};
