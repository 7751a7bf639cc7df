//! The WAFs that people already run: nginx with libmodsecurity under attack, its logs followed while
//! they are rotated, and rsyslog as a sender. Counted: every attack is one event.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, free_port};
use parapet_scenarios::waf::{AuditLog, Nginx};
use parapet_scenarios::{eventually, skip};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How long events may take to be stored.
const MINUTE: Duration = Duration::from_secs(60);
const NO_NGINX: &str = "nginx with libmodsecurity is not installed (setup/install test)";

/// All events of a site, page by page.
fn events(session: &Session, site: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let answer = session.get(&format!("/api/v1/events?site={site}&limit=1000{after}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json().as_array().expect("an array of events").clone();
        all.extend(page);
        match answer.header("X-Next-Cursor") {
            Some(cursor) => after = format!("&cursor={cursor}"),
            None => return all,
        }
    }
}

/// The marks in the targets of events; each may occur once.
fn marks(events: &[Value]) -> BTreeSet<String> {
    let mark = |event: &Value| {
        let uri = event["request"]["uri"].as_str().expect("a target").to_owned();
        uri.split_once("mark=").and_then(|(_, rest)| rest.split_once('&')).expect("a mark").0.to_owned()
    };
    let marks: BTreeSet<_> = events.iter().map(mark).collect();
    assert_eq!(marks.len(), events.len(), "an event is stored once");
    marks
}

/// The events of a site, once all that are expected are there.
fn stored(session: &Session, site: &str, expected: &BTreeSet<String>) -> Vec<Value> {
    let found = eventually(&format!("{} events of {site}", expected.len()), MINUTE, || {
        Some(events(session, site)).filter(|found| found.len() >= expected.len())
    });
    assert_eq!(&marks(&found), expected, "{site}");
    found
}

#[test]
fn every_log_of_nginx_with_libmodsecurity_becomes_events() {
    let name = "every_log_of_nginx_with_libmodsecurity_becomes_events";
    let forms = [AuditLog::Json, AuditLog::Native, AuditLog::Concurrent];
    let Some(nginx) = Nginx::start(&forms) else { return skip(name, NO_NGINX) };
    let mut sources = String::new();
    for form in forms {
        sources += &format!("[sources.{form:?}]\nkind = \"file\"\npaths = [{:?}]\n", nginx.audit_log(form));
    }
    sources += &format!("storage = {:?}\n", nginx.file("storage"));
    sources += &format!("[sources.Errors]\nkind = \"file\"\nidle_ms = 500\npaths = [{:?}]\n", nginx.file("error.log"));
    let product = Product::fed_by(&sources);
    let session = Session::login(product.console, &product.login);
    let mut all = BTreeSet::new();
    for form in forms {
        let sent: BTreeSet<_> = (0..20).map(|number| format!("{form:?}{number}")).collect();
        sent.iter().for_each(|mark| nginx.attack(form, mark));
        for event in stored(&session, &format!("{form:?}"), &sent) {
            assert_eq!((&event["action"], &event["status"]), (&"blocked".into(), &403.into()), "{event:#}");
            assert_eq!((&event["attack_type"], &event["inbound_score"]), (&"sqli".into(), &5.into()), "{event:#}");
            assert_eq!((&event["track"], &event["client_ip"]), (&"realtime".into(), &"127.0.0.1".into()), "{event:#}");
            assert_eq!(event["findings"][0]["variable"], "ARGS:q", "{event:#}");
        }
        all.extend(sent);
    }
    for event in stored(&session, "Errors", &all) {
        assert_eq!((&event["action"], &event["rule_id"]), (&"blocked".into(), &"949110".into()), "{event:#}");
    }
    let ledger = session.get("/api/v1/ledger").json();
    assert_eq!(ledger["source:Json"]["delivered"], 20, "{ledger:#}");
    let metrics = session.get("/metrics").body;
    assert!(metrics.contains("parapet_source_events_total{source=\"Native\"} 20"), "{metrics}");
}

/// Sends attacks until told to stop; returns their marks.
fn traffic(nginx: &Nginx, prefix: &str, stop: &AtomicBool) -> BTreeSet<String> {
    let mut sent = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let mark = format!("{prefix}{}", sent.len());
        nginx.attack(AuditLog::Json, &mark);
        sent.insert(mark);
        sleep(Duration::from_millis(10));
    }
    sent
}

/// Ends the traffic, also when a test fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Attacks from two clients while `rotate` is called a few times; returns their marks.
fn under_traffic(nginx: &Nginx, mut rotate: impl FnMut(usize)) -> BTreeSet<String> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let senders = ["a", "b"].map(|prefix| scope.spawn(|| traffic(nginx, prefix, &stop)));
        let ended = Ended(&stop);
        for round in 0..4 {
            sleep(Duration::from_millis(700));
            rotate(round);
        }
        sleep(Duration::from_millis(700));
        drop(ended);
        senders.into_iter().flat_map(|sender| sender.join().expect("the traffic goes well")).collect()
    })
}

fn followed(nginx: &Nginx) -> Product {
    let (audit, errors) = (nginx.audit_log(AuditLog::Json), nginx.file("error.log"));
    Product::fed_by(&format!(
        "[sources.audit]\nkind = \"file\"\npaths = [{audit:?}]\n\
         [sources.errors]\nkind = \"file\"\nidle_ms = 500\npaths = [{errors:?}]\n"
    ))
}

#[test]
fn logs_that_are_renamed_under_traffic_lose_nothing() {
    let name = "logs_that_are_renamed_under_traffic_lose_nothing";
    let Some(nginx) = Nginx::start(&[AuditLog::Json]) else { return skip(name, NO_NGINX) };
    let product = followed(&nginx);
    let session = Session::login(product.console, &product.login);
    // libmodsecurity keeps its audit log open until nginx ends; nginx itself opens its error log anew.
    let log = nginx.file("error.log");
    let sent = under_traffic(&nginx, |round| {
        let rotated = log.with_extension(format!("log.{round}"));
        fs::rename(&log, &rotated).expect("the log can be renamed");
        nginx.reopen();
        if round == 1 {
            // The writer has the new file by then; the follower has the old one open.
            sleep(Duration::from_millis(500));
            assert!(Command::new("gzip").arg(&rotated).status().expect("gzip runs").success());
        }
    });
    assert!(sent.len() > 50, "{} attacks are no traffic", sent.len());
    stored(&session, "audit", &sent);
    stored(&session, "errors", &sent);
}

#[test]
fn a_log_that_is_copied_and_truncated_under_traffic_loses_nothing_that_was_copied() {
    let name = "a_log_that_is_copied_and_truncated_under_traffic_loses_nothing_that_was_copied";
    let Some(nginx) = Nginx::start(&[AuditLog::Json]) else { return skip(name, NO_NGINX) };
    let product = followed(&nginx);
    let session = Session::login(product.console, &product.login);
    let log = nginx.audit_log(AuditLog::Json);
    let sent = under_traffic(&nginx, |round| {
        fs::copy(&log, log.with_extension(format!("log.{round}"))).expect("the log can be copied");
        fs::File::options().write(true).open(&log).and_then(|file| file.set_len(0)).expect("and truncated");
    });
    // What is written between the two steps of a copytruncate is lost by it, not by who follows.
    let on_disk: String = (0..4)
        .map(|round| log.with_extension(format!("log.{round}")))
        .chain([log.clone()])
        .map(|path| fs::read_to_string(path).expect("the log can be read"))
        .collect();
    let kept: BTreeSet<_> = sent.iter().filter(|mark| on_disk.contains(&format!("mark={mark}&"))).cloned().collect();
    assert!(kept.len() * 10 > sent.len() * 9, "{} of {} attacks are in the logs", kept.len(), sent.len());
    let found = eventually("everything that is in the logs", MINUTE, || {
        Some(marks(&events(&session, "audit"))).filter(|found| kept.is_subset(found))
    });
    assert!(found.is_subset(&sent));
}

#[test]
fn a_kill_and_rotations_while_nobody_looks_lose_and_repeat_nothing() {
    let name = "a_kill_and_rotations_while_nobody_looks_lose_and_repeat_nothing";
    let Some(mut nginx) = Nginx::start(&[AuditLog::Json]) else { return skip(name, NO_NGINX) };
    let mut product = followed(&nginx);
    let log = nginx.audit_log(AuditLog::Json);
    let mut sent = BTreeSet::new();
    let mut attack = |nginx: &Nginx| {
        for _ in 0..30 {
            let mark = format!("k{}", sent.len());
            nginx.attack(AuditLog::Json, &mark);
            sent.insert(mark);
        }
    };
    attack(&nginx);
    product.kill();
    attack(&nginx);
    for round in 0..2 {
        fs::rename(&log, log.with_extension(format!("log.{round}"))).expect("the log can be renamed");
        nginx.restart();
        attack(&nginx);
    }
    assert!(Command::new("gzip").arg(log.with_extension("log.0")).status().expect("gzip runs").success());
    product.restart();
    let session = Session::login(product.console, &product.login);
    stored(&session, "audit", &sent);
}

struct Rsyslog(Child);

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// rsyslog that follows a file and sends it on; `None` if it is not installed.
fn rsyslog(directory: &Path, log: &Path, port: u16, tls: bool) -> Option<Rsyslog> {
    Command::new("rsyslogd").arg("-v").output().ok()?;
    let driver = "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so";
    if tls && !Path::new(driver).exists() && !Path::new(&driver.replace("x86_64", "aarch64")).exists() {
        return None;
    }
    let place = directory.display();
    let (global, action) = if tls {
        (
            format!(" DefaultNetstreamDriverCAFile=\"{place}/ca.pem\""),
            " StreamDriver=\"gtls\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"anon\"",
        )
    } else {
        (String::new(), "")
    };
    let config = format!(
        "global(workDirectory=\"{place}\" maxMessageSize=\"256k\"{global})\n\
         module(load=\"imfile\" mode=\"polling\" pollingInterval=\"1\")\n\
         input(type=\"imfile\" File=\"{}\" Tag=\"modsecurity:\" reopenOnTruncate=\"on\")\n\
         action(type=\"omfwd\" Target=\"127.0.0.1\" Port=\"{port}\" Protocol=\"tcp\" TCP_Framing=\"octet-counted\"\n\
         Template=\"RSYSLOG_SyslogProtocol23Format\" queue.type=\"LinkedList\" action.resumeRetryCount=\"-1\"{action})\n",
        log.display()
    );
    let file = directory.join("rsyslog.conf");
    fs::write(&file, config).expect("the configuration can be written");
    let output = fs::File::create(directory.join("rsyslog.out")).expect("a file");
    let child = Command::new("rsyslogd")
        .arg("-n")
        .arg("-f")
        .arg(&file)
        .arg("-i")
        .arg(directory.join("rsyslog.pid"))
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a file"))
        .stderr(output)
        .spawn()
        .expect("rsyslogd starts");
    Some(Rsyslog(child))
}

fn sent_by_rsyslog(name: &str, tls: bool) {
    let Some(nginx) = Nginx::start(&[AuditLog::Json]) else { return skip(name, NO_NGINX) };
    let directory = nginx.directory.path();
    let port = free_port();
    let mut source = format!("[sources.fleet]\nkind = \"syslog\"\nlisten = \"127.0.0.1:{port}\"\n");
    if tls {
        certificate(directory);
        source += &format!(
            "transport = \"tls\"\n[sources.fleet.tls]\ncertificate = {:?}\nkey = {:?}\n",
            directory.join("ca.pem"),
            directory.join("ca.key")
        );
    }
    let product = Product::fed_by(&source);
    let session = Session::login(product.console, &product.login);
    let log = nginx.audit_log(AuditLog::Json);
    let Some(_rsyslog) = rsyslog(directory, &log, port, tls) else {
        return skip(name, "rsyslog is not installed (setup/install test)");
    };
    let sent: BTreeSet<_> = (0..50).map(|number| format!("s{number}")).collect();
    sent.iter().for_each(|mark| nginx.attack(AuditLog::Json, mark));
    stored(&session, "fleet", &sent);
}

/// A certificate that signs itself.
fn certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(directory.join("ca.key"))
        .arg("-out")
        .arg(directory.join("ca.pem"))
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn rsyslog_sends_over_tcp() {
    sent_by_rsyslog("rsyslog_sends_over_tcp", false);
}

#[test]
fn rsyslog_sends_over_tls() {
    sent_by_rsyslog("rsyslog_sends_over_tls", true);
}

#[test]
fn lines_are_posted_with_a_token() {
    let name = "lines_are_posted_with_a_token";
    let Some(nginx) = Nginx::start(&[AuditLog::Json]) else { return skip(name, NO_NGINX) };
    let port = free_port();
    let product = Product::fed_by(&format!(
        "[sources.fleet]\nkind = \"http\"\nlisten = \"127.0.0.1:{port}\"\ntoken = \"0123456789abcdef\"\nsite = \"shop\"\n"
    ));
    let session = Session::login(product.console, &product.login);
    let sent: BTreeSet<_> = (0..10).map(|number| format!("p{number}")).collect();
    sent.iter().for_each(|mark| nginx.attack(AuditLog::Json, mark));
    let log = nginx.audit_log(AuditLog::Json);
    eventually("the audit log", MINUTE, || {
        (fs::read_to_string(&log).ok()?.lines().count() == sent.len()).then_some(())
    });
    let body = [fs::read(&log).expect("the log can be read"), b"{\"transaction\": broken\n".to_vec()].concat();
    let address = ([127, 0, 0, 1], port).into();
    let post = |token: &str| {
        let bearer = format!("Bearer {token}");
        client::request(address, "POST", "/v1/records", &[("Authorization", &bearer)], &body).expect("an answer")
    };
    assert_eq!(post("wrong").status, 401);
    for _ in 0..2 {
        let answer = post("0123456789abcdef");
        assert_eq!(answer.status, 202, "{}", answer.body);
        let report = answer.json();
        assert_eq!((&report["events"], &report["refused"]), (&10.into(), &1.into()), "{report:#}");
        assert_eq!(report["refusals"][0]["line"], 11, "{report:#}");
    }
    stored(&session, "shop", &sent);
}
