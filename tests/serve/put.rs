//! Values that are put: by whom, which, and when they are visible.

use std::sync::Arc;

use vox::codec::encode::encode;
use vox::pool::Buffer;
use vox::value::data::Value;
use vox::value::grid::Grid;
use vox::value::volume::Volume;

use crate::desk::{Server, demo, name, objects, vox};

const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

fn image(seed: usize) -> Vec<u8> {
    let grid = Arc::new(Grid::plain(&[32, 16, 8]).unwrap());
    let numbers: Vec<f32> = (0..32 * 16 * 8).map(|x| ((x * 7919 + seed) % 1000) as f32).collect();
    encode(&Value::Volume(Volume::f32(grid, Buffer::copied(&numbers)))).to_vec()
}

#[test]
fn a_value_is_stored_under_its_name() {
    let copy = demo().copy();
    let server = Server::start(copy.path(), &["-q", "--allow-put"]);
    let record =
        Value::record(vec![("a".into(), Value::Number(1.5)), ("b".into(), Value::text("x"))]);
    for body in [image(1), encode(&record).to_vec(), encode(&Value::text("words")).to_vec()] {
        let path = format!("/cas/{}", name(&body));
        server.get(&path).is_problem(404, "unknown-blob");
        assert_eq!(server.send("PUT", &path, &[OCTETS], &body).status, 201);
        assert_eq!(server.send("PUT", &path, &[OCTETS], &body).status, 200);
        assert_eq!(server.get(&path).body, body);
    }
    drop(server);
    vox(copy.path(), &["verify", "--store", ".vox"]);
}

#[test]
fn nothing_else_is_stored() {
    let copy = demo().copy();
    let server = Server::start(copy.path(), &["-q", "--allow-put"]);
    let before = objects(&copy.path().join(".vox")).len();
    let good = image(2);
    let put =
        |name: &str, body: &[u8]| server.send("PUT", &format!("/cas/{name}"), &[OCTETS], body);
    put(&name(b"other"), &good).is_problem(422, "digest");
    let mut longer = good.clone();
    longer.push(0);
    let wide = [0x1b, 0, 0, 0, 0, 0, 0, 0, 1];
    // A number of the language is a float; an unsorted map; a reference at the top; half a value.
    for body in [&longer[..], &good[..good.len() - 1], b"", b"\x01", &wide, b"\xff", b"not a value"]
    {
        let reply = put(&name(body), body);
        assert_eq!((reply.status, reply.json()["code"].as_str()), (422, Some("value")), "{body:?}");
        server.get(&format!("/cas/{}", name(body))).is_problem(404, "unknown-blob");
    }
    // An image that is not here is mentioned.
    let mut mention = b"\x81\xa2\x61t\x63ref\x64blob\x58\x20".to_vec();
    mention.extend([7; 32]);
    put(&name(&mention), &mention).is_problem(422, "value");
    put("short", &good).is_problem(400, "id");
    assert_eq!(objects(&copy.path().join(".vox")).len(), before);
}

#[test]
fn who_may_not_put_does_not() {
    let copy = demo().copy();
    let body = image(3);
    let path = format!("/cas/{}", name(&body));
    let server = Server::start(copy.path(), &["-q"]);
    server.send("PUT", &path, &[OCTETS], &body).is_problem(403, "put");
    drop(server);
    let server = Server::start(copy.path(), &["-q", "--allow-put"]);
    server.bare("PUT", &path, &[OCTETS], &body).is_problem(401, "token");
    server.send("PUT", &path, &[], &body).is_problem(415, "content-type");
    server
        .send("PUT", &path, &[("Content-Type", "application/json")], &body)
        .is_problem(415, "content-type");
    server
        .send("PUT", &path, &[OCTETS, ("Content-Encoding", "zstd")], &body)
        .is_problem(415, "encoding");
    server
        .send("PUT", &path, &[OCTETS, ("Origin", "http://evil.example")], &body)
        .is_problem(403, "origin");
    let huge = [OCTETS, ("Content-Length", "99999999999")];
    server.ask("PUT", &path, &huge).is_problem(413, "large");
    server.get(&path).is_problem(404, "unknown-blob");
}
