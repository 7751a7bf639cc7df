//! The Parapet binary: configuration, wiring, command line.

#![allow(unreachable_pub, reason = "a binary has no public interface")]

mod cli;
mod commands;
mod config;
mod crs;
mod explain;
mod logging;
mod requests;
mod rules;
mod run;
#[cfg(test)]
mod test_data;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::dispatch(cli::Cli::parse())
}
