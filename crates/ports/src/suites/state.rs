//! What every [`State`] must do.

use crate::ErrorKind;
use crate::state::State;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(600);
/// Tasks that do the same at once.
const TASKS: i64 = 8;
/// How often each does it.
const TIMES: i64 = 50;

/// Runs every check against states opened by `open`, which gets a name for each; opening a name again
/// must give the same state, as another instance would see it.
///
/// # Panics
/// On the first violation.
pub async fn state_suite<F, Fut>(open: F)
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Arc<dyn State>>,
{
    values_come_back_whole(&*open("values".into()).await).await;
    values_end(&*open("expiry".into()).await).await;
    numbers_are_added_to(&*open("numbers".into()).await).await;
    the_time_of_a_number_begins_with_it(&*open("windows".into()).await).await;
    values_are_swapped_only_if_expected(&*open("swap".into()).await).await;
    instances_share(&open).await;
    increments_at_once_add_up(open("increments".into()).await).await;
    swaps_at_once_lose_nothing(open("swaps".into()).await).await;
}

async fn get(state: &dyn State, key: &[u8]) -> Option<Vec<u8>> {
    state.get(key).await.expect("reading")
}

async fn put(state: &dyn State, key: &[u8], value: &[u8], time: Duration) {
    state.put(key, value, time).await.expect("writing");
}

async fn values_come_back_whole(state: &dyn State) {
    assert_eq!(get(state, b"nothing").await, None, "a key without value has one");
    let all: Vec<u8> = (0..=255).collect();
    let large = vec![7; 100_000];
    for (key, value) in
        [(&b"plain"[..], &b"value"[..]), (b"empty", b""), (&all, &all), (b"", b"no key"), (b"large", &large)]
    {
        put(state, key, value, LONG).await;
        assert_eq!(get(state, key).await.as_deref(), Some(value), "a value came back changed");
    }
    put(state, b"plain", b"other", LONG).await;
    assert_eq!(get(state, b"plain").await.as_deref(), Some(&b"other"[..]), "a value was not replaced");
    assert_eq!(get(state, b"PLAIN").await, None, "keys differ by their case");
}

async fn values_end(state: &dyn State) {
    put(state, b"short", b"1", SHORT).await;
    put(state, b"renewed", b"1", SHORT).await;
    put(state, b"renewed", b"2", LONG).await;
    put(state, b"shortened", b"1", LONG).await;
    put(state, b"shortened", b"2", SHORT).await;
    assert!(get(state, b"short").await.is_some(), "a value ended before its time");
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(get(state, b"short").await, None, "a value outlived its time");
    assert_eq!(get(state, b"shortened").await, None, "writing again did not change the time");
    assert!(get(state, b"renewed").await.is_some(), "writing again did not renew the time");
}

async fn numbers_are_added_to(state: &dyn State) {
    let add = async |key: &[u8], by| state.increment(key, by, LONG).await;
    assert_eq!(add(b"n", 5).await.expect("adding"), 5);
    assert_eq!(add(b"n", -7).await.expect("adding"), -2);
    assert_eq!(get(state, b"n").await.as_deref(), Some(&b"-2"[..]), "a number is not kept as text");
    put(state, b"set", b"40", LONG).await;
    assert_eq!(add(b"set", 2).await.expect("adding"), 42);
    put(state, b"text", b"forty", LONG).await;
    let refused = add(b"text", 1).await.expect_err("a text is no number");
    assert_eq!(refused.kind, ErrorKind::Rejected);
    assert_eq!(get(state, b"text").await.as_deref(), Some(&b"forty"[..]), "a refused addition changed the value");
    put(state, b"most", i64::MAX.to_string().as_bytes(), LONG).await;
    assert_eq!(add(b"most", 1).await.expect("adding"), i64::MAX, "a number left its range");
}

async fn the_time_of_a_number_begins_with_it(state: &dyn State) {
    let add = async || state.increment(b"window", 1, SHORT * 2).await.expect("adding");
    assert_eq!(add().await, 1);
    tokio::time::sleep(SHORT).await;
    assert_eq!(add().await, 2);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(add().await, 1, "adding prolonged the time of a number");
}

async fn values_are_swapped_only_if_expected(state: &dyn State) {
    let swap = async |expected: Option<&[u8]>, value: Option<&[u8]>| {
        state.compare_and_swap(b"key", expected, value, LONG).await.expect("swapping")
    };
    assert!(!swap(Some(b"old"), Some(b"new")).await, "swapped a value that was not there");
    assert!(swap(None, Some(b"one")).await, "an absent value was not set");
    assert!(!swap(None, Some(b"two")).await, "a value counted as absent");
    assert!(!swap(Some(b"two"), Some(b"three")).await, "swapped another value than expected");
    assert_eq!(get(state, b"key").await.as_deref(), Some(&b"one"[..]));
    assert!(swap(Some(b"one"), Some(b"")).await);
    assert!(!swap(None, Some(b"x")).await, "an empty value counted as absent");
    assert!(swap(Some(b""), None).await);
    assert_eq!(get(state, b"key").await, None, "a value was not taken out");
    assert!(state.compare_and_swap(b"key", None, Some(b"short"), SHORT).await.expect("swapping"));
    tokio::time::sleep(SHORT * 2).await;
    assert!(swap(None, Some(b"after")).await, "a swapped value outlived its time");
}

async fn instances_share<F, Fut>(open: &F)
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Arc<dyn State>>,
{
    let (one, other) = (open("shared".into()).await, open("shared".into()).await);
    put(&*one, b"key", b"value", LONG).await;
    assert_eq!(get(&*other, b"key").await.as_deref(), Some(&b"value"[..]), "instances do not share");
}

async fn increments_at_once_add_up(state: Arc<dyn State>) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let state = Arc::clone(&state);
        tasks.spawn(async move {
            for _ in 0..TIMES {
                state.increment(b"n", 1, LONG).await.expect("adding");
            }
        });
    }
    tasks.join_all().await;
    let sum = state.increment(b"n", 0, LONG).await.expect("adding");
    assert_eq!(sum, TASKS * TIMES, "additions were lost");
}

async fn swaps_at_once_lose_nothing(state: Arc<dyn State>) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let state = Arc::clone(&state);
        tasks.spawn(async move {
            for _ in 0..TIMES {
                loop {
                    let before = get(&*state, b"log").await;
                    let mut after = before.clone().unwrap_or_default();
                    after.push(b'.');
                    let swapped = state.compare_and_swap(b"log", before.as_deref(), Some(&after), LONG).await;
                    if swapped.expect("swapping") {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    tasks.join_all().await;
    let length = get(&*state, b"log").await.map_or(0, |log| log.len());
    assert_eq!(i64::try_from(length).ok(), Some(TASKS * TIMES), "swaps were lost");
}
