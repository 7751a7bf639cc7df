//! Checks that need more than one action or more than one rule.

use std::collections::{HashMap, HashSet};

use crate::actions::Actions;
use crate::ast::{Action, ActionKind, Rule, Span};
use crate::error::{Errors, show};
use crate::text::Slice;

/// Whether an action decides what happens to the transaction.
fn is_disruptive(kind: &ActionKind) -> bool {
    use ActionKind::{Allow, Block, Deny, Drop, Pass, Redirect};
    matches!(kind, Allow(_) | Block | Deny | Drop | Pass | Redirect(_))
}

fn id(actions: &[Action]) -> Option<(u32, Span)> {
    actions.iter().find_map(|action| match action.kind {
        ActionKind::Id(id) => Some((id, action.span)),
        _ => None,
    })
}

/// `SecDefaultAction` needs a phase and a disruptive action, and nothing that belongs to one rule.
pub(crate) fn default_action(list: Slice<'_>, found: &Actions, errors: &mut Errors) {
    let has = |wanted: fn(&ActionKind) -> bool| found.list.iter().any(|action| wanted(&action.kind));
    if !has(|kind| matches!(kind, ActionKind::Phase(_))) {
        errors.hint(list.span(), "SecDefaultAction needs a phase", "add phase:1 to phase:5");
    }
    if !has(is_disruptive) {
        errors.hint(list.span(), "SecDefaultAction needs a disruptive action", "add pass, deny, drop or redirect");
    }
    for action in &found.list {
        let belongs_to_a_rule = match action.kind {
            ActionKind::Id(_) => "id",
            ActionKind::Msg(_) => "msg",
            ActionKind::Severity(_) => "severity",
            ActionKind::LogData(_) => "logdata",
            ActionKind::Skip(_) | ActionKind::SkipAfter(_) => "skipping",
            ActionKind::Block => "block",
            _ => continue,
        };
        errors.push(action.span, format!("SecDefaultAction cannot carry {belongs_to_a_rule}"));
    }
    if found.chain {
        errors.push(list.span(), "SecDefaultAction cannot carry chain");
    }
}

/// `SecRuleUpdateActionById` cannot make a rule another rule.
pub(crate) fn update_action(list: Slice<'_>, found: &Actions, errors: &mut Errors) {
    let forbidden = |kind: &ActionKind| matches!(kind, ActionKind::Id(_) | ActionKind::Phase(_));
    for action in found.list.iter().filter(|action| forbidden(&action.kind)) {
        errors.push(action.span, "SecRuleUpdateActionById cannot change the id or the phase of a rule");
    }
    if found.chain {
        errors.push(list.span(), "SecRuleUpdateActionById cannot make a rule the head of a chain");
    }
}

/// A complete rule: the head has an id, the links leave decisions to the head.
pub(crate) fn rule(rule: &Rule, errors: &mut Errors) {
    let Some((head, links)) = rule.links.split_first() else { return };
    if id(&head.actions).is_none() {
        errors.hint(head.span, "this rule has no id", "add id:NUMBER to its actions");
    }
    let phase = phase(&head.actions);
    for action in links.iter().flat_map(|link| &link.actions) {
        let message = match &action.kind {
            ActionKind::Pass => continue,
            ActionKind::Phase(own) if *own == phase => continue,
            ActionKind::Id(_) => "only the first rule of a chain carries an id",
            ActionKind::Phase(_) => "a chain runs in the phase of its first rule",
            ActionKind::Skip(_) | ActionKind::SkipAfter(_) => "only the first rule of a chain can skip",
            kind if is_disruptive(kind) => "only the first rule of a chain can decide what happens to the request",
            _ => continue,
        };
        errors.hint(action.span, message, "move this action to the first rule of the chain");
    }
}

fn phase(actions: &[Action]) -> u8 {
    let stated = actions.iter().rev().find_map(|action| match action.kind {
        ActionKind::Phase(phase) => Some(phase),
        _ => None,
    });
    stated.unwrap_or(2)
}

/// What only the whole configuration shows: ids given twice, and skips to nowhere.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    ids: HashMap<u32, Span>,
    markers: HashSet<Vec<u8>>,
    skips: Vec<(Vec<u8>, Span)>,
    /// Ids given twice: the second place, the id, the first place.
    pub(crate) duplicates: Vec<(Span, u32, Span)>,
}

impl Whole {
    pub(crate) fn rule(&mut self, rule: &Rule) {
        let Some(head) = rule.links.first() else { return };
        if let Some((id, span)) = id(&head.actions) {
            match self.ids.get(&id) {
                Some(first) => self.duplicates.push((span, id, *first)),
                None => {
                    self.ids.insert(id, span);
                }
            }
        }
        self.skips.extend(head.actions.iter().filter_map(|action| match &action.kind {
            ActionKind::SkipAfter(marker) => Some((marker.clone(), action.span)),
            _ => None,
        }));
    }

    pub(crate) fn marker(&mut self, name: &[u8]) {
        self.markers.insert(name.to_vec());
    }

    /// A skip to a marker that does not exist would switch off every rule up to the end of the phase,
    /// so it is an error. The target may also be the id of a rule, as in ModSecurity 2.
    pub(crate) fn finish(&self, errors: &mut Errors) {
        for (marker, span) in &self.skips {
            let is_macro = marker.windows(2).any(|pair| pair == b"%{");
            let id = std::str::from_utf8(marker).ok().and_then(|text| text.parse().ok());
            let known = self.markers.contains(marker) || id.is_some_and(|id: u32| self.ids.contains_key(&id));
            if !known && !is_macro {
                let message = format!("skipAfter names the marker `{}`, which does not exist", show(marker));
                errors.hint(
                    *span,
                    message,
                    "every rule up to the end of the phase would be skipped; add the SecMarker",
                );
            }
        }
    }
}
