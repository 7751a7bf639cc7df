//! A policy from directives, a request, and what comes of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_engine::seclang::{Loader, NoFiles, parse_str};
use parapet_engine::{Context, Intervention, Policy, Transaction};

/// Files in memory; an `https:` address is a file too.
#[derive(Default)]
pub(crate) struct Files(pub(crate) BTreeMap<&'static str, Vec<u8>>);

impl Loader for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = path.to_str().and_then(|path| self.0.get(path));
        found.cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn fetch(&self, url: &str, _key: &str) -> io::Result<Vec<u8>> {
        self.read(Path::new(url))
    }
}

/// A policy with the engine on, bodies read, and these directives.
pub(crate) fn policy(directives: &str) -> Arc<Policy> {
    Arc::new(load(directives, &NoFiles).expect("the rules load"))
}

/// The same with files; the error is the first of them.
pub(crate) fn load(directives: &str, files: &dyn Loader) -> Result<Policy, String> {
    let text = format!("SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n{directives}\n");
    let configuration = parse_str("test.conf", text.as_bytes(), files).map_err(|errors| errors[0].to_string())?;
    Policy::compile(&configuration, files).map_err(|errors| errors[0].to_string())
}

pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a str,
    pub(crate) response_type: &'a str,
    pub(crate) response: &'a str,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request {
            method: "GET",
            uri: "/",
            headers: &[],
            body: "",
            response_type: "text/html",
            response: "<p>secret</p>",
        }
    }
}

pub(crate) struct Outcome {
    pub(crate) intervention: Option<Intervention>,
    pub(crate) ids: Vec<u32>,
    pub(crate) transaction: Transaction,
}

impl Outcome {
    pub(crate) fn tx(&self, name: &str) -> Option<String> {
        self.transaction.tx(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub(crate) fn message(&self, id: u32) -> String {
        let found = self.transaction.matches().find(|found| found.rule_id == id).expect("the rule matched");
        String::from_utf8_lossy(found.message).into_owned()
    }
}

pub(crate) fn run(policy: &Arc<Policy>, request: &Request<'_>) -> Outcome {
    let mut transaction = Transaction::new(Arc::clone(policy), Context::default());
    transaction.request_line(request.method.as_bytes(), request.uri.as_bytes(), b"HTTP/1.1");
    for (name, value) in request.headers {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    let mut intervention = transaction.process_request_headers();
    if intervention.is_none() {
        transaction.append_request_body(request.body.as_bytes());
        intervention = transaction.process_request_body();
    }
    if intervention.is_none() {
        transaction.response_line(200, b"HTTP/1.1");
        transaction.response_header(b"Content-Type", request.response_type.as_bytes());
        intervention = transaction.process_response_headers();
    }
    if intervention.is_none() {
        if transaction.wants_response_body() {
            transaction.append_response_body(request.response.as_bytes());
        }
        intervention = transaction.process_response_body();
    }
    transaction.process_logging();
    let ids = transaction.matches().map(|found| found.rule_id).collect();
    Outcome { intervention, ids, transaction }
}

pub(crate) fn get(directives: &str, uri: &str) -> Outcome {
    run(&policy(directives), &Request { uri, ..Request::default() })
}

pub(crate) fn post(directives: &str, kind: &str, body: &str) -> Outcome {
    let headers = [("Content-Type", kind)];
    run(&policy(directives), &Request { method: "POST", headers: &headers, body, ..Request::default() })
}

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
