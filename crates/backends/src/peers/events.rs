//! The history of events, each peer having a part of it.

use super::Peers;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use parapet_event::{AggregateQuery, Bucket, Cursor, EventPage, EventQuery, SecurityEvent};
use parapet_ports::node::Role;
use parapet_ports::{ErrorKind, EventStore, PortError, SharedEvent};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use ulid::Ulid;

/// Keys a peer is asked for beyond those wanted, because the highest counts of all need not be the
/// highest of each.
const SPARE_KEYS: usize = 1000;

pub(super) struct PeerEvents {
    pub(super) peers: Peers,
}

fn read_only() -> PortError {
    PortError::new(ErrorKind::Unsupported, "the history of peers can only be read")
}

#[async_trait]
impl EventStore for PeerEvents {
    fn name(&self) -> &str {
        "peers"
    }

    async fn write(&self, _events: &[SharedEvent]) -> Result<(), PortError> {
        Err(read_only())
    }

    async fn query(&self, query: &EventQuery) -> Result<EventPage, PortError> {
        let pages = self.peers.ask_all(Role::Analytics, "events/query", query).await?;
        Ok(one_page(pages, query.limit))
    }

    async fn get(&self, id: Ulid) -> Result<Option<SecurityEvent>, PortError> {
        let nodes = self.peers.with(Role::Analytics)?;
        let path = format!("events/{id}");
        let answers: Vec<Option<SecurityEvent>> =
            try_join_all(nodes.into_iter().map(|node| node.look_up(&path))).await?;
        Ok(answers.into_iter().flatten().next())
    }

    async fn aggregate(&self, query: &AggregateQuery) -> Result<Vec<Bucket>, PortError> {
        let wide = AggregateQuery { limit: query.limit.saturating_add(SPARE_KEYS), ..query.clone() };
        let answers = self.peers.ask_all(Role::Analytics, "events/aggregate", &wide).await?;
        Ok(sum(answers, query.limit))
    }

    async fn retain(&self, _before: DateTime<Utc>) -> Result<u64, PortError> {
        Err(read_only())
    }
}

/// The newest events of all pages. An event that two peers have (it was delivered twice) counts once.
fn one_page(pages: Vec<EventPage>, limit: usize) -> EventPage {
    let more = pages.iter().any(|page| page.next.is_some());
    let mut events: Vec<_> = pages.into_iter().flat_map(|page| page.events).collect();
    events.sort_by_key(|event| Reverse((event.timestamp, event.id)));
    events.dedup_by_key(|event| event.id);
    let more = more || events.len() > limit;
    events.truncate(limit);
    let last = events.last().filter(|_| more);
    let next = last.map(|event| Cursor { timestamp: event.timestamp, id: event.id });
    EventPage { events, next }
}

/// The sums of all counts, for the keys with the highest ones.
fn sum(answers: Vec<Vec<Bucket>>, limit: usize) -> Vec<Bucket> {
    let mut counts: BTreeMap<(Option<DateTime<Utc>>, String), u64> = BTreeMap::new();
    let mut totals: HashMap<String, u64> = HashMap::new();
    for bucket in answers.into_iter().flatten() {
        *totals.entry(bucket.key.clone()).or_default() += bucket.count;
        *counts.entry((bucket.time, bucket.key)).or_default() += bucket.count;
    }
    let mut keys: Vec<_> = totals.into_iter().collect();
    keys.sort_by(|(key, count), (other, more)| more.cmp(count).then_with(|| key.cmp(other)));
    let kept: HashSet<String> = keys.into_iter().take(limit).map(|(key, _)| key).collect();
    let mut buckets: Vec<_> = counts
        .into_iter()
        .filter(|((_, key), _)| kept.contains(key))
        .map(|((time, key), count)| Bucket { time, key, count })
        .collect();
    buckets.sort_by(|one, other| {
        one.time.cmp(&other.time).then(other.count.cmp(&one.count)).then_with(|| one.key.cmp(&other.key))
    });
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::example;

    fn event(millis: u64) -> SecurityEvent {
        let (_, mut event) = example::alert();
        event.id = Ulid::from_parts(millis, u128::from(millis));
        event.timestamp = DateTime::from_timestamp_millis(millis as i64).unwrap();
        event
    }

    fn page(times: &[u64], next: bool) -> EventPage {
        let events: Vec<_> = times.iter().map(|time| event(*time)).collect();
        let last = events.last().filter(|_| next);
        let next = last.map(|event| Cursor { timestamp: event.timestamp, id: event.id });
        EventPage { events, next }
    }

    fn times(page: &EventPage) -> Vec<i64> {
        page.events.iter().map(|event| event.timestamp.timestamp_millis()).collect()
    }

    #[test]
    fn pages_become_one_newest_first_and_each_event_counts_once() {
        let merged = one_page(vec![page(&[9, 5, 3], true), page(&[8, 5, 1], false)], 4);
        assert_eq!(times(&merged), [9, 8, 5, 3]);
        assert_eq!(merged.next.map(|next| next.timestamp.timestamp_millis()), Some(3));
        let last = one_page(vec![page(&[2], false), page(&[1], false)], 4);
        assert_eq!((times(&last), last.next), (vec![2, 1], None));
    }

    #[test]
    fn a_peer_with_more_to_come_keeps_the_listing_open() {
        let merged = one_page(vec![page(&[9], true), page(&[], false)], 4);
        assert!(merged.next.is_some());
    }

    #[test]
    fn counts_are_summed_and_the_limit_keeps_the_highest_sums() {
        let bucket = |key: &str, count| Bucket { time: None, key: key.into(), count };
        let one = vec![bucket("a", 5), bucket("b", 4), bucket("c", 1)];
        let other = vec![bucket("c", 9), bucket("b", 2)];
        assert_eq!(sum(vec![one, other], 2), [bucket("c", 10), bucket("b", 6)]);
    }
}
