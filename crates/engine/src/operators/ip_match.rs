//! `@ipMatch`, `@ipMatchFromFile`: `IpMatch::compile(argument)`, `IpMatch::compile_file(text)`, `matches(&self, value)`.
