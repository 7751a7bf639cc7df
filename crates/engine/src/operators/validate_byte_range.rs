//! `@validateByteRange`: `ValidateByteRange::compile(argument)`, `matches(&self, value)` (true = a byte lies outside).
