//! One request and its response: the story, one verb after the other.
//!
//! read head → inspect it → frame the body → read the body → inspect it → forward → relay the response
//! → record, before its end is let go. Each verb is a file of its own that adds its part to [`Exchange`].

use crate::body::BodyReader;
use crate::budget::Reservation;
use crate::client::{Arrival, ClientConnection, HeadPatience};
use crate::client_address::{self, Client};
use crate::config::Mode;
use crate::fault::Fault;
use crate::framing::{self, Framing};
use crate::head::{Head, Version};
use crate::inspection::{Inspection, Refusal, Verdict};
use crate::refusal;
use crate::sites::Site;
use crate::target;
use crate::worker::Worker;
use crate::{inspection::RefusalKind, page::Page};
use parapet_engine::{Context, EngineMode, Policy, Secrets};
use parapet_event::Action;
use pingora_core::protocols::Stream;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};
use ulid::Ulid;

/// Bodies up to this many bytes are inspected without changing the thread.
const INLINE_MAX: usize = 256 * 1024;

/// Why an exchange ends before the response of the upstream was passed on.
#[derive(Debug)]
pub(crate) enum End {
    /// A rule refuses.
    Refused(Refusal),
    /// The gateway refuses.
    Fault(Fault),
    /// The upstream failed; 502 or 504, and why.
    Upstream(u16, String),
    /// Nobody is there to be answered.
    Gone(&'static str),
}

/// Whether the connection may serve another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It may.
    KeepAlive,
    /// It ends.
    Close,
}

/// The body of a request, as far as it was read.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// How it is delimited.
    pub(crate) framing: Framing,
    /// Reads the rest.
    pub(crate) reader: BodyReader,
    /// What is held.
    pub(crate) buffered: Vec<u8>,
    /// Memory it takes.
    pub(crate) reservation: Reservation,
}

/// One request and everything known about it.
pub(crate) struct Exchange<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) client: &'a mut ClientConnection,
    pub(crate) head: &'a Head,
    pub(crate) site: Arc<Site>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) inspection: Option<Inspection>,
    pub(crate) id: Ulid,
    pub(crate) arrived: SystemTime,
    pub(crate) started: Instant,
    /// The client as seen through trusted proxies.
    pub(crate) origin: Client,
    pub(crate) body: RequestBody,
    /// Status sent; 0 if the connection was dropped.
    pub(crate) status: u16,
    /// Head of the response, kept while an inspection may want to log it.
    pub(crate) response_head: Vec<u8>,
    /// Bytes of response body sent.
    pub(crate) sent: u64,
    /// What was done, if anything but passing the request on.
    pub(crate) action: Option<Action>,
    /// The rule that refused.
    pub(crate) blocked_by: Option<u32>,
    /// Why the gateway itself refused.
    pub(crate) fault: Option<Fault>,
    /// What rules have declared secret, once they all have run.
    pub(crate) secrets: Secrets,
    /// Why the upstream failed.
    pub(crate) upstream_error: Option<String>,
    /// Name of the upstream that answered.
    pub(crate) upstream: Option<usize>,
    /// Whether any byte of the response went out.
    pub(crate) answered: bool,
    /// Whether the event, if there is one, has been handed over.
    pub(crate) concluded: bool,
}

/// Serves one connection until it ends.
pub(crate) async fn serve(worker: &Worker, stream: Stream) {
    let Some(_counted) = worker.admit_connection() else {
        metrics::counter!("parapet_gateway_connections_refused_total").increment(1);
        return;
    };
    let timeouts = &worker.shared.config.timeouts;
    let limits = worker.shared.head_limits();
    let mut client = ClientConnection::new(stream, timeouts.write);
    let mut head = Head::default();
    let mut first = timeouts.head;
    loop {
        let patience = HeadPatience { first, rest: timeouts.head };
        if client.read_head(&mut head, &limits, patience).await == Arrival::Nothing {
            return;
        }
        let _counted = worker.begin_exchange();
        let Some(mut exchange) = Exchange::new(worker, &mut client, &head) else { return };
        let next = exchange.run().await;
        let dropped = exchange.status == 0;
        exchange.conclude().await;
        exchange.account();
        match next {
            Next::KeepAlive => {
                first = timeouts.keep_alive;
                client.trim();
            }
            Next::Close if dropped => return,
            Next::Close => return client.close().await,
        }
    }
}

impl<'a> Exchange<'a> {
    fn new(worker: &'a Worker, client: &'a mut ClientConnection, head: &'a Head) -> Option<Self> {
        let shared = &worker.shared;
        let host = match target::of(head) {
            Ok(target) => target.host,
            Err(_) => head.header(b"host").unwrap_or_default(),
        };
        let site = Arc::clone(shared.sites.find(host)?);
        let policy = shared.policies.of_site(&site.name);
        let origin = client_address::resolve(client.peer, head, &shared.config.trusted_proxies);
        let arrived = SystemTime::now();
        let milliseconds = since_epoch(arrived).as_millis();
        let id = Ulid::from_parts(u64::try_from(milliseconds).unwrap_or_default(), rand::random());
        Some(Exchange {
            worker,
            head,
            site,
            policy,
            inspection: None,
            id,
            arrived,
            started: Instant::now(),
            origin,
            body: RequestBody {
                framing: Framing::Empty,
                reader: BodyReader::new(Framing::Empty),
                buffered: Vec::new(),
                reservation: shared.budget.reserve(),
            },
            status: 0,
            response_head: Vec::new(),
            sent: 0,
            action: None,
            blocked_by: None,
            fault: None,
            secrets: Secrets::default(),
            upstream_error: None,
            upstream: None,
            answered: false,
            concluded: false,
            client,
        })
    }

    async fn run(&mut self) -> Next {
        match self.story().await {
            Ok(next) => next,
            Err(end) => self.answer(end).await,
        }
    }

    async fn story(&mut self) -> Result<Next, End> {
        let framed = self.frame_body();
        if self.worker.shared.is_closed_by_spool() {
            return Err(Fault::new(503, "events cannot be kept, and the fail policy is closed").into());
        }
        let verdict = self.inspect_head().await;
        // A fault wins over the verdict: the rules have seen the request, but it goes nowhere.
        if let Some(fault) = &self.head.fault {
            return Err(fault.clone().into());
        }
        if let Err(fault) = framed {
            if verdict.is_ok() {
                // Refused either way; what an attack is called often only phase 2 says.
                let _ = self.inspect_body().await;
            }
            return Err(fault.into());
        }
        verdict?;
        self.receive_body().await?;
        self.inspect_body().await?;
        let response = self.forward().await?;
        self.relay(response).await
    }

    /// Decides where the body ends and whether the request can be served at all.
    fn frame_body(&mut self) -> Result<(), Fault> {
        self.body.framing = framing::of_request(self.head)?;
        self.body.reader = BodyReader::new(self.body.framing);
        refusal::check(self.head)
    }

    /// Phase 1, also for a head that will be refused: the rules say what is wrong with it.
    async fn inspect_head(&mut self) -> Result<(), End> {
        let mode = match self.site.mode {
            Some(Mode::Off) => EngineMode::Off,
            Some(Mode::DetectionOnly) => EngineMode::DetectionOnly,
            Some(Mode::On) => EngineMode::On,
            None => self.policy.settings().engine,
        };
        if mode == EngineMode::Off {
            return Ok(());
        }
        let context = Context {
            unique_id: self.id.to_string(),
            now_micros: u64::try_from(since_epoch(self.arrived).as_micros()).unwrap_or_default(),
            client: self.origin.address,
            server: self.client.local,
            server_name: String::new(),
        };
        let fail = self.worker.shared.config.fail_policy;
        let mut inspection = Inspection::new(Arc::clone(&self.policy), context, mode, fail);
        inspection.keep_collections(self.worker.shared.collections.clone());
        inspection.request_head(self.head);
        self.inspection = Some(inspection);
        self.run_phase(0, Inspection::head_complete).await
    }

    /// Phase 2, whether or not there is a body.
    async fn inspect_body(&mut self) -> Result<(), End> {
        let held = self.body.buffered.len();
        self.run_phase(held, Inspection::request_complete).await
    }

    /// Runs a phase that reads `held` bytes of body: here, or on another thread, so that the other
    /// connections of this worker do not wait for a large body or for a block list.
    pub(crate) async fn run_phase(&mut self, held: usize, phase: fn(&mut Inspection) -> Verdict) -> Result<(), End> {
        let Some(mut inspection) = self.inspection.take() else { return Ok(()) };
        if held <= INLINE_MAX && !self.policy.asks_resolver() && !self.policy.runs_scripts() {
            let verdict = phase(&mut inspection);
            self.inspection = Some(inspection);
            return verdict.into_result();
        }
        let task = tokio::task::spawn_blocking(move || {
            let verdict = phase(&mut inspection);
            (inspection, verdict)
        });
        match task.await {
            Ok((inspection, verdict)) => {
                self.inspection = Some(inspection);
                verdict.into_result()
            }
            // The engine's own panics are caught before; this one is of the runtime, which is stopping.
            Err(_) => Err(Fault::new(503, "the gateway is stopping").into()),
        }
    }

    /// Whether the connection may go on after this response.
    pub(crate) fn next(&self) -> Next {
        let stopping = self.worker.shared.stopping.load(Ordering::Relaxed);
        if self.head.fault.is_none() && self.head.keep_alive() && self.body.reader.is_done() && !stopping {
            Next::KeepAlive
        } else {
            Next::Close
        }
    }

    /// Whether the client speaks HTTP/1.1.
    pub(crate) fn is_http11(&self) -> bool {
        self.head.version == Version::Http11
    }

    /// Answers with a page of our own, or not at all.
    async fn answer(&mut self, end: End) -> Next {
        let mut location = None;
        match end {
            End::Refused(Refusal { status, kind, rule_id }) => {
                self.blocked_by = Some(rule_id);
                self.action = Some(Action::Blocked);
                self.status = status;
                match kind {
                    RefusalKind::Drop => {
                        self.status = 0;
                        return Next::Close;
                    }
                    RefusalKind::Redirect(url) => location = Some(url),
                    RefusalKind::Page => {}
                }
            }
            End::Fault(fault) => {
                self.action = Some(Action::Rejected);
                self.status = fault.status;
                self.fault = Some(fault);
            }
            End::Upstream(status, message) => {
                tracing::warn!(site = %self.site.name, request = %self.id, error = %message, "upstream failed");
                self.status = status;
                self.upstream_error = Some(message);
            }
            End::Gone(reason) => {
                tracing::debug!(site = %self.site.name, request = %self.id, reason, "the exchange ended early");
                return Next::Close;
            }
        }
        if self.answered {
            // Part of the upstream's response is already out; only an abrupt end tells the client.
            return Next::Close;
        }
        // After a fault nobody knows where the next request begins.
        let framed = self.fault.as_ref().is_none_or(|fault| fault.status == 503);
        let next = if framed { self.next() } else { Next::Close };
        let page = Page {
            status: self.status,
            id: self.id,
            accept: self.head.header(b"accept").unwrap_or_default(),
            head_only: self.head.method() == b"HEAD",
            close: next == Next::Close,
            location: location.as_deref(),
        };
        self.client.out.clear();
        self.sent = page.write(&mut self.client.out);
        self.conclude().await;
        match self.client.flush().await {
            Ok(()) => next,
            Err(_) => Next::Close,
        }
    }

    /// Address of the client, with the port of its connection.
    pub(crate) fn client_address(&self) -> SocketAddr {
        self.origin.address
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        End::Fault(fault)
    }
}

impl Verdict {
    /// Goes on, or says why not.
    pub(crate) fn into_result(self) -> Result<(), End> {
        match self {
            Verdict::Pass => Ok(()),
            Verdict::Refuse(refusal) => Err(End::Refused(refusal)),
            Verdict::Failed(fault) => Err(End::Fault(fault)),
        }
    }
}
