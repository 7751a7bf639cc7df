//! Rules written in Lua, through the gateway.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use parapet_engine::Policy;
use parapet_gateway::{Config, FailDirection, FailPolicy, PolicySet};
use std::sync::Arc;
use support::*;

const SCRIPT: &str = "
function main()
  local q = m.getvar('ARGS:q', 'lowercase')
  if q == 'loop' then while true do end end
  if q == 'error' then error('a defect of the script') end
  if q == 'bad' then return 'q is bad' end
end";

/// A gateway whose policy is one script.
async fn gateway(direction: FailDirection) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.conf");
    std::fs::write(&rules, "SecRuleEngine On\nSecRuleScript check.lua \"id:1,phase:1,deny,status:403,log\"\n").unwrap();
    std::fs::write(directory.path().join("check.lua"), SCRIPT).unwrap();
    let policy = Policy::load(&[rules]).unwrap();
    let upstream = Upstream::start().await;
    let fail_policy = FailPolicy { engine_limit: direction, ..FailPolicy::default() };
    Running::start(Config { fail_policy, ..config(&[upstream.address]) }, PolicySet::new(Arc::new(policy)))
}

#[tokio::test]
async fn a_script_refuses_requests_with_its_own_words() {
    let gateway = gateway(FailDirection::Closed).await;
    assert_eq!(gateway.get("/?q=fine").await.status, 200);
    assert_eq!(gateway.get("/?q=BAD").await.status, 403);
    let event = gateway.events.wait(1).await.remove(0);
    assert_eq!((event.findings[0].rule_id, event.findings[0].message.as_str()), (1, "q is bad"));
}

#[tokio::test]
async fn a_script_that_fails_follows_the_fail_policy() {
    let closed = gateway(FailDirection::Closed).await;
    assert_eq!([closed.get("/?q=error").await.status, closed.get("/?q=loop").await.status], [413, 413]);
    assert_eq!(closed.get("/?q=fine").await.status, 200, "the next request is not concerned");
    let open = gateway(FailDirection::Open).await;
    assert_eq!([open.get("/?q=error").await.status, open.get("/?q=loop").await.status], [200, 200]);
    assert_eq!(open.get("/?q=bad").await.status, 403);
}
