//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Exit code for a configuration or an argument that cannot be used.
pub const EXIT_CONFIG: u8 = 2;
/// Exit code for everything else that went wrong, failed checks included.
pub const EXIT_FAILURE: u8 = 1;

/// Web application firewall with a pipeline and a console for the security team.
///
/// `parapet run --demo` starts everything on this machine in front of a sample site.
/// Exit codes: 0 done, 1 failed (or a check found failures), 2 wrong configuration or arguments.
#[derive(Debug, Parser)]
#[command(name = "parapet", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where settings come from.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Configuration file [default: /etc/parapet/parapet.toml if it is there, else built-in defaults].
    ///
    /// Every entry can be overridden by an environment variable: PARAPET__GATEWAY__WORKERS=2 sets
    /// `workers` of `[gateway]`.
    #[arg(long, short, value_name = "FILE", env = "PARAPET_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory for everything Parapet writes; overrides `data_dir` of the configuration.
    #[arg(long, value_name = "DIR", env = "PARAPET_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the gateway, the pipeline and the console.
    Run {
        /// Settings.
        #[command(flatten)]
        settings: Settings,
        /// Put a built-in sample site behind the gateway, so that there is something to protect.
        #[arg(long)]
        demo: bool,
    },
    /// Check configuration and rules without starting anything; prints every error at once.
    Check {
        /// Settings.
        #[command(flatten)]
        settings: Settings,
    },
    /// Obtain, list and test the OWASP Core Rule Set.
    Crs {
        /// What to do.
        #[command(subcommand)]
        command: CrsCommand,
    },
    /// Manage accounts.
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// List what can be plugged in: streams, stores, channels.
    Plugins {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Commands of `parapet crs`.
#[derive(Debug, Subcommand)]
pub enum CrsCommand {
    /// Install a rule set: from its official release, else from a package; checked file by file.
    Install {
        /// Settings.
        #[command(flatten)]
        settings: Settings,
        /// Version to install [default: the newest that can be had].
        #[arg(long, value_name = "V")]
        version: Option<String>,
        /// A release archive (.tar.gz) or an unpacked release, instead of the network.
        #[arg(long, value_name = "ARCHIVE|DIR")]
        from: Option<PathBuf>,
        /// Install it even if its files are not in Parapet's manifest.
        #[arg(long)]
        allow_unverified: bool,
    },
    /// List the installed rule sets.
    List {
        /// Settings.
        #[command(flatten)]
        settings: Settings,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the directory of the newest installed rule set.
    Path {
        /// Settings.
        #[command(flatten)]
        settings: Settings,
    },
    /// Run the rule set's own regression tests: against the engine in process, or over the wire.
    Test {
        /// Root of the rule set: crs-setup.conf.example and rules/.
        #[arg(long, value_name = "DIR")]
        rules: PathBuf,
        /// Directory of the tests (YAML, searched in depth).
        #[arg(long, value_name = "DIR")]
        tests: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Only tests of this rule (942100) or this one test (942100-3).
        #[arg(long, value_name = "ID")]
        only: Option<String>,
        /// Send the raw bytes of every request to a gateway on a free loopback port, in front of the
        /// suite's backend, and read the rules from the logs that it writes.
        #[arg(long)]
        wire: bool,
    },
    /// Check that the rule set as it is, at paranoia level 1, blocks attacks and nothing else.
    Gate {
        /// Root of the rule set: crs-setup.conf.example and rules/.
        #[arg(long, value_name = "DIR")]
        rules: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Through a gateway on a free loopback port, as for `crs test`.
        #[arg(long)]
        wire: bool,
    },
    /// Measure true and false positives on labelled queries, per paranoia level and threshold.
    Evaluate {
        /// Root of the rule set: crs-setup.conf.example and rules/.
        #[arg(long, value_name = "DIR")]
        rules: PathBuf,
        /// Queries that must pass: one JSON object a line.
        #[arg(long, value_name = "FILE")]
        legitimate: PathBuf,
        /// Queries that must be blocked: one JSON object a line.
        #[arg(long, value_name = "FILE")]
        attacks: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Commands of `parapet user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Give a user a new random password, which is printed once; ends the user's sessions.
    ResetPassword {
        /// Settings.
        #[command(flatten)]
        settings: Settings,
        /// User name.
        username: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
