//! The record as ModSecurity writes it. Field names are those of its JSON, see
//! `Transaction::toJSON` in libmodsecurity.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;

#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) transaction: Transaction,
}

#[derive(Deserialize)]
pub(super) struct Transaction {
    pub(super) client_ip: String,
    pub(super) time_stamp: String,
    #[serde(default)]
    pub(super) server_id: String,
    #[serde(default)]
    pub(super) client_port: u16,
    pub(super) unique_id: String,
    pub(super) request: Request,
    #[serde(default)]
    pub(super) response: Response,
    #[serde(default)]
    pub(super) producer: Producer,
    #[serde(default)]
    pub(super) messages: Vec<Message>,
    #[serde(default)]
    pub(super) is_interrupted: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) http_version: String,
    pub(super) uri: String,
    /// In order; a name may occur more than once.
    #[serde(default, deserialize_with = "pairs")]
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Deserialize, Default)]
pub(super) struct Response {
    #[serde(default)]
    pub(super) http_code: u16,
}

#[derive(Deserialize, Default)]
pub(super) struct Producer {
    #[serde(default)]
    pub(super) secrules_engine: String,
    #[serde(default)]
    pub(super) components: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) message: String,
    pub(super) details: Details,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    #[serde(rename = "match", default)]
    pub(super) match_text: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) rule_id: String,
    #[serde(default)]
    pub(super) file: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) line_number: String,
    #[serde(default)]
    pub(super) data: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) severity: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

/// A text or a number, as text: versions differ.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a number")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        /// An HTTP version: 1.1, 2.0.
        fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
            Ok(format!("{number:.1}"))
        }
    }
    deserializer.deserialize_any(Text)
}

/// A map in its order, with names that repeat.
fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(8).min(64));
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Pairs)
}
