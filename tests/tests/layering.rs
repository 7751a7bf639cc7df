//! Keeps the rooms apart: imports go downward only, and each heavy crate has one importer.
//!
//! Development dependencies are left out: a test may use another room's real implementation.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::BTreeMap;

/// Layer of each room; a room may import rooms of lower layers only.
const LAYERS: &[(&str, u8)] = &[
    ("parapet-seclang", 0),
    ("parapet-event", 0),
    ("parapet-script", 0),
    ("parapet-services", 0),
    ("parapet-engine", 1),
    ("parapet-ports", 1),
    ("parapet-conformance", 2),
    ("parapet-gateway", 2),
    ("parapet-pipeline", 2),
    ("parapet-embedded", 2),
    ("parapet-intake", 2),
    ("parapet-backends", 2),
    ("parapet-identity", 2),
    ("parapet-console", 2),
    ("parapet", 3),
    ("parapet-scenarios", 4),
];

/// Heavy crates (by prefix of the name) and the only room that may import them.
const PINNED: &[(&str, &str)] = &[
    ("datafusion", "parapet-embedded"),
    ("arrow", "parapet-embedded"),
    ("parquet", "parapet-embedded"),
    ("pingora", "parapet-gateway"),
    ("sqlx", "parapet-identity"),
    ("utoipa", "parapet-console"),
    ("reqwest", "parapet-backends"),
    ("rdkafka", "parapet-backends"),
    ("redis", "parapet-backends"),
    ("lettre", "parapet-backends"),
    ("mlua", "parapet-script"),
    ("regex-automata", "parapet-engine"),
    ("libinjectionrs", "parapet-engine"),
];

/// Rooms that must build in seconds: what they may depend on, and nothing else.
const LIGHT: &[(&str, &[&str])] = &[
    ("parapet-seclang", &["memchr", "strsim", "thiserror"]),
    ("parapet-event", &["chrono", "compact_str", "serde", "ulid"]),
    ("parapet-script", &["memchr", "mlua", "thiserror"]),
];

/// Crates that the engine must never see: it has no runtime, no network and no clock of its own.
const ENGINE_FORBIDDEN: &[&str] = &["tokio", "chrono", "reqwest", "axum", "tracing", "parapet-event", "parapet-ports"];

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path("../Cargo.toml").no_deps().exec().expect("cargo metadata runs")
}

fn imports(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal).map(|d| d.name.as_str())
}

#[test]
fn imports_go_downward_only() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    for package in metadata().packages {
        let name = package.name.as_str();
        let layer =
            layers.get(name).unwrap_or_else(|| panic!("{name} has no layer: add it to LAYERS and ARCHITECTURE.md"));
        for import in imports(&package).filter(|import| import.starts_with("parapet")) {
            assert!(layers[import] < *layer, "{name} (layer {layer}) imports {import} (layer {})", layers[import]);
        }
    }
}

#[test]
fn heavy_crates_have_one_importer() {
    for package in metadata().packages.iter().filter(|package| package.name.as_str() != "parapet-scenarios") {
        for import in imports(package) {
            for (prefix, only) in PINNED {
                let pinned = import == *prefix || import.starts_with(&format!("{prefix}-"));
                assert!(
                    !pinned || package.name.as_str() == *only,
                    "{} imports {import}; only {only} may",
                    package.name
                );
            }
        }
    }
}

#[test]
fn the_rooms_everything_rests_on_stay_light() {
    let metadata = metadata();
    let find =
        |name: &str| metadata.packages.iter().find(|p| p.name.as_str() == name).expect("a room of the workspace");
    for (room, allowed) in LIGHT {
        for import in imports(find(room)) {
            assert!(allowed.contains(&import), "{room} imports {import}; allowed are {allowed:?}");
        }
    }
    for import in imports(find("parapet-engine")) {
        assert!(!ENGINE_FORBIDDEN.contains(&import), "parapet-engine imports {import}");
    }
}

#[test]
fn every_room_is_named_in_the_architecture() {
    let text = std::fs::read_to_string("../ARCHITECTURE.md").expect("ARCHITECTURE.md is there");
    for package in metadata().packages {
        let room = package.name.as_str().trim_start_matches("parapet-").to_owned();
        assert!(text.contains(&format!("`{room}`")), "ARCHITECTURE.md does not name `{room}`");
    }
}
