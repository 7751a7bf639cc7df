//! Transformations (`t:…`): pure functions from bytes to bytes.

use parapet_seclang::ast::Transformation;

/// Applies one transformation.
///
/// `true`: the result differs from `input` and has been written to `out`, which was cleared first.
/// `false`: the result is `input` itself; `out` holds nothing meaningful.
#[allow(dead_code, unused_variables)]
pub(crate) fn apply(transformation: Transformation, input: &[u8], out: &mut Vec<u8>) -> bool {
    false
}
