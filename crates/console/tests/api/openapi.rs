//! The checked-in OpenAPI document is the one the server serves.

use crate::bench::Bench;
use crate::client::Request;
use std::path::Path;

#[test]
fn the_checked_in_document_is_fresh() {
    let path = Path::new("openapi.json");
    let fresh = parapet_console::openapi_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, fresh).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == fresh,
        "{} is stale: run `UPDATE_OPENAPI=1 cargo test -p parapet-console --test api openapi`",
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

/// Method and path of every documented operation, with its description.
fn operations() -> Vec<(String, String, serde_json::Value)> {
    let document: serde_json::Value = serde_json::from_str(parapet_console::openapi_json()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.replace("{id}", "x"), operation.clone()));
        }
    }
    operations
}

#[tokio::test]
async fn every_documented_operation_is_answered_and_those_with_a_session_need_one() {
    let bench = Bench::start().await;
    let mut guarded = 0;
    for (method, path, operation) in operations() {
        let answer = bench.send(&Request::new(&method, &path).json("{}")).await;
        assert!(![404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        let needs_session = operation["security"].to_string().contains("session");
        if needs_session {
            assert_eq!(answer.error(), (401, "unauthorized".into()), "{method} {path}");
            guarded += 1;
        }
    }
    assert_eq!(guarded, 11, "a new endpoint is counted here once its protection was thought about");
}

#[tokio::test]
async fn the_documented_parameters_are_those_the_server_knows() {
    let bench = Bench::start().await;
    let session = bench.login("adam").await;
    for (_, path, operation) in
        operations().into_iter().filter(|(method, path, _)| method == "GET" && path.contains("v1"))
    {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let mut documented: Vec<&str> = query.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        if documented.is_empty() {
            continue;
        }
        let answer = session.get(&format!("{path}?group_by=track&unknown=1")).await;
        let answer =
            if answer.text().contains("`group_by`") { session.get(&format!("{path}?unknown=1")).await } else { answer };
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        let mut known: Vec<&str> = message.split("known here: ").nth(1).expect(&message).split(", ").collect();
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known, "{path}");
    }
}

#[tokio::test]
async fn the_served_document_is_the_checked_in_one() {
    let bench = Bench::start().await;
    let answer = bench.send(&Request::new("GET", "/api/v1/openapi.json")).await;
    assert_eq!(answer.text(), parapet_console::openapi_json());
}
