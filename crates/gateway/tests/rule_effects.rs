//! What rules do beyond a verdict: secrets stay out of every log, responses get text added, block lists
//! are asked over DNS.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use parapet_engine::Policy;
use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_gateway::{Config, DnsResolver, PolicySet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn policy(text: &str) -> Policy {
    let text = format!("SecRuleEngine On\nSecRequestBodyAccess On\nSecAuditEngine On\n{text}\n");
    let configuration = parse_str("test.conf", text.as_bytes(), &NoFiles).unwrap();
    Policy::compile(&configuration, &NoFiles).unwrap()
}

#[tokio::test]
async fn secrets_are_in_no_log_and_in_no_event() {
    let rules = r#"SecRule ARGS "@rx ." "id:1,phase:2,pass,msg:'%{MATCHED_VAR}',logdata:'%{REQUEST_URI} %{REQUEST_BODY}'"
        SecRule REQUEST_HEADERS "@contains token" "id:2,phase:1,pass,logdata:'%{MATCHED_VAR}',sanitiseMatched"
        SecAction "id:3,phase:5,pass,nolog,sanitiseArg:pin,sanitiseResponseHeader:Server"
        SecAuditLogParts ABFHZ"#;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let upstream = Upstream::start().await;
    let config = Config {
        audit_log: Some(path("audit.log")),
        error_log: Some(path("error.log")),
        access_log: Some(path("access.log")),
        ..config(&[upstream.address])
    };
    let gateway = Running::start(config, PolicySet::new(Arc::new(policy(rules))));
    let body = "pin=4711-0815&note=open";
    gateway
        .send(format!(
            "POST /pay?pin=4711-0815&a=shown HTTP/1.1\r\nHost: shop.example\r\nX-Auth: token-99\r\n\
             Referer: http://h/?pin=4711-0815\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    let event = gateway.events.wait(1).await.remove(0);
    gateway.stop().await;
    let mut texts = vec![("event", serde_json::to_string(&event).unwrap())];
    for name in ["audit.log", "error.log", "access.log"] {
        texts.push((name, std::fs::read_to_string(path(name)).unwrap()));
    }
    for (name, text) in &texts {
        for secret in ["4711", "token-99"] {
            assert!(!text.contains(secret), "{secret} is in the {name}: {text}");
        }
        assert!(text.contains("/pay"), "the {name} has no request: {text}");
    }
    assert_eq!(event.request.uri, "/pay?pin=*********&a=shown");
    let audit: serde_json::Value = serde_json::from_str(texts[1].1.trim()).unwrap();
    assert_eq!(audit["transaction"]["response"]["headers"]["Server"], "[redacted]");
    assert_eq!(audit["transaction"]["request"]["headers"]["X-Auth"], "[redacted]");
    assert_eq!(upstream.received()[0].body, body.as_bytes(), "the application gets what was sent");
}

#[tokio::test]
async fn the_audit_log_has_the_parts_that_the_rules_choose() {
    let rules = r#"SecAuditLogParts AHZ
        SecRule ARGS:more "@streq 1" "id:1,phase:1,pass,msg:'more',ctl:auditLogParts=+BF"
        SecRule ARGS:less "@streq 1" "id:2,phase:1,pass,msg:'less',ctl:auditLogParts=-H"
        SecComponentSignature "Rules/1""#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let upstream = Upstream::start().await;
    let config = Config { audit_log: Some(path.clone()), ..config(&[upstream.address]) };
    let gateway = Running::start(config, PolicySet::new(Arc::new(policy(rules))));
    for target in ["/?more=1", "/?less=1"] {
        gateway.get(target).await;
    }
    gateway.stop().await;
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sizes = |line: &serde_json::Value| {
        let transaction = &line["transaction"];
        let headers = |side: &str| transaction[side]["headers"].as_object().unwrap().len();
        (headers("request"), headers("response"), transaction["messages"].as_array().unwrap().len())
    };
    assert_eq!(sizes(&lines[0]), (1, 3, 1));
    assert_eq!(sizes(&lines[1]), (0, 0, 0));
    assert_eq!(lines[0]["transaction"]["producer"]["components"][0], "Rules/1");
}

#[tokio::test]
async fn text_is_added_to_responses_that_are_inspected() {
    let rules = r#"SecContentInjection On
        SecResponseBodyAccess On
        SecResponseBodyMimeType text/html
        SecAction "id:1,phase:3,pass,nolog,prepend:'<!-- first -->',append:'<!-- last -->'""#;
    let upstream = Upstream::start().await;
    let gateway = Running::start(config(&[upstream.address]), PolicySet::new(Arc::new(policy(rules))));
    let response = gateway.get("/").await;
    let expected = "<!-- first --><html><body>hello from the upstream</body></html><!-- last -->";
    assert_eq!(response.text(), expected);
    assert_eq!(response.header("content-length"), Some(expected.len().to_string().as_str()));
    assert_eq!(gateway.get("/chunked").await.text(), "hello world", "another type is left alone");
    gateway.stop().await;
}

/// A name server that has an address for names that begin with `listed`.
fn block_list(listed: &'static [u8]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..length].to_vec();
            answer[2] |= 0x80;
            if answer[12..].starts_with(listed) {
                answer[7] = 1;
                answer.extend([192, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 2]);
            } else {
                answer[3] |= 3;
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

#[tokio::test]
async fn a_client_on_a_block_list_is_refused() {
    let rules = r#"SecRule REMOTE_ADDR "@rbl bl.example" "id:1,phase:1,deny,status:403,msg:'listed'""#;
    let upstream = Upstream::start().await;
    for (listed, status) in [(&b"\x011\x010\x010\x03127\x02bl"[..], 403), (b"\x019", 200)] {
        let resolver = DnsResolver::new(vec![block_list(listed)], Duration::from_secs(5));
        let policy = policy(rules).with_resolver(Arc::new(resolver));
        let gateway = Running::start(config(&[upstream.address]), PolicySet::new(Arc::new(policy)));
        assert_eq!(gateway.get("/").await.status, status);
        assert_eq!(gateway.get("/").await.status, status);
        gateway.stop().await;
    }
}
