//! The Parapet binary: configuration, wiring, command line
fn main() {}
