//! Findings: the rules that matched, what they said, and the scores they gave.

use parapet_seclang::ast::AuditEngine;

use super::State;
use super::secrets::{Hidden, masked};
use super::store::{Span, Store};
use crate::operators::Rx;
use crate::policy::Policy;
use crate::policy::names::Slot;
use crate::policy::rule::Rule;
use crate::policy::template::Template;
use crate::verdict::{AuditDecision, Match};

/// Bytes of a message, of data and of a matched value that a finding keeps.
const LONGEST_TEXT: usize = 8 << 10;
/// Matched values that a finding names.
const MOST_VALUES: usize = 32;

/// Findings of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    findings: Vec<Finding>,
    scores: Vec<(Slot, i64)>,
    values: Vec<(Span, Span)>,
    tags: Vec<Span>,
    /// Scores before this index belong to earlier rules.
    rule_begins: usize,
    /// What the current rule's script said.
    said: Option<Span>,
}

#[derive(Debug, Clone, Copy)]
struct Finding {
    rule: usize,
    message: Span,
    data: Span,
    variable: Span,
    value: Span,
    scores: (u32, u32),
    values: (u32, u32),
    tags: (u32, u32),
    disruptive: bool,
}

impl Reports {
    pub(super) fn reset(&mut self) {
        self.findings.clear();
        self.scores.clear();
        self.values.clear();
        self.tags.clear();
        self.rule_begins = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.findings.len()
    }

    /// What follows is the next rule's.
    pub(super) fn begin_rule(&mut self) {
        self.rule_begins = self.scores.len();
        self.said = None;
    }

    /// The current rule's script said something: its message, if the rule has none of its own.
    pub(super) fn set_said(&mut self, said: Option<Span>) {
        self.said = said.or(self.said);
    }

    /// The current rule added to a score.
    pub(super) fn add_score(&mut self, slot: Slot, amount: i64, most: usize) {
        if let Some((_, total)) = self.scores.iter_mut().skip(self.rule_begins).find(|(known, _)| *known == slot) {
            *total = total.saturating_add(amount);
        } else if self.scores.len() < most.saturating_mul(8) {
            self.scores.push((slot, amount));
        }
    }

    /// Masks what `hidden` says of a text must not be shown. It is given the name of the variable that
    /// the text is the value of, if it is one's.
    pub(super) fn mask(&mut self, policy: &Policy, store: &mut Store, hidden: impl Fn(Option<&[u8]>, &[u8]) -> Hidden) {
        for finding in &mut self.findings {
            let Some(rule) = policy.parts.rules.get(finding.rule) else { continue };
            let of_value = |store: &Store, name: Span, value: Span| hidden(Some(store.get(name)), store.get(value));
            let value = of_value(store, finding.variable, finding.value);
            // What a rule built from a secret value may hold any part of it.
            let whole = matches!(value, Hidden::Whole);
            finding.value = masked(finding.value, value, store);
            let mask = |store: &mut Store, span: &mut Span, template: &Template| {
                // An empty template stands for what a script said.
                if template.plain().is_none_or(<[u8]>::is_empty) {
                    let of_text = if whole { Hidden::Whole } else { hidden(None, store.get(*span)) };
                    *span = masked(*span, of_text, store);
                }
            };
            mask(store, &mut finding.message, &rule.meta.message);
            mask(store, &mut finding.data, &rule.meta.data);
            let tags = finding.tags.0 as usize..finding.tags.1 as usize;
            let templates = rule.meta.tags.iter().filter(|tag| tag.plain().is_none());
            for (span, template) in self.tags.get_mut(tags).into_iter().flatten().zip(templates) {
                mask(store, span, template);
            }
            let values = finding.values.0 as usize..finding.values.1 as usize;
            for (name, value) in self.values.get_mut(values).into_iter().flatten() {
                let of_value = of_value(store, *name, *value);
                *value = masked(*value, of_value, store);
            }
        }
    }

    /// The last finding stopped the transaction.
    pub(super) fn mark_disruptive(&mut self) {
        if let Some(last) = self.findings.last_mut() {
            last.disruptive = true;
        }
    }
}

impl State {
    /// Keeps a finding of a rule that has just matched; macros are expanded now, after the chain.
    pub(super) fn report(&mut self, policy: &Policy, rule: &Rule, index: usize, head_matches: usize) {
        if self.reports.findings.len() >= policy.limits.matches {
            return;
        }
        let message = match self.reports.said {
            Some(said) if rule.meta.message.pieces.is_empty() => said.part(0, LONGEST_TEXT),
            _ => self.expand_clipped(policy, rule, &rule.meta.message),
        };
        let data = self.expand_clipped(policy, rule, &rule.meta.data);
        let tags_begin = self.reports.tags.len() as u32;
        for tag in &rule.meta.tags {
            if tag.plain().is_none() {
                let span = self.expand_clipped(policy, rule, tag);
                self.reports.tags.push(span);
            }
        }
        let values_begin = self.reports.values.len() as u32;
        for index in 0..head_matches.min(MOST_VALUES) {
            let Some(matched) = self.matched.get(index).copied() else { break };
            let name = self.write_name(policy, matched.name);
            self.reports.values.push((name, matched.value.part(0, LONGEST_TEXT)));
        }
        let (variable, value) = match self.matched.last().copied() {
            Some(matched) => (self.write_name(policy, matched.name), matched.value.part(0, LONGEST_TEXT)),
            None => (Span::default(), Span::default()),
        };
        let reports = &mut self.reports;
        reports.findings.push(Finding {
            rule: index,
            message,
            data,
            variable,
            value,
            scores: (reports.rule_begins as u32, reports.scores.len() as u32),
            values: (values_begin, reports.values.len() as u32),
            tags: (tags_begin, reports.tags.len() as u32),
            disruptive: false,
        });
    }

    fn expand_clipped(&mut self, policy: &Policy, rule: &Rule, template: &Template) -> Span {
        let mut text = std::mem::take(&mut self.expanded);
        text.clear();
        self.expand(policy, Some(rule), template, &mut text);
        text.truncate(LONGEST_TEXT);
        let span = self.store.push(&text);
        self.expanded = text;
        span
    }

    /// A finding, put together for the caller.
    pub(super) fn finding<'a>(&'a self, policy: &'a Policy, index: usize) -> Option<Match<'a>> {
        let finding = self.reports.findings.get(index)?;
        let rule = policy.parts.rules.get(finding.rule)?;
        let get = |span: Span| self.store.get(span);
        let part = |range: (u32, u32)| range.0 as usize..range.1 as usize;
        let mut expanded = self.reports.tags.get(part(finding.tags)).unwrap_or_default().iter();
        let tags = rule.meta.tags.iter().map(|tag| match tag.plain() {
            Some(plain) => plain,
            None => expanded.next().map(|span| get(*span)).unwrap_or_default(),
        });
        let scores = self.reports.scores.get(part(finding.scores)).unwrap_or_default();
        let values = self.reports.values.get(part(finding.values)).unwrap_or_default();
        Some(Match {
            rule_id: rule.id,
            phase: rule.phase,
            message: get(finding.message),
            data: get(finding.data),
            tags: tags.collect(),
            severity: rule.meta.severity,
            variable: get(finding.variable),
            value: get(finding.value),
            operator: rule.links.first().map(|link| link.operator_text.as_slice()).unwrap_or_default(),
            scores: scores.iter().map(|(slot, amount)| (policy.parts.names.spelled(*slot), *amount)).collect(),
            matched: values.iter().map(|(name, value)| (get(*name), get(*value))).collect(),
            revision: &rule.meta.revision,
            version: &rule.meta.version,
            maturity: rule.meta.maturity,
            accuracy: rule.meta.accuracy,
            file: &rule.meta.file,
            line: rule.meta.line,
            log: rule.log,
            auditlog: rule.auditlog,
            disruptive: finding.disruptive,
        })
    }

    /// Whether and how to write the audit log.
    pub(super) fn audit(&self, policy: &Policy) -> AuditDecision {
        let found = self
            .reports
            .findings
            .iter()
            .any(|finding| policy.parts.rules.get(finding.rule).is_some_and(|rule| rule.auditlog));
        let is_relevant = |rx: &Rx| rx.is_match(self.control.status.to_string().as_bytes()).unwrap_or(true);
        let by_status = || self.control.status != 0 && policy.relevant_status.as_ref().is_some_and(is_relevant);
        let relevant = found || by_status();
        let log = match self.control.audit_engine {
            AuditEngine::Off => false,
            AuditEngine::On => true,
            AuditEngine::RelevantOnly => relevant,
        };
        AuditDecision { log, relevant, parts: self.control.audit_log_parts.clone(), mode: self.control.engine }
    }
}
