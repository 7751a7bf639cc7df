//! Logs of other WAFs received from Kafka: all formats, broken messages, and going on after a crash.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, run_to_end};
use parapet_scenarios::wait_for;
use parapet_services::{Kafka, SCRAM_PASSWORD, SCRAM_USER};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 2;

fn client(kafka: &Kafka) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", kafka.address());
    client
}

fn create_topics(kafka: &Kafka, names: &[&str]) {
    let admin: AdminClient<DefaultClientContext> = client(kafka).create().expect("a client");
    let topics: Vec<_> = names.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let created = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new()));
    assert!(created.expect("topics are created").iter().all(Result::is_ok));
}

fn send(kafka: &Kafka, topic: &str, messages: &[Option<&str>]) {
    let producer: BaseProducer = client(kafka).create().expect("a producer");
    for (number, message) in messages.iter().enumerate() {
        let partition = i32::try_from(number).expect("few messages") % PARTITIONS;
        let mut record = BaseRecord::<str, str>::to(topic).partition(partition);
        if let Some(text) = message {
            record = record.payload(text);
        }
        producer.send(record).map_err(|(error, _)| error).expect("the message is queued");
    }
    producer.flush(LONG).expect("the messages are sent");
}

/// Messages of the topic that the group has committed.
fn committed(kafka: &Kafka, topic: &str) -> i64 {
    let consumer: BaseConsumer = client(kafka).set("group.id", "parapet-fleet").create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|partition| {
        list.add_partition(topic, partition);
    });
    let offsets = consumer.committed_offsets(list, LONG).expect("offsets");
    let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
    offsets.elements().iter().map(|element| offset(element.offset())).sum()
}

/// A sample of a real log, and how many events it holds.
fn sample(name: &str) -> (String, usize) {
    let path: PathBuf = parapet_scenarios::root().join("crates/pipeline/src/sources/samples").join(name);
    let (code, out, said) = run_to_end(&["import", "--json", path.to_str().expect("UTF-8")]);
    assert_eq!(code, 0, "{said}");
    let counts: Value = serde_json::from_str(&out).expect("JSON");
    let events = counts[0]["events"].as_u64().expect("a number").try_into().expect("few events");
    (std::fs::read_to_string(path).expect("the sample"), events)
}

fn event(number: u32) -> String {
    json!({
        "schema": 1, "id": format!("01JDA5ZQ3V00000000000{number:05}"), "timestamp": "2026-01-02T03:04:05Z",
        "origin": {"instance": "01JDA5ZQ3V0000000000000000", "worker": 0, "sequence": number + 1}, "site": "elsewhere",
        "client_ip": "203.0.113.9", "client_port": 1, "status": 403, "action": "blocked", "severity": 0,
        "request": {"method": "GET", "uri": "/", "protocol": "HTTP/1.1", "host": "shop", "user_agent": "x", "headers": [],
            "body_bytes": 0},
        "rule_id": "942100", "attack_type": "sqli", "inbound_score": 5, "outbound_score": 0, "inbound_threshold": 5,
        "paranoia_level": 1, "policy": "p", "findings": []
    })
    .to_string()
}

fn metric(product: &Product, name: &str) -> Option<u64> {
    let metrics = client::get(product.console, "/metrics").expect("metrics").body;
    let line = format!("{name}{{source=\"fleet\"}} ");
    metrics.lines().find_map(|found| found.strip_prefix(&line))?.parse().ok()
}

fn stored(product: &Product, login: &(String, String), site: &str) -> usize {
    let session = Session::login(product.console, login);
    session.get(&format!("/api/v1/events?site={site}&limit=1000")).json().as_array().map_or(0, Vec::len)
}

fn config(kafka: &Kafka, ca: &Path) -> String {
    format!(
        "[sources.fleet]\nkind = \"kafka\"\nbrokers = [{:?}]\ntopics = [\"audit\"]\n\
         [sources.secured]\nkind = \"kafka\"\nbrokers = [{:?}]\ntopics = [\"secured\"]\n\
         username = {SCRAM_USER:?}\npassword = {SCRAM_PASSWORD:?}\ntls = {{ ca_file = {ca:?} }}\n",
        kafka.address(),
        kafka.sasl_address()
    )
}

#[test]
fn records_of_every_format_arrive_once_and_broken_ones_are_kept_with_their_reason() {
    const NAME: &str = "records_of_every_format_arrive_once_and_broken_ones_are_kept_with_their_reason";
    let Some(kafka) = Kafka::start(NAME) else { return };
    create_topics(&kafka, &["audit", "secured"]);
    let samples = ["apache-json.txt", "apache-native.txt", "apache-error.txt", "coraza-json.txt"].map(sample);
    let mut messages: Vec<_> = samples.iter().map(|(text, _)| Some(text.as_str())).collect();
    messages.extend([Some("{\"not\": \"a record\"}"), None]);
    let events: usize = samples.iter().map(|(_, events)| events).sum();
    let own: Vec<_> = (0..20).map(event).collect();
    messages.extend(own.iter().map(|text| Some(text.as_str())));
    send(&kafka, "audit", &messages);
    send(&kafka, "secured", &[Some(&event(77))]);

    let mut product = Product::fed_by(&config(&kafka, &kafka.certificates().ca));
    let login = product.login.clone();
    wait_for("the events", || metric(&product, "parapet_source_events_total"), &Some(events as u64 + 20));
    wait_for("history over SASL and TLS", || stored(&product, &login, "secured"), &1);
    wait_for("the broken ones", || metric(&product, "parapet_source_refused_total"), &Some(2));
    wait_for("the commit", || committed(&kafka, "audit"), &(messages.len() as i64));
    let letters = std::fs::read_to_string(product.data().join("pipeline/dead-letter.ndjson")).expect("dead letters");
    for part in ["not a JSON record of a known WAF", "the message audit/1/2 has no value", "\"stage\":\"source:fleet\""]
    {
        assert!(letters.contains(part), "{part} is not in:\n{letters}");
    }
    let before = stored(&product, &login, "fleet");
    assert!(before >= 20, "{before} events are stored");

    product.kill();
    let more: Vec<_> = (100..150).map(event).collect();
    send(&kafka, "audit", &more.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
    product.restart();
    wait_for("what came meanwhile", || stored(&product, &login, "fleet"), &(before + 50));
    assert_eq!(metric(&product, "parapet_source_lines_total"), Some(50), "nothing that was committed is read again");
}
