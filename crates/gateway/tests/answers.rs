//! When answers go out: after their event is safe, and at once where there is none.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use parapet_engine::Policy;
use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_gateway::PolicySet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::*;

const RULES: &str = r#"
SecRuleEngine On
SecRule ARGS:q "@streq bad" "id:1,phase:1,deny,status:403,log"
SecRule ARGS:q "@streq odd" "id:2,phase:1,pass,log"
"#;

#[tokio::test]
async fn the_end_of_an_answer_waits_for_its_event_and_for_no_other() {
    let upstream = Upstream::start().await;
    let configuration = parse_str("test.conf", RULES.as_bytes(), &NoFiles).unwrap();
    let policies = PolicySet::new(Arc::new(Policy::compile(&configuration, &NoFiles).unwrap()));
    let gateway = Running::start(config(&[upstream.address]), policies);
    gateway.events.unsettled.store(true, Ordering::SeqCst);
    let answers = ["/?q=bad", "/?q=odd", "/chunked?q=odd", "/large?q=odd"].map(|target| {
        let address = gateway.address;
        tokio::spawn(async move { get(address, target).await })
    });
    gateway.events.wait(answers.len()).await;
    assert_eq!(gateway.get("/?q=fine").await.status, 200, "it has no event");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(answers.iter().all(|answer| !answer.is_finished()));
    gateway.events.unsettled.store(false, Ordering::SeqCst);
    let mut received = Vec::new();
    for answer in answers {
        let response = answer.await.unwrap();
        received.push((response.status, response.body.len()));
    }
    assert_eq!((received[0].0, received[1].0), (403, 200));
    assert_eq!(received[2..], [(200, "hello world".len()), (200, 3_000_000)]);
    gateway.stop().await;
}
