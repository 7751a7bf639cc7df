//! The part of Go's text templates that the suite uses in bodies: `{{ "1" | repeat 64200 }}`.
//!
//! As in go-ftw, text that is not a template that we understand is sent as it is written.

/// Largest text a template may produce, in bytes.
const MAX_OUTPUT: usize = 16 << 20;

/// Expands templates; `None` if any of them is not understood.
pub(crate) fn expand(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let (before, after) = rest.split_at(open);
        let after = after.get(2..)?;
        let close = after.find("}}")?;
        let (expression, tail) = after.split_at(close);
        out.push_str(before);
        out.push_str(&evaluate(expression)?);
        if out.len() > MAX_OUTPUT {
            return None;
        }
        rest = tail.get(2..)?;
    }
    out.push_str(rest);
    Some(out)
}

/// A pipeline: a literal, then functions that take it as their last argument.
fn evaluate(expression: &str) -> Option<String> {
    let mut stages = expression.split('|');
    let mut value = call(stages.next()?, None)?;
    for stage in stages {
        value = call(stage, Some(value))?;
    }
    Some(value)
}

fn call(stage: &str, piped: Option<String>) -> Option<String> {
    let stage = stage.trim();
    match (stage.strip_prefix("repeat "), piped) {
        (Some(argument), Some(text)) => repeat(argument, &text),
        (Some(arguments), None) => {
            let (count, literal) = arguments.trim().split_once(' ')?;
            repeat(count, &string(literal.trim())?)
        }
        (None, None) => string(stage),
        (None, Some(_)) => None,
    }
}

fn repeat(count: &str, text: &str) -> Option<String> {
    let count: usize = count.trim().parse().ok()?;
    (count.checked_mul(text.len())? <= MAX_OUTPUT).then(|| text.repeat(count))
}

/// A string literal without escapes.
fn string(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['\\', '"'])).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_expand_and_everything_else_stays() {
        assert_eq!(expand(r#"a{{ "1" | repeat 3 }}b{{ repeat 2 "xy" }}"#), Some("a111bxyxy".to_owned()));
        assert_eq!(expand("plain }} text"), Some("plain }} text".to_owned()));
        assert_eq!(expand("{{constructor.constructor('alert(1)')()}}"), None);
        assert_eq!(expand(r#"{{ "1" | repeat 99999999999 }}"#), None);
    }
}
