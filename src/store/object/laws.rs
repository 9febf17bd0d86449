//! The laws that every store of objects keeps.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::id::{BlobId, Digest};
use crate::store::object::layout::Layout;
use crate::store::object::memory::Memory;
use crate::store::object::objects::{Pending, Sweep};
use crate::store::object::tree::Tree;

/// Runs each law on a fresh store.
macro_rules! keeps_the_laws {
    ($name:ident, [$($law:ident),* $(,)?]) => {
        mod $name {
            $(#[test]
            fn $law() {
                super::$name(|store| super::$law(store));
            })*
        }
    };
}

macro_rules! every_store_keeps_the_laws {
    ($laws:tt) => {
        keeps_the_laws!(tree, $laws);
        keeps_the_laws!(memory, $laws);
    };
}

every_store_keeps_the_laws!([
    what_is_put_can_be_opened,
    the_same_bytes_have_the_same_name,
    nothing_is_here_before_it_is_settled,
    what_is_removed_is_not_here,
    a_bad_object_is_set_aside_once,
    what_a_peer_sends_is_proved,
    a_walk_visits_all,
]);

fn tree(law: impl Fn(&dyn Sweep)) {
    let folder = tempfile::tempdir().unwrap();
    law(&Tree::new(&Layout::new(folder.path())));
}

fn memory(law: impl Fn(&dyn Sweep)) {
    law(&Memory::default());
}

fn some(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 27) as u8).collect()
}

fn stored(store: &dyn Sweep, bytes: &[u8]) -> BlobId {
    let pending = store.put(&[bytes]).unwrap();
    let id = pending.id();
    let settled = store.settle(vec![pending]).unwrap();
    assert_eq!(settled.len(), 1);
    assert_eq!(settled[0].0, id);
    assert_eq!(store.stat(id).unwrap(), Some(settled[0].1));
    id
}

fn what_is_put_can_be_opened(store: &dyn Sweep) {
    for len in [1, 4097, 100_000, 3_000_000, 9_500_000] {
        let bytes = some(len);
        let (head, rest) = bytes.split_at(len / 5);
        let pending = store.put(&[head, rest]).unwrap();
        assert_eq!(pending.id(), BlobId(Digest::of(&bytes)));
        assert_eq!(pending.len(), len as u64);
        let id = pending.id();
        let (stored_len, settled) = (pending.stored_len(), store.settle(vec![pending]).unwrap());
        let blob = store.open(id).unwrap().unwrap();
        assert_eq!(settled, [(id, blob.proof())]);
        assert_eq!((blob.len(), blob.stored_len() as u64), (len, stored_len));
        let mut out = vec![0; len];
        blob.fill(&mut out).unwrap();
        assert!(out == bytes);
        blob.fill_proved(&mut out).unwrap();
        assert_eq!(blob.digest().unwrap(), id.0);
        blob.prove().unwrap();
        assert_eq!(blob.prefix(100).unwrap(), &bytes[..len.min(100)]);
        assert!(zstd::stream::decode_all(blob.stored()).unwrap() == bytes);
    }
}

fn the_same_bytes_have_the_same_name(store: &dyn Sweep) {
    let bytes = some(10_000);
    let id = stored(store, &bytes);
    assert_eq!(stored(store, &bytes), id);
    let two: Vec<Pending> = (0..2).map(|_| store.put(&[b"twice"]).unwrap()).collect();
    let settled = store.settle(two).unwrap();
    assert_eq!(settled.len(), 2);
    assert_eq!(settled[0].0, settled[1].0);
    store.open(settled[0].0).unwrap().unwrap().prove().unwrap();
}

fn nothing_is_here_before_it_is_settled(store: &dyn Sweep) {
    let pending = store.put(&[b"pending"]).unwrap();
    let id = pending.id();
    assert!(!store.has(id).unwrap() && store.open(id).unwrap().is_none());
    drop(pending);
    assert!(!store.has(id).unwrap());
    store.walk(&mut |id, _| panic!("{id} is not here")).unwrap();
    assert!(store.settle(Vec::new()).unwrap().is_empty());
}

fn what_is_removed_is_not_here(store: &dyn Sweep) {
    let id = stored(store, b"to be removed");
    let blob = store.open(id).unwrap().unwrap();
    assert!(store.has(id).unwrap());
    assert!(store.remove(id).unwrap().is_some());
    assert!(store.remove(id).unwrap().is_none());
    assert!(!store.has(id).unwrap() && store.open(id).unwrap().is_none());
    blob.prove().unwrap();
    assert_eq!(stored(store, b"to be removed"), id);
}

fn a_bad_object_is_set_aside_once(store: &dyn Sweep) {
    let id = stored(store, b"bad");
    let bad = store.stat(id).unwrap().unwrap();
    let other = crate::store::object::proof::Proof { inode: bad.inode + 1, ..bad };
    assert!(!store.set_aside(id, &other).unwrap());
    assert!(store.has(id).unwrap());
    assert!(store.set_aside(id, &bad).unwrap());
    assert!(!store.has(id).unwrap());
    assert!(!store.set_aside(id, &bad).unwrap());
}

fn what_a_peer_sends_is_proved(store: &dyn Sweep) {
    let bytes = some(2_500_000);
    let sent = crate::store::object::frame::compress(&[&bytes]).concat();
    let id = BlobId(Digest::of(&bytes));
    let pending = store.receive(id, &sent).unwrap();
    assert_eq!(pending.len(), 2_500_000);
    assert_eq!(store.settle(vec![pending]).unwrap()[0].0, id);
    assert_eq!(store.open(id).unwrap().unwrap().stored(), sent);
    let lie = BlobId(Digest::of(b"something else"));
    assert!(store.receive(lie, &sent).unwrap_err().is_damage());
    assert!(store.receive(lie, b"").unwrap_err().is_damage());
    assert!(!store.has(lie).unwrap());
}

fn a_walk_visits_all(store: &dyn Sweep) {
    let pending: Vec<Pending> =
        (0..150u32).map(|at| store.put(&[&at.to_le_bytes()]).unwrap()).collect();
    let mut ids: Vec<(BlobId, u64)> =
        pending.iter().map(|pending| (pending.id(), pending.stored_len())).collect();
    assert_eq!(store.settle(pending).unwrap().len(), 150);
    let mut seen = Vec::new();
    store.walk(&mut |id, size| seen.push((id, size))).unwrap();
    ids.sort();
    seen.sort();
    assert_eq!(seen, ids);
}
