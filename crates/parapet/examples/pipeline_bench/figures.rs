//! What was measured, as a table while it is measured and as JSON at the end; and latencies that the
//! product itself records.

use crate::Outcome;
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Figures in the order they were taken.
#[derive(Default)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    /// Notes a figure; its key ends with the unit.
    pub fn add(&mut self, key: &str, value: f64) -> Outcome<()> {
        self.0.push((key.to_owned(), value));
        writeln!(std::io::stdout(), "{key:<44} {value:>14.1}")?;
        Ok(())
    }

    /// All of them as one line.
    pub fn json(&self) -> String {
        let fields: Vec<_> = self.0.iter().map(|(key, value)| format!("\"{key}\": {value:.1}")).collect();
        format!("{{{}}}", fields.join(", "))
    }
}

/// Every value that one histogram of the product is given, instead of the buckets that a scrape shows.
#[derive(Clone)]
pub struct Recorded {
    name: &'static str,
    values: Arc<Values>,
}

#[derive(Default)]
struct Values(Mutex<Vec<f64>>);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

impl Recorded {
    /// Of the histogram with this name.
    pub fn of(name: &'static str) -> Recorded {
        Recorded { name, values: Arc::default() }
    }

    /// How many there are so far.
    pub fn len(&self) -> usize {
        self.values.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes them, in ascending order.
    pub fn take(&self) -> Vec<f64> {
        let mut values = std::mem::take(&mut *self.values.0.lock().unwrap_or_else(PoisonError::into_inner));
        values.sort_by(f64::total_cmp);
        values
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if key.name() == self.name { Histogram::from_arc(self.values.clone()) } else { Histogram::noop() }
    }
}
