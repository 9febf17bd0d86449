//! Milliseconds of looking after a store of 100,000 objects.
//!
//! `cargo bench --bench store`: a new store of 100,000 values of 5 kB below the system's temporary
//! folder (`TMPDIR`); `status` from the index alone, deciding without removing, removing half of them,
//! and counting all anew. Values and records are made with the store's own writer.

#![allow(clippy::disallowed_methods, reason = "a bench asks where to write")]
#![expect(clippy::print_stdout, reason = "a bench speaks to people")]

use std::process::{Command, Stdio};
use std::time::Instant;

use vox::canon::Tree;
use vox::gc::census::census;
use vox::gc::policy::Limits;
use vox::gc::sweep::{How, Options, collect};
use vox::gc::usage::Usage;
use vox::id::{BlobId, Digest};
use vox::store::entry::{Entry, Inputs, Made, Ran, What};
use vox::store::log::definition::Definition;
use vox::store::log::receipt::{Outcome, Output, Receipt};
use vox::store::object::tree::Tree as Objects;
use vox::store::open::Store;
use vox::store::place::Place;

const OBJECTS: u64 = 100_000;
const BYTES: usize = 5000;

fn main() {
    let folder = tempfile::Builder::new().prefix("vox-bench-").tempdir();
    let folder = folder.expect("a temporary folder can be made");
    let root = folder.path().join("store");
    let place = Place { root: root.clone(), is_cache: false };
    let store = Store::open(&place, &vox::store::open::Options::default()).expect("it opens");
    let time = |name: &str, run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        println!("{name:44} {:9.1} ms", start.elapsed().as_secs_f64() * 1e3);
    };
    time("100,000 objects written", &mut || {
        let writer = store.writer(None).expect("it can be written");
        (0..OBJECTS).for_each(|at| writer.submit(entry(at)).expect("the writer lives"));
        let summary = writer.finish().expect("the writer ends");
        assert_eq!(summary.stored, OBJECTS);
    });
    let now_ms = 4_000_000_000_000;
    time("counted anew", &mut || {
        census(&store, now_ms).expect("it can be read");
    });
    for _ in 0..5 {
        time("usage, from the index", &mut || drop(Usage::of(&store, now_ms)));
    }
    let path = root.display().to_string();
    for _ in 0..5 {
        time("`vox status`, whole process", &mut || vox(&["status", "--store", &path]));
    }
    let bytes = Usage::of(&store, now_ms).expect("it can be read").bytes();
    // Half, after the 90 %.
    let limits = Limits { bytes: Some(bytes / 2 * 10 / 9), ..Limits::default() };
    let options = Options { limits, now_ms, ..Options::default() };
    let objects = Objects::new(store.layout());
    let collect = |options: &Options| collect(&store, &objects, options).expect("it can be swept");
    time("half decided, nothing removed", &mut || {
        let how = How { dry_run: true, alone: false };
        drop(collect(&Options { how, ..options.clone() }));
    });
    let mut count = 0;
    time("half decided and removed", &mut || count = collect(&options).removed.len());
    println!("{count} objects went");
    time("compacted", &mut || {
        vox::gc::compact::compact(&store, How::default()).expect("it can be merged");
    });
}

fn vox(args: &[&str]) {
    let status = Command::new(env!("CARGO_BIN_EXE_vox"))
        .args(args)
        .stdout(Stdio::null())
        .status()
        .expect("vox can be started");
    assert!(status.success());
}

/// A node whose value does not compress, and whose cost differs from that of others.
fn entry(number: u64) -> Entry {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes: Vec<u8> = (0..BYTES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    let p = Tree::map([("n", Tree::Uint(number))]);
    let definition = Definition { op: "bench.op".to_owned(), v: 1, args: Vec::new(), p };
    let out = BlobId(Digest::of(&bytes));
    let outcome = Outcome::Value(Output { out, val: None, refs: Vec::new(), warn: Vec::new() });
    let ran = Ran {
        receipt: Made::Known(Receipt::new(definition, outcome)),
        us: 1 + number % 977,
        inputs: Inputs::Unknown,
        object: Some(Box::new(bytes)),
        refs: Vec::new(),
        settles: false,
        until: None,
    };
    Entry { what: What::Run(ran), lam: 0, claim: None }
}
