//! `parapet route`: which track events take, and why.

use super::log::Log;
use super::{Failure, Outcome, configuration};
use crate::cli::RouteOptions;
use crate::explain::shown::{Style, Tone, printable};
use crate::run::{plan, report};
use anyhow::Context;
use chrono::Utc;
use parapet_event::{SecurityEvent, Track, TrackReason};
use parapet_pipeline::classification::Judge;
use parapet_pipeline::classify::{Explanation, Step};
use parapet_pipeline::sources::{Record, Refused};
use parapet_pipeline::validate::validate;
use serde_json::{Value, json};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

/// Routes the events of the files on paper. Fails if a record cannot be read, or is no valid event.
pub fn run(options: &RouteOptions) -> Outcome {
    let config = configuration(&options.settings)?;
    let classification = plan::classification(&config.pipeline).map_err(|errors| {
        report(&errors);
        Failure::Config
    })?;
    let mut desk = Desk {
        options,
        judge: classification.judge(),
        style: Style::of_stdout(),
        out: BufWriter::new(io::stdout().lock()),
        counts: Counts::default(),
    };
    match desk.work() {
        Ok(()) if desk.counts.refused == 0 => Ok(()),
        Ok(()) => Err(Failure::Check),
        // A reader that has seen enough (`| head`) is no error.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        Err(error) => Err(Failure::Error(error)),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[derive(Default)]
struct Counts {
    realtime: u64,
    analytics: u64,
    without_findings: u64,
    refused: u64,
}

struct Desk<'a> {
    options: &'a RouteOptions,
    judge: Judge,
    style: Style,
    out: BufWriter<io::StdoutLock<'static>>,
    counts: Counts,
}

impl Desk<'_> {
    fn work(&mut self) -> anyhow::Result<()> {
        for file in &self.options.files {
            let cannot = || format!("{} cannot be read", file.display());
            let mut log = Log::open(file, self.options.format.into()).with_context(cannot)?;
            let (mut records, mut more) = (Vec::new(), true);
            while more {
                more = log.next(&mut records).with_context(cannot)?;
                for record in records.drain(..) {
                    self.record(file, record)?;
                }
            }
        }
        if !self.options.json {
            self.summary()?;
        }
        Ok(self.out.flush()?)
    }

    fn record(&mut self, file: &Path, Record { line, outcome, .. }: Record) -> io::Result<()> {
        let (mut event, salvaged) = match outcome {
            Ok(reading) => (reading.event, reading.salvaged),
            Err(Refused::NoFindings) => {
                self.counts.without_findings += 1;
                return Ok(());
            }
            Err(refused) => return self.refuse(file, line, &refused.to_string()),
        };
        self.complete(&mut event, line);
        if let Err(invalid) = validate(&event, Utc::now()) {
            return self.refuse(file, line, &invalid.to_string());
        }
        let explanation = self.judge.explain(&event);
        match explanation.verdict.track {
            Track::RealTime => self.counts.realtime += 1,
            Track::Analytics => self.counts.analytics += 1,
        }
        if self.options.json {
            let value = self.as_json(file, line, &event, &explanation, salvaged.as_deref());
            return writeln!(self.out, "{value}");
        }
        self.show(line, &event, &explanation, salvaged.as_deref())
    }

    /// What the intake gives an event that it reads from a log.
    fn complete(&self, event: &mut SecurityEvent, line: u64) {
        if event.site.is_empty() {
            event.site.clone_from(&self.options.site);
        }
        if event.origin.sequence == 0 {
            event.origin.sequence = line;
        }
    }

    fn refuse(&mut self, file: &Path, line: u64, reason: &str) -> io::Result<()> {
        self.counts.refused += 1;
        if self.options.json {
            return writeln!(self.out, "{}", json!({"file": file, "line": line, "error": reason}));
        }
        self.out.flush()?;
        eprintln!("error: {}:{line}: {}", file.display(), printable(reason.as_bytes()));
        Ok(())
    }

    fn as_json(
        &self,
        file: &Path,
        line: u64,
        event: &SecurityEvent,
        explanation: &Explanation,
        salvaged: Option<&str>,
    ) -> Value {
        let verdict = &explanation.verdict;
        let mut value = json!({
            "file": file,
            "line": line,
            "event_id": event.id,
            "track": verdict.track,
            "severity": verdict.severity,
            "reason": verdict.reason,
        });
        if let Some(salvaged) = salvaged {
            value["salvaged"] = salvaged.into();
        }
        if self.options.explain {
            value["steps"] = json!(explanation.steps);
        }
        value
    }

    fn show(
        &mut self,
        line: u64,
        event: &SecurityEvent,
        explanation: &Explanation,
        salvaged: Option<&str>,
    ) -> io::Result<()> {
        let verdict = &explanation.verdict;
        let tone = if verdict.track == Track::RealTime { Tone::Warning } else { Tone::Faint };
        let track = self.style.paint(tone, &format!("{:<9}", verdict.track.as_str()));
        let request = printable(format!("{} {}", event.request.method, event.request.uri).as_bytes());
        let repaired = salvaged.map(|what| format!(" (repaired: {what})")).unwrap_or_default();
        writeln!(
            self.out,
            "{line:>5}  {track}  severity {:>3}  {}: {} from {}, {}{repaired}",
            verdict.severity.get(),
            self.style.paint(Tone::Strong, &in_words(&verdict.reason)),
            crate::explain::shown::cut(&request, self.style.beside(90)),
            event.client_ip,
            event.action.as_str(),
        )?;
        if self.options.explain {
            for step in &explanation.steps {
                writeln!(self.out, "{}", self.step(step))?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn step(&self, step: &Step) -> String {
        let (sign, tone) = match (step.decides, step.applies) {
            (true, _) => ("▶ decides", Tone::Good),
            (false, true) => ("  applies", Tone::Strong),
            (false, false) => ("  no", Tone::Faint),
        };
        let detail = printable(step.detail.as_bytes());
        let sign = self.style.paint(tone, &format!("{sign:<9}"));
        format!("       {sign}  {:<20} → {:<9}  {detail}", step.rule, step.track.as_str()).trim_end().to_owned()
    }

    fn summary(&mut self) -> io::Result<()> {
        let Counts { realtime, analytics, without_findings, refused } = self.counts;
        let events = realtime + analytics;
        writeln!(
            self.out,
            "{events} events: {realtime} real-time, {analytics} analytics; {without_findings} transactions \
             without findings, {refused} records refused"
        )
    }
}

fn in_words(reason: &TrackReason) -> String {
    match reason {
        TrackReason::AnomalyScore(score) => format!("anomaly score {score}"),
        TrackReason::CriticalSeverity(severity) => format!("critical severity {severity}"),
        TrackReason::ScannerRule(id) => format!("scanner rule {id}"),
        TrackReason::ScannerUserAgent(name) => format!("scanner {}", printable(name.as_bytes())),
        TrackReason::CriticalRule(id) => format!("critical rule {id}"),
        TrackReason::Script(reason) => format!("script: {}", printable(reason.as_bytes())),
        TrackReason::EventsLost(events) => format!("report of {events} lost events"),
        TrackReason::Default => "no other rule applies".to_owned(),
    }
}
