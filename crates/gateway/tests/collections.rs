//! Rules that remember clients: through one gateway, and through two that share a state.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use async_trait::async_trait;
use futures::future::join_all;
use parapet_engine::Policy;
use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_gateway::{Config, PolicySet};
use parapet_ports::suites::state_suite;
use parapet_ports::{ErrorKind, PortError, State};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::*;

/// The user's own limiter: more than five requests in a while, and the client has to wait.
const LIMITER: &str = r#"
SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.count=+1,expirevar:ip.count=3"
SecRule IP:COUNT "@gt 5" "id:2,phase:1,deny,status:429,log,msg:'Too many requests'"
"#;

fn policies(rules: &str) -> PolicySet {
    let configuration = parse_str("test.conf", rules.as_bytes(), &NoFiles).unwrap();
    PolicySet::new(Arc::new(Policy::compile(&configuration, &NoFiles).unwrap()))
}

async fn statuses(gateway: &Running, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(gateway.get("/").await.status);
    }
    statuses
}

#[tokio::test]
async fn a_client_that_asks_too_often_has_to_wait() {
    let upstream = Upstream::start().await;
    let gateway = Running::start(Config { workers: 2, ..config(&[upstream.address]) }, policies(LIMITER));
    assert_eq!(statuses(&gateway, 8).await, [200, 200, 200, 200, 200, 429, 429, 429]);
    let event = gateway.events.wait(1).await.remove(0);
    assert_eq!(event.findings[0].rule_id, 2);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(statuses(&gateway, 1).await, [200]);
}

#[tokio::test]
async fn requests_at_once_are_all_counted() {
    let upstream = Upstream::start().await;
    let rules = LIMITER.replace("@gt 5", "@gt 50").replace("count=3", "count=60");
    let gateway = Running::start(Config { workers: 4, ..config(&[upstream.address]) }, policies(&rules));
    let all = join_all((0..50).map(|_| gateway.get("/"))).await;
    assert!(all.iter().all(|response| response.status == 200));
    assert_eq!(statuses(&gateway, 1).await, [429], "fifty came before");
}

/// Values, and when each ends.
type Values = HashMap<Vec<u8>, (Vec<u8>, Instant)>;

/// A state that can be away, as one behind a network can.
#[derive(Default)]
struct Remote {
    values: Mutex<Values>,
    away: AtomicBool,
}

impl Remote {
    async fn reach(&self) -> Result<(), PortError> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        match self.away.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(PortError::new(ErrorKind::Unavailable, "it is away")),
        }
    }

    fn look(values: &Values, key: &[u8]) -> Option<(Vec<u8>, Instant)> {
        values.get(key).filter(|(_, ends)| *ends > Instant::now()).cloned()
    }
}

#[async_trait]
impl State for Remote {
    fn name(&self) -> &str {
        "remote"
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        self.reach().await?;
        Ok(Remote::look(&self.values.lock().unwrap(), key).map(|(value, _)| value))
    }

    async fn put(&self, key: &[u8], value: &[u8], time: Duration) -> Result<(), PortError> {
        self.reach().await?;
        self.values.lock().unwrap().insert(key.to_vec(), (value.to_vec(), Instant::now() + time));
        Ok(())
    }

    async fn increment(&self, key: &[u8], by: i64, time: Duration) -> Result<i64, PortError> {
        self.reach().await?;
        let mut values = self.values.lock().unwrap();
        let known = Remote::look(&values, key).unwrap_or_else(|| (b"0".to_vec(), Instant::now() + time));
        let number = std::str::from_utf8(&known.0).ok().and_then(|text| text.parse::<i64>().ok());
        let number = number.ok_or_else(|| PortError::new(ErrorKind::Rejected, "no number"))?.saturating_add(by);
        values.insert(key.to_vec(), (number.to_string().into_bytes(), known.1));
        Ok(number)
    }

    async fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        time: Duration,
    ) -> Result<bool, PortError> {
        self.reach().await?;
        let mut values = self.values.lock().unwrap();
        if Remote::look(&values, key).as_ref().map(|(value, _)| value.as_slice()) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => values.insert(key.to_vec(), (value.to_vec(), Instant::now() + time)),
            None => values.remove(key),
        };
        Ok(true)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_these_tests_is_one() {
    let states: Mutex<HashMap<String, Arc<Remote>>> = Mutex::default();
    state_suite(|name| {
        let state = states.lock().unwrap().entry(name).or_default().clone();
        std::future::ready(state as Arc<dyn State>)
    })
    .await;
}

/// Asks until the answer has this status.
async fn until(gateway: &Running, status: u16, path: &str) {
    let started = Instant::now();
    while gateway.get(path).await.status != status {
        assert!(started.elapsed() < PATIENCE, "the status never became {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Counts only requests for `/count`, so that a test can look without counting.
const SHARED: &str = r#"
SecRuleEngine On
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}"
SecRule REQUEST_FILENAME "@streq /count" "id:2,phase:1,pass,nolog,setvar:ip.count=+1"
SecRule IP:COUNT "@eq 6" "id:3,phase:1,deny,status:429,log"
"#;

#[tokio::test]
async fn two_gateways_that_share_a_state_count_together() {
    let upstream = Upstream::start().await;
    let remote = Arc::new(Remote::default());
    let start = || {
        let mut config = config(&[upstream.address]);
        config.collections.refresh_ms = 50;
        Running::start_sharing(config, policies(SHARED), remote.clone())
    };
    let (one, other) = (start(), start());
    for gateway in [&one, &other, &one, &other] {
        assert_eq!(gateway.get("/count").await.status, 200);
    }
    one.get("/count").await;
    other.get("/count").await;
    until(&one, 429, "/").await;
    until(&other, 429, "/").await;
    one.get("/count").await;
    until(&other, 200, "/").await;
}

#[tokio::test]
async fn a_state_that_is_away_holds_up_nobody_and_gets_the_counts_later() {
    let upstream = Upstream::start().await;
    let remote = Arc::new(Remote::default());
    remote.away.store(true, Ordering::SeqCst);
    let mut configuration = config(&[upstream.address]);
    configuration.collections.refresh_ms = 50;
    let one = Running::start_sharing(configuration.clone(), policies(SHARED), remote.clone());
    for _ in 0..6 {
        one.get("/count").await;
    }
    assert_eq!(one.get("/").await.status, 429, "it counts alone");
    remote.away.store(false, Ordering::SeqCst);
    let other = Running::start_sharing(configuration, policies(SHARED), remote);
    until(&other, 429, "/").await;
}
