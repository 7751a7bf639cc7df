//! Records what happened: counters, one event if anything was found, logs.

use crate::access_log;
use crate::audit_log;
use crate::counters::Tally;
use crate::exchange::Exchange;
use crate::inspection::{Findings, LogDetails};
use crate::text;
use parapet_engine::ScriptMessage;
use parapet_event::{Action, AttackClass, Finding, RequestSummary, SecurityEvent, Severity};

/// Longest method, URI, header value and so on in an event, in bytes.
const FIELD_MAX: usize = 8 * 1024;
/// Most headers in an event.
const HEADERS_MAX: usize = 100;

impl Exchange<'_> {
    /// Ends the exchange on paper, once: phase 5, the logs of findings, the event. Returns when the event
    /// survives the death of this process, so the end of the answer goes out after it.
    pub(crate) async fn conclude(&mut self) {
        if std::mem::replace(&mut self.concluded, true) {
            return;
        }
        let shared = &self.worker.shared;
        let max = shared.config.limits.findings;
        let mut found = match &mut self.inspection {
            Some(inspection) => inspection.finish(self.started.elapsed(), &shared.redactor, max),
            None => Findings::default(),
        };
        self.secrets = std::mem::take(&mut found.secrets);
        for limit in std::mem::take(&mut found.limits_met) {
            found.add(Finding::of_parapet(1, format!("not everything was inspected: {}", limit.description())));
        }
        for message in std::mem::take(&mut found.script_messages) {
            let ScriptMessage { rule_id, level, text } = message;
            match level {
                1 => tracing::warn!(site = %self.site.name, request = %self.id, rule_id, "script: {text}"),
                _ => tracing::debug!(site = %self.site.name, request = %self.id, rule_id, level, "script: {text}"),
            }
        }
        if let Some(fault) = &self.fault {
            found.add(Finding::of_parapet(1, fault.message.clone().into_owned()));
        }
        if self.action.is_none() && !found.list.is_empty() {
            self.action = Some(Action::Detected);
        }
        if self.inspection.as_ref().is_some_and(|inspection| inspection.panicked) {
            self.site.counters.engine_errors.increment(1);
        }
        if self.action.is_some() || found.audit {
            self.report(found);
        }
        if self.action.is_some() {
            shared.sink.settled().await;
        }
    }

    /// Counts the exchange and writes the access log, now that the answer is out.
    pub(crate) fn account(&self) {
        let shared = &self.worker.shared;
        if let Some(log) = &shared.access_log {
            log.write(access_log::line(self));
        }
        let tally = Tally {
            status: self.status,
            action: self.action,
            upstream_failed: self.upstream_error.is_some(),
            received: self.body.reader.received,
            sent: self.sent,
            engine: self.inspection.as_ref().map(|inspection| inspection.time),
            total: self.started.elapsed(),
        };
        self.site.counters.count(&shared.totals, &tally);
    }

    /// Writes the logs of findings and submits the event.
    fn report(&self, found: Findings) {
        let shared = &self.worker.shared;
        if let Some(log) = &shared.audit_log
            && (found.audit || self.fault.is_some())
        {
            log.write(audit_log::line(self, &found));
        }
        if let Some(log) = &shared.error_log {
            log.write(audit_log::error_lines(self, &found));
        }
        if let Some(action) = self.action {
            shared.sink.submit(self.event(action, found));
        }
    }

    fn event(&self, action: Action, found: Findings) -> SecurityEvent {
        // A rule that blocks without logging is named all the same.
        let leading = leading(&found.list).map(|finding| finding.rule_id).or(self.blocked_by);
        let unparsed = self.fault.is_some().then_some(AttackClass::ProtocolViolation);
        SecurityEvent {
            schema: SecurityEvent::SCHEMA,
            id: self.id,
            timestamp: self.arrived.into(),
            origin: self.worker.next_origin(),
            site: self.site.name.clone(),
            client_ip: self.origin.address.ip(),
            client_port: self.origin.address.port(),
            request: self.summary(),
            status: self.status,
            action,
            severity: Severity::default(),
            rule_id: leading.map(|rule| rule.to_string()),
            attack_type: leading.and_then(AttackClass::of_rule).or(unparsed),
            inbound_score: found.inbound_score,
            outbound_score: found.outbound_score,
            inbound_threshold: found.inbound_threshold,
            paranoia_level: found.paranoia_level,
            findings: found.list,
            policy: self.policy.hash().to_owned(),
            track: None,
            track_reason: None,
        }
    }

    /// The request as it may be shown.
    pub(crate) fn summary(&self) -> RequestSummary {
        let redactor = &self.worker.shared.redactor;
        let show = |bytes: &[u8]| text::from_bytes_cut(bytes, FIELD_MAX);
        let field = |name: &[u8], value: &[u8]| match self.secrets.has_request_header(name) {
            true => text::REDACTED.to_owned(),
            false => redactor.header(name, &self.secrets.mask(&value[..value.len().min(FIELD_MAX)])),
        };
        let header = |name: &[u8]| self.head.header(name).map(|value| field(name, value)).unwrap_or_default();
        RequestSummary {
            method: show(self.head.method()),
            uri: redactor.text(show(&self.secrets.mask(self.head.target()))),
            protocol: show(self.head.protocol()),
            host: header(b"host"),
            user_agent: header(b"user-agent"),
            headers: self
                .head
                .headers()
                .take(HEADERS_MAX)
                .map(|(name, value)| (show(name).into(), field(name, value).into()))
                .collect(),
            body_bytes: self.body.reader.received,
        }
    }
}

/// The rule that stands for the event: of the attack class with most points in all, the finding with
/// most points; the first of several. One payload often is in two classes (`;cat /etc/passwd`): the
/// class that more of the rules agree on names the attack.
fn leading(findings: &[Finding]) -> Option<&Finding> {
    let class = |finding: &Finding| AttackClass::of_rule(finding.rule_id).filter(|_| finding.rule_id != 0);
    let weight = |wanted| -> i64 { findings.iter().filter(|f| class(f) == Some(wanted)).map(Finding::points).sum() };
    let mut best: Option<(i64, &Finding)> = None;
    for finding in findings {
        let Some(class) = class(finding) else { continue };
        let weight = weight(class);
        if best.is_none_or(|(most, best)| (weight, finding.points()) > (most, best.points())) {
            best = Some((weight, finding));
        }
    }
    best.map(|(_, finding)| finding)
}

impl Findings {
    /// Adds a finding that no rule made.
    fn add(&mut self, finding: Finding) {
        self.list.push(finding);
        self.details.push(LogDetails { log: true, audit: true, ..LogDetails::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_event::ScoreEntry;

    fn found(rule_id: u32, points: i64) -> Finding {
        let mut finding = Finding::of_parapet(1, String::new());
        finding.rule_id = rule_id;
        finding.scores = vec![ScoreEntry { score: "inbound_anomaly_score_pl1".to_owned(), points }];
        finding
    }

    #[test]
    fn the_leading_rule_is_an_attack_rule_with_most_points() {
        let list = [found(920350, 3), found(942100, 5), found(941100, 5), found(949110, 50)];
        assert_eq!(leading(&list).unwrap().rule_id, 942100);
        assert!(leading(&[found(949110, 5), found(0, 0)]).is_none());
    }

    #[test]
    fn the_class_that_more_rules_agree_on_names_the_attack() {
        let list = [found(930120, 5), found(932160, 5), found(932230, 5)];
        assert_eq!(leading(&list).unwrap().rule_id, 932160);
    }
}
