//! XML bodies: text and attributes, no entity expansion beyond the five built in and numeric ones.

/// What the parser meets, in document order.
#[allow(dead_code)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XmlEvent<'a> {
    /// An element opens.
    Start(&'a [u8]),
    /// An attribute of the element just opened.
    Attribute(&'a [u8], &'a [u8]),
    /// Text (also CDATA) within the open element.
    Text(&'a [u8]),
    /// The open element closes.
    End,
}

/// Why an XML body is not valid.
#[allow(dead_code)]
#[derive(Debug)]
pub(crate) struct XmlError {
    /// What is wrong, for `REQBODY_ERROR_MSG`.
    pub(crate) message: String,
    /// Offset of the byte it was noticed at.
    pub(crate) offset: usize,
}

/// Calls `sink` for each event, also those before an error; the sink returns whether to go on.
#[allow(dead_code, unused_variables)]
pub(crate) fn parse(
    input: &[u8],
    max_depth: usize,
    sink: &mut impl FnMut(XmlEvent<'_>) -> bool,
) -> Result<(), XmlError> {
    Ok(())
}
