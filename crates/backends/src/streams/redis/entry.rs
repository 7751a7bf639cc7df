//! Entries as Redis delivers them.

use crate::streams::wire;
use parapet_ports::stream::Undecodable;
use parapet_ports::{Entry, EntryId, SharedEvent};
use std::collections::{HashMap, VecDeque};

/// Field of an entry that holds the payload.
const PAYLOAD: &str = "event";

/// Fields of one entry.
pub(crate) type Fields = HashMap<String, Vec<u8>>;

/// The two numbers of an id.
pub(crate) fn parse_id(id: &str) -> Option<EntryId> {
    let (time, sequence) = id.split_once('-')?;
    Some(EntryId(time.parse().ok()?, sequence.parse().ok()?))
}

/// The id as Redis writes it.
pub(crate) fn format_id(id: EntryId) -> String {
    format!("{}-{}", id.0, id.1)
}

/// Entries on their way to the caller.
#[derive(Default)]
pub(crate) struct Delivered {
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) undecodable: Vec<Undecodable>,
}

impl Delivered {
    /// Takes in one entry.
    pub(crate) fn push(&mut self, id: &str, deliveries: u32, fields: Fields) {
        // Redis makes the ids.
        let Some(id) = parse_id(id) else { return };
        match decode(&fields) {
            Ok(event) => self.entries.push_back(Entry { id, deliveries, event }),
            Err(reason) => self.undecodable.push(Undecodable { id, reason, bytes: bytes(fields) }),
        }
    }

    /// Hands out up to `max` entries.
    pub(crate) fn take(&mut self, max: usize) -> Vec<Entry> {
        self.entries.drain(..max.min(self.entries.len())).collect()
    }
}

fn decode(fields: &Fields) -> Result<SharedEvent, String> {
    let attribute = |name| fields.get(name).map(Vec::as_slice);
    let payload = attribute(PAYLOAD).ok_or_else(|| format!("the entry has no field `{PAYLOAD}`"))?;
    wire::decode(attribute(wire::VERSION_ATTRIBUTE), attribute(wire::ENCODING_ATTRIBUTE), payload)
}

/// The payload, or all fields as `name=value` lines if there is none.
fn bytes(mut fields: Fields) -> Vec<u8> {
    if let Some(payload) = fields.remove(PAYLOAD) {
        return payload;
    }
    let mut names: Vec<_> = fields.keys().cloned().collect();
    names.sort();
    names.iter().flat_map(|name| [name.as_bytes(), b"=", &fields[name], b"\n"].concat()).collect()
}
