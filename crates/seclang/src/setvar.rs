//! Actions that write collections: `setvar`, `expirevar`, `initcol`, `setenv`.

use crate::ast::{ActionKind, Change, CollectionKey, PersistentCollection, SetVar, WritableCollection};
use crate::error::{Errors, show};
use crate::text::Slice;

const WRITABLE: &[(&str, WritableCollection)] = &[
    ("TX", WritableCollection::Tx),
    ("IP", WritableCollection::Ip),
    ("SESSION", WritableCollection::Session),
    ("USER", WritableCollection::User),
    ("GLOBAL", WritableCollection::Global),
    ("RESOURCE", WritableCollection::Resource),
];

const PERSISTENT: &[(&str, PersistentCollection)] = &[
    ("IP", PersistentCollection::Ip),
    ("SESSION", PersistentCollection::Session),
    ("USER", PersistentCollection::User),
    ("GLOBAL", PersistentCollection::Global),
    ("RESOURCE", PersistentCollection::Resource),
];

/// `tx.x=1`, `tx.x=+5`, `tx.x=-5`, `tx.x`, `!tx.x`.
pub(crate) fn setvar(value: Slice<'_>, errors: &mut Errors) -> Option<SetVar> {
    if value.first() == Some(b'!') {
        let variable = collection_key(value.from(1), errors)?;
        return Some(SetVar { variable, change: Change::Unset });
    }
    let Some((name, value)) = split_assignment(value) else {
        let variable = collection_key(value, errors)?;
        return Some(SetVar { variable, change: Change::Set(b"1".to_vec()) });
    };
    let variable = collection_key(name, errors)?;
    let change = match value.bytes().split_first() {
        Some((b'+', rest)) => Change::Add(rest.to_vec()),
        Some((b'-', rest)) => Change::Subtract(rest.to_vec()),
        _ => Change::Set(value.bytes().to_vec()),
    };
    Some(SetVar { variable, change })
}

/// Splits at the first `=` that stands outside of a `%{…}` macro.
fn split_assignment(value: Slice<'_>) -> Option<(Slice<'_>, Slice<'_>)> {
    let bytes = value.bytes();
    let mut in_macro = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes.get(at - 1) == Some(&b'%') => in_macro = true,
            b'}' => in_macro = false,
            b'=' if !in_macro => return Some((value.part(0, at), value.from(at + 1))),
            _ => {}
        }
    }
    None
}

/// `collection.key`, or with a colon.
fn collection_key(text: Slice<'_>, errors: &mut Errors) -> Option<CollectionKey> {
    let text = text.trim();
    let at = text.bytes().iter().position(|byte| matches!(byte, b'.' | b':'));
    let Some(at) = at else {
        let message = format!("`{}` names no collection", show(text.bytes()));
        errors.hint(text.span(), message, "write tx.name");
        return None;
    };
    let name = text.part(0, at);
    let key = text.from(at + 1);
    let found = WRITABLE.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name.bytes()));
    let Some((_, collection)) = found else {
        let known = WRITABLE.iter().map(|(name, _)| *name);
        errors.unknown(name.span(), "writable collection", name.bytes(), known);
        return None;
    };
    if key.is_empty() {
        errors.push(text.span(), "the name of the member is missing after the collection");
        return None;
    }
    Some(CollectionKey { collection: *collection, key: key.bytes().to_vec() })
}

/// `expirevar:ip.block=60`.
pub(crate) fn expire(value: Slice<'_>, errors: &mut Errors) -> Option<ActionKind> {
    let Some((name, seconds)) = split_assignment(value) else {
        errors.hint(value.span(), "expirevar needs a time", "for example expirevar:'ip.block=60' (seconds)");
        return None;
    };
    let variable = collection_key(name, errors)?;
    Some(ActionKind::ExpireVar { variable, seconds: seconds.bytes().to_vec() })
}

/// `initcol:ip=%{REMOTE_ADDR}`.
pub(crate) fn init(value: Slice<'_>, errors: &mut Errors) -> Option<ActionKind> {
    let Some((name, key)) = value.split_once(b'=') else {
        errors.hint(value.span(), "initcol needs a key", "for example initcol:ip=%{REMOTE_ADDR}");
        return None;
    };
    let name = name.trim();
    let found = PERSISTENT.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name.bytes()));
    let Some((_, collection)) = found else {
        let known = PERSISTENT.iter().map(|(name, _)| *name);
        errors.unknown(name.span(), "persistent collection", name.bytes(), known);
        return None;
    };
    Some(ActionKind::InitCol { collection: *collection, key: key.bytes().to_vec() })
}

/// `setenv:name=value`, `setenv:name`.
pub(crate) fn env(value: Slice<'_>) -> ActionKind {
    match split_assignment(value) {
        Some((name, value)) => ActionKind::SetEnv { name: name.bytes().to_vec(), value: value.bytes().to_vec() },
        None => ActionKind::SetEnv { name: value.bytes().to_vec(), value: b"1".to_vec() },
    }
}
