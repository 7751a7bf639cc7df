//! Variable lists: `ARGS|!ARGS:/^utm_/|&REQUEST_HEADERS:Host|XML://@*`.

use crate::ast::{Selector, Target, TargetMode, Variable};
use crate::error::{Errors, show};
use crate::support::{self, Support};
use crate::text::Slice;

/// Other names of variables.
const ALIASES: &[(&str, Variable)] = &[("STATUS", Variable::ResponseStatus), ("REQUEST_XML", Variable::Xml)];

/// Variables that have members and so take a selector.
const COLLECTIONS: &[Variable] = &[
    Variable::Args,
    Variable::ArgsGet,
    Variable::ArgsGetNames,
    Variable::ArgsNames,
    Variable::ArgsPath,
    Variable::ArgsPost,
    Variable::ArgsPostNames,
    Variable::Env,
    Variable::Files,
    Variable::FilesNames,
    Variable::FilesSizes,
    Variable::FilesTmpNames,
    Variable::FilesTmpContent,
    Variable::Geo,
    Variable::Global,
    Variable::Ip,
    Variable::MatchedVars,
    Variable::MatchedVarsNames,
    Variable::MultipartFilename,
    Variable::MultipartName,
    Variable::MultipartPartHeaders,
    Variable::RequestCookies,
    Variable::RequestCookiesNames,
    Variable::RequestHeaders,
    Variable::RequestHeadersNames,
    Variable::Resource,
    Variable::ResponseArgs,
    Variable::ResponseHeaders,
    Variable::ResponseHeadersNames,
    Variable::ResponseXml,
    Variable::Rule,
    Variable::Session,
    Variable::Tx,
    Variable::User,
    Variable::Xml,
];

/// Parses a list; elements that are wrong are reported and left out.
pub(crate) fn targets(list: Slice<'_>, errors: &mut Errors) -> Vec<Target> {
    let mut found = Vec::new();
    let mut rest = list;
    loop {
        rest = skip_separators(rest);
        if rest.is_empty() {
            break;
        }
        let (target, next) = target(rest, errors);
        found.extend(target);
        rest = next;
    }
    if found.is_empty() && list.trim().is_empty() {
        errors.hint(list.span(), "the list of variables is empty", "for example ARGS|REQUEST_HEADERS");
    }
    found
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'|' | b',' | b' ' | b'\t' | b'\n')
}

fn skip_separators(rest: Slice<'_>) -> Slice<'_> {
    rest.from(rest.bytes().iter().take_while(|byte| is_separator(**byte)).count())
}

/// Parses one element and returns what follows it.
fn target<'t>(rest: Slice<'t>, errors: &mut Errors) -> (Option<Target>, Slice<'t>) {
    let span = rest.span();
    let (mode, name_and_rest) = match rest.first() {
        Some(b'!') => (TargetMode::Exclude, rest.from(1)),
        Some(b'&') => (TargetMode::Count, rest.from(1)),
        _ => (TargetMode::Include, rest),
    };
    let length = name_and_rest.bytes().iter().take_while(|byte| **byte != b':' && !is_separator(**byte)).count();
    let name = name_and_rest.part(0, length);
    let after = name_and_rest.from(length);
    let variable = variable(name, errors);
    let (selector, next) = match after.first() {
        Some(b':') => selector(variable, after.from(1), errors),
        _ => (Some(Selector::All), after),
    };
    let Some((variable, selector)) = variable.zip(selector) else { return (None, next) };
    if selector != Selector::All && !COLLECTIONS.contains(&variable) {
        let message = format!("{} has one value, so it takes no selector", variable.name());
        errors.hint(after.span(), message, "remove the colon and what follows it");
        return (None, next);
    }
    (Some(Target { span, mode, variable, selector }), next)
}

fn variable(name: Slice<'_>, errors: &mut Errors) -> Option<Variable> {
    let bytes = name.bytes();
    let alias = || {
        let found = ALIASES.iter().find(|(alias, _)| alias.as_bytes().eq_ignore_ascii_case(bytes));
        found.map(|(_, variable)| *variable)
    };
    let found = Variable::from_name(bytes).or_else(alias);
    match found.map(support::of_variable) {
        Some(Support::Idle(why)) => {
            errors.warn(name.span(), format!("{} has no meaning here: {why}", show(bytes)));
        }
        Some(Support::Refused(why)) => {
            errors.hint(name.span(), format!("the variable {} is not supported", show(bytes)), why);
            return None;
        }
        _ => {}
    }
    if found.is_none() {
        if bytes.is_empty() {
            errors.push(name.span(), "a variable name is missing");
        } else {
            errors.unknown(name.span(), "variable", bytes, Variable::ALL.iter().map(|item| item.name()));
        }
    }
    found
}

/// Parses what follows the colon.
fn selector<'t>(variable: Option<Variable>, rest: Slice<'t>, errors: &mut Errors) -> (Option<Selector>, Slice<'t>) {
    if matches!(variable, Some(Variable::Xml | Variable::ResponseXml)) {
        let (path, next) = until_separator(rest);
        return (Some(Selector::XPath(path.bytes().to_vec())), next);
    }
    match rest.first() {
        Some(b'\'') => {
            let Some(close) = closing(rest.from(1), b'\'') else {
                errors.push(rest.span(), "the quote of this selector is never closed");
                return (None, rest.from(usize::MAX));
            };
            let inner = rest.part(1, close + 1).unescape(b'\'');
            let inner = inner.all();
            let bytes = inner.bytes();
            let selector = match bytes.strip_prefix(b"/").and_then(|regex| regex.strip_suffix(b"/")) {
                Some(regex) => Selector::Regex(regex.to_vec()),
                None => Selector::Key(bytes.to_vec()),
            };
            (Some(selector), rest.from(close + 2))
        }
        Some(b'/') => regex(rest, errors),
        None => {
            errors.hint(rest.span(), "a selector is missing after the colon", "write the name of a member");
            (None, rest)
        }
        Some(byte) if is_separator(byte) => {
            errors.hint(rest.span(), "a selector is missing after the colon", "write the name of a member");
            (None, rest)
        }
        Some(_) => {
            let (key, next) = until_separator(rest);
            (Some(Selector::Key(key.bytes().to_vec())), next)
        }
    }
}

/// Parses `/…/`: the expression ends at a slash that is not escaped and that ends the element, so
/// that pipes and commas inside it are its own.
fn regex<'t>(rest: Slice<'t>, errors: &mut Errors) -> (Option<Selector>, Slice<'t>) {
    let bytes = rest.bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'/' if bytes.get(at + 1).is_none_or(|next| is_separator(*next)) => {
                let inner = rest.part(1, at).unescape(b'/');
                return (Some(Selector::Regex(inner.all().bytes().to_vec())), rest.from(at + 1));
            }
            _ => at += 1,
        }
    }
    let message = format!("the regular expression `{}` has no closing slash", show(bytes));
    errors.hint(rest.span(), message, "quote the list if the expression contains blanks");
    (None, rest.from(usize::MAX))
}

fn until_separator(rest: Slice<'_>) -> (Slice<'_>, Slice<'_>) {
    let end = rest.bytes().iter().take_while(|byte| !is_separator(**byte)).count();
    (rest.part(0, end), rest.from(end))
}

/// Offset of the first `quote` that no backslash precedes.
fn closing(rest: Slice<'_>, quote: u8) -> Option<usize> {
    let bytes = rest.bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Lines;
    use crate::text::{Dialect, words};

    fn parse(list: &str) -> Result<Vec<(TargetMode, Variable, Selector)>, String> {
        let mut errors = Errors::default();
        let line = Lines::new(0, list.as_bytes().to_vec()).next(&mut errors).unwrap();
        let words = words(&line, Dialect::default(), &mut errors).unwrap();
        let found = targets(words[0].all(), &mut errors);
        if errors.is_empty() {
            Ok(found.into_iter().map(|target| (target.mode, target.variable, target.selector)).collect())
        } else {
            Err(errors.resolve(&[]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    }

    fn key(name: &str) -> Selector {
        Selector::Key(name.as_bytes().to_vec())
    }

    fn matching(regex: &str) -> Selector {
        Selector::Regex(regex.as_bytes().to_vec())
    }

    #[test]
    fn modes_and_selectors() {
        use TargetMode::{Count, Exclude, Include};
        assert_eq!(
            parse("REQUEST_COOKIES|!REQUEST_COOKIES:/__utm/|&args:a:b|XML:/*|XML://@*|Request_Uri"),
            Ok(vec![
                (Include, Variable::RequestCookies, Selector::All),
                (Exclude, Variable::RequestCookies, matching("__utm")),
                (Count, Variable::Args, key("a:b")),
                (Include, Variable::Xml, Selector::XPath(b"/*".to_vec())),
                (Include, Variable::Xml, Selector::XPath(b"//@*".to_vec())),
                (Include, Variable::RequestUri, Selector::All),
            ])
        );
    }

    #[test]
    fn pipes_slashes_and_quotes_inside_a_regex_are_its_own() {
        use TargetMode::{Exclude, Include};
        assert_eq!(
            parse(r#""!REQUEST_COOKIES:/^_ga(?:_\w+)?$/""#),
            Ok(vec![(Exclude, Variable::RequestCookies, matching(r"^_ga(?:_\w+)?$"))])
        );
        assert_eq!(
            parse(r#""ARGS:/^(?:a|b,c)\/d$/|TX:'/^x|y/'|TX:'a b'""#),
            Ok(vec![
                (Include, Variable::Args, matching("^(?:a|b,c)/d$")),
                (Include, Variable::Tx, matching("^x|y")),
                (Include, Variable::Tx, key("a b")),
            ])
        );
    }

    #[test]
    fn errors_name_the_nearest_variable() {
        assert!(parse("REQUEST_HEADER:Host").unwrap_err().contains("did you mean `REQUEST_HEADERS`?"));
        assert!(parse("ARGS|REQUEST_URI:x").unwrap_err().contains("1:17: REQUEST_URI has one value"));
        assert!(parse("ARGS:/x").unwrap_err().contains("no closing slash"));
        assert!(parse("ARGS:|TX").unwrap_err().contains("selector is missing"));
    }
}
