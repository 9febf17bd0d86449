//! Damage that a run meets, records that differ, and receipts that are not true.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use vox::canon::{self, Tree};
use vox::id::{BlobId, Digest, NodeId};
use vox::store::entry::{Entry, Inputs};
use vox::store::log::receipt::{Outcome, Receipt};
use vox::store::lookup::Answer;
use vox::store::open::{Options, Store};
use vox::store::place::{Environment, Place};

use crate::desk::{CASE, Desk, Said, files};

fn objects(desk: &Desk) -> Vec<PathBuf> {
    let all = files(&desk.path(".vox/objects")).into_iter();
    all.filter(|path| path.parent().unwrap().file_name().unwrap().len() == 2).collect()
}

fn name(path: &Path) -> String {
    let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
    format!("{folder}{}", path.file_name().unwrap().to_str().unwrap())
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

fn json(said: &Said) -> Json {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
}

#[test]
fn a_damaged_object_goes_to_quarantine_and_is_computed_again() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all")).ok();
    let masks = desk.digests("out");
    fs::remove_dir_all(desk.path("out")).unwrap();
    let all = objects(&desk);
    all.iter().for_each(|path| flip(path));
    let said = desk.vox(&format!("{CASE} --keep all")).ok().says("was damaged");
    assert_eq!(said.out, right.out);
    assert_eq!(desk.digests("out"), masks);
    let aside: BTreeSet<String> = files(&desk.path(".vox/local/quarantine"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(!aside.is_empty());
    for path in &all {
        let told = said.err.contains(&name(path));
        assert_eq!(told, aside.contains(&name(path)), "{}: {}", path.display(), said.err);
    }
    // What was met is whole again; the last line is still the last.
    assert!(said.counts().redone > 0);
    let left: BTreeSet<String> = json(&desk.vox("verify --json").code_is(5))["damaged"]
        .as_array()
        .unwrap()
        .iter()
        .map(|damaged| damaged["object"].as_str().unwrap().to_owned())
        .collect();
    assert!(left.is_disjoint(&aside), "{left:?}");
}

#[test]
fn verify_says_what_gave_a_damaged_object_and_how_to_have_it_again() {
    let desk = Desk::demo(1);
    // A file that changed a moment ago is not remembered.
    std::thread::sleep(Duration::from_millis(2100));
    desk.vox(&format!("{CASE} --keep all")).ok();
    objects(&desk).iter().for_each(|path| flip(path));
    let told = json(&desk.vox("verify --json").code_is(5));
    let nodes: Vec<&Json> = told["damaged"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|damaged| damaged["nodes"].as_array().unwrap())
        .collect();
    assert!(nodes.len() >= objects(&desk).len());
    assert!(nodes.iter().all(|node| node["can"] == true), "{nodes:#?}");
    let read = nodes.iter().find(|node| node["op"] == "vox1.read").unwrap();
    let path = read["from"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("_flair.nii.gz") || path.ends_with("_seg.nii.gz"), "{path}");
    let said = desk.vox("verify").code_is(5);
    assert!(said.out.contains("(vox1.read): can be computed again from `"), "{}", said.out);
    // Without the files nothing can be computed: all images are damaged.
    desk.rename("cases", "elsewhere");
    let said = desk.vox("verify").code_is(5);
    assert!(said.out.contains("CANNOT be computed again from a file"), "{}", said.out);
    assert!(said.out.contains("not here"), "{}", said.out);
    desk.rename("elsewhere", "cases");
    desk.vox(&format!("{CASE} --keep all")).ok();
}

fn open(root: &Path) -> Arc<Store> {
    let environment = Environment::default();
    let place = Place { root: root.to_owned(), is_cache: false };
    Store::open(&place, &Options { environment, ..Options::default() }).unwrap()
}

/// Puts into another store a receipt that says that the printed `dice` is another number; returns
/// the node and whose lie it is.
fn lie(desk: &Desk, said: &Said) -> (NodeId, String) {
    let dice: f64 = said.printed("dice").parse().unwrap();
    let val = canon::write(&Tree::Float(dice));
    let store = open(&desk.path(".vox"));
    let receipts = desk.nodes("report.json").into_keys().filter_map(|node| {
        match store.receipt(NodeId(Digest::parse(&node).unwrap())).unwrap() {
            Answer::Found(found) => Some(found.receipt),
            _ => None,
        }
    });
    let is_it = |receipt: &Receipt| {
        receipt.output().is_some_and(|output| output.val.as_ref() == Some(&val))
    };
    let mut receipt = receipts.into_iter().find(is_it).unwrap();
    let Outcome::Value(output) = &mut receipt.outcome else { panic!() };
    let other = canon::write(&Tree::Float(dice + 1.0));
    output.out = BlobId(Digest::of(&other));
    output.val = Some(other);
    let node = receipt.node;
    let liar = open(&desk.path("liar"));
    let writer = liar.writer(None).unwrap();
    writer.submit(Entry::receipt(receipt, 1000, 5, Inputs::Unknown)).unwrap();
    writer.finish().unwrap();
    (node, liar.own().last().unwrap().to_string())
}

fn copy(desk: &Desk, from: &str, to: &str) {
    let root = desk.path(from);
    for path in files(&root) {
        let target = desk.path(to).join(path.strip_prefix(&root).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, target).unwrap();
    }
}

#[test]
fn records_that_differ_are_told_settled_and_named() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all --report report.json")).ok();
    let honest = open(&desk.path(".vox")).own().last().unwrap().to_string();
    let (node, liar) = lie(&desk, &right);
    copy(&desk, ".vox/objects", "third/objects");
    copy(&desk, "liar/objects", "third/objects");
    copy(&desk, "liar/objects", ".vox/objects");
    // One's own receipt stands.
    let said = desk.vox(CASE).ok().says("differ").nothing_ran();
    assert_eq!(said.out, right.out);
    // Of two others neither does: the node is computed, once, and that settles it.
    let said = desk.vox(&format!("{CASE} --store third")).ok().says("differ");
    assert_eq!(said.out, right.out);
    let counts = said.counts();
    assert!(counts.computed + counts.redone > 0, "{}", said.err);
    let said = desk.vox(&format!("{CASE} --store third")).ok().says("differ").nothing_ran();
    assert_eq!(said.out, right.out);
    for store in [".vox", "third"] {
        let said = desk.vox(&format!("verify --store {store}")).code_is(5);
        let line = said.out.lines().find(|line| line.contains("records that differ")).unwrap();
        for word in [&node.to_string(), &honest, &liar] {
            assert!(line.contains(word), "no {word} in {line}");
        }
        let told = json(&desk.vox(&format!("verify --json --store {store}")).code_is(5));
        let conflicts = told["conflicts"].as_array().unwrap();
        assert_eq!(conflicts.len(), 1);
        assert!(conflicts[0]["writers"].as_array().unwrap().len() >= 2, "{conflicts:?}");
    }
}

#[test]
fn what_is_not_true_is_found_by_computing_it_again() {
    let desk = Desk::demo(1);
    let right = desk.vox(&format!("{CASE} --keep all --report report.json")).ok();
    let said = desk.vox("verify --deep --sample 1000").ok();
    let line = said.out.lines().last().unwrap();
    assert!(line.contains("computed again, 0 differ"), "{line}");
    let told = json(&desk.vox("verify --deep --json --sample 3").ok());
    assert_eq!((told["deep"]["again"].as_u64(), &told["clean"]), (Some(3), &Json::Bool(true)));
    // What was fused or dropped is computed on the way.
    desk.vox(&format!("{CASE} --store thin")).ok();
    let told = json(&desk.vox("verify --deep --json --sample 1000 --store thin").ok());
    assert!(told["deep"]["again"].as_u64() > Some(0), "{told}");

    let (node, liar) = lie(&desk, &right);
    copy(&desk, "liar/objects", ".vox/objects");
    let said = desk.vox(&format!("verify --deep --writer {liar}")).code_is(5);
    let line = said.out.lines().find(|line| line.contains("comes out as")).unwrap();
    assert!(line.contains(&node.to_string()) && line.contains(&liar), "{line}");
    assert!(said.out.contains("1 of 1 receipts computed again, 1 differ"), "{}", said.out);
    let told = json(&desk.vox(&format!("verify --deep --json --writer {liar}")).code_is(5));
    assert_eq!(told["deep"]["differ"][0]["node"], node.to_string());
    assert_eq!(told["deep"]["differ"][0]["writers"], serde_json::json!([liar]));

    desk.vox(&format!("verify --deep --writer {}", "ab".repeat(16))).code_is(2).says("no receipt");
    desk.vox("verify --deep --writer me").code_is(2).says("32 hex digits");
    desk.vox("verify --sample 3").code_is(2);
}

#[test]
fn single_nodes_are_looked_for() {
    let desk = Desk::demo(1);
    desk.vox(&format!("{CASE} --keep all --report report.json")).ok();
    let nodes: Vec<String> = desk.nodes("report.json").into_keys().collect();
    desk.write("nodes", nodes.join("\n"));
    let said = desk.vox("verify --nodes nodes").ok();
    assert_eq!(said.out, format!("{} nodes, 0 missing\n", nodes.len()));
    desk.write("nodes", format!("{}\n{}\n", nodes[0], "0".repeat(64)));
    let said = desk.vox("verify --nodes nodes").code_is(5);
    assert!(said.out.contains("there is no record of it"), "{}", said.out);
    desk.write("nodes", nodes.join("\n"));
    objects(&desk).iter().for_each(|path| flip(path));
    let told = json(&desk.vox("verify --json --nodes nodes").code_is(5));
    assert!(told["missing"].as_array().unwrap().len() > 5, "{told}");
    desk.write("nodes", "none\n");
    desk.vox("verify --nodes nodes").code_is(2).says("no node");
}
