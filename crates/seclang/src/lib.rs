//! SecLang: the rule language of ModSecurity, as text and as typed directives.
//!
//! [`parse`] turns text into a [`Configuration`]; it does no I/O itself: included files and data
//! files come through a [`Loader`]. All errors of all files are reported together, each with its
//! file, line and column. Byte-oriented throughout: rules may contain any byte.

pub mod ast;
mod names;

pub use ast::Configuration;
