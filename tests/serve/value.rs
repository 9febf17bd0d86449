//! What values are, and what images look like.

use crate::desk::{Reply, Server, demo, name};

/// Returns an image and a value without voxels.
fn images(server: &Server) -> (String, String) {
    let told = |node: &String| {
        let blob = server.get(&format!("/ac/{node}")).json()["blob"].as_str()?.to_owned();
        let kind = server.get(&format!("/v1/value/{blob}")).json()["kind"].as_str()?.to_owned();
        Some((kind, blob))
    };
    let all: Vec<(String, String)> = demo().nodes.iter().filter_map(told).collect();
    let of = |kinds: &[&str]| {
        let found = all.iter().find(|(kind, _)| kinds.contains(&kind.as_str()));
        found.unwrap_or_else(|| panic!("none of {kinds:?} in {all:?}")).1.clone()
    };
    (of(&["image", "mask"]), of(&["number", "record", "sequence"]))
}

fn pixels(reply: &Reply) -> (u32, u32, Vec<u8>) {
    assert_eq!(reply.status, 200, "{:?}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("content-type"), "image/png");
    let mut reader = png::Decoder::new(std::io::Cursor::new(&reply.body[..])).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    (info.width, info.height, bytes)
}

#[test]
fn an_image_tells_its_grid_and_can_be_looked_at() {
    let server = Server::start(demo().folder(), &["-q"]);
    let (image, _) = images(&server);
    let path = format!("/v1/value/{image}");
    let told = server.get(&path).json();
    assert_eq!(told["grid"]["dims"], serde_json::json!([64, 64, 48]));
    assert!(told["range"].is_array() || told["count"].is_number(), "{told}");
    assert_eq!(server.get(&path).json(), told, "the second answer is the first");
    for (axis, wide, high) in [("x", 64, 48), ("y", 64, 48), ("z", 64, 64)] {
        let (width, height, _) = pixels(&server.get(&format!("{path}/slice.png?axis={axis}")));
        assert_eq!((width, height), (wide, high));
    }
    let query = "axis=z&i=20&window=0,1&scale=3";
    let slice = server.get(&format!("{path}/slice.png?{query}"));
    assert_eq!(pixels(&slice).0, 192);
    assert!(slice.header("etag").starts_with("W/\""));
    let tag = slice.header("etag").to_owned();
    let again = server.ask("GET", &format!("{path}/slice.png?{query}"), &[("If-None-Match", &tag)]);
    assert_eq!(again.status, 304);
    let other = server.ask("GET", &format!("{path}/slice.png?i=21"), &[("If-None-Match", &tag)]);
    assert_eq!(other.status, 200);
    let file = server.get(&format!("{path}/volume.nii.gz"));
    assert_eq!(file.header("content-type"), "application/gzip");
    assert_eq!(file.header("content-encoding"), "");
    assert_eq!(&file.body[..2], b"\x1f\x8b");
    assert_eq!(name(&file.body), name(&server.get(&format!("{path}/volume.nii.gz")).body));
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let server = Server::start(demo().folder(), &["-q"]);
    let (image, other) = images(&server);
    let slice = |id: &str, query: &str| server.get(&format!("/v1/value/{id}/slice.png?{query}"));
    slice(&image, "i=48").is_problem(422, "slice");
    slice(&image, "i=-1").is_problem(400, "query");
    slice(&image, "axis=t").is_problem(400, "query");
    slice(&image, "scale=0").is_problem(400, "scale");
    slice(&image, "scale=9").is_problem(400, "scale");
    for window in ["1", "2,1", "a,b", "inf,inf", "NaN,1", ""] {
        slice(&image, &format!("window={window}")).is_problem(400, "window");
    }
    slice(&other, "").is_problem(422, "kind");
    server.get(&format!("/v1/value/{other}/volume.nii.gz")).is_problem(422, "kind");
    server.get(&format!("/v1/value/{other}?limit=0")).is_problem(400, "limit");
    server.get(&format!("/v1/value/{other}?limit=1001")).is_problem(400, "limit");
}

#[test]
fn results_of_other_processes_are_seen() {
    let copy = demo().copy();
    let server = Server::start(copy.path(), &["-q"]);
    std::fs::copy(demo().path("d/cases/case-2/case-2_flair.nii.gz"), copy.path().join("f.nii.gz"))
        .unwrap();
    let program = "load f = \"f.nii.gz\"\nprint \"v\" volume(f >. 0.123)\n";
    std::fs::write(copy.path().join("p.imgql"), program).unwrap();
    let told = crate::desk::vox(
        copy.path(),
        &["run", "p.imgql", "--store", ".vox", "--json", "-o", "out"],
    );
    let line: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    let text = line.to_string();
    let at = text.find("\"node\":\"").unwrap() + 8;
    let node = &text[at..at + 64];
    // The index of this host is shared, so that no time needs to pass.
    let answer = server.get(&format!("/ac/{node}")).json();
    assert_eq!(answer["status"], "value", "{answer}");
}
