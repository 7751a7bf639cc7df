//! The events and streams that the parts of the benchmark share.

use crate::Outcome;
use chrono::{DateTime, Utc};
use parapet_event::{Action, AttackClass, SecurityEvent};
use parapet_ports::EventStream;
use parapet_ports::registry::{Place, Settings, find};
use parapet_ports::suites::{Random, sample_event};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use ulid::Ulid;

/// Different events; they are used again and again, under new ids.
const POOL: u64 = 20_000;

/// Opens a stream of a kind with its options, as the configuration does.
pub async fn stream(kind: &str, table: &str, directory: &Path) -> Outcome<Arc<dyn EventStream>> {
    let settings = Settings { name: "bench".into(), table: table.parse()? };
    let ready = (find(&[parapet_embedded::STREAMS, parapet_backends::STREAMS], kind)?.check)(settings)?;
    Ok(ready.open(&Place { directory: directory.to_owned() }).await?)
}

/// Events with a browser's number of headers, from so many clients.
pub fn pool(clients: u64) -> Vec<SecurityEvent> {
    let event = |number: u64| {
        let mut event = sample_event(number);
        let mut random = Random::new(number);
        event.client_ip = IpAddr::V4(Ipv4Addr::from(0x0A00_0000 + random.below(clients) as u32));
        for index in 0..12 {
            let value = format!("value-{}", random.below(1000));
            event.request.headers.push((format!("X-Header-{index}").into(), value.into()));
        }
        event
    };
    (0..POOL).map(event).collect()
}

/// The pool as SQL injections that each raise an alert or count onto one.
pub fn attacks(clients: u64) -> Vec<SecurityEvent> {
    let mut pool = pool(clients);
    let with_findings: Vec<_> = pool.iter().map(|event| event.findings.clone()).filter(|it| !it.is_empty()).collect();
    for (event, findings) in pool.iter_mut().zip(with_findings.into_iter().cycle()) {
        // A scanner would stay on the analytics track.
        event.request.user_agent = "Mozilla/5.0".into();
        event.findings = findings;
        event.findings.iter_mut().for_each(|finding| finding.rule_id = 942_100);
        (event.action, event.status, event.inbound_score) = (Action::Blocked, 403, 5);
        (event.rule_id, event.attack_type) = (Some("942100".into()), Some(AttackClass::Sqli));
    }
    pool
}

/// A copy with an id of its own, as a worker numbers it.
pub fn numbered(event: &SecurityEvent, number: u64, now: DateTime<Utc>) -> SecurityEvent {
    let mut event = event.clone();
    renumber(&mut event, number, now);
    event
}

/// Makes another event of one.
pub fn renumber(event: &mut SecurityEvent, number: u64, now: DateTime<Utc>) {
    event.id = Ulid::from_parts(u64::try_from(now.timestamp_millis()).unwrap_or_default(), u128::from(number));
    event.timestamp = now;
    event.origin.sequence = number + 1;
}
