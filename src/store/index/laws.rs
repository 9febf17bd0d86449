//! What every index promises.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use crate::id::{BlobId, Digest, NodeId};
use crate::store::index::ask::{
    Change, Folder, Index, MemoRow, ObjectRow, Rows, RunRow, SegmentId, SegmentRow, Spot, Stamp,
    Table, Tally, unproved,
};
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::proof::Proof;

fn segment(writer: u8, first: u64) -> SegmentRow {
    let name = SegmentName { first, last: first + 9, digest: [7; 8] };
    SegmentRow { writer: WriterId([writer; 16]), name, proof: None, bad: None }
}

fn proof(inode: u64) -> Proof {
    Proof { inode, size: 10, mtime_ns: -3, ctime_ns: 1 << 60 }
}

fn apply(index: &dyn Index, change: Change) -> Vec<SegmentId> {
    index.apply(&change).unwrap()
}

fn add(index: &dyn Index, row: SegmentRow, rows: Rows) -> SegmentId {
    apply(index, Change { segments: vec![(row, rows)], ..Change::default() })[0]
}

fn what_is_told_is_answered(index: &dyn Index) {
    let rows = Rows {
        nodes: vec![(u64::MAX, 5), (3, 9), (3, 2)],
        cuts: vec![(8, 5)],
        smalls: vec![(4, 1), (4, 2)],
        pins: vec![77],
    };
    let one = add(index, segment(1, 1), rows.clone());
    let two = add(index, segment(1, 11), rows);
    assert_ne!(one, two);
    let spot = |segment, position| Spot { segment, position };
    assert_eq!(index.spots(Table::Node, u64::MAX).unwrap(), [spot(one, 5), spot(two, 5)]);
    assert_eq!(index.spots(Table::Node, 3).unwrap().len(), 4);
    assert_eq!(index.spots(Table::Node, 4).unwrap(), []);
    assert_eq!(index.spots(Table::Cut, 8).unwrap().len(), 2);
    assert_eq!(index.spots(Table::Small, 4).unwrap(), [spot(one, 1), spot(two, 1)]);
    assert_eq!(index.pins().unwrap(), [spot(one, 77), spot(two, 77)]);
    assert_eq!(index.known(Table::Node, &[3, 4, u64::MAX]).unwrap(), [3, u64::MAX]);
    assert_eq!(index.segment(two).unwrap(), Some(segment(1, 11)));
    assert_eq!(index.segments().unwrap().len(), 2);
}

fn many_rows_are_all_found(index: &dyn Index) {
    let key = |at: u64| Digest::of(&at.to_le_bytes()).prefix();
    let each = 30_000;
    for part in 0..6 {
        let nodes = (0..each).map(|at| (key(part * each + at), at)).collect();
        add(index, segment(1, 1 + part * 10), Rows { nodes, ..Rows::default() });
    }
    for at in (0..6 * each).step_by(997) {
        let spots = index.spots(Table::Node, key(at)).unwrap();
        assert_eq!(spots.iter().map(|spot| spot.position).collect::<Vec<_>>(), [at % each]);
    }
    assert_eq!(index.known(Table::Node, &[key(0), key(7 * each)]).unwrap(), [key(0)]);
}

fn a_segment_told_twice_keeps_its_id(index: &dyn Index) {
    let rows = Rows { nodes: vec![(3, 9)], ..Rows::default() };
    let one = add(index, segment(1, 1), rows.clone());
    let proved = SegmentRow { proof: Some(proof(4)), ..segment(1, 1) };
    assert_eq!(add(index, proved.clone(), rows), one);
    assert_eq!(index.segment(one).unwrap(), Some(proved));
    assert_eq!(index.spots(Table::Node, 3).unwrap().len(), 1);
}

fn a_segment_that_is_gone_is_no_longer_known(index: &dyn Index) {
    let rows = Rows { pins: vec![1], ..Rows::default() };
    let one = add(index, segment(1, 1), rows.clone());
    apply(index, Change { gone: vec![one], ..Change::default() });
    assert_eq!(index.segment(one).unwrap(), None);
    assert_eq!(index.pins().unwrap(), []);
    assert_ne!(add(index, segment(2, 1), rows), one, "an id is never used again");
}

fn rows_of_a_moved_segment_go_and_days_only_grow(index: &dyn Index) {
    let rows = Rows { nodes: vec![(3, 9)], cuts: vec![(4, 9)], ..Rows::default() };
    let one = add(index, segment(1, 1), rows.clone());
    assert!(index.days().unwrap()[&one] > 20_000, "today");
    let moved = Change {
        segments: vec![(segment(1, 11), rows.clone())],
        moved: vec![(one, rows)],
        day: Some(5),
        ..Change::default()
    };
    let two = apply(index, moved)[0];
    let spot = Spot { segment: two, position: 9 };
    assert_eq!(index.spots(Table::Node, 3).unwrap(), [spot]);
    assert_eq!(index.spots(Table::Cut, 4).unwrap(), [spot]);
    assert_eq!((index.segment(one).unwrap(), index.segments().unwrap().len()), (None, 1));
    for (day, last) in [(7, 7), (6, 7)] {
        apply(index, Change { read: vec![(two, day), (one, day)], ..Change::default() });
        assert_eq!(index.days().unwrap(), [(two, last)].into());
    }
    assert_eq!(index.walked().unwrap(), None);
    apply(index, Change { walked: Some(3), ..Change::default() });
    assert_eq!(index.walked().unwrap(), Some(3));
}

fn uses_add_up_and_the_last_one_counts(index: &dyn Index) {
    let id = BlobId(Digest::of(b"a"));
    let row = ObjectRow { id, proof: proof(1), used: 5, uses: 1, cost_us: 9, until_ms: 7 };
    apply(index, Change { objects: vec![row], ..Change::default() });
    let used = vec![(id, 8, 2), (BlobId(Digest::of(b"b")), 9, 1)];
    apply(index, Change { used, ..Change::default() });
    let again = ObjectRow { proof: proof(2), used: 6, uses: 1, cost_us: 3, until_ms: 0, ..row };
    apply(index, Change { objects: vec![again], ..Change::default() });
    let seen = ObjectRow { proof: unproved(77), used: 1, uses: 0, ..again };
    apply(index, Change { objects: vec![seen], ..Change::default() });
    let sum = ObjectRow { proof: proof(2), used: 8, uses: 4, cost_us: 9, ..row };
    assert_eq!(index.object(id).unwrap(), Some(sum));
    let mut all = Vec::new();
    index.objects(&mut |row| all.push(row)).unwrap();
    assert_eq!(all, [sum]);
    assert_eq!(index.objects_among(&[BlobId(Digest::of(b"b")), id]).unwrap(), [sum]);
    let tally = |now| index.tally(4, now).unwrap();
    let one = Tally { objects: 1, bytes: 12, expired: 1, expired_bytes: 12 };
    assert_eq!(tally(8), one);
    assert_eq!(tally(7), Tally { expired: 0, expired_bytes: 0, ..one });
    apply(index, Change { lost: vec![id], ..Change::default() });
    assert_eq!(index.object(id).unwrap(), None);
}

fn folders_files_and_runs_are_remembered(index: &dyn Index) {
    let writer = WriterId([9; 16]);
    let stamp = |mtime_ns| Stamp { mtime_ns, ctime_ns: 2 };
    let stamps = vec![
        (Folder::Log, stamp(1)),
        (Folder::Writer(writer), stamp(2)),
        (Folder::Segments(writer, 0), stamp(3)),
    ];
    apply(index, Change { stamps: stamps.clone(), ..Change::default() });
    assert_eq!(index.stamps().unwrap(), stamps.into_iter().collect());
    let path = Path::new("/a");
    let row = MemoRow { proof: proof(1), digest: Digest::of(b"x") };
    index.remember(path, Some(&row)).unwrap();
    assert_eq!(index.memo(path).unwrap(), Some(row));
    assert_eq!(index.memos().unwrap(), [path]);
    index.remember(path, None).unwrap();
    assert_eq!(index.memo(path).unwrap(), None);
    let goals = vec![("b".to_owned(), NodeId(row.digest)), ("a".to_owned(), NodeId(row.digest))];
    let run = RunRow { name: "r".to_owned(), began: 4, goals };
    index.begin(&run).unwrap();
    assert_eq!(index.runs().unwrap(), [run]);
    index.forget("r").unwrap();
    assert_eq!(index.runs().unwrap(), []);
}

macro_rules! keeps_the_laws {
    ($name:ident, $make:expr, [$($law:ident),* $(,)?]) => {
        mod $name {
            $(#[test]
            fn $law() {
                let dir = tempfile::tempdir().unwrap();
                #[allow(clippy::redundant_closure_call, reason = "the macro is given a closure")]
                let index = ($make)(&dir.path().join("index.sqlite"));
                super::$law(&index);
            })*
        }
    };
}

keeps_the_laws!(
    sqlite,
    |path: &std::path::Path| {
        use crate::store::index::sqlite::{Journal, Sqlite};
        Sqlite::open(path, Journal::Wal).unwrap()
    },
    [
        what_is_told_is_answered,
        many_rows_are_all_found,
        a_segment_told_twice_keeps_its_id,
        a_segment_that_is_gone_is_no_longer_known,
        rows_of_a_moved_segment_go_and_days_only_grow,
        uses_add_up_and_the_last_one_counts,
        folders_files_and_runs_are_remembered,
    ]
);
keeps_the_laws!(
    scan,
    |_: &std::path::Path| crate::store::index::scan::Scan::new(),
    [
        what_is_told_is_answered,
        many_rows_are_all_found,
        a_segment_told_twice_keeps_its_id,
        a_segment_that_is_gone_is_no_longer_known,
        rows_of_a_moved_segment_go_and_days_only_grow,
        uses_add_up_and_the_last_one_counts,
        folders_files_and_runs_are_remembered,
    ]
);
