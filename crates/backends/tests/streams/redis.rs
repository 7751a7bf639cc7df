//! Redis Streams: the conformance suite on one server, and each other way to reach or limit one.

use crate::support::{acknowledge, open, read_exactly, try_open};
use parapet_backends::STATES;
use parapet_ports::registry::{Place, Settings, find};
use parapet_ports::suites::{sample_events, state_suite, stream_suite};
use parapet_ports::{EntryId, ErrorKind, State};
use parapet_services::{Redis, RedisCluster, Sentinel};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The server that most tests share.
fn server(test: &str) -> Option<&'static Redis> {
    static SERVER: OnceLock<Option<Redis>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Redis::start(test, &["--appendfsync", "no"])).as_ref();
    if server.is_none() {
        parapet_services::skip(test, "there is no Redis server");
    }
    server
}

fn table(address: &str, stream: &str, more: &str) -> String {
    format!("addresses = [\"{address}\"]\nstream = \"{stream}\"\n{more}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_stream_conforms() {
    let Some(server) = server("a_redis_stream_conforms") else { return };
    stream_suite(|name| async move { open("redis", &table(&server.address(), &name, "")).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_stream_conforms_with_messagepack_in_a_cluster() {
    let Some(cluster) = RedisCluster::start("a_redis_stream_conforms_with_messagepack_in_a_cluster") else { return };
    let addresses = format!("{:?}", cluster.addresses());
    stream_suite(|name| {
        let table = format!("mode = \"cluster\"\naddresses = {addresses}\nencoding = \"msgpack\"\nstream = \"{name}\"");
        async move { open("redis", &table).await }
    })
    .await;
}

async fn open_state(table: String) -> Arc<dyn State> {
    let settings = Settings { name: "state".into(), table: table.parse().unwrap() };
    let ready = (find(&[STATES], "redis").unwrap().check)(settings).unwrap();
    ready.open(&Place { directory: std::env::temp_dir() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_state_conforms() {
    let Some(server) = server("a_redis_state_conforms") else { return };
    let table = |name: String| format!("addresses = [\"{}\"]\nprefix = \"{name}:\"", server.address());
    state_suite(|name| open_state(table(name))).await;
}

#[tokio::test]
async fn the_key_of_the_realtime_track_is_the_documented_one() {
    let Some(server) = server("the_key_of_the_realtime_track_is_the_documented_one") else { return };
    let stream = open("redis", &format!("addresses = [\"{}\"]", server.address())).await;
    stream.append(&sample_events(0..1)).await.unwrap();
    // The stream of these tests is called `test`, that of the track `realtime`.
    assert_eq!(server.command(&["XLEN", "waf-test-events"]).trim(), "1");
}

#[tokio::test]
async fn a_full_stream_refuses_until_entries_are_acknowledged() {
    let Some(server) = server("a_full_stream_refuses_until_entries_are_acknowledged") else { return };
    let limits = "max_events = 1000\nretain_events = 0";
    let stream = open("redis", &table(&server.address(), "full", limits)).await;
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    for start in (0..1000).step_by(250) {
        stream.append(&sample_events(start..start + 250)).await.unwrap();
    }
    let error = stream.append(&sample_events(1000..1001)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full, "{error}");
    let entries = read_exactly(&mut *consumer, 300).await;
    acknowledge(&mut *consumer, &entries).await;
    stream.append(&sample_events(1000..1300)).await.unwrap();
    assert_eq!(server.command(&["XLEN", "full"]).trim(), "1000", "what was acknowledged is gone");
    let lag = stream.lag("g").await.unwrap();
    assert_eq!((lag.appended, lag.unread, lag.pending, lag.dropped), (1300, 1000, 0, 0));
}

#[tokio::test]
async fn what_is_trimmed_unacknowledged_is_counted_for_each_group() {
    let Some(server) = server("what_is_trimmed_unacknowledged_is_counted_for_each_group") else { return };
    let limits = "max_events = 1000\nretain_events = 1000\nwhen_full = \"drop-oldest\"";
    let stream = open("redis", &table(&server.address(), "trimmed", limits)).await;
    let mut done = stream.consumer("done", "a").await.unwrap();
    let mut halfway = stream.consumer("halfway", "a").await.unwrap();
    let mut idle = stream.consumer("idle", "a").await.unwrap();
    stream.append(&sample_events(0..1000)).await.unwrap();
    let entries = read_exactly(&mut *done, 1000).await;
    acknowledge(&mut *done, &entries).await;
    let entries = read_exactly(&mut *halfway, 100).await;
    acknowledge(&mut *halfway, &entries[..50]).await;
    stream.append(&sample_events(1000..1600)).await.unwrap();
    let length: u64 = server.command(&["XLEN", "trimmed"]).trim().parse().unwrap();
    assert!((1000..=1100).contains(&length), "{length} entries are left");
    let gone = 1600 - length;
    let mut lags = Vec::new();
    for group in ["done", "halfway", "idle"] {
        let lag = stream.lag(group).await.unwrap();
        lags.push((lag.appended, lag.unread, lag.pending, lag.dropped));
    }
    assert_eq!(lags, [(1600, 600, 0, 0), (1600, length, 0, gone - 50), (1600, length, 0, gone)]);
    // The rest arrives, and the counts still add up.
    let entries = read_exactly(&mut *idle, length as usize).await;
    assert_eq!(entries[0].event.origin.sequence, gone + 1);
    acknowledge(&mut *idle, &entries).await;
    let lag = stream.lag("idle").await.unwrap();
    assert_eq!((lag.appended, lag.unread, lag.pending, lag.dropped), (1600, 0, 0, gone));
}

#[tokio::test]
async fn a_server_out_of_memory_is_full() {
    let memory = ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"];
    let Some(server) = Redis::start("a_server_out_of_memory_is_full", &memory) else { return };
    let stream = open("redis", &table(&server.address(), "memory", "")).await;
    let mut appended = 0;
    let error = loop {
        match stream.append(&sample_events(appended..appended + 100)).await {
            Ok(()) => appended += 100,
            Err(error) => break error,
        }
        assert!(appended < 100_000, "3 MB never got full");
    };
    assert_eq!(error.kind, ErrorKind::Full, "{error}");
    assert_eq!(stream.lag("g").await.unwrap().appended, appended, "a batch was appended in part");
}

#[tokio::test]
async fn an_undecodable_entry_is_handed_over_whole_and_hides_no_other() {
    let Some(server) = server("an_undecodable_entry_is_handed_over_whole_and_hides_no_other") else { return };
    let stream = open("redis", &table(&server.address(), "poison", "")).await;
    stream.append(&sample_events(0..1)).await.unwrap();
    server.command(&["XADD", "poison", "*", "event", "{\"not\": \"an event\"}"]);
    server.command(&["XADD", "poison", "*", "v", "2", "content-type", "x", "event", "later"]);
    server.command(&["XADD", "poison", "*", "a", "1", "b", "2"]);
    stream.append(&sample_events(1..2)).await.unwrap();
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    let entries = read_exactly(&mut *consumer, 2).await;
    assert_eq!(entries.iter().map(|entry| entry.event.origin.sequence).collect::<Vec<_>>(), [1, 2]);
    let undecodable = consumer.take_undecodable();
    let bytes: Vec<_> = undecodable.iter().map(|entry| String::from_utf8_lossy(&entry.bytes)).collect();
    assert_eq!(bytes, ["{\"not\": \"an event\"}", "later", "a=1\nb=2\n"]);
    assert!(undecodable[1].reason.contains("version \"2\""), "{}", undecodable[1].reason);
    let ids: Vec<EntryId> = undecodable.iter().map(|entry| entry.id).collect();
    consumer.acknowledge(&ids).await.unwrap();
    assert_eq!(stream.lag("g").await.unwrap().pending, 2);
    assert!(consumer.take_undecodable().is_empty());
}

#[tokio::test]
async fn a_consumer_that_comes_back_gets_what_it_left_open() {
    let Some(server) = server("a_consumer_that_comes_back_gets_what_it_left_open") else { return };
    let stream = open("redis", &table(&server.address(), "back", "")).await;
    stream.append(&sample_events(0..700)).await.unwrap();
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    let entries = read_exactly(&mut *consumer, 650).await;
    acknowledge(&mut *consumer, &entries[..10]).await;
    drop(consumer);
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    let again = read_exactly(&mut *consumer, 690).await;
    let deliveries: BTreeSet<_> =
        again.iter().map(|entry| (entry.event.origin.sequence > 650, entry.deliveries)).collect();
    assert_eq!(deliveries, BTreeSet::from([(false, 2), (true, 1)]));
    assert!(again.is_sorted_by_key(|entry| entry.id));
}

#[tokio::test]
async fn tls_with_a_client_certificate() {
    let Some(server) = Redis::start_tls("tls_with_a_client_certificate") else { return };
    let files = server.certificates().unwrap();
    let trust = format!("[tls]\nca_file = {:?}\n", files.ca);
    let client = format!("certificate_file = {:?}\nkey_file = {:?}\n", files.client, files.client_key);
    let stream = open("redis", &table(&server.address(), "tls", &(trust.clone() + &client))).await;
    stream.append(&sample_events(0..10)).await.unwrap();
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    assert_eq!(read_exactly(&mut *consumer, 10).await.len(), 10);
    for (settings, why) in
        [(trust.as_str(), "no client certificate"), ("[tls]\n", "an unknown authority"), ("", "no TLS")]
    {
        let outcome =
            try_open("redis", &table(&server.address(), "tls", &format!("timeout_ms = 1000\n{settings}"))).await;
        assert_eq!(outcome.err().map(|error| error.kind), Some(ErrorKind::Unavailable), "{why} was accepted");
    }
}

#[tokio::test]
async fn an_acl_user_needs_no_more_than_documented() {
    let Some(server) = server("an_acl_user_needs_no_more_than_documented") else { return };
    let rules = include_str!("../../../../docs/streams.md");
    let line = rules.lines().find_map(|line| line.trim().strip_prefix("ACL SETUSER parapet ")).unwrap();
    let line = line.replace("waf-realtime-events", "acl").replace("PASSWORD", "SECRET-1");
    let mut command = vec!["ACL", "SETUSER", "parapet"];
    command.extend(line.split(' '));
    server.command(&command);
    let user = "username = \"parapet\"\npassword = \"SECRET-1\"";
    let stream = open("redis", &table(&server.address(), "acl", user)).await;
    stream.append(&sample_events(0..10)).await.unwrap();
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    let entries = read_exactly(&mut *consumer, 10).await;
    acknowledge(&mut *consumer, &entries[..5]).await;
    assert_eq!(consumer.reclaim(Duration::ZERO, 10).await.unwrap().len(), 5);
    assert_eq!(stream.lag("g").await.unwrap().pending, 5);
    let elsewhere = open("redis", &table(&server.address(), "elsewhere", user)).await;
    let error = elsewhere.append(&sample_events(0..1)).await.unwrap_err();
    assert!(error.to_string().contains("permission"), "{error}");
    let wrong = try_open("redis", &table(&server.address(), "acl", &user.replace("SECRET-1", "SECRET-2"))).await;
    let error = wrong.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Config, "{error}");
    assert!(!error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_lead_to_the_new_master() {
    let Some(mut sentinel) = Sentinel::start("sentinels_lead_to_the_new_master") else { return };
    let settings =
        format!("mode = \"sentinel\"\nmaster = \"{}\"\nwait_replicas = 1\ntimeout_ms = 1000", Sentinel::MASTER);
    let stream = open("redis", &table(&sentinel.address(), "watched", &settings)).await;
    let mut consumer = stream.consumer("g", "a").await.unwrap();
    // As the spool does: what is not confirmed is appended again, also when a slow machine made the
    // sentinel change masters before its time.
    let patience = Instant::now() + Duration::from_secs(60);
    while let Err(error) = stream.append(&sample_events(0..100)).await {
        assert!(error.kind == ErrorKind::Unavailable && Instant::now() < patience, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let first = read_exactly(&mut *consumer, 50).await;
    sentinel.master.kill();
    // Without a second replica nothing can be confirmed twice any more: ask for one copy now.
    let patience = Instant::now() + Duration::from_secs(60);
    let stream = loop {
        assert!(Instant::now() < patience, "no new master within a minute");
        let settings = settings.replace("wait_replicas = 1", "");
        match try_open("redis", &table(&sentinel.address(), "watched", &settings)).await {
            Ok(stream) if stream.append(&sample_events(100..110)).await.is_ok() => break stream,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let mut consumer = stream.consumer("g", "b").await.unwrap();
    let mut seen: BTreeSet<_> = first.iter().map(|entry| entry.event.id).collect();
    while seen.len() < 110 {
        let entries = consumer.read(200, Duration::from_secs(5)).await.unwrap();
        assert!(!entries.is_empty(), "only {} events survived the failover", seen.len());
        seen.extend(entries.iter().map(|entry| entry.event.id));
    }
}
