/** An event for unit tests. */
import type { SecurityEvent } from './types';

export function exampleEvent(overrides: Partial<SecurityEvent> = {}): SecurityEvent {
  const finding = {
    phase: 2,
    data: "Matched Data: ' OR '1'= found within ARGS:q: 1' OR '1'='1",
    tags: ['attack-sqli'],
    rule_severity: 2,
    variable: 'ARGS:q',
    matched: "1' OR '1'='1",
    file: 'REQUEST-942-APPLICATION-ATTACK-SQLI.conf',
    line: 46,
  };
  return {
    schema: 1,
    id: '01JDA5ZQ3V0000000000000001',
    timestamp: '2026-11-22T11:30:00Z',
    origin: { instance: '01JDA5ZQ3V0000000000000000', worker: 0, sequence: 1 },
    site: 'shop',
    client_ip: '198.51.100.23',
    client_port: 50412,
    request: {
      method: 'GET',
      uri: "/products?q=1%27%20OR%20%271%27=%271",
      protocol: 'HTTP/1.1',
      host: 'shop.example.com',
      user_agent: 'curl/8.11',
      headers: [
        ['Host', 'shop.example.com'],
        ['Cookie', '[redacted]'],
      ],
      body_bytes: 0,
    },
    status: 403,
    action: 'blocked',
    severity: 90,
    rule_id: '942100',
    attack_type: 'sqli',
    inbound_score: 10,
    outbound_score: 0,
    inbound_threshold: 5,
    paranoia_level: 1,
    findings: [
      {
        ...finding,
        rule_id: 942100,
        message: 'SQL Injection Attack Detected via libinjection',
        operator: '@detectSQLi',
        scores: [
          { score: 'sql_injection_score', points: 5 },
          { score: 'inbound_anomaly_score_pl1', points: 5 },
        ],
      },
      {
        ...finding,
        rule_id: 942390,
        message: 'SQL Injection Attack',
        operator: '@rx (?i)or',
        scores: [{ score: 'inbound_anomaly_score_pl1', points: 5 }],
      },
    ],
    policy: '9f2c41d07be3aa15',
    track: 'realtime',
    track_reason: { rule: 'critical_severity', detail: 90 },
    ...overrides,
  };
}
