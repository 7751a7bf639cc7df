//! An alert for the tests of channels, and a server that answers as told.

use parapet_event::{Action, Alert, AlertState, AttackClass, Finding, Origin, RequestSummary, SecurityEvent, Severity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use ulid::Ulid;

/// A critical alert and its event.
pub(crate) fn alert() -> (Alert, SecurityEvent) {
    let event = SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id: Ulid::from_parts(1_800_000_000_000, 7),
        timestamp: chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        origin: Origin::new(Ulid::from_parts(1, 1), 0, 1),
        site: "shop".into(),
        client_ip: [203, 0, 113, 9].into(),
        client_port: 50_000,
        request: RequestSummary { method: "GET".into(), uri: "/item?id=1'--".into(), ..RequestSummary::default() },
        status: 403,
        action: Action::Blocked,
        severity: Severity::new(85),
        rule_id: Some("942100".into()),
        attack_type: Some(AttackClass::Sqli),
        inbound_score: 5,
        outbound_score: 0,
        inbound_threshold: 5,
        paranoia_level: 1,
        findings: Vec::<Finding>::new(),
        policy: "0123456789abcdef".into(),
        track: None,
        track_reason: None,
    };
    let alert = Alert {
        id: event.id,
        timestamp: event.timestamp,
        event_id: event.id,
        title: "SQL injection from 203.0.113.9 blocked at shop (rule 942100)".into(),
        severity: event.severity,
        attack_type: event.attack_type,
        client_ip: event.client_ip,
        site: event.site.clone(),
        rule_id: event.rule_id.clone(),
        count: 1,
        last_seen: event.timestamp,
        state: AlertState::Open,
        deliveries: Vec::new(),
    };
    (alert, event)
}

/// One request as the server saw it.
pub(crate) struct Received {
    /// Request line and headers.
    pub(crate) head: String,
    /// Body.
    pub(crate) body: Vec<u8>,
}

/// A server on a free port that gives `answers` in turn, one per connection; returns its address and
/// what it receives.
pub(crate) async fn server(answers: Vec<&'static str>) -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let received = loop {
                let read = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..read]);
                if let Some(received) = parse(&bytes) {
                    break received;
                }
                assert!(read > 0, "the request ended early");
            };
            let _ = sender.send(received);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, receiver)
}

fn parse(bytes: &[u8]) -> Option<Received> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap()))
        .unwrap_or(0);
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Received { head, body })
}
