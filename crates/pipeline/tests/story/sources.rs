//! The logs of other WAFs on their way through the pipeline: durable, counted, and never too fast.

use crate::scene::{World, assert_adds_up, eventually};
use async_trait::async_trait;
use parapet_pipeline::sources::Format;
use parapet_pipeline::sources::intake::Feed;
use parapet_ports::source::Receipt;
use parapet_ports::{EventSource, Ledger, PortError, RecordSink};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// Brings the same lines at each start, and keeps what it was told.
struct Log {
    text: Vec<u8>,
    receipts: Mutex<Vec<Receipt>>,
    fail_first: Mutex<bool>,
}

impl Log {
    fn new(text: Vec<u8>) -> Arc<Self> {
        Arc::new(Log { text, receipts: Mutex::default(), fail_first: Mutex::new(false) })
    }

    fn feed(self: &Arc<Self>) -> Feed {
        Feed { source: self.clone(), site: "edge".into(), format: Format::Auto }
    }

    fn is_read(&self) -> bool {
        !self.receipts.lock().unwrap().is_empty()
    }
}

#[async_trait]
impl EventSource for Log {
    fn name(&self) -> &str {
        "log"
    }

    async fn run(&self, sink: Arc<dyn RecordSink>, stop: CancellationToken) -> Result<(), PortError> {
        assert!(!std::mem::take(&mut *self.fail_first.lock().unwrap()), "a source that panics is run again");
        let mut session = sink.session();
        let mut receipt = session.take(&self.text, None).await?;
        receipt.add(session.finish().await?);
        self.receipts.lock().unwrap().push(receipt);
        stop.cancelled().await;
        Ok(())
    }
}

fn record(number: u32) -> String {
    format!(
        "{{\"transaction\":{{\"client_ip\":\"203.0.113.9\",\"time_stamp\":\"Sun Nov 22 06:32:53 2026\",\"unique_id\":\"u{number}\",\
         \"request\":{{\"method\":\"GET\",\"uri\":\"/?n={number}\",\"headers\":{{}}}},\"response\":{{\"http_code\":403}},\
         \"producer\":{{\"secrules_engine\":\"Enabled\"}},\"messages\":[{{\"message\":\"SQL\",\
         \"details\":{{\"ruleId\":\"942100\",\"severity\":\"2\"}}}}]}}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn records_become_events_or_dead_letters_and_all_are_counted() {
    let world = World::new(Vec::new());
    let mut text = record(1) + &record(2) + "{\"transaction\":{}}\n\n";
    text += &record(3).replace("\"messages\":[{", "\"messages\":[],\"x\":[{");
    let log = Log::new(text.into_bytes());
    let running = world.start_parts("", world.parts_reading(log.feed()).await).await;
    eventually("the log is read", || log.is_read()).await;
    eventually("the events are stored", || world.store.events().len() == 2).await;
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let receipt = log.receipts.lock().unwrap()[0].clone();
    assert_eq!((receipt.events, receipt.refused, receipt.without_findings, receipt.held), (2, 1, 1, 0));
    assert_eq!((receipt.refusals[0].line, receipt.refusals.len()), (3, 1));
    let hop = &assert_adds_up(&*ledger)["source:log"];
    assert_eq!((hop.produced, hop.delivered, hop.dropped["no rule matched"]), (4, 2, 1));
    let letters = world.dead_letters();
    assert_eq!((letters.len(), &letters[0]["raw"]), (1, &"{\"transaction\":{}}".into()));
    assert!(world.store.events().iter().all(|event| event.site == "edge"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_waits_while_the_pipeline_is_behind_and_nothing_is_lost() {
    let world = World::new(Vec::new());
    let text: String = (0..3000).map(record).collect();
    let log = Log::new(text.into_bytes());
    *log.fail_first.lock().unwrap() = true;
    let config = "[intake]\nbacklog_max = 100\n";
    let running = world.start_parts(config, world.parts_reading(log.feed()).await).await;
    eventually("the log is read", || log.is_read()).await;
    eventually("the events are stored", || world.store.events().len() == 3000).await;
    let ledger = running.ledger();
    assert!(running.shutdown().await);
    let snapshot = ledger.snapshot();
    assert!(snapshot["sequence:router"].dropped.is_empty(), "{:?}", snapshot["sequence:router"]);
    assert_adds_up(&*ledger);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_log_again_changes_nothing() {
    let world = World::new(Vec::new());
    let text: String = (0..20).map(record).collect();
    for _ in 0..2 {
        let log = Log::new(text.clone().into_bytes());
        let running = world.start_parts("", world.parts_reading(log.feed()).await).await;
        eventually("the log is read", || log.is_read()).await;
        assert!(running.shutdown().await);
        assert_eq!(world.store.events().len(), 20);
    }
}
