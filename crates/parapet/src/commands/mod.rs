//! One file per command.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line talks to a person")]

mod crs;
mod explain;
mod import;
mod ledger;
mod log;
mod plugins;
mod progress;
mod route;
mod user;

use crate::cli::{Cli, Command, EXIT_CONFIG, EXIT_FAILURE, Settings};
use crate::config::{self, Config};
use crate::{logging, run};
use anyhow::Result;
use clap::CommandFactory;
use parapet_ports::node::Role;
use std::process::ExitCode;

/// How a command ended, other than well.
pub enum Failure {
    /// The configuration is wrong; everything was said already.
    Config,
    /// A check found failures; everything was said already.
    Check,
    /// Something went wrong.
    Error(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Error(error)
    }
}

/// Outcome of a command.
pub type Outcome = Result<(), Failure>;

/// Runs the command and turns its outcome into an exit code.
pub fn dispatch(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Run { settings, roles, demo } => start(&settings, roles, demo),
        Command::Check { settings } => check(&settings),
        Command::Crs { command } => crs::run(command),
        Command::Explain(options) => explain::run(&options),
        Command::Import { files, format, json } => import::run(&files, format.into(), json),
        Command::Ledger { settings, url, json } => ledger::run(&settings, url, json),
        Command::Route(options) => route::run(&options),
        Command::User { command } => user::run(command),
        Command::Plugins { json } => plugins::list(json),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "parapet", &mut std::io::stdout());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config) => ExitCode::from(EXIT_CONFIG),
        Err(Failure::Check) => ExitCode::from(EXIT_FAILURE),
        Err(Failure::Error(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

/// The configuration that the settings name.
pub fn configuration(settings: &Settings) -> Result<Config, Failure> {
    let mut config = config::read(settings.config.as_deref()).map_err(|errors| {
        run::report(&errors);
        Failure::Config
    })?;
    if let Some(directory) = &settings.data_dir {
        config.data_dir = Some(directory.clone());
    }
    let data_dir = config.data_dir();
    config.identity.path = data_dir.join(&config.identity.path);
    config.data_dir = Some(data_dir);
    Ok(config)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn start(settings: &Settings, roles: Option<Vec<Role>>, demo: bool) -> Outcome {
    let mut config = configuration(settings)?;
    if let Some(roles) = roles {
        config.roles = roles.into_iter().collect();
    }
    logging::start(&config.log).map_err(|error| {
        run::report(&[error]);
        Failure::Config
    })?;
    let runtime = runtime()?;
    let sample = match demo {
        true => Some(runtime.block_on(run::add_sample_site(&mut config))?),
        false => None,
    };
    let plan = run::plan::check(config).map_err(|errors| {
        run::report(&errors);
        Failure::Config
    })?;
    runtime.block_on(run::run(plan, sample))?;
    Ok(())
}

fn check(settings: &Settings) -> Outcome {
    let config = configuration(settings)?;
    match run::plan::check(config) {
        Ok(plan) => {
            for warning in plan.policy.iter().flat_map(|policy| policy.warnings()) {
                eprintln!("warning: {warning}");
            }
            let rules = plan.policy.map_or_else(
                || "no gateway".to_owned(),
                |policy| format!("{} rules, policy {}", policy.rule_count(), policy.hash()),
            );
            println!(
                "configuration and rules are right: {rules}, {} sites, {} sources, {} channels",
                plan.config.gateway.sites.len(),
                plan.sources.len(),
                plan.channels.len()
            );
            Ok(())
        }
        Err(errors) => {
            run::report(&errors);
            Err(Failure::Config)
        }
    }
}
