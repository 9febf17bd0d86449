//! Every byte in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vox::canon::Tree;
use vox::id::{BlobId, Digest, NodeId};
use vox::store::entry::{Entry, Inputs, Made, Parts, Ran, What};
use vox::store::log::definition::Definition;
use vox::store::log::receipt::{Outcome, Output, Receipt};
use vox::store::lookup::Answer;
use vox::store::open::{Options, Store};
use vox::store::place::{Environment, Place};

const NODES: u64 = 4;

fn open(root: &Path) -> Result<Arc<Store>, vox::store::error::Error> {
    let environment = Environment { machine: Some("m".to_owned()), ..Environment::default() };
    let place = Place { root: root.to_owned(), is_cache: false };
    Store::open(&place, &Options { environment, ..Options::default() })
}

fn definition(number: u64) -> Definition {
    let p = Tree::map([("n", Tree::Uint(number))]);
    Definition { op: "test.op".to_owned(), v: 1, args: Vec::new(), p }
}

fn node(number: u64) -> NodeId {
    definition(number).node()
}

/// What a node gives: for even numbers an object, which compresses well.
fn bytes(number: u64) -> Vec<u8> {
    if number.is_multiple_of(2) { vec![number as u8; 5000] } else { vec![number as u8; 20] }
}

fn receipt(number: u64) -> Receipt {
    let bytes = bytes(number);
    let out = BlobId(Digest::of(&bytes));
    let val = (bytes.len() <= 4096).then_some(bytes);
    let output = Output { out, val, refs: Vec::new(), warn: Vec::new() };
    Receipt::new(definition(number), Outcome::Value(output))
}

fn fill(store: &Arc<Store>) {
    let writer = store.writer(None).unwrap();
    for number in 1..=NODES {
        let object = number.is_multiple_of(2).then(|| Box::new(bytes(number)) as Box<dyn Parts>);
        let ran = Ran {
            receipt: Made::Known(receipt(number)),
            us: 1000,
            inputs: Inputs::Known(Vec::new()),
            object,
            refs: Vec::new(),
            settles: false,
            until: None,
        };
        writer.submit(Entry { what: What::Run(ran), lam: 0, claim: None }).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert!(summary.error.is_none() && summary.left == 0, "{summary:?}");
}

/// Counts the nodes whose value is here; one that is wrong is a failure.
fn right(store: &Store, what: &str) -> u64 {
    let mut count = 0;
    for number in 1..=NODES {
        match store.receipt(node(number)).unwrap() {
            Answer::Found(found) => {
                assert_eq!(found.receipt, receipt(number), "{what}");
                let output = found.receipt.output().unwrap();
                let value = store.bytes(output.out).unwrap();
                if let Some(value) = &value {
                    assert!(*value == bytes(number), "a wrong value of {number}: {what}");
                }
                // A small one rides in the receipt, wherever else it is found.
                count += u64::from(value.is_some() || output.val.is_some());
            }
            Answer::None => {}
            Answer::Conflict(_) => panic!("a conflict out of nothing: {what}"),
        }
    }
    count
}

/// All files of a store but locks and the index.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file() && entry.metadata().unwrap().len() > 0)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("index."))
        .collect()
}

fn put(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).ok();
    fs::write(path, bytes).unwrap();
}

/// What is true after one byte was flipped.
fn flipped(root: &Path, path: &Path, good: &[u8], at: usize) -> bool {
    let mut bad = good.to_vec();
    bad[at] ^= 1 << (at % 8);
    put(path, &bad);
    let name = path.strip_prefix(root).unwrap().to_owned();
    let what = format!("byte {at} of {}", name.display());
    let noticed = match open(root) {
        // Only what says that this is a store at all may be refused, by name.
        Err(error) => {
            assert!(name.ends_with("vox-store.toml"), "{what}: {error}");
            assert!(error.to_string().contains("vox-store.toml"), "{what}: {error}");
            true
        }
        Ok(store) => {
            let report = store.verify().unwrap();
            let count = right(&store, &what);
            if name.starts_with("objects/log") {
                assert!(report.damaged.is_empty(), "{what}: {report:?}");
                assert_eq!(count == 0, !report.is_clean(), "{what}: {report:?}");
                let told = format!("{:?}", report.bad);
                assert!(report.is_clean() || told.contains(name.to_str().unwrap()), "{told}");
            } else if name.starts_with("objects") {
                assert!(report.bad.is_empty(), "{what}: {report:?}");
                assert_eq!(count == NODES, report.is_clean(), "{what}: {report:?}");
                if !report.is_clean() {
                    assert!(!path.exists(), "{what}: it was not put aside");
                    let aside = root.join("local/quarantine");
                    assert_eq!(fs::read_dir(&aside).unwrap().count(), 1, "{what}");
                    fs::remove_dir_all(aside).unwrap();
                    fs::create_dir(root.join("local/quarantine")).unwrap();
                }
            } else {
                assert_eq!(count, NODES, "{what}");
                assert!(report.is_clean(), "{what}: {report:?}");
            }
            !report.is_clean()
        }
    };
    put(path, good);
    noticed
}

#[test]
fn every_flipped_byte_is_noticed_or_harmless() {
    let (flips, quiet) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let width = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for part in 0..width {
            let (flips, quiet) = (&flips, &quiet);
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let root = folder.path().join("s");
                fill(&open(&root).unwrap());
                for path in files(&root) {
                    let good = fs::read(&path).unwrap();
                    let is_shared = path.starts_with(root.join("objects"));
                    for at in (part..good.len()).step_by(width) {
                        flips.fetch_add(1, Ordering::Relaxed);
                        if !flipped(&root, &path, &good, at) && is_shared {
                            quiet.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (flips, quiet) = (flips.into_inner(), quiet.into_inner());
    assert!(flips > 1000, "{flips} flips");
    // A frame's header has a bit that means nothing.
    assert!(quiet * 100 < flips, "{quiet} of {flips} flips changed nothing and were not noticed");
}

/// A writer's floor with a flipped digit must not begin another chain: what is written next goes on
/// behind the sealed files, or is a new writer's.
#[test]
fn a_damaged_floor_breaks_no_chain() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("s");
    fill(&open(&root).unwrap());
    let path = root.join("local/writer");
    let good = fs::read(&path).unwrap();
    let log = root.join("objects/log");
    let segments = || {
        walkdir::WalkDir::new(&log)
            .into_iter()
            .filter(|e| e.as_ref().unwrap().file_type().is_file())
    };
    let before: Vec<PathBuf> = segments().map(|entry| entry.unwrap().into_path()).collect();
    for at in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 7);
        put(&path, &bad);
        let store = open(&root).unwrap();
        let writer = store.writer(None).unwrap();
        let bytes = at.to_be_bytes().to_vec();
        let out = BlobId(Digest::of(&bytes));
        let output = Output { out, val: Some(bytes), refs: Vec::new(), warn: Vec::new() };
        let receipt = Receipt::new(definition(100 + at as u64), Outcome::Value(output));
        writer.submit(Entry::receipt(receipt, 1, 0, Inputs::Unknown)).unwrap();
        writer.finish().unwrap();
        let report = store.verify().unwrap();
        assert!(report.is_clean() && report.forks.is_empty(), "byte {at}: {report:?}");
        assert!(report.gaps.is_empty(), "byte {at}: {report:?}");
        drop(store);
        for entry in segments().map(|entry| entry.unwrap().into_path()) {
            if !before.contains(&entry) {
                fs::remove_file(entry).unwrap();
            }
        }
    }
}

/// Sampled, because an index is large: it answers, begins anew, or knows less; never wrongly.
#[test]
fn a_damaged_index_costs_time_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("s");
    fill(&open(&root).unwrap());
    let path = root.join("local/index.sqlite");
    let good = fs::read(&path).unwrap();
    assert!(good.len() > 50_000, "{} bytes: is the log of the index merged?", good.len());
    let restore = |bytes: &[u8]| {
        for ending in ["-wal", "-shm"] {
            fs::remove_file(root.join(format!("local/index.sqlite{ending}"))).ok();
        }
        put(&path, bytes);
    };
    let holds = |what: &str| {
        let store = open(&root).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        right(&store, what);
        fill(&store);
        assert_eq!(right(&store, what), NODES, "{what}");
        let report = store.verify().unwrap();
        assert!(report.is_clean() && report.forks.is_empty(), "{what}: {report:?}");
    };
    // The header whole, then where pages have their heads and cells, then a sample of all.
    let heads = (0..good.len()).step_by(4096).flat_map(|page| [page, page + 3, page + 5, page + 9]);
    let cells = (0..good.len()).step_by(4096).flat_map(|page| [page + 4090, page + 4070]);
    let sample = (100..good.len()).step_by(997);
    for at in (0..100).chain(heads).chain(cells).chain(sample) {
        if at < good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            restore(&bad);
            holds(&format!("byte {at} of the index"));
        }
    }
    for (what, len) in [("empty", 0), ("cut", 100), ("half", good.len() / 2), ("torn", 4096)] {
        restore(&good[..len]);
        holds(what);
    }
    for version in [0, 1, 1000] {
        restore(&good);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(&format!("pragma user_version = {version}")).unwrap();
        drop(connection);
        holds(&format!("an index of version {version}"));
    }
    for table in ["segment", "object", "node", "folder"] {
        restore(&good);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(&format!("delete from {table}")).unwrap();
        drop(connection);
        holds(&format!("an index without rows in {table}"));
        restore(&good);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(&format!("drop table {table}")).unwrap();
        drop(connection);
        holds(&format!("an index without {table}"));
    }
    // Rows that lead to each other's places.
    restore(&good);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("update node_new set position = position + 1; update node set position = 0")
        .unwrap();
    drop(connection);
    holds("an index that points elsewhere");
}
