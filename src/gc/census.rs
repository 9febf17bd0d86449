//! All objects counted anew: what was copied in or taken away by others is known again.

use std::collections::{HashMap, HashSet};

use crate::gc::error::Error;
use crate::gc::history;
use crate::gc::reach;
use crate::id::BlobId;
use crate::store::index::ask::{Change, FOREVER, ObjectRow, unproved};
use crate::store::open::Store;

/// What a census found.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Census {
    /// Objects that the index did not know.
    pub found: u64,
    /// Objects that the index knew and that are gone.
    pub lost: u64,
}

/// So many rows are told together.
const TOGETHER: usize = 4096;

/// Walks over all objects and brings the index up to date.
///
/// What is new is taken as used now: when it was used nobody wrote down. What it cost and how long it
/// lives the log says. Its bytes are not proved here but when somebody reads them.
pub fn census(store: &Store, now_ms: u64) -> Result<Census, Error> {
    // Rows first: what has one now was there before the walk.
    let mut rows: HashMap<BlobId, u64> = HashMap::new();
    let mut vague: HashSet<BlobId> = HashSet::new();
    let all = store.ask(|index| {
        let mut found = Vec::new();
        index.objects(&mut |row| found.push(row))?;
        Ok(found)
    })?;
    for row in all {
        rows.insert(row.id, row.proof.size);
        if row.until_ms == 0 {
            vague.insert(row.id);
        }
    }
    let mut new: HashMap<BlobId, ObjectRow> = HashMap::new();
    let mut changed = Vec::new();
    let used = now_ms / 1000;
    store.objects().walk(&mut |id, size| {
        let known = rows.remove(&id);
        if known.is_some_and(|known| known != size) {
            changed.push(id);
        }
        if known != Some(size) || vague.contains(&id) {
            let used = if known.is_some() { 0 } else { used };
            let proof = unproved(size);
            new.insert(id, ObjectRow { id, proof, used, uses: 0, cost_us: 0, until_ms: 0 });
        }
    })?;
    let lost: Vec<BlobId> = rows.into_keys().collect();
    if !new.is_empty() {
        history::runs(store.layout(), |run, receipt| {
            for id in reach::objects(receipt) {
                if let Some(row) = new.get_mut(&id) {
                    row.cost_us = row.cost_us.max(run.us);
                    row.until_ms = row.until_ms.max(run.until.unwrap_or(FOREVER));
                }
            }
        })?;
        // What no record names was put by hand, or its record was lost: nobody asks again.
        new.values_mut().filter(|row| row.until_ms == 0).for_each(|row| row.until_ms = FOREVER);
    }
    let census = Census {
        found: new.keys().filter(|id| !vague.contains(id)).count() as u64,
        lost: lost.len() as u64,
    };
    for lost in [lost, changed].concat().chunks(TOGETHER) {
        let change = Change { lost: lost.to_vec(), ..Change::default() };
        store.ask(|index| index.apply(&change))?;
    }
    let mut new: Vec<ObjectRow> = new.into_values().collect();
    new.sort_unstable_by_key(|row| row.id);
    for objects in new.chunks(TOGETHER) {
        let change = Change { objects: objects.to_vec(), ..Change::default() };
        store.ask(|index| index.apply(&change))?;
    }
    let change = Change { walked: Some(used), ..Change::default() };
    store.ask(|index| index.apply(&change))?;
    Ok(census)
}
