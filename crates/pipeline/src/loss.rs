//! Losses as alerts: Parapet reports what it lost as an event of its own on both tracks, so that it
//! reaches the alerts, the channels and the history as everything else does, wherever their processors
//! run.
//!
//! Such an event belongs to the site `parapet/HOP`, has no client (0.0.0.0) and no rule, and says in its
//! one finding what is missing. Alerts recognise repeats by the site, so further losses at the same hop
//! count onto the open alert. The same hole that several hops see is one event.

use crate::ledger::Hop;
use crate::sequence::Loss;
use crate::sources::event_id;
use chrono::Utc;
use parapet_event::{Action, Finding, Origin, RequestSummary, SecurityEvent, Severity, Track, TrackReason};
use parapet_ports::{EventStream, SharedEvent};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use ulid::Ulid;

/// Critical, so that it raises an alert unless the operator set the bar higher.
const SEVERITY: u8 = 90;
/// Worker number of reports; gateways and sources count theirs from 0.
const WORKER: u16 = u16::MAX;
/// Reports that wait for a track that is away; the oldest beyond that is only in the log and the ledger.
const WAITING_MAX: usize = 256;

/// A track that reports go to.
pub(crate) struct Outlet {
    stream: Arc<dyn EventStream>,
    /// The hop that reads it, if that counts what is appended.
    hop: Option<Arc<Hop>>,
    waiting: VecDeque<SharedEvent>,
}

impl Outlet {
    pub(crate) fn new(stream: Arc<dyn EventStream>, hop: Option<Arc<Hop>>) -> Outlet {
        Outlet { stream, hop, waiting: VecDeque::new() }
    }

    fn push(&mut self, event: SharedEvent) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(event);
    }

    async fn deliver(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let events: Vec<_> = self.waiting.iter().cloned().collect();
        match self.stream.append(&events).await {
            Ok(()) => {
                if let Some(hop) = &self.hop {
                    hop.produced(events.len() as u64);
                }
                self.waiting.clear();
            }
            Err(error) => {
                tracing::warn!(stream = self.stream.name(), %error, "a loss cannot be reported yet; trying again");
            }
        }
    }
}

/// Reports losses.
pub(crate) struct Reporter {
    instance: Ulid,
    reported: u64,
    outlets: Vec<Outlet>,
}

impl Reporter {
    /// Reports go to all of these tracks.
    pub(crate) fn new(outlets: Vec<Outlet>) -> Reporter {
        Reporter { instance: Ulid::generate(), reported: 0, outlets }
    }

    /// Numbers of a producer never reached a hop.
    pub(crate) fn gap(&mut self, hop: &str, loss: &Loss) {
        let Loss { instance, worker, from, to, revealed_by } = loss;
        let numbers = if from == to { format!("event {from}") } else { format!("events {from} to {to}") };
        let text = format!("{numbers} of worker {worker} of instance {instance} never reached {hop}");
        tracing::error!(hop, %instance, worker, from, to, "events are lost");
        let parts = [instance.to_string(), worker.to_string(), from.to_string()];
        let id = event_id(revealed_by.timestamp_ms(), &parts.each_ref().map(String::as_str));
        self.report(id, hop, to - from + 1, text);
    }

    /// A stream removed entries before a group read them.
    pub(crate) fn trimmed(&mut self, hop: &str, stream: &str, group: &str, events: u64) {
        tracing::error!(stream, group, events, "the stream dropped unread events");
        let text = format!("the stream {stream} dropped {events} events before {group} ({hop}) read them");
        self.report(Ulid::generate(), hop, events, text);
    }

    fn report(&mut self, id: Ulid, hop: &str, events: u64, text: String) {
        let previous = Some(self.reported).filter(|reported| *reported > 0);
        self.reported += 1;
        let origin = Origin { previous, ..Origin::new(self.instance, WORKER, self.reported) };
        let event = SharedEvent::new(event(id, origin, hop, events, text));
        self.outlets.iter_mut().for_each(|outlet| outlet.push(event.clone()));
    }

    /// Puts reports on the tracks. What a track does not take now waits for the next call.
    pub(crate) async fn deliver(&mut self) {
        for outlet in &mut self.outlets {
            outlet.deliver().await;
        }
    }
}

fn event(id: Ulid, origin: Origin, hop: &str, events: u64, text: String) -> SecurityEvent {
    SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id,
        timestamp: Utc::now(),
        origin,
        site: format!("parapet/{hop}"),
        client_ip: Ipv4Addr::UNSPECIFIED.into(),
        client_port: 0,
        request: RequestSummary::default(),
        status: 0,
        action: Action::Detected,
        severity: Severity::new(SEVERITY),
        rule_id: None,
        attack_type: None,
        inbound_score: 0,
        outbound_score: 0,
        inbound_threshold: 0,
        paranoia_level: 0,
        findings: vec![Finding { tags: vec!["parapet/loss".into()], ..Finding::of_parapet(5, text) }],
        policy: String::new(),
        track: Some(Track::RealTime),
        track_reason: Some(TrackReason::EventsLost(events)),
    }
}
