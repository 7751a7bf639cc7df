//! Kafka: the conformance suite on one partition, what is different with several, and the ways to log in.

use crate::support::{LONG, acknowledge, open, read_exactly, try_open};
use parapet_ports::suites::{sample_events, stream_suite};
use parapet_ports::{EntryId, ErrorKind};
use parapet_services::{Kafka, SCRAM_PASSWORD, SCRAM_USER};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The broker that the tests share.
pub(crate) fn broker(test: &str) -> Option<&'static Kafka> {
    static BROKER: OnceLock<Option<Kafka>> = OnceLock::new();
    let broker = BROKER.get_or_init(|| Kafka::start(test)).as_ref();
    if broker.is_none() {
        parapet_services::skip(test, "there is no Kafka broker");
    }
    broker
}

fn table(address: &str, topic: &str, more: &str) -> String {
    format!("brokers = [\"{address}\"]\ntopic = \"{topic}\"\n{more}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kafka_stream_conforms() {
    let Some(broker) = broker("a_kafka_stream_conforms") else { return };
    // One partition: the suite asks for one order over all clients.
    stream_suite(|name| async move { open("kafka", &table(&broker.address(), &name, "partitions = 1")).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_keep_the_order_of_each_client_and_are_shared_between_processes() {
    let test = "partitions_keep_the_order_of_each_client_and_are_shared_between_processes";
    let Some(broker) = broker(test) else { return };
    let table = table(&broker.address(), "shared", "partitions = 4\ncompression = \"zstd\"\nencoding = \"msgpack\"");
    // Two streams are two members of the Kafka group, as two processes are.
    let (here, there) = (open("kafka", &table).await, open("kafka", &table).await);
    let mut one = here.consumer("g", "one").await.unwrap();
    for start in (0..1000).step_by(200) {
        here.append(&sample_events(start..start + 200)).await.unwrap();
    }
    let mut entries = read_exactly(&mut *one, 100).await;
    acknowledge(&mut *one, &entries).await;
    let mut two = there.consumer("g", "two").await.unwrap();
    let deadline = Instant::now() + LONG;
    let (mut ids, mut by_two) = (BTreeSet::new(), 0);
    ids.extend(entries.iter().map(|entry| entry.event.id));
    while ids.len() < 1000 || by_two == 0 {
        assert!(Instant::now() < deadline, "{} events, {by_two} by the second member", ids.len());
        for (consumer, is_two) in [(&mut one, false), (&mut two, true)] {
            let batch = consumer.read(50, Duration::from_millis(100)).await.unwrap();
            acknowledge(&mut **consumer, &batch).await;
            ids.extend(batch.iter().map(|entry| entry.event.id));
            by_two += if is_two { batch.len() } else { 0 };
            entries.extend(batch);
        }
        // What the first member has fetched stays with it; give the second something of its own.
        if ids.len() == 1000 && by_two == 0 {
            here.append(&sample_events(0..200)).await.unwrap();
        }
    }
    let mut last: HashMap<(std::net::IpAddr, u64), EntryId> = HashMap::new();
    let mut partitions: HashMap<std::net::IpAddr, BTreeSet<u64>> = HashMap::new();
    entries.sort_by_key(|entry| entry.id);
    for entry in &entries {
        partitions.entry(entry.event.client_ip).or_default().insert(entry.id.0);
        last.insert((entry.event.client_ip, entry.event.origin.sequence), entry.id);
    }
    assert!(partitions.values().all(|partitions| partitions.len() == 1), "a client is in two partitions");
    assert!(partitions.values().flatten().collect::<BTreeSet<_>>().len() > 1, "all clients are in one partition");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undecodable_record_is_handed_over_whole_and_hides_no_other() {
    let Some(broker) = broker("an_undecodable_record_is_handed_over_whole_and_hides_no_other") else { return };
    let stream = open("kafka", &table(&broker.address(), "poison", "partitions = 1")).await;
    stream.append(&sample_events(0..1)).await.unwrap();
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", broker.address()).create().unwrap();
    let json = serde_json::to_string(&*sample_events(1..2)[0]).unwrap();
    for payload in ["\u{7f}not an event", &json] {
        producer.send(BaseRecord::<str, str>::to("poison").payload(payload)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(LONG).unwrap();
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    let entries = read_exactly(&mut *consumer, 2).await;
    assert_eq!(entries.iter().map(|entry| entry.event.origin.sequence).collect::<Vec<_>>(), [1, 2]);
    let undecodable = consumer.take_undecodable();
    assert_eq!(undecodable.len(), 1);
    assert_eq!(undecodable[0].bytes, "\u{7f}not an event".as_bytes());
    consumer.acknowledge(&[undecodable[0].id]).await.unwrap();
    assert_eq!(stream.lag("g").await.unwrap().pending, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_deletes_unacknowledged_is_counted() {
    let Some(broker) = broker("what_retention_deletes_unacknowledged_is_counted") else { return };
    let stream = open("kafka", &table(&broker.address(), "retained", "partitions = 1")).await;
    stream.append(&sample_events(0..100)).await.unwrap();
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    let entries = read_exactly(&mut *consumer, 10).await;
    acknowledge(&mut *consumer, &entries).await;
    drop(consumer);
    delete_before(broker, "retained", 60).await;
    let expected = |unread, dropped| (100, unread, 0, dropped);
    let look = async || {
        let lag = stream.lag("g").await.unwrap();
        (lag.appended, lag.unread, lag.pending, lag.dropped)
    };
    assert_eq!(look().await, expected(40, 50), "seen from the offsets");
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    let entries = read_exactly(&mut *consumer, 40).await;
    assert_eq!(entries[0].id.1, 60);
    acknowledge(&mut *consumer, &entries).await;
    assert_eq!(look().await, expected(0, 50), "after reading on");
    drop(consumer);
    assert_eq!(look().await, expected(0, 50), "after a restart");
}

/// What retention does, without waiting for it.
async fn delete_before(broker: &Kafka, topic: &str, offset: i64) {
    let client: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.address()).create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, 0, rdkafka::Offset::Offset(offset)).unwrap();
    client.delete_records(&list, &rdkafka::admin::AdminOptions::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scram_over_tls_and_client_certificates() {
    let Some(broker) = broker("scram_over_tls_and_client_certificates") else { return };
    let files = broker.certificates();
    let trust = format!("ca_file = {:?}", files.ca);
    let user = format!("username = \"{SCRAM_USER}\"\npassword = \"{SCRAM_PASSWORD}\"\n");
    let client = format!("certificate_file = {:?}\nkey_file = {:?}", files.client, files.client_key);
    let sasl = |mechanism: &str| {
        table(&broker.sasl_address(), "secured", &format!("{user}mechanism = \"{mechanism}\"\n[tls]\n{trust}"))
    };
    let mutual = table(&broker.mutual_tls_address(), "secured", &format!("[tls]\n{trust}\n{client}"));
    for (round, table) in [sasl("SCRAM-SHA-256"), sasl("SCRAM-SHA-512"), mutual].iter().enumerate() {
        let stream = open("kafka", table).await;
        stream.append(&sample_events(0..10)).await.unwrap();
        let mut consumer = stream.consumer(&format!("g{round}"), "a").await.unwrap();
        assert_eq!(read_exactly(&mut *consumer, 10).await.len(), 10);
    }
    let hasty = "timeout_ms = 3000\n";
    for (table, why) in [
        (sasl("SCRAM-SHA-256").replace(SCRAM_PASSWORD, "SECRET"), "a wrong password"),
        (table(&broker.mutual_tls_address(), "secured", &format!("[tls]\n{trust}")), "no client certificate"),
        (table(&broker.mutual_tls_address(), "secured", &format!("[tls]\n{client}")), "an unknown authority"),
    ] {
        let error = try_open("kafka", &format!("{hasty}{table}")).await.err().unwrap_or_else(|| panic!("{why}"));
        assert!(matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Config), "{why}: {error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}

#[tokio::test]
async fn no_broker_is_unavailable() {
    let error = try_open("kafka", &table("127.0.0.1:1", "nowhere", "timeout_ms = 1000")).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}
