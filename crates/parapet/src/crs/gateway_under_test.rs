//! A real gateway on a free loopback port, for the suites that run over the wire.

use parapet_conformance::live::{RunningGateway, Site};
use parapet_event::SecurityEvent;
use parapet_gateway::{Config, Gateway, PolicySet, SiteConfig};
use parapet_ports::EventSink;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// The gateway, until it is dropped.
struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// The suites look at the logs; where events go is another matter.
struct NoPipeline;

impl EventSink for NoPipeline {
    fn submit(&self, _event: SecurityEvent) {}

    fn accepting(&self) -> bool {
        true
    }
}

/// Starts a gateway with everything at its default but what the suite asks for.
///
/// # Errors
/// What is wrong with the machine or the site.
pub fn start(site: Site) -> Result<Box<dyn RunningGateway>, String> {
    let config = Config {
        listen: vec!["127.0.0.1:0".to_owned()],
        sites: vec![SiteConfig::new("suite", vec![format!("http://{}", site.upstream)])],
        audit_log: Some(site.audit_log),
        error_log: Some(site.error_log),
        ..Config::default()
    };
    let policies = Arc::new(PolicySet::new(site.policy));
    let gateway = Gateway::new(config, policies, Arc::new(NoPipeline))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let address = *gateway.addresses().first().ok_or("it listens nowhere")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let (stop, stopping) = watch::channel(false);
    let serve = move || {
        if let Err(error) = runtime.block_on(gateway.run(stopping)) {
            tracing::error!(%error, "the gateway under test ended badly");
        }
    };
    let thread = std::thread::Builder::new().name("gateway".to_owned()).spawn(serve).map_err(|e| e.to_string())?;
    Ok(Box::new(Running { address, stop, thread: Some(thread) }))
}

impl RunningGateway for Running {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by the panic hook.
            let _ = thread.join();
        }
    }
}
