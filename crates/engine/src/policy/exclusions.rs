//! `SecRuleRemove…` and `SecRuleUpdate…`: changes to the rules that stand before them.

use parapet_seclang::ast::{self, ActionKind, IdRange, TargetMode};

use super::actions::id_of;
use super::compile::Draft;
use crate::operators::Rx;

/// Which rules a directive or a `ctl` is about.
pub(crate) enum Which<'a> {
    Ids(&'a [IdRange]),
    /// A regular expression over tags.
    TagPattern(Rx),
    /// One tag, as it is written.
    Tag(&'a [u8]),
    /// A regular expression over the message.
    MsgPattern(Rx),
}

impl Which<'_> {
    /// `SecRule…ByTag`.
    pub(crate) fn tag_pattern(pattern: &[u8]) -> Result<Which<'static>, String> {
        Rx::compile(pattern).map(Which::TagPattern)
    }

    /// `SecRule…ByMsg` and `ctl:…ByMsg`.
    pub(crate) fn msg_pattern(pattern: &[u8]) -> Result<Which<'static>, String> {
        Rx::compile(pattern).map(Which::MsgPattern)
    }

    /// `ctl:…ByTag`: the tag itself, or a pattern between slashes.
    pub(crate) fn tag(text: &[u8]) -> Result<Which<'_>, String> {
        match text {
            [b'/', pattern @ .., b'/'] if !pattern.is_empty() => Which::tag_pattern(pattern),
            _ => Ok(Which::Tag(text)),
        }
    }

    /// Whether a rule is meant.
    pub(crate) fn includes(&self, rule: &ast::Rule) -> bool {
        let Some(head) = rule.links.first() else { return false };
        let tags = || {
            rule.links.iter().flat_map(|link| &link.actions).filter_map(|action| match &action.kind {
                ActionKind::Tag(tag) => Some(tag),
                _ => None,
            })
        };
        match self {
            Which::Ids(ranges) => {
                let id = id_of(&head.actions);
                ranges.iter().any(|range| range.contains(id))
            }
            Which::TagPattern(rx) => tags().any(|tag| rx.is_match(tag).unwrap_or(false)),
            Which::Tag(wanted) => tags().any(|tag| tag.as_slice() == *wanted),
            Which::MsgPattern(rx) => head.actions.iter().any(|action| match &action.kind {
                ActionKind::Msg(message) => rx.is_match(message).unwrap_or(false),
                _ => false,
            }),
        }
    }
}

/// Takes rules out and returns them.
pub(crate) fn remove(drafts: &mut Vec<Draft>, which: &Which<'_>) -> Vec<Draft> {
    drafts.extract_if(.., |draft| which.includes(&draft.rule)).collect()
}

/// Adds variables to the first link of rules, and exclusions to all their links.
pub(crate) fn update_targets(drafts: &mut [Draft], which: &Which<'_>, targets: &[ast::Target]) {
    for draft in drafts.iter_mut().filter(|draft| which.includes(&draft.rule)) {
        for (index, link) in draft.rule.links.iter_mut().enumerate() {
            let wanted = |target: &&ast::Target| index == 0 || target.mode == TargetMode::Exclude;
            if !link.targets.is_empty() {
                link.targets.extend(targets.iter().filter(wanted).cloned());
            }
        }
    }
}

/// Replaces actions of one link: single-valued ones replace their like, the others are added.
pub(crate) fn update_actions(drafts: &mut [Draft], id: u32, link: usize, actions: &[ast::Action]) {
    for draft in drafts {
        let is_meant = draft.rule.links.first().is_some_and(|head| id_of(&head.actions) == id);
        let Some(link) = draft.rule.links.get_mut(link).filter(|_| is_meant) else { continue };
        let replaces_transformations = actions.iter().any(|a| matches!(a.kind, ActionKind::Transformation(_)));
        if replaces_transformations {
            link.actions.retain(|action| !matches!(action.kind, ActionKind::Transformation(_)));
        }
        // An id cannot be changed: other directives refer to it.
        link.actions
            .extend(actions.iter().filter(|a| !matches!(a.kind, ActionKind::Id(_) | ActionKind::Phase(_))).cloned());
    }
}
