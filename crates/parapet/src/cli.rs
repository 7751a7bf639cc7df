//! The command line.

use crate::requests::Format;
use clap::{Args, Parser, Subcommand};
use parapet_pipeline::sources;
use parapet_ports::node::Role;
use std::net::IpAddr;
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
    /// Start the gateway, the sources, the pipeline and the console; or, with --roles, some of them.
    ///
    /// SIGTERM and Ctrl-C finish requests and events under way first. SIGHUP reads the rules again, beside
    /// the traffic; wrong ones change nothing but the log.
    Run {
        /// Settings.
        #[command(flatten)]
        settings: Settings,
        /// Parts of the work that this process has, separated by commas: gateway, router, realtime,
        /// analytics, console [default: `roles` of the configuration, else all].
        ///
        /// Roles in different processes meet at the streams, which then have to be on a server; a
        /// console without analytics and realtime asks the processes of `peers.urls`.
        #[arg(long, value_name = "ROLE,…", value_delimiter = ',')]
        roles: Option<Vec<Role>>,
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
    /// Read logs of other WAFs, compressed or not, and say what is in them: how many records are events,
    /// which are damaged and why. Nothing is stored; to store them, post the files to an `http` source.
    Import {
        /// Audit logs of ModSecurity 2 and 3, Coraza and Parapet, error logs of nginx and Apache.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Form of the logs.
        #[arg(long, value_enum, default_value_t = LogFormat::Auto)]
        format: LogFormat,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Obtain, list and test the OWASP Core Rule Set.
    Crs {
        /// What to do.
        #[command(subcommand)]
        command: CrsCommand,
    },
    /// Explain what the rules make of a request: verdict, score, every rule that mattered and why.
    ///
    /// Each request is taken by itself: what rules remember of earlier ones (`initcol`) is empty. The
    /// rules' own mode applies, not one that a site sets for itself.
    ///
    /// Exit codes: 0 explained, 1 blocked (only with --exit-code) or failed, 2 wrong file, configuration
    /// or arguments.
    Explain(ExplainOptions),
    /// Say which track events take, and with --explain why: the configured classification, script
    /// included, run on events of a file. Nothing is started or stored.
    ///
    /// Exit codes: 0 all records were read, 1 some were not, 2 wrong configuration or arguments.
    Route(RouteOptions),
    /// Show where every event is: of each running process, hop by hop, what came in, what went on, what was
    /// dropped and why, and which of the producers' numbers are missing.
    ///
    /// Asks the process that runs with this data directory (as the same user), and those of `peers.urls`.
    /// Exit codes: 0 every account adds up and nothing is lost, 1 it does not, something is lost, or a
    /// process does not answer, 2 wrong configuration or arguments.
    Ledger {
        /// Settings; `[peers]` has the token.
        #[command(flatten)]
        settings: Settings,
        /// Ask the process that listens here, and no other; may be given several times.
        #[arg(long, value_name = "URL")]
        url: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Manage accounts.
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// List what can be plugged in: sources, streams, stores, channels.
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

/// Options of `parapet explain`.
#[derive(Debug, Args)]
pub struct ExplainOptions {
    /// The request: raw HTTP/1, a HAR file, or curl command lines; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    pub request: PathBuf,
    /// How FILE is written [default: by its content].
    #[arg(long, value_name = "FORMAT")]
    pub r#as: Option<Format>,
    /// Only this request of a file that has several, from 1 [default: all of them].
    #[arg(long, value_name = "N")]
    pub entry: Option<usize>,
    /// Raw HTTP/1 response, for phases 3 and 4; instead of the one that a HAR file has.
    #[arg(long, value_name = "FILE")]
    pub response: Option<PathBuf>,
    /// Address that the request is taken to come from.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub client: IpAddr,
    /// Settings; the rules are those that `parapet run` would put in force.
    #[command(flatten)]
    pub settings: Settings,
    /// Other rules: the root of a rule set (crs-setup.conf.example and rules/), or one rule file.
    #[arg(long, value_name = "DIR|FILE")]
    pub rules: Option<PathBuf>,
    /// Paranoia level, instead of the configured one.
    #[arg(long, value_name = "1-4", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub paranoia: Option<u8>,
    /// Only this rule, with every value it tested: why did it match, or why not?
    #[arg(long, value_name = "ID")]
    pub only: Option<u32>,
    /// Only rules of this phase.
    #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub phase: Option<u8>,
    /// Also rules that did not match, did not run or only set things up; also values that did not match.
    #[arg(long)]
    pub all: bool,
    /// Print JSON: an array with one object for each request.
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 if a request would be blocked.
    #[arg(long)]
    pub exit_code: bool,
}

/// Options of `parapet route`.
#[derive(Debug, Args)]
pub struct RouteOptions {
    /// Logs of other WAFs, compressed or not, or events of Parapet's, one JSON object a line; `-` is
    /// standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Form of the files.
    #[arg(long, value_enum, default_value_t = LogFormat::Auto)]
    pub format: LogFormat,
    /// Show every rule of the classification, what it looked at, and which one decided.
    #[arg(long)]
    pub explain: bool,
    /// Site that the events of a log are taken to belong to.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub site: String,
    /// Settings; the classification is that of `[pipeline.classification]`.
    #[command(flatten)]
    pub settings: Settings,
    /// Print JSON: one object a line, for events and for records that cannot be read.
    #[arg(long)]
    pub json: bool,
}

/// Forms of logs, as in `format` of a source.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum LogFormat {
    /// Told by the first line.
    Auto,
    /// A JSON record per line.
    Json,
    /// Native audit log.
    Native,
    /// Error log.
    ErrorLog,
}

impl From<LogFormat> for sources::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Auto => sources::Format::Auto,
            LogFormat::Json => sources::Format::Json,
            LogFormat::Native => sources::Format::Native,
            LogFormat::ErrorLog => sources::Format::ErrorLog,
        }
    }
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
