//! Logins and sessions over a real database file, with a clock that the test moves.

use super::*;
use crate::throttle::BURST;
use crate::users::tests::{Bench, PEER, bench};
use parapet_ports::ErrorKind;
use std::time::{Duration, Instant};

async fn with_admin() -> (Bench, Secret) {
    let bench = bench().await;
    let credential = bench.identity.bootstrap().await.unwrap().unwrap();
    (bench, credential.password)
}

fn wrong() -> Secret {
    Secret::new("not the password")
}

#[tokio::test]
async fn a_session_carries_the_principal_and_only_the_hash_of_its_token_is_stored() {
    let (bench, password) = with_admin().await;
    let session = bench.identity.login(" Admin ", &password, PEER).await.unwrap();
    assert_eq!(session.token.expose().len(), 64);
    let active = bench.identity.session(&session.token).await.unwrap().unwrap();
    assert_eq!(active.principal.username, "admin");
    assert_eq!((active.csrf, active.expires), (session.csrf, session.expires));
    assert!(bench.identity.session(&Secret::new("")).await.unwrap().is_none());
    bench.identity.close().await;
    let stored = std::fs::read(&bench.config.path).unwrap();
    for secret in [&session.token, &password] {
        let secret = secret.expose().as_bytes();
        assert!(!stored.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_are_refused_alike_and_audited() {
    let (bench, password) = with_admin().await;
    for name in ["admin", "nobody", "no such name!"] {
        let refused = bench.identity.login(name, &wrong(), PEER).await;
        assert!(matches!(refused, Err(LoginError::Refused)), "{name}");
    }
    let long = Secret::new("x".repeat(LONGEST_BYTES + 1));
    assert!(matches!(bench.identity.login("admin", &long, PEER).await, Err(LoginError::Refused)));
    bench.identity.login("admin", &password, PEER).await.unwrap();
    let trail = bench.identity.audit_trail(None, 4).await.unwrap();
    let told: Vec<_> = trail.iter().map(|entry| (entry.action, entry.actor.as_str(), entry.peer)).collect();
    assert_eq!(
        told,
        [
            (AuditAction::Login, "admin", Some(PEER)),
            (AuditAction::LoginFailed, "", Some(PEER)),
            (AuditAction::LoginFailed, "", Some(PEER)),
            (AuditAction::LoginFailed, "admin", Some(PEER)),
        ]
    );
}

#[tokio::test]
async fn unknown_users_take_as_long_as_known_ones() {
    let (bench, _) = with_admin().await;
    let mut fastest = [Duration::MAX; 2];
    for n in 0..4 {
        for (which, name) in ["admin", "nobody"].iter().enumerate() {
            let peer = IpAddr::from([198, 51, 100, n]);
            let started = Instant::now();
            assert!(bench.identity.login(name, &wrong(), peer).await.is_err());
            fastest[which] = fastest[which].min(started.elapsed());
        }
    }
    // Without the decoy an unknown user would be refused some hundred times faster.
    assert!(fastest[1] * 3 > fastest[0], "{fastest:?}");
}

#[tokio::test]
async fn guessing_is_throttled_by_user_and_the_right_password_waits_too() {
    let (bench, password) = with_admin().await;
    for n in 0..BURST {
        let peer = IpAddr::from([198, 51, 100, n as u8]);
        assert!(matches!(bench.identity.login("ADMIN", &wrong(), peer).await, Err(LoginError::Refused)));
    }
    let Err(LoginError::Throttled { retry_after_seconds }) = bench.identity.login("admin", &password, PEER).await
    else {
        panic!("not throttled");
    };
    bench.pass(retry_after_seconds);
    bench.identity.login("admin", &password, PEER).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_in_parallel_do_not_slip_past_the_throttle() {
    let (bench, _) = with_admin().await;
    let attempts: Vec<_> = (0..40)
        .map(|_| {
            let identity = bench.identity.clone();
            tokio::spawn(async move { identity.login("admin", &wrong(), PEER).await.map(|_| ()) })
        })
        .collect();
    let mut refused = 0;
    for attempt in attempts {
        refused += i32::from(matches!(attempt.await.unwrap(), Err(LoginError::Refused)));
    }
    assert_eq!(refused, BURST);
}

#[tokio::test]
async fn an_idle_session_ends_and_use_keeps_it_until_its_absolute_end() {
    let (bench, password) = with_admin().await;
    let idle = bench.config.session_idle_seconds;
    let session = bench.identity.login("admin", &password, PEER).await.unwrap();
    bench.pass(idle - 1);
    assert!(bench.identity.session(&session.token).await.unwrap().is_some());
    bench.pass(idle - 1);
    assert!(bench.identity.session(&session.token).await.unwrap().is_some(), "use started the idle time again");
    bench.pass(idle);
    assert!(bench.identity.session(&session.token).await.unwrap().is_none(), "idle for too long");

    let session = bench.identity.login("admin", &password, PEER).await.unwrap();
    let mut passed = 0;
    while passed + idle / 2 < bench.config.session_absolute_seconds {
        bench.pass(idle / 2);
        passed += idle / 2;
        assert!(bench.identity.session(&session.token).await.unwrap().is_some(), "after {passed} s");
    }
    bench.pass(idle / 2);
    assert!(bench.identity.session(&session.token).await.unwrap().is_none(), "older than allowed");
}

#[tokio::test]
async fn watching_does_not_keep_a_session_alive() {
    let (bench, password) = with_admin().await;
    let session = bench.identity.login("admin", &password, PEER).await.unwrap();
    let step = bench.config.session_idle_seconds / 4;
    for _ in 0..3 {
        bench.pass(step);
        assert!(bench.identity.is_active(&session.token).await.unwrap());
    }
    bench.pass(step);
    assert!(!bench.identity.is_active(&session.token).await.unwrap());
}

#[tokio::test]
async fn logging_out_ends_one_session_and_is_audited() {
    let (bench, password) = with_admin().await;
    let one = bench.identity.login("admin", &password, PEER).await.unwrap();
    let other = bench.identity.login("admin", &password, PEER).await.unwrap();
    bench.identity.logout(&one.token, PEER).await.unwrap();
    bench.identity.logout(&one.token, PEER).await.unwrap();
    assert!(bench.identity.session(&one.token).await.unwrap().is_none());
    assert!(bench.identity.session(&other.token).await.unwrap().is_some());
    let trail = bench.identity.audit_trail(None, 2).await.unwrap();
    assert_eq!([trail[0].action, trail[1].action], [AuditAction::Logout, AuditAction::Login]);
}

#[tokio::test]
async fn a_password_change_keeps_this_session_and_ends_the_others() {
    let (bench, password) = with_admin().await;
    let this = bench.identity.login("admin", &password, PEER).await.unwrap();
    let other = bench.identity.login("admin", &password, PEER).await.unwrap();
    let new = Secret::new("a much better passphrase");
    let change = |current: Secret, new: Secret| {
        let (identity, token) = (bench.identity.clone(), this.token.clone());
        async move { identity.change_password(&token, &current, &new, PEER).await }
    };
    assert!(matches!(change(wrong(), new.clone()).await, Err(LoginError::Refused)));
    let Err(LoginError::Port(weak)) = change(password.clone(), Secret::new("short")).await else {
        panic!("a weak password was taken");
    };
    assert_eq!(weak.kind, ErrorKind::Rejected);
    change(password.clone(), new.clone()).await.unwrap();
    assert!(bench.identity.session(&this.token).await.unwrap().is_some());
    assert!(bench.identity.session(&other.token).await.unwrap().is_none());
    assert!(bench.identity.login("admin", &password, PEER).await.is_err());
    bench.identity.login("admin", &new, PEER).await.unwrap();
    let trail = bench.identity.audit_trail(None, 4).await.unwrap();
    assert_eq!(trail[2].action, AuditAction::PasswordChanged);
    assert_eq!(trail[3].action, AuditAction::PasswordChangeFailed);
}

#[tokio::test]
async fn the_oldest_session_gives_way_when_a_user_has_too_many() {
    let (bench, password) = with_admin().await;
    let user = bench.identity.find_user("admin").await.unwrap().unwrap();
    let first = bench.identity.login("admin", &password, PEER).await.unwrap();
    for _ in 0..SESSIONS_PER_USER {
        bench.pass(1);
        let user = User { id: user.id.clone(), principal: user.principal.clone(), password: String::new() };
        bench.identity.open_session(user, PEER, bench.identity.now()).await.unwrap();
    }
    assert!(bench.identity.session(&first.token).await.unwrap().is_none());
    let count: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM sessions").fetch_one(bench.identity.database.reader()).await.unwrap();
    assert_eq!(count, SESSIONS_PER_USER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_users_at_once_leave_an_unbroken_trail() {
    let (bench, password) = with_admin().await;
    let logins: Vec<_> = (0..24)
        .map(|n| {
            let (identity, password) = (bench.identity.clone(), password.clone());
            tokio::spawn(async move {
                let peer = IpAddr::from([203, 0, 113, n]);
                let session = loop {
                    // The user's budget is charged while an attempt runs, so some have to come back.
                    match identity.login("admin", &password, peer).await {
                        Err(LoginError::Throttled { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
                        other => break other.unwrap(),
                    }
                };
                assert!(identity.session(&session.token).await.unwrap().is_some());
                identity.logout(&session.token, peer).await.unwrap();
            })
        })
        .collect();
    for login in logins {
        login.await.unwrap();
    }
    assert_eq!(bench.identity.verify_audit_trail().await.unwrap().0, 1 + 2 * 24);
}
