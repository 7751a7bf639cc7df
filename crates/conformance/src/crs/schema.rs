//! The test files of the Core Rule Set, in both schemas: CRS 4 (`rule_id`, `tests[].stages[]`) and
//! CRS 3 (`test_title`, `stages: - stage:`, `log_contains`, `stop_magic`).
//!
//! Unknown keys of a stage are errors, so that no assertion is dropped unseen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::RunError;

/// One test: stages that run in order, with an id like `942100-3`.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) id: String,
    pub(crate) stages: Vec<Stage>,
}

/// Which of the two schemas a stage is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Schema {
    /// CRS 3.
    Three,
    /// CRS 4.
    #[default]
    Four,
}

/// One request and what must come of it.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    /// Which suite it comes from; CRS 3 was written for an older runner and another backend.
    pub(crate) schema: Schema,
    pub(crate) input: Input,
    pub(crate) output: Output,
}

#[derive(Debug, Deserialize)]
struct File {
    rule_id: Option<u64>,
    tests: Option<Vec<RawTest>>,
}

#[derive(Debug, Deserialize)]
struct RawTest {
    test_id: Option<u64>,
    test_title: Option<String>,
    #[serde(default)]
    stages: Vec<RawStage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStage {
    stage: Option<InnerStage>,
    input: Option<Input>,
    output: Option<RawOutput>,
    #[serde(rename = "description")]
    _description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InnerStage {
    input: Input,
    output: RawOutput,
}

/// What is sent.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Input {
    #[serde(rename = "dest_addr")]
    _dest_addr: Option<String>,
    #[serde(rename = "port")]
    _port: Option<u16>,
    #[serde(rename = "protocol")]
    _protocol: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) version: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    ordered_headers: Option<Vec<NamedHeader>>,
    pub(crate) data: Option<Data>,
    encoded_data: Option<String>,
    encoded_request: Option<String>,
    raw_request: Option<String>,
    autocomplete_headers: Option<bool>,
    stop_magic: Option<bool>,
    #[serde(rename = "follow_redirect")]
    _follow_redirect: Option<bool>,
    #[serde(rename = "save_cookie")]
    _save_cookie: Option<bool>,
}

/// A body: text, or (CRS 3) a list of lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Data {
    Text(String),
    Lines(Vec<String>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedHeader {
    name: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawOutput {
    status: Option<Statuses>,
    response_contains: Option<String>,
    html_contains: Option<String>,
    expect_error: Option<bool>,
    retry_once: Option<bool>,
    isolated: Option<bool>,
    log: Option<RawLog>,
    log_contains: Option<String>,
    no_log_contains: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Statuses {
    One(u16),
    Many(Vec<u16>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    expect_ids: Vec<u32>,
    no_expect_ids: Vec<u32>,
    match_regex: Option<String>,
    no_match_regex: Option<String>,
}

/// What must come of a stage.
#[derive(Debug, Default, Clone)]
pub(crate) struct Output {
    /// Any of these; empty for no matter which.
    pub(crate) statuses: Vec<u16>,
    pub(crate) response_contains: Option<String>,
    /// The connection must end without a response.
    pub(crate) expect_error: Option<bool>,
    pub(crate) retry_once: bool,
    pub(crate) isolated: bool,
    pub(crate) expect_ids: Vec<u32>,
    pub(crate) no_expect_ids: Vec<u32>,
    pub(crate) match_regex: Option<String>,
    pub(crate) no_match_regex: Option<String>,
}

impl Output {
    /// Whether the stage can fail at all.
    pub(crate) fn asserts_something(&self) -> bool {
        !self.statuses.is_empty()
            || self.response_contains.is_some()
            || self.expect_error.is_some()
            || !self.expect_ids.is_empty()
            || !self.no_expect_ids.is_empty()
            || self.match_regex.is_some()
            || self.no_match_regex.is_some()
    }
}

impl From<RawOutput> for Output {
    fn from(raw: RawOutput) -> Output {
        let log = raw.log.unwrap_or_default();
        let statuses = match raw.status {
            None => Vec::new(),
            Some(Statuses::One(status)) => vec![status],
            Some(Statuses::Many(statuses)) => statuses,
        };
        Output {
            statuses,
            response_contains: raw.response_contains.or(raw.html_contains),
            expect_error: raw.expect_error,
            retry_once: raw.retry_once.unwrap_or(false),
            isolated: raw.isolated.unwrap_or(false),
            expect_ids: log.expect_ids,
            no_expect_ids: log.no_expect_ids,
            match_regex: log.match_regex.or(raw.log_contains),
            no_match_regex: log.no_match_regex.or(raw.no_log_contains),
        }
    }
}

impl Input {
    /// Headers in the order in which they are sent: those of a map by name.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let ordered = self.ordered_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone()));
        let sorted = self.headers.iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
        ordered.chain(sorted).collect()
    }

    /// Whether go-ftw adds headers.
    pub(crate) fn autocompletes(&self) -> bool {
        self.autocomplete_headers.unwrap_or(!self.stop_magic.unwrap_or(false))
    }

    /// A request that is sent as it is.
    pub(crate) fn raw(&self) -> Result<Option<Vec<u8>>, String> {
        match (&self.encoded_request, &self.raw_request) {
            (Some(encoded), _) if !encoded.is_empty() => decode(encoded).map(Some),
            (_, Some(raw)) if !raw.is_empty() => Ok(Some(raw.clone().into_bytes())),
            _ => Ok(None),
        }
    }

    /// A body in base64.
    pub(crate) fn encoded_data(&self) -> Result<Option<Vec<u8>>, String> {
        self.encoded_data.as_ref().map(|encoded| decode(encoded)).transpose()
    }
}

fn decode(encoded: &str) -> Result<Vec<u8>, String> {
    let compact: String = encoded.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).map_err(|error| format!("the base64 of the request is invalid: {error}"))
}

/// Reads every `*.yaml` below a directory, in the order of paths.
pub(crate) fn read(root: &Path) -> Result<Vec<Test>, RunError> {
    let mut found = Vec::new();
    for path in files(root)? {
        let text = std::fs::read(&path).map_err(|source| RunError::Read { path: path.clone(), source })?;
        let file: File = serde_yaml_ng::from_slice(&text)
            .map_err(|error| RunError::Test { path: path.clone(), message: error.to_string() })?;
        for (position, test) in file.tests.into_iter().flatten().enumerate() {
            let id = match (test.test_title, file.rule_id) {
                (Some(title), _) => title,
                (None, Some(rule)) => format!("{rule}-{}", test.test_id.unwrap_or(position as u64 + 1)),
                (None, None) => {
                    let message = "neither rule_id nor test_title names this test".to_owned();
                    return Err(RunError::Test { path, message });
                }
            };
            let stages = test.stages.into_iter().map(|raw| stage(raw, &path)).collect::<Result<_, _>>()?;
            found.push(Test { id, stages });
        }
    }
    Ok(found)
}

fn stage(raw: RawStage, path: &Path) -> Result<Stage, RunError> {
    match (raw.stage, raw.input, raw.output) {
        (Some(inner), ..) => Ok(Stage { schema: Schema::Three, input: inner.input, output: inner.output.into() }),
        (None, Some(input), output) => {
            Ok(Stage { schema: Schema::Four, input, output: output.unwrap_or_default().into() })
        }
        _ => Err(RunError::Test { path: path.to_path_buf(), message: "a stage has no input".to_owned() }),
    }
}

/// Every `*.yaml` below a directory, sorted; go-ftw too leaves out `*.yml`. Or one file, if it is one.
fn files(root: &Path) -> Result<Vec<PathBuf>, RunError> {
    if root.is_file() {
        return Ok(vec![root.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let entries =
            std::fs::read_dir(&directory).map_err(|source| RunError::Read { path: directory.clone(), source })?;
        for entry in entries {
            let entry = entry.map_err(|source| RunError::Read { path: directory.clone(), source })?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|source| RunError::Read { path: path.clone(), source })?;
            if kind.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
