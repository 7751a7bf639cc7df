//! Sandboxed Lua 5.4: scripts see what they are given, and nothing they do is without a bound.
//!
//! A [`Script`] is text that was checked once and is shared; a [`Sandbox`] is an interpreter with
//! [`Limits`] that runs scripts, one call at a time. What a script may do besides computing, the
//! caller offers as a [`Host`].
//!
//! Scripts have the base functions, `string`, `table`, `math` and `utf8`, and those libraries cannot
//! be changed, so that nothing is left behind for the next script. There is no `io`, `os`, `package`,
//! `debug` or `coroutine`, nothing that loads code (`load`, `require`, …), no `string.dump`, no
//! `table.move`, no `rawset`, no `collectgarbage`, and no finalizer (`__gc`).
//!
//! What is counted: instructions of the interpreter, the work of `string.find`, `match`, `gmatch` and
//! `gsub` (which are implemented here, because a pattern can backtrack for ever within one
//! instruction), and bytes that pass between script and host. Time is looked at every few hundred
//! instructions. Whoever writes a script is trusted with the time of one library call over the memory
//! there may be; whoever sends the data that it works on is not.
//!
//! ```
//! use parapet_script::{Limits, Nothing, Sandbox, Script, Value};
//!
//! let script = Script::compile("double.lua", b"function double(x) return 2 * x end").unwrap();
//! let mut sandbox = Sandbox::new(Limits::default()).unwrap();
//! sandbox.load(&script, &mut Nothing).unwrap();
//! let result = sandbox.call(&script, "double", &[Value::Integer(21)], &mut Nothing).unwrap();
//! assert_eq!(result, Value::Integer(42));
//! ```

mod budget;
mod failure;
mod host;
mod library;
mod pattern;
mod sandbox;
mod script;
mod strings;
mod value;

pub use budget::Limits;
pub use failure::{CompileError, Failure, FailureKind};
pub use host::{Host, Nothing};
pub use sandbox::Sandbox;
pub use script::Script;
pub use value::Value;
