//! A naive event store in memory: what the answers of a real one are compared with.

use crate::SharedEvent;
use chrono::{DateTime, Utc};
use parapet_event::{AggregateQuery, Bucket, Cursor, EventFilter, EventPage, EventQuery, GroupBy, SecurityEvent};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

/// Whether the filter lets this event through.
pub fn matches(filter: &EventFilter, event: &SecurityEvent) -> bool {
    let same = |wanted: Option<bool>| wanted.unwrap_or(true);
    same(filter.start_time.map(|start| event.timestamp >= start))
        && same(filter.end_time.map(|end| event.timestamp < end))
        && same(filter.severity.map(|band| event.severity.band() == band))
        && same(filter.track.map(|track| event.track == Some(track)))
        && same(filter.client_ip.map(|address| event.client_ip == address))
        && same(filter.rule_id.map(|rule| event.findings.iter().any(|finding| finding.rule_id == rule)))
        && same(filter.attack_type.map(|class| event.attack_type == Some(class)))
        && same(filter.action.map(|action| event.action == action))
        && same(filter.site.as_ref().map(|site| &event.site == site))
        && same(filter.text.as_ref().map(|text| contains_text(event, text)))
}

fn contains_text(event: &SecurityEvent, text: &str) -> bool {
    let needle = text.to_lowercase();
    let fields = [&event.request.uri, &event.request.user_agent];
    let of_rules = event.findings.iter().flat_map(|finding| [&finding.message, &finding.matched]);
    fields.into_iter().chain(of_rules).any(|field| field.to_lowercase().contains(&needle))
}

fn key(group_by: GroupBy, event: &SecurityEvent) -> String {
    match group_by {
        GroupBy::Track => event.track.map(|track| track.as_str().to_owned()).unwrap_or_default(),
        GroupBy::AttackType => event.attack_type.map(|class| class.as_str().to_owned()).unwrap_or_default(),
        GroupBy::Action => event.action.as_str().to_owned(),
        GroupBy::Severity => event.severity.band().as_str().to_owned(),
        GroupBy::ClientIp => event.client_ip.to_string(),
        GroupBy::RuleId => event.rule_id.clone().unwrap_or_default(),
        GroupBy::Site => event.site.clone(),
    }
}

/// Keeps everything in one list and looks at each event for each question.
#[derive(Debug, Default)]
pub struct Model {
    events: Vec<SharedEvent>,
}

impl Model {
    /// Adds the events that are not there yet.
    pub fn write(&mut self, events: &[SharedEvent]) {
        let mut known: HashSet<_> = self.events.iter().map(|event| event.id).collect();
        self.events.extend(events.iter().filter(|event| known.insert(event.id)).cloned());
        self.events.sort_by_key(|event| Reverse((event.timestamp, event.id)));
    }

    /// Every event, newest first.
    pub fn events(&self) -> &[SharedEvent] {
        &self.events
    }

    /// A page of events.
    pub fn query(&self, query: &EventQuery) -> EventPage {
        let older = |event: &SecurityEvent| {
            query.cursor.is_none_or(|cursor| (event.timestamp, event.id) < (cursor.timestamp, cursor.id))
        };
        let mut found = self.events.iter().filter(|event| older(event) && matches(&query.filter, event));
        let events: Vec<_> = found.by_ref().take(query.limit.clamp(1, 1000)).map(|event| (**event).clone()).collect();
        let next = match (found.next(), events.last()) {
            (Some(_), Some(last)) => Some(Cursor { timestamp: last.timestamp, id: last.id }),
            _ => None,
        };
        EventPage { events, next }
    }

    /// Counts by key and time.
    pub fn aggregate(&self, query: &AggregateQuery) -> Vec<Bucket> {
        let selected: Vec<_> = self.events.iter().filter(|event| matches(&query.filter, event)).collect();
        let mut totals = BTreeMap::<String, u64>::new();
        for event in &selected {
            *totals.entry(key(query.group_by, event)).or_default() += 1;
        }
        let mut keys: Vec<_> = totals.into_iter().collect();
        keys.sort_by_key(|(key, count)| (Reverse(*count), key.clone()));
        keys.truncate(query.limit);
        let wanted: HashSet<_> = keys.into_iter().map(|(key, _)| key).collect();
        let mut counts = BTreeMap::<(Option<DateTime<Utc>>, String), u64>::new();
        for event in selected {
            let key = key(query.group_by, event);
            if wanted.contains(&key) {
                let time = query.interval_seconds.and_then(|width| bucket_start(event.timestamp, width));
                *counts.entry((time, key)).or_default() += 1;
            }
        }
        let mut buckets: Vec<_> = counts.into_iter().map(|((time, key), count)| Bucket { time, key, count }).collect();
        buckets.sort_by(|a, b| (a.time, Reverse(a.count), &a.key).cmp(&(b.time, Reverse(b.count), &b.key)));
        buckets
    }
}

fn bucket_start(time: DateTime<Utc>, width_seconds: u32) -> Option<DateTime<Utc>> {
    let width = i64::from(width_seconds.max(1));
    DateTime::from_timestamp(time.timestamp().div_euclid(width) * width, 0)
}
