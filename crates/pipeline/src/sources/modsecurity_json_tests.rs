//! Records as they are written, and as they get damaged.

use super::transaction::REDACTED;
use super::{Format, RECORD_BYTES_MAX, Reader, Reading, Record, Refused};
use parapet_event::{Action, AttackClass};

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

fn read(record: &[u8]) -> Result<Reading, Refused> {
    let mut records = Vec::new();
    // A record is one line.
    let line: Vec<u8> = record.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
    Reader::new(Format::Json).line(&line, None, &mut records);
    let Record { outcome, .. } = records.pop().unwrap();
    outcome
}

#[test]
fn a_blocked_transaction_is_a_blocked_event_with_its_score_ledger() {
    let event = read(BLOCKED.as_bytes()).unwrap().event;
    assert_eq!((event.action, event.status), (Action::Blocked, 403));
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
fn reading_a_record_again_gives_the_same_event() {
    let [first, second] = [(); 2].map(|()| read(BLOCKED.as_bytes()).unwrap().event);
    assert_eq!(first, second);
    let other = BLOCKED.replace("38.638645", "38.638646");
    assert_ne!(read(other.as_bytes()).unwrap().event.id, first.id);
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
    assert_eq!(reading.salvaged.unwrap(), format!("cut off after {} bytes", BLOCKED[..cut].trim_end().len()));

    let refused = |record: &str| read(record.as_bytes()).unwrap_err().to_string();
    assert!(refused("2026/11/22 [error]").contains("not a JSON record"));
    assert!(refused("{\"transaction\":{}}").contains("missing field"));
    assert!(refused(&BLOCKED.replace("203.0.113.9", "somewhere")).contains("client address"));
    assert!(refused(&BLOCKED.replace("Sun Nov 22", "Someday")).contains("time"));
    assert_eq!(read(&BLOCKED.as_bytes()[..BLOCKED.find("{\"message\"").unwrap()]), Err(Refused::NoFindings));
    assert_eq!(read(&vec![b'{'; RECORD_BYTES_MAX + 1]), Err(Refused::Size(RECORD_BYTES_MAX + 1)));
}

#[test]
fn every_prefix_and_every_flipped_byte_is_read_or_refused() {
    let bytes = BLOCKED.as_bytes();
    for end in (2..bytes.len()).step_by(2) {
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
fn our_own_audit_log_yields_the_events_that_were_made_then() {
    let id = "01KB4R3Q8ZJ5M2V7T9XWENY6CD";
    let own = BLOCKED.replace("ModSecurity v3.0.9 (Linux)", "Parapet 0.1.0").replace("179532917338.638645", id);
    assert_eq!(read(own.as_bytes()).unwrap().event.id.to_string(), id);
}

#[test]
fn names_of_headers_do_not_make_it_another_kind_of_record() {
    let headers = "\"headers\":{\"time\":\"1\",\"timestamp\":\"1\",\"transaction_id\":\"1\",";
    let record = BLOCKED.replacen("\"headers\":{", headers, 1);
    assert_eq!(read(record.as_bytes()).unwrap().event.findings.len(), 3);
}
