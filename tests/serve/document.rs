//! The document: is it current, and does it say what is answered.

use std::fs;
use std::path::Path;

use vox::serve::route;

use crate::desk::{Server, demo};

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test says whether the file is written"
)]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = serde_json::to_string_pretty(&route::document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/openapi.json is old: run this with UPDATE_OPENAPI=1");
}

#[test]
fn the_document_is_served_and_whole() {
    let server = Server::start(demo().folder(), &["-q"]);
    let document = server.get("/v1/openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} names two operations");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
        }
    }
    for path in
        ["/healthz", "/v1/blob/{id}", "/cas/{sha256}", "/ac/{node}", "/v1/heads", "/metrics"]
    {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
}
