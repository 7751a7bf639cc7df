//! Time and memory of the engine with the Core Rule Set: blocking, all five phases, body inspection in
//! both directions, in process.
//!
//! `bench/engine` runs it. Either it measures everything (the CRS root, the directory of requests,
//! the seconds to spend on each figure), or it only runs one request a number of times, for a tool
//! that counts instructions (`run`, the CRS root, the paranoia level, the request, the number; `vary` for
//! requests of its kind no two of which are alike).

#![allow(clippy::print_stdout, reason = "a command line tool")]

mod transaction;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parapet_conformance::{Mode, rule_set};
use parapet_engine::Policy;
use transaction::{REQUESTS, Request, transact};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    // cargo bench adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", rules, paranoia, request, count] => run(rules, paranoia.parse()?, request, count.parse()?, false),
        ["vary", rules, paranoia, request, count] => run(rules, paranoia.parse()?, request, count.parse()?, true),
        [rules, requests, seconds] => {
            measure_all(Path::new(rules), Path::new(requests), Duration::from_secs_f64(seconds.parse()?))
        }
        // cargo test runs benches too, without arguments.
        _ => {
            println!("usage: engine RULES REQUESTS SECONDS | run|vary RULES PARANOIA REQUEST COUNT; see bench/engine");
            Ok(())
        }
    }
}

/// Runs one request again and again, or as many of its kind.
fn run(rules: &str, paranoia: u8, request: &str, count: u64, varies: bool) -> Outcome<()> {
    let rule_set = rule_set(Path::new(rules), Mode::Blocking(paranoia))?;
    let request = Request::read(Path::new(request))?;
    let requests: Vec<Request> = match varies {
        true => (0..count).map(|number| request.varied(number)).collect(),
        false => vec![request],
    };
    for request in requests.iter().cycle().take(count as usize) {
        transact(&rule_set.policy, request);
    }
    Ok(())
}

/// Figures by name, printed as they are found.
#[derive(Default)]
struct Figures {
    found: Vec<(String, f64)>,
}

impl Figures {
    fn add(&mut self, name: impl Into<String>, value: f64) {
        self.found.push((name.into(), value));
    }

    /// Measures a request and keeps its median in microseconds.
    fn time(
        &mut self,
        name: &str,
        policy: &Arc<Policy>,
        budget: Duration,
        request: impl FnMut() -> Arc<Request>,
    ) -> f64 {
        let (times, status) = measure(policy, budget, request);
        let at = |share: f64| micros(times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default());
        println!("{name:<26}{:>12.1}{:>12.1}{:>12}{status:>10}", at(0.5), at(0.9), times.len());
        self.add(format!("engine_{name}_us"), at(0.5));
        at(0.5)
    }
}

fn measure_all(rules: &Path, requests: &Path, budget: Duration) -> Outcome<()> {
    let mut figures = Figures::default();
    let start = Instant::now();
    let rule_set_1 = rule_set(rules, Mode::Blocking(1))?;
    let load = start.elapsed().as_secs_f64() * 1e3;
    figures.add("crs_load_ms", load);
    let policy = &rule_set_1.policy;
    println!("{:<26}{:>12}{:>12}{:>12}{:>10}", "", "median us", "p90 us", "runs", "status");
    for (name, file) in REQUESTS {
        let request = Arc::new(Request::read(&requests.join(file))?);
        figures.time(name, policy, budget, || Arc::clone(&request));
    }
    let resident = resident_megabytes();
    let get = Arc::new(Request::read(&requests.join("browser-get.http"))?);
    let working = transact(policy, &get).working_bytes;
    println!("CRS load {load:.0} ms, {} rules, resident {resident:.1} MB", policy.rule_count());
    println!("an ordinary transaction holds {:.1} KB", working as f64 / 1024.0);
    figures.add("engine_rss_mb", resident);
    figures.add("engine_get_working_kb", working as f64 / 1024.0);

    println!("\nNo two requests alike (path, values of arguments and bodies, cookies, referrer):");
    for (name, file) in REQUESTS {
        let request = Request::read(&requests.join(file))?;
        let mut number = 0;
        figures.time(&format!("{name}_varied"), policy, budget, || {
            number += 1;
            Arc::new(request.varied(number))
        });
    }
    println!("\nParanoia 4, nothing blocked, so that all phases run:");
    let rules_4 = rule_set(rules, Mode::Scoring(4))?;
    // Right before, because a machine may be slower now than it was at the beginning.
    let get_1 = micros(median(&measure(policy, budget, || Arc::clone(&get)).0));
    let get_4 = figures.time("get_pl4", &rules_4.policy, budget, || Arc::clone(&get));
    figures.add("engine_ratio_pl4_to_pl1", get_4 / get_1);
    println!("\nTransactions per second on one policy:");
    for threads in [1, std::thread::available_parallelism()?.get()] {
        let rate = throughput(policy, &get, threads, budget);
        println!("{threads} threads {rate:.0}");
        figures.add(format!("engine_get_tps_{threads}"), rate);
    }
    let fields: Vec<String> = figures.found.iter().map(|(name, value)| format!("\"{name}\":{value:.2}")).collect();
    println!("{{{}}}", fields.join(","));
    Ok(())
}

/// The middle one of sorted times.
fn median(times: &[Duration]) -> Duration {
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Times of single transactions, sorted, after a warm-up of a tenth of the budget. Making the request
/// is not timed.
fn measure(policy: &Arc<Policy>, budget: Duration, mut request: impl FnMut() -> Arc<Request>) -> (Vec<Duration>, u16) {
    const MOST: usize = 2_000_000;
    let mut status = 0;
    let warm_up = Instant::now();
    while warm_up.elapsed() < budget / 10 {
        status = transact(policy, &request()).status;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < budget && times.len() < MOST {
        let request = request();
        let begin = Instant::now();
        transact(policy, &request);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    (times, status)
}

/// Transactions per second of some threads that share a policy.
fn throughput(policy: &Arc<Policy>, request: &Request, threads: usize, budget: Duration) -> f64 {
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = 0;
                while !stop.load(Ordering::Relaxed) {
                    transact(policy, request);
                    own += 1;
                }
                done.fetch_add(own, Ordering::Relaxed);
            });
        }
        std::thread::sleep(budget);
        stop.store(true, Ordering::Relaxed);
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

/// Resident memory of this process; 0 where the system does not tell.
fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kilobytes / 1024.0
}
