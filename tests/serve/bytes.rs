//! Values as bytes: codings, tags, ranges.

use std::collections::BTreeSet;

use crate::desk::{Server, decoded, demo, name};

const ZSTD: (&str, &str) = ("Accept-Encoding", "gzip, zstd");

#[test]
fn every_object_comes_as_stored_and_decoded() {
    let server = Server::start(demo().folder(), &["-q"]);
    let objects = demo().objects();
    let sizes: Vec<usize> = objects.iter().map(|(_, stored)| stored.len()).collect();
    assert!(sizes[0] > 64 << 10 && sizes[sizes.len() - 1] < 64 << 10, "{sizes:?}");
    for (id, stored) in &objects {
        let plain = server.get(&format!("/v1/blob/{id}"));
        assert_eq!(plain.status, 200);
        assert_eq!(name(&plain.body), id.0.hex());
        assert_eq!(plain.header("etag"), format!("\"{id}\""));
        assert_eq!(plain.header("content-encoding"), "");
        assert_eq!(plain.header("vary"), "Accept-Encoding");
        assert_eq!(plain.header("cache-control"), "private, max-age=31536000, immutable");
        let coded = server.ask("GET", &format!("/v1/blob/{id}.cbor"), &[ZSTD]);
        assert_eq!(&coded.body, stored);
        assert_eq!(coded.header("content-encoding"), "zstd");
        assert_eq!(coded.header("etag"), format!("\"{id}-z{}\"", &name(stored)[..16]));
        assert_ne!(coded.header("repr-digest"), plain.header("repr-digest"));
        assert_eq!(decoded(&coded.body), plain.body);
        let cas = server.ask("GET", &format!("/cas/{id}"), &[ZSTD]);
        assert_eq!((cas.body == plain.body, cas.header("content-encoding")), (true, ""));
    }
}

#[test]
fn head_says_what_get_would() {
    let server = Server::start(demo().folder(), &["-q"]);
    let objects = demo().objects();
    for (id, _) in [&objects[0], &objects[objects.len() - 1]] {
        for path in
            [format!("/v1/blob/{id}"), format!("/v1/blob/{id}/a.nii.gz"), format!("/cas/{id}")]
        {
            for coding in ["identity", "zstd"] {
                let accept = [("Accept-Encoding", coding)];
                let (get, head) =
                    (server.ask("GET", &path, &accept), server.ask("HEAD", &path, &accept));
                let told = |mut headers: std::collections::BTreeMap<String, String>| {
                    headers.remove("date");
                    headers
                };
                assert_eq!(told(get.headers), told(head.headers));
                assert_eq!(head.status, 200);
            }
        }
    }
}

#[test]
fn ranges_are_cut_from_the_representation_they_name() {
    let server = Server::start(demo().folder(), &["-q"]);
    for (id, stored) in [&demo().objects()[0], demo().objects().last().unwrap()] {
        let plain = decoded(stored);
        let path = format!("/v1/blob/{id}");
        for (accept, all) in [(("Accept-Encoding", "identity"), &plain), (ZSTD, stored)] {
            let tag = server.ask("HEAD", &path, &[accept]).header("etag").to_owned();
            let part = server.ask("GET", &path, &[accept, ("Range", "bytes=3-10")]);
            assert_eq!((part.status, &part.body[..]), (206, &all[3..11]));
            assert_eq!(part.header("content-range"), format!("bytes 3-10/{}", all.len()));
            let last = server.ask("GET", &path, &[accept, ("Range", "bytes=-5")]);
            assert_eq!(last.body, all[all.len() - 5..]);
            let beyond = server.ask("GET", &path, &[accept, ("Range", "bytes=999999999-")]);
            beyond.is_problem(416, "range");
            assert_eq!(beyond.header("content-range"), format!("bytes */{}", all.len()));
            let meant = [accept, ("Range", "bytes=0-3"), ("If-Range", tag.as_str())];
            assert_eq!(server.ask("GET", &path, &meant).status, 206);
            let other = [accept, ("Range", "bytes=0-3"), ("If-Range", "\"other\"")];
            assert_eq!(&server.ask("GET", &path, &other).body, all);
            let same = server.ask("GET", &path, &[accept, ("If-None-Match", tag.as_str())]);
            assert_eq!((same.status, same.body.len()), (304, 0));
            assert_eq!(same.header("etag"), tag);
        }
        let plain_tag = format!("\"{id}\"");
        let crossed = [ZSTD, ("Range", "bytes=0-3"), ("If-Range", plain_tag.as_str())];
        assert_eq!(&server.ask("GET", &path, &crossed).body, stored);
        let crossed = [ZSTD, ("If-None-Match", plain_tag.as_str())];
        assert_eq!(server.ask("GET", &path, &crossed).status, 200);
    }
}

#[test]
fn small_values_come_out_of_the_log() {
    let server = Server::start(demo().folder(), &["-q"]);
    let stored: BTreeSet<String> = demo().objects().iter().map(|(id, _)| id.0.hex()).collect();
    let (mut small, mut large) = (0, 0);
    for node in &demo().nodes {
        let told = server.get(&format!("/ac/{node}"));
        if told.status == 404 {
            // One that ran inside another left no result of its own.
            told.is_problem(404, "unknown-node");
            continue;
        }
        let told = told.json();
        assert_eq!((&told["node"], &told["status"]), (&node.as_str().into(), &"value".into()));
        let blob = told["blob"].as_str().unwrap();
        let bytes = server.ask("GET", &format!("/v1/blob/{blob}"), &[ZSTD]);
        let is_stored = stored.contains(blob);
        let plain = if is_stored { decoded(&bytes.body) } else { bytes.body.clone() };
        assert_eq!(name(&plain), blob);
        assert_eq!(told["size"], plain.len());
        assert_eq!(bytes.header("content-encoding"), if is_stored { "zstd" } else { "" });
        if is_stored {
            large += 1;
        } else {
            small += 1;
        }
        let (writer, file) = told["segment"].as_str().unwrap().split_once('/').unwrap();
        assert_eq!(told["writer"], writer);
        let path = format!("objects/log/{writer}");
        assert!(demo().path(".vox").join(path).is_dir() && file.ends_with(".seg"));
    }
    assert!(small > 0 && large > 0, "{small} small, {large} large");
}

#[test]
fn the_log_comes_as_it_was_sealed() {
    let server = Server::start(demo().folder(), &["-q"]);
    let heads = server.get("/v1/heads").json();
    assert_eq!(heads["format"], 1);
    assert_eq!(heads["store"], server.get("/v1/version").json()["store"]);
    let writers = heads["writers"].as_array().unwrap();
    assert!(!writers.is_empty());
    for log in writers {
        let writer = log["writer"].as_str().unwrap();
        let mut next = 1;
        for segment in log["segments"].as_array().unwrap() {
            let name = segment["name"].as_str().unwrap();
            assert_eq!(segment["first"], next);
            next = segment["last"].as_u64().unwrap() + 1;
            let path = format!("/v1/log/{writer}/{name}");
            let reply = server.get(&path);
            assert_eq!(segment["size"], reply.body.len());
            let folder = demo().path(".vox").join("objects/log").join(writer).join("00000000");
            assert_eq!(reply.body, std::fs::read(folder.join(name)).unwrap());
            let part = server.ask("GET", &path, &[("Range", "bytes=1-2")]);
            assert_eq!(part.body, reply.body[1..3]);
            let from = format!("/v1/log/{writer}?from={}", next - 1);
            assert_eq!(server.get(&from).json()["segments"][0]["name"], name);
        }
        let none = server.get(&format!("/v1/log/{writer}?from={next}")).json();
        assert_eq!(none["segments"], serde_json::json!([]));
    }
    let gone = "000000000001-000000000002-0123456789abcdef.seg";
    let writer = writers[0]["writer"].as_str().unwrap();
    server.get(&format!("/v1/log/{writer}/{gone}")).is_problem(404, "unknown-segment");
    server.get(&format!("/v1/log/{writer}/..%2f..%2fvox-store.toml")).is_problem(400, "name");
    server.get(&format!("/v1/log/{}", "0".repeat(32))).is_problem(404, "unknown-writer");
    server.get("/v1/log/..").is_problem(400, "writer");
}

#[test]
fn what_is_not_here_is_said() {
    let server = Server::start(demo().folder(), &["-q"]);
    let none = name(b"nothing has this digest");
    for path in ["/v1/blob/", "/cas/", "/v1/value/"] {
        server.get(&format!("{path}{none}")).is_problem(404, "unknown-blob");
        server.get(&format!("{path}{}", &none[1..])).is_problem(400, "id");
        server.get(&format!("{path}{}", none.to_uppercase())).is_problem(400, "id");
    }
    server.get(&format!("/ac/{none}")).is_problem(404, "unknown-node");
    server.get(&format!("/v1/blob/{none}.%2e%2e%2f")).is_problem(400, "id");
    server.get("/v1/nothing").is_problem(404, "path");
    server
        .send("POST", "/v1/heads", &[("Content-Type", "application/json")], b"{}")
        .is_problem(405, "method");
    let (id, _) = &demo().objects()[0];
    let accept = [("Accept-Encoding", "gzip, identity;q=0")];
    server.ask("GET", &format!("/v1/blob/{id}"), &accept).is_problem(406, "encoding");
}
