//! Collections that outlive a transaction.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use parapet_engine::persistence::{Changes, CollectionId, CollectionStore, StoredCollection};
use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_engine::{Context, Policy, Transaction};

/// The simplest store there can be.
#[derive(Default)]
struct Shelf(Mutex<HashMap<CollectionId, StoredCollection>>);

impl CollectionStore for Shelf {
    fn load(&self, id: &CollectionId) -> Option<StoredCollection> {
        self.0.lock().unwrap().get(id).cloned()
    }

    fn apply(&self, id: &CollectionId, changes: Changes) {
        let mut shelf = self.0.lock().unwrap();
        shelf.entry(id.clone()).or_insert_with(|| StoredCollection::new(changes.now)).apply(&changes);
    }
}

struct Scene {
    policy: Arc<Policy>,
    shelf: Arc<Shelf>,
}

impl Scene {
    fn new(rules: &str) -> Scene {
        Scene { policy: policy(rules), shelf: Arc::default() }
    }

    /// A transaction that begins at a second, with a query.
    fn begin(&self, second: u64, query: &str) -> Transaction {
        let context = Context { now_micros: second * 1_000_000, ..Context::default() };
        let mut transaction = Transaction::new(Arc::clone(&self.policy), context);
        transaction.set_collections(self.shelf.clone());
        transaction.request_line(b"GET", format!("/?{query}").as_bytes(), b"HTTP/1.1");
        transaction
    }

    /// Runs a whole transaction; `TX:out` as its rules left it.
    fn run(&self, second: u64, query: &str) -> String {
        let mut transaction = self.begin(second, query);
        transaction.process_request_headers();
        transaction.process_request_body();
        transaction.process_logging();
        String::from_utf8(transaction.tx(b"out").unwrap_or_default().to_vec()).unwrap()
    }

    fn collections(&self) -> usize {
        self.shelf.0.lock().unwrap().len()
    }
}

fn policy(rules: &str) -> Arc<Policy> {
    let rules = format!("SecRuleEngine On\n{rules}\n");
    let configuration = parse_str("test.conf", rules.as_bytes(), &NoFiles).unwrap();
    Arc::new(Policy::compile(&configuration, &NoFiles).unwrap())
}

const LIMITER: &str = r#"
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:ip.count=+1,expirevar:ip.count=60"
SecRule IP:COUNT "@gt 3" "id:2,phase:1,deny,status:429,log"
"#;

#[test]
fn a_rate_limit_counts_over_transactions_and_ends() {
    let scene = Scene::new(LIMITER);
    let refused = |second| scene.begin(second, "").process_request_headers().is_some();
    assert_eq!([1000, 1001, 1002, 1003, 1004].map(refused), [false, false, false, true, true]);
    assert!(refused(1063), "each request begins the sixty seconds anew");
    assert!(!refused(1063 + 60), "then the count is gone");
    assert!(!refused(1063 + 61));
}

#[test]
fn transactions_at_once_add_up() {
    let scene = Scene::new(
        r#"SecAction "id:1,phase:1,pass,nolog,initcol:global=all,setvar:global.n=+2,setvar:global.last=%{ARGS.q}"
SecAction "id:2,phase:2,pass,nolog,setvar:global.n=-1"
SecAction "id:3,phase:5,pass,nolog,setvar:tx.out=%{global.n}""#,
    );
    let mut open: Vec<Transaction> = (0..50).map(|n| scene.begin(10, &format!("q={n}"))).collect();
    open.iter_mut().for_each(|transaction| drop(transaction.process_request_headers()));
    open.iter_mut().for_each(|transaction| drop(transaction.process_request_body()));
    drop(open);
    let threads: Vec<_> = (0..50).map(|_| scene.begin(10, "q=x")).collect();
    std::thread::scope(|scope| {
        for mut transaction in threads {
            scope.spawn(move || {
                transaction.process_request_headers();
                transaction.process_request_body();
            });
        }
    });
    assert_eq!(scene.run(11, "q=last"), "101");
    let shelf = scene.shelf.0.lock().unwrap();
    let stored = shelf.values().next().unwrap();
    assert_eq!(stored.updates, 101, "a transaction counts once, however many phases change something");
}

#[test]
fn what_a_phase_changed_is_kept_before_the_transaction_ends() {
    let scene = Scene::new(LIMITER);
    let mut slow = scene.begin(1, "");
    slow.process_request_headers();
    assert_eq!(scene.collections(), 1);
}

#[test]
fn the_members_that_describe_a_collection() {
    let scene = Scene::new(
        r#"SecCollectionTimeout 600
SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:tx.out=%{ip.is_new} %{ip.key} %{ip.create_time} %{ip.last_update_time} %{ip.timeout} %{ip.update_counter} %{ip.update_rate}"
SecAction "id:2,phase:1,pass,nolog,setvar:ip.x=1,setvar:ip.key=mine,setvar:ip.is_new=5""#,
    );
    assert_eq!(scene.run(1000, ""), "1 127.0.0.1 1000 1000 600 0 0");
    assert_eq!(scene.run(1010, ""), "0 127.0.0.1 1000 1000 600 1 1");
    assert_eq!(scene.run(1200, ""), "0 127.0.0.1 1000 1010 600 2 0");
    assert_eq!(scene.run(1801, ""), "1 127.0.0.1 1801 1801 600 0 0", "SecCollectionTimeout has passed");
}

#[test]
fn a_rule_can_set_the_timeout_of_a_collection() {
    let scene = Scene::new(
        r#"SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR},setvar:tx.out=%{ip.is_new}"
SecRule IP:IS_NEW "@eq 1" "id:2,phase:1,pass,nolog,setvar:ip.timeout=10,setvar:ip.x=1""#,
    );
    assert_eq!([0, 9, 10].map(|second| scene.run(1000 + second, "")), ["1", "0", "1"]);
}

#[test]
fn nothing_is_kept_of_a_collection_that_was_only_read() {
    let scene = Scene::new(r#"SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}""#);
    scene.run(1, "");
    assert_eq!(scene.collections(), 0);
}

#[test]
fn applications_and_keys_are_apart() {
    let rules = r#"SecAction "id:1,phase:1,pass,nolog,initcol:ip=%{ARGS.k},setvar:ip.n=+1,setvar:tx.out=%{ip.n}""#;
    let one = Scene::new(&format!("SecWebAppId one\n{rules}"));
    let other = Scene { policy: policy(&format!("SecWebAppId other\n{rules}")), shelf: one.shelf.clone() };
    assert_eq!([one.run(1, "k=a"), one.run(1, "k=a"), one.run(1, "k=b")], ["1", "2", "1"]);
    assert_eq!(other.run(1, "k=a"), "1");
    assert_eq!(one.collections(), 3);
    let long = format!("k={}", "x".repeat(100_000));
    assert_eq!([one.run(1, &long), one.run(1, &long), one.run(1, &format!("{long}y"))], ["1", "2", "1"]);
    let longest = one.shelf.0.lock().unwrap().keys().map(|id| id.key.len()).max().unwrap();
    assert!(longest <= 256, "{longest}");
}

#[test]
fn sessions_and_users_have_names() {
    let scene = Scene::new(
        r#"SecAction "id:1,phase:1,pass,nolog,setsid:%{ARGS.s},setuid:%{ARGS.u},setrsc:%{REQUEST_FILENAME}"
SecRule SESSIONID "@streq abc" "id:2,phase:1,pass,nolog,setvar:session.n=+1,setvar:user.n=+1,setvar:resource.n=+1"
SecAction "id:3,phase:2,pass,nolog,setvar:tx.out=%{SESSIONID} %{USERID} %{session.n} %{user.n} %{resource.n}""#,
    );
    assert_eq!(scene.run(1, "s=abc&u=eve"), "abc eve 1 1 1");
    assert_eq!(scene.run(1, "s=abc&u=bob"), "abc bob 2 1 2");
    assert_eq!(scene.run(1, "s=abc"), "abc  3  3", "an empty key names no collection");
}

#[test]
fn variables_can_be_set_taken_out_and_counted() {
    let scene = Scene::new(
        r#"SecAction "id:1,phase:1,pass,nolog,initcol:ip=x"
SecRule ARGS:set "@rx ." "id:2,phase:1,pass,nolog,setvar:ip.%{ARGS.set}=%{ARGS.to}"
SecRule ARGS:unset "@rx ." "id:3,phase:1,pass,nolog,setvar:!ip.%{ARGS.unset}"
SecRule &IP:/^v/ "@ge 0" "id:4,phase:1,pass,nolog,setvar:tx.out=%{MATCHED_VAR}""#,
    );
    let counts = ["set=v1&to=a", "set=v2&to=b", "set=V2&to=c", "unset=v1", "unset=nothing"].map(|q| scene.run(1, q));
    assert_eq!(counts, ["1", "2", "2", "1", "1"]);
}

#[test]
fn without_a_store_a_collection_ends_with_the_transaction() {
    let policy = policy(LIMITER);
    for _ in 0..20 {
        let mut transaction = Transaction::new(Arc::clone(&policy), Context::default());
        transaction.request_line(b"GET", b"/", b"HTTP/1.1");
        assert_eq!(transaction.process_request_headers(), None);
    }
}

#[test]
fn a_pooled_transaction_does_not_remember_the_last_ones_collection() {
    let scene = Scene::new(
        r#"SecRule ARGS:key "@rx ." "id:1,phase:1,pass,nolog,initcol:ip=%{MATCHED_VAR}"
SecAction "id:2,phase:1,pass,nolog,setvar:ip.n=+1,setvar:tx.out=%{ip.n}""#,
    );
    assert_eq!(scene.run(1, "key=a"), "1");
    assert_eq!(scene.run(1, ""), "", "no key, no collection");
    assert_eq!(scene.collections(), 1);
}
