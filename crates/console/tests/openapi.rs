//! The checked-in OpenAPI document is the one the server serves.

use std::path::Path;

#[test]
fn the_checked_in_document_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let fresh = parapet_console::openapi_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, fresh).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == fresh,
        "{} is stale: run `UPDATE_OPENAPI=1 cargo test -p parapet-console --test openapi`",
        path.display()
    );
}

#[test]
fn every_reference_of_the_document_resolves() {
    let document: serde_json::Value = serde_json::from_str(parapet_console::openapi_json()).unwrap();
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::Array(items) => open.extend(items),
            serde_json::Value::Object(fields) => {
                if let Some(target) = fields.get("$ref") {
                    let pointer = target.as_str().unwrap().trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{pointer} is missing");
                    references += 1;
                }
                open.extend(fields.values());
            }
            _ => {}
        }
    }
    assert!(references > 30, "only {references} references were checked");
}
