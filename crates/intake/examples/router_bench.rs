//! How many lines of a real audit log are parsed, validated and classified per second, on all cores.
//!
//! Usage: `router_bench FILE [SECONDS [THREADS]]`. Each thread reads the file's lines over and over.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may panic")]

use chrono::Utc;
use parapet_event::Origin;
use parapet_pipeline::classify::{self, Classifier};
use parapet_pipeline::sources::{Format, Reader};
use parapet_pipeline::{severity, validate};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = arguments.first().expect("usage: router_bench FILE [SECONDS [THREADS]]");
    let number = |index: usize| arguments.get(index).map(|text| text.parse::<u64>().unwrap());
    let seconds = number(1).unwrap_or(10);
    let threads = number(2).unwrap_or_else(|| std::thread::available_parallelism().unwrap().get() as u64);
    let log = std::fs::read(file).unwrap();
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let started = Instant::now();
    let counts: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let run = |_| scope.spawn(|| read(&lines, started + Duration::from_secs(seconds)));
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    let (read, urgent) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let bytes = log.len() as f64 / lines.len() as f64;
    println!("{read} lines of {bytes:.0} bytes on {threads} threads in {elapsed:.1} s, {urgent} of them real-time");
    println!("{{\"router_lines_per_s\": {:.0}, \"threads\": {threads}}}", read as f64 / elapsed);
}

/// Lines read, and real-time events among them. With no time at all the file is read once.
fn read(lines: &[&[u8]], until: Instant) -> (u64, u64) {
    let classifier = Classifier::new(classify::Config::default(), severity::Config::default());
    let (mut read, mut urgent) = (0, 0);
    let mut records = Vec::new();
    loop {
        let mut reader = Reader::new(Format::Json);
        for line in lines {
            reader.line(line, None, &mut records);
        }
        let now = Utc::now();
        for record in records.drain(..) {
            let Ok(reading) = record.outcome else { continue };
            let mut event = reading.event;
            event.origin = Origin { sequence: 1, ..event.origin };
            event.site.push_str("bench");
            validate::validate(&event, now).unwrap();
            let verdict = black_box(classifier.classify(&event));
            urgent += u64::from(verdict.track == parapet_event::Track::RealTime);
        }
        read += lines.len() as u64;
        if Instant::now() >= until {
            return (read, urgent);
        }
    }
}
