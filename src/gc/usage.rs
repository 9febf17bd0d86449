//! How much there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::gc::error::Error;
use crate::gc::policy::Fixed;
use crate::store::index::ask::{SegmentRow, Tally};
use crate::store::object::disk;
use crate::store::object::layout::{Layout, WriterId};
use crate::store::open::Store;

/// What a store takes on its disk.
///
/// Files count in whole blocks of the file system, as `du` counts them, and folders as they are; what
/// is in `local/` is a cache and counts apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The objects.
    pub objects: Tally,
    /// Segments of the log.
    pub segments: u64,
    /// Their bytes.
    pub log_bytes: u64,
    /// Bytes of the folders below `objects/`.
    pub folder_bytes: u64,
    /// The records of all segments.
    pub records: u64,
    /// Who wrote them.
    pub writers: BTreeSet<WriterId>,
    /// The bytes of a block.
    pub block: u64,
}

impl Usage {
    /// Asks the index; only folders are looked at, not files.
    pub fn of(store: &Store, now_ms: u64) -> Result<Self, Error> {
        let block = block(store.layout().root());
        let mut usage = Self { block, ..Self::default() };
        usage.objects = store.ask(|index| index.tally(block, now_ms))?;
        let rows = store.ask(|index| index.segments())?;
        for (_, row) in &rows {
            usage.segments += 1;
            usage.log_bytes += segment_bytes(row, block);
            if row.bad.is_none() {
                usage.records += row.name.records();
                usage.writers.insert(row.writer);
            }
        }
        usage.folder_bytes = folders(store.layout(), rows.iter().map(|(_, row)| row));
        Ok(usage)
    }

    /// Returns all bytes below `objects/`: what the limit is about.
    pub fn bytes(&self) -> u64 {
        self.objects.bytes + self.log_bytes + self.folder_bytes
    }

    /// Returns the part that does not go.
    pub fn fixed(&self) -> Fixed {
        Fixed { bytes: self.log_bytes + self.folder_bytes, files: self.segments }
    }
}

/// Returns the bytes of a segment's file, in whole blocks.
pub fn segment_bytes(row: &SegmentRow, block: u64) -> u64 {
    row.proof.map_or(0, |proof| proof.size.div_ceil(block) * block)
}

/// Returns the bytes of a block of the file system.
pub fn block(root: &Path) -> u64 {
    rustix::fs::statvfs(root).map_or(4096, |stat| stat.f_frsize.max(1))
}

/// Returns what is in `local/`, as it is on the disk.
pub fn local_bytes(layout: &Layout) -> u64 {
    let Ok(entries) = fs::read_dir(layout.local()) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|m| disk::allocated(&m)).sum()
}

fn folders<'a>(layout: &Layout, rows: impl Iterator<Item = &'a SegmentRow>) -> u64 {
    let size = |path: &Path| fs::symlink_metadata(path).map_or(0, |found| disk::allocated(&found));
    let objects = layout.objects();
    let fan = (0..=255u8).map(|byte| objects.join(format!("{byte:02x}")));
    let mut bytes = size(&objects) + size(&layout.log()) + fan.map(|path| size(&path)).sum::<u64>();
    let mut seen = BTreeSet::new();
    for row in rows {
        if seen.insert(layout.writer_log(row.writer)) {
            bytes += size(&layout.writer_log(row.writer));
        }
        let folder = layout.segment_folder(row.writer, row.name.first);
        if seen.insert(folder.clone()) {
            bytes += size(&folder);
        }
    }
    bytes
}
