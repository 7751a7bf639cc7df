//! An explanation for people: the verdict first, then the score, then the rules.

use super::shown::{Style, Tone, cut, printable};
use super::summary::{self, Summary, by_level, controls, is_telling, named, points_that_count};
use super::{Explanation, Verdict};
use parapet_engine::EngineMode;
use parapet_engine::trace::{Disruption, Origin, Outcome, Points, Reason, RuleTrace};
use std::fmt::Write;

/// Which rules to show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection {
    /// Only the rule with this id.
    pub only: Option<u32>,
    /// Only rules of this phase.
    pub phase: Option<u8>,
    /// Also rules that did not match, or have nothing to tell.
    pub all: bool,
}

impl Selection {
    /// Whether a rule is shown in detail.
    pub fn includes(&self, explanation: &Explanation, rule: &RuleTrace) -> bool {
        if self.phase.is_some_and(|phase| phase != rule.phase) {
            return false;
        }
        match self.only {
            Some(id) => rule.id == id,
            None => self.all || matches!(rule.outcome, Outcome::Matched { .. }) && is_telling(explanation, rule),
        }
    }
}

/// The explanation as text.
pub fn text(explanation: &Explanation, selection: &Selection, style: Style) -> String {
    let mut out = Out { text: String::new(), style, all: selection.all || selection.only.is_some() };
    out.request(explanation);
    out.verdict(explanation);
    if selection.only.is_none() {
        out.scores(explanation);
        out.ledger(explanation);
    }
    out.rules(explanation, selection);
    if selection.only.is_none() {
        out.controls(explanation);
        out.exclusions(explanation);
        out.summary(explanation);
    }
    out.text
}

/// Why the deciding rule decided, in one line.
pub fn reason(rule: &RuleTrace) -> String {
    let tests = rule.links.iter().flat_map(|link| link.tests.iter().map(move |test| (link, test)));
    let compared = tests.filter(|(_, test)| test.matched).find_map(|(link, test)| {
        let name = printable(&test.variable.bytes).to_ascii_lowercase();
        let kind = match name.contains("anomaly_score") {
            true if name.contains("outbound") => "outbound score",
            true => "inbound score",
            false => return None,
        };
        let sign = match link.operator.bytes.split(|byte| *byte == b' ').next()? {
            b"@ge" => "≥",
            b"@gt" => ">",
            _ => return None,
        };
        let limit = link.argument.as_ref().map(|argument| printable(&argument.bytes));
        let limit = limit.or_else(|| Some(printable(link.operator.bytes.get(4..)?)))?;
        Some(format!("{kind} {} {sign} {limit}", printable(&test.transformed().bytes)))
    });
    compared.unwrap_or_else(|| printable(&rule.message.bytes))
}

/// The text so far.
pub(super) struct Out {
    pub(super) text: String,
    pub(super) style: Style,
    /// Whether nothing is to be left out.
    pub(super) all: bool,
}

impl Out {
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let heading = self.style.paint(Tone::Strong, heading);
        self.line(&format!("\n{heading}"));
    }

    pub(super) fn faint(&self, text: &str) -> String {
        self.style.paint(Tone::Faint, text)
    }

    fn request(&mut self, explanation: &Explanation) {
        let request = &explanation.request;
        let line = [&request.method[..], &request.target, &request.protocol].join(&b" "[..]);
        let source = format!("  ({})", request.source);
        let shown = cut(&printable(&line), self.style.beside(source.chars().count()));
        let (shown, source) = (self.style.paint(Tone::Strong, &shown), self.faint(&source));
        self.line(&format!("{shown}{source}"));
        let response_notes = explanation.response.iter().flat_map(|response| &response.notes);
        let notes: Vec<String> =
            request.notes.iter().chain(response_notes).map(|note| format!("note: {note}")).collect();
        for note in notes {
            let note = self.style.paint(Tone::Warning, &note);
            self.line(&note);
        }
    }

    fn verdict(&mut self, explanation: &Explanation) {
        let deciding = explanation.deciding_rule();
        let (tone, word, why) = match (&explanation.verdict, deciding) {
            (Verdict::Stopped(intervention), rule) => {
                let why = rule.map(|(rule, _)| reason(rule)).unwrap_or_else(|| intervention.message.clone());
                let phase = rule.map(|(rule, _)| format!(" in phase {}", rule.phase)).unwrap_or_default();
                let status = intervention.status;
                (Tone::Bad, "BLOCKED", format!("{status} by rule {}{phase}: {why}", intervention.rule_id))
            }
            (Verdict::BodyTooLarge, _) => {
                (Tone::Bad, "BLOCKED", "413: the body is over SecRequestBodyLimit".to_owned())
            }
            (Verdict::Malformed { status, reason }, _) => {
                (Tone::Bad, "BLOCKED", format!("{status} by the gateway itself: {reason}"))
            }
            (Verdict::Passed, _) if explanation.mode == EngineMode::Off => {
                (Tone::Good, "PASSED", "the engine is off".to_owned())
            }
            (Verdict::Passed, Some((rule, Disruption { status, enforced: false, .. }))) => {
                let why = format!("DetectionOnly: rule {} would have answered {status}: {}", rule.id, reason(rule));
                (Tone::Warning, "PASSED", why)
            }
            (Verdict::Passed, _) => (Tone::Good, "PASSED", passed(explanation)),
        };
        let word = self.style.paint(tone, word);
        self.line(&format!("{word}  {why}"));
        for limit in &explanation.limits {
            let warning = format!("limit met: {}", limit.description());
            let warning = self.style.paint(Tone::Warning, &warning);
            self.line(&warning);
        }
        if !explanation.is_consistent {
            let warning = "the recorded run came to something else than the ordinary one, which the verdict is from";
            let warning = self.style.paint(Tone::Warning, warning);
            self.line(&warning);
        }
    }

    fn scores(&mut self, explanation: &Explanation) {
        let scores = &explanation.scores;
        let any = scores.inbound != 0 || scores.outbound != 0 || points_that_count(explanation).next().is_some();
        if !any {
            return;
        }
        let response = explanation.response.is_some();
        self.heading("Score");
        for (name, score, threshold, is_outbound) in [
            ("inbound", scores.inbound, scores.inbound_threshold, false),
            ("outbound", scores.outbound, scores.outbound_threshold, true),
        ] {
            if is_outbound && !response {
                continue;
            }
            let tone = if score >= threshold { Tone::Bad } else { Tone::Good };
            let shown = self.style.paint(tone, &format!("{score:>3}"));
            let mut line = format!("  {name:<9}{shown}, blocks from {threshold}");
            for (level, sum) in by_level(explanation, is_outbound) {
                let counted = if i64::from(level) <= scores.paranoia_level { "" } else { " (not counted)" };
                let _ = write!(line, "   PL{level}: {sum}{counted}");
            }
            self.line(&line);
        }
        let line = self.faint(&format!("  paranoia level {} counts for blocking", scores.paranoia_level));
        self.line(&line);
    }

    fn ledger(&mut self, explanation: &Explanation) {
        let entries: Vec<&Points> = points_that_count(explanation).collect();
        if entries.is_empty() {
            return;
        }
        self.line("");
        let header =
            format!("  {:<8}{:>6}  {:<6}{:<28}{:<30}{}", "rule", "points", "level", "variable", "matched", "message");
        let header = self.faint(header.trim_end());
        self.line(&header);
        for points in entries {
            let level = points.paranoia_level().map_or_else(String::new, |level| format!("PL{level}"));
            let rule = explanation.trace.rules.iter().find(|rule| rule.id == points.rule);
            let message = rule.map(|rule| printable(&rule.message.bytes)).unwrap_or_default();
            let variable = cut(&printable(&points.variable.bytes), 27);
            let found = cut(&printable(&points.found.bytes), 29);
            let message = cut(&message, self.style.beside(2 + 8 + 8 + 6 + 28 + 30));
            let line =
                format!("  {:<8}{:>+6}  {level:<6}{variable:<28}{found:<30}{message}", points.rule, points.points);
            self.line(line.trim_end());
        }
    }

    fn rules(&mut self, explanation: &Explanation, selection: &Selection) {
        let mut any = false;
        for rule in explanation.trace.rules.iter().filter(|rule| selection.includes(explanation, rule)) {
            if !std::mem::replace(&mut any, true) {
                self.heading("Rules");
            }
            self.rule(rule);
        }
        if let Some(id) = selection.only.filter(|_| !any) {
            self.line(&format!("\nthere is no rule {id} in this policy, or not in that phase"));
        }
    }

    /// What rules told the engine that are not shown otherwise.
    fn controls(&mut self, explanation: &Explanation) {
        let rules = explanation.trace.rules.iter().filter(|rule| self.all || !is_telling(explanation, rule));
        let lines: Vec<String> = rules
            .flat_map(|rule| controls(rule).map(move |control| format!("  {:<8}{control}", rule.id)))
            .map(|line| cut(&line, self.style.beside(0).min(160)))
            .collect();
        if !lines.is_empty() {
            self.heading("Told the engine (ctl)");
            lines.iter().for_each(|line| self.line(line));
        }
    }

    fn exclusions(&mut self, explanation: &Explanation) {
        let mut met = summary::exclusions(explanation.trace.rules.iter());
        // What a rule itself leaves out is part of what it says.
        met.retain(|exclusion| self.all || exclusion.origin != Origin::Rule);
        if met.is_empty() {
            return;
        }
        self.heading("Excluded");
        for exclusion in met {
            let whose = whose(exclusion.origin);
            let (count, ids) = (exclusion.rules.len(), summary::ids(&exclusion.rules));
            let rules = if count == 1 { format!("rule {ids}") } else { format!("{count} rules ({ids})") };
            let variable = printable(&exclusion.variable);
            let place = named(&exclusion.place);
            let line =
                format!("  {variable} is not tested by {rules}: {whose} excludes {}, {place}", exclusion.exclusion);
            self.line(&line);
        }
    }

    fn summary(&mut self, explanation: &Explanation) {
        let summary = Summary::of(explanation);
        self.heading(&format!("All {} rules", summary.rules));
        let silent = match summary.silent {
            0 => String::new(),
            count => format!(", {count} of them only set things up"),
        };
        self.line(&format!("  {} matched{silent}", summary.matched));
        let prefiltered = summary.prefiltered;
        self.line(&format!("  {} did not match ({prefiltered} ruled out by the prefilter alone)", summary.not_matched));
        let detection = detection_level(explanation);
        for group in &summary.left_out {
            let line = format!("  {}", group.words(detection));
            let line = cut(&line, self.style.beside(0));
            self.line(&line);
        }
        if explanation.trace.left_out > 0 {
            let line = format!("  {} tests are not shown: the record is full", explanation.trace.left_out);
            self.line(&line);
        }
    }
}

/// Whose an exclusion is, in words.
pub(super) fn whose(origin: Origin) -> String {
    match origin {
        Origin::Rule => "the rule's own list".to_owned(),
        Origin::Directive => "the configuration".to_owned(),
        Origin::Ctl(by) => format!("ctl of rule {by}"),
    }
}

/// What a request that passed came to.
fn passed(explanation: &Explanation) -> String {
    let allowed = explanation.trace.rules.iter().find(
        |rule| matches!(&rule.outcome, Outcome::Matched { disruption: Some(d) } if d.action == "allow" && d.enforced),
    );
    let scores = &explanation.scores;
    match allowed {
        Some(rule) => format!("rule {} allows it: {}", rule.id, printable(&rule.message.bytes)),
        None if compares_scores(explanation) => {
            format!("inbound score {} < {}", scores.inbound, scores.inbound_threshold)
        }
        None => "no rule stopped it".to_owned(),
    }
}

/// Whether a rule looked at an anomaly score.
fn compares_scores(explanation: &Explanation) -> bool {
    let mut links = explanation.trace.rules.iter().flat_map(|rule| &rule.links);
    links.any(|link| link.targets.to_ascii_uppercase().contains("ANOMALY_SCORE"))
}

/// The paranoia level up to which rules run, as a gate saw it.
fn detection_level(explanation: &Explanation) -> Option<i64> {
    let gate = explanation.trace.rules.iter().find_map(|rule| match rule.outcome {
        Outcome::LeftOut(Reason::ParanoiaGate { by, .. }) => Some(by),
        _ => None,
    })?;
    let gate = explanation.trace.rules.iter().find(|rule| rule.id == gate)?;
    let test = gate.links.first()?.tests.first()?;
    printable(&test.transformed().bytes).parse().ok()
}
