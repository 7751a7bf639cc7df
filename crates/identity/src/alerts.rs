//! Alerts: the whole alert as JSON, and beside it the columns that are searched by.
//!
//! The triage state is people's: only `set_state` changes it. Whoever counts another event onto an
//! alert puts a copy that may be older than somebody's triage, which must not be undone by that.

use crate::Identity;
use crate::audit::{AuditAction, NewEntry, append};
use crate::database::{corrupt, failed};
use async_trait::async_trait;
use parapet_event::{Alert, AlertState};
use parapet_ports::alerts::AlertQuery;
use parapet_ports::{AlertStore, PortError};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::net::IpAddr;
use ulid::Ulid;

/// Alerts of a page at most.
const LIMIT_MAX: usize = 1_000;
/// Rows of one statement at most: each takes eight of its 32,766 parameters.
const ROWS_MAX: usize = 500;

fn state_name(state: AlertState) -> &'static str {
    match state {
        AlertState::Open => "open",
        AlertState::Acknowledged => "acknowledged",
        AlertState::Closed => "closed",
    }
}

fn read_state(name: &str) -> Result<AlertState, PortError> {
    [AlertState::Open, AlertState::Acknowledged, AlertState::Closed]
        .into_iter()
        .find(|known| state_name(*known) == name)
        .ok_or_else(|| corrupt(format_args!("an alert in the unknown state `{name}`")))
}

/// An alert from its columns `body` and `state`.
fn read((body, state): (String, String)) -> Result<Alert, PortError> {
    let mut alert: Alert =
        serde_json::from_str(&body).map_err(|error| corrupt("an alert that cannot be read").with_source(error))?;
    alert.state = read_state(&state)?;
    Ok(alert)
}

/// Inserts or replaces alerts in one statement, but for their states.
async fn store(connection: &mut SqliteConnection, alerts: &[Alert]) -> Result<(), PortError> {
    let bodies: Result<Vec<_>, _> = alerts.iter().map(serde_json::to_string).collect();
    let bodies = bodies.map_err(|error| {
        PortError::new(parapet_ports::ErrorKind::Rejected, "an alert is no JSON").with_source(error)
    })?;
    let mut sql: QueryBuilder<Sqlite> =
        QueryBuilder::new("INSERT INTO alerts (id, raised_at, state, severity, client_ip, site, attack_type, body) ");
    sql.push_values(alerts.iter().zip(bodies), |mut row, (alert, body)| {
        row.push_bind(alert.id.to_string())
            .push_bind(alert.timestamp.timestamp_micros())
            .push_bind(state_name(alert.state))
            .push_bind(alert.severity.get())
            .push_bind(alert.client_ip.to_string())
            .push_bind(&alert.site)
            .push_bind(alert.attack_type.map(|class| class.as_str()))
            .push_bind(body);
    });
    sql.push(
        " ON CONFLICT (id) DO UPDATE SET \
         raised_at = excluded.raised_at, severity = excluded.severity, client_ip = excluded.client_ip, \
         site = excluded.site, attack_type = excluded.attack_type, body = excluded.body",
    );
    // Its text depends on the number of alerts: not worth keeping prepared.
    sql.build().persistent(false).execute(connection).await.map_err(failed("store alerts"))?;
    Ok(())
}

#[async_trait]
impl AlertStore for Identity {
    async fn put(&self, alert: &Alert) -> Result<(), PortError> {
        self.put_all(std::slice::from_ref(alert)).await
    }

    async fn put_all(&self, alerts: &[Alert]) -> Result<(), PortError> {
        if alerts.is_empty() {
            return Ok(());
        }
        let mut transaction = self.database.write().await?;
        for alerts in alerts.chunks(ROWS_MAX) {
            store(&mut transaction, alerts).await?;
        }
        transaction.commit().await.map_err(failed("store alerts"))
    }

    async fn get(&self, id: Ulid) -> Result<Option<Alert>, PortError> {
        let row: Option<(String, String)> = sqlx::query_as("SELECT body, state FROM alerts WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.database.reader())
            .await
            .map_err(failed("read an alert"))?;
        row.map(read).transpose()
    }

    async fn states(&self, ids: &[Ulid]) -> Result<Vec<(Ulid, AlertState)>, PortError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = serde_json::json!(ids.iter().map(Ulid::to_string).collect::<Vec<_>>()).to_string();
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT id, state FROM alerts WHERE id IN (SELECT value FROM json_each($1))")
                .bind(list)
                .fetch_all(self.database.reader())
                .await
                .map_err(failed("read the states of alerts"))?;
        let state = |(id, state): (String, String)| {
            let id = id.parse().map_err(|_| corrupt(format_args!("an alert with the id `{id}`")))?;
            Ok((id, read_state(&state)?))
        };
        rows.into_iter().map(state).collect()
    }

    async fn list(&self, query: &AlertQuery) -> Result<Vec<Alert>, PortError> {
        let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT body, state FROM alerts WHERE 1 = 1");
        if let Some(state) = query.state {
            sql.push(" AND state = ").push_bind(state_name(state));
        }
        if let Some(before) = query.before {
            sql.push(" AND id < ").push_bind(before.to_string());
        }
        if let Some(start) = query.start_time {
            sql.push(" AND raised_at >= ").push_bind(start.timestamp_micros());
        }
        if let Some(end) = query.end_time {
            sql.push(" AND raised_at < ").push_bind(end.timestamp_micros());
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(query.limit.clamp(1, LIMIT_MAX) as i64);
        let rows: Vec<(String, String)> =
            sql.build_query_as().fetch_all(self.database.reader()).await.map_err(failed("list alerts"))?;
        rows.into_iter().map(read).collect()
    }

    async fn set_state(&self, id: Ulid, state: AlertState, by: &str, peer: IpAddr) -> Result<bool, PortError> {
        let error = || failed("triage an alert");
        let id = id.to_string();
        let mut transaction = self.database.write().await?;
        let changed = sqlx::query("UPDATE alerts SET state = $1 WHERE id = $2")
            .bind(state_name(state))
            .bind(&id)
            .execute(&mut *transaction)
            .await
            .map_err(error())?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        let subject = format!("alert {id} {}", state_name(state));
        let entry = NewEntry { actor: by, action: AuditAction::AlertStateChanged, subject: &subject, peer: Some(peer) };
        append(&mut transaction, self.now(), entry).await?;
        transaction.commit().await.map_err(error())?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::tests::{PEER, bench};
    use chrono::{DateTime, TimeDelta, Utc};
    use parapet_event::{AttackClass, Delivery, DeliveryState, Severity};

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000, 0).unwrap()
    }

    fn alert(second: i64) -> Alert {
        let timestamp = start() + TimeDelta::seconds(second);
        Alert {
            id: Ulid::from_datetime(timestamp.into()),
            timestamp,
            event_id: Ulid::generate(),
            title: format!("SQL injection {second}"),
            severity: Severity::new(85),
            attack_type: Some(AttackClass::Sqli),
            client_ip: PEER,
            site: "shop".into(),
            rule_id: Some("942100".into()),
            count: 1,
            last_seen: timestamp,
            state: AlertState::Open,
            deliveries: vec![Delivery {
                channel: "log".into(),
                state: DeliveryState::Delivered,
                attempts: 1,
                timestamp,
                error: None,
            }],
        }
    }

    async fn titles(identity: &Identity, query: AlertQuery) -> Vec<String> {
        identity.list(&query).await.unwrap().into_iter().map(|alert| alert.title).collect()
    }

    #[tokio::test]
    async fn an_alert_comes_back_as_it_was_put() {
        let bench = bench().await;
        let mut put = alert(1);
        bench.identity.put(&put).await.unwrap();
        assert_eq!(bench.identity.get(put.id).await.unwrap(), Some(put.clone()));
        put.count = 7;
        put.attack_type = None;
        bench.identity.put(&put).await.unwrap();
        assert_eq!(bench.identity.list(&AlertQuery { limit: 10, ..AlertQuery::default() }).await.unwrap(), [put]);
        assert_eq!(bench.identity.get(Ulid::nil()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn many_alerts_are_put_at_once_and_their_states_asked_for_at_once() {
        let bench = bench().await;
        let mut all: Vec<Alert> = (0..1_201).map(alert).collect();
        bench.identity.put_all(&all).await.unwrap();
        bench.identity.set_state(all[7].id, AlertState::Closed, "alice", PEER).await.unwrap();
        all.iter_mut().for_each(|alert| alert.count += 1);
        bench.identity.put_all(&all).await.unwrap();
        assert_eq!(bench.identity.get(all[1_200].id).await.unwrap().unwrap(), all[1_200]);
        let asked = [all[7].id, Ulid::nil(), all[1_200].id];
        let mut states = bench.identity.states(&asked).await.unwrap();
        states.sort_unstable_by_key(|(id, _)| *id);
        assert_eq!(states, [(all[7].id, AlertState::Closed), (all[1_200].id, AlertState::Open)]);
        assert_eq!(bench.identity.states(&[]).await.unwrap(), []);
    }

    #[tokio::test]
    async fn alerts_are_listed_newest_first_by_state_time_and_page() {
        let bench = bench().await;
        let all: Vec<Alert> = (0..5).map(alert).collect();
        for alert in &all {
            bench.identity.put(alert).await.unwrap();
        }
        bench.identity.set_state(all[2].id, AlertState::Closed, "alice", PEER).await.unwrap();
        let limit = 10;
        let title = |numbers: &[i64]| -> Vec<String> { numbers.iter().map(|n| format!("SQL injection {n}")).collect() };
        let open = AlertQuery { state: Some(AlertState::Open), limit, ..AlertQuery::default() };
        assert_eq!(titles(&bench.identity, open).await, title(&[4, 3, 1, 0]));
        let page = AlertQuery { before: Some(all[3].id), limit: 2, ..AlertQuery::default() };
        assert_eq!(titles(&bench.identity, page).await, title(&[2, 1]));
        let between = AlertQuery {
            start_time: Some(all[1].timestamp),
            end_time: Some(all[3].timestamp),
            limit,
            ..AlertQuery::default()
        };
        assert_eq!(titles(&bench.identity, between).await, title(&[2, 1]));
    }

    #[tokio::test]
    async fn triage_is_audited_and_not_undone_by_a_later_count() {
        let bench = bench().await;
        let put = alert(1);
        bench.identity.put(&put).await.unwrap();
        assert!(bench.identity.set_state(put.id, AlertState::Acknowledged, "alice", PEER).await.unwrap());
        bench.identity.put(&Alert { count: 2, ..put.clone() }).await.unwrap();
        let read = bench.identity.get(put.id).await.unwrap().unwrap();
        assert_eq!((read.state, read.count), (AlertState::Acknowledged, 2));
        let trail = bench.identity.audit_trail(None, 10).await.unwrap();
        assert_eq!(trail.len(), 1);
        assert_eq!((trail[0].actor.as_str(), trail[0].peer), ("alice", Some(PEER)));
        assert_eq!(trail[0].subject, format!("alert {} acknowledged", put.id));
        assert!(!bench.identity.set_state(Ulid::nil(), AlertState::Closed, "alice", PEER).await.unwrap());
        assert_eq!(bench.identity.audit_trail(None, 10).await.unwrap().len(), 1, "nothing changed, nothing told");
    }

    #[tokio::test]
    async fn a_damaged_alert_is_an_error_and_not_a_panic() {
        let bench = bench().await;
        let put = alert(1);
        bench.identity.put(&put).await.unwrap();
        let mut transaction = bench.identity.database.write().await.unwrap();
        sqlx::query("UPDATE alerts SET body = '{'").execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(bench.identity.get(put.id).await.unwrap_err().kind, parapet_ports::ErrorKind::Corrupt);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_writers_and_readers_do_not_get_in_each_others_way() {
        let bench = bench().await;
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let identity = bench.identity.clone();
                tokio::spawn(async move {
                    for m in 0..25 {
                        let alert = alert(n * 100 + m);
                        identity.put(&alert).await.unwrap();
                        identity.set_state(alert.id, AlertState::Closed, "bob", PEER).await.unwrap();
                        identity.list(&AlertQuery { limit: 5, ..AlertQuery::default() }).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let closed = AlertQuery { state: Some(AlertState::Closed), limit: 1_000, ..AlertQuery::default() };
        assert_eq!(bench.identity.list(&closed).await.unwrap().len(), 200);
        assert_eq!(bench.identity.verify_audit_trail().await.unwrap().0, 200);
    }
}
