//! Properties of the transformations.

use parapet_seclang::ast::Transformation;

use super::reference;
use crate::transformations;

/// The first byte chooses the transformation, the rest is its input.
///
/// `true` means a difference, the result is that of the plain form where there is one, and no result
/// is longer than a small multiple of the input.
pub fn transformation(input: &[u8]) {
    let Some((&choice, input)) = input.split_first() else { return };
    let kind = Transformation::ALL[usize::from(choice) % Transformation::ALL.len()];
    let mut out = b"left over".to_vec();
    let changed = transformations::apply(kind, input, &mut out);
    let result: &[u8] = if changed { &out } else { input };
    assert!(!changed || result != input, "{} of {}", kind.name(), input.escape_ascii());
    assert!(result.len() <= 4 * input.len() + 40, "{} of {}", kind.name(), input.escape_ascii());
    if let Some(expected) = reference::apply(kind, input) {
        assert!(
            result == expected,
            "{} of {}: {}, but plainly {}",
            kind.name(),
            input.escape_ascii(),
            result.escape_ascii(),
            expected.escape_ascii()
        );
    }
}
