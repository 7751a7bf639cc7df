//! What every [`EventStore`] must do.

use super::model::Model;
use super::sample::{Random, sample_event, sample_events, sample_filter, sample_start};
use crate::SharedEvent;
use crate::store::EventStore;
use chrono::Duration;
use parapet_event::{AggregateQuery, EventFilter, EventPage, EventQuery, GroupBy, SecurityEvent};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use ulid::Ulid;

const GROUPS: [GroupBy; 7] = [
    GroupBy::Track,
    GroupBy::AttackType,
    GroupBy::Action,
    GroupBy::Severity,
    GroupBy::ClientIp,
    GroupBy::RuleId,
    GroupBy::Site,
];

/// Runs every check against stores opened by `open`, which gets a name for each; opening a name again
/// must give the same store.
///
/// # Panics
/// On the first violation.
pub async fn store_suite<F, Fut>(open: F)
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Arc<dyn EventStore>>,
{
    an_empty_store_answers(&*open("empty".into()).await).await;
    a_written_event_is_seen_at_once_and_whole(&*open("visible".into()).await).await;
    writing_again_changes_nothing(&*open("again".into()).await).await;
    pages_cover_everything_exactly_once(&*open("pages".into()).await).await;
    answers_equal_the_model(&*open("model".into()).await).await;
    old_events_are_deleted(&*open("retention".into()).await).await;
    events_survive_a_restart(&open).await;
}

/// All pages of a query, checking that each is in order and follows the one before.
async fn all_pages(store: &dyn EventStore, filter: &EventFilter, limit: usize) -> Vec<SecurityEvent> {
    let mut events: Vec<SecurityEvent> = Vec::new();
    let mut cursor = None;
    loop {
        let query = EventQuery { filter: filter.clone(), cursor, limit };
        let page = store.query(&query).await.expect("querying");
        assert!(page.events.len() <= limit, "a page is longer than its limit");
        assert!(page.next.is_none() || page.events.len() == limit, "a page before the last is short");
        events.extend(page.events);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let ordered = events.windows(2).all(|pair| (pair[0].timestamp, pair[0].id) > (pair[1].timestamp, pair[1].id));
    assert!(ordered, "pages are not strictly newest first");
    events
}

async fn write(store: &dyn EventStore, events: &[SharedEvent]) {
    store.write(events).await.expect("writing");
}

async fn an_empty_store_answers(store: &dyn EventStore) {
    write(store, &[]).await;
    let query = EventQuery { limit: 10, ..EventQuery::default() };
    assert_eq!(store.query(&query).await.expect("querying"), EventPage::default());
    assert_eq!(store.get(sample_event(0).id).await.expect("getting"), None);
    for group_by in GROUPS {
        let query = AggregateQuery { filter: EventFilter::default(), group_by, interval_seconds: Some(60), limit: 5 };
        assert_eq!(store.aggregate(&query).await.expect("counting"), Vec::new());
    }
    assert_eq!(store.retain(sample_start()).await.expect("deleting"), 0);
}

async fn a_written_event_is_seen_at_once_and_whole(store: &dyn EventStore) {
    for number in 0..15 {
        let event = SharedEvent::new(sample_event(number));
        write(store, std::slice::from_ref(&event)).await;
        let found = store.get(event.id).await.expect("getting").expect("a written event is found");
        assert_eq!(found, *event, "an event came back changed");
        let query = EventQuery { limit: 100, ..EventQuery::default() };
        let page = store.query(&query).await.expect("querying");
        assert!(page.events.contains(&event), "a written event is missing from the listing");
        assert_eq!(page.events.len() as u64, number + 1);
    }
    assert_eq!(store.get(Ulid::from_parts(7, 7)).await.expect("getting"), None, "an unknown id was found");
}

async fn writing_again_changes_nothing(store: &dyn EventStore) {
    let events = sample_events(0..40);
    write(store, &events).await;
    write(store, &events[10..20]).await;
    write(store, &events).await;
    let twice: Vec<_> = sample_events(40..45).into_iter().chain(sample_events(38..45)).collect();
    write(store, &twice).await;
    let found = all_pages(store, &EventFilter::default(), 7).await;
    assert_eq!(found.len(), 45, "events after duplicates were written");
}

async fn pages_cover_everything_exactly_once(store: &dyn EventStore) {
    let mut events = sample_events(0..130);
    // Ties: the same instant for a third of them, so that pages break between equal times.
    for event in events.iter_mut().step_by(3) {
        event.make_mut().timestamp = sample_start() + Duration::hours(5);
    }
    for batch in events.chunks(17) {
        write(store, batch).await;
    }
    let expected: HashSet<_> = events.iter().map(|event| event.id).collect();
    for limit in [1, 10, 64, 1000] {
        let found = all_pages(store, &EventFilter::default(), limit).await;
        let ids: HashSet<_> = found.iter().map(|event| event.id).collect();
        assert_eq!(found.len(), events.len(), "events over pages of {limit}");
        assert_eq!(ids, expected, "events over pages of {limit}");
    }
}

async fn answers_equal_the_model(store: &dyn EventStore) {
    let mut model = Model::default();
    let mut random = Random::new(20);
    for round in 0..4 {
        let events = sample_events(round * 60..round * 60 + 60);
        write(store, &events).await;
        model.write(&events);
        for _ in 0..8 {
            let filter = sample_filter(&mut random);
            let query = EventQuery { filter: filter.clone(), cursor: None, limit: 25 };
            let (found, expected) = (store.query(&query).await.expect("querying"), model.query(&query));
            assert_eq!(found, expected, "page of {filter:?}");
            let query = AggregateQuery {
                filter,
                group_by: *random.pick(&GROUPS),
                interval_seconds: *random.pick(&[None, Some(60), Some(3600), Some(86_400)]),
                limit: 1 + random.below(6) as usize,
            };
            let found = store.aggregate(&query).await.expect("counting");
            assert_eq!(found, model.aggregate(&query), "counts of {query:?}");
        }
    }
}

async fn old_events_are_deleted(store: &dyn EventStore) {
    let events = sample_events(0..90);
    write(store, &events).await;
    let before = sample_start() + Duration::hours(30);
    let old = events.iter().filter(|event| event.timestamp < before).count() as u64;
    assert_eq!(store.retain(before).await.expect("deleting"), old, "number of deleted events");
    assert_eq!(store.retain(before).await.expect("deleting"), 0, "events were deleted twice");
    let found = all_pages(store, &EventFilter::default(), 50).await;
    assert_eq!(found.len() as u64, 90 - old, "events left");
    assert!(found.iter().all(|event| event.timestamp >= before), "an old event is still listed");
    let gone = events.iter().find(|event| event.timestamp < before).expect("an old sample");
    assert_eq!(store.get(gone.id).await.expect("getting"), None, "an old event is still found");
}

async fn events_survive_a_restart<F, Fut>(open: &F)
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Arc<dyn EventStore>>,
{
    let mut written = 0;
    for round in 0..3 {
        let store = open("restart".into()).await;
        let found = all_pages(&*store, &EventFilter::default(), 1000).await;
        assert_eq!(found.len() as u64, written, "events after restart {round}");
        write(&*store, &sample_events(written..written + 25)).await;
        write(&*store, &sample_events(0..5)).await;
        written += 25;
    }
}
