//! The work split over four processes, which meet at Redis and at the API for peers.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set, run_to_end};
use parapet_scenarios::{skip, tracks_on, wait_for};
use parapet_services::{Certificates, Redis};
use serde_json::{Value, json};

const NAME: &str = "roles_in_processes_of_their_own_do_together_what_one_process_does";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn roles_in_processes_of_their_own_do_together_what_one_process_does() {
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let shared = format!("{}[peers]\ntoken = {TOKEN:?}\n", tracks_on(&redis));
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

#[test]
fn two_processes_on_the_real_time_track_raise_one_alert_for_one_burst() {
    const NAME: &str = "two_processes_on_the_real_time_track_raise_one_alert_for_one_burst";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let state = format!("[state]\nkind = \"redis\"\naddresses = [{:?}]\n", redis.address());
    let shared = format!("{}{state}[peers]\ntoken = {TOKEN:?}\n", tracks_on(&redis));
    let front = Product::with_roles(&["gateway", "router", "analytics"], &shared);
    let (one, other) = (Product::with_roles(&["realtime"], &shared), Product::with_roles(&["realtime"], &shared));
    let urls: Vec<_> = [&front, &one, &other].map(|peer| format!("http://{}", peer.console)).into();
    let console = Product::with_roles(&["console"], &format!("{shared}urls = {urls:?}\n"));
    let session = Session::login(console.console, &console.login);
    let seen = |peer: &Product| {
        let header = format!("Bearer {TOKEN}");
        let status = client::request(peer.console, "GET", "/peer/v1/status", &[("Authorization", &header)], b"");
        status.expect("an answer").json()["ledger"]["track:realtime"]["delivered"].as_u64().unwrap_or(0)
    };
    let mut sent = 0;
    // Whoever asks first gets an event, so the burst goes on until both have had some.
    while seen(&one) == 0 || seen(&other) == 0 || sent < 30 {
        assert!(sent < 3000, "one of the processes never gets an event");
        let answer = client::get(front.gateway, &format!("/?n={sent}&q=<script>alert(1)</script>"));
        assert_eq!(answer.expect("an answer").status, 403);
        sent += 1;
    }
    wait_for("all events on the track", || seen(&one) + seen(&other), &sent);
    let counts = || {
        let alerts = session.get("/api/v1/alerts").json();
        alerts.as_array().expect("alerts").iter().map(|alert| alert["count"].as_u64()).collect::<Vec<_>>()
    };
    wait_for("one alert that counts them all", counts, &vec![Some(sent)]);
}

#[test]
fn peers_on_other_machines_are_asked_by_tls_only() {
    const NAME: &str = "peers_on_other_machines_are_asked_by_tls_only";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let files = Certificates::make(directory.path());
    let shared = format!("{}[peers]\ntoken = {TOKEN:?}\n", tracks_on(&redis));
    let listens = format!(
        "{shared}[console.tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\n",
        files.server, files.server_key, files.ca
    );
    let back = Product::with_roles(&["gateway", "router", "realtime", "analytics"], &listens);
    let urls = format!("urls = [\"https://localhost:{}\"]\n", back.console.port());
    let with = |more: &str| format!("{shared}{urls}[peers.tls]\nca_file = {:?}\n{more}", files.ca);
    let certificate = format!("certificate_file = {:?}\nkey_file = {:?}\n", files.client, files.client_key);
    let console = Product::with_roles(&["console"], &with(&certificate));
    let session = Session::login(console.console, &console.login);
    assert_eq!(client::get(back.gateway, "/?q=<script>alert(1)</script>").expect("an answer").status, 403);
    wait_for("history", || session.get("/api/v1/events").json().as_array().map(Vec::len), &Some(1));
    assert!(client::get(back.console, "/readyz").is_err(), "it speaks TLS only");

    let stranger = directory.path().join("stranger.toml");
    let data = directory.path().join("stranger");
    std::fs::write(&stranger, format!("data_dir = {data:?}\n{}", with(""))).expect("the configuration");
    let (code, out, said) =
        run_to_end(&["ledger", "--config", stranger.to_str().expect("UTF-8"), "--url", &urls[9..urls.len() - 3]]);
    assert_eq!(code, 1, "without a certificate of its own nobody is answered: {out}{said}");
    assert!(out.contains("does not answer"), "{out}{said}");
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
    let (code, _, said) = run_to_end(&arguments);
    assert_eq!(code, 2, "{said}");
    for part in ["streams.realtime", "the role router as well", "peers.urls"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}
