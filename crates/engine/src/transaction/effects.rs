//! What a link does each time it matches: `setvar`, `ctl`, collections.

use super::State;
use super::evaluate::At;
use super::store::Span;
use crate::limits::Limit;
use crate::operators::numeric;
use crate::policy::Policy;
use crate::policy::names::Slot;
use crate::policy::rule::{Change, Ctl, Effect, Rule};
use crate::policy::template::Template;
use crate::variables::Collection;

/// Bytes that rules may add at each end of a response body.
const MOST_INJECTED: usize = 1 << 20;

impl State {
    /// Applies the effects of a link, in order.
    pub(super) fn apply_effects(&mut self, at: At<'_>) {
        if self.recorder.is_some() {
            return self.apply_effects_traced(at);
        }
        for effect in &at.link.effects {
            self.apply_effect(at, effect);
        }
    }

    pub(super) fn apply_effect(&mut self, at: At<'_>, effect: &Effect) {
        let At { policy, rule, link } = at;
        match effect {
            Effect::SetTx { slot, change, ledger } => {
                let before = self.collections.slot(*slot);
                let value = self.changed(policy, rule, before, change);
                if *ledger {
                    let number = |span: Option<Span>| span.map_or(0, |span| numeric::parse(self.store.get(span)));
                    let amount = number(value).saturating_sub(number(before));
                    self.reports.add_score(*slot, amount, policy.limits.matches);
                }
                self.collections.set_slot(*slot, value);
            }
            Effect::SetTxNamed { name, change } => self.set_tx_named(policy, rule, name, change),
            Effect::SetPersistent { collection, name, change } => {
                self.set_persistent(policy, rule, *collection, name, change);
            }
            Effect::InitCollection { collection, key } => {
                self.init_collection(policy, rule, *collection, key);
            }
            Effect::ExpirePersistent { collection, name, seconds } => {
                self.expire_persistent(policy, rule, *collection, name, seconds);
            }
            Effect::SetEnv { name, value } => {
                let name = self.expand_to_vec(policy, Some(rule), name);
                let value = self.expand_to_vec(policy, Some(rule), value);
                self.collections.remove(Collection::Env, &name, &self.store);
                if !self.collections.add(Collection::Env, &name, &value, policy.limits.variables, &mut self.store) {
                    self.store.budget.meet(Limit::Variables);
                }
            }
            Effect::Inject { at_end, text } => {
                let text = self.expand_to_vec(policy, Some(rule), text);
                let place = &mut self.injected[usize::from(*at_end)];
                if place.len() + text.len() <= MOST_INJECTED {
                    place.extend_from_slice(&text);
                }
            }
            Effect::Sanitise(secret) => self.sanitise(policy, link, secret),
            Effect::Exec(script) => {
                // What it says decides nothing.
                self.run_script(at, script, &[]);
            }
            Effect::Ctl(ctl) => self.control(policy, ctl),
        }
    }

    /// The value after a change.
    pub(super) fn changed(
        &mut self,
        policy: &Policy,
        rule: &Rule,
        before: Option<Span>,
        change: &Change,
    ) -> Option<Span> {
        let (sign, amount) = match change {
            Change::Unset => return None,
            Change::Set(value) => return Some(self.expand_to_span(policy, Some(rule), value)),
            Change::Add(amount) => (1, amount),
            Change::Subtract(amount) => (-1, amount),
        };
        let by = match (amount.plain(), amount.slot()) {
            (Some(plain), _) => numeric::parse(plain),
            (None, Some(slot)) => self.collections.slot(slot).map_or(0, |value| numeric::parse(self.store.get(value))),
            (None, None) => numeric::parse(&self.expand_to_vec(policy, Some(rule), amount)),
        };
        let old = before.map_or(0, |before| numeric::parse(self.store.get(before)));
        let new = old.saturating_add(by.saturating_mul(sign));
        Some(self.push_number(new))
    }

    /// Writes a number.
    pub(super) fn push_number(&mut self, value: i64) -> Span {
        let mut digits = [0u8; 20];
        let begin = self.store.begin();
        if value < 0 {
            self.store.push(b"-");
        }
        self.store.push(super::clock::decimal(value.unsigned_abs(), &mut digits));
        self.store.finish(begin)
    }

    fn set_tx_named(&mut self, policy: &Policy, rule: &Rule, name: &Template, change: &Change) {
        let name = self.expand_to_span(policy, Some(rule), name);
        if let Some(slot) = policy.parts.names.find(self.store.get(name)) {
            self.set_slot(policy, rule, slot, change);
            return;
        }
        let before = self.collections.tx.get(self.store.get(name), &self.store);
        match self.changed(policy, rule, before, change) {
            Some(value) => self.collections.tx.set(name, value, policy.limits.variables, &mut self.store),
            None => self.collections.tx.unset(self.store.get(name), &self.store),
        }
    }

    fn set_slot(&mut self, policy: &Policy, rule: &Rule, slot: Slot, change: &Change) {
        let before = self.collections.slot(slot);
        let value = self.changed(policy, rule, before, change);
        self.collections.set_slot(slot, value);
    }

    fn control(&mut self, policy: &Policy, ctl: &Ctl) {
        let control = &mut self.control;
        match ctl {
            Ctl::RemoveRules(index) => {
                let rules = policy.parts.removals.get(usize::from(*index)).map(Vec::as_slice).unwrap_or_default();
                if control.removed.len() < rules.len() {
                    control.removed.resize(rules.len(), 0);
                }
                for (removed, rules) in control.removed.iter_mut().zip(rules) {
                    *removed |= rules;
                }
            }
            Ctl::RemoveTargets(index) => {
                if !control.target_removals.contains(index) {
                    control.target_removals.push(*index);
                }
            }
            Ctl::RuleEngine(mode) => control.engine = *mode,
            Ctl::AuditEngine(engine) => control.audit_engine = *engine,
            Ctl::AuditLogParts(parts) => change_parts(&mut control.audit_log_parts, parts),
            Ctl::ForceRequestBodyVariable(on) => control.force_request_body = *on,
            Ctl::RequestBodyAccess(on) => control.request_body_access = *on,
            Ctl::RequestBodyLimit(limit) => control.request_body_limit = *limit,
            Ctl::RequestBodyProcessor(processor) => self.set_processor(*processor),
            Ctl::ResponseBodyAccess(on) => control.response_body_access = *on,
            Ctl::ResponseBodyLimit(limit) => control.response_body_limit = *limit,
            Ctl::ResponseBodyProcessor(processor) => self.set_response_processor(*processor),
            Ctl::ParseXmlIntoArgs(mode) => control.parse_xml_into_args = *mode,
        }
    }
}

/// `+E` adds, `-E` takes away, anything else replaces.
fn change_parts(parts: &mut Vec<u8>, change: &[u8]) {
    match change.split_first() {
        Some((b'+', added)) => {
            for part in added {
                if !parts.contains(part) {
                    parts.push(*part);
                }
            }
        }
        Some((b'-', removed)) => parts.retain(|part| !removed.contains(part)),
        _ => {
            parts.clear();
            parts.extend_from_slice(change);
        }
    }
}
