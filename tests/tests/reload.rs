//! Changed rules are taken up while requests are served, and wrong ones are not.

use parapet_scenarios::client;
use parapet_scenarios::product::{Product, rule_set};
use parapet_scenarios::{skip, tracks_on, wait_for};
use parapet_services::Redis;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

fn refusing(word: &str) -> String {
    format!("SecRule ARGS \"@streq {word}\" \"id:1000001,phase:2,deny,status:403,t:none,msg:'{word}'\"\n")
}

fn status(gateway: SocketAddr, word: &str) -> u16 {
    client::get(gateway, &format!("/?q={word}")).expect("an answer").status
}

/// Asks for an ordinary page until told to stop; how often, and how often the answer was another one.
fn visit(gateway: SocketAddr, stop: Arc<AtomicBool>) -> JoinHandle<(usize, usize)> {
    thread::spawn(move || {
        let (mut visits, mut refused) = (0, 0);
        while !stop.load(Ordering::SeqCst) {
            visits += 1;
            refused += usize::from(status(gateway, "ordinary") != 200);
        }
        (visits, refused)
    })
}

#[test]
fn changed_rules_are_in_force_without_a_pause_and_wrong_ones_change_nothing() {
    if rule_set().is_none() {
        return skip("changed_rules_are_in_force_without_a_pause_and_wrong_ones_change_nothing", "no rule set");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("own.conf");
    let write = |rules: &str| std::fs::write(&file, rules).expect("the rules can be written");
    write(&refusing("alpha"));
    let product = Product::with_rules(&file);
    assert_eq!((status(product.gateway, "alpha"), status(product.gateway, "beta")), (403, 200));

    let stop = Arc::new(AtomicBool::new(false));
    let visitor = visit(product.gateway, stop.clone());
    write(&refusing("beta"));
    product.signal("HUP");
    wait_for("the changed rule", || status(product.gateway, "beta"), &403);
    assert_eq!(status(product.gateway, "alpha"), 200);

    write("SecRule ARGS \"@rx (\" \"id:1000001,phase:2,deny\"\n");
    product.signal("HUP");
    wait_for("what is wrong, with its place", || product.output().contains("own.conf:1:"), &true);
    wait_for("what that means", || product.output().contains("the earlier ones stay in force"), &true);
    assert_eq!((status(product.gateway, "beta"), status(product.gateway, "alpha")), (403, 200));

    stop.store(true, Ordering::SeqCst);
    let (visits, refused) = visitor.join().expect("the visitor comes back");
    assert!(visits > 0);
    assert_eq!(refused, 0, "of {visits} ordinary requests");
}

#[test]
fn a_process_without_rules_goes_on_when_told_to_read_them_again() {
    const NAME: &str = "a_process_without_rules_goes_on_when_told_to_read_them_again";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let product = Product::with_roles(&["analytics"], &tracks_on(&redis));
    product.signal("HUP");
    wait_for("what it says to that", || product.output().contains("no rules to read again"), &true);
    assert_eq!(client::get(product.console, "/readyz").expect("an answer").status, 200);
}
