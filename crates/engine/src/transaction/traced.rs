//! Runs one rule and writes down everything on the way.
//!
//! Values are gathered, tested and acted upon by the same functions as ever; only the loops around
//! them are repeated here, so that nothing is asked of the ordinary way.

use super::State;
use super::evaluate::{At, Key, Name, Subject, Value};
use super::store::{Span, StringId};
use crate::operators::{Operator, Text};
use crate::policy::Policy;
use crate::policy::rule::{Link, Rule};
use crate::trace::{Excerpt, Excluded, LinkTrace, Origin, Outcome, StepTrace, TestTrace};

/// A link that runs.
struct Running<'a> {
    at: At<'a>,
    argument: &'a [u8],
    /// Its bit in the prefilter, if the prefilter may decide on it.
    gate: Option<usize>,
    traced: LinkTrace,
}

/// A value on its way through the transformations of a link.
struct Passing {
    name: Name,
    original: Span,
    /// Transformations so far, with what they made of it.
    steps: Vec<(&'static str, Option<Span>)>,
    now: Span,
    image: Option<StringId>,
}

impl State {
    /// As [`State::run_rule`].
    pub(super) fn run_rule_traced(&mut self, policy: &Policy, rule: &Rule, index: usize) -> bool {
        self.matched.clear();
        self.reports.begin_rule();
        let mut head_matches = 0;
        let mut links = Vec::with_capacity(rule.links.len());
        let mut matched = true;
        for (position, link) in rule.links.iter().enumerate() {
            let traced = self.run_link_traced(At { policy, rule, link }, position == 0);
            matched = traced.matched > 0;
            links.push(traced);
            if !matched {
                self.matched.clear();
                break;
            }
            if position == 0 {
                head_matches = self.matched.len();
            }
        }
        let findings = self.reports.len();
        if matched {
            self.conclude(policy, rule, index, head_matches);
        }
        self.note_rule(policy, rule, matched, self.reports.len() > findings, links);
        matched
    }

    /// Notes a rule that ran; `found`: the last finding is its own.
    fn note_rule(&mut self, policy: &Policy, rule: &Rule, matched: bool, found: bool, links: Vec<LinkTrace>) {
        let finding = if found { self.finding(policy, self.reports.len() - 1) } else { None };
        let (message, data) = match finding {
            Some(finding) => (finding.message.to_vec(), finding.data.to_vec()),
            None => (rule.meta.message.plain().unwrap_or_default().to_vec(), Vec::new()),
        };
        let steady = rule.links.first().is_some_and(Link::is_steady);
        let outcome = match links.as_slice() {
            _ if matched => Outcome::Matched { disruption: None },
            [head] if steady => Outcome::NotMatched { prefiltered: head.prefiltered == head.tested },
            _ => Outcome::NotMatched { prefiltered: false },
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.push(rule, &message, &data, outcome, links);
        }
    }

    fn run_link_traced(&mut self, at: At<'_>, head: bool) -> LinkTrace {
        let At { policy, rule, link } = at;
        let traced = self.describe_link(policy, link);
        let gate = (head && !link.negated && link.is_steady()).then_some(rule.bit as usize);
        let mut running = Running { at, argument: &[], gate, traced };
        if link.targets.is_empty() {
            self.apply_effects(at);
            running.traced.matched = 1;
            self.keep_test(&mut running, TestTrace { matched: true, ..TestTrace::default() });
            return running.traced;
        }
        let mut subjects = std::mem::take(&mut self.subjects);
        subjects.clear();
        for target in &link.targets {
            let first = subjects.len();
            self.gather(at, target, &mut subjects);
            self.note_exclusions(&mut running, subjects.get(first..).unwrap_or_default());
            self.leave_out(at, first, &mut subjects);
            if target.count {
                self.count(target, first, &mut subjects);
            }
        }
        let mut argument = std::mem::take(&mut self.expanded);
        argument.clear();
        let plain = link.argument.plain();
        if plain.is_none() && !subjects.is_empty() {
            self.expand(policy, Some(rule), &link.argument, &mut argument);
            running.traced.argument = self.recorder.as_mut().map(|recorder| recorder.excerpt(&argument, None));
        }
        running.argument = plain.unwrap_or(&argument);
        for subject in &subjects {
            self.test_subject_traced(&mut running, *subject);
        }
        let traced = running.traced;
        self.expanded = argument;
        self.subjects = subjects;
        traced
    }

    fn describe_link(&mut self, policy: &Policy, link: &Link) -> LinkTrace {
        let Some(recorder) = &mut self.recorder else { return LinkTrace::default() };
        recorder.count_entry();
        let chains = &policy.parts.chains;
        let steps = chains.get(link.chain).steps.iter().filter_map(|step| chains.step(*step));
        let is_action = link.targets.is_empty();
        LinkTrace {
            line: link.line,
            targets: link.targets_text.to_string(),
            operator: if is_action { Excerpt::default() } else { recorder.excerpt(&link.operator_text, None) },
            transformations: steps.map(|step| step.transformation.name()).collect(),
            multi_match: link.multi_match,
            ..LinkTrace::default()
        }
    }

    /// Notes those of the values that an exclusion covers.
    fn note_exclusions(&mut self, running: &mut Running<'_>, subjects: &[Subject]) {
        for subject in subjects {
            let found = self.exclusion_of(running.at, subject.name);
            let Some((removal, exclusion)) = found else { continue };
            let variable = self.spell(running.at.policy, subject.name);
            let value = match subject.value {
                Value::String(id) | Value::Image { id, .. } => self.store.span(id),
                Value::Text(span) => span,
            };
            let Some(recorder) = &mut self.recorder else { break };
            if !recorder.has_room() {
                break;
            }
            let removal = recorder.target_removals.iter().find(|(index, _)| Some(*index) == removal);
            let origin = match removal {
                Some((_, by)) => Origin::Ctl(*by),
                None if exclusion.is_own => Origin::Rule,
                None => Origin::Directive,
            };
            running.traced.excluded.push(Excluded {
                variable: recorder.excerpt(&variable, None),
                value: recorder.excerpt(self.store.get(value), None),
                exclusion: exclusion.text.to_string(),
                origin,
                place: exclusion.place.clone(),
            });
        }
    }

    /// As [`State::test_subject`].
    fn test_subject_traced(&mut self, running: &mut Running<'_>, subject: Subject) {
        let At { policy, link, .. } = running.at;
        let chains = &policy.parts.chains;
        let steps = &chains.get(link.chain).steps;
        let every_state = link.multi_match && !steps.is_empty();
        let (original, image) = match subject.value {
            Value::String(id) | Value::Image { id, .. } => (self.store.span(id), Some(id)),
            Value::Text(span) if steps.is_empty() => (span, None),
            Value::Text(span) => (span, Some(self.store.intern_span(span))),
        };
        let mut passing = Passing { name: subject.name, original, steps: Vec::new(), now: original, image };
        if every_state {
            self.test_traced(running, &passing);
        }
        for step in steps {
            let (Some(image), Some(known)) = (passing.image, chains.step(*step)) else { break };
            let next = self.store.step(image, *step, chains);
            let changed = next != image;
            passing.steps.push((known.transformation.name(), changed.then(|| self.store.span(next))));
            if changed {
                (passing.image, passing.now) = (Some(next), self.store.span(next));
                if every_state {
                    self.test_traced(running, &passing);
                }
            }
        }
        if !every_state {
            self.test_traced(running, &passing);
        }
    }

    /// Tests a value as it is now.
    fn test_traced(&mut self, running: &mut Running<'_>, passing: &Passing) {
        let At { policy, link, .. } = running.at;
        let prefiltered = match (running.gate, passing.image) {
            (Some(bit), Some(image)) => !self.opens(policy, image, bit),
            _ => false,
        };
        let matched = self.test(running.at, running.argument, passing.name, passing.now, None);
        running.traced.tested += 1;
        running.traced.matched += usize::from(matched);
        running.traced.prefiltered += usize::from(prefiltered);
        if self.recorder.as_mut().is_none_or(|recorder| !recorder.keeps(matched)) {
            return;
        }
        let name = self.spell(policy, passing.name);
        let mut captures = std::mem::take(&mut self.captures);
        let text = self.store.get(passing.now);
        let span = if matched && !link.negated {
            link.operator.captures(running.argument, text, &mut captures);
            captures.range(0).or_else(|| place_of_hit(&link.operator, running.argument, text))
        } else {
            None
        };
        if let Some(recorder) = &mut self.recorder {
            let mut test = TestTrace { matched, prefiltered, span, ..TestTrace::default() };
            test.variable = recorder.excerpt(&name, None);
            test.original = recorder.excerpt(self.store.get(passing.original), None);
            let mut step = |(transformation, result): &(&'static str, Option<Span>)| StepTrace {
                transformation,
                result: result.map(|result| recorder.excerpt(self.store.get(result), span)),
            };
            test.steps = passing.steps.iter().map(&mut step).collect();
            if matched {
                let found = match span {
                    Some((start, end)) => text.get(start..end).unwrap_or_default(),
                    None if !link.negated && captures.len() > 0 => captures.get(0, text).unwrap_or_default(),
                    None => text,
                };
                test.found = recorder.excerpt(found, None);
                if link.capture && !link.negated {
                    let group = |group| captures.get(group, text).map(|text| recorder.excerpt(text, None));
                    test.captures = (0..captures.len().min(10)).map(group).collect();
                }
            }
            self.captures = captures;
            self.keep_test(running, test);
        }
    }

    /// Keeps a test, with what it changed.
    fn keep_test(&mut self, running: &mut Running<'_>, mut test: TestTrace) {
        let Some(recorder) = &mut self.recorder else { return };
        test.effects = std::mem::take(&mut recorder.effects);
        recorder.book(&test.variable, &test.found);
        running.traced.tests.push(test);
    }

    /// A name as reports show it, without storing it in the transaction.
    fn spell(&self, policy: &Policy, name: Name) -> Vec<u8> {
        let mut spelled = name.variable.name().as_bytes().to_vec();
        let key = match name.key {
            Key::None => return spelled,
            Key::Text(span) => self.store.get(span),
            Key::Slot(slot) => policy.parts.names.spelled(slot),
        };
        spelled.push(b':');
        spelled.extend_from_slice(key);
        spelled
    }
}

/// Where an operator that captures nothing hit a value that passed its test.
fn place_of_hit(operator: &Operator, argument: &[u8], value: &[u8]) -> Option<(usize, usize)> {
    let start = match operator {
        Operator::Text(Text::Contains | Text::StrMatch) => memchr::memmem::find(value, argument)?,
        Operator::Text(Text::BeginsWith) => 0,
        Operator::Text(Text::EndsWith) => value.len().checked_sub(argument.len())?,
        Operator::ValidateByteRange(range) => {
            let at = value.iter().position(|byte| range.matches(&[*byte]))?;
            return Some((at, at + 1));
        }
        _ => return None,
    };
    Some((start, start + argument.len()))
}
