//! Operators: `!@pmFromFile list.data`, with `@rx` where none is named.

use crate::ast::{Operator, OperatorKind};
use crate::error::Errors;
use crate::lines::is_blank;
use crate::support::{self, Support};
use crate::text::Slice;

/// Other names of operators.
const ALIASES: &[(&str, OperatorKind)] =
    &[("pmf", OperatorKind::PmFromFile), ("ipMatchF", OperatorKind::IpMatchFromFile)];

/// Operators that mean nothing without an argument.
const NEED_ARGUMENT: &[OperatorKind] = &[
    OperatorKind::Pm,
    OperatorKind::PmFromFile,
    OperatorKind::IpMatch,
    OperatorKind::IpMatchFromFile,
    OperatorKind::Rbl,
    OperatorKind::ValidateByteRange,
    OperatorKind::FuzzyHash,
    OperatorKind::RestPath,
    OperatorKind::ValidateNid,
];

/// Parses the second argument of `SecRule`.
pub(crate) fn operator(text: Slice<'_>, errors: &mut Errors) -> Operator {
    let text = text.from(text.bytes().iter().take_while(|byte| is_blank(**byte)).count());
    let span = text.span();
    let (negated, text) = match text.first() {
        Some(b'!') => (true, skip_blanks(text.from(1))),
        _ => (false, text),
    };
    if text.first() != Some(b'@') {
        return Operator { span, negated, kind: OperatorKind::Rx, argument: text.bytes().to_vec() };
    }
    let length = text.bytes().iter().skip(1).take_while(|byte| !is_blank(**byte)).count() + 1;
    let name = text.part(1, length);
    let argument = skip_blanks(text.from(length));
    let kind = kind(name, errors);
    if let Support::Refused(why) = support::of_operator(kind) {
        errors.hint(span, format!("the operator @{} is not supported", kind.name()), why);
        return Operator { span, negated, kind, argument: Vec::new() };
    }
    if argument.trim().is_empty() && NEED_ARGUMENT.contains(&kind) {
        errors.push(span, format!("the operator @{} needs an argument", kind.name()));
    }
    Operator { span, negated, kind, argument: argument.bytes().to_vec() }
}

fn skip_blanks(text: Slice<'_>) -> Slice<'_> {
    text.from(text.bytes().iter().take_while(|byte| is_blank(**byte)).count())
}

fn kind(name: Slice<'_>, errors: &mut Errors) -> OperatorKind {
    let bytes = name.bytes();
    let alias = || {
        let found = ALIASES.iter().find(|(alias, _)| alias.as_bytes().eq_ignore_ascii_case(bytes));
        found.map(|(_, kind)| *kind)
    };
    OperatorKind::from_name(bytes).or_else(alias).unwrap_or_else(|| {
        errors.unknown(name.span(), "operator", bytes, OperatorKind::ALL.iter().map(|item| item.name()));
        OperatorKind::NoMatch
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Lines;
    use crate::text::{Dialect, words};

    fn parse(text: &str) -> Result<(bool, OperatorKind, String), String> {
        let mut errors = Errors::default();
        let line = Lines::new(0, format!("\"{text}\"").into_bytes()).next(&mut errors).unwrap();
        let words = words(&line, Dialect::default(), &mut errors).unwrap();
        let found = operator(words[0].all(), &mut errors);
        if errors.is_empty() {
            Ok((found.negated, found.kind, String::from_utf8(found.argument).unwrap()))
        } else {
            Err(errors.resolve(&[]).remove(0).to_string())
        }
    }

    #[test]
    fn the_default_operator_is_rx_negated_or_not() {
        assert_eq!(parse("^a b$"), Ok((false, OperatorKind::Rx, "^a b$".into())));
        assert_eq!(parse("!^0$"), Ok((true, OperatorKind::Rx, "^0$".into())));
    }

    #[test]
    fn names_aliases_and_arguments() {
        assert_eq!(parse("!@eq 0"), Ok((true, OperatorKind::Eq, "0".into())));
        assert_eq!(parse("@PMF a.data"), Ok((false, OperatorKind::PmFromFile, "a.data".into())));
        assert_eq!(parse("@detectSQLi"), Ok((false, OperatorKind::DetectSqli, String::new())));
        assert_eq!(parse("@rx a@b  "), Ok((false, OperatorKind::Rx, "a@b  ".into())));
    }

    #[test]
    fn unknown_names_and_missing_arguments_are_errors() {
        assert!(
            parse("@beginWith x")
                .unwrap_err()
                .ends_with("1:3: unknown operator `beginWith` (did you mean `beginsWith`?)")
        );
        assert!(parse("@pm ").unwrap_err().contains("needs an argument"));
    }
}
