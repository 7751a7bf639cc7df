//! JSON bodies, flattened to `json.a.array_0` names as libmodsecurity does.

/// Why a JSON body is not valid.
#[allow(dead_code)]
#[derive(Debug)]
pub(crate) struct JsonError {
    /// What is wrong, for `REQBODY_ERROR_MSG`.
    pub(crate) message: String,
    /// Offset of the byte it was noticed at.
    pub(crate) offset: usize,
}

/// Calls `sink(name, value)` for each scalar, duplicates and partial results included; the sink
/// returns whether to go on.
#[allow(dead_code, unused_variables)]
pub(crate) fn parse(
    input: &[u8],
    max_depth: usize,
    sink: &mut impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), JsonError> {
    Ok(())
}
