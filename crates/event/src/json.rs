//! The JSON of an event, written and read by hand.
//!
//! Every event becomes JSON once and is read from it at each hop, which makes this the most expensive step
//! of the pipeline. Written with the names and values known beforehand it takes half the time that serde
//! takes. The form is the one that serde gives these types. What is read here is only that form exactly,
//! with the fields in their order and without spaces; serde reads everything else.

use crate::{Action, AttackClass, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent};
use crate::{Severity, ShortText, Track, TrackReason};
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Timelike, Utc};
use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;
use ulid::{ULID_LEN, Ulid};

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

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Json for $type {
            fn write(&self, json: &mut String) {
                if i128::from(*self) < 0 {
                    json.push('-');
                }
                decimal(json, i128::from(*self).unsigned_abs() as u64);
            }

            fn read(json: &mut Rest<'_>) -> Option<Self> {
                let text = json.take(json.0.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-')).count())?;
                // JSON knows no leading zeros.
                let canonical = text == "0" || !text.trim_start_matches('-').starts_with('0');
                text.parse().ok().filter(|_| canonical)
            }
        })*
    };
}

number!(u8, u16, u32, u64, i64);

impl Json for Severity {
    fn write(&self, json: &mut String) {
        self.get().write(json);
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        u8::read(json).map(Severity::new)
    }
}

impl Json for Ulid {
    fn write(&self, json: &mut String) {
        quoted(json, self.array_to_str(&mut [0; ULID_LEN]));
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        Ulid::from_string(json.plain()?).ok()
    }
}

impl Json for IpAddr {
    fn write(&self, json: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(json, "\"{self}\"");
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        json.plain()?.parse().ok()
    }
}

impl Json for DateTime<Utc> {
    fn write(&self, json: &mut String) {
        let (year, nanosecond) = (self.year(), self.nanosecond());
        if !(0..=9999).contains(&year) || nanosecond >= 1_000_000_000 {
            // Beyond four digits, or in a leap second.
            return quoted(json, &self.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
        padded::<4>(json, '"', year.unsigned_abs());
        padded::<2>(json, '-', self.month());
        padded::<2>(json, '-', self.day());
        padded::<2>(json, 'T', self.hour());
        padded::<2>(json, ':', self.minute());
        padded::<2>(json, ':', self.second());
        match nanosecond {
            0 => {}
            _ if nanosecond.is_multiple_of(1_000_000) => padded::<3>(json, '.', nanosecond / 1_000_000),
            _ if nanosecond.is_multiple_of(1_000) => padded::<6>(json, '.', nanosecond / 1_000),
            _ => padded::<9>(json, '.', nanosecond),
        }
        json.push_str("Z\"");
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        json.skip("\"")?;
        let year = json.digits(4)?;
        let [month, day, hour, minute, second] = {
            let mut part = |before| json.skip(before).and_then(|()| json.digits(2));
            [part("-")?, part("-")?, part("T")?, part(":")?, part(":")?]
        };
        let mut nanosecond = 0;
        if json.skip(".").is_some() {
            let digits = json.0.bytes().take_while(u8::is_ascii_digit).count();
            let unit = 9_u32.checked_sub(digits as u32).filter(|_| digits > 0)?;
            nanosecond = json.digits(digits)? * 10_u32.pow(unit);
        }
        json.skip("Z\"")?;
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        Some(date.and_hms_nano_opt(hour, minute, second, nanosecond)?.and_utc())
    }
}

impl Json for String {
    fn write(&self, json: &mut String) {
        write_text(json, self);
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        read_text(json).map(Cow::into_owned)
    }
}

impl Json for ShortText {
    fn write(&self, json: &mut String) {
        write_text(json, self);
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        read_text(json).map(ShortText::from)
    }
}

fn write_text(json: &mut String, mut text: &str) {
    json.push('"');
    loop {
        let (plain, special) = text.split_at(plain_bytes(text));
        json.push_str(plain);
        let mut special = special.chars();
        match special.next() {
            None => break,
            Some('"') => json.push_str("\\\""),
            Some('\\') => json.push_str("\\\\"),
            Some('\n') => json.push_str("\\n"),
            Some('\r') => json.push_str("\\r"),
            Some('\t') => json.push_str("\\t"),
            Some('\u{8}') => json.push_str("\\b"),
            Some('\u{c}') => json.push_str("\\f"),
            // Writing to a string cannot fail.
            Some(control) => drop(write!(json, "\\u{:04x}", u32::from(control))),
        }
        text = special.as_str();
    }
    json.push('"');
}

fn read_text<'a>(json: &mut Rest<'a>) -> Option<Cow<'a, str>> {
    json.skip("\"")?;
    let plain = json.take(plain_bytes(json.0))?;
    if json.skip("\"").is_some() {
        return Some(plain.into());
    }
    let mut text = plain.to_owned();
    while json.skip("\"").is_none() {
        json.skip("\\")?;
        text.push(match json.take(1)? {
            "\"" => '"',
            "\\" => '\\',
            "n" => '\n',
            "r" => '\r',
            "t" => '\t',
            "b" => '\u{8}',
            "f" => '\u{c}',
            "u" => {
                let digits = json.take(4)?.strip_prefix("00").filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
                char::from(u8::from_str_radix(digits?, 16).ok()?)
            }
            _ => return None,
        });
        text.push_str(json.take(plain_bytes(json.0))?);
    }
    Some(text.into())
}

/// Bytes before the first that ends a string or is escaped in one: quotation mark, backslash, control
/// characters.
fn plain_bytes(text: &str) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    /// The high bit of each byte below `limit`; exact up to and including the first one.
    fn below(word: u64, limit: u8) -> u64 {
        word.wrapping_sub(ONES * u64::from(limit)) & !word & (ONES << 7)
    }
    let special = |word: u64| {
        let equals = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        below(word, b' ') | equals(b'"') | equals(b'\\')
    };
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return 8 * index + special.trailing_zeros() as usize / 8;
        }
    }
    let in_rest = rest.iter().position(|byte| matches!(byte, 0..b' ' | b'"' | b'\\'));
    8 * words.len() + in_rest.unwrap_or(rest.len())
}

/// Writes a text in which there is nothing to escape.
fn quoted(json: &mut String, text: &str) {
    json.push('"');
    json.push_str(text);
    json.push('"');
}

fn decimal(json: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first = index;
        if number == 0 {
            break;
        }
    }
    json.extend(digits.iter().skip(first).map(|digit| char::from(*digit)));
}

/// Writes `before` and a number with leading zeros.
fn padded<const DIGITS: usize>(json: &mut String, before: char, number: u32) {
    json.push(before);
    (0..DIGITS as u32).rev().for_each(|place| json.push(char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str, timestamp: &str, track_reason: Option<TrackReason>) -> SecurityEvent {
        let finding = Finding {
            data: text.into(),
            tags: vec![text.into(), "attack-sqli".into()],
            rule_severity: Some(2),
            scores: vec![ScoreEntry { score: "inbound_anomaly_score_pl1".into(), points: -5 }],
            line: 45,
            ..Finding::of_parapet(2, text.into())
        };
        SecurityEvent {
            schema: SecurityEvent::SCHEMA,
            id: Ulid::from_parts(1 << 40, 7),
            timestamp: timestamp.parse().unwrap(),
            origin: Origin { previous: track_reason.as_ref().map(|_| u64::MAX), ..Origin::new(Ulid::max(), 9, 10) },
            site: text.into(),
            client_ip: if text.is_empty() { [192, 0, 2, 1].into() } else { [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into() },
            client_port: u16::MAX,
            request: RequestSummary {
                uri: text.into(),
                headers: vec![("Host".into(), text.into()), (text.into(), ShortText::default())],
                ..RequestSummary::default()
            },
            status: 403,
            action: Action::Detected,
            severity: Severity::MAX,
            rule_id: (!text.is_empty()).then(|| text.into()),
            attack_type: track_reason.as_ref().map(|_| AttackClass::InjectionPhp),
            inbound_score: 0,
            outbound_score: 100,
            inbound_threshold: 5,
            paranoia_level: 4,
            findings: vec![finding.clone(), Finding { rule_severity: None, tags: Vec::new(), ..finding }],
            policy: "0123456789abcdef".into(),
            track: track_reason.as_ref().map(|_| Track::RealTime),
            track_reason,
        }
    }

    fn events() -> Vec<SecurityEvent> {
        let every_ascii: String = (0..128_u8).map(char::from).collect();
        let texts = ["", "plain", "Straße 日本 \u{7f}\u{80}\u{9f}\u{2028}", "ends in \"", "\\u0041\\", &every_ascii];
        let times = [
            "2026-01-31T23:59:59Z",
            "0000-01-01T00:00:00.001Z",
            "9999-12-31T01:02:03.000004Z",
            "2026-02-28T10:20:30.123456789Z",
            "2016-12-31T23:59:60.5Z",
            "+10000-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
        ];
        let reasons = [
            None,
            Some(TrackReason::AnomalyScore(55)),
            Some(TrackReason::CriticalSeverity(90)),
            Some(TrackReason::ScannerRule(913_100)),
            Some(TrackReason::ScannerUserAgent("sqlmap \"1.8\"".into())),
            Some(TrackReason::CriticalRule(942_100)),
            Some(TrackReason::Script("night".into())),
            Some(TrackReason::Default),
            Some(TrackReason::EventsLost(u64::MAX)),
        ];
        let number = texts.len().max(times.len()).max(reasons.len());
        let event = |index| {
            let reason = reasons.get(index % reasons.len()).cloned().flatten();
            event(texts[index % texts.len()], times[index % times.len()], reason)
        };
        (0..2 * number).map(event).collect()
    }

    #[test]
    fn an_event_is_written_as_serde_writes_it() {
        for event in events() {
            assert_eq!(write(&event), serde_json::to_string(&event).unwrap());
        }
    }

    #[test]
    fn names_are_those_of_serde() {
        let text = |value: &dyn Fn(&mut String)| {
            let mut json = String::new();
            value(&mut json);
            json
        };
        for action in [Action::Blocked, Action::Detected, Action::Rejected] {
            assert_eq!(text(&|json| action.write(json)), serde_json::to_string(&action).unwrap());
        }
        for track in [Track::RealTime, Track::Analytics] {
            assert_eq!(text(&|json| track.write(json)), serde_json::to_string(&track).unwrap());
        }
    }

    #[test]
    fn what_was_written_is_read_except_times_that_are_rare() {
        for event in events() {
            let ordinary = (0..=9999).contains(&event.timestamp.year()) && event.timestamp.nanosecond() < 1_000_000_000;
            assert_eq!(read(&write(&event)), ordinary.then_some(event));
        }
    }

    #[test]
    fn nothing_is_read_that_serde_reads_otherwise() {
        let json = write(&event("\"\u{1}é", "2026-01-31T23:59:59.25Z", Some(TrackReason::Script("a\\".into()))));
        for at in 0..json.len() {
            for byte in *b"\"\\0+-.u" {
                let mut replaced = json.clone().into_bytes();
                replaced[at] = byte;
                let mut longer = json.clone().into_bytes();
                longer.insert(at, byte);
                let mut shorter = json.clone().into_bytes();
                shorter.remove(at);
                for changed in [replaced, longer, shorter] {
                    let Ok(changed) = String::from_utf8(changed) else { continue };
                    if let Some(event) = read(&changed) {
                        assert_eq!(event, serde_json::from_str(&changed).unwrap(), "{changed}");
                    }
                }
            }
        }
    }
}
