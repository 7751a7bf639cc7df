//! One rule of an explanation: what it tested, how it matched, what it changed.

use super::people::{Out, whose};
use super::shown::{Tone, cut, printable};
use super::summary::named;
use parapet_engine::trace::{
    Disruption, EffectTrace, Excerpt, Excluded, LinkTrace, Origin, Outcome, Reason, RuleTrace, TestTrace,
};

/// Values that one link shows, unless everything is wanted.
const MOST_TESTS: usize = 12;
/// Effects that one match shows, unless everything is wanted.
const MOST_EFFECTS: usize = 8;

impl Out {
    /// One rule in detail.
    pub(super) fn rule(&mut self, rule: &RuleTrace) {
        let message = printable(&rule.message.bytes);
        let (tone, word) = match &rule.outcome {
            Outcome::Matched { disruption: Some(disruption) } if disruption.enforced => (Tone::Bad, disruption.action),
            Outcome::Matched { .. } => (Tone::Warning, "matched"),
            Outcome::NotMatched { .. } => (Tone::Faint, "no match"),
            Outcome::LeftOut(_) => (Tone::Faint, "not run"),
        };
        let id = self.style.paint(Tone::Strong, &format!("{:<8}", rule.id));
        let word = self.style.paint(tone, word);
        let message = cut(&message, self.style.beside(22));
        self.line(format!("  {id}{word}  {message}").trim_end());
        let severity = rule.severity.map(|severity| format!(", {}", severity_name(severity))).unwrap_or_default();
        let place = self.faint(&format!("phase {}{severity}, {}", rule.phase, named(&rule.place)));
        self.line(&format!("          {place}"));
        if let Some(why) = self.outcome(&rule.outcome) {
            self.line(&format!("          {why}"));
        }
        if !rule.data.bytes.is_empty() {
            let data = cut(&printable(&rule.data.bytes), self.style.beside(19));
            let data = self.faint(&format!("logdata: {data}"));
            self.line(&format!("          {data}"));
        }
        for (position, link) in rule.links.iter().enumerate() {
            self.link(link, position, rule.links.len());
        }
    }

    fn outcome(&self, outcome: &Outcome) -> Option<String> {
        match outcome {
            Outcome::Matched { disruption: Some(Disruption { action, status, enforced }) } => {
                let status = if *status == 0 { String::new() } else { format!(" with {status}") };
                let verb = if *enforced { "demands" } else { "would demand, if the engine blocked here," };
                Some(format!("{verb} {action}{status}"))
            }
            Outcome::NotMatched { prefiltered: true } => {
                Some(self.faint("the prefilter alone shows that it cannot match, so it does not run ordinarily"))
            }
            Outcome::LeftOut(reason) => Some(match reason {
                Reason::ParanoiaGate { by, level } => {
                    format!("needs paranoia level {level}; rule {by} skips it below that")
                }
                Reason::RemovedByDirective(place) => format!("removed by the configuration, {}", named(place)),
                Reason::RemovedByCtl { by } => format!("removed by ctl of rule {by}"),
                Reason::Skipped { by } => format!("skipped by rule {by}"),
                Reason::Ended { by } => format!("rule {by} ended the transaction before it"),
                Reason::EngineOff { by: Some(by) } => format!("rule {by} turned the engine off"),
                Reason::EngineOff { by: None } => "SecRuleEngine is Off".to_owned(),
                Reason::PhaseNotRun => "its phase did not run".to_owned(),
            }),
            _ => None,
        }
    }

    fn link(&mut self, link: &LinkTrace, position: usize, links: usize) {
        let pad = "          ";
        if !link.targets.is_empty() {
            let number = if links > 1 { format!("link {}, line {}: ", position + 1, link.line) } else { String::new() };
            let room = self.style.beside(pad.len() + number.len()).min(200);
            let operator = cut(&printable(&link.operator.bytes), room);
            self.line(&format!("{pad}{number}{operator}"));
            if let Some(argument) = &link.argument {
                let argument = self.style.value(argument, None, self.style.beside(pad.len() + 18));
                self.line(&format!("{pad}the argument is {argument}"));
            }
            let tests = match (link.tested, link.matched) {
                (0, _) => "there is no value of".to_owned(),
                (tested, 0) => format!("none of {tested} values of"),
                (tested, matched) => format!("{matched} of {tested} values of"),
            };
            let states = if link.multi_match { " (multiMatch: every state counts)" } else { "" };
            let targets = cut(&link.targets, self.style.beside(pad.len() + tests.len() + 1 + states.len()).min(300));
            self.line(&format!("{pad}{tests} {targets}{states}"));
        }
        let most = if self.all { usize::MAX } else { MOST_TESTS };
        for test in link.tests.iter().take(most) {
            self.test(link, test);
        }
        let hidden = link.tests.len().saturating_sub(most);
        if hidden > 0 {
            let line = self.faint(&format!("{pad}  and {hidden} more"));
            self.line(&line);
        }
        let excluded = link.excluded.iter().filter(|excluded| self.all || excluded.origin != Origin::Rule);
        let excluded: Vec<String> = excluded.take(most).map(|excluded| self.excluded(excluded)).collect();
        excluded.iter().for_each(|line| self.line(line));
    }

    fn excluded(&self, excluded: &Excluded) -> String {
        let name = printable(&excluded.variable.bytes);
        let by = format!("{} excludes {}, {}", whose(excluded.origin), excluded.exclusion, named(&excluded.place));
        format!("            {name} is not tested: {by}")
    }

    fn test(&mut self, link: &LinkTrace, test: &TestTrace) {
        let pad = "            ";
        if !link.targets.is_empty() {
            self.value_line(
                pad,
                &test.variable,
                &test.original,
                if test.steps.iter().any(|s| s.result.is_some()) { None } else { test.span },
            );
            self.steps(test);
            if test.matched {
                let line = self.hit(test);
                self.line(&format!("{pad}  {line}"));
            } else {
                let why = if test.prefiltered { "no match (prefilter)" } else { "no match" };
                let line = self.faint(&format!("{pad}  {why}"));
                self.line(&line);
            }
            let captures = test.captures.iter().enumerate().skip(1);
            for (group, capture) in captures.filter_map(|(group, capture)| Some((group, capture.as_ref()?))) {
                let value = self.style.value(capture, None, self.style.beside(pad.len() + 9));
                self.line(&format!("{pad}  TX.{group}  {value}"));
            }
        }
        let most = if self.all { usize::MAX } else { MOST_EFFECTS };
        for effect in test.effects.iter().take(most) {
            let line = self.effect(effect);
            self.line(&format!("{pad}  {line}"));
        }
        let hidden = test.effects.len().saturating_sub(most);
        if hidden > 0 {
            let line = self.faint(&format!("{pad}  and {hidden} more changes"));
            self.line(&line);
        }
    }

    fn value_line(&mut self, pad: &str, name: &Excerpt, value: &Excerpt, span: Option<(usize, usize)>) {
        let name = cut(&printable(&name.bytes), 40);
        let value = self.style.value(value, span, self.style.beside(pad.len() + name.chars().count() + 2));
        self.line(&format!("{pad}{name}  {value}"));
    }

    /// Transformations; those that change nothing share a line.
    fn steps(&mut self, test: &TestTrace) {
        let last = test.steps.iter().rposition(|step| step.result.is_some());
        let mut unchanged: Vec<&str> = Vec::new();
        for (index, step) in test.steps.iter().enumerate() {
            match &step.result {
                None => unchanged.push(step.transformation),
                Some(result) => {
                    self.unchanged(&mut unchanged);
                    let span = test.span.filter(|_| Some(index) == last);
                    let value = self.style.value(result, span, self.style.beside(14 + step.transformation.len() + 4));
                    self.line(&format!("              {} → {value}", step.transformation));
                }
            }
        }
        self.unchanged(&mut unchanged);
    }

    fn unchanged(&mut self, names: &mut Vec<&str>) {
        if !names.is_empty() {
            let line = self.faint(&format!("{}: unchanged", names.join(", ")));
            self.line(&format!("              {line}"));
            names.clear();
        }
    }

    fn hit(&self, test: &TestTrace) -> String {
        let matched = self.style.paint(Tone::Warning, "matched");
        let whole = test.transformed();
        match test.span {
            Some((start, end)) if (start, end) == (0, whole.length) => format!("{matched} as a whole"),
            Some((start, end)) => {
                let found = self.style.value(&test.found, Some((0, test.found.length)), self.style.beside(44));
                let bytes = if end == start + 1 { format!("byte {start}") } else { format!("bytes {start}–{end}") };
                format!("{matched} {found}, {bytes}")
            }
            // What an operator found that is not a part of the value: a fingerprint.
            None if test.found != *whole => {
                format!("{matched}: {}", self.style.value(&test.found, None, self.style.beside(40)))
            }
            None => matched,
        }
    }

    fn effect(&self, effect: &EffectTrace) -> String {
        let value = |value: &Option<Excerpt>| match value {
            None => "unset".to_owned(),
            Some(value) => cut(&printable(&value.bytes), 60),
        };
        match effect {
            EffectTrace::Set { variable, before, after } => {
                format!("{}: {} → {}", printable(&variable.bytes), value(before), value(after))
            }
            EffectTrace::Collection { name, key } => format!("{name} is now the one of {}", printable(&key.bytes)),
            EffectTrace::Expiry { variable, seconds } => {
                format!("{} expires in {seconds} seconds", printable(&variable.bytes))
            }
            EffectTrace::Control(control) => format!("ctl: {control}"),
        }
    }
}

fn severity_name(severity: u8) -> &'static str {
    let names = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
    names.get(usize::from(severity)).copied().unwrap_or("unknown severity")
}
