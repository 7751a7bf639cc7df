//! Alerts: raised once per (site, client, class) and window, later events counted onto them.
//!
//! The alert has the id of the event that raised it. So an event that is delivered twice finds its
//! own alert and raises no second one, in this process or after a crash.

use chrono::{DateTime, TimeDelta, Utc};
use parapet_event::{Alert, AlertState, AttackClass, SecurityEvent, TrackReason};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use ulid::Ulid;

/// Event ids remembered, to recognise events that are delivered twice.
const RECENT_EVENTS_MAX: usize = 65_536;

/// What repeats are recognised by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    site: String,
    client_ip: IpAddr,
    attack_type: Option<AttackClass>,
}

impl Key {
    pub(crate) fn of_event(event: &SecurityEvent) -> Self {
        Key { site: event.site.clone(), client_ip: event.client_ip, attack_type: event.attack_type }
    }

    fn of_alert(alert: &Alert) -> Self {
        Key { site: alert.site.clone(), client_ip: alert.client_ip, attack_type: alert.attack_type }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The site comes last: it may hold anything.
        let class = self.attack_type.map_or("-", AttackClass::as_str);
        write!(f, "{} {class} {}", self.client_ip, self.site)
    }
}

/// Alerts that events can still be counted onto.
pub(crate) struct OpenAlerts {
    window: TimeDelta,
    max: usize,
    by_key: HashMap<Key, Ulid>,
    alerts: HashMap<Ulid, Open>,
    /// Ids in the order in which they were opened, the first to be forgotten.
    order: VecDeque<Ulid>,
    recent: RecentEvents,
}

struct Open {
    alert: Alert,
    /// Time of the event that raised it; the window starts here.
    since: DateTime<Utc>,
}

impl OpenAlerts {
    /// Keeps up to `max` alerts.
    pub(crate) fn new(window: TimeDelta, max: usize) -> Self {
        OpenAlerts {
            window,
            max,
            by_key: HashMap::new(),
            alerts: HashMap::new(),
            order: VecDeque::new(),
            recent: RecentEvents::default(),
        }
    }

    /// Whether this event was seen before; remembers it.
    pub(crate) fn is_repeat_delivery(&mut self, event: &SecurityEvent) -> bool {
        !self.recent.insert(event.id)
    }

    /// The open alert that the event counts onto, if its window covers the event's time.
    pub(crate) fn matching(&self, event: &SecurityEvent) -> Option<Ulid> {
        let id = *self.by_key.get(&Key::of_event(event))?;
        let open = self.alerts.get(&id)?;
        ((event.timestamp - open.since).abs() < self.window).then_some(id)
    }

    /// An open alert.
    pub(crate) fn get_mut(&mut self, id: Ulid) -> Option<&mut Alert> {
        self.alerts.get_mut(&id).map(|open| &mut open.alert)
    }

    /// Opens an alert that was just raised, or one of an earlier process. `since` is the time of the
    /// event that raised it.
    pub(crate) fn open(&mut self, alert: Alert, since: DateTime<Utc>) {
        while self.order.len() >= self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.close(oldest);
        }
        self.by_key.insert(Key::of_alert(&alert), alert.id);
        self.order.push_back(alert.id);
        self.alerts.insert(alert.id, Open { alert, since });
    }

    /// Forgets an alert; the next event with its key raises a new one.
    pub(crate) fn close(&mut self, id: Ulid) {
        if let Some(open) = self.alerts.remove(&id) {
            let key = Key::of_alert(&open.alert);
            if self.by_key.get(&key) == Some(&id) {
                self.by_key.remove(&key);
            }
        }
    }
}

/// A new alert for an event.
pub(crate) fn raise(event: &SecurityEvent, now: DateTime<Utc>) -> Alert {
    Alert {
        id: event.id,
        timestamp: now,
        event_id: event.id,
        title: title(event),
        severity: event.severity,
        attack_type: event.attack_type,
        client_ip: event.client_ip,
        site: event.site.clone(),
        rule_id: event.rule_id.clone(),
        count: 1,
        last_seen: event.timestamp,
        state: AlertState::Open,
        deliveries: Vec::new(),
    }
}

/// "SQL injection from 203.0.113.9 blocked at shop (rule 942100)".
fn title(event: &SecurityEvent) -> String {
    if let (Some(TrackReason::EventsLost(_)), Some(finding)) = (&event.track_reason, event.findings.first()) {
        return format!("Events were lost: {}", finding.message);
    }
    let what = event.attack_type.map_or("Attack", class_name);
    let rule = event.rule_id.as_ref().map(|id| format!(" (rule {id})")).unwrap_or_default();
    let outcome = match event.action {
        parapet_event::Action::Detected => "let through",
        action => action.as_str(),
    };
    format!("{what} from {} {outcome} at {}{rule}", event.client_ip, event.site)
}

fn class_name(class: AttackClass) -> &'static str {
    match class {
        AttackClass::Sqli => "SQL injection",
        AttackClass::Xss => "Cross-site scripting",
        AttackClass::Rce => "Remote command execution",
        AttackClass::Lfi => "Local file inclusion",
        AttackClass::Rfi => "Remote file inclusion",
        AttackClass::InjectionPhp => "PHP injection",
        AttackClass::InjectionJava => "Java attack",
        AttackClass::InjectionGeneric => "Injection",
        AttackClass::Fixation => "Session fixation",
        AttackClass::Scanner => "Scanner",
        AttackClass::Protocol => "Protocol attack",
        AttackClass::ProtocolViolation => "Protocol violation",
        AttackClass::Disclosure => "Data disclosure",
        AttackClass::WebShell => "Web shell",
        AttackClass::Generic => "Attack",
    }
}

/// The last so many event ids.
#[derive(Default)]
struct RecentEvents {
    known: HashSet<Ulid>,
    order: VecDeque<Ulid>,
}

impl RecentEvents {
    fn insert(&mut self, id: Ulid) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        if self.order.len() >= RECENT_EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn open_alerts(max: usize) -> OpenAlerts {
        OpenAlerts::new(TimeDelta::seconds(300), max)
    }

    #[test]
    fn events_of_the_same_site_client_and_class_belong_to_one_alert_within_the_window() {
        let first = example::event(1);
        let mut alerts = open_alerts(10);
        alerts.open(raise(&first, Utc::now()), first.timestamp);
        let matches = |change: &dyn Fn(&mut SecurityEvent)| {
            let mut event = example::event(2);
            event.timestamp = first.timestamp;
            change(&mut event);
            alerts.matching(&event) == Some(first.id)
        };
        assert!(matches(&|_| ()));
        assert!(matches(&|event| event.timestamp += TimeDelta::seconds(299)));
        assert!(matches(&|event| event.timestamp -= TimeDelta::seconds(299)), "events may arrive out of order");
        assert!(!matches(&|event| event.timestamp += TimeDelta::seconds(300)));
        assert!(!matches(&|event| event.site = "blog".into()));
        assert!(!matches(&|event| event.client_ip = [198, 51, 100, 1].into()));
        assert!(!matches(&|event| event.attack_type = Some(AttackClass::Xss)));
    }

    #[test]
    fn the_oldest_alert_is_forgotten_when_there_are_too_many() {
        let mut alerts = open_alerts(2);
        let events: Vec<_> = (1..=3_u8)
            .map(|number| {
                let mut event = example::event(u64::from(number));
                event.client_ip = [192, 0, 2, number].into();
                alerts.open(raise(&event, Utc::now()), event.timestamp);
                event
            })
            .collect();
        let open: Vec<_> = events.iter().map(|event| alerts.matching(event).is_some()).collect();
        assert_eq!(open, [false, true, true]);
        assert_eq!((alerts.alerts.len(), alerts.by_key.len(), alerts.order.len()), (2, 2, 2));
    }

    #[test]
    fn an_event_is_a_repeat_delivery_the_second_time() {
        let mut alerts = open_alerts(2);
        let event = example::event(1);
        assert!(!alerts.is_repeat_delivery(&event));
        assert!(alerts.is_repeat_delivery(&event));
        for number in 0..RECENT_EVENTS_MAX as u64 {
            alerts.is_repeat_delivery(&example::event(number));
        }
        assert_eq!(alerts.recent.known.len(), RECENT_EVENTS_MAX);
        assert!(!alerts.is_repeat_delivery(&event), "forgotten after so many others");
    }

    #[test]
    fn the_title_says_what_who_where_and_how_it_ended() {
        let mut event = example::event(1);
        assert_eq!(title(&event), "SQL injection from 203.0.113.9 blocked at shop (rule 942100)");
        event.action = parapet_event::Action::Detected;
        event.rule_id = None;
        assert_eq!(title(&event), "SQL injection from 203.0.113.9 let through at shop");
    }
}
