//! The Lua scripts that run inside Redis: each is one atomic step.

use redis::{FromRedisValue, Script, Value};

/// All scripts, each behind the accounting that they share.
pub(crate) struct Scripts {
    pub(crate) append: Script,
    pub(crate) join: Script,
    pub(crate) reclaim: Script,
    pub(crate) resume: Script,
    pub(crate) lag: Script,
}

impl Scripts {
    pub(crate) fn new() -> Scripts {
        let script = |code: &str| Script::new(&[include_str!("account.lua"), code].join("\n"));
        Scripts {
            append: script(include_str!("append.lua")),
            join: script(include_str!("join.lua")),
            reclaim: script(include_str!("reclaim.lua")),
            resume: script(include_str!("resume.lua")),
            lag: script(include_str!("lag.lua")),
        }
    }
}

/// The lowest major version in the answer to `INFO server`, which a cluster gives for each node. Valkey
/// says which version of Redis it is compatible with.
pub(crate) fn oldest_version(answer: &Value) -> Option<u32> {
    let of_text = |text: &str| {
        let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"))?;
        version.split('.').next()?.parse().ok()
    };
    match answer {
        Value::Map(nodes) => nodes.iter().filter_map(|(_, answer)| oldest_version(answer)).min(),
        Value::Array(nodes) => nodes.iter().filter_map(oldest_version).min(),
        text => of_text(&String::from_redis_value_ref(text).ok()?),
    }
}
