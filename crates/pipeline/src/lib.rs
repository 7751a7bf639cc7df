//! Router, tracks, processors, alerting: what happens to an event after the gateway
