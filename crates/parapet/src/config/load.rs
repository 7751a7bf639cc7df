//! TOML text and environment variables to a typed configuration, with every error at once.
//!
//! serde stops at the first error. To report them all, the entry that an error points at is taken
//! out of the document and decoding starts again, until it succeeds or nothing is left to take out.

use serde::de::DeserializeOwned;
use serde_spanned::Spanned;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue, Deserializer};

/// Prefix of environment variables: `PARAPET__GATEWAY__LISTEN` overrides `listen` of `[gateway]`.
pub const ENVIRONMENT_PREFIX: &str = "PARAPET__";
/// No configuration has more entries than this that are all wrong.
const ERRORS_MAX: usize = 100;

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// File and position, or the environment variable.
    pub place: String,
    /// What is wrong and what is expected.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Decodes `text` (named `file` in messages), then applies the overrides.
///
/// # Errors
/// All syntax errors, or else all wrong entries and overrides.
pub fn load<C: DeserializeOwned>(
    file: &str,
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<C, Vec<ConfigError>> {
    let environment: Vec<_> = environment.into_iter().collect();
    let (document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        return Err(syntax.iter().map(|error| describe(file, text, error)).collect());
    }
    let (mut document, mut errors) = drop_wrong_entries::<C>(file, text, document);
    for (name, value) in &environment {
        if let Err(error) = apply_override::<C>(&mut document, name, value) {
            errors.push(error);
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    decode(&document).map_err(|error| vec![describe(file, text, &error)])
}

fn decode<C: DeserializeOwned>(document: &Spanned<DeTable<'_>>) -> Result<C, toml::de::Error> {
    C::deserialize(Deserializer::from(document.clone()))
}

/// Reports every entry that does not decode and returns the document without them.
fn drop_wrong_entries<'i, C: DeserializeOwned>(
    file: &str,
    text: &str,
    mut document: Spanned<DeTable<'i>>,
) -> (Spanned<DeTable<'i>>, Vec<ConfigError>) {
    let mut errors = Vec::new();
    while errors.len() < ERRORS_MAX {
        let Err(error) = decode::<C>(&document) else { break };
        errors.push(describe(file, text, &error));
        let removed = error.span().is_some_and(|span| remove_innermost(document.get_mut(), &span));
        if !removed {
            break;
        }
    }
    (document, errors)
}

/// Takes out the innermost entry whose key or value covers `span`.
fn remove_innermost(root: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let mut table = root;
    loop {
        let found = table.iter().find_map(|(key, value)| {
            let inside_key = covers(key.span());
            (inside_key || covers(value.span()) || holds(value.get_ref(), span))
                .then(|| (key.get_ref().to_string(), inside_key))
        });
        let Some((key, inside_key)) = found else { return false };
        let descend = !inside_key
            && table.get(key.as_str()).is_some_and(|value| match value.get_ref() {
                DeValue::Table(inner) => {
                    inner.iter().any(|(k, v)| covers(k.span()) || covers(v.span()) || holds(v.get_ref(), span))
                }
                _ => false,
            });
        if !descend {
            return table.remove(key.as_str()).is_some();
        }
        match table.get_mut(key.as_str()).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => table = inner,
            _ => return false,
        }
    }
}

/// Whether a table written in several places (`[a.b]`, `[a.c]`) holds the span in one of its entries:
/// its own span covers only its first header.
fn holds(value: &DeValue<'_>, span: &Range<usize>) -> bool {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
        match value {
            DeValue::Table(table) => {
                for (key, value) in table.iter() {
                    if covers(key.span()) || covers(value.span()) {
                        return true;
                    }
                    pending.push(value.get_ref());
                }
            }
            DeValue::Array(array) => pending.extend(array.iter().map(Spanned::get_ref)),
            _ => {}
        }
    }
    false
}

/// Sets one entry from the environment and checks that the document still decodes.
fn apply_override<'i, C: DeserializeOwned>(
    document: &mut Spanned<DeTable<'i>>,
    name: &str,
    value: &'i str,
) -> Result<(), ConfigError> {
    let wrong = |message: String, hint| ConfigError { place: format!("environment variable {name}"), message, hint };
    let path: Vec<String> =
        name.trim_start_matches(ENVIRONMENT_PREFIX).split("__").map(str::to_ascii_lowercase).collect();
    let before = document.clone();
    let parsed = match DeValue::parse(value) {
        Ok(parsed) => parsed.into_inner(),
        Err(_) => DeValue::String(Cow::Borrowed(value)),
    };
    if !set(document.get_mut(), &path, parsed) {
        return Err(wrong(format!("{} is not a section", path[..path.len() - 1].join(".")), None));
    }
    decode::<C>(document).map(drop).map_err(|error| {
        *document = before;
        wrong(error.message().to_owned(), suggestion(error.message()))
    })
}

fn set<'i>(root: &mut DeTable<'i>, path: &[String], value: DeValue<'i>) -> bool {
    let Some((last, sections)) = path.split_last() else { return false };
    let mut table = root;
    for section in sections {
        let entry = table
            .entry(Spanned::new(0..0, Cow::Owned(section.clone())))
            .or_insert(Spanned::new(0..0, DeValue::Table(DeTable::new())));
        match entry.get_mut() {
            DeValue::Table(inner) => table = inner,
            _ => return false,
        }
    }
    table.insert(Spanned::new(0..0, Cow::Owned(last.clone())), Spanned::new(0..0, value));
    true
}

fn describe(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let place = match error.span() {
        Some(span) => {
            let (line, column) = position(text, span.start);
            format!("{file}:{line}:{column}")
        }
        None => file.to_owned(),
    };
    ConfigError { place, message: error.message().to_owned(), hint: suggestion(error.message()) }
}

/// Line and column (in characters), both from 1.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// For serde's "unknown field `x`, expected one of `a`, `b`": the nearest of the expected names.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let found = names.next()?;
    names
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(found.len()) / 2)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        gateway: Section,
        console: Section,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Section {
        listen: String,
        workers: u16,
    }

    fn errors(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
        let environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let outcome = load::<Sample>("parapet.toml", text, environment);
        outcome.unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_wrong_entry_is_reported_with_its_place_and_a_suggestion() {
        let text = "[gateway]\nlisten = 1\nworker = 2\n\n[console]\nworkers = \"x\"\nlisten = \"a\"\n";
        let found = errors(text, &[]);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found.iter().any(|e| e.starts_with("parapet.toml:2:10: invalid type")), "{found:#?}");
        let unknown = found.iter().find(|e| e.starts_with("parapet.toml:3:1: unknown field")).unwrap();
        assert!(unknown.contains("did you mean `workers`?"), "{unknown}");
        assert!(found.iter().any(|e| e.starts_with("parapet.toml:6:11: ")), "{found:#?}");
    }

    #[test]
    fn every_syntax_error_is_reported() {
        let found = errors("[gateway\nlisten = \n[console]\nworkers = ]\n", &[]);
        assert!(found.len() >= 2, "{found:#?}");
        assert!(found[0].starts_with("parapet.toml:1:"), "{found:#?}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let environment = [("PARAPET__GATEWAY__WORKERS", "7"), ("PARAPET__CONSOLE__LISTEN", "127.0.0.1:1")];
        let environment = environment.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let config: Sample = load("f", "[gateway]\nworkers = 2\n", environment).unwrap();
        assert_eq!(config.gateway.workers, 7);
        assert_eq!(config.console.listen, "127.0.0.1:1");
    }

    #[test]
    fn a_wrong_override_is_blamed_on_the_variable() {
        let found = errors("", &[("PARAPET__GATEWAY__WORKRES", "7"), ("PARAPET__GATEWAY__WORKERS", "many")]);
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("PARAPET__GATEWAY__WORKRES") && found[0].contains("`workers`"), "{found:#?}");
    }
}
