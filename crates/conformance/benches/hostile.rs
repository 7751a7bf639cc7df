//! What the most expensive inputs cost: each family at three sizes, with the Core Rule Set.
//!
//! `bench/hostile` runs it. Arguments: the CRS root, the smallest size in bytes, the bound in
//! microseconds per byte, and optionally a text that the names of the families to run contain.

#![allow(clippy::print_stdout, reason = "a command line tool")]

#[path = "hostile/inputs.rs"]
mod inputs;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use inputs::Exchange;
use parapet_conformance::{Mode, rule_set};
use parapet_engine::{Context, Limit, Limits, Policy, Transaction};

/// Sizes, as multiples of the smallest.
const SIZES: [usize; 3] = [1, 2, 4];
/// How often each is run; the fastest counts, because whatever else the machine does only adds. Time is
/// that of this thread on a processor, not what passes while others have it.
const RUNS: usize = 3;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // cargo bench adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [rules, size, bound, wanted @ ..] = arguments.as_slice() else {
        // cargo test runs benches too, without arguments.
        println!("usage: hostile RULES BYTES BOUND [NAME]; run bench/hostile");
        return Ok(ExitCode::SUCCESS);
    };
    let (size, bound): (usize, f64) = (size.parse()?, bound.parse()?);
    let wanted = wanted.first().map_or("", String::as_str);
    let mut figures = Vec::new();
    let mut over = Vec::new();
    for level in [1, 4] {
        let policy = Arc::into_inner(rule_set(Path::new(rules), Mode::Scoring(level))?.policy);
        // Who attacks sends something new each time, so nothing is remembered.
        let limits = Limits { remembered_bytes: 0, ..Limits::default() };
        let policy = Arc::new(policy.ok_or("the policy is in use")?.with_limits(limits));
        let mut worst = (0.0, String::new());
        let mut growth_worst = (0.0, String::new());
        println!(
            "{:<40}{:>9}{:>9}{:>9}{:>9}{:>12}  limits met",
            format!("paranoia {level}, us per byte"),
            "N",
            "2N",
            "4N",
            "growth",
            "steps/byte"
        );
        for input in inputs::all().iter().filter(|input| input.name.contains(wanted)) {
            let rows: Vec<Cost> = SIZES.iter().map(|times| cost(&policy, &(input.make)(size * times))).collect();
            let [small, middle, large] = rows.as_slice() else { continue };
            let growth = large.micros_per_byte / small.micros_per_byte;
            let met: Vec<String> = large.limits.iter().map(|limit| format!("{limit:?}")).collect();
            println!(
                "{:<40}{:>9.3}{:>9.3}{:>9.3}{growth:>9.2}{:>12.0}  {}",
                input.name,
                small.micros_per_byte,
                middle.micros_per_byte,
                large.micros_per_byte,
                large.steps_per_byte,
                met.join(" ")
            );
            for row in &rows {
                if row.micros_per_byte > worst.0 {
                    worst = (row.micros_per_byte, input.name.clone());
                }
                if row.micros_per_byte > bound {
                    over.push(format!("paranoia {level}: {}: {:.2} us per byte", input.name, row.micros_per_byte));
                }
            }
            if growth > growth_worst.0 {
                growth_worst = (growth, input.name.clone());
            }
        }
        println!(
            "paranoia {level}: most per byte {:.2} us ({}), fastest growth {:.2} ({})\n",
            worst.0, worst.1, growth_worst.0, growth_worst.1
        );
        figures.push(format!("\"hostile_worst_pl{level}_us_per_byte\":{:.3}", worst.0));
        figures.push(format!("\"hostile_growth_pl{level}_ratio\":{:.2}", growth_worst.0));
    }
    over.dedup();
    println!(
        "bound: {bound} us per byte of request and response, from {size} to {} bytes: {}",
        size * 4,
        if over.is_empty() { "kept" } else { "BROKEN" }
    );
    over.iter().for_each(|line| println!("  {line}"));
    figures.push(format!("\"hostile_bound_us_per_byte\":{bound},\"hostile_over_bound_count\":{}", over.len()));
    println!("{{{}}}", figures.join(","));
    Ok(if over.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What an input costs.
struct Cost {
    micros_per_byte: f64,
    steps_per_byte: f64,
    limits: Vec<Limit>,
}

fn cost(policy: &Arc<Policy>, exchange: &Exchange) -> Cost {
    let bytes = exchange.bytes() as f64;
    let mut fastest = Duration::MAX;
    let (mut steps, mut limits) = (0, Vec::new());
    for _ in 0..RUNS {
        let start = processor_time();
        let transaction = transact(policy, exchange);
        fastest = fastest.min(processor_time() - start);
        steps = transaction.steps();
        limits = transaction.limits_met().collect();
    }
    Cost { micros_per_byte: fastest.as_secs_f64() * 1e6 / bytes, steps_per_byte: steps as f64 / bytes, limits }
}

/// Time that this thread has had a processor; where the system does not tell, time that passed.
fn processor_time() -> Duration {
    // The system counts up to the last time it looked; giving up the processor makes it look.
    std::thread::yield_now();
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = times.split(' ').next().and_then(|time| time.parse().ok());
    nanoseconds.map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

fn transact(policy: &Arc<Policy>, exchange: &Exchange) -> Transaction {
    let mut transaction = Transaction::new(Arc::clone(policy), Context::default());
    let method: &[u8] = if exchange.body.is_empty() { b"GET" } else { b"POST" };
    transaction.request_line(method, &exchange.uri, b"HTTP/1.1");
    for (name, value) in &exchange.headers {
        transaction.request_header(name, value);
    }
    transaction.process_request_headers();
    transaction.append_request_body(&exchange.body);
    transaction.process_request_body();
    transaction.response_line(200, b"HTTP/1.1");
    transaction.response_header(b"Content-Type", b"text/html");
    transaction.process_response_headers();
    transaction.append_response_body(&exchange.response);
    transaction.process_response_body();
    transaction.process_logging();
    transaction
}
