//! The Parapet binary: configuration, wiring, command line.

mod config;
mod crs;
#[cfg(test)]
mod test_data;

fn main() {}
