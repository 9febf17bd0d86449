//! Segments become rows.
//!
//! Opening compares the folders' times with those of the last listing and lists only what changed. A
//! time is stored by a listing only, read before it began, and only when it was older than two
//! seconds by then: a file that arrives within the same tick of the file system's clock would stay
//! hidden for ever. Sealing stores none, for the same reason.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::id::{BlobId, Digest, NodeId};
use crate::store::index::ask::{Change, Folder, Index, Rows, SegmentId, SegmentRow, Stamp, Table};
use crate::store::index::segments::{Error, reason};
use crate::store::log::definition::Definition;
use crate::store::log::error::Error as LogError;
use crate::store::log::list::{self, Found};
use crate::store::log::reader::SegmentReader;
use crate::store::log::receipt::Receipt;
use crate::store::log::record::{Body, Record};
use crate::store::log::segment::Position;
use crate::store::object::disk;
use crate::store::object::layout::{Layout, SegmentName, WriterId};
use crate::store::object::proof::Proof;

/// A time is trusted when it was this old before the listing began.
const SETTLED_NS: i64 = 2_000_000_000;
/// Segments that are read beside each other and told in one transaction.
const TOGETHER: usize = 64;

/// What listing again found.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Listed {
    /// How many segments are new.
    pub added: usize,
    /// How many are gone.
    pub gone: usize,
    /// Which are ignored, and why.
    pub bad: Vec<(PathBuf, String)>,
}

/// What a listing has to do.
#[derive(Default)]
struct Work {
    stamps: Vec<(Folder, Stamp)>,
    found: Vec<Found>,
    gone: Vec<SegmentId>,
}

/// Compares the log's folders with the index, and brings in what changed.
///
/// With `durable`, a segment is made durable before it gets its rows: whoever wrote it may have died
/// before its last sync, and what has rows is acknowledged again without being written again.
pub fn refresh(
    layout: &Layout,
    index: &dyn Index,
    now_ns: i64,
    durable: bool,
) -> Result<Listed, Error> {
    index.check()?;
    let known = index.stamps()?;
    let mut listing = Listing { known: &known, now_ns, work: Work::default() };
    let mut rows: Option<Known> = None;
    let mut seen: BTreeSet<(WriterId, u64)> = BTreeSet::new();
    let log_changed = listing.look(Folder::Log, &layout.log());
    let writers: BTreeSet<WriterId> = if log_changed {
        list::writers(layout)?.into_iter().collect()
    } else {
        known.keys().filter_map(writer_of).collect()
    };
    let mut changed = log_changed;
    for writer in &writers {
        let folders: BTreeSet<u64> =
            if listing.look(Folder::Writer(*writer), &layout.writer_log(*writer)) {
                changed = true;
                list::folders(layout, *writer)?.into_iter().map(|(number, _)| number).collect()
            } else {
                known.keys().filter_map(|folder| number_of(folder, *writer)).collect()
            };
        for number in folders {
            seen.insert((*writer, number));
            let path = layout.writer_log(*writer).join(format!("{number:08}"));
            if listing.look(Folder::Segments(*writer, number), &path) {
                let rows = match &mut rows {
                    Some(rows) => rows,
                    none => none.insert(Known::of(index)?),
                };
                let found = list::segments(layout, *writer, number)?;
                rows.compare(*writer, number, found, &mut listing.work);
            }
        }
    }
    if changed {
        // Whole folders may be gone.
        let rows = match &mut rows {
            Some(rows) => rows,
            none => none.insert(Known::of(index)?),
        };
        rows.all_but(&seen, &mut listing.work);
    }
    if durable {
        settle(layout, &listing.work.found)?;
    }
    take_in(index, listing.work)
}

/// Makes segments and their names durable.
fn settle(layout: &Layout, found: &[Found]) -> Result<(), LogError> {
    if found.is_empty() {
        return Ok(());
    }
    let there: Vec<PathBuf> =
        found.iter().map(|found| found.path.clone()).filter(|path| path.exists()).collect();
    let writers: BTreeSet<WriterId> = found.iter().map(|found| found.writer).collect();
    let mut above: Vec<PathBuf> =
        writers.into_iter().map(|writer| layout.writer_log(writer)).collect();
    above.extend([layout.log(), layout.objects()]);
    above.retain(|folder| folder.exists());
    Ok(disk::publish(Vec::new(), &there, &above)?)
}

/// Tells the index about new segments, in batches, and last how the folders looked.
fn take_in(index: &dyn Index, work: Work) -> Result<Listed, Error> {
    let mut listed = Listed { gone: work.gone.len(), ..Listed::default() };
    let mut change = Change { gone: work.gone, ..Change::default() };
    for found in work.found.chunks(TOGETHER) {
        let read: Vec<Option<(SegmentRow, Rows)>> =
            found.par_iter().map(read).collect::<Result<_, LogError>>()?;
        for ((row, rows), found) in read.into_iter().zip(found).filter_map(|(r, f)| Some((r?, f))) {
            match &row.bad {
                Some(reason) => listed.bad.push((found.path.clone(), reason.clone())),
                None => listed.added += 1,
            }
            change.segments.push((row, rows));
        }
        index.apply(&std::mem::take(&mut change))?;
    }
    change.stamps = work.stamps;
    index.apply(&change)?;
    Ok(listed)
}

/// Reads a segment that was found, and verifies it; none when it has gone again.
fn read(found: &Found) -> Result<Option<(SegmentRow, Rows)>, LogError> {
    let row = |proof, bad| SegmentRow { writer: found.writer, name: found.name, proof, bad };
    let reader = match SegmentReader::open(&found.path, true) {
        Ok(Some(reader)) => reader,
        Ok(None) => return Ok(None),
        Err(error) if error.is_damage() => {
            let proof = std::fs::metadata(&found.path).ok().map(|metadata| Proof::of(&metadata));
            return Ok(Some((row(proof, Some(reason(&error))), Rows::default())));
        }
        Err(error) => return Err(error),
    };
    let proof = Some(reader.proof());
    let rows = reader.verified(found.writer, &found.name).and_then(|segment| {
        let mut rows = Rows::default();
        for (place, bytes) in segment.records() {
            rows.add(place.position, &Keys::of(&Record::read(bytes)?)?);
        }
        Ok(rows)
    });
    match rows {
        Ok(rows) => Ok(Some((row(proof, None), rows))),
        Err(error) if error.is_damage() => {
            Ok(Some((row(proof, Some(reason(&error))), Rows::default())))
        }
        Err(error) => Err(error),
    }
}

/// By what a record is found.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Keys {
    /// The node that it is of.
    pub node: Option<NodeId>,
    /// Its cut-off key.
    pub cut: Option<Digest>,
    /// The small value that it holds.
    pub small: Option<BlobId>,
    /// Whether it is a pin.
    pub pin: bool,
}

impl Keys {
    /// Reads the keys from a record.
    pub fn of(record: &Record) -> Result<Self, LogError> {
        Ok(match &record.body {
            Body::Run(run) => Self::of_run(&Receipt::read(&run.receipt)?, run.inputs.as_deref()),
            Body::Def(def) => {
                Self { node: Some(NodeId(Digest::of(&def.definition))), ..Self::default() }
            }
            Body::Pin(_) => Self { pin: true, ..Self::default() },
            Body::Unknown(_) => Self::default(),
        })
    }

    /// Makes the keys of a run.
    pub fn of_run(receipt: &Receipt, inputs: Option<&[BlobId]>) -> Self {
        let cut = |inputs| Definition::cut(&receipt.definition, inputs);
        let output = receipt.output();
        Self {
            node: Some(receipt.node),
            cut: inputs.and_then(cut),
            small: output.filter(|output| output.val.is_some()).map(|output| output.out),
            pin: false,
        }
    }

    /// Returns the key that a table has for the record.
    pub fn key(&self, table: Table) -> Option<u64> {
        match table {
            Table::Node => self.node.map(|node| node.0.prefix()),
            Table::Cut => self.cut.map(|cut| cut.prefix()),
            Table::Small => self.small.map(|small| small.0.prefix()),
        }
    }
}

impl Rows {
    /// Adds the rows of one record.
    pub fn add(&mut self, position: Position, keys: &Keys) {
        let position = position.packed();
        let row = |table| keys.key(table).map(|key| (key, position));
        self.nodes.extend(row(Table::Node));
        self.cuts.extend(row(Table::Cut));
        self.smalls.extend(row(Table::Small));
        self.pins.extend(keys.pin.then_some(position));
    }
}

/// Compares folders with how they looked.
struct Listing<'a> {
    known: &'a HashMap<Folder, Stamp>,
    now_ns: i64,
    work: Work,
}

impl Listing<'_> {
    /// Says whether a folder must be listed, and if so notes how it looks now.
    fn look(&mut self, folder: Folder, path: &Path) -> bool {
        let never = Stamp { mtime_ns: 0, ctime_ns: 0 };
        let now = std::fs::metadata(path).map_or(never, |metadata| {
            let proof = Proof::of(&metadata);
            Stamp { mtime_ns: proof.mtime_ns, ctime_ns: proof.ctime_ns }
        });
        if now != never && self.known.get(&folder) == Some(&now) {
            return false;
        }
        let latest = now.mtime_ns.max(now.ctime_ns);
        let settled = latest.saturating_add(SETTLED_NS) <= self.now_ns;
        // One that may still change unseen is remembered as one that always changed: its parent may
        // look the same for ever, and then the row is what leads here.
        self.work.stamps.push((folder, if settled { now } else { never }));
        true
    }
}

/// The segments that the index has, by folder.
struct Known {
    rows: HashMap<(WriterId, u64), HashMap<SegmentName, (SegmentId, SegmentRow)>>,
}

impl Known {
    fn of(index: &dyn Index) -> Result<Self, Error> {
        let mut rows: HashMap<_, HashMap<_, _>> = HashMap::new();
        for (id, row) in index.segments()? {
            let folder = (row.writer, row.name.folder());
            rows.entry(folder).or_default().insert(row.name, (id, row));
        }
        Ok(Self { rows })
    }

    fn compare(&mut self, writer: WriterId, number: u64, found: Vec<Found>, work: &mut Work) {
        let mut there = self.rows.remove(&(writer, number)).unwrap_or_default();
        for found in found {
            let row = there.remove(&found.name).map(|(_, row)| row);
            // Only what was damaged is looked at again: a look at each would make every refresh as dear as the
            // whole log, on a network file system above all.
            let now = || std::fs::metadata(&found.path).ok().map(|m| Proof::of(&m));
            let again = row.is_none_or(|row| row.bad.is_some() && row.proof != now());
            if again {
                work.found.push(found);
            }
        }
        work.gone.extend(there.into_values().map(|(id, _)| id));
    }

    fn all_but(&mut self, seen: &BTreeSet<(WriterId, u64)>, work: &mut Work) {
        let already: HashSet<SegmentId> = work.gone.iter().copied().collect();
        for (folder, rows) in &self.rows {
            if !seen.contains(folder) {
                let ids = rows.values().map(|(id, _)| *id).filter(|id| !already.contains(id));
                work.gone.extend(ids);
            }
        }
    }
}

fn writer_of(folder: &Folder) -> Option<WriterId> {
    match folder {
        Folder::Log => None,
        Folder::Writer(writer) | Folder::Segments(writer, _) => Some(*writer),
    }
}

fn number_of(folder: &Folder, of: WriterId) -> Option<u64> {
    match folder {
        Folder::Segments(writer, number) if *writer == of => Some(*number),
        _ => None,
    }
}
