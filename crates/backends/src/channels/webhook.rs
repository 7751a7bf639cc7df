//! `kind = "webhook"`: POSTs the alert as JSON to a URL, in a form of the user's choice.
//!
//! ```toml
//! kind = "webhook"
//! webhook_url = "https://hooks.slack.com/services/…"
//! events = ["critical_alert"]
//!
//! [payload_template]
//! text = "Critical security alert detected"
//! [[payload_template.attachments]]
//! color = "danger"
//! fields = [
//!     { title = "Severity", value = "{{severity}}", short = true },
//!     { title = "Source IP", value = "{{client_ip}}", short = true },
//!     { title = "Attack Type", value = "{{attack_type}}", short = false },
//! ]
//! ```
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `webhook_url` | where to; treated as a secret | required |
//! | `events` | what to send: `critical_alert`, `high_alert`, `medium_alert`, `low_alert` by severity, or `alert` for all. `rule_created` is accepted; nothing raises it yet | `["critical_alert"]` |
//! | `payload_template` | JSON tree with placeholders, as a table or as JSON text | every placeholder under its name |
//! | `headers` | further request headers; values are secrets | none |
//! | `signing_secret` | sign requests, see below | unsigned |
//! | `allow_private` | allow addresses that are not public | `false` |
//!
//! Any 2xx answer confirms the delivery. 429 and 5xx are tried again, after `Retry-After` where given;
//! other answers, redirects among them, are final.
//!
//! **Signature.** With `signing_secret`, the header `X-Parapet-Signature: t=TIME,v1=HEX` carries the
//! Unix time and the HMAC-SHA256 (RFC 2104) of `TIME.BODY` under that secret. A receiver computes it
//! over the raw body, compares in constant time and refuses old times, so that nobody can replay it.

use crate::egress::Target;
use crate::template::Template;
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use parapet_event::{Alert, SecurityEvent, SeverityBand};
use parapet_ports::registry::{Place, Plugin, Ready, Settings};
use parapet_ports::{Channel, ErrorKind, PortError, Secret};
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The registry's entry.
pub(crate) const PLUGIN: Plugin<dyn Channel> =
    Plugin { kind: "webhook", summary: "POSTs alerts as JSON to a URL, in a form of your choice", check };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    webhook_url: Secret,
    #[serde(default = "critical_alerts")]
    events: Vec<Subscription>,
    payload_template: Option<serde_json::Value>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    signing_secret: Option<Secret>,
    #[serde(default)]
    allow_private: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Subscription {
    Alert,
    CriticalAlert,
    HighAlert,
    MediumAlert,
    LowAlert,
    RuleCreated,
}

impl Subscription {
    fn covers(self, band: SeverityBand) -> bool {
        match self {
            Subscription::Alert => true,
            Subscription::CriticalAlert => band == SeverityBand::Critical,
            Subscription::HighAlert => band == SeverityBand::High,
            Subscription::MediumAlert => band == SeverityBand::Medium,
            Subscription::LowAlert => band == SeverityBand::Low,
            Subscription::RuleCreated => false,
        }
    }
}

fn critical_alerts() -> Vec<Subscription> {
    vec![Subscription::CriticalAlert]
}

const SIGNATURE: &str = "x-parapet-signature";
/// Headers that belong to the connection, not to the user.
const RESERVED: &[&str] = &["connection", "content-length", "host", "transfer-encoding", SIGNATURE];

fn check(settings: Settings) -> Result<Box<dyn Ready<dyn Channel>>, PortError> {
    let config: Config = settings.decode()?;
    let name = settings.name;
    let wrong = |field: &str, what: String| PortError::new(ErrorKind::Config, format!("{name}: {field}: {what}"));
    let target = Target::new(&format!("{name}: webhook_url"), &config.webhook_url, config.allow_private)?;
    let template = match config.payload_template {
        Some(form) => Template::new(form).map_err(|what| wrong("payload_template", what))?,
        None => Template::standard(),
    };
    if config.signing_secret.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
        return Err(wrong("signing_secret", "is empty".into()));
    }
    let headers = headers(&config.headers).map_err(|what| wrong("headers", what))?;
    let checked = Checked { target, events: config.events, template, headers, signing_secret: config.signing_secret };
    Ok(Box::new(Webhook { name, checked: Arc::new(checked) }))
}

fn headers(configured: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    for (name, value) in configured {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("\"{name}\" is not a header name"))?;
        if RESERVED.contains(&key.as_str()) {
            return Err(format!("\"{name}\" is set by Parapet itself"));
        }
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| format!("the value of \"{name}\" has characters that are not allowed in a header"))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

struct Checked {
    target: Target,
    events: Vec<Subscription>,
    template: Template,
    headers: HeaderMap,
    signing_secret: Option<Secret>,
}

struct Webhook {
    name: String,
    checked: Arc<Checked>,
}

#[async_trait]
impl Ready<dyn Channel> for Webhook {
    async fn open(&self, _place: &Place) -> Result<Arc<dyn Channel>, PortError> {
        let client = self.checked.target.client()?;
        Ok(Arc::new(Open { name: self.name.clone(), checked: self.checked.clone(), client }))
    }
}

struct Open {
    name: String,
    checked: Arc<Checked>,
    client: Client,
}

#[async_trait]
impl Channel for Open {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, alert: &Alert) -> bool {
        self.checked.events.iter().any(|subscription| subscription.covers(alert.severity.band()))
    }

    async fn deliver(&self, alert: &Alert, event: &SecurityEvent) -> Result<(), PortError> {
        let Checked { target, template, headers, signing_secret, .. } = &*self.checked;
        let body = template.render(alert, event).to_string();
        let mut request = self.client.post(target.url()).headers(headers.clone());
        if let Some(secret) = signing_secret {
            request = request.header(SIGNATURE, sign(secret, chrono::Utc::now().timestamp(), &body)?);
        }
        let response = request.body(body).send().await.map_err(|error| target.failure(error))?;
        target.read_status(response.status(), response.headers())
    }
}

fn sign(secret: &Secret, time: i64, body: &str) -> Result<String, PortError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .map_err(|error| PortError::new(ErrorKind::Config, format!("signing_secret: {error}")))?;
    mac.update(format!("{time}.{body}").as_bytes());
    Ok(format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::example;
    use parapet_event::Severity;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn checked(toml: &str) -> Result<Box<dyn Ready<dyn Channel>>, PortError> {
        (PLUGIN.check)(Settings { name: "soc".into(), table: toml.parse().unwrap() })
    }

    async fn open(toml: &str) -> Arc<dyn Channel> {
        checked(toml).unwrap().open(&Place { directory: "unused".into() }).await.unwrap()
    }

    fn config(url: &str, more: &str) -> String {
        format!("webhook_url = \"{url}/services/TOKEN\"\nallow_private = true\n{more}")
    }

    #[tokio::test]
    async fn the_alert_arrives_in_the_users_form_with_headers_and_signature() {
        let (url, mut received) = example::server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
        let channel = open(&config(
            &url,
            "signing_secret = \"key\"\nheaders = { Authorization = \"Bearer 1\" }\n\
             [payload_template]\ntext = \"{{attack_type}} from {{client_ip}}\"\nn = 1",
        ))
        .await;
        let (alert, event) = example::alert();
        channel.deliver(&alert, &event).await.unwrap();
        let request = received.recv().await.unwrap();
        assert!(request.head.starts_with("POST /services/TOKEN HTTP/1.1"), "{}", request.head);
        let header = |name: &str| {
            let line = request.head.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).unwrap();
            line.split_once(": ").unwrap().1.to_owned()
        };
        assert_eq!((header("content-type"), header("authorization")), ("application/json".into(), "Bearer 1".into()));
        let body = String::from_utf8(request.body).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({"text": "sqli from 203.0.113.9", "n": 1}));
        let signature = header(SIGNATURE);
        let time = signature.strip_prefix("t=").unwrap().split_once(',').unwrap().0.parse().unwrap();
        assert_eq!(signature, sign(&Secret::new("key"), time, &body).unwrap());
    }

    #[test]
    fn the_signature_is_hmac_sha256() {
        // Computed with `printf 1.body | openssl dgst -sha256 -hmac key`.
        let signature = sign(&Secret::new("key"), 1, "body").unwrap();
        assert_eq!(signature, "t=1,v1=91b5374b153842ad05b2c4eab9349b8321b14703165bd3fb8b034dfb8be98ae5");
    }

    #[tokio::test]
    async fn answers_decide_whether_it_is_tried_again() {
        let (url, _received) = example::server(vec![
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "not HTTP at all\r\n\r\n",
        ])
        .await;
        let channel = open(&config(&url, "")).await;
        let (alert, event) = example::alert();
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            let error = channel.deliver(&alert, &event).await.unwrap_err();
            assert!(!error.to_string().contains("TOKEN"), "{error}");
            outcomes.push((error.kind, error.retry_after));
        }
        assert_eq!(
            outcomes,
            [
                (ErrorKind::Unavailable, Some(Duration::from_secs(3))),
                (ErrorKind::Rejected, None),
                (ErrorKind::Rejected, None),
                (ErrorKind::Unavailable, None),
            ]
        );
    }

    #[tokio::test]
    async fn a_server_that_is_down_is_unavailable() {
        let (alert, event) = example::alert();
        let error = open(&config("http://127.0.0.1:1", "")).await.deliver(&alert, &event).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.to_string().starts_with("http://127.0.0.1:1: "), "{error}");
        assert!(!error.to_string().contains("TOKEN"), "{error}");
    }

    #[tokio::test]
    async fn only_subscribed_severities_are_wanted() {
        let (mut alert, _) = example::alert();
        let mut wants = Vec::new();
        for events in ["[\"critical_alert\", \"rule_created\"]", "[\"alert\"]", "[\"high_alert\"]", "[]"] {
            let channel = open(&config("http://127.0.0.1:1", &format!("events = {events}"))).await;
            for severity in [85, 65] {
                alert.severity = Severity::new(severity);
                wants.push(channel.wants(&alert));
            }
        }
        assert_eq!(wants, [true, false, true, true, false, true, false, false]);
    }

    #[test]
    fn mistakes_in_the_configuration_are_named() {
        for (toml, part) in [
            ("", "missing field `webhook_url`"),
            ("webhook_url = \"https://1.1.1.1/\"\nurl = 1", "unknown field `url`"),
            ("webhook_url = \"http://127.0.0.1/\"", "soc: webhook_url: 127.0.0.1 is not a public address"),
            ("webhook_url = \"https://1.1.1.1/\"\nevents = [\"all\"]", "unknown variant `all`"),
            (
                "webhook_url = \"https://1.1.1.1/\"\npayload_template = { a = \"{{x}}\" }",
                "known placeholders: severity",
            ),
            ("webhook_url = \"https://1.1.1.1/\"\npayload_template = \"{\"", "soc: payload_template: not JSON"),
            ("webhook_url = \"https://1.1.1.1/\"\nheaders = { \"a b\" = \"1\" }", "not a header name"),
            ("webhook_url = \"https://1.1.1.1/\"\nheaders = { Host = \"x\" }", "set by Parapet itself"),
            ("webhook_url = \"https://1.1.1.1/\"\nheaders = { A = \"SECRET\\n\" }", "value of \"A\""),
            ("webhook_url = \"https://1.1.1.1/\"\nsigning_secret = \"\"", "soc: signing_secret: is empty"),
        ] {
            let error = checked(toml).err().unwrap_or_else(|| panic!("accepted: {toml}"));
            assert_eq!(error.kind, ErrorKind::Config);
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
