//! Query strings and `application/x-www-form-urlencoded` bodies.

/// Calls `sink(name, value)`, both decoded, for each pair; the sink returns whether to go on.
/// Returns whether an invalid percent-encoding was met.
#[allow(dead_code, unused_variables)]
pub(crate) fn parse(input: &[u8], separator: u8, sink: &mut impl FnMut(&[u8], &[u8]) -> bool) -> bool {
    false
}
