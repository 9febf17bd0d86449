//! Small stores, made through the store's own door.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use vox::canon::{self, Tree};
use vox::id::{BlobId, Digest, NodeId};
use vox::peer::pull::{self, How, Report};
use vox::peer::source::{Silent, Source};
use vox::store::entry::{Entry, Inputs, Made, Parts, Ran, What};
use vox::store::log::definition::Definition;
use vox::store::log::receipt::{Outcome, Output, Receipt};
use vox::store::open::{Options, Store};
use vox::store::place::{Environment, Place};

/// Opens or makes a store, as on a machine of its own.
pub(crate) fn open(root: &Path, machine: &str) -> Arc<Store> {
    let environment = Environment { machine: Some(machine.to_owned()), ..Environment::default() };
    let place = Place { root: root.to_owned(), is_cache: false };
    Store::open(&place, &Options { environment, ..Options::default() }).unwrap()
}

fn definition(number: u64) -> Definition {
    let p = Tree::map([("n", Tree::Uint(number))]);
    Definition { op: "test.op".to_owned(), v: 1, args: Vec::new(), p }
}

pub(crate) fn node(number: u64) -> NodeId {
    definition(number).node()
}

pub(crate) fn blob(bytes: &[u8]) -> BlobId {
    BlobId(Digest::of(bytes))
}

/// The canonical bytes of what node `number` gives: a number, or for odd nodes an object, of which
/// that of node 7 has several frames and mentions another.
pub(crate) fn bytes(number: u64) -> Vec<u8> {
    if number.is_multiple_of(2) {
        return canon::write(&Tree::Float(number as f64));
    }
    let len = if number == 7 { 3_000_000 } else { 6000 * number };
    let mut state = number;
    let noise = (0..len).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 60) as u8
    });
    canon::write(&Tree::Bytes(noise.collect()))
}

/// What the value of node 7 mentions.
pub(crate) fn mentioned() -> Vec<u8> {
    canon::write(&Tree::Bytes(vec![5; 9000]))
}

fn entry(number: u64) -> Entry {
    let boxed = |bytes: Vec<u8>| Box::new(bytes) as Box<dyn Parts>;
    let bytes = bytes(number);
    let refs = if number == 7 { vec![blob(&mentioned())] } else { Vec::new() };
    let objects = if number == 7 { vec![boxed(mentioned())] } else { Vec::new() };
    let is_object = bytes.len() > 4096;
    let val = (!is_object).then(|| bytes.clone());
    let output = Output { out: blob(&bytes), val, refs, warn: Vec::new() };
    let ran = Ran {
        receipt: Made::Known(Receipt::new(definition(number), Outcome::Value(output))),
        us: 1000 * number,
        inputs: Inputs::Known(Vec::new()),
        object: is_object.then(|| boxed(bytes)),
        refs: objects,
        settles: false,
        until: None,
    };
    Entry { what: What::Run(ran), lam: 0, claim: None }
}

/// Runs nodes: one segment.
pub(crate) fn run(store: &Arc<Store>, nodes: &[u64]) {
    let writer = store.writer(None).unwrap();
    for number in nodes {
        writer.submit(entry(*number)).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert!(summary.error.is_none() && summary.left == 0);
}

/// A store with two segments and four objects.
pub(crate) fn example() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), "there");
    run(&store, &[1, 2, 3]);
    run(&store, &[4, 7]);
    folder
}

/// The digests of all files below `objects/`; temporaries too, which none may leave.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Digest> {
    let objects = root.join("objects");
    if !objects.exists() {
        return BTreeMap::new();
    }
    let files = walkdir::WalkDir::new(&objects).into_iter().map(Result::unwrap);
    files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(&objects).unwrap().display().to_string();
            (name, Digest::of(&fs::read(entry.path()).unwrap()))
        })
        .collect()
}

/// Pulls everything.
pub(crate) fn pull(store: &Store, source: &dyn Source) -> Report {
    pull::pull(store, source, &How::default(), &Silent).unwrap()
}

/// Insists that nothing in a store is wrong.
pub(crate) fn is_sound(store: &Store) {
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.strays.is_empty(), "{report:?}");
}
