//! `parapet ledger`: the account of every event, of running processes.

use super::{Failure, Outcome, configuration};
use crate::cli::Settings;
use crate::config::Config;
use crate::explain::shown::{Style, Tone, printable};
use crate::run::plan::in_section;
use crate::run::{local_socket, report};
use anyhow::anyhow;
use parapet_backends::peers;
use parapet_ports::ledger::{HopCount, WorkerCount};
use parapet_ports::node::NodeStatus;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How often it is asked before an account that does not add up is believed: a count may be on its way
/// while the next hop has the event already.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
/// Gaps of a worker that are shown.
const GAPS_SHOWN: usize = 8;

/// What the processes say of themselves.
struct Answers(Vec<(String, Result<NodeStatus, String>)>);

/// Asks and prints.
pub fn run(settings: &Settings, urls: Vec<String>, as_json: bool) -> Outcome {
    let mut config = configuration(settings)?;
    let socket = Some(local_socket(&config.data_dir())).filter(|socket| urls.is_empty() && socket.exists());
    if !urls.is_empty() {
        config.peers.urls = urls;
    }
    check(&config, socket.is_some())?;
    let answers = super::runtime()?.block_on(ask(&config, socket))?;
    if as_json {
        let text = serde_json::to_string_pretty(&answers.as_json()).map_err(anyhow::Error::from)?;
        println!("{text}");
    } else {
        answers.print(Style::of_stdout());
    }
    if answers.wrong().is_empty() { Ok(()) } else { Err(Failure::Check) }
}

fn check(config: &Config, has_socket: bool) -> Outcome {
    if config.peers.urls.is_empty() && !has_socket {
        let directory = config.data_dir();
        return Err(Failure::Error(anyhow!(
            "no process of this user runs with the data directory {}, and there are no peers.urls; name a process \
             with --url, or its data directory with --data-dir",
            directory.display()
        )));
    }
    config.peers.validate().map_err(|errors| {
        report(&errors.iter().map(|error| in_section("peers", error)).collect::<Vec<_>>());
        Failure::Config
    })
}

async fn ask(config: &Config, socket: Option<PathBuf>) -> anyhow::Result<Answers> {
    let mut attempt = 1;
    loop {
        let answers = peers::ask_status(&config.peers, socket.as_deref()).await?;
        let answers = answers.into_iter().map(|(name, status)| (name, status.map_err(|error| error.to_string())));
        let answers = Answers(answers.collect());
        if attempt == ATTEMPTS || answers.all_add_up() {
            return Ok(answers);
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

impl Answers {
    fn statuses(&self) -> impl Iterator<Item = &NodeStatus> {
        self.0.iter().filter_map(|(_, status)| status.as_ref().ok())
    }

    fn all_add_up(&self) -> bool {
        self.statuses().flat_map(|status| status.ledger.values()).all(HopCount::adds_up)
    }

    /// Everything that is not as it must be, one line each.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, status) in &self.0 {
            match status {
                Err(error) => wrong.push(format!("{name} does not answer: {error}")),
                Ok(status) => {
                    wrong.extend(unbalanced(status));
                    wrong.extend(
                        status.workers.iter().filter(|worker| worker.lost > 0).map(|worker| lost(status, worker)),
                    );
                }
            }
        }
        wrong
    }

    /// The accounts of all processes together.
    fn total(&self) -> BTreeMap<String, HopCount> {
        let mut total: BTreeMap<String, HopCount> = BTreeMap::new();
        for (hop, count) in self.statuses().flat_map(|status| &status.ledger) {
            total.entry(hop.clone()).or_default().add(count);
        }
        total
    }

    fn as_json(&self) -> Value {
        let process = |(name, status): &(String, Result<NodeStatus, String>)| match status {
            Err(error) => json!({"asked": name, "error": error}),
            Ok(status) => json!({
                "asked": name,
                "name": status.name,
                "roles": status.roles,
                "hops": hops(&status.ledger),
                "workers": status.workers,
                "problems": status.problems,
            }),
        };
        json!({
            "processes": self.0.iter().map(process).collect::<Vec<_>>(),
            "total": hops(&self.total()),
            "wrong": self.wrong(),
        })
    }

    fn print(&self, style: Style) {
        for (name, status) in &self.0 {
            match status {
                Err(error) => println!("{}\n  does not answer: {error}\n", style.paint(Tone::Strong, name)),
                Ok(status) => print_process(name, status, style),
            }
        }
        if self.0.len() > 1 {
            println!("{}", style.paint(Tone::Strong, "All processes together"));
            print_hops(&self.total(), style);
            println!();
        }
        let wrong = self.wrong();
        if wrong.is_empty() {
            let text = "produced = delivered + dropped + in flight at every hop, and no number is lost";
            println!("{}", style.paint(Tone::Good, text));
        }
        for line in wrong {
            println!("{} {line}", style.paint(Tone::Bad, "WRONG:"));
        }
    }
}

fn unbalanced(status: &NodeStatus) -> impl Iterator<Item = String> {
    let hops = status.ledger.iter().filter(|(_, count)| !count.adds_up());
    hops.map(|(hop, count)| {
        let dropped: u64 = count.dropped.values().sum();
        format!(
            "{}: {hop}: {} delivered and {dropped} dropped are more than {} produced",
            status.name, count.delivered, count.produced
        )
    })
}

fn lost(status: &NodeStatus, worker: &WorkerCount) -> String {
    format!(
        "{}: {}: {} events of worker {} of instance {} are lost: {}",
        status.name,
        worker.hop,
        worker.lost,
        worker.worker,
        worker.instance,
        ranges(&worker.gaps)
    )
}

fn ranges(gaps: &[(u64, u64)]) -> String {
    let shown = gaps.iter().rev().take(GAPS_SHOWN);
    let mut texts: Vec<_> =
        shown.map(|(from, to)| if from == to { from.to_string() } else { format!("{from}–{to}") }).collect();
    if gaps.len() > GAPS_SHOWN {
        texts.push("…".to_owned());
    }
    texts.join(", ")
}

fn hops(ledger: &BTreeMap<String, HopCount>) -> Value {
    let hop = |(name, count): (&String, &HopCount)| {
        let value = json!({
            "produced": count.produced,
            "delivered": count.delivered,
            "dropped": count.dropped,
            "in_flight": count.in_flight(),
            "adds_up": count.adds_up(),
        });
        (name.clone(), value)
    };
    Value::Object(ledger.iter().map(hop).collect())
}

fn print_process(asked: &str, status: &NodeStatus, style: Style) {
    let roles: Vec<_> = status.roles.iter().map(|role| role.as_str()).collect();
    println!("{} ({}) at {asked}", style.paint(Tone::Strong, &printable(status.name.as_bytes())), roles.join(", "));
    for problem in &status.problems {
        println!("  {}", style.paint(Tone::Warning, &printable(problem.as_bytes())));
    }
    print_hops(&status.ledger, style);
    for worker in &status.workers {
        let WorkerCount { hop, instance, worker, first, highest, seen, left_out, elsewhere, in_flight, lost, .. } =
            worker;
        let beside = if *elsewhere > 0 { format!(", {elsewhere} read elsewhere") } else { String::new() };
        println!(
            "  {hop}: worker {worker} of {instance}, {first}–{highest}: {seen} seen, {left_out} left out{beside}, \
             {in_flight} in flight, {lost} lost"
        );
    }
    println!();
}

fn print_hops(ledger: &BTreeMap<String, HopCount>, style: Style) {
    let heading = format!("  {:<26}{:>12}{:>12}{:>12}{:>12}", "hop", "produced", "delivered", "dropped", "in flight");
    println!("{}", style.paint(Tone::Faint, &heading));
    for (hop, count) in ledger {
        let dropped: u64 = count.dropped.values().sum();
        let reasons: Vec<_> = count.dropped.iter().map(|(reason, events)| format!("{reason} {events}")).collect();
        let mark = if count.adds_up() { String::new() } else { style.paint(Tone::Bad, "  does not add up") };
        let row = format!(
            "  {:<26}{:>12}{:>12}{dropped:>12}{:>12}  {}",
            printable(hop.as_bytes()),
            count.produced,
            count.delivered,
            count.in_flight(),
            reasons.join(", ")
        );
        println!("{}{mark}", row.trim_end());
    }
}
