//! Requests against the Core Rule Set at paranoia level 4: the fast way finds what the slow way finds.
//!
//! The rule set is the one that `PARAPET_CRS` names, a directory with `crs-setup.conf.example` and
//! `rules/`.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use parapet_engine::Policy;
use parapet_engine::fuzzing::Twins;

static TWINS: OnceLock<Twins> = OnceLock::new();

fuzz_target!(init: { TWINS.get_or_init(load); }, |request: &[u8]| TWINS.get_or_init(load).request(request));

fn load() -> Twins {
    let root = std::env::var_os("PARAPET_CRS").expect("PARAPET_CRS names the directory of a Core Rule Set");
    let root = Path::new(&root);
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("core_rule_set.conf");
    let mut files = vec![base, root.join("crs-setup.conf.example")];
    let mut rules: Vec<PathBuf> = std::fs::read_dir(root.join("rules"))
        .unwrap_or_else(|error| panic!("PARAPET_CRS, {}: {error}", root.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    rules.sort();
    files.extend(rules);
    Twins::new(|| Policy::load(&files)).unwrap_or_else(|error| panic!("{error}"))
}
