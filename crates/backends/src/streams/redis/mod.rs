//! `kind = "redis"`: an event stream in Redis Streams. Needs Redis 7.0 or newer, or Valkey.
//!
//! ```toml
//! [streams.realtime]
//! kind = "redis"
//! addresses = ["redis.internal:6379"]
//! username = "parapet"
//! password = "…"
//! [streams.realtime.tls]
//! ca_file = "/etc/parapet/redis-ca.pem"
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `stream` | key of the stream | `waf-NAME-events`, for the real-time track `waf-realtime-events` |
//! | `encoding` | how events are written: `json` or `msgpack`; both are read | `json` |
//! | `max_events` | entries in the stream at most | 1,000,000 |
//! | `when_full` | `reject`: appends fail until groups have acknowledged; `drop-oldest`: the oldest entries go, and are counted | `reject` |
//! | `retain_events` | entries that every group acknowledged are trimmed beyond this length | 10,000 |
//! | `wait_replicas` | replicas that must have an append before it counts as done (`WAIT`) | 0 |
//!
//! The servers and the user have options of their own, see [`crate::redis::servers`].
//!
//! **Appending** runs one script, so a batch is appended whole or not at all. A connection that breaks
//! before the answer leaves it open which: the caller tries again, and readers may see the batch twice.
//!
//! **Durability** is the server's: with `appendonly yes` and `appendfsync everysec` an append survives
//! the death of Redis, and a power failure loses at most about a second; `always` survives that too.
//! `wait_replicas` guards against losing the machine: a failover then keeps the append.
//!
//! **Trimming** is approximate, by whole nodes (100 entries by default). In the same script each group
//! that had not acknowledged a trimmed entry counts it, in the hash `{STREAM}:losses`; that is
//! `Lag::dropped`. Ids are `TIME-NUMBER`, where the number counts all entries ever appended, so the counts
//! are exact and survive restarts and failovers. Entries that other tools trim are counted when the lag
//! is looked at next; entries that other programs add under ids of their own may blur the counts. A group
//! that nobody reads any more holds entries for ever under `reject`: remove it with `XGROUP DESTROY`.
//!
//! **Groups** read with `XREADGROUP`. A consumer that comes back under its name first gets what it had
//! not acknowledged; `reclaim` takes over from consumers that died (`XAUTOCLAIM`).

mod config;
mod consumer;
mod entry;
mod scripts;

use crate::redis::link::Link;
use crate::redis::servers::Servers;
use crate::streams::wire::{self, Encoding};
use async_trait::async_trait;
use config::Config;
use consumer::Consumer;
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::stream::Lag;
use parapet_ports::{ErrorKind, EventStream, PortError, SharedEvent, StreamConsumer};
use redis::FromRedisValue;
use scripts::Scripts;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A consumer that asked for nothing for so long is no reader any more.
const READER_IDLE_MAX: Duration = Duration::from_secs(30);

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn EventStream> =
    Plugin { kind: "redis", summary: "Redis Streams: one server, sentinels or a cluster", check };

fn check(mut settings: Settings) -> Result<Box<dyn Ready<dyn EventStream>>, PortError> {
    let servers = Servers::take(&mut settings)?;
    let config: Config = settings.decode()?;
    config.validate(&settings.name)?;
    Ok(Box::new(Checked { name: settings.name, servers, config }))
}

struct Checked {
    name: String,
    servers: Servers,
    config: Config,
}

#[async_trait]
impl Ready<dyn EventStream> for Checked {
    async fn open(&self, _place: &Place) -> Result<Arc<dyn EventStream>, PortError> {
        let link = Link::new(&self.name, &self.servers, consumer::BLOCK_MAX)?;
        let key = self.config.stream.clone().unwrap_or_else(|| format!("waf-{}-events", self.name));
        let stream = Stream {
            name: self.name.clone(),
            config: self.config.clone(),
            keys: keys(&key),
            link,
            scripts: Scripts::new(),
        };
        stream.check_version().await?;
        Ok(Arc::new(RedisStream { stream: Arc::new(stream) }))
    }
}

/// Key of the stream, and of the losses, which a cluster must keep in the same slot.
fn keys(stream: &str) -> [String; 2] {
    let has_tag = stream.split_once('{').and_then(|(_, rest)| rest.find('}')).is_some_and(|length| length > 0);
    let losses = if has_tag { format!("{stream}:losses") } else { format!("{{{stream}}}:losses") };
    [stream.to_owned(), losses]
}

/// What the stream and its consumers share.
struct Stream {
    name: String,
    config: Config,
    keys: [String; 2],
    link: Link,
    scripts: Scripts,
}

impl Stream {
    /// Finds out early that the server is too old for the accounting.
    async fn check_version(&self) -> Result<(), PortError> {
        let command = redis::cmd("INFO").arg("server").to_owned();
        let doing = "asking for the version";
        let answer: redis::Value =
            self.link.query(&command).await.map_err(|error| self.link.port_error(doing, error))?;
        match scripts::oldest_version(&answer) {
            Some(major) if major < 7 => Err(PortError::new(
                ErrorKind::Unsupported,
                format!("{}: the server is Redis {major}; 7.0 or newer is needed", self.name),
            )),
            _ => Ok(()),
        }
    }

    async fn join(&self, group: &str) -> Result<(), PortError> {
        let joined = self.link.run::<()>(&self.scripts.join, &self.keys, &[group.as_bytes()]).await;
        joined.map_err(|error| self.link.port_error("cannot join the group", error))
    }

    /// Waits until enough replicas have what was written.
    async fn wait_for_replicas(&self) -> Result<(), PortError> {
        let wanted = self.config.wait_replicas;
        if wanted == 0 {
            return Ok(());
        }
        // Half the limit, so that the server answers before the call is given up.
        let command = redis::cmd("WAIT").arg(wanted).arg((self.link.timeout() / 2).as_millis() as u64).to_owned();
        let doing = "waiting for replicas";
        let have: u32 = self.link.query(&command).await.map_err(|error| self.link.port_error(doing, error))?;
        if have >= wanted {
            return Ok(());
        }
        Err(PortError::new(
            ErrorKind::Unavailable,
            format!("{}: {have} of {wanted} replicas have the events", self.name),
        ))
    }
}

/// An open stream.
struct RedisStream {
    stream: Arc<Stream>,
}

#[async_trait]
impl EventStream for RedisStream {
    fn name(&self) -> &str {
        &self.stream.name
    }

    async fn append(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        if events.is_empty() {
            return Ok(());
        }
        let Stream { name, config, keys, link, scripts } = &*self.stream;
        let encoding: Encoding = config.encoding;
        let payloads: Vec<_> = events.iter().map(|event| encoding.encode(event)).collect::<Result<_, _>>()?;
        let (limit, retain) = (config.max_events.to_string(), config.retain_events.to_string());
        let head = [&limit, &retain, config.when_full.as_str(), wire::VERSION, encoding.content_type()];
        let arguments: Vec<&[u8]> =
            head.iter().map(|text| text.as_bytes()).chain(payloads.iter().map(|payload| &**payload)).collect();
        let appended: i64 = link
            .run(&scripts.append, keys, &arguments)
            .await
            .map_err(|error| link.port_error("cannot append", error))?;
        if appended < 0 {
            let message = format!("{name}: the stream holds {limit} events that are not acknowledged (max_events)");
            return Err(PortError::new(ErrorKind::Full, message));
        }
        self.stream.wait_for_replicas().await
    }

    async fn consumer(&self, group: &str, consumer: &str) -> Result<Box<dyn StreamConsumer>, PortError> {
        self.stream.join(group).await?;
        Ok(Box::new(Consumer::new(Arc::clone(&self.stream), group, consumer)))
    }

    async fn lag(&self, group: &str) -> Result<Lag, PortError> {
        let Stream { keys, link, scripts, .. } = &*self.stream;
        let (appended, unread, pending, dropped) = link
            .run(&scripts.lag, keys, &[group.as_bytes()])
            .await
            .map_err(|error| link.port_error("cannot ask for the lag", error))?;
        Ok(Lag { appended, unread, pending, dropped })
    }

    async fn readers(&self, group: &str) -> Result<usize, PortError> {
        let Stream { keys, link, .. } = &*self.stream;
        let command = redis::cmd("XINFO").arg("CONSUMERS").arg(&keys[0]).arg(group).to_owned();
        let consumers: Vec<HashMap<String, redis::Value>> =
            link.query(&command).await.map_err(|error| link.port_error("cannot ask who reads the group", error))?;
        let idle = |consumer: &HashMap<String, redis::Value>| {
            consumer.get("idle").and_then(|idle| u64::from_redis_value_ref(idle).ok()).map(Duration::from_millis)
        };
        Ok(consumers.iter().filter(|consumer| idle(consumer).is_none_or(|idle| idle < READER_IDLE_MAX)).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(toml: &str) -> String {
        let settings = Settings { name: "realtime".into(), table: toml.parse().unwrap() };
        let error = check(settings).err().unwrap_or_else(|| panic!("accepted: {toml}"));
        assert_eq!(error.kind, ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn the_losses_lie_in_the_slot_of_the_stream() {
        assert_eq!(keys("waf-realtime-events")[1], "{waf-realtime-events}:losses");
        assert_eq!(keys("waf{a}b")[1], "waf{a}b:losses");
        assert_eq!(keys("waf{}b")[1], "{waf{}b}:losses");
    }

    #[test]
    fn mistakes_in_the_configuration_are_named() {
        for (toml, part) in [
            ("address = \"x\"", "unknown field `address`"),
            ("addresses = []", "realtime: addresses"),
            ("addresses = [\"redis\"]", "\"redis\" is not HOST:PORT"),
            ("addresses = [\"::1:6379\"]", "is not HOST:PORT"),
            ("addresses = [\"a:1\", \"b:1\"]", "need mode = "),
            ("mode = \"sentinel\"", "master"),
            ("mode = \"cluster\"\ndatabase = 1", "only database 0"),
            ("username = \"a\"", "a user name needs one"),
            ("max_events = 5", "max_events"),
            ("retain_events = 5000000", "retain_events"),
            ("timeout_ms = 1", "timeout_ms"),
            ("tls = { key_file = \"k\" }", "tls: certificate_file and key_file"),
            ("encoding = \"xml\"", "unknown variant `xml`"),
        ] {
            let message = problem(toml);
            assert!(message.contains(part), "{message}");
        }
        assert!(!problem("password = \"SECRET\"\naddresses = [\"x\"]").contains("SECRET"));
    }
}
