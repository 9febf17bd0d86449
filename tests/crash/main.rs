//! A process that is stopped before any of its durable effects leaves garbage, never a lie.
//!
//! The test runs itself as a child that fills a store and is aborted before its nth effect, for each
//! n until it survives. After every stop the store opens, nothing in it is wrong, what was
//! acknowledged is there, and running again completes with the same results.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod rebuilt;
mod refused;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};

use vox::canon::Tree;
use vox::gc::compact::compact;
use vox::gc::forget::forget;
use vox::gc::policy::Limits;
use vox::gc::sweep::{self, How, collect};
use vox::id::{BlobId, Digest, NodeId};
use vox::store::entry::{Entry, Event, Inputs, Made, Ran, What};
use vox::store::log::definition::Definition;
use vox::store::log::list;
use vox::store::log::receipt::{Outcome, Output, Receipt};
use vox::store::log::record::{Pin, Target};
use vox::store::lookup::Answer;
use vox::store::object::tree::Tree as Objects;
use vox::store::open::{Options, Store};
use vox::store::place::{Environment, Place};

/// More effects than any child has; a walk that comes here does not end.
const MOST: u64 = 2000;
const NODES: u64 = 7;

fn open(root: &Path) -> Arc<Store> {
    let environment = Environment { machine: Some("m".to_owned()), ..Environment::default() };
    let place = Place { root: root.to_owned(), is_cache: false };
    Store::open(&place, &Options { environment, ..Options::default() }).unwrap()
}

fn definition(number: u64) -> Definition {
    let p = Tree::map([("n", Tree::Uint(number))]);
    Definition { op: "test.op".to_owned(), v: 1, args: Vec::new(), p }
}

fn node(number: u64) -> NodeId {
    definition(number).node()
}

fn blob(bytes: &[u8]) -> BlobId {
    BlobId(Digest::of(bytes))
}

/// What node `number` gives: small for even numbers, else an object, one of several frames.
fn bytes(number: u64) -> Vec<u8> {
    let count = if number.is_multiple_of(2) { 3 } else { 1000 * number * number * number };
    (0..count).flat_map(|at| (at * at + number).to_le_bytes()).collect()
}

/// Two objects that the value of the last node mentions.
fn mentioned() -> [Vec<u8>; 2] {
    [vec![b'a'; 5000], vec![b'b'; 9000]]
}

/// A value that no node gave.
fn lonely() -> Vec<u8> {
    vec![b'o'; 6000]
}

fn outcome(number: u64) -> Outcome {
    if number == 4 {
        return Outcome::Refused { code: "range".to_owned(), args: vec![Tree::Float(1.0)] };
    }
    let bytes = bytes(number);
    let mut refs: Vec<BlobId> = Vec::new();
    if number == NODES {
        refs.extend(mentioned().iter().map(|bytes| blob(bytes)));
        refs.sort();
    }
    let out = blob(&bytes);
    let val = (bytes.len() <= 4096).then_some(bytes);
    Outcome::Value(Output { out, val, refs, warn: Vec::new() })
}

fn entry(number: u64) -> Entry {
    let is_object = !number.is_multiple_of(2);
    let boxed = |bytes: Vec<u8>| Box::new(bytes) as Box<dyn vox::store::entry::Parts>;
    let refs = if number == NODES { mentioned().map(boxed).into() } else { Vec::new() };
    let ran = Ran {
        receipt: Made::Known(Receipt::new(definition(number), outcome(number))),
        us: 1000,
        inputs: Inputs::Known(Vec::new()),
        object: is_object.then(|| boxed(bytes(number))),
        refs,
        settles: false,
        until: None,
    };
    Entry { what: What::Run(ran), lam: 0, claim: None }
}

/// Fills the store in three batches; writes down, outside of it, what was acknowledged.
fn fill(root: &Path, acknowledged: &Path) {
    let store = open(root);
    let (tell, told) = mpsc::channel();
    let writer = store.writer(Some(tell)).unwrap();
    let pin = Pin { name: "kept".to_owned(), target: Target::Node(node(1)), on: true };
    let pin = Entry { what: What::Pin(pin), lam: 1, claim: None };
    let object = Entry { what: What::Object(Box::new(lonely())), lam: 0, claim: None };
    let last = vec![entry(NODES), entry(2), pin, object, Entry::def(definition(8).bytes(), 0)];
    let names = |nodes: &[u64]| nodes.iter().map(|number| node(*number).0).collect::<BTreeSet<_>>();
    for (batch, mut expected) in [
        (vec![entry(1), entry(2), entry(3)], names(&[1, 2, 3])),
        (vec![entry(4), entry(5), entry(6)], names(&[4, 5, 6])),
        (last, &names(&[NODES, 2, 8]) | &[blob(&lonely()).0].into()),
    ] {
        for entry in batch {
            writer.submit(entry).unwrap();
        }
        writer.idle();
        while !expected.is_empty() {
            let Event::Stored { nodes, blobs } = told.recv().unwrap() else { panic!("left") };
            let mut text = fs::read_to_string(acknowledged).unwrap_or_default();
            for id in nodes.iter().map(|id| id.0).chain(blobs.iter().map(|id| id.0)) {
                text += &id.hex();
                text.push('\n');
                expected.remove(&id);
            }
            fs::write(acknowledged, text).unwrap();
        }
    }
    let summary = writer.finish().unwrap();
    assert!(summary.error.is_none() && summary.left == 0, "{summary:?}");
}

/// Far enough from now that nothing was used lately.
const LATER_MS: u64 = 4_000_000_000_000;

/// Collects all that may go; writes down before what that is.
fn gc(root: &Path, planned: &Path) {
    let store = open(root);
    let limits = Limits { bytes: Some(1), ..Limits::default() };
    let mut options = sweep::Options { limits, now_ms: LATER_MS, ..sweep::Options::default() };
    options.how.dry_run = true;
    let objects = Objects::new(store.layout());
    let report = collect(&store, &objects, &options).unwrap();
    let mut lines = fs::read_to_string(planned).unwrap_or_default();
    report.removed.iter().for_each(|one| lines += &format!("{}\n", one.id));
    fs::write(planned, lines).unwrap();
    options.how.dry_run = false;
    let done = collect(&store, &objects, &options).unwrap();
    assert_eq!(done.removed.len(), report.removed.len());
}

/// For good, and where locks reach everybody.
const HOW: How = How { dry_run: false, alone: false };

/// What a child does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Fill,
    Gc,
    Compact,
    Forget,
}

/// Not a test of its own: what the child does, when the environment says that this is one.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("VOX_TEST_CHILD") else { return };
    let folder = Path::new(&folder);
    let root = folder.join("store");
    match std::env::var("VOX_TEST_DEED").unwrap().as_str() {
        "Gc" => gc(&root, &folder.join("planned")),
        "Compact" => {
            compact(&open(&root), HOW).unwrap();
        }
        "Forget" => {
            forget(&open(&root), 1, LATER_MS, HOW).unwrap();
        }
        _ => fill(&root, &folder.join("acknowledged")),
    }
}

/// Runs the child; says whether it survived.
fn run(folder: &Path, deed: Deed, crash_at: Option<u64>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact"]).env("VOX_TEST_CHILD", folder).env_remove("VOX_CRASH_AT");
    command.env("VOX_TEST_DEED", format!("{deed:?}"));
    if let Some(at) = crash_at {
        command.env("VOX_CRASH_AT", at.to_string());
    }
    let output = command.output().unwrap();
    let aborted = output.status.code().is_none();
    assert!(aborted || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    !aborted
}

fn is_found(store: &Store, number: u64) -> bool {
    let found = match store.receipt(node(number)).unwrap() {
        Answer::Found(found) => found,
        Answer::None => return false,
        Answer::Conflict(writers) => panic!("{writers:?} differ"),
    };
    assert!(found.here, "the receipt of {number} is here, and its value is not");
    assert_eq!(found.receipt, Receipt::new(definition(number), outcome(number)));
    if let Some(output) = found.receipt.output() {
        assert!(store.bytes(output.out).unwrap() == Some(bytes(number)));
        for (id, bytes) in mentioned().map(|bytes| (blob(&bytes), bytes)) {
            assert!(!output.refs.contains(&id) || store.bytes(id).unwrap() == Some(bytes));
        }
    }
    true
}

/// Checks everything that must hold after any stop; returns how many nodes are known.
fn check(folder: &Path) -> usize {
    let store = open(&folder.join("store"));
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.absent, 0, "a record came before its object: {report:?}");
    let (gaps, forks, strays) = (&report.gaps, &report.forks, &report.strays);
    assert!(gaps.is_empty() && forks.is_empty() && strays.is_empty(), "{report:?}");
    let known = (1..=NODES).filter(|number| is_found(&store, *number)).count();
    let text = fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
    for line in text.lines() {
        let id = Digest::parse(line).unwrap();
        let is_node = (1..=NODES + 1).any(|number| node(number).0 == id);
        let is_there = if is_node {
            store.defined(NodeId(id)).unwrap()
        } else {
            store.has(BlobId(id)).unwrap()
        };
        assert!(is_there, "{id} was acknowledged and is lost");
    }
    assert!(store.notices().is_empty());
    known
}

/// Stops a child before each of its effects, another one at the same place, and lets one complete.
#[test]
fn a_stop_anywhere_leaves_no_lie() {
    let mut seen = BTreeSet::new();
    for at in 1..MOST {
        let folder = tempfile::tempdir().unwrap();
        let survived = run(folder.path(), Deed::Fill, Some(at));
        seen.insert(check(folder.path()));
        if !survived {
            run(folder.path(), Deed::Fill, Some(at));
            check(folder.path());
        }
        assert!(run(folder.path(), Deed::Fill, None));
        assert_eq!(check(folder.path()), NODES as usize, "stopped at {at}");
        if survived {
            assert!(at > 20, "only {at} effects: is the feature `fault` on?");
            // Stops lie before, between and behind the batches.
            assert!(seen.is_superset(&[0, 3, 6, 7].into()), "{seen:?}");
            return;
        }
    }
    panic!("the child never survives");
}

/// A store that is full, and where it lies.
fn full() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(&folder.path().join("store"), &folder.path().join("acknowledged"));
    check(folder.path());
    folder
}

/// Does a deed to a full store, stopped before its nth effect; looks after each stop and after going
/// on, and fills the store again. Returns how many effects there are.
fn stop_everywhere(deed: Deed, look: impl Fn(&Path, bool)) -> u64 {
    for at in 1..MOST {
        let folder = full();
        let survived = run(folder.path(), deed, Some(at));
        look(folder.path(), survived);
        assert!(run(folder.path(), deed, None), "stopped at {at}");
        look(folder.path(), true);
        assert!(run(folder.path(), Deed::Fill, None), "stopped at {at}");
        let store = open(&folder.path().join("store"));
        assert!(store.verify().unwrap().is_clean());
        assert_eq!((1..=NODES).filter(|number| is_found(&store, *number)).count(), NODES as usize);
        if survived {
            return at - 1;
        }
    }
    panic!("the child never survives")
}

#[test]
fn a_stop_while_collecting_loses_only_what_was_to_go() {
    let steps = stop_everywhere(Deed::Gc, |folder, done| {
        let store = open(&folder.join("store"));
        let report = store.verify().unwrap();
        assert!(report.is_clean() && report.gaps.is_empty() && report.strays.is_empty());
        let planned = fs::read_to_string(folder.join("planned")).unwrap_or_default();
        let planned: BTreeSet<BlobId> =
            planned.lines().map(|line| BlobId(Digest::parse(line).unwrap())).collect();
        for number in 1..=NODES {
            // Eviction removes bytes, never knowledge.
            let Answer::Found(found) = store.receipt(node(number)).unwrap() else { panic!() };
            assert_eq!(found.receipt, Receipt::new(definition(number), outcome(number)));
            let Some(output) = found.receipt.output().filter(|output| output.val.is_none()) else {
                continue;
            };
            for id in output.refs.iter().chain([&output.out]) {
                let is_here = store.has(*id).unwrap();
                assert!(is_here || planned.contains(id), "{id} was not to go");
                assert!(!is_here || !done || !planned.contains(id), "{id} was to go");
            }
        }
        // The pin holds: see `fill`.
        assert!(store.has(blob(&bytes(1))).unwrap());
    });
    assert!(steps >= 5, "only {steps} effects: is the feature `fault` on?");
}

#[test]
fn a_stop_while_compacting_leaves_every_record() {
    let steps = stop_everywhere(Deed::Compact, |folder, done| {
        check(folder);
        let store = open(&folder.join("store"));
        let known = (1..=NODES).filter(|number| is_found(&store, *number)).count();
        assert_eq!(known, NODES as usize);
        assert_eq!(store.pins().unwrap().len(), 1);
        let segments = list::all(store.layout()).unwrap().len();
        assert!(segments == 1 || !done, "{segments} segments");
    });
    assert!(steps >= 5, "only {steps} effects: is the feature `fault` on?");
}

#[test]
fn a_stop_while_forgetting_leaves_what_is_pinned() {
    let steps = stop_everywhere(Deed::Forget, |folder, done| {
        let store = open(&folder.join("store"));
        let report = store.verify().unwrap();
        assert!(report.is_clean() && report.forks.is_empty() && report.strays.is_empty());
        let pins = store.pins().unwrap();
        assert_eq!((pins.len(), pins[0].pin.on), (1, true));
        let known = (1..=NODES).filter(|number| is_found(&store, *number)).count();
        assert!(known == NODES as usize || done || known > 0, "{known}");
    });
    assert!(steps >= 2, "only {steps} effects: is the feature `fault` on?");
}
