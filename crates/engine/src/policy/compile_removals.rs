//! Rules and targets that directives and `ctl` take out.

use parapet_seclang::ast::{self, DirectiveKind};

use super::compile::{Compiler, Draft};
use super::exclusions::{self, Which};
use super::rule::{Rule, TargetRemoval};
use super::targets::Exclusion;
use crate::prefilter::set;

impl Compiler<'_> {
    /// Finds the rules that `ctl` removals are about.
    pub(super) fn resolve_removals(
        &mut self,
        drafts: &[Draft],
        rules: &[Rule],
        words: usize,
    ) -> (Vec<Vec<u64>>, Vec<TargetRemoval>) {
        let bits = |which: &Which<'_>| {
            let mut bits = vec![0; words];
            for (draft, rule) in drafts.iter().zip(rules).filter(|(draft, _)| which.includes(&draft.rule)) {
                debug_assert!(!draft.rule.links.is_empty());
                set(&mut bits, rule.bit as usize);
            }
            bits
        };
        let removals = std::mem::take(&mut self.removals);
        let mut of_rules = Vec::new();
        for ctl in &removals.rules {
            let which = match ctl {
                ast::Ctl::RuleRemoveById(ranges) => Ok(Which::Ids(ranges)),
                ast::Ctl::RuleRemoveByTag(tag) => Which::tag(tag),
                ast::Ctl::RuleRemoveByMsg(pattern) => Which::msg_pattern(pattern),
                _ => continue,
            };
            of_rules.push(which.map(|which| bits(&which)));
        }
        let mut of_targets = Vec::new();
        for ctl in &removals.targets {
            let (which, targets) = match ctl {
                ast::Ctl::RuleRemoveTargetById(ranges, targets) => (Ok(Which::Ids(ranges)), targets),
                ast::Ctl::RuleRemoveTargetByTag(tag, targets) => (Which::tag(tag), targets),
                ast::Ctl::RuleRemoveTargetByMsg(pattern, targets) => (Which::msg_pattern(pattern), targets),
                _ => continue,
            };
            let exclusions: Result<Vec<_>, _> =
                targets.iter().map(|t| Exclusion::compile(t, self.place(t.span), &mut self.names)).collect();
            let span = targets.first().map(|target| target.span).unwrap_or_default();
            of_targets.push(
                which
                    .and_then(|which| Ok(TargetRemoval { rules: bits(&which), exclusions: exclusions? }))
                    .map_err(|message| (span, message)),
            );
        }
        let mut keep_rules = Vec::new();
        for outcome in of_rules {
            match outcome {
                Ok(bits) => keep_rules.push(bits),
                Err(message) => self.error(ast::Span::default(), format!("in a ctl action: {message}")),
            }
        }
        let mut keep_targets = Vec::new();
        for outcome in of_targets {
            match outcome {
                Ok(removal) => keep_targets.push(removal),
                Err((span, message)) => self.error(span, message),
            }
        }
        (keep_rules, keep_targets)
    }
}

/// Applies a directive that removes rules or changes their targets; returns the rules it removes.
pub(super) fn exclude(drafts: &mut Vec<Draft>, directive: &DirectiveKind) -> Result<Vec<Draft>, String> {
    let (which, targets) = match directive {
        DirectiveKind::RemoveById(ranges) => (Which::Ids(ranges), None),
        DirectiveKind::RemoveByTag(pattern) => (Which::tag_pattern(pattern)?, None),
        DirectiveKind::RemoveByMsg(pattern) => (Which::msg_pattern(pattern)?, None),
        DirectiveKind::UpdateTargetById(ranges, targets) => (Which::Ids(ranges), Some(targets)),
        DirectiveKind::UpdateTargetByTag(pattern, targets) => (Which::tag_pattern(pattern)?, Some(targets)),
        DirectiveKind::UpdateTargetByMsg(pattern, targets) => (Which::msg_pattern(pattern)?, Some(targets)),
        _ => return Ok(Vec::new()),
    };
    match targets {
        None => Ok(exclusions::remove(drafts, &which)),
        Some(targets) => {
            exclusions::update_targets(drafts, &which, targets);
            Ok(Vec::new())
        }
    }
}
