//! Runs the gateway alone, without the platform behind it: `serve CONFIG.toml [RULES…]`. Events are
//! forgotten. For measuring the proxy by itself.

use parapet_engine::Policy;
use parapet_event::SecurityEvent;
use parapet_gateway::{Config, ConfigError, Gateway, PolicySet};
use parapet_ports::EventSink;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::watch;

struct Forget;

impl EventSink for Forget {
    fn submit(&self, _event: SecurityEvent) {}

    fn accepting(&self) -> bool {
        true
    }
}

fn start() -> Result<Gateway, Vec<ConfigError>> {
    let wrong = |field: &str, message: String| vec![ConfigError { field: field.to_owned(), message }];
    let path = std::env::args().nth(1).ok_or_else(|| wrong("serve", "name a configuration file".to_owned()))?;
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(&path, error.to_string()))?;
    let config: Config = toml::from_str(&text).map_err(|error| wrong(&path, error.to_string()))?;
    let rules: Vec<PathBuf> = std::env::args_os().skip(2).map(PathBuf::from).collect();
    let policy = Policy::load(&rules).map_err(|error| wrong("rules", error.to_string()))?;
    Gateway::new(config, Arc::new(PolicySet::new(Arc::new(policy))), Arc::new(Forget))
}

fn main() -> ExitCode {
    let gateway = match start() {
        Ok(gateway) => gateway,
        Err(errors) => {
            for error in errors {
                tracing::error!("{error}");
                #[allow(clippy::print_stderr, reason = "an example has no subscriber")]
                {
                    eprintln!("{error}");
                }
            }
            return ExitCode::FAILURE;
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        let (stop, watch) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                let _ = stop.send(true);
            }
        });
        match gateway.run(watch).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    })
}
