//! An explanation for programs.

use super::people::{Selection, reason};
use super::summary::{Summary, by_level};
use super::{Explanation, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parapet_engine::EngineMode;
use parapet_engine::trace::{
    EffectTrace, Excerpt, LinkTrace, Origin, Outcome, Place, Points, Reason, RuleTrace, TestTrace,
};
use serde_json::{Value, json};

/// The explanation as JSON. Values are objects: `text`, whole `length` in bytes, `start` of the text
/// if it is cut, and `base64` where the bytes are not UTF-8.
pub fn value(explanation: &Explanation, selection: &Selection) -> Value {
    let request = &explanation.request;
    let notes = request.notes.iter().chain(explanation.response.iter().flat_map(|response| &response.notes));
    let rules = explanation.trace.rules.iter().filter(|rule| selection.includes(explanation, rule));
    json!({
        "request": {
            "source": request.source,
            "method": lossy(&request.method),
            "target": lossy(&request.target),
            "protocol": lossy(&request.protocol),
        },
        "response": explanation.response.as_ref().map(|response| json!({ "status": response.status })),
        "notes": notes.collect::<Vec<_>>(),
        "verdict": verdict(explanation),
        "scores": scores(explanation),
        "ledger": explanation.trace.ledger.iter().map(points).collect::<Vec<_>>(),
        "limits_met": explanation.limits.iter().map(|limit| limit.description()).collect::<Vec<_>>(),
        "consistent": explanation.is_consistent,
        "summary": summary(explanation),
        "rules": rules.map(rule).collect::<Vec<_>>(),
    })
}

fn verdict(explanation: &Explanation) -> Value {
    let mode = match explanation.mode {
        EngineMode::On => "On",
        EngineMode::DetectionOnly => "DetectionOnly",
        EngineMode::Off => "Off",
    };
    let deciding = explanation.deciding_rule().map(|(rule, disruption)| {
        json!({
            "id": rule.id,
            "phase": rule.phase,
            "action": disruption.action,
            "status": disruption.status,
            "enforced": disruption.enforced,
            "reason": reason(rule),
        })
    });
    let status = match &explanation.verdict {
        Verdict::Passed => None,
        Verdict::Stopped(intervention) => Some(intervention.status),
        Verdict::BodyTooLarge => Some(413),
        Verdict::Malformed { status, .. } => Some(*status),
    };
    let malformed = match &explanation.verdict {
        Verdict::Malformed { reason, .. } => Some(reason),
        _ => None,
    };
    json!({
        "blocked": explanation.is_blocked(),
        "status": status,
        "mode": mode,
        "rule": deciding,
        "malformed": malformed,
    })
}

fn scores(explanation: &Explanation) -> Value {
    let scores = &explanation.scores;
    json!({
        "inbound": scores.inbound,
        "inbound_threshold": scores.inbound_threshold,
        "inbound_by_level": by_level(explanation, false),
        "outbound": scores.outbound,
        "outbound_threshold": scores.outbound_threshold,
        "outbound_by_level": by_level(explanation, true),
        "blocking_paranoia_level": scores.paranoia_level,
    })
}

fn points(points: &Points) -> Value {
    json!({
        "rule": points.rule,
        "phase": points.phase,
        "score": points.score,
        "paranoia_level": points.paranoia_level(),
        "points": points.points,
        "total": points.total,
        "variable": lossy(&points.variable.bytes),
        "found": excerpt(&points.found),
    })
}

fn summary(explanation: &Explanation) -> Value {
    let summary = Summary::of(explanation);
    let left_out = summary.left_out.iter().map(|group| {
        let mut entry = reason_of(&group.reason);
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("rules".to_owned(), json!(group.ids));
        }
        entry
    });
    json!({
        "rules": summary.rules,
        "matched": summary.matched,
        "not_matched": summary.not_matched,
        "prefiltered": summary.prefiltered,
        "left_out": left_out.collect::<Vec<_>>(),
        "tests_not_kept": explanation.trace.left_out,
    })
}

fn rule(rule: &RuleTrace) -> Value {
    let outcome = match &rule.outcome {
        Outcome::Matched { disruption } => json!({
            "kind": "matched",
            "disruption": disruption.as_ref().map(|disruption| json!({
                "action": disruption.action,
                "status": disruption.status,
                "enforced": disruption.enforced,
            })),
        }),
        Outcome::NotMatched { prefiltered } => json!({ "kind": "not_matched", "prefiltered": prefiltered }),
        Outcome::LeftOut(reason) => json!({ "kind": "left_out", "reason": reason_of(reason) }),
    };
    json!({
        "id": rule.id,
        "phase": rule.phase,
        "file": rule.place.file.display().to_string(),
        "line": rule.place.line,
        "message": lossy(&rule.message.bytes),
        "data": lossy(&rule.data.bytes),
        "severity": rule.severity,
        "outcome": outcome,
        "links": rule.links.iter().map(link).collect::<Vec<_>>(),
    })
}

fn reason_of(reason: &Reason) -> Value {
    match reason {
        Reason::RemovedByDirective(place) => json!({ "reason": "removed_by_directive", "place": place_of(place) }),
        Reason::RemovedByCtl { by } => json!({ "reason": "removed_by_ctl", "by": by }),
        Reason::Skipped { by } => json!({ "reason": "skipped", "by": by }),
        Reason::ParanoiaGate { by, level } => json!({ "reason": "paranoia_gate", "by": by, "level": level }),
        Reason::Ended { by } => json!({ "reason": "ended", "by": by }),
        Reason::EngineOff { by } => json!({ "reason": "engine_off", "by": by }),
        Reason::PhaseNotRun => json!({ "reason": "phase_not_run" }),
    }
}

fn place_of(place: &Place) -> Value {
    json!({ "file": place.file.display().to_string(), "line": place.line })
}

fn link(link: &LinkTrace) -> Value {
    let excluded = link.excluded.iter().map(|excluded| {
        json!({
            "variable": lossy(&excluded.variable.bytes),
            "value": excerpt(&excluded.value),
            "exclusion": excluded.exclusion,
            "origin": match excluded.origin {
                Origin::Rule => "rule",
                Origin::Directive => "directive",
                Origin::Ctl(_) => "ctl",
            },
            "by": match excluded.origin {
                Origin::Ctl(by) => Some(by),
                Origin::Rule | Origin::Directive => None,
            },
            "place": place_of(&excluded.place),
        })
    });
    json!({
        "line": link.line,
        "targets": link.targets,
        "operator": excerpt(&link.operator),
        "argument": link.argument.as_ref().map(excerpt),
        "transformations": link.transformations,
        "multi_match": link.multi_match,
        "tested": link.tested,
        "matched": link.matched,
        "prefiltered": link.prefiltered,
        "tests": link.tests.iter().map(test).collect::<Vec<_>>(),
        "excluded": excluded.collect::<Vec<_>>(),
    })
}

fn test(test: &TestTrace) -> Value {
    let steps = test
        .steps
        .iter()
        .map(|step| json!({ "transformation": step.transformation, "result": step.result.as_ref().map(excerpt) }));
    json!({
        "variable": lossy(&test.variable.bytes),
        "original": excerpt(&test.original),
        "steps": steps.collect::<Vec<_>>(),
        "matched": test.matched,
        "span": test.span,
        "found": test.matched.then(|| excerpt(&test.found)),
        "captures": test.captures.iter().map(|capture| capture.as_ref().map(excerpt)).collect::<Vec<_>>(),
        "prefiltered": test.prefiltered,
        "effects": test.effects.iter().map(effect).collect::<Vec<_>>(),
    })
}

fn effect(effect: &EffectTrace) -> Value {
    match effect {
        EffectTrace::Set { variable, before, after } => json!({
            "kind": "set",
            "variable": lossy(&variable.bytes),
            "before": before.as_ref().map(excerpt),
            "after": after.as_ref().map(excerpt),
        }),
        EffectTrace::Collection { name, key } => json!({ "kind": "collection", "name": name, "key": excerpt(key) }),
        EffectTrace::Expiry { variable, seconds } => {
            json!({ "kind": "expiry", "variable": lossy(&variable.bytes), "seconds": seconds })
        }
        EffectTrace::Control(control) => json!({ "kind": "ctl", "control": control }),
    }
}

fn excerpt(excerpt: &Excerpt) -> Value {
    let mut value = json!({ "text": lossy(&excerpt.bytes), "length": excerpt.length });
    if let Some(object) = value.as_object_mut() {
        if excerpt.is_cut() {
            object.insert("start".to_owned(), json!(excerpt.start));
        }
        if std::str::from_utf8(&excerpt.bytes).is_err() {
            object.insert("base64".to_owned(), json!(STANDARD.encode(&excerpt.bytes)));
        }
    }
    value
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
