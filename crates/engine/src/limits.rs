//! Bounds on what one transaction may cost, whatever it is sent.

/// Limits of one transaction. The defaults suit requests of browsers and APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text a transaction may hold: names, values, what transformations make of them, and
    /// what rules write. The bodies themselves are bounded by the policy's settings.
    pub working_bytes: usize,
    /// Values of one collection (arguments are bounded by `SecArgumentsLimit` as well).
    pub collection_values: usize,
    /// Request headers or response headers.
    pub headers: usize,
    /// Elements that may be open at once in an XML body.
    pub xml_depth: usize,
    /// Parts of a multipart body.
    pub multipart_parts: usize,
    /// Findings kept.
    pub matches: usize,
    /// Names that rules may set in one collection.
    pub variables: usize,
    /// Buffers kept for later transactions.
    pub pooled_transactions: usize,
    /// Bytes a kept buffer may hold on to.
    pub pooled_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            working_bytes: 64 << 20,
            collection_values: 20_000,
            headers: 1_000,
            xml_depth: 200,
            multipart_parts: 2_000,
            matches: 1_000,
            variables: 5_000,
            pooled_transactions: 64,
            pooled_bytes: 256 << 10,
        }
    }
}
