//! Passwords: rules, generation, and argon2id off the async threads.

use crate::OpenError;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use parapet_ports::accounts::LoginError;
use parapet_ports::{ErrorKind, PortError, Secret};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Characters a new password has at least.
pub(crate) const SHORTEST: usize = 12;
/// Bytes a password has at most.
pub(crate) const LONGEST_BYTES: usize = 1024;
/// Callers that may wait for their turn; further ones are told to come back.
const WAITING_MAX: usize = 64;

/// Letters and digits that nobody mixes up.
const READABLE: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Hashes and checks passwords, a few at a time.
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// A password that nobody knows, checked in place of that of a user who does not exist.
    decoy: String,
}

impl Passwords {
    pub(crate) fn new(at_once: usize) -> Result<Self, OpenError> {
        let decoy = hash(generate().expose()).map_err(|error| OpenError::Hashing(error.to_string()))?;
        let (slots, queue) = (Semaphore::new(at_once), Semaphore::new(at_once + WAITING_MAX));
        Ok(Passwords { slots: Arc::new(slots), queue: Arc::new(queue), decoy })
    }

    /// Whether the password is that of `stored`; without a stored one it is never right, but takes
    /// as long.
    pub(crate) async fn verify(&self, password: &Secret, stored: Option<String>) -> Result<bool, LoginError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let password = password.clone();
        let right = self.run(move || verify(password.expose(), &stored)).await?.map_err(LoginError::Port)?;
        Ok(right && known)
    }

    /// The PHC string of a password.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, LoginError> {
        let password = password.clone();
        self.run(move || hash(password.expose())).await?.map_err(|error| LoginError::Port(failed(error)))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoginError> {
        let overloaded = |_| LoginError::Throttled { retry_after_seconds: 1 };
        let _place = self.queue.clone().try_acquire_owned().map_err(overloaded)?;
        let closed = |error| LoginError::Port(failed(error));
        let slot = self.slots.clone().acquire_owned().await.map_err(closed)?;
        // The slot moves along: a caller that goes away does not free it before the work is done.
        let done = spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        done.await.map_err(|error| LoginError::Port(failed(error)))
    }
}

fn failed(error: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Unavailable, format!("the password cannot be checked: {error}"))
}

/// argon2id with 19 MiB, 2 passes and 1 lane (the crate's defaults), which the OWASP Password
/// Storage Cheat Sheet names as its first choice, and a random salt of 16 bytes.
fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
}

fn verify(password: &str, stored: &str) -> Result<bool, PortError> {
    use argon2::password_hash::Error;
    let unreadable =
        |error| PortError::new(ErrorKind::Corrupt, format!("a stored password hash is unreadable: {error}"));
    let stored = PasswordHash::new(stored).map_err(|error| unreadable(error.to_string()))?;
    match Argon2::default().verify_password(password.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// A random password in groups that people can read aloud and type, about 99 bits strong.
pub(crate) fn generate() -> Secret {
    let group = || -> String { (0..4).map(|_| char::from(READABLE[rand::random_range(0..READABLE.len())])).collect() };
    Secret::new([(); 5].map(|()| group()).join("-"))
}

/// Refuses new passwords that are easily guessed.
pub(crate) fn check_rules(username: &str, current: Option<&Secret>, new: &Secret) -> Result<(), PortError> {
    let text = new.expose();
    let refuse = |problem: String| Err(PortError::new(ErrorKind::Rejected, format!("the new password {problem}")));
    if text.chars().count() < SHORTEST {
        return refuse(format!("is shorter than {SHORTEST} characters"));
    }
    if text.len() > LONGEST_BYTES {
        return refuse(format!("is longer than {LONGEST_BYTES} bytes"));
    }
    if text.to_lowercase().contains(&username.to_lowercase()) {
        return refuse("contains the user name".to_owned());
    }
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < 5 {
        return refuse("has fewer than 5 different characters".to_owned());
    }
    if current == Some(new) {
        return refuse("is the current one".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_argon2id_with_the_recommended_parameters() {
        let hash = hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("correct horse", &hash).unwrap());
        assert!(!verify("correct horsf", &hash).unwrap());
        assert_eq!(verify("x", "plain text").unwrap_err().kind, ErrorKind::Corrupt);
    }

    #[tokio::test]
    async fn no_password_is_right_for_an_unknown_user() {
        let passwords = Passwords::new(1).unwrap();
        assert!(!passwords.verify(&Secret::new("anything"), None).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_flood_of_checks_is_turned_away_instead_of_queued_without_end() {
        let passwords = Arc::new(Passwords::new(1).unwrap());
        let stored = hash("right").unwrap();
        let checks = (0..WAITING_MAX + 40).map(|_| {
            let (passwords, stored) = (passwords.clone(), stored.clone());
            tokio::spawn(async move { passwords.verify(&Secret::new("right"), Some(stored)).await })
        });
        let (mut right, mut turned_away) = (0, 0);
        for check in checks.collect::<Vec<_>>() {
            match check.await.unwrap() {
                Ok(true) => right += 1,
                Err(LoginError::Throttled { .. }) => turned_away += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(right > WAITING_MAX && turned_away > 0, "{right} right, {turned_away} turned away");
    }

    #[test]
    fn generated_passwords_differ_and_keep_the_rules() {
        let (one, other) = (generate(), generate());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 24);
        check_rules("admin", Some(&other), &one).unwrap();
    }

    #[test]
    fn guessable_passwords_are_refused_with_the_reason() {
        let current = Secret::new("the current one 1");
        for (new, reason) in [
            ("short", "12 characters"),
            ("aaaaaaaaaaaabbbb", "different characters"),
            ("My-ADMIN-password", "user name"),
            ("the current one 1", "current"),
            (&"x1y2z3".repeat(200), "longer than"),
        ] {
            let message = check_rules("admin", Some(&current), &Secret::new(new)).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }
}
