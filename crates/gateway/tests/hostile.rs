//! Hostile inputs, each known from an advisory, that the gateway itself has to withstand: over TCP,
//! against the real listener. Those that the engine has to withstand are tests of the engine.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use parapet_engine::seclang::{NoFiles, parse_str};
use parapet_engine::{Limits, Policy};
use parapet_event::Action;
use parapet_gateway::{FailDirection, Mode, PolicySet};
use std::sync::Arc;
use support::*;

const RULES: &str = r#"
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 100000
SecRequestBodyLimitAction Reject
SecResponseBodyAccess On
SecResponseBodyMimeType text/html
SecRule REQUEST_URI|REQUEST_HEADERS|ARGS|REQUEST_BODY "@contains evil" "id:1,phase:2,deny,status:403,log,msg:'Evil'"
SecRule RESPONSE_BODY "@contains ORA-00933" "id:2,phase:4,deny,status:403,log,msg:'Leak'"
"#;

fn policy(rules: &str, limits: Limits) -> PolicySet {
    let configuration = parse_str("test.conf", rules.as_bytes(), &NoFiles).unwrap();
    PolicySet::new(Arc::new(Policy::compile(&configuration, &NoFiles).unwrap().with_limits(limits)))
}

fn start(upstream: &Upstream) -> Running {
    Running::start(config(&[upstream.address]), policy(RULES, Limits::default()))
}

/// Sends bytes and closes that half of the connection; everything that comes back, as text.
async fn exchange(gateway: &Running, bytes: &[u8]) -> String {
    use tokio::io::AsyncWriteExt;
    let mut client = gateway.connect().await;
    client.send(bytes).await;
    client.stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    loop {
        let more = client.read(1).await;
        if more.is_empty() {
            return String::from_utf8_lossy(&answer).into_owned();
        }
        answer.extend(more);
    }
}

/// Row 4: bare line feeds in the framing, and a multipart body whose framing servers read differently.
#[tokio::test]
async fn row_04_multipart_is_framed_as_the_upstream_gets_it() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream);
    let body = "--X\r\nContent-Disposition: form-data; name=a\r\n\r\nevil\r\n--X--\r\n";
    let post = |boundary: &str| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; {boundary}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert_eq!(gateway.send(post("boundary=X")).await.status, 403);
    assert_eq!(gateway.send(post("boundary=X").replace("\r\n", "\n")).await.status, 400);
    assert!(upstream.received().is_empty());
    gateway.stop().await;
}

/// Row 17: an attack behind the last byte that is inspected.
#[tokio::test]
async fn row_17_a_body_just_past_the_limit_is_refused_whole() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream);
    let post = |length: usize| {
        let body = format!("a={}evil", "x".repeat(length - 6));
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    assert_eq!(gateway.send(post(100_000)).await.status, 403, "the last byte is inspected");
    assert_eq!(gateway.send(post(100_001)).await.status, 413);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n4\r\nevil\r\n0\r\n\r\n",
        100_000,
        "x".repeat(100_000)
    );
    assert_eq!(gateway.send(chunked).await.status, 413);
    assert!(upstream.received().is_empty());
    gateway.stop().await;
}

/// Row 18, and any other request that costs more than it should: refused, or passed on in part where the
/// configuration says so, and in both cases an event names the limit.
#[tokio::test]
async fn row_18_a_request_over_the_limits_of_the_engine_follows_the_fail_policy() {
    let upstream = Upstream::start().await;
    let limits = Limits { steps: 20_000, steps_per_byte: 1, ..Limits::default() };
    let post = format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n{}", "x".repeat(90_000));
    for (direction, mode, status, action) in [
        (FailDirection::Closed, Mode::On, 413, Action::Rejected),
        (FailDirection::Open, Mode::On, 200, Action::Detected),
        (FailDirection::Closed, Mode::DetectionOnly, 200, Action::Detected),
    ] {
        let mut config = config(&[upstream.address]);
        config.fail_policy.engine_limit = direction;
        config.sites[0].mode = Some(mode);
        let force = "SecAction \"id:9,phase:1,pass,nolog,ctl:requestBodyProcessor=URLENCODED\"\n";
        let gateway = Running::start(config, policy(&format!("{RULES}{force}"), limits));
        assert_eq!(gateway.get("/").await.status, 200, "an ordinary request is within the limits");
        assert_eq!(gateway.send(&post).await.status, status, "{direction:?} {mode:?}");
        let event = gateway.events.wait(1).await.remove(0);
        assert_eq!((event.action, event.status), (action, status));
        assert!(event.findings[0].message.contains("more steps than"), "{:?}", event.findings);
        gateway.stop().await;
    }
}

/// Row 19: a second Content-Type that is not inspected does not hide a page.
#[tokio::test]
async fn row_19_a_response_of_two_types_is_inspected_if_either_is() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream);
    for path in ["/leak", "/leak-as-image-and-page", "/leak-as-page-and-image"] {
        assert_eq!(gateway.get(path).await.status, 403, "{path}");
    }
    gateway.stop().await;
}

/// Row 23: what names the host and the path, and where the message ends, has one reading or none.
#[tokio::test]
async fn row_23_an_ambiguous_head_reaches_nobody() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream);
    let refused: &[&[u8]] = &[
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n",
        b"GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /#evil HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for request in refused {
        let response = gateway.send(request).await;
        assert!(matches!(response.status, 400 | 403), "{}: {}", request.escape_ascii(), response.status);
    }
    assert!(upstream.received().is_empty(), "{:?}", upstream.received());
    assert_eq!(gateway.send("GET http://x/p?q HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 200);
    assert!(upstream.received()[0].head.starts_with("GET /p?q HTTP/1.1\r\n"), "absolute form goes on as a path");
    gateway.stop().await;
}

/// Row 24: HTTP/2 is not served. A client that speaks it anyway gets no request past the rules.
#[tokio::test]
async fn row_24_http_2_smuggles_nothing() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // SETTINGS; then HEADERS with END_STREAM: GET /evil from the static table and literals.
    const FRAMES: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x0b\x01\x05\0\0\0\x01\x82\x86\x04\x05/evil\x41\x01x";
    let upstream = Upstream::start().await;
    let gateway = start(&upstream);
    let answer = exchange(&gateway, &[PREFACE, FRAMES].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 505 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the connection ends there: {answer}");

    let upgrade = b"GET /fine HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
        HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = exchange(&gateway, &[upgrade, PREFACE, FRAMES].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("101"), "{answer}");
    let received = upstream.received();
    assert_eq!(received.len(), 1, "{received:?}");
    let head = received[0].head.to_ascii_lowercase();
    assert!(!head.contains("h2c") && !head.contains("http2-settings") && !head.contains("upgrade"), "{head}");
    gateway.stop().await;
}

/// Row 25: asking for another protocol does not spare the body its inspection.
#[tokio::test]
async fn row_25_an_upgrade_leaves_no_body_uninspected() {
    let upstream = Upstream::start().await;
    let gateway = start(&upstream);
    for protocol in ["websocket", "h2c", "h2c, websocket", "TLS/1.2"] {
        let request = format!(
            "POST /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\na=evil"
        );
        assert_eq!(gateway.send(request).await.status, 403, "{protocol}");
    }
    assert!(upstream.received().is_empty(), "{:?}", upstream.received());
    // An upstream that switches although the client asked for nothing of the kind is not believed.
    let asked = "GET /websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(gateway.send(asked).await.status, 502);
    gateway.stop().await;
}
