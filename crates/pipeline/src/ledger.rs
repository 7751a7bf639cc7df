//! The ledger: for every hop of the story, produced = delivered + dropped (with the reason) + in flight.
//!
//! | hop | produced | delivered | dropped |
//! |---|---|---|---|
//! | `gateway` | events submitted from the request path | handed to the spool | spool full, spool closed |
//! | `spool` | taken into the hand-off | durable in the spool stream | pushed out by newer events, refused by the stream |
//! | `source:NAME` | records of another WAF's log | durable in the spool stream | refused (dead letter), no rule matched |
//! | `router` | durable in the spool stream | on the analytics track and acknowledged | invalid (dead letter), trimmed |
//! | `router:realtime` | durable in the spool stream | on the real-time track or passed over, and acknowledged | trimmed |
//! | `track:realtime` | appended by the router | processed and acknowledged | trimmed |
//! | `track:analytics` | appended by the router | stored and acknowledged | refused by the store (dead letter), trimmed |
//! | `store:NAME` | offered to the store | confirmed by the store | refused (dead letter) |
//! | `channel:NAME` | alerts queued for the channel | confirmed by the channel | queue full, given up |
//! | `sequence` | numbers between the first and the highest seen | numbers seen | dropped by the spool; gap |
//!
//! Every hop that reads a stream also drops entries that hold no event ("undecodable", dead letter).
//! A batch that the stream trims while a stage works on it is counted as trimmed, and as delivered when
//! the stage is through with it.
//!
//! **What is per process.** Counts start at zero with the process. What an earlier process left in a
//! stream is added to `produced` of the hop that reads the stream when it joins, so the equation also
//! holds after a restart. Counts are of stream entries: an event that a crash made the router append
//! twice is counted twice on its track (and stored once). Alerts that an earlier process queued but
//! did not deliver are queued, and counted, again.
//!
//! Where roles are split over processes, a hop that reads a stream of another process counts what it
//! reads as produced; what waits in the stream is the stream's own account (its lag).
//!
//! The same counts are metrics: `parapet_hop_produced_total`, `parapet_hop_delivered_total`,
//! `parapet_hop_dropped_total` with labels `hop` and `reason`. The recorder has to be installed
//! before the ledger is created.

use crate::sequence::Sequences;
use metrics::Counter;
use parapet_event::Origin;
use parapet_ports::Ledger;
use parapet_ports::ledger::HopCount;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the account of this process.
#[derive(Default)]
pub struct EventLedger {
    hops: Mutex<BTreeMap<String, Arc<Hop>>>,
    sequences: Mutex<Sequences>,
}

impl EventLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        EventLedger::default()
    }

    /// The account of one hop, opened on first use. Stages keep the handle.
    pub fn hop(&self, name: &str) -> Arc<Hop> {
        let mut hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hop) = hops.get(name) {
            return hop.clone();
        }
        let hop = Arc::new(Hop::new(name));
        hops.insert(name.to_owned(), hop.clone());
        hop
    }

    /// The router saw the event with this number. Logs a gap that no known drop explains.
    pub(crate) fn saw(&self, origin: &Origin) {
        let gap = self.sequences.lock().unwrap_or_else(PoisonError::into_inner).saw(origin);
        if gap > 0 {
            metrics::counter!("parapet_sequence_gap_total").increment(gap);
            tracing::error!(
                instance = %origin.instance,
                worker = origin.worker,
                sequence = origin.sequence,
                missing = gap,
                "events are missing before this one and no drop explains it"
            );
        }
    }

    /// The event with this number was dropped on purpose and counted: its absence is not a gap.
    pub(crate) fn dropped_before_router(&self, origin: &Origin) {
        self.sequences.lock().unwrap_or_else(PoisonError::into_inner).dropped(origin);
    }
}

impl Ledger for EventLedger {
    fn snapshot(&self) -> BTreeMap<String, HopCount> {
        let hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot: BTreeMap<String, HopCount> =
            hops.iter().map(|(name, hop)| (name.clone(), hop.count())).collect();
        drop(hops);
        snapshot.insert("sequence".to_owned(), self.sequences.lock().unwrap_or_else(PoisonError::into_inner).count());
        snapshot
    }
}

/// The account of one hop.
pub struct Hop {
    name: String,
    produced: AtomicU64,
    delivered: AtomicU64,
    dropped: Mutex<BTreeMap<String, u64>>,
    produced_metric: Counter,
    delivered_metric: Counter,
}

impl Hop {
    fn new(name: &str) -> Self {
        Hop {
            name: name.to_owned(),
            produced: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            dropped: Mutex::new(BTreeMap::new()),
            produced_metric: metrics::counter!("parapet_hop_produced_total", "hop" => name.to_owned()),
            delivered_metric: metrics::counter!("parapet_hop_delivered_total", "hop" => name.to_owned()),
        }
    }

    /// `events` were handed to the hop. Counted before the hop can confirm them.
    pub fn produced(&self, events: u64) {
        self.produced.fetch_add(events, Ordering::SeqCst);
        self.produced_metric.increment(events);
    }

    /// The hop confirmed `events`.
    pub fn delivered(&self, events: u64) {
        self.delivered.fetch_add(events, Ordering::SeqCst);
        self.delivered_metric.increment(events);
    }

    /// `events` were given up. `reason` is one of few fixed texts.
    pub fn dropped(&self, reason: &str, events: u64) {
        if events == 0 {
            return;
        }
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        match dropped.get_mut(reason) {
            Some(count) => *count += events,
            None => {
                dropped.insert(reason.to_owned(), events);
            }
        }
        drop(dropped);
        metrics::counter!("parapet_hop_dropped_total", "hop" => self.name.clone(), "reason" => reason.to_owned())
            .increment(events);
    }

    /// Outgoing counts are read first: a snapshot under load shows too much in flight, never more
    /// delivered than produced.
    fn count(&self) -> HopCount {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let delivered = self.delivered.load(Ordering::SeqCst);
        HopCount { produced: self.produced.load(Ordering::SeqCst), delivered, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_accounts_for_every_event() {
        let ledger = EventLedger::new();
        let hop = ledger.hop("spool");
        hop.produced(10);
        hop.delivered(6);
        hop.dropped("full", 1);
        hop.dropped("full", 2);
        hop.dropped("nothing", 0);
        let snapshot = ledger.snapshot();
        let count = &snapshot["spool"];
        assert_eq!((count.produced, count.delivered, count.in_flight()), (10, 6, 1));
        assert_eq!(count.dropped, BTreeMap::from([("full".to_owned(), 3)]));
    }

    #[test]
    fn a_hop_is_opened_once() {
        let ledger = EventLedger::new();
        ledger.hop("router").produced(1);
        ledger.hop("router").produced(1);
        assert_eq!(ledger.snapshot()["router"].produced, 2);
    }
}
