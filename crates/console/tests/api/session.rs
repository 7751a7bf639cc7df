//! Logging in and out, CSRF and roles.

use crate::bench::Bench;
use crate::client::Request;
use chrono::{DateTime, Utc};

const SESSION: &str = "/api/v1/session";

#[tokio::test]
async fn a_login_answers_who_and_sets_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let bench = Bench::start().await;
    let body = r#"{"username":"anna","password":"secret"}"#;
    let answer = bench.send(&Request::new("POST", SESSION).json(body)).await;
    assert_eq!(answer.status, 200);
    let info = answer.json();
    assert_eq!((info["username"].as_str(), info["role"].as_str()), (Some("anna"), Some("analyst")));
    assert!(info["expires"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap() > Utc::now());
    let cookie = answer.header("set-cookie").unwrap();
    for part in ["parapet_session=", "; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "plain HTTP would lose the cookie");
    let session = bench.login("anna").await;
    let again = session.get(SESSION).await.json();
    assert_eq!((again["username"].as_str(), again["csrf"].as_str()), (Some("anna"), Some(session.csrf.as_str())));
}

#[tokio::test]
async fn behind_https_the_cookie_is_secure() {
    let config = parapet_console::Config { public_url: Some("https://waf.example".into()), ..crate::bench::config() };
    let bench = Bench::with(config, parapet_ports::LiveFeed::new(1)).await;
    let body = r#"{"username":"anna","password":"secret"}"#;
    let answer = bench.send(&Request::new("POST", SESSION).json(body)).await;
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"));
    assert!(answer.header("strict-transport-security").is_some());
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_get_the_same_answer() {
    let bench = Bench::start().await;
    let mut answers = Vec::new();
    for name in ["anna", "nobody"] {
        let body = format!(r#"{{"username":"{name}","password":"wrong"}}"#);
        let answer = bench.send(&Request::new("POST", SESSION).json(&body)).await;
        assert_eq!(answer.error(), (401, "unauthorized".into()));
        assert!(answer.header("set-cookie").is_none());
        answers.push(answer.text());
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_throttled_login_says_when_to_come_back() {
    let bench = Bench::start().await;
    let body = r#"{"username":"throttled","password":"x"}"#;
    let answer = bench.send(&Request::new("POST", SESSION).json(body)).await;
    assert_eq!(answer.error(), (429, "throttled".into()));
    assert_eq!(answer.header("retry-after"), Some("42"));
}

#[tokio::test]
async fn malformed_bodies_are_refused_in_the_error_shape() {
    let bench = Bench::start().await;
    for (body, status) in [
        ("{", 400),
        ("[]", 422),
        (r#"{"username":"anna"}"#, 422),
        (r#"{"username":"anna","password":"secret","extra":1}"#, 422),
        (r#"{"username":"anna","password":7}"#, 422),
    ] {
        let answer = bench.send(&Request::new("POST", SESSION).json(body)).await;
        assert_eq!(answer.error(), (status, "bad_body".into()), "{body}");
        assert!(!answer.text().contains("secret"), "a password must not come back: {}", answer.text());
    }
    let form = Request { body: "username=anna&password=secret".into(), ..Request::new("POST", SESSION) };
    let answer = bench.send(&form.header("Content-Type", "application/x-www-form-urlencoded")).await;
    assert_eq!(answer.error(), (415, "bad_body".into()), "other sites' forms cannot log anybody in");
}

#[tokio::test]
async fn logging_out_ends_the_session_and_clears_the_cookie() {
    let bench = Bench::start().await;
    let session = bench.login("anna").await;
    let answer = session.send("DELETE", SESSION, "").await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").unwrap().starts_with("parapet_session=; Path=/; Max-Age=0"));
    assert_eq!(session.get(SESSION).await.error(), (401, "unauthorized".into()));
}

#[tokio::test]
async fn a_password_is_changed_only_with_the_current_one_and_to_a_good_one() {
    let bench = Bench::start().await;
    let session = bench.login("anna").await;
    let path = "/api/v1/session/password";
    let change = async |current: &str, new: &str| {
        session.send("POST", path, &format!(r#"{{"current":"{current}","new":"{new}"}}"#)).await
    };
    assert_eq!(change("wrong", "a much better passphrase").await.error(), (403, "wrong_password".into()));
    assert_eq!(change("secret", "short").await.error(), (400, "weak_password".into()));
    assert_eq!(change("secret", "a much better passphrase").await.status, 204);
    let old = bench.send(&Request::new("POST", SESSION).json(r#"{"username":"anna","password":"secret"}"#)).await;
    assert_eq!(old.status, 401);
}

#[tokio::test]
async fn requests_that_change_something_need_the_csrf_token_of_their_session() {
    let bench = Bench::start().await;
    let alert = bench.put_alert(1).await;
    let session = bench.login("anna").await;
    let other = bench.login("anna").await;
    let path = format!("/api/v1/alerts/{}", alert.id);
    for (method, path) in [("PATCH", path.as_str()), ("DELETE", SESSION), ("POST", "/api/v1/session/password")] {
        let request = Request::new(method, path).json(r#"{"state":"closed"}"#).header("Cookie", &session.cookie);
        for request in [request.clone(), request.header("X-CSRF-Token", &other.csrf)] {
            assert_eq!(bench.send(&request).await.error(), (403, "csrf".into()), "{method} {path}");
        }
    }
    assert!(bench.alerts.changes.lock().unwrap().is_empty());
    assert_eq!(session.get(SESSION).await.status, 200);
}

#[tokio::test]
async fn requests_that_another_site_sends_are_refused() {
    let bench = Bench::start().await;
    let session = bench.login("anna").await;
    for site in ["cross-site", "same-site"] {
        let request = session.sign(Request::new("DELETE", SESSION)).header("Sec-Fetch-Site", site);
        assert_eq!(bench.send(&request).await.error(), (403, "cross_site".into()));
    }
    assert_eq!(session.get(SESSION).await.status, 200);
}

#[tokio::test]
async fn each_role_reaches_what_it_may_and_nothing_else() {
    let bench = Bench::start().await;
    let alert = bench.put_alert(1).await;
    bench.put_events(&[crate::bench::event(1)]).await;
    let event = format!("/api/v1/events/{}", alert.id);
    let triage = format!("/api/v1/alerts/{}", alert.id);
    let (all, analysts) = (["vera", "anna", "adam"].as_slice(), ["anna", "adam"].as_slice());
    for (method, path, allowed) in [
        ("GET", SESSION, all),
        ("GET", "/api/v1/overview", all),
        ("GET", "/api/v1/events/summary?group_by=track", all),
        ("GET", "/api/v1/events", analysts),
        ("GET", event.as_str(), analysts),
        ("GET", "/api/v1/alerts", analysts),
        ("GET", "/api/v1/ledger", analysts),
        ("PATCH", triage.as_str(), analysts),
    ] {
        for name in ["vera", "anna", "adam"] {
            let answer = bench.login(name).await.send(method, path, r#"{"state":"closed"}"#).await;
            if allowed.contains(&name) {
                assert!(answer.status < 300, "{name} {method} {path}: {}", answer.text());
            } else {
                assert_eq!(answer.error(), (403, "forbidden".into()), "{name} {method} {path}");
            }
        }
    }
}
