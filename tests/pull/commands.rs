//! `vox pull` and `vox run --remote` as people use them.

use serde_json::Value as Json;

use crate::desk::{CASE, Desk};
use crate::server::{Lie, Manner, Server};

const RUN: &str = "run lesion.imgql --cases cases -o out --keep all";

fn configure(desk: &Desk, url: &str, trust: &str) {
    desk.write("token", "secret\n");
    let text =
        format!("[peer.lab]\nurl = \"{url}\"\ntrust = \"{trust}\"\ntoken-file = \"token\"\n");
    desk.write("vox.toml", text);
}

fn lab(desk: &Desk, store: &str) -> Server {
    let token = Some("secret".to_owned());
    let server = Server::of(&desk.path(store), Manner { token, ..Manner::default() });
    configure(desk, &server.url, "receipts");
    server
}

/// The same, with outputs that are not there yet.
fn far(words: &str) -> String {
    words.replace("-o out", "-o far")
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

#[test]
fn stores_that_are_pulled_both_ways_know_the_same() {
    let desk = Desk::demo(2);
    let right = desk.vox(&format!("{RUN} --store one")).ok();
    let would = json(&desk.vox("pull one --store two --dry-run --json").ok().out);
    assert!(!desk.path("two").exists(), "a dry run makes nothing");
    let said = json(&desk.vox("pull one --store two --json").ok().out);
    for thing in ["segments", "objects"] {
        assert_eq!(would[thing]["fetched"], said[thing]["fetched"]);
        assert!(said[thing]["fetched"].as_u64().unwrap() > 0);
    }
    assert_eq!(desk.digests("one/objects"), desk.digests("two/objects"));
    assert_eq!(desk.vox(&format!("{RUN} --store two")).ok().nothing_ran().out, right.out);
    let more = desk.vox(&format!("{RUN} --store two --set warm=0.8")).ok();
    let back = desk.vox("pull two --store one").ok().says("vox: pulled ");
    assert!(back.out.starts_with("segments "), "{}", back.out);
    let again = desk.vox(&format!("{RUN} --store one --set warm=0.8")).ok();
    assert_eq!(again.nothing_ran().out, more.out);
    let nothing = json(&desk.vox("pull two --store one --json").ok().out);
    assert_eq!(nothing["bytes"], 0);
    for store in ["one", "two"] {
        desk.vox(&format!("verify --store {store}")).ok();
    }
}

#[test]
fn a_lazy_pull_brings_what_is_known_and_a_run_what_it_needs() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all --store one")).ok();
    let server = lab(&desk, "one");
    let said = json(&desk.vox("pull lab --lazy --json").ok().out);
    assert_eq!(said["objects"]["fetched"], 0);
    assert!(!server.asked().iter().any(|path| path.starts_with("/v1/blob")));
    let run = desk.vox(&format!("{} --remote lab", far(CASE))).ok();
    assert_eq!(run.out, right.out);
    run.nothing_ran();
    assert_eq!(desk.digests("far"), desk.digests("out"));
    desk.vox("verify").ok();
    // Values that nobody asked for stay there, until all are pulled.
    desk.vox("pull lab").ok();
    assert_eq!(desk.digests(".vox/objects"), desk.digests("one/objects"));
}

#[test]
fn a_run_asks_the_peer_before_it_computes() {
    let desk = Desk::demo(2);
    let right = desk.vox(&format!("{RUN} --store one")).ok();
    let server = lab(&desk, "one");
    let run = desk.vox(&format!("{} --remote lab --json", far(RUN))).ok().nothing_ran();
    let told = json(&run.out);
    assert!(told["pulled"]["segments"].as_u64().unwrap() > 0, "{told}");
    assert!(told["pulled"]["bytes"].as_u64().unwrap() > 0);
    let mut blobs = server.asked();
    blobs.retain(|path| path.starts_with("/v1/blob/"));
    let count = blobs.len();
    blobs.sort();
    blobs.dedup();
    assert_eq!((blobs.len(), told["pulled"]["objects"].as_u64()), (count, Some(count as u64)));
    // Goals are asked for first, and nothing below those that are to be had.
    let nodes = server.asked().iter().filter(|path| path.starts_with("/ac/")).count();
    let goals = told["cases"].as_array().unwrap().iter();
    let goals: usize = goals.map(|case| case["goals"].as_array().unwrap().len()).sum();
    assert!(nodes <= goals, "{nodes} were asked for, and there are {goals} goals");
    assert_eq!(desk.vox(RUN).ok().nothing_ran().out, right.out, "it is all here now");
    // What the peer has not is computed.
    let before = server.asked().len();
    let more = desk.vox(&format!("{RUN} --set warm=0.8 --remote lab")).ok();
    assert!(more.counts().computed > 0 && more.counts().reused > 0);
    assert!(server.asked().len() > before);
    desk.vox("verify").ok();
}

#[test]
fn a_folder_is_a_peer_too() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --store one")).ok();
    let run = desk.vox(&format!("{CASE} --remote one")).ok().nothing_ran();
    assert_eq!(run.out, right.out);
    desk.vox("pull .vox").code_is(2).says("is the store into which is pulled");
    desk.vox("pull nowhere").code_is(2).says("no configured peer");
    desk.write("empty/file", "");
    desk.vox("pull empty").code_is(5).says("it has no folder `objects`");
}

#[test]
fn a_peer_is_believed_for_bytes_or_for_receipts() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all --store one")).ok();
    let server = lab(&desk, "one");
    configure(&desk, &server.url, "bytes");
    // It knows everything, and is asked for no receipt.
    let run = desk.vox(&format!("{CASE} --remote lab --store two")).ok();
    assert!(run.counts().computed > 0 && run.counts().reused == 0);
    assert!(!server.asked().iter().any(|path| path.starts_with("/ac/")));
    assert_eq!(run.out, right.out);
    // Objects of receipts that came another way are taken.
    desk.vox("pull one --lazy --store three").ok();
    let run = desk.vox(&format!("{} --remote lab --store three", far(CASE))).ok();
    assert_eq!(run.nothing_ran().out, right.out);
    let said = json(&desk.vox("pull lab --store three --json").ok().out);
    assert_eq!((&said["trust"], &said["segments"]["listed"]), (&Json::from("bytes"), &0.into()));
    assert_eq!(desk.digests("three/objects"), desk.digests("one/objects"));
}

#[test]
fn an_address_that_nobody_named_is_believed_for_objects_by_their_ids() {
    let desk = Desk::demo(1);
    desk.vox(&format!("{CASE} --keep all --store one")).ok();
    let server = Server::of(&desk.path("one"), Manner::default());
    let url = &server.url;
    desk.vox(&format!("pull {url}")).code_is(2).says("trust = \"receipts\"");
    assert!(server.asked().is_empty());
    let objects = desk.digests("one/objects");
    let is_object = |path: &&std::path::PathBuf| !path.starts_with("log");
    let object = objects.keys().find(is_object).unwrap();
    let id = object.display().to_string().replace('/', "");
    let said = json(&desk.vox(&format!("pull {url} {id} --json")).ok().out);
    assert_eq!(said["objects"]["fetched"], 1);
    assert_eq!(desk.digests(".vox/objects")[object], objects[object]);
    let none = "00".repeat(32);
    desk.vox(&format!("pull {url} {none}")).code_is(1).says(&none);
    desk.vox(&format!("pull {url} xyz")).code_is(2);
}

#[test]
fn a_node_of_a_believed_peer_comes_with_its_value() {
    let desk = Desk::demo(1);
    let told = json(&desk.vox(&format!("{CASE} --keep all --store one --json")).ok().out);
    let _server = lab(&desk, "one");
    let node = told["goals"][0]["node"].as_str().unwrap();
    let said = json(&desk.vox(&format!("pull lab {node} --json")).ok().out);
    assert_eq!(said["segments"]["fetched"], 1);
    assert_eq!(said["unknown"].as_array().unwrap().len(), 0);
}

#[test]
fn a_server_that_lies_is_named_and_costs_nothing() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all --store one")).ok();
    let server = lab(&desk, "one");
    let token = Some("secret".to_owned());
    let lie = Some(("/v1/blob".to_owned(), Lie::Half));
    server.behave(Manner { lie, token: token.clone(), ..Manner::default() });
    desk.vox("pull lab").code_is(5).says(&server.url).says("nothing of it was kept");
    desk.vox("verify").ok();
    let kept = desk.digests(".vox/objects");
    assert!(kept.keys().all(|path| path.starts_with("log")), "{kept:?}");
    // A run says so once, and computes.
    let run = desk.vox(&format!("{} --remote lab", far(CASE))).ok();
    assert_eq!(run.err.matches("warning: ").count(), 1, "{}", run.err);
    assert!(run.err.contains(&server.url) && run.counts().redone > 0);
    assert_eq!(run.out, right.out);
    desk.vox("verify").ok();
}

#[test]
fn a_peer_that_is_not_there_is_said_once() {
    let desk = Desk::demo(2);
    configure(&desk, "http://127.0.0.1:1", "receipts");
    let run = desk.vox(&format!("{RUN} --remote lab")).ok().says("http://127.0.0.1:1");
    assert_eq!(run.err.matches("warning: ").count(), 1, "{}", run.err);
    assert!(run.counts().computed > 0);
    desk.vox("pull lab").code_is(5).says("could not reach `http://127.0.0.1:1`");
    desk.write("token", "wrong");
    let server = lab(&desk, ".vox");
    desk.write("token", "wrong");
    desk.vox("pull lab --store two").code_is(5).says("it wants a token");
    assert_eq!(server.asked(), ["/v1/heads"]);
}

#[test]
fn who_is_not_believed_is_a_miss() {
    let desk = Desk::demo(1);
    desk.vox(&format!("{CASE} --keep all --store one")).ok();
    desk.vox("pull one").ok();
    desk.vox(CASE).ok().nothing_ran();
    let writer = std::fs::read_dir(desk.path("one/objects/log")).unwrap().next().unwrap();
    let writer = writer.unwrap().file_name().into_string().unwrap();
    desk.write("vox.toml", format!("distrust = [\"{writer}\"]\n"));
    let config = desk.vox("config").ok();
    assert!(config.out.contains(&writer), "{}", config.out);
    assert!(desk.vox(&format!("{CASE} --remote one")).ok().counts().computed > 0);
}

#[test]
fn the_settings_of_peers_are_shown() {
    let desk = Desk::new();
    configure(&desk, "https://lab.example/vox", "receipts");
    let config = desk.vox("config").ok().out;
    for word in ["peer.lab.url", "https://lab.example/vox", "peer.lab.trust", "peer.lab.token-file"]
    {
        assert!(config.contains(word), "{config}");
    }
    assert!(!config.contains("secret"), "a token is not shown");
}
