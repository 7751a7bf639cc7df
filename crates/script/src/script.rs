//! The text of a script, checked once.

use std::sync::Arc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, StdLib};

use crate::CompileError;
use crate::failure::CHUNK;

/// Longest script, in bytes.
const LONGEST: usize = 1 << 20;
/// Memory that checking a script may take, in bytes.
const MEMORY: usize = 64 << 20;

/// A script without syntax errors. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Script {
    text: Arc<Text>,
}

#[derive(Debug)]
struct Text {
    name: String,
    source: Vec<u8>,
}

impl Script {
    /// Checks the text of a script; `name` stands for it in messages. Compiled Lua is refused: the
    /// interpreter does not check it, so it could do anything.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn compile(name: &str, source: &[u8]) -> Result<Script, CompileError> {
        let wrong = |message: &str| CompileError { script: name.to_owned(), line: 1, message: message.to_owned() };
        if source.len() > LONGEST {
            return Err(wrong("the script is longer than 1 MiB"));
        }
        if source.starts_with(b"\x1bLua") {
            return Err(wrong("compiled Lua is not run; give the script as text"));
        }
        let script = Script { text: Arc::new(Text { name: name.to_owned(), source: source.to_vec() }) };
        let compiled = Lua::new_with(StdLib::NONE, LuaOptions::new()).and_then(|lua| {
            lua.set_memory_limit(MEMORY)?;
            script.load_into(&lua).map(drop)
        });
        compiled.map_err(|error| CompileError::new(name, &error))?;
        Ok(script)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.text.name
    }

    /// Whether the other is a clone of this one.
    pub(crate) fn is(&self, other: &Script) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }

    /// The script as a function of an interpreter.
    pub(crate) fn load_into(&self, lua: &Lua) -> mlua::Result<Function> {
        let mut source = self.text.source.as_slice();
        source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
        if source.starts_with(b"#") {
            // The line that names the interpreter; its end stays, so that lines keep their numbers.
            source = source.get(memchr::memchr(b'\n', source).unwrap_or(source.len())..).unwrap_or_default();
        }
        lua.load(source).set_name(format!("={CHUNK}")).set_mode(ChunkMode::Text).into_function()
    }
}
