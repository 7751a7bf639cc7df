//! Severity of an event: a number from 0 to 100, and the four bands people read it in.

use serde::{Deserialize, Serialize};

/// Severity from 0 (noise) to 100 (certain, dangerous attack). Values above 100 are clamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub struct Severity(u8);

impl Severity {
    /// The highest severity.
    pub const MAX: Severity = Severity(100);

    /// Clamps `value` to 0..=100.
    pub fn new(value: u8) -> Self {
        Severity(value.min(100))
    }

    /// The number, 0..=100.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The band this severity is read in.
    pub fn band(self) -> SeverityBand {
        match self.0 {
            80.. => SeverityBand::Critical,
            60.. => SeverityBand::High,
            40.. => SeverityBand::Medium,
            _ => SeverityBand::Low,
        }
    }
}

impl From<u8> for Severity {
    fn from(value: u8) -> Self {
        Severity::new(value)
    }
}

impl From<Severity> for u8 {
    fn from(value: Severity) -> Self {
        value.0
    }
}

/// Critical from 80, high from 60, medium from 40, low below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeverityBand {
    /// 0–39
    Low,
    /// 40–59
    Medium,
    /// 60–79
    High,
    /// 80–100
    Critical,
}

impl SeverityBand {
    /// Inclusive bounds of the band.
    pub fn range(self) -> (u8, u8) {
        match self {
            SeverityBand::Low => (0, 39),
            SeverityBand::Medium => (40, 59),
            SeverityBand::High => (60, 79),
            SeverityBand::Critical => (80, 100),
        }
    }

    /// The name used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            SeverityBand::Low => "low",
            SeverityBand::Medium => "medium",
            SeverityBand::High => "high",
            SeverityBand::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_severity_lies_in_the_range_of_its_band() {
        for value in 0..=100 {
            let severity = Severity::new(value);
            let (low, high) = severity.band().range();
            assert!((low..=high).contains(&value), "{value} is outside {:?}", severity.band());
        }
    }

    #[test]
    fn values_above_the_scale_are_clamped() {
        assert_eq!(Severity::new(255), Severity::MAX);
        assert_eq!(serde_json::from_str::<Severity>("200").unwrap(), Severity::MAX);
    }
}
