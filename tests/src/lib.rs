//! Black-box scenarios that drive the real binary.
