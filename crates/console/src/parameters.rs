//! Query parameters: every unknown, repeated or malformed one is an error that names it.

use crate::error::ApiError;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::fmt::Display;

/// The parameters of one request, taken out one by one.
#[derive(Debug)]
pub(crate) struct Parameters {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::bad_parameter(format!("the query string cannot be read: {error}")))?;
        Parameters::new(pairs)
    }
}

impl Parameters {
    fn new(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            if given.contains_key(&name) {
                return Err(ApiError::bad_parameter(format!("parameter `{}` is given more than once", shown(&name))));
            }
            given.insert(name, value);
        }
        Ok(Parameters { given, known: Vec::new() })
    }

    /// The parameter as `parse` reads it; `want` says what a good value looks like.
    pub(crate) fn take<T>(
        &mut self,
        name: &'static str,
        want: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        self.known.push(name);
        let Some(text) = self.given.remove(name) else { return Ok(None) };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(ApiError::bad_parameter(format!("parameter `{name}`: `{}` is not {want}", shown(&text)))),
        }
    }

    /// A point in time.
    pub(crate) fn time(&mut self, name: &'static str) -> Result<Option<DateTime<Utc>>, ApiError> {
        self.take(name, "an RFC 3339 time such as 2026-01-31T12:00:00Z", |text| {
            // A plus sign that was not percent-encoded arrives as a space.
            let text = text.replace(' ', "+");
            DateTime::parse_from_rfc3339(&text).ok().map(|time| time.with_timezone(&Utc))
        })
    }

    /// One of a closed list of names.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<Option<T>, ApiError> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.take(name, format_args!("one of {}", names.join(", ")), |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice)
        })
    }

    /// A whole number within bounds.
    pub(crate) fn number(&mut self, name: &'static str, least: u32, most: u32) -> Result<Option<u32>, ApiError> {
        self.take(name, format_args!("a whole number from {least} to {most}"), |text| {
            text.parse().ok().filter(|number| (least..=most).contains(number))
        })
    }

    /// Text of 1 to `longest` characters.
    pub(crate) fn text(&mut self, name: &'static str, longest: usize) -> Result<Option<String>, ApiError> {
        self.take(name, format_args!("text of 1 to {longest} characters"), |text| {
            (1..=longest).contains(&text.chars().count()).then(|| text.to_owned())
        })
    }

    /// After all known parameters were taken: anything left is unknown.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let Some(name) = self.given.keys().next() else { return Ok(()) };
        Err(ApiError::bad_parameter(format!(
            "unknown parameter `{}`; known here: {}",
            shown(name),
            if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") }
        )))
    }
}

/// What the client sent, short enough for a message.
fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Result<Parameters, ApiError> {
        Parameters::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn message<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        format!("{:?}", result.unwrap_err())
    }

    #[test]
    fn times_accept_an_offset_whose_plus_was_not_encoded() {
        let mut given = parameters(&[("start_time", "2026-01-31T12:00:00 02:00")]).unwrap();
        let time = given.time("start_time").unwrap().unwrap();
        assert_eq!(time.to_rfc3339(), "2026-01-31T10:00:00+00:00");
        given.finish().unwrap();
    }

    #[test]
    fn a_malformed_value_names_its_parameter_and_what_is_wanted() {
        let mut given = parameters(&[("limit", "0"), ("when", "yesterday")]).unwrap();
        assert!(message(given.number("limit", 1, 1000)).contains("`limit`: `0` is not a whole number from 1 to 1000"));
        assert!(message(given.time("when")).contains("`when`: `yesterday` is not an RFC 3339 time"));
        let mut given = parameters(&[("text", "")]).unwrap();
        assert!(message(given.text("text", 9)).contains("`text`"));
    }

    #[test]
    fn unknown_and_repeated_parameters_are_named() {
        let mut given = parameters(&[("limt", "5")]).unwrap();
        given.number("limit", 1, 9).unwrap();
        assert!(message(given.finish()).contains("unknown parameter `limt`; known here: limit"));
        assert!(message(parameters(&[("a", "1"), ("a", "2")])).contains("`a` is given more than once"));
    }

    #[test]
    fn a_long_value_is_cut_in_the_message() {
        let long = "é".repeat(5000);
        let mut given = parameters(&[("limit", &long)]).unwrap();
        assert!(message(given.number("limit", 1, 2)).len() < 400);
    }
}
