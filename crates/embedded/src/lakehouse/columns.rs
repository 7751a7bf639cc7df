//! The columns of the lakehouse: what queries filter and count by, and the whole event as JSON.

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampNanosecondArray,
    UInt8Array, UInt32Builder,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use parapet_event::SecurityEvent;
use parapet_ports::{ErrorKind, PortError, SharedEvent};
use std::fmt::Write;
use std::sync::{Arc, LazyLock};
use ulid::Ulid;

/// Parts of the search column are kept apart by this, so that no text is found across their border.
const SEPARATOR: char = '\u{1}';
const SEPARATOR_IN_TEXT: &str = "\u{2}";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("id", false),
        Field::new("timestamp", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
        text("track", true),
        Field::new("severity", DataType::UInt8, false),
        text("client_ip", false),
        text("site", false),
        text("action", false),
        text("attack_type", true),
        // The leading rule, as text like in the event; empty rather than null where there is none.
        text("rule_id", false),
        // All rules that matched.
        Field::new("rule_ids", DataType::List(Arc::new(Field::new_list_field(DataType::UInt32, false))), false),
        // URI, user agent, rule messages and matched texts in lower case.
        text("search", false),
        // The event in its wire format.
        text("event", false),
    ]))
});

/// The columns, in order.
pub(crate) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Latest time of the column. Leaves room for arithmetic with time buckets.
const NANOSECONDS_MAX: i64 = 8_800_000_000_000_000_000;

/// A time as the column holds it: nanoseconds since 1970, clamped to the years 1691 to 2248.
pub(crate) fn nanoseconds(time: DateTime<Utc>) -> i64 {
    let limit = if time.timestamp() < 0 { -NANOSECONDS_MAX } else { NANOSECONDS_MAX };
    time.timestamp_nanos_opt().unwrap_or(limit).clamp(-NANOSECONDS_MAX, NANOSECONDS_MAX)
}

/// A text as the search column holds it, and as it is looked for there.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::new();
    fold_into(&mut folded, text);
    folded
}

fn fold_into(folded: &mut String, text: &str) {
    if text.is_ascii() && !text.contains(SEPARATOR) {
        let start = folded.len();
        folded.push_str(text);
        folded.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
    } else {
        folded.push_str(&text.to_lowercase().replace(SEPARATOR, SEPARATOR_IN_TEXT));
    }
}

/// Events as columns.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) batch: RecordBatch,
    /// Ids of the rows, in order.
    pub(crate) ids: Vec<Ulid>,
}

impl Rows {
    /// Turns events into columns.
    ///
    /// # Errors
    /// `Rejected` if they are larger than a batch can be.
    pub(crate) fn encode(events: &[SharedEvent]) -> Result<Rows, PortError> {
        let mut search = StringBuilder::with_capacity(events.len(), events.len() * 256);
        let mut text = String::new();
        let mut rule_ids =
            ListBuilder::new(UInt32Builder::new()).with_field(Field::new_list_field(DataType::UInt32, false));
        let (mut ids, mut addresses) = (StringBuilder::new(), StringBuilder::new());
        for event in events {
            ids.append_value(event.id.array_to_str(&mut [0; ulid::ULID_LEN]));
            text.clear();
            let _ = write!(text, "{}", event.client_ip);
            addresses.append_value(&text);
            text.clear();
            search_text(event, &mut text);
            search.append_value(&text);
            let mut rules: Vec<u32> = event.findings.iter().map(|finding| finding.rule_id).collect();
            rules.sort_unstable();
            rules.dedup();
            rule_ids.append_value(rules.into_iter().map(Some));
        }
        let text = |value: fn(&SecurityEvent) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(events.iter().map(|event| value(event))))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ids.finish()),
            Arc::new(
                TimestampNanosecondArray::from_iter_values(events.iter().map(|event| nanoseconds(event.timestamp)))
                    .with_timezone("UTC"),
            ),
            Arc::new(StringArray::from_iter(events.iter().map(|event| event.track.map(|track| track.as_str())))),
            Arc::new(UInt8Array::from_iter_values(events.iter().map(|event| event.severity.get()))),
            Arc::new(addresses.finish()),
            text(|event| &event.site),
            text(|event| event.action.as_str()),
            Arc::new(StringArray::from_iter(events.iter().map(|event| event.attack_type.map(|class| class.as_str())))),
            text(|event| event.rule_id.as_deref().unwrap_or_default()),
            Arc::new(rule_ids.finish()),
            Arc::new(search.finish()),
            Arc::new(wire_form(events)?),
        ];
        let batch = RecordBatch::try_new(schema(), columns).map_err(internal)?;
        Ok(Rows { batch, ids: events.iter().map(|event| event.id).collect() })
    }

    /// Only the rows for which `keep` says so.
    pub(crate) fn filter(&self, keep: &[bool]) -> Result<Rows, PortError> {
        let batch = filter_record_batch(&self.batch, &BooleanArray::from(keep.to_vec())).map_err(internal)?;
        let ids = self.ids.iter().zip(keep).filter(|(_, keep)| **keep).map(|(id, _)| *id).collect();
        Ok(Rows { batch, ids })
    }

    /// The events in their wire format.
    pub(crate) fn json(&self) -> Result<&StringArray, PortError> {
        column(&self.batch, "event")
    }
}

/// The events as JSON.
fn wire_form(events: &[SharedEvent]) -> Result<StringArray, PortError> {
    let texts: Vec<&str> = events.iter().map(SharedEvent::json).collect();
    let bytes = texts.iter().map(|text| text.len()).sum();
    if i32::try_from(bytes).is_err() {
        let message = format!("{} events take {bytes} bytes, more than fit into one batch", events.len());
        return Err(PortError::new(ErrorKind::Rejected, message));
    }
    let mut json = StringBuilder::with_capacity(texts.len(), bytes);
    texts.into_iter().for_each(|text| json.append_value(text));
    Ok(json.finish())
}

/// Appends what can be looked for in an event.
fn search_text(event: &SecurityEvent, text: &mut String) {
    let fields = [&event.request.uri, &event.request.user_agent];
    let of_rules = event.findings.iter().flat_map(|finding| [&finding.message, &finding.matched]);
    for field in fields.into_iter().chain(of_rules) {
        fold_into(text, field);
        text.push(SEPARATOR);
    }
}

/// A column by name and type.
pub(crate) fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, PortError> {
    let found = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref());
    found.ok_or_else(|| PortError::new(ErrorKind::Corrupt, format!("column {name} is missing or has another type")))
}

/// Times of the rows of a batch, in nanoseconds since 1970.
pub(crate) fn times(batch: &RecordBatch) -> Result<&[i64], PortError> {
    let times: &TimestampNanosecondArray = column(batch, "timestamp")?;
    Ok(times.values())
}

/// Where the rows of some batches stand when they are sorted newest first (by time, then by id): the batch
/// and the row in it.
pub(crate) fn newest_first(batches: &[RecordBatch]) -> Result<Vec<(usize, usize)>, PortError> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (number, batch) in batches.iter().enumerate() {
        let ids: &StringArray = column(batch, "id")?;
        rows.extend(times(batch)?.iter().zip(ids).enumerate().map(|(row, (time, id))| (*time, id, number, row)));
    }
    rows.sort_unstable_by(|one, other| (other.0, other.1).cmp(&(one.0, one.1)));
    Ok(rows.into_iter().map(|(_, _, batch, row)| (batch, row)).collect())
}

/// Decodes the events of a result.
pub(crate) fn decode(batch: &RecordBatch) -> Result<Vec<SecurityEvent>, PortError> {
    let json: &StringArray = column(batch, "event")?;
    let text = |row| if json.is_valid(row) { json.value(row) } else { "" };
    (0..json.len())
        .map(|row| {
            serde_json::from_str(text(row)).map_err(|error| {
                PortError::new(ErrorKind::Corrupt, "a stored event is not readable").with_source(error)
            })
        })
        .collect()
}

/// An error of Arrow that only a defect of this software can cause.
pub(crate) fn internal(error: ArrowError) -> PortError {
    PortError::new(ErrorKind::Rejected, "events could not be brought into columns").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::suites::sample_events;

    #[test]
    fn an_event_comes_back_from_its_columns() {
        let events = sample_events(0..50);
        let rows = Rows::encode(&events).unwrap();
        let decoded = decode(&rows.batch).unwrap();
        assert!(decoded.iter().zip(&events).all(|(decoded, event)| *decoded == **event));
    }

    #[test]
    fn times_beyond_the_column_are_clamped_and_keep_their_order() {
        assert_eq!(nanoseconds(DateTime::<Utc>::MAX_UTC), NANOSECONDS_MAX);
        assert_eq!(nanoseconds(DateTime::<Utc>::MIN_UTC), -NANOSECONDS_MAX);
    }

    #[test]
    fn text_is_not_found_across_fields() {
        let mut event = sample_events(0..1).remove(0);
        event.make_mut().request.uri = "/a\u{1}b".into();
        let mut text = String::new();
        search_text(&event, &mut text);
        assert!(text.contains(&folded("/A\u{1}B")));
        assert!(!text.contains(&folded("b\u{1}")));
    }
}
