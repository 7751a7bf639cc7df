//! What a journal had to give up or set aside, for operators and the ledger.

use crate::damage::Damage;

/// Account of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events ever appended.
    pub appended: u64,
    /// Events deleted after every group had acknowledged them.
    pub trimmed: u64,
    /// Events given up at the size limit before every group had acknowledged them.
    pub dropped: u64,
    /// Events that readers found missing or unreadable, summed over groups.
    pub lost: u64,
    /// Bytes of all segments now.
    pub bytes: u64,
    /// Damage found since the journal was opened, the newest 100.
    pub damages: Vec<Damage>,
}
