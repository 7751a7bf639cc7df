//! `t:lowercase` and `t:uppercase`: ASCII letters only, as `tolower` in the C locale.

use super::any;

/// ASCII lower case.
pub(super) fn lower(input: &[u8], out: &mut Vec<u8>) -> bool {
    if !any(input, |byte| byte.is_ascii_uppercase()) {
        return false;
    }
    out.extend_from_slice(input);
    out.make_ascii_lowercase();
    true
}

/// ASCII upper case.
pub(super) fn upper(input: &[u8], out: &mut Vec<u8>) -> bool {
    if !any(input, |byte| byte.is_ascii_lowercase()) {
        return false;
    }
    out.extend_from_slice(input);
    out.make_ascii_uppercase();
    true
}
