//! Operators that ask something outside of the value, or that set variables: `@geoLookup`, `@rbl`,
//! `@restpath`; and what happens when an operator is given up.

use parapet_seclang::ast::Variable;

use super::State;
use super::store::Span;
use crate::limits::Limit;
use crate::operators::Lookup;
use crate::policy::Policy;
use crate::variables::Collection;

impl State {
    /// Whether the value passes such a test, its negation not considered.
    pub(super) fn look_up(&mut self, policy: &Policy, lookup: &Lookup, value: Span) -> bool {
        let value = self.store.get(value).to_vec();
        match lookup {
            Lookup::Geo(database) => {
                self.collections.clear(Collection::Geo);
                let Some(place) = database.find(&value) else { return false };
                for (name, text) in place {
                    self.set_member(policy, Collection::Geo, name.as_bytes(), text.as_bytes());
                }
                true
            }
            Lookup::Rbl(list) => match (&policy.resolver, list.name(&value)) {
                (Some(resolver), Some(name)) => resolver.has_address(&name),
                _ => false,
            },
            // The caller asks it, with the rule.
            Lookup::Script(_) => false,
            Lookup::RestPath(path) => {
                let mut captures = std::mem::take(&mut self.captures);
                let found = path.find(&value, &mut captures);
                let matched = found.is_some();
                for (name, text) in found.into_iter().flatten() {
                    self.set_member(policy, Collection::ArgsPath, name, text);
                }
                self.captures = captures;
                matched
            }
        }
    }

    /// A pattern was given up on a value and counts as not matching: says so where ModSecurity does, so
    /// that rule 200005 of its recommended configuration refuses the request.
    #[cold]
    pub(super) fn give_up_pattern(&mut self, policy: &Policy) {
        self.store.budget.meet(Limit::Backtracking);
        for (variable, value) in
            [(Variable::MscPcreLimitsExceeded, &b"1"[..]), (Variable::MscPcreError, b"MATCH_LIMIT")]
        {
            self.set(variable, value);
            self.set_tx(policy, variable.name().as_bytes(), value);
        }
    }

    fn set_tx(&mut self, policy: &Policy, name: &[u8], value: &[u8]) {
        let value = self.store.push(value);
        let name = self.store.push(name);
        self.set_tx_value(policy, name, Some(value));
    }

    /// Sets a name in `TX`, or takes it out.
    pub(super) fn set_tx_value(&mut self, policy: &Policy, name: Span, value: Option<Span>) {
        match (policy.parts.names.find(self.store.get(name)), value) {
            (Some(slot), value) => self.collections.set_slot(slot, value),
            (None, Some(value)) => self.collections.tx.set(name, value, policy.limits.variables, &mut self.store),
            (None, None) => self.collections.tx.unset(self.store.get(name), &self.store),
        }
    }

    fn set_member(&mut self, policy: &Policy, collection: Collection, name: &[u8], value: &[u8]) {
        self.collections.remove(collection, name, &self.store);
        self.collections.add(collection, name, value, policy.limits.variables, &mut self.store);
    }
}
