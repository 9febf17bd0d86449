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
