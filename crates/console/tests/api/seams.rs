//! Small in-memory implementations of the seams, for the tests and the demo server.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parapet_event::{
    AggregateQuery, Alert, AlertState, Bucket, Cursor, EventFilter, EventPage, EventQuery, GroupBy, SecurityEvent,
};
use parapet_ports::accounts::{ActiveSession, LoginError, Principal, Role, Session};
use parapet_ports::alerts::AlertQuery;
use parapet_ports::ledger::HopCount;
use parapet_ports::traffic::TrafficTotals;
use parapet_ports::{
    Accounts, AlertStore, ErrorKind, EventStore, Ledger, PortError, Secret, SharedEvent, TrafficSource,
};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Mutex;
use ulid::Ulid;

/// Keeps events in memory, at most as many as its size.
pub(crate) struct MemoryStore {
    events: Mutex<Vec<SharedEvent>>,
    size: usize,
}

impl MemoryStore {
    pub(crate) fn new(size: usize) -> Self {
        MemoryStore { events: Mutex::new(Vec::new()), size }
    }
}

fn matches(filter: &EventFilter, event: &SecurityEvent) -> bool {
    let same = |wanted: bool, given: bool| !given || wanted;
    let text = |needle: &str| {
        let needle = needle.to_lowercase();
        let findings = event.findings.iter().flat_map(|finding| [&finding.message, &finding.matched]);
        [&event.request.uri, &event.request.user_agent]
            .into_iter()
            .chain(findings)
            .any(|hay| hay.to_lowercase().contains(&needle))
    };
    same(filter.start_time <= Some(event.timestamp), filter.start_time.is_some())
        && same(Some(event.timestamp) < filter.end_time, filter.end_time.is_some())
        && same(filter.severity == Some(event.severity.band()), filter.severity.is_some())
        && same(filter.track == event.track, filter.track.is_some())
        && same(filter.client_ip == Some(event.client_ip), filter.client_ip.is_some())
        && filter.rule_id.is_none_or(|id| event.findings.iter().any(|finding| finding.rule_id == id))
        && same(filter.attack_type == event.attack_type, filter.attack_type.is_some())
        && same(filter.action == Some(event.action), filter.action.is_some())
        && filter.site.as_ref().is_none_or(|site| *site == event.site)
        && filter.text.as_deref().is_none_or(text)
}

fn key(group: GroupBy, event: &SecurityEvent) -> String {
    match group {
        GroupBy::Track => event.track.map_or("", |track| track.as_str()).to_owned(),
        GroupBy::AttackType => event.attack_type.map_or("", |class| class.as_str()).to_owned(),
        GroupBy::Action => event.action.as_str().to_owned(),
        GroupBy::Severity => event.severity.band().as_str().to_owned(),
        GroupBy::ClientIp => event.client_ip.to_string(),
        GroupBy::RuleId => event.rule_id.clone().unwrap_or_default(),
        GroupBy::Site => event.site.clone(),
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    fn name(&self) -> &str {
        "memory"
    }

    async fn write(&self, batch: &[SharedEvent]) -> Result<(), PortError> {
        let mut events = self.events.lock().unwrap();
        events.extend(batch.iter().cloned());
        events.sort_by_key(|event| (event.timestamp, event.id));
        let surplus = events.len().saturating_sub(self.size);
        events.drain(..surplus);
        Ok(())
    }

    async fn query(&self, query: &EventQuery) -> Result<EventPage, PortError> {
        let events = self.events.lock().unwrap();
        let after = |event: &SecurityEvent| {
            query.cursor.is_none_or(|cursor| (event.timestamp, event.id) < (cursor.timestamp, cursor.id))
        };
        let mut found: Vec<SecurityEvent> = events
            .iter()
            .rev()
            .filter(|event| after(event) && matches(&query.filter, event))
            .take(query.limit + 1)
            .map(|event| (**event).clone())
            .collect();
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().map(|event| Cursor { timestamp: event.timestamp, id: event.id });
        Ok(EventPage { events: found, next: last.filter(|_| more) })
    }

    async fn get(&self, id: Ulid) -> Result<Option<SecurityEvent>, PortError> {
        let events = self.events.lock().unwrap();
        Ok(events.iter().find(|event| event.id == id).map(|event| (**event).clone()))
    }

    async fn aggregate(&self, query: &AggregateQuery) -> Result<Vec<Bucket>, PortError> {
        let events = self.events.lock().unwrap();
        let mut totals: HashMap<String, u64> = HashMap::new();
        let mut counts: BTreeMap<(Option<DateTime<Utc>>, String), u64> = BTreeMap::new();
        for event in events.iter().filter(|event| matches(&query.filter, event)) {
            let time = query.interval_seconds.and_then(|width| {
                let second = event.timestamp.timestamp();
                DateTime::from_timestamp(second - second.rem_euclid(i64::from(width)), 0)
            });
            let key = key(query.group_by, event);
            *totals.entry(key.clone()).or_default() += 1;
            *counts.entry((time, key)).or_default() += 1;
        }
        let mut ranked: Vec<(String, u64)> = totals.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        ranked.truncate(query.limit);
        let mut buckets: Vec<Bucket> = counts
            .into_iter()
            .filter(|((_, key), _)| ranked.iter().any(|(kept, _)| kept == key))
            .map(|((time, key), count)| Bucket { time, key, count })
            .collect();
        if query.interval_seconds.is_none() {
            buckets.sort_by_key(|bucket| std::cmp::Reverse(bucket.count));
        }
        Ok(buckets)
    }

    async fn retain(&self, before: DateTime<Utc>) -> Result<u64, PortError> {
        let mut events = self.events.lock().unwrap();
        let all = events.len();
        events.retain(|event| event.timestamp >= before);
        Ok((all - events.len()) as u64)
    }
}

/// Keeps alerts in memory and remembers who changed them.
#[derive(Default)]
pub(crate) struct MemoryAlerts {
    alerts: Mutex<BTreeMap<Ulid, Alert>>,
    #[allow(dead_code, reason = "only tests look at it")]
    pub(crate) changes: Mutex<Vec<(Ulid, AlertState, String, IpAddr)>>,
}

#[async_trait]
impl AlertStore for MemoryAlerts {
    async fn put(&self, alert: &Alert) -> Result<(), PortError> {
        self.alerts.lock().unwrap().insert(alert.id, alert.clone());
        Ok(())
    }

    async fn get(&self, id: Ulid) -> Result<Option<Alert>, PortError> {
        Ok(self.alerts.lock().unwrap().get(&id).cloned())
    }

    async fn list(&self, query: &AlertQuery) -> Result<Vec<Alert>, PortError> {
        let alerts = self.alerts.lock().unwrap();
        let wanted = |alert: &&Alert| {
            query.state.is_none_or(|state| state == alert.state)
                && query.before.is_none_or(|before| alert.id < before)
                && query.start_time.is_none_or(|start| alert.timestamp >= start)
                && query.end_time.is_none_or(|end| alert.timestamp < end)
        };
        Ok(alerts.values().rev().filter(wanted).take(query.limit).cloned().collect())
    }

    async fn set_state(&self, id: Ulid, state: AlertState, by: &str, peer: IpAddr) -> Result<bool, PortError> {
        let mut alerts = self.alerts.lock().unwrap();
        let Some(alert) = alerts.get_mut(&id) else { return Ok(false) };
        alert.state = state;
        self.changes.lock().unwrap().push((id, state, by.to_owned(), peer));
        Ok(true)
    }
}

/// Users with plain passwords; the user `throttled` is always told to wait.
pub(crate) struct MemoryAccounts {
    users: Mutex<HashMap<String, (String, Role)>>,
    sessions: Mutex<HashMap<String, ActiveSession>>,
}

impl MemoryAccounts {
    pub(crate) fn new(users: &[(&str, &str, Role)]) -> Self {
        let users = users.iter().map(|(name, password, role)| ((*name).into(), ((*password).into(), *role)));
        MemoryAccounts { users: Mutex::new(users.collect()), sessions: Mutex::default() }
    }

    /// Ends every session, as an expiry would.
    #[allow(dead_code, reason = "the demo server never expires sessions")]
    pub(crate) fn end_sessions(&self) {
        self.sessions.lock().unwrap().clear();
    }
}

#[async_trait]
impl Accounts for MemoryAccounts {
    async fn login(&self, username: &str, password: &Secret, _: IpAddr) -> Result<Session, LoginError> {
        if username == "throttled" {
            return Err(LoginError::Throttled { retry_after_seconds: 42 });
        }
        let users = self.users.lock().unwrap();
        let role = match users.get(username) {
            Some((known, role)) if known == password.expose() => *role,
            _ => return Err(LoginError::Refused),
        };
        let principal = Principal { username: username.to_owned(), role };
        let (token, csrf) = (Ulid::generate().to_string(), Ulid::generate().to_string());
        let expires = Utc::now() + chrono::Duration::hours(12);
        let session = ActiveSession { principal: principal.clone(), csrf: csrf.clone(), expires };
        self.sessions.lock().unwrap().insert(token.clone(), session);
        Ok(Session { token: Secret::new(token), csrf, expires, principal })
    }

    async fn session(&self, token: &Secret) -> Result<Option<ActiveSession>, PortError> {
        Ok(self.sessions.lock().unwrap().get(token.expose()).cloned())
    }

    async fn is_active(&self, token: &Secret) -> Result<bool, PortError> {
        Ok(self.session(token).await?.is_some())
    }

    async fn logout(&self, token: &Secret, _: IpAddr) -> Result<(), PortError> {
        self.sessions.lock().unwrap().remove(token.expose());
        Ok(())
    }

    async fn change_password(
        &self,
        token: &Secret,
        current: &Secret,
        new: &Secret,
        _: IpAddr,
    ) -> Result<(), LoginError> {
        let session = self.session(token).await.map_err(LoginError::Port)?.ok_or(LoginError::Refused)?;
        if new.expose().len() < 12 {
            let message = "the new password is shorter than 12 characters";
            return Err(LoginError::Port(PortError::new(ErrorKind::Rejected, message)));
        }
        let mut users = self.users.lock().unwrap();
        match users.get_mut(&session.principal.username) {
            Some((known, _)) if known == current.expose() => {
                new.expose().clone_into(known);
                Ok(())
            }
            _ => Err(LoginError::Refused),
        }
    }
}

/// Totals that are set from outside.
#[derive(Default)]
pub(crate) struct SetTraffic(pub(crate) Mutex<TrafficTotals>);

impl TrafficSource for SetTraffic {
    fn totals(&self) -> TrafficTotals {
        *self.0.lock().unwrap()
    }
}

/// Hops that are set from outside.
#[derive(Default)]
pub(crate) struct SetLedger(pub(crate) Mutex<BTreeMap<String, HopCount>>);

impl Ledger for SetLedger {
    fn snapshot(&self) -> BTreeMap<String, HopCount> {
        self.0.lock().unwrap().clone()
    }
}
