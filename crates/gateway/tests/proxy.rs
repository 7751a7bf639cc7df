//! The gateway as a proxy: bytes, framing, connections, failures. The rules are off here.

mod support;

use parapet_gateway::{Config, Mode, PolicySet, SiteConfig, Timeouts};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::*;

/// Nothing listens on port 1.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

fn off(upstreams: &[SocketAddr]) -> Config {
    let mut config = config(upstreams);
    config.sites[0].mode = Some(Mode::Off);
    config
}

fn policies() -> PolicySet {
    PolicySet::new(Arc::new(no_rules()))
}

fn start(config: Config) -> Running {
    Running::start(config, policies())
}

#[tokio::test]
async fn bodies_pass_unchanged_in_both_directions() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let response = gateway.get("/bytes").await;
    assert_eq!((response.status, response.body), (200, every_byte()));
    assert_eq!(header(&response.head, "server"), Some("test"));

    let mut request =
        format!("POST /echo HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {}\r\n\r\n", 4096).into_bytes();
    request.extend(every_byte());
    assert_eq!(gateway.send(request).await.body, every_byte());

    let chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: v\r\n\r\n";
    assert_eq!(gateway.send(chunked).await.body, b"abcdefg");
    gateway.stop().await;
}

#[tokio::test]
async fn every_response_framing_reaches_the_client_whole() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    assert_eq!(gateway.get("/chunked").await.text(), "hello world");
    assert_eq!(gateway.get("/until-close").await.text(), "until the end");
    let large = gateway.get("/large").await;
    assert_eq!(large.body.len(), 3_000_000);
    assert_eq!(gateway.get("/interim").await.text(), "ok");
    let old = gateway.send("GET /until-close HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    assert_eq!((old.text().as_str(), old.header("transfer-encoding")), ("until the end", None));
    gateway.stop().await;
}

#[tokio::test]
async fn responses_without_a_body_have_none() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    client.send("HEAD /bytes HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = client.try_response(false).await.unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, Some("4096")));
    client.send("GET /204 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.response().await.status, 204);
    client.send("GET /304 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.response().await.status, 304);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.response().await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    for _ in 0..5 {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
    }
    assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
    client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(client.response().await.header("connection"), Some("close"));
    assert!(client.is_closed().await);
    gateway.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none\
             POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n\
             \r\nGET /chunked HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        .await;
    assert_eq!(client.response().await.text(), "one");
    assert_eq!(client.response().await.text(), "two");
    assert_eq!(client.response().await.text(), "hello world");
    gateway.stop().await;
}

#[tokio::test]
async fn the_upstream_gets_clean_headers() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    gateway
        .send(
            "GET /a<b>?\"\u{e4} HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, X-Drop, Cookie\r\nX-Drop: 1\r\n\
             Cookie: a=b\r\nTE: trailers\r\nProxy-Authorization: x\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n\
             X-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nX-Request-Id: spoofed\r\nUpgrade: h2c\r\nX-Kept:  yes \r\n\r\n",
        )
        .await;
    let head = upstream.received()[0].head.clone();
    assert!(head.starts_with("GET /a%3Cb%3E?%22%C3%A4 HTTP/1.1\r\nHost: shop.example\r\n"), "{head}");
    assert_eq!(header(&head, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(header(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(header(&head, "x-forwarded-host"), Some("shop.example"));
    assert_eq!(header(&head, "x-request-id").unwrap().len(), 26);
    assert_eq!(header(&head, "x-kept"), Some("yes"));
    assert_eq!(header(&head, "cookie"), Some("a=b"), "a client cannot take end-to-end headers away");
    for gone in ["connection", "x-drop", "te", "proxy-authorization", "x_forwarded_for", "forwarded", "upgrade"] {
        assert_eq!(header(&head, gone), None, "{gone}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_client_gets_clean_headers() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let response = gateway.get("/hop").await;
    assert_eq!(response.header("x-secret"), None);
    assert_eq!(response.header("keep-alive"), None);
    assert_eq!(response.head.matches("Set-Cookie").count(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn trusted_proxies_say_who_the_client_is() {
    let upstream = Upstream::start().await;
    let gateway = start(Config { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..off(&[upstream.address]) });
    gateway
        .send("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9, 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n")
        .await;
    let head = upstream.received()[0].head.clone();
    assert_eq!(header(&head, "x-forwarded-for"), Some("9.9.9.9, 1.2.3.4, 127.0.0.1"));
    assert_eq!(header(&head, "x-forwarded-proto"), Some("https"));
    gateway.send("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9, 1.2.3.4\r\nBad Header: x\r\n\r\n").await;
    assert_eq!(gateway.events.wait(1).await[0].client_ip.to_string(), "1.2.3.4");
    gateway.stop().await;
}

/// Each of these has two readings somewhere on the Internet. Each is 400 with an event, closes the
/// connection, and never reaches the upstream.
#[tokio::test]
async fn ambiguous_requests_are_refused_with_an_event() {
    let cases: &[(&str, &[u8])] = &[
        ("CL.TE", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
        ("TE.CL", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n"),
        ("duplicate CL", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
        ("different CL", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
        ("CL list", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc"),
        ("CL sign", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc"),
        ("TE xchunked", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        (
            "TE twice",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        ),
        ("TE list", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("TE space before colon", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("TE in 1.0", b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("TE vertical tab", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
        ("obs-fold", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"),
        ("bare LF", b"GET / HTTP/1.1\nHost: x\n\n"),
        ("bare LF in a header", b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"),
        ("bare CR", b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"),
        ("NUL", b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("NUL in a header", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("other host in the target", b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("no protocol", b"GET /\r\n\r\n"),
        ("not HTTP", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"),
        ("space in the target", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
        (
            "chunk size with a sign",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "chunk size with a space",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
        ),
        (
            "overlong chunk size",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
        ),
        ("chunk ends in LF", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
        (
            "LF in an extension",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "chunk longer than said",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        ),
    ];
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    for (index, (name, bytes)) in cases.iter().enumerate() {
        let mut client = gateway.connect().await;
        client.send(bytes).await;
        let response = client.try_response(true).await.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(response.status, 400, "{name}");
        assert_eq!(response.header("connection"), Some("close"), "{name}");
        assert!(client.is_closed().await, "{name}: the connection stays open");
        let event = gateway.events.wait(index + 1).await[index].clone();
        assert_eq!((event.status, event.action.as_str()), (400, "rejected"), "{name}");
        assert_eq!(event.findings.last().unwrap().rule_id, 0, "{name}");
        assert!(!event.findings.last().unwrap().message.is_empty(), "{name}");
        assert!(response.text().contains(&event.id.to_string()), "{name}: the page shows another id");
        assert_eq!(event.rule_id, None);
    }
    // A malformed chunk may be noticed only after the head was sent, but no request is ever complete.
    assert!(upstream.received().is_empty(), "{:?}", upstream.received());
    gateway.wait_for(|totals| totals.rejected == cases.len() as u64).await;
    gateway.stop().await;
}

#[tokio::test]
async fn limits_answer_with_their_status_and_an_event() {
    let upstream = Upstream::start().await;
    let mut config = off(&[upstream.address]);
    config.limits.request_line_bytes = 1000;
    config.limits.head_bytes = 4000;
    config.limits.headers = 20;
    config.limits.request_body_bytes = 5000;
    let gateway = start(config);
    let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(2000));
    let endless_line = "GET /".to_owned() + &"a".repeat(2000);
    let headers = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(5000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(30));
    let body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5001\r\n\r\n".to_owned();
    let chunks = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1770\r\n{}\r\n0\r\n\r\n",
        "a".repeat(6000)
    );
    let version = "GET / HTTP/3.0\r\nHost: x\r\n\r\n".to_owned();
    let old = "GET / HTTP/0.9\r\nHost: x\r\n\r\n".to_owned();
    let connect_nowhere = "CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n".to_owned();
    let fragment = "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned();
    let connect = "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n".to_owned();
    let expect = "POST / HTTP/1.1\r\nHost: x\r\nExpect: coffee\r\nContent-Length: 1\r\n\r\n".to_owned();
    let cases = [
        (line, 414),
        (endless_line, 414),
        (headers, 431),
        (many, 431),
        (body, 413),
        (chunks, 413),
        (version, 505),
        (old, 400),
        (connect, 405),
        (connect_nowhere, 400),
        (fragment, 400),
        (expect, 417),
    ];
    for (index, (request, status)) in cases.iter().enumerate() {
        assert_eq!(gateway.send(request).await.status, *status, "{}", &request[..request.len().min(60)]);
        assert_eq!(gateway.events.wait(index + 1).await[index].status, *status);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let upstream = Upstream::start().await;
    let short = Duration::from_millis(300);
    let timeouts = Timeouts { head: short, body: short, keep_alive: short, ..Timeouts::default() };
    let gateway = start(Config { timeouts, ..off(&[upstream.address]) });

    let mut dripping = gateway.connect().await;
    let started = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if tokio::io::AsyncWriteExt::write_all(&mut dripping.stream, &[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        if started.elapsed() > Duration::from_millis(600) {
            break;
        }
    }
    assert_eq!(dripping.response().await.status, 408);
    let body = gateway.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").await;
    assert_eq!(body.status, 408);
    assert_eq!(gateway.events.wait(2).await[1].status, 408);

    let mut idle = gateway.connect().await;
    assert!(idle.is_closed().await, "a silent connection is closed without an answer");
    assert_eq!(gateway.events.now().len(), 2, "and without an event");
    gateway.stop().await;
}

#[tokio::test]
async fn a_failing_upstream_is_a_page_with_the_request_id() {
    let gateway = start(off(&[NOBODY]));
    let response = gateway.get("/").await;
    assert_eq!(response.status, 502);
    assert!(response.text().contains(response.header("x-request-id").unwrap()));
    assert!(!response.text().contains("127.0.0.1"), "the page tells nothing technical");
    gateway.wait_for(|totals| totals.upstream_errors == 1).await;
    gateway.stop().await;

    let upstream = Upstream::start().await;
    let timeouts = Timeouts { upstream_response: Duration::from_millis(300), ..Timeouts::default() };
    let gateway = start(Config { timeouts, ..off(&[upstream.address]) });
    for (target, status) in [("/hang", 504), ("/broken", 502), ("/drop", 502), ("/smuggle", 502)] {
        assert_eq!(gateway.get(target).await.status, status, "{target}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_response_cut_short_does_not_look_complete() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    client.send("GET /truncated HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.head().await.unwrap().contains("Content-Length: 100"));
    assert_eq!(client.read(100).await, b"half");
    gateway.stop().await;
}

#[tokio::test]
async fn another_server_takes_over_and_a_stale_connection_is_replaced() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[NOBODY, upstream.address]));
    for _ in 0..6 {
        assert_eq!(gateway.get("/").await.status, 200);
    }
    gateway.stop().await;

    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    for target in ["/", "/until-close", "/", "/drop", "/"] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let expected = if target == "/drop" { 502 } else { 200 };
        assert_eq!(client.response().await.status, expected, "{target}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn server_sent_events_are_not_held_back() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    let started = Instant::now();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.head().await.unwrap();
    assert_eq!(client.read(14).await, b"9\r\ndata: 1\n\n\r\n");
    assert!(started.elapsed() < Duration::from_secs(2), "the first event was held back");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_expects_100_is_invited() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 100 "));
    client.send("hello").await;
    assert_eq!(client.response().await.text(), "hello");
    assert_eq!(header(&upstream.received()[0].head, "expect"), None);
    gateway.stop().await;
}

#[tokio::test]
async fn websockets_are_tunnelled_where_the_site_allows() {
    const HANDSHAKE: &str = "GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                             Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\nearly";
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(header(&head, "upgrade"), Some("websocket"));
    assert_eq!(client.read(5).await, b"early");
    client.send([0x81, 0xff, 0x00]).await;
    assert_eq!(client.read(3).await, [0x81, 0xff, 0x00]);
    let started = Instant::now();
    gateway.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5), "an open tunnel holds up the end");
    assert!(client.is_closed().await);

    let mut config = off(&[upstream.address]);
    config.sites[0].websocket = false;
    let gateway = start(config);
    assert_eq!(gateway.send(HANDSHAKE).await.status, 502, "an upgrade that was not asked for");
    gateway.stop().await;
}

#[tokio::test]
async fn hosts_choose_their_site() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let mut config = off(&[first.address]);
    let other = SiteConfig {
        hosts: vec!["other.example".to_owned()],
        mode: Some(Mode::Off),
        ..SiteConfig::new("other", vec![second.address.to_string()])
    };
    config.sites.push(other);
    let gateway = start(config);
    gateway.send("GET / HTTP/1.1\r\nHost: OTHER.example:80\r\n\r\n").await;
    gateway.send("GET / HTTP/1.1\r\nHost: whatever\r\n\r\n").await;
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_spool_refuses_only_where_the_policy_says_so() {
    let upstream = Upstream::start().await;
    let mut config = off(&[upstream.address]);
    config.fail_policy.spool_full = parapet_gateway::FailDirection::Closed;
    let gateway = start(config);
    gateway.events.full.store(true, Ordering::SeqCst);
    let response = gateway.get("/").await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    gateway.events.full.store(false, Ordering::SeqCst);
    assert_eq!(gateway.get("/").await.status, 200);
    gateway.stop().await;

    let gateway = start(off(&[upstream.address]));
    gateway.events.full.store(true, Ordering::SeqCst);
    assert_eq!(gateway.get("/").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn requests_in_flight_are_finished_when_the_gateway_stops() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    gateway.ask_to_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.send("lo").await;
    let response = client.response().await;
    assert_eq!((response.text().as_str(), response.header("connection")), ("hello", Some("close")));
    gateway.stop().await;
}

#[tokio::test]
async fn numbers_of_events_have_no_gaps() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    for _ in 0..20 {
        gateway.send("nonsense\r\n\r\n").await;
        gateway.get("/").await;
    }
    let numbers: Vec<u64> = gateway.events.wait(20).await.iter().map(|event| event.origin.sequence).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_inside_its_body_harms_nobody() {
    let upstream = Upstream::start().await;
    let gateway = start(off(&[upstream.address]));
    let mut client = gateway.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc").await;
    drop(client);
    assert_eq!(gateway.get("/").await.status, 200);
    assert!(upstream.received().iter().all(|request| request.head.starts_with("GET / ")));
    gateway.stop().await;
}

#[test]
fn a_busy_port_and_an_unknown_upstream_are_explained() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(&[]);
    config.listen = vec![socket.local_addr().unwrap().to_string()];
    config.sites[0].upstreams = vec!["http://no-such-host.invalid:80".to_owned()];
    let errors =
        parapet_gateway::Gateway::new(config, Arc::new(policies()), Arc::new(Events::default())).err().unwrap();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(text.iter().any(|error| error.contains("another program listens there")), "{text:?}");
    assert!(text.iter().any(|error| error.contains("no-such-host.invalid cannot be resolved")), "{text:?}");
}
