//! The regression suite, the blocking gate and the rates without building the whole product:
//! `cargo run -p parapet-conformance --example crs -- test RULES TESTS [ONLY]`, `gate RULES`,
//! `evaluate RULES LEGITIMATE ATTACKS`.

#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::path::Path;
use std::process::ExitCode;

use parapet_conformance::{crs, evaluate, gate};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["test", rules, tests, only @ ..] => {
            let options = crs::Options { only: only.first().map(|only| (*only).to_owned()) };
            crs::run(Path::new(rules), Path::new(tests), &options, &|_, _| {})
                .map(|report| (report.to_string(), report.is_success()))
                .map_err(|error| error.to_string())
        }
        ["gate", rules] => gate::run(Path::new(rules))
            .map(|report| (report.to_string(), report.is_success()))
            .map_err(|error| error.to_string()),
        ["evaluate", rules, legitimate, attacks] => {
            evaluate::run(Path::new(rules), Path::new(legitimate), Path::new(attacks), &|_, _| {})
                .map(|evaluation| (evaluation.to_string(), true))
                .map_err(|error| error.to_string())
        }
        _ => Err("usage: crs test RULES TESTS [ONLY] | gate RULES | evaluate RULES LEGITIMATE ATTACKS".to_owned()),
    };
    match result {
        Ok((text, success)) => {
            println!("{text}");
            if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}
