//! The account of every event: what is lost is found by its number, and tells somebody.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set, run_to_end};
use parapet_scenarios::{skip, tracks_on, wait_for};
use parapet_services::Redis;
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const STREAM: &str = "waf-analytics-events";

fn attack(front: &Product, number: usize) {
    let answer = client::get(front.gateway, &format!("/?n={number}&q=<script>alert(1)</script>"));
    assert_eq!(answer.expect("an answer").status, 403);
}

/// Exit code and answer of `parapet ledger --json`.
fn ledger(product: &Product) -> (i32, Value) {
    let data = product.data().display().to_string();
    let (code, out, said) = run_to_end(&["ledger", "--json", "--data-dir", &data]);
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("not JSON ({error}): {out}{said}")))
}

/// Ids of the entries of the stream, in their order.
fn entries(redis: &Redis) -> Vec<String> {
    let listed = redis.command(&["XRANGE", STREAM, "-", "+"]);
    let is_id =
        |line: &&str| line.split_once('-').is_some_and(|(time, _)| time.len() == 13 && time.parse::<u64>().is_ok());
    listed.lines().filter(is_id).map(str::to_owned).collect()
}

#[test]
fn events_that_vanish_from_a_stream_are_missed_by_their_numbers_and_raise_an_alert() {
    const NAME: &str = "events_that_vanish_from_a_stream_are_missed_by_their_numbers_and_raise_an_alert";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let streams = tracks_on(&redis);
    let shared = format!("{streams}[pipeline.ledger]\ngrace_seconds = 2\n[peers]\ntoken = {TOKEN:?}\n");
    let front = Product::with_roles(&["gateway", "router", "realtime"], &shared);
    let mut history = Product::with_roles(&["analytics"], &shared);
    let urls: Vec<_> = [&front, &history].map(|peer| format!("http://{}", peer.console)).into();
    let console = Product::with_roles(&["console"], &format!("{shared}urls = {urls:?}\n"));
    let session = Session::login(console.console, &console.login);
    let stored = || session.get("/api/v1/events?limit=100").json().as_array().map(Vec::len);
    let about_losses = || -> Vec<Value> {
        let answer = session.get("/api/v1/alerts");
        let alerts = if answer.status == 200 { answer.json() } else { json!([]) };
        let of_parapet = |alert: &&Value| alert["site"].as_str().is_some_and(|site| site.starts_with("parapet/"));
        alerts.as_array().expect("a list").iter().filter(of_parapet).cloned().collect()
    };

    (0..5).for_each(|number| attack(&front, number));
    wait_for("history", stored, &Some(5));
    wait_for("an account that adds up", || ledger(&history).0, &0);
    history.kill();
    (5..15).for_each(|number| attack(&front, number));
    wait_for("the stream", || entries(&redis).len(), &15);
    for id in &entries(&redis)[7..10] {
        redis.command(&["XDEL", STREAM, id]);
    }
    history.restart();
    wait_for("the alert", || about_losses().len(), &1);
    let alert = about_losses().remove(0);
    let title = alert["title"].as_str().expect("a title");
    assert!(title.starts_with("Events were lost: events 8 to 10 of worker 0 of instance "), "{title}");
    assert!(title.ends_with("never reached track:analytics"), "{title}");
    assert_eq!((&alert["site"], &alert["severity"]), (&json!("parapet/track:analytics"), &json!(90)));
    // Twelve attacks, and the report itself.
    wait_for("history with the report", stored, &Some(13));

    let (code, account) = ledger(&history);
    assert_eq!(code, 1, "{account}");
    assert_eq!(account["total"]["sequence:track:analytics"]["dropped"]["gap"], 3, "{account}");
    let worker = account["processes"][0]["workers"].as_array().expect("workers").iter().find(|one| one["lost"] == 3);
    assert_eq!(worker.expect("the worker that lost them")["gaps"], json!([[8, 10]]));
    let metrics = client::get(history.console, "/metrics").expect("metrics").body;
    assert!(metrics.contains("parapet_sequence_lost_total{hop=\"track:analytics\"} 3"), "{metrics}");
    let (code, account) = ledger(&front);
    assert_eq!(code, 0, "nothing is missing before: {account:#}");
    let data = history.data().display().to_string();
    let (_, out, _) = run_to_end(&["ledger", "--data-dir", &data]);
    assert!(out.contains("WRONG: ") && out.contains("are lost: 8–10"), "{out}");
}

#[test]
fn entries_that_are_trimmed_before_they_were_read_are_missed_and_raise_an_alert() {
    const NAME: &str = "entries_that_are_trimmed_before_they_were_read_are_missed_and_raise_an_alert";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let streams = tracks_on(&redis);
    let streams = format!("{streams}[pipeline.ledger]\ngrace_seconds = 2\n");
    let front = Product::with_roles(&["gateway", "router"], &streams);
    let history = Product::with_roles(&["analytics"], &streams);
    let alerts = Product::with_roles(&["realtime"], &format!("{streams}[peers]\ntoken = {TOKEN:?}\n"));
    let delivered = || ledger(&history).1["total"]["track:analytics"]["delivered"].clone();
    (0..20).for_each(|number| attack(&front, number));
    wait_for("history", delivered, &json!(20));

    history.signal("STOP");
    (20..40).for_each(|number| attack(&front, number));
    wait_for("the stream", || entries(&redis).len(), &40);
    redis.command(&["XTRIM", STREAM, "MAXLEN", "10"]);
    history.signal("CONT");
    let about_losses = || {
        let headers = [("Authorization", &*format!("Bearer {TOKEN}")), ("Content-Type", "application/json")];
        let query = json!({"start_time": null, "end_time": null, "state": null, "before": null, "limit": 100});
        let path = "/peer/v1/alerts/query";
        let answer = client::request(alerts.console, "POST", path, &headers, query.to_string().as_bytes());
        let alerts = answer.expect("an answer").json();
        let titles = alerts.as_array().expect("alerts").iter().filter_map(|alert| alert["title"].as_str());
        titles.filter(|title| title.contains("were lost")).map(str::to_owned).collect::<Vec<_>>()
    };
    wait_for("the alert", || about_losses().len(), &1);
    let missed = || {
        let account = ledger(&history).1;
        let hop = &account["total"]["sequence:track:analytics"];
        let [produced, delivered, gap] = [&hop["produced"], &hop["delivered"], &hop["dropped"]["gap"]];
        gap.as_u64().is_some_and(|gap| gap > 0 && Some(delivered.as_u64().unwrap_or(0) + gap) == produced.as_u64())
    };
    wait_for("an account of all numbers", missed, &true);
    let account = ledger(&history).1;
    assert_eq!(account["total"]["track:analytics"]["adds_up"], true, "{account}");
}

#[test]
fn what_a_stream_drops_while_its_reader_is_away_is_counted_and_reported_when_that_returns() {
    const NAME: &str = "what_a_stream_drops_while_its_reader_is_away_is_counted_and_reported_when_that_returns";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let Some(redis) = Redis::start(NAME, &[]) else { return };
    let streams = tracks_on(&redis);
    let front = Product::with_roles(&["gateway", "router", "realtime"], &streams);
    let mut history = Product::with_roles(&["analytics"], &streams);
    let hop = |product: &Product| ledger(product).1["total"]["track:analytics"].clone();
    attack(&front, 0);
    wait_for("history", || hop(&history)["delivered"].clone(), &json!(1));
    let known = history.data().join("pipeline/losses.json");
    wait_for(
        "the losses known",
        || std::fs::read_to_string(&known).is_ok_and(|text| text.contains("store:lakehouse")),
        &true,
    );
    history.kill();
    (1..21).for_each(|number| attack(&front, number));
    wait_for("the stream", || entries(&redis).len(), &21);
    redis.command(&["XTRIM", STREAM, "MAXLEN", "10"]);
    history.restart();
    wait_for("what is left", || hop(&history)["delivered"].as_u64() >= Some(10), &true);
    wait_for("the loss", || hop(&history)["dropped"]["trimmed"].clone(), &json!(10));
    assert_eq!(hop(&history)["adds_up"], true);
    assert!(history.output().contains("the stream dropped unread events"), "{}", history.output());
}

#[test]
fn a_ledger_that_nobody_answers_for_is_no_good_ledger() {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let data = directory.path().display().to_string();
    let (code, _, said) = run_to_end(&["ledger", "--data-dir", &data]);
    assert_eq!(code, 1);
    assert!(said.contains("no process of this user runs with the data directory"), "{said}");
    let file = directory.path().join("parapet.toml");
    std::fs::write(&file, format!("[peers]\ntoken = {TOKEN:?}\n")).expect("the configuration");
    let file = file.display().to_string();
    let (code, out, _) = run_to_end(&["ledger", "--config", &file, "--url", "http://127.0.0.1:1"]);
    assert_eq!(code, 1);
    assert!(out.contains("http://127.0.0.1:1 does not answer"), "{out}");
    let (code, _, said) = run_to_end(&["ledger", "--config", &file, "--url", "http://192.0.2.1:1"]);
    assert_eq!(code, 2);
    assert!(said.contains("plain text") && said.contains("peers.allow_plain_http"), "{said}");
}
