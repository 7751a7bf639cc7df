//! `@eq @ge @gt @le @lt`: `parse(value: &[u8]) -> i64`, as libmodsecurity reads numbers.
