//! `@containsWord`.

use memchr::memmem;

/// Whether the argument occurs in the value with no ASCII letter beside it; an empty one does.
pub(crate) fn matches(argument: &[u8], value: &[u8]) -> bool {
    let finder = memmem::Finder::new(argument);
    let mut from = 0;
    while let Some(start) = value.get(from..).and_then(|rest| finder.find(rest)).map(|offset| from + offset) {
        let end = start + argument.len();
        let letter = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphabetic);
        let before = start.checked_sub(1).and_then(|at| value.get(at));
        if argument.is_empty() || (!letter(before) && !letter(value.get(end))) {
            return true;
        }
        from = start + 1;
    }
    false
}
