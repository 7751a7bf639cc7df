//! The configuration file.

pub mod load;
