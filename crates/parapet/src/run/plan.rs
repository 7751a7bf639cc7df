//! Everything that can be checked before anything is opened.

use crate::config::Config;
use crate::config::load::ConfigError;
use crate::rules;
use parapet_engine::Policy;
use parapet_pipeline::classification::Classification;
use parapet_ports::node::Role;
use parapet_ports::registry::{Plugin, Ready};
use parapet_ports::{Channel, EventSource, EventStore, EventStream, State};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Streams of all rooms.
pub const STREAMS: &[&[Plugin<dyn EventStream>]] = &[parapet_embedded::STREAMS, parapet_backends::STREAMS];
/// Stores of all rooms.
pub const STORES: &[&[Plugin<dyn EventStore>]] = &[parapet_embedded::STORES];
/// States of all rooms.
pub const STATES: &[&[Plugin<dyn State>]] = &[parapet_embedded::STATES, parapet_backends::STATES];
/// Sources of all rooms.
pub const SOURCES: &[&[Plugin<dyn EventSource>]] = &[parapet_intake::SOURCES, parapet_backends::SOURCES];
/// Channels of all rooms.
pub const CHANNELS: &[&[Plugin<dyn Channel>]] = &[parapet_backends::CHANNELS];

/// Length of a site's name, as the router accepts it.
const SITE_BYTES_MAX: usize = 253;

/// A configuration that was found to be right, with what the check produced.
pub struct Plan {
    /// The configuration.
    pub config: Config,
    /// The compiled policy, if this process has the role gateway.
    pub policy: Option<Arc<Policy>>,
    /// Logs of other WAFs, by name.
    pub sources: Vec<(String, Box<dyn Ready<dyn EventSource>>)>,
    /// Between the gateway and the router.
    pub spool: Arc<dyn Ready<dyn EventStream>>,
    /// The real-time track.
    pub realtime: Arc<dyn Ready<dyn EventStream>>,
    /// The analytics track.
    pub analytics: Arc<dyn Ready<dyn EventStream>>,
    /// Where events are kept.
    pub store: Box<dyn Ready<dyn EventStore>>,
    /// What instances share for a while.
    pub state: Arc<dyn Ready<dyn State>>,
    /// Where alerts go, by name.
    pub channels: Vec<(String, Box<dyn Ready<dyn Channel>>)>,
}

impl Plan {
    /// Names of the sites whose events this process takes in.
    pub fn site_names(&self) -> Vec<String> {
        if !self.config.roles.has(Role::Gateway) {
            return Vec::new();
        }
        let sources = self.config.sources.iter().map(|(name, source)| source.site.as_ref().unwrap_or(name));
        let sites: BTreeSet<_> = self.config.gateway.sites.iter().map(|site| &site.name).chain(sources).collect();
        sites.into_iter().cloned().collect()
    }

    /// Names of the sources that this process reads.
    pub fn source_names(&self) -> Vec<&str> {
        let sources = self.sources.iter().filter(|_| self.config.roles.has(Role::Gateway));
        sources.map(|(name, _)| name.as_str()).collect()
    }
}

/// Checks all sections and compiles the rules; opens nothing but rule files.
///
/// # Errors
/// Everything that is wrong, in the order of the sections.
pub fn check(config: Config) -> Result<Plan, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut policy = None;
    if config.has_gateway() {
        policy =
            keep(rules::policy(&config.rules, &config.rule_sets(), config.gateway.limits.of_engine()), &mut errors);
        errors.extend(config.gateway.check().iter().map(|error| in_section("gateway", error)));
    }
    if let Err(found) = config.console.validate() {
        errors.extend(found.iter().map(|error| in_section("console", error)));
    }
    if let Err(error) = config.identity.validate() {
        errors.push(in_section("identity", &error));
    }
    let streams = &config.streams;
    let spool = keep_one(streams.spool.check("streams.spool", STREAMS), &mut errors);
    let realtime = keep_one(streams.realtime.check("streams.realtime", STREAMS), &mut errors);
    let analytics = keep_one(streams.analytics.check("streams.analytics", STREAMS), &mut errors);
    let store = keep_one(config.store.0.check("store", STORES), &mut errors);
    let state = keep_one(config.state.0.check("state", STATES), &mut errors);
    let channels: Vec<_> = config
        .channels
        .iter()
        .filter_map(|(name, section)| {
            let ready = keep_one(section.check(&format!("channels.{name}"), CHANNELS), &mut errors)?;
            Some((name.clone(), ready))
        })
        .collect();
    let sources: Vec<_> = config
        .sources
        .iter()
        .filter_map(|(name, source)| {
            let place = format!("sources.{name}");
            if source.site.as_ref().is_some_and(|site| site.is_empty() || site.len() > SITE_BYTES_MAX) {
                let message = format!("site: a name of 1 to {SITE_BYTES_MAX} bytes is needed");
                errors.push(ConfigError { place: place.clone(), message, hint: None });
            }
            let ready = keep_one(source.plugin.check(&place, SOURCES), &mut errors)?;
            Some((name.clone(), ready))
        })
        .collect();
    let ends = [
        ("streams.spool", Role::Gateway, Role::Router, &spool),
        ("streams.realtime", Role::Router, Role::Realtime, &realtime),
        ("streams.analytics", Role::Router, Role::Analytics, &analytics),
    ];
    errors.extend(ends.into_iter().filter_map(|(section, writer, reader, stream)| {
        config.roles.check_stream(section, writer, reader, stream.as_ref()?.is_shared())
    }));
    if config.roles.has(Role::Router) {
        errors.extend(classification(&config.pipeline).err().into_iter().flatten());
    }
    errors.extend(config.roles.check_peers(!config.peers.urls.is_empty()));
    if let Err(found) = config.peers.validate() {
        errors.extend(found.iter().map(|error| in_section("peers", error)));
    }
    match (spool, realtime, analytics, store, state) {
        (Some(spool), Some(realtime), Some(analytics), Some(store), Some(state)) if errors.is_empty() => {
            let (spool, realtime, analytics) = (spool.into(), realtime.into(), analytics.into());
            Ok(Plan { config, policy, sources, spool, realtime, analytics, store, state: state.into(), channels })
        }
        _ => Err(errors),
    }
}

/// The configured classification, with the operator's script if there is one.
///
/// # Errors
/// Everything that is wrong with the script.
pub fn classification(pipeline: &parapet_pipeline::Config) -> Result<Arc<Classification>, Vec<ConfigError>> {
    let place = "pipeline.classification.script";
    let error = |message| ConfigError { place: place.to_owned(), message, hint: None };
    Classification::open(pipeline.classification.clone(), pipeline.severity.clone())
        .map_err(|found| found.0.into_iter().map(error).collect())
}

/// An error of a room, placed in its section unless it names the section itself.
pub fn in_section(section: &str, error: &impl std::fmt::Display) -> ConfigError {
    let text = error.to_string();
    match text.split_once(": ") {
        Some((place, message)) if place.starts_with(section) => {
            ConfigError { place: place.to_owned(), message: message.to_owned(), hint: None }
        }
        _ => ConfigError { place: section.to_owned(), message: text, hint: None },
    }
}

fn keep<T>(outcome: Result<T, Vec<ConfigError>>, errors: &mut Vec<ConfigError>) -> Option<T> {
    outcome.map_err(|found| errors.extend(found)).ok()
}

fn keep_one<T>(outcome: Result<T, ConfigError>, errors: &mut Vec<ConfigError>) -> Option<T> {
    outcome.map_err(|error| errors.push(error)).ok()
}
