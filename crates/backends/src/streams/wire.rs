//! The form of an event on a remote stream, described for other programs in `docs/streams.md`.
//!
//! A message is a payload with two attributes beside it: `v`, the version of the form, and
//! `content-type`, its encoding. Without them it is taken for version 1 in JSON, so anything that can
//! write JSON can write to the stream. Readers take both encodings, whatever they write themselves, and
//! pass over fields that they do not know.

use parapet_ports::{ErrorKind, PortError, SharedEvent};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Name of the attribute that holds the version.
pub(crate) const VERSION_ATTRIBUTE: &str = "v";
/// Name of the attribute that holds the encoding.
pub(crate) const ENCODING_ATTRIBUTE: &str = "content-type";
/// Version that is written, and the newest that is read.
pub(crate) const VERSION: &str = "1";

/// How deeply a payload may be nested; events need five levels.
const DEPTH_MAX: usize = 64;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// JSON.
    #[default]
    Json,
    /// MessagePack with the same field names as JSON.
    Msgpack,
}

impl Encoding {
    /// Its name on the wire.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Encoding::Json => "application/json",
            Encoding::Msgpack => "application/vnd.msgpack",
        }
    }

    fn of_content_type(name: &[u8]) -> Option<Encoding> {
        let is = |encoding: &Encoding| name.eq_ignore_ascii_case(encoding.content_type().as_bytes());
        [Encoding::Json, Encoding::Msgpack].into_iter().find(is)
    }

    /// The payload of an event.
    ///
    /// # Errors
    /// `Rejected`, which no event is known to cause.
    pub(crate) fn encode(self, event: &SharedEvent) -> Result<Cow<'_, [u8]>, PortError> {
        match self {
            Encoding::Json => Ok(event.json().as_bytes().into()),
            Encoding::Msgpack => {
                let mut bytes = Vec::with_capacity(1024);
                let mut writer = rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
                event
                    .serialize(&mut writer)
                    .map_err(|error| PortError::new(ErrorKind::Rejected, format!("event {}: {error}", event.id)))?;
                Ok(bytes.into())
            }
        }
    }
}

/// The event of a message, or what is wrong with it.
pub(crate) fn decode(version: Option<&[u8]>, encoding: Option<&[u8]>, payload: &[u8]) -> Result<SharedEvent, String> {
    if version.is_some_and(|version| version != VERSION.as_bytes()) {
        let found = version.map(String::from_utf8_lossy).unwrap_or_default();
        return Err(format!("version {:?} of the stream format is not known here, only {VERSION}", shortened(&found)));
    }
    match encoding.map_or(Some(Encoding::Json), Encoding::of_content_type) {
        Some(Encoding::Json) => {
            let event = match version {
                Some(_) => SharedEvent::from_own_json(payload),
                None => serde_json::from_slice(payload),
            };
            event.map_err(|error| format!("not an event in JSON: {error}"))
        }
        Some(Encoding::Msgpack) => {
            let mut reader = rmp_serde::Deserializer::from_read_ref(payload).with_human_readable();
            reader.set_max_depth(DEPTH_MAX);
            SharedEvent::deserialize(&mut reader).map_err(|error| format!("not an event in MessagePack: {error}"))
        }
        None => {
            let found = encoding.map(String::from_utf8_lossy).unwrap_or_default();
            Err(format!("content type {:?} is not known here", shortened(&found)))
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_event::SecurityEvent;
    use parapet_ports::suites::sample_event;
    use serde_json::Value;

    fn attributes(encoding: Encoding) -> (Option<&'static [u8]>, Option<&'static [u8]>) {
        (Some(VERSION.as_bytes()), Some(encoding.content_type().as_bytes()))
    }

    #[test]
    fn an_event_comes_back_whole_in_both_encodings() {
        for encoding in [Encoding::Json, Encoding::Msgpack] {
            let (version, content_type) = attributes(encoding);
            for number in 0..200 {
                let event = SharedEvent::new(sample_event(number));
                let payload = encoding.encode(&event).unwrap();
                assert_eq!(decode(version, content_type, &payload), Ok(event), "{encoding:?}");
            }
        }
    }

    #[test]
    fn json_without_attributes_is_version_1() {
        let event = SharedEvent::new(sample_event(3));
        assert_eq!(decode(None, None, &Encoding::Json.encode(&event).unwrap()), Ok(event));
    }

    #[test]
    fn fields_of_a_later_release_are_passed_over() {
        let event = SharedEvent::new(sample_event(3));
        let mut value: Value = serde_json::to_value(&event).unwrap();
        value["schema"] = 9.into();
        value["verdicts"] = serde_json::json!([{"by": "model", "scores": [1, 2]}]);
        let expected = SharedEvent::new(SecurityEvent { schema: 9, ..sample_event(3) });
        let json = serde_json::to_vec(&value).unwrap();
        assert_eq!(decode(None, None, &json).as_ref(), Ok(&expected));
        let (version, content_type) = attributes(Encoding::Msgpack);
        let msgpack = rmp_serde::to_vec_named(&value).unwrap();
        assert_eq!(decode(version, content_type, &msgpack).as_ref(), Ok(&expected));
    }

    #[test]
    fn what_is_no_event_is_named() {
        let event = SharedEvent::new(sample_event(1));
        let event = Encoding::Json.encode(&event).unwrap();
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        let deep_msgpack = [vec![0x81, 0xa1, b'x'], vec![0x91; 100_000], vec![0xc0]].concat();
        let huge_msgpack = [0xdf, 0xff, 0xff, 0xff, 0xff];
        let msgpack: Option<&[u8]> = Some(Encoding::Msgpack.content_type().as_bytes());
        for (version, encoding, payload, part) in [
            (Some(b"2".as_slice()), None, &*event, "version \"2\""),
            (None, Some(b"text/plain".as_slice()), &event, "content type \"text/plain\""),
            (None, None, b"", "not an event in JSON"),
            (None, None, b"{\"id\":7}", "not an event in JSON"),
            (None, None, &deep, "not an event in JSON"),
            (None, msgpack, &event, "not an event in MessagePack"),
            (None, msgpack, &deep_msgpack, "not an event in MessagePack"),
            (None, msgpack, &huge_msgpack, "not an event in MessagePack"),
        ] {
            let error = decode(version, encoding, payload).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
