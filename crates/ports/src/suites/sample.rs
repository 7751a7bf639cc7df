//! Reproducible events and filters for the conformance suites.

use crate::SharedEvent;
use chrono::{DateTime, Duration, Utc};
use parapet_event::{
    Action, AttackClass, EventFilter, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent, Severity,
    SeverityBand, Track, TrackReason,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ulid::Ulid;

/// SplitMix64 (Steele, Lea, Flood 2014): reproducible numbers from a seed, for tests only.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Numbers that depend on `seed` only.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound` − 1; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number().checked_rem(bound).unwrap_or(0)
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// `true` once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

const SITES: [&str; 3] = ["shop", "intranet", "müller.example"];
const RULES: [u32; 7] = [913_100, 920_350, 930_120, 932_160, 941_100, 942_100, 942_190];
const AGENTS: [&str; 4] = ["curl/8.5.0", "sqlmap/1.8#stable", "Mozilla/5.0 (X11; Linux x86_64)", ""];
const WORDS: [&str; 8] =
    ["select", "UNION", "<script>", "Straße", "\\xff\\xfe", "100%_'\"", "../../etc/passwd", "日本"];
const ACTIONS: [Action; 3] = [Action::Blocked, Action::Detected, Action::Rejected];
const BANDS: [SeverityBand; 4] = [SeverityBand::Low, SeverityBand::Medium, SeverityBand::High, SeverityBand::Critical];

/// Earliest time of a sample; samples lie within the three days that follow, with whole
/// milliseconds, and several share the same instant.
pub fn sample_start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default()
}

fn sample_address(random: &mut Random) -> IpAddr {
    let host = random.below(12) as u8;
    match random.below(4) {
        0 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host))),
        _ => IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)),
    }
}

fn sample_finding(random: &mut Random) -> Finding {
    let rule_id = *random.pick(&RULES);
    Finding {
        rule_id,
        phase: 2,
        message: format!("Rule {rule_id} matched {}", random.pick(&WORDS)),
        data: format!("Matched Data: {} found within ARGS:q", random.pick(&WORDS)),
        tags: vec!["OWASP_CRS".into(), "paranoia-level/1".into()],
        rule_severity: if random.one_in(3) { None } else { Some(2) },
        variable: "ARGS:q".into(),
        matched: format!("{} {}", random.pick(&WORDS), random.below(1000)),
        operator: "@detectSQLi".into(),
        scores: vec![ScoreEntry { score: "inbound_anomaly_score_pl1".into(), points: 5 }],
        file: "REQUEST-942-APPLICATION-ATTACK-SQLI.conf".into(),
        line: 45,
    }
}

/// The sample with this number: always the same event, and a different id for each number.
pub fn sample_event(number: u64) -> SecurityEvent {
    let mut random = Random::new(number.wrapping_mul(0x5851_F42D_4C95_7F2D));
    let milliseconds = random.below(3 * 24) * 3_600_000 + random.below(20) * 1_000;
    let timestamp = sample_start() + Duration::milliseconds(milliseconds as i64);
    let findings: Vec<_> = (0..random.below(4)).map(|_| sample_finding(&mut random)).collect();
    let leading = findings.first().map(|finding| finding.rule_id);
    let user_agent = (*random.pick(&AGENTS)).to_owned();
    SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id: Ulid::from_parts(
            timestamp.timestamp_millis() as u64,
            (u128::from(random.below(1 << 15)) << 64) | u128::from(number),
        ),
        timestamp,
        origin: Origin::new(Ulid::from_parts(1, 1), 0, number + 1),
        site: (*random.pick(&SITES)).to_owned(),
        client_ip: sample_address(&mut random),
        client_port: 40_000 + random.below(1000) as u16,
        request: RequestSummary {
            method: "GET".into(),
            uri: format!("/search?q={}&page={number}", random.pick(&WORDS)),
            protocol: "HTTP/1.1".into(),
            host: "shop.example".into(),
            headers: vec![("User-Agent".into(), user_agent.clone().into()), ("Accept".into(), "*/*".into())],
            user_agent,
            body_bytes: random.below(5000),
        },
        status: if random.one_in(2) { 403 } else { 200 },
        action: *random.pick(&ACTIONS),
        severity: Severity::new(random.below(101) as u8),
        rule_id: leading.map(|rule| rule.to_string()),
        attack_type: leading.and_then(AttackClass::of_rule),
        inbound_score: random.below(60) as u32,
        outbound_score: 0,
        inbound_threshold: 5,
        paranoia_level: 1,
        findings,
        policy: "0123456789abcdef".into(),
        track: match random.below(3) {
            0 => None,
            1 => Some(Track::RealTime),
            _ => Some(Track::Analytics),
        },
        track_reason: if random.one_in(2) { Some(TrackReason::AnomalyScore(55)) } else { None },
    }
}

/// The samples with these numbers, in this order.
pub fn sample_events(numbers: impl IntoIterator<Item = u64>) -> Vec<SharedEvent> {
    numbers.into_iter().map(|number| SharedEvent::new(sample_event(number))).collect()
}

/// A filter that restricts a few fields to values that samples have, or nearly have.
pub fn sample_filter(random: &mut Random) -> EventFilter {
    let mut filter = EventFilter::default();
    let instant =
        |random: &mut Random| sample_start() + Duration::milliseconds(random.below(3 * 24 * 3_600_000) as i64);
    if random.one_in(3) {
        filter.start_time = Some(instant(random));
    }
    if random.one_in(3) {
        filter.end_time = Some(instant(random));
    }
    if random.one_in(4) {
        filter.severity = Some(*random.pick(&BANDS));
    }
    if random.one_in(4) {
        filter.track = Some(*random.pick(&[Track::RealTime, Track::Analytics]));
    }
    if random.one_in(5) {
        filter.client_ip = Some(sample_address(random));
    }
    if random.one_in(4) {
        filter.rule_id = Some(if random.one_in(5) { 1 } else { *random.pick(&RULES) });
    }
    if random.one_in(5) {
        filter.attack_type = Some(*random.pick(&AttackClass::ALL));
    }
    if random.one_in(4) {
        filter.action = Some(*random.pick(&ACTIONS));
    }
    if random.one_in(4) {
        filter.site = Some((*random.pick(&SITES)).to_owned());
    }
    if random.one_in(3) {
        let word = random.pick(&WORDS);
        filter.text = Some(if random.one_in(2) { word.to_uppercase() } else { word.to_lowercase() });
    }
    filter
}
