//! `parapet plugins`

use super::{Failure, Outcome};
use crate::run::plan::{CHANNELS, SOURCES, STATES, STORES, STREAMS};
use parapet_ports::registry::Plugin;
use serde_json::json;

/// Lists every plugin with the seam it belongs to.
pub fn list(as_json: bool) -> Outcome {
    let mut plugins = rows("source", SOURCES);
    plugins.extend(rows("stream", STREAMS));
    plugins.extend(rows("store", STORES));
    plugins.extend(rows("state", STATES));
    plugins.extend(rows("channel", CHANNELS));
    if as_json {
        let list: Vec<_> = plugins
            .iter()
            .map(|(seam, kind, summary)| json!({"seam": seam, "kind": kind, "summary": summary}))
            .collect();
        let text = serde_json::to_string_pretty(&list).map_err(|error| Failure::Error(error.into()))?;
        println!("{text}");
    } else {
        for (seam, kind, summary) in plugins {
            println!("{seam:<8} {kind:<12} {summary}");
        }
    }
    Ok(())
}

type Row = (&'static str, &'static str, &'static str);

fn rows<T: ?Sized>(seam: &'static str, slices: &[&[Plugin<T>]]) -> Vec<Row> {
    slices.iter().flat_map(|slice| slice.iter()).map(|plugin| (seam, plugin.kind, plugin.summary)).collect()
}
