//! What the tests of all streams do alike.

use parapet_backends::STREAMS;
use parapet_ports::registry::{Place, Settings, find};
use parapet_ports::{Entry, EventStream, PortError, StreamConsumer};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for something that must happen.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Opens a stream as the product does: by kind and table.
pub(crate) async fn try_open(kind: &str, table: &str) -> Result<Arc<dyn EventStream>, PortError> {
    let settings = Settings { name: "test".into(), table: table.parse().unwrap() };
    let ready = (find(&[STREAMS], kind)?.check)(settings)?;
    ready.open(&Place { directory: std::env::temp_dir() }).await
}

/// The same, which must work.
pub(crate) async fn open(kind: &str, table: &str) -> Arc<dyn EventStream> {
    try_open(kind, table).await.unwrap_or_else(|error| panic!("{kind}: {error}"))
}

/// Reads until `count` entries arrived.
pub(crate) async fn read_exactly(consumer: &mut dyn StreamConsumer, count: usize) -> Vec<Entry> {
    let deadline = Instant::now() + LONG;
    let mut entries = Vec::new();
    while entries.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} entries arrived", entries.len());
        entries.extend(consumer.read(count - entries.len(), Duration::from_secs(1)).await.unwrap());
    }
    entries
}

/// Acknowledges all of them.
pub(crate) async fn acknowledge(consumer: &mut dyn StreamConsumer, entries: &[Entry]) {
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    consumer.acknowledge(&ids).await.unwrap();
}
