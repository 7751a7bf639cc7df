//! Lines of a real ModSecurity JSON audit log that are parsed, validated and classified per second, on
//! all cores. Each thread reads the file's lines over and over.

use crate::Outcome;
use crate::figures::Figures;
use chrono::Utc;
use parapet_event::{Origin, Track};
use parapet_pipeline::classify::{self, Classifier};
use parapet_pipeline::sources::{Format, Reader};
use parapet_pipeline::{severity, validate};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const LOG: &str = "fixtures/modsecurity-audit/nginx-modsecurity3.0.9-crs3.3.4.json.log";

/// Lines read, and real-time events among them.
#[derive(Default, Clone, Copy)]
struct Count {
    lines: u64,
    urgent: u64,
}

/// Notes lines per second.
pub fn measure(figures: &mut Figures, seconds: u64) -> Outcome<()> {
    let data = std::env::var_os("PARAPET_TEST_DATA").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let path = data.join(LOG);
    let Ok(log) = std::fs::read(&path) else {
        parapet_services::skip("bench/pipeline router", &format!("no {}", path.display()));
        return Ok(());
    };
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let threads = std::thread::available_parallelism()?.get();
    let started = Instant::now();
    let counts: Vec<Outcome<Count>> = std::thread::scope(|scope| {
        let run = |_| scope.spawn(|| read(&lines, started + Duration::from_secs(seconds)));
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let elapsed = started.elapsed().as_secs_f64();
    let mut total = Count::default();
    for count in counts {
        let count = count?;
        total = Count { lines: total.lines + count.lines, urgent: total.urgent + count.urgent };
    }
    figures.add("router_bytes_per_line", log.len() as f64 / lines.len() as f64)?;
    figures.add("router_realtime_percent", total.urgent as f64 * 100.0 / total.lines as f64)?;
    figures.add("router_lines_per_s", total.lines as f64 / elapsed)
}

/// Reads until the time is up.
fn read(lines: &[&[u8]], until: Instant) -> Outcome<Count> {
    let classifier = Classifier::new(classify::Config::default(), severity::Config::default());
    let mut count = Count::default();
    let mut records = Vec::new();
    while Instant::now() < until {
        let mut reader = Reader::new(Format::Json);
        for line in lines {
            reader.line(line, None, &mut records);
            for record in records.drain(..) {
                let Ok(reading) = record.outcome else { continue };
                let mut event = reading.event;
                event.origin = Origin { sequence: 1, ..event.origin };
                "bench".clone_into(&mut event.site);
                validate::validate(&event, Utc::now())?;
                count.urgent += u64::from(classifier.classify(&event).track == Track::RealTime);
            }
        }
        count.lines += lines.len() as u64;
    }
    Ok(count)
}
