//! Whole segments that nobody reads any more, removed because somebody asked: a gap is legal.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::gc::error::{Error, lock_error};
use crate::gc::reach::Roots;
use crate::gc::sweep::{self, How};
use crate::store::index::ask::{Change, SegmentId, SegmentRow};
use crate::store::lock::{self, Lock};
use crate::store::object::disk;
use crate::store::object::layout::WriterId;
use crate::store::open::Store;

/// Seconds of a day.
const DAY_S: u64 = 86_400;
/// So many files go while nobody seals.
const BATCH: usize = 256;

/// What was forgotten.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Forgotten {
    /// Segments that went.
    pub segments: u64,
    /// Their records.
    pub records: u64,
    /// Their bytes.
    pub freed: u64,
    /// Pins that were written again, because they lay in these.
    pub pins: u64,
}

/// Forgets the segments of this host's own writers, but the newest of each, none of whose records was
/// read for so long.
///
/// Results in them are unknown afterwards and computed again when they are asked for. Pins that lay in
/// them are sealed again first, and what stands under a pin is read by looking for it, so that it stays.
pub fn forget(store: &Arc<Store>, age_s: u64, now_ms: u64, how: How) -> Result<Forgotten, Error> {
    sweep::may(store, how)?;
    store.refresh()?;
    // What pins and live runs stand on is read here, and so used today.
    Roots::look(store)?.reach(store)?;
    store.flush_uses()?;
    let before = (now_ms / 1000).saturating_sub(age_s) / DAY_S;
    let old = unread(store, before)?;
    let ids: BTreeSet<SegmentId> = old.iter().map(|(id, _)| *id).collect();
    let mut done = Forgotten::default();
    if how.dry_run || old.is_empty() {
        for (_, row) in &old {
            count(&mut done, row);
            done.freed += row.proof.map_or(0, |proof| proof.size);
        }
        return Ok(done);
    }
    done.pins = seal_again(store, &ids)?;
    for batch in old.chunks(BATCH) {
        let layout = store.layout();
        let local = layout.local();
        let collecting = lock::collecting(local).map_err(lock_error(local))?;
        let log = Lock::exclusive(&layout.log_lock()).map_err(lock_error(local))?;
        store.rest()?;
        let standing: BTreeSet<SegmentId> =
            store.pins()?.iter().map(|standing| standing.segment).collect();
        // Asked again behind the locks: one may have been read, or pinned in, or be the newest now.
        let still: HashMap<SegmentId, SegmentRow> = unread(store, before)?.into_iter().collect();
        let mut gone = Vec::new();
        for (id, row) in batch {
            if still.get(id).is_none_or(|now| now != row) || standing.contains(id) {
                continue;
            }
            if let Some(freed) = disk::remove_plain(&layout.segment(row.writer, &row.name))? {
                count(&mut done, row);
                done.freed += freed;
            }
            gone.push(*id);
        }
        store.ask(|index| index.apply(&Change { gone: gone.clone(), ..Change::default() }))?;
        drop((log, collecting));
    }
    store.close_segments();
    Ok(done)
}

fn count(done: &mut Forgotten, row: &SegmentRow) {
    done.segments += 1;
    done.records += row.name.records();
}

/// Returns the own segments, but the newest of each writer, that were last read before a day.
fn unread(store: &Store, before: u64) -> Result<Vec<(SegmentId, SegmentRow)>, Error> {
    let own = store.own();
    let days = store.ask(|index| index.days())?;
    let mut rows = store.ask(|index| index.segments())?;
    rows.retain(|(_, row)| own.contains(&row.writer) && row.bad.is_none());
    let mut newest: BTreeMap<WriterId, u64> = BTreeMap::new();
    for (_, row) in &rows {
        let last = newest.entry(row.writer).or_default();
        *last = (*last).max(row.name.last);
    }
    rows.retain(|(id, row)| {
        let is_newest = newest[&row.writer] == row.name.last;
        !is_newest && days.get(id).is_some_and(|day| *day < before)
    });
    Ok(rows)
}

/// Seals what stands of every name whose record lies in these segments: also that a name keeps
/// nothing, else an older pin of another writer would stand again.
fn seal_again(store: &Arc<Store>, ids: &BTreeSet<SegmentId>) -> Result<u64, Error> {
    let standing = store.pins()?.into_iter().filter(|standing| ids.contains(&standing.segment));
    let entries: Vec<_> = standing.map(|standing| standing.again(standing.pin.on)).collect();
    if entries.is_empty() {
        return Ok(0);
    }
    let count = entries.len() as u64;
    let writer = store.writer(None)?;
    for entry in entries {
        writer.submit(entry)?;
    }
    let summary = writer.finish()?;
    if summary.stored != count {
        let why = summary.error.map_or_else(|| "left out".to_owned(), |error| error.to_string());
        return Err(Error::Pins(why));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::gc::trial::{self, LATER_MS, With, entry, put};
    use crate::store::log::record::Target;

    const YEAR_S: u64 = 365 * DAY_S;

    fn known(store: &Store) -> Vec<u64> {
        (0..9).filter(|number| store.defined(trial::node(*number)).unwrap()).collect()
    }

    #[test]
    fn what_nobody_reads_is_forgotten_but_for_the_newest_and_what_is_pinned() {
        let folder = tempfile::tempdir().unwrap();
        let store = trial::open(&folder.path().join("store"), "m");
        put(&store, vec![store.pinning("kept", Target::Node(trial::node(1))).unwrap()]);
        for number in 0..5 {
            put(&store, vec![entry(number, With::default())]);
        }
        put(&store, vec![store.pinning("gone", Target::Node(trial::node(4))).unwrap()]);
        put(&store, vec![store.pins().unwrap()[0].again(false)]);
        put(&store, vec![entry(5, With::default())]);
        store.flush_uses().unwrap();
        let day = LATER_MS / 1000 / DAY_S - 10;
        let read = |number: u64| {
            let key = trial::node(number).0.prefix();
            let spots = store.index().spots(crate::store::index::ask::Table::Node, key).unwrap();
            let read = spots.iter().map(|spot| (spot.segment, day)).collect();
            store.index().apply(&Change { read, ..Change::default() }).unwrap();
        };
        // Read ten days before; and by the pin, which the collector itself looks after.
        read(2);
        read(1);
        let dry = forget(&store, YEAR_S, LATER_MS, How { dry_run: true, alone: false }).unwrap();
        assert_eq!(known(&store), [0, 1, 2, 3, 4, 5]);
        let done = forget(&store, YEAR_S, LATER_MS, How::default()).unwrap();
        assert_eq!((done.segments, done.records), (dry.segments, dry.records));
        assert_eq!(done.pins, 2, "also that `gone` keeps nothing");
        assert_eq!(known(&store), [1, 2, 5]);
        let pins: Vec<(String, bool)> =
            store.pins().unwrap().into_iter().map(|one| (one.pin.name, one.pin.on)).collect();
        assert_eq!(pins, [("gone".to_owned(), false), ("kept".to_owned(), true)]);
        let report = store.verify().unwrap();
        assert!(report.is_clean() && !report.gaps.is_empty() && report.forks.is_empty());
        // The log goes on, by the same writer, and what was forgotten can be had again.
        put(&store, vec![entry(0, With::default())]);
        assert_eq!((known(&store), store.verify().unwrap().ends.len()), (vec![0, 1, 2, 5], 1));
        assert_eq!(forget(&store, 100_000 * DAY_S, LATER_MS, How::default()).unwrap().segments, 0);
    }
}
