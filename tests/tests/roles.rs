//! The work split over four processes, which meet at Redis and at the API for peers.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set};
use parapet_scenarios::{skip, wait_for};
use parapet_services::Redis;
use serde_json::{Value, json};

const NAME: &str = "roles_in_processes_of_their_own_do_together_what_one_process_does";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn streams(redis: &Redis) -> String {
    let address = redis.address();
    ["realtime", "analytics"]
        .map(|name| format!("[streams.{name}]\nkind = \"redis\"\naddresses = [{address:?}]\n"))
        .concat()
}

#[test]
fn roles_in_processes_of_their_own_do_together_what_one_process_does() {
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let shared = format!("{}[peers]\ntoken = {TOKEN:?}\n", streams(&redis));
    let front = Product::with_roles(&["gateway", "router"], &shared);
    let realtime = Product::with_roles(&["realtime"], &shared);
    let mut analytics = Product::with_roles(&["analytics"], &shared);
    let urls: Vec<_> = [&front, &realtime, &analytics].map(|peer| format!("http://{}", peer.console)).into();
    let console = Product::with_roles(&["console"], &format!("{shared}urls = {urls:?}\n"));
    let session = Session::login(console.console, &console.login);

    let attack = |number: usize| {
        let answer = client::get(front.gateway, &format!("/?n={number}&q=<script>alert(1)</script>"));
        assert_eq!(answer.expect("an answer").status, 403);
    };
    let list = |path: &str| session.get(path).json().as_array().map(Vec::len);
    for number in 0..10 {
        attack(number);
    }
    wait_for("history", || list("/api/v1/events?limit=100"), &Some(10));
    wait_for("alerts", || list("/api/v1/alerts"), &Some(1));
    let alert = session.get("/api/v1/alerts").json()[0].clone();
    assert_eq!(alert["attack_type"], "xss");
    let path = format!("/api/v1/alerts/{}", alert["id"].as_str().expect("an id"));
    assert_eq!(session.send("PATCH", &path, &json!({"state": "acknowledged"})).status, 204);
    assert_eq!(session.get("/api/v1/alerts").json()[0]["state"], "acknowledged");
    let hops = || session.get("/api/v1/ledger").json();
    wait_for("the account of all processes", || hops()["track:analytics"]["delivered"].clone(), &json!(10));
    assert_eq!(hops()["gateway"]["produced"], 10);
    let overview = session.get("/api/v1/overview").json();
    assert_eq!((&overview["sites"], &overview["traffic"]["blocked"]), (&json!(["shop"]), &json!(10)));

    analytics.kill();
    attack(10);
    wait_for(
        "the missing process to be named",
        || client::get(console.console, "/readyz").expect("an answer").status,
        &503,
    );
    assert_eq!(session.get("/api/v1/events").status, 503, "half an answer is no answer");
    analytics.restart();
    wait_for("history after the restart", || list("/api/v1/events?limit=100"), &Some(11));
    assert_peers_need_the_token(&front);
}

/// Peers show the installation's token, and nobody else gets an answer.
fn assert_peers_need_the_token(peer: &Product) {
    let ask = |token: &str| {
        let header = format!("Bearer {token}");
        client::request(peer.console, "GET", "/peer/v1/status", &[("Authorization", &header)], b"").expect("an answer")
    };
    assert_eq!(ask("wrong").status, 401);
    let status: Value = ask(TOKEN).json();
    assert_eq!(status["roles"], json!(["gateway", "router"]));
    assert_eq!(client::get(peer.console, "/").expect("an answer").status, 404, "it has no console");
}

#[test]
fn roles_that_cannot_meet_are_refused_before_anything_starts() {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let file = directory.path().join("parapet.toml");
    std::fs::write(&file, "roles = [\"realtime\", \"console\"]\n").expect("the configuration");
    let arguments = ["check", "--config", file.to_str().expect("UTF-8")];
    let (code, _, said) = parapet_scenarios::product::run_to_end(&arguments);
    assert_eq!(code, 2, "{said}");
    for part in ["streams.realtime", "the role router as well", "peers.urls"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}
