//! `kind = "redis"`: shared state in Redis 6.0 or newer, or Valkey.
//!
//! ```toml
//! [state]
//! kind = "redis"
//! addresses = ["redis.internal:6379"]
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `prefix` | put before every key | `parapet:` |
//!
//! The servers and the user have options of their own, see [`crate::redis::servers`]. Adding and swapping
//! are scripts, so they are one step each. Every key has a time to live; `maxmemory-policy allkeys-lru`
//! suits it, on a server that holds no streams.

use crate::redis::link::{Failure, Link};
use crate::redis::servers::Servers;
use async_trait::async_trait;
use parapet_ports::registry::{Checked, Place, Plugin, Ready, Settings};
use parapet_ports::{ErrorKind, PortError, State};
use redis::{Script, cmd};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn State> =
    Plugin { kind: "redis", summary: "shared state in Redis: one server, sentinels or a cluster", check };

/// Longer times to live count as this: ten years.
const TIME_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "parapet:".into() }
    }
}

fn check(mut settings: Settings) -> Checked<dyn State> {
    let servers = Servers::take(&mut settings)?;
    let config: Config = settings.decode()?;
    Ok(Box::new(Checkable { name: settings.name, servers, prefix: config.prefix }))
}

struct Checkable {
    name: String,
    servers: Servers,
    prefix: String,
}

#[async_trait]
impl Ready<dyn State> for Checkable {
    async fn open(&self, _place: &Place) -> Result<Arc<dyn State>, PortError> {
        let state = RedisState {
            link: Link::new(&self.name, &self.servers, Duration::ZERO)?,
            name: self.name.clone(),
            prefix: self.prefix.clone(),
            increment: Script::new(include_str!("increment.lua")),
            swap: Script::new(include_str!("swap.lua")),
        };
        // Finds out now whether the servers answer and let the user in.
        state.get(b"").await?;
        Ok(Arc::new(state))
    }
}

struct RedisState {
    link: Link,
    name: String,
    prefix: String,
    increment: Script,
    swap: Script,
}

impl RedisState {
    fn key(&self, key: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), key].concat()
    }

    fn failed(&self, failure: Failure) -> PortError {
        if let Failure::Redis(error) = &failure
            && error.detail().is_some_and(|detail| detail.contains("not an integer"))
        {
            return PortError::new(ErrorKind::Rejected, format!("{}: the value is no number", self.name));
        }
        self.link.port_error("the state cannot be used", failure)
    }
}

/// Milliseconds, at least one.
fn milliseconds(time_to_live: Duration) -> u64 {
    time_to_live.min(TIME_MAX).as_millis().max(1) as u64
}

#[async_trait]
impl State for RedisState {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let command = cmd("GET").arg(self.key(key)).to_owned();
        self.link.query(&command).await.map_err(|failure| self.failed(failure))
    }

    async fn put(&self, key: &[u8], value: &[u8], time_to_live: Duration) -> Result<(), PortError> {
        let command = cmd("SET").arg(self.key(key)).arg(value).arg("PX").arg(milliseconds(time_to_live)).to_owned();
        self.link.query(&command).await.map_err(|failure| self.failed(failure))
    }

    async fn increment(&self, key: &[u8], by: i64, time_to_live: Duration) -> Result<i64, PortError> {
        let (by, time) = (by.to_string(), milliseconds(time_to_live).to_string());
        let arguments = [by.as_bytes(), time.as_bytes()];
        let sum = self.link.run(&self.increment, &[self.key(key)], &arguments).await;
        sum.map_err(|failure| self.failed(failure))
    }

    async fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        time_to_live: Duration,
    ) -> Result<bool, PortError> {
        let time = milliseconds(time_to_live).to_string();
        let given = |value: Option<&[u8]>| if value.is_some() { b"1" } else { b"0" };
        let arguments: [&[u8]; 5] =
            [given(expected), expected.unwrap_or_default(), given(value), value.unwrap_or_default(), time.as_bytes()];
        let swapped = self.link.run(&self.swap, &[self.key(key)], &arguments).await;
        swapped.map_err(|failure| self.failed(failure))
    }
}
