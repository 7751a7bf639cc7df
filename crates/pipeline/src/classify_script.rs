//! The operator's own classification, written in Lua.
//!
//! ```lua
//! critical_rules = {"942", "941", "932", "930"}
//! anomaly_threshold = 50
//! scanner_rules = {"913"}
//! scanner_user_agents = {"nikto", "sqlmap", "burp", "nessus"}
//!
//! function classify(event)
//!   if event.site == "payments" and event.anomaly_score >= 10 then
//!     return {track = "realtime", reason = "payments is watched closely"}
//!   end
//! end
//! ```
//!
//! A global that the script sets replaces the setting of that name. `classify`, if there is one, sees
//! every event before the rules do. It returns `nil` to leave the decision to them, `"realtime"` or
//! `"analytics"`, or a table with `track`, and if it likes `reason` (a text) and `severity` (0–100).
//! `threat_intel_sources` may be set, as the rest of the installation reads the same file; it has no
//! part in the decision.
//!
//! The event has the fields that the API shows, and beside them `anomaly_score` (the higher of both
//! scores) and `rule_ids` (a list of numbers).
//!
//! A script has no access to anything but the event, and its steps, time and memory are bounded. One
//! that fails decides nothing: the rules do, and the failure is counted and logged.

use crate::classify::Config;
use crate::scanner::RulePattern;
use parapet_event::{SecurityEvent, Severity, Track};
use parapet_script::{Limits, Nothing, Sandbox, Script, Value};
use std::time::Duration;

const FUNCTION: &str = "classify";
/// One decision is a matter of microseconds; these bounds are for scripts that went wrong.
const LIMITS: Limits = Limits { steps: 200_000, time: Duration::from_millis(50), memory: 16 << 20, text: 1024 };

/// What a script decided about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) track: Track,
    pub(crate) reason: String,
    pub(crate) severity: Option<Severity>,
}

/// A script in an interpreter of its own.
pub(crate) struct Seated {
    sandbox: Sandbox,
    script: Script,
    decides: bool,
}

impl Seated {
    /// Runs the top level of the script.
    ///
    /// # Errors
    /// What the script said, with its line.
    pub(crate) fn new(script: &Script) -> Result<Seated, String> {
        let load = || {
            let mut sandbox = Sandbox::new(LIMITS)?;
            sandbox.load(script, &mut Nothing)?;
            Ok(sandbox)
        };
        let sandbox: Sandbox = load().map_err(|failure: parapet_script::Failure| failure.to_string())?;
        let decides = sandbox.defines(script, FUNCTION);
        Ok(Seated { sandbox, script: script.clone(), decides })
    }

    /// The settings, with those that the script sets in their place.
    ///
    /// # Errors
    /// Every global that is not what the setting of its name can be.
    pub(crate) fn settings(&self, mut config: Config) -> Result<Config, Vec<String>> {
        let mut errors = Vec::new();
        let mut read = |name: &str, set: &mut dyn FnMut(&Value) -> Result<(), String>| {
            let value = self.sandbox.global(&self.script, name).map_err(|failure| failure.to_string());
            let outcome = value.and_then(|value| if value == Value::Nil { Ok(()) } else { set(&value) });
            if let Err(error) = outcome {
                errors.push(format!("{}: {name}: {error}", self.script.name()));
            }
        };
        read("anomaly_threshold", &mut |value| number(value).map(|number| config.anomaly_threshold = number));
        read("severity_threshold", &mut |value| {
            let number = number(value)?;
            config.severity_threshold = u8::try_from(number).map_err(|_| format!("{number} is more than 255"))?;
            Ok(())
        });
        read("critical_rules", &mut |value| patterns(value).map(|rules| config.critical_rules = rules));
        read("scanner_rules", &mut |value| patterns(value).map(|rules| config.scanner_rules = rules));
        read("scanner_user_agents", &mut |value| texts(value).map(|names| config.scanner_user_agents = names));
        if errors.is_empty() { Ok(config) } else { Err(errors) }
    }

    /// What the script decides about an event; `None` leaves it to the rules.
    ///
    /// # Errors
    /// What went wrong in the script.
    pub(crate) fn decide(&mut self, event: &SecurityEvent) -> Result<Option<Decision>, String> {
        if !self.decides {
            return Ok(None);
        }
        let argument = as_value(event)?;
        let result = self.sandbox.call(&self.script, FUNCTION, &[argument], &mut Nothing);
        decision(&result.map_err(|failure| failure.to_string())?)
            .map_err(|what| format!("{}: {FUNCTION} returned {what}", self.script.name()))
    }
}

fn decision(value: &Value) -> Result<Option<Decision>, String> {
    let track = |value: &Value| match value.as_text() {
        Some(b"realtime") => Ok(Track::RealTime),
        Some(b"analytics") => Ok(Track::Analytics),
        _ => Err(format!("{value:?}, which is no track; tracks are \"realtime\" and \"analytics\"")),
    };
    let Value::Map(members) = value else {
        return match value {
            Value::Nil => Ok(None),
            _ => track(value).map(|track| Some(Decision { track, reason: String::new(), severity: None })),
        };
    };
    let member = |name: &str| members.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value);
    let reason = member("reason").and_then(Value::to_text).unwrap_or_default();
    let severity = match member("severity") {
        None => None,
        Some(value) => match number(value) {
            Ok(severity @ 0..=100) => Some(Severity::new(severity as u8)),
            _ => return Err("a severity that is no whole number from 0 to 100".to_owned()),
        },
    };
    let track = track(member("track").unwrap_or(&Value::Nil))?;
    Ok(Some(Decision { track, reason: String::from_utf8_lossy(&reason).into_owned(), severity }))
}

fn number(value: &Value) -> Result<u32, String> {
    let whole = match value {
        Value::Integer(number) => Some(*number),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e9 => Some(*number as i64),
        _ => None,
    };
    whole.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| "is no whole number from 0 on".to_owned())
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    let Value::List(list) = value else { return Err("is no list such as {\"a\", \"b\"}".to_owned()) };
    let text = |value: &Value| value.to_text().map(|text| String::from_utf8_lossy(&text).into_owned());
    list.iter().map(|value| text(value).ok_or_else(|| "has a member that is no text".to_owned())).collect()
}

fn patterns(value: &Value) -> Result<Vec<RulePattern>, String> {
    texts(value)?.into_iter().map(RulePattern::try_from).collect()
}

/// The event as the script sees it.
fn as_value(event: &SecurityEvent) -> Result<Value, String> {
    let json =
        serde_json::to_value(event).map_err(|error| format!("the event cannot be shown to a script: {error}"))?;
    let mut value = from_json(json);
    if let Value::Map(members) = &mut value {
        let ids = event.findings.iter().map(|finding| Value::Integer(finding.rule_id.into())).collect();
        let score = event.inbound_score.max(event.outbound_score);
        members.push((b"rule_ids".to_vec(), Value::List(ids)));
        members.push((b"anomaly_score".to_vec(), Value::Integer(score.into())));
    }
    Ok(value)
}

/// Events are a few levels deep whatever was in the request, so recursion ends soon.
fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(value) => Value::Boolean(value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Number(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(list) => Value::List(list.into_iter().map(from_json).collect()),
        serde_json::Value::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key.into_bytes(), from_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn seated(source: &str) -> Result<Seated, String> {
        let script = Script::compile("classify.lua", source.as_bytes()).map_err(|error| error.to_string())?;
        Seated::new(&script)
    }

    fn decide(source: &str) -> Result<Option<Decision>, String> {
        let mut event = example::event(1);
        event.site = "payments".into();
        event.inbound_score = 12;
        event.findings = vec![example::finding(942_100, Some(2), 5)];
        seated(source)?.decide(&event)
    }

    #[test]
    fn globals_of_the_platforms_form_replace_the_settings() {
        let script = "critical_rules = {\"920\", 941100}\nanomaly_threshold = 7\nscanner_rules = {\"1234\"}\n\
                      scanner_user_agents = {\"Robo\"}\nthreat_intel_sources = {\"abuseipdb\"}";
        let config = seated(script).unwrap().settings(Config::default()).unwrap();
        assert_eq!(config.critical_rules, [RulePattern::Family(920), RulePattern::Rule(941_100)]);
        assert_eq!((config.anomaly_threshold, config.severity_threshold), (7, 80));
        assert_eq!(config.scanner_rules, [RulePattern::Rule(1234)]);
        assert_eq!(config.scanner_user_agents, ["Robo"]);
    }

    #[test]
    fn every_global_that_is_wrong_is_named() {
        let script = "critical_rules = \"942\"\nanomaly_threshold = -1\nscanner_user_agents = {{}}";
        let errors = seated(script).unwrap().settings(Config::default()).unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors.iter().all(|error| error.starts_with("classify.lua: ")), "{errors:?}");
    }

    #[test]
    fn a_script_decides_or_leaves_it_to_the_rules() {
        assert_eq!(decide("x = 1"), Ok(None));
        assert_eq!(decide("function classify(event) end"), Ok(None));
        let plain = decide("function classify(event) return \"analytics\" end").unwrap().unwrap();
        assert_eq!((plain.track, plain.reason.as_str(), plain.severity), (Track::Analytics, "", None));
        let script = "function classify(event)\n  if event.site == \"payments\" and event.anomaly_score >= 10 \
                      and event.rule_ids[1] == 942100 and event.request.method == \"GET\" then\n    \
                      return {track = \"realtime\", reason = \"watched\", severity = 95}\n  end\nend";
        let decision = decide(script).unwrap().unwrap();
        let severity = decision.severity.map(Severity::get);
        assert_eq!((decision.track, decision.reason.as_str(), severity), (Track::RealTime, "watched", Some(95)));
    }

    #[test]
    fn what_goes_wrong_is_said_with_its_place() {
        for (script, part) in [
            ("function classify(", "classify.lua:1"),
            ("function classify(event)\n  return event.nothing.there\nend", "classify.lua:2"),
            ("function classify(event) while true do end end", "classify.lua:1"),
            ("function classify(event) return \"somewhere\" end", "no track"),
            ("function classify(event) return {severity = 300, track = \"realtime\"} end", "0 to 100"),
            ("function classify(event) return {} end", "no track"),
            ("os.exit()", "classify.lua:1"),
        ] {
            let error = decide(script).expect_err(script);
            assert!(error.contains(part), "{script}: {error}");
        }
    }
}
