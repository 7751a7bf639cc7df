//! `@validateUtf8Encoding`: `matches(value) -> bool` (true = invalid).
