//! The Parapet binary: configuration, wiring, command line.

mod crs;
#[cfg(test)]
mod test_data;

fn main() {}
