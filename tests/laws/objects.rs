//! Objects: a map from names to bytes, whatever happened before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vox::id::{BlobId, Digest};
use vox::store::object::layout::Layout;
use vox::store::object::memory::Memory;
use vox::store::object::objects::{Pending, Sweep};
use vox::store::object::tree::Tree;

keeps_the_laws!(tree, [every_history_leaves_a_map, every_name_is_that_of_its_bytes]);
keeps_the_laws!(memory, [every_history_leaves_a_map, every_name_is_that_of_its_bytes]);

/// Makes a store, hands it to a law, and throws it away.
type Fresh<'a> = &'a dyn Fn(&dyn Fn(&dyn Sweep));

fn tree(law: impl Fn(Fresh<'_>)) {
    law(&|with| {
        let folder = tempfile::tempdir().unwrap();
        with(&Tree::new(&Layout::new(folder.path())));
    });
}

fn memory(law: impl Fn(Fresh<'_>)) {
    law(&|with| with(&Memory::default()));
}

#[derive(Clone, Debug)]
enum Step {
    /// Values are put and settled together; some come twice.
    Store(Vec<u8>),
    /// Values are put, and nobody settles them.
    GiveUp(u8),
    Remove(u8),
    SetAside(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::vec(0u8..12, 0..5).prop_map(Step::Store),
        (0u8..12).prop_map(Step::GiveUp),
        (0u8..12).prop_map(Step::Remove),
        (0u8..12).prop_map(Step::SetAside),
    ]
}

/// Small and large values, one of several frames.
fn bytes(number: u8) -> Vec<u8> {
    let len = [1, 100, 5000, 70_000, 1_100_000][usize::from(number) % 5];
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 28) as u8 ^ number).collect()
}

fn name(number: u8) -> BlobId {
    BlobId(Digest::of(&bytes(number)))
}

fn every_history_leaves_a_map(fresh: Fresh<'_>) {
    let history = proptest::collection::vec(step(), 0..12);
    let mut runner = TestRunner::new(Config::with_cases(24));
    runner
        .run(&history, |history| {
            fresh(&|store| {
                let mut model: BTreeMap<BlobId, u8> = BTreeMap::new();
                for step in &history {
                    follow(store, step, &mut model);
                    for number in 0..12 {
                        assert_eq!(
                            store.has(name(number)).unwrap(),
                            model.contains_key(&name(number))
                        );
                    }
                }
                let mut seen = Vec::new();
                store.walk(&mut |id, size| seen.push((id, size))).unwrap();
                seen.sort_unstable();
                let stored = |id: &BlobId| store.open(*id).unwrap().unwrap().stored_len() as u64;
                let all: Vec<_> = model.keys().map(|id| (*id, stored(id))).collect();
                assert_eq!(seen, all);
            });
            Ok(())
        })
        .unwrap();
}

fn follow(store: &dyn Sweep, step: &Step, model: &mut BTreeMap<BlobId, u8>) {
    match step {
        Step::Store(numbers) => {
            let put = |number: &u8| store.put(&[&bytes(*number)]).unwrap();
            let batch: Vec<Pending> = numbers.iter().map(put).collect();
            let settled = store.settle(batch).unwrap();
            assert_eq!(settled.len(), numbers.len());
            for ((id, _), number) in settled.iter().zip(numbers) {
                assert_eq!(*id, name(*number));
                model.insert(*id, *number);
            }
            for (id, _) in settled {
                let blob = store.open(id).unwrap().unwrap();
                let mut out = vec![0; blob.len()];
                blob.fill_proved(&mut out).unwrap();
                assert!(out == bytes(model[&id]));
            }
        }
        Step::GiveUp(number) => drop(store.put(&[&bytes(*number)]).unwrap()),
        Step::Remove(number) => {
            let was_there = model.remove(&name(*number)).is_some();
            assert_eq!(store.remove(name(*number)).unwrap().is_some(), was_there);
        }
        Step::SetAside(number) => match store.stat(name(*number)).unwrap() {
            Some(proof) => {
                assert!(store.set_aside(name(*number), &proof).unwrap());
                assert!(model.remove(&name(*number)).is_some());
            }
            None => assert!(!model.contains_key(&name(*number))),
        },
    }
}

fn every_name_is_that_of_its_bytes(fresh: Fresh<'_>) {
    let pieces = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..5);
    let mut runner = TestRunner::new(Config::with_cases(32));
    runner
        .run(&pieces, |pieces| {
            fresh(&|store| {
                let parts: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                let pending = store.put(&parts).unwrap();
                let whole = pieces.concat();
                assert_eq!(pending.id(), BlobId(Digest::of(&whole)));
                assert_eq!(pending.len(), whole.len() as u64);
                let id = pending.id();
                store.settle(vec![pending]).unwrap();
                let sent = store.open(id).unwrap().unwrap().stored().to_vec();
                // What one store has, another takes as it is; and no other bytes under that name.
                fresh(&|other| {
                    let taken = other.settle(vec![other.receive(id, &sent).unwrap()]).unwrap();
                    assert_eq!(taken[0].0, id);
                    assert_eq!(other.open(id).unwrap().unwrap().stored(), sent);
                    let lie = BlobId(Digest::of(b"another"));
                    assert!(other.receive(lie, &sent).unwrap_err().is_damage());
                });
            });
            Ok(())
        })
        .unwrap();
}
