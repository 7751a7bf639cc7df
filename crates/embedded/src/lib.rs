//! Built-in defaults: journal, lakehouse, local state
