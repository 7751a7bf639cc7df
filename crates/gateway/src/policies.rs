//! The policies in force: one snapshot per site, swapped whole.

use arc_swap::ArcSwap;
use parapet_engine::Policy;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A policy for every site. A request takes its snapshot once and keeps it to the end; whoever swaps a
/// policy never waits for requests.
#[derive(Debug)]
pub struct PolicySet {
    default: ArcSwap<Policy>,
    sites: BTreeMap<String, ArcSwap<Policy>>,
}

impl PolicySet {
    /// One policy for all sites.
    pub fn new(default: Arc<Policy>) -> Self {
        PolicySet { default: ArcSwap::new(default), sites: BTreeMap::new() }
    }

    /// Adds a policy of its own for one site.
    #[must_use]
    pub fn with_site(mut self, site: impl Into<String>, policy: Arc<Policy>) -> Self {
        self.sites.insert(site.into(), ArcSwap::new(policy));
        self
    }

    /// The policy in force for a site.
    pub fn of_site(&self, site: &str) -> Arc<Policy> {
        self.cell(site).load_full()
    }

    /// Puts a policy in force, from the next request on: for one site that has its own, or for all that
    /// have none.
    pub fn swap(&self, site: &str, policy: Arc<Policy>) {
        self.cell(site).store(policy);
    }

    fn cell(&self, site: &str) -> &ArcSwap<Policy> {
        self.sites.get(site).unwrap_or(&self.default)
    }
}
