//! What every script may use, and how it is kept from being changed.

use std::sync::Arc;

use mlua::{Function, Lua, Table, Value as LuaValue};

use crate::budget::Budget;
use crate::strings;

/// Base functions that scripts have as they are.
const BASE: &[&str] = &[
    "_VERSION",
    "assert",
    "error",
    "getmetatable",
    "ipairs",
    "next",
    "pairs",
    "rawequal",
    "rawget",
    "rawlen",
    "select",
    "tonumber",
    "tostring",
    "type",
];

/// `pcall` and `xpcall` that cannot hold up the end of a budget: what was caught is raised again, and
/// no handler runs any more.
const GUARDED_CALLS: &str = "
local pcall, xpcall, check, is_spent = ...
local function pass(...) check() return ... end
local function guarded_pcall(...) return pass(pcall(...)) end
local function guarded_xpcall(called, handler, ...)
  local function guarded(problem)
    if is_spent() then return problem end
    return handler(problem)
  end
  return pass(xpcall(called, guarded, ...))
end
return guarded_pcall, guarded_xpcall";

/// Finalizers run where nothing counts their steps.
const GUARDED_SETMETATABLE: &str = "
local setmetatable, rawget, type, error = ...
return function(table, meta)
  if type(meta) == 'table' and rawget(meta, '__gc') ~= nil then error('__gc is not available to scripts', 2) end
  return setmetatable(table, meta)
end";

/// A table through which another can be read and not written.
const FROZEN: &str = "
local setmetatable, error, table = ...
return setmetatable({}, {
  __index = table, __metatable = false,
  __newindex = function() error('the libraries cannot be changed', 2) end,
})";

/// Builds the globals that all scripts of an interpreter share. `longest` bounds, in bytes, the texts
/// that are made outside of the interpreter's own memory.
pub(crate) fn build(lua: &Lua, budget: &Arc<Budget>, longest: usize) -> mlua::Result<Table> {
    let globals = lua.globals();
    let get = |name: &str| globals.get::<LuaValue>(name);
    let base = lua.create_table()?;
    for name in BASE {
        base.set(*name, get(name)?)?;
    }
    let counted = Arc::clone(budget);
    let check = lua.create_function(move |_, ()| counted.check())?;
    let counted = Arc::clone(budget);
    let is_spent = lua.create_function(move |_, ()| Ok(counted.spent().is_some()))?;
    let parts = (get("pcall")?, get("xpcall")?, check, is_spent);
    let (pcall, xpcall) = lua.load(GUARDED_CALLS).set_name("=pcall").call::<(Function, Function)>(parts)?;
    base.set("pcall", pcall)?;
    base.set("xpcall", xpcall)?;
    let parts = (get("setmetatable")?, get("rawget")?, get("type")?, get("error")?);
    base.set("setmetatable", lua.load(GUARDED_SETMETATABLE).set_name("=setmetatable").call::<Function>(parts)?)?;

    let string: Table = globals.get("string")?;
    string.set("dump", LuaValue::Nil)?;
    strings::install(lua, &string, budget, longest)?;
    let table: Table = globals.get("table")?;
    table.set("move", LuaValue::Nil)?;
    // Its `__index` is the library itself, not the frozen one.
    if let Some(meta) = lua.load("return getmetatable('')").call::<Option<Table>>(())? {
        meta.set("__metatable", false)?;
    }
    for name in ["string", "table", "math", "utf8"] {
        let parts = (get("setmetatable")?, get("error")?, get(name)?);
        base.set(name, lua.load(FROZEN).set_name("=library").call::<Table>(parts)?)?;
    }
    Ok(base)
}

/// Globals of one script: its own, and behind them the shared ones.
pub(crate) fn environment(lua: &Lua, base: &Table) -> mlua::Result<Table> {
    let own = lua.create_table()?;
    let meta = lua.create_table()?;
    meta.raw_set("__index", base)?;
    meta.raw_set("__metatable", false)?;
    own.raw_set("_G", &own)?;
    own.set_metatable(Some(meta))?;
    Ok(own)
}
