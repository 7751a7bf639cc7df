//! What is wrong is named, with its place and what to do; what is hostile is refused; nothing panics.

use parapet_scenarios::client::{self, Session};
use parapet_scenarios::product::{Product, free_port, rule_set, run_to_end};
use parapet_scenarios::skip;
use std::net::TcpListener;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// Runs `parapet check` on a configuration; returns exit code and what it said.
fn check(directory: &Path, config: &str) -> (i32, String) {
    let file = directory.join("parapet.toml");
    std::fs::write(&file, config).expect("the configuration can be written");
    let data = directory.join("data");
    let arguments = ["check", "--config", file.to_str().expect("UTF-8"), "--data-dir", data.to_str().expect("UTF-8")];
    let (code, _, said) = run_to_end(&arguments);
    (code, said)
}

#[test]
fn every_configuration_error_is_reported_at_once() {
    let directory = TempDir::new().expect("a temporary directory");
    let (code, said) = check(
        directory.path(),
        "[gateway]\nlisten = 5\nworkerz = 2\n\n[console]\nbind = \"nonsense\"\n\n[rules]\nparanoia_level = \"high\"\n",
    );
    assert_eq!(code, 2, "{said}");
    for place in ["parapet.toml:2:10", "parapet.toml:3:1", "parapet.toml:6:8", "parapet.toml:9:18"] {
        assert!(said.contains(place), "{place} is not named:\n{said}");
    }
    assert!(said.contains("did you mean `workers`?"), "{said}");
    assert!(said.contains("4 errors"), "{said}");
}

#[test]
fn every_broken_rule_is_reported_with_file_line_and_column() {
    let directory = TempDir::new().expect("a temporary directory");
    let rules = directory.path().join("own.conf");
    let text =
        "SecRule ARGS \"@rx (\" \"id:1,phase:2,deny\"\nSecRulez ARGS x\nSecRule ARGS \"@rx a\" \"id:2,phase:9,deny\"\n";
    std::fs::write(&rules, text).expect("the rules can be written");
    let (code, said) = check(directory.path(), "[rules]\ncrs = \"none\"\nafter = [\"own.conf\"]\n");
    assert_eq!(code, 2, "{said}");
    for place in ["own.conf:2:", "own.conf:3:"] {
        assert!(said.contains(place), "{place} is not named:\n{said}");
    }
    std::fs::write(&rules, "SecRule ARGS \"@rx (\" \"id:1,phase:2,deny\"\n").expect("the rules can be written");
    let (code, said) = check(directory.path(), "[rules]\ncrs = \"none\"\nafter = [\"own.conf\"]\n");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("own.conf:1:"), "{said}");
}

#[test]
fn a_missing_rule_file_is_named() {
    let directory = TempDir::new().expect("a temporary directory");
    let (code, said) = check(directory.path(), "[rules]\ncrs = \"none\"\nafter = [\"absent.conf\"]\n");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("absent.conf"), "{said}");
}

#[test]
fn without_rules_nothing_starts_and_the_message_says_what_to_do() {
    let directory = TempDir::new().expect("a temporary directory");
    let data = directory.path().join("data");
    let (code, _, said) = run_to_end(&["run", "--demo", "--data-dir", data.to_str().expect("UTF-8")]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no Core Rule Set is installed"), "{said}");
    assert!(said.contains("parapet crs install"), "{said}");
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let Some(crs) = rule_set() else {
        return skip("a_data_directory_that_cannot_be_written_is_named", "no rule set");
    };
    let directory = TempDir::new().expect("a temporary directory");
    // A file where the directory should be: refused for every user, root included.
    let blocked = directory.path().join("data");
    std::fs::write(&blocked, "").expect("a file");
    let file = directory.path().join("parapet.toml");
    let config = format!(
        "[rules]\ncrs = {crs:?}\n[gateway]\nlisten = [\"127.0.0.1:0\"]\n[[gateway.sites]]\nname = \"s\"\nupstreams = \
         [\"http://127.0.0.1:1\"]\n[console]\nbind = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&file, config).expect("the configuration");
    let arguments = ["run", "--config", file.to_str().expect("UTF-8"), "--data-dir", blocked.to_str().expect("UTF-8")];
    let (code, _, said) = run_to_end(&arguments);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(blocked.to_str().expect("UTF-8")), "{said}");
}

#[test]
fn a_busy_port_is_named_with_what_to_do() {
    let Some(crs) = rule_set() else {
        return skip("a_busy_port_is_named_with_what_to_do", "no rule set");
    };
    let busy = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = busy.local_addr().expect("a local address");
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("parapet.toml");
    let config = format!(
        "[rules]\ncrs = {crs:?}\n[gateway]\nlisten = [\"{address}\"]\n[[gateway.sites]]\nname = \"s\"\nupstreams = \
         [\"http://127.0.0.1:1\"]\n[console]\nbind = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&file, config).expect("the configuration");
    let data = directory.path().join("data");
    let arguments = ["run", "--config", file.to_str().expect("UTF-8"), "--data-dir", data.to_str().expect("UTF-8")];
    let (code, _, said) = run_to_end(&arguments);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains(&address.to_string()), "{said}");
}

#[test]
fn hostile_requests_are_refused_with_an_event_and_the_gateway_lives_on() {
    if rule_set().is_none() {
        return skip("hostile_requests_are_refused_with_an_event_and_the_gateway_lives_on", "no rule set");
    }
    let product = Product::start("");
    let session = Session::login(product.console, &product.login);
    let long_header = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    let cases: [(&str, &[u8], &[u16]); 6] = [
        ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", &[400]),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", &[400]),
        (
            "length beside chunks",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &[400],
        ),
        ("a zero byte in a header", b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", &[400]),
        ("an endless header", long_header.as_bytes(), &[431]),
        (
            "invalid UTF-8",
            b"GET /?q=\xff\xfe<script>alert(1)</script> HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            &[400, 403],
        ),
    ];
    for (name, bytes, expected) in cases {
        let answer = client::raw(product.gateway, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(expected.contains(&answer.status), "{name}: {} {}", answer.status, answer.body);
    }
    let mut found = Vec::new();
    for _ in 0..100 {
        found = session.get("/api/v1/events?limit=100").json().as_array().expect("events").clone();
        if found.len() >= cases.len() {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    assert_eq!(found.len(), cases.len(), "every refusal is an event");
    assert!(found.iter().any(|event| event["action"] == "rejected"));
    assert_eq!(client::get(product.gateway, "/").expect("an answer").status, 200);
    assert!(product.upstream.received().len() == 1, "nothing hostile reached the application");
}

#[test]
fn an_upstream_that_is_down_is_a_502_with_a_request_id() {
    if rule_set().is_none() {
        return skip("an_upstream_that_is_down_is_a_502_with_a_request_id", "no rule set");
    }
    let closed = free_port();
    let product = Product::start(&format!(
        "[[gateway.sites]]\nname = \"down\"\nhosts = [\"down.example\"]\nupstreams = [\"http://127.0.0.1:{closed}\"]\n"
    ));
    let bytes = b"GET / HTTP/1.1\r\nHost: down.example\r\nUser-Agent: t\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    let answer = client::raw(product.gateway, bytes).expect("an answer");
    assert_eq!(answer.status, 502, "{}", answer.body);
    let id = answer.header("X-Request-Id").expect("a request id");
    assert!(answer.body.contains(id));
}

#[test]
fn a_damaged_journal_tail_is_kept_aside_and_the_rest_is_recovered() {
    if rule_set().is_none() {
        return skip("a_damaged_journal_tail_is_kept_aside_and_the_rest_is_recovered", "no rule set");
    }
    let mut product = Product::start("");
    let session = Session::login(product.console, &product.login);
    for number in 0..5 {
        client::get(product.gateway, &format!("/?n={number}&q=<script>alert(1)</script>")).expect("an answer");
    }
    let count = |session: &Session| session.get("/api/v1/events").json().as_array().map_or(0, Vec::len);
    for _ in 0..100 {
        if count(&session) == 5 {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    assert_eq!(count(&session), 5);
    let damage = |stream: &str| {
        let directory = product.data().join(stream);
        let newest = walk(&directory).into_iter().filter(|path| path.extension().is_some_and(|e| e == "segment")).max();
        let newest = newest.unwrap_or_else(|| panic!("no segment in {}", directory.display()));
        let mut file = std::fs::File::options().append(true).open(newest).expect("the segment");
        std::io::Write::write_all(&mut file, b"\x00half a record").expect("damage");
    };
    for stream in ["spool", "realtime", "analytics"] {
        damage(stream);
    }
    product.kill_and_restart();
    let session = Session::login(product.console, &product.login);
    assert_eq!(count(&session), 5, "nothing whole is lost");
    assert!(product.output().contains("corrupt"), "the damage is reported:\n{}", product.output());
    client::get(product.gateway, "/?n=6&q=<script>alert(1)</script>").expect("an answer");
    for _ in 0..100 {
        if count(&session) == 6 {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("the pipeline does not go on after the damage: {} events", count(&session));
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut pending = vec![directory.to_path_buf()];
    let mut files = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            if entry.path().is_dir() { pending.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files
}

#[test]
fn everything_wrong_with_a_classification_script_is_reported_with_its_place() {
    let directory = TempDir::new().expect("a temporary directory");
    let config = "[rules]\ncrs = \"none\"\n[pipeline.classification]\nscript = \"classify.lua\"\n";
    let (code, said) = check(directory.path(), config);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("classify.lua cannot be read"), "{said}");
    let script = directory.path().join("classify.lua");
    std::fs::write(&script, "x = 1\nfunction classify(\n").expect("the script can be written");
    let (_, said) = check(directory.path(), config);
    assert!(said.contains("classify.lua:2") || said.contains("classify.lua:3"), "{said}");
    std::fs::write(&script, "critical_rules = 1\nanomaly_threshold = \"high\"\n").expect("the script can be written");
    let (_, said) = check(directory.path(), config);
    for part in ["critical_rules", "anomaly_threshold", "pipeline.classification.script"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}
