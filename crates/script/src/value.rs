//! Values on their way between a script and its host.

use mlua::{Lua, Table, Value as LuaValue};

/// Tables within tables that may leave a script.
const DEEPEST: usize = 8;
/// Members of all tables of one value that may leave a script.
const MOST_MEMBERS: usize = 100_000;

/// A value that passes between a script and its host.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `nil`
    #[default]
    Nil,
    /// `true`, `false`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Number(f64),
    /// A string, of any bytes.
    Text(Vec<u8>),
    /// A table with the keys 1, 2, …; also a table without members.
    List(Vec<Value>),
    /// A table with other keys, as text, in no particular order.
    Map(Vec<(Vec<u8>, Value)>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Vec<u8>>) -> Value {
        Value::Text(text.into())
    }

    /// The bytes of a text.
    pub fn as_text(&self) -> Option<&[u8]> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text or number, written out as Lua writes it where a string is wanted.
    pub fn to_text(&self) -> Option<Vec<u8>> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string().into_bytes()),
            Value::Number(number) => Some(number.to_string().into_bytes()),
            _ => None,
        }
    }

    /// Makes it a value of an interpreter.
    pub(crate) fn as_lua(&self, lua: &Lua) -> mlua::Result<LuaValue> {
        Ok(match self {
            Value::Nil => LuaValue::Nil,
            Value::Boolean(value) => LuaValue::Boolean(*value),
            Value::Integer(number) => LuaValue::Integer(*number),
            Value::Number(number) => LuaValue::Number(*number),
            Value::Text(text) => LuaValue::String(lua.create_string(text)?),
            Value::List(list) => {
                let table = lua.create_table_with_capacity(list.len(), 0)?;
                for (index, value) in list.iter().enumerate() {
                    table.raw_set(index + 1, value.as_lua(lua)?)?;
                }
                LuaValue::Table(table)
            }
            Value::Map(map) => {
                let table = lua.create_table_with_capacity(0, map.len())?;
                for (key, value) in map {
                    table.raw_set(lua.create_string(key)?, value.as_lua(lua)?)?;
                }
                LuaValue::Table(table)
            }
        })
    }

    /// Takes a value out of an interpreter. Texts are cut at `longest` bytes.
    pub(crate) fn from_lua(value: &LuaValue, longest: usize) -> mlua::Result<Value> {
        Value::convert(value, longest, DEEPEST, &mut 0)
    }

    fn convert(value: &LuaValue, longest: usize, depth: usize, members: &mut usize) -> mlua::Result<Value> {
        Ok(match value {
            LuaValue::Nil => Value::Nil,
            LuaValue::Boolean(value) => Value::Boolean(*value),
            LuaValue::Integer(number) => Value::Integer(*number),
            LuaValue::Number(number) => Value::Number(*number),
            LuaValue::String(text) => {
                let bytes = text.as_bytes();
                Value::Text(bytes.get(..longest.min(bytes.len())).unwrap_or_default().to_vec())
            }
            LuaValue::Table(table) => {
                let depth = depth.checked_sub(1).ok_or_else(|| mlua::Error::runtime("tables are nested too deep"))?;
                Value::convert_table(table, longest, depth, members)?
            }
            other => return Err(mlua::Error::runtime(format!("a {} cannot leave the script", other.type_name()))),
        })
    }

    fn convert_table(table: &Table, longest: usize, depth: usize, members: &mut usize) -> mlua::Result<Value> {
        let mut list = Vec::new();
        for index in 1..=table.raw_len() {
            count(members)?;
            list.push(Value::convert(&table.raw_get(index)?, longest, depth, members)?);
        }
        let mut map = Vec::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, value) = pair?;
            let key = match key {
                LuaValue::Integer(index) if index >= 1 && index as usize <= list.len() => continue,
                LuaValue::Integer(number) => number.to_string().into_bytes(),
                LuaValue::String(key) => key.as_bytes().to_vec(),
                other => {
                    return Err(mlua::Error::runtime(format!(
                        "a table with a {} as key cannot leave the script",
                        other.type_name()
                    )));
                }
            };
            count(members)?;
            map.push((key, Value::convert(&value, longest, depth, members)?));
        }
        if map.is_empty() {
            return Ok(Value::List(list));
        }
        let numbered = list.into_iter().enumerate().map(|(index, value)| ((index + 1).to_string().into_bytes(), value));
        map.extend(numbered);
        Ok(Value::Map(map))
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Value::Text(text) => text.len() + 16,
            Value::List(list) => list.iter().map(Value::size).sum::<usize>() + 16,
            Value::Map(map) => map.iter().map(|(key, value)| key.len() + value.size() + 16).sum::<usize>() + 16,
            _ => 16,
        }
    }
}

fn count(members: &mut usize) -> mlua::Result<()> {
    *members += 1;
    if *members > MOST_MEMBERS { Err(mlua::Error::runtime("a table has too many members")) } else { Ok(()) }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.as_bytes().to_vec())
    }
}
