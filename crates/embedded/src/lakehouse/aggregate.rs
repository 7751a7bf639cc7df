//! Counting by key and time.

use super::columns::column;
use super::filter::{expression, may_match};
use super::lake::Snapshot;
use super::query::{Context, failed};
use chrono::DateTime;
use datafusion::arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, cast, lit, when};
use datafusion::prelude::col;
use parapet_event::{AggregateQuery, Bucket, GroupBy, SeverityBand};
use parapet_ports::{ErrorKind, PortError};
use std::cmp::Reverse;

const KEYS_MAX: usize = 1000;
const BUCKETS_MAX: usize = 100_000;
/// Ten years.
const INTERVAL_SECONDS_MAX: u32 = 315_360_000;

fn key(group_by: GroupBy) -> Result<Expr, PortError> {
    let or_empty = |name| coalesce(vec![col(name), lit("")]);
    Ok(match group_by {
        GroupBy::Track => or_empty("track"),
        GroupBy::AttackType => or_empty("attack_type"),
        GroupBy::Action => col("action"),
        GroupBy::ClientIp => col("client_ip"),
        GroupBy::RuleId => col("rule_id"),
        GroupBy::Site => col("site"),
        GroupBy::Severity => {
            let from = |band: SeverityBand| col("severity").gt_eq(lit(band.range().0));
            when(from(SeverityBand::Critical), lit(SeverityBand::Critical.as_str()))
                .when(from(SeverityBand::High), lit(SeverityBand::High.as_str()))
                .when(from(SeverityBand::Medium), lit(SeverityBand::Medium.as_str()))
                .otherwise(lit(SeverityBand::Low.as_str()))
                .map_err(failed)?
        }
    })
}

/// Start of the time bucket of a row, in nanoseconds since 1970; rounds down also before 1970.
fn bucket(width_seconds: u32) -> Expr {
    let width = i64::from(width_seconds) * 1_000_000_000;
    let time = cast(col("timestamp"), DataType::Int64);
    let above = (time.clone() % lit(width) + lit(width)) % lit(width);
    time - above
}

fn grouped(rows: DataFrame, by: Vec<Expr>) -> Result<DataFrame, PortError> {
    rows.aggregate(by, vec![count(lit(1_i64)).alias("count")]).map_err(failed)
}

fn read(batch: &RecordBatch) -> Result<Vec<Bucket>, PortError> {
    let keys: &StringArray = column(batch, "key")?;
    let counts: &Int64Array = column(batch, "count")?;
    let times: Option<&Int64Array> = column(batch, "bucket").ok();
    let row = |at: usize| Bucket {
        time: times.map(|times| DateTime::from_timestamp_nanos(times.value(at))),
        key: if keys.is_valid(at) { keys.value(at).to_owned() } else { String::new() },
        count: counts.value(at).unsigned_abs(),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// Answers an [`AggregateQuery`]: first the keys with the highest counts, then their counts by time.
pub(crate) async fn aggregate(
    context: Context,
    snapshot: Snapshot,
    query: AggregateQuery,
) -> Result<Vec<Bucket>, PortError> {
    let limit = query.limit.clamp(1, KEYS_MAX);
    let (filter, floor) = (&query.filter, snapshot.floor);
    let files: Vec<_> = snapshot.files.iter().filter(|file| may_match(file, filter, None, floor)).cloned().collect();
    let rows = || context.select(snapshot.hot.clone(), files.clone(), expression(filter, None, floor));
    let key = key(query.group_by)?.alias("key");
    let top = grouped(rows()?, vec![key.clone()])?
        .sort(vec![col("count").sort(false, false), col("key").sort(true, false)])
        .and_then(|rows| rows.limit(0, Some(limit)))
        .map_err(failed)?;
    let mut buckets = Vec::new();
    for batch in top.collect().await.map_err(failed)? {
        buckets.extend(read(&batch)?);
    }
    if let Some(width) = query.interval_seconds.filter(|_| !buckets.is_empty()) {
        if !(1..=INTERVAL_SECONDS_MAX).contains(&width) {
            let message = format!("an interval of {width} s is not between 1 and {INTERVAL_SECONDS_MAX}");
            return Err(PortError::new(ErrorKind::Rejected, message));
        }
        let keys = buckets.drain(..).map(|bucket| lit(bucket.key)).collect();
        let by_time = rows()?.select(vec![bucket(width).alias("bucket"), key]).map_err(failed)?;
        let by_time = by_time.filter(col("key").in_list(keys, false)).map_err(failed)?;
        let by_time = grouped(by_time, vec![col("bucket"), col("key")])?;
        let by_time = by_time.limit(0, Some(BUCKETS_MAX + 1)).map_err(failed)?;
        for batch in by_time.collect().await.map_err(failed)? {
            buckets.extend(read(&batch)?);
        }
        if buckets.len() > BUCKETS_MAX {
            let message = format!("more than {BUCKETS_MAX} counts; choose a longer interval or a shorter time");
            return Err(PortError::new(ErrorKind::Rejected, message));
        }
    }
    buckets.sort_by(|a, b| (a.time, Reverse(a.count), &a.key).cmp(&(b.time, Reverse(b.count), &b.key)));
    Ok(buckets)
}
