//! Reads the SecRules language vectors that the tests of operators and transformations run.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// One vector.
pub(crate) struct Case {
    /// File and index, for messages.
    pub(crate) place: String,
    /// `name`, `input`, `param`, `output`, `ret`, …
    pub(crate) value: Value,
}

/// Where the shared test data lies; `None`, with a message, if this run has none.
pub(crate) fn data(test: &str) -> Option<PathBuf> {
    let data = std::env::var_os("PARAPET_TEST_DATA").map(PathBuf::from);
    if data.is_none() {
        assert!(
            std::env::var_os("PARAPET_REQUIRE_ALL").is_none_or(|all| all != "1"),
            "{test}: PARAPET_TEST_DATA is not set, and PARAPET_REQUIRE_ALL=1 allows no skips"
        );
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: PARAPET_TEST_DATA is not set");
    }
    data
}

/// All vectors of a folder (`operators` or `transformations`), in the order of file names.
pub(crate) fn read(folder: &str, test: &str) -> Option<Vec<Case>> {
    let folder = data(test)?.join("secrules-vectors").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let list: Vec<Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        cases.extend(
            list.into_iter().enumerate().map(|(index, value)| Case { place: format!("{name}[{index}]"), value }),
        );
    }
    Some(cases)
}

/// How many vectors each file has, so that a test can say that none was left out.
pub(crate) fn per_file(cases: &[Case]) -> Vec<(&str, usize)> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for case in cases {
        let file = case.place.split('.').next().unwrap_or_default();
        match counts.last_mut() {
            Some((known, count)) if *known == file => *count += 1,
            _ => counts.push((file, 1)),
        }
    }
    counts
}

/// The bytes a vector's text means: `\xHH` and `\uHHHH`, spelled out in it, each stand for one byte.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    spelled(&spelled(text.as_bytes(), b'x', 2), b'u', 4)
}

fn spelled(text: &[u8], letter: u8, digits: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let code = text.get(at + 2..at + 2 + digits).filter(|code| code.iter().all(u8::is_ascii_alphanumeric));
        match code {
            Some(code) if text[at..].starts_with(&[b'\\', letter]) => {
                let number = code
                    .iter()
                    .map_while(|&byte| char::from(byte).to_digit(16))
                    .fold(0, |number, digit| number << 4 | digit);
                out.push((number & 0xff) as u8);
                at += 2 + digits;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}
