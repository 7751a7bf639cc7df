//! An interpreter that runs scripts within limits.

use std::cell::RefCell;
use std::sync::Arc;

use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, Value as LuaValue, Variadic, VmState};

use crate::budget::{Budget, Limits};
use crate::failure::CHUNK;
use crate::host::Host;
use crate::{Failure, FailureKind, Script, Value, library};

/// Instructions between two looks at the budget.
const STRIDE: u32 = 256;
/// Bytes that pass between script and host for one step.
const BYTES_PER_STEP: usize = 16;
/// Steps for passing anything at all.
const PASSING: usize = 16;

/// An interpreter. Scripts in one sandbox cannot see each other; each has globals of its own. A sandbox
/// keeps every script it was given, so it is for a fixed set of them.
pub struct Sandbox {
    lua: Lua,
    limits: Limits,
    budget: Arc<Budget>,
    base: Table,
    programs: Vec<Program>,
}

/// A script in this interpreter.
struct Program {
    script: Script,
    chunk: Function,
    /// Its globals, once it was loaded.
    globals: Option<Table>,
}

impl Sandbox {
    /// A new interpreter.
    ///
    /// # Errors
    /// The memory limit is too small for the interpreter itself.
    pub fn new(limits: Limits) -> Result<Sandbox, Failure> {
        Sandbox::build(limits).map_err(|error| Failure::new("sandbox", &error, None))
    }

    fn build(limits: Limits) -> mlua::Result<Sandbox> {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::UTF8;
        // A panic of a host function goes on through the script to the caller.
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        lua.set_memory_limit(limits.memory)?;
        let budget = Arc::new(Budget::new());
        budget.begin(&limits);
        let base = library::build(&lua, &budget, limits.memory)?;
        let counted = Arc::clone(&budget);
        lua.set_hook(HookTriggers::new().every_nth_instruction(STRIDE), move |_, frame| {
            let taken = counted.take(u64::from(STRIDE)).map(|()| VmState::Continue);
            taken.map_err(|error| at_line(frame.current_line(), &error.to_string()))
        })?;
        Ok(Sandbox { lua, limits, budget, base, programs: Vec::new() })
    }

    /// Runs the top level of a script with new globals, which the calls that follow see.
    ///
    /// # Errors
    /// The top level raised an error or reached a limit.
    pub fn load(&mut self, script: &Script, host: &mut dyn Host) -> Result<(), Failure> {
        let index = self.place(script)?;
        self.run(script, host, |sandbox, host_functions| {
            let globals = library::environment(&sandbox.lua, &sandbox.base)?;
            host_functions(&globals)?;
            let chunk = &sandbox.programs[index].chunk;
            chunk.set_environment(globals.clone())?;
            chunk.call::<()>(())?;
            Ok(globals)
        })
        .map(|globals| self.programs[index].globals = Some(globals))
    }

    /// Calls a function that the script defines.
    ///
    /// # Errors
    /// The function is missing, raised an error, or reached a limit.
    pub fn call(
        &mut self,
        script: &Script,
        function: &str,
        arguments: &[Value],
        host: &mut dyn Host,
    ) -> Result<Value, Failure> {
        let globals = self.globals(script)?;
        self.run(script, host, |sandbox, host_functions| {
            host_functions(&globals)?;
            let LuaValue::Function(found) = globals.raw_get::<LuaValue>(function)? else {
                return Err(mlua::Error::runtime(format!("the script defines no function {function}")));
            };
            sandbox.budget.take(bytes(arguments))?;
            let arguments = arguments.iter().map(|value| value.as_lua(&sandbox.lua));
            let result: LuaValue = found.call(arguments.collect::<mlua::Result<Variadic<_>>>()?)?;
            Value::from_lua(&result, sandbox.limits.text)
        })
    }

    /// The value of a global that the script has set itself.
    ///
    /// # Errors
    /// The script is not loaded, or the value cannot leave it.
    pub fn global(&self, script: &Script, name: &str) -> Result<Value, Failure> {
        let globals = self.globals(script)?;
        let value = globals.raw_get::<LuaValue>(name).and_then(|value| Value::from_lua(&value, self.limits.text));
        value.map_err(|error| Failure::new(script.name(), &error, None))
    }

    /// Whether the loaded script defines a function.
    pub fn defines(&self, script: &Script, function: &str) -> bool {
        let found = self.globals(script).map(|globals| globals.raw_get::<LuaValue>(function));
        matches!(found, Ok(Ok(LuaValue::Function(_))))
    }

    /// Steps that the last load or call took.
    pub fn steps(&self) -> u64 {
        self.limits.steps.saturating_sub(self.budget.left())
    }

    /// Bytes the interpreter holds.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Runs something within the limits. The second argument of `action` puts the host's functions
    /// among globals.
    fn run<T>(
        &mut self,
        script: &Script,
        host: &mut dyn Host,
        action: impl FnOnce(&Sandbox, &dyn Fn(&Table) -> mlua::Result<()>) -> mlua::Result<T>,
    ) -> Result<T, Failure> {
        self.budget.begin(&self.limits);
        let functions = host.functions();
        let host = &RefCell::new(host);
        let sandbox = &*self;
        let outcome = sandbox.lua.scope(|scope| {
            let offer = |globals: &Table| {
                for (number, name) in functions.iter().enumerate() {
                    let function = scope.create_function(move |lua, arguments: Variadic<LuaValue>| {
                        let mut host = host.try_borrow_mut().map_err(|_| mlua::Error::RecursiveMutCallback)?;
                        call_host(&sandbox.budget, lua, &mut **host, number, &arguments)
                    })?;
                    put(&sandbox.lua, globals, name, function)?;
                }
                Ok(())
            };
            action(sandbox, &offer)
        });
        let failure = outcome.as_ref().err().map(|error| Failure::new(script.name(), error, self.budget.spent()));
        if self.lua.used_memory() > self.limits.memory / 2 {
            // What one call leaves behind is not the next one's burden.
            let _ = self.lua.gc_collect();
        }
        match (outcome, failure) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(failure)) => Err(failure),
            (Err(error), None) => Err(Failure::new(script.name(), &error, None)),
        }
    }

    /// Where a script is, compiled for this interpreter if it is new here.
    fn place(&mut self, script: &Script) -> Result<usize, Failure> {
        if let Some(index) = self.programs.iter().position(|program| program.script.is(script)) {
            return Ok(index);
        }
        let chunk = script.load_into(&self.lua).map_err(|error| Failure::new(script.name(), &error, None))?;
        self.programs.push(Program { script: script.clone(), chunk, globals: None });
        Ok(self.programs.len() - 1)
    }

    fn globals(&self, script: &Script) -> Result<Table, Failure> {
        let program = self.programs.iter().find(|program| program.script.is(script));
        program.and_then(|program| program.globals.clone()).ok_or_else(|| Failure {
            script: script.name().to_owned(),
            line: None,
            kind: FailureKind::Error,
            message: "the script is not loaded".to_owned(),
        })
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sandbox").field("limits", &self.limits).field("memory", &self.memory()).finish()
    }
}

/// Puts a function in its place: `name`, or `table.name`.
fn put(lua: &Lua, globals: &Table, name: &str, function: Function) -> mlua::Result<()> {
    match name.split_once('.') {
        None => globals.raw_set(name, function),
        Some((table, name)) => match globals.raw_get::<Option<Table>>(table)? {
            Some(table) => table.raw_set(name, function),
            None => {
                let new = lua.create_table()?;
                new.raw_set(name, function)?;
                globals.raw_set(table, new)
            }
        },
    }
}

fn call_host(
    budget: &Budget,
    lua: &Lua,
    host: &mut dyn Host,
    number: usize,
    arguments: &[LuaValue],
) -> mlua::Result<LuaValue> {
    let arguments = arguments.iter().map(|value| Value::from_lua(value, usize::MAX));
    let arguments = arguments.collect::<mlua::Result<Vec<Value>>>()?;
    budget.take(bytes(&arguments))?;
    let result = host.call(number, &arguments).map_err(|message| raise(lua, &message))?;
    budget.take(bytes(std::slice::from_ref(&result)))?;
    result.as_lua(lua)
}

/// Steps for passing values.
fn bytes(values: &[Value]) -> u64 {
    (values.iter().map(Value::size).sum::<usize>() / BYTES_PER_STEP + PASSING) as u64
}

/// An error at the line that called the host.
pub(crate) fn raise(lua: &Lua, message: &str) -> mlua::Error {
    at_line(lua.inspect_stack(1, |frame| frame.current_line()).flatten(), message)
}

fn at_line(line: Option<usize>, message: &str) -> mlua::Error {
    match line {
        Some(line) => mlua::Error::runtime(format!("{CHUNK}:{line}: {message}")),
        None => mlua::Error::runtime(message),
    }
}
