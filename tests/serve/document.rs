//! The document: is it current, and does it say what is answered.

use std::fs;
use std::path::Path;
use std::process::Command;

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

/// Runs the lines of `docs/http.md`, as one session, against a store of the demo.
#[test]
fn the_lines_of_the_guide_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl here");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/http.md");
    let guide = fs::read_to_string(path).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```\n").next().unwrap());
    let copy = demo().copy();
    let cases = demo().path("d");
    let args =
        ["-q", "--allow-run", "--allow-put", "--allow-gc", "--read-root", cases.to_str().unwrap()];
    let server = Server::start(copy.path(), &args);
    let is_image = |node: &&String| {
        let blob = server.get(&format!("/ac/{node}")).json()["blob"].as_str().map(str::to_owned);
        let kind = blob.map(|blob| server.get(&format!("/v1/value/{blob}")).json()["kind"].clone());
        kind.is_some_and(|kind| kind == "image")
    };
    let node = demo().nodes.iter().find(is_image).unwrap();
    let script: String = blocks.collect::<Vec<_>>().join("\n");
    let script = script.replace("127.0.0.1:8731", &server.address);
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .current_dir(copy.path())
        .env("TOKEN", &server.token)
        .env("NODE", node)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    // Every route of the document is shown.
    let document = server.get("/v1/openapi.json").json();
    for path in document["paths"].as_object().unwrap().keys() {
        let begin = path.split('{').next().unwrap();
        let is_shown = path == "/" || path == "/login" || script.contains(begin);
        assert!(is_shown, "docs/http.md does not show {path}");
    }
}
