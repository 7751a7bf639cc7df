//! Servers that are away when Parapet starts, and users that they do not let in.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, rule_set, run_to_end};
use parapet_scenarios::{skip, wait_for};
use parapet_services::{Kafka, Redis, SCRAM_USER};

#[test]
fn it_starts_and_protects_while_redis_and_kafka_are_away_and_delivers_when_they_come() {
    const NAME: &str = "it_starts_and_protects_while_redis_and_kafka_are_away_and_delivers_when_they_come";
    if rule_set().is_none() {
        return skip(NAME, "no rule set");
    }
    let (Some(mut redis), Some(mut kafka)) = (Redis::start(NAME, &[]), Kafka::start(NAME)) else { return };
    redis.kill();
    kafka.kill();
    let (addresses, brokers) = (redis.address(), kafka.address());
    let product = Product::start_unready(&format!(
        "[streams.realtime]\nkind = \"redis\"\naddresses = [{addresses:?}]\ntimeout_ms = 1000\n\
         [streams.analytics]\nkind = \"kafka\"\nbrokers = [{brokers:?}]\ntimeout_ms = 2000\n\
         [state]\nkind = \"redis\"\naddresses = [{addresses:?}]\ntimeout_ms = 1000\n"
    ));
    for number in 0..5 {
        let answer = client::get(product.gateway, &format!("/?n={number}&q=<script>alert(1)</script>"));
        assert_eq!(answer.expect("an answer").status, 403);
    }
    assert_eq!(client::get(product.gateway, "/hello").expect("an answer").status, 200);
    let readiness = client::get(product.console, "/readyz").expect("an answer");
    assert_eq!(readiness.status, 503);
    for part in ["waiting for realtime: ", "waiting for analytics: ", "waiting for state: ", &addresses, &brokers] {
        assert!(readiness.body.contains(part), "{part} is not in:\n{}", readiness.body);
    }
    let said = product.output();
    assert!(said.contains("starting without it and trying again until it is"), "{said}");

    redis.restart();
    let session = Session::login(product.console, &product.login);
    let list = |path: &str| session.get(path).json().as_array().map(Vec::len);
    wait_for("the alert, although Kafka is still away", || list("/api/v1/alerts"), &Some(1));
    assert_eq!(list("/api/v1/events"), Some(0));
    kafka.restart();
    // The five attacks, and the harmless request to a host without a name.
    wait_for("history", || list("/api/v1/events"), &Some(6));
    wait_for("readiness", || client::get(product.console, "/readyz").expect("an answer").status, &200);
}

/// Runs the product with a configuration that it cannot start on, and returns what it said.
fn refused(streams: &str) -> String {
    let directory = tempfile::TempDir::new().expect("a temporary directory");
    let (file, data) = (directory.path().join("parapet.toml"), directory.path().join("data"));
    let config = format!("data_dir = {data:?}\nroles = [\"realtime\"]\n[console]\nbind = \"127.0.0.1:0\"\n{streams}");
    std::fs::write(&file, config).expect("the configuration");
    let (code, out, said) = run_to_end(&["run", "--config", file.to_str().expect("UTF-8")]);
    assert_eq!(code, 1, "{out}{said}");
    said
}

#[test]
fn a_user_that_the_servers_do_not_let_in_stops_the_start() {
    const NAME: &str = "a_user_that_the_servers_do_not_let_in_stops_the_start";
    let Some(redis) = Redis::start(NAME, &["--requirepass", "correct"]) else { return };
    let address = redis.address();
    let said =
        refused(&format!("[streams.realtime]\nkind = \"redis\"\naddresses = [{address:?}]\npassword = \"SECRET\"\n"));
    assert!(said.contains("realtime: ") && said.contains("check `username` and `password`"), "{said}");
    assert!(!said.contains("SECRET"), "{said}");

    let Some(kafka) = Kafka::start(NAME) else { return };
    let (brokers, ca) = (kafka.sasl_address(), &kafka.certificates().ca);
    let said = refused(&format!(
        "[streams.realtime]\nkind = \"kafka\"\nbrokers = [{brokers:?}]\nusername = {SCRAM_USER:?}\n\
         password = \"SECRET\"\ntimeout_ms = 3000\n[streams.realtime.tls]\nca_file = {ca:?}\n"
    ));
    assert!(said.contains("realtime: ") && said.contains("check `username` and `password`"), "{said}");
    assert!(!said.contains("SECRET"), "{said}");
}
