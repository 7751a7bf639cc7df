//! `parapet crs …`

use super::progress::ProgressLine;
use super::{Failure, Outcome, configuration};
use crate::cli::CrsCommand;
use crate::crs::gateway_under_test;
use crate::crs::install::{self, Installed, Request};
use anyhow::anyhow;
use parapet_conformance::{crs as suite, evaluate, gate};
use serde::Serialize;
use serde_json::json;
use std::fmt::Display;
use std::path::Path;

/// Runs one of the commands.
pub fn run(command: CrsCommand) -> Outcome {
    match command {
        CrsCommand::Install { settings, version, from, allow_unverified } => {
            let directory = configuration(&settings)?.rule_sets();
            install_unless_there(&directory, &Request { version, from, allow_unverified })
        }
        CrsCommand::List { settings, json } => list(&configuration(&settings)?.rule_sets(), json),
        CrsCommand::Path { settings } => path(&configuration(&settings)?.rule_sets()),
        CrsCommand::Test { rules, tests, json, only, wire } => {
            test(&rules, &tests, &suite::Options { only }, json, wire)
        }
        CrsCommand::Gate { rules, json, wire } => gate(&rules, json, wire),
        CrsCommand::Evaluate { rules, legitimate, attacks, json } => evaluate(&rules, &legitimate, &attacks, json),
    }
}

fn install_unless_there(directory: &Path, request: &Request) -> Outcome {
    let nothing_named = request.version.is_none() && request.from.is_none();
    if let Some((version, root)) = install::list(directory).into_iter().next().filter(|_| nothing_named) {
        println!("Core Rule Set {version} is installed in {}", root.display());
        return Ok(());
    }
    let progress = |line: &str| eprintln!("{line}");
    let Installed { version, root, verified, already } =
        super::runtime()?.block_on(install::install(directory, request, progress))?;
    let how = match (already, verified) {
        (true, _) => "was there already",
        (false, true) => "installed, every file checked",
        (false, false) => "installed UNVERIFIED",
    };
    println!("Core Rule Set {version}: {how}, in {}", root.display());
    Ok(())
}

fn list(directory: &Path, as_json: bool) -> Outcome {
    let installed = install::list(directory);
    if as_json {
        let list: Vec<_> = installed.iter().map(|(version, root)| json!({"version": version, "root": root})).collect();
        return print_json(&list);
    }
    for (version, root) in installed {
        println!("{version:<10} {}", root.display());
    }
    Ok(())
}

fn path(directory: &Path) -> Outcome {
    let newest = install::list(directory).into_iter().next();
    let (_, root) = newest.ok_or_else(|| {
        Failure::Error(anyhow!("no Core Rule Set in {}; run `parapet crs install`", directory.display()))
    })?;
    println!("{}", root.display());
    Ok(())
}

fn print_json(value: &impl Serialize) -> Outcome {
    println!("{}", serde_json::to_string_pretty(value).map_err(|error| Failure::Error(error.into()))?);
    Ok(())
}

fn print(value: &(impl Serialize + Display), as_json: bool) -> Outcome {
    if as_json {
        return print_json(value);
    }
    println!("{}", value.to_string().trim_end());
    Ok(())
}

fn test(rules: &Path, tests: &Path, options: &suite::Options, as_json: bool, wire: bool) -> Outcome {
    let line = ProgressLine::new("tests");
    let progress = |done, all| line.show(done, all);
    let report = match wire {
        true => suite::run_over_wire(rules, tests, options, &gateway_under_test::start, &progress),
        false => suite::run(rules, tests, options, &progress),
    };
    line.clear();
    let report = report.map_err(anyhow::Error::from)?;
    print(&report, as_json)?;
    if report.is_success() { Ok(()) } else { Err(Failure::Check) }
}

fn gate(rules: &Path, as_json: bool, wire: bool) -> Outcome {
    let report = match wire {
        true => gate::run_over_wire(rules, &gateway_under_test::start),
        false => gate::run(rules),
    };
    let report = report.map_err(anyhow::Error::from)?;
    print(&report, as_json)?;
    if report.is_success() { Ok(()) } else { Err(Failure::Check) }
}

fn evaluate(rules: &Path, legitimate: &Path, attacks: &Path, as_json: bool) -> Outcome {
    let line = ProgressLine::new("requests");
    let evaluation = evaluate::run(rules, legitimate, attacks, &|done, all| line.show(done, all));
    line.clear();
    print(&evaluation.map_err(anyhow::Error::from)?, as_json)
}
