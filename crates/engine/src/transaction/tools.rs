//! What a transaction needs only while it runs a phase, so that all transactions of a thread share it.

use super::plans::Plans;
use super::recall::Recall;
use crate::prefilter::Scratch;

/// Remembered plans and values, and scratch memory, for one policy.
#[derive(Default)]
pub(crate) struct Tools {
    pub(super) plans: Plans,
    pub(super) recall: Recall,
    /// For the prefilter of requests and that of responses.
    pub(super) scans: [Scratch; 2],
}
