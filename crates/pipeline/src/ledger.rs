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
//! | `sequence:router` | a producer's numbers from the first to the highest that the router saw | those it saw | left out before (dropped there, and counted there), gap |
//! | `sequence:track:realtime` | the same, of the real-time processor | those it saw | left out before (also: on the other track only), read elsewhere, not followed, gap |
//! | `sequence:track:analytics` | the same, of the events that the store confirmed | those it confirmed or refused | left out before, read elsewhere, not followed, gap |
//!
//! What is in flight in a `sequence` hop is missing and may still come; a `gap` is lost, and reported as
//! an alert ([`crate::loss`]). How that is told apart is in [`crate::sequence`].
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
//! Where a stream is on a server, so that several processes may append to it and read it, a hop counts
//! what this process reads as produced; what waits in the stream is the stream's own account (its lag,
//! `parapet_stream_unread`).
//!
//! The same counts are metrics: `parapet_hop_produced_total`, `parapet_hop_delivered_total`,
//! `parapet_hop_dropped_total` with labels `hop` and `reason`. The gauge
//! `parapet_hop_in_flight` is what that leaves, and `parapet_sequence_lost_total` (label `hop`) counts
//! lost numbers. The recorder has to be installed before the ledger is created.

use crate::sequence::{Look, Loss, Sequences};
use metrics::Counter;
use parapet_event::SecurityEvent;
use parapet_ports::Ledger;
use parapet_ports::ledger::{HopCount, WorkerCount};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When something missing counts as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seconds that a number may be missing at a hop. Default 120: what a process that died had read is
    /// taken over by others after 60.
    pub grace_seconds: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        Config { grace_seconds: const { NonZeroU32::new(120).expect("not zero") } }
    }
}

/// Keeps the account of this process.
#[derive(Default)]
pub struct EventLedger {
    hops: Mutex<BTreeMap<String, Arc<Hop>>>,
    sequences: Mutex<BTreeMap<String, Arc<Numbers>>>,
}

impl EventLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        EventLedger::default()
    }

    /// The account of one hop, opened on first use. Stages keep the handle.
    pub fn hop(&self, name: &str) -> Arc<Hop> {
        let mut hops = locked(&self.hops);
        if let Some(hop) = hops.get(name) {
            return hop.clone();
        }
        let hop = Arc::new(Hop::new(name));
        hops.insert(name.to_owned(), hop.clone());
        hop
    }

    /// The producers' numbers at a hop, opened on first use.
    pub(crate) fn numbers(&self, hop: &str) -> Arc<Numbers> {
        let mut sequences = locked(&self.sequences);
        let open = || Arc::new(Numbers { hop: hop.to_owned(), sequences: Mutex::default() });
        sequences.entry(hop.to_owned()).or_insert_with(open).clone()
    }

    /// What each hop saw of the newest producers.
    pub fn workers(&self) -> Vec<WorkerCount> {
        let sequences: Vec<_> = locked(&self.sequences).values().cloned().collect();
        sequences.iter().flat_map(|numbers| locked(&numbers.sequences).workers(&numbers.hop)).collect()
    }

    /// Sets the gauges that are no sums of what happened.
    pub(crate) fn show_in_flight(&self) {
        for (hop, count) in self.snapshot() {
            metrics::gauge!("parapet_hop_in_flight", "hop" => hop).set(count.in_flight() as f64);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger for EventLedger {
    fn snapshot(&self) -> BTreeMap<String, HopCount> {
        let mut snapshot: BTreeMap<String, HopCount> =
            locked(&self.hops).iter().map(|(name, hop)| (name.clone(), hop.count())).collect();
        for (hop, numbers) in locked(&self.sequences).iter() {
            snapshot.insert(format!("sequence:{hop}"), locked(&numbers.sequences).count());
        }
        snapshot
    }
}

/// The producers' numbers at one hop.
pub(crate) struct Numbers {
    hop: String,
    sequences: Mutex<Sequences>,
}

impl Numbers {
    /// Name of the hop.
    pub(crate) fn hop(&self) -> &str {
        &self.hop
    }

    /// These events arrived.
    pub(crate) fn saw<'a>(&self, events: impl IntoIterator<Item = &'a SecurityEvent>) {
        let mut sequences = locked(&self.sequences);
        events.into_iter().for_each(|event| sequences.saw(event));
    }

    /// So many processes read the stream now. See [`Sequences::readers`].
    pub(crate) fn readers(&self, readers: usize) {
        locked(&self.sequences).readers(readers);
    }

    /// What is lost for certain since this was last asked.
    pub(crate) fn settle(&self, look: &Look) -> Vec<Loss> {
        let losses = locked(&self.sequences).settle(look);
        let lost = losses.iter().map(|loss| loss.to - loss.from + 1).sum();
        metrics::counter!("parapet_sequence_lost_total", "hop" => self.hop.clone()).increment(lost);
        losses
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

    /// Name of the hop.
    pub(crate) fn name(&self) -> &str {
        &self.name
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
        let mut dropped = locked(&self.dropped);
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
        let dropped = locked(&self.dropped).clone();
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
