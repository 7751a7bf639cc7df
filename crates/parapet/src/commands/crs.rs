//! `parapet crs …`

use super::{Failure, Outcome, configuration};
use crate::cli::CrsCommand;
use crate::crs::install::{self, Installed, Request};
use anyhow::anyhow;
use serde::Serialize;
use serde_json::json;
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
        CrsCommand::Test { rules, tests, json, only } => test(&rules, &tests, json, only.as_deref()),
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

fn test(rules: &Path, tests: &Path, as_json: bool, only: Option<&str>) -> Outcome {
    let options = parapet_conformance::crs::Options { only: only.map(str::to_owned) };
    let report = parapet_conformance::crs::run(rules, tests, &options).map_err(anyhow::Error::from)?;
    if as_json {
        print_json(&report)?;
    } else {
        print!("{report}");
    }
    if report.is_success() { Ok(()) } else { Err(Failure::Check) }
}

fn evaluate(rules: &Path, legitimate: &Path, attacks: &Path, as_json: bool) -> Outcome {
    let evaluation = parapet_conformance::evaluate::run(rules, legitimate, attacks).map_err(anyhow::Error::from)?;
    if as_json {
        return print_json(&evaluation);
    }
    print!("{evaluation}");
    Ok(())
}
