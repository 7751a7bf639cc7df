//! Masks in a trace what rules have declared secret.

use aho_corasick::AhoCorasick;

use super::secrets::{SHORTEST_VALUE, Secrets};
use crate::trace::{EffectTrace, Excerpt, TestTrace, Trace};

impl Secrets {
    /// Masks values by their names and their occurrences in other texts.
    pub(super) fn mask_trace(&self, trace: &mut Trace) {
        if self.is_empty() {
            return;
        }
        let search = self.search();
        let search = search.as_ref();
        for rule in &mut trace.rules {
            let mut built_from_secret = false;
            for link in &mut rule.links {
                for test in &mut link.tests {
                    built_from_secret |= test.matched && self.has_variable(&test.variable.bytes);
                    self.mask_test(search, test);
                }
                for excluded in &mut link.excluded {
                    let hidden = self.has_variable(&excluded.variable.bytes);
                    self.mask_excerpt(search, &mut excluded.value, hidden);
                }
                link.argument.iter_mut().for_each(|argument| self.mask_excerpt(search, argument, false));
            }
            self.mask_excerpt(search, &mut rule.message, false);
            self.mask_excerpt(search, &mut rule.data, built_from_secret);
        }
        for points in &mut trace.ledger {
            let hidden = self.has_variable(&points.variable.bytes);
            self.mask_excerpt(search, &mut points.found, hidden);
        }
    }

    fn mask_test(&self, search: Option<&AhoCorasick>, test: &mut TestTrace) {
        let hidden = self.has_variable(&test.variable.bytes);
        let steps = test.steps.iter_mut().filter_map(|step| step.result.as_mut());
        let captures = test.captures.iter_mut().flatten();
        for excerpt in [&mut test.original, &mut test.found].into_iter().chain(steps).chain(captures) {
            self.mask_excerpt(search, excerpt, hidden);
        }
        for effect in &mut test.effects {
            match effect {
                EffectTrace::Set { before, after, .. } => {
                    for value in [before, after].into_iter().flatten() {
                        // A score that a secret value led to is no secret.
                        let hidden = hidden && value.bytes.len() >= SHORTEST_VALUE;
                        self.mask_excerpt(search, value, hidden);
                    }
                }
                EffectTrace::Collection { key, .. } => self.mask_excerpt(search, key, false),
                EffectTrace::Expiry { .. } | EffectTrace::Control(_) => {}
            }
        }
    }

    fn mask_excerpt(&self, search: Option<&AhoCorasick>, excerpt: &mut Excerpt, hidden: bool) {
        if hidden {
            excerpt.bytes.fill(b'*');
        } else {
            excerpt.bytes = self.mask_with(search, &excerpt.bytes).into_owned();
        }
    }
}
