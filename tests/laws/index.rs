//! The index: rows on disk and rows in memory answer alike.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use vox::id::{BlobId, Digest, NodeId};
use vox::store::index::ask::{
    Change, Folder, Index, MemoRow, ObjectRow, Rows, RunRow, SegmentId, SegmentRow, Spot, Stamp,
    Table,
};
use vox::store::index::scan::Scan;
use vox::store::index::sqlite::{Journal, Sqlite};
use vox::store::object::layout::{SegmentName, WriterId};
use vox::store::object::proof::Proof;

const KEYS: u64 = 6;

#[derive(Clone, Debug)]
enum Step {
    Segment(u8, u8, Rows),
    /// The segment that was told so many steps ago is gone.
    Gone(usize),
    /// The records of that one lie elsewhere now.
    Moved(usize, Rows),
    Stamp(u8, i64),
    Object(u8, u64, u64),
    Used(u8, u64),
    Lost(u8),
    Memo(u8, Option<u8>),
    Run(u8),
    Forget(u8),
}

fn rows() -> impl Strategy<Value = Rows> {
    let pairs = || proptest::collection::vec((0..KEYS, 0..4u64), 0..4);
    let pins = proptest::collection::vec(0..9u64, 0..3);
    (pairs(), pairs(), pairs(), pins).prop_map(|(nodes, cuts, smalls, pins)| Rows {
        nodes,
        cuts,
        smalls,
        pins,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..2, 0u8..3, rows()).prop_map(|(writer, at, rows)| Step::Segment(writer, at, rows)),
        1 => (0usize..4).prop_map(Step::Gone),
        1 => (0usize..4, rows()).prop_map(|(ago, rows)| Step::Moved(ago, rows)),
        1 => (0u8..3, 0i64..3).prop_map(|(folder, time)| Step::Stamp(folder, time)),
        1 => (0u8..3, 0u64..9, 0u64..9).prop_map(|(id, used, cost)| Step::Object(id, used, cost)),
        1 => (0u8..3, 0u64..9).prop_map(|(id, used)| Step::Used(id, used)),
        1 => (0u8..3).prop_map(Step::Lost),
        1 => (0u8..3, proptest::option::of(0u8..3)).prop_map(|(path, what)| Step::Memo(path, what)),
        1 => (0u8..3).prop_map(Step::Run),
        1 => (0u8..3).prop_map(Step::Forget),
    ]
}

fn proof(number: u64) -> Proof {
    Proof { inode: number, size: 7, mtime_ns: -(number as i64), ctime_ns: 1 << 60 }
}

fn folder(number: u8) -> Folder {
    let writer = WriterId([number; 16]);
    [Folder::Log, Folder::Writer(writer), Folder::Segments(writer, 3)][usize::from(number)]
}

fn blob(number: u8) -> BlobId {
    BlobId(Digest::of(&[number]))
}

/// An index and the segments that it was told, in order.
struct Told<'a> {
    index: &'a dyn Index,
    segments: Vec<SegmentId>,
}

impl Told<'_> {
    fn follow(&mut self, step: &Step) {
        let index = self.index;
        let mut change = Change::default();
        match step {
            Step::Segment(writer, at, rows) => {
                let first = u64::from(*at) * 10 + 1;
                let name = SegmentName { first, last: first + 9, digest: [*at; 8] };
                let proof = Some(proof(first));
                let row = SegmentRow { writer: WriterId([*writer; 16]), name, proof, bad: None };
                change.segments.push((row, rows.clone()));
            }
            Step::Gone(ago) => change.gone.extend(self.segments.iter().rev().nth(*ago)),
            Step::Moved(ago, rows) => {
                let id = self.segments.iter().rev().nth(*ago);
                change.moved.extend(id.map(|id| (*id, rows.clone())));
            }
            Step::Stamp(of, time) => {
                change.stamps.push((folder(*of), Stamp { mtime_ns: *time, ctime_ns: -time }));
            }
            Step::Object(of, used, cost_us) => {
                let (id, proof, used) = (blob(*of), proof(*used), *used);
                let until_ms = (*cost_us * 7) % 5;
                let cost_us = *cost_us;
                change.objects.push(ObjectRow { id, proof, used, uses: 1, cost_us, until_ms });
            }
            Step::Used(of, used) => change.used.push((blob(*of), *used, 2)),
            Step::Lost(of) => change.lost.push(blob(*of)),
            Step::Memo(path, what) => {
                let row = |of: u8| MemoRow { proof: proof(of.into()), digest: Digest::of(&[of]) };
                index.remember(&path_of(*path), what.map(row).as_ref()).unwrap();
            }
            Step::Run(number) => {
                let goals = vec![(format!("goal {number}"), NodeId(Digest::of(b"goal")))];
                if !index.runs().unwrap().iter().any(|run| run.name == number.to_string()) {
                    let began = u64::from(*number % 2);
                    index.begin(&RunRow { name: number.to_string(), began, goals }).unwrap();
                }
            }
            Step::Forget(number) => index.forget(&number.to_string()).unwrap(),
        }
        self.segments.extend(index.apply(&change).unwrap());
    }
}

fn path_of(number: u8) -> std::path::PathBuf {
    Path::new("/files").join(number.to_string())
}

/// Everything that may be asked, with segments by name: ids are each index's own.
fn answers(index: &dyn Index) -> String {
    let rows: BTreeMap<SegmentId, SegmentRow> = index.segments().unwrap().into_iter().collect();
    for (id, row) in &rows {
        assert_eq!(index.segment(*id).unwrap().as_ref(), Some(row));
    }
    let place = |spot: &Spot| {
        let row = rows.get(&spot.segment)?;
        Some((row.writer, row.name, spot.position))
    };
    let mut out = Vec::new();
    for table in [Table::Node, Table::Cut, Table::Small] {
        for key in 0..KEYS {
            let mut spots: Vec<_> =
                index.spots(table, key).unwrap().iter().filter_map(place).collect();
            spots.sort_unstable();
            if table == Table::Small {
                // One of a segment is enough, and any will do.
                for spot in &mut spots {
                    spot.2 = 0;
                }
            }
            let known = index.known(table, &[key]).unwrap();
            assert!(spots.is_empty() || known == [key], "{table:?} {key}");
            out.push(format!("{table:?} {key}: {spots:?}"));
        }
    }
    let mut pins: Vec<_> = index.pins().unwrap().iter().filter_map(place).collect();
    pins.sort_unstable();
    out.push(format!("{pins:?}"));
    let named: Vec<SegmentRow> =
        index.segments().unwrap().into_iter().map(|(_, row)| row).collect();
    out.push(format!("{named:?}"));
    let stamps: BTreeMap<_, _> = index.stamps().unwrap().into_iter().collect();
    out.push(format!("{stamps:?}"));
    let mut objects = Vec::new();
    index.objects(&mut |row| objects.push(row)).unwrap();
    objects.sort_unstable_by_key(|row| row.id);
    for row in &objects {
        assert_eq!(index.object(row.id).unwrap().as_ref(), Some(row));
    }
    out.push(format!("{objects:?}"));
    out.push(format!("{:?} {:?}", index.tally(3, 4).unwrap(), index.memos().unwrap()));
    for number in 0..3 {
        out.push(format!("{:?}", index.memo(&path_of(number)).unwrap()));
    }
    out.push(format!("{:?}", index.runs().unwrap()));
    out.join("\n")
}

#[test]
fn every_index_answers_alike_whatever_it_was_told() {
    let history = proptest::collection::vec(step(), 0..25);
    let mut runner = TestRunner::new(Config::with_cases(48));
    runner
        .run(&history, |history| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("index.sqlite");
            let (sqlite, scan) = (Sqlite::open(&path, Journal::Wal).unwrap(), Scan::new());
            let mut on_disk = Told { index: &sqlite, segments: Vec::new() };
            let mut in_memory = Told { index: &scan, segments: Vec::new() };
            for step in &history {
                on_disk.follow(step);
                in_memory.follow(step);
                assert_eq!(answers(&sqlite), answers(&scan), "after {step:?}");
            }
            let before = answers(&sqlite);
            drop(sqlite);
            let again = Sqlite::open(&path, Journal::Rollback).unwrap();
            assert_eq!(answers(&again), before, "opened again");
            Ok(())
        })
        .unwrap();
}

fn sqlite(law: impl Fn(&dyn Index)) {
    let dir = tempfile::tempdir().unwrap();
    law(&Sqlite::open(&dir.path().join("index.sqlite"), Journal::Wal).unwrap());
}

fn scan(law: impl Fn(&dyn Index)) {
    law(&Scan::new());
}

keeps_the_laws!(sqlite, [what_is_told_twice_is_told_once, an_empty_change_changes_nothing]);
keeps_the_laws!(scan, [what_is_told_twice_is_told_once, an_empty_change_changes_nothing]);

fn what_is_told_twice_is_told_once(index: &dyn Index) {
    let rows = Rows {
        nodes: vec![(1, 2), (1, 3)],
        cuts: vec![(2, 2)],
        smalls: vec![(3, 2)],
        pins: vec![4],
    };
    let mut told = Told { index, segments: Vec::new() };
    told.follow(&Step::Segment(1, 1, rows.clone()));
    told.follow(&Step::Stamp(2, 2));
    told.follow(&Step::Memo(1, Some(1)));
    let once = answers(index);
    assert!(once.contains("Node 1: [("), "{once}");
    told.follow(&Step::Segment(1, 1, rows));
    told.follow(&Step::Stamp(2, 2));
    told.follow(&Step::Memo(1, Some(1)));
    assert_eq!(answers(index), once);
    assert_eq!(told.segments[0], told.segments[1]);
}

fn an_empty_change_changes_nothing(index: &dyn Index) {
    let mut told = Told { index, segments: Vec::new() };
    told.follow(&Step::Segment(0, 2, Rows { nodes: vec![(5, 1)], ..Rows::default() }));
    let before = answers(index);
    assert!(Change::default().is_empty());
    assert_eq!(index.apply(&Change::default()).unwrap(), Vec::<SegmentId>::new());
    index.check().unwrap();
    assert_eq!(answers(index), before);
}
