//! Applies the effects of a link and writes down what they change.

use super::State;
use super::evaluate::At;
use super::store::Span;
use crate::operators::numeric;
use crate::policy::Policy;
use crate::policy::rule::{Ctl, Effect, Rule, TargetRemoval};
use crate::prefilter;
use crate::trace::{EffectTrace, Excerpt, Points};
use crate::variables::Collection;
use parapet_seclang::ast::PersistentCollection;

/// Ids that the description of a removal names.
const MOST_IDS: usize = 8;

/// A variable that an effect writes.
enum Written {
    Tx(Vec<u8>),
    Persistent(PersistentCollection, Vec<u8>),
    Env(Vec<u8>),
}

impl State {
    /// As [`State::apply_effects`].
    pub(super) fn apply_effects_traced(&mut self, at: At<'_>) {
        let At { policy, rule, link } = at;
        for effect in &link.effects {
            let written = self.written_by(policy, rule, effect);
            let before = written.as_ref().and_then(|written| self.look(policy, written));
            self.apply_effect(at, effect);
            match (effect, written) {
                (_, Some(written)) => {
                    let after = self.look(policy, &written);
                    self.note_change(rule, effect, &written, before, after);
                }
                (Effect::InitCollection { collection, .. }, None) => {
                    let key = self.collections.persistent(*collection).key.unwrap_or_default();
                    if let Some(recorder) = &mut self.recorder {
                        let key = recorder.excerpt(self.store.get(key), None);
                        recorder.effects.push(EffectTrace::Collection { name: name_of(*collection), key });
                    }
                }
                (Effect::ExpirePersistent { collection, name, seconds }, None) => {
                    let name = self.expand_to_vec(policy, Some(rule), name);
                    let seconds = self.expand_to_vec(policy, Some(rule), seconds);
                    if let Some(recorder) = &mut self.recorder {
                        let variable = [name_of(*collection).as_bytes(), b":", &name].concat();
                        let variable = recorder.excerpt(&variable, None);
                        let seconds = numeric::parse(&seconds);
                        recorder.effects.push(EffectTrace::Expiry { variable, seconds });
                    }
                }
                (Effect::Ctl(ctl), None) => self.note_ctl(policy, rule, ctl),
                _ => {}
            }
        }
    }

    fn written_by(&mut self, policy: &Policy, rule: &Rule, effect: &Effect) -> Option<Written> {
        Some(match effect {
            Effect::SetTx { slot, .. } => Written::Tx(policy.parts.names.spelled(*slot).to_vec()),
            Effect::SetTxNamed { name, .. } => Written::Tx(self.expand_to_vec(policy, Some(rule), name)),
            Effect::SetPersistent { collection, name, .. } => {
                Written::Persistent(*collection, self.expand_to_vec(policy, Some(rule), name))
            }
            Effect::SetEnv { name, .. } => Written::Env(self.expand_to_vec(policy, Some(rule), name)),
            Effect::InitCollection { .. }
            | Effect::ExpirePersistent { .. }
            | Effect::Exec(_)
            | Effect::Inject { .. }
            | Effect::Sanitise(_)
            | Effect::Ctl(_) => return None,
        })
    }

    fn look(&self, policy: &Policy, written: &Written) -> Option<Span> {
        match written {
            Written::Tx(key) => match policy.parts.names.find(key) {
                Some(slot) => self.collections.slot(slot),
                None => self.collections.tx.get(key, &self.store),
            },
            Written::Persistent(collection, key) => {
                self.collections.persistent(*collection).values.get(key, &self.store)
            }
            Written::Env(key) => {
                self.collections.first(Collection::Env, key, &self.store).map(|item| self.store.span(item.value))
            }
        }
    }

    fn note_change(
        &mut self,
        rule: &Rule,
        effect: &Effect,
        written: &Written,
        before: Option<Span>,
        after: Option<Span>,
    ) {
        let (collection, key) = match written {
            Written::Tx(key) => ("TX", key),
            Written::Persistent(collection, key) => (name_of(*collection), key),
            Written::Env(key) => ("ENV", key),
        };
        let Some(recorder) = &mut self.recorder else { return };
        let variable = recorder.excerpt(&[collection.as_bytes(), b":", key].concat(), None);
        let mut value = |span: Option<Span>| span.map(|span| recorder.excerpt(self.store.get(span), None));
        let (before_value, after_value) = (value(before), value(after));
        recorder.effects.push(EffectTrace::Set { variable, before: before_value, after: after_value });
        if matches!(effect, Effect::SetTx { ledger: true, .. }) {
            let number = |span: Option<Span>| span.map_or(0, |span| numeric::parse(self.store.get(span)));
            recorder.points.push(Points {
                rule: rule.id,
                phase: rule.phase,
                score: String::from_utf8_lossy(key).into_owned(),
                points: number(after).saturating_sub(number(before)),
                total: number(after),
                variable: Excerpt::default(),
                found: Excerpt::default(),
            });
        }
    }

    fn note_ctl(&mut self, policy: &Policy, rule: &Rule, ctl: &Ctl) {
        let Some(recorder) = &mut self.recorder else { return };
        match ctl {
            Ctl::RemoveRules(index) => recorder.rule_removals.push((*index, rule.id)),
            Ctl::RemoveTargets(index) => recorder.target_removals.push((*index, rule.id)),
            _ => {}
        }
        recorder.effects.push(EffectTrace::Control(describe(policy, ctl)));
    }
}

fn name_of(collection: PersistentCollection) -> &'static str {
    match collection {
        PersistentCollection::Ip => "IP",
        PersistentCollection::Session => "SESSION",
        PersistentCollection::User => "USER",
        PersistentCollection::Global => "GLOBAL",
        PersistentCollection::Resource => "RESOURCE",
    }
}

/// A `ctl` action by what it comes to.
fn describe(policy: &Policy, ctl: &Ctl) -> String {
    let on = |on: &bool| if *on { "On" } else { "Off" };
    match ctl {
        Ctl::RemoveRules(index) => {
            let rules = policy.parts.removals.get(usize::from(*index)).map(Vec::as_slice).unwrap_or_default();
            format!("removes {}", rules_of(policy, rules))
        }
        Ctl::RemoveTargets(index) => match policy.parts.target_removals.get(usize::from(*index)) {
            Some(TargetRemoval { rules, exclusions }) => {
                let targets: Vec<&str> = exclusions.iter().map(|exclusion| &*exclusion.text).collect();
                format!("removes {} from {}", targets.join(", "), rules_of(policy, rules))
            }
            None => String::new(),
        },
        Ctl::RuleEngine(mode) => format!("ruleEngine={mode:?}"),
        Ctl::AuditEngine(engine) => format!("auditEngine={engine:?}"),
        Ctl::AuditLogParts(parts) => format!("auditLogParts={}", String::from_utf8_lossy(parts)),
        Ctl::ForceRequestBodyVariable(force) => format!("forceRequestBodyVariable={}", on(force)),
        Ctl::RequestBodyAccess(access) => format!("requestBodyAccess={}", on(access)),
        Ctl::RequestBodyLimit(limit) => format!("requestBodyLimit={limit}"),
        Ctl::RequestBodyProcessor(processor) => {
            format!("requestBodyProcessor={}", format!("{processor:?}").to_ascii_uppercase())
        }
        Ctl::ResponseBodyAccess(access) => format!("responseBodyAccess={}", on(access)),
        Ctl::ResponseBodyLimit(limit) => format!("responseBodyLimit={limit}"),
        Ctl::ResponseBodyProcessor(processor) => {
            format!("responseBodyProcessor={}", format!("{processor:?}").to_ascii_uppercase())
        }
        Ctl::ParseXmlIntoArgs(mode) => format!("parseXmlIntoArgs={mode:?}"),
    }
}

/// Rules by their ids, the first of them if there are many.
fn rules_of(policy: &Policy, bits: &[u64]) -> String {
    let rules = policy.parts.rules.iter().filter(|rule| prefilter::is_set(bits, rule.bit as usize));
    let ids: Vec<String> = rules.map(|rule| rule.id.to_string()).collect();
    match ids.len() {
        0 => "no rule".to_owned(),
        1 => format!("rule {}", ids.join("")),
        count if count <= MOST_IDS => format!("{count} rules: {}", ids.join(", ")),
        count => format!("{count} rules: {}, …", ids.get(..MOST_IDS).unwrap_or_default().join(", ")),
    }
}
