//! An [`EventFilter`] as typed DataFusion expressions, and as a test of whole files.

use super::catalog::DataFile;
use super::columns::{folded, nanoseconds};
use datafusion::functions::expr_fn::contains;
use datafusion::functions_nested::expr_fn::array_has;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::col;
use datafusion::scalar::ScalarValue;
use parapet_event::{Cursor, EventFilter};

/// A time literal.
fn time(nanoseconds: i64) -> Expr {
    lit(ScalarValue::TimestampNanosecond(Some(nanoseconds), Some("UTC".into())))
}

/// What rows must satisfy; `None` if all do. Rows older than `floor` never do.
pub(crate) fn expression(filter: &EventFilter, cursor: Option<&Cursor>, floor: i64) -> Option<Expr> {
    let mut all = Vec::new();
    let start = filter.start_time.map_or(floor, |start| nanoseconds(start).max(floor));
    if start > i64::MIN {
        all.push(col("timestamp").gt_eq(time(start)));
    }
    if let Some(end) = filter.end_time {
        all.push(col("timestamp").lt(time(nanoseconds(end))));
    }
    if let Some(band) = filter.severity {
        let (low, high) = band.range();
        all.push(col("severity").gt_eq(lit(low)));
        all.push(col("severity").lt_eq(lit(high)));
    }
    let texts = [
        ("track", filter.track.map(|track| track.as_str().to_owned())),
        ("client_ip", filter.client_ip.map(|address| address.to_string())),
        ("attack_type", filter.attack_type.map(|class| class.as_str().to_owned())),
        ("action", filter.action.map(|action| action.as_str().to_owned())),
        ("site", filter.site.clone()),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            all.push(col(name).eq(lit(value)));
        }
    }
    if let Some(rule) = filter.rule_id {
        all.push(array_has(col("rule_ids"), lit(rule)));
    }
    if let Some(text) = filter.text.as_ref().filter(|text| !text.is_empty()) {
        all.push(contains(col("search"), lit(folded(text))));
    }
    if let Some(cursor) = cursor {
        let at = nanoseconds(cursor.timestamp);
        let same_time = col("timestamp").eq(time(at)).and(col("id").lt(lit(cursor.id.to_string())));
        // The first part is implied by the second; it is what statistics can prune by.
        all.push(col("timestamp").lt_eq(time(at)));
        all.push(col("timestamp").lt(time(at)).or(same_time));
    }
    all.into_iter().reduce(Expr::and)
}

/// Whether any row of the file can satisfy the filter.
pub(crate) fn may_match(file: &DataFile, filter: &EventFilter, cursor: Option<&Cursor>, floor: i64) -> bool {
    let meta = &file.meta;
    let has_rule = match (filter.rule_id, &meta.rules) {
        (Some(rule), Some(rules)) => rules.contains(&rule),
        _ => true,
    };
    has_rule && overlaps((meta.min_time, meta.max_time), filter, cursor, floor)
}

/// Whether times from the first to the second can satisfy the filter.
pub(crate) fn overlaps(times: (i64, i64), filter: &EventFilter, cursor: Option<&Cursor>, floor: i64) -> bool {
    let start = filter.start_time.map_or(floor, |start| nanoseconds(start).max(floor));
    times.1 >= start
        && filter.end_time.is_none_or(|end| times.0 < nanoseconds(end))
        && cursor.is_none_or(|cursor| times.0 <= nanoseconds(cursor.timestamp))
}
