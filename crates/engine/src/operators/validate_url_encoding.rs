//! `@validateUrlEncoding`: `matches(value) -> bool` (true = invalid).
