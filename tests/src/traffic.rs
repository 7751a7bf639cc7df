//! Attacks that go on until they are stopped, each with a number, and what must have become of them.

use crate::client::{self, Session};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Between two requests of a client: the load shall leave the machine something for the work behind it.
const PAUSE: Duration = Duration::from_millis(5);
/// After a request that got no answer.
const PAUSE_AWAY: Duration = Duration::from_millis(20);

/// Clients that attack one after the other request.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Traffic {
    /// Starts so many clients. Client 7 has the address 10.0.0.7 and sends `/?client=7&n=1`, `n=2`, and so
    /// on, with a payload that is refused.
    pub fn start(gateway: SocketAddr, clients: usize) -> Traffic {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let run = |client| {
            let (stop, count) = (stop.clone(), count.clone());
            thread::spawn(move || attack_until(&stop, gateway, client, &count))
        };
        Traffic { clients: (1..=clients).map(run).collect(), stop, count }
    }

    /// Requests that were answered so far.
    pub fn answered(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until so many more requests were answered.
    pub fn wait_for(&self, more: usize, deadline: Duration) {
        let (start, wanted) = (Instant::now(), self.answered() + more);
        while self.answered() < wanted {
            assert!(start.elapsed() < deadline, "{} of {wanted} requests answered in {deadline:?}", self.answered());
            sleep(Duration::from_millis(10));
        }
    }

    /// Stops; returns the ids of all events whose request was answered.
    pub fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.into_iter().flat_map(|client| client.join().expect("every verdict was right")).collect()
    }
}

/// One attack of a client; the id of its event.
///
/// # Errors
/// If there is no answer.
///
/// # Panics
/// If the answer is not a refusal.
pub fn attack(gateway: SocketAddr, client: usize, number: usize) -> std::io::Result<String> {
    let target = format!("/?client={client}&n={number}&q=<script>alert(1)</script>");
    let address = format!("10.0.0.{client}");
    let answer = client::request(gateway, "GET", &target, &[("X-Forwarded-For", &address)], b"")?;
    assert_eq!(answer.status, 403, "{target}: {}", answer.body);
    Ok(answer.header("X-Request-Id").expect("a refusal has an id").to_owned())
}

fn attack_until(stop: &AtomicBool, gateway: SocketAddr, client: usize, count: &AtomicUsize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 1.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        match attack(gateway, client, number) {
            Ok(id) => {
                ids.push(id);
                count.fetch_add(1, Ordering::SeqCst);
                sleep(PAUSE);
            }
            // The gateway is away; whether there is an event is left open.
            Err(_) => sleep(PAUSE_AWAY),
        }
    }
    ids
}

/// Client and number of an attack's event.
pub fn number_of(event: &Value) -> Option<(usize, usize)> {
    let query = event["request"]["uri"].as_str()?.strip_prefix("/?client=")?;
    let (client, rest) = query.split_once("&n=")?;
    let (number, _) = rest.split_once('&')?;
    Some((client.parse().ok()?, number.parse().ok()?))
}

/// Waits until the history holds the events of all answered requests, each once; returns how many events
/// it holds. Requests without an answer may be among them.
///
/// # Panics
/// If events are missing at the deadline, or some are there twice.
pub fn assert_stored_once(session: &Session, answered: &[String], deadline: Duration) -> usize {
    let start = Instant::now();
    loop {
        let stored = session.events();
        let mut times: HashMap<&str, usize> = HashMap::new();
        for id in stored.iter().flatten().filter_map(|event| event["id"].as_str()) {
            *times.entry(id).or_default() += 1;
        }
        let lost = answered.iter().filter(|id| !times.contains_key(id.as_str())).count();
        if lost == 0 {
            let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
            assert!(twice.is_empty(), "stored more than once: {twice:?}");
            assert_numbers_are_single(stored.as_deref().unwrap_or_default());
            return times.len();
        }
        assert!(start.elapsed() < deadline, "{lost} of {} events are missing after {deadline:?}", answered.len());
        sleep(Duration::from_millis(500));
    }
}

/// No request has two events.
fn assert_numbers_are_single(stored: &[Value]) {
    let mut seen = BTreeMap::new();
    for event in stored {
        let Some(number) = number_of(event) else { continue };
        let other = seen.insert(number, &event["id"]);
        assert!(other.is_none(), "{number:?} has the events {other:?} and {}", event["id"]);
    }
}
