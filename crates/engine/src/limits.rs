//! Bounds on what one transaction may cost, whatever it is sent.

use parapet_script::Limits as ScriptLimits;

/// Limits of one transaction. The defaults suit requests of browsers and APIs.
///
/// Work is counted in *steps*: bytes read, weighted by what reading them costs at worst, plus a constant
/// for each value that a rule looks at. The count depends on the policy and the input, never on time, so
/// that a transaction meets its limits at the same place whenever and wherever it runs; what is
/// remembered of values that come again can only save steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps any transaction may take.
    pub steps: u64,
    /// Steps it may take on top of them for each byte it was given.
    pub steps_per_byte: u64,
    /// Bytes of text and tables a transaction may hold: names, values, what transformations make of
    /// them, and what rules write. The bodies themselves are bounded by the policy's settings.
    pub working_bytes: usize,
    /// Values of one collection (arguments are bounded by `SecArgumentsLimit` as well).
    pub collection_values: usize,
    /// Request headers or response headers.
    pub headers: usize,
    /// Elements that may be open at once in an XML body.
    pub xml_depth: usize,
    /// Parts of a multipart body.
    pub multipart_parts: usize,
    /// Findings kept.
    pub matches: usize,
    /// Names that rules may set in one collection.
    pub variables: usize,
    /// Each run of a rule's script.
    pub script: ScriptLimits,
    /// Buffers that each thread keeps for later transactions: as many as it is in the middle of at a time.
    pub pooled_transactions: usize,
    /// Bytes a kept buffer may hold on to.
    pub pooled_bytes: usize,
    /// Bytes that a kept buffer may remember of strings that many requests share, such as names of
    /// headers; 0 to forget everything between transactions. What each thread remembers of other values
    /// is of a fixed size: a quarter of a megabyte.
    pub remembered_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps: 20_000_000,
            steps_per_byte: 5_000,
            working_bytes: 64 << 20,
            collection_values: 20_000,
            headers: 1_000,
            xml_depth: 200,
            multipart_parts: 2_000,
            matches: 1_000,
            variables: 5_000,
            script: ScriptLimits::default(),
            pooled_transactions: 64,
            pooled_bytes: 256 << 10,
            remembered_bytes: 128 << 10,
        }
    }
}

/// A limit that a transaction has met, so that something was not inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::steps`] and [`Limits::steps_per_byte`]: the rules after that did not run.
    Steps,
    /// [`Limits::working_bytes`]: text was left out.
    WorkingBytes,
    /// `SecArgumentsLimit`: arguments were left out.
    Arguments,
    /// `SecRequestBodyNoFilesLimit`, with `SecRequestBodyLimitAction Reject`.
    BodyWithoutFiles,
    /// [`Limits::collection_values`]: cookies, parts or nodes were left out. Or values nested in a body, whose
    /// names together are many times longer than the body.
    Values,
    /// [`Limits::headers`]: headers were left out.
    Headers,
    /// [`Limits::variables`]: a rule could not set a variable.
    Variables,
    /// [`Limits::script`], or an error in a script: its rule did not come to a result.
    Script,
    /// A pattern that needs backtracking was given up on a value and counted as not matching.
    Backtracking,
}

impl Limit {
    /// All limits.
    pub const ALL: &[Limit] = &[
        Limit::Steps,
        Limit::WorkingBytes,
        Limit::Arguments,
        Limit::BodyWithoutFiles,
        Limit::Values,
        Limit::Headers,
        Limit::Variables,
        Limit::Script,
        Limit::Backtracking,
    ];

    /// What was too much, for people.
    pub fn description(self) -> &'static str {
        match self {
            Limit::Steps => "the rules need more steps than a transaction may take",
            Limit::WorkingBytes => "the values need more memory than a transaction may hold",
            Limit::Arguments => "there are more arguments than SecArgumentsLimit allows",
            Limit::BodyWithoutFiles => "without its files the body is longer than SecRequestBodyNoFilesLimit allows",
            Limit::Values => "there are more cookies, parts or nodes than a collection may hold",
            Limit::Headers => "there are more headers than a transaction may have",
            Limit::Variables => "rules set more variables than a collection may hold",
            Limit::Script => "a script of the rules failed or ran into its limits",
            Limit::Backtracking => "a pattern was given up because it tried too many ways to match a value",
        }
    }
}
