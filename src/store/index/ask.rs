//! What may be asked of an index, and what it is told.
//!
//! An index is a cache of the log. It names places, not things: nodes, cut-off keys and small values
//! are found by the first eight bytes of their name, and whoever asks compares the whole name with
//! what the record says. So a row that is wrong costs time and never an answer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::id::{BlobId, Digest, NodeId};
use crate::store::index::error::Error;
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::object::proof::Proof;

/// A segment, in this index: never used again for another.
pub type SegmentId = i64;

/// The narrow tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Table {
    /// Runs and definitions, by node.
    Node,
    /// Runs that say what their arguments were, by cut-off key.
    Cut,
    /// Receipts that hold their value, by its `BlobId`.
    Small,
}

/// Where a record is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Spot {
    /// In which segment.
    pub segment: SegmentId,
    /// Its byte string's offset in the segment's uncompressed map.
    pub position: u64,
}

/// What is known of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentRow {
    /// Whose it is.
    pub writer: WriterId,
    /// Its file's name.
    pub name: SegmentName,
    /// What its file looked like when it was verified; none when it was not.
    pub proof: Option<Proof>,
    /// Why it is ignored.
    pub bad: Option<String>,
}

/// The rows that a segment's records make: first bytes of a key, and the position.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Rows {
    /// By node.
    pub nodes: Vec<(u64, u64)>,
    /// By cut-off key.
    pub cuts: Vec<(u64, u64)>,
    /// By small value: one of a segment is enough.
    pub smalls: Vec<(u64, u64)>,
    /// Positions of pins.
    pub pins: Vec<u64>,
}

/// What is known of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectRow {
    /// Which.
    pub id: BlobId,
    /// What its file looked like when its bytes were proved; its size is the bytes it takes.
    pub proof: Proof,
    /// When it was last used, in seconds since 1970.
    pub used: u64,
    /// How often it was used.
    pub uses: u64,
    /// What it costs to compute it again, in microseconds.
    pub cost_us: u64,
    /// When it may go, in milliseconds since 1970: 0 when nobody said, [`FOREVER`] when never.
    pub until_ms: u64,
}

/// The time of a result that never goes by itself.
pub const FOREVER: u64 = i64::MAX as u64;

/// The proof of an object that was seen and not yet proved: no file looks like it.
pub fn unproved(size: u64) -> Proof {
    Proof { inode: 0, size, mtime_ns: 0, ctime_ns: 0 }
}

/// What all objects take together.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// How many there are.
    pub objects: u64,
    /// Their bytes, each rounded up to whole blocks.
    pub bytes: u64,
    /// How many are past their time.
    pub expired: u64,
    /// The bytes of these.
    pub expired_bytes: u64,
}

impl Tally {
    /// Adds one.
    pub fn add(&mut self, row: &ObjectRow, block: u64, now_ms: u64) {
        let bytes = row.proof.size.div_ceil(block.max(1)) * block.max(1);
        self.objects += 1;
        self.bytes += bytes;
        if row.until_ms > 0 && row.until_ms < now_ms {
            self.expired += 1;
            self.expired_bytes += bytes;
        }
    }
}

/// What is known of an input or output file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoRow {
    /// What it looked like when it was read.
    pub proof: Proof,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// A folder of the log: the log itself, one writer's, or one of its folders of segments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Folder {
    /// The folder of all writers.
    Log,
    /// One writer's.
    Writer(WriterId),
    /// One of a writer's folders of segments.
    Segments(WriterId, u64),
}

/// When a folder last changed: mtime and ctime, in nanoseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Last modification.
    pub mtime_ns: i64,
    /// Last change of the inode.
    pub ctime_ns: i64,
}

/// A run that is, or was, going on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunRow {
    /// Its name, which is its lock file's.
    pub name: String,
    /// When it began, in seconds since 1970.
    pub began: u64,
    /// Its goals: label and node.
    pub goals: Vec<(String, NodeId)>,
}

/// What an index is told in one transaction.
#[derive(Clone, Default, Debug)]
pub struct Change {
    /// Segments, with the rows of their records.
    pub segments: Vec<(SegmentRow, Rows)>,
    /// Segments whose file is gone.
    pub gone: Vec<SegmentId>,
    /// Segments whose records lie elsewhere now, with the very rows that these had.
    pub moved: Vec<(SegmentId, Rows)>,
    /// The day, since 1970, on which a record of the new segments was last read; none means today.
    pub day: Option<u64>,
    /// Segments of which records were read, and on which day since 1970.
    pub read: Vec<(SegmentId, u64)>,
    /// When all objects were counted anew, in seconds since 1970.
    pub walked: Option<u64>,
    /// Folders that were listed, and how they looked before.
    pub stamps: Vec<(Folder, Stamp)>,
    /// Objects that were written or proved.
    pub objects: Vec<ObjectRow>,
    /// Objects that were used: when last, and how often more.
    pub used: Vec<(BlobId, u64, u64)>,
    /// Objects that are gone or bad.
    pub lost: Vec<BlobId>,
}

impl Change {
    /// Says whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
            && self.gone.is_empty()
            && self.moved.is_empty()
            && self.read.is_empty()
            && self.walked.is_none()
            && self.stamps.is_empty()
            && self.objects.is_empty()
            && self.used.is_empty()
            && self.lost.is_empty()
    }
}

/// Rows, wherever they lie: in `SQLite` for all processes of this host, or in the memory of one.
///
/// [`Error::Lost`] from any of these says that the index had to begin anew and is empty: list the
/// log again and ask again.
pub trait Index: Send + Sync {
    /// Lets go of what is held between questions: nothing is asked for a while, or the next answer
    /// must know what others wrote by now.
    fn rest(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Returns where records may be whose name begins with `key`, in the order of the segments.
    fn spots(&self, table: Table, key: u64) -> Result<Vec<Spot>, Error>;

    /// Returns those of the keys for which there is a spot; `keys` are in order.
    fn known(&self, table: Table, keys: &[u64]) -> Result<Vec<u64>, Error>;

    /// Returns a segment's row.
    fn segment(&self, id: SegmentId) -> Result<Option<SegmentRow>, Error>;

    /// Returns the rows of all segments, also of the bad ones, by writer and name.
    fn segments(&self) -> Result<Vec<(SegmentId, SegmentRow)>, Error>;

    /// Returns how folders looked when they were listed.
    fn stamps(&self) -> Result<HashMap<Folder, Stamp>, Error>;

    /// Returns the spots of all pins.
    fn pins(&self) -> Result<Vec<Spot>, Error>;

    /// Returns an object's row.
    fn object(&self, id: BlobId) -> Result<Option<ObjectRow>, Error>;

    /// Visits the rows of all objects.
    fn objects(&self, visit: &mut dyn FnMut(ObjectRow)) -> Result<(), Error>;

    /// Returns the rows of those of some objects that have one, in any order.
    fn objects_among(&self, ids: &[BlobId]) -> Result<Vec<ObjectRow>, Error> {
        let rows: Result<Vec<_>, _> = ids.iter().map(|id| self.object(*id)).collect();
        Ok(rows?.into_iter().flatten().collect())
    }

    /// Returns what all objects take, in blocks of so many bytes.
    fn tally(&self, block: u64, now_ms: u64) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        self.objects(&mut |row| tally.add(&row, block, now_ms))?;
        Ok(tally)
    }

    /// Returns when all objects were last counted anew, in seconds since 1970.
    fn walked(&self) -> Result<Option<u64>, Error>;

    /// Returns on which day since 1970 a record of each segment was last read.
    fn days(&self) -> Result<HashMap<SegmentId, u64>, Error>;

    /// Takes in a change, all of it or nothing; returns the ids of the change's segments.
    ///
    /// A segment that is there already keeps its id and its rows; what is new of it is its proof. Of
    /// an object the later use, the greater cost and the longer life stand; a proof of nothing
    /// replaces none.
    fn apply(&self, change: &Change) -> Result<Vec<SegmentId>, Error>;

    /// Returns what is known of a file.
    fn memo(&self, path: &Path) -> Result<Option<MemoRow>, Error>;

    /// Returns all files of which something is known.
    fn memos(&self) -> Result<Vec<PathBuf>, Error>;

    /// Remembers a file, or with `None` forgets it.
    fn remember(&self, path: &Path, row: Option<&MemoRow>) -> Result<(), Error>;

    /// Remembers a run.
    fn begin(&self, run: &RunRow) -> Result<(), Error>;

    /// Returns all runs that are remembered, in the order of their beginning.
    fn runs(&self) -> Result<Vec<RunRow>, Error>;

    /// Forgets a run.
    fn forget(&self, run: &str) -> Result<(), Error>;

    /// Begins anew when the rows lie no longer where they should, because somebody deleted them.
    fn check(&self) -> Result<(), Error>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

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
        let goals =
            vec![("b".to_owned(), NodeId(row.digest)), ("a".to_owned(), NodeId(row.digest))];
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
}
