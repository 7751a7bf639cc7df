//! Appending: one idempotent producer for all appends.

use super::config::Config;
use crate::kafka::failure::port_error;
use crate::streams::wire::{self, Encoding};
use parapet_event::SecurityEvent;
use parapet_ports::{ErrorKind, PortError, SharedEvent};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Pause while the library's queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// Records of one append that are on their way.
struct Batch {
    left: AtomicUsize,
    failure: Mutex<Option<KafkaError>>,
    done: Notify,
}

impl Batch {
    fn new(records: usize) -> Batch {
        Batch { left: AtomicUsize::new(records), failure: Mutex::default(), done: Notify::new() }
    }

    fn fail(&self, error: KafkaError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// So many records are settled.
    fn settle(&self, records: usize) {
        if self.left.fetch_sub(records, Ordering::SeqCst) == records {
            self.done.notify_one();
        }
    }
}

/// Callbacks of the producer.
struct Deliveries {
    stream: String,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(stream = self.stream, %error, reason, "kafka producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        if let Err((error, _)) = result {
            batch.fail(error.clone());
        }
        batch.settle(1);
    }
}

/// The producer of a stream.
pub(crate) struct Appender {
    stream: String,
    topic: String,
    encoding: Encoding,
    timeout: Duration,
    headers: OwnedHeaders,
    producer: ThreadedProducer<Deliveries>,
}

impl Appender {
    pub(crate) fn new(stream: &str, config: &Config, topic: &str) -> Result<Appender, PortError> {
        let context = Deliveries { stream: stream.to_owned() };
        let producer = config.producer().create_with_context(context);
        let header = |key, value| Header { key, value: Some(value) };
        Ok(Appender {
            stream: stream.to_owned(),
            topic: topic.to_owned(),
            encoding: config.encoding,
            timeout: config.timeout(),
            headers: OwnedHeaders::new()
                .insert(header(wire::VERSION_ATTRIBUTE, wire::VERSION))
                .insert(header(wire::ENCODING_ATTRIBUTE, config.encoding.content_type())),
            producer: producer.map_err(|error| port_error(stream, "the configuration cannot be used", &error))?,
        })
    }

    /// Sends all events and waits until the brokers have every one.
    pub(crate) async fn append(&self, events: &[SharedEvent]) -> Result<(), PortError> {
        let payloads: Vec<_> = events.iter().map(|event| self.encoding.encode(event)).collect::<Result<_, _>>()?;
        let batch = Arc::new(Batch::new(events.len()));
        let deadline = Instant::now() + self.timeout;
        for (index, (event, payload)) in events.iter().zip(&payloads).enumerate() {
            if let Err(error) = self.enqueue(event, payload, &batch, deadline).await {
                batch.fail(error);
                batch.settle(events.len() - index);
                break;
            }
        }
        batch.done.notified().await;
        match batch.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(KafkaError::MessageProduction(Code::MessageTimedOut)) => Err(PortError::new(
                ErrorKind::Unavailable,
                format!("{}: no broker took the events within {} ms", self.stream, self.timeout.as_millis()),
            )),
            Some(error) => Err(port_error(&self.stream, "cannot append", &error)),
        }
    }

    async fn enqueue(
        &self,
        event: &SecurityEvent,
        payload: &[u8],
        batch: &Arc<Batch>,
        deadline: Instant,
    ) -> Result<(), KafkaError> {
        let key = event.client_ip.to_string();
        loop {
            let record = BaseRecord::with_opaque_to(&self.topic, Arc::clone(batch))
                .key(&key)
                .payload(payload)
                .headers(self.headers.clone());
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), _)) if Instant::now() < deadline => {}
                Err((error, _)) => return Err(error),
            }
            tokio::time::sleep(QUEUE_PAUSE).await;
        }
    }
}
