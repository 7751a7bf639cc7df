//! Payload templates: a JSON tree of the user's own form with `{{placeholders}}` in its strings.
//!
//! Placeholders are replaced inside the strings of the parsed tree, so whatever an attacker put into
//! a URI stays inside its string: it can add no field and break no syntax. Keys, numbers and
//! booleans are sent as they are. Values longer than 2,048 bytes are cut.

use parapet_event::{Alert, SecurityEvent};
use serde_json::Value;
use std::fmt::Write;

type Fill = fn(&Alert, &SecurityEvent) -> String;

/// All placeholders, what they stand for and how they are filled.
pub static PLACEHOLDERS: &[(&str, &str, Fill)] = &[
    ("severity", "severity, 0 to 100", |alert, _| alert.severity.get().to_string()),
    ("severity_band", "critical, high, medium or low", |alert, _| alert.severity.band().as_str().into()),
    ("client_ip", "address of the client", |alert, _| alert.client_ip.to_string()),
    ("attack_type", "attack class, for example sqli", |alert, _| {
        alert.attack_type.map_or("unknown", |class| class.as_str()).into()
    }),
    ("rule_id", "rule with the most points", |alert, _| alert.rule_id.clone().unwrap_or_default()),
    ("title", "one line for people", |alert, _| alert.title.clone()),
    ("alert_id", "id of the alert", |alert, _| alert.id.to_string()),
    ("event_id", "id of the event, also shown on the block page", |alert, _| alert.event_id.to_string()),
    ("timestamp", "when the request arrived, RFC 3339", |_, event| event.timestamp.to_rfc3339()),
    ("site", "name of the protected site", |alert, _| alert.site.clone()),
    ("count", "events counted onto the alert so far", |alert, _| alert.count.to_string()),
    ("action", "blocked, detected or rejected", |_, event| event.action.as_str().into()),
    ("status", "HTTP status sent to the client", |_, event| event.status.to_string()),
    ("method", "HTTP method", |_, event| event.request.method.clone()),
    ("uri", "request target", |_, event| event.request.uri.clone()),
    ("host", "Host header", |_, event| event.request.host.clone()),
    ("user_agent", "User-Agent header", |_, event| event.request.user_agent.clone()),
    ("inbound_score", "inbound anomaly score", |_, event| event.inbound_score.to_string()),
    ("message", "message of the first rule that matched", |_, event| {
        event.findings.first().map(|finding| finding.message.clone()).unwrap_or_default()
    }),
    ("policy", "hash of the policy that decided", |_, event| event.policy.clone()),
];

/// Longest value put in for a placeholder, in bytes.
const VALUE_BYTES_MAX: usize = 2048;
/// Strings with placeholders in one template.
const STRINGS_MAX: usize = 1000;

/// A checked template.
pub(crate) struct Template {
    tree: Value,
    /// Where strings with placeholders are (JSON pointers, RFC 6901), and their parts.
    strings: Vec<(String, Vec<Part>)>,
}

enum Part {
    Text(String),
    Value(Fill),
}

impl Template {
    /// Checks a template. A string is taken as JSON text, so that the user's JSON can be pasted as it
    /// is; anything else is the tree itself.
    ///
    /// # Errors
    /// Says which placeholder is unknown and which are known, or what else is wrong.
    pub(crate) fn new(form: Value) -> Result<Self, String> {
        let tree = match form {
            Value::String(text) => serde_json::from_str(&text).map_err(|error| format!("not JSON: {error}"))?,
            tree => tree,
        };
        let mut strings = Vec::new();
        let mut open = vec![(String::new(), &tree)];
        while let Some((pointer, node)) = open.pop() {
            match node {
                Value::String(text) if text.contains("{{") => strings.push((pointer, parse(text)?)),
                Value::Array(items) => {
                    open.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
                }
                Value::Object(fields) => open.extend(
                    fields
                        .iter()
                        .map(|(key, item)| (format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), item)),
                ),
                _ => {}
            }
        }
        if strings.len() > STRINGS_MAX {
            return Err(format!("more than {STRINGS_MAX} strings with placeholders"));
        }
        Ok(Template { tree, strings })
    }

    /// The form used when none is configured: every placeholder under its own name.
    pub(crate) fn standard() -> Self {
        let fields =
            PLACEHOLDERS.iter().map(|(name, ..)| ((*name).to_owned(), Value::String(format!("{{{{{name}}}}}"))));
        let strings = PLACEHOLDERS.iter().map(|(name, _, fill)| (format!("/{name}"), vec![Part::Value(*fill)]));
        Template { tree: Value::Object(fields.collect()), strings: strings.collect() }
    }

    /// The payload for an alert.
    pub(crate) fn render(&self, alert: &Alert, event: &SecurityEvent) -> Value {
        let mut tree = self.tree.clone();
        for (pointer, parts) in &self.strings {
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Text(literal) => text.push_str(literal),
                    Part::Value(fill) => push_cut(&mut text, &fill(alert, event)),
                }
            }
            if let Some(place) = tree.pointer_mut(pointer) {
                *place = Value::String(text);
            }
        }
        tree
    }
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once("{{") {
        let (name, tail) = after.split_once("}}").ok_or_else(|| format!("\"{text}\": \"{{{{\" without \"}}}}\""))?;
        parts.push(Part::Text(literal.to_owned()));
        parts.push(Part::Value(find(name.trim())?));
        rest = tail;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

fn find(name: &str) -> Result<Fill, String> {
    PLACEHOLDERS.iter().find(|(known, ..)| *known == name).map(|(_, _, fill)| *fill).ok_or_else(|| {
        let known: Vec<_> = PLACEHOLDERS.iter().map(|(known, ..)| *known).collect();
        format!("unknown placeholder \"{{{{{name}}}}}\"; known placeholders: {}", known.join(", "))
    })
}

fn push_cut(text: &mut String, value: &str) {
    if value.len() <= VALUE_BYTES_MAX {
        text.push_str(value);
        return;
    }
    let end = (0..=VALUE_BYTES_MAX).rev().find(|&end| value.is_char_boundary(end)).unwrap_or(0);
    let _ = write!(text, "{}…", &value[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::example;
    use serde_json::json;

    #[test]
    fn the_users_form_is_filled_in() {
        let form = json!({
            "text": "Critical security alert detected",
            "attachments": [{"color": "danger", "fields": [
                {"title": "Severity", "value": "{{severity}}", "short": true},
                {"title": "Source IP", "value": "{{client_ip}}", "short": true},
                {"title": "Attack Type", "value": "{{ attack_type }} on {{site}}!", "short": false},
            ]}],
        });
        let (alert, event) = example::alert();
        let payload = Template::new(form.clone()).unwrap().render(&alert, &event);
        let values = |index: usize| payload["attachments"][0]["fields"][index]["value"].clone();
        assert_eq!((values(0), values(1), values(2)), (json!("85"), json!("203.0.113.9"), json!("sqli on shop!")));
        assert_eq!(payload["text"], form["text"]);
        assert_eq!(payload["attachments"][0]["fields"][0]["short"], json!(true));
        let pasted = Template::new(Value::String(form.to_string())).unwrap().render(&alert, &event);
        assert_eq!(pasted, payload);
    }

    #[test]
    fn what_an_attacker_writes_stays_inside_its_string() {
        let (alert, mut event) = example::alert();
        event.request.uri = "/\",\"admin\":true,\"x\":\"\u{0}\n{{client_ip}}".into();
        let template = Template::new(json!({"uri": "<{{uri}}>"})).unwrap();
        let text = template.render(&alert, &event).to_string();
        let payload: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(payload, json!({"uri": format!("<{}>", event.request.uri)}), "not filled in a second time either");
    }

    #[test]
    fn an_unknown_placeholder_is_an_error_that_lists_the_known_ones() {
        let error = Template::new(json!([{"a": "{{severty}}"}])).err().unwrap();
        assert!(error.contains("{{severty}}") && error.contains("severity, severity_band, client_ip"), "{error}");
        assert!(Template::new(json!("{{severity")).is_err());
        assert!(Template::new(json!({"a": "{{severity"})).err().unwrap().contains("without"));
    }

    #[test]
    fn keys_with_slashes_and_tildes_are_found_again() {
        let (alert, event) = example::alert();
        let payload = Template::new(json!({"a/b": {"~c": "{{site}}"}})).unwrap().render(&alert, &event);
        assert_eq!(payload, json!({"a/b": {"~c": "shop"}}));
    }

    #[test]
    fn the_standard_form_holds_every_placeholder() {
        let (alert, event) = example::alert();
        let payload = Template::standard().render(&alert, &event);
        assert_eq!(payload.as_object().unwrap().len(), PLACEHOLDERS.len());
        assert_eq!((&payload["severity"], &payload["rule_id"]), (&json!("85"), &json!("942100")));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let (alert, mut event) = example::alert();
        event.request.uri = "é".repeat(5000);
        let payload = Template::new(json!(["{{uri}}"])).unwrap().render(&alert, &event);
        let text = payload[0].as_str().unwrap();
        assert!(text.len() <= VALUE_BYTES_MAX + 3 && text.ends_with("é…"), "{} bytes", text.len());
    }
}
