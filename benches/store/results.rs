//! Tiny results: nodes whose value rides in the log.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use vox::canon::Tree;
use vox::store::library::handle::{Library, Options};
use vox::store::log::definition::Definition;
use vox::store::lookup::Answer;

use crate::row;

/// How many are timed.
const COUNT: u64 = 100_000;
/// How many there are in the large store.
const MANY: u64 = 1_000_000;
/// How many records an index is made of again.
const REBUILT: u64 = 200_000;

pub(crate) fn run() {
    let folder = row::folder();
    let at = |name: &str| folder.path().join(name);
    peers(folder.path());
    let (put, got) = timed(&at("new"), 0, "a new store", [Some(3.0), Some(10.0)]);

    let path = at("rebuilt");
    fill(&open(&path), 0, REBUILT);
    fs::remove_dir_all(path.join("local")).expect("it was made");
    row::median("index of 200,000 receipts made again", 1, Some(5000.0), &mut |_| {
        drop(open(&path));
    });

    let path = at("large");
    row::each("put of 1,000,000 tiny results", MANY, None, &mut || fill(&open(&path), 0, MANY));
    drop(open(&path));
    // The folders' times are trusted two seconds after the last segment.
    std::thread::sleep(Duration::from_secs(3));
    drop(open(&path));
    row::median("opening a store of 1,000,000 results", 9, Some(5.0), &mut |_| {
        drop(open(&path));
    });
    timed(&path, MANY, "1,000,000 results there", [Some(1.5 * put), Some(1.5 * got)]);
}

fn timed(path: &Path, first: u64, where_: &str, limits: [Option<f64>; 2]) -> (f64, f64) {
    let name = format!("put of a tiny result, in batches, {where_}");
    let store = open(path);
    let put = row::each(&name, COUNT, limits[0], &mut || fill(&store, first, COUNT));
    // Another handle: nothing is in memory.
    drop(store);
    let store = open(path).store();
    let name = format!("get of a tiny result, {where_}");
    let got = row::each(&name, COUNT, limits[1], &mut || {
        for number in scattered(first + COUNT) {
            let answer = store.receipt(definition(number).node()).expect("it can be read");
            assert!(matches!(answer, Answer::Found(found) if found.here));
        }
    });
    (put, got)
}

/// As many numbers below `end`, all over.
fn scattered(end: u64) -> impl Iterator<Item = u64> {
    (0..COUNT).map(move |at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % end)
}

fn open(path: &Path) -> Library {
    Library::at(path, Options::default()).expect("it opens")
}

/// Puts results and waits until they are durable.
fn fill(store: &Library, first: u64, count: u64) {
    for number in first..first + count {
        let took = Duration::from_micros(1);
        store.record(definition(number), took, &value(number)).expect("it can be written");
    }
    store.flush().expect("there is room");
}

fn definition(number: u64) -> Definition {
    let p = Tree::map([("n", Tree::Uint(number))]);
    Definition { op: "bench.op".to_owned(), v: 1, args: Vec::new(), p }
}

fn value(number: u64) -> [u8; 8] {
    number.to_le_bytes()
}

/// The same values, kept by others: by a key of 32 bytes.
fn peers(folder: &Path) {
    let key = |number: u64| definition(number).node().0;
    let path = folder.join("tiny.sqlite");
    let mut table = rusqlite::Connection::open(path).expect("it opens");
    table
        .execute_batch(
            "pragma journal_mode = wal; pragma synchronous = normal;
             create table tiny (key blob primary key, value blob) without rowid;",
        )
        .expect("it is new");
    row::each("SQLite: put of a tiny result, in batches", COUNT, None, &mut || {
        for first in (0..COUNT).step_by(1000) {
            let batch = table.transaction().expect("nobody else is there");
            for number in first..first + 1000 {
                let row = rusqlite::params![key(number).0, value(number)];
                let mut put =
                    batch.prepare_cached("insert into tiny values (?, ?)").expect("it is");
                put.execute(row).expect("there is room");
            }
            batch.commit().expect("there is room");
        }
    });
    row::each("SQLite: get of a tiny result", COUNT, None, &mut || {
        for number in scattered(COUNT) {
            let mut get =
                table.prepare_cached("select value from tiny where key = ?").expect("it is");
            let value: Vec<u8> = get.query_row([key(number).0], |row| row.get(0)).expect("put");
            black_box(value);
        }
    });
    let folder = folder.join("tiny");
    (0..=255).for_each(|byte| {
        fs::create_dir_all(folder.join(format!("{byte:02x}"))).expect("it can be made");
    });
    let path = |number: u64| {
        let key = key(number).hex();
        folder.join(&key[..2]).join(&key[2..])
    };
    let few = COUNT / 10;
    row::each("plain files: put of a tiny result, not synced", few, None, &mut || {
        (0..few).for_each(|number| fs::write(path(number), value(number)).expect("there is room"));
    });
    row::each("plain files: get of a tiny result", few, None, &mut || {
        for number in 0..few {
            black_box(fs::read(path(number)).expect("it was put"));
        }
    });
}
