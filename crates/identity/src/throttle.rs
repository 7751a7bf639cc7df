//! Slows down guessing: each address and each user has a budget of failed logins.
//!
//! The budget is a generic cell rate algorithm: [`BURST`] failures at once, then one more per
//! [`INTERVAL`]. An attempt is charged before its password is looked at and refunded when it was
//! right, so attempts in parallel cannot slip through. Per key one number is kept: the time at which
//! its budget is full again.

use chrono::{DateTime, TimeDelta, Utc};
use parapet_ports::accounts::LoginError;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Failures at once.
pub(crate) const BURST: i32 = 10;
/// Time after which one more failure is allowed.
pub(crate) const INTERVAL: TimeDelta = TimeDelta::seconds(30);
/// Keys kept; beyond, those closest to a full budget are forgotten.
const KEYS_MAX: usize = 20_000;

/// Budgets of failed logins by address and by user.
pub(crate) struct Throttle {
    /// Keys are hashes with a secret of this process: constant size, and nobody can make two meet.
    hasher: RandomState,
    full_at: Mutex<HashMap<u64, DateTime<Utc>>>,
}

/// An attempt that was charged.
pub(crate) struct Charge([u64; 2]);

impl Throttle {
    pub(crate) fn new() -> Self {
        Throttle { hasher: RandomState::new(), full_at: Mutex::default() }
    }

    /// Charges an attempt to the address and the user, if both have budget left.
    pub(crate) fn charge(&self, peer: IpAddr, username: &str, now: DateTime<Utc>) -> Result<Charge, LoginError> {
        let keys = [self.hasher.hash_one(("peer", network(peer))), self.hasher.hash_one(("user", username))];
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = keys
            .iter()
            .filter_map(|key| full_at.get(key))
            .map(|full| *full - INTERVAL * (BURST - 1) - now)
            .max()
            .unwrap_or_default();
        if wait > TimeDelta::zero() {
            // Rounded up: whoever waits that long is looked at.
            let retry_after_seconds = wait.num_seconds().unsigned_abs() + 1;
            return Err(LoginError::Throttled { retry_after_seconds });
        }
        make_room(&mut full_at, now);
        for key in keys {
            let full = full_at.entry(key).or_insert(now);
            *full = (*full).max(now) + INTERVAL;
        }
        Ok(Charge(keys))
    }

    /// Gives back what an attempt was charged, because the password was right.
    pub(crate) fn refund(&self, charge: Charge) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for key in charge.0 {
            if let Some(full) = full_at.get_mut(&key) {
                *full -= INTERVAL;
            }
        }
    }
}

/// The part of an address that one person holds: an IPv6 network is handed out as a /64.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

/// Keeps the table below [`KEYS_MAX`].
fn make_room(full_at: &mut HashMap<u64, DateTime<Utc>>, now: DateTime<Utc>) {
    if full_at.len() + 2 <= KEYS_MAX {
        return;
    }
    full_at.retain(|_, full| *full > now);
    if full_at.len() + 2 <= KEYS_MAX {
        return;
    }
    // A tenth at a time, so that a flood of new keys does not sort the table for each.
    let mut times: Vec<DateTime<Utc>> = full_at.values().copied().collect();
    let (_, tenth, _) = times.select_nth_unstable(KEYS_MAX / 10);
    let tenth = *tenth;
    let mut surplus = KEYS_MAX / 10;
    full_at.retain(|_, full| {
        let forget = *full <= tenth && surplus > 0;
        surplus -= usize::from(forget);
        !forget
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000, 0).unwrap()
    }

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn wait(result: Result<Charge, LoginError>) -> Option<u64> {
        match result {
            Ok(_) => None,
            Err(LoginError::Throttled { retry_after_seconds }) => Some(retry_after_seconds),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_user_has_a_budget_over_all_addresses_and_it_comes_back() {
        let throttle = Throttle::new();
        for n in 0..BURST {
            assert_eq!(wait(throttle.charge(peer(n as u8), "admin", start())), None, "attempt {n}");
        }
        let seconds = wait(throttle.charge(peer(100), "admin", start())).unwrap();
        assert_eq!(wait(throttle.charge(peer(100), "alice", start())), None, "another user is not concerned");
        let later = start() + TimeDelta::seconds(seconds as i64);
        assert_eq!(wait(throttle.charge(peer(100), "admin", later)), None, "after the told wait one is looked at");
        assert!(wait(throttle.charge(peer(100), "admin", later)).is_some(), "but only one");
    }

    #[test]
    fn an_address_has_a_budget_over_all_users() {
        let throttle = Throttle::new();
        for n in 0..BURST {
            assert_eq!(wait(throttle.charge(peer(1), &format!("user{n}"), start())), None);
        }
        assert!(wait(throttle.charge(peer(1), "another", start())).is_some());
        assert_eq!(wait(throttle.charge(peer(2), "another", start())), None);
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_budget() {
        let throttle = Throttle::new();
        for n in 0..BURST {
            let address = format!("2001:db8:1:2::{n}").parse().unwrap();
            assert_eq!(wait(throttle.charge(address, &format!("user{n}"), start())), None);
        }
        assert!(wait(throttle.charge("2001:db8:1:2:ffff::1".parse().unwrap(), "x", start())).is_some());
        assert_eq!(wait(throttle.charge("2001:db8:1:3::1".parse().unwrap(), "x", start())), None);
    }

    #[test]
    fn right_passwords_cost_nothing() {
        let throttle = Throttle::new();
        for _ in 0..10 * BURST {
            let charge = throttle.charge(peer(1), "admin", start()).unwrap_or_else(|_| panic!("throttled"));
            throttle.refund(charge);
        }
    }

    #[test]
    fn a_flood_of_new_keys_neither_grows_the_table_nor_forgets_the_guessed_user() {
        let throttle = Throttle::new();
        for n in 0..BURST {
            assert_eq!(wait(throttle.charge(peer(n as u8), "admin", start())), None);
        }
        for n in 0..50_000_u32 {
            let address = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            assert_eq!(wait(throttle.charge(address, &format!("user{n}"), start())), None);
        }
        assert!(throttle.full_at.lock().unwrap().len() <= KEYS_MAX);
        assert!(wait(throttle.charge(peer(200), "admin", start())).is_some());
    }
}
