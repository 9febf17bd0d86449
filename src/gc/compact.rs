//! Small segments become big ones: the same records, the same chain, fewer files.
//!
//! The bigger segment is durable before anything else changes; then its rows take the place of the old
//! ones in one transaction, and the old files go under `gc.lock`. A stop in between leaves both, which
//! is legal, and the next time the smaller ones are dropped because a bigger one covers them.

use std::collections::{BTreeSet, HashMap};

use crate::gc::error::{Error, lock_error};
use crate::gc::sweep::{self, How};
use crate::store::error::Error as StoreError;
use crate::store::index::ask::{Change, Rows, SegmentId, SegmentRow};
use crate::store::index::fill::Keys;
use crate::store::lock::{self, Lock};
use crate::store::log::append;
use crate::store::log::list::{self, Found};
use crate::store::log::reader::SegmentReader;
use crate::store::log::record::Record;
use crate::store::log::segment::{self, Segment};
use crate::store::object::disk;
use crate::store::object::layout::{SegmentName, WriterId};
use crate::store::open::Store;
use crate::store::writer::Floor;

/// Files below this many bytes are small.
const SMALL: u64 = 1 << 20;
/// A merged segment has about so many bytes before compression, as one that is sealed at once.
const MERGED: usize = 64 << 20;
/// So many files go while nobody seals.
const BATCH: usize = 256;

/// What was merged.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Compacted {
    /// Segments that went into bigger ones.
    pub merged: u64,
    /// How many these are.
    pub into: u64,
    /// Segments, of any writer, that a bigger one covered already.
    pub covered: u64,
    /// The bytes that are less on the disk.
    pub freed: u64,
}

/// A segment on disk, read and verified.
struct Whole {
    found: Found,
    bytes: u64,
    segment: Segment,
}

/// Drops covered segments, and merges small ones of this host's own writers.
pub fn compact(store: &Store, how: How) -> Result<Compacted, Error> {
    sweep::may(store, how)?;
    let dry_run = how.dry_run;
    store.refresh()?;
    let mut done = Compacted::default();
    let own = store.own();
    for writer in list::writers(store.layout())? {
        let mut found = list::of_writer(store.layout(), writer)?;
        drop_of(store, writer, &mut found, dry_run, &mut done)?;
        if own.contains(&writer) {
            merge(store, writer, &found, dry_run, &mut done)?;
        }
    }
    Ok(done)
}

/// Drops segments that a bigger one covers, and merges none: for whoever received bigger ones.
pub fn drop_covered(store: &Store, how: How) -> Result<Compacted, Error> {
    sweep::may(store, how)?;
    store.refresh()?;
    let mut done = Compacted::default();
    for writer in list::writers(store.layout())? {
        let mut found = list::of_writer(store.layout(), writer)?;
        drop_of(store, writer, &mut found, how.dry_run, &mut done)?;
    }
    Ok(done)
}

/// Drops what is covered of one writer's segments, and takes it from the list.
fn drop_of(
    store: &Store,
    writer: WriterId,
    found: &mut Vec<Found>,
    dry_run: bool,
    done: &mut Compacted,
) -> Result<(), Error> {
    // Of those that begin together the longest first: it covers the others.
    found.sort_by_key(|one| (one.name.first, std::cmp::Reverse(one.name.last)));
    let covered = covered(found)?;
    done.covered += covered.len() as u64;
    for old in covered.chunks(BATCH) {
        if dry_run {
            done.freed += old.iter().map(|one| one.bytes).sum::<u64>();
        } else {
            done.freed += replace(store, writer, old, None)?;
        }
    }
    let gone: Vec<&Found> = covered.iter().map(|whole| &whole.found).collect();
    found.retain(|one| !gone.contains(&one));
    Ok(())
}

fn read(found: &Found) -> Result<Option<Whole>, Error> {
    let Ok(metadata) = std::fs::symlink_metadata(&found.path) else { return Ok(None) };
    let reader = match SegmentReader::open(&found.path, false) {
        Ok(Some(reader)) if metadata.is_file() => reader,
        Ok(_) => return Ok(None),
        Err(error) if error.is_damage() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match reader.verified(found.writer, &found.name) {
        Ok(segment) => {
            let bytes = disk::allocated(&metadata);
            Ok(Some(Whole { found: found.clone(), bytes, segment }))
        }
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the segments whose records all lie in a bigger one, in the same chain.
fn covered(found: &[Found]) -> Result<Vec<Whole>, Error> {
    let mut covered = Vec::new();
    let mut big: Option<(&Found, Option<Whole>)> = None;
    for one in found {
        let inside = big.as_ref().is_some_and(|(big, _)| one.name.last <= big.name.last);
        if !inside {
            big = Some((one, None));
            continue;
        }
        let Some((big, whole)) = &mut big else { continue };
        if whole.is_none() {
            *whole = read(big)?;
        }
        let (Some(whole), Some(one)) = (whole.as_ref(), read(one)?) else { continue };
        let (span, bigger) = (one.segment.span, &whole.segment);
        // Hashes of the chain cover all records before them: equal ends are equal records.
        let same = bigger.hash_at(span.name.first - 1) == Some(span.before)
            && bigger.hash_at(span.name.last) == Some(span.after);
        if same {
            covered.push(one);
        }
    }
    Ok(covered)
}

fn merge(
    store: &Store,
    writer: WriterId,
    found: &[Found],
    dry_run: bool,
    done: &mut Compacted,
) -> Result<(), Error> {
    let mut group: Vec<Whole> = Vec::new();
    let mut raw = 0;
    for one in found {
        let is_small = std::fs::metadata(&one.path).is_ok_and(|metadata| metadata.len() < SMALL);
        let whole = if is_small { read(one)? } else { None };
        let size = whole.as_ref().map_or(0, |whole| {
            whole.segment.records().map(|(_, bytes)| bytes.len()).sum::<usize>()
        });
        let follows = whole.as_ref().zip(group.last()).is_some_and(|(whole, last)| {
            whole.segment.span.name.first == last.segment.span.name.last + 1
                && whole.segment.span.before == last.segment.span.after
        });
        if !follows || raw + size > MERGED {
            finish(store, writer, std::mem::take(&mut group), dry_run, done)?;
            raw = 0;
        }
        raw += size;
        group.extend(whole);
    }
    finish(store, writer, group, dry_run, done)
}

/// Makes one segment of a group.
fn finish(
    store: &Store,
    writer: WriterId,
    group: Vec<Whole>,
    dry_run: bool,
    done: &mut Compacted,
) -> Result<(), Error> {
    let (Some(first), true) = (group.first(), group.len() > 1) else { return Ok(()) };
    done.merged += group.len() as u64;
    done.into += 1;
    if dry_run {
        return Ok(());
    }
    let records: Vec<&[u8]> =
        group.iter().flat_map(|whole| whole.segment.records().map(|(_, bytes)| bytes)).collect();
    let span = first.segment.span;
    let built = segment::build(writer, span.name.first, span.before, &records)?;
    let mut rows = Rows::default();
    for (place, bytes) in built.places.iter().zip(&records) {
        rows.add(place.position, &Keys::of(&Record::read(bytes)?)?);
    }
    // Durable before anything goes; two who merge the same write the same file.
    let proof = append::publish(store.layout(), &built.span, &built.stored)?;
    let size = proof.size.div_ceil(4096) * 4096;
    let row = SegmentRow { writer, name: built.span.name, proof: Some(proof), bad: None };
    let mut new = Some((row, rows));
    for old in group.chunks(BATCH) {
        done.freed += replace(store, writer, old, new.take())?;
    }
    done.freed = done.freed.saturating_sub(size);
    Ok(())
}

/// Tells the index where records lie now and removes the files that they lay in; returns their bytes.
fn replace(
    store: &Store,
    writer: WriterId,
    old: &[Whole],
    new: Option<(SegmentRow, Rows)>,
) -> Result<u64, Error> {
    let layout = store.layout();
    let local = layout.local();
    let collecting = lock::collecting(local).map_err(lock_error(local))?;
    let log = Lock::exclusive(&layout.log_lock()).map_err(lock_error(local))?;
    let ids: HashMap<(WriterId, SegmentName), SegmentId> = store
        .ask(|index| index.segments())?
        .into_iter()
        .map(|(id, row)| ((row.writer, row.name), id))
        .collect();
    let days = store.ask(|index| index.days())?;
    let mut moved = Vec::new();
    for whole in old {
        let Some(id) = ids.get(&(writer, whole.found.name)) else { continue };
        let mut rows = Rows::default();
        for (place, bytes) in whole.segment.records() {
            rows.add(place.position, &Keys::of(&Record::read(bytes)?)?);
        }
        moved.push((*id, rows));
    }
    // Read as lately as any of what went into it.
    let day = moved.iter().filter_map(|(id, _)| days.get(id)).max().copied();
    if let Some((row, _)) = &new {
        follow(store, writer, old, row.name)?;
    }
    let change = Change { segments: new.into_iter().collect(), moved, day, ..Change::default() };
    store.ask(|index| index.apply(&change))?;
    let mut freed = 0;
    let mut folders = BTreeSet::new();
    for whole in old {
        freed += disk::remove_plain(&whole.found.path)?.unwrap_or(0);
        folders.insert(layout.segment_folder(writer, whole.found.name.first));
    }
    for folder in &folders {
        disk::sync_folder(folder)?;
    }
    drop((log, collecting));
    Ok(freed)
}

/// Lets the floor name the segment that its head lies in now.
fn follow(store: &Store, writer: WriterId, old: &[Whole], new: SegmentName) -> Result<(), Error> {
    let path = store.layout().writer();
    let Some(floor) = Floor::read(&path)? else { return Ok(()) };
    let named = |name: &SegmentName| old.iter().any(|whole| whole.found.name == *name);
    if floor.writer == writer
        && floor.last.as_ref().is_some_and(named)
        && floor.head.seq == new.last
    {
        Floor { last: Some(new), ..floor }.write(&path).map_err(|error: StoreError| error.into())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;
    use crate::gc::trial::{self, With, entry, put};
    use crate::store::index::ask::Table;

    fn segments(store: &Store) -> Vec<Found> {
        list::all(store.layout()).unwrap()
    }

    #[test]
    fn small_segments_become_one_with_the_same_records_and_chain() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        let store = trial::open(&root, "m");
        for number in 0..6 {
            put(&store, vec![entry(number, With::default())]);
        }
        let before = store.verify().unwrap();
        let old: Vec<Found> = segments(&store);
        let copies: Vec<Vec<u8>> = old.iter().map(|one| fs::read(&one.path).unwrap()).collect();
        let dry = compact(&store, How { dry_run: true, alone: false }).unwrap();
        assert_eq!((dry.merged, dry.into, segments(&store).len()), (6, 1, 6));
        let done = compact(&store, How::default()).unwrap();
        assert_eq!((done.merged, done.into, done.covered), (6, 1, 0));
        let after = store.verify().unwrap();
        assert!(after.is_clean() && after.gaps.is_empty() && after.forks.is_empty());
        assert_eq!((after.records, &after.ends, after.segments), (6, &before.ends, 1));
        // Rows moved: none leads to a segment that is gone, also for another process.
        for store in [&store, &trial::open(&root, "m")] {
            for number in 0..6 {
                let key = trial::node(number).0.prefix();
                let spots = store.index().spots(Table::Node, key).unwrap();
                assert_eq!(spots.len(), 1);
                assert!(store.index().segment(spots[0].segment).unwrap().is_some());
                assert_eq!(store.receipts(trial::node(number)).unwrap().len(), 1);
            }
        }
        assert_eq!(compact(&store, How::default()).unwrap(), Compacted::default());
        // The log goes on behind it, by the same writer.
        put(&store, vec![entry(7, With::default())]);
        let after = store.verify().unwrap();
        assert_eq!((after.ends.len(), after.heads(), after.gaps.len()), (1, 1, 0));
        // What comes back with a copy is covered, and dropped.
        for (one, bytes) in old.iter().zip(&copies) {
            fs::write(&one.path, bytes).unwrap();
        }
        let again = trial::open(&root, "m");
        assert_eq!(again.receipts(trial::node(3)).unwrap().len(), 2, "both count");
        let done = compact(&again, How::default()).unwrap();
        assert_eq!((done.covered, done.merged), (6, 2));
        assert_eq!(again.receipts(trial::node(3)).unwrap().len(), 1);
        assert_eq!(segments(&again).len(), 1);
    }

    #[test]
    fn segments_of_others_are_dropped_when_covered_and_never_merged() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ours, theirs) = (one.path().join("store"), two.path().join("store"));
        let other = trial::open(&theirs, "theirs");
        for number in 0..3 {
            put(&other, vec![entry(number, With::default())]);
        }
        let store = trial::open(&ours, "ours");
        let copy = || {
            let copied = std::process::Command::new("cp")
                .args(["-rf".as_ref(), theirs.join("objects").as_os_str(), ours.as_os_str()])
                .status();
            assert!(copied.unwrap().success());
        };
        copy();
        assert_eq!(compact(&store, How::default()).unwrap(), Compacted::default());
        assert_eq!(segments(&store).len(), 3);
        compact(&other, How::default()).unwrap();
        copy();
        assert_eq!(segments(&store).len(), 4);
        assert_eq!(compact(&store, How::default()).unwrap().covered, 3);
        assert_eq!(segments(&store).len(), 1);
        assert!(store.verify().unwrap().is_clean());
    }
}
