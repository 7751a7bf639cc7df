//! Any text as the configuration file, and as an override from the environment: every error has a place
//! inside the text, and what is accepted can be checked.
#![no_main]

#[allow(dead_code, unreachable_pub, reason = "the target uses its part")]
#[path = "../../crates/parapet/src/config/load.rs"]
mod load;

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Configuration {
    gateway: parapet_gateway::Config,
    pipeline: parapet_pipeline::Config,
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (text, value) = text.rsplit_once('\u{1}').unwrap_or((text, ""));
    let overrides = (!value.is_empty()).then(|| ("PARAPET__GATEWAY__LIMITS__FINDINGS".to_owned(), value.to_owned()));
    match load::load::<Configuration>("parapet.toml", text, overrides) {
        Ok(configuration) => {
            configuration.gateway.check();
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = text.split('\n').count();
            for error in errors {
                let mut place = error.place.rsplitn(3, ':');
                let (column, line) = (place.next(), place.next());
                if let (Some(Ok(line)), Some(Ok(column))) = (line.map(str::parse::<usize>), column.map(str::parse::<usize>)) {
                    assert!((1..=lines).contains(&line) && column >= 1, "{error}");
                }
                assert!(!error.message.is_empty());
            }
        }
    }
});
