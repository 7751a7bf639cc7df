//! `kill -9` at a random moment, under load, again and again: every event whose request was answered is
//! in the history, once.
//!
//! `PARAPET_KILL_ROUNDS` sets the number of rounds; the default is small, for continuous integration.

#![allow(clippy::print_stdout, reason = "the figures of a long run are to be read")]

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set};
use parapet_scenarios::traffic::{Traffic, assert_stored_once};
use parapet_scenarios::{skip, tracks_on};
use parapet_services::Redis;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROUNDS: usize = 6;
const CLIENTS: usize = 4;
/// Requests that are answered between two rounds at least.
const ANSWERS: usize = 20;
const DEADLINE: Duration = Duration::from_secs(240);
/// No answer goes before its event, however busy the machine: what is tested is the guarantee.
const PATIENT: &str = "[pipeline.spool]\nanswer_waits_ms = 120000\n";

fn rounds(default: usize) -> usize {
    std::env::var("PARAPET_KILL_ROUNDS").ok().map_or(default, |text| text.parse().expect("a number of rounds"))
}

/// A number below `bound`, another one each time.
fn random(bound: u64) -> u64 {
    RandomState::new().hash_one(Instant::now()) % bound
}

/// Kills one of the processes each round while clients attack, then looks at the history.
fn kill_and_compare(name: &str, rounds: usize, gateway: usize, killed: &mut [Product], session: &Session) {
    let start = Instant::now();
    let traffic = Traffic::start(killed[gateway].gateway, CLIENTS);
    for round in 1..=rounds {
        traffic.wait_for(ANSWERS, DEADLINE);
        sleep(Duration::from_millis(random(500)));
        let victim = random(killed.len() as u64) as usize;
        killed[victim].kill();
        sleep(Duration::from_millis(random(300)));
        killed[victim].restart();
        println!("{name}: round {round} of {rounds}, process {victim}, {} answers", traffic.answered());
    }
    traffic.wait_for(ANSWERS, DEADLINE);
    let answered = traffic.stop();
    let stored = assert_stored_once(session, &answered, DEADLINE);
    println!(
        "{{\"test\": {name:?}, \"rounds\": {rounds}, \"answered\": {}, \"stored\": {stored}, \"lost\": 0, \
         \"duplicated\": 0, \"seconds\": {}}}",
        answered.len(),
        start.elapsed().as_secs()
    );
}

#[test]
fn killed_roles_over_redis_lose_no_event_and_store_none_twice() {
    const NAME: &str = "killed_roles_over_redis_lose_no_event_and_store_none_twice";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let streams = tracks_on(&redis);
    let shared = format!("{PATIENT}{streams}[peers]\ntoken = \"0123456789abcdef0123456789abcdef\"\n");
    let roles: [&[&str]; 3] = [&["gateway", "router"], &["realtime"], &["analytics"]];
    let mut processes = roles.map(|roles| Product::with_roles(roles, &shared));
    let urls: Vec<_> = processes.iter().map(|process| format!("http://{}", process.console)).collect();
    let console = Product::with_roles(&["console"], &format!("{shared}urls = {urls:?}\n"));
    let session = Session::login(console.console, &console.login);
    kill_and_compare(NAME, rounds(ROUNDS), 0, &mut processes, &session);
    let alerts = session.get("/api/v1/alerts").json();
    assert_eq!(alerts.as_array().map(Vec::len), Some(CLIENTS), "one alert for each client: {alerts}");
}

#[test]
fn a_killed_process_that_does_everything_loses_no_event_and_stores_none_twice() {
    const NAME: &str = "a_killed_process_that_does_everything_loses_no_event_and_stores_none_twice";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let mut product = [Product::start(PATIENT)];
    let session = Session::login(product[0].console, &product[0].login);
    kill_and_compare(NAME, rounds(ROUNDS), 0, &mut product, &session);
    let metrics = client::get(product[0].console, "/metrics").expect("an answer").body;
    let mut lost = metrics.lines().filter(|line| line.starts_with("parapet_sequence_lost_total"));
    assert!(lost.all(|line| line.ends_with(" 0")), "no number is lost: {metrics}");
}
