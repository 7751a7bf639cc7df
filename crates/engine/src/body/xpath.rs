//! XPath expressions of rules, as far as they can be followed while a document is read.
//!
//! Location paths of child (`/`) and descendant (`//`) steps: names, `*`, and at the end `text()`,
//! `@name` or `@*`. Names are compared without their namespaces: a rule sees a node rather once too
//! often. Predicates, functions and other axes are errors when a policy loads. Source: XPath 1.0.

/// Steps of one path; its states fit a word.
const MOST_STEPS: usize = 31;

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XPath {
    /// As the rule writes it; the values it finds go by this name.
    pub(crate) text: Vec<u8>,
    steps: Vec<Step>,
    found: Found,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    descendant: bool,
    /// `None` is `*`.
    name: Option<Vec<u8>>,
}

/// What is taken of the elements that the steps lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// All text in them.
    Content,
    /// Each text of their own.
    Text,
    /// An attribute, or all of them.
    Attribute(Option<Vec<u8>>),
}

impl XPath {
    /// Reads a path; the error says what is not understood.
    pub(crate) fn parse(text: &[u8]) -> Result<XPath, String> {
        let wrong = |what: &str| {
            let text = text.escape_ascii();
            format!("the XPath `{text}` {what}; paths of names, `*`, `text()` and `@name` are supported")
        };
        let mut path = XPath { text: text.to_vec(), steps: Vec::new(), found: Found::Content };
        let mut rest = text.trim_ascii();
        while !rest.is_empty() {
            let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
            if slashes > 2 || (slashes == 0 && !path.steps.is_empty()) {
                return Err(wrong("is not a path"));
            }
            rest = &rest[slashes..];
            let length = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            let (step, next) = rest.split_at(length);
            let last = next.is_empty();
            rest = next;
            let descendant = slashes == 2;
            match step {
                b"text()" if last => path.found = Found::Text,
                [b'@', name @ ..] if last => {
                    path.found = Found::Attribute(name_test(name).ok_or_else(|| wrong("has no name"))?)
                }
                name => {
                    let name = name_test(name).ok_or_else(|| wrong("has a step that is no name"))?;
                    path.steps.push(Step { descendant, name });
                    continue;
                }
            }
            if descendant {
                // `//@id` and `//text()` are about any element.
                path.steps.push(Step { descendant, name: None });
            }
        }
        if path.steps.is_empty() || path.steps.len() > MOST_STEPS {
            return Err(wrong("has no steps, or too many"));
        }
        Ok(path)
    }

    /// The states of a child, from those of its parent: bit `i` says that the first `i` steps are taken.
    fn child(&self, states: u32, name: &[u8]) -> u32 {
        let mut next = 0;
        for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| states >> at & 1 == 1) {
            if step.descendant {
                next |= 1 << at;
            }
            if step.name.as_ref().is_none_or(|wanted| wanted == local(name)) {
                next |= 1 << (at + 1);
            }
        }
        next
    }

    fn is_there(&self, states: u32) -> bool {
        states >> self.steps.len() & 1 == 1
    }
}

/// A name, or `None` inside for `*`; nothing if it is neither.
fn name_test(text: &[u8]) -> Option<Option<Vec<u8>>> {
    let name = local(text);
    if name == b"*" {
        return Some(None);
    }
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii();
    let begins = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_' || !byte.is_ascii();
    (name.first().is_some_and(begins) && name.iter().all(valid)).then(|| Some(name.to_vec()))
}

/// A name without its namespace prefix.
fn local(name: &[u8]) -> &[u8] {
    memchr::memrchr(b':', name).map_or(name, |at| &name[at + 1..])
}

/// Follows all paths of a policy through one document.
pub(crate) struct Follower<'p> {
    paths: &'p [XPath],
    /// For each open element, the states of all paths.
    states: Vec<u32>,
    /// For each open element that is taken as a whole: its path, its depth, where its text begins.
    open: Vec<(usize, usize, usize)>,
}

impl<'p> Follower<'p> {
    pub(crate) fn new(paths: &'p [XPath]) -> Follower<'p> {
        Follower { paths, states: vec![1; paths.len()], open: Vec::new() }
    }

    fn current(&self) -> impl Iterator<Item = (&'p XPath, u32)> {
        let begin = self.states.len().saturating_sub(self.paths.len());
        self.paths.iter().zip(self.states.get(begin..).unwrap_or_default().iter().copied())
    }

    fn depth(&self) -> usize {
        self.states.len().checked_div(self.paths.len()).unwrap_or(0)
    }

    /// An element opens; `text` is the length of the document's text so far.
    pub(crate) fn start(&mut self, name: &[u8], text: usize) {
        let next: Vec<u32> = self.current().map(|(path, states)| path.child(states, name)).collect();
        self.states.extend(next);
        let depth = self.depth();
        let taken = self
            .current()
            .enumerate()
            .filter(|(_, (path, states))| path.found == Found::Content && path.is_there(*states));
        let taken: Vec<_> = taken.map(|(at, _)| (at, depth, text)).collect();
        self.open.extend(taken);
    }

    /// An attribute of the element that opened last. The sinks say whether to go on.
    pub(crate) fn attribute(&self, name: &[u8], value: &[u8], sink: &mut impl FnMut(&[u8], &[u8]) -> bool) -> bool {
        self.current().all(|(path, states)| match &path.found {
            Found::Attribute(wanted) if path.is_there(states) => {
                let named = wanted.as_ref().is_none_or(|wanted| wanted == local(name));
                !named || sink(&path.text, value)
            }
            _ => true,
        })
    }

    /// Text within the open element.
    pub(crate) fn text(&self, text: &[u8], sink: &mut impl FnMut(&[u8], &[u8]) -> bool) -> bool {
        self.current()
            .all(|(path, states)| path.found != Found::Text || !path.is_there(states) || sink(&path.text, text))
    }

    /// The open element closes; `text` is the document's text so far.
    pub(crate) fn end(&mut self, text: &[u8], sink: &mut impl FnMut(&[u8], &[u8]) -> bool) -> bool {
        let depth = self.depth();
        let mut go_on = true;
        while let Some((path, _, begin)) = self.open.pop_if(|(_, at, _)| *at == depth) {
            if let Some(path) = self.paths.get(path) {
                go_on &= sink(&path.text, text.get(begin..).unwrap_or_default());
            }
        }
        self.states.truncate(self.states.len().saturating_sub(self.paths.len()));
        go_on
    }
}

#[cfg(test)]
mod tests {
    use super::super::xml::{XmlEvent, parse};
    use super::*;

    fn find(path: &str, document: &str) -> Vec<String> {
        let paths = [XPath::parse(path.as_bytes()).unwrap()];
        let mut follower = Follower::new(&paths);
        let mut found = Vec::new();
        let mut text = Vec::new();
        let mut sink = |_: &[u8], value: &[u8]| {
            found.push(String::from_utf8(value.to_vec()).unwrap());
            true
        };
        parse(document.as_bytes(), 50, &mut |event| match event {
            XmlEvent::Start(name) => {
                follower.start(name, text.len());
                true
            }
            XmlEvent::Attribute(name, value) => follower.attribute(name, value, &mut sink),
            XmlEvent::Text(piece) => {
                text.extend_from_slice(piece);
                follower.text(piece, &mut sink)
            }
            XmlEvent::End => follower.end(&text, &mut sink),
        })
        .unwrap();
        found
    }

    const DOCUMENT: &str = "<s:E xmlns:s='x'><s:Body><user id='7' n:role='r'>ann<b>!</b></user><user id='8'>bob</user></s:Body><user>eve</user></s:E>";

    #[test]
    fn paths_find_their_nodes() {
        assert_eq!(find("/E/Body/user", DOCUMENT), ["ann!", "bob"]);
        assert_eq!(find("/s:E/soap:Body/user/text()", DOCUMENT), ["ann", "bob"]);
        assert_eq!(find("//user", DOCUMENT), ["ann!", "bob", "eve"]);
        assert_eq!(find("//user/@id", DOCUMENT), ["7", "8"]);
        assert_eq!(find("//@role", DOCUMENT), ["r"]);
        assert_eq!(find("/E/*/user/@*", DOCUMENT), ["7", "r", "8"]);
        assert_eq!(find("/E//b", DOCUMENT), ["!"]);
        assert_eq!(find("/user", DOCUMENT), [""; 0]);
        assert_eq!(find("//a", "<a>1<a>2</a></a>"), ["2", "12"]);
        assert_eq!(find("//a//b", "<a><b>1</b><c><a><b>2</b></a></c></a>"), ["1", "2"]);
    }

    #[test]
    fn what_cannot_be_followed_is_an_error() {
        for path in ["", "/", "/a[1]", "//a/..", "///a", "/a/@", "count(//a)", "/a/text()/b", "/@id", &"/a".repeat(40)]
        {
            assert!(XPath::parse(path.as_bytes()).is_err(), "{path}");
        }
    }
}
