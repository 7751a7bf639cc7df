//! What the gateway itself refuses: bytes that are not one unambiguous HTTP request, or too many of
//! them.

use std::borrow::Cow;

/// A request that is refused before, or regardless of, any rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Status of the answer.
    pub(crate) status: u16,
    /// What was malformed or too large, for the event; the client is not told.
    pub(crate) message: Cow<'static, str>,
}

impl Fault {
    /// 400: the bytes have no single reading as HTTP.
    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Fault { status: 400, message: message.into() }
    }

    /// Any other refusal.
    pub(crate) fn new(status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Fault { status, message: message.into() }
    }
}
