//! Records as they are written, and as they get damaged.

use super::*;
use parapet_event::AttackClass;
use std::path::Path;
use ulid::Ulid;

const BLOCKED: &str = r#"{"transaction":{"client_ip":"203.0.113.9","time_stamp":"Sun Nov 22 08:32:53 2026",
"server_id":"s","client_port":57886,"host_ip":"127.0.0.1","host_port":9003,"unique_id":"179532917338.638645",
"request":{"method":"GET","http_version":1.1,"uri":"/?id=1","headers":{"Host":"shop.example","Cookie":"sid=1",
"User-Agent":"curl/8","X-A":"1","X-A":"2"}},
"response":{"body":"…","http_code":403,"headers":{}},
"producer":{"modsecurity":"ModSecurity v3.0.9 (Linux)","secrules_engine":"Enabled","components":["OWASP_CRS/3.3.4\""]},
"messages":[
{"message":"Host header is a numeric IP address","details":{"match":"","ruleId":"920350","severity":"4","tags":[]}},
{"message":"SQL Injection Attack Detected via libinjection","details":{"match":"detected SQLi using libinjection.",
"ruleId":"942100","file":"/usr/share/crs/rules/REQUEST-942.conf","lineNumber":"46",
"data":"Matched Data: s&1 found within ARGS:id: 1' or 1","severity":"2","tags":["attack-sqli","paranoia-level/2"]}},
{"message":"Inbound Anomaly Score Exceeded (Total Score: 8)","details":{
"match":"Matched \"Operator `Ge' with parameter `7' against variable `TX:ANOMALY_SCORE' (Value: `8' )",
"ruleId":"949110","severity":"2","tags":["attack-generic"]}}]}}"#;

fn reader() -> Reader {
    Reader::new("shop", Numbering::new(Ulid::nil(), 0))
}

fn read(record: &[u8]) -> Result<Reading, Refused> {
    reader().read(record)
}

#[test]
fn a_blocked_transaction_is_a_blocked_event_with_its_score_ledger() {
    let event = read(BLOCKED.as_bytes()).unwrap().event;
    assert_eq!((event.action, event.status, event.site.as_str()), (Action::Blocked, 403, "shop"));
    assert_eq!((event.rule_id.as_deref(), event.attack_type), (Some("942100"), Some(AttackClass::Sqli)));
    assert_eq!((event.inbound_score, event.inbound_threshold, event.paranoia_level), (8, 7, 2));
    assert_eq!(event.policy, "OWASP_CRS/3.3.4");
    let finding = &event.findings[1];
    assert_eq!((finding.variable.as_str(), finding.matched.as_str()), ("ARGS:id", "1' or 1"));
    assert_eq!((finding.file.as_str(), finding.line, finding.points()), ("REQUEST-942.conf", 46, 5));
    assert_eq!(finding.scores[0].score, "inbound_anomaly_score_pl2");
    assert_eq!(event.request.protocol, "HTTP/1.1");
    let values: Vec<_> = event.request.headers.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["shop.example", REDACTED, "curl/8", "1", "2"]);
}

#[test]
fn local_time_is_corrected_by_the_transaction_id() {
    let at = |local: &str, id: &str| timestamp(local, id).map(|time| time.to_rfc3339());
    let id = "179532917338.638645";
    assert_eq!(at("Sun Nov 22 08:32:53 2026", id).unwrap(), "2026-11-22T06:32:53+00:00");
    assert_eq!(at("Sun Nov 22 08:32:53 2026", "custom-id").unwrap(), "2026-11-22T08:32:53+00:00");
    assert_eq!(at("Sun Nov  1 08:32:53 2026", id).unwrap(), "2026-11-01T08:32:53+00:00");
    assert_eq!(at("yesterday", id), None);
}

#[test]
fn reading_a_record_again_gives_the_same_event() {
    let mut reader = reader();
    let [first, second] = [(); 2].map(|()| reader.read(BLOCKED.as_bytes()).unwrap().event);
    assert_eq!(first.id, second.id);
    assert_eq!((first.origin.sequence, second.origin.sequence), (1, 2));
    let other = BLOCKED.replace("38.638645", "38.638646");
    assert_ne!(reader.read(other.as_bytes()).unwrap().event.id, first.id);
}

#[test]
fn the_action_follows_from_engine_status_and_rules() {
    let action = |changes: &[(&str, &str)]| {
        let record = changes.iter().fold(BLOCKED.to_owned(), |record, (from, to)| record.replace(from, to));
        read(record.as_bytes()).unwrap().event.action
    };
    assert_eq!(action(&[("\"Enabled\"", "\"DetectionOnly\""), (":403", ":200")]), Action::Detected);
    assert_eq!(action(&[("949110", "980130"), (":403", ":200")]), Action::Detected);
    assert_eq!(action(&[("949110", "980130"), (":403", ":400")]), Action::Rejected);
    assert_eq!(action(&[("949110", "980130"), ("920350", "200002"), (":403", ":400")]), Action::Blocked);
    assert_eq!(
        action(&[("949110", "1000"), ("\"server_id\"", "\"is_interrupted\":true,\"server_id\"")]),
        Action::Blocked
    );
    assert_eq!(action(&[("\"server_id\"", "\"is_interrupted\":false,\"server_id\"")]), Action::Detected);
}

#[test]
fn damaged_records_are_salvaged_or_refused_with_the_reason() {
    let mut bytes = BLOCKED.replace("1' or 1", "1' @ 1").into_bytes();
    let place = bytes.iter().position(|&byte| byte == b'@').unwrap();
    bytes[place] = 0xbc;
    let reading = read(&bytes).unwrap();
    assert_eq!(reading.event.findings[1].matched, "1' \\xbc 1");
    assert!(reading.salvaged.is_some());

    let cut = BLOCKED.find("{\"message\":\"Inbound").unwrap() + 20;
    let reading = read(&BLOCKED.as_bytes()[..cut]).unwrap();
    assert_eq!(reading.event.findings.len(), 2);
    assert_eq!(reading.salvaged.unwrap(), format!("cut off after {cut} bytes"));

    let refused = |record: &str| read(record.as_bytes()).unwrap_err().to_string();
    assert!(refused("").contains("not a ModSecurity JSON record"));
    assert!(refused("2026/11/22 [error]").contains("not a ModSecurity JSON record"));
    assert!(refused("{\"transaction\":{}}").contains("missing field"));
    assert!(refused(&BLOCKED.replace("203.0.113.9", "somewhere")).contains("client_ip"));
    assert!(refused(&BLOCKED.replace("Sun Nov 22", "Someday")).contains("time_stamp"));
    assert_eq!(read(&BLOCKED.as_bytes()[..BLOCKED.find("{\"message\"").unwrap()]), Err(Refused::NoFindings));
    assert_eq!(read(&vec![b' '; RECORD_BYTES_MAX + 1]), Err(Refused::Size(RECORD_BYTES_MAX + 1)));
}

#[test]
fn every_prefix_and_every_flipped_byte_is_read_or_refused() {
    let bytes = BLOCKED.as_bytes();
    for end in (0..bytes.len()).step_by(2) {
        let _ = read(&bytes[..end]);
    }
    for index in (0..bytes.len()).step_by(3) {
        for byte in [0, b'"', b'\\', b'}', 0xff] {
            let mut damaged = bytes.to_vec();
            damaged[index] = byte;
            let _ = read(&damaged);
        }
    }
}

#[test]
fn a_real_log_is_read_completely() {
    let Ok(data) = std::env::var("PARAPET_TEST_DATA") else {
        let name = "a_real_log_is_read_completely";
        assert_ne!(std::env::var("PARAPET_REQUIRE_ALL").as_deref(), Ok("1"), "{name} would be skipped");
        #[allow(clippy::print_stdout, reason = "a skip must be seen")]
        {
            println!("SKIPPED {name}: PARAPET_TEST_DATA is not set");
        }
        return;
    };
    let log = Path::new(&data).join("fixtures/modsecurity-audit/nginx-modsecurity3.0.9-crs3.3.4.json.log");
    let log = std::fs::read(log).unwrap();
    let mut reader = reader();
    let readings: Vec<_> = log
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| reader.read(line).unwrap())
        .collect();
    assert_eq!(readings.len(), 775);
    assert_eq!(readings.iter().filter(|reading| reading.salvaged.is_some()).count(), 4);
    let mut ids: Vec<_> = readings.iter().map(|reading| reading.event.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 775);
    let count = |action| readings.iter().filter(|reading| reading.event.action == action).count();
    assert_eq!((count(Action::Blocked), count(Action::Detected), count(Action::Rejected)), (696, 79, 0));
    for reading in &readings {
        let event = &reading.event;
        assert_eq!(crate::validate::validate(event, event.timestamp), Ok(()));
        // A rule that matched several variables scored each time, but is logged once.
        let sum = u32::try_from(event.findings.iter().map(Finding::points).sum::<i64>()).unwrap();
        assert!(sum <= event.inbound_score + event.outbound_score, "{:?}", event.findings);
        assert!(event.findings.iter().all(|finding| !finding.variable.is_empty()), "{:?}", event.findings);
    }
}
