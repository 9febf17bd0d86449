//! What is done to a store, and what must be true of it at any time.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};

use vox::canon::Tree;
use vox::id::{BlobId, Digest, NodeId};
use vox::store::entry::{Entry, Event, Inputs, Made, Parts, Ran, What};
use vox::store::log::definition::Definition;
use vox::store::log::receipt::{Outcome, Output, Receipt};
use vox::store::lookup::Answer;
use vox::store::open::{Options, Store};
use vox::store::place::{Environment, Place};

use crate::record;

/// Nodes 1 to 6 give values, 7 gives that of node 1 and is told without its bytes.
pub(crate) const NODES: u64 = 7;
const ECHO: u64 = 7;

pub(crate) fn open(root: &Path) -> Result<Arc<Store>, String> {
    let environment = Environment { machine: Some("m".to_owned()), ..Environment::default() };
    let place = Place { root: root.to_owned(), is_cache: false };
    Store::open(&place, &Options { environment, ..Options::default() }).map_err(words)
}

fn words(error: impl Debug) -> String {
    format!("{error:?}")
}

fn definition(number: u64) -> Definition {
    let p = Tree::map([("n", Tree::Uint(number))]);
    Definition { op: "test.op".to_owned(), v: 1, args: Vec::new(), p }
}

pub(crate) fn node(number: u64) -> NodeId {
    definition(number).node()
}

fn blob(bytes: &[u8]) -> BlobId {
    BlobId(Digest::of(bytes))
}

/// What a node gives: small for even numbers, else an object; that of 5 has its room taken before.
fn bytes(number: u64) -> Vec<u8> {
    let number = if number == ECHO { 1 } else { number };
    let count = if number.is_multiple_of(2) { 3 } else { 1000 * number * number };
    // Numbers that do not compress, so that the file of node 5 is a large one.
    (0..count).flat_map(|at| Digest::of(&(at * 16 + number).to_le_bytes()).0).take(40_000).collect()
}

fn mentioned() -> Vec<u8> {
    vec![b'm'; 5000]
}

fn receipt(number: u64) -> Receipt {
    let bytes = bytes(number);
    let refs = if number == 3 { vec![blob(&mentioned())] } else { Vec::new() };
    let out = blob(&bytes);
    let val = (bytes.len() <= 4096).then_some(bytes);
    Receipt::new(definition(number), Outcome::Value(Output { out, val, refs, warn: Vec::new() }))
}

fn entry(number: u64) -> Entry {
    let boxed = |bytes: Vec<u8>| Box::new(bytes) as Box<dyn Parts>;
    let is_object = !number.is_multiple_of(2) && number != ECHO;
    let ran = Ran {
        receipt: Made::Known(receipt(number)),
        us: 1000,
        inputs: Inputs::Known(Vec::new()),
        object: is_object.then(|| boxed(bytes(number))),
        refs: if number == 3 { vec![boxed(mentioned())] } else { Vec::new() },
        settles: false,
        until: None,
    };
    Entry { what: What::Run(ran), lam: 0, claim: None }
}

/// Fills a store in three batches and tells what was acknowledged.
///
/// What is there already is read first, and told of again by another node: its bytes need not be
/// durable, because whoever wrote them may have died before its last sync.
pub(crate) fn fill(root: &Path, told: &mut dyn FnMut(Digest)) -> Result<(), String> {
    let store = open(root)?;
    let (tell, events) = mpsc::channel();
    let writer = store.writer(Some(tell)).map_err(words)?;
    let echo = store.bytes(blob(&bytes(ECHO))).map_err(words)?.is_some();
    let first: &[u64] = if echo { &[ECHO] } else { &[] };
    for batch in [first, &[1, 2, 3], &[4, 5], &[6, ECHO]] {
        let mut expected: BTreeSet<Digest> = batch.iter().map(|number| node(*number).0).collect();
        for number in batch {
            writer.submit(entry(*number)).map_err(words)?;
        }
        writer.idle();
        while !expected.is_empty() {
            match events.recv().map_err(words)? {
                Event::Stored { nodes, .. } => {
                    for node in nodes {
                        expected.remove(&node.0);
                        told(node.0);
                    }
                }
                Event::Left { nodes, error } => return Err(format!("left {nodes:?}: {error:?}")),
            }
        }
    }
    let summary = writer.finish().map_err(words)?;
    if summary.error.is_some() || summary.left > 0 {
        return Err(words(summary));
    }
    Ok(())
}

fn is_found(store: &Store, number: u64) -> Result<bool, String> {
    let found = match store.receipt(node(number)).map_err(words)? {
        Answer::Found(found) => found,
        Answer::None => return Ok(false),
        Answer::Conflict(writers) => return Err(format!("{writers:?} differ")),
    };
    if !found.here {
        return Err(format!("the receipt of {number} is here, and its value is not"));
    }
    if found.receipt != receipt(number) {
        return Err(format!("the receipt of {number} is another"));
    }
    let mut all = vec![bytes(number)];
    all.extend((number == 3).then(mentioned));
    for bytes in all {
        if store.bytes(blob(&bytes)).map_err(words)? != Some(bytes) {
            return Err(format!("a value of {number} is lost or wrong"));
        }
    }
    Ok(true)
}

/// Says what is wrong with a store of which this was acknowledged.
pub(crate) fn check(root: &Path, told: &[Digest]) -> Result<(), String> {
    let store = open(root)?;
    let report = store.verify().map_err(words)?;
    if !report.is_clean() || report.absent > 0 {
        return Err(format!("a lie: {report:?}"));
    }
    if !(report.gaps.is_empty() && report.forks.is_empty() && report.strays.is_empty()) {
        return Err(format!("the log is not whole: {report:?}"));
    }
    for number in 1..=NODES {
        let is_told = told.contains(&node(number).0);
        if !is_found(&store, number)? && is_told {
            return Err(format!("{number} was acknowledged and is lost"));
        }
    }
    let notices = store.notices();
    if notices.is_empty() { Ok(()) } else { Err(words(notices)) }
}

/// Checks a store, completes it, and checks that everything is there then.
pub(crate) fn complete(root: &Path, told: &[Digest]) -> Result<(), String> {
    check(root, told)?;
    fill(root, &mut |_| {})?;
    let all: Vec<Digest> = (1..=NODES).map(|number| node(number).0).collect();
    check(root, &all)
}

/// Not a test of its own: what the child does, when the environment says that this is one.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("VOX_TEST_CHILD") else { return };
    let folder = Path::new(&folder);
    let record = folder.join("record");
    let told = &mut |id| record::tell(&record, id);
    fill(&folder.join("there").join("a").join("store"), told).unwrap();
    // An index as it was, with the log that it has not yet merged.
    let local = folder.join("there/a/store/local");
    let to = folder.join("index");
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(local).unwrap() {
        let name = entry.unwrap().file_name();
        if name.to_string_lossy().starts_with("index.sqlite") {
            fs::copy(folder.join("there/a/store/local").join(&name), to.join(&name)).unwrap();
        }
    }
}

/// Runs the child below a folder that is there; says whether it survived.
pub(crate) fn run(folder: &Path, crash_at: Option<u64>) -> bool {
    fs::create_dir_all(folder.join("there")).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["work::child", "--exact"])
        .env("VOX_TEST_CHILD", folder)
        .env("VOX_RECORD", folder.join("record"))
        .env_remove("VOX_CRASH_AT");
    if let Some(at) = crash_at {
        command.env("VOX_CRASH_AT", at.to_string());
    }
    let output = command.output().unwrap();
    let aborted = output.status.code().is_none();
    assert!(aborted || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    !aborted
}
