//! Compiled policies: a SecLang configuration as the interpreter runs it.
//!
//! [`compile`] walks the directives in order and applies those that change rules to the rules before
//! them; [`compile_operators`], [`actions`], [`targets`] and [`template`] compile the parts of a rule; [`program`] arranges the
//! rules per phase; what a rule's values must contain goes to the [prefilter](crate::prefilter).

pub(crate) mod actions;
pub(crate) mod chains;
pub(crate) mod compile;
mod compile_operators;
mod compile_patterns;
mod compile_removals;
mod compile_scripts;
pub(crate) mod exclusions;
pub(crate) mod names;
mod pool;
pub(crate) mod program;
mod relevant_status;
pub(crate) mod rule;
mod settings;
pub(crate) mod setup;
pub(crate) mod slices;
pub(crate) mod targets;
pub(crate) mod template;

use std::path::PathBuf;
use std::sync::Arc;

use parapet_seclang::{Configuration, Loader, NoFiles, Warning};

pub use settings::Settings;

use crate::error::{CompileError, LoadError};
use crate::limits::Limits;
use crate::loader::FileLoader;
use crate::operators::{Resolver, Rx};
use crate::transaction::{State, Tools};
use compile::Compiled;
use pool::Pool;

/// A compiled configuration. Immutable and shared; [`Transaction`](crate::Transaction)s run on it.
pub struct Policy {
    pub(crate) parts: Compiled,
    pub(crate) limits: Limits,
    /// Runs every rule on every value, transformed anew each time: slow and obviously right.
    pub(crate) exhaustive: bool,
    pub(crate) seed: u64,
    pub(crate) resolver: Option<Arc<dyn Resolver>>,
    /// Statuses that put a transaction into the audit log.
    pub(crate) relevant_status: Option<Rx>,
    pool: Pool,
}

impl Policy {
    /// Compiles a parsed configuration. Data files that rules name are read through `loader`,
    /// relative to the rule's file.
    ///
    /// # Errors
    /// Everything that cannot be compiled, each with its place.
    pub fn compile(configuration: &Configuration, loader: &dyn Loader) -> Result<Policy, Vec<CompileError>> {
        let parts = compile::compile(configuration, loader);
        let (parts, relevant_status) = match (parts, relevant_status::compile(configuration)) {
            (Ok(parts), Ok(relevant_status)) => (parts, relevant_status),
            (parts, status) => return Err([parts.err(), status.err()].into_iter().flatten().flatten().collect()),
        };
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8);
        Ok(Policy {
            parts,
            limits: Limits::default(),
            exhaustive: false,
            seed,
            resolver: None,
            relevant_status,
            pool: Pool::default(),
        })
    }

    /// Compiles rules that are at hand as text, and name no files. `name` stands for their file in
    /// messages and findings.
    ///
    /// # Errors
    /// Everything that is wrong with them, each with its place.
    pub fn from_text(name: &str, rules: &[u8]) -> Result<Policy, LoadError> {
        let configuration = parapet_seclang::parse_str(name, rules, &NoFiles).map_err(LoadError::Parse)?;
        Policy::compile(&configuration, &NoFiles).map_err(LoadError::Compile)
    }

    /// Reads, parses and compiles rule files, in order, as one configuration.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with its place.
    pub fn load(entries: &[PathBuf]) -> Result<Policy, LoadError> {
        let configuration = parapet_seclang::parse_all(entries, &FileLoader).map_err(LoadError::Parse)?;
        Policy::compile(&configuration, &FileLoader).map_err(LoadError::Compile)
    }

    /// The same policy with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Policy {
        self.limits = limits;
        self
    }

    /// The same policy with somebody who looks names up for `@rbl`, which otherwise matches nothing.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Policy {
        self.resolver = Some(resolver);
        self
    }

    /// What the configuration asks for that has no meaning here.
    pub fn warnings(&self) -> &[Warning] {
        &self.parts.warnings
    }

    /// Whether a rule asks the [`Resolver`], so that a phase may take as long as it does.
    pub fn asks_resolver(&self) -> bool {
        self.parts.asks_resolver
    }

    /// Whether a rule runs a Lua script, so that a phase may take as long as scripts may.
    pub fn runs_scripts(&self) -> bool {
        self.parts.runs_scripts
    }

    /// The same policy, run without prefilter and without remembering transformed values: every rule
    /// tests every value. For comparison with the fast way; the findings are the same.
    #[must_use]
    pub fn exhaustive(mut self) -> Policy {
        self.exhaustive = true;
        self
    }

    /// First 16 hexadecimal digits of the SHA-256 over all files read.
    pub fn hash(&self) -> &str {
        &self.parts.hash
    }

    /// Number of rules; a chain counts once.
    pub fn rule_count(&self) -> usize {
        self.parts.rules.len()
    }

    /// What directives set to one value.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// The limits of each transaction.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes that the prefilter's tables take.
    pub fn prefilter_memory(&self) -> usize {
        self.parts.prefilters.iter().map(crate::prefilter::Prefilter::memory).sum()
    }

    /// Buffers of an earlier transaction, or new ones.
    pub(crate) fn take_state(&self) -> Box<State> {
        self.pool.take()
    }

    /// What a transaction needs while it runs a phase.
    pub(crate) fn take_tools(&self) -> Box<Tools> {
        self.pool.take_tools()
    }

    /// Keeps it for the next one.
    pub(crate) fn keep_tools(&self, tools: Box<Tools>) {
        self.pool.keep_tools(tools);
    }

    /// Keeps the buffers of a finished transaction.
    pub(crate) fn keep_state(&self, mut state: Box<State>) {
        state.shrink(self.limits.pooled_bytes);
        self.pool.keep(state, self.limits.pooled_transactions);
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Policy")
            .field("hash", &self.parts.hash)
            .field("rules", &self.parts.rules.len())
            .finish()
    }
}
