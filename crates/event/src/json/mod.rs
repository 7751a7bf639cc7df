//! The JSON of an event, written and read by hand.
//!
//! Every event becomes JSON once and is read from it at each hop, which makes this the most expensive step
//! of the pipeline. Written with the names and values known beforehand it takes half the time that serde
//! takes. The form is the one that serde gives these types. What is read here is only that form exactly,
//! with the fields in their order and without spaces; serde reads everything else.

mod scalars;
#[cfg(test)]
mod tests;
mod text;

use crate::{Action, AttackClass, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent, Track, TrackReason};
use text::{plain_bytes, quoted};

/// Room for the JSON of an ordinary event, in bytes.
const ORDINARY_BYTES: usize = 2048;

/// The JSON of an event.
pub fn write(event: &SecurityEvent) -> String {
    let mut json = String::with_capacity(ORDINARY_BYTES);
    event.write(&mut json);
    json
}

/// The event whose JSON this is; `None` if it is not written exactly as [`write`] does.
pub fn read(json: &str) -> Option<SecurityEvent> {
    let mut rest = Rest(json);
    let event = Json::read(&mut rest)?;
    rest.0.is_empty().then_some(event)
}

/// What has a JSON form.
trait Json: Sized {
    fn write(&self, json: &mut String);
    fn read(json: &mut Rest<'_>) -> Option<Self>;
}

/// What is left to read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Passes over a text that must come next.
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes a string in which nothing is escaped.
    fn plain(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        let text = self.take(plain_bytes(self.0))?;
        self.skip("\"")?;
        Some(text)
    }

    /// Takes a number of so many digits.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
        self.take(count)?.bytes().try_fold(0, |number, byte| Some(number * 10 + digit(byte)?))
    }
}

/// Fields of a structure in their order, after the semicolon those that are left out where they are absent.
macro_rules! object {
    ($type:ident: $first:ident $(, $field:ident)* $(; $($optional:ident),*)?) => {
        impl Json for $type {
            fn write(&self, json: &mut String) {
                let $type { $first, $($field,)* $($($optional),*)? } = self;
                json.push_str(concat!("{\"", stringify!($first), "\":"));
                $first.write(json);
                $(
                    json.push_str(concat!(",\"", stringify!($field), "\":"));
                    $field.write(json);
                )*
                $($(
                    if let Some(value) = $optional {
                        json.push_str(concat!(",\"", stringify!($optional), "\":"));
                        value.write(json);
                    }
                )*)?
                json.push('}');
            }

            fn read(json: &mut Rest<'_>) -> Option<Self> {
                json.skip(concat!("{\"", stringify!($first), "\":"))?;
                let $first = Json::read(json)?;
                $(
                    json.skip(concat!(",\"", stringify!($field), "\":"))?;
                    let $field = Json::read(json)?;
                )*
                $($(
                    let $optional = match json.skip(concat!(",\"", stringify!($optional), "\":")) {
                        Some(()) => Some(Json::read(json)?),
                        None => None,
                    };
                )*)?
                json.skip("}")?;
                Some($type { $first, $($field,)* $($($optional),*)? })
            }
        }
    };
}

object!(SecurityEvent: schema, id, timestamp, origin, site, client_ip, client_port, request, status, action, severity,
    rule_id, attack_type, inbound_score, outbound_score, inbound_threshold, paranoia_level, findings, policy;
    track, track_reason);
object!(Origin: instance, worker, sequence; previous);
object!(RequestSummary: method, uri, protocol, host, user_agent, headers, body_bytes);
object!(Finding: rule_id, phase, message, data, tags, rule_severity, variable, matched, operator, scores, file, line);
object!(ScoreEntry: score, points);

/// Values that are written as their name.
macro_rules! named {
    ($type:ident: $all:expr) => {
        impl Json for $type {
            fn write(&self, json: &mut String) {
                quoted(json, self.as_str());
            }

            fn read(json: &mut Rest<'_>) -> Option<Self> {
                let name = json.plain()?;
                $all.into_iter().find(|value| value.as_str() == name)
            }
        }
    };
}

named!(Action: [Action::Blocked, Action::Detected, Action::Rejected]);
named!(AttackClass: AttackClass::ALL);
named!(Track: [Track::RealTime, Track::Analytics]);

/// The names of the reasons that have a detail.
macro_rules! reasons {
    ($($variant:ident: $name:literal),*) => {
        impl Json for TrackReason {
            fn write(&self, json: &mut String) {
                match self {
                    TrackReason::Default => json.push_str(r#"{"rule":"default"}"#),
                    $(TrackReason::$variant(detail) => {
                        json.push_str(concat!("{\"rule\":\"", $name, "\",\"detail\":"));
                        detail.write(json);
                        json.push('}');
                    })*
                }
            }

            fn read(json: &mut Rest<'_>) -> Option<Self> {
                if json.skip(r#"{"rule":"default"}"#).is_some() {
                    return Some(TrackReason::Default);
                }
                $(if json.skip(concat!("{\"rule\":\"", $name, "\",\"detail\":")).is_some() {
                    let reason = TrackReason::$variant(Json::read(json)?);
                    json.skip("}")?;
                    return Some(reason);
                })*
                None
            }
        }
    };
}

reasons!(AnomalyScore: "anomaly_score", CriticalSeverity: "critical_severity", ScannerRule: "scanner_rule",
    ScannerUserAgent: "scanner_user_agent", CriticalRule: "critical_rule", Script: "script",
    EventsLost: "events_lost");

impl<T: Json> Json for Option<T> {
    fn write(&self, json: &mut String) {
        match self {
            Some(value) => value.write(json),
            None => json.push_str("null"),
        }
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        match json.skip("null") {
            Some(()) => Some(None),
            None => T::read(json).map(Some),
        }
    }
}

impl<T: Json> Json for Vec<T> {
    fn write(&self, json: &mut String) {
        json.push('[');
        for (index, value) in self.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            value.write(json);
        }
        json.push(']');
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        json.skip("[")?;
        let mut values = Vec::new();
        if json.skip("]").is_some() {
            return Some(values);
        }
        loop {
            values.push(T::read(json)?);
            if json.skip(",").is_none() {
                json.skip("]")?;
                return Some(values);
            }
        }
    }
}

impl<A: Json, B: Json> Json for (A, B) {
    fn write(&self, json: &mut String) {
        json.push('[');
        self.0.write(json);
        json.push(',');
        self.1.write(json);
        json.push(']');
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        json.skip("[")?;
        let first = A::read(json)?;
        json.skip(",")?;
        let second = B::read(json)?;
        json.skip("]")?;
        Some((first, second))
    }
}
