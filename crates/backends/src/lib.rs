//! Remote systems behind the seams

pub mod download;
