//! SecLang: the rule language of ModSecurity, as text and as typed directives.
//!
//! [`parse`] turns text into a [`Configuration`]; it does no I/O itself: included files and data
//! files come through a [`Loader`]. All errors of all files are reported together, each with its
//! file, line and column. Byte-oriented throughout: rules may contain any byte.
//!
//! The way of a line: [`lines`] joins continuations → [`text`] splits it into words → [`directives`]
//! names it → [`targets`], [`operators`] and [`actions`] parse a rule's three arguments →
//! [`parser`] groups chains and follows includes → [`checks`] looks at whole rules and the whole
//! configuration.

mod actions;
pub mod ast;
mod checks;
mod ctl;
mod directives;
mod error;
mod lines;
mod loader;
mod names;
mod numbers;
mod operators;
mod parser;
mod settings;
mod setvar;
pub mod support;
mod targets;
mod text;

pub use ast::Configuration;
pub use error::{ParseError, Warning};
pub use loader::{Loader, NoFiles};
pub use parser::{parse, parse_all, parse_all_in, parse_str};
pub use text::Dialect;
