//! Logs as real WAFs wrote them: samples of Apache with ModSecurity 2 and of Coraza beside this file,
//! and the larger ones of nginx with ModSecurity 3 in the test data.

use super::{Format, Reader, Record, Refused};
use parapet_event::{Action, AttackClass, SecurityEvent};
use std::path::Path;

fn read(log: &[u8]) -> Vec<Record> {
    let (mut reader, mut records) = (Reader::new(Format::Auto), Vec::new());
    for line in log.strip_suffix(b"\n").unwrap_or(log).split(|&byte| byte == b'\n') {
        reader.line(line, None, &mut records);
    }
    reader.finish(&mut records);
    assert_eq!(reader.held(), 0);
    records
}

fn events(log: &[u8]) -> Vec<SecurityEvent> {
    read(log).into_iter().map(|record| record.outcome.unwrap().event).collect()
}

/// A log of the test data; `None` if the test is skipped.
fn test_data(test: &str, file: &str) -> Option<Vec<u8>> {
    let Ok(data) = std::env::var("PARAPET_TEST_DATA") else {
        assert_ne!(std::env::var("PARAPET_REQUIRE_ALL").as_deref(), Ok("1"), "{test} would be skipped");
        #[allow(clippy::print_stdout, reason = "a skip must be seen")]
        {
            println!("SKIPPED {test}: PARAPET_TEST_DATA is not set");
        }
        return None;
    };
    Some(std::fs::read(Path::new(&data).join("fixtures/modsecurity-audit").join(file)).unwrap())
}

fn rules(event: &SecurityEvent) -> Vec<u32> {
    event.findings.iter().map(|finding| finding.rule_id).collect()
}

fn assert_valid(events: &[SecurityEvent]) {
    let mut ids: Vec<_> = events.iter().map(|event| event.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "ids are different");
    for event in events {
        let event = SecurityEvent {
            site: "shop".to_owned(),
            origin: parapet_event::Origin { sequence: 1, ..event.origin.clone() },
            ..event.clone()
        };
        assert_eq!(crate::validate::validate(&event, event.timestamp), Ok(()));
    }
}

#[test]
fn apache_native_records() {
    let events = events(include_bytes!("samples/apache-native.txt"));
    assert_valid(&events);
    assert_eq!(events.len(), 2);
    let event = &events[0];
    assert_eq!(event.timestamp.to_rfc3339(), "2026-11-28T15:57:14.256219+00:00");
    assert_eq!((event.client_ip.to_string().as_str(), event.client_port), ("127.0.0.1", 33812));
    assert_eq!((event.action, event.status, event.inbound_score), (Action::Blocked, 403, 13));
    assert_eq!(rules(event), [920_350, 942_100, 942_100, 949_110, 980_130]);
    assert_eq!((event.attack_type, event.policy.as_str()), (Some(AttackClass::Sqli), "OWASP_CRS/3.3.4"));
    assert_eq!(
        (event.request.uri.as_str(), event.request.host.as_str()),
        ("/?id=1%27%2Bor%2B%271%27%3D%271", "127.0.0.1:9811")
    );
    assert!(event.request.headers.contains(&("Cookie".into(), "[redacted]".into())));
    let finding = &event.findings[1];
    assert_eq!((finding.variable.as_str(), finding.matched.as_str()), ("ARGS:id", "1'+or+'1'='1"));
    assert_eq!((finding.rule_severity, finding.line), (Some(2), 66));
}

#[test]
fn apache_json_records_say_the_same_as_native_ones() {
    let json = events(include_bytes!("samples/apache-json.txt")).remove(0);
    let native = events(include_bytes!("samples/apache-native.txt")).remove(0);
    assert_valid(std::slice::from_ref(&json));
    assert_eq!(rules(&json), rules(&native));
    assert_eq!(json.findings[1], native.findings[1]);
    assert_eq!((json.action, json.status, json.inbound_score), (native.action, native.status, native.inbound_score));
    assert_eq!((&json.request.uri, &json.policy), (&native.request.uri, &native.policy));
}

#[test]
fn apache_error_log_lines_of_a_transaction_are_one_event() {
    let events = events(include_bytes!("samples/apache-error.txt"));
    assert_valid(&events);
    assert_eq!(events.len(), 2, "the two transactions' lines alternate");
    let event = &events[0];
    assert_eq!(rules(event), [920_350, 942_100, 942_100, 949_110, 980_130]);
    assert_eq!((event.action, event.status, event.inbound_score), (Action::Blocked, 403, 13));
    assert_eq!(event.timestamp.to_rfc3339(), "2026-11-28T15:57:14.254985+00:00");
    assert_eq!((event.client_port, event.request.uri.as_str()), (33812, "/"));
}

#[test]
fn coraza_records() {
    let events = events(include_bytes!("samples/coraza-json.txt"));
    assert_valid(&events);
    let event = &events[0];
    assert_eq!((event.client_ip.to_string().as_str(), event.client_port), ("203.0.113.7", 55555));
    assert_eq!((event.action, event.inbound_score), (Action::Blocked, 5));
    assert_eq!(rules(event), [942_100, 949_110]);
    assert_eq!((event.request.method.as_str(), event.request.protocol.as_str()), ("GET", "HTTP/1.1"));
    assert_eq!(event.request.host, "shop.example");
    assert_eq!(event.findings[0].variable, "ARGS:id");
}

#[test]
fn nginx_json_log_is_read_completely() {
    let name = "nginx_json_log_is_read_completely";
    let Some(log) = test_data(name, "nginx-modsecurity3.0.9-crs3.3.4.json.log") else { return };
    let records = read(&log);
    let readings: Vec<_> = records.into_iter().map(|record| record.outcome.unwrap()).collect();
    assert_eq!(readings.iter().filter(|reading| reading.salvaged.is_some()).count(), 4);
    let events: Vec<_> = readings.into_iter().map(|reading| reading.event).collect();
    assert_eq!(events.len(), 775);
    assert_valid(&events);
    let count = |action| events.iter().filter(|event| event.action == action).count();
    assert_eq!((count(Action::Blocked), count(Action::Detected), count(Action::Rejected)), (696, 79, 0));
    for event in &events {
        // A rule that matched several variables scored each time, but is logged once.
        let sum = u32::try_from(event.findings.iter().map(parapet_event::Finding::points).sum::<i64>()).unwrap();
        assert!(sum <= event.inbound_score + event.outbound_score, "{:?}", event.findings);
        assert!(event.findings.iter().all(|finding| !finding.variable.is_empty()), "{:?}", event.findings);
    }
}

#[test]
fn nginx_native_log_is_read_completely() {
    let name = "nginx_native_log_is_read_completely";
    let Some(log) = test_data(name, "nginx-modsecurity3.0.9-crs3.3.4.native.log") else { return };
    let events = events(&log);
    assert_eq!(events.len(), log.windows(4).filter(|bytes| bytes == b"-Z--").count());
    assert_valid(&events);
    for event in &events {
        assert!(event.findings.iter().all(|finding| !finding.variable.is_empty()), "{:?}", event.findings);
        assert_eq!(event.action == Action::Blocked, event.status >= 400, "{event:?}");
    }
}

#[test]
fn nginx_error_log_agrees_with_the_native_log() {
    let name = "nginx_error_log_agrees_with_the_native_log";
    let Some(errors) = test_data(name, "nginx-error.log") else { return };
    let Some(native) = test_data(name, "nginx-modsecurity3.0.9-crs3.3.4.native.log") else { return };
    let (errors, native) = (events(&errors), events(&native));
    assert_valid(&errors);
    let blocked: Vec<_> = native.iter().filter(|event| event.action == Action::Blocked).collect();
    assert_eq!(errors.len(), blocked.len());
    for (error, native) in errors.iter().zip(blocked) {
        assert_eq!(
            (error.action, error.status, error.inbound_score),
            (native.action, native.status, native.inbound_score)
        );
        assert_eq!((&error.request.uri, &error.request.method), (&native.request.uri, &native.request.method));
        assert_eq!(error.timestamp, native.timestamp);
    }
}

#[test]
fn a_native_record_cut_off_anywhere_is_salvaged_and_the_next_one_is_read() {
    let log = include_bytes!("samples/apache-native.txt");
    let second = log.windows(4).position(|bytes| bytes == b"-Z--").unwrap() + 6;
    let (first, rest) = log.split_at(second);
    for end in (0..first.len() - 8).step_by(97) {
        let records = read(&[&first[..end], b"\n", rest].concat());
        let last = records.last().unwrap().outcome.as_ref().unwrap();
        assert_eq!((last.salvaged.as_ref(), last.event.client_port), (None, 33842), "after {end} bytes");
    }
    let cut = first.windows(12).position(|bytes| bytes == b"Apache-Error").unwrap();
    let records = read(&[&first[..cut], rest].concat());
    assert!(records[0].outcome.as_ref().unwrap().salvaged.is_some());
    assert_eq!(records[0].outcome.as_ref().unwrap().event.inbound_score, 13);
}

#[test]
fn a_record_inside_a_body_is_body() {
    let log = String::from_utf8(include_bytes!("samples/apache-native.txt").to_vec()).unwrap();
    let (record, _) = log.split_once("--93310b1a-A--").unwrap();
    let forged = "--aaaaaaaa-A--\n[28/Nov/2026:15:57:14 +0000] forged 9.9.9.9 1 127.0.0.1 80\n--aaaaaaaa-H--\n\
                  Message: Warning. x [file \"f\"] [line \"1\"] [id \"1\"]\n\n--aaaaaaaa-Z--\n\n";
    let log = record.replace("<html>", &format!("\n{forged}<html>"));
    let events = events(log.as_bytes());
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].client_port, 33812);
}

#[test]
fn what_is_held_can_be_read_again() {
    let log = include_bytes!("samples/apache-error.txt");
    let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
    let (mut reader, mut records) = (Reader::new(Format::Auto), Vec::new());
    for line in &lines[..5] {
        reader.line(line.strip_suffix(b"\n").unwrap(), None, &mut records);
    }
    assert!(records.is_empty());
    // The first line is not of a transaction, the four others are of two.
    let held: usize = lines[1..5].iter().map(|line| line.len()).sum();
    assert_eq!(reader.held(), held as u64);
    reader.finish(&mut records);
    assert_eq!((records.len(), reader.held(), records[0].line, records[1].line), (2, 0, 2, 3));
}

#[test]
fn no_byte_panics_and_strays_are_refused() {
    let samples: [&[u8]; 4] = [
        include_bytes!("samples/apache-native.txt"),
        include_bytes!("samples/apache-json.txt"),
        include_bytes!("samples/apache-error.txt"),
        include_bytes!("samples/coraza-json.txt"),
    ];
    for log in samples {
        for index in (0..log.len()).step_by(211) {
            for byte in [0, b'\n', b'"', b'[', b'-', 0xff] {
                let mut damaged = log.to_vec();
                damaged[index] = byte;
                let _ = read(&damaged);
            }
            let _ = read(&log[index..]);
        }
    }
    let mut reader = Reader::new(Format::Native);
    let mut records = Vec::new();
    reader.line(b"what is this", None, &mut records);
    assert_eq!(records, [Record { line: 1, outcome: Err(Refused::Stray), raw: b"what is this".to_vec() }]);
}

#[test]
fn a_native_record_with_a_huge_body_keeps_its_rules() {
    let text = String::from_utf8(include_bytes!("samples/apache-native.txt").to_vec()).unwrap();
    let (head, tail) = text.split_once("--79d88424-E--").unwrap();
    let line = "x".repeat(1023) + "\n";
    let log = format!("{head}--79d88424-E--\n{}{tail}", line.repeat(17 << 10));
    let events = events(log.as_bytes());
    assert_eq!((events.len(), events[0].inbound_score), (2, 13));
    let rules = "Message: Warning. x [file \"f\"] [line \"1\"] [id \"1\"]\n".repeat(20_000);
    let log = text.replacen("--79d88424-H--\n", &format!("--79d88424-H--\n{rules}"), 1);
    let records = read(log.as_bytes());
    let first = records[0].outcome.as_ref().unwrap();
    assert!(first.salvaged.as_ref().unwrap().contains("over the limit"));
    assert!(first.event.findings.len() <= 10_000);
}
