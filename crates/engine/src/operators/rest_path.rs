//! `@restpath` of Coraza: a path with names in braces, whose values become `ARGS_PATH`.

use super::{Captures, Rx};

/// A path such as `/users/{id}/files/{name}`.
pub(crate) struct RestPath {
    rx: Rx,
    names: Vec<Vec<u8>>,
}

impl RestPath {
    /// Compiles a path. As in Coraza, what is not in braces is a regular expression that may be found
    /// anywhere in the value, and a name takes as much as it can.
    pub(crate) fn compile(argument: &[u8]) -> Result<RestPath, String> {
        let mut pattern = Vec::new();
        let mut names = Vec::new();
        let mut rest = argument;
        while let Some(open) = memchr::memchr(b'{', rest) {
            pattern.extend_from_slice(&rest[..open]);
            let inside = &rest[open + 1..];
            let close = memchr::memchr(b'}', inside).ok_or("a brace { is not closed")?;
            let name = &inside[..close];
            if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
                return Err(format!("`{}` is no name: use letters, digits and _", name.escape_ascii()));
            }
            names.push(name.to_vec());
            pattern.extend_from_slice(b"(.*)");
            rest = &inside[close + 1..];
        }
        pattern.extend_from_slice(rest);
        // The groups are counted, so the path may have none of its own.
        if pattern.iter().filter(|byte| **byte == b'(').count() != names.len() {
            return Err("the path has parentheses of its own".to_owned());
        }
        Ok(RestPath { rx: Rx::compile(&pattern)?, names })
    }

    /// Names and values, if the path is found in the value.
    pub(crate) fn find<'a>(&'a self, value: &'a [u8], captures: &'a mut Captures) -> Option<Vec<(&'a [u8], &'a [u8])>> {
        captures.clear();
        self.rx.captures(value, captures);
        if captures.len() == 0 {
            return None;
        }
        let named = self.names.iter().enumerate();
        Some(named.map(|(at, name)| (name.as_slice(), captures.get(at + 1, value).unwrap_or_default())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, value: &str) -> Option<Vec<(String, String)>> {
        let path = RestPath::compile(path.as_bytes()).unwrap();
        let mut captures = Captures::default();
        let found = path.find(value.as_bytes(), &mut captures)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(found.into_iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    #[test]
    fn names_take_the_parts_of_the_path() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            find("/users/{id}/files/{name}", "/users/7/files/a.txt"),
            Some(vec![pair("id", "7"), pair("name", "a.txt")])
        );
        assert_eq!(find("/plain", "/plain/x"), Some(vec![]));
        assert_eq!(find("/users/{id}", "/groups/7"), None);
    }

    #[test]
    fn broken_paths_are_errors() {
        for path in ["/{", "/{}", "/{a-b}", "/(x)/{id}", "/[/{id}"] {
            assert!(RestPath::compile(path.as_bytes()).is_err(), "{path}");
        }
    }
}
