//! Stores to try removing on.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use crate::canon::Tree as Map;
use crate::gc::policy::Limits;
use crate::gc::sweep::{Options, Report, collect};
use crate::id::{BlobId, Digest, NodeId};
use crate::store::entry::{Entry, Inputs, Made, Parts, Ran, What};
use crate::store::log::definition::Definition;
use crate::store::log::receipt::{Outcome, Output, Receipt};
use crate::store::object::tree::Tree;
use crate::store::open::{self, Store};
use crate::store::place::{Environment, Place};

/// Milliseconds since 1970 long after any test.
pub(in crate::gc) const LATER_MS: u64 = 4_000_000_000_000;

pub(in crate::gc) fn open(root: &Path, machine: &str) -> Arc<Store> {
    let environment = Environment { machine: Some(machine.to_owned()), ..Environment::default() };
    let place = Place { root: root.to_owned(), is_cache: false };
    Store::open(&place, &open::Options { environment, ..open::Options::default() }).unwrap()
}

pub(in crate::gc) fn definition(number: u64) -> Definition {
    let p = Map::map([("n", Map::Uint(number))]);
    Definition { op: "test.op".to_owned(), v: 1, args: Vec::new(), p }
}

pub(in crate::gc) fn node(number: u64) -> NodeId {
    definition(number).node()
}

/// What a node gives: bytes that do not compress.
pub(in crate::gc) fn bytes(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..9000).map(|_| next()).collect()
}

pub(in crate::gc) fn blob(number: u64) -> BlobId {
    BlobId(Digest::of(&bytes(number)))
}

/// What is different about an entry.
#[derive(Default)]
pub(in crate::gc) struct With {
    pub(in crate::gc) us: u64,
    pub(in crate::gc) until: Option<u64>,
    /// Numbers whose bytes the value mentions.
    pub(in crate::gc) refs: Vec<u64>,
}

pub(in crate::gc) fn entry(number: u64, with: With) -> Entry {
    let mut refs: Vec<BlobId> = with.refs.iter().map(|number| blob(*number)).collect();
    refs.sort();
    let output = Output { out: blob(number), val: None, refs, warn: Vec::new() };
    let boxed = |number: &u64| Box::new(bytes(*number)) as Box<dyn Parts>;
    let ran = Ran {
        receipt: Made::Known(Receipt::new(definition(number), Outcome::Value(output))),
        us: with.us,
        inputs: Inputs::Unknown,
        object: Some(boxed(&number)),
        refs: with.refs.iter().map(boxed).collect(),
        settles: false,
        until: with.until,
    };
    Entry { what: What::Run(ran), lam: 0, claim: None }
}

/// Stores entries, in a segment of their own.
pub(in crate::gc) fn put(store: &Arc<Store>, entries: Vec<Entry>) {
    let writer = store.writer(None).unwrap();
    entries.into_iter().for_each(|entry| writer.submit(entry).unwrap());
    let summary = writer.finish().unwrap();
    assert!(summary.error.is_none() && summary.left == 0, "{summary:?}");
}

pub(in crate::gc) fn here(store: &Store, numbers: std::ops::Range<u64>) -> Vec<u64> {
    numbers.filter(|number| store.has(blob(*number)).unwrap()).collect()
}

pub(in crate::gc) fn sweep(store: &Store, options: &Options) -> Report {
    collect(store, &Tree::new(store.layout()), options).unwrap()
}

/// All that may go.
pub(in crate::gc) fn everything() -> Options {
    let limits = Limits { bytes: Some(1), ..Limits::default() };
    Options { limits, now_ms: LATER_MS, ..Options::default() }
}
