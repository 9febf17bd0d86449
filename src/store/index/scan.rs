//! Rows in the memory of one process, made from the segments alone.
//!
//! For stores that this process may not write, for stores in memory, and for tests to compare with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::id::BlobId;
use crate::store::index::ask::{
    Change, Folder, Index, MemoRow, ObjectRow, RunRow, SegmentId, SegmentRow, Spot, Stamp, Table,
};
use crate::store::index::error::Error;

/// An index in memory.
#[derive(Default)]
pub struct Scan {
    rows: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: SegmentId,
    nodes: HashMap<u64, Vec<Spot>>,
    cuts: HashMap<u64, Vec<Spot>>,
    smalls: HashMap<u64, Vec<Spot>>,
    pins: BTreeSet<Spot>,
    segments: BTreeMap<SegmentId, SegmentRow>,
    stamps: HashMap<Folder, Stamp>,
    objects: HashMap<BlobId, ObjectRow>,
    memos: HashMap<PathBuf, MemoRow>,
    runs: BTreeMap<String, RunRow>,
    days: HashMap<SegmentId, u64>,
    walked: Option<u64>,
}

impl Scan {
    /// Begins with no rows.
    pub fn new() -> Self {
        Self::default()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn table(&self, table: Table) -> &HashMap<u64, Vec<Spot>> {
        match table {
            Table::Node => &self.nodes,
            Table::Cut => &self.cuts,
            Table::Small => &self.smalls,
        }
    }

    fn apply(&mut self, change: &Change) -> Vec<SegmentId> {
        for id in &change.gone {
            self.segments.remove(id);
            self.pins.retain(|spot| spot.segment != *id);
            self.days.remove(id);
        }
        for (id, rows) in &change.moved {
            self.segments.remove(id);
            self.pins.retain(|spot| spot.segment != *id);
            self.days.remove(id);
            for (table, rows) in [
                (&mut self.nodes, &rows.nodes),
                (&mut self.cuts, &rows.cuts),
                (&mut self.smalls, &rows.smalls),
            ] {
                for (key, _) in rows {
                    if let Some(spots) = table.get_mut(key) {
                        spots.retain(|spot| spot.segment != *id);
                    }
                }
            }
        }
        let mut ids = Vec::with_capacity(change.segments.len());
        for (row, rows) in &change.segments {
            let there = self
                .segments
                .iter()
                .find(|(_, there)| (there.writer, there.name) == (row.writer, row.name))
                .map(|(id, _)| *id);
            let segment = there.unwrap_or(self.next + 1);
            self.next = self.next.max(segment);
            self.segments.insert(segment, row.clone());
            self.days.entry(segment).or_insert_with(|| change.day.unwrap_or_else(today));
            for (table, rows, one) in [
                (&mut self.nodes, &rows.nodes, false),
                (&mut self.cuts, &rows.cuts, false),
                (&mut self.smalls, &rows.smalls, true),
            ] {
                for (key, position) in rows {
                    let spots = table.entry(*key).or_default();
                    let spot = Spot { segment, position: *position };
                    let is_there = |there: &Spot| *there == spot || one && there.segment == segment;
                    if !spots.iter().any(is_there) {
                        spots.push(spot);
                        spots.sort_unstable();
                    }
                }
            }
            self.pins
                .extend(rows.pins.iter().map(|position| Spot { segment, position: *position }));
            ids.push(segment);
        }
        self.stamps.extend(change.stamps.iter().copied());
        for row in &change.objects {
            let kept = self.objects.entry(row.id).or_insert(ObjectRow { uses: 0, ..*row });
            if row.proof.inode != 0 {
                kept.proof = row.proof;
            }
            kept.until_ms = kept.until_ms.max(row.until_ms);
            kept.used = kept.used.max(row.used);
            kept.uses += row.uses;
            kept.cost_us = kept.cost_us.max(row.cost_us);
        }
        for (id, used, uses) in &change.used {
            if let Some(row) = self.objects.get_mut(id) {
                row.used = row.used.max(*used);
                row.uses += uses;
            }
        }
        for id in &change.lost {
            self.objects.remove(id);
        }
        for (id, day) in &change.read {
            if let Some(last) = self.days.get_mut(id) {
                *last = (*last).max(*day);
            }
        }
        self.walked = change.walked.or(self.walked);
        ids
    }
}

fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}

impl Index for Scan {
    fn spots(&self, table: Table, key: u64) -> Result<Vec<Spot>, Error> {
        Ok(self.held().table(table).get(&key).cloned().unwrap_or_default())
    }

    fn known(&self, table: Table, keys: &[u64]) -> Result<Vec<u64>, Error> {
        let held = self.held();
        let table = held.table(table);
        Ok(keys.iter().copied().filter(|key| table.contains_key(key)).collect())
    }

    fn segment(&self, id: SegmentId) -> Result<Option<SegmentRow>, Error> {
        Ok(self.held().segments.get(&id).cloned())
    }

    fn segments(&self) -> Result<Vec<(SegmentId, SegmentRow)>, Error> {
        let held = self.held();
        let mut rows: Vec<_> = held.segments.iter().map(|(id, row)| (*id, row.clone())).collect();
        rows.sort_by_key(|(_, row)| (row.writer, row.name));
        Ok(rows)
    }

    fn stamps(&self) -> Result<HashMap<Folder, Stamp>, Error> {
        Ok(self.held().stamps.clone())
    }

    fn pins(&self) -> Result<Vec<Spot>, Error> {
        Ok(self.held().pins.iter().copied().collect())
    }

    fn object(&self, id: BlobId) -> Result<Option<ObjectRow>, Error> {
        Ok(self.held().objects.get(&id).copied())
    }

    fn objects(&self, visit: &mut dyn FnMut(ObjectRow)) -> Result<(), Error> {
        self.held().objects.values().copied().for_each(visit);
        Ok(())
    }

    fn walked(&self) -> Result<Option<u64>, Error> {
        Ok(self.held().walked)
    }

    fn days(&self) -> Result<HashMap<SegmentId, u64>, Error> {
        Ok(self.held().days.clone())
    }

    fn apply(&self, change: &Change) -> Result<Vec<SegmentId>, Error> {
        Ok(self.held().apply(change))
    }

    fn memos(&self) -> Result<Vec<PathBuf>, Error> {
        let mut paths: Vec<PathBuf> = self.held().memos.keys().cloned().collect();
        paths.sort();
        Ok(paths)
    }

    fn memo(&self, path: &Path) -> Result<Option<MemoRow>, Error> {
        Ok(self.held().memos.get(path).copied())
    }

    fn remember(&self, path: &Path, row: Option<&MemoRow>) -> Result<(), Error> {
        let memos = &mut self.held().memos;
        match row {
            Some(row) => memos.insert(path.to_owned(), *row),
            None => memos.remove(path),
        };
        Ok(())
    }

    fn begin(&self, run: &RunRow) -> Result<(), Error> {
        self.held().runs.insert(run.name.clone(), run.clone());
        Ok(())
    }

    fn runs(&self) -> Result<Vec<RunRow>, Error> {
        let mut runs: Vec<RunRow> = self.held().runs.values().cloned().collect();
        runs.sort_by(|a, b| (a.began, &a.name).cmp(&(b.began, &b.name)));
        Ok(runs)
    }

    fn forget(&self, run: &str) -> Result<(), Error> {
        self.held().runs.remove(run);
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
