//! What a store promises, shown from outside: written, found again, copied, damaged, shared.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use vox::canon::{self, Tree};
use vox::id::{BlobId, Digest, NodeId};
use vox::store::claim::Claim;
use vox::store::entry::{Entry, Event, Inputs, Made, Ran, What};
use vox::store::log::definition::Definition;
use vox::store::log::receipt::{Outcome, Output, Receipt};
use vox::store::lookup::{Answer, Found};
use vox::store::object::layout::Layout;
use vox::store::open::{Notice, Options, Store, Turn};
use vox::store::place::{Environment, Place};
use vox::store::watch::Watch;

fn open(root: &Path) -> Arc<Store> {
    open_as(root, "machine")
}

fn open_as(root: &Path, machine: &str) -> Arc<Store> {
    let environment = Environment { machine: Some(machine.to_owned()), ..Environment::default() };
    Store::open(&place(root), &Options { environment, ..Options::default() }).unwrap()
}

fn place(root: &Path) -> Place {
    Place { root: root.to_owned(), is_cache: false }
}

fn definition(number: u64, args: &[NodeId]) -> Definition {
    Definition {
        op: "test.op".to_owned(),
        v: 1,
        args: args.iter().map(|node| Tree::bytes(&node.0.0)).collect(),
        p: Tree::map([("n", Tree::Uint(number))]),
    }
}

fn output(out: BlobId, val: Option<Vec<u8>>, refs: Vec<BlobId>) -> Outcome {
    Outcome::Value(Output { out, val, refs, warn: Vec::new() })
}

/// The receipt of node `number`, whose value is the number `value`.
fn scalar(number: u64, value: f64) -> Receipt {
    let val = canon::write(&Tree::Float(value));
    let out = BlobId(Digest::of(&val));
    Receipt::new(definition(number, &[]), output(out, Some(val), Vec::new()))
}

fn scalar_entry(number: u64, value: f64) -> Entry {
    Entry::receipt(scalar(number, value), 1000, 0, Inputs::Known(Vec::new()))
}

/// The entry of node `number`, whose value is an object; the store names it.
fn big_entry(number: u64, bytes: Vec<u8>, claim: Option<Claim>) -> Entry {
    let definition = definition(number, &[]);
    let ran = Ran {
        receipt: Made::Named(Box::new(move |out| {
            Receipt::new(definition, output(out, None, Vec::new()))
        })),
        us: 5,
        inputs: Inputs::Unknown,
        object: Some(Box::new(bytes)),
        refs: Vec::new(),
        settles: false,
        until: None,
    };
    Entry { what: What::Run(ran), lam: 0, claim }
}

fn node(number: u64) -> NodeId {
    definition(number, &[]).node()
}

fn big(number: u64) -> Vec<u8> {
    (0..200_000u64).flat_map(|at| (at * at + number).to_le_bytes()).collect()
}

fn store_all(store: &Arc<Store>, entries: Vec<Entry>) {
    let writer = store.writer(None).unwrap();
    let count = entries.len() as u64;
    for entry in entries {
        writer.submit(entry).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert!(summary.error.is_none(), "{:?}", summary.error);
    assert_eq!((summary.stored, summary.left), (count, 0));
}

fn found(store: &Store, number: u64) -> Found {
    match store.receipt(node(number)).unwrap() {
        Answer::Found(found) => *found,
        other => panic!("{other:?}"),
    }
}

fn segments(root: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![root.join("objects/log")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { all.push(path) }
        }
    }
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A store with a number under node 1, an object under node 2, and a definition 3 without a value.
fn example(root: &Path) -> Arc<Store> {
    let store = open(root);
    let def = Entry::def(definition(3, &[]).bytes(), 4);
    store_all(&store, vec![scalar_entry(1, 0.5), big_entry(2, big(2), None), def]);
    store
}

fn answers_everything(store: &Store) {
    let one = found(store, 1);
    assert_eq!((one.receipt.clone(), one.us, one.lam, one.here), (scalar(1, 0.5), 1000, 0, true));
    let out = one.receipt.output().unwrap().out;
    assert_eq!(store.small(out).unwrap(), one.receipt.output().unwrap().val);
    assert_eq!(store.cut(one.receipt.definition.cut(&[]).unwrap()).unwrap().unwrap().us, 1000);
    let two = found(store, 2);
    assert!(two.here);
    assert_eq!(store.bytes(two.receipt.output().unwrap().out).unwrap(), Some(big(2)));
    assert!(matches!(store.receipt(node(3)).unwrap(), Answer::None));
    assert!(store.defined(node(3)).unwrap() && store.defined(node(1)).unwrap());
    assert!(!store.defined(node(4)).unwrap());
}

#[test]
fn what_is_stored_is_found_now_and_later() {
    let dir = tempfile::tempdir().unwrap();
    answers_everything(&example(dir.path()));
    let store = open(dir.path());
    answers_everything(&store);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.objects, report.segments, report.records), (1, 1, 3));
}

#[test]
fn a_store_in_memory_answers_like_one_on_disk() {
    let store = Store::memory().unwrap();
    let def = Entry::def(definition(3, &[]).bytes(), 4);
    store_all(&store, vec![scalar_entry(1, 0.5), big_entry(2, big(2), None)]);
    store_all(&store, vec![def]);
    answers_everything(&store);
}

#[test]
fn what_the_log_holds_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = example(dir.path());
    let def = || Entry::def(definition(3, &[]).bytes(), 4);
    store_all(&store, vec![scalar_entry(1, 0.5), big_entry(2, big(2), None), def()]);
    assert_eq!(segments(dir.path()).len(), 1);
    // Unless it brings `in`.
    let Entry { what: What::Run(mut ran), .. } = big_entry(2, big(2), None) else { panic!() };
    ran.inputs = Inputs::Known(Vec::new());
    store_all(&store, vec![Entry { what: What::Run(ran), lam: 0, claim: None }, def()]);
    assert_eq!(segments(dir.path()).len(), 2);
    assert_eq!(store.verify().unwrap().records, 4);
}

#[test]
fn nodes_and_claims_are_announced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (sender, events) = mpsc::channel();
    let writer = store.writer(Some(sender)).unwrap();
    let Turn::Yours(claim) = store.claim(node(2), "test.op").unwrap() else { panic!() };
    assert!(matches!(store.claim(node(2), "test.op").unwrap(), Turn::Theirs(_)));
    store.wait_marker(node(2)).unwrap();
    // Somebody waits: sealed at once, not after two seconds.
    writer.submit(big_entry(2, big(2), Some(claim))).unwrap();
    let event = events.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(matches!(event, Event::Stored { nodes, .. } if nodes == [node(2)]));
    assert!(matches!(store.claim(node(2), "test.op").unwrap(), Turn::Done(_)));
    assert_eq!(fs::read_dir(dir.path().join("local/claims")).unwrap().count(), 0);
    writer.finish().unwrap();
}

#[test]
fn a_record_whose_object_is_not_here_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let absent = BlobId(Digest::of(b"absent"));
    let receipt = Receipt::new(definition(1, &[]), output(absent, None, Vec::new()));
    let writer = store.writer(None).unwrap();
    writer.submit(Entry::receipt(receipt, 1, 0, Inputs::Unknown)).unwrap();
    writer.submit(scalar_entry(2, 1.0)).unwrap();
    let summary = writer.finish().unwrap();
    assert_eq!((summary.stored, summary.left), (1, 1));
    assert!(matches!(store.receipt(node(1)).unwrap(), Answer::None));
    assert!(found(&store, 2).here);
}

#[test]
fn an_evicted_object_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let store = example(dir.path());
    let out = found(&store, 2).receipt.output().unwrap().out;
    fs::remove_file(store.layout().object(out)).unwrap();
    assert!(!found(&store, 2).here);
    assert!(store.open_blob(out).unwrap().is_none());
    assert_eq!(store.verify().unwrap().absent, 1);
    store_all(&store, vec![big_entry(2, big(2), None)]);
    assert!(found(&store, 2).here);
}

#[test]
fn a_value_whose_refs_are_not_here_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let inner = big(7);
    let name = BlobId(Digest::of(&inner));
    let val = canon::write(&Tree::Array(vec![Tree::bytes(&name.0.0)]));
    let outcome = output(BlobId(Digest::of(&val)), Some(val), vec![name]);
    let ran = Ran {
        receipt: Made::Known(Receipt::new(definition(1, &[]), outcome)),
        us: 1,
        inputs: Inputs::Unknown,
        object: None,
        refs: vec![Box::new(inner)],
        settles: false,
        until: None,
    };
    store_all(&store, vec![Entry { what: What::Run(ran), lam: 0, claim: None }]);
    assert!(found(&store, 1).here);
    fs::remove_file(store.layout().object(name)).unwrap();
    assert!(!found(&store, 1).here);
}

#[test]
fn a_deleted_index_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(dir.path().join(format!("local/index.sqlite{ending}"))).ok();
    }
    answers_everything(&open(dir.path()));
}

#[test]
fn a_corrupt_index_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    fs::write(dir.path().join("local/index.sqlite"), vec![0x55; 20_000]).unwrap();
    answers_everything(&open(dir.path()));
}

#[test]
fn an_index_of_another_version_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    let path = dir.path().join("local/index.sqlite");
    rusqlite::Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    answers_everything(&open(dir.path()));
}

#[test]
fn an_index_deleted_under_a_store_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = example(dir.path());
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(dir.path().join(format!("local/index.sqlite{ending}"))).ok();
    }
    store.refresh().unwrap();
    answers_everything(&store);
    answers_everything(&open(dir.path()));
}

#[test]
fn a_copy_of_the_objects_answers_everything() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(example(dir.path()));
    copy(&dir.path().join("objects"), &other.path().join("objects"));
    let store = open(other.path());
    answers_everything(&store);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn segments_that_arrive_are_seen_after_a_refresh() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(example(dir.path()));
    let store = open(other.path());
    copy(&dir.path().join("objects"), &other.path().join("objects"));
    assert_eq!(store.refresh().unwrap().added, 1);
    answers_everything(&store);
    // The folders changed within the last two seconds, so they are listed again, and nothing is new.
    assert_eq!(store.refresh().unwrap().added, 0);
}

#[test]
fn arrivals_are_told_to_whoever_watches() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(there.path());
    let Some(watch) = Watch::begin(store.layout()) else { panic!("this system cannot watch") };
    assert!(!watch.came());
    example(here.path());
    copy(&here.path().join("objects"), &there.path().join("objects"));
    let begin = std::time::Instant::now();
    while !watch.came() {
        assert!(begin.elapsed().as_secs() < 60, "nothing was told");
        std::thread::sleep(Duration::from_millis(2));
    }
    // What is told may be the first of many files.
    while !matches!(store.receipt(node(1)).unwrap(), Answer::Found(_)) {
        assert!(begin.elapsed().as_secs() < 60, "it is not found");
        store.refresh().unwrap();
    }
}

#[test]
fn another_process_sees_what_one_stores() {
    let dir = tempfile::tempdir().unwrap();
    let reader = open(dir.path());
    drop(example(dir.path()));
    answers_everything(&reader);
}

#[test]
fn a_reader_without_rights_answers_from_the_segments() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    let options = Options { read_only: true, ..Options::default() };
    let store = Store::open(&place(dir.path()), &options).unwrap();
    answers_everything(&store);
    assert!(store.writer(None).is_err());
}

#[test]
fn a_copied_store_mints_a_writer() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = example(dir.path());
    let first = store.own();
    drop(store);
    copy(dir.path(), &other.path().join("s"));
    let copied = open(&other.path().join("s"));
    store_all(&copied, vec![scalar_entry(9, 1.0)]);
    let own = copied.own();
    assert_eq!(own.len(), 2);
    assert_eq!(own[0], *first.last().unwrap_or(&own[0]), "the copied writer is still our own");
    store_all(&open(dir.path()), vec![scalar_entry(8, 1.0)]);
    copy(&dir.path().join("objects"), &other.path().join("s/objects"));
    copied.refresh().unwrap();
    let report = copied.verify().unwrap();
    assert!(report.is_clean() && report.forks.is_empty() && report.gaps.is_empty(), "{report:?}");
    assert!(found(&copied, 8).here && found(&copied, 9).here);
}

#[test]
fn a_cloned_machine_mints_a_writer_and_owns_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    let clone = open_as(dir.path(), "clone");
    assert!(clone.own().is_empty());
    store_all(&clone, vec![scalar_entry(9, 1.0)]);
    assert_eq!(clone.own().len(), 1);
    assert_eq!(clone.verify().unwrap().heads(), 2);
}

#[test]
fn a_log_that_lost_its_end_mints_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = example(dir.path());
    store_all(&store, vec![scalar_entry(8, 1.0)]);
    fs::remove_file(segments(dir.path()).last().unwrap()).unwrap();
    store_all(&store, vec![scalar_entry(9, 1.0)]);
    assert_eq!(store.own().len(), 2);
}

#[test]
fn one_writer_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    let floor = fs::read(dir.path().join("local/writer")).unwrap();
    store_all(&open(dir.path()), vec![scalar_entry(8, 1.0)]);
    // A crash before the floor was written: the sealed file goes beyond it.
    fs::write(dir.path().join("local/writer"), floor).unwrap();
    let store = open(dir.path());
    store_all(&store, vec![scalar_entry(9, 1.0)]);
    assert_eq!(store.own().len(), 1);
    let report = store.verify().unwrap();
    assert!(report.forks.is_empty() && report.gaps.is_empty());
    assert_eq!((report.records, report.heads()), (5, 1));
}

#[test]
fn a_foreign_segment_with_a_bad_name_is_ignored_and_reported() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(example(dir.path()));
    let store = open(other.path());
    let from = segments(dir.path()).remove(0);
    let folder = other.path().join("objects/log").join("ab".repeat(16)).join("00000000");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(&from, folder.join(from.file_name().unwrap())).unwrap();
    fs::copy(&from, folder.join("notes.seg")).unwrap();
    let listed = store.refresh().unwrap();
    assert_eq!((listed.added, listed.bad.len()), (0, 1));
    assert!(matches!(store.receipt(node(1)).unwrap(), Answer::None));
    assert!(matches!(&store.notices()[..], [Notice::Segment { .. }]));
    let report = store.verify().unwrap();
    assert_eq!((report.bad.len(), report.strays.len(), report.segments), (1, 1, 0));
}

#[test]
fn a_flipped_byte_of_an_object_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = example(dir.path());
    let out = found(&store, 2).receipt.output().unwrap().out;
    flip(&store.layout().object(out));
    assert_eq!(store.verify().unwrap().damaged.len(), 1);
    assert!(store.open_blob(out).unwrap().is_none());
    assert!(matches!(&store.notices()[..], [Notice::Damaged { .. }]));
    assert!(!found(&store, 2).here);
    assert_eq!(fs::read_dir(dir.path().join("local/quarantine")).unwrap().count(), 1);
    store_all(&store, vec![big_entry(2, big(2), None)]);
    answers_everything(&store);
}

#[test]
fn a_flipped_byte_of_a_segment_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    flip(&segments(dir.path())[0]);
    let store = open(dir.path());
    assert!(matches!(store.receipt(node(1)).unwrap(), Answer::None));
    assert_eq!(store.verify().unwrap().bad.len(), 1);
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn own_receipts_stand_against_others_and_neither_of_two_others() {
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    for (dir, value) in dirs.iter().zip([1.0, 2.0, 3.0]) {
        store_all(&open(dir.path()), vec![scalar_entry(1, value)]);
    }
    copy(&dirs[1].path().join("objects"), &dirs[0].path().join("objects"));
    let store = open(dirs[0].path());
    assert_eq!(found(&store, 1).receipt, scalar(1, 1.0));
    assert!(matches!(&store.notices()[..], [Notice::Conflict { .. }]));
    let report = store.verify().unwrap();
    assert_eq!((report.conflicts.len(), report.conflicts[0].writers.len()), (1, 2));
    // Elsewhere neither stands: the node is computed, once, and that settles it.
    for from in &dirs[1..3] {
        copy(&from.path().join("objects"), &dirs[3].path().join("objects"));
    }
    let store = open(dirs[3].path());
    assert!(
        matches!(store.receipt(node(1)).unwrap(), Answer::Conflict(writers) if writers.len() == 2)
    );
    assert!(store.cut(scalar(1, 2.0).definition.cut(&[]).unwrap()).unwrap().is_none());
    let What::Run(ran) = scalar_entry(1, 3.0).what else { panic!() };
    let ran = Ran { settles: true, ..ran };
    store_all(&store, vec![Entry { what: What::Run(ran), lam: 0, claim: None }]);
    assert_eq!(found(&store, 1).receipt, scalar(1, 3.0));
}

#[test]
fn many_at_once_store_everything_under_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let root = dir.path();
            scope.spawn(move || {
                for round in 0..4 {
                    let store = open(root);
                    let own = (0..20).map(|at| 100 + thread * 1000 + round * 20 + at);
                    let shared = 0..20;
                    let entries = own.chain(shared).map(|n| scalar_entry(n, n as f64)).collect();
                    store_all(&store, entries);
                }
            });
        }
    });
    let store = open(dir.path());
    for number in (0..20).chain(100..180).chain(3100..3180) {
        assert_eq!(found(&store, number).receipt, scalar(number, number as f64));
    }
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.forks.is_empty() && report.gaps.is_empty(), "{report:?}");
    assert_eq!(report.heads(), 1, "one writer per store, host and path");
}

const ROOT: &str = "VOX_TEST_STORE";

/// Not a test of its own: the other process of the test below.
#[test]
fn child_holds_a_claim() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let store = open(Path::new(&root));
    let Turn::Yours(claim) = store.claim(node(1), "test.op").unwrap() else { panic!() };
    fs::write(Path::new(&root).join("held"), "").unwrap();
    std::thread::sleep(Duration::from_secs(600));
    drop(claim);
}

#[test]
fn killing_a_holder_frees_its_claim() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = open(&root);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_holds_a_claim"])
        .env(ROOT, &root)
        .spawn()
        .unwrap();
    while !root.join("held").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let Turn::Theirs(holder) = store.claim(node(1), "test.op").unwrap() else { panic!() };
    assert_eq!((holder.pid, holder.operator.as_str()), (child.id(), "test.op"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(store.claim(node(1), "test.op").unwrap(), Turn::Yours(_)));
}

#[test]
fn a_folder_of_other_things_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "x").unwrap();
    assert!(Store::open(&place(dir.path()), &Options::default()).is_err());
}

#[test]
fn a_store_of_another_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(example(dir.path()));
    fs::write(Layout::new(dir.path()).settings(), "format = 2\nhash = \"x\"\n").unwrap();
    let error = Store::open(&place(dir.path()), &Options::default()).err().unwrap();
    assert!(error.to_string().contains("format 2"), "{error}");
}

#[test]
fn a_store_on_a_network_keeps_its_own_things_elsewhere() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let environment = Environment {
        state: Some(state.path().to_owned()),
        machine: Some("machine".to_owned()),
        ..Environment::default()
    };
    let options = Options { force_network: true, environment, ..Options::default() };
    let store = Store::open(&place(dir.path()), &options).unwrap();
    store_all(&store, vec![scalar_entry(1, 0.5), big_entry(2, big(2), None)]);
    assert!(found(&store, 1).here && found(&store, 2).here);
    assert!(store.layout().local().starts_with(state.path()));
    assert!(!dir.path().join("local/index.sqlite").exists());
    assert!(dir.path().join("network").exists());
}

#[test]
fn the_user_s_cache_carries_a_tag() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("vox");
    let cache = Place { root: root.clone(), is_cache: true };
    drop(Store::open(&cache, &Options::default()).unwrap());
    assert!(
        fs::read(root.join("CACHEDIR.TAG")).unwrap().starts_with(b"Signature: 8a477f597d28d17")
    );
    assert!(!dir.path().join("CACHEDIR.TAG").exists());
}
