//! The two tracks of the pipeline and the reason an event is on one of them.

use serde::{Deserialize, Serialize};

/// Where the router sends an event first. Every event also reaches the analytics track, so that
/// history is complete; `RealTime` means it is processed for alerts within a second as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Track {
    /// Scoring, threat intelligence, alerts within a second.
    #[serde(rename = "realtime")]
    RealTime,
    /// Enrichment, windows, search, reports.
    Analytics,
}

impl Track {
    /// The name used in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Track::RealTime => "realtime",
            Track::Analytics => "analytics",
        }
    }
}

/// Which of the classification rules decided, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule", content = "detail")]
pub enum TrackReason {
    /// The anomaly score reached the router's threshold.
    AnomalyScore(u32),
    /// The computed severity is in the critical band.
    CriticalSeverity(u8),
    /// A scanner rule family (913) matched.
    ScannerRule(u32),
    /// The user agent names a scanner.
    ScannerUserAgent(String),
    /// A critical rule family (SQLi, XSS, RCE, LFI by default) matched.
    CriticalRule(u32),
    /// The operator's script decided; the text is the reason it gave.
    Script(String),
    /// None of the above.
    Default,
    /// Nobody attacked: Parapet reports that so many events were lost.
    EventsLost(u64),
}
